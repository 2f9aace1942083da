//! Tables, curves and drawings of data and networks.

use std::collections::BTreeMap;

use serde_json::json;

use crate::cases::{curves, curves_with_kept, layers, nested_network, network, statistics};
use crate::drawn::Case;

#[test]
fn statistics_have_six_decimals_and_both_ends_of_the_series() {
    let drawn = statistics(784).draw();
    for text in ["252.420918", "15.956882", "784.000000", "783", "779", "…", "784 rows × 2 columns", "70,000 images"]
    {
        assert!(drawn.says(text), "{text}");
    }
    assert!(!drawn.texts().iter().any(|(line, _)| line == "778"));
}

#[test]
fn layer_tables_add_up_as_keras_prints_them() {
    let drawn = layers().draw();
    for text in [
        "conv1 (conv2d)",
        "(None, 28, 28, 32)",
        "3,211,776",
        "Total params: 3,223,909 (12.30 MB)",
        "Trainable params: 3,223,899 (12.30 MB)",
        "Non-trainable params: 10 (40.00 B)",
    ] {
        assert!(drawn.says(text), "{text}");
    }
}

#[test]
fn layers_inside_a_block_are_indented() {
    let conv = json!({"name": "left", "type": "conv2d", "output_shape": [4, 4, 8], "parameters": 80});
    let block = json!({"name": "block", "type": "residual", "output_shape": [4, 4, 8], "parameters": 80,
        "inner": [[conv]]});
    let summary = json!({"name": "m", "input": [4, 4, 1], "layers": [block], "parameters": 80, "trainable": 80});
    let drawn = Case::new("visualise/layers").file("summary", summary.to_string()).draw();
    assert!(drawn.svg.contains("\nblock (residual)"));
    assert!(drawn.svg.contains("\n\u{a0}\u{a0}\u{a0}\u{a0}left (conv2d)"));
    assert!(drawn.says("Indented"));
}

#[test]
fn a_single_pixel_has_no_deviation() {
    let series = json!({"count": 1, "mean": 3.0, "std": null, "min": 3, "25%": 3, "50%": 3, "75%": 3, "max": 3});
    let text = json!({"images": 2, "min": series, "max": series}).to_string();
    let drawn =
        Case::new("visualise/statistics").file("statistics", text).file("columns", "pixel,min,max\n0,3,3\n").draw();
    assert!(drawn.says("NaN") && drawn.says("3.000000"));
}

#[test]
fn curves_tell_the_best_epoch_and_the_test_accuracy() {
    let metrics = json!({"accuracy": 0.98634}).to_string();
    let drawn = curves(10).file("metrics", metrics).draw();
    assert!(drawn.says("test accuracy 0.9863") && drawn.says("Best validation accuracy 0.9876 in epoch 3"));
    assert!(drawn.says("least validation loss 0.1769 in epoch 10"));
    assert!(curves(200).draw().says("Every 8 epochs of 200"));
    assert!(drawn.says("Bold: the best validation accuracy.") && !drawn.says("kept"));
    let kept = curves_with_kept(10, 7).with(json!({"title": "Model"})).draw();
    assert!(kept.says("of the weights of epoch 7)") && kept.says("Bold: the epoch whose weights were kept."));
    assert_eq!(kept.texts().iter().filter(|(text, _)| text == "kept").count(), 2, "a line through each chart");
    let error = curves_with_kept(10, 11).error();
    assert!(error.contains("epoch 11") && error.contains("do not belong together"), "{error}");
}

#[test]
fn a_network_is_drawn_with_its_shapes_and_what_it_adds_up_to() {
    let drawn = network("model-5").file("metrics", json!({"accuracy": 0.98634}).to_string()).draw();
    for text in ["963,205 parameters, test", "0.9863", "encoding_layer", "14×14×64", "max pool 2×2"] {
        assert!(drawn.says(text), "{text}");
    }
    assert_eq!(drawn.texts().iter().filter(|(line, _)| line.starts_with("dropout 0.")).count(), 5);
}

#[test]
fn a_residual_block_shows_its_shortcut() {
    // Model 7 changes the number of channels in its block; blocks of the small ResNet also keep them.
    let projected = network("model-7").draw();
    assert!(projected.says("residual1 (residual)") && projected.says("conv 1×1, 128") && projected.says("add"));
    assert!(!projected.says("identity"));
    let drawn = network("resnet").draw();
    let count = |text: &str| drawn.texts().iter().filter(|(line, _)| line == text).count();
    assert_eq!((count("identity"), count("conv 1×1, 32"), count("conv 1×1, 64"), count("add")), (4, 1, 1, 6));
}

#[test]
fn an_inception_block_shows_its_branches() {
    let drawn = network("googlenet").draw();
    for text in ["inception1 (inception)", "conv 5×5, 16", "max pool 3×3", "stride 1", "14×14×128"] {
        assert!(drawn.says(text), "{text}");
    }
    assert_eq!(drawn.texts().iter().filter(|(line, _)| line == "concatenate").count(), 3);
}

#[test]
fn blocks_inside_blocks_are_drawn_inside_them() {
    let drawn = nested_network().draw();
    drawn.assert_legible("a block in a block");
    for text in ["outer (inception)", "inner_block (residual)", "identity", "conv 1×7, 4", "average pool 3×3", "3920"]
    {
        assert!(drawn.says(text), "{text}");
    }
    // The line into a block comes in at its middle, right of its name.
    let boxes: BTreeMap<String, resvg::usvg::Rect> = drawn.texts().into_iter().collect();
    let (name, below) = (boxes["inner_block (residual)"], [boxes["average pool 3×3"], boxes["stride 1"]]);
    let middle = (below[0].left() + below[1].right()) / 2.0;
    assert!(name.right() < middle, "the name {name:?} reaches the line at {middle}");
}
