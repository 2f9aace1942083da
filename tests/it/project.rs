//! A throw-away project: files, a pipeline, and runs of the real binary in it.

use std::collections::BTreeMap;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

/// A folder with a pipeline in it.
pub(crate) struct Project {
    folder: TempDir,
    cache: Option<PathBuf>,
}

/// How a small study begins: the files of the sample, and the stages that bring them in and split them.
#[cfg(feature = "stages")]
const SAMPLE: &str = "  files:
    images: {digest: 823845a89ee060646d8840bfd79d7b39a4365fc5c8606eadc784a1c272e4f7f4, sources: [data/images.gz]}
    labels: {digest: 6636cb7a73c4fdca9833ddeba2d2c8c503f989f703f8c9e800e661b6880f679d, sources: [data/labels.gz]}
stages:
  fetch:
    uses: fetch
    matrix: {file: \"${params.files}\"}
    with: {digest: \"${matrix.file.digest}\", sources: \"${matrix.file.sources}\", unpack: gzip}
  import:
    uses: import
    inputs:
      images: {from: \"fetch[file=images].file\"}
      labels: {from: \"fetch[file=labels].file\"}
  normalise:
    uses: normalise
    inputs: {train: {from: import.dataset}, test: {from: import.dataset}}
  split:
    uses: split
    inputs: {data: {from: normalise.train}}
    with: {seed: 1}
";

/// What one call of the binary did.
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// A text that stands indented in the code of a test. It starts at the first line with content, and is moved left by that line's indent.
pub(crate) fn unindent(text: &str) -> String {
    let Some(text) = text.strip_prefix('\n') else { return text.to_owned() };
    let indent = text.len() - text.trim_start_matches(' ').len();
    let mut lines: Vec<&str> =
        text.split('\n').map(|line| line.get(indent..).unwrap_or(line.trim_start_matches(' '))).collect();
    // The line of the closing quote.
    if let Some(last) = lines.last_mut().filter(|last| last.trim().is_empty()) {
        *last = "";
    }
    lines.join("\n")
}

impl Project {
    /// A project whose pipeline file is `pipeline`, unindented.
    pub(crate) fn new(pipeline: &str) -> Self {
        let project = Self { folder: tempfile::tempdir().expect("a temporary folder"), cache: None };
        project.write("pipeline.yaml", &unindent(pipeline));
        project
    }

    /// A small study of the committed sample of Fashion-MNIST: these parameters and stages with those of [`SAMPLE`].
    #[cfg(feature = "stages")]
    pub(crate) fn on_the_sample(params: &str, stages: &str) -> Self {
        let project = Self::new(&format!("version: 1\nparams:\n{params}{SAMPLE}{stages}"));
        let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/sample");
        std::fs::create_dir(project.root().join("data")).expect("create folder");
        for (from, to) in [("t10k-images-idx3-ubyte.gz", "images.gz"), ("t10k-labels-idx1-ubyte.gz", "labels.gz")] {
            std::fs::copy(sample.join(from), project.root().join("data").join(to)).expect("copy the sample");
        }
        project
    }

    /// The same, with a cache of its own choosing.
    pub(crate) fn with_cache(pipeline: &str, cache: &Path) -> Self {
        Self { cache: Some(cache.to_owned()), ..Self::new(pipeline) }
    }

    pub(crate) fn root(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn write(&self, path: &str, text: &str) -> &Self {
        let path = self.root().join(path);
        std::fs::create_dir_all(path.parent().expect("a path in the project")).expect("create folder");
        std::fs::write(path, text).expect("write file");
        self
    }

    pub(crate) fn read(&self, path: &str) -> String {
        std::fs::read_to_string(self.root().join(path)).unwrap_or_else(|e| panic!("{path}: {e}"))
    }

    /// Replaces text in a file, which must be there exactly once.
    pub(crate) fn edit(&self, path: &str, from: &str, to: &str) -> &Self {
        let text = self.read(path);
        assert_eq!(text.matches(from).count(), 1, "`{from}` in {path}");
        self.write(path, &text.replace(from, to))
    }

    /// A call of the binary, ready to be started.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kiln"));
        command.current_dir(self.root()).args(args).env_remove("KILN_CACHE").env_remove("KILN_LOG");
        // Nobody's own settings of DVC.
        command.env("DVC_SYSTEM_CONFIG_DIR", "/nonexistent").env("DVC_GLOBAL_CONFIG_DIR", "/nonexistent");
        if let Some(cache) = &self.cache {
            command.arg("--cache").arg(cache);
        }
        hear_signals(&mut command);
        command
    }

    pub(crate) fn kiln(&self, args: &[&str]) -> Ran {
        Ran::from(self.command(args).output().expect("start kiln"))
    }

    /// `kiln run --json` with more arguments; the run must succeed.
    pub(crate) fn run(&self, args: &[&str]) -> Record {
        let ran = self.kiln(&[&["run", "--json"], args].concat());
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
        ran.record()
    }

    /// `kiln run` as a person types it, with more arguments, which must succeed, and what its record says.
    pub(crate) fn run_plainly(&self, args: &[&str]) -> Record {
        let ran = self.kiln(&[&["run"], args].concat());
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
        let shown = self.kiln(&["show", "latest", "--json"]);
        if shown.code != Some(0) {
            // A page of the record that was damaged before: it is put aside, and made again.
            assert_eq!(self.kiln(&["verify"]).code, Some(1));
            assert_eq!(self.kiln(&[&["run"], args].concat()).code, Some(0));
            return self.kiln(&["show", "latest", "--json"]).record();
        }
        shown.record()
    }
}

/// A folder through which a stage and a test can talk: in shared memory, all that a stage may write outside its scratch
/// directory.
pub(crate) fn mailbox() -> TempDir {
    tempfile::tempdir_in("/dev/shm").expect("a folder in shared memory")
}

/// Waits until something lies at a path.
pub(crate) fn wait_for(path: &Path) {
    let deadline = Instant::now() + Duration::from_secs(120);
    while !path.exists() {
        assert!(Instant::now() < deadline, "{} never came", path.display());
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Every file below a folder, sorted.
pub(crate) fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = vec![];
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found.sort();
    found
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).expect("UTF-8 on standard output"),
            stderr: String::from_utf8(output.stderr).expect("UTF-8 on standard error"),
        }
    }
}

impl Ran {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|e| panic!("{e}: {}\n{}", self.stdout, self.stderr))
    }

    pub(crate) fn record(&self) -> Record {
        Record(self.json())
    }
}

/// A run record, as `run --json` prints it.
pub(crate) struct Record(pub(crate) Value);

impl Record {
    pub(crate) fn stage(&self, name: &str) -> &Value {
        let stages = self.0["stages"].as_array().expect("stages");
        stages.iter().find(|s| s["name"] == name).unwrap_or_else(|| panic!("no stage {name} in {}", self.0))
    }

    pub(crate) fn outcome(&self, name: &str) -> &str {
        self.stage(name)["outcome"].as_str().expect("an outcome")
    }

    pub(crate) fn reasons(&self, name: &str) -> String {
        let reasons = self.stage(name)["reasons"].as_array().expect("reasons");
        reasons.iter().map(|r| r.as_str().expect("text")).collect::<Vec<_>>().join("\n")
    }

    /// The names of the stages with an outcome, sorted.
    pub(crate) fn with(&self, outcome: &str) -> Vec<String> {
        let stages = self.0["stages"].as_array().expect("stages").iter();
        let mut names: Vec<String> = stages
            .filter(|s| s["outcome"] == outcome)
            .map(|s| s["name"].as_str().expect("a name").to_owned())
            .collect();
        names.sort();
        names
    }

    /// Every output's digest by `stage.output`.
    pub(crate) fn digests(&self) -> BTreeMap<String, String> {
        let mut digests = BTreeMap::new();
        for stage in self.0["stages"].as_array().expect("stages") {
            for (name, output) in stage["outputs"].as_object().expect("outputs") {
                let key = format!("{}.{name}", stage["name"].as_str().expect("a name"));
                digests.insert(key, output["digest"].as_str().expect("a digest").to_owned());
            }
        }
        digests
    }
}

/// Has a program hear the signals that whoever started the tests may ignore, as a shell does for what it starts in the background.
fn hear_signals(command: &mut Command) {
    let default = || {
        for signal in [libc::SIGINT, libc::SIGHUP, libc::SIGTERM] {
            // SAFETY: `signal` takes two numbers, and may be called between fork and exec.
            if unsafe { libc::signal(signal, libc::SIG_DFL) } == libc::SIG_ERR {
                return Err(std::io::Error::last_os_error());
            }
        }
        Ok(())
    };
    // SAFETY: what runs there neither allocates nor takes a lock.
    unsafe { command.pre_exec(default) };
}
