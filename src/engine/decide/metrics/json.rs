//! Metrics in JSON: the numbers of an object, nested keys joined by dots, in the order of the file.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use super::{Found, is_meant_as_number, quoted};
use crate::json_number;

/// So deep may objects and lists be nested, as serde_json has it.
const DEEPEST: usize = 127;

/// How serde_json says that they are deeper, before the place.
const TOO_DEEP: &str = "recursion limit exceeded";

/// Reads the numbers of an object. Booleans count as 0 and 1, labels are left out, items of lists go by position.
pub(super) fn read(text: &str, found: &mut Found) -> Result<(), String> {
    if text.trim().is_empty() {
        return Err("not a JSON metrics file: it is empty".into());
    }
    let text = json_number::spelled_out(text);
    let mut json = serde_json::Deserializer::from_str(&text);
    let read = Object { prefix: "", found }.deserialize(&mut json).and_then(|()| json.end());
    read.map_err(|error| match error.to_string().strip_prefix(TOO_DEEP) {
        Some(place) => format!("not a JSON metrics file: it is nested more than {DEEPEST} levels deep{place}"),
        None if error.is_data() => "a metrics file must hold a JSON object".to_owned(),
        None => format!("not a JSON metrics file: {error}"),
    })
}

/// The file as a whole, or an object in it.
struct Object<'f> {
    prefix: &'f str,
    found: &'f mut Found,
}

impl<'de> DeserializeSeed<'de> for Object<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Object<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<String>()? {
            let name = if self.prefix.is_empty() { key } else { format!("{}.{key}", self.prefix) };
            map.next_value_seed(Item { name, found: self.found })?;
        }
        Ok(())
    }
}

/// A value, by its name.
struct Item<'f> {
    name: String,
    found: &'f mut Found,
}

impl<'de> DeserializeSeed<'de> for Item<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Item<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<(), E> {
        self.found.number(self.name, value);
        Ok(())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<(), E> {
        self.visit_f64(value as f64)
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<(), E> {
        self.visit_f64(value as f64)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<(), E> {
        self.visit_f64(f64::from(u8::from(value)))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<(), E> {
        if let Some(value) = json_number::of_word(value) {
            return self.visit_f64(value);
        }
        if is_meant_as_number(value) {
            self.found.odd(self.name, format!("is {}", quoted(value)));
        }
        Ok(())
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        self.found.odd(self.name, "is null");
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let mut position = 0;
        while items.next_element_seed(Item { name: format!("{}.{position}", self.name), found: self.found })?.is_some()
        {
            position += 1;
        }
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<(), A::Error> {
        Object { prefix: &self.name, found: self.found }.visit_map(map)
    }
}
