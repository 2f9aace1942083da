//! `kiln checkout`.

use clap::Args;
use kiln::engine::{Checkout as Entry, CheckoutStep};
use kiln::pipeline::{self, PutAs, StageName};
use kiln::record::{RunRecord, StageRecord};
use kiln::store::Ownership;

use super::past::Past;
use super::select::{ProjectArgs, Select};
use super::{EXIT_FAILED, Stop, claim, project, render};

#[derive(Args, Debug)]
pub(crate) struct Checkout {
    /// The run: a name or its beginning, `latest`, `latest~2`.
    pub(crate) run: String,
    /// Only these stages: `train`, `train[model=5]`, `eval*` [default: all].
    #[arg(value_name = "STAGE")]
    pub(crate) stages: Vec<String>,
    /// Replace what Kiln did not make, or what was changed by hand.
    #[arg(long = "force-overwrite", visible_alias = "force")]
    pub(crate) force: bool,
    /// Say what would be written, and write nothing.
    #[arg(short = 'n', long)]
    pub(crate) dry_run: bool,
    /// As JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

pub(crate) fn checkout(place: &ProjectArgs, args: &Checkout) -> Result<u8, Stop> {
    let past = if args.dry_run { Past::open(place)? } else { Past::open_to_write(place)? };
    let run = past.find(&args.run)?;
    past.say_whose(&run);
    let Past { store, project: of } = past;
    let root = of.root;
    all_named(&run, &args.stages)?;
    let wanted = |stage: &StageRecord| args.stages.is_empty() || args.stages.iter().any(|target| names(target, stage));
    let _own = match args.dry_run {
        true => None,
        false => {
            let mut say = |text: &str| render::talk(&format!("kiln: {text}\n"));
            Some((claim::wait(&store, &root, None, &mut say)?, store.hold()?))
        }
    };
    // How outputs are put in place is the pipeline file's to say; one with mistakes says nothing.
    let put_as = project::load_settings(place, &Select::default()).map_or(PutAs::default(), |now| now.put_as);
    let ownership = Ownership::new(&store, &root, args.force).placing(put_as.placement());
    let mut plan = Entry::plan(&store, &root, &run, &wanted, &ownership);
    let refused = plan.iter().any(|entry| entry.step == CheckoutStep::Refuse);
    let write = !refused && !args.dry_run;
    if !args.json {
        render::talk(&render::checkout::announcement(&plan, write));
    }
    if write {
        for entry in &mut plan {
            let done = entry.carry_out(&ownership);
            ownership.take_notes().iter().for_each(|note| render::talk(&format!("{note}\n")));
            done?;
        }
        store.memo().save()?;
    }
    let gone = plan.iter().any(|entry| entry.step == CheckoutStep::Gone);
    if args.json {
        render::json(&render::checkout::json(&run, &plan, write))?;
    } else {
        render::data(&render::checkout::text(&run, &plan, write))?;
    }
    Ok(if refused || gone { EXIT_FAILED } else { 0 })
}

fn names(target: &str, stage: &StageRecord) -> bool {
    let variant = stage.variant.iter().map(|(axis, label)| (axis.clone(), label.clone())).collect();
    pipeline::is_named(target, &StageName { stage: stage.stage.clone(), variant })
}

/// A stage that the run does not have is a mistake, not nothing to do.
fn all_named(run: &RunRecord, targets: &[String]) -> Result<(), Stop> {
    let unknown = targets.iter().find(|target| !run.stages.iter().any(|stage| names(target, stage)));
    unknown.map_or(Ok(()), |target| {
        let mut stages: Vec<&str> = run.stages.iter().map(|stage| stage.stage.as_str()).collect();
        stages.dedup();
        Err(Stop::Usage(format!("run {} has no stage `{target}`\nhint: its stages: {}", run.id, stages.join(", "))))
    })
}
