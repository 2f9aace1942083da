//! The form of a YAML tree: mappings whose keys are fixed, names, and values of a type.

use super::mistake::{Mistake, Mistakes};
use super::name;
use super::node::{Content, Entry, Node, Place};
use super::suggest;

/// The entries of a mapping whose keys are fixed; anything else in it is a mistake.
pub(super) fn fields<'n>(node: &'n Node, what: &str, known: &[&str], mistakes: &mut Mistakes<'_>) -> &'n [Entry] {
    let Content::Map(entries) = &node.content else {
        let _: Option<()> = wrong(node, what, "a mapping", mistakes);
        return &[];
    };
    for entry in entries.iter().filter(|e| e.key != "<<" && !known.contains(&e.key.as_str())) {
        let hint = mistakes
            .nearest(&entry.key, known.iter().copied())
            .unwrap_or_else(|| format!("known here: {}", suggest::list_all(known)));
        mistakes.add(Mistake::new(format!("unknown key `{}` in {what}", entry.key)).at(entry.place, "").hint(hint));
    }
    entries
}

/// The entries under a key that has to hold a mapping; absent or empty is none.
pub(super) fn mapping<'n>(entry: &'n Entry, mistakes: &mut Mistakes<'_>) -> &'n [Entry] {
    match &entry.node.content {
        Content::Map(entries) => entries,
        Content::Null => &[],
        _ => {
            let _: Option<()> = wrong(&entry.node, &format!("`{}`", entry.key), "a mapping", mistakes);
            &[]
        }
    }
}

/// The entry of a key.
pub(super) fn get<'n>(entries: &'n [Entry], key: &str) -> Option<&'n Entry> {
    entries.iter().find(|e| e.key == key)
}

/// A name that cannot be one is a mistake.
pub(super) fn named(what: &str, name: &str, place: Place, dots: bool, mistakes: &mut Mistakes<'_>) {
    if let Some(fault) = name::fault(name, dots) {
        mistakes.add(Mistake::new(format!("`{name}` cannot be {what}")).at(place, fault));
    }
}

/// A value of another type than is wanted.
pub(super) fn wrong<T>(node: &Node, what: &str, wanted: &str, mistakes: &mut Mistakes<'_>) -> Option<T> {
    let found = node.what();
    mistakes.add(Mistake::new(format!("{what} has to be {wanted}")).at(node.place, format!("this is {found}")));
    None
}
