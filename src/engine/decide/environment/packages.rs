//! What is installed in an environment of Python: names, versions, and digests of what the packages hold.

use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::{Listing, Surroundings, short};
use crate::hash::picks::{Picks, Texts};
use crate::hash::walk::Extent;
use crate::pipeline::kept;

/// Of the sources of an editable install these do not count. Packages may be called `build`, `dist` or `venv` further down.
const NO_SOURCES: [&str; 8] =
    [".git/", ".venv/", "/venv/", "/build/", "/dist/", "*.egg-info/", "node_modules/", ".tox/"];

/// The name of a package as all its spellings come to.
pub(super) fn normal(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    for c in name.chars() {
        if matches!(c, '-' | '_' | '.') {
            if !out.ends_with('-') {
                out.push('-');
            }
        } else {
            out.extend(c.to_lowercase());
        }
    }
    out
}

/// What a stamp says of a file, as text.
pub(super) fn stamp(metadata: &Metadata) -> String {
    let (m, c) = ((metadata.mtime(), metadata.mtime_nsec()), (metadata.ctime(), metadata.ctime_nsec()));
    format!("{} {} {} {m:?} {c:?}", metadata.dev(), metadata.ino(), metadata.size())
}

/// What lies in the folders of an environment.
pub(super) struct Packages {
    /// Folders of metadata, `torch-2.9.1.dist-info`, and what decides what is in each.
    found: Vec<(PathBuf, String)>,
    /// Names of conda's packages: `mkl-2024.2.0-h38b5d06_1`.
    conda: Vec<String>,
}

impl Packages {
    /// Looks into folders. Of a package that lies in several, the last one counts.
    pub(super) fn look(prefix: Option<&Path>, folders: &[PathBuf]) -> Result<Self, String> {
        let mut packages = Self { found: vec![], conda: vec![] };
        for folder in folders {
            let Ok(entries) = fs::read_dir(folder) else { continue };
            let mut inside = vec![];
            for entry in entries {
                let entry = entry.map_err(|e| format!("cannot list {}: {e}", folder.display()))?;
                let name = entry.file_name();
                let name = name.to_string_lossy();
                if !(name.ends_with(".dist-info") || name.ends_with(".egg-info")) {
                    continue;
                }
                let path = entry.path();
                let of =
                    |inside: &str| fs::metadata(path.join(inside)).map_or_else(|_| "-".into(), |found| stamp(&found));
                let own = fs::metadata(&path).map_or_else(|_| "-".into(), |found| stamp(&found));
                let stamps = format!("{own} {} {}", of("RECORD"), of("direct_url.json"));
                inside.push((path, stamps));
            }
            inside.sort();
            packages.found.extend(inside);
        }
        if let Some(prefix) = prefix {
            for entry in fs::read_dir(prefix.join("conda-meta")).into_iter().flatten().flatten() {
                let name = entry.file_name().to_string_lossy().into_owned();
                packages.conda.extend(name.strip_suffix(".json").map(str::to_owned));
            }
            packages.conda.sort();
        }
        Ok(packages)
    }

    /// Versions by name. What was found out of the same files before is taken again.
    pub(super) fn listing(&self, around: &Surroundings<'_>) -> Result<Listing, String> {
        let name = format!("installed {:?} {:?}", self.found, self.conda);
        let known = kept::read_named(&around.kept, &name).and_then(|bytes| serde_json::from_slice(&bytes).ok());
        let (mut listing, editable): (Listing, Vec<(String, String, PathBuf)>) = match known {
            Some(known) => known,
            None => {
                let read = self.read();
                if let Ok(bytes) = serde_json::to_vec(&read) {
                    around.keep(&name, &bytes);
                }
                read
            }
        };
        for (name, version, sources) in editable {
            let sources = sources.canonicalize().unwrap_or(sources);
            // The guard lets a stage read of the project what it declares, and that is in its key.
            let what = if sources.starts_with(around.root) {
                "editable, of the project".to_owned()
            } else {
                let mut ignore = NO_SOURCES.map(str::to_owned).to_vec();
                if let Ok(inside) = around.root.strip_prefix(&sources) {
                    ignore.push(format!("/{}/", literal(inside)));
                }
                let texts = Texts { ignore, ..Texts::default() };
                let picks = Picks::new(texts).map_err(|(_, why)| why)?;
                let found = around.memo.source_in(&sources, Extent::Picked(&picks));
                let found = found
                    .map_err(|e| format!("cannot read {}, of which {name} is installed: {e}", sources.display()))?;
                found.map_or_else(|| "editable, gone".into(), |found| format!("editable {}", short(&found.digest.0)))
            };
            listing.insert(name, format!("{version} ({what})"));
        }
        Ok(listing)
    }

    fn read(&self) -> (Listing, Vec<(String, String, PathBuf)>) {
        let (mut listing, mut editable) = (Listing::new(), vec![]);
        for name in &self.conda {
            let mut parts = name.rsplitn(3, '-');
            if let (Some(build), Some(version), Some(name)) = (parts.next(), parts.next(), parts.next()) {
                listing.insert(normal(name), format!("{version} ({build})"));
            }
        }
        let conda = listing.clone();
        for (path, _) in &self.found {
            let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            let (name, version) = stem.split_once('-').unwrap_or((&stem, ""));
            // `PyYAML-6.0-py3.11.egg-info`.
            let version = version.split_once("-py").map_or(version, |(version, _)| version);
            let name = normal(name);
            // The last one counts, whichever sort it is of.
            editable.retain(|(other, ..): &(String, String, PathBuf)| *other != name);
            if let Some(sources) = editable_from(path) {
                listing.remove(&name);
                editable.push((name, version.to_owned(), sources));
                continue;
            }
            let version = match (fs::read(path.join("RECORD")), conda.get(&name)) {
                (Ok(record), _) => format!("{version} ({})", digest_of(&record)),
                // Of a package that conda installed, conda says more.
                (Err(_), Some(said)) if said.split(" (").next() == Some(version) => said.clone(),
                (Err(_), Some(said)) => format!("{said}, {version}"),
                (Err(_), None) => version.to_owned(),
            };
            listing.insert(name, version);
        }
        (listing, editable)
    }
}

/// A path as a pattern that fits it alone.
fn literal(path: &Path) -> String {
    let mut pattern = String::new();
    for c in path.to_string_lossy().chars() {
        if "*?[]{}!#\\ ".contains(c) {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    pattern
}

/// The folder that an editable install is of.
fn editable_from(dist_info: &Path) -> Option<PathBuf> {
    let text = fs::read(dist_info.join("direct_url.json")).ok()?;
    let value: serde_json::Value = serde_json::from_slice(&text).ok()?;
    if value["dir_info"]["editable"] != true {
        return None;
    }
    let path = value["url"].as_str()?.strip_prefix("file://")?;
    Some(PathBuf::from(decoded(path)))
}

/// A path of a URL without its `%20`.
fn decoded(path: &str) -> String {
    let mut bytes = Vec::with_capacity(path.len());
    let mut rest = path.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let hex = after.get(..2).and_then(|hex| std::str::from_utf8(hex).ok());
        match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()).filter(|_| first == b'%') {
            Some(byte) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            None => {
                bytes.push(first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The digest of a RECORD: what every installer writes for the same package, on every machine. Scripts beside the packages hold the path of the
/// interpreter, and compiled modules and notes of the installer come and go.
fn digest_of(record: &[u8]) -> String {
    let text = String::from_utf8_lossy(record);
    let counts = |line: &&str| {
        let path = line.trim_start_matches('"');
        let file = path.split(',').next().unwrap_or_default();
        let (folder, name) = file.rsplit_once('/').unwrap_or(("", file));
        let note = folder.ends_with(".dist-info")
            && matches!(
                name,
                "RECORD" | "INSTALLER" | "REQUESTED" | "direct_url.json" | "uv_cache.json" | "uv_build.json"
            );
        !(line.is_empty() || file.starts_with("../") || file.ends_with(".pyc") || note)
    };
    let mut lines: Vec<&str> = text.lines().filter(counts).collect();
    lines.sort_unstable();
    let mut hasher = blake3::Hasher::new();
    for line in lines {
        hasher.update(line.as_bytes()).update(b"\n");
    }
    short(hasher.finalize().as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_one_spelling() {
        assert_eq!(normal("Ruamel.YAML_clib"), "ruamel-yaml-clib");
        assert_eq!(decoded("/a%20b/c"), "/a b/c");
    }

    #[test]
    fn a_record_counts_for_what_is_the_same_everywhere() {
        let pip = b"../../../bin/x,sha256=1,2\nx/__init__.py,sha256=a,3\nx/__pycache__/__init__.cpython-311.pyc,,\nx-1.dist-info/INSTALLER,sha256=p,4\nx-1.dist-info/RECORD,,\n";
        let uv = b"x-1.dist-info/RECORD,,\nx-1.dist-info/INSTALLER,sha256=u,2\nx/__init__.py,sha256=a,3\n";
        assert_eq!(digest_of(pip), digest_of(uv));
        assert_ne!(digest_of(pip), digest_of(b"x/__init__.py,sha256=b,3\n"));
    }
}
