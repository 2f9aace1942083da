//! The grammar of `${...}` in a report: what may be referred to, and in which words.
//!
//! | written | stands for |
//! | --- | --- |
//! | `params.NAME` | a parameter in force |
//! | `metrics.STAGE.NAME` | a number of a stage's metrics |
//! | `stages.STAGE.FACT` | a fact of a stage: its outcome, its seconds |
//! | `run.FACT` | a fact of the run |
//! | `outputs.STAGE.OUTPUT` | an output: in `![...](...)` the picture, in text its path |
//! | `graph` | the drawing of the DAG |
//! | `table.NAME(...)` | a table |
//!
//! `STAGE` is written as in the pipeline: `train`, `train[model=5]`. A colon and a format may follow a value, a colon and a
//! caption a table.

use super::format::{FORMATS, Format};
use crate::suggest;

/// What a `${...}` refers to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Reference<'t> {
    /// The names after `params.`.
    Param(&'t str),
    /// A stage and its output.
    Output(&'t str),
    /// A stage and one of its numbers.
    Metric(&'t str),
    /// A stage and one of [`STAGE_FACTS`].
    Stage(&'t str),
    /// One of [`RUN_FACTS`].
    Run(&'t str),
    /// The drawing of the DAG.
    Graph,
    /// A table, and what stands over it, if something else than usual is wanted.
    Table(Table<'t>, Option<&'t str>),
}

/// A table that Kiln makes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Table<'t> {
    /// Parameters in force, those that match a pattern.
    Params(Vec<Column<'t>>),
    /// Metrics of all stages, those that match a pattern.
    Metrics(Vec<Column<'t>>),
    /// What became of every stage.
    Stages,
    /// The variants of the run side by side.
    Variants(Vec<Column<'t>>),
    /// The variants beside values that a parameter holds: row -> column -> number.
    Beside(Column<'t>, Vec<Column<'t>>),
    /// What differs from the run before.
    Previous,
}

impl Table<'_> {
    /// Whether it is shown as more than one table.
    fn is_several(&self) -> bool {
        matches!(self, Self::Previous) || matches!(self, Self::Metrics(columns) if columns.is_empty())
    }
}

/// `accuracy as Test accuracy`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Column<'t> {
    /// The name, which may be a pattern.
    pub(crate) name: &'t str,
    /// The heading, if another is wanted.
    pub(crate) title: Option<&'t str>,
}

impl<'t> Column<'t> {
    /// What to write over it.
    pub(crate) fn heading(&self) -> &'t str {
        self.title.unwrap_or(self.name)
    }
}

/// What a fact is, which decides how it may be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sort {
    /// Text.
    Text,
    /// A number.
    Number,
    /// A number of seconds.
    Seconds,
    /// A moment.
    Time,
}

/// The facts of a run.
pub(crate) const RUN_FACTS: &[(&str, Sort)] = &[
    ("id", Sort::Text),
    ("status", Sort::Text),
    ("started", Sort::Time),
    ("seconds", Sort::Seconds),
    ("pipeline", Sort::Text),
    ("profile", Sort::Text),
    ("host", Sort::Text),
    ("cpus", Sort::Number),
    ("kiln", Sort::Text),
    ("stages", Sort::Number),
    ("executed", Sort::Number),
];

/// The facts of a stage.
pub(crate) const STAGE_FACTS: &[(&str, Sort)] = &[
    ("outcome", Sort::Text),
    ("seconds", Sort::Seconds),
    ("executed_seconds", Sort::Seconds),
    ("key", Sort::Text),
    ("uses", Sort::Text),
];

const ROOTS: &[&str] = &["params", "metrics", "stages", "run", "outputs", "graph", "table"];
const TABLES: &[&str] = &["params", "metrics", "stages", "variants", "beside", "previous"];

/// What is wrong with a reference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    /// In one line.
    pub(crate) message: String,
    /// What to do about it.
    pub(crate) hint: Option<String>,
}

impl Fault {
    pub(crate) fn new(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { message: message.into(), hint: Some(hint.into()) }
    }
}

impl Reference<'_> {
    /// Whether it is a block of its own and no part of a sentence.
    pub(crate) fn is_block(&self) -> bool {
        matches!(self, Self::Graph | Self::Table(..))
    }
}

/// Reads what stands between `${` and `}`.
///
/// # Errors
/// If it is no reference, or its format is none.
pub(crate) fn parse(inner: &str) -> Result<(Reference<'_>, Option<Format>), Fault> {
    let inner = inner.trim();
    let (root, rest) = inner.split_once('.').map_or((inner, None), |(root, rest)| (root, Some(rest)));
    let root = root.trim();
    if root == "table" {
        let (rest, caption) = captioned(rest.unwrap_or_default())?;
        let table = table(rest)?;
        if caption.is_some() && table.is_several() {
            let hint = "its tables have captions of their own; write a heading or a sentence before it";
            return Err(Fault::new(format!("`${{table.{rest}}}` takes no caption"), hint));
        }
        return Ok((Reference::Table(table, caption), None));
    }
    if root == "graph" && rest.is_none() {
        return Ok((Reference::Graph, None));
    }
    let (root, _) = root.split_once(':').unwrap_or((root, ""));
    if !ROOTS.contains(&root) {
        let hint = nearest(root, ROOTS.iter().copied())
            .unwrap_or_else(|| format!("a reference begins with {}", suggest::list(ROOTS.iter().copied())));
        return Err(Fault::new(format!("unknown name `${{{inner}}}`"), hint));
    }
    let Some(rest) = rest.filter(|rest| !rest.is_empty()) else {
        let hint = match root {
            "graph" => "write `${graph}`".to_owned(),
            "run" => format!("its facts: {}", facts(RUN_FACTS)),
            _ => format!("write `${{{root}.NAME}}`"),
        };
        return Err(Fault::new(format!("`${{{inner}}}` is not complete"), hint));
    };
    let (rest, format) = formatted(rest)?;
    let reference = match root {
        "params" => Reference::Param(rest),
        "metrics" => Reference::Metric(rest),
        "stages" => Reference::Stage(rest),
        "outputs" => Reference::Output(rest),
        "graph" => return Err(Fault::new(format!("`${{{inner}}}`: the graph has no parts"), "write `${graph}`")),
        _ => Reference::Run(rest),
    };
    if let Reference::Run(name) = reference {
        let sort = fact(RUN_FACTS, name, "a run")?;
        suits(format, sort, name)?;
    }
    if let (Reference::Output(_), Some(_)) = (&reference, format) {
        return Err(Fault::new("an output takes no format", "a number in it is written `${metrics.STAGE.NAME:.4}`"));
    }
    Ok((reference, format))
}

/// Cuts the format off. A colon within brackets belongs to a label.
fn formatted(rest: &str) -> Result<(&str, Option<Format>), Fault> {
    let from = rest.rfind(']').unwrap_or(0);
    let Some(at) = rest[from..].rfind(':').map(|at| from + at) else { return Ok((rest, None)) };
    let (name, format) = (rest[..at].trim_end(), rest[at + 1..].trim());
    match Format::parse(format) {
        Some(format) => Ok((name, Some(format))),
        None => Err(Fault::new(format!("unknown format `{format}`"), FORMATS)),
    }
}

/// The sort of a fact.
///
/// # Errors
/// If there is no such fact.
pub(crate) fn fact(known: &[(&'static str, Sort)], name: &str, of: &str) -> Result<Sort, Fault> {
    known.iter().find(|(fact, _)| *fact == name).map(|(_, sort)| *sort).ok_or_else(|| {
        let hint = nearest(name, known.iter().map(|(fact, _)| *fact));
        Fault::new(format!("{of} has no fact `{name}`"), hint.unwrap_or_else(|| format!("its facts: {}", facts(known))))
    })
}

/// Whether a value of this sort can be written so.
///
/// # Errors
/// If it cannot.
pub(crate) fn suits(format: Option<Format>, sort: Sort, name: &str) -> Result<(), Fault> {
    let Some(format) = format else { return Ok(()) };
    let (good, what) = match sort {
        Sort::Text => (false, "text, which takes no format"),
        Sort::Number | Sort::Seconds => (format.is_for_numbers(), "a number; `date` is for times"),
        Sort::Time => (!format.is_for_numbers(), "a time, which takes the format `date` only"),
    };
    if good { Ok(()) } else { Err(Fault::new(format!("`{name}` is {what}"), FORMATS)) }
}

fn facts(known: &[(&'static str, Sort)]) -> String {
    known.iter().map(|(fact, _)| format!("`{fact}`")).collect::<Vec<_>>().join(", ")
}

/// `did you mean ...?`, if a name is near.
pub(crate) fn nearest<'n>(name: &str, known: impl IntoIterator<Item = &'n str>) -> Option<String> {
    suggest::nearest(name, known).map(|near| format!("did you mean `{near}`?"))
}

/// Cuts the caption off: what follows a colon behind the parentheses, or behind the name where there are none.
fn captioned(rest: &str) -> Result<(&str, Option<&str>), Fault> {
    let open = rest.find('(').filter(|open| rest.find(':').is_none_or(|colon| *open < colon));
    let end = match open {
        Some(open) => rest[open..].find(')').map_or(rest.len(), |close| open + close + 1),
        None => rest.find(':').unwrap_or(rest.len()),
    };
    let (table, after) = (&rest[..end], rest[end..].trim());
    match after.strip_prefix(':').map(str::trim) {
        Some("") => Err(Fault::new("an empty caption", "write it behind the colon, or leave the colon out")),
        Some(caption) => Ok((table, Some(caption))),
        None => Ok((if after.is_empty() { table } else { rest }, None)),
    }
}

fn table(rest: &str) -> Result<Table<'_>, Fault> {
    let (name, arguments) = match rest.split_once('(') {
        Some((name, inner)) => match inner.trim_end().strip_suffix(')') {
            Some(inner) => (name.trim(), Some(inner)),
            None => return Err(Fault::new(format!("`table.{rest}` lacks its closing `)`"), "write `table.NAME(...)`")),
        },
        None => (rest.trim(), None),
    };
    let columns = || arguments.map_or(Ok(vec![]), columns);
    match name {
        "params" => Ok(Table::Params(columns()?)),
        "metrics" => Ok(Table::Metrics(columns()?)),
        "variants" => Ok(Table::Variants(columns()?)),
        "beside" => {
            let mut columns = columns()?;
            if columns.len() < 2 || !columns[0].name.starts_with("params.") {
                let hint = "write `${table.beside(params.NAME, COLUMN, ...)}`";
                return Err(Fault::new("`table.beside` takes a parameter and at least one column", hint));
            }
            Ok(Table::Beside(columns.remove(0), columns))
        }
        "stages" | "previous" if arguments.is_some_and(|a| !a.trim().is_empty()) => Err(Fault::new(
            format!("`table.{name}` takes nothing in parentheses"),
            format!("write `${{table.{name}}}`"),
        )),
        "stages" => Ok(Table::Stages),
        "previous" => Ok(Table::Previous),
        other => {
            let hint = nearest(other, TABLES.iter().copied());
            let all = || format!("the tables: {}", suggest::list(TABLES.iter().copied()));
            Err(Fault::new(format!("there is no table `{other}`"), hint.unwrap_or_else(all)))
        }
    }
}

fn columns(arguments: &str) -> Result<Vec<Column<'_>>, Fault> {
    let column = |text: &'_ str| -> Option<(usize, usize)> {
        let at = text.find(" as ")?;
        Some((at, at + 4))
    };
    arguments
        .split(',')
        .map(|argument| {
            let argument = argument.trim();
            let (name, title) = match column(argument) {
                Some((end, start)) => (argument[..end].trim(), Some(argument[start..].trim())),
                None if argument.ends_with(" as") => ("", None),
                None => (argument, None),
            };
            if name.is_empty() || title.is_some_and(str::is_empty) {
                return Err(Fault::new("an empty column", "write `NAME` or `NAME as Heading`, with commas between"));
            }
            Ok(Column { name, title })
        })
        .collect()
}

/// A stage, and what of it is meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target<'t> {
    /// The key under `stages:`.
    pub(crate) stage: &'t str,
    /// What is said of its axes.
    pub(crate) axes: Vec<(&'t str, &'t str)>,
    /// The output, metric or fact.
    pub(crate) part: &'t str,
}

/// Reads `train[model=5].accuracy`. Without brackets the longest name of a stage that fits is taken, since both stages
/// and metrics may hold dots.
///
/// # Errors
/// What is wrong with it, in one line.
pub(crate) fn target<'t>(text: &'t str, is_stage: &dyn Fn(&str) -> bool) -> Result<Target<'t>, &'static str> {
    const SHAPE: &str = "this is written `stage.name` or `stage[axis=value].name`";
    let Some((stage, rest)) = text.split_once('[') else {
        let dots = || text.match_indices('.').map(|(at, _)| at);
        let at = dots().filter(|at| is_stage(&text[..*at])).last().or_else(|| dots().next()).ok_or(SHAPE)?;
        let (stage, part) = (&text[..at], &text[at + 1..]);
        return if stage.is_empty() || part.is_empty() { Err(SHAPE) } else { Ok(Target { stage, axes: vec![], part }) };
    };
    let (inner, rest) = rest.split_once(']').ok_or("`[` without a closing `]`")?;
    let part = rest.strip_prefix('.').filter(|part| !part.is_empty()).ok_or(SHAPE)?;
    let mut axes = Vec::new();
    for item in inner.split(',') {
        match item.split_once('=') {
            Some((axis, label)) if !axis.trim().is_empty() && !label.trim().is_empty() && label.trim() != "*" => {
                axes.push((axis.trim(), label.trim()));
            }
            _ => {
                return Err("between `[` and `]` stands `axis=value`, with commas between; a report takes one variant");
            }
        }
    }
    if stage.is_empty() { Err(SHAPE) } else { Ok(Target { stage, axes, part }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_every_form() {
        let read = |text| parse(text).unwrap();
        assert_eq!(read("params.a.b"), (Reference::Param("a.b"), None));
        assert_eq!(read(" run.seconds:duration "), (Reference::Run("seconds"), Some(Format::Duration)));
        let metric = "evaluate[model=a:b].accuracy";
        assert_eq!(
            read("metrics.evaluate[model=a:b].accuracy:.2%"),
            (Reference::Metric(metric), Some(Format::Percent(2)))
        );
        assert_eq!(read("metrics.evaluate[model=a:b].accuracy"), (Reference::Metric(metric), None));
        assert_eq!(read("outputs.plot.svg"), (Reference::Output("plot.svg"), None));
        assert_eq!(read("graph"), (Reference::Graph, None));
        let column = |name, title| Column { name, title };
        let columns = vec![column("accuracy", Some("Test accuracy")), column("train.seconds", None)];
        assert_eq!(
            read("table.variants(accuracy as Test accuracy, train.seconds)").0,
            Reference::Table(Table::Variants(columns.clone()), None)
        );
        assert_eq!(
            read("table.beside(params.x as Study, accuracy as Test accuracy, train.seconds)").0,
            Reference::Table(Table::Beside(column("params.x", Some("Study")), columns), None)
        );
        assert_eq!(
            read("table.stages: All (of them): each").0,
            Reference::Table(Table::Stages, Some("All (of them): each"))
        );
        assert_eq!(
            read("table.params(a, b as B) : Table 1. So (it is)").0,
            Reference::Table(
                Table::Params(vec![column("a", None), column("b", Some("B"))]),
                Some("Table 1. So (it is)")
            )
        );
    }

    #[test]
    fn refuses_the_rest_with_a_hint() {
        for text in [
            "",
            "x",
            "metrics",
            "metrics.",
            "run.nonsense",
            "run.id:.2",
            "run.started:,",
            "outputs.a.b:.2",
            "graph.x",
            "table",
            "table.x",
            "table.variants(",
            "table.variants(a,)",
            "table.stages(x)",
            "table.beside(x)",
            "table.variants(a) x",
            "table.variants(a as )",
            "table.stages:",
            "table.previous: Before",
            "table.metrics: All",
            "params.a:nope",
        ] {
            let fault = parse(text).unwrap_err();
            assert!(fault.hint.is_some(), "{text}: {fault:?}");
        }
        assert_eq!(parse("metric.a.b").unwrap_err().hint.as_deref(), Some("did you mean `metrics`?"));
        assert_eq!(parse("run.second").unwrap_err().hint.as_deref(), Some("did you mean `seconds`?"));
    }

    #[test]
    fn a_target_takes_the_longest_stage() {
        let known = |name: &str| ["a", "a.b"].contains(&name);
        let target = |text| super::target(text, &known).unwrap();
        assert_eq!(target("a.b.c"), Target { stage: "a.b", axes: vec![], part: "c" });
        assert_eq!(target("a.c.d"), Target { stage: "a", axes: vec![], part: "c.d" });
        assert_eq!(target("z.c.d"), Target { stage: "z", axes: vec![], part: "c.d" });
        assert_eq!(target("a[x=1,y=2].c.d"), Target { stage: "a", axes: vec![("x", "1"), ("y", "2")], part: "c.d" });
        for text in ["a", "a.", ".a", "a[x].b", "a[x=*].b", "a[x=1]", "a[x=1.b"] {
            assert!(super::target(text, &known).is_err(), "{text}");
        }
    }
}
