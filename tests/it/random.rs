//! Random pipelines under random edits: an incremental run always ends where a clean one does, and a second does nothing.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use crate::project::Project;

/// How many source files there are.
const SOURCES: usize = 3;

/// A stage that reads sources and stages before it.
#[derive(Clone, Debug)]
struct Stage {
    /// Its name; the path of its output does not follow it.
    name: String,
    /// Bits: which sources, and which of the stages before it.
    sources: u8,
    stages: u8,
    /// What it does with them.
    recipe: u8,
    /// Whether its output is a folder.
    folder: bool,
}

/// Something that happens between two runs. Numbers are taken modulo what there is.
#[derive(Clone, Debug)]
enum Edit {
    Source(usize, u8),
    Parameter(u8),
    Recipe(usize, u8),
    Rename(usize),
    RemoveOutput(usize),
    TamperOutput(usize),
    RemoveCacheFile(usize),
    DamageCacheFile(usize, usize),
    TruncateCacheFile(usize),
    RunOne(usize),
    CollectGarbage,
}

#[derive(Clone, Debug)]
struct Model {
    sources: [u8; SOURCES],
    parameter: u8,
    stages: Vec<Stage>,
    /// How many stages there are beside, which nobody edits.
    others: usize,
    /// Whether it may be that nothing is known of an output any more, or that one was edited.
    tampered: bool,
}

fn stage() -> impl Strategy<Value = Stage> {
    (any::<u8>(), any::<u8>(), 0..4u8, any::<bool>()).prop_map(|(sources, stages, recipe, folder)| Stage {
        name: String::new(),
        sources: sources & stages.rotate_left(3),
        stages,
        recipe,
        folder,
    })
}

fn edit() -> impl Strategy<Value = Edit> {
    let any = any::<usize>;
    prop_oneof![
        3 => (any(), 0..3u8).prop_map(|(source, content)| Edit::Source(source, content)),
        1 => (0..3u8).prop_map(Edit::Parameter),
        2 => (any(), 0..4u8).prop_map(|(stage, recipe)| Edit::Recipe(stage, recipe)),
        1 => any().prop_map(Edit::Rename),
        1 => any().prop_map(Edit::RemoveOutput),
        1 => any().prop_map(Edit::TamperOutput),
        1 => any().prop_map(Edit::RemoveCacheFile),
        1 => (any(), any()).prop_map(|(file, byte)| Edit::DamageCacheFile(file, byte)),
        1 => any().prop_map(Edit::TruncateCacheFile),
        1 => any().prop_map(Edit::RunOne),
        1 => Just(Edit::CollectGarbage),
    ]
}

impl Model {
    fn new(mut stages: Vec<Stage>, others: usize) -> Self {
        for (n, stage) in stages.iter_mut().enumerate() {
            stage.name = format!("s{n}");
        }
        Self { sources: [0; SOURCES], parameter: 0, stages, others, tampered: false }
    }

    fn output(&self, n: usize) -> PathBuf {
        PathBuf::from(if self.stages[n].folder { format!("out/{n}") } else { format!("out/{n}.txt") })
    }

    /// Few contents, so that different inputs often give the same outputs.
    fn write(&self, project: &Project) {
        for (n, content) in self.sources.iter().enumerate() {
            project.write(&format!("source/{n}.txt"), ["a\nb\n", "b\na\n", ""][usize::from(*content)]);
        }
        let mut text = format!("version: 1\nparams: {{p: {}}}\nstages:\n", self.parameter);
        for (n, stage) in self.stages.iter().enumerate() {
            let mut inputs = String::new();
            for source in (0..SOURCES).filter(|source| stage.sources >> source & 1 == 1) {
                let _ = writeln!(inputs, "      source{source}: source/{source}.txt");
            }
            for producer in (0..n).filter(|producer| stage.stages >> producer & 1 == 1) {
                let _ = writeln!(inputs, "      stage{producer}: {{from: {}.o}}", self.stages[producer].name);
            }
            // Its inputs are all the files that it sees.
            let all = "find . -type f | sort | while read -r f; do cat \"$f\"; done";
            let recipe = match stage.recipe {
                0 => all.to_owned(),
                1 => format!("{all} | sort -u"),
                2 => format!("{all} | wc -c | tr -d ' '"),
                _ => format!("{{ {all}; echo ${{params.p}}; }}"),
            };
            let output = self.output(n);
            let output = output.display();
            let place = if stage.folder {
                "all=$(%); mkdir ${outputs.o}; echo \"$all\" > ${outputs.o}/all; ln -s all ${outputs.o}/link"
            } else {
                "all=$(%); echo \"$all\" > ${outputs.o}"
            };
            let _ = write!(
                text,
                "  {}:\n    run: |\n      {}\n    outputs: {{o: {output}}}\n",
                stage.name,
                place.replace('%', &recipe)
            );
            if !inputs.is_empty() {
                let _ = write!(text, "    inputs:\n{inputs}");
            }
        }
        for n in 0..self.others {
            let _ = writeln!(text, "  other{n}: {{run: echo {n} > out/other{n}, outputs: {{o: out/other{n}}}}}");
        }
        project.write("pipeline.yaml", &text);
    }

    /// What Kiln made is replaced without being asked for; that it made it has to be known.
    fn flags(&self) -> &'static [&'static str] {
        if self.tampered { &["--force-overwrite"] } else { &[] }
    }

    fn apply(&mut self, edit: &Edit, project: &Project) {
        let count = self.stages.len();
        self.tampered |= matches!(
            edit,
            Edit::TamperOutput(_) | Edit::RemoveCacheFile(_) | Edit::DamageCacheFile(..) | Edit::TruncateCacheFile(_)
        );
        let output = |n: usize| project.root().join(self.output(n % count));
        match edit {
            Edit::Source(n, content) => self.sources[n % SOURCES] = *content,
            Edit::Parameter(value) => self.parameter = *value,
            Edit::Recipe(n, recipe) => self.stages[n % count].recipe = *recipe,
            Edit::Rename(n) => self.stages[n % count].name.push('x'),
            Edit::RemoveOutput(n) => remove(&output(*n)),
            Edit::TamperOutput(n) => {
                let path = output(*n);
                let file = if path.is_dir() { path.join("all") } else { path };
                std::fs::write(file, "tampered\n").expect("tamper");
            }
            Edit::RemoveCacheFile(n) => {
                if let Some(file) = cache_file(project, *n) {
                    remove(&file);
                }
            }
            Edit::DamageCacheFile(n, byte) => damage(project, *n, |bytes| {
                if let Some(length) = std::num::NonZeroUsize::new(bytes.len()) {
                    bytes[*byte % length] ^= 1;
                }
            }),
            Edit::TruncateCacheFile(n) => damage(project, *n, |bytes| bytes.truncate(bytes.len() / 2)),
            Edit::RunOne(n) => {
                project.run(&[self.flags(), &[self.stages[n % count].name.as_str()]].concat());
            }
            Edit::CollectGarbage => {
                let ran = project.kiln(&["gc", "--keep-last", "1", "--unrecorded", "0", "-y"]);
                assert_eq!(ran.code, Some(0), "{}", ran.stderr);
            }
        }
        self.write(project);
    }
}

fn remove(path: &Path) {
    let removed = if path.is_dir() { std::fs::remove_dir_all(path) } else { std::fs::remove_file(path) };
    removed.expect("remove");
}

/// The contents of all outputs, by path; links by where they point.
fn outputs(folder: &Path) -> Vec<(PathBuf, String)> {
    let mut found = vec![];
    for file in files(folder) {
        let text = match std::fs::read_link(&file) {
            Ok(target) => format!("-> {}", target.display()),
            Err(_) => std::fs::read_to_string(&file).expect("read output"),
        };
        found.push((file.strip_prefix(folder).expect("below").to_owned(), text));
    }
    found
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = vec![];
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) { found.extend(files(&path)) } else { found.push(path) }
    }
    found.sort();
    found
}

/// Logs are of no use to a run; all else is fair game.
fn cache_file(project: &Project, n: usize) -> Option<PathBuf> {
    let cache = project.root().join("cache");
    let files: Vec<PathBuf> = files(&cache).into_iter().filter(|file| !file.starts_with(cache.join("logs"))).collect();
    files.get(n.checked_rem(files.len())?).cloned()
}

fn damage(project: &Project, n: usize, change: impl FnOnce(&mut Vec<u8>)) {
    let Some(file) = cache_file(project, n) else { return };
    let mut bytes = std::fs::read(&file).expect("read");
    change(&mut bytes);
    std::fs::remove_file(&file).expect("remove");
    std::fs::write(&file, bytes).expect("write");
}

fn check(stages: Vec<Stage>, edits: &[Edit], others: usize) -> Result<(), TestCaseError> {
    let mut model = Model::new(stages, others);
    let all = model.stages.len() + others;
    // With so many stages only those are looked at that a change can reach.
    let run = |project: &Project, flags: &[&str]| {
        if others > 0 { project.run_plainly(flags) } else { project.run(flags) }
    };
    let project = Project::new("");
    model.write(&project);
    run(&project, &[]);
    for edit in edits {
        model.apply(edit, &project);
        let incremental = run(&project, model.flags());
        let clean = Project::new("");
        model.write(&clean);
        prop_assert_eq!(incremental.digests(), clean.run(&[]).digests(), "after {:?}", edit);
        let [here, there] = [&project, &clean].map(|project| outputs(&project.root().join("out")));
        prop_assert_eq!(here, there, "after {:?}", edit);
        if matches!(edit, Edit::Rename(_) | Edit::CollectGarbage) {
            prop_assert_eq!(incremental.with("up-to-date").len(), all, "after {:?}", edit);
        }
        let again = run(&project, model.flags());
        prop_assert_eq!(again.with("up-to-date").len(), all, "a second run after {:?}", edit);
    }
    Ok(())
}

fn check_random(cases: u32, others: usize) {
    let cases = std::env::var("KILN_TEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(cases);
    let config = ProptestConfig { cases, max_shrink_iters: 60, failure_persistence: None, ..ProptestConfig::default() };
    let stages = prop::collection::vec(stage(), 1..6);
    let edits = prop::collection::vec(edit(), 1..7);
    let result = TestRunner::new(config).run(&(stages, edits), |(stages, edits)| check(stages, &edits, others));
    result.unwrap_or_else(|failure| panic!("{failure}"));
}

#[test]
fn an_incremental_run_ends_where_a_clean_one_does() {
    check_random(6, 0);
}

#[test]
fn so_does_one_among_many_stages() {
    check_random(4, 70);
}
