//! From `matrix:` to variants: axes with labelled values, their product, exclusions and additions.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use super::interpolate::{Found, Scope};
use super::mistake::{Mistake, Mistakes};
use super::name;
use super::node::{Content, Entry, Node, Place};
use super::params::Params;
use super::spec::{MatrixSpec, StageSpec};
use super::suggest;
use super::template;

/// How many variants a pipeline may have, all stages together.
pub(super) const LIMIT: usize = 100_000;

/// How many axes a matrix may have.
const AXES: usize = 16;

/// An axis of a matrix.
#[derive(Debug)]
pub(super) struct Axis {
    /// Its name.
    pub(super) name: String,
    /// Its values, as declared.
    pub(super) points: Vec<Point>,
    /// Label -> index into `points`.
    pub(super) index: HashMap<String, u32>,
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
        self.index.get(label).copied().or_else(|| {
            let number: f64 = label.parse().ok()?;
            self.points.iter().position(|p| p.label.parse() == Ok(number)).map(|i| i as u32)
        })
    }

    /// The labels, as declared.
    pub(super) fn labels(&self) -> impl Iterator<Item = &str> {
        self.points.iter().map(|p| p.label.as_str())
    }
}

/// The variants of a stage.
#[derive(Clone, Debug)]
pub(super) struct Matrix {
    /// Its axes; none without a matrix.
    pub(super) axes: Vec<Rc<Axis>>,
    /// One row a variant: an index into each axis. One empty row without a matrix.
    rows: Vec<u32>,
    /// How many variants there are.
    pub(super) len: usize,
}

impl Matrix {
    /// A stage that is not expanded.
    pub(super) fn single() -> Self {
        Self { axes: vec![], rows: vec![], len: 1 }
    }

    /// The coordinates of a variant.
    pub(super) fn point(&self, variant: usize) -> &[u32] {
        let width = self.axes.len();
        &self.rows[variant * width..(variant + 1) * width]
    }

    /// Axis names and labels of a variant.
    pub(super) fn labels(&self, variant: usize) -> Vec<(String, String)> {
        self.axes
            .iter()
            .zip(self.point(variant))
            .map(|(axis, i)| (axis.name.clone(), axis.points[*i as usize].label.clone()))
            .collect()
    }
}

/// Expands every stage's matrix; `None` where that was a mistake.
pub(super) fn expand(
    stages: &[StageSpec<'_>],
    index: &HashMap<&str, usize>,
    params: &Params,
    mistakes: &mut Mistakes<'_>,
) -> Vec<Option<Matrix>> {
    let mut all = All { stages, index, params, done: vec![State::Waiting; stages.len()], left: LIMIT };
    (0..stages.len()).for_each(|i| all.visit(i, mistakes));
    all.done.into_iter().map(|s| if let State::Done(matrix) = s { matrix } else { None }).collect()
}

#[derive(Clone)]
enum State {
    Waiting,
    Open,
    Done(Option<Matrix>),
}

struct All<'a, 'n> {
    stages: &'a [StageSpec<'n>],
    index: &'a HashMap<&'a str, usize>,
    params: &'a Params,
    done: Vec<State>,
    left: usize,
}

impl All<'_, '_> {
    /// Expands a stage, and before it those whose matrix it follows.
    fn visit(&mut self, start: usize, mistakes: &mut Mistakes<'_>) {
        let mut stack = vec![start];
        while let Some(&stage) = stack.last() {
            if matches!(self.done[stage], State::Done(_)) {
                stack.pop();
                continue;
            }
            let from = self.stages[stage].matrix.as_ref().and_then(|m| m.from);
            let producer = from.and_then(|(name, _)| self.index.get(name).copied());
            match (from, producer.map(|p| (p, &self.done[p]))) {
                (Some((name, place)), None) => {
                    let hint = mistakes.nearest(name, self.stages.iter().map(|s| s.name));
                    mistakes.add(Mistake::new(format!("unknown stage `{name}`")).at(place, "").maybe_hint(hint));
                    self.done[stage] = State::Done(None);
                }
                (Some((name, place)), Some((_, State::Open))) => {
                    let text = format!("the matrix of `{name}` follows itself");
                    mistakes.add(Mistake::new(text).at(place, ""));
                    self.done[stage] = State::Done(None);
                }
                (Some(_), Some((producer, State::Waiting))) if producer != stage => {
                    self.done[stage] = State::Open;
                    stack.push(producer);
                }
                (Some((name, place)), Some((_, State::Waiting))) => {
                    let text = format!("the matrix of `{name}` follows itself");
                    mistakes.add(Mistake::new(text).at(place, ""));
                    self.done[stage] = State::Done(None);
                }
                (_, Some((_, State::Done(None)))) => self.done[stage] = State::Done(None),
                (Some((name, place)), Some((_, State::Done(Some(base))))) => {
                    if base.axes.is_empty() {
                        let text = format!("stage `{name}` has no matrix to follow");
                        mistakes.add(Mistake::new(text).at(place, ""));
                        self.done[stage] = State::Done(None);
                    } else {
                        let base = base.clone();
                        self.finish(stage, base, mistakes);
                    }
                }
                (None, _) => self.finish(stage, Matrix::single(), mistakes),
            }
        }
    }

    fn finish(&mut self, stage: usize, base: Matrix, mistakes: &mut Mistakes<'_>) {
        let spec = &self.stages[stage];
        let matrix = match &spec.matrix {
            None => Some(base),
            Some(matrix) => self.combine(spec, matrix, base, mistakes),
        };
        let matrix = matrix.filter(|m| self.take(m.len, spec, mistakes));
        self.done[stage] = State::Done(matrix);
    }

    fn take(&mut self, variants: usize, spec: &StageSpec<'_>, mistakes: &mut Mistakes<'_>) -> bool {
        match self.left.checked_sub(variants) {
            Some(left) => {
                self.left = left;
                true
            }
            None => {
                mistakes.add(
                    Mistake::new(format!("the pipeline has more than {LIMIT} variants"))
                        .at(spec.place, format!("this stage adds {variants}")),
                );
                false
            }
        }
    }

    fn combine(
        &self,
        spec: &StageSpec<'_>,
        matrix: &MatrixSpec<'_>,
        base: Matrix,
        mistakes: &mut Mistakes<'_>,
    ) -> Option<Matrix> {
        let scope = Scope { params: self.params, stage: spec.name, axes: &[], point: &[], files: None };
        let own: Vec<_> = matrix
            .axes
            .iter()
            .map(|entry| {
                if base.axes.iter().any(|a| a.name == entry.key) {
                    let text = format!("axis `{}` is already followed from another stage", entry.key);
                    mistakes.add(Mistake::new(text).at(entry.place, ""));
                    return None;
                }
                axis(entry, &scope, mistakes).map(Rc::new)
            })
            .collect();
        let own: Vec<Rc<Axis>> = own.into_iter().collect::<Option<_>>()?;
        if base.axes.len() + own.len() > AXES {
            let text = format!("the matrix of stage `{}` has more than {AXES} axes", spec.name);
            mistakes.add(Mistake::new(text).at(spec.place, ""));
            return None;
        }
        let product = own.iter().try_fold(base.len, |n, axis| n.checked_mul(axis.points.len()));
        let Some(len) = product.filter(|n| *n <= LIMIT) else {
            mistakes.add(
                Mistake::new(format!("the matrix of stage `{}` has more than {LIMIT} variants", spec.name))
                    .at(spec.place, ""),
            );
            return None;
        };
        let mut axes = base.axes.clone();
        let width = axes.len() + own.len();
        let mut rows = Rows { width, rows: Vec::with_capacity(len * width) };
        for variant in 0..base.len {
            rows.product(base.point(variant), &own);
        }
        axes.extend(own);
        let mut combined = Combined { axes, rows };
        exclude(&mut combined, matrix, &scope, mistakes)?;
        include(&mut combined, matrix, base.axes.len(), &scope, mistakes)?;
        let len = combined.rows.len();
        if len == 0 || combined.axes.is_empty() {
            mistakes
                .add(Mistake::new(format!("the matrix of stage `{}` has no variants", spec.name)).at(spec.place, ""));
            return None;
        }
        Some(Matrix { axes: combined.axes, rows: combined.rows.rows, len })
    }
}

struct Combined {
    axes: Vec<Rc<Axis>>,
    rows: Rows,
}

struct Rows {
    width: usize,
    rows: Vec<u32>,
}

impl Rows {
    /// Appends the product of some axes behind a fixed beginning; the last axis runs fastest.
    fn product(&mut self, head: &[u32], axes: &[Rc<Axis>]) {
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

    fn len(&self) -> usize {
        self.rows.len().checked_div(self.width).unwrap_or(0)
    }
}

/// Reads an axis: a list of scalars, a mapping of labels to values, or `${...}` for either.
fn axis(entry: &Entry, scope: &Scope<'_>, mistakes: &mut Mistakes<'_>) -> Option<Axis> {
    let resolved;
    let mut node = &entry.node;
    if let Some(name) = node.text().and_then(template::whole) {
        if let Found::Value(value) = scope.look_up(name, node.place, mistakes)? {
            resolved = Node { place: node.place, content: value.content.clone() };
            node = &resolved;
        }
    }
    let mut points = Vec::new();
    let mut whole = true;
    match &node.content {
        Content::List(items) => {
            for item in items {
                match scalar(item, &entry.key, scope, mistakes) {
                    Some((label, node)) => points.push((label, node, item.place)),
                    None => whole = false,
                }
            }
        }
        Content::Map(entries) => {
            for e in entries {
                match resolve(&e.node, scope, mistakes) {
                    Some(node) => points.push((e.key.clone(), node, e.place)),
                    None => whole = false,
                }
            }
        }
        _ => {
            let text = format!("axis `{}` has to be a list of values, or a mapping of labels to values", entry.key);
            mistakes.add(Mistake::new(text).at(entry.node.place, format!("this is {}", node.what())));
            return None;
        }
    }
    if points.is_empty() && whole {
        mistakes.add(Mistake::new(format!("axis `{}` has no values", entry.key)).at(entry.place, ""));
        return None;
    }
    let mut axis = Axis { name: entry.key.clone(), points: vec![], index: HashMap::with_capacity(points.len()) };
    for (label, node, place) in points {
        if let Some(fault) = name::label_fault(&label) {
            let text = format!("`{label}` cannot be the label of a matrix value");
            let hint = format!("give the value a label of its own: `{}: {{LABEL: value}}`", entry.key);
            mistakes.add(Mistake::new(text).at(place, fault).hint(hint));
            whole = false;
        } else if axis.index.insert(label.clone(), axis.points.len() as u32).is_some() {
            let text = format!("axis `{}` has the value `{label}` twice", entry.key);
            mistakes.add(Mistake::new(text).at(place, ""));
            whole = false;
        } else {
            axis.points.push(Point { label, node });
        }
    }
    whole.then_some(axis)
}

/// An item of a list: its label and value.
fn scalar(item: &Node, axis: &str, scope: &Scope<'_>, mistakes: &mut Mistakes<'_>) -> Option<(String, Node)> {
    let node = resolve(item, scope, mistakes)?;
    match node.scalar() {
        Some(label) => Some((label, node)),
        None => {
            let text = format!("a value of axis `{axis}` is {}, and has no label", node.what());
            let hint = format!("give it one: `{axis}: {{LABEL: value}}`");
            mistakes.add(Mistake::new(text).at(item.place, "").hint(hint));
            None
        }
    }
}

/// A value with every `${params...}` replaced.
fn resolve(node: &Node, scope: &Scope<'_>, mistakes: &mut Mistakes<'_>) -> Option<Node> {
    let content = match &node.content {
        Content::Text(text) if text.contains("${") => {
            if let Some(name) = template::whole(text)
                && let Some(Found::Value(value)) = scope.look_up(name, node.place, mistakes)
            {
                return Some(value.clone());
            }
            Content::Text(scope.fill(text, node.place, mistakes)?)
        }
        Content::List(items) => {
            let items: Vec<_> = items.iter().map(|n| resolve(n, scope, mistakes)).collect();
            Content::List(items.into_iter().collect::<Option<_>>()?)
        }
        Content::Map(entries) => {
            let entries: Vec<_> = entries
                .iter()
                .map(|e| Some(Entry { key: e.key.clone(), place: e.place, node: resolve(&e.node, scope, mistakes)? }))
                .collect();
            Content::Map(entries.into_iter().collect::<Option<_>>()?)
        }
        other => other.clone(),
    };
    Some(Node { place: node.place, content })
}

/// Drops the rows that an `exclude` names; an axis it does not name may have any value.
fn exclude(
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
        let hit = |row: &[u32]| {
            patterns.iter().any(|p| p.iter().zip(row).all(|(want, have)| want.is_none_or(|want| want == *have)))
        };
        let rows = combined.rows.rows.chunks(width).filter(|row| !hit(row)).flatten().copied().collect();
        combined.rows.rows = rows;
    }
    whole.then_some(())
}

/// Adds the rows that an `include` names; it has to name every axis, and may bring values of its own.
fn include(
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
        let value = scalar(&entry.node, &entry.key, scope, mistakes);
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
    let axis = match Rc::get_mut(axis) {
        Some(axis) => axis,
        None => return None,
    };
    let i = axis.points.len() as u32;
    axis.index.insert(label.clone(), i);
    axis.points.push(Point { label: label.clone(), node: node.clone() });
    Some(i)
}
