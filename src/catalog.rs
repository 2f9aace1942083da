//! The built-in stage kinds, as the engine sees them. The only file that names `stages::`.

use crate::kind::Catalog;

/// Every built-in kind by name; empty where Kiln was built without them.
#[cfg(not(feature = "stages"))]
pub fn catalog() -> Catalog {
    Catalog::new()
}

/// Every built-in kind by name.
#[cfg(feature = "stages")]
pub fn catalog() -> Catalog {
    stages::kinds().map(|kind| (kind.name.to_owned(), std::sync::Arc::new(adapter::BuiltIn(kind)) as _)).collect()
}

#[cfg(feature = "stages")]
mod adapter {
    use std::collections::BTreeMap;
    use std::path::{Path, PathBuf};

    use serde_json::Value;
    use stages::kind::{Context, Reads};

    use crate::hash::Digest;
    use crate::kind::{Chain, Document, DocumentError, Event, Job, Kind, Maker, OutputPort, ParamError, Port};

    /// A kind of the `stages` crate behind the engine's port.
    pub(super) struct BuiltIn(pub(super) &'static stages::kind::Kind);

    impl Kind for BuiltIn {
        fn name(&self) -> &str {
            self.0.name
        }

        fn summary(&self) -> &str {
            self.0.summary
        }

        fn inputs(&self) -> &[Port] {
            self.0.inputs
        }

        fn outputs(&self) -> &[OutputPort] {
            self.0.outputs
        }

        fn check(&self, with: &Value) -> Result<Value, ParamError> {
            (self.0.check)(with)
        }

        fn params(&self) -> Value {
            (self.0.params)()
        }

        fn fingerprint(&self) -> &str {
            stages::fingerprint::fingerprint(self.0)
        }

        fn document(&self, input: &str, path: &Path) -> Option<Result<Document, DocumentError>> {
            match self.0.inputs.iter().find(|port| port.name == input)?.reads {
                Reads::Document(resolve) => Some(resolve(path)),
                Reads::Artifact => None,
            }
        }

        fn fits(&self, params: &Value, maker: &Maker<'_>) -> Result<(), ParamError> {
            if (self.0.name, maker.input) != (stages::embed::EMBED.name, "model")
                || (maker.kind, maker.output) != (stages::train::TRAIN.name, "model")
            {
                return Ok(());
            }
            let Some(model) = (maker.document)("model") else { return Ok(()) };
            stages::fit::embeds(params, model)
        }

        fn fixed(&self, params: &Value) -> Option<BTreeMap<String, Digest>> {
            let pinned = (self.0.fixed?)(params);
            // `check` has accepted the digests; one that does not parse leaves the stage an ordinary one.
            pinned.into_iter().map(|(name, digest)| Some((name, digest.parse().ok()?))).collect()
        }

        fn beside(&self, params: &Value) -> Vec<PathBuf> {
            if self.0.name == stages::data::fetch::KIND.name { stages::data::fetch::files(params) } else { vec![] }
        }

        fn chain(&self, params: &Value, documents: &BTreeMap<&str, &[u8]>) -> Option<Chain> {
            (self.0.chain?)(params, documents)
        }

        fn step_metrics(&self, state: &Path) -> BTreeMap<String, f64> {
            // Of the kinds only `train` is made of steps. Its state has the numbers of all epochs so far.
            let text = std::fs::read(state.join("state.json")).unwrap_or_default();
            let state: Value = serde_json::from_slice(&text).unwrap_or_default();
            let last = state["history"].as_array().and_then(|history| history.last()).and_then(Value::as_object);
            let numbers = last.into_iter().flatten().filter(|(name, _)| *name != "epoch");
            numbers.filter_map(|(name, value)| Some((name.clone(), value.as_f64()?))).collect()
        }

        fn run(&self, job: &Job, events: &(dyn Fn(Event) + Sync)) -> anyhow::Result<()> {
            (self.0.run)(&job.params, &Context::of(job, events))
        }
    }
}
