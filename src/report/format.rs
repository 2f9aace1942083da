//! How a value in a report is written: `:.4`, `:.2%`, `:,`, `:duration`, `:date`.

use jiff::Timestamp;

use crate::show::number::{Precision, duration};

/// What stands behind the colon of a reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// `.4`: so many decimals.
    Decimals(usize),
    /// `.2%`: a share as a percentage with so many decimals.
    Percent(usize),
    /// `,`: a whole number, its digits in groups of three.
    Grouped,
    /// `duration`: seconds as `12.3 s` or `3 min 07 s`.
    Duration,
    /// `date`: a time as `2026-07-01`.
    Date,
}

/// More decimals than this are no precision that a number has.
const MOST_DECIMALS: usize = 15;

/// What a mistake in a format is told with.
pub(crate) const FORMATS: &str = "a format is `.4`, `.2%`, `,`, `duration` or `date`";

impl Format {
    /// Reads a format; `None` if it is none.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let decimals = |digits: &str| digits.parse::<usize>().ok().filter(|n| *n <= MOST_DECIMALS);
        match text {
            "," => Some(Self::Grouped),
            "duration" => Some(Self::Duration),
            "date" => Some(Self::Date),
            _ => match text.strip_prefix('.')?.strip_suffix('%') {
                Some(digits) => decimals(digits).map(Self::Percent),
                None => decimals(&text[1..]).map(Self::Decimals),
            },
        }
    }

    /// Whether it writes numbers; the other writes times.
    pub(crate) fn is_for_numbers(self) -> bool {
        self != Self::Date
    }

    /// The number that a number written with decimals reads as.
    pub(crate) fn rounded(self, value: f64) -> f64 {
        match self {
            Self::Decimals(n) => format!("{value:.n$}").parse().unwrap_or(value),
            Self::Percent(n) => format!("{:.n$}", value * 100.0).parse().map_or(value, |percent: f64| percent / 100.0),
            Self::Grouped | Self::Duration | Self::Date => value,
        }
    }

    /// A number.
    pub(crate) fn number(self, value: f64) -> String {
        match self {
            Self::Decimals(n) => Precision::Decimals(n).show(value),
            _ if !value.is_finite() => value.to_string(),
            Self::Percent(n) => format!("{}%", Precision::Decimals(n).show(value * 100.0)),
            Self::Grouped => Precision::Whole.show(value),
            Self::Duration => duration(value),
            Self::Date => plain(value),
        }
    }
}

/// A number without a format: as few digits as tell it.
pub(crate) fn plain(value: f64) -> String {
    Precision::of([value]).show(value)
}

/// A moment without a format: to the minute.
pub(crate) fn moment(time: Timestamp) -> String {
    time.strftime("%Y-%m-%d %H:%M UTC").to_string()
}

/// The day of a moment.
pub(crate) fn day(time: Timestamp) -> String {
    time.strftime("%Y-%m-%d").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_format_is_read_and_nothing_else() {
        let read = [".4", ".0", ".2%", ",", "duration", "date"].map(Format::parse);
        assert!(read.iter().all(Option::is_some), "{read:?}");
        for text in ["", "4", ".", ".%", ".x", ".99", "%", "seconds", ".2%%", ".-1"] {
            assert_eq!(Format::parse(text), None, "{text}");
        }
    }

    #[test]
    fn numbers_are_rounded_and_carry_no_sign_at_zero() {
        assert_eq!(Format::Percent(2).number(0.96304), "96.30%");
        assert_eq!(Format::Decimals(3).number(-0.0001), "0.000");
        assert_eq!(Format::Grouped.number(3_223_909.0), "3,223,909");
        assert_eq!(Format::Duration.number(187.0), "3 min 07 s");
        for format in [".4", ".2%", ",", "duration"].map(|text| Format::parse(text).unwrap()) {
            assert_eq!([f64::NAN, f64::NEG_INFINITY].map(|value| format.number(value)), ["NaN", "-inf"]);
        }
    }
}
