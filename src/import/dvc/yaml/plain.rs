//! What a scalar without quotes is. `017` is 17 here, `1e-3` a number and `yes` a text.

use super::node::Content;

/// What a scalar without quotes is.
pub(super) fn plain(text: &str) -> Content {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Content::Null,
        "true" | "True" | "TRUE" => return Content::Bool(true),
        "false" | "False" | "FALSE" => return Content::Bool(false),
        ".nan" | ".NaN" | ".NAN" => return Content::Float(f64::NAN),
        _ => {}
    }
    let (sign, unsigned) = match text.as_bytes().first() {
        Some(b'-') => (-1, &text[1..]),
        Some(b'+') => (1, &text[1..]),
        _ => (1, text),
    };
    if matches!(unsigned, ".inf" | ".Inf" | ".INF") {
        return Content::Float(f64::INFINITY * f64::from(sign));
    }
    if let Some(int) = int(unsigned) {
        return Content::Int(int * i128::from(sign));
    }
    match float(unsigned) {
        Some(float) => Content::Float(float * f64::from(sign)),
        None => Content::Text(text.to_owned()),
    }
}

/// Whether a number is written in a way that other readers take for a text, or for another number.
pub(super) fn is_odd(text: &str) -> bool {
    let digits = text.trim_start_matches(['-', '+']);
    let leading_zero = digits.len() > 1 && digits.starts_with('0') && digits.bytes().all(|b| b.is_ascii_digit());
    digits.contains('_') || leading_zero
}

fn int(text: &str) -> Option<i128> {
    let (radix, digits) = match text.get(..2) {
        Some("0x") => (16, &text[2..]),
        Some("0o") => (8, &text[2..]),
        Some("0b") => (2, &text[2..]),
        _ => (10, text),
    };
    if !digits.starts_with(|c: char| c.is_digit(radix)) || !digits.chars().all(|c| c.is_digit(radix) || c == '_') {
        return None;
    }
    i128::from_str_radix(&digits.replace('_', ""), radix).ok()
}

fn float(text: &str) -> Option<f64> {
    let (number, exponent) = match text.split_once(['e', 'E']) {
        Some((number, exponent)) => (number, Some(exponent)),
        None => (text, None),
    };
    let digits = |text: &str| text.chars().all(|c| c.is_ascii_digit() || c == '_');
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let begins = whole.starts_with(|c: char| c.is_ascii_digit()) || (whole.is_empty() && !fraction.is_empty());
    if !begins || !digits(whole) || !digits(fraction) || (exponent.is_none() && !number.contains('.')) {
        return None;
    }
    if let Some(exponent) = exponent {
        let digits = exponent.strip_prefix(['-', '+']).unwrap_or(exponent);
        if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
    }
    text.replace('_', "").parse().ok()
}
