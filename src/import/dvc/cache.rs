//! Where DVC keeps data: its cache, and remotes that are folders.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::digest::{Hash, Member, of_file};
use super::note::Notes;
use super::yaml::At;

/// The places where objects of DVC's may lie.
pub(super) struct Caches {
    places: Vec<PathBuf>,
}

impl Caches {
    /// Reads `.dvc/config` and `.dvc/config.local`.
    pub(super) fn of(root: &Path, notes: &mut Notes) -> Self {
        let folder = root.join(".dvc");
        let mut cache = folder.join("cache");
        let mut remotes = Vec::new();
        for name in ["config", "config.local"] {
            let text = fs::read_to_string(folder.join(name)).unwrap_or_default();
            let mut section = String::new();
            for (i, line) in text.lines().enumerate() {
                let line = line.trim();
                if let Some(inner) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
                    section = inner.trim_matches(['\'', '"']).to_owned();
                    continue;
                }
                let Some((key, value)) = line.split_once('=') else { continue };
                let (key, value) = (key.trim(), value.trim());
                let at = At { line: i + 1, column: 1 };
                let file = Path::new(".dvc").join(name);
                match (section.as_str(), key) {
                    ("cache", "dir") => cache = folder.join(value),
                    (section, "url") if section.starts_with("remote ") && value.contains("://") => {
                        let name = section.trim_start_matches("remote ").trim_matches('"');
                        let kind = value.split("://").next().unwrap_or_default();
                        let what =
                            format!("the remote `{name}` ({kind}) is not read: data that is only there is missing");
                        notes.lost(&file, at, what, "`dvc fetch` first, then import");
                    }
                    (section, "url") if section.starts_with("remote ") => remotes.push(folder.join(value)),
                    ("hydra", "enabled") if value.eq_ignore_ascii_case("true") => {
                        let hint = "write the composed parameters to params.yaml, and commit that";
                        notes.lost(&file, at, "Hydra's composition of parameters is not carried over", hint);
                    }
                    ("parsing", _) => {
                        let hint = "options that come from a mapping were written out; look at them";
                        notes.differs(&file, at, format!("`parsing.{key}` is not heeded"), hint);
                    }
                    _ => {}
                }
            }
        }
        let mut places = vec![cache];
        places.extend(remotes);
        Self { places }
    }

    /// Where DVC's own cache has an object, or would have it.
    pub(super) fn place(&self, hash: &Hash) -> PathBuf {
        let (first, rest) = hash.md5.split_at(2.min(hash.md5.len()));
        self.places[0].join("files/md5").join(first).join(rest)
    }

    /// The file of an object, if one lies somewhere and is what its name says.
    pub(super) fn object(&self, hash: &Hash) -> Option<PathBuf> {
        let (first, rest) = hash.md5.split_at_checked(2)?;
        let forms = [PathBuf::from("files/md5").join(first).join(rest), Path::new(first).join(rest)];
        let forms = if hash.folded { [&forms[1], &forms[0]] } else { [&forms[0], &forms[1]] };
        let found = self
            .places
            .iter()
            .flat_map(|place| forms.iter().map(|form| place.join(form)))
            .find(|path| path.is_file())?;
        let plain = hash.md5.trim_end_matches(".dir");
        let sound = of_file(&found, hash.folded && !hash.is_folder()).is_ok_and(|md5| md5 == plain);
        sound.then_some(found)
    }

    /// What a folder's object lists.
    pub(super) fn members(&self, hash: &Hash) -> Option<Vec<Member>> {
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
