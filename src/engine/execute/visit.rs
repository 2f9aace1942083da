//! A visit: a program of the user's on the terminal, in the place of a stage's command. It finds what that would find, and is kept in the same bounds.
//! What it writes is lost.

use std::ffi::OsString;
use std::path::Path;
use std::time::Instant;

use super::execution::Execution;
use crate::engine::executor::failure::NoResult;
use crate::engine::executor::{Exit, Listener, Prepared};
use crate::pipeline;

/// Variables that a terminal needs, and those by which it is known what characters it shows.
const TERMINAL: [&str; 5] = ["TERM", "COLORTERM", "LANG", "LC_ALL", "LC_CTYPE"];

/// What bash would read before a script.
const BEFORE: &str = "BASH_ENV";

/// The shell, where the user has none that can be used.
const SHELL: &str = "/bin/sh";

impl Execution<'_> {
    /// Has a program run where the command would; a shell, if none is named.
    pub(crate) fn visit(&self, body: &pipeline::Command, words: &[OsString]) -> Result<Exit, NoResult> {
        let attempt = self.executor.attempt(self.stage, &self.folders())?;
        let mut laid = self.laid_out(body, attempt.as_ref(), Instant::now())?;
        let mut program = std::mem::take(&mut laid.program);
        program.on_terminal = true;
        program.variables.remove(BEFORE.as_ref() as &std::ffi::OsStr);
        for name in TERMINAL {
            if let Some(value) = std::env::var_os(name) {
                program.variables.entry(name.into()).or_insert(value);
            }
        }
        match words.split_first() {
            Some((first, rest)) => (program.program, program.arguments) = (first.clone(), rest.to_vec()),
            None => {
                (program.program, program.arguments) = shell();
                program.variables.insert("PS1".into(), format!("{}$ ", self.stage.name).into());
            }
        }
        let prepared = Prepared { timeout: None, ..self.ready(program, &laid.work, &laid.tools, &laid.inputs)? };
        let listener = Listener { events: self.events, goes_on: &|| true };
        let exit = attempt.run(&prepared, &listener, self.interrupt);
        drop(laid);
        attempt.end();
        exit
    }
}

/// The user's shell, without what it reads at its start: that may be out of reach.
fn shell() -> (OsString, Vec<OsString>) {
    let own = std::env::var_os("SHELL")
        .filter(|shell| Path::new(shell).starts_with("/bin") || Path::new(shell).starts_with("/usr"));
    let shell = own.filter(|shell| Path::new(shell).is_file()).unwrap_or_else(|| SHELL.into());
    let is_bash = Path::new(&shell).file_name().is_some_and(|name| name == "bash");
    let arguments = if is_bash { vec!["--norc".into()] } else { vec![] };
    (shell, arguments)
}
