//! What the CPU's operators computed on a thread, and the way of gradients back through it.
//!
//! candle's own backward pass fills a tensor with zeros for each result, and adds the gradient to it: memory is passed over five times where a
//! gradient could be moved. While a [`Tape`] records, operators keep no graph of candle. They note down what they did, and
//! [`Tape::backward`] hands each gradient on; gradients are added only where a result is used twice, in candle's order.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};

use candle_core::{CustomOp1, CustomOp2, CustomOp3, D, Result, Tensor, TensorId, bail};

use super::cpu;

thread_local! {
    static TAPE: RefCell<Option<Recorded>> = const { RefCell::new(None) };
}

/// What was recorded: results, oldest first.
#[derive(Default)]
struct Recorded {
    nodes: Vec<Node>,
    results: HashSet<TensorId>,
}

struct Node {
    step: Step,
    result: Tensor,
}

/// An operator and its operands.
enum Step {
    One(Box<dyn CustomOp1>, Tensor),
    Two(Box<dyn CustomOp2>, [Tensor; 2]),
    Three(Box<dyn CustomOp3>, [Tensor; 3]),
    Apart(Box<dyn Back>, Tensor),
    Reshape(Tensor),
    /// Along the last axis.
    Concat(Vec<Tensor>),
}

/// The way back through what was computed apart from candle's operators. Gradients of parameters go to their sinks.
pub(super) trait Back {
    /// As an operator of candle has one.
    fn name(&self) -> &'static str;

    /// The gradient of x from that of the result, if x tracks one. What x received from elsewhere is added.
    fn back(&self, x: &Tensor, gy: &Tensor, received: Option<&Tensor>) -> Result<Option<Tensor>>;
}

impl Step {
    fn name(&self) -> &'static str {
        match self {
            Self::One(op, _) => op.name(),
            Self::Two(op, _) => op.name(),
            Self::Three(op, _) => op.name(),
            Self::Apart(op, _) => op.name(),
            Self::Reshape(_) => "flatten",
            Self::Concat(_) => "concat",
        }
    }
}

/// Records the CPU's operators of this thread, from when it is made to when it is dropped.
///
/// Operators of candle itself are not recorded: [`backward`](Self::backward) fails if a gradient would have to pass one.
pub struct Tape(());

impl Tape {
    /// Starts to record.
    ///
    /// # Panics
    /// If a tape of this thread records already.
    #[expect(clippy::new_without_default, reason = "it starts something")]
    pub fn new() -> Self {
        let before = TAPE.replace(Some(Recorded::default()));
        assert!(before.is_none(), "a tape of this thread records already");
        Self(())
    }

    /// The names of the operators that were recorded, oldest first.
    pub fn operators(&self) -> Vec<&'static str> {
        TAPE.with_borrow(|tape| tape.iter().flat_map(|tape| tape.nodes.iter().map(|node| node.step.name())).collect())
    }

    /// Takes the gradient of a scalar back to the variables: into the sinks of the operators that have one. A variable without a sink
    /// receives none.
    ///
    /// # Errors
    /// If the scalar depends on a recorded result through what is not recorded, or a kernel fails.
    pub fn backward(self, scalar: &Tensor) -> Result<()> {
        let Some(Recorded { mut nodes, results }) = TAPE.take() else { bail!("the tape does not record") };
        let mut gradients = HashMap::from([(scalar.id(), scalar.ones_like()?)]);
        // Results are dropped on the way, so that the memory of one serves the gradient of the next.
        while let Some(Node { step, result }) = nodes.pop() {
            let Some(gradient) = gradients.remove(&result.id()) else {
                bail!("the gradient of a recorded result is lost: an operator behind it is not recorded")
            };
            let mut give = |to: &Tensor, gradient: Option<Tensor>| -> Result<()> {
                let Some(gradient) = gradient.filter(|_| results.contains(&to.id())) else { return Ok(()) };
                let sum = match gradients.remove(&to.id()) {
                    Some(others) => cpu::add(&others, &gradient, false)?,
                    None => gradient,
                };
                gradients.insert(to.id(), sum);
                Ok(())
            };
            match step {
                Step::One(op, x) => give(&x, op.bwd(&x, &result, &gradient)?)?,
                Step::Two(op, [a, b]) => {
                    let (da, db) = op.bwd(&a, &b, &result, &gradient)?;
                    give(&a, da)?;
                    give(&b, db)?;
                }
                Step::Three(op, [a, b, c]) => {
                    let (da, db, dc) = op.bwd(&a, &b, &c, &result, &gradient)?;
                    give(&a, da)?;
                    give(&b, db)?;
                    give(&c, dc)?;
                }
                Step::Apart(op, x) => {
                    drop(result);
                    let received = gradients.remove(&x.id());
                    let sum = op.back(&x, &gradient, received.as_ref())?;
                    gradients.extend(sum.filter(|_| results.contains(&x.id())).map(|sum| (x.id(), sum)));
                }
                Step::Reshape(x) => give(&x, Some(gradient.reshape(x.shape())?))?,
                Step::Concat(parts) => {
                    let mut start = 0;
                    for part in parts {
                        let len = part.dim(D::Minus1)?;
                        give(&part, Some(gradient.narrow(D::Minus1, start, len)?))?;
                        start += len;
                    }
                }
            }
        }
        Ok(())
    }
}

impl Drop for Tape {
    fn drop(&mut self) {
        TAPE.set(None);
    }
}

/// Whether a tape of this thread records.
pub(super) fn records() -> bool {
    TAPE.with_borrow(Option::is_some)
}

/// Whether a gradient with respect to `x` is wanted: it is a variable, or depends on one.
pub(super) fn tracks(x: &Tensor) -> bool {
    x.track_op() || TAPE.with_borrow(|tape| tape.as_ref().is_some_and(|tape| tape.results.contains(&x.id())))
}

fn note(step: Step, result: Tensor) -> Tensor {
    TAPE.with_borrow_mut(|tape| {
        if let Some(tape) = tape {
            tape.results.insert(result.id());
            tape.nodes.push(Node { step, result: result.clone() });
        }
    });
    result
}

/// Applies an operator of one operand.
pub(super) fn apply_1(x: &Tensor, op: impl CustomOp1 + Send + Sync + 'static) -> Result<Tensor> {
    if !records() {
        return x.apply_op1(op);
    }
    let result = x.apply_op1_no_bwd(&op)?;
    Ok(if tracks(x) { note(Step::One(Box::new(op), x.clone()), result) } else { result })
}

/// Applies an operator of two operands.
pub(super) fn apply_2(a: &Tensor, b: &Tensor, op: impl CustomOp2 + Send + Sync + 'static) -> Result<Tensor> {
    if !records() {
        return a.apply_op2(b, op);
    }
    let result = a.apply_op2_no_bwd(b, &op)?;
    let tracked = [a, b].into_iter().any(tracks);
    Ok(if tracked { note(Step::Two(Box::new(op), [a, b].map(Tensor::clone)), result) } else { result })
}

/// Applies an operator of three operands.
pub(super) fn apply_3(
    a: &Tensor,
    b: &Tensor,
    c: &Tensor,
    op: impl CustomOp3 + Send + Sync + 'static,
) -> Result<Tensor> {
    if !records() {
        return a.apply_op3(b, c, op);
    }
    let result = a.apply_op3_no_bwd(b, c, &op)?;
    let tracked = [a, b, c].into_iter().any(tracks);
    Ok(if tracked { note(Step::Three(Box::new(op), [a, b, c].map(Tensor::clone)), result) } else { result })
}

/// Notes down that the result was computed from x, and parameters that have sinks.
pub(super) fn record(x: &Tensor, op: impl Back + 'static, result: Tensor) -> Tensor {
    note(Step::Apart(Box::new(op), x.clone()), result)
}

/// All axes but the first as one.
pub(super) fn flatten(x: &Tensor) -> Result<Tensor> {
    let result = x.flatten_from(1)?;
    Ok(if records() && tracks(x) { note(Step::Reshape(x.clone()), result) } else { result })
}

/// Joins along the last axis.
pub(super) fn concat(parts: &[Tensor]) -> Result<Tensor> {
    let result = Tensor::cat(parts, D::Minus1)?;
    let tracked = records() && parts.iter().any(tracks);
    Ok(if tracked { note(Step::Concat(parts.to_vec()), result) } else { result })
}
