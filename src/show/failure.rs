//! Failures in words: the only place where a sentence is made of one.

use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitStatus;

use crate::failure::Failure;

/// What a shell adds to the number of the signal that ended its last command.
const BY_SIGNAL: i32 = 128;

/// SIGKILL.
const KILL: i32 = 9;

/// What failed: one line, with a hint on a line of its own where there is always the same one.
pub fn words(failure: &Failure) -> String {
    match failure {
        Failure::Exited { code } => ending(*code << 8, *code == BY_SIGNAL + KILL),
        Failure::Killed { signal, core_dumped } => {
            ending(signal | if *core_dumped { 0x80 } else { 0 }, *signal == KILL)
        }
        Failure::OutOfMemory { failure } => out_of_memory(failure),
        // That the disk is full is said below what the stage said.
        Failure::DiskFull { failure, .. } => words(failure),
        Failure::TimedOut { limit } => {
            let limit = limit.map_or_else(String::new, |seconds| format!(" of {seconds} s"));
            format!("stopped at its timeout{limit}")
        }
        Failure::Stopped => String::new(),
        Failure::NotStarted { program, why, missing } => {
            let hint = if *missing { "; is it installed, and on PATH?" } else { "" };
            format!("cannot start {program}: {why}{hint}")
        }
        Failure::NotGuarded { why } => format!("cannot guard the stage: {why}"),
        Failure::InputChanged { path, why } => {
            let why = why.as_ref().map_or_else(String::new, |why| format!("{why}\n"));
            format!("{why}{} was changed while the run was under way; run again", path.display())
        }
        Failure::InputWritten { path } => {
            let path = path.display();
            format!("the command changed its input {path}\nhint: inputs are read-only; write a copy elsewhere")
        }
        Failure::InputMissing { input } => format!("input `{input}` was never produced"),
        Failure::InTheWay { path, what } => format!("`{}` is in the way: {what}", path.display()),
        Failure::OutputMissing { outputs } => {
            let outputs = outputs.iter().map(|missing| format!("`{}` ({})", missing.output, missing.path.display()));
            let outputs = outputs.collect::<Vec<_>>().join(", ");
            format!("the stage ended well but did not write its output {outputs}")
        }
        Failure::OutputNotKept { output, why } => format!("output `{output}`: {why}"),
        Failure::WrongContents { output, expected, found } => {
            let found = found.map_or_else(|| "nothing".into(), |digest| digest.to_string());
            format!("output `{output}` has the wrong contents\nexpected {expected}\nfound    {found}")
        }
        Failure::NotPutInPlace { output, path, why } => {
            format!("cannot put output `{output}` ({}) in place: {why}", path.display())
        }
        Failure::Unreadable { why }
        | Failure::LeadsIntoStore { why }
        | Failure::Cache { why }
        | Failure::System { why }
        | Failure::Other { why } => why.clone(),
    }
}

/// `exit status: 3`, `signal: 9 (SIGKILL)`: in the words of the standard library.
fn ending(status: i32, by_kill: bool) -> String {
    let status = ExitStatus::from_raw(status);
    if by_kill { format!("{status}: it was killed by SIGKILL, and not by Kiln") } else { status.to_string() }
}

fn out_of_memory(failure: &Failure) -> String {
    match failure {
        Failure::Exited { code } if *code == BY_SIGNAL + KILL => {
            format!("{}: the kernel killed it because memory ran out", ending(*code << 8, false))
        }
        Failure::Killed { signal: KILL, .. } => {
            format!("{}: the kernel killed it because memory ran out", ending(KILL, false))
        }
        // A pool of workers that lost one, `make`, or a shell that went on.
        other => format!("{}: memory ran out meanwhile, and the kernel killed a process", words(other)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ending_says_what_ended_it() {
        assert_eq!(words(&Failure::Exited { code: 3 }), "exit status: 3");
        let killed = Failure::Killed { signal: 9, core_dumped: false };
        assert_eq!(words(&killed), "signal: 9 (SIGKILL): it was killed by SIGKILL, and not by Kiln");
        let without_memory = |failure: Failure| words(&Failure::OutOfMemory { failure: Box::new(failure) });
        assert_eq!(without_memory(killed), "signal: 9 (SIGKILL): the kernel killed it because memory ran out");
        let shell = without_memory(Failure::Exited { code: 137 });
        assert_eq!(shell, "exit status: 137: the kernel killed it because memory ran out");
        let pool = without_memory(Failure::Exited { code: 1 });
        assert_eq!(pool, "exit status: 1: memory ran out meanwhile, and the kernel killed a process");
        let dumped = Failure::Killed { signal: 11, core_dumped: true };
        assert_eq!(words(&dumped), "signal: 11 (SIGSEGV) (core dumped)");
    }
}
