//! `kiln shell`.

use std::ffi::OsString;
use std::io::IsTerminal as _;

use clap::Args;
use kiln::engine::{self, Interrupt, Means};
use kiln::pipeline::{Body, Command};
use kiln::store::Access;

use super::determinism::Needs;
use super::select::{ProjectArgs, Select};
use super::{EXIT_FAILED, EXIT_INTERRUPTED, Stop, claim, project, render};

#[derive(Args, Debug)]
pub(crate) struct Shell {
    /// The stage: `train[model=5]`. What it needs is brought up to date.
    stage: String,
    /// A program with its arguments to run there instead of a shell.
    #[arg(last = true, value_name = "COMMAND")]
    words: Vec<OsString>,
    #[command(flatten)]
    select: Select,
}

pub(crate) fn shell(place: &ProjectArgs, args: &Shell) -> Result<u8, Stop> {
    let (identity, cache) = project::identity(place, &place.file, &args.select)?;
    let (pipeline, store) = project::open(place, &identity, &cache, &args.select, Access::Write)?;
    let stages = project::named(&pipeline, std::slice::from_ref(&args.stage))?;
    let id = match stages.iter().copied().collect::<Vec<_>>()[..] {
        [id] => id,
        _ => {
            let names = stages.iter().map(|id| pipeline.stages[id.0].name.to_string()).collect::<Vec<_>>();
            let text = format!("`{}` are several stages\nhint: name one of {}", args.stage, names.join(", "));
            return Err(Stop::Usage(text));
        }
    };
    let stage = &pipeline.stages[id.0];
    let Body::Run(command) = &stage.body else {
        return Err(Stop::Usage(format!("`{}` is of a built-in kind: there is no command to try", stage.name)));
    };
    let interrupt = Interrupt::default();
    let jobs = std::thread::available_parallelism().map_or(1, usize::from);
    let worker = std::env::current_exe()?;
    let means = Means { jobs, worker: &worker, interrupt: &interrupt };
    let needs = Needs { set: &args.select.set, quiet: true, overwrite: false };
    {
        let mut tell = |text: &str| render::talk(&format!("{text}\n"));
        let Some(_claim) = claim::wait(&store, &pipeline.root, Some(&interrupt), &mut tell)? else {
            return Ok(EXIT_INTERRUPTED);
        };
        if let Some(code) = needs.bring(&pipeline, &store, id, &means)? {
            return Ok(code);
        }
    }
    if args.words.is_empty() && std::io::stdin().is_terminal() {
        let command = match command {
            Command::Shell(script) => script.trim_end().replace('\n', "\n    "),
            Command::Argv(words) => words.join(" "),
        };
        let text = format!(
            "{}: a shell with what the stage sees, in the bounds that it has; what is written here is lost\n  its command:\n    {command}\n",
            stage.name
        );
        render::talk(&text);
    }
    render::finish();
    let mut note = |text: &str| render::talk(&format!("kiln: {text}\n"));
    match engine::shell(&pipeline, &store, id, &args.words, &means, &mut note) {
        Ok(code) => Ok(u8::try_from(code).unwrap_or(EXIT_FAILED)),
        Err(Some(why)) => Err(Stop::Error(anyhow::anyhow!(why))),
        Err(None) => Ok(EXIT_INTERRUPTED),
    }
}
