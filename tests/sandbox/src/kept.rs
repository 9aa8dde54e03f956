//! What is kept, within bounds of number and size: the oldest goes first.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::mem::size_of;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

/// The most entries of each kind: messages, conversations, tokens and so on.
pub const MAX_KEPT: usize = 100_000;

/// The most bytes that the entries of each kind have, about.
pub const MAX_KEPT_BYTES: usize = 64 * 1024 * 1024;

/// About how much memory a value takes.
pub(crate) trait Weigh {
    fn weight(&self) -> usize;

    /// True if it is still in use: it goes only after all that are not.
    fn is_in_use(&self) -> bool {
        false
    }
}

impl Weigh for () {
    fn weight(&self) -> usize {
        0
    }
}

impl Weigh for String {
    fn weight(&self) -> usize {
        size_of::<Self>() + self.len()
    }
}

impl<T: Weigh> Weigh for Option<T> {
    fn weight(&self) -> usize {
        self.as_ref().map_or(size_of::<T>(), Weigh::weight)
    }
}

impl<T: Weigh> Weigh for Vec<T> {
    fn weight(&self) -> usize {
        size_of::<Self>() + self.iter().map(Weigh::weight).sum::<usize>()
    }
}

impl Weigh for Value {
    fn weight(&self) -> usize {
        let inner = match self {
            Self::String(text) => text.len(),
            Self::Array(values) => values.iter().map(Weigh::weight).sum(),
            Self::Object(members) => {
                members.iter().map(|(name, value)| name.weight() + value.weight()).sum()
            }
            Self::Null | Self::Bool(_) | Self::Number(_) => 0,
        };
        size_of::<Self>() + inner
    }
}

/// A map that removes its oldest entries when it is full, and those in use last. What is added or changed stays, whatever
/// its size.
#[derive(Clone, Debug)]
pub(crate) struct BoundedMap<
    V,
    const CAPACITY: usize = MAX_KEPT,
    const BYTES: usize = MAX_KEPT_BYTES,
> {
    entries: BTreeMap<String, Entry<V>>,
    /// The keys by their ages, and the ages of those that are not in use.
    order: BTreeMap<u64, String>,
    unused: BTreeSet<u64>,
    added: u64,
    bytes: usize,
}

#[derive(Clone, Debug)]
struct Entry<V> {
    value: V,
    /// By what it counts.
    weight: usize,
    age: u64,
}

impl<V, const CAPACITY: usize, const BYTES: usize> Default for BoundedMap<V, CAPACITY, BYTES> {
    fn default() -> Self {
        Self {
            entries: BTreeMap::new(),
            order: BTreeMap::new(),
            unused: BTreeSet::new(),
            added: 0,
            bytes: 0,
        }
    }
}

/// As pairs, oldest first.
impl<V: Serialize, const CAPACITY: usize, const BYTES: usize> Serialize
    for BoundedMap<V, CAPACITY, BYTES>
{
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let value = |key: &'_ String| self.entries.get(key).map(|entry| &entry.value);
        serializer.collect_seq(self.order.values().filter_map(move |key| Some((key, value(key)?))))
    }
}

impl<'de, V: Deserialize<'de> + Weigh, const CAPACITY: usize, const BYTES: usize> Deserialize<'de>
    for BoundedMap<V, CAPACITY, BYTES>
{
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut map = Self::default();
        for (key, value) in Vec::<(String, V)>::deserialize(deserializer)? {
            map.insert(key, value);
        }
        Ok(map)
    }
}

impl<V: Weigh, const CAPACITY: usize, const BYTES: usize> BoundedMap<V, CAPACITY, BYTES> {
    /// Adds an entry. One that replaces another keeps its age.
    pub(crate) fn insert(&mut self, key: String, value: V) {
        self.added += 1;
        let mut age = self.added;
        if let Some(before) = self.entries.remove(&key) {
            self.bytes -= before.weight;
            age = before.age;
        }
        self.order.insert(age, key.clone());
        self.entries.insert(key.clone(), Entry { value, weight: 0, age });
        self.weigh_again(&key);
    }

    /// Weighs an entry again, which has changed.
    pub(crate) fn weigh_again(&mut self, key: &str) {
        let Some(entry) = self.entries.get_mut(key) else { return };
        self.bytes -= entry.weight;
        // The key is there twice.
        entry.weight = 2 * (size_of::<String>() + key.len()) + entry.value.weight();
        self.bytes += entry.weight;
        match entry.value.is_in_use() {
            true => self.unused.remove(&entry.age),
            false => self.unused.insert(entry.age),
        };
        let age = entry.age;
        self.trim(age);
    }

    /// Removes entries until the others fit; this one stays.
    fn trim(&mut self, kept: u64) {
        while self.order.len() > CAPACITY || self.bytes > BYTES {
            let unused = self.unused.iter().find(|age| **age != kept);
            let oldest = unused.or_else(|| self.order.keys().find(|age| **age != kept)).copied();
            let Some(key) = oldest.and_then(|age| self.order.get(&age)).cloned() else { return };
            self.remove(&key);
        }
    }

    pub(crate) fn remove(&mut self, key: &str) {
        if let Some(entry) = self.entries.remove(key) {
            self.bytes -= entry.weight;
            self.order.remove(&entry.age);
            self.unused.remove(&entry.age);
        }
    }
}

impl<V, const CAPACITY: usize, const BYTES: usize> BoundedMap<V, CAPACITY, BYTES> {
    pub(crate) fn get(&self, key: &str) -> Option<&V> {
        self.entries.get(key).map(|entry| &entry.value)
    }

    /// An entry to change; [`weigh_again`](Self::weigh_again) follows if it grows, or if it is in use or no more.
    pub(crate) fn get_mut(&mut self, key: &str) -> Option<&mut V> {
        self.entries.get_mut(key).map(|entry| &mut entry.value)
    }

    pub(crate) fn values(&self) -> impl Iterator<Item = &V> {
        self.entries.values().map(|entry| &entry.value)
    }

    pub(crate) fn values_mut(&mut self) -> impl Iterator<Item = &mut V> {
        self.entries.values_mut().map(|entry| &mut entry.value)
    }

    pub(crate) fn len(&self) -> usize {
        self.order.len()
    }

    /// About how many bytes the entries have.
    #[cfg(test)]
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// The entries, newest first.
    pub(crate) fn newest(&self) -> impl Iterator<Item = (&str, &V)> {
        self.order.values().rev().filter_map(|key| Some((key.as_str(), self.get(key)?)))
    }

    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }
}

/// A list that removes its oldest entries when it is full. It keeps the newest, whatever its size.
#[derive(Clone, Debug)]
pub(crate) struct BoundedList<
    T,
    const CAPACITY: usize = MAX_KEPT,
    const BYTES: usize = MAX_KEPT_BYTES,
> {
    entries: VecDeque<T>,
    /// The weights by which they count.
    weights: VecDeque<usize>,
    bytes: usize,
}

impl<T, const CAPACITY: usize, const BYTES: usize> Default for BoundedList<T, CAPACITY, BYTES> {
    fn default() -> Self {
        Self { entries: VecDeque::new(), weights: VecDeque::new(), bytes: 0 }
    }
}

impl<T: Serialize, const CAPACITY: usize, const BYTES: usize> Serialize
    for BoundedList<T, CAPACITY, BYTES>
{
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.entries.serialize(serializer)
    }
}

impl<'de, T: Deserialize<'de> + Weigh, const CAPACITY: usize, const BYTES: usize> Deserialize<'de>
    for BoundedList<T, CAPACITY, BYTES>
{
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut list = Self::default();
        Vec::<T>::deserialize(deserializer)?.into_iter().for_each(|one| list.push(one));
        Ok(list)
    }
}

impl<T: Weigh, const CAPACITY: usize, const BYTES: usize> BoundedList<T, CAPACITY, BYTES> {
    pub(crate) fn push(&mut self, one: T) {
        let weight = one.weight();
        self.bytes += weight;
        self.entries.push_back(one);
        self.weights.push_back(weight);
        while (self.entries.len() > CAPACITY || self.bytes > BYTES) && self.entries.len() > 1 {
            self.entries.pop_front();
            self.bytes -= self.weights.pop_front().unwrap_or_default();
        }
    }
}

impl<T, const CAPACITY: usize, const BYTES: usize> BoundedList<T, CAPACITY, BYTES> {
    /// The entries, oldest first.
    pub(crate) fn entries(&self) -> &VecDeque<T> {
        &self.entries
    }

    /// The entries to change, without making them larger.
    pub(crate) fn entries_mut(&mut self) -> impl DoubleEndedIterator<Item = &mut T> {
        self.entries.iter_mut()
    }

    /// About how many bytes the entries have.
    #[cfg(test)]
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }
}

#[cfg(test)]
#[path = "kept_tests.rs"]
mod tests;
