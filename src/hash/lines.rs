//! The listing of a folder that is nowhere as a whole: its lines are made where its files are looked at, by as many threads as walk through
//! it, and put one behind the other only to be hashed.

use std::ffi::CStr;
use std::ops::Range;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use super::tree::{self, Node};
use super::walk::{Files, Piece, Walked};
use super::{Artifact, Digest};

/// So many bytes are hashed at a time.
const TOGETHER: usize = 1 << 20;

/// About as long is a line without its path.
const LINE: usize = 80;

/// The lines of some files of a folder.
#[derive(Default)]
pub(super) struct Lines {
    text: Vec<u8>,
    /// Where each ends.
    ends: Vec<u32>,
    /// The sum of the sizes of the files.
    bytes: u64,
}

impl Lines {
    /// The lines of files, of each of which it is known what it is.
    pub(super) fn new(files: Files<'_>, nodes: &[Node]) -> Self {
        let folder = files.folder.as_os_str().as_bytes();
        let names: usize = files.names().map(CStr::count_bytes).sum();
        let text = Vec::with_capacity(names + files.len() * (folder.len() + LINE));
        let mut lines = Self { text, ends: Vec::with_capacity(files.len()), bytes: 0 };
        let mut path = folder.to_vec();
        if !path.is_empty() {
            path.push(b'/');
        }
        let above = path.len();
        for (name, node) in files.names().zip(nodes) {
            path.truncate(above);
            path.extend_from_slice(name.to_bytes());
            tree::encode(&path, node, &mut lines.text);
            // A batch is small.
            lines.ends.push(u32::try_from(lines.text.len()).unwrap_or(u32::MAX));
            lines.bytes += node.bytes();
        }
        lines
    }

    fn of(&self, files: Range<usize>) -> &[u8] {
        let end = |count: usize| count.checked_sub(1).map_or(0, |last| self.ends[last] as usize);
        &self.text[end(files.start)..end(files.end)]
    }
}

/// The artifact of a folder, given where the lines of its files are.
pub(super) fn artifact<T>(walked: &Walked<T>, lines: impl Fn(&T) -> &Lines) -> Artifact {
    let mut hasher = tree::hasher();
    let mut gathered: Vec<u8> = Vec::with_capacity(2 * TOGETHER);
    walked.in_order(&mut |piece| {
        let line = |path: &Path, node: Node, gathered: &mut Vec<u8>| {
            tree::encode(path.as_os_str().as_bytes(), &node, gathered);
        };
        match piece {
            Piece::Files(batch, files) => gathered.extend_from_slice(lines(batch).of(files)),
            Piece::Link(path, target) => line(&path, Node::Link { target: target.to_owned() }, &mut gathered),
            Piece::Folder(path) => line(path, Node::Folder, &mut gathered),
        }
        if gathered.len() >= TOGETHER {
            hasher.update_rayon(&gathered);
            gathered.clear();
        }
    });
    hasher.update(&gathered);
    let bytes = walked.batches().map(|batch| lines(batch).bytes).sum();
    Artifact { digest: Digest(hasher.finalize().into()), tree: true, bytes, executable: false }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use crate::hash::walk::Extent;
    use crate::hash::{Memo, SourceStamps};

    #[test]
    fn lines_come_in_the_order_of_a_listing() {
        let folder = tempfile::tempdir().unwrap();
        let (root, other) = (folder.path().join("root"), folder.path().join("other"));
        let write = |path: &str| {
            let path = root.join(path);
            fs::create_dir_all(path.parent().unwrap())
                .and_then(|()| fs::write(&path, path.as_os_str().len().to_string()))
        };
        fs::create_dir_all(&other).and_then(|()| fs::write(other.join("file"), "behind")).unwrap();
        // `.` and `-` come before `/`, digits and letters behind it; an empty folder goes by its name alone.
        for path in ["a/x", "a.b", "a-", "a0", "a.d/a/b", "a.d/a.b", "a.d/a0/b", "b.c", "b0", "abcdefgh", "abcdefghi/x"]
        {
            write(path).unwrap();
        }
        for path in ["b", "c/a", "c/a.d/e", "abcdefgh.d"] {
            fs::create_dir_all(root.join(path)).unwrap();
        }
        // More than one thread looks at.
        for number in 0..2_500 {
            write(&format!("many/{number}")).unwrap();
        }
        for path in ["a.link", "many/1000.link", "many/3", "many.d"] {
            let _ = fs::remove_file(root.join(path));
            symlink("a0", root.join(path)).unwrap();
        }
        for path in ["many/1500.d/x/y", "many/0-/x"] {
            write(path).unwrap();
        }

        let store = tempfile::tempdir().unwrap();
        let memo = Memo::open(&store.path().join("memo"));
        let check = |extent: Extent<'_>| {
            let listing = memo.source_listing(&root, extent).unwrap();
            assert!(listing.entries.len() > 2_500);
            assert_eq!(memo.source_in(&root, extent).unwrap().unwrap(), listing.own_artifact());
            listing.own_artifact()
        };
        let whole = check(Extent::Everything);
        assert_eq!(check(Extent::Source), whole);
        symlink(&other, root.join("c/a.e")).unwrap();
        symlink(other.join("file"), root.join("many/1001.file")).unwrap();
        let more = check(Extent::Source);
        assert_eq!(more.bytes, whole.bytes + 12);

        let stamps = loop {
            match SourceStamps::of(&root, Extent::Source, &memo) {
                Some(stamps) => break stamps,
                None => std::thread::sleep(std::time::Duration::from_millis(5)),
            }
        };
        assert_eq!(stamps.artifact, more);
        assert!(stamps.holds(&root, Extent::Source));
        fs::rename(root.join("many/7"), root.join("many/seven")).unwrap();
        assert!(!stamps.holds(&root, Extent::Source));
    }
}
