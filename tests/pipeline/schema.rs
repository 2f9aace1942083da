//! The JSON Schema of pipeline files against a validator that is not ours, over good pipelines and bad ones.

use std::fs;
use std::path::Path;

use boon::{Compiler, Draft, SchemaIndex, Schemas};
use kiln::kind::Catalog;
use kiln::pipeline::schema;
use serde_json::Value;

use crate::support;

struct Validator {
    schemas: Schemas,
    index: SchemaIndex,
}

impl Validator {
    fn new(catalog: &Catalog) -> Self {
        let (mut schemas, mut compiler) = (Schemas::new(), Compiler::new());
        compiler.set_default_draft(Draft::V2020_12);
        compiler.add_resource("kiln.json", schema(catalog)).expect("a resource");
        let index = compiler.compile("kiln.json", &mut schemas).unwrap_or_else(|e| panic!("no JSON Schema: {e}"));
        Self { schemas, index }
    }

    fn check(&self, yaml: &str) -> Result<(), String> {
        let value: Value = serde_yaml::from_str(yaml).unwrap_or_else(|e| panic!("{e}: {yaml}"));
        self.schemas.validate(&value, self.index).map_err(|e| format!("{e:#}"))
    }
}

fn file(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap_or_else(|e| panic!("{path}: {e}"))
}

#[cfg(feature = "stages")]
#[test]
fn the_shipped_pipeline_is_valid() {
    let validator = Validator::new(&kiln::catalog::catalog());
    validator.check(&file("pipeline.yaml")).unwrap_or_else(|e| panic!("{e}"));
}

#[test]
fn good_pipelines_are_valid() {
    let (with, without) = (Validator::new(&support::catalog()), Validator::new(&Catalog::new()));
    for validator in [&with, &without] {
        validator.check(&file("src/cli/init/pipeline.yaml")).unwrap_or_else(|e| panic!("{e}"));
    }
    for good in [
        "version: 1\nstages:\n",
        "version: 1\nparams:\nprofiles: {p: {params: {a: 1}}}\nstages: {s: {run: [ls, 1, true], outputs: {o: o}}}",
        "version: 1\nstages: {s: {run: ls, inputs: {a: x, b: {from: t.o}, c: [x, {from: t.o}]}, \
         outputs: {o: {path: o, role: series}}, matrix: {from: t, a: [1], exclude: [{a: 1}]}, env: {A: 1}, \
         resources: {cpus: \"${params.n}\", device: \"cuda:1\"}, timeout: 1h30m, retries: 2}}",
        "version: 1\nstages: {s: {uses: learn, inputs: {data: d, model: m}, with: {epochs: \"${params.e}\", seed: 1}}}",
        "version: 1\nstages: {s: {uses: learn, inputs: {data: d, model: m}, with: \"${matrix.m}\", outputs: {weights: w}}}",
    ] {
        with.check(good).unwrap_or_else(|e| panic!("{good}\n{e}"));
    }
}

/// Parameters of every built-in kind, right ones and typing mistakes.
#[cfg(feature = "stages")]
#[test]
fn parameters_of_built_in_kinds_are_checked() {
    let validator = Validator::new(&kiln::catalog::catalog());
    let stage = |kind: &str, inputs: &str, with: &str| {
        format!("version: 1\nstages: {{s: {{uses: {kind}, inputs: {{{inputs}}}, with: {with}}}}}")
    };
    let (clustered, trained) = ("embeddings: e", "data: d, split: s, model: m");
    for (kind, inputs, with) in [
        ("cluster", clustered, "{method: kmeans}"),
        ("cluster", clustered, "{method: kmeans, clusters: auto, most: 7}"),
        ("cluster", clustered, "{method: kmeans, clusters: 5, runs: \"${params.runs}\"}"),
        ("cluster", clustered, "{method: dbscan, eps: 0.5, normalise: none}"),
        ("cluster", clustered, "{method: \"${matrix.m}\", seed: 1}"),
        ("cluster", clustered, "\"${matrix.method}\""),
        ("project", clustered, "{method: tsne, perplexity: 12.5}"),
        ("embed", "model: m, data: d", "{layer: dense}"),
        ("fetch", "", "{digest: \"${matrix.f.digest}\", sources: [a, \"${params.b}\"], unpack: gzip}"),
        ("import", "images: i, labels: l", "{classes: [{name: a, labels: [1, 2]}], names: null}"),
        ("normalise", "train: a, test: b", "{method: min-max, per: channel}"),
        ("train", trained, "{epochs: 3, shuffle: false}"),
        ("train", trained, "null"),
        ("visualise/projection", "projections: p, embeddings: e, clusters: c", "{names: {pca: PCA}}"),
    ] {
        let pipeline = stage(kind, inputs, with);
        validator.check(&pipeline).unwrap_or_else(|e| panic!("{pipeline}\n{e}"));
    }
    for (kind, inputs, with) in [
        ("cluster", clustered, "{method: kmean}"),
        ("cluster", clustered, "{method: kmeans, eps: 0.5}"),
        ("cluster", clustered, "{method: dbscan, clusters: 5}"),
        ("cluster", clustered, "{method: kmeans, clusters: many}"),
        ("cluster", clustered, "{clusters: 5}"),
        ("cluster", clustered, "null"),
        ("project", clustered, "{method: tsne, perplexty: 12.5}"),
        ("embed", "model: m, data: d", "{laier: dense}"),
        ("embed", "model: m, data: d", "{}"),
        ("fetch", "", "{digest: abc, sources: [a], unpack: zip}"),
        ("import", "images: i, labels: l", "{classes: [{name: a, label: [1]}]}"),
        ("normalise", "train: a, test: b", "{method: standardize}"),
        ("train", trained, "{epoch: 3}"),
        ("train", trained, "{epochs: -3}"),
        ("evaluate", "model: m, data: d", "{batch: 3}"),
    ] {
        let pipeline = stage(kind, inputs, with);
        assert!(validator.check(&pipeline).is_err(), "{pipeline}");
    }
    let missing = "version: 1\nstages: {s: {uses: embed, inputs: {model: m, data: d}}}";
    assert!(validator.check(missing).is_err(), "`layer` has no default");
}

#[test]
fn bad_pipelines_are_not() {
    let validator = Validator::new(&support::catalog());
    for bad in [
        "{}",
        "version: 2\nstages: {}",
        "version: 1",
        "version: 1\nstagse: {}\nstages: {}",
        "version: 1\nstages: {s: {}}",
        "version: 1\nstages: {s: {run: ls}}",
        "version: 1\nstages: {s: {run: ls, outputs: {}}}",
        "version: 1\nstages: {s: {run: ls, uses: learn, outputs: {o: o}}}",
        "version: 1\nstages: {s: {run: \" \", outputs: {o: o}}}",
        "version: 1\nstages: {s: {run: ls, with: [1], outputs: {o: o}}}",
        "version: 1\nstages: {\"a b\": {run: ls, outputs: {o: o}}}",
        "version: 1\nstages: {s: {run: ls, outputs: {o: {path: o, role: metric}}}}",
        "version: 1\nstages: {s: {run: ls, outputs: {o: o}, inputs: {i: {form: t.o}}}}",
        "version: 1\nstages: {s: {run: ls, outputs: {o: o}, retries: -1}}",
        "version: 1\nstages: {s: {run: ls, outputs: {o: o}, resources: {cpus: 0}}}",
        "version: 1\nstages: {s: {uses: lern, inputs: {data: d, model: m}}}",
        "version: 1\nstages: {s: {uses: learn, inputs: {data: d}}}",
        "version: 1\nstages: {s: {uses: learn, inputs: {data: d, model: m, mdoel: m}}}",
        "version: 1\nstages: {s: {uses: learn, inputs: {data: d, model: m}, env: {A: 1}}}",
        "version: 1\nstages: {s: {uses: learn, inputs: {data: d, model: m}, with: {epochs: ten}}}",
        "version: 1\nstages: {s: {uses: learn, inputs: {data: d, model: m}, with: {epoch: 10}}}",
        "version: 1\nstages: {s: {uses: learn, inputs: {data: d, model: m}, with: {optimiser: {rat: 0.1}}}}",
    ] {
        assert!(validator.check(bad).is_err(), "{bad}");
    }
}

/// The pipelines that Kiln refuses for their form are refused by the schema as well.
#[test]
fn keys_that_kiln_does_not_know_are_refused() {
    let validator = Validator::new(&support::catalog());
    for name in ["unknown-keys", "not-a-mapping", "empty"] {
        assert!(validator.check(&file(&format!("tests/ui/{name}.yaml"))).is_err(), "{name}");
    }
}
