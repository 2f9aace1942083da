//! An optimiser and its state: how gradients change the weights of a network.

use std::mem::take;

use crate::model::network::{Network, Sinks};
use crate::model::plan::{Parameter, Plan, Role};
use crate::model::recipe::{Clipping, Optimiser};
use crate::model::threads::Threads;
use crate::ops::Share;
use crate::ops::muon::Muon;
use crate::ops::optimiser::{Adam, Gradient, Sgd, update_in_place};

/// The smallest piece of a parameter that is worth a thread of its own.
pub(super) const PIECE: usize = 1 << 16;

/// What an optimiser remembers between steps.
#[derive(Clone, Debug, PartialEq)]
pub struct Moments {
    /// Steps taken.
    pub step: u64,
    /// Velocity (SGD with momentum, Muon) or first moment (Adam), a parameter each; empty where there is none.
    pub first: Vec<Vec<f32>>,
    /// Second moment (Adam), a parameter each; empty where there is none.
    pub second: Vec<Vec<f32>>,
}

impl Moments {
    /// The state before the first step.
    pub fn new(optimiser: &Optimiser, plan: &Plan) -> Self {
        let zeros = |kept: bool, p: &Parameter| vec![0.0; if kept { p.len() } else { 0 }];
        let kept = plan.parameters.iter().zip(Self::kept(optimiser, plan));
        let (first, second) = kept.map(|(p, (first, second))| (zeros(first, p), zeros(second, p))).unzip();
        Self { step: 0, first, second }
    }

    /// Whether an optimiser keeps the first and the second moment of each parameter.
    pub fn kept(optimiser: &Optimiser, plan: &Plan) -> Vec<(bool, bool)> {
        let one = |(i, p): (usize, &Parameter)| match optimiser {
            _ if !p.role.is_trained() => (false, false),
            Optimiser::Sgd { momentum, .. } => (*momentum != 0.0, false),
            Optimiser::Adam { .. } | Optimiser::AdamW { .. } => (true, true),
            Optimiser::Muon { .. } => (true, matrix(plan, i).is_none()),
        };
        plan.parameters.iter().enumerate().map(one).collect()
    }

    /// One step of all trained parameters. The gradients of the shards are added in their order.
    ///
    /// # Errors
    /// candle's.
    pub fn apply(
        &mut self,
        network: &Network,
        shards: &[Sinks],
        optimiser: &Optimiser,
        rate: f32,
        clipping: Option<&Clipping>,
        threads: &Threads,
    ) -> candle_core::Result<()> {
        self.step += 1;
        let locked: Vec<Vec<_>> =
            shards.iter().map(|sinks| sinks.iter().map(|s| s.as_ref().map(|s| s.shares())).collect()).collect();
        let gradients: Vec<(usize, Vec<Share>)> = network
            .plan
            .parameters
            .iter()
            .enumerate()
            .filter(|(_, p)| p.role.is_trained())
            .map(|(i, p)| {
                // A bias lies in the sink of the kernel or scale before it.
                let (at, is_bias) = if p.role == Role::Bias { (i - 1, true) } else { (i, false) };
                let sinks = locked.iter().filter_map(|shard| shard[at].as_ref());
                (i, sinks.map(|g| if is_bias { g.bias() } else { g.weight() }).collect())
            })
            .collect();
        let (scale, limit) = match clipping {
            Some(Clipping::Norm { limit }) => {
                let squares: f64 = gradients.iter().map(|(_, g)| Gradient::new(g).sum_of_squares()).sum();
                ((f64::from(*limit) / squares.sqrt()).min(1.0) as f32, None)
            }
            Some(Clipping::Value { limit }) => (1.0, Some(*limit)),
            None => (1.0, None),
        };
        let mut matrices = Vec::new();
        for (i, gradient) in &gradients {
            let gradient = Gradient::new(gradient).scaled(scale).clamped(limit);
            match Rule::new(optimiser, rate, &network.plan, *i, self.step) {
                Rule::Matrix(muon, form) => matrices.push((*i, muon, form, take(&mut self.first[*i]), gradient)),
                Rule::Elements(rule) => {
                    let (first, second) = (&mut self.first[*i], &mut self.second[*i]);
                    let update = |weight: &mut [f32]| halves(weight, &rule, first, second, gradient, threads);
                    update_in_place(&network.weights[*i], update)?;
                }
            }
        }
        // An element of a matrix depends on all others, so each matrix is one thread's.
        let updated = threads.map(matrices, |(i, muon, form, mut velocity, gradient)| {
            let update = |weight: &mut [f32]| muon.update(weight, form, &mut velocity, gradient);
            update_in_place(&network.weights[i], update).map(|()| (i, velocity))
        });
        for matrix in updated {
            let (i, velocity) = matrix?;
            self.first[i] = velocity;
        }
        Ok(())
    }
}

/// Rows and columns of a kernel as a matrix with a column for each output, if Muon steps it: all are but the last.
fn matrix(plan: &Plan, parameter: usize) -> Option<[usize; 2]> {
    let Parameter { shape, role: Role::Kernel { .. }, .. } = &plan.parameters[parameter] else { return None };
    let (columns, rows) = shape.split_last()?;
    (plan.last_kernel() != Some(parameter)).then(|| [rows.iter().product(), *columns])
}

/// What an optimiser does to a parameter at one step.
enum Rule {
    /// Each element changes by its own values alone.
    Elements(Elements),
    /// The parameter changes as a matrix of this form.
    Matrix(Muon, [usize; 2]),
}

/// The optimisers that change elements one by one.
enum Elements {
    Sgd(Sgd),
    Adam(Adam, u64),
}

impl Rule {
    fn new(optimiser: &Optimiser, learning_rate: f32, plan: &Plan, parameter: usize, step: u64) -> Self {
        let decays = matches!(plan.parameters[parameter].role, Role::Kernel { .. });
        let weight_decay = if decays { optimiser.weight_decay() } else { 0.0 };
        if let Optimiser::Muon { momentum, nesterov, ns_steps, .. } = *optimiser
            && let Some(form) = matrix(plan, parameter)
        {
            return Self::Matrix(Muon { learning_rate, momentum, nesterov, ns_steps, weight_decay }, form);
        }
        Self::Elements(match *optimiser {
            Optimiser::Sgd { momentum, nesterov, .. } => {
                Elements::Sgd(Sgd { learning_rate, momentum, nesterov, weight_decay })
            }
            Optimiser::Adam { beta_1, beta_2, epsilon, .. }
            | Optimiser::AdamW { beta_1, beta_2, epsilon, .. }
            | Optimiser::Muon { beta_1, beta_2, epsilon, .. } => {
                Elements::Adam(Adam { learning_rate, beta_1, beta_2, epsilon, weight_decay }, step)
            }
        })
    }
}

impl Elements {
    fn update(&self, weight: &mut [f32], first: &mut [f32], second: &mut [f32], gradient: Gradient) {
        match self {
            Self::Sgd(sgd) => sgd.update(weight, first, gradient),
            Self::Adam(adam, step) => adam.update(*step, weight, first, second, gradient),
        }
    }
}

/// Elements are updated each from its own values alone, so a parameter can be cut wherever its gradient can.
fn halves(
    weight: &mut [f32],
    rule: &Elements,
    first: &mut [f32],
    second: &mut [f32],
    gradient: Gradient,
    threads: &Threads,
) {
    let grain = gradient.grain();
    if weight.len() <= PIECE.max(grain) {
        return rule.update(weight, first, second, gradient);
    }
    let middle = weight.len() / grain / 2 * grain;
    let (weight, weight_2) = weight.split_at_mut(middle);
    // An array that the optimiser does not keep is empty.
    let (first, first_2) = first.split_at_mut(middle.min(first.len()));
    let (second, second_2) = second.split_at_mut(middle.min(second.len()));
    let (head, tail): (Vec<Share>, Vec<Share>) = gradient.shards().iter().map(|share| share.split_at(middle)).unzip();
    threads.join(
        || halves(weight, rule, first, second, gradient.of(&head), threads),
        || halves(weight_2, rule, first_2, second_2, gradient.of(&tail), threads),
    );
}
