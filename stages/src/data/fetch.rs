//! `fetch`: brings in a file whose digest is known beforehand, from the first source that has it.

mod download;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, BufRead as _, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, bail};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::kind::{self, Context, Kind, Output, ParamError, Role, schema};

/// Brings in a file whose digest is known beforehand.
pub const KIND: Kind = Kind {
    name: "fetch",
    summary: "Bring in a file with a pinned digest from the first source that has it",
    inputs: &[],
    outputs: &[Output { name: "file", file: "file", role: Role::Data, doc: "the bytes with the pinned digest" }],
    check,
    params: schema::<Params>,
    run,
    fixed: Some(fixed),
    chain: None,
    module: "data/fetch.rs",
};

/// The parameters of `fetch`.
#[derive(Clone, Debug, Deserialize, Serialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// BLAKE3 of the output in hex; of the unpacked bytes where `unpack` says so.
    pub digest: String,
    /// Where to look, in order: paths (absolute, or relative to the project) and `https://` or `http://` URLs.
    pub sources: Vec<String>,
    /// Whether the output is what the source holds, or what is packed in it.
    #[serde(default)]
    pub unpack: Unpack,
    /// Seconds without a byte after which a connection counts as broken.
    #[serde(default = "default_timeout")]
    pub timeout: u64,
}

fn default_timeout() -> u64 {
    30
}

/// What is done to the bytes of a source.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Unpack {
    /// Nothing.
    #[default]
    None,
    /// Unpack gzip; a source that is not gzip is taken as it is. Two distributors of a file seldom pack it to the same
    /// bytes, so this is how one digest covers both.
    Gzip,
}

fn check(with: &Value) -> Result<Value, ParamError> {
    let mut params: Params = kind::parse(with)?;
    let wrong = |path: &[&str], message: String, hint: &str| ParamError {
        path: path.iter().map(ToString::to_string).collect(),
        message,
        hint: Some(hint.to_owned()),
    };
    let digest = blake3::Hash::from_hex(&params.digest).map_err(|e| {
        let hint = "pin the BLAKE3 digest of the file, 64 hexadecimal digits; `b3sum FILE` prints it";
        wrong(&["digest"], format!("not a BLAKE3 digest: {e}"), hint)
    })?;
    params.digest = digest.to_hex().to_string();
    if params.sources.is_empty() {
        return Err(wrong(&["sources"], "no source is given".into(), "give a path or a URL"));
    }
    for (i, source) in params.sources.iter().enumerate() {
        if source.contains("://") && !is_url(source) {
            let message = format!("`{source}` is neither a path nor a URL with https:// or http://");
            return Err(wrong(&["sources", &i.to_string()], message, "use https://"));
        }
    }
    if params.timeout == 0 {
        return Err(wrong(&["timeout"], "must be at least one second".into(), "leave it out for 30 seconds"));
    }
    Ok(serde_json::to_value(params).expect("parameters are plain data"))
}

fn fixed(params: &Value) -> BTreeMap<String, String> {
    let digest = params.get("digest").and_then(Value::as_str).unwrap_or_default();
    BTreeMap::from([("file".to_owned(), digest.to_owned())])
}

fn is_url(source: &str) -> bool {
    source.starts_with("https://") || source.starts_with("http://")
}

/// The sources of checked parameters that are files, absolute or relative to the project.
pub fn files(params: &Value) -> Vec<PathBuf> {
    let sources = params["sources"].as_array().into_iter().flatten().filter_map(Value::as_str);
    sources.filter(|source| !is_url(source)).map(PathBuf::from).collect()
}

fn run(params: &Value, context: &Context) -> anyhow::Result<()> {
    let params: Params = serde_json::from_value(params.clone())?;
    let expected = blake3::Hash::from_hex(&params.digest)?;
    let output = context.output("file")?;
    let mut misses = String::new();
    for source in &params.sources {
        let why = match bring(source, &params, context, output) {
            Ok(actual) if actual == expected => {
                context.message(format!("{source}: has the bytes"));
                return Ok(());
            }
            Ok(actual) => format!("wrong digest: expected {expected}, got {actual}"),
            Err(e) => format!("{e:#}"),
        };
        context.message(format!("{source}: {why}"));
        write!(misses, "\n  {source}: {why}")?;
    }
    // What is left of the last wrong source must not be taken for the output.
    if output.exists() {
        std::fs::remove_file(output)?;
    }
    bail!("no source has the bytes with digest {expected}:{misses}");
}

/// Writes the bytes of a source to `output` and returns their digest.
fn bring(source: &str, params: &Params, context: &Context, output: &Path) -> anyhow::Result<blake3::Hash> {
    if !is_url(source) {
        let path: PathBuf = context.project.join(source);
        let file = match File::open(&path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => bail!("not there"),
            opened => opened.context("cannot be opened")?,
        };
        if file.metadata()?.is_dir() {
            bail!("is a folder, not a file");
        }
        return copy(file, params.unpack, output);
    }
    let folder = output.parent().unwrap_or(Path::new("."));
    let mut part = tempfile::NamedTempFile::new_in(folder).context("cannot make room for the download")?;
    download::download(source, part.as_file_mut(), Duration::from_secs(params.timeout), context)?;
    copy(part.reopen()?, params.unpack, output)
}

/// Copies, unpacks and hashes in one pass.
fn copy(from: File, unpack: Unpack, output: &Path) -> anyhow::Result<blake3::Hash> {
    let mut from = BufReader::with_capacity(BUFFER, from);
    let packed = unpack == Unpack::Gzip && from.fill_buf().context("cannot be read")?.starts_with(&[0x1f, 0x8b]);
    let mut reader: Box<dyn Read> =
        if packed { Box::new(flate2::bufread::MultiGzDecoder::new(from)) } else { Box::new(from) };
    let mut file = BufWriter::new(File::create(output).with_context(|| format!("cannot write {}", output.display()))?);
    let mut hasher = blake3::Hasher::new();
    let mut buffer = vec![0; BUFFER];
    loop {
        let n = match reader.read(&mut buffer) {
            Ok(0) => break,
            Ok(n) => n,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
            Err(e) => return Err(e).context(if packed { "its gzip stream is broken" } else { "cannot be read" }),
        };
        hasher.update(&buffer[..n]);
        file.write_all(&buffer[..n]).with_context(|| format!("cannot write {}", output.display()))?;
    }
    file.flush().with_context(|| format!("cannot write {}", output.display()))?;
    Ok(hasher.finalize())
}

const BUFFER: usize = 1 << 17;
