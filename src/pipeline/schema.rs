//! The JSON Schema of a pipeline file, for editors: its form, and the ports and parameters of the built-in kinds. What takes the whole
//! pipeline to know (references, the matrix, the contents of parameters) only `load` can tell.

use serde_json::{Map, Value, json};

use super::cache::{CACHE, TYPES};
use super::decode::{INPUT, KEEP, MATRIX, OUTPUT, PIPELINE, PROFILE, RESOURCES, ROLES, STAGE, STEPS, TIMEOUT};
use super::environment::SHELLS;
use super::executor::{CLUSTER, COMMAND, EXECUTOR, OF_STAGE, WISHES};
use super::name::{WITH_DOTS, WITHOUT_DOTS};
use super::packages::KEYS;
use super::remote::REMOTE;
use crate::kind::{Arity, Catalog, Kind};

/// Where a value may be computed, any text with `${` in it will do.
const COMPUTED: &str = r"\$\{";

/// The names of environment variables.
const VARIABLE: &str = "^[A-Za-z_][A-Za-z0-9_]*$";

/// The JSON Schema (draft 2020-12) of pipeline files that use kinds of `catalog`.
pub fn schema(catalog: &Catalog) -> Value {
    let mut schema = object(PIPELINE, |key| match key {
        "version" => json!({ "const": 1, "description": "The version of the format: 1." }),
        "params" => params("Parameters: `${params.NAME}`."),
        "profiles" => mapping("What `--profile NAME` lays over the parameters.", profile()),
        "report" => text("A Markdown file that becomes the report's page after a run."),
        "remote" => remote(),
        "cache" => object(CACHE, |_| json!({ "enum": TYPES, "description": "How large outputs are put in place." })),
        "shell" => shell("The shell that runs the scripts."),
        "environment" => environment(),
        "executor" => executor(),
        _ => {
            let mut stages = mapping("The stages by name.", json!({ "$ref": "#/$defs/stage" }));
            stages["propertyNames"] = json!({ "pattern": WITH_DOTS });
            stages
        }
    });
    schema["$schema"] = json!("https://json-schema.org/draft/2020-12/schema");
    schema["title"] = json!("Kiln pipeline");
    schema["required"] = json!(["version", "stages"]);
    schema["$defs"] = json!({ "stage": stage(catalog) });
    schema
}

fn remote() -> Value {
    let url = json!({ "type": "string", "pattern": "^(s3|gs|az|file)://" });
    let fields = object(REMOTE, |key| match key {
        "url" => url.clone(),
        "access" => json!({ "enum": ["read", "write", "both"] }),
        "lazy" => json!({ "type": "boolean" }),
        "accept" => json!({ "type": "array", "items": { "type": "string", "pattern": "^kiln-ed25519:" } }),
        _ => json!({ "type": "string" }),
    });
    json!({ "description": "A remote cache: a URL, or a mapping with `url`.", "anyOf": [url, fields] })
}

fn profile() -> Value {
    object(PROFILE, |key| match key {
        "params" => params("Laid over the pipeline's parameters."),
        _ => executor(),
    })
}

fn params(doc: &str) -> Value {
    let here = mapping("By name.", true.into());
    let file = json!({ "type": "string", "pattern": r"\.(ya?ml|json|toml)$" });
    let list = json!({ "type": "array", "items": { "anyOf": [here, file] } });
    json!({
        "description": format!("{doc} A mapping, a file (YAML, JSON or TOML), or a list of these, each laid over those before it."),
        "anyOf": [here, file, list],
    })
}

fn stage(catalog: &Catalog) -> Value {
    let mut stage = object(STAGE, |key| match key {
        "uses" if catalog.is_empty() => text("A built-in stage kind."),
        "uses" => json!({ "enum": catalog.keys().collect::<Vec<_>>(), "description": "A built-in stage kind." }),
        "run" => json!({
            "description": "A script for the shell, or a list: a program and its arguments.",
            "anyOf": [
                { "type": "string", "pattern": r"\S" },
                { "type": "array", "minItems": 1, "items": scalar() },
            ],
        }),
        "shell" => shell("The shell that runs the script."),
        "inputs" => ports("What it reads, by name: a path, or `{from: stage.output}`.", input()),
        "outputs" => ports("What it writes, by name: a path, or `{path: ..., role: ...}`.", output()),
        "with" => json!({
            "description": "Parameters of the kind, or values for the command: it finds them in the JSON file that KILN_PARAMS names.",
            "anyOf": [{ "type": ["object", "null"] }, { "type": "string", "pattern": COMPUTED }],
        }),
        "steps" => steps(),
        "matrix" => matrix(),
        "env" => {
            let mut env = mapping("Environment variables of the command.", scalar());
            let names = json!({ "type": "array", "items": { "type": "string", "pattern": VARIABLE } });
            env["properties"] = json!({
                "pass": {
                    "description": "Variables that reach the command from outside and do not count for the key.",
                    "anyOf": [names, scalar()],
                },
                "count": {
                    "description": "Variables that reach the command from outside; digests of their values are in the key.",
                    "anyOf": [names, scalar()],
                },
                "cache": {
                    "description": "Variables that name a lasting folder of a tool, such as `HF_HOME`; it does not count for the key.",
                    "anyOf": [names, scalar()],
                },
            });
            env["propertyNames"] = json!({ "pattern": VARIABLE });
            env
        }
        "environment" => environment(),
        "executor" => json!({
            "description": "Where it runs when the others run on a cluster: `local` or `cluster`.",
            "anyOf": [{ "enum": OF_STAGE }, { "type": "string", "pattern": COMPUTED }],
        }),
        "guard" => json!({
            "description": "`warn`: what is not declared may be read, which is told, and marks the result.",
            "enum": ["strict", "warn"],
        }),
        "resources" => resources(),
        "timeout" => timeout(),
        _ => whole("How often to try again after a failure.", 0, 100),
    });
    // A command says what it writes; a kind reads no environment.
    stage["oneOf"] = json!([
        {
            "required": ["run", "outputs"],
            "properties": { "uses": false, "outputs": { "type": "object", "minProperties": 1 } },
        },
        { "required": ["uses"], "properties": { "run": false, "env": false, "shell": false, "environment": false, "guard": false } },
    ]);
    let kinds = catalog.values().map(|kind| {
        json!({ "if": { "properties": { "uses": { "const": kind.name() } }, "required": ["uses"] }, "then": of_kind(kind.as_ref()) })
    });
    let kinds: Vec<Value> = kinds.collect();
    if !kinds.is_empty() {
        stage["allOf"] = json!(kinds);
    }
    stage
}

fn steps() -> Value {
    let mut steps = object(STEPS, |key| match key {
        "parameter" => {
            text("The value of `with` that says how many steps are wanted; nested ones with dots: `trainer.epochs`.")
        }
        "unit" => text("What a step is: `epoch`."),
        "horizon" => json!({
            "description": "What makes every step depend on how many are wanted, such as `the cosine schedule`, or `true`: then another number starts over.",
            "type": ["boolean", "string"],
        }),
        "metrics" => text("The output that KILN_METRICS is."),
        _ => object(KEEP, |key| match key {
            "last" => whole("So many of the last states are kept in any case.", 1, 1 << 53),
            "every" => whole("Every so many-th state is kept in any case.", 1, 1 << 53),
            "best" => json!({
                "description": "The best state by a metric is kept in any case: `{min: val_loss}`, `{max: accuracy}`.",
                "type": "object",
                "additionalProperties": false,
                "properties": { "min": { "type": "string" }, "max": { "type": "string" } },
            }),
            _ => json!({
                "description": "Others are kept as long as all states take no more than this: `20GB`. 1GB unless said.",
                "anyOf": [{ "type": "string" }, { "const": 0 }],
            }),
        }),
    });
    steps["description"] = json!("The command is a chain of steps whose states are kept, so that it goes on.");
    steps
}

fn timeout() -> Value {
    let limit = "When to give up: `90s`, `2h`, `1h30m`.";
    let mut both = object(TIMEOUT, |key| match key {
        "after" => text(limit),
        _ => {
            text("How long the stage may take to leave once it was asked to; then it is killed. 5 seconds unless said.")
        }
    });
    both["minProperties"] = json!(1);
    json!({ "description": limit, "anyOf": [text(limit), both] })
}

/// The ports of a kind, and its parameters.
fn of_kind(kind: &dyn Kind) -> Value {
    let (ins, outs) = (kind.inputs(), kind.outputs());
    let described = |name: &str, doc: &str| (name.to_owned(), json!({ "description": doc }));
    let needed: Vec<&str> = ins.iter().filter(|port| port.arity != Arity::Optional).map(|port| port.name).collect();
    let mut required = vec!["uses"];
    required.extend((!needed.is_empty()).then_some("inputs"));
    // Without parameters that have no default, `with` may be left out or empty.
    let optional = kind.check(&Value::Null).is_ok();
    required.extend((!optional).then_some("with"));
    let with = kind.params();
    let with = if optional { json!({ "anyOf": [with, { "type": "null" }] }) } else { with };
    let properties = json!({
        "uses": { "description": kind.summary() },
        "inputs": {
            "properties": ins.iter().map(|port| described(port.name, port.doc)).collect::<Map<_, _>>(),
            "additionalProperties": false,
            "required": needed,
        },
        "outputs": {
            "properties": outs.iter().map(|port| described(port.name, port.doc)).collect::<Map<_, _>>(),
            "additionalProperties": false,
        },
        "with": computable(with),
    });
    json!({ "required": required, "properties": properties })
}

/// A schema of parameters, of which every value may be computed instead. A kind's own check has the last word.
fn computable(schema: Value) -> Value {
    let Value::Object(mut schema) = schema else { return schema };
    // Alternatives are told apart by a value that may be computed: then several of them fit.
    if let Some(Value::Array(alternatives)) = schema.remove("oneOf") {
        schema.insert("anyOf".into(), alternatives.into());
    }
    if let Some(Value::Array(alternatives)) = schema.get_mut("anyOf") {
        alternatives.iter_mut().for_each(|one| *one = computable(one.take()));
    }
    if let Some(Value::Object(properties)) = schema.get_mut("properties") {
        properties.values_mut().for_each(|one| *one = computable(one.take()));
    }
    for inner in ["items", "additionalProperties"] {
        if let Some(one) = schema.get_mut(inner).filter(|one| one.is_object()) {
            *one = computable(one.take());
        }
    }
    let mut whole = Map::new();
    for about in ["description", "default"] {
        whole.extend(schema.remove(about).map(|value| (about.to_owned(), value)));
    }
    whole.insert("anyOf".into(), json!([schema, { "type": "string", "pattern": COMPUTED }]));
    Value::Object(whole)
}

fn environment() -> Value {
    let path = json!({ "type": "string", "pattern": r"\S" });
    let from = json!({ "anyOf": [path, { "type": "array", "minItems": 1, "items": path }] });
    let long = object(KEYS, |key| match key {
        "from" => from.clone(),
        _ => json!({ "type": "array", "items": path, "description": "The packages that count." }),
    });
    json!({
        "description": "The programs and packages that are in the key: `auto`, `none`, or lock files.",
        "anyOf": [from, long],
    })
}

fn shell(doc: &str) -> Value {
    json!({ "enum": SHELLS, "description": doc })
}

fn input() -> Value {
    let described = |key: &str| match key {
        "from" => text("An output of another stage: `split.train`, `train[model=5].model`, `train[*].model`."),
        "path" => text("A file or folder of the project."),
        "only" => patterns("The files of the folder that count, by patterns as in `.gitignore`."),
        "ignore" => patterns("The files of the folder that do not count."),
        _ => patterns("Of a file that is named under `params`, the parameters that the command sees: `train.epochs`."),
    };
    let mut from = object(&INPUT[..1], described);
    from["required"] = json!(["from"]);
    let mut part = object(&INPUT[1..], described);
    part["required"] = json!(["path"]);
    let path = json!({ "type": "string" });
    json!({ "anyOf": [path, from, part, { "type": "array", "items": { "anyOf": [path, from, part] } }] })
}

fn patterns(doc: &str) -> Value {
    let item = json!({ "type": "string", "pattern": r"\S" });
    json!({ "description": doc, "anyOf": [item, { "type": "array", "items": item }] })
}

fn output() -> Value {
    let long = object(OUTPUT, |key| match key {
        "path" => text("Where it lies in the project."),
        _ => json!({
            "enum": ROLES.iter().map(|(name, _)| *name).collect::<Vec<_>>(),
            "description": "What Kiln may do with it: keep it, read its numbers, show it as a figure, draw it as curves.",
        }),
    });
    json!({ "anyOf": [{ "type": "string" }, long] })
}

fn matrix() -> Value {
    let mut matrix =
        mapping("Axes: a list of values, or labels with values; a variant for each combination.", true.into());
    let known = MATRIX.iter().map(|&key| {
        let value = match key {
            "from" => text("The stage whose variants are followed."),
            "exclude" => json!({ "type": "array", "description": "Combinations to leave out." }),
            _ => json!({ "type": "array", "description": "Combinations to add." }),
        };
        (key.to_owned(), value)
    });
    matrix["properties"] = Value::Object(known.collect());
    matrix["propertyNames"] = json!({ "pattern": WITHOUT_DOTS });
    matrix
}

fn resources() -> Value {
    let mut resources = object(RESOURCES, |key| match key {
        "cpus" => whole("Processors it occupies.", 1, 4096),
        "gpu" => whole("GPUs it occupies.", 0, 1024),
        wish if WISHES.contains(&wish) => of_cluster(wish),
        _ => json!({
            "description": "`auto`, `cpu` or `cuda:0`.",
            "anyOf": [
                { "enum": ["auto", "cpu"] },
                { "type": "string", "pattern": "^cuda:[0-9]{1,3}$" },
                { "type": "string", "pattern": COMPUTED },
            ],
        }),
    });
    resources["description"] = json!("What it may use; no part of its key.");
    resources
}

fn executor() -> Value {
    let slurm = object(CLUSTER, of_cluster);
    let mut command = object(COMMAND, |key| match key {
        "submit" => words("Submits the script that is its last argument, and prints the name of the job."),
        "poll" => words("Prints the state of the jobs that are its last arguments, a line each."),
        "cancel" => words("Cancels the jobs that are its last arguments."),
        other => of_cluster(other),
    });
    command["required"] = json!(["submit", "poll", "cancel"]);
    let mut either = object(EXECUTOR, |key| match key {
        "slurm" => json!({ "anyOf": [slurm, { "type": "null" }] }),
        _ => command.clone(),
    });
    (either["minProperties"], either["maxProperties"]) = (json!(1), json!(1));
    json!({
        "description": "Who runs the stages: `local`, `slurm`, `slurm:partition=NAME`, or a mapping.",
        "anyOf": [{ "type": "string", "pattern": "^(local$|slurm$|slurm:)" }, either],
    })
}

fn of_cluster(key: &str) -> Value {
    let scalar = |doc: &str| json!({ "type": ["string", "number"], "description": doc });
    match key {
        "memory" => text("The memory of a job: `8GB`."),
        "time" => text("How long a job may take: `2h`. What is made of steps goes on in the next."),
        "partition" => text("The partition of the cluster."),
        "account" => scalar("The account that pays."),
        "qos" => scalar("The quality of service."),
        "scratch" => {
            text("A folder on a node, where nodes do not see the project. Files then come from the remote cache.")
        }
        "constraint" => text("What the node has to have."),
        "options" => json!({
            "description": "Options of the scheduler's own.",
            "anyOf": [text("One."), { "type": "array", "items": { "type": "string" } }],
        }),
        "jobs" => {
            json!({ "type": "integer", "minimum": 1, "maximum": 100_000, "description": "How many jobs may be there at a time." })
        }
        "latency" => text("How long it may take until what a job wrote is seen here: `60s`."),
        _ => {
            text("How long the cluster may give no answer before a job that could not be submitted is a failure: `5m`.")
        }
    }
}

fn words(doc: &str) -> Value {
    let word = json!({ "type": "string", "pattern": r"\S" });
    json!({ "description": doc, "anyOf": [word, { "type": "array", "minItems": 1, "items": { "type": "string" } }] })
}

/// A mapping whose keys are known.
fn object(keys: &[&str], value: impl Fn(&str) -> Value) -> Value {
    let properties: Map<String, Value> = keys.iter().map(|&key| (key.to_owned(), value(key))).collect();
    json!({ "type": "object", "additionalProperties": false, "properties": properties })
}

/// A mapping with keys of the user's; it may be left empty.
fn mapping(doc: &str, values: Value) -> Value {
    json!({ "type": ["object", "null"], "description": doc, "additionalProperties": values })
}

fn ports(doc: &str, values: Value) -> Value {
    let mut ports = mapping(doc, values);
    ports["propertyNames"] = json!({ "pattern": WITHOUT_DOTS });
    ports
}

fn text(doc: &str) -> Value {
    json!({ "type": "string", "description": doc })
}

fn scalar() -> Value {
    json!({ "type": ["string", "number", "boolean"] })
}

fn whole(doc: &str, least: u64, most: u64) -> Value {
    json!({
        "description": doc,
        "anyOf": [
            { "type": "integer", "minimum": least, "maximum": most },
            { "type": "string", "pattern": COMPUTED },
        ],
    })
}
