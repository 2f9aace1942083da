//! The canonical encoding of JSON values: equal values have equal bytes, whatever order or spelling they came in.
//!
//! RFC 8785 (JSON Canonicalization Scheme) with three differences. Keys are sorted by their UTF-8 bytes. Integers beyond
//! 2^53 keep all their digits, and whole floats that large are written with an exponent, so that neither is mistaken for
//! the other. Where two shortest spellings of a float are equally near, the last digit need not be even.

use std::fmt::Write;

use serde_json::{Number, Value};

/// The largest magnitude below which every whole number is a double.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// What makes two numbers below 2^53 one. Whole floats from there on are another than integers in any form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NumberForm {
    /// Their value: `1` and `1.0` are the same, and `-0.0` is `0`.
    ByValue,
    /// Their value and their type, which a script is told by JSON: `1.0` is another than `1`, and `-0.0` than `0`.
    ByType,
}

/// The canonical JSON of a value. `1` and `1.0` are the same value; `-0.0` is `0`.
pub fn canonical_json(value: &Value) -> String {
    json_by(value, NumberForm::ByValue)
}

/// The canonical JSON of a value, in which numbers are told apart as asked.
pub(crate) fn json_by(value: &Value, numbers: NumberForm) -> String {
    let mut out = String::new();
    write_value(&mut out, value, numbers);
    out
}

/// Appends the canonical JSON of a value.
pub(crate) fn write_value(out: &mut String, value: &Value, numbers: NumberForm) {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(true) => out.push_str("true"),
        Value::Bool(false) => out.push_str("false"),
        Value::Number(number) => write_number(out, number, numbers),
        Value::String(text) => write_string(out, text),
        Value::Array(items) => {
            out.push('[');
            for (i, item) in items.iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                write_value(out, item, numbers);
            }
            out.push(']');
        }
        Value::Object(map) => {
            // serde_json's map keeps insertion order where any crate of the build asks for that.
            let mut entries: Vec<_> = map.iter().collect();
            entries.sort_unstable_by(|a, b| a.0.cmp(b.0));
            out.push('{');
            for (i, (key, item)) in entries.into_iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                write_string(out, key);
                out.push(':');
                write_value(out, item, numbers);
            }
            out.push('}');
        }
    }
}

/// Appends a JSON string with the fewest escapes, as RFC 8785 has them.
pub(crate) fn write_string(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c < ' ' => write!(out, "\\u{:04x}", c as u32).expect("a String takes everything"),
            c => out.push(c),
        }
    }
    out.push('"');
}

fn write_number(out: &mut String, number: &Number, numbers: NumberForm) {
    let written = if let Some(n) = number.as_u64() {
        write!(out, "{n}")
    } else if let Some(n) = number.as_i64() {
        write!(out, "{n}")
    } else {
        write_float(out, number.as_f64().unwrap_or(f64::NAN), numbers);
        Ok(())
    };
    written.expect("a String takes everything");
}

/// Shortest digits that read back as `x`, laid out as ECMAScript does.
fn write_float(out: &mut String, x: f64, numbers: NumberForm) {
    if x.fract() == 0.0 && x.abs() < EXACT {
        match numbers {
            NumberForm::ByValue => write!(out, "{}", x as i64),
            NumberForm::ByType => write!(out, "{x:.1}"),
        }
        .expect("a String takes everything");
        return;
    }
    let scientific = format!("{:e}", x.abs());
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let digits = mantissa.replace('.', "");
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if x < 0.0 {
        out.push('-');
    }
    // The decimal point stands before digit number `point`.
    let point = exponent + 1;
    match usize::try_from(point) {
        Ok(point) if 0 < point && point < digits.len() => {
            out.push_str(&digits[..point]);
            out.push('.');
            out.push_str(&digits[point..]);
        }
        _ if -6 < point && point <= 0 => {
            out.push_str("0.");
            out.extend(std::iter::repeat_n('0', point.unsigned_abs() as usize));
            out.push_str(&digits);
        }
        _ => {
            out.push_str(&digits[..1]);
            if digits.len() > 1 {
                out.push('.');
                out.push_str(&digits[1..]);
            }
            write!(out, "e{exponent:+}").expect("a String takes everything");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn floats_are_laid_out_as_in_rfc_8785() {
        // From appendix B of the RFC, and the borders of each layout.
        for (bits, text) in [
            (0x0000_0000_0000_0000_u64, "0"),
            (0x8000_0000_0000_0000, "0"),
            (0x0000_0000_0000_0001, "5e-324"),
            (0x8000_0000_0000_0001, "-5e-324"),
            (0x7fef_ffff_ffff_ffff, "1.7976931348623157e+308"),
            (0x44b5_2d02_c7e1_4af6, "1e+23"),
            (0x3eb0_c6f7_a0b5_ed8d, "0.000001"),
            (0x3eb0_c6f7_a0b5_ed8c, "9.999999999999997e-7"),
            (0x41b3_de43_5555_5553, "333333333.3333332"),
            (0xbecb_f647_612f_3696, "-0.0000033333333333333333"),
        ] {
            assert_eq!(canonical_json(&json!(f64::from_bits(bits))), text);
        }
        assert_eq!(canonical_json(&json!([1.0, 1, -3.0, 0.5, 100.25])), "[1,1,-3,0.5,100.25]");
    }

    #[test]
    fn large_integers_and_large_floats_stay_apart() {
        assert_eq!(canonical_json(&json!(u64::MAX)), "18446744073709551615");
        assert_eq!(canonical_json(&json!(i64::MIN)), "-9223372036854775808");
        assert_ne!(canonical_json(&json!(1_152_921_504_606_847_000_u64)), canonical_json(&json!(2f64.powi(60))));
    }

    #[test]
    fn strings_have_the_fewest_escapes() {
        assert_eq!(canonical_json(&json!("a\"\\\n\u{1}é\u{7f}/")), "\"a\\\"\\\\\\n\\u0001é\u{7f}/\"");
    }

    /// Arbitrary JSON.
    fn value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            ".*".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 40, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                prop::collection::vec((".{0,4}", inner), 0..6)
                    .prop_map(|entries| Value::Object(entries.into_iter().collect())),
            ]
        })
    }

    /// The same value written down as JSON with the entries of every object in reverse order.
    fn reversed(value: &Value) -> String {
        match value {
            Value::Array(items) => format!("[{}]", items.iter().map(reversed).collect::<Vec<_>>().join(" ,")),
            Value::Object(map) => {
                let mut entries: Vec<_> =
                    map.iter().map(|(k, v)| format!("{} : {}", Value::from(k.as_str()), reversed(v))).collect();
                entries.reverse();
                format!("{{{}}}", entries.join(",\n"))
            }
            leaf => leaf.to_string(),
        }
    }

    proptest! {
        #[test]
        fn order_and_spelling_do_not_matter(value in value()) {
            let canonical = canonical_json(&value);
            let other: Value = serde_json::from_str(&reversed(&value)).unwrap();
            prop_assert_eq!(&canonical_json(&other), &canonical);
            let read_back: Value = serde_json::from_str(&canonical).unwrap();
            prop_assert_eq!(&canonical_json(&read_back), &canonical);
        }

        #[test]
        fn floats_read_back_exactly(x in any::<f64>().prop_filter("finite", |x| x.is_finite())) {
            let text = canonical_json(&json!(x));
            prop_assert_eq!(text.parse::<f64>().unwrap(), x);
        }
    }
}
