//! Parameters in Python: assignments of literals at the top, in classes, and to `self` in `__init__`. All else is passed over, as DVC does.

use super::yaml::{At, Content, Entry, Node};

/// Reads the parameters of a Python file.
pub(super) fn read(text: &str) -> Node {
    let mut root = Node::new(Content::Map(vec![]));
    // Classes that are open, each with the column of its body; and the column of the body of an `__init__`.
    let mut classes: Vec<(usize, String)> = Vec::new();
    let mut skip: Option<usize> = None;
    let mut init: Option<usize> = None;
    let lines: Vec<&str> = text.lines().collect();
    let mut i = 0;
    while i < lines.len() {
        let line = lines[i];
        let number = i + 1;
        i += 1;
        let code = line.trim_start();
        if code.is_empty() || code.starts_with('#') {
            continue;
        }
        let column = line.len() - code.len();
        classes.retain(|(outer, _)| column > *outer);
        skip = skip.filter(|outer| column > *outer);
        init = init.filter(|outer| column > *outer);
        if skip.is_some() {
            continue;
        }
        if let Some(rest) = code.strip_prefix("class ") {
            let name: String = rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            classes.push((column, name));
            continue;
        }
        if code.starts_with("def __init__") {
            init = Some(column);
            continue;
        }
        if code.ends_with(':') || code.starts_with("def ") || code.starts_with('@') {
            skip = Some(column);
            continue;
        }
        let Some((target, mut value)) = assignment(code).map(|(t, v)| (t, v.to_owned())) else { continue };
        // A literal may go on over several lines.
        while !is_closed(&value) && i < lines.len() {
            value.push('\n');
            value.push_str(lines[i]);
            i += 1;
        }
        let name = match (target.strip_prefix("self."), init) {
            (Some(name), Some(_)) => name,
            (None, None) => target,
            _ => continue,
        };
        if !name.chars().all(|c| c.is_alphanumeric() || c == '_') {
            continue;
        }
        let Some(mut node) = literal(&value) else { continue };
        node.at = At { line: number, column: column + 1 };
        let mut place = &mut root;
        for (_, class) in &classes {
            place = child(place, class);
        }
        *child(place, name) = node;
    }
    root
}

/// The mapping under a key, made if it is not there.
fn child<'n>(node: &'n mut Node, key: &str) -> &'n mut Node {
    if !matches!(node.content, Content::Map(_)) {
        node.content = Content::Map(vec![]);
    }
    let Content::Map(entries) = &mut node.content else { unreachable!("it was made one above") };
    let at = entries.iter().position(|entry| entry.key == key).unwrap_or_else(|| {
        entries.push(Entry { key: key.to_owned(), at: At::default(), node: Node::new(Content::Map(vec![])) });
        entries.len() - 1
    });
    &mut entries[at].node
}

/// `x = 1` or `x: int = 1`.
fn assignment(code: &str) -> Option<(&str, &str)> {
    let (target, value) = code.split_once('=')?;
    if value.starts_with('=') || target.ends_with(['!', '<', '>', '+', '-', '*', '/', '%', '|', '&', '^', '@', ':']) {
        return None;
    }
    let target = target.split(':').next().unwrap_or(target).trim();
    Some((target, value.trim()))
}

fn is_closed(text: &str) -> bool {
    let mut depth = 0_i32;
    let mut quote = None;
    let mut escaped = false;
    for c in text.chars() {
        match (quote, c) {
            _ if escaped => escaped = false,
            (Some(_), '\\') => escaped = true,
            (Some(q), c) if q == c => quote = None,
            (Some(_), _) => {}
            (None, '\'' | '"') => quote = Some(c),
            (None, '[' | '(' | '{') => depth += 1,
            (None, ']' | ')' | '}') => depth -= 1,
            _ => {}
        }
    }
    depth <= 0
}

/// A literal of Python; `None` for any expression.
fn literal(text: &str) -> Option<Node> {
    let mut parser = Literal { rest: text.trim() };
    let node = parser.value()?;
    parser.blank();
    parser.rest.is_empty().then_some(node)
}

struct Literal<'t> {
    rest: &'t str,
}

impl Literal<'_> {
    fn blank(&mut self) {
        loop {
            self.rest = self.rest.trim_start();
            match self.rest.strip_prefix('#') {
                Some(comment) => self.rest = comment.find('\n').map_or("", |end| &comment[end..]),
                None => return,
            }
        }
    }

    fn eat(&mut self, c: char) -> bool {
        self.blank();
        match self.rest.strip_prefix(c) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn value(&mut self) -> Option<Node> {
        self.blank();
        let content = match self.rest.chars().next()? {
            '[' => self.list('[', ']')?,
            '(' => self.list('(', ')')?,
            '{' => self.map()?,
            '\'' | '"' => Content::Text(self.string()?),
            _ => self.word()?,
        };
        Some(Node::new(content))
    }

    fn list(&mut self, open: char, close: char) -> Option<Content> {
        self.eat(open);
        let mut items = Vec::new();
        loop {
            if self.eat(close) {
                return Some(Content::List(items));
            }
            items.push(self.value()?);
            if !self.eat(',') {
                return self.eat(close).then_some(Content::List(items));
            }
        }
    }

    fn map(&mut self) -> Option<Content> {
        self.eat('{');
        let mut entries = Vec::new();
        loop {
            if self.eat('}') {
                return Some(Content::Map(entries));
            }
            let key = self.value()?;
            if !self.eat(':') {
                return None;
            }
            entries.push(Entry { key: key.shown()?, at: At::default(), node: self.value()? });
            if !self.eat(',') {
                return self.eat('}').then_some(Content::Map(entries));
            }
        }
    }

    fn string(&mut self) -> Option<String> {
        let quote = self.rest.chars().next()?;
        if self.rest.starts_with("\"\"\"") || self.rest.starts_with("'''") {
            return None;
        }
        let mut out = String::new();
        let mut chars = self.rest[1..].char_indices();
        while let Some((at, c)) = chars.next() {
            match c {
                '\\' => match chars.next()?.1 {
                    'n' => out.push('\n'),
                    't' => out.push('\t'),
                    c @ ('\\' | '\'' | '"') => out.push(c),
                    _ => return None,
                },
                c if c == quote => {
                    self.rest = &self.rest[at + 2..];
                    return Some(out);
                }
                c => out.push(c),
            }
        }
        None
    }

    fn word(&mut self) -> Option<Content> {
        let end = self.rest.find(|c: char| c.is_whitespace() || matches!(c, ',' | ']' | ')' | '}' | ':' | '#'));
        let (word, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
        self.rest = rest;
        match word {
            "True" => return Some(Content::Bool(true)),
            "False" => return Some(Content::Bool(false)),
            "None" => return Some(Content::Null),
            _ => {}
        }
        let number = word.replace('_', "");
        match number.parse::<i128>() {
            Ok(int) => Some(Content::Int(int)),
            Err(_) if number.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '-' | '+' | '.')) => {
                number.parse().ok().map(Content::Float)
            }
            Err(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn assignments_of_literals_are_parameters() {
        let text = "import os\nLR = 0.1\nN: int = 3\nL = [\n  1,  # one\n  'two',\n]\nX = 2 * 3\nA1, B1 = 1, 2\nif True:\n    Y = 1\n\
            class Outer:\n    z = (1, 2)\n    class Inner:\n        x = {'a': None}\n    def __init__(self):\n        self.s = 'q'\n    def f(self):\n        self.t = 1\n";
        let node = read(text);
        assert_eq!(
            node.json(),
            json!({"LR": 0.1, "N": 3, "L": [1, "two"], "Outer": {"z": [1, 2], "Inner": {"x": {"a": null}}, "s": "q"}})
        );
    }
}
