//! Values by name, sorted: what a stage has by the names of its inputs and outputs.
//!
//! Most stages have one or two of each, and there may be a hundred thousand stages. A node of a `BTreeMap` has room for eleven.

use std::fmt;
use std::marker::PhantomData;
use std::ops::Index;

use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A sorted map from names to values that takes no more memory than they need.
#[derive(Clone, PartialEq, Eq)]
pub struct NameMap<V>(Vec<(String, V)>);

impl<V> NameMap<V> {
    /// A map without entries.
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// A map without entries that has room for some.
    pub fn with_capacity(capacity: usize) -> Self {
        Self(Vec::with_capacity(capacity))
    }

    fn find(&self, name: &str) -> Result<usize, usize> {
        self.0.binary_search_by(|(key, _)| key.as_str().cmp(name))
    }

    /// The value of a name.
    pub fn get(&self, name: &str) -> Option<&V> {
        self.find(name).ok().map(|at| &self.0[at].1)
    }

    /// A name that has a value, and the value.
    pub fn get_key_value(&self, name: &str) -> Option<(&String, &V)> {
        self.find(name).ok().map(|at| pair(&self.0[at]))
    }

    /// Whether a name has a value.
    pub fn contains_key(&self, name: &str) -> bool {
        self.find(name).is_ok()
    }

    /// Gives a name its value; returns the one that it had.
    pub fn insert(&mut self, name: String, value: V) -> Option<V> {
        // What comes in order, as most does, is added at the end.
        if self.0.last().is_none_or(|(last, _)| *last < name) {
            if self.0.len() == self.0.capacity() {
                self.0.reserve_exact(1.max(self.0.len() / 2));
            }
            self.0.push((name, value));
            return None;
        }
        match self.find(&name) {
            Ok(at) => Some(std::mem::replace(&mut self.0[at].1, value)),
            Err(at) => {
                self.0.insert(at, (name, value));
                None
            }
        }
    }

    /// Takes a name out.
    pub fn remove(&mut self, name: &str) -> Option<V> {
        self.find(name).ok().map(|at| self.0.remove(at).1)
    }

    /// Keeps those of which something holds.
    pub fn retain(&mut self, mut holds: impl FnMut(&String, &V) -> bool) {
        self.0.retain(|(name, value)| holds(name, value));
    }

    /// Takes all out.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// How many names there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Names and values.
    pub fn iter(&self) -> Iter<'_, V> {
        self.0.iter().map(pair)
    }

    /// The names.
    pub fn keys(&self) -> impl DoubleEndedIterator<Item = &String> + ExactSizeIterator + Clone {
        self.0.iter().map(|(name, _)| name)
    }

    /// The values.
    pub fn values(&self) -> impl DoubleEndedIterator<Item = &V> + ExactSizeIterator + Clone {
        self.0.iter().map(|(_, value)| value)
    }

    /// The values, to change them.
    pub fn values_mut(&mut self) -> impl Iterator<Item = &mut V> {
        self.0.iter_mut().map(|(_, value)| value)
    }

    /// The values without their names.
    pub fn into_values(self) -> impl Iterator<Item = V> {
        self.0.into_iter().map(|(_, value)| value)
    }
}

/// An iterator over names and values.
pub type Iter<'a, V> = std::iter::Map<std::slice::Iter<'a, (String, V)>, fn(&(String, V)) -> (&String, &V)>;

fn pair<V>(entry: &(String, V)) -> (&String, &V) {
    (&entry.0, &entry.1)
}

impl<V> Default for NameMap<V> {
    fn default() -> Self {
        Self::new()
    }
}

impl<V: fmt::Debug> fmt::Debug for NameMap<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self).finish()
    }
}

impl<V> Index<&str> for NameMap<V> {
    type Output = V;

    fn index(&self, name: &str) -> &V {
        self.get(name).unwrap_or_else(|| panic!("there is no `{name}`"))
    }
}

impl<V> Index<&String> for NameMap<V> {
    type Output = V;

    fn index(&self, name: &String) -> &V {
        &self[name.as_str()]
    }
}

/// The last value of a name counts.
impl<V> Extend<(String, V)> for NameMap<V> {
    fn extend<T: IntoIterator<Item = (String, V)>>(&mut self, entries: T) {
        let entries = entries.into_iter();
        self.0.reserve_exact(entries.size_hint().0);
        entries.for_each(|(name, value)| drop(self.insert(name, value)));
    }
}

impl<V> FromIterator<(String, V)> for NameMap<V> {
    fn from_iter<T: IntoIterator<Item = (String, V)>>(entries: T) -> Self {
        let mut map = Self::new();
        map.extend(entries);
        map.0.shrink_to_fit();
        map
    }
}

impl<V, const N: usize> From<[(String, V); N]> for NameMap<V> {
    fn from(entries: [(String, V); N]) -> Self {
        entries.into_iter().collect()
    }
}

impl<'a, V> IntoIterator for &'a NameMap<V> {
    type Item = (&'a String, &'a V);
    type IntoIter = Iter<'a, V>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<V> IntoIterator for NameMap<V> {
    type Item = (String, V);
    type IntoIter = std::vec::IntoIter<(String, V)>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<V: Serialize> Serialize for NameMap<V> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self)
    }
}

impl<'de, V: Deserialize<'de>> Deserialize<'de> for NameMap<V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Names<V>(PhantomData<V>);

        impl<'de, V: Deserialize<'de>> Visitor<'de> for Names<V> {
            type Value = NameMap<V>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Self::Value, A::Error> {
                let mut map = NameMap::new();
                while let Some((name, value)) = entries.next_entry()? {
                    map.insert(name, value);
                }
                Ok(map)
            }
        }

        deserializer.deserialize_map(Names(PhantomData))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_is_as_any_other_map(entries in prop::collection::vec(("[a-d]{0,2}", any::<u8>()), 0..20), gone in "[a-d]{0,2}") {
            let mut map: NameMap<u8> = entries.iter().cloned().collect();
            let mut other: BTreeMap<String, u8> = entries.into_iter().collect();
            prop_assert!(map.iter().eq(other.iter()));
            map.retain(|name, _| *name != gone);
            other.remove(&gone);
            prop_assert_eq!(map.get(&gone), None);
            prop_assert!(map.keys().eq(other.keys()) && map.values().eq(other.values()));
            let json = serde_json::to_string(&map).unwrap();
            prop_assert_eq!(&json, &serde_json::to_string(&other).unwrap());
            prop_assert_eq!(serde_json::from_str::<NameMap<u8>>(&json).unwrap(), map);
        }
    }
}
