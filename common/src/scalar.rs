//! What a plain scalar of YAML is: the one grammar of pipelines, files of parameters and model files.
//!
//! It is the core schema of YAML 1.2, but for one thing: a number with leading zeros, such as `007`, is text. Other readers take it for 7
//! or, where they go by YAML 1.1, for an octal number; who writes it means a name. Of binary numbers, such as `0b101`, YAML 1.2
//! says nothing; they are numbers here.

/// A plain scalar.
#[derive(Clone, Debug, PartialEq)]
pub enum Scalar {
    /// `null`, `~`, or nothing.
    Null,
    /// `true`, `false`.
    Bool(bool),
    /// A whole number that is not negative.
    Unsigned(u64),
    /// A negative whole number.
    Signed(i64),
    /// A number with a fraction or an exponent; perhaps none that is finite.
    Float(f64),
    /// A whole number that does not fit in 64 bits.
    TooLarge,
    /// Any other.
    Text,
}

impl Scalar {
    /// What a plain scalar is.
    pub fn of(text: &str) -> Self {
        match text {
            "" | "~" | "null" | "Null" | "NULL" => Self::Null,
            "true" | "True" | "TRUE" => Self::Bool(true),
            "false" | "False" | "FALSE" => Self::Bool(false),
            _ => whole(text).or_else(|| float(text)).unwrap_or(Self::Text),
        }
    }
}

/// A whole number: decimal, or with `0x`, `0o` or `0b`.
fn whole(text: &str) -> Option<Scalar> {
    let (negative, unsigned) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (digits, radix) = match unsigned.get(..2) {
        Some("0x") => (&unsigned[2..], 16),
        Some("0o") => (&unsigned[2..], 8),
        Some("0b") => (&unsigned[2..], 2),
        _ => (unsigned, 10),
    };
    let is_number = !digits.is_empty() && digits.chars().all(|c| c.is_digit(radix));
    if !is_number || (radix == 10 && has_leading_zero(digits)) {
        return None;
    }
    // One that has still more digits is taken for what a calculator makes of it.
    let size = u128::from_str_radix(digits, radix).ok().filter(|size| !negative || *size <= 1 << 127)?;
    Some(match (negative, u64::try_from(size), i64::try_from(size)) {
        (false, Ok(size), _) => Scalar::Unsigned(size),
        (true, _, Ok(0)) => Scalar::Unsigned(0),
        (true, _, Ok(size)) => Scalar::Signed(-size),
        (true, _, Err(_)) if size == 1 << 63 => Scalar::Signed(i64::MIN),
        _ => Scalar::TooLarge,
    })
}

/// A number with a fraction or an exponent, or one that is not finite.
fn float(text: &str) -> Option<Scalar> {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    if matches!(unsigned, ".inf" | ".Inf" | ".INF") {
        return Some(Scalar::Float(if text.starts_with('-') { f64::NEG_INFINITY } else { f64::INFINITY }));
    }
    if matches!(text, ".nan" | ".NaN" | ".NAN") {
        return Some(Scalar::Float(f64::NAN));
    }
    let begins = unsigned.starts_with(|c: char| c.is_ascii_digit() || c == '.');
    let plain = unsigned.chars().all(|c| c.is_ascii_digit() || matches!(c, '.' | 'e' | 'E' | '+' | '-'));
    if !begins || !plain || has_leading_zero(unsigned) {
        return None;
    }
    let size: f64 = unsigned.parse().ok().filter(|size: &f64| size.is_finite())?;
    Some(Scalar::Float(if text.starts_with('-') { -size } else { size }))
}

/// Whether it begins with a zero that says nothing: `007`, and not `0` or `0.7`.
fn has_leading_zero(digits: &str) -> bool {
    digits.len() > 1 && digits.starts_with('0') && digits[1..].bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_those_of_yaml_1_2_and_leading_zeros_make_text() {
        for (text, is) in [
            ("0", Scalar::Unsigned(0)),
            ("-0", Scalar::Unsigned(0)),
            ("+12", Scalar::Unsigned(12)),
            ("-12", Scalar::Signed(-12)),
            ("0x10", Scalar::Unsigned(16)),
            ("-0xff", Scalar::Signed(-255)),
            ("0o17", Scalar::Unsigned(15)),
            ("0b101", Scalar::Unsigned(5)),
            ("007", Scalar::Text),
            ("-007", Scalar::Text),
            ("0.5", Scalar::Float(0.5)),
            ("00.5", Scalar::Float(0.5)),
            ("-.5", Scalar::Float(-0.5)),
            ("5.", Scalar::Float(5.0)),
            ("1e-3", Scalar::Float(0.001)),
            ("1e999", Scalar::Text),
            ("-.inf", Scalar::Float(f64::NEG_INFINITY)),
            ("inf", Scalar::Text),
            ("1_000", Scalar::Text),
            ("1.2.3", Scalar::Text),
            ("18446744073709551615", Scalar::Unsigned(u64::MAX)),
            ("18446744073709551616", Scalar::TooLarge),
            ("-9223372036854775808", Scalar::Signed(i64::MIN)),
            ("~", Scalar::Null),
            ("True", Scalar::Bool(true)),
            ("yes", Scalar::Text),
        ] {
            assert_eq!(Scalar::of(text), is, "{text}");
        }
    }
}
