//! Values as YAML: on one line, as a block, quoted where they have to be.

use super::yaml::{self, Content, Node};

/// A value on one line.
pub(super) fn flow(node: &Node) -> String {
    match &node.content {
        Content::Null => "null".into(),
        Content::Float(value) if value.is_nan() => ".nan".into(),
        Content::Float(value) if value.is_infinite() => {
            if *value > 0.0 {
                ".inf".into()
            } else {
                "-.inf".into()
            }
        }
        Content::Text(text) => scalar(text, true),
        Content::List(items) => format!("[{}]", items.iter().map(flow).collect::<Vec<_>>().join(", ")),
        Content::Map(entries) => {
            let entries = entries.iter().map(|entry| format!("{}: {}", scalar(&entry.key, true), flow(&entry.node)));
            format!("{{{}}}", entries.collect::<Vec<_>>().join(", "))
        }
        _ => node.shown().unwrap_or_default(),
    }
}

/// A text as a literal block, or quoted where a block cannot hold it.
pub(super) fn block_or(text: &str, indent: &str) -> String {
    let plain = text.contains('\n')
        && !text.starts_with([' ', '\t', '\n'])
        && !text.chars().any(|c| c.is_control() && c != '\n')
        && !text.contains(['\u{85}', '\u{2028}', '\u{2029}', '\u{feff}']);
    if !plain {
        return scalar(text, false);
    }
    let (sign, body) = match text.strip_suffix('\n') {
        Some(body) if !body.ends_with('\n') => ("|", body),
        Some(_) => return quoted(text),
        None => ("|-", text),
    };
    let lines = body.lines().map(|line| if line.is_empty() { String::new() } else { format!("{indent}{line}") });
    format!("{sign}\n{}", lines.collect::<Vec<_>>().join("\n"))
}

/// A text as a scalar on one line, quoted where it has to be.
pub(super) fn scalar(text: &str, in_flow: bool) -> String {
    if is_plain(text, in_flow) {
        return text.to_owned();
    }
    let simple =
        !text.chars().any(|c| c.is_control()) && !text.contains(['\u{85}', '\u{2028}', '\u{2029}', '\u{feff}']);
    if simple && text.contains(['"', '\\']) {
        return format!("'{}'", text.replace('\'', "''"));
    }
    quoted(text)
}

fn quoted(text: &str) -> String {
    let json = serde_json::Value::String(text.to_owned()).to_string();
    json.replace('\u{85}', "\\N")
        .replace('\u{2028}', "\\L")
        .replace('\u{2029}', "\\P")
        .replace('\u{feff}', "\\ufeff")
        .replace('\u{7f}', "\\x7f")
}

fn is_plain(text: &str, in_flow: bool) -> bool {
    const WORDS: &[&str] = &["yes", "no", "on", "off", "y", "n", "true", "false", "null", "~"];
    let Some(first) = text.chars().next() else { return false };
    let number = matches!(yaml::read(text).map(|node| node.content), Ok(Content::Text(read)) if read == text);
    number
        && !WORDS.contains(&text.to_lowercase().as_str())
        && !text.contains(['\n', '\r', '\t'])
        && !text.chars().any(char::is_control)
        && !text.starts_with(' ')
        && !text.ends_with([' ', ':'])
        && !text.contains(": ")
        && !text.contains(" #")
        && !matches!(
            first,
            '-' | '?'
                | ':'
                | ','
                | '['
                | ']'
                | '{'
                | '}'
                | '#'
                | '&'
                | '*'
                | '!'
                | '|'
                | '>'
                | '\''
                | '"'
                | '%'
                | '@'
                | '`'
                | '='
                | '<'
        )
        && !is_numberish(text)
        && !(in_flow && text.contains([',', '[', ']', '{', '}', ':']))
}

/// Whether a text could be a number, a date or a time to some reader.
fn is_numberish(text: &str) -> bool {
    let sign = |c: char| matches!(c, '.' | '_' | ':' | '+' | '-' | 'x' | 'o' | 'T' | 'Z' | ' ');
    text.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '+' | '.'))
        && text.chars().all(|c| c.is_ascii_hexdigit() || sign(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scalars_read_back_as_what_they_were() {
        for text in [
            "a",
            "a b",
            "",
            " a",
            "a: b",
            "a #b",
            "- x",
            "yes",
            "1",
            "1e3",
            "017",
            "2020-01-02",
            "12:30",
            "it's",
            "\"x\"",
            "a\\b",
            "${params.x}/y",
            "x\ny",
            "\t",
            "é",
            "[a]",
            "{a}",
            "a,b",
            "true",
            "null",
            "a:",
            "%x",
            "@x",
            "a'b\"c\\d",
            "0x1F",
            ".5",
        ] {
            for in_flow in [false, true] {
                let shown = scalar(text, in_flow);
                let yaml = if in_flow { format!("k: [{shown}]\n") } else { format!("k: {shown}\n") };
                let read: serde_yaml::Value = serde_yaml::from_str(&yaml).unwrap_or_else(|e| panic!("{yaml}: {e}"));
                let read = if in_flow { read["k"][0].clone() } else { read["k"].clone() };
                assert_eq!(read.as_str(), Some(text), "{yaml}");
            }
        }
    }

    #[test]
    fn blocks_read_back_as_what_they_were() {
        for text in ["a\nb", "a\n  b\n", "a\n\nb", "\na", "a\n\n", "x\t\ny", "(\na; b\n)"] {
            let yaml = format!("k: {}\n", block_or(text, "  "));
            let read: serde_yaml::Value = serde_yaml::from_str(&yaml).unwrap_or_else(|e| panic!("{yaml}: {e}"));
            assert_eq!(read["k"].as_str(), Some(text), "{yaml}");
        }
    }
}
