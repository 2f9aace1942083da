//! Typed values out of plain ones, with the path to a mistake.

use serde::{Deserialize, Deserializer};
use serde_path_to_error::Segment;

use crate::kind::ParamError;
use crate::suggest;

/// Reads a typed value.
///
/// # Errors
/// If the value is none: what is wrong, and where.
pub fn read<'de, P: Deserialize<'de>, D: Deserializer<'de>>(value: D) -> Result<P, ParamError> {
    serde_path_to_error::deserialize(value).map_err(|error| {
        let steps = error.path().iter().filter_map(|segment| match segment {
            Segment::Map { key } => Some(key.clone()),
            Segment::Seq { index } => Some(index.to_string()),
            _ => None,
        });
        ParamError { path: steps.collect(), message: error.inner().to_string(), hint: None }
    })
}

/// The names in a message of serde's about one that it does not know: that one, and those that it would take.
pub fn unknown(message: &str) -> Option<(&str, Vec<&str>)> {
    let mut names = message.split('`').skip(1).step_by(2);
    let wrong = names.next().filter(|_| message.starts_with("unknown "))?;
    Some((wrong, names.collect()))
}

/// A hint for a name that nothing has: the nearest of those that there are, else all of them.
pub fn hint<'n>(wrong: &str, names: impl IntoIterator<Item = &'n str>) -> Option<String> {
    let names: Vec<&str> = names.into_iter().collect();
    let all = || (!names.is_empty()).then(|| format!("one of: {}", names.join(", ")));
    near(wrong, names.iter().copied()).or_else(all)
}

/// A hint for a name that nothing has, if one that there is lies near: for a message that names all of them itself.
pub fn near<'n>(wrong: &str, names: impl IntoIterator<Item = &'n str>) -> Option<String> {
    suggest::nearest(wrong, names).map(|name| suggest::did_you_mean(wrong, name))
}
