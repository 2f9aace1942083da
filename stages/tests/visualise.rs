//! Figures: what they say, that they say it legibly, and that the same inputs give the same bytes.

#[path = "visualise/cases.rs"]
mod cases;
#[path = "visualise/drawn.rs"]
mod drawn;
#[path = "visualise/embedded.rs"]
mod embedded;
#[path = "visualise/networks.rs"]
mod networks;
#[path = "visualise/scores.rs"]
mod scores;

use resvg::tiny_skia::Pixmap;
use serde_json::json;

use cases::{
    LONG, accuracy, calibration, categories, confusion, curves, k_distance, mistakes, names, network, ordinary,
    projection, samples, scores, silhouette, statistics, subclusters,
};
use drawn::Case;

#[test]
fn every_kind_of_figure_is_drawn_here() {
    let mut kinds: Vec<_> = stages::kinds().map(|k| k.name).filter(|name| name.starts_with("visualise/")).collect();
    let mut drawn: Vec<_> = ordinary().iter().map(|case| case.uses).collect();
    kinds.sort_unstable();
    drawn.sort_unstable();
    assert_eq!(kinds, drawn);
}

#[test]
fn the_same_inputs_give_the_same_bytes() {
    for case in ordinary() {
        let (first, second) = (case.draw(), case.draw());
        assert!(first.svg == second.svg && first.png == second.png, "{}", case.uses);
    }
}

#[test]
fn the_png_is_the_svg_at_twice_its_size() {
    for case in ordinary() {
        let drawn = case.draw();
        let size = drawn.tree(true).size();
        let png = Pixmap::decode_png(&drawn.png).unwrap();
        assert_eq!(
            (png.width() as f32, png.height() as f32),
            (2.0 * size.width(), 2.0 * size.height()),
            "{}",
            case.uses
        );
    }
}

#[test]
fn the_png_is_rasterised_with_the_embedded_fonts() {
    for case in ordinary() {
        let drawn = case.draw();
        let raster = |fonts: bool| {
            let tree = drawn.tree(fonts);
            let size = tree.size();
            let mut pixels = Pixmap::new(2 * size.width() as u32, 2 * size.height() as u32).unwrap();
            resvg::render(&tree, resvg::tiny_skia::Transform::from_scale(2.0, 2.0), &mut pixels.as_mut());
            pixels
        };
        let png = Pixmap::decode_png(&drawn.png).unwrap();
        // The PNG holds at most 256 colours: a rare one may be a little off, but no letter is missing or elsewhere.
        let other = |a: u8, b: u8| a.abs_diff(b) > 64;
        let differing = |raster: &Pixmap| {
            let pairs = png.pixels().iter().zip(raster.pixels());
            pairs
                .filter(|(a, b)| other(a.red(), b.red()) || other(a.green(), b.green()) || other(a.blue(), b.blue()))
                .count()
        };
        assert_eq!(differing(&raster(true)), 0, "{}: other fonts were used", case.uses);
        assert!(differing(&raster(false)) > 100, "{}: no text was drawn", case.uses);
    }
}

#[test]
fn an_svg_names_itself_and_needs_nothing_beside_it() {
    for case in ordinary() {
        let svg = case.draw().svg;
        assert!(svg.contains("<title>") && svg.contains("role=\"img\""), "{}", case.uses);
        for reference in svg.split("href=\"").skip(1).chain(svg.split("url(").skip(1)) {
            assert!(reference.starts_with("data:"), "{}: {}", case.uses, &reference[..40]);
        }
    }
}

#[test]
fn no_text_leaves_a_figure_or_lies_on_another() {
    let long: Vec<String> = (0..6).map(|i| format!("{i} {LONG}")).collect();
    let odd = [
        ("3 pixels", statistics(3)),
        ("model 1", network("model-1")),
        ("model 5", network("model-5")),
        ("inception blocks", network("googlenet")),
        ("residual blocks", network("resnet")),
        ("1 epoch", curves(1)),
        ("200 epochs", curves(200)),
        ("1 class", confusion(&names(1))),
        ("12 classes", confusion(&names(12))),
        ("30 classes", confusion(&names(30))),
        ("100 classes", confusion(&names(100))),
        ("long class names", confusion(&long)),
        ("1 cluster", projection(30, 1, 0)),
        ("1 sample", projection(1, 1, 0)),
        ("all noise", projection(30, 3, 30)),
        ("12 classes", projection(600, 12, 30)),
        ("1 cluster", samples([9, 28, 28, 1], 1, 0)),
        ("wide RGB", samples([40, 12, 64, 3], 3, 5)),
        ("large RGBA", samples([12, 130, 90, 4], 4, 0)),
        ("1 variant", accuracy(&[""])),
        ("long variants", accuracy(&["model=5,augmentation=rotation-shift-zoom,seed=20240117", "model=6"])),
        ("wide RGB", mistakes([40, 12, 64, 3], 3)),
        ("1 class", scores(&names(1))),
        ("long class names", scores(&long)),
        ("1 prediction", calibration(1, 2)),
        ("one number of clusters", silhouette(90, 3, &[4])),
        ("12 classes", silhouette(600, 12, &[2, 13])),
        ("3 distances", k_distance(3, Some(9.0))),
        ("a radius that was given", k_distance(300, Some(0.3))),
        ("undivided classes", categories(&names(3), 1)),
        ("long class names", categories(&long, 3)),
        ("many groups", subclusters(600, &names(3), 6)),
        ("one group", subclusters(60, &names(2), 1)),
        ("long class names", subclusters(300, &long, 3)),
        ("long title", curves(4).with(json!({"title": LONG.repeat(3), "caption": LONG.replace('h', " ")}))),
    ];
    for case in ordinary() {
        case.draw().assert_legible(case.uses);
    }
    for (what, case) in odd {
        case.draw().assert_legible(&format!("{} of {what}", case.uses));
    }
}

#[test]
fn bad_inputs_are_told() {
    let diverged = "epoch,loss,accuracy,val_loss,val_accuracy\n1,NaN,0.2,NaN,0.2\n";
    let empty = "epoch,loss,accuracy,val_loss,val_accuracy\n";
    let cases = [
        (Case::new("visualise/curves").file("history", empty), "has no rows"),
        (Case::new("visualise/curves").file("history", ""), "has no rows"),
        (Case::new("visualise/curves").file("history", "epoch,loss\n1,2\n"), "missing field `accuracy`"),
        (Case::new("visualise/curves").file("history", diverged), "epoch 1"),
        (curves(3).file("metrics", "{\"loss\": 1}"), "has no `accuracy`"),
        (Case::new("visualise/curves"), "input `history` was not given"),
        (Case::new("visualise/confusion").file("confusion", ""), "has no rows"),
        (Case::new("visualise/confusion").file("confusion", "true,a,b\na,1,2\n"), "is not square"),
        (Case::new("visualise/confusion").file("confusion", "true,a\na,many\n"), "cannot read"),
        (Case::new("visualise/layers").file("summary", "{}"), "missing field"),
        (statistics(5).file("statistics", "").with(json!({"edges": 5})), "unknown field `edges`"),
        (samples([10, 4, 4, 2], 2, 0), "2 channels"),
        (samples([10, 4, 4, 1], 2, 0).with(json!({"samples": 0})), "samples"),
        (Case::new("visualise/accuracy"), "input `metrics` was not given"),
        (Case::new("visualise/calibration").file("predictions", "index,label,predicted,p_0\n"), "has no rows"),
        (
            Case::new("visualise/calibration").file("predictions", "index,label,predicted,p_0\n0,0,1,1\n"),
            "no probability",
        ),
        (Case::new("visualise/calibration").file("predictions", "index,label,predicted,p_0\n0,0,0,7\n"), "is 7"),
        (mistakes([10, 4, 4, 1], 2).with(json!({"most": 0})), "most"),
        (
            Case::new("visualise/silhouette")
                .file("choice", "clusters,silhouette\n1,\n")
                .file("clusters", "index,cluster,label,silhouette\n0,0,0,\n"),
            "there is but one cluster",
        ),
        (Case::new("visualise/k-distance").file("choice", "rank,distance\n0,NaN\n"), "no number"),
        (
            Case::new("visualise/k-distance").file("choice", "rank,distance\n0,1\n").file("metrics", "{}"),
            "missing field",
        ),
        (Case::new("visualise/categories").file("categories", "[]"), "has no classes"),
        (subclusters(30, &names(3), 2).with(json!({"classes": [9]})), "there is no class 9"),
    ];
    for (case, expected) in cases {
        let error = case.error();
        assert!(error.contains(expected), "{}: `{error}` does not tell `{expected}`", case.uses);
    }
}
