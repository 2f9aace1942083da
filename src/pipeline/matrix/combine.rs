//! The product of axes, less what `exclude` drops, and what `include` adds.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use crate::pipeline::axis::Axis;
use crate::pipeline::interpolate::Scope;
use crate::pipeline::mistake::{Mistake, Mistakes};
use crate::pipeline::name;
use crate::pipeline::node::{Content, Node, Place};
use crate::pipeline::spec::MatrixSpec;
use crate::pipeline::suggest;

use super::values;

/// A matrix being put together.
pub(super) struct Combined {
    pub(super) axes: Vec<Rc<Axis>>,
    pub(super) rows: Rows,
}

/// Variants, as indices into each axis.
pub(super) struct Rows {
    pub(super) width: usize,
    pub(super) rows: Vec<u32>,
}

impl Rows {
    /// Appends the product of some axes behind a fixed beginning; the last axis runs fastest.
    pub(super) fn product(&mut self, head: &[u32], axes: &[Rc<Axis>]) {
        let mut tail = vec![0_u32; axes.len()];
        if axes.iter().any(|a| a.points.is_empty()) {
            return;
        }
        loop {
            self.rows.extend_from_slice(head);
            self.rows.extend_from_slice(&tail);
            let mut i = axes.len();
            loop {
                if i == 0 {
                    return;
                }
                i -= 1;
                tail[i] += 1;
                if (tail[i] as usize) < axes[i].points.len() {
                    break;
                }
                tail[i] = 0;
            }
        }
    }

    pub(super) fn len(&self) -> usize {
        self.rows.len().checked_div(self.width).unwrap_or(0)
    }
}

/// Drops the rows that an `exclude` names; an axis it does not name may have any value.
pub(super) fn exclude(
    combined: &mut Combined,
    matrix: &MatrixSpec<'_>,
    scope: &Scope<'_>,
    mistakes: &mut Mistakes<'_>,
) -> Option<()> {
    let mut whole = true;
    let mut patterns: Vec<Vec<Option<u32>>> = Vec::new();
    for node in &matrix.exclude {
        let Some(named) = combination(node, "exclude", &combined.axes, scope, mistakes) else {
            whole = false;
            continue;
        };
        let mut pattern = vec![None; combined.axes.len()];
        for (i, value, place) in named {
            match known(&combined.axes[i], &value, place, mistakes) {
                Some(label) => pattern[i] = Some(label),
                None => whole = false,
            }
        }
        patterns.push(pattern);
    }
    let width = combined.rows.width;
    if width > 0 && !patterns.is_empty() {
        let shapes = by_shape(patterns);
        if shapes.len().saturating_mul(combined.rows.len()) > LOOKS {
            let place = matrix.exclude.first().map_or_else(Place::default, |node| node.place);
            let text =
                format!("`exclude` names {} different sets of axes, too many for so many variants", shapes.len());
            mistakes.add(Mistake::new(text).at(place, ""));
            return None;
        }
        let hit = |row: &[u32]| {
            shapes.iter().any(|(axes, excluded)| {
                let values: Vec<u32> = axes.iter().map(|axis| row[*axis]).collect();
                excluded.contains(&values)
            })
        };
        let rows = combined.rows.rows.chunks(width).filter(|row| !hit(row)).flatten().copied().collect();
        combined.rows.rows = rows;
    }
    whole.then_some(())
}

/// So often a variant may be looked for among what is excluded.
const LOOKS: usize = 5_000_000;

/// Patterns by the axes that they name: the values that each excludes there.
fn by_shape(patterns: Vec<Vec<Option<u32>>>) -> HashMap<Vec<usize>, HashSet<Vec<u32>>> {
    let mut shapes: HashMap<Vec<usize>, HashSet<Vec<u32>>> = HashMap::new();
    for pattern in patterns {
        let (axes, values) = pattern.into_iter().enumerate().filter_map(|(axis, value)| Some((axis, value?))).unzip();
        shapes.entry(axes).or_default().insert(values);
    }
    shapes
}

/// Adds the rows that an `include` names; it has to name every axis, and may bring values of its own.
pub(super) fn include(
    combined: &mut Combined,
    matrix: &MatrixSpec<'_>,
    followed: usize,
    scope: &Scope<'_>,
    mistakes: &mut Mistakes<'_>,
) -> Option<()> {
    if matrix.include.is_empty() {
        return Some(());
    }
    let width = combined.rows.width;
    let mut present: HashSet<Vec<u32>> = combined.rows.rows.chunks(width.max(1)).map(<[u32]>::to_vec).collect();
    let mut whole = true;
    for node in &matrix.include {
        let Some(named) = combination(node, "include", &combined.axes, scope, mistakes) else {
            whole = false;
            continue;
        };
        if let Some(missing) = (0..width).find(|i| !named.iter().any(|(n, ..)| n == i)) {
            let text = format!("an `include` has to name every axis; `{}` is missing", combined.axes[missing].name);
            mistakes.add(Mistake::new(text).at(node.place, ""));
            whole = false;
            continue;
        }
        let mut row = vec![0; width];
        let mut good = true;
        for (i, value, place) in named {
            let label = if i < followed || combined.axes[i].find(&value.0).is_some() {
                known(&combined.axes[i], &value, place, mistakes)
            } else {
                brought(&mut combined.axes[i], &value, place, mistakes)
            };
            match label {
                Some(label) => row[i] = label,
                None => good = false,
            }
        }
        whole &= good;
        if good && present.insert(row.clone()) {
            combined.rows.rows.extend(row);
        } else if good {
            mistakes.add(Mistake::new("this combination is there already").at(node.place, ""));
            whole = false;
        }
    }
    whole.then_some(())
}

/// One `exclude` or `include`: axes by index, with the label and value asked for.
#[expect(clippy::type_complexity, reason = "used in the two functions above only")]
fn combination(
    node: &Node,
    what: &str,
    axes: &[Rc<Axis>],
    scope: &Scope<'_>,
    mistakes: &mut Mistakes<'_>,
) -> Option<Vec<(usize, (String, Node), Place)>> {
    let Content::Map(entries) = &node.content else {
        let text = format!("`{what}` lists combinations, such as `{{axis: value}}`");
        mistakes.add(Mistake::new(text).at(node.place, format!("this is {}", node.what())));
        return None;
    };
    let mut named = Some(Vec::new());
    for entry in entries {
        let Some(i) = axes.iter().position(|a| a.name == entry.key) else {
            let names = || axes.iter().map(|a| a.name.as_str());
            let hint = mistakes.nearest(&entry.key, names());
            let hint = hint.unwrap_or_else(|| format!("the axes here: {}", suggest::list(names())));
            mistakes.add(Mistake::new(format!("unknown axis `{}`", entry.key)).at(entry.place, "").hint(hint));
            named = None;
            continue;
        };
        let value = values::scalar(&entry.node, &entry.key, scope, mistakes);
        match (value, &mut named) {
            (Some(value), Some(named)) => named.push((i, value, entry.node.place)),
            _ => named = None,
        }
    }
    named
}

fn known(axis: &Axis, value: &(String, Node), place: Place, mistakes: &mut Mistakes<'_>) -> Option<u32> {
    let found = axis.find(&value.0);
    if found.is_none() {
        let hint = mistakes.nearest(&value.0, axis.labels());
        let hint = hint.unwrap_or_else(|| format!("its values: {}", suggest::list(axis.labels())));
        let text = format!("axis `{}` has no value `{}`", axis.name, value.0);
        mistakes.add(Mistake::new(text).at(place, "").hint(hint));
    }
    found
}

/// Adds a value that only an `include` has.
fn brought(axis: &mut Rc<Axis>, value: &(String, Node), place: Place, mistakes: &mut Mistakes<'_>) -> Option<u32> {
    let (label, node) = value;
    if let Some(fault) = name::label_fault(label) {
        mistakes.add(Mistake::new(format!("`{label}` cannot be the label of a matrix value")).at(place, fault));
        return None;
    }
    Rc::get_mut(axis)?.push(label.clone(), node.clone())
}
