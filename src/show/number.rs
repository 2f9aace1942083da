//! Numbers as people read them: one precision a column, a sign for differences.

/// How the numbers of one column are written.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Precision {
    /// Counts: `3,223,909`.
    Whole,
    /// So many decimals: `0.9732`.
    Decimals(usize),
    /// Four significant digits, for columns of very small numbers: `1.234e-5`; holds the unit of the last digit.
    Scientific(f64),
}

/// Seconds: `12.3`.
pub const SECONDS: Precision = Precision::Decimals(1);

impl Precision {
    /// What suits all of `values`: the largest decides.
    pub fn of(values: impl IntoIterator<Item = f64>) -> Self {
        let (mut whole, mut largest) = (true, 0.0_f64);
        for value in values {
            whole &= value.fract() == 0.0 && value.abs() < 1e15;
            largest = largest.max(value.abs());
        }
        match largest {
            _ if whole => Self::Whole,
            l if !(1e-3..1e9).contains(&l) => Self::Scientific(10_f64.powi(l.log10().floor() as i32 - 3)),
            l if l >= 1000.0 => Self::Decimals(1),
            l if l >= 100.0 => Self::Decimals(2),
            l if l >= 10.0 => Self::Decimals(3),
            _ => Self::Decimals(4),
        }
    }

    /// The number.
    pub fn show(self, value: f64) -> String {
        let text = match self {
            Self::Whole => grouped(value),
            Self::Decimals(decimals) => format!("{value:.decimals$}"),
            Self::Scientific(_) => format!("{value:.3e}"),
        };
        // What rounds to zero has no sign.
        let zero = !text.chars().any(|c| ('1'..='9').contains(&c));
        if zero { text.trim_start_matches('-').to_owned() } else { text }
    }

    /// The difference with its sign; `=` where it is smaller than the last digit shown.
    pub fn delta(self, delta: f64) -> String {
        let nothing = match self {
            Self::Scientific(unit) => delta.abs() < unit / 2.0,
            _ => !self.show(delta).chars().any(|c| ('1'..='9').contains(&c)),
        };
        match nothing {
            true => "=".to_owned(),
            false if delta > 0.0 => format!("+{}", self.show(delta)),
            false => self.show(delta),
        }
    }
}

fn grouped(value: f64) -> String {
    let digits = format!("{:.0}", value.abs());
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    if value < 0.0 { format!("-{text}") } else { text }
}

/// Wall time: `0.4 s`, `12.3 s`, `3 min 07 s`, `2 h 05 min`.
pub fn duration(seconds: f64) -> String {
    let whole = seconds.max(0.0).round() as u64;
    match whole {
        ..60 => format!("{:.1} s", seconds.clamp(0.0, 59.9)),
        60..3600 => format!("{} min {:02} s", whole / 60, whole % 60),
        _ => format!("{} h {:02} min", whole / 3600, whole % 3600 / 60),
    }
}

/// Bytes: `812 B`, `3.9 MB`, `1.2 GB`.
pub fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["B", "kB", "MB", "GB", "TB"];
    let (mut value, mut unit) = (bytes as f64, 0);
    // What would be shown as 1000.0 belongs to the next unit.
    while value >= 999.95 && unit + 1 < UNITS.len() {
        value /= 1000.0;
        unit += 1;
    }
    if unit == 0 { format!("{bytes} B") } else { format!("{value:.1} {}", UNITS[unit]) }
}

/// `1 stage`, `2 stages`.
pub fn count(n: usize, noun: &str) -> String {
    let plural = if n == 1 { "" } else { "s" };
    format!("{} {noun}{plural}", grouped(n as f64))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(values: &[f64]) -> Vec<String> {
        let precision = Precision::of(values.iter().copied());
        values.iter().map(|&value| precision.show(value)).collect()
    }

    #[test]
    fn one_precision_a_column() {
        assert_eq!(shown(&[0.97321, 1.0, 0.0]), ["0.9732", "1.0000", "0.0000"]);
        assert_eq!(shown(&[3_223_909.0, 5.0, -1234.0]), ["3,223,909", "5", "-1,234"]);
        assert_eq!(shown(&[123.456, 1.0]), ["123.46", "1.00"]);
        assert_eq!(shown(&[1.2345e-5, -9.9e-6]), ["1.234e-5", "-9.900e-6"]);
        assert_eq!(shown(&[0.5, -1e-9]), ["0.5000", "0.0000"]);
        assert_eq!(shown(&[]), Vec::<String>::new());
    }

    #[test]
    fn a_difference_below_the_last_digit_is_none() {
        let four = Precision::Decimals(4);
        assert_eq!(four.delta(0.0009), "+0.0009");
        assert_eq!(four.delta(-0.01), "-0.0100");
        assert_eq!(four.delta(0.00004), "=");
        assert_eq!(four.delta(-0.00004), "=");
        assert_eq!(Precision::Whole.delta(12_000.0), "+12,000");
        assert_eq!(Precision::Whole.delta(0.0), "=");
        let small = Precision::of([1.2345e-5]);
        assert_eq!(small.delta(4e-9), "=");
        assert_eq!(small.delta(2e-8), "+2.000e-8");
    }

    #[test]
    fn sizes() {
        assert_eq!(
            [0, 999, 1000, 3_853_012, 999_990, 2_500_000_000].map(size),
            ["0 B", "999 B", "1.0 kB", "3.9 MB", "1.0 MB", "2.5 GB"]
        );
    }

    #[test]
    fn durations_and_counts() {
        assert_eq!(
            [0.04, 12.34, 59.96, 187.0, 7_500.0].map(duration),
            ["0.0 s", "12.3 s", "1 min 00 s", "3 min 07 s", "2 h 05 min"]
        );
        assert_eq!([count(1, "stage"), count(10_000, "stage")], ["1 stage", "10,000 stages"]);
    }
}
