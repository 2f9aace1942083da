//! Lock files: names and versions of what is to be installed, as far as the format is known; else the file as a whole.

use std::collections::{BTreeSet, VecDeque};
use std::fs;
use std::path::Path;

use serde_json::Value;
use toml::de::{DeTable, DeValue};

use super::packages::normal;
use super::{Listing, joined, short};
use crate::links::without_dots;
use crate::text;

/// What a lock file says. `packages` asks for single packages also where the file has options, which only the file as a whole says.
///
/// # Errors
/// If it cannot be read.
pub(super) fn read(file: &Path, root: &Path, packages: bool) -> Result<Listing, String> {
    let bytes = fs::read(root.join(file))
        .map_err(|e| format!("cannot read {}, which `environment` names: {e}", file.display()))?;
    let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let text = text::of(&bytes).unwrap_or_default();
    let listing = match name.as_str() {
        "renv.lock" => renv(text),
        _ if name.ends_with(".lock") => of_tables(text),
        _ if name.starts_with("requirements") && name.ends_with(".txt") => {
            return Ok(of_requirements(file, bytes, root, packages));
        }
        _ => None,
    };
    Ok(listing.filter(|listing| !listing.is_empty()).unwrap_or_else(|| whole(file, &bytes)))
}

/// A file by its content.
fn whole(file: &Path, bytes: &[u8]) -> Listing {
    Listing::from([(file.display().to_string(), short(blake3::hash(bytes).as_bytes()))])
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

/// A file of requirements, and those that it refers to.
fn of_requirements(file: &Path, bytes: Vec<u8>, root: &Path, packages: bool) -> Listing {
    let mut listings = vec![];
    let mut seen = BTreeSet::from([without_dots(file)]);
    let mut open = VecDeque::from([(file.to_owned(), bytes)]);
    while let Some((file, bytes)) = open.pop_front() {
        let found = Requirements::of(text::of(&bytes).unwrap_or_default());
        listings.push(match found.packages.is_empty() || (found.has_options && !packages) {
            true => whole(&file, &bytes),
            false => found.packages,
        });
        for name in found.others {
            let other = without_dots(&file.parent().unwrap_or(Path::new("")).join(&name));
            if !seen.insert(other.clone()) {
                continue;
            }
            match fs::read(root.join(&other)) {
                Ok(bytes) => open.push_back((other, bytes)),
                Err(_) => listings.push(Listing::from([(other.display().to_string(), "not there".to_owned())])),
            }
        }
    }
    joined(listings)
}

/// What a file of requirements says.
#[derive(Default)]
struct Requirements {
    packages: Listing,
    /// Whether it has lines that name no package.
    has_options: bool,
    /// The files that it refers to, relative to its folder.
    others: Vec<String>,
}

impl Requirements {
    /// Lines `name==version`, which may be continued. A package may have several, for several platforms.
    fn of(text: &str) -> Self {
        // A comment is not continued.
        let is_comment = |line: &&str| line.trim_start().starts_with('#');
        let lines: Vec<&str> = text.lines().filter(|line| !is_comment(line)).collect();
        let joined_lines = lines.join("\n").replace("\\\n", " ");
        let mut found = Self::default();
        let mut listings = vec![];
        for line in joined_lines.lines() {
            let line = line.split(" #").next().unwrap_or_default().trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let end = line.find(|c: char| !(c.is_ascii_alphanumeric() || "-_.".contains(c))).unwrap_or(line.len());
            let (name, rest) = line.split_at(end);
            if name.is_empty() || name.starts_with('-') {
                // Only the whole says all.
                found.has_options = true;
                found.others.extend(referred(line));
                continue;
            }
            let said = rest.split_whitespace().collect::<Vec<_>>().join(" ");
            let version = said.strip_prefix("==").unwrap_or(&said).to_owned();
            let version = match version.split_once(' ') {
                Some((version, more)) => format!("{version} ({})", short(blake3::hash(more.as_bytes()).as_bytes())),
                None => version,
            };
            listings.push(Listing::from([(normal(name), version)]));
        }
        found.packages = joined(listings);
        found
    }
}

/// The file that an option refers to: `-r base.txt`, `-cconstraints.txt`, `--requirement=base.txt`.
fn referred(line: &str) -> Option<String> {
    let options = ["--requirement", "--constraint", "-r", "-c"];
    let rest = options.iter().find_map(|option| line.strip_prefix(option))?;
    let name = rest.trim_start_matches('=').trim().trim_matches(['"', '\'']);
    (!name.is_empty() && !name.contains("://")).then(|| name.to_owned())
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
