//! Where DVC keeps data: its cache, remotes that are folders, and buckets.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::buckets::{Buckets, Remote};
use super::digest::{Hash, Member, of_file};
use super::note::Notes;
use super::settings;
use super::yaml::At;

/// The places where objects of DVC's may lie.
pub(super) struct Caches {
    places: Vec<PathBuf>,
    remotes: Vec<Remote>,
    buckets: Buckets,
    /// Whether DVC puts outputs in place as links.
    links: bool,
}

impl Caches {
    /// Reads DVC's [settings](settings::all). With `fetch`, what is missing is fetched from remotes on S3.
    pub(super) fn of(root: &Path, fetch: bool, notes: &mut Notes) -> Self {
        let mut cache = root.join(".dvc/cache");
        let mut remotes: Vec<Remote> = Vec::new();
        let mut links = false;
        // The remotes that a file of the project's or `core.remote` names.
        let mut named = BTreeSet::new();
        for setting in settings::all(root) {
            let (file, at) = (&setting.file, setting.at);
            match (setting.section.as_str(), setting.key.as_str()) {
                ("cache", "dir") => cache = setting.path(),
                // The pipeline that is written is the same whoever writes it.
                ("cache", "type") if setting.is_projects => links = means_links(&setting.value, file, at, notes),
                ("core", "remote") => {
                    named.insert(setting.value.to_lowercase());
                }
                (section, key) if section.starts_with("remote ") => {
                    let name = section.trim_start_matches("remote ").trim_matches('"').to_owned();
                    if setting.is_projects {
                        named.insert(name.clone());
                    }
                    let known = remotes.iter().position(|remote| remote.name == name).unwrap_or_else(|| {
                        remotes.push(Remote { name, file: file.clone(), at, folder: None, values: BTreeMap::new() });
                        remotes.len() - 1
                    });
                    let remote = &mut remotes[known];
                    if key == "url" {
                        (remote.file, remote.at) = (file.clone(), at);
                        remote.folder = (!setting.value.contains("://")).then(|| setting.path());
                    }
                    remote.values.insert(key.to_owned(), setting.value);
                }
                ("hydra", "enabled") if setting.value.eq_ignore_ascii_case("true") => {
                    let hint = "write the composed parameters to params.yaml, and commit that";
                    notes.lost(file, at, "Hydra's composition of parameters is not carried over", hint);
                }
                ("parsing", key) => {
                    let hint = "options that come from a mapping were written out; look at them";
                    notes.differs(file, at, format!("`parsing.{key}` is not heeded"), hint);
                }
                _ => {}
            }
        }
        // Others of the user's belong to other projects.
        remotes.retain(|remote| named.contains(&remote.name));
        let mut places = vec![cache];
        places.extend(remotes.iter().filter_map(|remote| remote.folder.clone()));
        let buckets = Buckets::of(&remotes, fetch, notes);
        Self { places, remotes, buckets, links }
    }

    /// Whether DVC puts outputs in place as links, and not as copies.
    pub(super) fn links(&self) -> bool {
        self.links
    }

    /// Tells of what remotes did not give.
    pub(super) fn tell(&self, notes: &mut Notes) {
        self.buckets.tell(&self.remotes, notes);
    }

    /// Where DVC's own cache has an object, or would have it.
    pub(super) fn place(&self, hash: &Hash) -> PathBuf {
        let (first, rest) = hash.md5.split_at(2.min(hash.md5.len()));
        self.places[0].join("files/md5").join(first).join(rest)
    }

    /// The file of an object, if one lies somewhere and is what its name says.
    pub(super) fn object(&self, hash: &Hash) -> Option<PathBuf> {
        self.object_by(hash, &of_file)
    }

    /// The same with another way to take the MD5 of a file, whose line ends are folded or not.
    pub(super) fn object_by(&self, hash: &Hash, md5_of: &dyn Fn(&Path, bool) -> io::Result<String>) -> Option<PathBuf> {
        let forms = Self::forms(hash)?;
        let lies = || {
            let mut all = self.places.iter().flat_map(|place| forms.iter().map(|form| place.join(form)));
            all.find(|path| path.is_file())
        };
        let found = lies().or_else(|| {
            self.bring(std::iter::once(hash.clone()));
            lies()
        })?;
        let plain = hash.md5.trim_end_matches(".dir");
        let sound = md5_of(&found, hash.folded && !hash.is_folder()).is_ok_and(|md5| md5 == plain);
        sound.then_some(found)
    }

    /// The file of DVC's own cache that an object lies in, if it lies there.
    pub(super) fn own(&self, hash: &Hash) -> Option<PathBuf> {
        Self::forms(hash)?.into_iter().map(|form| self.places[0].join(form)).find(|path| path.is_file())
    }

    /// Whether a file lies in DVC's own cache.
    pub(super) fn is_own(&self, object: &Path) -> bool {
        object.starts_with(&self.places[0])
    }

    /// Where an object may lie in a cache, the likelier first.
    fn forms(hash: &Hash) -> Option<[PathBuf; 2]> {
        let (first, rest) = hash.md5.split_at_checked(2)?;
        let [now, before] = [PathBuf::from("files/md5").join(first).join(rest), Path::new(first).join(rest)];
        Some(if hash.folded { [before, now] } else { [now, before] })
    }

    /// Fetches objects from remotes on S3 into DVC's cache.
    fn bring(&self, hashes: impl Iterator<Item = Hash>) {
        if !self.buckets.is_empty() {
            let missing = hashes.map(|hash| (hash.clone(), self.place(&hash))).filter(|(_, place)| !place.is_file());
            self.buckets.fetch(missing.collect());
        }
    }

    /// What a folder's object lists.
    pub(super) fn members(&self, hash: &Hash) -> Option<Vec<Member>> {
        let members = self.listed(hash)?;
        // All at once is quicker than one after another.
        self.bring(members.iter().map(|member| Hash { md5: member.md5.clone(), folded: hash.folded }));
        Some(members)
    }

    /// The same as far as it lies there; nothing is fetched.
    pub(super) fn listed(&self, hash: &Hash) -> Option<Vec<Member>> {
        let value: Value = serde_json::from_slice(&fs::read(self.object(hash)?).ok()?).ok()?;
        let members = value.as_array()?.iter().map(|member| {
            let relative = member.get("relpath")?.as_str()?;
            let plain = Path::new(relative).components().all(|part| matches!(part, std::path::Component::Normal(_)));
            plain
                .then(|| Some(Member { relative: relative.to_owned(), md5: member.get("md5")?.as_str()?.to_owned() }))?
        });
        members.collect()
    }
}

/// Whether DVC's `cache.type`, a list of types of which the first is taken that works, means links.
fn means_links(value: &str, file: &Path, at: At, notes: &mut Notes) -> bool {
    let types = || value.split(',').map(|word| word.trim().trim_matches(['\'', '"']));
    let link = types().take_while(|word| *word != "copy").find(|word| matches!(*word, "hardlink" | "symlink"));
    if link == Some("symlink") {
        let what = "`cache.type = symlink` becomes `cache: {type: hardlink}`";
        notes.differs(
            file,
            at,
            what,
            "where the cache lies on another file system than the project, outputs are copied",
        );
    }
    link.is_some()
}
