//! Remotes of DVC's on S3: what is missing is fetched from there into DVC's cache.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use super::digest::Hash;
use super::note::Notes;
use super::yaml::At;
use crate::remote::{BucketSettings, Objects, Wanted};

/// The buckets that are asked, and what they could not give.
#[derive(Default)]
pub(super) struct Buckets {
    open: Vec<(String, Objects)>,
    troubles: Mutex<BTreeMap<String, String>>,
}

/// What DVC's settings say of a remote.
pub(super) struct Remote {
    pub(super) name: String,
    pub(super) file: PathBuf,
    pub(super) at: At,
    /// Where it is, if it is a folder.
    pub(super) folder: Option<PathBuf>,
    pub(super) values: BTreeMap<String, String>,
}

impl Buckets {
    /// Opens the remotes that are on S3. Of all others it is told that they are not read.
    pub(super) fn of(remotes: &[Remote], fetch: bool, notes: &mut Notes) -> Self {
        let mut buckets = Self::default();
        for remote in remotes {
            let value = |key: &str| remote.values.get(key).cloned();
            let Some(url) = value("url").filter(|url| url.contains("://")) else { continue };
            let kind = url.split("://").next().unwrap_or_default();
            let name = &remote.name;
            if kind != "s3" || !fetch {
                let what = format!("the remote `{name}` ({kind}) is not read: data that is only there is missing");
                let hint = if kind == "s3" {
                    "`kiln import dvc --fetch` fetches from it what is missing, and so does `dvc fetch` before the import"
                } else {
                    "`dvc fetch` first, then import"
                };
                notes.lost(&remote.file, remote.at, what, hint);
                continue;
            }
            let given = BucketSettings {
                endpoint: value("endpointurl"),
                region: value("region"),
                profile: value("profile"),
                key: value("access_key_id").zip(value("secret_access_key")),
            };
            match Objects::open(&url, &given) {
                Ok(objects) => buckets.open.push((name.clone(), objects)),
                Err(mistake) => {
                    let what = format!("the remote `{name}` is not read: {mistake}");
                    notes.lost(&remote.file, remote.at, what, &mistake.hint);
                }
            }
        }
        buckets
    }

    pub(super) fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    /// Fetches objects, each to its place, from the first bucket that has it.
    pub(super) fn fetch(&self, mut wanted: Vec<(Hash, PathBuf)>) {
        for (name, objects) in &self.open {
            if wanted.is_empty() {
                return;
            }
            let all = wanted.iter().map(|(hash, place)| Wanted { names: names(hash), to: new(place) }).collect();
            let found = objects.fetch(all);
            wanted = wanted
                .into_iter()
                .zip(found)
                .filter_map(|((hash, place), found)| {
                    let arrived = found.and_then(|there| match there {
                        true => std::fs::rename(new(&place), &place).map(|()| true).map_err(|e| e.to_string()),
                        false => Ok(false),
                    });
                    match arrived {
                        Ok(true) => return None,
                        Ok(false) => {}
                        Err(why) => {
                            let _ = std::fs::remove_file(new(&place));
                            if let Ok(mut troubles) = self.troubles.lock() {
                                troubles.insert(name.clone(), why);
                            }
                        }
                    }
                    Some((hash, place))
                })
                .collect();
        }
    }

    /// Tells of what did not arrive.
    pub(super) fn tell(&self, remotes: &[Remote], notes: &mut Notes) {
        let Ok(troubles) = self.troubles.lock() else { return };
        for (name, why) in &*troubles {
            if let Some(remote) = remotes.iter().find(|remote| remote.name == *name) {
                let what = format!("the remote `{name}` did not give all that was asked for: {why}");
                notes.lost(&remote.file, remote.at, what, "try again, or `dvc fetch` first");
            }
        }
    }
}

/// What arrives lies beside its place until it is whole.
fn new(place: &Path) -> PathBuf {
    place.with_extension("new")
}

/// The names of an object in a remote: DVC 3's, and the older one.
fn names(hash: &Hash) -> Vec<String> {
    let Some((first, rest)) = hash.md5.split_at_checked(2) else { return vec![] };
    let mut names = vec![format!("files/md5/{first}/{rest}"), format!("{first}/{rest}")];
    if hash.folded {
        names.reverse();
    }
    names
}
