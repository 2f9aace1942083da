//! `kiln import dvc`: a pipeline that means what a project of DVC's means, and its results.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use clap::Args;
use kiln::catalog::catalog;
use kiln::git::Repository;
use kiln::import::dvc::{self, Fate, Import, Prefer};
use kiln::pipeline::{self, Overrides};
use kiln::store::{Hold, Store};

use super::render::import::{Step, Told, Written};
use super::select::ProjectArgs;
use super::{EXIT_FAILED, Stop, render};

#[derive(Args, Debug)]
pub(crate) struct ImportDvc {
    /// The project of DVC's [default: here].
    #[arg(value_name = "DIR", default_value = ".", hide_default_value = true)]
    pub(crate) folder: PathBuf,
    /// Write nothing: print the pipeline, and what there is to say of it.
    #[arg(long)]
    pub(crate) check: bool,
    /// Fetch data that is missing from remotes of DVC's on S3, into DVC's cache.
    #[arg(long)]
    pub(crate) fetch: bool,
    /// Take over results as well of which dvc.lock shows that it may be no record of how they were made.
    #[arg(long)]
    pub(crate) trust: bool,
    /// Take over into a pipeline file that was edited what DVC's files changed since the last import. What both changed is listed and stays;
    /// `--merge=dvc` takes it from DVC's files as well, and `--merge=file` settles that it stays.
    #[arg(long, value_name = "WHOSE", num_args = 0..=1, require_equals = true, default_missing_value = "neither")]
    pub(crate) merge: Option<Whose>,
    /// Write the pipeline file anew even where it was edited since the last import.
    #[arg(long, conflicts_with = "merge")]
    pub(crate) force_overwrite: bool,
    /// As JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Whose word counts where both changed something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Whose {
    /// That of DVC's files.
    Dvc,
    /// That of the pipeline file.
    File,
    /// Nobody's: it is a conflict.
    #[value(hide = true)]
    Neither,
}

/// The first line of what is written, with the digest of what an import wrote below: who finds it knows whether somebody edited that.
const MARK: &str = "# From dvc.yaml by `kiln import dvc`; yours to edit. ";

pub(crate) fn dvc(place: &ProjectArgs, named: bool, args: &ImportDvc) -> Result<u8, Stop> {
    let root = args.folder.canonicalize();
    let root = root.map_err(|e| Stop::Usage(format!("cannot find {}: {e}", args.folder.display())))?;
    let here = args.folder == Path::new(".");
    let file = match (named, here) {
        (true, _) => place.file.clone(),
        (false, true) => "pipeline.yaml".into(),
        (false, false) => args.folder.join("pipeline.yaml"),
    };
    let project = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let cache = place.cache.clone().unwrap_or_else(|| project.join("cache"));
    // Opened for the first file that is read; if it cannot be, that is said below.
    let opened: OnceLock<Option<(Store, Hold)>> = OnceLock::new();
    let open = || {
        let opened = opened.get_or_init(|| {
            let store = Store::open(&cache).ok()?;
            let hold = store.hold().ok()?;
            Some((store, hold))
        });
        opened.as_ref().map(|(store, _)| store)
    };
    let into: Option<&dvc::Opening<'_>> = if args.check { None } else { Some(&open) };
    let mut import = dvc::import(&root, !args.check, args.fetch && !args.check, into)
        .map_err(|refused| Stop::Usage(refused.to_string()))?;
    let there = fs::read_to_string(&file).ok();
    let step = step(&import, there.as_deref(), &file, &cache, args)?;
    if let Some(text) = step.text.as_ref().filter(|_| !args.check) {
        fs::write(&file, text).map_err(|e| Stop::Error(anyhow::anyhow!("cannot write {}: {e}", file.display())))?;
    }
    if let Some(text) = import.ignore.as_ref().filter(|_| !args.check) {
        let path = root.join(".kilnignore");
        fs::write(&path, text).map_err(|e| Stop::Error(anyhow::anyhow!("cannot write {}: {e}", path.display())))?;
    }
    let now = step.text.as_deref().or(there.as_deref()).unwrap_or_default();
    if matches!(step.written, Written::Kept | Written::Merged) {
        import.hold_against(now);
    }
    let conflicts = args.merge.is_some() && step.has(Fate::Conflict);
    let mut told = Told {
        import: &import,
        file: &file,
        check: args.check,
        merging: args.merge.is_some(),
        text: now,
        step: &step,
        outcomes: import.outlook(args.trust),
    };
    if !args.json {
        render::talk(&render::import::notes(&told));
    }
    if !args.check {
        // Also of a pipeline with mistakes the next import wants to know what this one wrote.
        if let Some(store) = open().filter(|_| digest_of_import(now) == Some(&digest(&import.text))) {
            store.keep_import(&digest(&import.text), &import.text)?;
        }
        // What there is to say comes before what is wrong with the pipeline.
        let pipeline =
            pipeline::load(&file, &catalog(), &Overrides { cache: place.cache.clone(), ..Overrides::default() });
        let pipeline = pipeline.map_err(|mistakes| {
            render::talk(&format!("{}\n", render::import::unfinished(&told)));
            Stop::Mistakes(mistakes)
        })?;
        let (another, _hold);
        let store = match open() {
            Some(store) => store,
            None => {
                another = Store::open(&cache)?;
                _hold = another.hold()?;
                &another
            }
        };
        told.outcomes = import.adopt(&pipeline, store, args.trust)?;
    }
    if args.json {
        render::json(&render::import::json(&told))?;
    } else {
        render::data(&render::import::outcome(&told))?;
    }
    Ok(if conflicts { EXIT_FAILED } else { 0 })
}

/// What an import does to the file, of which this is there.
fn step(import: &Import, there: Option<&str>, file: &Path, cache: &Path, args: &ImportDvc) -> Result<Step, Stop> {
    let whole = |text: &str| format!("{MARK}{}\n{text}", digest(&import.text));
    let Some(there) = there else {
        return Ok(Step { written: Written::New, text: Some(whole(&import.text)), merge: None, known: true });
    };
    let mark = digest_of_import(there);
    let body = mark.and_then(|_| there.split_once('\n')).map_or(there, |(_, body)| body);
    if body == import.text && mark == Some(&digest(body)) {
        return Ok(Step { written: Written::Same, text: None, merge: None, known: true });
    }
    let untouched = mark == Some(&digest(body));
    let base = match mark {
        Some(mark) if !untouched => last(mark, file, cache),
        _ => untouched.then(|| body.to_owned()),
    };
    let known = base.is_some();
    let prefer = match args.merge {
        Some(Whose::Dvc) => Prefer::Dvc,
        Some(Whose::File) => Prefer::File,
        _ => Prefer::None,
    };
    if args.merge == Some(Whose::Neither) && !known {
        let what = format!(
            "it is not known what the last import wrote, so nobody can tell what was edited in {} and what changed in DVC's files\n\
             hint: `kiln import dvc` lists what differs; `--merge=dvc` takes that from DVC's files, and `--merge=file` settles that the \
             file is right",
            file.display()
        );
        return Err(Stop::Usage(what));
    }
    // Of a file that nobody knows nothing is DVC's, if the file is right.
    let base = if !known && prefer == Prefer::File { Some(import.text.clone()) } else { base };
    let name = file.display().to_string();
    let merge = import.merge(&name, usize::from(mark.is_some()), base.as_deref(), body, prefer);
    let merge = match merge {
        Ok(merge) => Some(merge),
        Err(_) if untouched || args.force_overwrite => None,
        Err(refused) => return Err(Stop::Usage(refused.to_string())),
    };
    if untouched || args.force_overwrite {
        let merge = merge.filter(|_| untouched);
        return Ok(Step { written: Written::Again, text: Some(whole(&import.text)), merge, known });
    }
    let mut step = Step { written: Written::Kept, text: None, merge, known };
    if let Some(merge) = step.merge.as_ref().filter(|_| args.merge.is_some()) {
        // While something is open, the next import has to find it again.
        let text = match mark {
            Some(mark) if merge.has(Fate::Conflict) => format!("{MARK}{mark}\n{}", merge.text),
            _ => whole(&merge.text),
        };
        (step.written, step.text) = (Written::Merged, Some(text));
    }
    Ok(step)
}

/// The digest in the mark of a file, if it has one.
fn digest_of_import(text: &str) -> Option<&str> {
    text.lines().next()?.strip_prefix(MARK).map(str::trim_end)
}

/// What the last import wrote: as the cache has it, or an earlier commit.
fn last(mark: &str, file: &Path, cache: &Path) -> Option<String> {
    let sound = |text: &String| digest(text) == mark;
    let kept = Store::look(cache).ok().and_then(|store| store.kept_import(mark)).filter(sound);
    kept.or_else(|| {
        let file: PathBuf = std::path::absolute(file).ok()?;
        let repository = Repository::of(file.parent()?).ok()??;
        let body = |bytes: &[u8]| {
            let text = String::from_utf8(bytes.to_vec()).ok()?;
            text.split_once('\n').map(|(_, body)| body.to_owned()).filter(sound)
        };
        body(&repository.version(&repository.path_of(&file)?, &|bytes| body(bytes).is_some())?)
    })
}

fn digest(text: &str) -> String {
    blake3::hash(text.as_bytes()).to_hex()[..12].to_owned()
}
