//! References to outputs of other stages: `stage.output`, `stage[axis=value].output`, `stage[*].output`.

use std::collections::HashMap;

use super::matrix::Matrix;
use super::mistake::{Mistake, Mistakes};
use super::suggest;

/// A reference as it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reference<'t> {
    /// The producing stage.
    pub(super) stage: &'t str,
    /// What is said of its axes: a label, or `None` for `*`.
    pub(super) axes: Vec<(&'t str, Option<&'t str>)>,
    /// `[*]`: every axis that is not named is gathered.
    pub(super) all: bool,
    /// The output.
    pub(super) output: &'t str,
}

/// Reads a reference.
///
/// # Errors
/// What is wrong with it, in one line.
pub(super) fn parse(text: &str) -> Result<Reference<'_>, &'static str> {
    const SHAPE: &str = "a reference is written `stage.output`, `stage[axis=value].output` or `stage[*].output`";
    let text = text.trim();
    let (stage, coordinates, output) = match text.split_once('[') {
        Some((stage, rest)) => {
            let (inner, rest) = rest.split_once(']').ok_or("`[` without a closing `]`")?;
            (stage, Some(inner), rest.strip_prefix('.').ok_or("`]` has to be followed by `.` and the output")?)
        }
        None => {
            let (stage, output) = text.rsplit_once('.').ok_or(SHAPE)?;
            (stage, None, output)
        }
    };
    if stage.is_empty() || output.is_empty() || output.contains(['.', '[', ']', '/']) || stage.contains(['/', ']']) {
        return Err(SHAPE);
    }
    let mut reference = Reference { stage, axes: vec![], all: false, output };
    for item in coordinates.into_iter().flat_map(|c| c.split(',')) {
        match item.split_once('=') {
            None if item.trim() == "*" => reference.all = true,
            Some((axis, label)) if !axis.trim().is_empty() && !label.trim().is_empty() => {
                let label = label.trim();
                reference.axes.push((axis.trim(), (label != "*").then_some(label)));
            }
            _ => return Err("between `[` and `]` stand `axis=value`, `axis=*` or `*`, with commas between"),
        }
    }
    Ok(reference)
}

/// The producer of a reference.
pub(super) struct Producer<'a> {
    /// Its name.
    pub(super) name: &'a str,
    /// Its variants.
    pub(super) matrix: &'a Matrix,
}

/// The stage that holds a reference, at one variant.
pub(super) struct Consumer<'a> {
    /// Its variants.
    pub(super) matrix: &'a Matrix,
    /// Which of them.
    pub(super) variant: usize,
}

/// Variants of producers by the coordinates that a reference fixes, so that many references stay linear.
#[derive(Default)]
pub(super) struct Groups(HashMap<(usize, u64), HashMap<Vec<u32>, Vec<usize>>>);

impl Groups {
    /// The variants of stage `i` that have these labels on these axes (ascending).
    fn get(&mut self, i: usize, matrix: &Matrix, fixed: &[(usize, u32)]) -> &[usize] {
        if matrix.axes.is_empty() {
            return &[0];
        }
        let mask = fixed.iter().fold(0_u64, |mask, (axis, _)| mask | 1 << axis);
        let groups = self.0.entry((i, mask)).or_insert_with(|| {
            let mut groups: HashMap<Vec<u32>, Vec<usize>> = HashMap::new();
            for variant in 0..matrix.len {
                let point = matrix.point(variant);
                let key = fixed.iter().map(|(axis, _)| point[*axis]).collect();
                groups.entry(key).or_default().push(variant);
            }
            groups
        });
        let key: Vec<u32> = fixed.iter().map(|(_, label)| *label).collect();
        groups.get(&key).map_or(&[], Vec::as_slice)
    }
}

/// The variants of the producer (number `i`) that a reference takes.
///
/// An axis that the reference does not name is followed: the consumer's own label on the axis of that name is taken.
///
/// # Errors
/// If an axis or label does not exist, or an axis is neither named nor followed. The mistake has no place yet.
pub(super) fn resolve<'g>(
    reference: &Reference<'_>,
    i: usize,
    producer: &Producer<'_>,
    consumer: &Consumer<'_>,
    groups: &'g mut Groups,
    mistakes: &Mistakes<'_>,
) -> Result<&'g [usize], Mistake> {
    let axes = &producer.matrix.axes;
    for (k, (name, _)) in reference.axes.iter().enumerate() {
        if !axes.iter().any(|a| a.name == *name) {
            let mistake = Mistake::new(format!("stage `{}` has no matrix axis `{name}`", producer.name));
            let names = || axes.iter().map(|a| a.name.as_str());
            let hint = mistakes.nearest(name, names()).unwrap_or_else(|| match axes.is_empty() {
                true => "it has no `matrix:`".into(),
                false => format!("its axes: {}", suggest::list(names())),
            });
            return Err(mistake.hint(hint));
        }
        if reference.axes[..k].iter().any(|(n, _)| n == name) {
            return Err(Mistake::new(format!("axis `{name}` is named twice")));
        }
    }
    if reference.all && axes.is_empty() {
        return Err(Mistake::new(format!("stage `{}` has no variants to gather", producer.name))
            .hint(format!("write `{}.{}`", producer.name, reference.output)));
    }
    let mut fixed = Vec::with_capacity(axes.len());
    for (a, axis) in axes.iter().enumerate() {
        let named = reference.axes.iter().find(|(n, _)| *n == axis.name);
        let own = || consumer.matrix.axes.iter().position(|x| x.name == axis.name);
        let label = match named {
            Some((_, None)) => continue,
            Some((_, Some(label))) => *label,
            None if reference.all => continue,
            None => match own() {
                Some(x) => {
                    let point = consumer.matrix.point(consumer.variant)[x];
                    &consumer.matrix.axes[x].points[point as usize].label
                }
                None => return Err(open_axis(reference, producer, a)),
            },
        };
        let Some(index) = axis.find(label) else {
            let mistake =
                Mistake::new(format!("stage `{}` has no variant with `{}={label}`", producer.name, axis.name));
            let hint = mistakes.nearest(label, axis.labels());
            return Err(mistake.hint(
                hint.unwrap_or_else(|| format!("its values of `{}`: {}", axis.name, suggest::list(axis.labels()))),
            ));
        };
        fixed.push((a, index));
    }
    let found = groups.get(i, producer.matrix, &fixed);
    if found.is_empty() {
        let labels: Vec<String> =
            fixed.iter().map(|(a, i)| format!("{}={}", axes[*a].name, axes[*a].points[*i as usize].label)).collect();
        return Err(Mistake::new(format!("stage `{}` has no variant `{}`", producer.name, labels.join(",")))
            .note("its matrix excludes it"));
    }
    Ok(found)
}

fn open_axis(reference: &Reference<'_>, producer: &Producer<'_>, a: usize) -> Mistake {
    let axis = &producer.matrix.axes[a];
    let (stage, output) = (producer.name, reference.output);
    let example = axis.labels().next().unwrap_or_default();
    Mistake::new(format!("stage `{stage}` has variants along `{}`, and the reference does not say which", axis.name))
        .hint(format!(
            "pick a variant, \"{stage}[{}={example}].{output}\", gather all, \"{stage}[*].{output}\", or give this stage the same matrix, `matrix: {{from: {stage}}}`",
            axis.name
        ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_every_form() {
        let plain = |stage, output| Reference { stage, axes: vec![], all: false, output };
        assert_eq!(parse("train.model"), Ok(plain("train", "model")));
        assert_eq!(parse("a.b.c"), Ok(plain("a.b", "c")));
        assert_eq!(parse("train[*].model"), Ok(Reference { all: true, ..plain("train", "model") }));
        assert_eq!(
            parse("train[model=5, seed=*].model"),
            Ok(Reference { axes: vec![("model", Some("5")), ("seed", None)], ..plain("train", "model") })
        );
        assert_eq!(
            parse("train[lr=0.5,*].model"),
            Ok(Reference { axes: vec![("lr", Some("0.5"))], all: true, ..plain("train", "model") })
        );
    }

    #[test]
    fn refuses_what_is_no_reference() {
        for text in
            ["", "train", ".x", "x.", "a[b].c", "a[b=1.c", "a[b=1]c", "a[].c", "a[=1].c", "data/x.csv", "a[x=1].b.c"]
        {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
