//! The record of a stage: what the pipeline, the decision and the result say of it.

use std::collections::BTreeMap;

use petgraph::Direction;

use crate::engine::decide::decision::Decision;
use crate::engine::executor::failure::Failed;
use crate::json_text::JsonText;
use crate::name_map::NameMap;
use crate::pipeline::{Body, Command, Pipeline, Stage, StageId};
use crate::reason::Reason;
use crate::record::{MadeBy, Outcome, OutputRecord, StageRecord};
use crate::store::{ActionResult, Maker};

/// The names of the stages that a stage needs, in topological order.
fn producers(pipeline: &Pipeline, id: StageId) -> Vec<String> {
    let node = petgraph::graph::NodeIndex::new(id.0);
    let mut producers: Vec<StageId> =
        pipeline.graph.neighbors_directed(node, Direction::Incoming).map(|n| pipeline.graph[n]).collect();
    producers.sort_unstable();
    producers.into_iter().map(|p| pipeline.stages[p.0].name.to_string()).collect()
}

/// A stage's record as far as the pipeline decides it.
pub(crate) fn record(pipeline: &Pipeline, id: StageId) -> StageRecord {
    let stage = &pipeline.stages[id.0];
    let (uses, params) = match &stage.body {
        Body::Uses { kind, params } => (Some(kind.name().to_owned()), params.into()),
        Body::Run(command) => (None, command_params(stage, command)),
    };
    StageRecord {
        ready: None,
        start: None,
        name: stage.name.to_string(),
        stage: stage.name.stage.clone(),
        variant: stage.name.variant.iter().cloned().collect(),
        uses,
        needs: producers(pipeline, id),
        outcome: Outcome::Skipped,
        reasons: vec![],
        causes: vec![],
        key: None,
        params,
        inputs: NameMap::new(),
        outputs: NameMap::new(),
        metrics: BTreeMap::new(),
        warnings: vec![],
        seconds: 0.0,
        queued: None,
        executed_seconds: None,
        resumed: None,
        maker: None,
        log: None,
        error: None,
        failure: None,
    }
}

/// What a record says of a command: what is in its key, and which variables pass.
fn command_params(stage: &Stage, command: &Command) -> JsonText {
    let mut params = serde_json::json!({ "run": command, "env": stage.env });
    if let Some(shell) = stage.language() {
        params["shell"] = shell.into();
    }
    if let Some(with) = &stage.with {
        params["params"] = with.clone();
    }
    if !stage.pass.is_empty() {
        params["pass"] = stage.pass.clone().into();
    }
    params.into()
}

/// Fills in what a result says of a stage.
pub(crate) fn complete(
    record: &mut StageRecord,
    pipeline: &Pipeline,
    id: StageId,
    outcome: Outcome,
    result: &ActionResult,
) {
    record.outcome = outcome;
    record.executed_seconds = (result.seconds > 0.0).then_some(result.seconds);
    record.resumed = result.resumed.clone();
    let maker = result.maker.as_ref().filter(|_| outcome == Outcome::Restored);
    record.maker = maker.map(|Maker { kiln, processor, commit }| {
        let (host, kiln, processor, commit) = (result.host.clone(), kiln.clone(), processor.clone(), commit.clone());
        Box::new(MadeBy { host, kiln, processor, commit })
    });
    record.because(result.adopted.iter().map(|from| Reason::Adopted { from: from.clone() }));
    record.metrics = result.metrics.clone();
    record.warnings = result.all_warnings();
    record.outputs = pipeline.stages[id.0]
        .outputs
        .iter()
        .filter_map(|(name, output)| {
            let artifact = result.outputs.get(name)?;
            let (path, role) = (output.path.clone(), output.role);
            let output = OutputRecord { path, digest: artifact.digest, bytes: artifact.bytes, role };
            Some((name.clone(), output))
        })
        .collect();
}

/// Fills in what a decision says of a stage.
pub(crate) fn fill(record: &mut StageRecord, decision: &Decision) {
    record.key = Some(decision.key);
    let inputs = decision.manifest.inputs.iter();
    record.inputs = inputs.map(|(name, items)| (name.clone(), items.iter().map(|i| i.digest).collect())).collect();
}

/// Fills in that a stage failed.
pub(crate) fn fail(record: &mut StageRecord, failed: Failed) {
    record.outcome = Outcome::Failed;
    record.error = Some(failed.text());
    record.failure = Some(Box::new(failed.failure));
}
