//! Numbers in JSON, those that it has no word for included: `"NaN"`, `"Infinity"` and `"-Infinity"`, as in the JSON of protocol
//! buffers. All others are as they always were.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Error, Unexpected, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A number that is written so, and read back. `null`, which earlier records have for one that is not finite, is read as NaN.
#[derive(Clone, Copy)]
struct Number(f64);

/// The word for a number that is not finite.
pub(crate) fn word(value: f64) -> Option<&'static str> {
    match value {
        _ if value.is_nan() => Some("NaN"),
        f64::INFINITY => Some("Infinity"),
        f64::NEG_INFINITY => Some("-Infinity"),
        _ => None,
    }
}

/// The number that a word stands for.
pub(crate) fn of_word(text: &str) -> Option<f64> {
    match text {
        "NaN" => Some(f64::NAN),
        "Infinity" => Some(f64::INFINITY),
        "-Infinity" => Some(f64::NEG_INFINITY),
        _ => None,
    }
}

/// The text with the numbers that JSON has no word for as strings: Python's `json` writes `NaN`, `Infinity` and `-Infinity`, and
/// takes `1e999` for infinite.
pub(crate) fn spelled_out(text: &str) -> Cow<'_, str> {
    let bytes = text.as_bytes();
    let (mut out, mut copied, mut at) = (String::new(), 0, 0);
    while let Some(byte) = bytes.get(at) {
        let start = at;
        if *byte == b'"' {
            at = end_of_string(bytes, at);
        } else if is_of_a_word(byte) {
            at += bytes[at..].iter().take_while(|byte| is_of_a_word(byte)).count();
            if let Some(name) = text[start..at].parse().ok().and_then(word) {
                out += &text[copied..start];
                out += &format!("\"{name}\"");
                copied = at;
            }
        } else {
            at += 1;
        }
    }
    if copied == 0 {
        return Cow::Borrowed(text);
    }
    out += &text[copied..];
    Cow::Owned(out)
}

fn is_of_a_word(byte: &u8) -> bool {
    byte.is_ascii_alphanumeric() || b"+-.".contains(byte)
}

/// Where the string that begins here is over.
fn end_of_string(bytes: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => return at + 1,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    bytes.len()
}

impl Serialize for Number {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match word(self.0) {
            Some(word) => serializer.serialize_str(word),
            None => serializer.serialize_f64(self.0),
        }
    }
}

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reading)
    }
}

struct Reading;

impl Visitor<'_> for Reading {
    type Value = Number;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(r#"a number, "NaN", "Infinity" or "-Infinity""#)
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Number, E> {
        Ok(Number(value))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Number, E> {
        Ok(Number(value as f64))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Number, E> {
        Ok(Number(value as f64))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Number, E> {
        of_word(text).map(Number).ok_or_else(|| E::invalid_value(Unexpected::Str(text), &self))
    }

    fn visit_unit<E: Error>(self) -> Result<Number, E> {
        Ok(Number(f64::NAN))
    }
}

/// A number.
pub(crate) mod one {
    use super::{Deserialize, Deserializer, Number, Serialize, Serializer};

    pub(crate) fn serialize<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
        Number(*value).serialize(serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
        Number::deserialize(deserializer).map(|number| number.0)
    }
}

/// A number, or `null` where there is none.
pub(crate) mod option {
    use super::{Deserialize, Deserializer, Number, Serialize, Serializer};

    pub(crate) fn serialize<S: Serializer>(value: &Option<f64>, serializer: S) -> Result<S::Ok, S::Error> {
        value.map(Number).serialize(serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<f64>, D::Error> {
        Ok(Option::<Number>::deserialize(deserializer)?.map(|number| number.0))
    }
}

/// A list of numbers, with `null` where there is none.
pub(crate) mod options {
    use super::{Deserialize, Deserializer, Number, Serializer};

    pub(crate) fn serialize<S: Serializer>(values: &[Option<f64>], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(values.iter().map(|value| value.map(Number)))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Option<f64>>, D::Error> {
        let values = Vec::<Option<Number>>::deserialize(deserializer)?;
        Ok(values.into_iter().map(|value| value.map(|number| number.0)).collect())
    }
}

/// Numbers by name.
pub(crate) mod map {
    use std::collections::BTreeMap;

    use super::{Deserialize, Deserializer, Number, Serializer};

    pub(crate) fn serialize<S: Serializer>(values: &BTreeMap<String, f64>, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(values.iter().map(|(name, value)| (name, Number(*value))))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, f64>, D::Error> {
        let values = BTreeMap::<String, Number>::deserialize(deserializer)?;
        Ok(values.into_iter().map(|(name, number)| (name, number.0)).collect())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[derive(Debug, Serialize, Deserialize)]
    struct All {
        #[serde(with = "one")]
        one: f64,
        #[serde(with = "option")]
        option: Option<f64>,
        #[serde(with = "options")]
        options: Vec<Option<f64>>,
        #[serde(with = "map")]
        map: BTreeMap<String, f64>,
    }

    #[test]
    fn every_number_reads_back() {
        let all = All {
            one: f64::NAN,
            option: Some(f64::INFINITY),
            options: vec![Some(f64::NEG_INFINITY), None, Some(0.1), Some(2.0)],
            map: BTreeMap::from([("a".to_owned(), f64::NAN), ("b".to_owned(), 0.5)]),
        };
        let text = serde_json::to_string(&all).unwrap();
        let expected =
            r#"{"one":"NaN","option":"Infinity","options":["-Infinity",null,0.1,2.0],"map":{"a":"NaN","b":0.5}}"#;
        assert_eq!(text, expected);
        let read: All = serde_json::from_str(&text).unwrap();
        assert_eq!(format!("{read:?}"), format!("{all:?}"));
        let read: All = serde_json::from_value(serde_json::to_value(&all).unwrap()).unwrap();
        assert_eq!(format!("{read:?}"), format!("{all:?}"));
    }

    #[test]
    fn null_in_place_of_a_number_is_not_a_number() {
        let read: All =
            serde_json::from_str(r#"{"one":null,"option":null,"options":[null,3],"map":{"a":null}}"#).unwrap();
        assert!(read.one.is_nan() && read.map["a"].is_nan());
        assert_eq!((read.option, read.options), (None, vec![None, Some(3.0)]));
        assert!(serde_json::from_str::<All>(r#"{"one":"nan","option":null,"options":[],"map":{}}"#).is_err());
    }
}
