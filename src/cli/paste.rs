//! Putting inputs into the text of a pipeline file, where all else stays as it is.

/// The text with inputs in the stage whose name stands at a byte; nothing where the stage is not written line by line.
pub(crate) fn inputs(text: &str, at: usize, entries: &[(String, String)]) -> Option<String> {
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let mut start = 0;
    let own = lines.iter().position(|line| {
        start += line.len();
        at < start
    })?;
    let indent = depth(lines[own])?;
    // What is behind the name makes it a stage that is not written line by line.
    let rest = lines[own].split_once(':')?.1;
    if !is_empty(rest) {
        return None;
    }
    let deeper = |than: usize, line: &str| depth(line).is_none_or(|own| own > than);
    let end = own + 1 + lines[own + 1..].iter().take_while(|line| deeper(indent, line)).count();
    let body = lines[own + 1..end].iter().find_map(|line| depth(line))?;
    let key = |name: &str| {
        (own + 1..end).find(|line| {
            depth(lines[*line]) == Some(body) && lines[*line].trim_start().starts_with(&format!("{name}:"))
        })
    };
    let space = |depth: usize| " ".repeat(depth);
    let lines_at = |depth: usize| -> String {
        entries.iter().map(|(name, value)| format!("{}{name}: {value}\n", space(depth))).collect()
    };
    let (at, new) = match key("inputs") {
        None => {
            let at = key("outputs").map_or_else(|| behind(&lines, own + 1, end), |at| with_comments(&lines, at, body));
            (at, format!("{}inputs:\n{}", space(body), lines_at(body + 2)))
        }
        Some(inputs) => {
            let rest = lines[inputs].split_once(':')?.1.trim();
            if is_empty(rest) {
                let over = inputs + 1 + lines[inputs + 1..end].iter().take_while(|line| deeper(body, line)).count();
                let over = behind(&lines, inputs + 1, over);
                let own = lines[inputs + 1..over].iter().find_map(|line| depth(line)).unwrap_or(body + 2);
                (over, lines_at(own))
            } else {
                return on_one_line(&lines, inputs, rest, entries);
            }
        }
    };
    let before: String = lines[..at].concat();
    let gap = if before.ends_with('\n') { "" } else { "\n" };
    Some(format!("{before}{gap}{new}{}", lines[at..].concat()))
}

/// `inputs: {a: b}` with more in it.
fn on_one_line(lines: &[&str], at: usize, rest: &str, entries: &[(String, String)]) -> Option<String> {
    if !(rest.starts_with('{') && rest.ends_with('}')) || rest.contains(" #") {
        return None;
    }
    let inner = rest[1..rest.len() - 1].trim().trim_end_matches(',');
    let added = entries.iter().map(|(name, value)| format!("{name}: {value}"));
    let all: Vec<String> = Some(inner.to_owned()).filter(|inner| !inner.is_empty()).into_iter().chain(added).collect();
    let head = lines[at].split_once(':')?.0;
    let end = if lines[at].ends_with('\n') { "\n" } else { "" };
    let new = format!("{head}: {{{}}}{end}", all.join(", "));
    Some(format!("{}{new}{}", lines[..at].concat(), lines[at + 1..].concat()))
}

/// The line behind the last of some lines that says something.
fn behind(lines: &[&str], from: usize, to: usize) -> usize {
    (from..to).rev().find(|line| depth(lines[*line]).is_some()).map_or(from, |line| line + 1)
}

/// The first of the comments that stand right above a line, as far in as its key; the line itself where there are none.
fn with_comments(lines: &[&str], line: usize, indent: usize) -> usize {
    let comment = format!("{}#", " ".repeat(indent));
    (0..line).rev().find(|above| !lines[*above].starts_with(&comment)).map_or(0, |above| above + 1)
}

/// How far a line is indented; nothing for one that is empty or a comment.
fn depth(line: &str) -> Option<usize> {
    let text = line.trim_start_matches(' ');
    (!is_empty(text)).then(|| line.len() - text.len())
}

fn is_empty(text: &str) -> bool {
    let text = text.trim();
    text.is_empty() || text.starts_with('#')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paste(text: &str) -> Option<String> {
        let entries = [("a".to_owned(), "x.py".to_owned()), ("b".to_owned(), "{from: p.o}".to_owned())];
        inputs(text, text.find(" s:").unwrap() + 1, &entries)
    }

    #[test]
    fn inputs_are_put_where_a_person_would_put_them() {
        let new = |text: &str| paste(text).unwrap();
        assert_eq!(
            new("stages:\n  s:  # mine\n    run: x\n    # what it makes\n    outputs: {o: o}\n  t: {}\n"),
            "stages:\n  s:  # mine\n    run: x\n    inputs:\n      a: x.py\n      b: {from: p.o}\n    # what it makes\n    outputs: {o: o}\n  t: {}\n"
        );
        assert_eq!(
            new("  s:\n    inputs:\n      old: y   # keep\n\n    # more\n    run: |\n      inputs: no\n\n  t:\n"),
            "  s:\n    inputs:\n      old: y   # keep\n      a: x.py\n      b: {from: p.o}\n\n    # more\n    run: |\n      inputs: no\n\n  t:\n"
        );
        assert_eq!(
            new("  s:\n    inputs: {old: y}\n    run: x"),
            "  s:\n    inputs: {old: y, a: x.py, b: {from: p.o}}\n    run: x"
        );
        assert_eq!(new("  s:\n    run: x"), "  s:\n    run: x\n    inputs:\n      a: x.py\n      b: {from: p.o}\n");
    }

    #[test]
    fn nothing_is_put_into_what_is_not_written_line_by_line() {
        for text in ["  s: {run: x}\n", "  s:\n    inputs: {old:\n      y}\n", "  s:\n    inputs: {old: y} # why\n"] {
            assert_eq!(paste(text), None, "{text}");
        }
    }
}
