//! Names for inputs and outputs.

use std::collections::BTreeSet;

/// A path without the `${...}` in it.
fn without_names(path: &str) -> String {
    let mut out = String::new();
    let mut rest = path;
    while let Some(at) = rest.find("${") {
        out.push_str(&rest[..at]);
        rest = rest[at..].find('}').map_or("", |end| &rest[at + end + 1..]);
    }
    out + rest
}

/// Names for inputs or outputs: of the files, with more of their paths where two are the same.
#[derive(Default)]
pub(super) struct Ports(BTreeSet<String>);

impl Ports {
    pub(super) fn name(&mut self, path: &str) -> String {
        let clean = |text: &str| -> String {
            let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
            let text: String = text.chars().map(|c| if good(c) { c } else { '_' }).collect();
            text.trim_matches(['-', '_']).chars().take(80).collect()
        };
        let path = without_names(path);
        let path = path.as_str();
        let last = path.rsplit('/').next().unwrap_or(path);
        let stem = last.split('.').find(|part| !part.is_empty()).unwrap_or(last);
        let folder = path.rsplit('/').nth(1).unwrap_or_default();
        // Of a file that is named by its values alone the folder says what it is.
        let whole = if last.starts_with('.') { clean(folder) } else { clean(last) };
        let stem = if last.starts_with('.') { "" } else { stem };
        let candidates = [clean(stem), whole, clean(&format!("{folder}_{stem}")), clean(path)];
        let name = candidates.iter().find(|name| !name.is_empty() && !self.0.contains(*name)).cloned();
        let mut name = name.unwrap_or_else(|| "file".to_owned());
        let base = name.clone();
        let mut n = 2;
        while !self.0.insert(name.clone()) {
            name = format!("{base}_{n}");
            n += 1;
        }
        name
    }
}
