//! The command line: reads arguments, calls the engine, hands what there is to say to `render`.

mod adopt;
mod args;
mod at_commit;
mod check_resume;
mod checkout;
mod ci;
mod claim;
mod compare;
mod completions;
mod detach;
mod determinism;
mod discover;
mod export;
mod follow;
mod gc;
mod graph;
mod history;
pub(crate) mod import;
mod init;
mod inputs;
mod kinds;
mod list;
mod log;
mod made;
mod named;
mod outputs;
mod page;
mod past;
mod paste;
mod project;
mod remote;
mod render;
mod report;
mod run;
mod runs;
mod schema;
mod select;
mod share;
mod shell;
mod show;
mod status;
mod tag;
mod trace;
mod trials;
mod verify;
mod watch;
mod why;

use std::process::ExitCode;

use clap::Parser as _;
use kiln::catalog;
use kiln::store::StoreError;

use args::{Cli, Command};

/// Why a command ended early.
pub(crate) enum Stop {
    /// The pipeline has mistakes; nothing ran.
    Mistakes(Vec<kiln::diagnostic::Diagnostic>),
    /// Something asked for does not exist or cannot be had.
    Usage(String),
    /// The user asked to stop.
    Interrupted,
    /// A stage failed, and that was told.
    Failed,
    /// Anything else.
    Error(anyhow::Error),
}

impl<E: Into<anyhow::Error>> From<E> for Stop {
    fn from(error: E) -> Self {
        Self::Error(error.into())
    }
}

/// A stage failed, or a gate did.
pub(crate) const EXIT_FAILED: u8 = 1;
/// The command line or the pipeline is wrong.
pub(crate) const EXIT_USAGE: u8 = 2;
/// Kiln itself is at fault.
const EXIT_FAULT: i32 = 101;
/// Stopped by the user.
pub(crate) const EXIT_INTERRUPTED: u8 = 130;

/// Keeps the open files that this process was started with from the processes that it starts, but for the first three. A command would read by them what it
/// does not declare, and hold a lock of whoever called Kiln.
fn keep_descriptors() {
    // Older C libraries have no function for it, and older kernels refuse it.
    // SAFETY: a system call that marks open files, and closes none.
    unsafe { libc::syscall(libc::SYS_close_range, 3u32, u32::MAX, libc::CLOSE_RANGE_CLOEXEC) };
}

/// Runs the command that the arguments name.
pub fn main() -> ExitCode {
    end_at_a_fault();
    keep_descriptors();
    let cli = Cli::parse_from(follow::written_out(std::env::args_os()));
    tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::from_env("KILN_LOG"))
        .with_writer(|| render::Stderr)
        .with_ansi(render::look::Look::stderr().colour)
        .init();
    let place = discover::place(&cli.place);
    render::stand::at(&place.file);
    if let Command::Run(_) = &cli.command {
        detach::leave_terminal();
    }
    let result = match &cli.command {
        Command::Run(args) if args.detach => detach::detach(&place, args),
        Command::Run(args) if args.watch => watch::watch(&place, args),
        Command::Run(args) => run::run(&place, args),
        Command::Status(args) => status::status(&place, args),
        Command::Why(args) => why::why(&place, args),
        Command::List(args) => list::list(&place, args),
        Command::Show(args) => show::show(&place, args),
        Command::Log(args) => log::log(&place, args),
        Command::Shell(args) => shell::shell(&place, args),
        Command::Outputs(args) => outputs::outputs(&place, args),
        Command::Compare(args) => compare::compare(&place, args),
        Command::Ci(args) => ci::ci(&place, args),
        Command::History(args) => history::history(&place, args),
        Command::Tag(args) => tag::tag(&place, args),
        Command::Runs(args) => runs::runs(&place, args),
        Command::Report(args) => report::report(&place, args),
        Command::Graph(args) => graph::graph(&place, args),
        Command::Kinds(args) => kinds::kinds(args),
        Command::Gc(args) => gc::gc(&place, args),
        Command::Checkout(args) => checkout::checkout(&place, args),
        Command::Adopt(args) => adopt::adopt(&place, args),
        Command::Push(args) => share::push(&place, args),
        Command::Pull(args) => share::pull(&place, args),
        Command::Remote(args) => remote::remote(&place, &args.command),
        Command::Trace(args) => trace::trace(&place, args),
        Command::Verify(args) => verify::verify(&place, args),
        Command::Init(args) => init::init(args),
        Command::Import(args::Import::Dvc(args)) => import::dvc(&place, cli.place.file.is_some(), args),
        Command::Export(args::Export::Dvc(args)) => export::dvc(&place, args),
        Command::Schema => schema::schema(),
        Command::Completions(args) => completions::completions(args),
        Command::Worker => return worker(),
        Command::Job { folder, remote: Some(remote), scratch: Some(scratch) } => {
            kiln::engine::job_away(&folder.to_string_lossy(), remote, scratch).map(|()| 0).map_err(Stop::from)
        }
        Command::Job { folder, .. } => kiln::engine::job(folder).map(|()| 0).map_err(Stop::from),
        Command::Watchdog { scratch, kiln } => kiln::engine::watch(scratch, *kiln).map(|()| 0).map_err(Stop::from),
    };
    let code = ExitCode::from(result.unwrap_or_else(tell));
    render::finish();
    code
}

/// Says why a command ended early, and with which code.
pub(crate) fn tell(stop: Stop) -> u8 {
    match stop {
        Stop::Mistakes(mistakes) => {
            render::mistakes(&mistakes);
            EXIT_USAGE
        }
        Stop::Usage(text) => {
            render::error(&text);
            EXIT_USAGE
        }
        Stop::Interrupted => EXIT_INTERRUPTED,
        Stop::Failed => EXIT_FAILED,
        Stop::Error(error) => {
            let store = error.downcast_ref::<StoreError>();
            let hint = store.and_then(StoreError::hint).map_or_else(String::new, |hint| format!("\nhint: {hint}"));
            render::error(&format!("{error:#}{hint}"));
            let usage = store.is_some_and(StoreError::is_usage);
            if usage { EXIT_USAGE } else { EXIT_FAILED }
        }
    }
}

/// Makes a fault of Kiln's own end the process, whichever thread it is in: the others would wait for what that one was to do.
/// What is in flight is lost and nothing else, as when Kiln is killed.
fn end_at_a_fault() {
    let report = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |fault| {
        // What Git says is said beside a run, which needs none of it.
        if std::thread::current().name() == Some(kiln::git::THREAD) {
            return;
        }
        report(fault);
        render::error(
            "this is a fault of Kiln's own, and worth a report with the lines above; the cache is sound, and the next run goes on from it",
        );
        render::finish();
        std::process::exit(EXIT_FAULT);
    }));
}

/// The worker's standard error is the stage's log.
fn worker() -> ExitCode {
    match kiln::engine::serve(&catalog::catalog()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            render::error(&format!("{error:#}"));
            render::finish();
            ExitCode::from(EXIT_FAILED)
        }
    }
}
