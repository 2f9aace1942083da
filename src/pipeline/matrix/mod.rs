//! From `matrix:` to variants: axes with labelled values, their product, exclusions and additions.

mod combine;
mod values;

use std::collections::HashMap;
use std::rc::Rc;

use super::axis::Axis;
use super::interpolate::Scope;
use super::mistake::{Mistake, Mistakes};
use super::params::Params;
use super::spec::{MatrixSpec, StageSpec};

use self::combine::{Combined, Rows};

/// How many variants a pipeline may have, all stages together.
pub(in crate::pipeline) const LIMIT: usize = 100_000;

/// How many axes a matrix may have.
const AXES: usize = 16;

/// The variants of a stage.
#[derive(Clone, Debug)]
pub(in crate::pipeline) struct Matrix {
    /// Its axes; none without a matrix.
    pub(in crate::pipeline) axes: Vec<Rc<Axis>>,
    /// One row a variant: an index into each axis. One empty row without a matrix.
    rows: Vec<u32>,
    /// How many variants there are.
    pub(in crate::pipeline) len: usize,
}

impl Matrix {
    /// A stage that is not expanded.
    pub(in crate::pipeline) fn single() -> Self {
        Self { axes: vec![], rows: vec![], len: 1 }
    }

    /// The coordinates of a variant.
    pub(in crate::pipeline) fn point(&self, variant: usize) -> &[u32] {
        let width = self.axes.len();
        &self.rows[variant * width..(variant + 1) * width]
    }

    /// Axis names and labels of a variant.
    pub(in crate::pipeline) fn labels(&self, variant: usize) -> Vec<(String, String)> {
        self.axes
            .iter()
            .zip(self.point(variant))
            .map(|(axis, i)| (axis.name.clone(), axis.points[*i as usize].label.clone()))
            .collect()
    }
}

/// Expands every stage's matrix; `None` where that was a mistake.
pub(in crate::pipeline) fn expand(
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
                values::read(entry, &scope, mistakes).map(Rc::new)
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
        combine::exclude(&mut combined, matrix, &scope, mistakes)?;
        combine::include(&mut combined, matrix, base.axes.len(), &scope, mistakes)?;
        let len = combined.rows.len();
        if len == 0 || combined.axes.is_empty() {
            mistakes
                .add(Mistake::new(format!("the matrix of stage `{}` has no variants", spec.name)).at(spec.place, ""));
            return None;
        }
        Some(Matrix { axes: combined.axes, rows: combined.rows.rows, len })
    }
}
