//! The tables that a report may ask for: parameters, metrics, stages, variants, variants beside given values.

use std::collections::BTreeSet;

use maud::{Markup, html};
use serde_json::Value;

use super::difference;
use super::grid::{Grid, NONE, number, text};
use super::reference::{Column, Fault, Table};
use super::subject::{Subject, scalar, without, words};
use crate::compare::{self, VariantTable};
use crate::show::number::{Precision, SECONDS, duration};

/// So many rows of a table are shown.
const ROWS: usize = 300;
/// So many numbers of one stage are shown without being asked for.
const FEW: usize = 12;

impl Subject<'_> {
    /// A table.
    ///
    /// # Errors
    /// Why the run has nothing to fill it with.
    pub(super) fn table(&self, table: &Table<'_>, caption: Option<&str>) -> Result<Markup, Fault> {
        let grid = match table {
            Table::Params(columns) => self.params(columns)?,
            Table::Metrics(columns) if columns.is_empty() => return self.all_metrics(),
            Table::Metrics(columns) => self.metrics(columns)?,
            Table::Stages => self.stages(),
            Table::Variants(columns) => self.variants(columns)?,
            Table::Beside(param, columns) => self.beside(*param, columns)?,
            Table::Previous => {
                return Ok(match self.previous {
                    None => html! { p.note { "There is no run before this one." } },
                    Some(previous) => {
                        let runs = [previous.clone(), self.run.clone()];
                        difference::between(&compare::diff(&runs).look_into(&runs, self.evidence))
                    }
                });
            }
        };
        Ok(match caption {
            Some(caption) => grid.caption(caption).markup(),
            None => grid.markup(),
        })
    }

    fn params(&self, columns: &[Column<'_>]) -> Result<Grid, Fault> {
        let mut leaves = Vec::new();
        flatten("", &self.run.params, &mut leaves);
        let mut grid = Grid::new("Parameters in force", [text("parameter"), text("value")]);
        if columns.is_empty() {
            leaves.iter().for_each(|(name, value)| grid.row([name.clone(), value.clone()]));
        }
        for column in columns {
            let name = column.name.strip_prefix("params.").unwrap_or(column.name);
            let hit = |path: &str| {
                compare::matches(name, path) || path.strip_prefix(name).is_some_and(|rest| rest.starts_with('.'))
            };
            let hits: Vec<_> = leaves.iter().filter(|(path, _)| hit(path)).collect();
            if hits.is_empty() {
                return Err(without(format!("the run has no parameter `{name}`")));
            }
            for (path, value) in hits {
                let rest = path.strip_prefix(name).unwrap_or_default();
                grid.row([column.title.map_or_else(|| path.clone(), |title| format!("{title}{rest}")), value.clone()]);
            }
        }
        grid.cut(ROWS);
        Ok(grid)
    }

    fn metrics(&self, columns: &[Column<'_>]) -> Result<Grid, Fault> {
        let rows = compare::diff(std::slice::from_ref(self.run)).metrics;
        let mut grid = Grid::new("Metrics", [text("stage"), text("metric"), number("value")]);
        let mut add = |stage: &str, metric: &str, value: Option<f64>| {
            let value = value.map_or_else(|| NONE.to_owned(), |value| Precision::of([value]).show(value));
            grid.row([stage.to_owned(), metric.to_owned(), value]);
        };
        for column in columns {
            let whole = |row: &compare::MetricRow| format!("{}.{}", row.stage, row.metric);
            let hit = |row: &&compare::MetricRow| {
                compare::matches(column.name, &row.metric) || compare::matches(column.name, &whole(row))
            };
            let mut hits = rows.iter().filter(hit).peekable();
            if hits.peek().is_none() {
                return Err(without(format!("the run has no metric `{}`", column.name)));
            }
            hits.for_each(|row| {
                add(&row.stage, column.title.unwrap_or(&row.metric), row.values.first().copied().flatten())
            });
        }
        grid.cut(ROWS);
        Ok(grid)
    }

    /// A table a stage: variants below each other, a column a metric; a stage alone has a row a metric.
    fn all_metrics(&self) -> Result<Markup, Fault> {
        let mut tables = Vec::new();
        let mut seen = BTreeSet::new();
        for stage in self.run.stages.iter().filter(|s| !s.metrics.is_empty() && seen.insert(s.stage.as_str())) {
            let whole = compare::within(self.run, Some(&stage.stage)).map_err(|e| without(e.to_string()))?;
            if stage.variant.is_empty() {
                let mut grid = Grid::new(stage.name.clone(), [text("metric"), number("value")]).folded_above(FEW);
                for (name, value) in &stage.metrics {
                    grid.row([name.clone(), Precision::of([*value]).show(*value)]);
                }
                tables.push(grid.markup());
                continue;
            }
            let columns: Vec<Chosen> =
                chosen(&whole, &[])?.into_iter().filter(|c| !c.label.ends_with(" seconds")).collect();
            let axes = whole.axes.iter().map(|axis| text(axis.clone()));
            let mut grid =
                Grid::new(stage.stage.clone(), axes.chain(columns.iter().map(|c| number(c.heading.clone()))));
            for row in &whole.rows {
                let axes = whole.axes.iter().map(|axis| row.variant.get(axis).cloned().unwrap_or_default());
                grid.row(axes.chain(columns.iter().map(|c| shown(row.values.get(&c.label), c.precision))));
            }
            tables.push(grid.markup());
        }
        match tables.is_empty() {
            true => Err(without("the run has no metrics")),
            false => Ok(html! { @for table in tables { (table) } }),
        }
    }

    fn stages(&self) -> Grid {
        let heads = [text("stage"), text("outcome"), number("this run"), number("made in"), text("key"), text("why")];
        let mut grid = Grid::new("What became of every stage", heads);
        for stage in &self.run.stages {
            let said = stage.warnings.first().or(stage.reasons.first()).map(String::as_str);
            let why = stage.error.as_deref().or(said).unwrap_or_default();
            grid.row([
                stage.name.clone(),
                words(stage.outcome).to_owned(),
                duration(stage.seconds),
                stage.total_seconds().map_or_else(|| NONE.to_owned(), duration),
                stage.key.map_or_else(|| NONE.to_owned(), |key| key.short()),
                why.lines().next().unwrap_or_default().to_owned(),
            ]);
        }
        grid.cut(ROWS);
        grid
    }

    fn variants(&self, columns: &[Column<'_>]) -> Result<Grid, Fault> {
        let whole = within(self)?;
        let chosen = chosen(&whole, columns)?;
        let axes = whole.axes.iter().map(|axis| text(axis.clone()));
        let heads = axes.chain(chosen.iter().map(|c| number(c.heading.clone())));
        let mut grid = Grid::new(format!("The variants of this run by {}", whole.axes.join(", ")), heads);
        for row in &whole.rows {
            let axes = whole.axes.iter().map(|axis| row.variant.get(axis).cloned().unwrap_or_default());
            let numbers = chosen.iter().map(|c| shown(row.values.get(&c.label), c.precision));
            grid.row(axes.chain(numbers));
        }
        Ok(grid)
    }

    fn beside(&self, param: Column<'_>, columns: &[Column<'_>]) -> Result<Grid, Fault> {
        let name = param.name.trim_start_matches("params.");
        let given = name.split('.').try_fold(&self.run.params, |value, segment| value.get(segment));
        let given = given.and_then(Value::as_object);
        let given = given.ok_or_else(|| without(format!("the run has no table of values `{}`", param.name)))?;
        let whole = within(self)?;
        let theirs = param.heading();
        // What is written `evaluate.accuracy` here may be `accuracy` there.
        let cell = |row: &str, name: &str| given.get(row).and_then(|r| r.get(name)).and_then(Value::as_f64);
        let cells = |row: &str, column: &Column<'_>, own: &Chosen| {
            cell(row, column.name).or_else(|| own.metric.as_deref().and_then(|metric| cell(row, metric)))
        };
        let mut heads = vec![text(whole.axes.join(", "))];
        let mut groups = vec![(1, String::new())];
        let mut found = Vec::new();
        for column in columns {
            let own = chosen(&whole, std::slice::from_ref(column))?;
            let [own] = <[Chosen; 1]>::try_from(own).map_err(|several| ambiguous(column, &several))?;
            let all = given
                .keys()
                .filter_map(|row| cells(row, column, &own))
                .chain(whole.rows.iter().filter_map(|r| r.values.get(&own.label).copied()));
            let precision = if own.precision == SECONDS { SECONDS } else { Precision::of(all) };
            groups.push((3, column.heading().to_owned()));
            heads.extend([number(theirs), number("this run"), number("difference")]);
            found.push((column, own, precision));
        }
        let mut grid = Grid::new(format!("This run beside {theirs}"), heads).groups(groups);
        let mut seen = BTreeSet::new();
        for row in &whole.rows {
            let label =
                whole.axes.iter().filter_map(|axis| row.variant.get(axis)).cloned().collect::<Vec<_>>().join(",");
            let numbers = found.iter().flat_map(|(column, own, precision)| {
                let (theirs, ours) = (cells(&label, column, own), row.values.get(&own.label).copied());
                let precision = precision.telling([theirs, ours].into_iter().flatten());
                let delta = theirs.zip(ours).map_or_else(|| NONE.to_owned(), |(t, o)| precision.change(t, o));
                [shown(theirs.as_ref(), precision), shown(ours.as_ref(), precision), delta]
            });
            grid.row(std::iter::once(label.clone()).chain(numbers));
            seen.insert(label);
        }
        for label in given.keys().filter(|label| !seen.contains(*label)) {
            let numbers = found.iter().flat_map(|(column, own, precision)| {
                [shown(cells(label, column, own).as_ref(), *precision), NONE.to_owned(), NONE.to_owned()]
            });
            grid.row(std::iter::once(label.clone()).chain(numbers));
        }
        Ok(grid)
    }
}

fn within(subject: &Subject<'_>) -> Result<VariantTable, Fault> {
    let table = compare::within(subject.run, None).map_err(|e| without(e.to_string()))?;
    if table.rows.is_empty() { Err(without("the run has no variants")) } else { Ok(table) }
}

/// A column of variants as it is shown.
struct Chosen {
    label: String,
    metric: Option<String>,
    heading: String,
    precision: Precision,
}

/// Several numbers under one heading would be told apart by nothing.
fn ambiguous(column: &Column<'_>, several: &[Chosen]) -> Fault {
    let labels = several.iter().map(|c| format!("`{}`", c.label)).collect::<Vec<_>>().join(", ");
    Fault::new(format!("`{}` is the name of several columns", column.name), format!("name one of them: {labels}"))
}

/// The columns asked for; without any, all that are no details.
fn chosen(table: &VariantTable, columns: &[Column<'_>]) -> Result<Vec<Chosen>, Fault> {
    let precision = |column: &compare::Column| match &column.metric {
        None => SECONDS,
        Some(_) => Precision::of_column(table.rows.iter().filter_map(|row| row.values.get(&column.label).copied())),
    };
    let chosen = |column: &compare::Column, heading: Option<&str>| Chosen {
        label: column.label.clone(),
        metric: column.metric.clone(),
        heading: heading.unwrap_or(&column.label).to_owned(),
        precision: precision(column),
    };
    if columns.is_empty() {
        return Ok(table.columns.iter().filter(|c| !c.detail).map(|c| chosen(c, None)).collect());
    }
    let mut found = Vec::new();
    for column in columns {
        let hits = table
            .clone()
            .select(&[column.name.to_owned()], None)
            .map_err(|e| Fault { message: e.to_string(), hint: e.hint() })?;
        let hits: Vec<Chosen> = hits.columns.iter().map(|hit| chosen(hit, column.title)).collect();
        if column.title.is_some() && hits.len() > 1 {
            return Err(ambiguous(column, &hits));
        }
        found.extend(hits);
    }
    Ok(found)
}

fn shown(value: Option<&f64>, precision: Precision) -> String {
    value.map_or_else(|| NONE.to_owned(), |value| precision.show(*value))
}

fn is_flat(value: &Value) -> bool {
    match value {
        Value::Object(_) => false,
        Value::Array(items) => items.iter().all(|i| !i.is_object() && !i.is_array()),
        _ => true,
    }
}

/// The leaves of a value by dotted name; lists of scalars are leaves.
fn flatten(prefix: &str, value: &Value, leaves: &mut Vec<(String, String)>) {
    let name = |key: &str| if prefix.is_empty() { key.to_owned() } else { format!("{prefix}.{key}") };
    match value {
        // An item that is a small record is one line: `labels: 9, 1; name: boots`.
        Value::Object(map)
            if prefix.rsplit('.').next().is_some_and(|last| last.parse::<usize>().is_ok())
                && map.values().all(is_flat) =>
        {
            let fields = map.iter().map(|(key, value)| format!("{key}: {}", scalar(value)));
            leaves.push((prefix.to_owned(), fields.collect::<Vec<_>>().join("; ")));
        }
        Value::Object(map) => map.iter().for_each(|(key, value)| flatten(&name(key), value, leaves)),
        Value::Array(items) if items.iter().any(|i| i.is_object() || i.is_array()) => {
            items.iter().enumerate().for_each(|(i, value)| flatten(&name(&i.to_string()), value, leaves));
        }
        _ => leaves.push((prefix.to_owned(), scalar(value))),
    }
}
