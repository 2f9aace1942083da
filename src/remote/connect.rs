//! From an address and the environment to clients for it. What can be known to be wrong before the first request is said here, in words.

use std::env;
use std::fs;
use std::net::IpAddr;
use std::path::Path;
use std::sync::{Arc, Once};
use std::time::Duration;

use object_store::aws::{AmazonS3Builder, Checksum};
use object_store::azure::MicrosoftAzureBuilder;
use object_store::gcp::GoogleCloudStorageBuilder;
use object_store::local::LocalFileSystem;
use object_store::memory::InMemory;
use object_store::{BackoffConfig, ClientOptions, ObjectStore, RetryConfig};

use super::profile;
use crate::address::{Address, Mistake, Place};

/// A connection has to stand after so long.
const CONNECT: Duration = Duration::from_secs(3);
/// A question has to be answered after so long.
const QUESTION: Duration = Duration::from_secs(6);
/// A part of a content has to be there after so long.
const PART: Duration = Duration::from_secs(60);

/// What another tool's settings say of a bucket; what they do not say is taken from the environment.
#[derive(Clone, Debug, Default)]
pub struct BucketSettings {
    /// Another server than Amazon's.
    pub endpoint: Option<String>,
    /// The region.
    pub region: Option<String>,
    /// The profile of `~/.aws`.
    pub profile: Option<String>,
    /// The key and its secret.
    pub key: Option<(String, String)>,
}

/// The clients of a remote cache.
#[derive(Clone)]
pub(super) struct Clients {
    /// For what is small: results, the mark, whether something is there.
    pub(super) small: Arc<dyn ObjectStore>,
    /// For contents.
    pub(super) large: Arc<dyn ObjectStore>,
}

/// The clients for an address.
///
/// # Errors
/// What is wrong with the settings of this machine.
pub(super) fn clients(address: &Address) -> Result<Clients, Mistake> {
    provider();
    let bad = |error: object_store::Error| unusable(address, &error);
    let both = |make: &dyn Fn(ClientOptions, RetryConfig) -> object_store::Result<Arc<dyn ObjectStore>>| {
        let small = make(options(QUESTION), retries(2, 4)).map_err(bad)?;
        Ok(Clients { small, large: make(options(PART), retries(3, 20)).map_err(bad)? })
    };
    match &address.place {
        Place::Folder(path) => {
            let there = folder(path)?;
            Ok(Clients { small: Arc::clone(&there), large: there })
        }
        Place::S3(bucket) => s3_clients(address, bucket, &BucketSettings::default()),
        Place::Gcs(bucket) => {
            google_credentials()?;
            let builder = GoogleCloudStorageBuilder::from_env().with_bucket_name(bucket);
            both(&|options, retry| {
                let builder = builder.clone().with_client_options(options.with_allow_http(false)).with_retry(retry);
                Ok(Arc::new(builder.build()?))
            })
        }
        Place::Azure(container) => {
            azure_account()?;
            let builder = MicrosoftAzureBuilder::from_env().with_container_name(container);
            let plain = set("AZURE_ALLOW_HTTP").is_some_and(|value| is_true(&value));
            both(&|options, retry| {
                let builder = builder.clone().with_client_options(options.with_allow_http(plain)).with_retry(retry);
                Ok(Arc::new(builder.build()?))
            })
        }
    }
}

/// The clients for a bucket of S3's, with what another tool says of it.
pub(super) fn s3_clients(address: &Address, bucket: &str, given: &BucketSettings) -> Result<Clients, Mistake> {
    provider();
    let builder = s3(bucket, given)?;
    let make = |options, retry| -> Result<Arc<dyn ObjectStore>, Mistake> {
        let builder = builder.clone().with_client_options(options).with_retry(retry);
        Ok(Arc::new(builder.build().map_err(|error| unusable(address, &error))?))
    };
    Ok(Clients { small: make(options(QUESTION), retries(2, 4))?, large: make(options(PART), retries(3, 20))? })
}

/// One provider of cryptography for all that speaks TLS here. That there is one already is as good.
fn provider() {
    static PROVIDER: Once = Once::new();
    PROVIDER.call_once(|| drop(rustls::crypto::ring::default_provider().install_default()));
}

fn unusable(address: &Address, error: &object_store::Error) -> Mistake {
    Mistake::new(
        format!("cannot use `{address}`: {}", chain(error)),
        "look at the settings of this remote in the environment",
    )
}

fn options(timeout: Duration) -> ClientOptions {
    // Whether plain HTTP will do was settled before.
    ClientOptions::new().with_connect_timeout(CONNECT).with_timeout(timeout).with_allow_http(true)
}

fn retries(most: usize, seconds: u64) -> RetryConfig {
    let backoff = BackoffConfig { max_backoff: Duration::from_secs(2), ..BackoffConfig::default() };
    RetryConfig { backoff, max_retries: most, retry_timeout: Duration::from_secs(seconds) }
}

/// Clients that find nothing, for a remote that is left alone.
pub(super) fn nowhere() -> Clients {
    let nothing: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    Clients { small: Arc::clone(&nothing), large: nothing }
}

fn folder(path: &Path) -> Result<Arc<dyn ObjectStore>, Mistake> {
    match fs::metadata(path) {
        Ok(metadata) if metadata.is_dir() => {}
        Ok(_) => {
            return Err(Mistake::new(
                format!("{} is not a folder", path.display()),
                "name a folder that all machines see",
            ));
        }
        Err(error) => {
            return Err(Mistake::new(
                format!("cannot find the folder {}: {error}", path.display()),
                "make it, or mount it where it is expected, and run again",
            ));
        }
    }
    let there = LocalFileSystem::new_with_prefix(path)
        .map_err(|error| Mistake::new(format!("cannot use {}: {error}", path.display()), "name another folder"))?;
    Ok(Arc::new(there))
}

fn s3(bucket: &str, given: &BucketSettings) -> Result<AmazonS3Builder, Mistake> {
    let profile = profile::read(given.profile.as_deref());
    let mut builder = AmazonS3Builder::from_env().with_bucket_name(bucket);
    let endpoint = ["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT"]
        .into_iter()
        .find_map(|name| Some((name, set(name)?)))
        .or_else(|| Some(("endpoint_url", profile.endpoint.clone()?)));
    let endpoint = given.endpoint.clone().map(|endpoint| ("endpointurl", endpoint)).or(endpoint);
    if let Some((from, endpoint)) = endpoint {
        builder = builder.with_endpoint(checked(&endpoint, from)?).with_allow_http(true);
    }
    let region =
        given.region.clone().or_else(|| set("AWS_REGION")).or_else(|| set("AWS_DEFAULT_REGION")).or(profile.region);
    builder = builder.with_region(region.unwrap_or_else(|| "us-east-1".to_owned()));
    let own = set("AWS_ACCESS_KEY_ID").zip(set("AWS_SECRET_ACCESS_KEY"));
    let elsewhere =
        ["AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI"];
    let asked_for = set("AWS_PROFILE").is_some() || given.profile.is_some();
    let own = given.key.clone().or(own);
    let asked_for = asked_for && given.key.is_none();
    match (own, profile.key) {
        (Some((id, secret)), _) if !asked_for || id.is_empty() => {
            builder = builder.with_access_key_id(id).with_secret_access_key(secret);
        }
        (_, Some((id, secret))) => {
            builder = builder.with_access_key_id(id).with_secret_access_key(secret);
            if let Some(token) = profile.token {
                builder = builder.with_token(token);
            }
        }
        (Some((id, secret)), None) => builder = builder.with_access_key_id(id).with_secret_access_key(secret),
        (None, None) if elsewhere.iter().any(|name| set(name).is_some()) || is_on_ec2() => {}
        (None, None) => {
            let found = match profile.exchanged {
                Some(way) => format!(
                    "; the profile `{}` of ~/.aws uses {way}, which Kiln does not exchange for keys",
                    profile.name
                ),
                None => String::new(),
            };
            return Err(Mistake::new(
                format!("there are no credentials for S3{found}"),
                format!(
                    "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or put keys into the profile `{}` of ~/.aws/credentials{}",
                    profile.name,
                    if profile.exchanged.is_some() {
                        "; `aws configure export-credentials --format env` prints what to set"
                    } else {
                        ""
                    }
                ),
            ));
        }
    }
    // Some servers look at this where they do not look at what is signed.
    Ok(builder.with_checksum_algorithm(Checksum::SHA256))
}

/// An endpoint that can be one.
fn checked(endpoint: &str, from: &str) -> Result<String, Mistake> {
    let hint = "an endpoint is `https://` and a host, and perhaps a port";
    let Some((scheme, rest)) = endpoint.split_once("://") else {
        return Err(Mistake::new(format!("the endpoint `{endpoint}` ({from}) has no scheme"), hint));
    };
    let host = rest.split('/').next().unwrap_or_default();
    let bare = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.rsplit_once(':').map_or(host, |(host, _)| host),
    };
    if bare.is_empty() || host.contains(['@', ' ', '?', '#']) {
        return Err(Mistake::new(format!("the endpoint `{endpoint}` ({from}) names no host"), hint));
    }
    let loops = bare == "localhost" || bare.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
    let allowed = loops || set("AWS_ALLOW_HTTP").is_some_and(|value| is_true(&value));
    match scheme {
        "https" => {}
        "http" if allowed => {}
        "http" => {
            return Err(Mistake::new(
                format!("the endpoint `{endpoint}` ({from}) is not encrypted"),
                "use https, or set AWS_ALLOW_HTTP=true if everybody on the way may read what is sent",
            ));
        }
        _ => return Err(Mistake::new(format!("`{scheme}` is no scheme of an endpoint ({from})"), hint)),
    }
    Ok(endpoint.trim_end_matches('/').to_owned())
}

fn google_credentials() -> Result<(), Mistake> {
    let names = [
        "GOOGLE_SERVICE_ACCOUNT",
        "GOOGLE_SERVICE_ACCOUNT_PATH",
        "GOOGLE_SERVICE_ACCOUNT_KEY",
        "GOOGLE_APPLICATION_CREDENTIALS",
        "GOOGLE_SKIP_SIGNATURE",
    ];
    let own = set("HOME").map(|home| Path::new(&home).join(".config/gcloud/application_default_credentials.json"));
    let vendor = fs::read_to_string("/sys/class/dmi/id/sys_vendor").unwrap_or_default();
    if names.iter().any(|name| set(name).is_some())
        || own.is_some_and(|path| path.exists())
        || vendor.contains("Google")
    {
        return Ok(());
    }
    Err(Mistake::new(
        "there are no credentials for Google Cloud Storage",
        "set GOOGLE_APPLICATION_CREDENTIALS to the file of a service account, or call `gcloud auth application-default login`",
    ))
}

fn azure_account() -> Result<(), Mistake> {
    if ["AZURE_STORAGE_ACCOUNT_NAME", "AZURE_STORAGE_USE_EMULATOR"].iter().any(|name| set(name).is_some()) {
        return Ok(());
    }
    Err(Mistake::new(
        "the storage account of Azure is not named",
        "set AZURE_STORAGE_ACCOUNT_NAME, and AZURE_STORAGE_ACCOUNT_KEY or another way to log in",
    ))
}

/// Whether this machine can ask Amazon's machines for keys: elsewhere the question would take seconds and end in a strange message.
fn is_on_ec2() -> bool {
    let vendor = || fs::read_to_string("/sys/class/dmi/id/sys_vendor").unwrap_or_default();
    set("AWS_EC2_METADATA_DISABLED").is_none_or(|value| !is_true(&value)) && vendor().contains("Amazon")
}

/// A variable that is set and not empty.
fn set(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}

fn is_true(value: &str) -> bool {
    ["1", "true", "yes", "on"].contains(&value.to_ascii_lowercase().as_str())
}

/// An error and all that it came from, in one line, each part once.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let part = cause.to_string();
        if !text.contains(&part) {
            text = format!("{text}: {part}");
        }
        next = cause.source();
    }
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::checked;

    #[test]
    fn endpoints_are_checked_before_anything_is_asked() {
        assert_eq!(checked("http://127.0.0.1:8333/", "x").unwrap(), "http://127.0.0.1:8333");
        assert_eq!(checked("https://objects.example:9000", "x").unwrap(), "https://objects.example:9000");
        assert!(checked("http://[::1]:9000", "x").is_ok());
        for (endpoint, part) in [
            ("objects.example:9000", "no scheme"),
            ("ftp://objects.example", "no scheme of an endpoint"),
            ("https://", "no host"),
            ("https://:9000", "no host"),
            ("http://127.example.org", "not encrypted"),
        ] {
            let mistake = checked(endpoint, "AWS_ENDPOINT_URL").unwrap_err();
            assert!(mistake.message.contains(part), "{endpoint}: {mistake}");
        }
    }
}
