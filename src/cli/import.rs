//! `kiln import dvc`: a pipeline that means what a project of DVC's means, and its results.

use std::fs;

use kiln::catalog::catalog;
use kiln::import::dvc;
use kiln::pipeline::{self, Overrides};
use kiln::store::Store;

use super::args::ImportDvc;
use super::render::import::{Told, Written};
use super::select::ProjectArgs;
use super::{Stop, render};

/// The first line of what is written, with the digest of the rest: who finds it knows whether somebody edited it.
const MARK: &str = "# From dvc.yaml by `kiln import dvc`; yours to edit. ";

pub(crate) fn dvc(place: &ProjectArgs, named: bool, args: &ImportDvc) -> Result<u8, Stop> {
    let root = args.folder.canonicalize();
    let root = root.map_err(|e| Stop::Usage(format!("cannot find {}: {e}", args.folder.display())))?;
    let here = args.folder == std::path::Path::new(".");
    let file = match (named, here) {
        (true, _) => place.file.clone(),
        (false, true) => "pipeline.yaml".into(),
        (false, false) => args.folder.join("pipeline.yaml"),
    };
    let import = dvc::import(&root, !args.check, args.fetch && !args.check)
        .map_err(|refused| Stop::Usage(refused.to_string()))?;
    let text = format!("{MARK}{}\n{}", digest(&import.text), import.text);
    let there = fs::read_to_string(&file).ok();
    let written = written(there.as_deref(), &text, args.force_overwrite);
    if !args.check && matches!(written, Written::New | Written::Again) {
        fs::write(&file, &text).map_err(|e| Stop::Error(anyhow::anyhow!("cannot write {}: {e}", file.display())))?;
    }
    if let Some(text) = import.ignore.as_ref().filter(|_| !args.check) {
        let path = root.join(".kilnignore");
        fs::write(&path, text).map_err(|e| Stop::Error(anyhow::anyhow!("cannot write {}: {e}", path.display())))?;
    }
    let mut told = Told {
        import: &import,
        file: &file,
        check: args.check,
        text: &text,
        there: there.as_deref(),
        written,
        // Of a pipeline that somebody edited nobody knows whether its stages do what DVC's did.
        outcomes: if written == Written::Kept && !args.trust { None } else { Some(import.outlook(args.trust)) },
    };
    if !args.json {
        render::talk(&render::import::notes(&told));
    }
    if !args.check && told.outcomes.is_some() {
        // What there is to say comes before what is wrong with the pipeline.
        let pipeline =
            pipeline::load(&file, &catalog(), &Overrides { cache: place.cache.clone(), ..Overrides::default() });
        let pipeline = pipeline.map_err(|mistakes| {
            render::talk(&format!("{}\n", render::import::wrote(&told)));
            Stop::Mistakes(mistakes)
        })?;
        let store = Store::open(&place.cache.clone().unwrap_or_else(|| pipeline.root.join("cache")))?;
        let _hold = store.hold()?;
        told.outcomes = Some(import.adopt(&pipeline, &store, args.trust)?);
    }
    if args.json {
        render::json(&render::import::json(&told))?;
    } else {
        render::data(&render::import::outcome(&told))?;
    }
    Ok(0)
}

/// What becomes of a pipeline file of which this is there.
fn written(there: Option<&str>, text: &str, force: bool) -> Written {
    let Some(there) = there else { return Written::New };
    if there == text {
        return Written::Same;
    }
    let untouched = there
        .split_once('\n')
        .is_some_and(|(first, rest)| first.strip_prefix(MARK).is_some_and(|known| known == digest(rest)));
    if untouched || force { Written::Again } else { Written::Kept }
}

fn digest(text: &str) -> String {
    blake3::hash(text.as_bytes()).to_hex()[..12].to_owned()
}
