//! Which class a label belongs to, and what classes and labels are called.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{bail, ensure};
use serde::{Deserialize, Serialize};

use crate::kind::ParamError;

/// A class and the labels that are merged into it.
#[derive(Clone, Debug, Deserialize, Serialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Class {
    /// What it is called.
    pub name: String,
    /// The labels of the file that belong to it.
    pub labels: Vec<u8>,
}

/// Labels and classes of one file.
#[derive(Debug)]
pub(super) struct Table {
    /// The names of the classes.
    pub(super) classes: Vec<String>,
    /// The names of the original labels.
    pub(super) names: Vec<String>,
    of: BTreeMap<u8, u32>,
}

impl Table {
    /// The table for the labels that occur in a file.
    ///
    /// # Errors
    /// If a label that occurs has no name though names are given, or belongs to no class though classes are given.
    pub(super) fn new(labels: &[u8], classes: Option<Vec<Class>>, names: Option<Vec<String>>) -> anyhow::Result<Self> {
        let occurring: BTreeSet<u8> = labels.iter().copied().collect();
        let in_table = classes.iter().flatten().flat_map(|c| c.labels.iter());
        let highest = occurring.iter().chain(in_table).max().map_or(0, |&l| usize::from(l) + 1);
        let names = match names {
            None => (0..highest).map(|l| l.to_string()).collect(),
            Some(names) => {
                ensure!(
                    names.len() >= highest,
                    "label {} has no name: `names` has {}, for the labels from 0 on",
                    highest - 1,
                    names.len()
                );
                names
            }
        };
        let Some(classes) = classes else {
            let of = (0..names.len()).filter_map(|l| Some((u8::try_from(l).ok()?, l as u32))).collect();
            return Ok(Self { classes: names.clone(), names, of });
        };
        let of: BTreeMap<u8, u32> = classes
            .iter()
            .zip(0u32..)
            .flat_map(|(class, index)| class.labels.iter().map(move |&label| (label, index)))
            .collect();
        let missing: Vec<String> = occurring.iter().filter(|l| !of.contains_key(l)).map(u8::to_string).collect();
        if !missing.is_empty() {
            bail!("in no class of the table `classes`: label {}", missing.join(", "));
        }
        Ok(Self { classes: classes.into_iter().map(|c| c.name).collect(), names, of })
    }

    /// The class of a label that occurs in the file.
    pub(super) fn class_of(&self, label: u8) -> u32 {
        self.of[&label]
    }
}

/// Finds the mistakes of a merge table that show without a file.
///
/// # Errors
/// If a label is in two classes or, where the labels are named, in none; if a class is empty; if two names are equal.
pub(super) fn check(classes: Option<&[Class]>, names: Option<&[String]>) -> Result<(), ParamError> {
    let wrong = |path: &[&dyn ToString], message: String| {
        Err(ParamError { path: path.iter().map(|p| p.to_string()).collect(), message, hint: None })
    };
    if let Some(names) = names {
        if names.is_empty() || names.len() > 256 {
            return wrong(&[&"names"], format!("{} names; labels go from 0 to 255", names.len()));
        }
        for (i, name) in names.iter().enumerate() {
            if names[..i].contains(name) {
                return wrong(&[&"names", &i], format!("two labels are called `{name}`"));
            }
        }
    }
    let Some(classes) = classes else { return Ok(()) };
    if classes.is_empty() {
        return wrong(&[&"classes"], "the table has no class".into());
    }
    let mut seen: BTreeMap<u8, &str> = BTreeMap::new();
    for (i, class) in classes.iter().enumerate() {
        if classes[..i].iter().any(|c| c.name == class.name) {
            return wrong(&[&"classes", &i, &"name"], format!("two classes are called `{}`", class.name));
        }
        if class.labels.is_empty() {
            return wrong(&[&"classes", &i, &"labels"], format!("class `{}` has no label", class.name));
        }
        for (j, &label) in class.labels.iter().enumerate() {
            let place: [&dyn ToString; 4] = [&"classes", &i, &"labels", &j];
            if let Some(other) = seen.insert(label, &class.name) {
                return wrong(&place, format!("label {label} is in class `{other}` already"));
            }
            if names.is_some_and(|names| names.len() <= label.into()) {
                return wrong(&place, format!("label {label} has no name in `names`"));
            }
        }
    }
    if let Some(names) = names {
        let all = (0..=u8::MAX).zip(names);
        let missing: Vec<String> =
            all.filter(|(l, _)| !seen.contains_key(l)).map(|(l, name)| format!("{l} ({name})")).collect();
        if !missing.is_empty() {
            return wrong(&[&"classes"], format!("in no class: label {}", missing.join(", ")));
        }
    }
    Ok(())
}
