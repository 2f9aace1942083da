//! Data of DVC's that lies in a bucket.

use object_store::ObjectStoreExt as _;
use object_store::aws::AmazonS3Builder;

use super::{import, project};
use crate::project::files;
use crate::remote::weed::{BUCKET, KEY, Weed};

/// Puts a file into the bucket.
fn put(weed: &Weed, key: &str, bytes: Vec<u8>) {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let bucket = AmazonS3Builder::new()
        .with_bucket_name(BUCKET)
        .with_endpoint(format!("http://127.0.0.1:{}", weed.port))
        .with_region("us-east-1")
        .with_allow_http(true)
        .with_access_key_id(KEY.0)
        .with_secret_access_key(KEY.1)
        .build()
        .expect("a client");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let path = object_store::path::Path::from(key);
    // The bucket is made when the server is up.
    for _ in 0..600 {
        match runtime.block_on(bucket.put(&path, bytes.clone().into())) {
            Ok(_) => return,
            Err(object_store::Error::NotFound { .. }) => std::thread::sleep(std::time::Duration::from_millis(100)),
            Err(error) => panic!("put: {error}"),
        }
    }
    panic!("there is no bucket");
}

#[test]
fn what_is_only_in_a_bucket_is_fetched() {
    let Some(weed) = Weed::get("a remote of DVC's on SeaweedFS") else { return };
    let project = project("odd");
    let cache = project.root().join(".dvc/cache");
    for file in files(&cache) {
        let key = format!("team/dvc/{}", file.strip_prefix(&cache).expect("within").display());
        put(&weed, &key, std::fs::read(&file).expect("read"));
    }
    std::fs::remove_dir_all(&cache).expect("remove");
    let config = format!("[core]\n    remote = far\n['remote \"far\"']\n    url = s3://{BUCKET}/team/dvc\n");
    let local = format!(
        "['remote \"far\"']\n    endpointurl = http://127.0.0.1:{}\n    access_key_id = {}\n    secret_access_key = {}\n",
        weed.port, KEY.0, KEY.1
    );
    project.write(".dvc/config", &config).write(".dvc/config.local", &local);
    let checked = import(&project, &["--check"]);
    assert!(checked.stderr.contains(".dvc/config:4:1: the remote `far` (s3) is not read"), "{}", checked.stderr);
    assert!(checked.stderr.contains("`kiln import dvc --fetch` fetches from it what is missing"), "{}", checked.stderr);
    assert!(!cache.exists(), "nothing is fetched");
    let ran = import(&project, &["--fetch"]);
    assert!(ran.stdout.contains("adopted 4 results of 6 from DVC"), "{}{}", ran.stdout, ran.stderr);
    assert_eq!(project.read("data/tracked.txt"), "one\r\ntwo\r\n");
    project.run(&[]);
    assert_eq!(project.read("pieces/b"), "2\n");
}

#[test]
fn a_bucket_that_refuses_is_said() {
    let Some(weed) = Weed::get("a remote of DVC's on SeaweedFS") else { return };
    let project = project("odd");
    std::fs::remove_dir_all(project.root().join(".dvc/cache")).expect("remove");
    let config = format!(
        "['remote \"far\"']\n    url = s3://{BUCKET}/team/dvc\n    endpointurl = http://127.0.0.1:{}\n    access_key_id = {}\n    \
         secret_access_key = wrong\n",
        weed.port, KEY.0
    );
    project.write(".dvc/config", &config);
    let ran = project.kiln(&["import", "dvc", "--fetch"]);
    assert_eq!(ran.code, Some(2), "sources are missing: {}{}", ran.stdout, ran.stderr);
    let expected = ".dvc/config:2:1: the remote `far` did not give all that was asked for: ";
    assert!(ran.stderr.contains(expected), "{}", ran.stderr);
}
