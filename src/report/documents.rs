//! The fields of documents (networks, say) in which runs differ: they decide outputs, as parameters do, and are none.

use std::collections::{BTreeSet, HashSet};

use serde_json::{Map, Value};

use super::subject::Documents;
use crate::compare::{Change, Comparison, InputChange, changes};
use crate::hash::Digest;
use crate::record::RunRecord;

/// What differs in the documents that stages were handed: `train[model=7]`, `model: layers.dropout3.rate`, a value a run.
/// Stages that were handed the same share an entry.
pub(super) fn differing(
    comparison: &Comparison,
    runs: &[RunRecord],
    documents: &Documents<'_>,
) -> Vec<(String, Change)> {
    // What a stage has made is a consequence, and no document that someone wrote.
    let made: HashSet<Digest> =
        runs.iter().flat_map(|run| &run.stages).flat_map(|stage| stage.outputs.values().map(|o| o.digest)).collect();
    let mut found: Vec<(Vec<&str>, Change)> = Vec::new();
    for stage in &comparison.stages {
        for input in &stage.inputs {
            for mut change in read(input, &made, documents).unwrap_or_default() {
                change.path = format!("{}: {}", input.name, change.path);
                match found.iter_mut().find(|(_, known)| *known == change) {
                    Some((names, _)) => names.push(&stage.name),
                    None => found.push((vec![&stage.name], change)),
                }
            }
        }
    }
    found.into_iter().map(|(names, change)| (names.join(", "), change)).collect()
}

/// The fields in which an input differs; `None` if it is no document, or one of them was not kept.
fn read(input: &InputChange, made: &HashSet<Digest>, documents: &Documents<'_>) -> Option<Vec<Change>> {
    let mut values = Vec::new();
    for digests in &input.digests {
        values.push(match digests.as_deref() {
            None => None,
            Some([digest]) if !made.contains(digest) => Some(by_name(documents(digest)?)),
            Some(_) => return None,
        });
    }
    Some(changes(&values.iter().map(Option::as_ref).collect::<Vec<_>>()))
}

/// Lists whose items all have names of their own, as mappings by these names: so an item that is put in between is one that
/// was added.
fn by_name(value: Value) -> Value {
    match value {
        Value::Object(map) => map.into_iter().map(|(key, value)| (key, by_name(value))).collect::<Map<_, _>>().into(),
        Value::Array(items) => {
            let names: Option<Vec<String>> =
                items.iter().map(|item| item.get("name")?.as_str().map(str::to_owned)).collect();
            let items = items.into_iter().map(by_name);
            match names {
                Some(names) if names.iter().collect::<BTreeSet<_>>().len() == names.len() => {
                    names.into_iter().zip(items).collect::<Map<_, _>>().into()
                }
                _ => items.collect(),
            }
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn items_go_by_name_where_all_have_one() {
        let list = json!([{"name": "a", "rate": 1}, {"name": "b", "parts": [{"name": "c"}]}]);
        let mapped = json!({"a": {"name": "a", "rate": 1}, "b": {"name": "b", "parts": {"c": {"name": "c"}}}});
        assert_eq!(by_name(list), mapped);
        for list in [json!([1, 2]), json!([{"name": "a"}, {"name": "a"}]), json!([{"name": "a"}, {}])] {
            assert_eq!(by_name(list.clone()), list);
        }
    }
}
