//! The numbers of a stage's outputs: metrics, which enter the run record, and series, which only have to be some.
//!
//! They are read of what is in the store, so a fresh result and one that was made long ago say the same. A file that cannot be read
//! costs its numbers and nothing else: what the stage has made stays.

mod json;
mod table;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::diagnostic::with_causes;
use crate::hash::Artifact;
use crate::hash::tree::Node;
use crate::kind::Role;
use crate::name_map::NameMap;
use crate::pipeline::{Body, Output, Stage};
use crate::series::Series;
use crate::show::names::escaped;
use crate::store::{ActionResult, Store};
use crate::text;

/// The most that is read, in bytes: these are numbers for a table or a chart, not data.
const MOST: u64 = 16 << 20;

/// So many names of a kind are told.
const TOLD: usize = 6;

/// What the outputs of a stage say.
#[derive(Debug, Default)]
pub(crate) struct Numbers {
    /// The metrics, nested keys joined by dots.
    pub(crate) metrics: BTreeMap<String, f64>,
    /// The files that cannot be read, and why not: said at each run.
    pub(crate) warnings: Vec<String>,
    /// What is worth a look in those that can: said once.
    pub(crate) remarks: Vec<String>,
}

impl Numbers {
    /// Reads the outputs of a stage that have numbers.
    pub(crate) fn of(stage: &Stage, outputs: &NameMap<Artifact>, store: &Store) -> Self {
        let mut numbers = Self::default();
        let several = stage.outputs.values().filter(|output| output.role == Role::Metrics).count() > 1;
        for (name, output) in &stage.outputs {
            let Some(artifact) = outputs.get(name) else { continue };
            let place = output.path.display();
            let read = match output.role {
                Role::Metrics => numbers.metrics_of(stage, output, artifact, store, several.then_some(name)),
                // Series of a kind are as its code writes them.
                Role::Series if matches!(stage.body, Body::Run(_)) => numbers.series_of(output, artifact, store),
                Role::Series | Role::Data | Role::Figure => Ok(()),
            };
            if let Err(why) = read {
                numbers.warnings.push(format!("output `{name}` ({place}): {why}"));
            }
        }
        numbers
    }

    /// Gives a result the numbers of its outputs, and what is wrong with them.
    pub(crate) fn enter(self, result: &mut ActionResult) {
        result.unread = !self.warnings.is_empty();
        (result.metrics, result.warnings) = (self.metrics, self.warnings);
    }

    fn metrics_of(
        &mut self,
        stage: &Stage,
        output: &Output,
        artifact: &Artifact,
        store: &Store,
        prefix: Option<&String>,
    ) -> Result<(), String> {
        let prefix = prefix.map_or_else(String::new, |name| format!("{name}."));
        if !artifact.tree {
            return self.metrics_in(stage, &output.path, artifact, store, &prefix);
        }
        let files = metrics_of_folder(artifact, store)?;
        for (file, artifact) in files {
            let stem = file.file_stem().unwrap_or_default().to_string_lossy();
            let prefix = if stem == MAIN { prefix.clone() } else { format!("{prefix}{stem}.") };
            let read = self.metrics_in(stage, &output.path.join(&file), &artifact, store, &prefix);
            read.map_err(|why| format!("{}: {why}", file.display()))?;
        }
        Ok(())
    }

    fn metrics_in(
        &mut self,
        stage: &Stage,
        path: &Path,
        artifact: &Artifact,
        store: &Store,
        prefix: &str,
    ) -> Result<(), String> {
        let bytes = bytes(artifact, store, "metrics")?;
        let mut found = Found::default();
        read(path, &bytes, &mut found)?;
        // A kind writes null where there is nothing to measure, and means it.
        let all = matches!(stage.body, Body::Run(_));
        self.remarks.extend(found.remarks(all).map(|remark| format!("{}: {remark}", path.display())));
        for (key, value) in found.numbers {
            let name = format!("{prefix}{key}");
            if self.metrics.contains_key(&name) {
                self.remarks.push(format!(
                    "{}: another file has the name `{}` as well",
                    path.display(),
                    escaped(&name)
                ));
            }
            self.metrics.insert(name, value);
        }
        Ok(())
    }

    fn series_of(&mut self, output: &Output, artifact: &Artifact, store: &Store) -> Result<(), String> {
        let series = Series::read(&bytes(artifact, store, "series")?)?;
        let place = output.path.display();
        self.remarks.extend(series.gaps().into_iter().map(|gap| format!("{place}: {gap}: not drawn")));
        Ok(())
    }
}

/// The numbers of a line of JSON, nested keys joined by dots; `None` if it is no object.
pub(crate) fn of_line(text: &str) -> Option<BTreeMap<String, f64>> {
    let mut found = Found::default();
    json::read(text, &mut found).ok()?;
    Some(found.numbers)
}

/// The file of metrics in a folder that counts alone.
const MAIN: &str = "metrics";

/// The files of metrics in a folder: `metrics.json` or `metrics.csv`, else all files of JSON and CSV at its top.
fn metrics_of_folder(artifact: &Artifact, store: &Store) -> Result<Vec<(PathBuf, Artifact)>, String> {
    let listing = store.listing(&artifact.digest).map_err(|e| with_causes(&e))?;
    let is_table = |path: &Path| path.extension().is_some_and(|ending| ending == "json" || ending == "csv");
    let at_top = |path: &Path| path.parent().is_some_and(|folder| folder.as_os_str().is_empty());
    let mut files = Vec::new();
    for (path, node) in &listing.entries {
        if let Node::File { digest, bytes, executable } = node
            && at_top(path)
            && is_table(path)
        {
            let file = Artifact { digest: *digest, tree: false, bytes: *bytes, executable: *executable };
            files.push((path.clone(), file));
        }
    }
    let named = |name: &str| files.iter().position(|(path, _)| path == Path::new(name));
    if let Some(main) = named("metrics.json").or_else(|| named("metrics.csv")) {
        files = vec![files.swap_remove(main)];
    }
    if files.is_empty() {
        return Err("there is no `metrics.json` in this folder, and no other file of JSON or CSV at its top".into());
    }
    Ok(files)
}

/// Reads a metrics file: CSV by its name, else JSON.
fn read(path: &Path, bytes: &[u8], found: &mut Found) -> Result<(), String> {
    let text = text::of(bytes).map_err(|e| format!("not a metrics file: {e}"))?;
    if path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("csv")) {
        table::read(text, found)
    } else {
        json::read(text, found).map_err(|why| format!("{why}; a metrics file is JSON unless its name ends in `.csv`"))
    }
}

fn bytes(artifact: &Artifact, store: &Store, role: &str) -> Result<Vec<u8>, String> {
    if artifact.tree {
        return Err(format!("it has the role `{role}`, so it has to be a file, and is a folder"));
    }
    if artifact.bytes > MOST {
        return Err(format!("a {role} file of {} bytes; at most {MOST} are read", artifact.bytes));
    }
    store.read(&artifact.digest).map_err(|e| with_causes(&e))
}

/// What was found in a metrics file.
#[derive(Debug, Default)]
struct Found {
    numbers: BTreeMap<String, f64>,
    /// What could be meant as a number and is none: name, and what it is.
    odd: Vec<(String, String)>,
    /// The names that were given more than once.
    again: BTreeSet<String>,
}

impl Found {
    /// Takes a number; of several under a name the last counts, as in the readers of most languages.
    fn number(&mut self, name: String, value: f64) {
        if name.is_empty() {
            return self.odd(name, "has no name");
        }
        // One spelling of what is not a number: the sign and the rest of its bits say nothing.
        let value = if value.is_nan() { f64::NAN } else { value };
        if self.numbers.insert(name.clone(), value).is_some() {
            self.again.insert(name);
        }
    }

    fn odd(&mut self, name: String, what: impl Into<String>) {
        self.odd.push((name, what.into()));
    }

    /// What is worth a look, a line each; with `all`, what was left out, too.
    fn remarks(&self, all: bool) -> impl Iterator<Item = String> {
        let name = |name: &str| format!("`{}`", escaped(name));
        let odd = self.odd.iter().filter(|_| all).map(|(key, what)| format!("{} {what}", name(key)));
        let again = self.again.iter().map(|key| name(key));
        let not_finite = self.numbers.iter().filter(|(_, value)| !value.is_finite());
        let not_finite = not_finite.map(|(key, value)| format!("{} is {value}", name(key)));
        let lines = [
            listed(odd).map(|odd| format!("left out, for no number: {odd}")),
            listed(again).map(|again| format!("there more than once, and the last counts: {again}")),
            listed(not_finite).map(|values| format!("not finite: {values}")),
        ];
        lines.into_iter().flatten()
    }
}

/// The first few, and how many more there are; `None` if there are none.
fn listed(items: impl Iterator<Item = String>) -> Option<String> {
    let all: Vec<String> = items.collect();
    let more = all.len().saturating_sub(TOLD);
    let mut text = all.iter().take(TOLD).cloned().collect::<Vec<_>>().join(", ");
    if more > 0 {
        text += &format!(", and {more} more");
    }
    (!all.is_empty()).then_some(text)
}

/// Whether a text that is no number may be meant as one: `93%`, `0,93`, `NA`. Other texts are labels.
fn is_meant_as_number(text: &str) -> bool {
    let text = text.trim();
    let bare = text.trim_end_matches('%').trim_end().replace([',', '_', ' '], "");
    let missing = ["na", "n/a", "null", "none", "<na>", "nat"].iter().any(|word| text.eq_ignore_ascii_case(word));
    missing || (!bare.is_empty() && bare.parse::<f64>().is_ok())
}

/// A text from a file, quoted, as far as it is worth showing.
fn quoted(text: &str) -> String {
    const SHOWN: usize = 24;
    let shown: String = text.chars().take(SHOWN).collect();
    let more = if text.chars().nth(SHOWN).is_some() { "..." } else { "" };
    format!("the text \"{}{more}\"", escaped(&shown))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(file: &str, text: &str) -> Result<(BTreeMap<String, f64>, Vec<String>), String> {
        let mut found = Found::default();
        read(Path::new(file), text.as_bytes(), &mut found)?;
        let remarks = found.remarks(true).collect();
        Ok((found.numbers, remarks))
    }

    /// The numbers as text, so that NaN equals itself.
    fn numbers(file: &str, text: &str) -> String {
        let (numbers, _) = found(file, text).unwrap();
        numbers.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn json_as_python_writes_it() {
        let text = "\u{feff}{\"loss\": NaN, \"a\": {\"up\": Infinity, \"down\": -Infinity}, \"big\": [1e999, -1e400, 2], \
                    \"NaN\": \"NaN in words\", \"n\": 12345678901234567890, \"fine\": true}";
        let expected = "a.down=-inf a.up=inf big.0=inf big.1=-inf big.2=2 fine=1 loss=NaN n=12345678901234567000";
        assert_eq!(numbers("m.json", text), expected);
        assert_eq!(numbers("m.json", r#"{"a\"NaN": NaN, "b": "Infinity", "c": nan}"#), "a\"NaN=NaN b=inf c=NaN");
        let (_, remarks) = found("m.json", text).unwrap();
        assert_eq!(
            remarks,
            ["not finite: `a.down` is -inf, `a.up` is inf, `big.0` is inf, `big.1` is -inf, `loss` is NaN"]
        );
    }

    #[test]
    fn what_is_left_out_of_json_is_told() {
        let text =
            r#"{"acc": "0.9312", "p": "93%", "model": "resnet", "val": null, "a.b": 1, "a": {"b": 2}, "x": 1, "x": 3}"#;
        let (numbers, remarks) = found("m.json", text).unwrap();
        assert_eq!(numbers, BTreeMap::from([("a.b".to_owned(), 2.0), ("x".to_owned(), 3.0)]));
        assert_eq!(
            remarks,
            [
                "left out, for no number: `acc` is the text \"0.9312\", `p` is the text \"93%\", `val` is null",
                "there more than once, and the last counts: `a.b`, `x`",
            ]
        );
        let (_, remarks) =
            found("m.json", &format!("{{{}\"z\": null}}", "\"\\n\\u001b[2J\": null, ".repeat(9))).unwrap();
        assert_eq!(remarks[0].matches("`\\n\\u{1b}[2J` is null").count(), 6);
        assert!(remarks[0].ends_with("and 4 more"), "{remarks:?}");
    }

    #[test]
    fn csv_as_pandas_and_others_write_it() {
        for (text, expected) in [
            ("metric,value\r\nloss,nan\r\nmacro.f1, 1e-3\r\n", "loss=NaN macro.f1=0.001"),
            ("\u{feff}Metric,Value\n\"a,b\",\"-inf\"\n", "a,b=-inf"),
            (",metric,value\n0,acc,0.5\n1,loss,inf\n", "acc=0.5 loss=inf"),
            (",0\nacc,0.5\nloss,\n", "acc=0.5"),
            (",score\nacc,0.5\nloss,2\n", "acc=0.5 loss=2"),
            (",acc,loss\n0,0.5,1e999\n", "acc=0.5 loss=inf"),
            ("Unnamed: 0,acc\n0,0.5\n", "acc=0.5"),
            ("model,acc,loss,ok\nbig,0.5,,True\n", "acc=0.5 ok=1"),
            ("metric,value\nacc,0.5\nacc,0.7\n", "acc=0.7"),
            ("value,metric\n0.5,acc\n", "acc=0.5"),
            ("metric,k,acc\ncosine,5,0.91\n", "acc=0.91 k=5"),
        ] {
            assert_eq!(numbers("m.csv", text), expected, "{text}");
        }
        let wide = |cell: &str| (0..5000).map(|i| format!("{cell}{i}")).collect::<Vec<_>>().join(",");
        assert_eq!(found("m.csv", &format!("{}\n{}\n", wide("m"), wide("1"))).unwrap().0.len(), 5000);
    }

    #[test]
    fn what_is_left_out_of_csv_is_told() {
        let remarks = |text: &str| found("M.CSV", text).unwrap().1.join("; ");
        assert_eq!(
            remarks("model,acc,loss\nbig,,93%\n"),
            "left out, for no number: `acc` is empty, `loss` is the text \"93%\""
        );
        assert_eq!(remarks("metric,value\nacc,high\n"), "left out, for no number: `acc` is the text \"high\"");
        assert_eq!(remarks("a,a\n1,2\n"), "there more than once, and the last counts: `a`");
        assert_eq!(remarks("model,acc\nbig,0.5\n"), "");
    }

    #[test]
    fn what_is_no_metrics_file_says_why() {
        for (file, text, why) in [
            ("m.yaml", "accuracy: 0.5", "not a JSON metrics file: expected value at line 1 column 1"),
            ("m.yaml", "accuracy: 0.5", "a metrics file is JSON unless its name ends in `.csv`"),
            ("m.tsv", "metric\tvalue\n", "unless its name ends in `.csv`"),
            ("m.json", "[1]", "a metrics file must hold a JSON object"),
            ("m.json", "", "it is empty"),
            ("m.json", "{\"a\": 1}\n{\"a\": 2}", "trailing characters at line 2"),
            ("m.json", "\u{feff}", "it is empty"),
            ("m.csv", "metric;value\nacc;0,5\n", "semicolons seem to separate its 2 columns: write commas"),
            ("m.csv", "metric\tvalue\nacc\t0.5\n", "tabs seem to separate"),
            ("m.csv", "step,loss\n1,2\n2,3\n", "one row under its header and not 2"),
            ("m.csv", "a,b\n", "one row under its header and not 0"),
            ("m.csv", "a,b\n1\n", "not a CSV metrics file"),
            (
                "m.csv",
                "metric,value,std\nacc,0.9,0.1\n",
                "has the columns `metric` and `value` alone, and not `metric,value,std`",
            ),
            ("m.csv", "metric,value\n", "and this one has none"),
        ] {
            let error = found(file, text).unwrap_err();
            assert!(error.contains(why), "{text:?}: {error}");
        }
        let deep = format!("{{\"a\": {}", "[".repeat(100_000));
        assert!(found("m.json", &deep).is_err());
        let error = read(Path::new("m.json"), b"\xff\xfe{\0}\0", &mut Found::default()).unwrap_err();
        assert!(error.contains("UTF-16"), "{error}");
    }
}
