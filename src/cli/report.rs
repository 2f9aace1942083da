//! `kiln report`: the page of a run, rendered from its record and the store.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use kiln::engine;
use kiln::hash::Digest;
use kiln::pipeline::Pipeline;
use kiln::record::{OutputRecord, RunRecord};
use kiln::report::{self, Rendered, Subject};
use kiln::store::Store;

use super::args::{Place, Report, Select};
use super::{Stop, project, render};

/// So much of a page is read to see what it shows.
const BEGINNING: u64 = 4096;

pub(crate) fn report(place: &Place, args: &Report) -> Result<u8, Stop> {
    let select = Select { profile: None, set: vec![] };
    let pipeline = project::load(&place.file, &select)?;
    let store = project::store(place, &pipeline.root)?;
    let name = args.run.as_deref().unwrap_or("latest");
    let run = store.find_run(name, Some(&pipeline.root)).map_err(|e| Stop::Usage(e.to_string()))?;
    let markdown = pipeline.report.as_ref().map_or_else(|| report::outline(&run), |report| report.text.clone());
    let page = page(&store, &run, &markdown);
    render::report::missing(&page.missing);
    match &args.output {
        Some(output) if output.as_os_str() == "-" => render::data(&page.html)?,
        Some(output) => {
            write(output, &page.html)?;
            render::data(&format!("{}\n", output.display()))?;
        }
        None => {
            let file = pipeline.report.as_ref().map_or_else(|| PathBuf::from("out/report.html"), |r| r.page.clone());
            // The page of the latest run stays where it is looked for.
            let file = if name == "latest" { file } else { beside(&file, &run.id) };
            write(&pipeline.root.join(&file), &page.html)?;
            render::data(&format!("{}\n", file.display()))?;
        }
    }
    Ok(0)
}

/// Renders the report of a run that has just ended, unless the page there is shows the same.
///
/// # Errors
/// If the page cannot be written.
pub(crate) fn after_run(pipeline: &Pipeline, store: &Store, run: &RunRecord, quiet: bool) -> Result<(), Stop> {
    // A run of a few stages would leave a page with most of it missing.
    let Some(report) = pipeline.report.as_ref().filter(|_| run.stages.len() == pipeline.stages.len()) else {
        return Ok(());
    };
    let file = pipeline.root.join(&report.page);
    if !(report::is_quiet(run) && shows(&file).is_some_and(|shown| shown == report::shows(&report.text, run))) {
        let page = page(store, run, &report.text);
        write(&file, &page.html)?;
        if !quiet {
            render::report::missing(&page.missing);
        }
    }
    if !quiet {
        render::talk(&format!("report: {}\n", report.page.display()));
    }
    Ok(())
}

/// What the page that is there shows.
fn shows(file: &Path) -> Option<String> {
    let mut beginning = Vec::new();
    std::io::Read::read_to_end(&mut std::io::Read::take(fs::File::open(file).ok()?, BEGINNING), &mut beginning).ok()?;
    report::shown(&String::from_utf8_lossy(&beginning)).map(str::to_owned)
}

fn page(store: &Store, run: &RunRecord, markdown: &str) -> Rendered {
    let previous = before(store, run);
    let artifacts = |run: &RunRecord, output: &OutputRecord| bytes(store, run, output);
    let documents = |digest: &Digest| engine::document(store, digest);
    let subject = Subject { run, previous: previous.as_ref(), artifacts: &artifacts, documents: &documents };
    report::render(markdown, &subject)
}

/// The run before a run in its project.
fn before(store: &Store, run: &RunRecord) -> Option<RunRecord> {
    let runs = store.runs(Some(&run.project)).ok()?;
    let at = runs.iter().position(|r| r.id == run.id)?;
    let previous = runs[at + 1..].iter().find(|r| r.pipeline == run.pipeline)?;
    store.find_run(&previous.id, Some(&run.project)).ok()
}

/// An output from the store; from the project, if it is still there and still the same.
pub(crate) fn bytes(store: &Store, run: &RunRecord, output: &OutputRecord) -> Result<Vec<u8>, String> {
    store.read(&output.digest).or_else(|why| {
        let bytes = fs::read(run.project.join(&output.path)).ok();
        let same = bytes.filter(|bytes| blake3::hash(bytes).as_bytes() == &output.digest.0);
        same.ok_or_else(|| format!("`{}`: {why}", output.path.display()))
    })
}

/// `out/report.html` -> `out/report-kqzvbnme.html`.
fn beside(file: &Path, run: &str) -> PathBuf {
    let stem = file.file_stem().unwrap_or_default().to_string_lossy();
    file.with_file_name(format!("{stem}-{run}.html"))
}

/// Writes a page in one step, so that a reader never sees half of it.
///
/// # Errors
/// If it cannot be written.
pub(crate) fn write(file: &Path, html: &str) -> anyhow::Result<()> {
    use anyhow::Context as _;
    let write = || -> std::io::Result<()> {
        let folder = match file.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        fs::create_dir_all(folder)?;
        let permissions = std::os::unix::fs::PermissionsExt::from_mode(0o666);
        let mut new = tempfile::Builder::new().prefix(".new-").permissions(permissions).tempfile_in(folder)?;
        new.write_all(html.as_bytes())?;
        new.persist(file).map_err(|e| e.error)?;
        Ok(())
    };
    write().with_context(|| format!("cannot write {}", file.display()))
}
