//! Lock files: names and versions of what is to be installed, as far as the format is known; else the file as a whole.

use std::fs;
use std::path::Path;

use serde_json::Value;
use toml::de::{DeTable, DeValue};

use super::python::normal;
use super::{Listing, short};
use crate::text;

/// What a lock file says.
///
/// # Errors
/// If it cannot be read.
pub(super) fn read(file: &Path, root: &Path) -> Result<Listing, String> {
    let bytes = fs::read(root.join(file))
        .map_err(|e| format!("cannot read {}, which `environment` names: {e}", file.display()))?;
    let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let text = text::of(&bytes).unwrap_or_default();
    let listing = match name.as_str() {
        "renv.lock" => renv(text),
        _ if name.ends_with(".lock") => of_tables(text),
        _ if name.starts_with("requirements") && name.ends_with(".txt") => requirements(text),
        _ => None,
    };
    Ok(listing
        .filter(|listing| !listing.is_empty())
        .unwrap_or_else(|| Listing::from([(file.display().to_string(), short(blake3::hash(&bytes).as_bytes()))])))
}

/// `[[package]]` with `name` and `version`, as uv, Poetry and PDM write them. What else a table says counts as well.
fn of_tables(text: &str) -> Option<Listing> {
    let table = DeTable::parse(text).ok()?;
    let DeValue::Array(packages) = table.get_ref().get("package")?.get_ref() else { return None };
    let mut listing = Listing::new();
    for package in packages.iter() {
        let DeValue::Table(fields) = package.get_ref() else { return None };
        let field = |name: &str| match fields.get(name).map(toml::Spanned::get_ref) {
            Some(DeValue::String(text)) => Some(text.to_string()),
            _ => None,
        };
        let name = normal(&field("name")?);
        let digest = short(blake3::hash(text.get(extent(package.span(), text))?.as_bytes()).as_bytes());
        let version = format!("{} ({digest})", field("version").unwrap_or_default());
        // A lock may have several versions of one, for several platforms.
        listing.entry(name).and_modify(|all| *all = format!("{all}, {version}")).or_insert(version);
    }
    Some(listing)
}

/// The lines of a table: from its heading to the next of another package.
fn extent(heading: std::ops::Range<usize>, text: &str) -> std::ops::Range<usize> {
    let rest = text.get(heading.end..).unwrap_or_default();
    let end = rest.find("\n[[package]]").map_or(text.len(), |at| heading.end + at);
    heading.start..end.max(heading.end)
}

/// `name==version`, with continued lines.
fn requirements(text: &str) -> Option<Listing> {
    let joined = text.replace("\\\n", " ");
    let mut listing = Listing::new();
    for line in joined.lines() {
        let line = line.split(" #").next().unwrap_or_default().trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let end = line.find(|c: char| !(c.is_ascii_alphanumeric() || "-_.".contains(c))).unwrap_or(line.len());
        let (name, rest) = line.split_at(end);
        if name.is_empty() || name.starts_with('-') {
            // An option, or another file: only the whole says all.
            return None;
        }
        let said = rest.split_whitespace().collect::<Vec<_>>().join(" ");
        let version = said.strip_prefix("==").unwrap_or(&said).to_owned();
        listing.insert(
            normal(name),
            match version.split_once(' ') {
                Some((version, more)) => format!("{version} ({})", short(blake3::hash(more.as_bytes()).as_bytes())),
                None => version,
            },
        );
    }
    Some(listing)
}

/// `{"R": {"Version": ...}, "Packages": {"dplyr": {"Version": ..., "Hash": ...}}}`.
fn renv(text: &str) -> Option<Listing> {
    let value: Value = serde_json::from_str(text).ok()?;
    let mut listing = Listing::new();
    listing.insert("R".into(), value["R"]["Version"].as_str().unwrap_or_default().to_owned());
    for (name, package) in value["Packages"].as_object()? {
        let digest = short(blake3::hash(package.to_string().as_bytes()).as_bytes());
        listing.insert(name.clone(), format!("{} ({digest})", package["Version"].as_str().unwrap_or_default()));
    }
    Some(listing)
}
