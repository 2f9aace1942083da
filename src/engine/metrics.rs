//! Metrics files: the numbers of a JSON object, nested keys joined by dots.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::Path;

use serde_json::Value;

use super::execute::with_causes;
use crate::hash::{ContentError, open_regular};

/// The most that is read, in bytes: these are numbers for a table, not data.
const MOST: u64 = 16 << 20;

/// Reads the numbers of a metrics file. Booleans count as 0 and 1; text is left out; array elements go by position.
///
/// # Errors
/// If it is not a JSON object in a regular file of at most 16 MiB. Nothing else is read: a stage may leave a link or a FIFO.
pub(super) fn read(path: &Path) -> Result<BTreeMap<String, f64>, String> {
    let found = std::fs::symlink_metadata(path).map_err(|e| format!("cannot read the metrics file: {e}"))?;
    ContentError::unless_regular(&found, path).map_err(|e| format!("not a metrics file: {e}"))?;
    let (file, metadata) = open_regular(path).map_err(|e| format!("not a metrics file: {}", with_causes(&e)))?;
    if metadata.len() > MOST {
        return Err(format!("a metrics file of {} bytes; at most {MOST} are read", metadata.len()));
    }
    let mut bytes = Vec::new();
    file.take(MOST).read_to_end(&mut bytes).map_err(|e| format!("cannot read the metrics file: {e}"))?;
    let value: Value = serde_json::from_slice(&bytes).map_err(|e| format!("not a JSON metrics file: {e}"))?;
    if !value.is_object() {
        return Err("a metrics file must hold a JSON object".into());
    }
    let mut numbers = BTreeMap::new();
    flatten("", &value, &mut numbers);
    Ok(numbers)
}

fn flatten(prefix: &str, value: &Value, numbers: &mut BTreeMap<String, f64>) {
    let name = |key: &str| if prefix.is_empty() { key.to_owned() } else { format!("{prefix}.{key}") };
    match value {
        Value::Number(n) => {
            numbers.extend(n.as_f64().map(|n| (prefix.to_owned(), n)));
        }
        Value::Bool(b) => {
            numbers.insert(prefix.to_owned(), f64::from(u8::from(*b)));
        }
        Value::Object(map) => map.iter().for_each(|(key, value)| flatten(&name(key), value, numbers)),
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(i, value)| flatten(&name(&i.to_string()), value, numbers));
        }
        Value::String(_) | Value::Null => {}
    }
}
