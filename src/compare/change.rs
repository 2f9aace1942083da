//! The leaves at which JSON values differ, as dotted paths.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::hash::canonical_json;

/// A value that is not the same in every run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Change {
    /// The path to it: keys joined by dots (a key that holds a dot is quoted), items of a list by number from 0.
    pub path: String,
    /// The value in each run; `None` (in JSON `null`) where a run has none.
    pub values: Vec<Option<Value>>,
}

/// The smallest parts in which `values` (one a run, `None` where a run has none) differ, in the order of their paths.
///
/// Mappings are compared key by key, lists of one length item by item; anything else is compared whole.
pub fn changes(values: &[Option<&Value>]) -> Vec<Change> {
    let mut found = Vec::new();
    collect("", values, &mut found);
    found
}

fn collect(path: &str, values: &[Option<&Value>], found: &mut Vec<Change>) {
    if values.windows(2).all(|pair| same(pair[0], pair[1])) {
        return;
    }
    let children = children(values);
    if children.is_empty() {
        found.push(Change { path: path.to_owned(), values: values.iter().map(|value| value.cloned()).collect() });
    }
    for (segment, values) in children {
        let path = if path.is_empty() { segment } else { format!("{path}.{segment}") };
        collect(&path, &values, found);
    }
}

/// Whether two values are one and the same to a stage: 30 and 30.0 are. (A record may hold either, as it is long or short.)
fn same(a: Option<&Value>, b: Option<&Value>) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => a == b || canonical_json(a) == canonical_json(b),
        _ => a == b,
    }
}

/// The parts to descend into; none where the values must be compared whole.
fn children<'a>(values: &[Option<&'a Value>]) -> Vec<(String, Vec<Option<&'a Value>>)> {
    let present: Vec<&Value> = values.iter().copied().flatten().collect();
    if present.iter().all(|value| value.is_object()) {
        let keys: BTreeSet<&String> =
            present.iter().filter_map(|value| value.as_object()).flat_map(|m| m.keys()).collect();
        let at = |key: &str| values.iter().map(|value| value.and_then(|v| v.get(key))).collect();
        return keys.into_iter().map(|key| (segment(key), at(key))).collect();
    }
    let lengths: BTreeSet<Option<usize>> = present.iter().map(|value| value.as_array().map(Vec::len)).collect();
    match lengths.into_iter().collect::<Vec<_>>()[..] {
        [Some(length)] => {
            let at = |i: usize| values.iter().map(|value| value.and_then(|v| v.get(i))).collect();
            (0..length).map(|i| (i.to_string(), at(i))).collect()
        }
        _ => vec![],
    }
}

fn segment(key: &str) -> String {
    let plain = !key.is_empty() && !key.contains(|c: char| c == '.' || c == '"' || c.is_whitespace() || c.is_control());
    if plain { key.to_owned() } else { Value::from(key).to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn paths(a: Value, b: Value) -> Vec<String> {
        changes(&[Some(&a), Some(&b)]).into_iter().map(|change| change.path).collect()
    }

    #[test]
    fn equal_values_have_no_changes_whatever_the_order_of_keys() {
        assert!(paths(json!({"a": 1, "b": [1, 2]}), json!({"b": [1, 2], "a": 1})).is_empty());
    }

    #[test]
    fn a_whole_number_is_one_however_it_is_written() {
        assert!(paths(json!({"perplexity": 30.0, "a": [1]}), json!({"perplexity": 30, "a": [1.0]})).is_empty());
        assert_eq!(paths(json!({"a": 30.0, "b": 1}), json!({"a": 30, "b": "1"})), ["b"]);
    }

    #[test]
    fn only_the_differing_leaf_is_named() {
        let a = json!({"epochs": 10, "layers": [{"rate": 0.25}, {"rate": 0.5}], "files": {"a.gz": 1}});
        let b = json!({"epochs": 10, "layers": [{"rate": 0.25}, {"rate": 0.4}], "files": {"a.gz": 2}});
        assert_eq!(paths(a, b), [r#"files."a.gz""#, "layers.1.rate"]);
    }

    #[test]
    fn a_part_that_one_run_lacks_is_named_leaf_by_leaf() {
        let (a, b) = (json!({}), json!({"x": {"y": 1, "z": null}}));
        let found = changes(&[Some(&a), Some(&b)]);
        assert_eq!(found[0], Change { path: "x.y".into(), values: vec![None, Some(json!(1))] });
        assert_eq!(found[1], Change { path: "x.z".into(), values: vec![None, Some(json!(null))] });
    }

    #[test]
    fn lists_of_other_lengths_and_other_types_are_compared_whole() {
        assert_eq!(paths(json!({"a": [1]}), json!({"a": [1, 2]})), ["a"]);
        assert_eq!(paths(json!({"a": {"b": 1}}), json!({"a": 1})), ["a"]);
        assert_eq!(paths(json!({"a": {}}), json!({"a": []})), ["a"]);
        assert_eq!(paths(json!({}), json!({"a": {}})), ["a"]);
    }
}
