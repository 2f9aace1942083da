//! An optimiser and its state: how gradients change the weights of a network.

use crate::model::network::{Network, Sinks};
use crate::model::plan::{Parameter, Plan, Role};
use crate::model::recipe::{Clipping, Optimiser};
use crate::model::threads::Threads;
use crate::ops::Share;
use crate::ops::optimiser::{Adam, Gradient, Sgd, update_in_place};

/// The smallest piece of a parameter that is worth a thread of its own.
pub(super) const PIECE: usize = 1 << 16;

/// What an optimiser remembers between steps.
#[derive(Clone, Debug, PartialEq)]
pub struct Moments {
    /// Steps taken.
    pub step: u64,
    /// Velocity (SGD with momentum) or first moment (Adam), a parameter each; empty where there is none.
    pub first: Vec<Vec<f32>>,
    /// Second moment (Adam), a parameter each; empty where there is none.
    pub second: Vec<Vec<f32>>,
}

impl Moments {
    /// The state before the first step.
    pub fn new(optimiser: &Optimiser, plan: &Plan) -> Self {
        let (first, second) = Self::kept(optimiser);
        let zeros = |kept: bool| {
            let len = |p: &Parameter| if kept && p.role.is_trained() { p.len() } else { 0 };
            plan.parameters.iter().map(|p| vec![0.0; len(p)]).collect()
        };
        Self { step: 0, first: zeros(first), second: zeros(second) }
    }

    /// Whether an optimiser keeps first and second moments.
    pub fn kept(optimiser: &Optimiser) -> (bool, bool) {
        match optimiser {
            Optimiser::Sgd { momentum, .. } => (*momentum != 0.0, false),
            Optimiser::Adam { .. } | Optimiser::AdamW { .. } => (true, true),
        }
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
        for (i, gradient) in &gradients {
            let decays = matches!(network.plan.parameters[*i].role, Role::Kernel { .. });
            let rule = Rule::new(optimiser, rate, decays, self.step);
            let (first, second) = (&mut self.first[*i], &mut self.second[*i]);
            let gradient = Gradient::new(gradient).scaled(scale).clamped(limit);
            update_in_place(&network.weights[*i], |weight| halves(weight, &rule, first, second, gradient, threads))?;
        }
        Ok(())
    }
}

/// An optimiser at one step.
enum Rule {
    Sgd(Sgd),
    Adam(Adam, u64),
}

impl Rule {
    fn new(optimiser: &Optimiser, rate: f32, decays: bool, step: u64) -> Self {
        let weight_decay = if decays { optimiser.weight_decay() } else { 0.0 };
        match *optimiser {
            Optimiser::Sgd { momentum, nesterov, .. } => {
                Self::Sgd(Sgd { learning_rate: rate, momentum, nesterov, weight_decay })
            }
            Optimiser::Adam { beta_1, beta_2, epsilon, .. } | Optimiser::AdamW { beta_1, beta_2, epsilon, .. } => {
                Self::Adam(Adam { learning_rate: rate, beta_1, beta_2, epsilon, weight_decay }, step)
            }
        }
    }

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
    rule: &Rule,
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
