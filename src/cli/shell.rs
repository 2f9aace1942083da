//! `kiln shell`.

use std::ffi::OsString;
use std::io::IsTerminal as _;
use std::sync::Arc;

use clap::Args;
use kiln::engine::{self, Interrupt, Means};
use kiln::pipeline::{Body, Command};
use kiln::store::Access;

use super::select::{Far, ProjectArgs, Select};
use super::trials::{Trials, outcome};
use super::{EXIT_FAILED, Stop, claim, project, remote, render};

#[derive(Args, Debug)]
pub(crate) struct Shell {
    /// The stage: `train[model=5]`. What it needs is brought up to date.
    stage: String,
    /// A program with its arguments to run there instead of a shell.
    #[arg(last = true, value_name = "COMMAND")]
    words: Vec<OsString>,
    #[command(flatten)]
    select: Select,
    #[command(flatten)]
    far: Far,
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
    let remote = remote::open(&pipeline, &store, &args.far, false)?.map(Arc::new);
    let trials = Trials {
        pipeline: &pipeline,
        store: &store,
        means: Means { jobs, worker: &worker, interrupt: &interrupt, remote: remote.as_ref() },
        select: &args.select,
        quiet: true,
        overwrite: false,
    };
    {
        let mut tell = |text: &str| render::talk(&format!("{text}\n"));
        let Some(_claim) = claim::wait(&store, &pipeline.root, Some(&interrupt), &mut tell)? else {
            return Err(Stop::Interrupted);
        };
        trials.bring(id)?;
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
    let code = outcome(engine::shell(&pipeline, &store, id, &args.words, &trials.means, &mut note))?;
    trials.end()?;
    Ok(u8::try_from(code).unwrap_or(EXIT_FAILED))
}
