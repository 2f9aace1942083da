//! An interpreter of Python, or an environment of its own: its version, and where its packages lie.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Command as Program, Stdio};

use super::packages::{Packages, stamp};
use super::{Listing, Surroundings};
use crate::engine::executor::surroundings;
use crate::pipeline::{Stage, kept};

/// What interpreters are called in a listing.
pub(super) const PROGRAMS: &[&str] = &["python"];

/// What an interpreter is asked. Without `site` it runs no code of the environment.
const QUESTION: &str = "import sys,sysconfig;print(sys.version.split()[0]);print(sysconfig.get_path('purelib'));\
                        print(sysconfig.get_path('platlib'))";

/// Beside what an interpreter says, the system's packages lie here.
const DEBIAN: &str = "/usr/lib/python3/dist-packages";

/// An environment.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Python {
    interpreter: PathBuf,
    /// The folder of the environment; `None` for the system's interpreter.
    prefix: Option<PathBuf>,
    /// What a shim finds in its environment, by which it chooses an interpreter; nothing for any other program.
    variables: BTreeMap<OsString, OsString>,
}

/// Whether a folder is an environment.
pub(super) fn is_environment(prefix: &Path) -> bool {
    prefix.join("pyvenv.cfg").is_file() || prefix.join("conda-meta").is_dir()
}

/// Whether a program lies in an environment, whose packages say what it is.
pub(super) fn is_in_environment(program: &Path) -> bool {
    program.parent().and_then(Path::parent).is_some_and(is_environment)
}

impl Python {
    /// An environment of its own.
    pub(super) fn at(prefix: PathBuf) -> Self {
        let interpreter = ["python3", "python"].map(|name| prefix.join("bin").join(name));
        let interpreter = interpreter.iter().find(|path| path.is_file()).unwrap_or(&interpreter[0]).clone();
        Self { interpreter, prefix: Some(prefix), variables: BTreeMap::new() }
    }

    /// An interpreter that a stage uses, and the environment that it lies in, if there is one.
    pub(super) fn of(interpreter: PathBuf, stage: &Stage) -> Self {
        if let Some(prefix) = interpreter.parent().and_then(Path::parent).filter(|prefix| is_environment(prefix)) {
            return Self::at(prefix.to_owned());
        }
        let mut variables = BTreeMap::new();
        if is_shim(&interpreter) {
            let home = std::env::var_os("HOME").map(PathBuf::from).unwrap_or_default();
            variables = surroundings::variables(stage, 1, false, &home);
            // What differs from variant to variant says nothing to a shim.
            variables.retain(|name, _| !name.as_encoded_bytes().starts_with(b"KILN_"));
        }
        Self { interpreter, prefix: None, variables }
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
        // Of a package that lies in several, the last one counts: the one that is imported.
        if let Some(prefix) = &self.prefix {
            if !fs::read_to_string(prefix.join("pyvenv.cfg")).is_ok_and(|text| sees_the_system(&text)) {
                folders.clear();
            } else if self.interpreter.canonicalize().is_ok_and(|real| real.starts_with("/usr/bin")) {
                folders.insert(0, DEBIAN.into());
            }
            folders.extend(own_folders(prefix));
        } else {
            folders.insert(0, DEBIAN.into());
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
        // A shim may have another answer the next time.
        let lasts = self.variables.is_empty();
        let text = match kept::read_named(&around.kept, &name).filter(|_| lasts) {
            Some(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            None => match self.answer(around) {
                Ok(answer) => {
                    if lasts {
                        around.keep(&name, answer.as_bytes());
                    }
                    answer
                }
                Err(why) if self.prefix.is_some() => return Err(cannot(&why)),
                // The command may never start it.
                Err(_) => return Ok(("without an answer".to_owned(), vec![])),
            },
        };
        let mut lines = text.lines();
        let version = lines.next().filter(|line| !line.is_empty()).ok_or_else(|| cannot(&"it says nothing"))?;
        let folders: BTreeSet<PathBuf> = lines.map(PathBuf::from).collect();
        Ok((version.to_owned(), folders.into_iter().collect()))
    }
}

/// What isolates an interpreter from its surroundings: `-I`, which Python 2 does not know.
const ISOLATED: [&[&str]; 2] = [&["-I", "-S"], &["-E", "-s", "-S"]];

impl Python {
    /// What it says to the question.
    fn answer(&self, around: &Surroundings<'_>) -> Result<String, String> {
        let mut why = String::new();
        for options in ISOLATED {
            let mut program = Program::new(&self.interpreter);
            program.args(options).args(["-c", QUESTION]).stdin(Stdio::null()).stderr(Stdio::null());
            if !self.variables.is_empty() {
                program.env_clear().envs(&self.variables);
            }
            let output = program.current_dir(around.root).output().map_err(|e| e.to_string())?;
            if output.status.success() {
                return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
            }
            why = output.status.to_string();
        }
        Err(why)
    }
}

/// Whether a program only looks for the one that is meant, as those of pyenv, asdf and mise do: by files that it reads each time.
fn is_shim(interpreter: &Path) -> bool {
    let is_script = || {
        let mut head = [0; 2];
        fs::File::open(interpreter).and_then(|mut file| file.read_exact(&mut head)).is_ok() && &head == b"#!"
    };
    interpreter.parent().is_some_and(|folder| folder.ends_with("shims")) || is_script()
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
