//! Pickles: what they hold, without making any of it. So two can be compared by their values, which have paths: `model.coefs_[0]`.
//!
//! The same values can be pickled to other bytes. An object that is met again is referred to, and whether two equal texts are one object depends
//! on how they came to be.

use std::collections::{BTreeMap, HashMap, HashSet};

/// A pickle.
pub(super) struct Pickle {
    nodes: Vec<Node>,
    root: usize,
}

/// A value; others by their places.
#[derive(Debug)]
enum Node {
    /// A number, a text, bytes: a letter for its type, and what it is.
    Plain(u8, Vec<u8>),
    /// A class or a function.
    Global(String),
    List(Vec<usize>),
    Tuple(Vec<usize>),
    Set(Vec<usize>),
    Dict(Vec<(usize, usize)>),
    /// What a call gives, with the state and the items that are put into it.
    Object {
        of: usize,
        arguments: usize,
        state: Option<usize>,
        items: Vec<usize>,
        pairs: Vec<(usize, usize)>,
    },
    /// What lies elsewhere.
    Persistent(usize),
}

/// Deeper values are not compared.
const DEPTH: usize = 500;

impl Pickle {
    /// Reads a pickle of any protocol; `None` if it is none, or does what no common object needs.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        Reader { bytes, at: 0, stack: vec![], marks: vec![], memo: HashMap::new(), nodes: vec![] }.read()
    }

    /// The paths of the tensors in what `torch.save` wrote, by the names of their storages.
    pub(super) fn storages(&self) -> BTreeMap<String, String> {
        let mut found = BTreeMap::new();
        self.find(self.root, &mut String::new(), &mut HashSet::new(), 0, &mut found);
        found
    }

    fn find(
        &self,
        at: usize,
        path: &mut String,
        seen: &mut HashSet<usize>,
        depth: usize,
        found: &mut BTreeMap<String, String>,
    ) {
        if depth > DEPTH || !seen.insert(at) {
            return;
        }
        if let Node::Persistent(id) = &self.nodes[at]
            && let Node::Tuple(items) = &self.nodes[*id]
            && let Some(Node::Plain(b'u', name)) = items.get(2).map(|item| &self.nodes[*item])
        {
            // The storage is the first argument of the tensor's making.
            let tensor = path.trim_end_matches("[0]").trim_end_matches("()");
            found.entry(String::from_utf8_lossy(name).into_owned()).or_insert_with(|| tensor.to_owned());
            return;
        }
        for (step, child) in self.children(at) {
            let length = path.len();
            path.push_str(if path.is_empty() { step.trim_start_matches('.') } else { &step });
            self.find(child, path, seen, depth + 1, found);
            path.truncate(length);
        }
    }

    /// The values in a value, with what leads to each.
    fn children(&self, at: usize) -> Vec<(String, usize)> {
        let numbered = |items: &[usize]| items.iter().enumerate().map(|(i, item)| (format!("[{i}]"), *item)).collect();
        let keyed = |pairs: &[(usize, usize)]| pairs.iter().map(|(key, value)| (self.key(*key), *value)).collect();
        match &self.nodes[at] {
            Node::Plain(..) | Node::Global(_) => vec![],
            Node::List(items) | Node::Tuple(items) | Node::Set(items) => numbered(items),
            Node::Dict(pairs) => keyed(pairs),
            Node::Persistent(id) => vec![(String::new(), *id)],
            Node::Object { of, arguments, state, items, pairs } => {
                let mut all: Vec<(String, usize)> = vec![(".__class__".into(), *of), ("()".into(), *arguments)];
                // The attributes of an object are in a dict that is its state.
                all.extend(state.map(|state| (String::new(), state)));
                all.extend::<Vec<_>>(numbered(items));
                all.extend::<Vec<_>>(keyed(pairs));
                all
            }
        }
    }

    /// A key of a dict as a step of a path.
    fn key(&self, at: usize) -> String {
        match &self.nodes[at] {
            Node::Plain(b'u', text) => format!(".{}", String::from_utf8_lossy(text)),
            Node::Plain(b'i', number) => format!("[{}]", String::from_utf8_lossy(number)),
            _ => "[...]".into(),
        }
    }
}

/// The path of the first value in which two pickles differ.
pub(super) fn difference(one: &Pickle, other: &Pickle) -> Option<String> {
    let mut path = String::new();
    let differs = compare(one, other, one.root, other.root, &mut path, &mut HashSet::new(), 0);
    differs.then(|| if path.is_empty() { "the value".to_owned() } else { path })
}

/// Whether two values differ; the path then leads to where.
fn compare(
    one: &Pickle,
    other: &Pickle,
    a: usize,
    b: usize,
    path: &mut String,
    seen: &mut HashSet<(usize, usize)>,
    depth: usize,
) -> bool {
    if depth > DEPTH || !seen.insert((a, b)) {
        return false;
    }
    let alike = match (&one.nodes[a], &other.nodes[b]) {
        (Node::Plain(kind, value), Node::Plain(kinds, values)) => (kind, value) == (kinds, values),
        (Node::Global(one), Node::Global(other)) => one == other,
        (one, other) => std::mem::discriminant(one) == std::mem::discriminant(other),
    };
    let (ones, others) = (one.children(a), other.children(b));
    if !alike {
        return true;
    }
    for ((step, a), (steps, b)) in ones.iter().zip(&others) {
        let length = path.len();
        path.push_str(if path.is_empty() { step.trim_start_matches('.') } else { step });
        if step != steps || compare(one, other, *a, *b, path, seen, depth + 1) {
            return true;
        }
        path.truncate(length);
    }
    ones.len() != others.len()
}

struct Reader<'b> {
    bytes: &'b [u8],
    at: usize,
    stack: Vec<usize>,
    marks: Vec<usize>,
    memo: HashMap<usize, usize>,
    nodes: Vec<Node>,
}

impl Reader<'_> {
    fn read(mut self) -> Option<Pickle> {
        if self.bytes.first() != Some(&0x80) {
            return None;
        }
        loop {
            let code = self.take(1)?[0];
            if code == b'.' {
                let root = self.stack.pop()?;
                // What comes after is another pickle, as joblib and others have it.
                return (self.at == self.bytes.len()).then_some(Pickle { nodes: self.nodes, root });
            }
            self.step(code)?;
        }
    }

    fn step(&mut self, code: u8) -> Option<()> {
        match code {
            0x80 => drop(self.take(1)?),
            0x95 => drop(self.take(8)?),
            b'(' => self.marks.push(self.stack.len()),
            b'0' => drop(self.stack.pop()?),
            b'1' => drop(self.marked()?),
            b'2' => self.stack.push(*self.stack.last()?),
            b'N' | 0x88 | 0x89 => self.plain(code, vec![]),
            b'J' => {
                let number = i32::from_le_bytes(self.take(4)?.try_into().ok()?);
                self.plain(b'i', number.to_string().into());
            }
            b'K' | b'M' => {
                let number = self.length(if code == b'K' { 1 } else { 2 })?;
                self.plain(b'i', number.to_string().into());
            }
            b'I' | b'L' | b'F' | b'S' | b'V' => {
                let line = self.line()?;
                self.plain(if code == b'V' { b'u' } else { code }, line);
            }
            0x8a => self.sized(b'l', 1)?,
            0x8b => self.sized(b'l', 4)?,
            b'G' => {
                let float = self.take(8)?.to_vec();
                self.plain(b'f', float);
            }
            b'T' => self.sized(b's', 4)?,
            b'U' => self.sized(b's', 1)?,
            b'X' => self.sized(b'u', 4)?,
            0x8c => self.sized(b'u', 1)?,
            0x8d => self.sized(b'u', 8)?,
            b'B' => self.sized(b'b', 4)?,
            b'C' => self.sized(b'b', 1)?,
            0x8e => self.sized(b'b', 8)?,
            0x96 => self.sized(b'a', 8)?,
            b']' => self.push(Node::List(vec![])),
            b')' => self.push(Node::Tuple(vec![])),
            b'}' => self.push(Node::Dict(vec![])),
            0x8f => self.push(Node::Set(vec![])),
            b'l' => self.gather(Node::List)?,
            b't' => self.gather(Node::Tuple)?,
            0x91 => self.gather(Node::Set)?,
            b'd' => {
                let pairs = pairs(&self.marked()?)?;
                self.push(Node::Dict(pairs));
            }
            0x85..=0x87 => {
                let from = self.stack.len().checked_sub(usize::from(code - 0x84))?;
                let items = self.stack.split_off(from);
                self.push(Node::Tuple(items));
            }
            b'a' => {
                let item = self.stack.pop()?;
                self.add(vec![item])?;
            }
            b'e' | 0x90 => {
                let items = self.marked()?;
                self.add(items)?;
            }
            b's' => {
                let (value, key) = (self.stack.pop()?, self.stack.pop()?);
                self.set(vec![(key, value)])?;
            }
            b'u' => {
                let pairs = pairs(&self.marked()?)?;
                self.set(pairs)?;
            }
            b'c' => {
                let (module, name) = (self.line()?, self.line()?);
                self.push(Node::Global(format!("{}.{}", text(&module), text(&name))));
            }
            0x93 => {
                let (name, module) = (self.stack.pop()?, self.stack.pop()?);
                let (Node::Plain(_, name), Node::Plain(_, module)) = (&self.nodes[name], &self.nodes[module]) else {
                    return None;
                };
                let name = format!("{}.{}", text(module), text(name));
                self.push(Node::Global(name));
            }
            b'R' | 0x81 => {
                let (arguments, of) = (self.stack.pop()?, self.stack.pop()?);
                self.object(of, arguments);
            }
            0x92 => {
                let (named, arguments, of) = (self.stack.pop()?, self.stack.pop()?, self.stack.pop()?);
                let arguments = self.node(Node::Tuple(vec![arguments, named]));
                self.object(of, arguments);
            }
            b'b' => {
                let state = self.stack.pop()?;
                match &mut self.nodes[*self.stack.last()?] {
                    Node::Object { state: before @ None, .. } => *before = Some(state),
                    _ => return None,
                }
            }
            b'Q' => {
                let id = self.stack.pop()?;
                self.push(Node::Persistent(id));
            }
            b'h' | b'j' => {
                let place = self.length(if code == b'h' { 1 } else { 4 })?;
                self.stack.push(*self.memo.get(&place)?);
            }
            b'q' | b'r' => {
                let place = self.length(if code == b'q' { 1 } else { 4 })?;
                self.memo.insert(place, *self.stack.last()?);
            }
            0x94 => drop(self.memo.insert(self.memo.len(), *self.stack.last()?)),
            _ => return None,
        }
        Some(())
    }

    fn take(&mut self, count: usize) -> Option<&[u8]> {
        let taken = self.bytes.get(self.at..self.at.checked_add(count)?)?;
        self.at += count;
        Some(taken)
    }

    /// A number of so many bytes that says how long something is, or where.
    fn length(&mut self, size: usize) -> Option<usize> {
        let number = self.take(size)?.iter().rev().fold(0u64, |number, byte| number << 8 | u64::from(*byte));
        usize::try_from(number).ok()
    }

    fn line(&mut self) -> Option<Vec<u8>> {
        let rest = self.bytes.get(self.at..)?;
        let end = rest.iter().position(|byte| *byte == b'\n')?;
        self.at += end + 1;
        Some(rest[..end].to_vec())
    }

    fn node(&mut self, node: Node) -> usize {
        self.nodes.push(node);
        self.nodes.len() - 1
    }

    fn push(&mut self, node: Node) {
        let at = self.node(node);
        self.stack.push(at);
    }

    fn plain(&mut self, kind: u8, value: Vec<u8>) {
        self.push(Node::Plain(kind, value));
    }

    fn sized(&mut self, kind: u8, size: usize) -> Option<()> {
        let length = self.length(size)?;
        let value = self.take(length)?.to_vec();
        self.plain(kind, value);
        Some(())
    }

    fn object(&mut self, of: usize, arguments: usize) {
        self.push(Node::Object { of, arguments, state: None, items: vec![], pairs: vec![] });
    }

    /// What is on the stack above the last mark.
    fn marked(&mut self) -> Option<Vec<usize>> {
        let mark = self.marks.pop()?;
        (mark <= self.stack.len()).then(|| self.stack.split_off(mark))
    }

    fn gather(&mut self, make: fn(Vec<usize>) -> Node) -> Option<()> {
        let items = self.marked()?;
        self.push(make(items));
        Some(())
    }

    fn add(&mut self, more: Vec<usize>) -> Option<()> {
        match &mut self.nodes[*self.stack.last()?] {
            Node::List(items) | Node::Set(items) | Node::Object { items, .. } => items.extend(more),
            _ => return None,
        }
        Some(())
    }

    fn set(&mut self, more: Vec<(usize, usize)>) -> Option<()> {
        match &mut self.nodes[*self.stack.last()?] {
            Node::Dict(pairs) | Node::Object { pairs, .. } => pairs.extend(more),
            _ => return None,
        }
        Some(())
    }
}

fn pairs(items: &[usize]) -> Option<Vec<(usize, usize)>> {
    let (pairs, rest) = items.as_chunks::<2>();
    rest.is_empty().then(|| pairs.iter().map(|[key, value]| (*key, *value)).collect())
}

fn text(bytes: &[u8]) -> std::borrow::Cow<'_, str> {
    String::from_utf8_lossy(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What `pickle.dumps({"a": ["xy", "xy"], "n": 1}, 4)` gives, with the two texts one object or two.
    fn pickled(shared: bool, last: u8) -> Vec<u8> {
        let again: &[u8] = if shared { b"h\x03" } else { b"\x8c\x02xy\x94" };
        [b"\x80\x04}\x94(\x8c\x01a\x94]\x94(\x8c\x02xy\x94", again, b"e\x8c\x01n\x94K", &[last], b"u."].concat()
    }

    fn differs(one: &[u8], other: &[u8]) -> Option<String> {
        difference(&Pickle::read(one).unwrap(), &Pickle::read(other).unwrap())
    }

    #[test]
    fn pickles_are_compared_by_their_values() {
        assert_eq!(differs(&pickled(true, 1), &pickled(false, 1)), None);
        assert_eq!(differs(&pickled(true, 1), &pickled(false, 2)), Some("n".into()));
        let other = pickled(true, 1).iter().map(|byte| if *byte == b'y' { b'z' } else { *byte }).collect::<Vec<_>>();
        assert_eq!(differs(&pickled(true, 1), &other), Some("a[0]".into()));
    }

    #[test]
    fn what_is_no_pickle_is_none() {
        let whole = pickled(true, 1);
        for length in 0..whole.len() {
            assert!(Pickle::read(&whole[..length]).is_none(), "{length}");
        }
        for bytes in
            [&b"\x80\x04."[..], b"\x80\x04N", b"\x80\x04N.N", b"\x80\x04\x8e\xff\xff\xff\xff\xff\xff\xff\xff", b"{}"]
        {
            assert!(Pickle::read(bytes).is_none(), "{bytes:?}");
        }
        // One that is in itself.
        let ring = b"\x80\x04]\x94h\x00a.";
        assert_eq!(differs(ring, ring), None);
    }
}
