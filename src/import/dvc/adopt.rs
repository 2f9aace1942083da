//! Taking over results: which entries of `dvc.lock` are what they say, and may be believed.
//!
//! An entry is good if its command, dependencies, parameters and outputs are what the project has now. DVC takes the contents of
//! dependencies after the command has run, so even a good one is no proof; where it shows that it can be no record of what was used, it is
//! taken only if the user trusts it.

use std::collections::{BTreeMap, HashMap};
use std::fs::{self, Metadata};
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use super::cache::Caches;
use super::context::join;
use super::data;
use super::digest::{self, Hash, Member};
use super::file::{File, Out, Variant};
use super::intake::{Intake, Of, Taken};
use super::lock::{self, Entry, Locked};
use super::note::{Notes, Refused};
use super::outputs::Written;
use super::params;
use super::planned::{MARKS, Planned};
use super::single;
use super::yaml::Node;
use crate::engine;
use crate::hash::walk::{Extent, walk};
use crate::hash::{Artifact, ContentError};
use crate::name_map::NameMap;
use crate::pipeline::{Pipeline, StageId};
use crate::store::{Store, StoreError};

/// A stage of DVC's, and what its lock is worth.
pub(super) struct Candidate {
    /// DVC's name, with the folder where it is not the project's.
    pub(super) name: String,
    /// Kiln's name.
    pub(super) kiln: String,
    pub(super) labels: Vec<(String, String)>,
    /// `Ok` with the doubts, or why the entry is not good.
    pub(super) standing: Result<Vec<String>, String>,
    /// The outputs, by their paths: where they lie now.
    pub(super) outs: BTreeMap<String, Lies>,
}

/// Where an output lies.
#[derive(Clone, Debug)]
pub(super) enum Lies {
    /// At its place in the project.
    InPlace,
    /// A file of DVC's cache.
    Cached(PathBuf, bool),
    /// Files of DVC's cache, or links to such, by their paths in the folder.
    CachedFolder(Vec<(PathBuf, PathBuf)>),
    /// A mark that DVC knows nothing of.
    Mark,
}

/// Looks at every stage's entry.
pub(super) fn candidates(
    root: &Path,
    files: &[File],
    planned: &[Planned<'_>],
    caches: &Caches,
    intake: &Intake<'_>,
) -> Result<Vec<Candidate>, Refused> {
    let mut locks: BTreeMap<&Path, Vec<Entry>> = BTreeMap::new();
    for file in files {
        locks.insert(&file.path, single::entries(root, file)?);
    }
    let written = Written::of(files);
    // Of what stages write the locks say what it was, also where nothing lies in the project.
    let mut made: BTreeMap<String, Hash> = BTreeMap::new();
    for stage in planned {
        for variant in &stage.stage.variants {
            let entry = locks[stage.file.path.as_path()].iter().find(|entry| entry.name == variant.name);
            for out in entry.iter().flat_map(|entry| &entry.outs) {
                if let Some(hash) = &out.hash {
                    made.insert(join(&variant.wdir, &out.path), hash.clone());
                }
            }
        }
    }
    // Read once, however many stages take them.
    let mut params: BTreeMap<&str, Result<Node, String>> = BTreeMap::new();
    for file in planned.iter().flat_map(|stage| &stage.stage.variants).flat_map(|variant| &variant.params) {
        let read = || params::file(root, &file.path).map_err(|refused| refused.to_string());
        params.entry(&file.path).or_insert_with(read);
    }
    let looking = Looking { root, caches, intake, written: &written, made: &made, params: &params, lock: lock::NAME };
    let mut all: Vec<(&Planned<'_>, &Variant)> = Vec::new();
    for stage in planned.iter().filter(|planned| !planned.stage.frozen) {
        all.extend(stage.stage.variants.iter().map(|variant| (stage, variant)));
    }
    let candidates = all.par_iter().map(|(planned, variant)| {
        let entries = &locks[planned.file.path.as_path()];
        let entry = entries.iter().find(|entry| entry.name == variant.name);
        let mut outs = BTreeMap::new();
        // The file of a single stage is its own lock.
        let own = single::is_single(&planned.file.path).then(|| planned.file.path.display().to_string());
        let looking = Looking { lock: own.as_deref().unwrap_or(looking.lock), ..looking };
        let standing = match entry {
            None => Err(format!("{} does not know it", looking.lock)),
            Some(entry) => looking.standing(variant, entry, &mut outs),
        };
        if variant.outs.is_empty() {
            let labels: String = variant.labels.iter().map(|(_, label)| format!("-{label}")).collect();
            outs.insert(format!("{MARKS}/{}{labels}", planned.name), Lies::Mark);
        }
        let folder = &planned.file.folder;
        let name = match (own, folder.as_str()) {
            (Some(file), _) => file,
            (None, "") => variant.name.clone(),
            (None, _) => format!("{folder}/dvc.yaml:{}", variant.name),
        };
        Candidate { name, kiln: planned.name.clone(), labels: variant.labels.clone(), standing, outs }
    });
    Ok(candidates.collect())
}

#[derive(Clone, Copy)]
struct Looking<'a, 's> {
    root: &'a Path,
    caches: &'a Caches,
    intake: &'a Intake<'s>,
    written: &'a Written<'a>,
    made: &'a BTreeMap<String, Hash>,
    params: &'a BTreeMap<&'a str, Result<Node, String>>,
    /// What the lock is called.
    lock: &'a str,
}

impl Looking<'_, '_> {
    fn standing(
        &self,
        variant: &Variant,
        entry: &Entry,
        outs: &mut BTreeMap<String, Lies>,
    ) -> Result<Vec<String>, String> {
        let mut doubts = Vec::new();
        let mut gone = None;
        for out in &variant.outs {
            match self.out(out, variant, entry, &mut doubts) {
                Ok(lies) => drop(outs.insert(out.item.path.clone(), lies)),
                Err(why) => gone = gone.or(Some(why)),
            }
            if out.persist {
                doubts.push(format!("`{}` is kept between runs, so it may come of more than this run", out.item.path));
            }
        }
        let commands: Vec<String> = variant.commands.iter().map(|command| command.resolved()).collect();
        if commands != entry.commands || variant.listed != entry.listed {
            let bare = |commands: &[String]| commands.iter().map(|text| unquoted(text)).collect::<Vec<_>>();
            if bare(&commands) != bare(&entry.commands) {
                return Err(format!("its command is not the one in {}", self.lock));
            }
            doubts
                .push(format!("its command has other quotes in {}, as earlier versions of DVC wrote them", self.lock));
        }
        for dep in &variant.deps {
            let known = Entry::find(&entry.deps, &variant.wdir, &dep.path);
            let known = known.ok_or_else(|| format!("its dependency `{}` is not in {}", dep.path, self.lock))?;
            if dep.path.contains("://") {
                doubts.push(format!("nobody looked whether `{}` is still what it was", dep.path));
                continue;
            }
            self.is_what_it_was(&dep.path, known, &mut doubts)?;
        }
        for file in &variant.params {
            let now = self.params[file.path.as_str()].as_ref().map_err(Clone::clone)?;
            let known = entry.params.iter().find(|(path, _)| join(&variant.wdir, path) == file.path);
            let known = known.map(|(_, values)| values);
            let changed =
                |key: &str| format!("the parameter `{key}` of `{}` is not what {} says", file.path, self.lock);
            if file.keys.is_empty() {
                if !known.is_some_and(|known| now.entries().len() == known.entries().len() && known.same(now)) {
                    return Err(format!("`{}` is not what {} says", file.path, self.lock));
                }
                continue;
            }
            for key in &file.keys {
                let value = params::value(now, key).ok_or_else(|| format!("`{}` has no `{key}`", file.path))?;
                match known.and_then(|known| known.get(key)) {
                    Some(before) if before.same(value) => {
                        if !before.is_alike(value) {
                            let text = "is of another type than it was: DVC takes 1, 1.0 and true for one value";
                            doubts.push(format!("the parameter `{key}` of `{}` {text}", file.path));
                        }
                    }
                    _ => return Err(changed(key)),
                }
            }
        }
        if let Some(why) = gone {
            return Err(why);
        }
        self.doubts(variant, entry, &mut doubts);
        Ok(doubts)
    }

    /// Where an output lies that is what the lock says.
    fn out(&self, out: &Out, variant: &Variant, entry: &Entry, doubts: &mut Vec<String>) -> Result<Lies, String> {
        let path = &out.item.path;
        let known = Entry::find(&entry.outs, &variant.wdir, path);
        let known = known.ok_or_else(|| format!("its output `{path}` is not in {}", self.lock))?;
        let hash = known.hash.as_ref();
        let hash = hash.ok_or_else(|| format!("{} does not say what its output `{path}` is", self.lock))?;
        self.find(path, hash, known.executable, doubts)
    }

    /// What shows that an entry was made under another declaration.
    fn doubts(&self, variant: &Variant, entry: &Entry, doubts: &mut Vec<String>) {
        let paths = |list: &[Locked]| list.iter().map(|item| join(&variant.wdir, &item.path)).collect::<Vec<_>>();
        for path in paths(&entry.deps) {
            if !variant.deps.iter().any(|dep| dep.path == path) {
                doubts.push(format!("it was made with the dependency `{path}`, which dvc.yaml no longer names"));
            }
        }
        for path in paths(&entry.outs) {
            if !variant.outs.iter().any(|out| out.item.path == path) {
                doubts.push(format!("it made `{path}`, too, which dvc.yaml no longer names"));
            }
        }
        for (file, values) in &entry.params {
            let path = join(&variant.wdir, file);
            let Some(now) = variant.params.iter().find(|params| params.path == path) else {
                doubts.push(format!("it was made with parameters of `{path}`, which dvc.yaml no longer names"));
                continue;
            };
            for gone in values.entries().iter().filter(|entry| !now.keys.is_empty() && !now.keys.contains(&entry.key)) {
                doubts.push(format!("it was made with the parameter `{}`, which dvc.yaml no longer names", gone.key));
            }
        }
    }

    fn is_what_it_was(&self, path: &str, known: &Locked, doubts: &mut Vec<String>) -> Result<(), String> {
        let Some(hash) = &known.hash else {
            return Err(format!("{} does not say what its dependency `{path}` was", self.lock));
        };
        let other = || format!("its dependency `{path}` is not what {} says", self.lock);
        if self.written.exactly(path) {
            // What another stage made: that one's entry is looked at by itself.
            return if self.made.get(path) == Some(hash) { Ok(()) } else { Err(other()) };
        }
        let mut found = self.md5(path, hash)?;
        if let Some(outer) = self.written.around(path).filter(|_| found.is_none()) {
            found = self.within(outer, path);
        }
        match found {
            Some(found) if found == *hash => Ok(()),
            Some(_) if self.is_of_windows(path, hash) => {
                doubts.push(self.of_windows(path));
                Ok(())
            }
            Some(_) => Err(other()),
            None => Err(format!("its dependency `{path}` is not there")),
        }
    }

    /// Whether a file is what the lock says but for line ends, which Git turns when a project moves from Windows.
    fn is_of_windows(&self, path: &str, hash: &Hash) -> bool {
        !hash.folded
            && !hash.is_folder()
            && digest::of_windows(&self.root.join(path)).is_ok_and(|md5| md5.as_ref() == Some(&hash.md5))
    }

    /// What lies in a folder that another stage made, by DVC's list of it.
    fn within(&self, outer: &str, path: &str) -> Option<Hash> {
        let whole = self.made.get(outer)?;
        let members = self.caches.members(whole)?;
        let inner = path.strip_prefix(outer)?.strip_prefix('/')?;
        if let Some(member) = members.iter().find(|member| member.relative == inner) {
            return Some(Hash { md5: member.md5.clone(), folded: whole.folded });
        }
        let below = members.into_iter().filter_map(|member| {
            let relative = member.relative.strip_prefix(inner)?.strip_prefix('/')?.to_owned();
            Some(Member { relative, md5: member.md5 })
        });
        let below: Vec<Member> = below.collect();
        let md5 = digest::of_bytes(digest::listing(&below).as_bytes()) + ".dir";
        (!below.is_empty()).then_some(Hash { md5, folded: whole.folded })
    }

    /// What a source is called by DVC.
    fn md5(&self, path: &str, hash: &Hash) -> Result<Option<Hash>, String> {
        digest::of_path(self.root, path, hash.folded, &|file| self.intake.md5(file, hash.folded, Of::Source))
            .map_err(|e| format!("cannot read `{path}`: {e}"))
    }

    /// What lies in the place of an output is called by DVC.
    fn md5_of_output(&self, path: &str, hash: &Hash) -> Result<Option<Hash>, String> {
        let place = self.root.join(path);
        let mut objects: HashMap<PathBuf, PathBuf> = HashMap::new();
        let own = |md5: String| self.caches.own(&Hash { md5, folded: hash.folded });
        if !hash.is_folder() {
            objects.extend(own(hash.md5.clone()).map(|object| (place, object)));
        } else if place.is_dir() {
            let members = self.caches.listed(hash).unwrap_or_default().into_iter();
            objects.extend(members.filter_map(|member| Some((place.join(member.relative), own(member.md5)?))));
        }
        let of = |file: &Path| Of::Output(objects.get(file).map(PathBuf::as_path));
        digest::of_path(self.root, path, hash.folded, &|file| self.intake.md5(file, hash.folded, of(file)))
            .map_err(|e| format!("cannot read `{path}`: {e}"))
    }

    fn find(&self, path: &str, hash: &Hash, executable: bool, doubts: &mut Vec<String>) -> Result<Lies, String> {
        let here = self.md5_of_output(path, hash)?;
        if here.as_ref() == Some(hash) {
            return self.in_place(path);
        }
        if here.is_some() && self.is_of_windows(path, hash) {
            doubts.push(self.of_windows(path));
            return Ok(Lies::InPlace);
        }
        let gone = || {
            let state = if here.is_some() { format!("is not what {} says", self.lock) } else { "is gone".to_owned() };
            format!("its output `{path}` {state}, and DVC's cache does not have it")
        };
        if !hash.is_folder() {
            return self.object(hash).map(|from| Lies::Cached(from, executable)).ok_or_else(gone);
        }
        let members = self.caches.members(hash).ok_or_else(gone)?;
        let files = members.into_par_iter().map(|member| {
            let from = self.object(&Hash { md5: member.md5, folded: hash.folded })?;
            Some((PathBuf::from(member.relative), from))
        });
        files.collect::<Option<Vec<_>>>().map(Lies::CachedFolder).ok_or_else(gone)
    }

    /// What lies at a path of the project. Of a folder in which DVC put links into its cache, the files that these lead to are taken.
    fn in_place(&self, path: &str) -> Result<Lies, String> {
        let place = self.root.join(path);
        if !matches!(walk(&place, Extent::Everything), Err(ContentError::LinkLeaves { .. })) {
            return Ok(Lies::InPlace);
        }
        let names = digest::files(self.root, path).map_err(|e| format!("cannot read `{path}`: {e}"))?;
        let files = names.into_iter().map(|name| (PathBuf::from(&name), place.join(&name)));
        Ok(Lies::CachedFolder(files.collect()))
    }

    fn of_windows(&self, path: &str) -> String {
        format!("`{path}` is what {} says but for its line ends, which were those of Windows", self.lock)
    }

    /// An object of DVC's that is taken into the store.
    fn object(&self, hash: &Hash) -> Option<PathBuf> {
        self.caches.object_by(hash, &|file, folded| {
            self.intake.md5(file, folded, Of::Output(self.caches.is_own(file).then_some(file)))
        })
    }
}

/// A command without the quotes around words that need none.
fn unquoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_@%+=:,./-".contains(c);
    let words = text.split(' ').map(|word| {
        let inner = word.strip_prefix('\'').and_then(|word| word.strip_suffix('\''));
        inner.filter(|inner| !inner.is_empty() && inner.chars().all(plain)).unwrap_or(word)
    });
    words.collect::<Vec<_>>().join(" ")
}

/// Puts outputs of frozen stages in place that are missing: they are sources.
pub(super) fn frozen(
    root: &Path,
    files: &[File],
    caches: &Caches,
    put: bool,
    notes: &mut Notes,
) -> Result<(), Refused> {
    for file in files {
        let lock = single::lock_of(file);
        let entries = single::entries(root, file)?;
        for variant in file.stages.iter().filter(|stage| stage.frozen).flat_map(|stage| &stage.variants) {
            let entry = entries.iter().find(|entry| entry.name == variant.name);
            for out in entry.iter().flat_map(|entry| &entry.outs) {
                let path = join(&variant.wdir, &out.path);
                if let Some(hash) = out.hash.as_ref().filter(|_| !root.join(&path).exists()) {
                    data::restore(root, &lock, &path, hash, out.executable, caches, put, out.at, notes);
                }
            }
        }
    }
    Ok(())
}

/// Takes the outputs of candidates into the store, for the stages of a pipeline that write them.
pub(super) fn take_in(
    store: &Store,
    pipeline: &Pipeline,
    candidates: &[Candidate],
    taken: &Taken,
    trust: bool,
) -> Result<BTreeMap<StageId, NameMap<Artifact>>, StoreError> {
    let mut places: BTreeMap<&str, (StageId, &str)> = BTreeMap::new();
    for (id, stage) in pipeline.stages.iter().enumerate() {
        for (port, output) in &stage.outputs {
            if let Some(path) = output.path.to_str() {
                places.insert(path, (StageId(id), port));
            }
        }
    }
    let good = |candidate: &&Candidate| candidate.standing.as_ref().is_ok_and(|doubts| trust || doubts.is_empty());
    let jobs: Vec<(StageId, &str, &str, &Lies)> = candidates
        .iter()
        .filter(good)
        .flat_map(|candidate| &candidate.outs)
        .filter_map(|(path, lies)| places.get(path.as_str()).map(|(id, port)| (*id, *port, path.as_str(), lies)))
        .collect();
    let found = |metadata: &Metadata| taken.find(metadata);
    let artifacts: Result<Vec<_>, StoreError> = jobs
        .par_iter()
        .map(|(id, port, path, lies)| {
            let artifact = match lies {
                Lies::InPlace => store.take_copy(&pipeline.root.join(path), &found),
                Lies::Cached(from, executable) => match fs::metadata(from).ok().and_then(|now| taken.find(&now)) {
                    Some(known) => Ok(Artifact { executable: *executable, ..known }),
                    None => store.take_file(from, *executable),
                },
                Lies::CachedFolder(files) => store.take_files(files, &found),
                Lies::Mark => store.insert_bytes(b""),
            }?;
            Ok((*id, (*port).to_owned(), artifact))
        })
        .collect();
    let mut all: BTreeMap<StageId, NameMap<Artifact>> = BTreeMap::new();
    for (id, port, artifact) in artifacts? {
        all.entry(id).or_default().insert(port, artifact);
    }
    // Only whole results are results.
    all.retain(|id, outputs| outputs.len() == pipeline.stages[id.0].outputs.len());
    Ok(all)
}

/// Makes known that outputs of stages whose results are not taken over are DVC's as they lie in the project: a run may replace them.
pub(super) fn give_up(store: &Store, root: &Path, candidates: &[&Candidate], taken: &Taken) -> Result<(), StoreError> {
    let found = |metadata: &Metadata| taken.find(metadata);
    candidates.par_iter().try_for_each(|candidate| {
        let in_place = candidate.outs.iter().filter(|(_, lies)| matches!(lies, Lies::InPlace));
        let own = in_place.map(|(path, _)| Ok((path.as_str(), store.take_copy(&root.join(path), &found)?)));
        let own: Vec<(&str, Artifact)> = own.collect::<Result<_, StoreError>>()?;
        if own.is_empty() { Ok(()) } else { engine::own(store, "DVC", &candidate.name, &own) }
    })
}
