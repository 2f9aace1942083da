//! Trees: walking a folder, and the canonical listing that its digest is taken of.
//!
//! A listing is `kiln tree 1\0`, then entries in ascending order of their paths' bytes. A path is relative to the
//! tree, its parts joined by `/`:
//!
//! | entry | bytes |
//! | --- | --- |
//! | file | `f <digest> <size> <path>\0` |
//! | executable file | `x <digest> <size> <path>\0` |
//! | symbolic link | `l <path>\0<target>\0` |
//! | empty folder | `d <path>\0` |

use std::ffi::OsStr;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Component, Path, PathBuf};
use std::rc::Rc;

use super::leftovers::is_leftover;
use super::picks::Picks;
use super::{Artifact, ContentError, Digest};
use crate::links;

const HEADER: &[u8] = b"kiln tree 1\0";

/// Keeps a tree's digest apart from that of a file which happens to hold the same bytes.
const DOMAIN: &str = "kiln 2026-07 tree listing";

/// What a tree holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Listing {
    /// Sorted by the bytes of their paths, each path once.
    pub(crate) entries: Vec<(PathBuf, Node)>,
}

/// One thing in a tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Node {
    File { digest: Digest, bytes: u64, executable: bool },
    Link { target: PathBuf },
    Folder,
}

/// What a walk found; the files are still to be hashed.
pub(crate) enum Found {
    File,
    Link {
        target: PathBuf,
    },
    /// An empty one; the others show in the paths of what they hold.
    Folder,
}

impl Listing {
    /// Sorts the entries.
    pub(crate) fn new(mut entries: Vec<(PathBuf, Node)>) -> Self {
        entries.sort_unstable_by(|a, b| bytes_of(&a.0).cmp(bytes_of(&b.0)));
        Self { entries }
    }

    /// The canonical bytes.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = HEADER.to_vec();
        for (path, node) in &self.entries {
            match node {
                Node::File { digest, bytes, executable } => {
                    let kind = if *executable { 'x' } else { 'f' };
                    out.extend_from_slice(format!("{kind} {digest} {bytes} ").as_bytes());
                    out.extend_from_slice(bytes_of(path));
                }
                Node::Link { target } => {
                    out.extend_from_slice(b"l ");
                    out.extend_from_slice(bytes_of(path));
                    out.push(0);
                    out.extend_from_slice(bytes_of(target));
                }
                Node::Folder => {
                    out.extend_from_slice(b"d ");
                    out.extend_from_slice(bytes_of(path));
                }
            }
            out.push(0);
        }
        out
    }

    /// Reads canonical bytes; `None` if they are not that. What is read is safe to create below any folder.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let mut fields = bytes.strip_prefix(HEADER)?.split(|b| *b == 0);
        let mut entries = Vec::new();
        loop {
            let field = fields.next()?;
            if field.is_empty() {
                // Splitting leaves an empty field after the last separator, and only there.
                if fields.next().is_some() {
                    return None;
                }
                break;
            }
            let (kind, rest) = field.split_at_checked(2)?;
            let (path, node) = match kind {
                b"f " | b"x " => {
                    let mut parts = rest.splitn(3, |b| *b == b' ');
                    let digest = str::from_utf8(parts.next()?).ok()?.parse().ok()?;
                    let size = str::from_utf8(parts.next()?).ok()?.parse().ok()?;
                    (path_of(parts.next()?), Node::File { digest, bytes: size, executable: kind == b"x " })
                }
                b"l " => (path_of(rest), Node::Link { target: path_of(fields.next()?) }),
                b"d " => (path_of(rest), Node::Folder),
                _ => return None,
            };
            let plain = path.components().all(|c| matches!(c, Component::Normal(_)));
            let inside = match &node {
                Node::Link { target } => link_stays(&path, target),
                _ => true,
            };
            let ascending = entries.last().is_none_or(|(last, _): &(PathBuf, _)| bytes_of(last) < bytes_of(&path));
            if path.as_os_str().is_empty() || !plain || !inside || !ascending {
                return None;
            }
            entries.push((path, node));
        }
        Some(Self { entries })
    }

    /// The tree's artifact.
    pub(crate) fn own_artifact(&self) -> Artifact {
        self.artifact(&self.encode())
    }

    /// The tree's artifact, given its canonical bytes.
    pub(crate) fn artifact(&self, encoded: &[u8]) -> Artifact {
        let size = |node: &Node| if let Node::File { bytes, .. } = node { *bytes } else { 0 };
        let bytes = self.entries.iter().map(|(_, node)| size(node)).sum();
        Artifact { digest: digest_of(encoded), tree: true, bytes, executable: false }
    }
}

/// The digest of a tree, from the canonical bytes of its listing.
pub(crate) fn digest_of(encoded: &[u8]) -> Digest {
    Digest(blake3::derive_key(DOMAIN, encoded))
}

/// How much of a folder counts. A link that stays in the folder is always a link and no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Extent<'p> {
    /// All of it; a link that leaves the folder is refused.
    Everything,
    /// What is not left over by programs; a link that leaves the folder counts as what it leads to. So is an input folder taken.
    Source,
    /// As much of that as patterns name. Folders in which nothing is left do not count.
    Picked(&'p Picks),
}

impl Extent<'_> {
    /// Whether what lies at a path is left out, `inside` a folder.
    fn leaves_out(self, inside: &Path, absolute: &Path, is_folder: bool) -> bool {
        match self {
            Self::Everything => false,
            Self::Source => is_leftover(absolute, is_folder),
            Self::Picked(picks) => is_leftover(absolute, is_folder) || picks.leaves_out(inside, is_folder),
        }
    }

    /// Whether a file or link counts that is not left out.
    fn names(self, inside: &Path) -> bool {
        if let Self::Picked(picks) = self { picks.names(inside) } else { true }
    }
}

/// So many folders behind links may be walked through: links between a few folders can be combined without end.
const MOST_FOLLOWED: usize = 10_000;

/// What is in a folder, in no particular order, by its path relative to it.
///
/// # Errors
/// A FIFO, socket or device, a link that leaves the folder where it may not, or leads nowhere or round in a circle, or what the system
/// refuses.
pub(crate) fn walk(root: &Path, extent: Extent<'_>) -> Result<Vec<(PathBuf, Found)>, ContentError> {
    Walk::through(root, extent, None).map(|walk| walk.found)
}

/// The same, with whether that is all that there is: nothing was left out, and no link that leaves the folder was followed.
///
/// # Errors
/// As [`walk`].
pub(crate) fn walk_telling(root: &Path, extent: Extent<'_>) -> Result<(Vec<(PathBuf, Found)>, bool), ContentError> {
    Walk::through(root, extent, None).map(|walk| (walk.found, walk.whole && walk.followed.is_empty()))
}

/// The same of a folder whose links are not to lead into a store, nor around one.
///
/// # Errors
/// As [`walk`], and a link that does.
pub(crate) fn walk_outside(
    root: &Path,
    extent: Extent<'_>,
    is_store: IsStore<'_>,
) -> Result<Vec<(PathBuf, Found)>, ContentError> {
    Walk::through(root, extent, Some(is_store)).map(|walk| walk.found)
}

/// Tells whether a folder is a store.
pub(crate) type IsStore<'a> = &'a dyn Fn(&Path) -> bool;

/// Where the links of a folder lead that are followed.
pub(crate) fn followed(root: &Path) -> Result<Vec<PathBuf>, ContentError> {
    let walk = Walk::through(root, Extent::Source, None)?;
    Ok(walk.followed.iter().filter_map(|link| root.join(link).canonicalize().ok()).collect())
}

struct Walk<'r> {
    root: &'r Path,
    extent: Extent<'r>,
    found: Vec<(PathBuf, Found)>,
    /// The links that were followed.
    followed: Vec<PathBuf>,
    /// Whether nothing was left out.
    whole: bool,
    /// The folders that are left.
    folders: Vec<Folder>,
    is_store: Option<IsStore<'r>>,
}

/// A folder to walk through.
#[derive(Default)]
struct Folder {
    path: PathBuf,
    /// How many parts of its path lead to the last link on the way, behind which links have to stay.
    base: usize,
    /// The folders behind the links on the way.
    above: Option<Rc<Above>>,
}

/// A folder that a link led to, and those before it.
struct Above {
    id: (u64, u64),
    above: Option<Rc<Above>>,
}

impl<'r> Walk<'r> {
    fn through(root: &'r Path, extent: Extent<'r>, is_store: Option<IsStore<'r>>) -> Result<Self, ContentError> {
        let mut walk = Self {
            root,
            extent,
            found: vec![],
            followed: vec![],
            whole: true,
            folders: vec![Folder::default()],
            is_store,
        };
        while let Some(folder) = walk.folders.pop() {
            walk.enter(&folder)?;
        }
        Ok(walk)
    }

    fn enter(&mut self, folder: &Folder) -> Result<(), ContentError> {
        let absolute = self.root.join(&folder.path);
        // Only a link can lead there: what is in the folder itself is seen to where its path is.
        if folder.above.is_some() && self.is_store.is_some_and(|is_store| is_store(&absolute)) {
            return Err(ContentError::Store { path: absolute.clone(), store: absolute });
        }
        let mut empty = true;
        for entry in fs::read_dir(&absolute).map_err(ContentError::io("list", &absolute))? {
            let entry = entry.map_err(ContentError::io("list", &absolute))?;
            let path = folder.path.join(entry.file_name());
            let kind = entry.file_type().map_err(ContentError::io("examine", &entry.path()))?;
            if self.extent.leaves_out(&path, &entry.path(), kind.is_dir()) {
                self.whole = false;
                continue;
            }
            empty = false;
            if !kind.is_dir() && !kind.is_symlink() && !self.extent.names(&path) {
                self.whole = false;
                continue;
            }
            if kind.is_dir() {
                self.folders.push(Folder { path, base: folder.base, above: folder.above.clone() });
            } else if kind.is_symlink() {
                self.link(folder, path)?;
            } else {
                if !kind.is_file() {
                    let metadata = entry.metadata().map_err(ContentError::io("examine", &entry.path()))?;
                    ContentError::unless_regular(&metadata, &entry.path())?;
                }
                self.found.push((path, Found::File));
            }
        }
        if empty && !folder.path.as_os_str().is_empty() && !matches!(self.extent, Extent::Picked(_)) {
            self.found.push((folder.path.clone(), Found::Folder));
        }
        Ok(())
    }

    fn link(&mut self, folder: &Folder, path: PathBuf) -> Result<(), ContentError> {
        let absolute = self.root.join(&path);
        let target = fs::read_link(&absolute).map_err(ContentError::io("read the link", &absolute))?;
        let inside: PathBuf = path.components().skip(folder.base).collect();
        if link_stays(&inside, &target) {
            if self.extent.names(&path) {
                self.found.push((path, Found::Link { target }));
            } else {
                self.whole = false;
            }
            return Ok(());
        }
        if self.extent == Extent::Everything {
            return Err(ContentError::LinkLeaves { path: absolute, target });
        }
        let metadata = match fs::metadata(&absolute) {
            Ok(metadata) => metadata,
            Err(e) if links::is_circle(&e) => return Err(ContentError::LinkCircle { path: absolute, target }),
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                return Err(ContentError::LinkNowhere { path: absolute, target });
            }
            Err(e) => return Err(ContentError::io("follow the link", &absolute)(e)),
        };
        if !metadata.is_dir() && !self.extent.names(&path) {
            self.whole = false;
            return Ok(());
        }
        if let (Some(is_store), Ok(end)) = (self.is_store, absolute.canonicalize())
            && let Some(store) = end.ancestors().find(|folder| is_store(folder))
        {
            return Err(ContentError::Store { path: absolute, store: store.to_owned() });
        }
        self.followed.push(path.clone());
        if !metadata.is_dir() {
            ContentError::unless_regular(&metadata, &absolute)?;
            self.found.push((path, Found::File));
            return Ok(());
        }
        if self.followed.len() > MOST_FOLLOWED {
            return Err(ContentError::TooManyLinks { path: self.root.to_owned(), most: MOST_FOLLOWED });
        }
        let id = id_of(&metadata);
        let root = fs::metadata(self.root).map_err(ContentError::io("examine", self.root))?;
        let mut above = std::iter::successors(folder.above.as_deref(), |above| above.above.as_deref());
        if id == id_of(&root) || above.any(|above| above.id == id) {
            return Err(ContentError::LinkCircle { path: absolute, target });
        }
        let above = Some(Rc::new(Above { id, above: folder.above.clone() }));
        self.folders.push(Folder { base: path.components().count(), path, above });
        Ok(())
    }
}

fn id_of(metadata: &Metadata) -> (u64, u64) {
    (metadata.dev(), metadata.ino())
}

/// Whether a link at `path` in a tree points into it. `..` counts only at the start: after a name, which may itself be a
/// link, where it leads cannot be told from the text.
fn link_stays(path: &Path, target: &Path) -> bool {
    let depth = path.components().count().saturating_sub(1);
    let up = target.components().take_while(|c| matches!(c, Component::ParentDir | Component::CurDir));
    let up = up.filter(|c| matches!(c, Component::ParentDir)).count();
    let rest_is_plain = target
        .components()
        .skip_while(|c| matches!(c, Component::ParentDir | Component::CurDir))
        .all(|c| matches!(c, Component::Normal(_)));
    !target.as_os_str().is_empty() && up <= depth && rest_is_plain
}

fn bytes_of(path: &Path) -> &[u8] {
    path.as_os_str().as_bytes()
}

fn path_of(bytes: &[u8]) -> PathBuf {
    PathBuf::from(std::ffi::OsString::from_vec(OsStr::from_bytes(bytes).as_bytes().to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn links_stay_or_leave() {
        for (path, target, stays) in [
            ("a", "b", true),
            ("a", "b/c", true),
            ("a", "..", false),
            ("d/a", "..", true),
            ("d/a", "../b", true),
            ("d/a", "./../b", true),
            ("d/a", "../../b", false),
            ("d/a", "b/../../c", false),
            ("a", "/etc/passwd", false),
        ] {
            assert_eq!(link_stays(Path::new(path), Path::new(target)), stays, "{path} -> {target}");
        }
    }

    #[test]
    fn unsafe_listings_are_refused() {
        for entries in
            ["d ../a\0", "d /a\0", "d b\0d a\0", "d a\0d a\0", "l a\0/etc\0", "q a\0", "d a", "d \0", "f 12 a\0"]
        {
            assert_eq!(Listing::decode(format!("kiln tree 1\0{entries}").as_bytes()), None, "{entries:?}");
        }
        assert_eq!(Listing::decode(b"kiln tree 1\0"), Some(Listing::new(vec![])));
        assert_eq!(Listing::decode(b""), None);
    }

    fn node() -> impl Strategy<Value = Node> {
        prop_oneof![
            (any::<[u8; 32]>(), any::<u32>(), any::<bool>()).prop_map(|(digest, bytes, executable)| Node::File {
                digest: Digest(digest),
                bytes: bytes.into(),
                executable
            }),
            "[a-z]{1,3}".prop_map(|target| Node::Link { target: target.into() }),
            Just(Node::Folder),
        ]
    }

    proptest! {
        #[test]
        fn listings_read_back(entries in prop::collection::btree_map("[^/\0.]{1,3}(/[^/\0.]{1,3})?", node(), 0..12)) {
            let listing = Listing::new(entries.into_iter().map(|(path, node)| (path.into(), node)).collect());
            prop_assert_eq!(Listing::decode(&listing.encode()), Some(listing));
        }

        #[test]
        fn no_bytes_make_decoding_panic(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            let _ = Listing::decode(&bytes);
            let _ = Listing::decode(&[HEADER, &bytes].concat());
        }
    }
}
