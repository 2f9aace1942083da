//! The environment of a command: the programs and packages that it uses and that are no inputs. What is found is a listing, name by name,
//! which enters the key as a document does, so that `why` can say which package changed.

mod interpreters;
mod locks;
mod packages;
mod python;
mod tools;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::hash::{Memo, canonical_json};
use crate::pipeline::{Body, Command, Environment, Pipeline, Stage, StageId, kept};
use crate::suggest;

/// Names and versions.
type Listing = BTreeMap<String, String>;

/// What a look at an environment needs.
pub(crate) struct Surroundings<'a> {
    /// The project.
    pub(crate) root: &'a Path,
    /// Where what is known of an environment is kept.
    pub(crate) kept: PathBuf,
    /// Digests of files.
    pub(crate) memo: &'a Memo,
    /// What was found in this run.
    found: RefCell<HashMap<python::Python, Result<Listing, String>>>,
}

impl<'a> Surroundings<'a> {
    /// Of a project.
    pub(crate) fn new(root: &'a Path, memo: &'a Memo) -> Self {
        Self { root, kept: memo.folder().join(kept::FOLDER), memo, found: RefCell::default() }
    }

    /// Keeps something under a name for later processes, unless this one is to write nothing.
    fn keep(&self, name: &str, bytes: &[u8]) {
        if self.memo.is_kept() {
            kept::keep_named(&self.kept, name, bytes);
        }
    }
}

/// The listing of a command's environment as canonical JSON; `None` if nothing is found that would count.
///
/// # Errors
/// What cannot be read, and a package that is named and not there.
pub(crate) fn listing(
    environment: &Environment,
    stage: &Stage,
    command: &Command,
    around: &Surroundings<'_>,
) -> Result<Option<Vec<u8>>, String> {
    if !environment.counts {
        return Ok(None);
    }
    let mut listings = vec![];
    let mut names = vec![];
    if environment.from.is_empty() {
        for interpreter in interpreters::used(command, stage, around.root) {
            names.push(interpreter.name(around.root));
            let mut known = around.found.borrow_mut();
            let listing = known.entry(interpreter).or_insert_with_key(|interpreter| interpreter.listing(around));
            listings.push(listing.clone()?);
        }
        listings.push(tools::used(command, stage, around)?);
    }
    for file in &environment.from {
        listings.push(locks::read(file, around.root, !environment.only.is_empty())?);
        names.push(file.display().to_string());
    }
    let mut found = joined(listings);
    if !environment.only.is_empty() {
        found = narrowed(found, &environment.only, &names.join(", "))?;
    }
    if found.is_empty() {
        return Ok(None);
    }
    let object = found.into_iter().map(|(name, version)| (name, Value::String(version))).collect();
    Ok(Some(canonical_json(&Value::Object(object)).into_bytes()))
}

/// One listing of several: of a name in some of them all versions count, in order. Where all are the same it stands once, so a package that is in one
/// of two environments looks like one that is in both.
fn joined(mut listings: Vec<Listing>) -> Listing {
    listings.retain(|listing| !listing.is_empty());
    if listings.len() < 2 {
        return listings.pop().unwrap_or_default();
    }
    let mut all: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, version) in listings.into_iter().flatten() {
        all.entry(name).or_default().push(version);
    }
    let one = |versions: Vec<String>| match versions.iter().all(|version| *version == versions[0]) {
        true => versions[0].clone(),
        false => versions.join(", "),
    };
    all.into_iter().map(|(name, versions)| (name, one(versions))).collect()
}

/// The names of stages that use an environment which is not in their keys, though nobody said that it is not to be; by the environment's
/// place.
pub fn uncounted(pipeline: &Pipeline, stages: &BTreeSet<StageId>) -> BTreeMap<String, Vec<String>> {
    let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
    // The variants of a matrix differ in their values.
    let mut known: HashMap<&str, Option<String>> = HashMap::new();
    for stage in stages.iter().filter_map(|id| pipeline.stages.get(id.0)).filter(|stage| stage.environment.is_none()) {
        let Body::Run(command) = &stage.body else { continue };
        let place = known.entry(&stage.name.stage).or_insert_with(|| {
            let used = interpreters::used(command, stage, &pipeline.root);
            used.iter().find(|found| !found.is_of_the_system()).map(|found| found.name(&pipeline.root))
        });
        if let Some(place) = place {
            found.entry(place.clone()).or_default().push(stage.name.to_string());
        }
    }
    found
}

/// The interpreters and the packages that are named.
fn narrowed(mut found: Listing, only: &[String], place: &str) -> Result<Listing, String> {
    let mut narrow = Listing::new();
    for program in python::PROGRAMS {
        narrow.extend(found.remove_entry(*program));
    }
    for name in only.iter().map(|name| packages::normal(name)) {
        let Some((name, version)) = found.get_key_value(&name) else {
            let near = suggest::nearest(&name, found.keys().map(String::as_str));
            let hint = near.map_or_else(String::new, |near| format!("\nhint: did you mean `{near}`?"));
            return Err(match place {
                "" => format!("`environment` names `{name}`, and the command uses no environment{hint}"),
                place => format!("`environment` names `{name}`, and there is no such package in {place}{hint}"),
            });
        };
        narrow.insert(name.clone(), version.clone());
    }
    Ok(narrow)
}

/// The texts of a command.
fn texts(command: &Command) -> &[String] {
    match command {
        Command::Shell(script) => std::slice::from_ref(script),
        Command::Argv(argv) => argv.as_slice(),
    }
}

/// The words of a command, as far as that can be told without running it.
fn words(command: &Command) -> impl Iterator<Item = &str> {
    texts(command).iter().flat_map(|text| words_of(text))
}

fn words_of(text: &str) -> impl Iterator<Item = &str> {
    let between = |c: char| c.is_whitespace() || "'\"`;|&(){}<>=$".contains(c);
    text.split(between).filter(|word| !word.is_empty())
}

/// The folders that a command looks for programs in.
fn path_of(stage: &Stage) -> Vec<PathBuf> {
    let own = stage.env.get("PATH").map(std::ffi::OsString::from);
    let path = own.or_else(|| std::env::var_os("PATH")).unwrap_or_default();
    std::env::split_paths(&path).filter(|folder| folder.is_absolute()).collect()
}

/// A program in the first of some folders that has it.
fn which(folders: &[PathBuf], program: &str) -> Option<PathBuf> {
    folders.iter().map(|folder| folder.join(program)).find(|path| is_program(path))
}

fn is_program(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::metadata(path).is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}

/// The first digits of a digest.
fn short(digest: &[u8; 32]) -> String {
    blake3::Hash::from_bytes(*digest).to_hex()[..16].to_owned()
}
