//! Model files: what they resolve to, what their networks look like, and what is said of mistakes.

use std::path::{Path, PathBuf};

use stages::model::load::read;
use stages::model::recipe::{EarlyStopping, Monitor, Optimiser};
use stages::model::spec::{Activation, Padding};
use stages::model::summary::{Summary, summary};
use stages::model::{LayerKind, Model, Plan, document};

fn models() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../models")
}

fn shipped(name: &str) -> Model {
    read(&models().join(format!("{name}.yaml"))).unwrap_or_else(|e| panic!("{e:?}"))
}

fn table(name: &str, input: [usize; 3], classes: usize) -> Summary {
    let model = shipped(name);
    summary(&model.name, &Plan::new(&model, input, classes).unwrap())
}

#[test]
fn the_models_of_the_study_have_its_parameter_counts() {
    let counts = [3_223_909, 3_223_909, 3_353_957, 963_205, 963_205, 963_205];
    for (i, count) in counts.into_iter().enumerate() {
        let found = table(&format!("model-{}", i + 1), [28, 28, 1], 5);
        assert_eq!((found.parameters, found.trainable), (count, count), "model {}", i + 1);
    }
}

#[test]
fn blocks_count_their_inner_layers_and_shortcuts() {
    // Added up by hand from kernel sizes and channels; four values a normalised channel.
    for (name, count) in [("model-7", 971_525), ("googlenet", 305_101), ("resnet", 175_941)] {
        assert_eq!(table(name, [28, 28, 1], 5).parameters, count, "{name}");
    }
}

#[test]
fn model_5_has_the_layers_of_the_study() {
    let found = table("model-5", [28, 28, 1], 5);
    let rows: Vec<_> = found.layers.iter().map(|l| (l.name.as_str(), l.output_shape.clone(), l.parameters)).collect();
    let expected: &[(&str, &[usize], usize)] = &[
        ("conv1", &[28, 28, 32], 320),
        ("pool1", &[14, 14, 32], 0),
        ("dropout1", &[14, 14, 32], 0),
        ("conv2", &[14, 14, 64], 18_496),
        ("pool2", &[7, 7, 64], 0),
        ("dropout2", &[7, 7, 64], 0),
        ("conv3", &[7, 7, 128], 73_856),
        ("dropout3", &[7, 7, 128], 0),
        ("conv4", &[7, 7, 128], 147_584),
        ("pool4", &[3, 3, 128], 0),
        ("dropout4", &[3, 3, 128], 0),
        ("flatten", &[1152], 0),
        ("dense_512", &[512], 590_336),
        ("dropout5", &[512], 0),
        ("encoding_layer", &[256], 131_328),
        ("output_layer", &[5], 1_285),
    ];
    assert_eq!(rows, expected.iter().map(|(n, s, p)| (*n, s.to_vec(), *p)).collect::<Vec<_>>());
}

#[test]
fn every_shipped_model_resolves_and_fits_other_images_and_classes() {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(models()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|e| e == "yaml") {
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            let model = shipped(&name);
            assert_eq!(model.name, name);
            for (input, classes) in [([28, 28, 1], 5), ([32, 40, 3], 11)] {
                let plan = Plan::new(&model, input, classes).unwrap();
                assert_eq!(plan.steps.last().unwrap().output.dims(), [classes]);
            }
            // The canonical form reads back as the same model.
            let bytes = document(&path).unwrap().bytes;
            assert_eq!(serde_json::from_slice::<Model>(&bytes).unwrap(), model);
            names.push(name);
        }
    }
    assert_eq!(names.len(), 14, "{names:?}");
}

#[test]
fn extends_carries_everything_that_is_not_changed() {
    let model = shipped("model-6");
    assert!(matches!(model.optimiser, Optimiser::Adam { learning_rate: 0.001, .. }));
    let expected = EarlyStopping { monitor: Monitor::ValLoss, patience: 3, min_delta: 0.0, restore_best: true };
    assert_eq!(model.early_stopping, Some(expected));
    assert!(model.augmentation.unwrap().append);
    let sources = document(&models().join("model-3.yaml")).unwrap().sources;
    let names: Vec<_> = sources.iter().map(|p| p.file_name().unwrap().to_str().unwrap()).collect();
    assert_eq!(names, ["model-3.yaml", "model-2.yaml", "model-1.yaml"]);
}

#[test]
fn residual_blocks_project_where_shapes_differ_and_only_there() {
    let model = shipped("resnet");
    let plan = Plan::new(&model, [28, 28, 1], 5).unwrap();
    assert!(plan.step("block1").unwrap().projection.is_none());
    let block = plan.step("block3").unwrap();
    let projection = block.projection.as_deref().unwrap();
    assert_eq!((projection.name.as_str(), projection.output), ("block3_projection", block.output));
    let LayerKind::Conv(conv) = &projection.kind else { panic!("a projection is a convolution") };
    assert_eq!((conv.kernel.height, conv.stride), (1, 2));
    // Batch normalisation: four values a channel, two of them trained.
    assert_eq!(plan.parameter_count() - plan.trained_count(), 2 * (16 + 4 * 16 + 4 * 32 + 4 * 64));
}

/// A folder of model files.
struct Files(tempfile::TempDir);

impl Files {
    fn new(files: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        Self(folder)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }
}

const BASE: &str = "name: base
layers:
  - {name: conv1, type: conv, filters: 4, activation: relu}
  - {name: flatten, type: flatten}
  - {name: hidden, type: dense, units: 8, activation: relu}
  - {name: output, type: dense}
";

#[test]
fn spelling_does_not_change_the_document() {
    let spelt = "# a comment
optimiser: {learning_rate: 0.01, type: sgd}
early_stopping: null
label_smoothing: 0
layers:
- {type: conv, activation: relu, filters: 4, kernel: [3, 3], padding: same, stride: 1, name: conv1}
- name: flatten
  type: flatten
- {name: hidden, type: dense, units: 8, activation: relu}
- {name: output, type: dense, units: null}
name: base
";
    let other = BASE.replace("units: 8", "units: 9");
    let files = Files::new(&[("a.yaml", BASE), ("b.yaml", spelt), ("c.yaml", &other)]);
    let [a, b, c] = ["a.yaml", "b.yaml", "c.yaml"].map(|f| document(&files.path(f)).unwrap().bytes);
    assert_eq!(a, b);
    assert_ne!(a, c);
}

#[test]
fn changes_reach_into_blocks() {
    let base = "name: base
layers:
  - name: block
    type: inception
    branches:
      - [{type: conv, filters: 2}]
      - [{type: max_pool, size: 3, stride: 1, padding: same}, {name: reduce, type: conv, kernel: 1, filters: 2}]
  - {name: pool, type: global_avg_pool}
  - {name: output, type: dense}
";
    let change = "name: changed
extends: base.yaml
change:
  block_1_1: {filters: 5, padding: same}
  pool: {type: flatten}
remove: [block_2_1]
insert:
  - before: reduce
    layers: [{name: widen, type: conv, filters: 7, kernel: [1, 3]}]
optimiser: {type: adamw, weight_decay: 0.01}
";
    let files = Files::new(&[("base.yaml", base), ("changed.yaml", change)]);
    let model = read(&files.path("changed.yaml")).unwrap();
    let plan = Plan::new(&model, [6, 5, 2], 3).unwrap();
    assert_eq!(plan.names(), ["block", "block_1_1", "widen", "reduce", "pool", "output"]);
    assert_eq!(plan.step("block").unwrap().output.dims(), [6, 5, 7]);
    assert_eq!(plan.step("pool").unwrap().kind.type_name(), "flatten");
    assert_eq!(plan.parameters[2].shape, [1, 3, 2, 7]);
    assert_eq!(model.optimiser.weight_decay(), 0.01);
    let LayerKind::Inception(block) = &model.layers[0].kind else { panic!() };
    let LayerKind::Conv(conv) = &block.branches[0][0].kind else { panic!() };
    assert_eq!((conv.padding, conv.activation), (Padding::Same, Activation::None));
}

#[test]
fn numbers_are_written_as_in_a_pipeline() {
    let model = |filters: &str| {
        let layer = format!("{{name: a, type: conv, filters: {filters}}}");
        let text =
            format!("name: m\nlayers:\n  - {layer}\n  - {{name: b, type: flatten}}\n  - {{name: out, type: dense}}\n");
        document(&Files::new(&[("m.yaml", &text)]).path("m.yaml")).map(|found| found.bytes)
    };
    for filters in ["0x10", "0o20", "0b10000", "+16"] {
        assert_eq!(model(filters).unwrap(), model("16").unwrap(), "{filters}");
    }
}

/// The message of a bad model as `file:line:column: message (hint)`.
fn mistake(files: &[(&str, &str)]) -> String {
    let folder = Files::new(files);
    let error = document(&folder.path(files[0].0)).expect_err("the model should be refused");
    let file = error.file.file_name().unwrap().to_str().unwrap();
    let (line, column) = error.at.unwrap_or_default();
    let hint = error.hint.map(|h| format!(" ({h})")).unwrap_or_default();
    format!("{file}:{line}:{column}: {}{hint}", error.message).replace(folder.0.path().to_str().unwrap(), "DIR")
}

fn with_layer(layer: &str) -> String {
    mistake(&[("m.yaml", &format!("name: m\nlayers:\n  - {layer}\n  - {{name: out, type: dense}}\n"))])
}

#[test]
fn mistakes_in_layers_name_the_place_and_the_nearest_word() {
    let cases = [
        (
            "{name: a, type: conv, filters: 4, kernle: 5}",
            "m.yaml:3:39: unknown field `kernle`, expected one of `filters`, `kernel`, `stride`, `padding`, `activation` (did you mean `kernel`?)",
        ),
        (
            "{name: a, type: convolution, filters: 4}",
            "m.yaml:3:21: layer `a`: there is no layer type `convolution` (did you mean `conv`?)",
        ),
        ("{name: a, type: conv, filters: many}", "m.yaml:3:36: invalid type: string \"many\", expected usize"),
        ("{name: a, type: conv, filters: 010}", "m.yaml:3:36: invalid type: string \"010\", expected usize"),
        ("{name: a, type: dropout, rate: .inf}", "m.yaml:3:36: `.inf` is not a finite number"),
        (
            "{name: a, type: conv, filters: 18446744073709551616}",
            "m.yaml:3:36: the number 18446744073709551616 does not fit in 64 bits",
        ),
        ("{name: a, type: conv}", "m.yaml:3:5: missing field `filters`"),
        (
            "{name: a, type: conv, filters: 4, padding: some}",
            "m.yaml:3:48: unknown variant `some`, expected `same` or `valid` (did you mean `same`?)",
        ),
        (
            "{name: a, type: conv, filters: 0}",
            "m.yaml:3:36: layer `a`: `filters`: a convolution needs at least one filter",
        ),
        (
            "{name: a, type: conv, filters: 4, kernel: x}",
            "m.yaml:3:47: expected a whole number, or two: [height, width]",
        ),
        (
            "{name: a, type: dropout, rate: 1.0}",
            "m.yaml:3:36: layer `a`: `rate`: the rate must be at least 0 and below 1",
        ),
        ("{name: a, type: conv, filters: 4, filters: 5}", "m.yaml:3:39: `filters` is given twice (first on line 3)"),
        (
            "{name: out, type: conv, filters: 4}",
            "m.yaml:4:12: there are two layers named `out` (the other at DIR/m.yaml:3)",
        ),
        ("{name: a b, type: flatten}", "m.yaml:3:12: layer `a b`: a name is made of letters, digits, `_` and `-`"),
        (
            "{name: a, type: conv, filters: 4}",
            "m.yaml:4:12: layer `out`: a dense layer needs vectors: put `flatten` or `global_avg_pool` before it",
        ),
        (
            "{name: a, type: conv, filters: 4, activation: softmax}",
            "m.yaml:3:12: layer `a`: softmax belongs on the last layer",
        ),
        ("{type: flatten}", "m.yaml:3:5: the layer has no `name`"),
        (
            "{name: a, type: inception, branches: [], width: 3}",
            "m.yaml:3:46: an inception block has no key `width` (one of: branches)",
        ),
        ("[a", "m.yaml:4:5: not valid YAML: while parsing a flow sequence, expected ',' or ']'"),
    ];
    for (layer, expected) in cases {
        assert_eq!(with_layer(layer), expected, "{layer}");
    }
}

#[test]
fn an_average_can_be_taken_back_and_has_a_default() {
    let [with, without, default, given] = [
        ("child.yaml", "name: m\nextends: parent.yaml\nema: null\n"),
        ("plain.yaml", &BASE.replace("name: base", "name: m")),
        ("default.yaml", &format!("{BASE}ema: {{}}\n")),
        ("given.yaml", &format!("{BASE}ema: {{momentum: 0.99}}\n")),
    ]
    .map(|(name, text)| {
        let files = Files::new(&[("parent.yaml", &format!("{BASE}ema: {{momentum: 0.5}}\n")), (name, text)]);
        document(&files.path(name)).unwrap().bytes
    });
    assert_eq!(with, without);
    assert_eq!(default, given);
    assert_ne!(given, document(&Files::new(&[("m.yaml", BASE)]).path("m.yaml")).unwrap().bytes);
}

#[test]
fn mistakes_in_the_recipe_name_the_place() {
    let cases = [
        (
            "optimiser: {type: adam, learning_rat: 1}",
            "m.yaml:7:25: unknown field `learning_rat`, expected one of `learning_rate`, `beta_1`, `beta_2`, `epsilon`, `weight_decay` (did you mean `learning_rate`?)",
        ),
        (
            "optimiser: {type: adma}",
            "m.yaml:7:19: unknown variant `adma`, expected one of `sgd`, `adam`, `adamw`, `muon` (did you mean `adam`?)",
        ),
        (
            "optimiser: {type: muon, momentum: 1}",
            "m.yaml:7:35: `optimiser`: `momentum`: must be at least 0 and below 1",
        ),
        ("optimiser: {type: muon, ns_steps: 0}", "m.yaml:7:35: `optimiser`: `ns_steps`: must be 1 to 100"),
        (
            "optimiser: {type: sgd, momentum: 1.5}",
            "m.yaml:7:34: `optimiser`: `momentum`: must be at least 0 and below 1",
        ),
        ("optimizer: {type: sgd}", "m.yaml:7:1: a model has no key `optimizer` (did you mean `optimiser`?)"),
        ("early_stopping: {patience: soon}", "m.yaml:7:28: invalid type: string \"soon\", expected usize"),
        ("early_stopping: {patience: 0}", "m.yaml:7:28: `early_stopping`: `patience`: must be at least 1 epoch"),
        ("augmentation: {zoom: 1.5}", "m.yaml:7:22: `augmentation`: `zoom`: must be a share, at least 0 and below 1"),
        (
            "augmentation: {flip: both}",
            "m.yaml:7:22: unknown variant `both`, expected one of `true`, `false`, `alternating`",
        ),
        (
            "augmentation: {flip: alternatin}",
            "m.yaml:7:22: unknown variant `alternatin`, expected one of `true`, `false`, `alternating` (did you mean `alternating`?)",
        ),
        (
            "augmentation: {flip: 'true'}",
            "m.yaml:7:22: invalid type: string \"true\", expected true, false or `alternating`",
        ),
        ("augmentation: {flip: 1}", "m.yaml:7:22: invalid type: integer `1`, expected true, false or `alternating`"),
        ("ema: 0.99", "m.yaml:7:6: invalid type: floating point `0.99`, expected a mapping, as {momentum: 0.99}"),
        (
            "augmentation: {flip: alternating, append: true}",
            "m.yaml:7:22: `augmentation`: `flip`: cannot be `alternating` with `append`, whose copies are the same in every epoch",
        ),
        ("ema: {momentum: 1}", "m.yaml:7:17: `ema`: `momentum`: must be at least 0 and below 1"),
        ("ema: {decay: 0.9}", "m.yaml:7:7: unknown field `decay`, expected `momentum`"),
        ("label_smoothing: 2", "m.yaml:7:18: `label_smoothing` must be at least 0 and below 1"),
        ("schedule: {type: step, every: 0}", "m.yaml:7:31: `schedule`: `every`: must be at least 1"),
        ("remove: [conv1]", "m.yaml:7:9: `remove` changes the layers of another model, and this one has no `extends`"),
    ];
    for (line, expected) in cases {
        assert_eq!(mistake(&[("m.yaml", &format!("{BASE}{line}\n"))]), expected, "{line}");
    }
}

#[test]
fn mistakes_of_extends_name_the_file_they_are_in() {
    let child = |text: &str| format!("name: m\nextends: base.yaml\n{text}\n");
    let cases = [
        ("remove: [hiden]", "m.yaml:3:10: there is no layer `hiden` in the extended model (did you mean `hidden`?)"),
        ("change: {hidden: {units: x}}", "m.yaml:3:26: invalid type: string \"x\", expected usize"),
        (
            "insert: [{behind: hidden, layers: []}]",
            "m.yaml:3:11: an insertion has no key `behind` (one of: after, before, layers)",
        ),
        ("insert: [{layers: []}]", "m.yaml:3:10: an insertion needs either `after` or `before`: the name of a layer"),
        (
            "remove: [flatten]",
            "base.yaml:5:12: layer `hidden`: a dense layer needs vectors: put `flatten` or `global_avg_pool` before it",
        ),
    ];
    for (text, expected) in cases {
        assert_eq!(mistake(&[("m.yaml", &child(text)), ("base.yaml", BASE)]), expected, "{text}");
    }
    let round = [("a.yaml", "name: a\nextends: b.yaml\n"), ("b.yaml", "name: b\nextends: a.yaml\n")];
    assert_eq!(mistake(&round), "b.yaml:2:10: `extends` goes round in a circle: a.yaml -> b.yaml -> a.yaml");
    let missing = [("a.yaml", "name: a\nextends: nowhere.yaml\n")];
    assert_eq!(
        mistake(&missing),
        "a.yaml:2:10: there is no model file DIR/nowhere.yaml (the path is relative to the file that says `extends`)"
    );
}

#[test]
fn bombs_and_garbage_are_refused() {
    let mut bomb = String::from("name: m\na0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for i in 1..12 {
        let alias = format!("*a{}", i - 1);
        bomb += &format!("a{i}: &a{i} [{}]\n", [alias.as_str(); 10].join(", "));
    }
    assert!(mistake(&[("m.yaml", &bomb)]).contains("more than 20000 values"));
    let deep = format!("name: {}1{}\n", "[".repeat(100), "]".repeat(100));
    assert!(mistake(&[("m.yaml", &deep)]).contains("nested more than"));
    assert_eq!(mistake(&[("m.yaml", "")]), "m.yaml:1:1: the file is empty");
    assert_eq!(mistake(&[("m.yaml", "[1, 2]\n")]), "m.yaml:1:1: a model must be a mapping");
    assert_eq!(mistake(&[("m.yaml", "name: m\n")]), "m.yaml:1:1: the model has no `layers`");
    assert!(mistake(&[("m.yaml", "name: m\n---\nname: n\n")]).contains("second document"));
    assert!(mistake(&[("m.yaml", "name: &a [*a]\n")]).starts_with("m.yaml:1:11: the alias stands inside"));
}

#[test]
fn a_model_that_no_memory_holds_is_refused_at_its_place() {
    for (layer, place, message) in [
        ("{name: a, type: dense, units: 4000000000}", "m.yaml:4:35", "`units`: must be 1,000,000 at most"),
        ("{name: a, type: dense, units: 9223372036854775807}", "m.yaml:4:35", "1,000,000 at most"),
        ("{name: a, type: dense, units: 1e30}", "m.yaml:4:35", "invalid type"),
        (
            "{name: a, type: dense, units: 900000}\n  - {name: b, type: dense, units: 900000}",
            "m.yaml:5:12",
            "layer `b` makes",
        ),
    ] {
        let text =
            format!("name: m\nlayers:\n  - {{name: f, type: flatten}}\n  - {layer}\n  - {{name: out, type: dense}}\n");
        let found = mistake(&[("m.yaml", &text)]);
        assert!(found.starts_with(place) && found.contains(message), "{found}");
    }
    for (layer, message) in [
        ("{name: a, type: conv, filters: 4000000000}", "`filters`: must be 1,000,000 at most"),
        ("{name: a, type: conv, filters: 4, kernel: [3, 90000]}", "`kernel`: must be 10,000 at most"),
        ("{name: a, type: conv, filters: 4, stride: 90000}", "`stride`: must be 10,000 at most"),
        ("{name: a, type: max_pool, size: 90000}", "`size`: must be 10,000 at most"),
        (
            "{name: a, type: residual, layers: [{name: b, type: conv, filters: 1000000, kernel: 9000}]}",
            "layer `b` makes",
        ),
    ] {
        let found = with_layer(layer);
        assert!(found.starts_with("m.yaml:3:") && found.contains(message), "{found}");
    }
    // What only the data decide.
    let plan = |layers: &str, input| {
        let files = Files::new(&[("m.yaml", &format!("name: m\nlayers:\n{layers}  - {{name: out, type: dense}}\n"))]);
        Plan::new(&read(&files.path("m.yaml")).unwrap(), input, 3).map(|_| ()).map_err(|e| e.to_string())
    };
    let dense = "  - {name: f, type: flatten}\n  - {name: a, type: dense, units: 1000000}\n";
    assert_eq!(plan(dense, [28, 28, 1]), Ok(()));
    let error = plan(dense, [280, 280, 1]).unwrap_err();
    assert!(error.starts_with("layer `a`: its weight of 78400 x 1000000 values makes"), "{error}");
    let error =
        plan("  - {name: a, type: conv, filters: 200000}\n  - {name: f, type: flatten}\n", [28, 28, 1]).unwrap_err();
    assert!(error.contains("layer `a`: gives 28x28x200000 values an image"), "{error}");
}

#[test]
fn a_byte_order_mark_is_no_part_of_a_model() {
    let files = Files::new(&[("plain.yaml", BASE), ("marked.yaml", &format!("\u{feff}{BASE}"))]);
    let bytes = |name: &str| document(&files.path(name)).unwrap().bytes;
    assert_eq!(bytes("marked.yaml"), bytes("plain.yaml"));
    let marked = mistake(&[("m.yaml", "\u{feff}nam: m\n")]);
    assert!(marked.starts_with("m.yaml:1:1:"), "{marked}");
}

#[test]
fn a_model_must_end_with_the_classes() {
    let text = "name: m\nlayers: [{name: a, type: conv, filters: 2}]\n";
    let expected = "m.yaml:2:17: the model ends with an image, not with one value a class (end with `flatten` or \
                    `global_avg_pool`, and a `dense` layer)";
    assert_eq!(mistake(&[("m.yaml", text)]), expected);
    assert_eq!(mistake(&[("m.yaml", "name: m\nlayers: []\n")]), "m.yaml:2:9: the model has no layers");
}

#[test]
fn plans_refuse_what_the_data_do_not_fit() {
    let fits = |text: &str, input, classes| {
        let files = Files::new(&[("m.yaml", text)]);
        Plan::new(&read(&files.path("m.yaml")).unwrap(), input, classes).map(|_| ()).map_err(|e| e.to_string())
    };
    let valid = BASE.replace("filters: 4", "filters: 4, kernel: 5, padding: valid");
    assert_eq!(fits(&valid, [5, 5, 1], 3), Ok(()));
    assert_eq!(fits(&valid, [4, 5, 1], 3), Err("layer `conv1`: a window of 5x5 does not fit into 4x5".into()));
    let fixed = BASE.replace("{name: output, type: dense}", "{name: output, type: dense, units: 10}");
    assert_eq!(
        fits(&fixed, [4, 5, 1], 3),
        Err("layer `output`: the model gives 10 values an image, but the data have 3 classes".into())
    );
    let uneven = "name: m
layers:
  - {name: mix, type: inception, branches: [[{type: conv, filters: 2}], [{name: pool, type: max_pool}]]}
  - {name: flatten, type: flatten}
  - {name: output, type: dense}
";
    assert_eq!(
        fits(uneven, [4, 4, 1], 3),
        Err("layer `mix`: branches must end alike: `pool` gives 2x2x1, the first 4x4".into())
    );
}
