//! The metrics that a command writes while it runs: lines of JSON, each an object with numbers, `step` among them.
//!
//! A line without a `step` belongs to the step of the line before it.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Seek as _, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

use super::super::capture::stays;
use crate::engine::decide::metrics;
use crate::events::Progress;
use crate::show::number::Precision;

/// The name of the number that says which step a line is of.
const STEP: &str = "step";

/// So many numbers of a line are shown.
const SHOWN: usize = 4;

/// A file of metrics that grows.
pub(super) struct Lines {
    path: PathBuf,
    /// What was read of it.
    read: u64,
    last: Option<Line>,
}

/// What a line says.
#[derive(Clone, Debug, PartialEq)]
struct Line {
    step: u64,
    numbers: BTreeMap<String, f64>,
}

impl Lines {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, read: 0, last: None }
    }

    /// Reads what was added; tells whether there was something that says anything.
    pub(super) fn follow(&mut self) -> bool {
        let followed = self.try_follow();
        // There need not be such a file.
        followed.unwrap_or(false)
    }

    fn try_follow(&mut self) -> io::Result<bool> {
        if std::fs::symlink_metadata(&self.path)?.len() <= self.read {
            return Ok(false);
        }
        let mut file = open(&self.path)?;
        file.seek(SeekFrom::Start(self.read))?;
        let mut reader = BufReader::new(file);
        let mut heard = false;
        let mut text = Vec::new();
        loop {
            text.clear();
            let length = reader.read_until(b'\n', &mut text)?;
            // The rest of a line comes later.
            if length == 0 || text.last() != Some(&b'\n') {
                return Ok(heard);
            }
            self.read += length as u64;
            let before = self.last.as_ref().map_or(0, |line| line.step);
            if let Some(line) = Line::read(&text, before) {
                self.last = Some(line);
                heard = true;
            }
        }
    }

    /// How far the command is, as far as it says.
    pub(super) fn progress(&self, goal: u64, unit: &str) -> Option<Progress> {
        let line = self.last.as_ref()?;
        let numbers = line.numbers.iter().take(SHOWN);
        let detail: Vec<String> =
            numbers.map(|(name, value)| format!("{name} {}", Precision::of([*value]).show(*value))).collect();
        Some(Progress { done: line.step, total: goal, unit: unit.to_owned(), detail: detail.join(" ") })
    }
}

/// Copies the lines up to a step, and returns the last numbers of that step; `None` if there is no such line.
///
/// What follows the last end of a line may be half of one that is being written: it is taken only if it says something itself.
pub(super) fn up_to(path: &Path, step: u64, into: &Path) -> io::Result<Option<BTreeMap<String, f64>>> {
    let mut reader = match open(path) {
        Ok(file) => BufReader::new(file),
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(e),
    };
    let mut out: Option<io::BufWriter<File>> = None;
    let (mut at, mut numbers) = (0, BTreeMap::new());
    loop {
        let mut text = Vec::new();
        if reader.read_until(b'\n', &mut text)? == 0 {
            break;
        }
        let is_whole = text.pop_if(|byte| *byte == b'\n').is_some();
        let line = Line::read(&text, at);
        let says_nothing = line.is_none();
        if let Some(line) = line {
            at = line.step;
            if at == step {
                numbers.extend(line.numbers);
            }
        }
        if at > step || (!is_whole && says_nothing) {
            continue;
        }
        let out = match &mut out {
            Some(out) => out,
            None => out.insert(io::BufWriter::new(File::create_new(into)?)),
        };
        text.push(b'\n');
        out.write_all(&text)?;
    }
    match out {
        Some(mut out) => out.flush().map(|()| Some(numbers)),
        None => Ok(None),
    }
}

impl Line {
    fn read(text: &[u8], before: u64) -> Option<Self> {
        let mut numbers = metrics::of_line(str::from_utf8(text).ok()?)?;
        let step = match numbers.remove(STEP) {
            // As many as a number that was rounded can hold.
            Some(step) if (0.0..9e15).contains(&step) => step as u64,
            _ => before,
        };
        Some(Self { step, numbers })
    }
}

/// Opens a file that a command wrote, and nothing else that it may have put in its place.
fn open(path: &Path) -> io::Result<File> {
    stays(path).map_err(io::Error::other)?;
    let flags = (OFlags::NONBLOCK | OFlags::NOFOLLOW).bits().cast_signed();
    let file = File::options().read(true).custom_flags(flags).open(path)?;
    if file.metadata()?.is_file() { Ok(file) } else { Err(io::Error::other("it is no file")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_followed_as_they_grow_and_cut_at_a_step() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().canonicalize().unwrap().join("metrics");
        let mut lines = Lines::new(path.clone());
        assert!(!lines.follow() && lines.progress(9, "epoch").is_none());
        let mut file = File::create(&path).unwrap();
        file.write_all(b"{\"step\": 1, \"loss\": 0.5}\nnot json\n{\"loss\": NaN, \"note\": \"x\"}\n{\"step\": 2,")
            .unwrap();
        assert!(lines.follow());
        assert_eq!(lines.progress(9, "epoch").unwrap().done, 1);
        assert!(!lines.follow());
        file.write_all(b" \"loss\": 0.25}\n{\"step\": 3, \"loss\": 0.125, \"in\": {\"a\": 1}}\n").unwrap();
        assert!(lines.follow());
        let progress = lines.progress(9, "epoch").unwrap();
        assert_eq!((progress.done, progress.total, progress.unit.as_str()), (3, 9, "epoch"));
        assert!(progress.detail.contains("loss 0.125"), "{}", progress.detail);

        let cut = folder.path().join("cut");
        assert_eq!(up_to(&path, 2, &cut).unwrap(), Some([("loss".to_owned(), 0.25)].into()));
        let text = std::fs::read_to_string(&cut).unwrap();
        assert!(text.ends_with("{\"step\": 2, \"loss\": 0.25}\n") && text.starts_with("{\"step\": 1"), "{text}");
        assert_eq!(text.lines().count(), 4, "what is no line of JSON stays where it is");
        file.write_all(b"{\"step\": 3, \"loss\": 0.1").unwrap();
        let halved = folder.path().join("halved");
        up_to(&path, 3, &halved).unwrap();
        let text = std::fs::read_to_string(&halved).unwrap();
        assert!(text.ends_with("\"in\": {\"a\": 1}}\n"), "half a line is not taken: {text}");
        file.write_all(b"}").unwrap();
        let ended = folder.path().join("ended");
        assert_eq!(up_to(&path, 3, &ended).unwrap().unwrap()["loss"], 0.1, "the last line may lack its end");
        assert_eq!(up_to(&folder.path().join("none"), 2, &folder.path().join("other")).unwrap(), None);
    }

    #[test]
    fn only_a_file_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        std::fs::write(root.join("secret"), "{\"step\": 1, \"a\": 1}\n").unwrap();
        std::os::unix::fs::symlink("secret", root.join("link")).unwrap();
        rustix::fs::mkfifoat(rustix::fs::CWD, root.join("fifo"), rustix::fs::Mode::RUSR).unwrap();
        for name in ["link", "fifo"] {
            let mut lines = Lines::new(root.join(name));
            assert!(!lines.follow(), "{name}");
            assert!(up_to(&root.join(name), 1, &root.join("cut")).is_err(), "{name}");
        }
    }
}
