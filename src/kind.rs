//! What the engine knows of a built-in stage kind: the port between the engine and the catalog.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::Value;

pub use common::kind::{
    Arity, Chain, Checkpoints, Document, DocumentError, Event, Input, Job, OutputPort, ParamError, Port, Reads, Role,
};

use crate::hash::Digest;

/// A built-in stage kind. The engine knows no kind by name; `catalog.rs` supplies them.
pub trait Kind: Send + Sync {
    /// The name in `uses:`.
    fn name(&self) -> &str;
    /// One sentence on what it does.
    fn summary(&self) -> &str;
    /// The declared inputs.
    fn inputs(&self) -> &[Port];
    /// The declared outputs.
    fn outputs(&self) -> &[OutputPort];
    /// Checks `with:` and returns it with every default filled in.
    ///
    /// # Errors
    /// The first mistake, with the path to it.
    fn check(&self, with: &Value) -> Result<Value, ParamError>;
    /// The JSON Schema of `with:`, each parameter with what it takes, its default and a description.
    fn params(&self) -> Value {
        Value::Bool(true)
    }
    /// A text that changes when the code that decides the outputs changes.
    fn fingerprint(&self) -> &str;
    /// Resolves a document input to its canonical bytes; `None` where the input is read as plain bytes.
    fn document(&self, input: &str, path: &Path) -> Option<Result<Document, DocumentError>>;
    /// Holds parameters against what is known, before anything runs, of the stage that makes one of its inputs.
    ///
    /// # Errors
    /// The first mistake, with the path to it.
    fn fits(&self, _params: &Value, _maker: &Maker<'_>) -> Result<(), ParamError> {
        Ok(())
    }
    /// Output digests pinned by the parameters; `None` if the kind is not a fixed-output one.
    fn fixed(&self, params: &Value) -> Option<BTreeMap<String, Digest>>;
    /// The files beside its inputs that an execution may look for, absolute or relative to the project. They decide no output.
    fn beside(&self, _params: &Value) -> Vec<PathBuf> {
        vec![]
    }
    /// Describes an execution as a chain of steps, from its parameters and the canonical bytes of its document inputs, by
    /// input name; `None` if it is none.
    fn chain(&self, _params: &Value, _documents: &BTreeMap<&str, &[u8]>) -> Option<Chain> {
        None
    }
    /// The numbers of a step, as the folder with its state has them.
    fn step_metrics(&self, _state: &Path) -> BTreeMap<String, f64> {
        BTreeMap::new()
    }
    /// Runs the stage in this process; only a worker calls it.
    ///
    /// # Errors
    /// If the stage fails.
    fn run(&self, job: &Job, events: &(dyn Fn(Event) + Sync)) -> anyhow::Result<()>;
}

/// The kinds that `uses:` may name.
pub type Catalog = BTreeMap<String, Arc<dyn Kind>>;

/// A stage that makes an input of another.
pub struct Maker<'a> {
    /// The input that it makes.
    pub input: &'a str,
    /// Its kind.
    pub kind: &'a str,
    /// Which of its outputs that is.
    pub output: &'a str,
    /// The canonical bytes of a document that it is handed, by input name.
    pub document: &'a dyn Fn(&str) -> Option<&'a [u8]>,
}
