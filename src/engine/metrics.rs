//! Metrics files: the numbers of a JSON object, nested keys joined by dots.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

/// Reads the numbers of a metrics file. Booleans count as 0 and 1; text is left out; array elements go by position.
///
/// # Errors
/// If the file is not a JSON object.
pub(super) fn read(path: &Path) -> Result<BTreeMap<String, f64>, String> {
    let bytes = std::fs::read(path).map_err(|e| format!("cannot read the metrics file: {e}"))?;
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
