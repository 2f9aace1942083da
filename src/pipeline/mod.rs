//! From `pipeline.yaml` to a DAG of checked stages.

mod stage;

pub use stage::{Body, Command, From, Input, Output, Pipeline, Resources, Stage, StageId, StageName, coordinates};
