//! The files that pass between stages: tensors as safetensors, metrics as JSON, per-sample tables as CSV.

pub mod dataset;
pub mod tensors;

use std::path::Path;

use anyhow::Context as _;
use serde::Serialize;

/// Writes metrics (or any plain data) as indented JSON with a final newline. The same value gives the same bytes. A number
/// that is not finite becomes `null`: JSON has no such number.
///
/// # Errors
/// If the file cannot be written.
pub fn write_json(path: &Path, value: &impl Serialize) -> anyhow::Result<()> {
    let mut text = serde_json::to_string_pretty(value)?;
    text.push('\n');
    std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

/// Opens a CSV file for writing; rows are serialised structs, the header comes from their field names.
///
/// # Errors
/// If the file cannot be created.
pub fn csv_writer(path: &Path) -> anyhow::Result<csv::Writer<std::fs::File>> {
    csv::Writer::from_path(path).with_context(|| format!("cannot write {}", path.display()))
}
