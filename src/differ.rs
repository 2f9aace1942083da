//! Where JSON values differ: the one notation of paths, and the one way to find them, for parameters and for the fields of
//! documents alike.
//!
//! A path is keys joined by dots, as `--set` and reports take them; a key that holds a dot, a quote or a space is quoted
//! (`files."a.gz"`), items of a list go by number from 0. Items of a list that all have a `name` of their own go by that
//! (`layers.dropout5.rate`), so that one that is put in between is one that was added, and not a change of all that follow it.

use std::collections::{BTreeSet, HashMap};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::hash::{NumberForm, json_by};

/// A part that is not the same in every one of some values.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Change {
    /// The path to it; empty for the whole.
    pub path: String,
    /// What each value has there; `None` (in JSON `null`) where one has nothing.
    pub values: Vec<Option<Value>>,
}

/// The smallest parts in which `values` differ (`None` where there is none), in the order of their paths, or of the items of the last
/// value.
///
/// Mappings are compared key by key, lists of items with names item by item, other lists of one length by place; anything else
/// is compared whole.
pub fn changes(values: &[Option<&Value>]) -> Vec<Change> {
    changes_by(values, NumberForm::ByValue)
}

/// [`changes`], where numbers are told apart as asked.
pub(crate) fn changes_by(values: &[Option<&Value>], numbers: NumberForm) -> Vec<Change> {
    let mut found = Vec::new();
    collect("", values, numbers, &mut found);
    found
}

/// The path of a member.
pub fn member(path: &str, key: &str) -> String {
    let special = |c: char| c == '.' || c == '"' || c.is_whitespace() || c.is_control();
    let key = if key.is_empty() || key.contains(special) { Value::from(key).to_string() } else { key.to_owned() };
    if path.is_empty() { key } else { format!("{path}.{key}") }
}

fn collect(path: &str, values: &[Option<&Value>], numbers: NumberForm, found: &mut Vec<Change>) {
    if values.windows(2).all(|pair| same(pair[0], pair[1], numbers)) {
        return;
    }
    if let Some(names) = names(values) {
        return by_name(path, values, &names, numbers, found);
    }
    let children = children(values);
    if children.is_empty() {
        found.push(whole(path, values));
    }
    for (key, values) in children {
        collect(&member(path, &key), &values, numbers, found);
    }
}

/// Whether two values are one and the same to a stage: to a kind 30 and 30.0 are. (A record may hold either, as it is long or short.)
fn same(a: Option<&Value>, b: Option<&Value>, numbers: NumberForm) -> bool {
    match (a, b) {
        // Of equal values only the sign of a zero may differ by type.
        (Some(a), Some(b)) if numbers == NumberForm::ByValue && a == b => true,
        (Some(a), Some(b)) => json_by(a, numbers) == json_by(b, numbers),
        _ => a == b,
    }
}

fn whole(path: &str, values: &[Option<&Value>]) -> Change {
    Change { path: path.to_owned(), values: values.iter().map(|value| value.cloned()).collect() }
}

/// The parts to descend into; none where the values must be compared whole.
fn children<'a>(values: &[Option<&'a Value>]) -> Vec<(String, Vec<Option<&'a Value>>)> {
    let present: Vec<&Value> = values.iter().copied().flatten().collect();
    if present.iter().all(|value| value.is_object()) {
        let keys: BTreeSet<&String> =
            present.iter().filter_map(|value| value.as_object()).flat_map(|m| m.keys()).collect();
        let at = |key: &str| values.iter().map(|value| value.and_then(|v| v.get(key))).collect();
        return keys.into_iter().map(|key| (key.clone(), at(key))).collect();
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

/// Of lists whose items all have names of their own, the names in each; `None` if that is not what they are.
fn names<'a>(values: &[Option<&'a Value>]) -> Option<Vec<Vec<&'a str>>> {
    let names = |value: &Option<&'a Value>| -> Option<Vec<&'a str>> {
        let Some(value) = value else { return Some(vec![]) };
        let names: Vec<&str> =
            value.as_array()?.iter().map(|item| item.get("name")?.as_str()).collect::<Option<_>>()?;
        (names.iter().collect::<BTreeSet<_>>().len() == names.len()).then_some(names)
    };
    let all: Vec<Vec<&str>> = values.iter().map(names).collect::<Option<_>>()?;
    all.iter().any(|names| !names.is_empty()).then_some(all)
}

fn by_name(path: &str, values: &[Option<&Value>], names: &[Vec<&str>], numbers: NumberForm, found: &mut Vec<Change>) {
    let places: Vec<HashMap<&str, usize>> =
        names.iter().map(|names| names.iter().enumerate().map(|(place, name)| (*name, place)).collect()).collect();
    // The last value's in its order, then what only others have.
    let mut seen = BTreeSet::new();
    for name in names.iter().rev().flatten().copied().filter(|name| seen.insert(*name)) {
        let all = values.iter().zip(&places);
        let items: Vec<Option<&Value>> = all.map(|(value, places)| value.as_ref()?.get(*places.get(name)?)).collect();
        if items.iter().all(Option::is_some) {
            collect(&member(path, name), &items, numbers, found);
        } else {
            found.push(whole(&member(path, name), &items));
        }
    }
    // The order of those that all of them have.
    let kept = |names: &Vec<&str>| -> Value {
        names.iter().filter(|name| places.iter().all(|other| other.contains_key(**name))).copied().collect()
    };
    let orders: Vec<Value> = names.iter().map(kept).collect();
    if orders.windows(2).any(|pair| pair[0] != pair[1]) {
        let path = if path.is_empty() { "(order)".to_owned() } else { format!("{path} (order)") };
        found.push(Change { path, values: orders.into_iter().map(Some).collect() });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::canonical_json;
    use proptest::prelude::*;
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
    fn a_part_that_one_lacks_is_named_leaf_by_leaf() {
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
        assert_eq!(paths(json!(1), json!("1")), [""]);
    }

    #[test]
    fn items_with_names_go_by_name() {
        let old =
            json!({"layers": [{"name": "conv", "size": [3, 3]}, {"name": "drop", "rate": 0.25}, {"name": "out"}]});
        let new = json!({"layers": [
            {"name": "conv", "size": [5, 3]}, {"name": "norm"}, {"name": "drop", "rate": 0.3}, {"name": "out"}]});
        let found = changes(&[Some(&old), Some(&new)]);
        let paths: Vec<&str> = found.iter().map(|change| change.path.as_str()).collect();
        assert_eq!(paths, ["layers.conv.size.0", "layers.norm", "layers.drop.rate"]);
        assert_eq!(found[1].values, [None, Some(json!({"name": "norm"}))], "an item that was added is one change");
        let swapped = json!({"layers": [old["layers"][1], old["layers"][0], old["layers"][2]]});
        assert_eq!(self::paths(old.clone(), swapped), ["layers (order)"]);
        let three = changes(&[Some(&old), Some(&new), Some(&old)]);
        assert_eq!(three[1].values, [Some(json!(0.25)), Some(json!(0.3)), Some(json!(0.25))]);
        for list in [json!([{"name": "a"}, {"name": "a"}]), json!([{"name": "a"}, {}])] {
            assert_eq!(self::paths(json!([{"name": "a"}, {"name": "b"}]), list), ["1.name"]);
        }
    }

    fn values() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![Just(json!(null)), Just(json!(1)), Just(json!(1.0)), Just(json!("x"))];
        leaf.prop_recursive(3, 24, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
                prop::collection::btree_map("[ab]", inner.clone(), 0..3)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
                prop::collection::vec(("[abc]", inner), 0..4).prop_map(|items| {
                    items.into_iter().map(|(name, value)| json!({"name": name, "value": value})).collect()
                }),
            ]
        })
    }

    proptest! {
        #[test]
        fn there_are_changes_exactly_where_values_differ(a in values(), b in values(), c in values()) {
            let equal = [&a, &b, &c].windows(2).all(|pair| canonical_json(pair[0]) == canonical_json(pair[1]));
            prop_assert_eq!(changes(&[Some(&a), Some(&b), Some(&c)]).is_empty(), equal);
        }
    }
}
