//! Numbers as people read them: one precision a column, a sign for differences.

/// How the numbers of one column are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precision {
    /// Counts: `3,223,909`.
    Whole,
    /// So many decimals: `0.9732`.
    Decimals(usize),
    /// So many decimals before a power of ten, for columns of very small or large numbers: `1.234e-5`.
    Scientific(usize),
}

/// Seconds: `12.3`.
pub const SECONDS: Precision = Precision::Decimals(1);

/// Numbers that differ by less than this share of their size are not told apart in a column.
const NOISE: f64 = 1e-9;

impl Precision {
    /// What suits all of `values`: the largest decides. What is not finite is written the same whatever suits the others.
    pub fn of(values: impl IntoIterator<Item = f64>) -> Self {
        let (mut whole, mut largest) = (true, 0.0_f64);
        for value in values.into_iter().filter(|value| value.is_finite()) {
            whole &= value.fract() == 0.0 && value.abs() < 1e15;
            largest = largest.max(value.abs());
        }
        match largest {
            _ if whole => Self::Whole,
            l if !(1e-3..1e9).contains(&l) => Self::Scientific(3),
            l if l >= 1000.0 => Self::Decimals(1),
            l if l >= 100.0 => Self::Decimals(2),
            l if l >= 10.0 => Self::Decimals(3),
            _ => Self::Decimals(4),
        }
    }

    /// What suits a column of many `values`: different ones look different, but for what rounding makes of sums.
    pub fn of_column(values: impl IntoIterator<Item = f64>) -> Self {
        let values: Vec<f64> = values.into_iter().collect();
        Self::of(values.iter().copied()).telling_most(values)
    }

    /// The same with as many digits more as it takes to tell `values` apart, but for what rounding makes of sums.
    #[must_use]
    pub fn telling_most(self, values: impl IntoIterator<Item = f64>) -> Self {
        self.finer(values.into_iter().collect(), NOISE)
    }

    /// The same with as many digits more as it takes to tell different `values` apart.
    #[must_use]
    pub fn telling(self, values: impl IntoIterator<Item = f64>) -> Self {
        self.finer(values.into_iter().collect(), 0.0)
    }

    fn finer(self, mut values: Vec<f64>, noise: f64) -> Self {
        values.retain(|value| value.is_finite());
        values.sort_unstable_by(f64::total_cmp);
        let near = |a: f64, b: f64| a == b || b - a <= noise * a.abs().max(b.abs());
        values.dedup_by(|b, a| near(*a, *b));
        let mut precision = self;
        // Rounding keeps the order: only neighbours can look alike.
        while values.windows(2).any(|pair| precision.show(pair[0]) == precision.show(pair[1])) {
            precision = match precision {
                Self::Whole => Self::Decimals(1),
                Self::Decimals(decimals @ ..MOST) => Self::Decimals(decimals + 1),
                Self::Decimals(_) => Self::Scientific(4),
                Self::Scientific(decimals @ ..MOST) => Self::Scientific(decimals + 1),
                Self::Scientific(_) => break,
            };
        }
        precision
    }

    /// The number.
    pub fn show(self, value: f64) -> String {
        if !value.is_finite() {
            return value.to_string();
        }
        let text = match self {
            Self::Whole => grouped(value),
            Self::Decimals(decimals) => format!("{value:.decimals$}"),
            Self::Scientific(decimals) => format!("{value:.decimals$e}"),
        };
        // What rounds to zero has no sign.
        if is_zero(&text) { text.trim_start_matches('-').to_owned() } else { text }
    }

    /// The change from a number to another, with its sign: `=` where they are equal, and nowhere else.
    pub fn change(self, from: f64, to: f64) -> String {
        if is_same(from, to) {
            return "=".to_owned();
        }
        let change = to - from;
        let text = match self {
            Self::Whole | Self::Decimals(_) if change.abs() < 1e-6 => Self::Scientific(3).show(change),
            _ => self.show(change),
        };
        // Smaller than the digits shown.
        let text = match is_zero(&text) {
            true => Self::Decimals((-change.abs().log10()).floor() as usize + 2).show(change),
            false => text,
        };
        if change > 0.0 { format!("+{text}") } else { text }
    }
}

/// With so many decimals every number of 64 bits is told from its neighbours, if it is not very small.
const MOST: usize = 17;

/// Whether two numbers are one and the same: what is not a number is the same as what is not one either.
pub fn is_same(a: f64, b: f64) -> bool {
    a == b || (a.is_nan() && b.is_nan())
}

/// Whether a number in digits is zero.
fn is_zero(text: &str) -> bool {
    text.contains('0') && !text.contains(|c| ('1'..='9').contains(&c))
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
    if !seconds.is_finite() {
        return seconds.to_string();
    }
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
    fn only_equal_numbers_are_equal() {
        let four = Precision::Decimals(4);
        assert_eq!(four.change(0.9, 0.9009), "+0.0009");
        assert_eq!(four.change(0.5, 0.49), "-0.0100");
        assert_eq!(four.change(0.0, 0.00004), "+0.000040");
        assert_eq!(four.change(0.1678, 0.167_768), "-0.000032");
        assert_eq!(four.change(0.3, 0.1 + 0.2), "+5.551e-17");
        assert_eq!(four.change(0.0, -0.0), "=");
        assert_eq!(SECONDS.change(1.4, 1.413), "+0.013");
        assert_eq!(Precision::Whole.change(0.0, 12_000.0), "+12,000");
        assert_eq!(Precision::Whole.change(7.0, 7.0), "=");
        let small = Precision::of([1.2345e-5]);
        assert_eq!(small.change(0.0, 4e-9), "+4.000e-9");
        assert_eq!(small.change(1e-5, 1e-5), "=");
        let (nan, inf) = (f64::NAN, f64::INFINITY);
        assert_eq!([four.change(nan, nan), four.change(inf, inf), four.change(-inf, -inf)], ["=", "=", "="]);
        assert_eq!([four.change(0.5, nan), four.change(nan, 0.5), four.change(0.5, inf)], ["NaN", "NaN", "+inf"]);
        assert_eq!([four.change(inf, 0.5), four.change(-inf, inf), four.change(inf, -inf)], ["-inf", "+inf", "-inf"]);
        assert_eq!(four.change(f64::MAX, -f64::MAX), "-inf");
        assert_eq!(Precision::of([5e-324]).change(0.0, 5e-324), "+4.941e-324");
    }

    #[test]
    fn different_numbers_look_different() {
        let told = |values: &[f64]| {
            let precision = Precision::of(values.iter().copied()).telling(values.iter().copied());
            values.iter().map(|&value| precision.show(value)).collect::<Vec<_>>()
        };
        assert_eq!(told(&[0.1678, 0.167_768]), ["0.16780", "0.16777"]);
        assert_eq!(told(&[1_000_000.1, 1_000_000.12]), ["1000000.10", "1000000.12"]);
        assert_eq!(told(&[0.5, 0.5]), ["0.5000", "0.5000"]);
        assert_eq!(told(&[0.3, 0.1 + 0.2]), ["0.29999999999999999", "0.30000000000000004"]);
        assert_eq!(told(&[1.0, 1.0 + f64::EPSILON]), ["1.0000000000000000", "1.0000000000000002"]);
        assert_eq!(told(&[1e-20, 2e-20, 0.5]), ["1.0000e-20", "2.0000e-20", "5.0000e-1"]);
        assert_eq!(
            told(&[1e300, 1e300 * (1.0 + f64::EPSILON)]).iter().collect::<std::collections::BTreeSet<_>>().len(),
            2
        );
        assert_eq!(told(&[f64::NAN, f64::NEG_INFINITY, 0.5]), ["NaN", "-inf", "0.5000"]);
        assert_eq!(Precision::of_column([0.3, 0.1 + 0.2, 0.25]), Precision::Decimals(4));
        assert_eq!(Precision::of_column([0.30001, 0.300_02]), Precision::Decimals(5));
    }

    #[test]
    fn what_is_not_finite_is_written_everywhere() {
        let odd = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY];
        assert_eq!(shown(&odd), ["NaN", "inf", "-inf"]);
        for precision in [Precision::Decimals(4), Precision::Scientific(3), SECONDS] {
            assert_eq!(odd.map(|value| precision.show(value)), ["NaN", "inf", "-inf"]);
        }
        assert_eq!(shown(&[f64::NAN, 0.5]), ["NaN", "0.5000"]);
        assert_eq!(odd.map(duration), ["NaN", "inf", "-inf"]);
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
