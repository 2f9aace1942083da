//! The stages of the pipeline that an import writes: what DVC's become in Kiln.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::command::{self, Run};
use super::context::join;
use super::file::{File, Item, Out, Stage, Use, Variant};
use super::ignore::Ignore;
use super::keyed::Keyed;
use super::note::Notes;
use super::outputs::Written;
use super::template::Carried;
use super::yaml::At;

/// A stage to be written.
pub(super) struct Planned<'f> {
    /// Its name in Kiln.
    pub(super) name: String,
    pub(super) file: &'f File,
    pub(super) stage: &'f Stage,
    pub(super) run: Run,
    pub(super) env: Vec<(String, String)>,
    pub(super) pass: Vec<String>,
    pub(super) inputs: Vec<(String, Vec<Taken>)>,
    pub(super) outputs: Vec<Given>,
}

/// What an input takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Taken {
    pub(super) path: String,
    /// These keys of the file alone.
    pub(super) keys: Vec<String>,
    pub(super) line: usize,
}

/// An output.
pub(super) struct Given {
    pub(super) port: String,
    pub(super) path: String,
    pub(super) role: Option<&'static str>,
    pub(super) line: usize,
}

/// What is to be written.
pub(super) struct Plan<'f> {
    pub(super) stages: Vec<Planned<'f>>,
    /// Files of parameters of which stages take keys, beside those that templates take.
    pub(super) more: Vec<String>,
}

/// Where a stage without outputs leaves its mark.
pub(super) const MARKS: &str = "out/done";

/// Plans all stages, in the order of the files.
pub(super) fn plan<'f>(root: &Path, files: &'f [File], notes: &mut Notes) -> Plan<'f> {
    let written = Written::of(files);
    let keyed = Keyed::of(root, files);
    let names = names(files, notes);
    let roles = top_level(files, &written, notes);
    let mut planned = Vec::new();
    for (f, file) in files.iter().enumerate() {
        for (s, stage) in file.stages.iter().enumerate() {
            let name = names[&(f, s)].clone();
            let planner = Planner { root, file, stage, name: &name, written: &written, roles: &roles, keyed: &keyed };
            if stage.frozen {
                let what = format!("`{}` is frozen: it is commented out, and what it wrote is a source", stage.name);
                notes.told(&file.path, stage.at, what, "");
                // What else there is to say concerns nobody.
                planned.push(planner.plan(&mut Notes::default()));
                continue;
            }
            planned.push(planner.plan(notes));
        }
    }
    Plan { stages: planned, more: keyed.more }
}

/// Names of Kiln's: those of DVC, with the folder in front where two files have the same.
pub(super) fn names(files: &[File], notes: &mut Notes) -> BTreeMap<(usize, usize), String> {
    let mut taken: BTreeSet<String> = BTreeSet::new();
    let mut names = BTreeMap::new();
    for (f, file) in files.iter().enumerate() {
        for (s, stage) in file.stages.iter().enumerate() {
            let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
            let clean: String = stage.name.chars().map(|c| if good(c) { c } else { '_' }).take(90).collect();
            let clean = clean.trim_start_matches(['-', '.']).to_owned();
            let mut name = if clean.is_empty() { "stage".to_owned() } else { clean.clone() };
            if taken.contains(&name) {
                let folder: String = file.folder.chars().map(|c| if good(c) { c } else { '.' }).collect();
                name = format!("{folder}.{name}").trim_start_matches('.').to_owned();
            }
            while !taken.insert(name.clone()) {
                name.push('_');
            }
            if name != stage.name {
                notes.told(&file.path, stage.at, format!("stage `{}` is called `{name}`", stage.name), "");
            }
            names.insert((f, s), name);
        }
    }
    names
}

/// What the lists at the top of the files say of outputs: path -> use and abscissa.
fn top_level(files: &[File], written: &Written<'_>, notes: &mut Notes) -> BTreeMap<String, (Use, Option<String>)> {
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
                if written.exactly(&full) {
                    roles.insert(full, (what, x));
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

/// The mark of a stage without outputs.
pub(super) fn mark(name: &str, labels: impl Iterator<Item = String>) -> String {
    let labels: String = labels.map(|label| format!("-{label}")).collect();
    format!("{MARKS}/{name}{labels}")
}

struct Planner<'a, 'f> {
    root: &'a Path,
    file: &'f File,
    stage: &'f Stage,
    name: &'a str,
    written: &'a Written<'f>,
    roles: &'a BTreeMap<String, (Use, Option<String>)>,
    keyed: &'a Keyed,
}

impl<'f> Planner<'_, 'f> {
    fn plan(&self, notes: &mut Notes) -> Planned<'f> {
        let (file, stage) = (self.file, self.stage);
        let first = &stage.variants[0];
        let mut ports = Ports::default();
        let mut inputs = Vec::new();
        let mut covered: Vec<String> = Vec::new();
        for (i, dep) in first.deps.iter().enumerate() {
            let taken = self.dep(dep, i, notes);
            if taken.is_empty() || covered.contains(&dep.path) {
                continue;
            }
            covered.push(dep.path.clone());
            inputs.push((ports.name(&dep.written), taken));
        }
        for params in &first.params {
            if covered.contains(&params.path) {
                continue;
            }
            covered.push(params.path.clone());
            let mut keys: Vec<String> = params.keys.iter().map(|key| self.keyed.key(&params.path, key)).collect();
            keys.dedup();
            if let Some(why) = self.keyed.refused(&params.path).filter(|_| !keys.is_empty()) {
                let what = format!("`{}` counts as a whole, not by `{}`: {why}", params.path, keys.join("`, `"));
                notes.differs(&file.path, params.at, what, "move what changes often to a YAML file of its own");
                keys.clear();
            }
            if !self.root.join(&params.path).exists() {
                let what = format!("the file of parameters `{}` is not there", params.path);
                notes.lost(&file.path, params.at, what, "kiln refuses the pipeline until it is");
            }
            let port = ports.name(&params.path);
            inputs.push((port, vec![Taken { path: params.path.clone(), keys, line: params.at.line }]));
        }
        for path in self.named(first) {
            let inside = covered.iter().any(|known| path == *known || path.starts_with(&format!("{known}/")));
            if inside {
                continue;
            }
            let what = format!(
                "`{path}` is named by the command of `{}` and not under `deps`: it is an input here",
                stage.name
            );
            notes.differs(&file.path, stage.cmd_at, what, "an edit of it executes the stage, as it should");
            covered.push(path.clone());
            inputs.push((ports.name(&path), vec![Taken { path, keys: vec![], line: 0 }]));
        }
        let mut ports = Ports::default();
        let mut outputs = Vec::new();
        for out in &first.outs {
            if out.item.path.starts_with('/') || out.item.path.starts_with("..") || out.item.path.contains("://") {
                let hint = "write it to a path of the project; a folder of it may be a link to another disk";
                notes.lost(
                    &file.path,
                    out.item.at,
                    format!("the output `{}` lies outside of the project", out.item.path),
                    hint,
                );
                continue;
            }
            let role = self.role(out, notes);
            let port = ports.name(&out.item.written);
            if out.persist {
                self.persist(out, notes);
            }
            outputs.push(Given { port, path: out.item.written.clone(), role, line: out.item.at.line });
        }
        let mark = outputs.is_empty().then(|| self.mark());
        if let Some(path) = &mark {
            let what = format!("`{}` has no outputs, so it leaves the empty file `{path}`", stage.name);
            notes.told(&file.path, stage.at, what, "");
            outputs.push(Given { port: "done".into(), path: path.clone(), role: None, line: 0 });
        }
        if stage.always || (first.deps.is_empty() && first.params.is_empty() && first.outs.is_empty()) {
            let what = format!(
                "`{}` runs at every `dvc repro`; Kiln executes it when something that it takes changes",
                stage.name
            );
            let hint =
                "give it a parameter, such as `env: {DAY: \"${params.day}\"}`, and set that: `kiln run --set day=...`";
            notes.lost(&file.path, stage.at, what, hint);
        }
        let folder = (first.wdir != ".").then_some(first.wdir_written.as_str());
        let within = |path: &str| path.starts_with(&format!("{}/", first.wdir_written));
        let make = !inputs.iter().flat_map(|(_, taken)| taken).any(|taken| within(&taken.path))
            && !outputs.iter().any(|given| within(&given.path));
        let run = command::run(&first.commands, folder, make, mark.as_deref());
        let (env, pass) = self.environment(&run, notes);
        Planned { name: self.name.to_owned(), file, stage, run, env, pass, inputs, outputs }
    }

    /// What a dependency becomes: itself, or where it meets outputs of stages what these are.
    fn dep(&self, dep: &Item, position: usize, notes: &mut Notes) -> Vec<Taken> {
        let line = dep.at.line;
        let taken = |path: String| Taken { path, keys: vec![], line };
        let file = &self.file.path;
        if dep.path.contains("://") {
            let hint = "fetch it in a stage of its own, or declare the file where it was downloaded to";
            notes.lost(file, dep.at, format!("`{}` is not in the project", dep.path), hint);
            return vec![];
        }
        if dep.path.starts_with('/') {
            let hint = "make a link in the project that leads there, and name that";
            notes.lost(file, dep.at, format!("`{}` is an absolute path", dep.path), hint);
            return vec![];
        }
        if self.written.exactly(&dep.path) {
            return vec![taken(dep.written.clone())];
        }
        if let Some(outer) = self.written.around(&dep.path) {
            let what = format!("`{}` is taken with all of `{outer}`, which a stage writes as a whole", dep.path);
            notes.differs(
                file,
                dep.at,
                what,
                "declare it as an output of its own to have a change of its neighbours pass by",
            );
            // A name in the path may stand for several folders; then it does not say where the outer one ends.
            let parts: Vec<&str> = dep.written.split('/').collect();
            let depth = outer.split('/').count();
            let alike = parts.len() == dep.path.split('/').count();
            return vec![taken(if alike { parts[..depth].join("/") } else { outer.to_owned() })];
        }
        let own: BTreeSet<&str> =
            self.stage.variants.iter().flat_map(|v| &v.outs).map(|out| out.item.path.as_str()).collect();
        let within: Vec<&str> = self.written.within(&dep.path).filter(|path| !own.contains(path)).collect();
        let has_own = own.iter().any(|path| path.starts_with(&format!("{}/", dep.path)));
        if within.is_empty() && !has_own {
            if !self.root.join(&dep.path).exists() {
                let hint = "kiln refuses the pipeline until it is; `dvc pull` brings it";
                let path = &self.stage.variants[0].deps[position].path;
                notes.lost(file, dep.at, format!("`{path}` is not there"), hint);
            }
            return vec![taken(dep.written.clone())];
        }
        let what = format!("`{}` is listed file by file, because stages write into it", dep.path);
        notes.differs(file, dep.at, what, "a new file there has to be added to the inputs");
        let mut out: Vec<Taken> = within.iter().map(|path| taken((*path).to_owned())).collect();
        let mut avoid: Vec<&str> = self.written.within(&dep.path).collect();
        avoid.sort_unstable();
        let ignore = Ignore::down_to(self.root, &dep.path);
        list(self.root, &dep.path, &avoid, &ignore, &mut |path| out.push(taken(path)));
        out
    }

    /// Files of the project that the command names.
    fn named(&self, variant: &Variant) -> Vec<String> {
        let mut found = Vec::new();
        for command in &variant.commands {
            let text = command.resolved();
            let words: Vec<&str> = text.split(|c: char| c.is_whitespace() || "'\"`;|&()<>=".contains(c)).collect();
            for (i, word) in words.iter().enumerate() {
                let mut candidates = vec![(*word).to_owned()];
                if i > 0 && words[i - 1] == "-m" {
                    candidates = vec![
                        format!("{}.py", word.replace('.', "/")),
                        format!("{}/__main__.py", word.replace('.', "/")),
                    ];
                }
                for candidate in candidates {
                    if candidate.is_empty() || candidate.starts_with('/') || candidate.contains("..") {
                        continue;
                    }
                    let path = join(&variant.wdir, &candidate);
                    let own = variant.outs.iter().any(|out| out.item.path == path);
                    let is_output = own || self.written.exactly(&path) || self.written.around(&path).is_some();
                    if !is_output && self.root.join(&path).is_file() && !found.contains(&path) && !is_environment(&path)
                    {
                        found.push(path);
                    }
                }
            }
        }
        found
    }

    fn role(&self, out: &Out, notes: &mut Notes) -> Option<&'static str> {
        let (what, x) = match self.roles.get(&out.item.path) {
            Some((what, x)) if out.what == Use::Out => (*what, x.as_ref()),
            _ => (out.what, out.x.as_ref()),
        };
        let path = &out.item.path;
        let ending = Path::new(path).extension().and_then(|ending| ending.to_str()).unwrap_or_default().to_lowercase();
        match (what, ending.as_str()) {
            (Use::Out, _) => None,
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
    fn persist(&self, out: &Out, notes: &mut Notes) {
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

    fn mark(&self) -> String {
        let labels = self.stage.axes.iter().map(|axis| format!("${{label.{}}}", axis.name));
        mark(self.name, labels)
    }

    fn environment(&self, run: &Run, notes: &mut Notes) -> (Vec<(String, String)>, Vec<String>) {
        let (file, at) = (&self.file.path, self.stage.cmd_at);
        let (mut env, mut pass) = (Vec::new(), Vec::new());
        for name in &run.variables {
            match name.as_str() {
                "PATH" | "PWD" | "TMPDIR" => {}
                "HOME" => notes.differs(
                    file,
                    at,
                    "`$HOME` is a folder of the stage's own",
                    "name what lies in the home folder by its whole path",
                ),
                "DVC_STAGE" => {
                    let variant = &self.stage.variants[0];
                    let axes =
                        self.stage.axes.iter().map(|axis| format!("${{label.{}}}", axis.name)).collect::<Vec<_>>();
                    let name = if axes.is_empty() {
                        variant.name.clone()
                    } else {
                        format!("{}@{}", self.stage.name, axes.join("-"))
                    };
                    env.push(("DVC_STAGE".to_owned(), name));
                }
                "DVC_ROOT" => {
                    let up = if self.stage.variants[0].wdir == "." {
                        ".".to_owned()
                    } else {
                        vec![".."; self.stage.variants[0].wdir.split('/').count()].join("/")
                    };
                    notes.differs(file, at, "`$DVC_ROOT` is a relative path here", "");
                    env.push(("DVC_ROOT".to_owned(), up));
                }
                name => pass.push(name.to_owned()),
            }
        }
        let text: String = self.stage.variants[0].commands.iter().map(|c| Carried::resolved(c) + " ").collect();
        for program in ["git", "dvc"] {
            if text.split(|c: char| c.is_whitespace() || ";&|(".contains(c)).any(|word| word == program) {
                let what = format!("the command calls `{program}`, and a stage does not see the repository");
                notes.lost(
                    file,
                    at,
                    what,
                    "take that out of the command, or hand what it asks for over as a parameter",
                );
            }
        }
        (env, pass)
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

/// Whether a path lies in an environment of Python, which a stage sees anyway.
fn is_environment(path: &str) -> bool {
    path.split('/').any(|part| matches!(part, ".venv" | "venv" | "env" | "node_modules"))
}

/// The files and folders in a folder that hold nothing of what is to be avoided.
fn list(root: &Path, folder: &str, avoid: &[&str], ignore: &Ignore, found: &mut dyn FnMut(String)) {
    let Ok(entries) = std::fs::read_dir(root.join(folder)) else { return };
    let ignore = ignore.and_of(root, folder);
    let mut names: Vec<String> = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok()).collect();
    names.sort();
    for name in names {
        let path = join(folder, &name);
        if avoid.contains(&path.as_str())
            || matches!(name.as_str(), ".gitignore" | ".dvcignore")
            || name.ends_with(".dvc")
            || ignore.passes_over(&path, root.join(&path).is_dir())
        {
            continue;
        }
        if avoid.iter().any(|other| other.starts_with(&format!("{path}/"))) {
            list(root, &path, avoid, &ignore, found);
        } else {
            found(path);
        }
    }
}

/// A path without the `${...}` in it.
fn without_names(path: &str) -> String {
    let mut out = String::new();
    let mut rest = path;
    while let Some(at) = rest.find("${") {
        out.push_str(&rest[..at]);
        rest = rest[at..].find('}').map_or("", |end| &rest[at + end + 1..]);
    }
    out + rest
}

/// Names for inputs or outputs: of the files, with more of their paths where two are the same.
#[derive(Default)]
struct Ports(BTreeSet<String>);

impl Ports {
    fn name(&mut self, path: &str) -> String {
        let clean = |text: &str| -> String {
            let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
            let text: String = text.chars().map(|c| if good(c) { c } else { '_' }).collect();
            text.trim_matches(['-', '_']).chars().take(80).collect()
        };
        let path = without_names(path);
        let path = path.as_str();
        let last = path.rsplit('/').next().unwrap_or(path);
        let stem = last.split('.').find(|part| !part.is_empty()).unwrap_or(last);
        let folder = path.rsplit('/').nth(1).unwrap_or_default();
        // Of a file that is named by its values alone the folder says what it is.
        let whole = if last.starts_with('.') { clean(folder) } else { clean(last) };
        let stem = if last.starts_with('.') { "" } else { stem };
        let candidates = [clean(stem), whole, clean(&format!("{folder}_{stem}")), clean(path)];
        let name = candidates.iter().find(|name| !name.is_empty() && !self.0.contains(*name)).cloned();
        let mut name = name.unwrap_or_else(|| "file".to_owned());
        let base = name.clone();
        let mut n = 2;
        while !self.0.insert(name.clone()) {
            name = format!("{base}_{n}");
            n += 1;
        }
        name
    }
}
