//! What outputs are: metrics, series, figures, or data; and what becomes of those that DVC leaves in place.

use std::collections::BTreeMap;
use std::path::Path;

use super::context::join;
use super::file::{File, Out, Use};
use super::note::Notes;
use super::outputs::Written;
use super::planner::Planner;
use super::yaml::At;

/// What the lists at the top of the files say of outputs: path -> use and abscissa.
pub(super) fn top_level(
    files: &[File],
    written: &Written<'_>,
    notes: &mut Notes,
) -> BTreeMap<String, (Use, Option<String>)> {
    let mut roles = BTreeMap::new();
    for file in files {
        for (key, what) in [("metrics", Use::Metric), ("plots", Use::Plot)] {
            let Some(list) = file.root.get(key) else { continue };
            let mut entries: Vec<(String, At, Option<String>)> = Vec::new();
            for item in list.items() {
                match (item.text(), item.entries()) {
                    (Some(text), _) => entries.push((text.to_owned(), item.at, None)),
                    (None, several) => entries.extend(
                        several
                            .iter()
                            .map(|e| (e.key.clone(), e.at, e.node.get("x").and_then(|x| x.text()).map(str::to_owned))),
                    ),
                }
            }
            entries.extend(list.entries().iter().map(|entry| {
                (entry.key.clone(), entry.at, entry.node.get("x").and_then(|x| x.text()).map(str::to_owned))
            }));
            for (path, at, x) in entries {
                let full = join(&file.folder, &path);
                let folder = full.rsplit_once('/').map(|(folder, _)| folder).filter(|folder| written.exactly(folder));
                let is_table = full.ends_with(".json") || full.ends_with(".csv");
                if written.exactly(&full) {
                    roles.insert(full, (what, x));
                } else if let Some(folder) = folder.filter(|_| what == Use::Metric && is_table) {
                    roles.insert(folder.to_owned(), (Use::Metrics, None));
                } else {
                    let hint = "name the files among the outputs of the stages that write them, with `role: metrics` or `role: series`";
                    notes.lost(&file.path, at, format!("`{path}` under `{key}` is no output of a stage"), hint);
                }
            }
        }
        if let Some(params) = file.root.get("params") {
            notes.lost(
                &file.path,
                params.at,
                "`params` at the top is a list for `dvc params diff`",
                "`kiln compare` shows the parameters of every stage",
            );
        }
        if let Some(artifacts) = file.root.get("artifacts") {
            for entry in artifacts.entries() {
                let hint = "Kiln knows a file by the run that made it; write the name as a comment, or tag the commit";
                notes.lost(&file.path, entry.at, format!("the artifact `{}` is not kept", entry.key), hint);
            }
        }
        if let Some(datasets) = file.root.get("datasets") {
            notes.lost(
                &file.path,
                datasets.at,
                "`datasets` is not kept",
                "download the data, and declare the files as inputs",
            );
        }
    }
    roles
}

impl Planner<'_, '_> {
    pub(super) fn role(&self, out: &Out, notes: &mut Notes) -> Option<&'static str> {
        let (what, x) = match self.roles.get(&out.item.path) {
            Some((what, x)) if out.what == Use::Out => (*what, x.as_ref()),
            _ => (out.what, out.x.as_ref()),
        };
        let path = &out.item.path;
        let ending = Path::new(path).extension().and_then(|ending| ending.to_str()).unwrap_or_default().to_lowercase();
        match (what, ending.as_str()) {
            (Use::Out, _) => None,
            (Use::Metrics, _) => Some("metrics"),
            (Use::Metric, "json" | "csv") => Some("metrics"),
            (Use::Metric, _) => {
                let hint = "Kiln reads numbers from JSON and CSV; have the command write one of these";
                notes.lost(
                    &self.file.path,
                    out.item.at,
                    format!("the metrics in `{path}` are kept and not read"),
                    hint,
                );
                None
            }
            (Use::Plot, "png" | "jpg" | "jpeg" | "svg") => Some("figure"),
            (Use::Plot, "csv") if self.has_first_column(path, x) => Some("series"),
            (Use::Plot, _) => {
                let hint = "Kiln draws CSV files whose first column is the abscissa, and shows pictures";
                notes.lost(&self.file.path, out.item.at, format!("the plot `{path}` is kept and not drawn"), hint);
                None
            }
        }
    }

    /// Whether a CSV file has the abscissa first, as far as can be seen now.
    fn has_first_column(&self, path: &str, x: Option<&String>) -> bool {
        let Some(x) = x else { return false };
        let Ok(text) = std::fs::read_to_string(self.root.join(path)) else { return true };
        let head = text.lines().next().unwrap_or_default();
        head.split(',').next().is_some_and(|name| name.trim().trim_matches('"') == x)
    }

    /// What becomes of an output that DVC leaves in place before the command runs again.
    pub(super) fn persist(&self, out: &Out, notes: &mut Notes) {
        let (file, path) = (&self.file.path, &out.item.path);
        let first = &self.stage.variants[0];
        if first.deps.is_empty() && first.params.is_empty() {
            let what = format!("`persist` of `{path}` has no say: nothing that the stage takes can change");
            return notes.told(file, out.item.at, what, "");
        }
        let steps = first.params.iter().flat_map(|params| &params.keys).find(|key| counts_steps(key));
        let hint = match steps {
            Some(key) => format!(
                "if it is a state from which training goes on, hand `{key}` over in `with` and declare `steps: {{parameter: {}}}`; \
                 `docs/steps.md` has what the command does then",
                key.rsplit('.').next().unwrap_or(key)
            ),
            None => "a state from which a training goes on is declared with `steps` (docs/steps.md); of a log each result has its own; \
                     a download can look first whether it is there in a folder outside of the project"
                .to_owned(),
        };
        notes.lost(file, out.item.at, format!("`persist` of `{path}`: the command finds no earlier one"), &hint);
    }
}

/// Whether a parameter says how long a training goes on.
fn counts_steps(key: &str) -> bool {
    let name = key.rsplit('.').next().unwrap_or(key).to_lowercase();
    [
        "epochs",
        "max_epochs",
        "num_epochs",
        "n_epochs",
        "steps",
        "max_steps",
        "num_steps",
        "iterations",
        "rounds",
        "num_boost_round",
    ]
    .contains(&name.as_str())
}
