//! Environments of Python: which one a command uses, and what is installed in it.

use std::collections::BTreeSet;
use std::fs::{self, Metadata};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Command as Program, Stdio};

use super::{Listing, Surroundings, path_of, short, texts, which, words};
use crate::engine::executor::toolchain;
use crate::hash::picks::{Picks, Texts};
use crate::hash::walk::Extent;
use crate::pipeline::{Command, Stage, kept};

/// What interpreters are called in a listing.
pub(super) const PROGRAMS: &[&str] = &["python"];

/// What an interpreter is asked. Without `site` it runs no code of the environment.
const QUESTION: &str = "import sys,sysconfig;print(sys.version.split()[0]);print(sysconfig.get_path('purelib'));\
                        print(sysconfig.get_path('platlib'))";

/// Beside what an interpreter says, the system's packages lie here.
const DEBIAN: &str = "/usr/lib/python3/dist-packages";

/// Of the sources of an editable install these do not count.
const NO_SOURCES: [&str; 8] = [".git/", ".venv/", "venv/", "build/", "dist/", "*.egg-info/", "node_modules/", ".tox/"];

/// An environment.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Python {
    interpreter: PathBuf,
    /// The folder of the environment; `None` for the system's interpreter.
    prefix: Option<PathBuf>,
}

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

/// Whether a folder is an environment.
fn is_environment(prefix: &Path) -> bool {
    prefix.join("pyvenv.cfg").is_file() || prefix.join("conda-meta").is_dir()
}

/// Whether a program lies in an environment, whose packages say what it is.
pub(super) fn is_in_environment(program: &Path) -> bool {
    program.parent().and_then(Path::parent).is_some_and(is_environment)
}

/// The environments that a command uses: those it names by their paths, or the one that is active, or, if it speaks of Python, the
/// system's interpreter.
pub(super) fn used(command: &Command, stage: &Stage, root: &Path) -> Vec<Python> {
    let mut prefixes: Vec<PathBuf> =
        toolchain::named(command, root).into_iter().map(|inside| root.join(inside)).collect();
    for word in words(command).filter(|word| word.starts_with('/')) {
        let folders = Path::new(word).parent().filter(|folder| folder.ends_with("bin")).and_then(Path::parent);
        prefixes.extend(folders.map(Path::to_owned));
    }
    if texts(command).iter().any(|text| text.contains("uv run")) || words(command).take(2).eq(["uv", "run"]) {
        prefixes.push(root.join(".venv"));
    }
    let mut found: Vec<Python> = Vec::new();
    for prefix in prefixes.into_iter().filter(|prefix| is_environment(prefix)) {
        let python = Python::at(prefix);
        if !found.contains(&python) {
            found.push(python);
        }
    }
    if !found.is_empty() {
        return found;
    }
    let folders = path_of(stage);
    let Some(interpreter) = which(&folders, "python3").or_else(|| which(&folders, "python")) else { return vec![] };
    let speaks =
        |word: &str| word.ends_with(".py") || word == "pip" || word.rsplit('/').next().is_some_and(is_interpreter);
    let speaks = words(command).any(speaks);
    // The first of the two on the way: `python` may be of an environment that has no `python3`.
    let first = folders.iter().find(|folder| folder.join("python").is_file() || folder.join("python3").is_file());
    match first.and_then(|folder| folder.parent()).filter(|prefix| is_environment(prefix)) {
        Some(prefix) if speaks || words(command).any(|word| may_start(word, prefix, root)) => {
            vec![Python::at(prefix.to_owned())]
        }
        Some(_) => vec![],
        None if speaks => vec![Python { interpreter, prefix: None }],
        None => vec![],
    }
}

/// Whether a word of a command may be a program of an environment, or a script that starts one.
fn may_start(word: &str, prefix: &Path, root: &Path) -> bool {
    let is_program = |path: PathBuf| {
        fs::metadata(path).is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
    };
    matches!(word, "." | "source" | "eval" | "make" | "sh" | "bash")
        || word.ends_with(".sh")
        || (!word.contains('/') && is_program(prefix.join("bin").join(word)))
        || (word.contains('/') && !word.starts_with('/') && is_program(root.join(word)))
}

/// `python`, `python3`, `python3.12`.
fn is_interpreter(name: &str) -> bool {
    name.strip_prefix("python").is_some_and(|rest| rest.chars().all(|c| c.is_ascii_digit() || c == '.'))
}

impl Python {
    fn at(prefix: PathBuf) -> Self {
        let interpreter = ["python3", "python"].map(|name| prefix.join("bin").join(name));
        let interpreter = interpreter.iter().find(|path| path.is_file()).unwrap_or(&interpreter[0]).clone();
        Self { interpreter, prefix: Some(prefix) }
    }

    /// Whether it is no environment of its own.
    pub(super) fn is_of_the_system(&self) -> bool {
        self.prefix.is_none()
    }

    /// What it is called, relative to the project.
    pub(super) fn name(&self, root: &Path) -> String {
        let place = self.prefix.as_deref().unwrap_or(&self.interpreter);
        place.strip_prefix(root).unwrap_or(place).display().to_string()
    }

    /// The interpreter and the packages.
    ///
    /// # Errors
    /// What cannot be read.
    pub(super) fn listing(&self, around: &Surroundings<'_>) -> Result<Listing, String> {
        let (version, mut folders) = self.asked(around)?;
        if let Some(prefix) = &self.prefix {
            if !fs::read_to_string(prefix.join("pyvenv.cfg")).is_ok_and(|text| sees_the_system(&text)) {
                folders.clear();
            }
            folders.extend(own_folders(prefix));
        } else {
            folders.push(DEBIAN.into());
        }
        let mut listing = Listing::from([("python".to_owned(), version)]);
        let packages = Packages::look(self.prefix.as_deref(), &folders)?;
        listing.extend(packages.listing(around)?);
        Ok(listing)
    }

    /// The version, and where the interpreter by itself looks for packages.
    fn asked(&self, around: &Surroundings<'_>) -> Result<(String, Vec<PathBuf>), String> {
        let cannot =
            |why: &dyn std::fmt::Display| format!("cannot ask {} for its version: {why}", self.interpreter.display());
        let real = self.interpreter.canonicalize().map_err(|e| cannot(&e))?;
        let metadata = fs::metadata(&real).map_err(|e| cannot(&e))?;
        let name = format!("python {} {}", self.interpreter.display(), stamp(&metadata));
        let text = match kept::read_named(&around.kept, &name) {
            Some(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            None => {
                let mut program = Program::new(&self.interpreter);
                program.args(["-I", "-S", "-c", QUESTION]).stdin(Stdio::null()).stderr(Stdio::null());
                let output = program.output().map_err(|e| cannot(&e))?;
                if !output.status.success() {
                    return Err(cannot(&output.status));
                }
                around.keep(&name, &output.stdout);
                String::from_utf8_lossy(&output.stdout).into_owned()
            }
        };
        let mut lines = text.lines();
        let version = lines.next().filter(|line| !line.is_empty()).ok_or_else(|| cannot(&"it says nothing"))?;
        let folders: BTreeSet<PathBuf> = lines.map(PathBuf::from).collect();
        Ok((version.to_owned(), folders.into_iter().collect()))
    }
}

/// `include-system-site-packages = true`.
fn sees_the_system(config: &str) -> bool {
    let mut lines = config.lines().filter_map(|line| line.split_once('='));
    lines.any(|(key, value)| key.trim() == "include-system-site-packages" && value.trim().eq_ignore_ascii_case("true"))
}

/// Where the packages of an environment lie: `lib/python3.12/site-packages`, and `lib64` if that is another folder.
fn own_folders(prefix: &Path) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = Vec::new();
    for lib in ["lib", "lib64"] {
        if lib == "lib64" && fs::symlink_metadata(prefix.join(lib)).is_ok_and(|found| found.is_symlink()) {
            continue;
        }
        for entry in fs::read_dir(prefix.join(lib)).into_iter().flatten().flatten() {
            let folder = entry.path().join("site-packages");
            if entry.file_name().to_string_lossy().starts_with("python") && folder.is_dir() {
                found.push(folder);
            }
        }
    }
    found.sort();
    found
}

/// What a stamp says of a file, as text.
fn stamp(metadata: &Metadata) -> String {
    let (m, c) = ((metadata.mtime(), metadata.mtime_nsec()), (metadata.ctime(), metadata.ctime_nsec()));
    format!("{} {} {} {m:?} {c:?}", metadata.dev(), metadata.ino(), metadata.size())
}

/// What lies in the folders of an environment.
struct Packages {
    /// Folders of metadata, `torch-2.9.1.dist-info`, and what decides what is in each.
    found: Vec<(PathBuf, String)>,
    /// Names of conda's packages: `mkl-2024.2.0-h38b5d06_1`.
    conda: Vec<String>,
}

impl Packages {
    fn look(prefix: Option<&Path>, folders: &[PathBuf]) -> Result<Self, String> {
        let mut packages = Self { found: vec![], conda: vec![] };
        for folder in folders {
            let Ok(entries) = fs::read_dir(folder) else { continue };
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
                packages.found.push((path, stamps));
            }
        }
        packages.found.sort();
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
    fn listing(&self, around: &Surroundings<'_>) -> Result<Listing, String> {
        let name = format!("packages {:?} {:?}", self.found, self.conda);
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
            let what = if sources.starts_with(around.root) {
                // The guard lets a stage read of the project what it declares, and that is in its key.
                "editable, of the project".to_owned()
            } else {
                let texts = Texts { ignore: NO_SOURCES.map(str::to_owned).to_vec(), ..Texts::default() };
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
        for (path, _) in &self.found {
            let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            let (name, version) = stem.split_once('-').unwrap_or((&stem, ""));
            // `PyYAML-6.0-py3.11.egg-info`.
            let version = version.split_once("-py").map_or(version, |(version, _)| version);
            let name = normal(name);
            match editable_from(path) {
                Some(sources) => editable.push((name, version.to_owned(), sources)),
                None => {
                    let record = fs::read(path.join("RECORD")).map(|record| digest_of(&record));
                    let version = record.map_or_else(|_| version.to_owned(), |digest| format!("{version} ({digest})"));
                    listing.insert(name, version);
                }
            }
        }
        (listing, editable)
    }
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
        assert!(is_interpreter("python3.12") && is_interpreter("python") && !is_interpreter("pythonista"));
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
