//! Gates of a comparison: a table of what they were held against, and a sentence for each that failed.

use kiln::compare::{GateMetric, GateResult, Interval, Verdict};

use super::names::escaped;
use super::number::{self, Precision};
use super::section::{NONE, Section};
use super::table::{Grid, Side};

/// A row a metric; `None` where there are no gates.
pub(super) fn section(gates: &[GateResult]) -> Option<Section> {
    if gates.is_empty() {
        return None;
    }
    let titles = [
        ("gate", Side::Left),
        ("stage", Side::Left),
        ("metric", Side::Left),
        ("first", Side::Right),
        ("last", Side::Right),
        ("delta", Side::Right),
        ("", Side::Left),
    ];
    let mut grid = Grid::new(3, titles);
    for (gate, metric) in gates.iter().flat_map(|gate| gate.metrics.iter().map(move |metric| (gate, metric))) {
        let [first, last, delta] = numbers(metric);
        let verdict = match metric.verdict {
            Verdict::Passed => "passed".to_owned(),
            Verdict::Noise => format!("passed: within noise, {}", interval(metric)),
            Verdict::Failed if metric.interval.is_some() => format!("FAILED, {}", interval(metric)),
            Verdict::Failed => "FAILED".to_owned(),
            Verdict::NotFinite => "FAILED: not finite".to_owned(),
            Verdict::Gone => "FAILED: no number in the last run".to_owned(),
            Verdict::New => "not checked: no number in the first run".to_owned(),
        };
        let (stage, name) = (metric.stage.clone(), metric.metric.clone());
        grid.row([gate.gate.clone(), stage, name, first, last, delta, verdict]);
    }
    let failed = gates.iter().filter(|gate| gate.failed).count();
    let title = match failed {
        0 => format!("{} passed", number::count(gates.len(), "gate")),
        _ => format!("{failed} of {} failed", number::count(gates.len(), "gate")),
    };
    Some(Section { title, grid, notes: vec![] })
}

/// Where the true number lies, and how many tell so.
fn interval(metric: &GateMetric) -> String {
    let Some(Interval { low, high }) = metric.interval else { return String::new() };
    let precision = Precision::of([low, high]).telling([low, high]);
    let [first, last] = metric.n.unwrap_or_default();
    format!("95% interval {} to {} (n = {first}, {last})", precision.show(low), precision.show(high))
}

/// A sentence for each metric that made a gate fail.
pub(crate) fn failures(gate: &GateResult) -> Vec<String> {
    let says = |metric: &GateMetric| {
        let [first, last, delta] = numbers(metric);
        let what = match (metric.verdict, metric.first) {
            (Verdict::Failed, Some(_)) => format!("{first} => {last} ({delta})"),
            (Verdict::Failed, None) => format!("is {last}"),
            (Verdict::NotFinite, Some(_)) => format!("{first} => {last}: not finite"),
            (Verdict::NotFinite, None) => format!("is {last}: not finite"),
            (Verdict::Gone, _) => format!("{first} => no number in the last run"),
            _ => return None,
        };
        let name = escaped(&metric.metric);
        Some(format!("gate `{}` failed: {}: {name} {what}", escaped(&gate.gate), escaped(&metric.stage)))
    };
    let found: Vec<String> = gate.metrics.iter().filter_map(says).collect();
    if gate.failed && found.is_empty() {
        return vec![format!("gate `{}` failed: the first run has no such number, so nothing was checked", gate.gate)];
    }
    found
}

/// First, last and delta. A gate may turn on a digit that a table does not show, so more are shown.
fn numbers(metric: &GateMetric) -> [String; 3] {
    let exact = |value: Option<f64>| value.map_or(NONE.to_owned(), fifteen);
    let scale = [metric.first, metric.last].into_iter().flatten().fold(0.0_f64, |scale, value| scale.max(value.abs()));
    [exact(metric.first), exact(metric.last), metric.delta.map_or(NONE.to_owned(), |delta| difference(delta, scale))]
}

/// A number to fifteen digits. The sixteenth of a mean is noise: that of 0.924 and 0.925 is 0.9245000000000001 in binary.
fn fifteen(value: f64) -> String {
    format!("{value:.14e}").parse::<f64>().map_or_else(|_| value.to_string(), |value| value.to_string())
}

/// The difference of two numbers of the size `scale`. In binary it is rarely what it is in decimal (0.97 - 0.972 is
/// -0.0020000000000000018), so digits beyond the twelfth of the numbers are left out.
fn difference(delta: f64, scale: f64) -> String {
    let decimals = 12.0 - scale.log10().ceil();
    if !(0.0..=20.0).contains(&decimals) {
        return format!("{delta:+}");
    }
    let text = format!("{delta:+.*}", decimals as usize);
    let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    if matches!(text, "+0" | "-0") { "0".to_owned() } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_without_the_noise_of_binary() {
        assert_eq!(fifteen(0.9245000000000001), "0.9245");
        assert_eq!(fifteen(0.1 + 0.2), "0.3");
        assert_eq!(fifteen(0.123_456_789_012_345), "0.123456789012345");
        assert_eq!([fifteen(f64::NAN), fifteen(f64::INFINITY), fifteen(0.0)], ["NaN", "inf", "0"]);
        assert_eq!(fifteen(3e300), 3e300.to_string());
    }

    #[test]
    fn differences_without_the_noise_of_binary() {
        assert_eq!(difference(0.97 - 0.972, 0.972), "-0.002");
        assert_eq!(difference(0.1 + 0.2 - 0.3, 0.3), "0");
        assert_eq!(difference(1.5e9, 3e9), "+1500000000");
        assert_eq!(difference(1e-30, 2e-30), format!("{:+}", 1e-30));
    }
}
