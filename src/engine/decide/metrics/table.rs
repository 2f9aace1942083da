//! Metrics in CSV: one row per metric, or one column per metric and a single row. As pandas, R, spreadsheets and Python's `csv` write them.

use csv::StringRecord;

use super::{Found, is_meant_as_number, quoted};
use crate::series::separator;
use crate::show::names::escaped;

/// The titles of a table with one row per metric.
const NAME: &str = "metric";
const VALUE: &str = "value";

/// Reads the numbers of a table.
pub(super) fn read(text: &str, found: &mut Found) -> Result<(), String> {
    let bad = |e: csv::Error| format!("not a CSV metrics file: {e}");
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(text.as_bytes());
    let head = reader.headers().map_err(bad)?.clone();
    if let Some(hint) = separator(&head) {
        return Err(format!("not a CSV metrics file: {hint}"));
    }
    let rows: Vec<StringRecord> = reader.records().collect::<Result<_, _>>().map_err(bad)?;
    // A column without a name is the index of a table that was written with it.
    let named: Vec<usize> = (0..head.len()).filter(|column| !is_index(&head[*column])).collect();
    if let Some((name, value)) = long(&head, &named, &rows) {
        if rows.is_empty() {
            return Err("a CSV metrics file has one row per metric under its header, and this one has none".into());
        }
        rows.iter().for_each(|row| take(row[name].to_owned(), &row[value], true, found));
        return Ok(());
    }
    let has = |title: &str| named.iter().any(|column| is(&head[*column], title));
    if has(NAME) && (has(VALUE) || rows.len() != 1) {
        let titles: Vec<&str> = named.iter().map(|column| &head[*column]).collect();
        return Err(format!(
            "a CSV metrics file with one row per metric has the columns `metric` and `value` alone, and not `{}`",
            escaped(&titles.join(","))
        ));
    }
    let [row] = &rows[..] else {
        return Err(format!(
            "a CSV metrics file has the header `metric,value`, or one row under its header and not {}; many rows are a \
             file of series",
            rows.len()
        ));
    };
    named.into_iter().for_each(|column| take(head[column].to_owned(), &row[column], false, found));
    Ok(())
}

/// Takes a cell. In a table with one row per metric each is to be a number; in one with one column per metric there are labels.
fn take(name: String, cell: &str, all: bool, found: &mut Found) {
    let truth = [("true", 1.0), ("false", 0.0)].into_iter().find(|(word, _)| cell.eq_ignore_ascii_case(word));
    match cell.parse().ok().or(truth.map(|(_, value)| value)) {
        Some(value) => found.number(name, value),
        None if cell.is_empty() => found.odd(name, "is empty"),
        None if all || is_meant_as_number(cell) => found.odd(name, format!("is {}", quoted(cell))),
        None => {}
    }
}

fn is(title: &str, name: &str) -> bool {
    title.eq_ignore_ascii_case(name)
}

fn is_index(title: &str) -> bool {
    let numbered = title.strip_prefix("Unnamed:").is_some_and(|rest| rest.trim().parse::<usize>().is_ok());
    title.is_empty() || numbered
}

/// The columns of names and of values, where there is one row per metric.
fn long(head: &StringRecord, named: &[usize], rows: &[StringRecord]) -> Option<(usize, usize)> {
    if let [first, second] = *named {
        for (name, value) in [(first, second), (second, first)] {
            if is(&head[name], NAME) && is(&head[value], VALUE) {
                return Some((name, value));
            }
        }
    }
    // A series of pandas: its index has the names. A table with one row and an index of text looks alike but for its title.
    let texts = || rows.iter().all(|row| !row[0].is_empty() && row[0].parse::<f64>().is_err());
    let series = head.len() == 2 && is_index(&head[0]) && (rows.len() > 1 || &head[1] == "0") && texts();
    series.then_some((0, 1))
}
