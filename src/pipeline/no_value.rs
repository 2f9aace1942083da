//! What to say of a name that stands for nothing, or for nothing that fits.

use super::mistake::{Mistake, Mistakes, Spot};
use super::node::{Content, Node};
use super::suggest;
use super::template::Use;

/// `${params.a.b}` where `a` has no `b`.
pub(super) fn no_step(node: &Node, segment: &str, name: Use<'_>, mistakes: &Mistakes<'_>) -> Mistake {
    Mistake::new(format!("`${{{}}}`: there is no `{segment}`", name.name)).hint(known(node, segment, mistakes))
}

/// What there is in a value that has nothing of a name.
pub(super) fn known(node: &Node, segment: &str, mistakes: &Mistakes<'_>) -> String {
    match &node.content {
        Content::Map(entries) if entries.is_empty() => "this mapping is empty".into(),
        Content::Map(entries) => {
            let names = || entries.iter().map(|e| e.key.as_str());
            let hint = mistakes.nearest(segment, names());
            hint.unwrap_or_else(|| format!("known here: {}", suggest::list(names())))
        }
        Content::List(items) if items.is_empty() => "this list is empty".into(),
        Content::List(items) => format!("this is a list; its items are 0 to {}", items.len() - 1),
        _ => format!("what comes before it is {}", node.what()),
    }
}

/// A list or mapping where text is needed.
pub(super) fn not_text(name: Use<'_>, node: &Node, spot: Spot) -> Mistake {
    let message = format!("`${{{}}}` is {}, which cannot stand within text", name.name, node.what());
    let mistake = Mistake::new(message).at(spot, "").at(node.place, "defined here");
    match node.content {
        Content::Map(_) => mistake.hint("name one of its fields"),
        _ => mistake,
    }
}
