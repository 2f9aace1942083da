//! The folder of jobs that are submitted together: who they are, what the scheduler calls them, and the script of each.

use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use super::attempt_folder::AttemptFolder;
use super::gauge::MEMORY;
use super::sealed::Sealed;

/// How the folder of a batch begins.
pub(super) const BATCH: &str = "kiln-";

/// The file of a batch with the attempts in it, a line each, and that with what the scheduler calls it.
const MEMBERS: &str = "members";
const ID: &str = "id";
const SCRIPT: &str = "script";

/// How jobs find what they are to do.
pub(super) struct Way {
    /// The folder of attempts and batches.
    pub(super) jobs: PathBuf,
    /// Kiln.
    pub(super) program: PathBuf,
    /// Where they share no file system: the remote cache, and the folder on a node that they work in.
    pub(super) away: Option<(String, String)>,
}

/// The folder of a batch.
pub(super) struct BatchFolder(PathBuf);

impl Way {
    /// The folder of a batch.
    pub(super) fn batch(&self, name: &str) -> BatchFolder {
        BatchFolder(self.jobs.join(name))
    }

    /// Makes the folder of a batch. `index` is the variable in which a job finds which of its batch it is, and `memory` what a shell there
    /// reads as the megabytes that a job has.
    ///
    /// # Errors
    /// If it cannot be written.
    pub(super) fn lay_out(&self, name: &str, members: &[String], index: Option<&str>, memory: &str) -> io::Result<()> {
        let folder = self.jobs.join(name);
        fs::create_dir(&folder)?;
        fs::write(folder.join(MEMBERS), members.join("\n") + "\n")?;
        let path = folder.join(SCRIPT);
        File::create(&path)?;
        // It holds seals.
        fs::set_permissions(&path, Permissions::from_mode(if self.away.is_some() { 0o700 } else { 0o755 }))?;
        let line = index.map_or_else(|| "1p".to_owned(), |index| format!("$(({index} + 1))p"));
        let script = match &self.away {
            None => self.script(&folder, &line),
            Some((address, scratch)) => self.script_away(members, &line, address, scratch),
        };
        fs::write(&path, format!("#!/bin/sh\n{MEMORY}=\"{memory}\"\nexport {MEMORY}\n{script}"))
    }

    fn script(&self, folder: &Path, line: &str) -> String {
        let (program, jobs) = (quoted(&self.program), quoted(&self.jobs));
        let members = quoted(&folder.join(MEMBERS));
        format!("exec {program} job {jobs}/\"$(sed -n \"{line}\" {members})\"\n")
    }

    /// All that a job has to know is in the script: it sees nothing else of Kiln's.
    fn script_away(&self, members: &[String], line: &str, address: &str, scratch: &str) -> String {
        let seal = |member: &String| Sealed::of(&AttemptFolder::at(self.jobs.join(member))).map(|sealed| sealed.seal);
        let line_of = |member: &String| format!("{member} {}\n", seal(member).unwrap_or_default());
        let lines: String = members.iter().map(line_of).collect();
        let (program, address) = (quoted(&self.program), quoted(Path::new(address)));
        format!(
            "set -- $(sed -n \"{line}\" <<'END'
{lines}END
)
kiln={program}
[ -x \"$kiln\" ] || kiln=kiln
KILN_JOB_SEAL=$2
export KILN_JOB_SEAL
exec \"$kiln\" job \"$1\" --remote {address} --scratch \"{scratch}\"
"
        )
    }
}

impl BatchFolder {
    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    pub(super) fn script(&self) -> PathBuf {
        self.0.join(SCRIPT)
    }

    /// The attempts in it.
    pub(super) fn members(&self) -> Vec<String> {
        let members = fs::read_to_string(self.0.join(MEMBERS)).unwrap_or_default();
        members.lines().map(str::to_owned).collect()
    }

    /// What the scheduler calls it, if that is known.
    pub(super) fn id(&self) -> Option<String> {
        fs::read_to_string(self.0.join(ID)).ok()
    }

    /// Notes what the scheduler calls it.
    pub(super) fn note(&self, id: &str) {
        let _ = fs::write(self.0.join(ID), id);
    }

    /// What a job, or the scheduler in its place, wrote beside the stage's log.
    pub(super) fn output(&self, index: usize) -> String {
        let bytes = fs::read(self.0.join(format!("{index}.out")));
        bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
    }

    pub(super) fn remove(&self) {
        let _ = crate::store::remove_all(&self.0);
    }
}

/// A path as a shell reads it.
fn quoted(path: &Path) -> String {
    format!("'{}'", path.to_string_lossy().replace('\'', r"'\''"))
}
