//! The fields in which two documents differ. Items of a list that have names go by name, so that a layer that is put in
//! between shows as one that was added, and not as a change of all that follow it.

use std::collections::BTreeSet;
use std::fmt;

use serde::Serialize;
use serde_json::Value;

use super::reason::{Change, member};
use crate::hash::canonical_json;

/// A field of a document that is not what it was.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Field {
    /// `layers.dropout1.rate`, `size[0]`; empty for the whole.
    pub path: String,
    /// Its value.
    #[serde(flatten)]
    pub change: Change<Value>,
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.path, self.change.map(canonical_json))
    }
}

/// Every field that differs, in the order of the new document's keys.
pub fn fields(old: &Value, new: &Value) -> Vec<Field> {
    let mut out = Vec::new();
    compare(&mut out, "", old, new);
    out
}

fn compare(out: &mut Vec<Field>, path: &str, old: &Value, new: &Value) {
    match (old, new) {
        (Value::Object(a), Value::Object(b)) => {
            for key in b.keys().chain(a.keys().filter(|key| !b.contains_key(*key))) {
                part(out, member(path, key), a.get(key), b.get(key));
            }
        }
        (Value::Array(a), Value::Array(b)) => match (names(a), names(b)) {
            (Some(before), Some(after)) => named(out, path, (a, &before), (b, &after)),
            _ => {
                for i in 0..a.len().max(b.len()) {
                    part(out, format!("{path}[{i}]"), a.get(i), b.get(i));
                }
            }
        },
        _ if canonical_json(old) == canonical_json(new) => {}
        _ => part(out, path.to_owned(), Some(old), Some(new)),
    }
}

fn part(out: &mut Vec<Field>, path: String, old: Option<&Value>, new: Option<&Value>) {
    match (old, new) {
        (Some(a), Some(b)) if a.is_object() && b.is_object() || a.is_array() && b.is_array() => {
            compare(out, &path, a, b);
        }
        (Some(a), Some(b)) if canonical_json(a) == canonical_json(b) => {}
        (a, b) => out.push(Field { path, change: Change { old: a.cloned(), new: b.cloned() } }),
    }
}

/// The names of the items, if all of them have one and no two the same.
fn names(list: &[Value]) -> Option<Vec<&str>> {
    let names: Vec<&str> = list.iter().map(|item| item.get("name")?.as_str()).collect::<Option<_>>()?;
    let distinct: BTreeSet<&str> = names.iter().copied().collect();
    (!list.is_empty() && distinct.len() == names.len()).then_some(names)
}

fn named(out: &mut Vec<Field>, path: &str, (a, before): (&[Value], &[&str]), (b, after): (&[Value], &[&str])) {
    let find = |list: &'_ [&str], name: &str| list.iter().position(|n| *n == name);
    for (i, name) in after.iter().enumerate() {
        part(out, member(path, name), find(before, name).map(|at| &a[at]), Some(&b[i]));
    }
    for (i, name) in before.iter().enumerate().filter(|(_, name)| find(after, name).is_none()) {
        part(out, member(path, name), Some(&a[i]), None);
    }
    let kept = |list: &[&str], other: &[&str]| -> Vec<Value> {
        list.iter().filter(|name| other.contains(name)).map(|name| Value::from(*name)).collect()
    };
    let (old, new) = (kept(before, after), kept(after, before));
    if old != new {
        let change = Change { old: Some(Value::from(old)), new: Some(Value::from(new)) };
        out.push(Field { path: format!("{path} (order)"), change });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn lines(old: &Value, new: &Value) -> Vec<String> {
        fields(old, new).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn items_with_names_go_by_name() {
        let old = json!({"name": "m", "layers": [
            {"name": "conv1", "filters": 32, "size": [3, 3]},
            {"name": "dropout1", "rate": 0.25},
            {"name": "output", "units": null},
        ]});
        let new = json!({"name": "m", "layers": [
            {"name": "conv1", "filters": 32, "size": [5, 3]},
            {"name": "norm1"},
            {"name": "dropout1", "rate": 0.3},
            {"name": "output", "units": null},
        ], "smoothing": 0.1});
        assert_eq!(
            lines(&old, &new),
            [
                "layers.conv1.size[0]: 3 => 5",
                "layers.norm1 added: {\"name\":\"norm1\"}",
                "layers.dropout1.rate: 0.25 => 0.3",
                "smoothing added: 0.1",
            ]
        );
        let swapped = json!({"name": "m", "layers": [old["layers"][1], old["layers"][0], old["layers"][2]]});
        assert_eq!(
            lines(&old, &swapped),
            ["layers (order): [\"conv1\",\"dropout1\",\"output\"] => [\"dropout1\",\"conv1\",\"output\"]"]
        );
    }

    #[test]
    fn other_lists_go_by_place_and_other_types_whole() {
        assert_eq!(lines(&json!([1, 2]), &json!([1, 3, 4])), ["[1]: 2 => 3", "[2] added: 4"]);
        assert_eq!(lines(&json!({"a": {"b": 1}}), &json!({"a": 2})), ["a: {\"b\":1} => 2"]);
        assert_eq!(lines(&json!(1), &json!("1")), [": 1 => \"1\""]);
        assert_eq!(lines(&json!({"a": 1.0}), &json!({"a": 1})), Vec::<String>::new());
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
        fn there_are_fields_exactly_where_the_documents_differ(a in values(), b in values()) {
            prop_assert_eq!(fields(&a, &b).is_empty(), canonical_json(&a) == canonical_json(&b));
        }
    }
}
