use super::*;
use std::fs;

fn journal() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("test.log");
    (folder, path)
}

/// Everything a fresh reader finds: heads, bodies.
fn read(path: &Path) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut journal = Journal::new(path);
    let mut found = Vec::new();
    journal
        .read_new(&mut |entry| match entry {
            Entry::Restart => found.clear(),
            Entry::Frame(frame) => found.push((frame.head.to_vec(), frame.body)),
        })
        .unwrap();
    found.into_iter().map(|(head, body)| (head, journal.body(body).unwrap())).collect()
}

fn append(path: &Path, head: &[u8], body: &[u8]) {
    Journal::new(path).lock(&mut |_| {}).unwrap().append(head, body, &mut |_| {}).unwrap();
}

fn frames(pairs: &[(&str, &str)]) -> Vec<(Vec<u8>, Vec<u8>)> {
    pairs.iter().map(|(head, body)| (head.as_bytes().to_vec(), body.as_bytes().to_vec())).collect()
}

#[test]
fn frames_come_back_in_order() {
    let (_folder, path) = journal();
    assert_eq!(read(&path), vec![]);
    append(&path, b"one", b"body 1");
    append(&path, b"two", b"");
    append(&path, b"", b"body 3");
    assert_eq!(read(&path), frames(&[("one", "body 1"), ("two", ""), ("", "body 3")]));
}

#[test]
fn a_tail_torn_at_any_byte_is_passed_over_and_cut_off_by_the_next_writer() {
    let (_folder, path) = journal();
    append(&path, b"one", b"body 1");
    let first = fs::metadata(&path).unwrap().len();
    append(&path, b"two", b"body 2");
    let whole = fs::read(&path).unwrap();
    for cut in first..whole.len() as u64 {
        fs::write(&path, &whole[..usize::try_from(cut).unwrap()]).unwrap();
        assert_eq!(read(&path), frames(&[("one", "body 1")]), "cut at {cut}");
        assert_eq!(fs::metadata(&path).unwrap().len(), cut, "a reader changes nothing");
        append(&path, b"three", b"body 3");
        assert_eq!(read(&path), frames(&[("one", "body 1"), ("three", "body 3")]), "cut at {cut}");
    }
}

#[test]
fn a_flipped_bit_costs_no_more_than_its_frame() {
    let (_folder, path) = journal();
    for (head, body) in [("one", "body 1"), ("two", "body 2"), ("three", "body 3")] {
        append(&path, head.as_bytes(), body.as_bytes());
    }
    let whole = fs::read(&path).unwrap();
    let frame = PREFIX + 3 + 6;
    for at in frame..2 * frame - 6 {
        let mut bytes = whole.clone();
        bytes[at] ^= 1 << (at % 8);
        fs::write(&path, &bytes).unwrap();
        assert_eq!(read(&path), frames(&[("one", "body 1"), ("three", "body 3")]), "byte {at}");
    }
}

#[test]
fn a_reader_sees_what_others_append_and_starts_over_when_the_file_is_replaced() {
    let (_folder, path) = journal();
    let mut reader = Journal::new(&path);
    let mut seen: Vec<String> = vec![];
    let mut look = |reader: &mut Journal| {
        reader
            .read_new(&mut |entry| match entry {
                Entry::Restart => seen.push("restart".into()),
                Entry::Frame(frame) => seen.push(String::from_utf8(frame.head.to_vec()).unwrap()),
            })
            .unwrap();
        std::mem::take(&mut seen)
    };
    assert!(look(&mut reader).is_empty());
    append(&path, b"one", b"");
    assert_eq!(look(&mut reader), ["one"]);
    append(&path, b"two", b"");
    assert_eq!(look(&mut reader), ["two"]);
    assert!(look(&mut reader).is_empty());

    let mut other = Journal::new(&path);
    let locked = other.lock(&mut |_| {}).unwrap();
    locked.rewrite([(b"two".as_slice(), Span::default())].into_iter(), &mut |_| {}).unwrap();
    assert_eq!(look(&mut reader), ["restart", "two"]);
    append(&path, b"three", b"");
    assert_eq!(look(&mut reader), ["three"]);
    fs::remove_file(&path).unwrap();
    assert_eq!(look(&mut reader), ["restart"]);
    append(&path, b"four", b"");
    assert_eq!(look(&mut reader), ["four"]);
}

#[test]
fn writers_in_many_threads_lose_nothing() {
    let (_folder, path) = journal();
    std::thread::scope(|scope| {
        for writer in 0..4 {
            let path = &path;
            scope.spawn(move || {
                for n in 0..25 {
                    append(path, format!("{writer}/{n}").as_bytes(), b"body");
                }
            });
        }
    });
    let mut heads: Vec<_> = read(&path).into_iter().map(|(head, _)| head).collect();
    heads.sort();
    heads.dedup();
    assert_eq!(heads.len(), 100);
}

#[test]
fn frames_longer_than_the_window_are_read() {
    let (_folder, path) = journal();
    let long = vec![b'x'; 3 << 20];
    append(&path, &long, &long);
    append(&path, b"short", b"");
    let read = read(&path);
    assert_eq!((read.len(), read[0].0.len(), read[0].1.len()), (2, long.len(), long.len()));
}
