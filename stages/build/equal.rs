//! The list of equal code (`equal-code.toml`): which code fingerprints of a kind count as which, and the golden outputs
//! that prove it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use toml::Table;

/// Kind -> its code, the oldest first.
pub(crate) type List = BTreeMap<String, Vec<Code>>;

/// Code of a kind: all fingerprints that give the same outputs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Code {
    /// The code fingerprints, the oldest first. The oldest enters the keys of results.
    pub(crate) fingerprints: Vec<String>,
    /// Golden case and the machines it holds for -> BLAKE3 of what the kind makes of the case.
    pub(crate) outputs: BTreeMap<String, String>,
}

/// Reads the list.
pub(crate) fn read(text: &str) -> Result<List, String> {
    let table: Table = text.parse().map_err(|e| format!("{e}"))?;
    let mut list = List::new();
    for (kind, entries) in &table {
        let entries = entries.as_array().ok_or_else(|| format!("`{kind}` is no list: write [[\"{kind}\"]]"))?;
        let mut seen = BTreeSet::new();
        for entry in entries {
            let code = code(entry).ok_or_else(|| format!("an entry of `{kind}` has not `code` and `outputs` alone"))?;
            let names = code.fingerprints.iter().chain(code.outputs.values());
            if let Some(odd) = names.clone().find(|name| !is_digest(name)) {
                return Err(format!("`{odd}`, of `{kind}`, is no digest of 64 hexadecimal digits"));
            }
            if let Some(again) = code.fingerprints.iter().find(|name| !seen.insert((*name).clone())) {
                return Err(format!("the code {again} of `{kind}` stands there twice"));
            }
            list.entry(kind.clone()).or_default().push(code);
        }
    }
    Ok(list)
}

fn code(entry: &toml::Value) -> Option<Code> {
    let entry = entry.as_table()?;
    let text = |value: &toml::Value| value.as_str().map(str::to_owned);
    let fingerprints: Vec<String> = entry.get("code")?.as_array()?.iter().map(text).collect::<Option<_>>()?;
    let outputs = entry.get("outputs")?.as_table()?;
    let outputs = outputs.iter().map(|(case, digest)| Some((case.clone(), text(digest)?))).collect::<Option<_>>()?;
    (entry.len() == 2 && !fingerprints.is_empty()).then_some(Code { fingerprints, outputs })
}

fn is_digest(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

/// The list as text, below a header of comment lines.
#[allow(dead_code, reason = "the build script only reads")]
pub(crate) fn write(header: &str, list: &List) -> String {
    let mut text = header.to_owned();
    for (kind, entries) in list {
        for Code { fingerprints, outputs } in entries {
            let _ = writeln!(text, "\n[[\"{kind}\"]]\ncode = [");
            for fingerprint in fingerprints {
                let _ = writeln!(text, "  \"{fingerprint}\",");
            }
            let _ = writeln!(text, "]\n[\"{kind}\".outputs]");
            for (case, digest) in outputs {
                let _ = writeln!(text, "\"{case}\" = \"{digest}\"");
            }
        }
    }
    text
}
