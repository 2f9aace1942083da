//! How well networks classify: confusion, accuracy.

use serde_json::json;

use crate::cases::accuracy;
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
