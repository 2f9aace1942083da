//! The learning rate of every step.

use crate::model::recipe::Schedule;

/// Where training stands.
#[derive(Clone, Copy, Debug)]
pub struct Position {
    /// Steps taken so far, over all epochs.
    pub step: u64,
    /// Steps in an epoch.
    pub steps_per_epoch: u64,
    /// All epochs; only schedules that depend on the total look at it.
    pub epochs: usize,
}

/// What the base learning rate is multiplied by at a position.
pub fn factor(schedule: &Schedule, at: Position) -> f64 {
    let per_epoch = at.steps_per_epoch.max(1) as f64;
    let (factor, warm_up) = match *schedule {
        Schedule::Constant { warm_up } => (1.0, warm_up),
        Schedule::Step { every, factor, warm_up } => {
            let epoch = at.step / at.steps_per_epoch.max(1);
            (f64::from(factor).powf((epoch / every.max(1) as u64) as f64), warm_up)
        }
        Schedule::Cosine { minimum, warm_up } => {
            let share = (at.step as f64 / (per_epoch * at.epochs.max(1) as f64)).min(1.0);
            let minimum = f64::from(minimum);
            (minimum + (1.0 - minimum) * 0.5 * (1.0 + (std::f64::consts::PI * share).cos()), warm_up)
        }
    };
    let epochs = (at.step + 1) as f64 / per_epoch;
    factor * if warm_up > 0.0 { (epochs / f64::from(warm_up)).min(1.0) } else { 1.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(step: u64) -> Position {
        Position { step, steps_per_epoch: 10, epochs: 4 }
    }

    #[test]
    fn constant_stays_and_warm_up_rises_to_it() {
        assert_eq!(factor(&Schedule::default(), at(0)), 1.0);
        let warm = Schedule::Constant { warm_up: 2.0 };
        assert_eq!([0, 9, 19, 20].map(|s| factor(&warm, at(s))), [0.05, 0.5, 1.0, 1.0]);
    }

    #[test]
    fn step_falls_between_epochs() {
        let step = Schedule::Step { every: 2, factor: 0.5, warm_up: 0.0 };
        assert_eq!([0, 19, 20, 39, 40].map(|s| factor(&step, at(s))), [1.0, 1.0, 0.5, 0.5, 0.25]);
    }

    #[test]
    fn cosine_halves_in_the_middle_and_ends_at_its_minimum() {
        let cosine = Schedule::Cosine { minimum: 0.25, warm_up: 0.0 };
        assert_eq!(factor(&cosine, at(0)), 1.0);
        assert!((factor(&cosine, at(20)) - 0.625).abs() < 1e-12);
        assert!((factor(&cosine, at(40)) - 0.25).abs() < 1e-12);
        assert!(factor(&cosine, at(60)) >= 0.25);
    }
}
