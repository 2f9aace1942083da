//! A real SeaweedFS, started by the tests that need one and stopped with the last of them.

use std::io::Write as _;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

/// The bucket that there is.
pub(crate) const BUCKET: &str = "cache";

/// Who may read and write there, and who may only read.
pub(crate) const KEY: (&str, &str) = ("KILNKEY", "kilnsecret");
pub(crate) const READER: (&str, &str) = ("LOOKKEY", "looksecret");

const CONFIG: &str = r#"{"identities": [
  {"name": "admin", "credentials": [{"accessKey": "ADMINKEY", "secretKey": "adminsecret"}],
   "actions": ["Admin", "Read", "Write", "List", "Tagging"]},
  {"name": "kiln", "credentials": [{"accessKey": "KILNKEY", "secretKey": "kilnsecret"}],
   "actions": ["Read:cache", "Write:cache", "List:cache", "Tagging:cache"]},
  {"name": "looker", "credentials": [{"accessKey": "LOOKKEY", "secretKey": "looksecret"}],
   "actions": ["Read:cache", "List:cache"]}
]}"#;

/// A server.
pub(crate) struct Weed {
    pub(crate) port: u16,
    process: Child,
    _folder: tempfile::TempDir,
}

impl Weed {
    /// The server of this process, if the program is there; without it the tests say so and check nothing, unless `CI=true`.
    pub(crate) fn get(what: &str) -> Option<Arc<Self>> {
        static RUNNING: Mutex<Weak<Weed>> = Mutex::new(Weak::new());
        let Some(program) = program() else {
            assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "{what}: no SeaweedFS on this machine");
            let _ = writeln!(std::io::stderr(), "NOT CHECKED, no SeaweedFS (tests/support/seaweedfs.sh): {what}");
            return None;
        };
        let mut running = RUNNING.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(weed) = running.upgrade() {
            return Some(weed);
        }
        let weed = Arc::new(Self::start(&program));
        *running = Arc::downgrade(&weed);
        Some(weed)
    }

    fn start(program: &Path) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let config = folder.path().join("s3.json");
        std::fs::write(&config, CONFIG).expect("write the keys");
        // Each port has a second one that much higher.
        let ports: Vec<u16> = (0..5).map(|_| free_port()).collect();
        let mut command = Command::new(program);
        command.arg("mini").arg(format!("-dir={}", folder.path().display()));
        command.args(["-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-s3.autoCreateBucket=false", "-webdav=false"]);
        command.args(["-admin.ui=false", "-master.telemetry=false", "-s3.port.iceberg=0", "-s3.port.lance=0"]);
        command.arg(format!("-bucket={BUCKET}")).arg(format!("-s3.config={}", config.display()));
        for (name, port) in ["s3", "master", "volume", "filer", "admin"].iter().zip(&ports) {
            command.arg(format!("-{name}.port={port}"));
        }
        command.current_dir(folder.path()).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let weed = Self { port: ports[0], process: command.spawn().expect("start SeaweedFS"), _folder: folder };
        let deadline = Instant::now() + Duration::from_secs(120);
        while TcpStream::connect(("127.0.0.1", weed.port)).is_err() {
            assert!(Instant::now() < deadline, "SeaweedFS never came up");
            std::thread::sleep(Duration::from_millis(50));
        }
        weed
    }
}

impl Drop for Weed {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A port on which nobody listens, nor on the one that SeaweedFS takes with it.
fn free_port() -> u16 {
    loop {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
        let port = listener.local_addr().expect("its number").port();
        if port < 50_000 && TcpListener::bind(("127.0.0.1", port + 10_000)).is_ok() {
            return port;
        }
    }
}

fn program() -> Option<PathBuf> {
    let named = std::env::var_os("KILN_TEST_WEED").map(PathBuf::from);
    let usual = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/seaweedfs/weed");
    named.into_iter().chain([usual]).find(|path| path.is_file())
}
