//! How well networks classify: confusion, accuracy.

use serde_json::json;

use crate::cases::{accuracy, calibration, mistakes, predictions};
use crate::drawn::Case;

#[test]
fn a_confusion_matrix_shows_counts_shares_and_the_accuracy() {
    let matrix = "true,a,b\na,90,10\nb,20,1880\n";
    let drawn = Case::new("visualise/confusion").file("confusion", matrix).draw();
    for text in ["accuracy 0.9850", "1,880", "90.0%", "1.1%", "2,000 samples"] {
        assert!(drawn.says(text), "{text}");
    }
}

#[test]
fn variants_are_called_by_their_names() {
    let case = accuracy(&["model=1", "model=5"]).with(json!({"names": {"5": "Model 5, with dropout"}}));
    let drawn = case.draw();
    for text in ["Model 5, with dropout", "model 1", "0.9732", "macro f1", "0.9650", "10,000 test samples"] {
        assert!(drawn.says(text), "{text}");
    }
}

#[test]
fn scores_of_each_class_are_those_of_scikit_learn() {
    // precision_recall_fscore_support of scikit-learn 1.9 on the same counts.
    let drawn = Case::new("visualise/scores").file("confusion", "true,a,b\na,90,10\nb,20,1880\n").draw();
    for text in ["0.8182", "0.9000", "0.8571", "0.9947", "0.9895", "0.9921", "macro F1 0.9246", "1,900", "2,000"] {
        assert!(drawn.says(text), "{text}");
    }
}

#[test]
fn the_surest_mistakes_come_first_and_say_what_they_were_taken_for() {
    let drawn = mistakes([60, 28, 28, 1], 3).draw();
    // Every seventh of 60 images is wrong: 9, three a class.
    assert!(drawn.svg.contains("9 of 60 images are wrong (15.00%)") && drawn.says("3 of 20 wrong"));
    assert_eq!(drawn.svg.matches("<image ").count(), 9);
    let few = mistakes([60, 28, 28, 1], 3).with(json!({"most": 1})).draw();
    // Of the images 0, 21 and 42 of the first class, 42 has a confidence of 0.96, the others 0.5 and 0.73.
    assert_eq!(few.svg.matches("<image ").count(), 3);
    assert!(few.says("(0.960)"), "{:?}", few.texts());
}

#[test]
fn a_probability_below_one_is_not_written_as_one() {
    let case = mistakes([60, 28, 28, 1], 3);
    let predictions =
        "index,label,predicted,p_0,p_1,p_2\n0,0,1,0.00001,0.99999,0\n1,1,0,1,0,0\n2,2,0,0.9994,0.0006,0\n";
    std::fs::write(&case.inputs["predictions"][0].path, predictions).unwrap();
    let drawn = case.draw();
    for text in ["(>0.999)", "(1.000)", "(0.999)"] {
        assert!(drawn.says(text), "{text}: {:?}", drawn.texts());
    }
}

#[test]
fn a_network_without_mistakes_has_a_figure_too() {
    let case = mistakes([6, 8, 8, 1], 3);
    let right = predictions(6, 3).replacen("0,0,1,", "0,0,0,", 1);
    std::fs::write(&case.inputs["predictions"][0].path, right).unwrap();
    let drawn = case.draw();
    assert!(drawn.svg.contains("0 of 6 images are wrong (0.00%)"), "{:?}", drawn.texts());
    drawn.assert_legible("no mistakes");
}

#[test]
fn calibration_tells_its_error() {
    let drawn = calibration(200, 3).draw();
    assert!(drawn.says("expected calibration error 0.") && drawn.says("200 predictions in 15 intervals"));
}
