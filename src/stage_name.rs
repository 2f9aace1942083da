//! Names of stages, and the patterns by which a person names some of them: `train`, `train[model=5]`, `eval*`.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A stage's name: `train`, or `train[model=5]` for a variant.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct StageName {
    /// The key under `stages:`.
    pub stage: String,
    /// Matrix coordinates in the order of the axes: `[("model", "5")]`; empty without a matrix.
    pub variant: Vec<(String, String)>,
}

impl fmt::Display for StageName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.stage)?;
        if !self.variant.is_empty() {
            write!(f, "[{}]", coordinates(&self.variant))?;
        }
        Ok(())
    }
}

/// `model=5,seed=1`.
pub fn coordinates(variant: &[(String, String)]) -> String {
    variant.iter().map(|(axis, value)| format!("{axis}={value}")).collect::<Vec<_>>().join(",")
}

/// Whether a target names a stage, be it in a pipeline or in a run record.
pub fn is_named(target: &str, name: &StageName) -> bool {
    parse(target.trim()).is_some_and(|(stage, axes)| matches(stage, &name.stage) && fits(&axes, name))
}

/// The pattern of the name, and of each axis that is fixed.
pub(crate) fn parse(target: &str) -> Option<(&str, Vec<(&str, &str)>)> {
    let Some((name, rest)) = target.split_once('[') else {
        return (!target.is_empty()).then_some((target, vec![]));
    };
    let inner = rest.strip_suffix(']').filter(|_| !name.is_empty())?;
    let mut coordinates = Vec::new();
    for item in inner.split(',').map(str::trim).filter(|item| *item != "*") {
        let (axis, label) = item.split_once('=')?;
        coordinates.push((axis.trim(), label.trim()));
    }
    Some((name, coordinates))
}

/// Whether a stage has the coordinates that are fixed.
pub(crate) fn fits(coordinates: &[(&str, &str)], name: &StageName) -> bool {
    coordinates.iter().all(|(axis, pattern)| name.variant.iter().any(|(a, label)| a == axis && matches(pattern, label)))
}

/// Whether a text fits a pattern in which `*` stands for any letters and `?` for one. Linear but for the stars.
pub(crate) fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        if pattern.get(p) == Some(&'*') {
            star = Some((p, t));
            p += 1;
        } else if pattern.get(p).is_some_and(|c| *c == '?' || *c == text[t]) {
            p += 1;
            t += 1;
        } else if let Some((at, from)) = star {
            star = Some((at, from + 1));
            p = at + 1;
            t = from + 1;
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns() {
        for (pattern, text) in [("train", "train"), ("t*", "train"), ("*a*n", "train"), ("tr?in", "train"), ("*", "")] {
            assert!(matches(pattern, text), "{pattern} {text}");
        }
        for (pattern, text) in [("train", "trains"), ("t*x", "train"), ("?", ""), ("tr?in", "trin")] {
            assert!(!matches(pattern, text), "{pattern} {text}");
        }
    }

    #[test]
    fn targets_with_axes() {
        assert_eq!(parse("a[b=1,*]"), Some(("a", vec![("b", "1")])));
        assert_eq!(parse("a[b=1"), None);
        assert_eq!(parse("[b=1]"), None);
        assert_eq!(parse("a[b]"), None);
    }
}
