//! `kiln compare`.

use std::path::Path;

use kiln::compare::{self, CompareError};
use kiln::engine;
use kiln::hash::Digest;
use kiln::record::{OutputRecord, RunRecord};
use kiln::store::Store;

use super::args::{Compare, Place};
use super::render::look::Look;
use super::{Stop, project, render, report};

pub(crate) fn compare(place: &Place, args: &Compare) -> Result<u8, Stop> {
    let root = project::root(&place.file)?;
    let store = project::store(place, &root)?;
    // Who names columns wants to see them.
    let all = args.all || !args.columns.is_empty();
    if let Some(name) = &args.within {
        let run = project::find_run(&store, name, &root)?;
        let table = compare::within(&run, None).and_then(|table| table.select(&args.columns, args.sort.as_deref()));
        let table = table.map_err(usage)?;
        if args.json {
            render::json(&table)?;
        } else {
            render::data(&match args.markdown {
                true => render::compare::variants_markdown(&table, all),
                false => render::compare::variants_text(&table, all, &Look::stdout()),
            })?;
        }
        return Ok(0);
    }
    let runs = records(&store, &args.runs, &root)?;
    if let Some(file) = &args.html {
        let artifacts = |run: &RunRecord, output: &OutputRecord| report::bytes(&store, run, output);
        let documents = |digest: &Digest| engine::document(&store, digest);
        report::write(file, &kiln::report::side_by_side(&runs, &artifacts, &documents))?;
        render::data(&format!("{}\n", file.display()))?;
        return Ok(0);
    }
    let comparison = compare::diff(&runs).select(&args.columns).map_err(usage)?;
    if args.json {
        render::json(&comparison)?;
    } else {
        render::data(&match args.markdown {
            true => render::compare::comparison_markdown(&comparison, all),
            false => render::compare::comparison_text(&comparison, all, &Look::stdout()),
        })?;
    }
    Ok(0)
}

/// The runs asked for; one alone is compared with the last; none means the last two.
fn records(store: &Store, names: &[String], root: &Path) -> Result<Vec<RunRecord>, Stop> {
    match names {
        [] => {
            let runs = store.runs(Some(root))?;
            if runs.len() < 2 {
                let text = format!("comparing takes two runs and there are {}\nhint: `kiln run` makes one", runs.len());
                return Err(Stop::Usage(text));
            }
            runs[..2].iter().rev().map(|run| project::find_run(store, &run.id, root)).collect()
        }
        [one] => ["latest", one].into_iter().rev().map(|name| project::find_run(store, name, root)).collect(),
        several => several.iter().map(|name| project::find_run(store, name, root)).collect(),
    }
}

fn usage(error: CompareError) -> Stop {
    let hint = error.hint().map_or_else(String::new, |hint| format!("\nhint: {hint}"));
    Stop::Usage(format!("{error}{hint}"))
}
