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

    use crate::hash::Digest;
    use crate::kind::{
        Arity, Chain, Document, DocumentError, Event, Job, Kind, Maker, OutputPort, ParamError, Port, Role,
    };

    /// A kind of the `stages` crate behind the engine's port.
    pub(super) struct BuiltIn(pub(super) &'static stages::kind::Kind);

    impl Kind for BuiltIn {
        fn name(&self) -> &str {
            self.0.name
        }

        fn summary(&self) -> &str {
            self.0.summary
        }

        fn inputs(&self) -> Vec<Port> {
            let arity = |a| match a {
                stages::kind::Arity::One => Arity::One,
                stages::kind::Arity::Optional => Arity::Optional,
                stages::kind::Arity::Many => Arity::Many,
            };
            self.0
                .inputs
                .iter()
                .map(|p| Port { name: p.name.into(), doc: p.doc.into(), arity: arity(p.arity) })
                .collect()
        }

        fn outputs(&self) -> Vec<OutputPort> {
            let role = |r| match r {
                stages::kind::Role::Data => Role::Data,
                stages::kind::Role::Metrics => Role::Metrics,
                stages::kind::Role::Figure => Role::Figure,
                stages::kind::Role::Series => Role::Series,
            };
            self.0
                .outputs
                .iter()
                .map(|o| OutputPort { name: o.name.into(), file: o.file.into(), role: role(o.role), doc: o.doc.into() })
                .collect()
        }

        fn check(&self, with: &Value) -> Result<Value, ParamError> {
            (self.0.check)(with).map_err(|e| ParamError { path: e.path, message: e.message, hint: e.hint })
        }

        fn params(&self) -> Value {
            (self.0.params)()
        }

        fn fingerprint(&self) -> &str {
            stages::fingerprint::fingerprint(self.0)
        }

        fn document(&self, input: &str, path: &Path) -> Option<Result<Document, DocumentError>> {
            let port = self.0.inputs.iter().find(|p| p.name == input)?;
            let stages::kind::Reads::Document(resolve) = port.reads else { return None };
            Some(match resolve(path) {
                Ok(d) => Ok(Document { bytes: d.bytes, sources: d.sources }),
                Err(e) => Err(DocumentError { file: e.file, at: e.at, message: e.message, hint: e.hint }),
            })
        }

        fn fits(&self, params: &Value, maker: &Maker<'_>) -> Result<(), ParamError> {
            if (self.0.name, maker.input) != (stages::embed::EMBED.name, "model")
                || (maker.kind, maker.output) != (stages::train::TRAIN.name, "model")
            {
                return Ok(());
            }
            let Some(model) = (maker.document)("model") else { return Ok(()) };
            stages::fit::embeds(params, model).map_err(|e| ParamError {
                path: e.path,
                message: e.message,
                hint: e.hint,
            })
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
            let stages::kind::Chain { params, goal, unit, whole } = (self.0.chain?)(params, documents)?;
            Some(Chain { params, goal, unit: unit.into(), whole: whole.map(Into::into) })
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
            let forward = |event| {
                events(match event {
                    stages::kind::Event::Progress { done, total, unit, detail } => {
                        Event::Progress { done, total, unit, detail }
                    }
                    stages::kind::Event::Message { text } => Event::Message { text },
                    stages::kind::Event::Checkpoint { step, folder } => Event::Checkpoint { step, folder },
                });
            };
            let inputs = job.inputs.iter().map(|(name, items)| {
                let items = items.iter();
                let items = items.map(|(label, path)| stages::kind::Input { label: label.clone(), path: path.clone() });
                (name.clone(), items.collect())
            });
            let context = stages::kind::Context {
                inputs: inputs.collect(),
                outputs: job.outputs.clone(),
                threads: job.threads,
                device: job.device.clone(),
                project: job.project.clone(),
                checkpoints: stages::kind::Checkpoints {
                    resume: job.checkpoints.resume.clone(),
                    folder: job.checkpoints.folder.clone(),
                },
                events: &forward,
            };
            (self.0.run)(&job.params, &context)
        }
    }
}
