//! Series as lines of JSON: each an object with numbers, of which `step` is the abscissa.

use std::collections::HashMap;

use serde_json::{Map, Value};

use super::Series;
use crate::json_number;

/// The name of the abscissa.
const STEP: &str = "step";

/// Reads lines. Those with the same abscissa are one row, and of several values the last counts; what is no number is left out.
///
/// # Errors
/// If a line is no object, or its abscissa is no number.
pub(super) fn read(text: &str) -> Result<Series, String> {
    let mut series = Series { abscissa: STEP.to_owned(), at: vec![], columns: vec![], blank: vec![], astray: 0 };
    let mut rows: HashMap<u64, usize> = HashMap::new();
    let mut columns: HashMap<String, usize> = HashMap::new();
    for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let object: Map<String, Value> = serde_json::from_str(&json_number::spelled_out(line))
            .map_err(|e| format!("line {} of series is no JSON object: {e}", number + 1))?;
        let Some(place) = object.get(STEP).and_then(value) else {
            return Err(format!("line {} has no number `{STEP}`, the abscissa of the series", number + 1));
        };
        if !place.is_finite() {
            series.astray += 1;
            continue;
        }
        // Zero is one place, however it is signed.
        let row = *rows.entry((place + 0.0).to_bits()).or_insert_with(|| {
            series.at.push(place);
            series.columns.iter_mut().for_each(|(_, values)| values.push(None));
            series.at.len() - 1
        });
        for (name, found) in object.iter().filter(|(name, _)| *name != STEP) {
            let Some(found) = value(found) else { continue };
            let column = *columns.entry(name.clone()).or_insert_with(|| {
                series.columns.push((name.clone(), vec![None; series.at.len()]));
                series.columns.len() - 1
            });
            series.columns[column].1[row] = Some(found);
        }
    }
    let (drawn, blank) =
        series.columns.into_iter().partition(|(_, values)| values.iter().flatten().any(|value| value.is_finite()));
    let blank: Vec<(String, Vec<Option<f64>>)> = blank;
    series.columns = drawn;
    series.blank = blank.into_iter().map(|(name, _)| name).collect();
    Ok(series)
}

fn value(value: &Value) -> Option<f64> {
    match value {
        Value::Number(number) => number.as_f64(),
        Value::String(word) => json_number::of_word(word),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_a_step_are_a_row() {
        let text = "{\"step\": 1, \"loss\": 0.5, \"note\": \"x\"}\n{\"step\": 1, \"val\": 2}\n\n{\"loss\": NaN, \"step\": 2}\n{\"step\": NaN}\n{\"step\": 3, \"odd\": Infinity}\n";
        let series = read(text).unwrap();
        assert_eq!((series.abscissa.as_str(), &series.at[..], series.astray), ("step", &[1.0, 2.0, 3.0][..], 1));
        let column = |name: &str, values: [Option<f64>; 3]| (name.to_owned(), values.to_vec());
        assert_eq!(series.columns[1], column("val", [Some(2.0), None, None]));
        let (name, loss) = &series.columns[0];
        assert_eq!((name.as_str(), loss[0], loss[2]), ("loss", Some(0.5), None));
        assert!(loss[1].is_some_and(f64::is_nan), "{loss:?}");
        assert_eq!(series.blank, ["odd"]);
        for bad in ["{\"step\": 1}\n[1]", "{\"step\": 1}\n{\"a\": 1}", "{\"step\": \"x\"}", "{"] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}
