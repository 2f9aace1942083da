//! `kiln push` and `kiln pull`.

use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use clap::Args;
use kiln::engine::{self, Interrupt};
use kiln::remote::{Remote, Traffic};
use kiln::store::{Access, Ownership, Tier};

use super::render::look::Look;
use super::select::{Far, ProjectArgs, Select};
use super::{EXIT_FAILED, EXIT_INTERRUPTED, Stop, claim, named, project, remote, render};

#[derive(Args, Debug)]
pub(crate) struct Push {
    /// The stages: `train`, `train[model=5]`, `eval*`, with all they need [default: all].
    #[arg(value_name = "STAGE")]
    pub(crate) stages: Vec<String>,
    #[command(flatten)]
    pub(crate) select: Select,
    #[command(flatten)]
    pub(crate) far: Far,
    /// Send again what was sent before, too: after something was deleted there.
    #[arg(long)]
    pub(crate) again: bool,
}

#[derive(Args, Debug)]
pub(crate) struct Pull {
    /// The stages: `train`, `train[model=5]`, `eval*`, and nothing they need [default: all].
    #[arg(value_name = "STAGE")]
    pub(crate) stages: Vec<String>,
    #[command(flatten)]
    pub(crate) select: Select,
    #[command(flatten)]
    pub(crate) far: Far,
    /// Replace what Kiln did not make, or what was changed by hand.
    #[arg(long)]
    pub(crate) force_overwrite: bool,
}

/// How often it is told how far it is.
const EVERY: Duration = Duration::from_secs(2);

/// `kiln push`.
pub(crate) fn push(place: &ProjectArgs, args: &Push) -> Result<u8, Stop> {
    let (pipeline, store, absent) = project::open_without_sources(place, &place.file, &args.select, Access::Write)?;
    project::tell_absent(&absent);
    let remote = wanted(&pipeline, &store, &args.far)?;
    if let Some((why, hint)) = remote.why_silent() {
        return Err(Stop::Usage(format!("nothing is sent to {}: {why}\nhint: {hint}", remote.address())));
    }
    // What was sent to a cache that somebody has made anew since is not there.
    remote.check_again().map_err(|mistake| Stop::Usage(format!("{}\nhint: {}", mistake.message, mistake.hint)))?;
    let stages = project::selected(&pipeline, &args.stages)?;
    let _hold = store.hold()?;
    let mut keys = engine::results(&pipeline, &store, &stages);
    if args.again {
        remote.forget(&keys);
    }
    let known = keys.len();
    keys.retain(|key| !remote.has_sent(key));
    let known = known - keys.len();
    keys.extend(remote.queued());
    keys.sort_unstable();
    keys.dedup();
    let taken = beside(&remote, || remote.take(&keys, &store));
    named::push(&remote, &pipeline, &store);
    render::remote::news(Some(&remote));
    let left = taken.map_or(keys.len(), |left| left.len());
    render::talk(&format!("{}\n", render::remote::traffic(&Traffic { asked: 0, left, ..remote.traffic() })));
    if known > 0 && keys.is_empty() {
        let (what, were) = if known == 1 { ("result", "was") } else { ("results", "were") };
        render::talk(&format!("{known} {what} {were} sent before; `--again` asks whether they are still there\n"));
    }
    save(&store);
    Ok(if left == 0 { 0 } else { EXIT_FAILED })
}

/// `kiln pull`.
pub(crate) fn pull(place: &ProjectArgs, args: &Pull) -> Result<u8, Stop> {
    let (pipeline, store, absent) = project::open_without_sources(place, &place.file, &args.select, Access::Write)?;
    let remote = wanted(&pipeline, &store, &args.far)?;
    remote.check().map_err(|mistake| Stop::Usage(format!("{}\nhint: {}", mistake.message, mistake.hint)))?;
    let needed = project::selected(&pipeline, &args.stages)?;
    let stages = if args.stages.is_empty() { needed.clone() } else { project::named(&pipeline, &args.stages)? };
    let interrupt = Interrupt::default();
    let mut note = |text: &str| render::talk(&format!("kiln: {text}\n"));
    let Some(_claim) = claim::wait(&store, &pipeline.root, Some(&interrupt), &mut note)? else {
        return Ok(EXIT_INTERRUPTED);
    };
    let _hold = store.hold()?;
    let ownership = Ownership::new(&store, &pipeline.root, args.force_overwrite).placing(pipeline.put_as.placement());
    let keys = named::keys_without(&absent, place, &args.far)?;
    let pulled = beside(&remote, || engine::pull(&pipeline, &store, &remote, &stages, &needed, &ownership, &keys));
    ownership.take_notes().iter().for_each(|note| render::talk(&format!("{note}\n")));
    render::remote::news(Some(&remote));
    save(&store);
    render::talk(&render::remote::pulled(&pulled, &Look::stderr()));
    render::talk(&format!("{}\n", render::remote::traffic(&remote.traffic())));
    Ok(if pulled.missing.is_empty() && pulled.failed.is_empty() { 0 } else { EXIT_FAILED })
}

fn wanted(pipeline: &kiln::pipeline::Pipeline, store: &kiln::store::Store, far: &Far) -> Result<Remote, Stop> {
    let none = "no remote cache is named\nhint: write `remote: s3://bucket/prefix` into the pipeline file, or name one with `--remote`";
    remote::open(pipeline, store, &Far { offline: false, ..far.clone() }, false)?
        .ok_or_else(|| Stop::Usage(none.to_owned()))
}

/// Does something while another thread tells how far it is.
fn beside<T: Send>(remote: &Remote, work: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        // The other end is dropped when the work is done.
        let (working, done) = mpsc::channel::<()>();
        let work = scope.spawn(move || {
            let _working = working;
            work()
        });
        let mut told = String::new();
        while done.recv_timeout(EVERY) == Err(RecvTimeoutError::Timeout) {
            let line = format!("{}\n", render::remote::traffic(&remote.traffic()));
            if line != told {
                render::talk(&line);
                told = line;
            }
        }
        work.join().unwrap_or_else(|fault| std::panic::resume_unwind(fault))
    })
}

fn save(store: &kiln::store::Store) {
    if let Err(error) = store.memo().save() {
        tracing::warn!("cannot save the hash memo: {error}");
    }
}
