//! The shell of a script: which program it is, and how it is started.
//!
//! A pipe is to fail if any part of it does. `sh` need not know that (`pipefail`), so a script with a pipe runs in bash where there is
//! one, whose `echo` then does what the one of `sh` does. A script without a pipe runs in `sh` as ever. Which of the two it was can
//! decide whether a script succeeds, not what it gives, so it is not in the key.
//!
//! A part of a pipe that wrote more than the next one wanted to read is stopped by SIGPIPE. That is no fault (`zcat log.gz | head`),
//! but `pipefail` takes it for one; in bash, [`FORGIVING`] sees to it.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::LazyLock;

use super::Program;
use crate::pipeline::{self, Body, Stage};

/// The system's shell.
const SH: &str = "/bin/sh";

/// The status of a shell whose last command was stopped by SIGPIPE.
pub(crate) const SIGPIPE: i32 = 128 + 13;

/// The file that bash reads before a script, and the variable that says so.
const BEFORE: &str = "before.bash";
const BASH_ENV: &str = "BASH_ENV";

/// Makes `sh`'s own errexit hold within `$(...)`, which bash does only if told to (since 4.4).
const LIKE_SH: &str = "shopt -s inherit_errexit 2>/dev/null || :\n";

/// Makes bash go on after a pipe of which parts were stopped by SIGPIPE, if its last part and all others ended well.
///
/// The trap is called where errexit would end the shell, before it does. To go on, it turns errexit off and does from then on what errexit did;
/// so a later `set +e` of the script would not be heard, and a script that has one is not given this. If such a pipe is the last command,
/// its status would be the shell's, therefore the second trap; one of the script's own stays. In a function the same status comes up
/// again as that of the call, with the same `BASH_COMMAND`.
const FORGIVING: &str = r#"set -E
trap 'kiln_code=$? kiln_codes="${PIPESTATUS[*]} " kiln_at=$BASH_COMMAND
if [[ $kiln_code == 141 && ( $kiln_codes =~ ^((0|141)\ )+0\ $ ||
    ( $kiln_codes == "141 " && $kiln_at == "${kiln_forgiven-}" ) ) ]]; then
  [[ ${kiln_forgiven-} || $(trap -p EXIT) ]] || trap "[[ \$? == 141 && \${kiln_forgiven-} ]] && exit 0" EXIT
  kiln_forgiven=$kiln_at
  [[ $- != *e* ]] || { set +e; kiln_strict=1; }
else
  kiln_forgiven=
  [[ ! ${kiln_strict-} ]] || exit "$kiln_code"
fi' ERR
"#;

/// How a script is started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Shell {
    program: PathBuf,
    /// Its options, as they come before `-c`.
    options: Vec<&'static str>,
    /// What bash reads before the script.
    before: String,
}

/// What is known of this machine's shells; found out when a script is first run that it matters to.
struct Machine {
    bash: Option<PathBuf>,
    /// Whether `sh` knows pipefail.
    sh_knows: bool,
    /// Whether the `echo` of `sh` takes `\n` for a new line.
    sh_expands: bool,
}

static MACHINE: LazyLock<Machine> = LazyLock::new(|| {
    let told = ask(Path::new(SH), r#"echo 'a\tb'; set -o pipefail"#);
    let (text, sh_knows) = told.unwrap_or_default();
    Machine { bash: find("bash"), sh_knows, sh_expands: text.contains('\t') }
});

/// The shell for a stage's script; `None` for a stage without one.
pub(crate) fn shell(stage: &Stage) -> Option<Shell> {
    let Body::Run(pipeline::Command::Shell(script)) = &stage.body else { return None };
    Some(Shell::choose(stage.shell.as_deref(), script))
}

/// The program that runs a stage's script, with its options, as a person would type them; `None` for a stage without a script.
pub fn shell_of(stage: &Stage) -> Option<String> {
    shell(stage).map(|shell| shell.words())
}

/// Why a pipe of a stage can fail without anybody noticing, if so.
pub(crate) fn lacking(stage: &Stage) -> Option<&'static str> {
    let Body::Run(pipeline::Command::Shell(script)) = &stage.body else { return None };
    let unnoticed = stage.shell.is_none() && has_pipe(script) && MACHINE.bash.is_none() && !MACHINE.sh_knows;
    unnoticed.then_some(
        "no shell here knows pipefail: of a pipe in a script only the last part can fail its stage; install bash to change that",
    )
}

impl Shell {
    fn choose(wanted: Option<&str>, script: &str) -> Self {
        match wanted {
            Some("bash") => Self::bash(find("bash").unwrap_or_else(|| "bash".into()), script),
            Some("sh") => Self::new(SH.into(), MACHINE.sh_knows),
            Some(name) => {
                let program = find(name).unwrap_or_else(|| name.into());
                let knows = ask(&program, "set -o pipefail").is_some_and(|(_, knows)| knows);
                Self::new(program, knows)
            }
            // To ask a shell takes as long as a small stage.
            None if !has_pipe(script) => Self::new(SH.into(), false),
            None => match &MACHINE.bash {
                Some(bash) => {
                    let mut shell = Self::bash(bash.clone(), script);
                    shell.before.insert_str(0, LIKE_SH);
                    if MACHINE.sh_expands {
                        shell.options.extend(["-O", "xpg_echo"]);
                    }
                    shell
                }
                None => Self::new(SH.into(), MACHINE.sh_knows),
            },
        }
    }

    fn new(program: PathBuf, pipefail: bool) -> Self {
        let mut options = vec!["-eu"];
        if pipefail {
            options.extend(["-o", "pipefail"]);
        }
        Self { program, options, before: String::new() }
    }

    fn bash(program: PathBuf, script: &str) -> Self {
        let mut shell = Self::new(program, true);
        if !script.contains("+e") && !script.contains("errexit") {
            shell.before.push_str(FORGIVING);
        }
        shell
    }

    /// The command that runs a script. What the shell has to read before is put into a folder.
    ///
    /// # Errors
    /// If that cannot be written.
    pub(crate) fn command(&self, script: &str, folder: &Path) -> io::Result<Program> {
        let mut command = Program { program: self.program.clone().into(), ..Program::default() };
        command.arguments.extend(self.options.iter().map(OsString::from));
        command.arguments.extend(["-c".into(), script.into()]);
        if !self.before.is_empty() {
            let path = folder.join(BEFORE);
            fs::write(&path, format!("unset {BASH_ENV}\n{}", self.before))?;
            command.variables.insert(BASH_ENV.into(), path.into());
        }
        Ok(command)
    }

    /// Whether a pipe fails if any part of it does.
    pub(crate) fn pipefail(&self) -> bool {
        self.options.contains(&"pipefail")
    }

    /// The program and its options, as a person would type them.
    fn words(&self) -> String {
        let mut words = self.program.display().to_string();
        for option in &self.options {
            words.push(' ');
            words.push_str(option);
        }
        words
    }
}

/// Whether a script may have a pipe: it does, or it reads commands from elsewhere.
fn has_pipe(script: &str) -> bool {
    let bytes = script.as_bytes();
    let pipe = |at: usize| {
        let beside = |at: Option<usize>| at.and_then(|at| bytes.get(at)) == Some(&b'|');
        bytes[at] == b'|' && !beside(at.checked_sub(1)) && !beside(Some(at + 1))
    };
    let word = |word: &str| matches!(word, "." | "source" | "eval" | "pipefail");
    (0..bytes.len()).any(pipe) || script.split(|c: char| c.is_whitespace() || ";&(){}\"'`".contains(c)).any(word)
}

/// A program in the folders of `PATH`.
fn find(name: &str) -> Option<PathBuf> {
    let folders = std::env::var_os("PATH").unwrap_or_else(|| OsStr::from_bytes(b"/bin:/usr/bin").to_owned());
    let mut files = std::env::split_paths(&folders).map(|folder| folder.join(name));
    files.find(|file| file.is_file() && rustix::fs::access(file, rustix::fs::Access::EXEC_OK).is_ok())
}

/// What a shell says to a script, and whether that ended well.
fn ask(shell: &Path, script: &str) -> Option<(String, bool)> {
    let mut command = Command::new(shell);
    command.args(["-c", script]).stdin(Stdio::null()).stderr(Stdio::null()).env_remove(BASH_ENV).env_remove("ENV");
    let output = command.output().ok()?;
    Some((String::from_utf8_lossy(&output.stdout).into_owned(), output.status.success()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pipe_is_seen() {
        for script in ["a | b", "a|b", "x=$(a | b)", ". ./lib.sh", "eval \"$x\"", "a || b | c", "set +o pipefail; a"] {
            assert!(has_pipe(script), "{script}");
        }
        for script in ["a", "a || b", "a && b > c.d", "./x.sh", "cat a.b"] {
            assert!(!has_pipe(script), "{script}");
        }
    }
}
