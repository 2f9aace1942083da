//! What one stage of DVC's becomes.

use std::collections::BTreeMap;
use std::path::Path;

use super::command;
use super::file::{File, Stage, Use};
use super::keyed::Keyed;
use super::note::Notes;
use super::outputs::Written;
use super::planned::{Given, Planned, Taken, mark};
use super::ports::Ports;

/// Plans a stage.
pub(super) struct Planner<'a, 'f> {
    pub(super) root: &'a Path,
    pub(super) file: &'f File,
    pub(super) stage: &'f Stage,
    pub(super) name: &'a str,
    pub(super) written: &'a Written<'f>,
    pub(super) roles: &'a BTreeMap<String, (Use, Option<String>)>,
    pub(super) keyed: &'a Keyed,
}

impl<'f> Planner<'_, 'f> {
    pub(super) fn plan(&self, notes: &mut Notes) -> Planned<'f> {
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
            for (key, asked) in
                keys.iter().zip(&params.keys).filter(|(key, asked)| key != asked && asked.contains(['*', '?']))
            {
                let what = format!("`{asked}` of `{}` is written as `{key}`, which it means now", params.path);
                notes.differs(&file.path, params.at, what, "another key that comes to fit has to be added by hand");
            }
            keys.dedup();
            if let Some(why) = self.keyed.refused(&params.path).filter(|_| !keys.is_empty()) {
                let what = format!("`{}` counts as a whole, not by `{}`: {why}", params.path, keys.join("`, `"));
                notes.differs(&file.path, params.at, what, "move what changes often to a YAML file of its own");
                keys.clear();
            }
            for key in keys.iter().filter(|key| self.keyed.is_reordered(&params.path, key)) {
                let what = format!("the command finds the mapping `{key}` of `{}` in alphabetical order", params.path);
                notes.differs(&file.path, params.at, what, "if it goes by the order of the file, make it a list");
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

    fn mark(&self) -> String {
        let labels = self.stage.axes.iter().map(|axis| format!("${{label.{}}}", axis.name));
        mark(self.name, labels)
    }
}
