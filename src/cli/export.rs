//! `kiln export dvc`: for those who stay with DVC.

use std::collections::BTreeSet;
use std::fs;

use clap::Args;
use kiln::engine::{self, RecordedKeys, Step};
use kiln::import::dvc::export;
use kiln::show::number;
use kiln::store::Ownership;

use super::select::{ProjectArgs, Select};
use super::{Stop, project, render};

#[derive(Args, Debug)]
pub(crate) struct ExportDvc {
    /// Write nothing: print the dvc.yaml, or say which locks would be written.
    #[arg(long)]
    pub(crate) check: bool,
}

/// The first line of a `dvc.yaml` that is Kiln's to write again, with the digest of the rest.
const MARK: &str = "# From pipeline.yaml by `kiln export dvc`. ";

pub(crate) fn dvc(place: &ProjectArgs, args: &ExportDvc) -> Result<u8, Stop> {
    let pipeline = project::load(place, &place.file, &Select::default())?;
    let root = pipeline.root.clone();
    let store = project::store(place, &root)?;
    let ownership = Ownership::new(&store, &root, false);
    let all = project::selected(&pipeline, &[])?;
    let plan = engine::plan(&pipeline, &store, &all, &BTreeSet::new(), &ownership, None, &RecordedKeys::new());
    let done: BTreeSet<String> = plan
        .iter()
        .filter(|planned| planned.step == Step::UpToDate)
        .flat_map(|planned| pipeline.stages[planned.id.0].outputs.values())
        .map(|output| output.path.to_string_lossy().into_owned())
        .collect();
    let file = root.join("dvc.yaml");
    let there = fs::read_to_string(&file).ok();
    let body = export::stages(&pipeline);
    let text = format!("{MARK}{}\n{body}", digest(&body));
    let own = there.as_deref().is_none_or(|there| {
        let head = there.split_once('\n');
        head.is_some_and(|(first, rest)| first.strip_prefix(MARK).is_some_and(|known| known == digest(rest)))
    });
    let mut out = String::new();
    if own && !args.check {
        fs::write(&file, &text).map_err(|e| Stop::Error(anyhow::anyhow!("cannot write dvc.yaml: {e}")))?;
        out.push_str("wrote dvc.yaml\n");
    } else if own {
        return Ok(render::data(&text).map(|()| 0)?);
    }
    let locks =
        export::locks(&root, &|path| done.contains(path)).map_err(|refused| Stop::Usage(refused.to_string()))?;
    for lock in locks.iter().filter(|lock| !lock.entries.is_empty()) {
        let (name, count) = (lock.file.display(), number::count(lock.entries.len(), "stage"));
        if args.check {
            out.push_str(&format!("would write {name}: {count}\n"));
        } else {
            lock.write(&root).map_err(|e| Stop::Error(anyhow::anyhow!("cannot write {name}: {e}")))?;
            out.push_str(&format!("wrote {name}: {count}\n"));
        }
    }
    let open = plan.iter().filter(|planned| planned.step != Step::UpToDate).count();
    let lacking: usize = locks.iter().map(|lock| lock.lacking.len()).sum();
    for (count, why) in [(open, "not up to date"), (lacking, "up to date without what it takes in place")] {
        if count > 0 {
            let what = number::count(count, "stage");
            out.push_str(&format!("{what} {why}, of which the locks say what they said before; `kiln run` first\n"));
        }
    }
    render::data(&out)?;
    Ok(0)
}

fn digest(text: &str) -> String {
    blake3::hash(text.as_bytes()).to_hex()[..12].to_owned()
}
