//! Following the log of a stage in a run that goes on.

use std::ffi::OsString;
use std::time::Duration;

use kiln::pipeline;
use kiln::record::StageRecord;
use kiln::store::Traced;

use super::past::Past;
use super::select::{ProjectArgs, Select};
use super::{Stop, project, render};

/// How often it is looked for more.
const PAUSE: Duration = Duration::from_millis(200);

/// The arguments with `log -f` written out, for everywhere else `-f` names the pipeline file.
pub(crate) fn written_out(arguments: impl Iterator<Item = OsString>) -> Vec<OsString> {
    let mut arguments: Vec<OsString> = arguments.collect();
    let Some(log) = arguments.iter().position(|argument| argument == "log") else { return arguments };
    // What comes before is options with their values.
    if log % 2 == 0 || !(1..log).step_by(2).all(|at| ["-f", "--file", "--cache"].iter().any(|it| arguments[at] == *it))
    {
        return arguments;
    }
    for at in log + 1..arguments.len() {
        let file = arguments.get(at + 1).and_then(|next| next.to_str());
        if arguments[at] == "-f" && !file.is_some_and(|file| file.ends_with(".yaml") || file.ends_with(".yml")) {
            arguments[at] = "--follow".into();
        }
    }
    arguments
}

/// Waits until a run that goes on begins with a stage, if there is a run that may come to that.
pub(crate) fn wait(place: &ProjectArgs, past: &Past, stage: &str) -> Result<(), Stop> {
    let asked = &[stage.to_owned()];
    let mut told = false;
    loop {
        let alive: Vec<Traced> = past.store.traces(Some(&past.project)).into_iter().filter(|run| run.alive).collect();
        let begun = |run: &Traced| project::recorded(&run.record(), asked).is_ok();
        let Some(run) = alive.first().filter(|_| !alive.iter().any(begun)) else { return Ok(()) };
        if !told {
            let pipeline = project::load(
                place,
                &place.file,
                &Select { profile: run.began.origin.profile.clone(), set: run.began.set.clone() },
            )?;
            pipeline::matching(&pipeline, asked).map_err(Stop::Mistakes)?;
            render::talk(&format!("waiting for `{stage}` to begin in run {}\n", run.began.id));
            told = true;
        }
        std::thread::sleep(PAUSE);
    }
}

/// Writes the log of a stage and what is added to it, until the stage ends; `false` if it does not go on.
pub(crate) fn follow(past: &Past, run: &str, stage: &StageRecord) -> Result<bool, Stop> {
    let goes_on = || {
        let runs = past.store.traces(None);
        let run = runs.iter().find(|traced| traced.alive && traced.began.id == run);
        run.is_some_and(|run| run.under_way.iter().any(|open| open.record.name == stage.name))
    };
    let log = past.store.log_path(&run.to_owned(), &stage.name);
    if !goes_on() {
        return Ok(false);
    }
    let mut written = 0;
    loop {
        // Asked before it is read: then what it last said is there.
        let last = !goes_on();
        match render::added(&log, written, last) {
            Ok(now) => written = now,
            // It has said nothing yet.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(error.into()),
        }
        if last {
            return Ok(true);
        }
        std::thread::sleep(PAUSE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn follow_is_told_from_file() {
        let written = |line: &str| {
            let words = written_out(line.split(' ').map(OsString::from));
            words.iter().map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ")
        };
        for (line, expected) in [
            ("kiln log -f train", "kiln log --follow train"),
            ("kiln log train -f", "kiln log train --follow"),
            ("kiln -f a.yaml log -f train", "kiln -f a.yaml log --follow train"),
            ("kiln log -f a.yaml train", "kiln log -f a.yaml train"),
            ("kiln run log -f b", "kiln run log -f b"),
            ("kiln -f log", "kiln -f log"),
            ("kiln status -f x", "kiln status -f x"),
        ] {
            assert_eq!(written(line), expected);
        }
    }
}
