//! YAML text to a tree of values. The only file that names serde_yaml, which is no longer developed.

use std::cell::Cell;
use std::fmt;

use serde::de::{self, DeserializeSeed, Deserializer, EnumAccess, MapAccess, SeqAccess, Visitor};
use serde_json::Number;

use super::node::{Content, Entry, Node, Place};

/// A text that is not the YAML we take.
#[derive(Debug)]
pub(super) struct Fault {
    /// What is wrong.
    pub(super) message: String,
    /// What to do about it, where the text is YAML and we refuse what it says.
    pub(super) refused: Option<String>,
    /// Line and column from 1, in characters.
    pub(super) at: Option<(usize, usize)>,
    /// What the parser was in the middle of, and where that began.
    pub(super) within: Option<(String, (usize, usize))>,
}

/// So many values may come from aliases.
pub(super) const ALIASED: usize = 250_000;

/// The parser takes time in the square of how deep `[` and `{` nest, and of how many directives (`%TAG`) there are. With fewer of these
/// characters it is quick.
const FEW: usize = 4096;

/// Whether [`tree`] could take very long for a text of which nothing is known.
pub(super) fn may_take_long(text: &str) -> bool {
    text.bytes().filter(|byte| matches!(byte, b'[' | b'{' | b'%')).nth(FEW).is_some()
}

/// Whether a text holds characters that are line breaks to [`tree`], which goes by YAML 1.1, and are none in YAML 1.2.
pub(super) fn may_split_otherwise(text: &str) -> bool {
    !text.is_ascii() && text.contains(['\u{85}', '\u{2028}', '\u{2029}'])
}

/// Reads a text as one YAML document, in which aliases repeat so many values at most. Places are not filled in, and keys may repeat: `positions` sees to both.
///
/// # Errors
/// If the text is not YAML, holds several documents, a tag, a number that JSON cannot hold, or aliases that blow up.
pub(super) fn tree(text: &str, aliased: usize) -> Result<Node, Fault> {
    // Without aliases a text has fewer values than bytes, so only aliases can run into this.
    let budget = Cell::new(text.len() + aliased);
    let seed = Tree { budget: &budget };
    seed.deserialize(serde_yaml::Deserializer::from_str(text)).map_err(|e| fault(&e))
}

/// Has a reader of another format make the tree of a text of so many bytes.
pub(super) fn seeded<T, E>(length: usize, read: impl FnOnce(Tree<'_>) -> Result<T, E>) -> Result<T, E> {
    read(Tree { budget: &Cell::new(length) })
}

/// A message of a reader's, and the hint if it is ours.
pub(super) fn own_words(message: &str) -> (&str, Option<String>) {
    let Some((_, own)) = message.rsplit_once(PREFIX) else { return (message, None) };
    let (own, hint) = own.split_once(PREFIX_OF_HINT).unwrap_or((own, ""));
    (own, Some(hint.split(" at line ").next().unwrap_or_default().to_owned()))
}

/// Takes serde_yaml's sentence apart: `WHAT at line 1 column 2, while parsing THIS at line 3 column 4`.
fn fault(error: &serde_yaml::Error) -> Fault {
    let text = error.to_string();
    let at = error.location().map(|l| (l.line(), l.column()));
    let (what, context) = text.split_once(", while ").unwrap_or((&text, ""));
    let what = what.split_once(" at line ").map_or(what, |(before, _)| before);
    // serde_yaml puts the path of keys in front of our own messages; the place says it better.
    let own = what.rsplit_once(PREFIX).map(|(_, own)| own.split_once(PREFIX_OF_HINT).unwrap_or((own, "")));
    let within = context.split_once(" at line ").and_then(|(what, rest)| {
        let (line, column) = rest.split_once(" column ")?;
        Some((format!("while {what}"), (line.parse().ok()?, column.parse().ok()?)))
    });
    let (message, refused) = own.map_or((what, None), |(message, hint)| (message, Some(hint.to_owned())));
    Fault { message: message.to_owned(), refused, at, within }
}

/// Marks the messages that are ours within serde_yaml's.
const PREFIX: &str = "\u{1}";
/// What separates the hint from the message in them.
const PREFIX_OF_HINT: &str = "\u{2}";

fn refuse<E: de::Error>(message: impl fmt::Display, hint: &str) -> E {
    E::custom(format!("{PREFIX}{message}{PREFIX_OF_HINT}{hint}"))
}

const QUOTE: &str = "quote it if it is text";

fn too_large<E: de::Error>(value: impl fmt::Display) -> E {
    refuse(format!("the number {value} does not fit in 64 bits"), QUOTE)
}

/// How a number that is no finite one is written.
fn shown(value: f64) -> &'static str {
    if value.is_nan() {
        ".nan"
    } else if value > 0.0 {
        ".inf"
    } else {
        "-.inf"
    }
}

/// Builds a [`Node`] and counts what it builds.
#[derive(Clone, Copy)]
pub(super) struct Tree<'b> {
    budget: &'b Cell<usize>,
}

impl<'de> DeserializeSeed<'de> for Tree<'_> {
    type Value = Node;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Node, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl Tree<'_> {
    fn node<E: de::Error>(self, content: Content) -> Result<Node, E> {
        self.spend(1)?;
        Ok(Node::new(content))
    }

    fn spend<E: de::Error>(self, values: usize) -> Result<(), E> {
        match self.budget.get().checked_sub(values) {
            Some(left) => {
                self.budget.set(left);
                Ok(())
            }
            None => Err(refuse("the aliases in this file repeat more than 250000 values", "")),
        }
    }
}

impl<'de> Visitor<'de> for Tree<'_> {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a YAML value")
    }

    fn visit_unit<E: de::Error>(self) -> Result<Node, E> {
        self.node(Content::Null)
    }

    fn visit_none<E: de::Error>(self) -> Result<Node, E> {
        self.node(Content::Null)
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<Node, E> {
        self.node(Content::Bool(value))
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Node, E> {
        self.node(Content::Number(value.into()))
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Node, E> {
        self.node(Content::Number(value.into()))
    }

    fn visit_u128<E: de::Error>(self, value: u128) -> Result<Node, E> {
        Err(too_large(value))
    }

    fn visit_i128<E: de::Error>(self, value: i128) -> Result<Node, E> {
        Err(too_large(value))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Node, E> {
        match Number::from_f64(value) {
            Some(number) => self.node(Content::Number(number)),
            None => Err(refuse(
                format!("`{}` is not a finite number, and a pipeline file holds no others", shown(value)),
                QUOTE,
            )),
        }
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<Node, E> {
        self.spend(value.len() / 32)?;
        self.node(Content::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Node, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = access.next_element_seed(self)? {
            items.push(item);
        }
        items.shrink_to_fit();
        self.node(Content::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Node, A::Error> {
        let mut entries = Vec::new();
        while let Some(key) = access.next_key_seed(Key)? {
            let node = access.next_value_seed(self)?;
            entries.push(Entry { key, place: Place::default(), node });
        }
        // Most mappings are small, and there may be hundreds of thousands.
        entries.shrink_to_fit();
        self.node(Content::Map(entries))
    }

    fn visit_enum<A: EnumAccess<'de>>(self, _: A) -> Result<Node, A::Error> {
        Err(refuse(
            "tags such as `!name` have no meaning in a pipeline",
            "quote the value if it is text that begins with `!`",
        ))
    }
}

/// Reads a key as the text it is written as.
struct Key;

impl<'de> DeserializeSeed<'de> for Key {
    type Value = String;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<String, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Key {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a plain text as the key")
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<String, E> {
        Ok(value.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use common::scalar::Scalar;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]
        #[test]
        fn a_plain_scalar_is_what_it_is_in_a_model_file(text in "[-+.]{0,2}(0[xob])?[-+.0-9a-fxobeEINinfNaN_~]{0,8}([0-9]{0,30})") {
            let read = match tree(&format!("a: {text}\n"), 0) {
                Ok(Node { content: Content::Map(mut entries), .. }) => Some(entries.remove(0).node.content),
                Ok(_) => None,
                // Such as a dash by itself, which is a list.
                Err(fault) if fault.refused.is_none() => return Ok(()),
                Err(fault) => {
                    prop_assert!(matches!(Scalar::of(&text), Scalar::TooLarge | Scalar::Float(_)), "{text}: {fault:?}");
                    return Ok(());
                }
            };
            let same = match (read, Scalar::of(&text)) {
                (Some(Content::Null), Scalar::Null) => true,
                (Some(Content::Bool(a)), Scalar::Bool(b)) => a == b,
                (Some(Content::Number(a)), Scalar::Unsigned(b)) => a == b.into(),
                (Some(Content::Number(a)), Scalar::Signed(b)) => a == b.into(),
                (Some(Content::Number(a)), Scalar::Float(b)) => Some(a) == Number::from_f64(b),
                (Some(Content::Text(a)), Scalar::Text) => a == text,
                _ => false,
            };
            prop_assert!(same, "{text}: {:?}", Scalar::of(&text));
        }
    }
}
