//! `kiln report`: the page of a run, rendered from its record and the store.

use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;
use kiln::pipeline;
use kiln::record::{OutputRecord, RunRecord};
use kiln::report::{self, Rendered, Shown, Subject};
use kiln::store::{Belongs, Project, Store};

use super::page::Target;
use super::past::Past;
use super::select::{ProjectArgs, Select};
use super::{Stop, project, render};

#[derive(Args, Debug)]
pub(crate) struct Report {
    /// The run: a name or its beginning, `latest`, `latest~2` [default: latest].
    pub(crate) run: Option<String>,
    /// Where to write it; `-` for standard output [default: `out/report.html` in the project, `out/report-RUN.html` for a
    /// run named].
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Write it even where something else lies than a page of Kiln's.
    #[arg(long)]
    pub(crate) force_overwrite: bool,
}

/// So much of a page is read to see what it shows.
const BEGINNING: u64 = 4096;

pub(crate) fn report(place: &ProjectArgs, args: &Report) -> Result<u8, Stop> {
    let pipeline = project::load(place, &place.file, &Select::default())?;
    let past = Past::open(place)?;
    let name = args.run.as_deref().unwrap_or("latest");
    let run = past.find(name)?;
    // A run is told by the report of its own pipeline file.
    let report = match past.say_whose(&run) {
        Belongs::Here => pipeline.report,
        Belongs::OtherFile => {
            let file = past.root().join(&run.origin.pipeline);
            project::load(place, &file, &Select::default()).ok().and_then(|pipeline| pipeline.report)
        }
        Belongs::OtherProject => None,
    };
    let markdown = report.as_ref().map_or_else(|| report::outline(&run), |report| report.text.clone());
    let overwrite = args.force_overwrite;
    let target = match &args.output {
        Some(output) if output.as_os_str() == "-" => None,
        Some(output) => Some(Target::here(output, &past.store, overwrite)),
        None => {
            let file = report.map_or_else(|| PathBuf::from("out/report.html"), |report| report.page);
            // The page of the latest run stays where it is looked for.
            let file =
                if name == "latest" { place_of(&file, past.root(), &past.project) } else { beside(&file, &run.id) };
            Some(Target::within(past.root(), &file, &past.store, overwrite))
        }
    };
    target.as_ref().map_or(Ok(()), Target::check)?;
    let page = page(&past, &run, &markdown);
    render::report::missing(&page.missing);
    match target {
        None => render::data(&page.html)?,
        Some(target) => {
            target.write(&page.html)?;
            render::data(&format!("{}\n", target.shown().display()))?;
        }
    }
    Ok(0)
}

/// Renders the report of a run that has just ended, unless the page there is shows the same.
///
/// # Errors
/// If the page cannot be written. That something else lies in its place is told.
pub(crate) fn after_run(
    report: &pipeline::Report,
    project: Project,
    store: Store,
    run: &RunRecord,
    quiet: bool,
    overwrite: bool,
) -> Result<(), Stop> {
    let past = Past { store, project };
    let place = place_of(&report.page, past.root(), &past.project);
    let file = past.root().join(&place);
    let same = |shown: Shown| shown.shows == report::shows(&report.text, run);
    if !(report::is_quiet(run) && shown(&file).is_some_and(same)) {
        let target = Target::within(past.root(), &place, &past.store, overwrite);
        if let Err(error) = target.check() {
            // What the stages made is not less for that, and the page can be rendered at any time.
            render::report::none(&error, "there is no report of this run");
            return Ok(());
        }
        let page = page(&past, run, &report.text);
        target.write(&page.html)?;
        if !quiet {
            render::report::missing(&page.missing);
        }
    }
    if !quiet {
        render::talk(&format!("report: {}\n", render::stand::shown(&place)));
    }
    Ok(())
}

/// Where a page of a pipeline file goes, relative to `folder`: there, unless the page of another pipeline file of the project is
/// there already.
pub(crate) fn place_of(page: &Path, folder: &Path, project: &Project) -> PathBuf {
    let others = |page: &Path| {
        let of = shown(&folder.join(page)).and_then(|shown| shown.pipeline).map(PathBuf::from);
        of.is_some_and(|of| of != project.pipeline && project.root.join(of).is_file())
    };
    let own = project.pipeline.file_stem().unwrap_or_default().to_string_lossy();
    if others(page) { beside(page, &own) } else { page.to_owned() }
}

/// What the page that is there shows.
fn shown(file: &Path) -> Option<Shown> {
    fs::metadata(file).ok().filter(fs::Metadata::is_file)?;
    let mut beginning = Vec::new();
    std::io::Read::read_to_end(&mut std::io::Read::take(fs::File::open(file).ok()?, BEGINNING), &mut beginning).ok()?;
    report::shown(&String::from_utf8_lossy(&beginning))
}

fn page(past: &Past, run: &RunRecord, markdown: &str) -> Rendered {
    let previous = past.store.run_before(run, &past.project);
    let artifacts = |run: &RunRecord, output: &OutputRecord| bytes(past, run, output);
    let evidence = past.evidence();
    let subject = Subject { run, previous: previous.as_ref(), artifacts: &artifacts, evidence: &evidence };
    report::render(markdown, &subject)
}

/// An output from the store; from the project, if it is still there and still the same.
pub(crate) fn bytes(past: &Past, run: &RunRecord, output: &OutputRecord) -> Result<Vec<u8>, String> {
    past.store.read(&output.digest).or_else(|why| {
        let bytes =
            [past.root(), &run.origin.project].into_iter().filter_map(|root| fs::read(root.join(&output.path)).ok());
        let mut same = bytes.filter(|bytes| blake3::hash(bytes).as_bytes() == &output.digest.0);
        same.next().ok_or_else(|| format!("`{}`: {why}", output.path.display()))
    })
}

/// `out/report.html` -> `out/report-kqzvbnme.html`.
fn beside(file: &Path, of: &str) -> PathBuf {
    let stem = file.file_stem().unwrap_or_default().to_string_lossy();
    file.with_file_name(format!("{stem}-{of}.html"))
}
