//! Early stopping: which epoch was best, and when to give up waiting for a better one.

use serde::{Deserialize, Serialize};

use crate::model::recipe::{EarlyStopping, Monitor};

use super::history::Epoch;

/// What early stopping remembers between epochs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Stopping {
    /// The best value so far, and its epoch.
    pub best: Option<(f64, usize)>,
    /// Epochs since then.
    pub waited: usize,
    /// Whether to stop.
    pub stop: bool,
}

/// The value of an epoch that a monitor watches.
pub fn watched(monitor: Monitor, epoch: &Epoch) -> f64 {
    match monitor {
        Monitor::ValLoss => epoch.val_loss,
        Monitor::ValAccuracy => epoch.val_accuracy,
        Monitor::Loss => epoch.loss,
        Monitor::Accuracy => epoch.accuracy,
    }
}

impl Stopping {
    /// Takes a finished epoch into account; returns whether it is the best so far.
    pub fn see(&mut self, rule: &EarlyStopping, epoch: &Epoch) -> bool {
        let value = watched(rule.monitor, epoch);
        let better = |best: f64| {
            let gain = if rule.monitor.rises() { value - best } else { best - value };
            gain > f64::from(rule.min_delta)
        };
        let improved = self.best.is_none_or(|(best, _)| better(best));
        if improved {
            self.best = Some((value, epoch.epoch));
            self.waited = 0;
        } else {
            self.waited += 1;
        }
        self.stop = self.waited >= rule.patience;
        improved
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(rule: &EarlyStopping, values: &[f64]) -> (usize, Option<(f64, usize)>) {
        let mut stopping = Stopping::default();
        for (i, &value) in values.iter().enumerate() {
            let epoch = Epoch { epoch: i + 1, loss: 0.0, accuracy: 0.0, val_loss: value, val_accuracy: value };
            stopping.see(rule, &epoch);
            if stopping.stop {
                return (i + 1, stopping.best);
            }
        }
        (values.len(), stopping.best)
    }

    #[test]
    fn stops_after_patience_epochs_without_improvement() {
        let rule = EarlyStopping { monitor: Monitor::ValLoss, patience: 2, min_delta: 0.0, restore_best: false };
        assert_eq!(run(&rule, &[3.0, 2.0, 2.5, 1.0, 1.0, 1.5, 0.5]), (6, Some((1.0, 4))));
    }

    #[test]
    fn min_delta_and_rising_monitors() {
        let rule = EarlyStopping { monitor: Monitor::ValAccuracy, patience: 2, min_delta: 0.1, restore_best: false };
        assert_eq!(run(&rule, &[0.5, 0.55, 0.7, 0.75, 0.75]), (5, Some((0.7, 3))));
    }
}
