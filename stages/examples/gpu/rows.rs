//! The rows of the result: printed, kept as JSON, and put together as a table.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::PathBuf;

use anyhow::Context as _;
use serde::{Deserialize, Serialize};

/// One thing that was compared or measured.
#[derive(Serialize, Deserialize)]
pub(crate) struct Row {
    what: String,
    result: String,
    #[serde(default)]
    limit: String,
    /// Nothing where there is nothing to agree with.
    agrees: Option<bool>,
}

/// All rows so far.
pub(crate) struct Rows {
    rows: Vec<Row>,
    file: Option<File>,
}

impl Rows {
    pub(crate) fn new(path: Option<PathBuf>) -> anyhow::Result<Self> {
        let open = |path: PathBuf| {
            let file = OpenOptions::new().create(true).append(true).open(&path);
            file.with_context(|| format!("cannot write {}", path.display()))
        };
        Ok(Self { rows: Vec::new(), file: path.map(open).transpose()? })
    }

    /// A difference that must not be above a limit. One that is no number is above every limit.
    pub(crate) fn difference(&mut self, what: &str, difference: f64, limit: f64) -> anyhow::Result<()> {
        let agrees = difference <= limit;
        self.add(what, format!("{difference:.1e}"), format!("{limit:.0e}"), Some(agrees))
    }

    /// Something that must be so.
    pub(crate) fn must(&mut self, what: &str, holds: bool, result: &str, limit: &str) -> anyhow::Result<()> {
        self.add(what, result.to_owned(), limit.to_owned(), Some(holds))
    }

    /// Something measured.
    pub(crate) fn measured(&mut self, what: &str, result: &str) -> anyhow::Result<()> {
        self.add(what, result.to_owned(), String::new(), None)
    }

    /// A part that could not be done.
    pub(crate) fn failed(&mut self, what: &str, why: &str) -> anyhow::Result<()> {
        self.add(what, format!("failed: {}", why.replace('\n', " ")), String::new(), Some(false))
    }

    /// Whether nothing disagreed.
    pub(crate) fn agree(&self) -> bool {
        self.rows.iter().all(|row| row.agrees != Some(false))
    }

    fn add(&mut self, what: &str, result: String, limit: String, agrees: Option<bool>) -> anyhow::Result<()> {
        let row = Row { what: what.to_owned(), result, limit, agrees };
        println!("{}", line(&row));
        if let Some(file) = &mut self.file {
            writeln!(file, "{}", serde_json::to_string(&row)?).context("cannot write the row")?;
        }
        self.rows.push(row);
        Ok(())
    }
}

fn line(row: &Row) -> String {
    let verdict = match row.agrees {
        Some(true) => "agrees",
        Some(false) => "DISAGREES",
        None => "",
    };
    let cell = |text: &str| text.replace('|', "/");
    format!("| {} | {} | {} | {verdict} |", cell(&row.what), cell(&row.result), cell(&row.limit))
}

/// Prints the rows of files as one table.
pub(crate) fn table(paths: &[String]) -> anyhow::Result<bool> {
    println!("| what | result | at most | |\n| --- | --- | --- | --- |");
    let mut agrees = true;
    for path in paths {
        let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {path}"))?;
        for text in text.lines() {
            let row: Row = serde_json::from_str(text).with_context(|| format!("{path}: `{text}` is not a row"))?;
            agrees &= row.agrees != Some(false);
            println!("{}", line(&row));
        }
    }
    Ok(agrees)
}
