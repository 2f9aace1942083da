//! An axis of a matrix: its values, each with a label.

use std::collections::HashMap;

use super::node::Node;

/// An axis of a matrix.
#[derive(Debug)]
pub(super) struct Axis {
    /// Its name.
    pub(super) name: String,
    /// Its values, as declared.
    pub(super) points: Vec<Point>,
    /// Label -> index into `points`.
    index: HashMap<String, u32>,
    /// The same by the number that a label is.
    numbers: HashMap<u64, u32>,
}

/// A value of an axis.
#[derive(Debug)]
pub(super) struct Point {
    /// Its name in `train[model=5]`.
    pub(super) label: String,
    /// What `${matrix.AXIS}` stands for.
    pub(super) node: Node,
}

impl Axis {
    /// The index of a label. A number may be written another way than the label is: `1e-3` for `0.001`.
    pub(super) fn find(&self, label: &str) -> Option<u32> {
        self.index.get(label).copied().or_else(|| self.numbers.get(&number(label)?).copied())
    }

    /// An axis without values.
    pub(super) fn new(name: String) -> Self {
        Self { name, points: vec![], index: HashMap::new(), numbers: HashMap::new() }
    }

    /// Adds a value and returns its index; `None` if its label is there already.
    pub(super) fn push(&mut self, label: String, node: Node) -> Option<u32> {
        let i = self.points.len() as u32;
        if self.index.contains_key(&label) {
            return None;
        }
        if let Some(number) = number(&label) {
            self.numbers.entry(number).or_insert(i);
        }
        self.index.insert(label.clone(), i);
        self.points.push(Point { label, node });
        Some(i)
    }

    /// The labels, as declared.
    pub(super) fn labels(&self) -> impl Iterator<Item = &str> {
        self.points.iter().map(|p| p.label.as_str())
    }
}

/// The number that a label is, as one of its bits.
fn number(label: &str) -> Option<u64> {
    // Minus nothing is nothing.
    label.parse::<f64>().ok().filter(|number| !number.is_nan()).map(|number| (number + 0.0).to_bits())
}
