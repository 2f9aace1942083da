//! Metrics files: the numbers of a JSON object, nested keys joined by dots, or of a CSV file. Series files: whether they are.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::Path;

use serde_json::Value;

use super::execute::with_causes;
use crate::hash::{ContentError, open_regular};

/// The most that is read, in bytes: these are numbers for a table or a chart, not data.
const MOST: u64 = 16 << 20;

/// Reads the numbers of a metrics file: a CSV file by its name, else JSON.
///
/// # Errors
/// If it is neither, with what is wrong and where.
pub(super) fn read(path: &Path) -> Result<BTreeMap<String, f64>, String> {
    let bytes = bytes(path, "metrics")?;
    if path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("csv")) {
        table(&bytes)
    } else {
        object(&bytes)
    }
}

/// Checks that a file holds series: CSV, the first column numbers, at least one other.
///
/// # Errors
/// With what is wrong and where.
pub(super) fn check_series(path: &Path) -> Result<(), String> {
    let bytes = bytes(path, "series")?;
    let mut reader = csv::Reader::from_reader(&bytes[..]);
    let head = reader.headers().map_err(|e| format!("not a CSV file of series: {e}"))?.clone();
    if head.len() < 2 {
        return Err("a file of series has a header and two columns or more, the first of them the abscissa".into());
    }
    for record in reader.records() {
        let record = record.map_err(|e| format!("not a CSV file of series: {e}"))?;
        let first = record.get(0).unwrap_or_default();
        if first.trim().parse::<f64>().is_err() {
            let line = record.position().map_or(0, csv::Position::line);
            return Err(format!("`{first}` in line {line} is no number: the first column of series is the abscissa"));
        }
    }
    Ok(())
}

/// Nothing but a regular file is read: a stage may leave a link or a FIFO.
fn bytes(path: &Path, role: &str) -> Result<Vec<u8>, String> {
    let found = std::fs::symlink_metadata(path).map_err(|e| format!("cannot read the {role} file: {e}"))?;
    if found.is_dir() {
        return Err(format!("it has the role `{role}`, so it has to be a file, and is a folder"));
    }
    ContentError::unless_regular(&found, path).map_err(|e| format!("not a {role} file: {e}"))?;
    let (file, metadata) = open_regular(path).map_err(|e| format!("not a {role} file: {}", with_causes(&e)))?;
    if metadata.len() > MOST {
        return Err(format!("a {role} file of {} bytes; at most {MOST} are read", metadata.len()));
    }
    let mut bytes = Vec::new();
    file.take(MOST).read_to_end(&mut bytes).map_err(|e| format!("cannot read the {role} file: {e}"))?;
    Ok(bytes)
}

/// Booleans count as 0 and 1; text is left out; array elements go by position.
fn object(bytes: &[u8]) -> Result<BTreeMap<String, f64>, String> {
    let value: Value = serde_json::from_slice(bytes).map_err(|e| {
        let text = String::from_utf8_lossy(bytes);
        let odd = ["NaN", "Infinity"].iter().any(|word| text.contains(word));
        let hint = if odd { " (JSON has no NaN and no Infinity: write null, or leave the number out)" } else { "" };
        format!("not a JSON metrics file: {e}{hint}")
    })?;
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

/// Either `metric,value` and a row a metric, or a column a metric and one row. In the latter text is left out.
fn table(bytes: &[u8]) -> Result<BTreeMap<String, f64>, String> {
    let mut reader = csv::Reader::from_reader(bytes);
    let bad = |e: csv::Error| format!("not a CSV metrics file: {e}");
    let head = reader.headers().map_err(bad)?.clone();
    let rows: Vec<csv::StringRecord> = reader.records().collect::<Result<_, _>>().map_err(bad)?;
    let number = |text: &str| text.trim().parse::<f64>().ok();
    if head.iter().map(str::trim).eq(["metric", "value"]) {
        let mut numbers = BTreeMap::new();
        for row in &rows {
            let line = row.position().map_or(0, csv::Position::line);
            let value = number(&row[1]).ok_or_else(|| format!("`{}` in line {line} is no number", &row[1]))?;
            if numbers.insert(row[0].trim().to_owned(), value).is_some() {
                return Err(format!("line {line} gives `{}` a second time", row[0].trim()));
            }
        }
        return Ok(numbers);
    }
    let [row] = &rows[..] else {
        return Err(format!(
            "a CSV metrics file has the header `metric,value`, or one row under its header and not {}; many rows are a \
             file of series",
            rows.len()
        ));
    };
    Ok(head.iter().zip(row).filter_map(|(name, text)| Some((name.trim().to_owned(), number(text)?))).collect())
}
