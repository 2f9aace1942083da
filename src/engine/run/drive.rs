//! A run, from its first look at the sources to its record.

use std::collections::BTreeMap;

use super::context::{Options, RunStart, heed};
use super::crew::{RunContext, bring_up_to_date};
use super::event::Reporter;
use super::rerun;
use super::uploads::beside;
use crate::engine::decide::absent::supply;
use crate::engine::decide::sources::Sources;
use crate::engine::record::history::History;
use crate::events::RunEvent;
use crate::interrupt::Interrupt;
use crate::pipeline::{Pipeline, StageId};
use crate::record::RunRecord;
use crate::store::{Project, Store, StoreError};

/// Brings stages up to date and records what was done. The record is written to the store whatever happened to the
/// stages.
///
/// # Errors
/// If the record cannot be written.
pub fn run(
    pipeline: &Pipeline,
    store: &Store,
    options: &Options,
    interrupt: &Interrupt,
    reporter: &mut dyn Reporter,
) -> Result<RunRecord, StoreError> {
    let began = RunStart::now(store, Project::at(&pipeline.root, &pipeline.file), options);
    let _hold = match store.try_hold()? {
        Some(hold) => hold,
        None => {
            let text = "waiting for another Kiln that deletes from the cache".to_owned();
            reporter.tell(&RunEvent::Note { text });
            store.hold()?
        }
    };
    // From here on there is something to be left consistent.
    heed(store, interrupt)?;
    let order: Vec<StageId> = (0..pipeline.stages.len()).map(StageId).filter(|s| options.stages.contains(s)).collect();
    let (mut trace, event) = began.trace(pipeline, store, options, order.len());
    reporter.tell(&event);
    let mut sources = Sources::scan(pipeline, &order, &options.force, store.memo());
    supply(&mut sources, pipeline, &order, &options.absent, store, options.remote.as_deref());
    let history = History::new(store, &began.project);
    let stages = beside(options, store, interrupt, reporter, &mut trace, began.at, |reporter, trace| {
        let executor = options.executor(pipeline, store, interrupt);
        let given =
            RunContext { pipeline, store, sources: &sources, executor: executor.as_ref(), edge: BTreeMap::new() };
        bring_up_to_date(&given, options, interrupt, &began, &history, trace, reporter)
    });
    let record = began.record(pipeline, options, interrupt, stages, reporter);
    let pages = store.write_pages_and_run(&record)?;
    if let Some(trace) = trace {
        trace.remove();
    }
    if let Err(error) = store.memo().save() {
        // Only the next run's time is lost.
        tracing::warn!("cannot save the hash memo: {error}");
    }
    // The next run sends what is left: it goes the ordinary way, even if it has nothing else to do.
    let left = options.remote.as_deref().is_some_and(|remote| remote.left_over() > 0);
    if let Some(identity) = options.identity.as_ref().filter(|_| !left) {
        rerun::keep(pipeline, store, &sources, &record, &pages, identity);
    }
    reporter.run_finished(&record);
    Ok(record)
}
