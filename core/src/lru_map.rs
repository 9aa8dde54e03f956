//! A map that tracks its least recently used entry.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

/// No place in the list.
const NONE: u32 = u32::MAX;

/// A map whose entries are ordered by their last use. It is full with four thousand million.
///
/// The tree compares the digests of two keys before the keys. Each key lives in its own allocation, so
/// a look-up among a million entries would otherwise miss the CPU cache about twenty times; now it misses
/// once. The digest needs no secret: keys chosen to collide cost what keys without a digest cost.
///
/// Crates for this exist (`lru`, `hashlink`), but they hash with a random seed, and this crate draws
/// no random number.
#[derive(Clone, Debug)]
pub(crate) struct LruMap<K, V> {
    entries: BTreeMap<(u64, K), Slot<V>>,
    order: LinkedList<K>,
}

#[derive(Clone, Debug)]
struct Slot<V> {
    value: V,
    /// The key's place in the list.
    place: u32,
}

impl<K: Clone + Ord + AsRef<str>, V> LruMap<K, V> {
    pub(crate) const fn new() -> Self {
        Self { entries: BTreeMap::new(), order: LinkedList::new() }
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(crate) fn contains(&self, key: &K) -> bool {
        self.entries.contains_key(&entry_of(key))
    }

    /// The value of `key`. Does not count as a use.
    pub(crate) fn get(&self, key: &K) -> Option<&V> {
        self.entries.get(&entry_of(key)).map(|slot| &slot.value)
    }

    /// The value of `key`. Does not count as a use.
    pub(crate) fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        self.entries.get_mut(&entry_of(key)).map(|slot| &mut slot.value)
    }

    /// The value of `key`, if it is there and meets the condition. Counts as a use then.
    pub(crate) fn touch_if(
        &mut self,
        key: &K,
        condition: impl FnOnce(&mut V) -> bool,
    ) -> Option<&mut V> {
        let slot = self.entries.get_mut(&entry_of(key))?;
        if !condition(&mut slot.value) {
            return None;
        }
        self.order.move_to_end(slot.place);
        Some(&mut slot.value)
    }

    /// The value of `key`, inserted if absent. Counts as a use.
    pub(crate) fn touch(&mut self, key: &K, make: impl FnOnce() -> V) -> &mut V {
        match self.entries.entry(entry_of(key)) {
            Entry::Occupied(entry) => {
                let slot = entry.into_mut();
                self.order.move_to_end(slot.place);
                &mut slot.value
            }
            Entry::Vacant(entry) => {
                let place = self.order.push(key.clone());
                &mut entry.insert(Slot { value: make(), place }).value
            }
        }
    }

    /// The least recently used key.
    pub(crate) fn oldest(&self) -> Option<&K> {
        self.order.keys().next()
    }

    /// Removes the least recently used entry.
    pub(crate) fn pop_oldest(&mut self) -> Option<(K, V)> {
        let key = self.order.pop_oldest()?;
        let slot = self.entries.remove(&entry_of(&key))?;
        Some((key, slot.value))
    }

    /// Removes the entry of `key`.
    pub(crate) fn remove(&mut self, key: &K) -> Option<V> {
        let slot = self.entries.remove(&entry_of(key))?;
        self.order.remove(slot.place);
        Some(slot.value)
    }

    /// All keys, the least recently used first.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &K> {
        self.order.keys()
    }

    /// All values, in arbitrary order.
    #[cfg(test)]
    pub(crate) fn values(&self) -> impl Iterator<Item = &V> {
        self.entries.values().map(|slot| &slot.value)
    }
}

fn entry_of<K: Clone + AsRef<str>>(key: &K) -> (u64, K) {
    (digest(key.as_ref()), key.clone())
}

/// A cheap hash. It spreads keys, and is not safe against chosen ones.
fn digest(text: &str) -> u64 {
    const ODD: u64 = 0x9e37_79b9_7f4a_7c15;
    let mix = |digest: u64, word: u64| {
        let mixed = (digest ^ word).wrapping_mul(ODD);
        mixed ^ (mixed >> 32)
    };
    let (words, rest) = text.as_bytes().as_chunks::<8>();
    let digest =
        words.iter().fold(text.len() as u64, |digest, word| mix(digest, u64::from_le_bytes(*word)));
    let rest = rest.iter().fold(0, |rest, byte| rest << 8 | u64::from(*byte));
    mix(digest, rest)
}

/// A doubly linked list in a vector: moving a key to the end takes no search.
#[derive(Clone, Debug)]
struct LinkedList<K> {
    links: Vec<Link<K>>,
    /// Unused places.
    free: Vec<u32>,
    oldest: u32,
    newest: u32,
}

#[derive(Clone, Debug)]
struct Link<K> {
    key: Option<K>,
    older: u32,
    newer: u32,
}

impl<K> LinkedList<K> {
    const fn new() -> Self {
        Self { links: Vec::new(), free: Vec::new(), oldest: NONE, newest: NONE }
    }

    /// Appends a key. Returns its place, which stays the same until the key is removed.
    fn push(&mut self, key: K) -> u32 {
        let link = Link { key: Some(key), older: NONE, newer: NONE };
        let next = u32::try_from(self.links.len()).unwrap_or(NONE);
        let reused = self.free.pop().filter(|place| *place < next);
        let place = reused.unwrap_or(next);
        match self.link(place) {
            Some(free) => *free = link,
            None => self.links.push(link),
        }
        self.link_last(place);
        place
    }

    fn link(&mut self, place: u32) -> Option<&mut Link<K>> {
        self.links.get_mut(usize::try_from(place).ok()?)
    }

    /// Moves the key at `place` to the end.
    fn move_to_end(&mut self, place: u32) {
        if place != self.newest {
            self.unlink(place);
            self.link_last(place);
        }
    }

    fn pop_oldest(&mut self) -> Option<K> {
        self.remove(self.oldest)
    }

    fn remove(&mut self, place: u32) -> Option<K> {
        let key = self.link(place)?.key.take();
        self.unlink(place);
        self.free.push(place);
        key
    }

    fn keys(&self) -> impl Iterator<Item = &K> {
        let mut place = self.oldest;
        std::iter::from_fn(move || {
            let link = self.links.get(usize::try_from(place).ok()?)?;
            place = link.newer;
            link.key.as_ref()
        })
    }

    fn unlink(&mut self, place: u32) {
        let Some(link) = self.link(place) else { return };
        let (older, newer) = (link.older, link.newer);
        match self.link(older) {
            Some(link) => link.newer = newer,
            None => self.oldest = newer,
        }
        match self.link(newer) {
            Some(link) => link.older = older,
            None => self.newest = older,
        }
    }

    fn link_last(&mut self, place: u32) {
        let last = std::mem::replace(&mut self.newest, place);
        match self.link(last) {
            Some(link) => link.newer = place,
            None => self.oldest = place,
        }
        if let Some(link) = self.link(place) {
            (link.older, link.newer) = (last, NONE);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[derive(Clone, Copy, Debug)]
    enum Act {
        Touch(u8),
        TouchIfEven(u8),
        Remove(u8),
        Pop,
    }

    fn acts() -> impl Strategy<Value = Vec<Act>> {
        let act = prop_oneof![
            6 => (0u8..12).prop_map(Act::Touch),
            2 => (0u8..12).prop_map(Act::TouchIfEven),
            1 => (0u8..12).prop_map(Act::Remove),
            1 => Just(Act::Pop),
        ];
        prop::collection::vec(act, 0..80)
    }

    proptest! {
        /// The oracle is a list that is searched from its start.
        #[test]
        fn keys_are_in_the_order_of_use(acts in acts()) {
            let mut map = LruMap::new();
            let mut list: Vec<(String, u8)> = Vec::new();
            for act in acts {
                match act {
                    Act::Touch(n) => {
                        let key = format!("consumer-{n}");
                        *map.touch(&key, || 0) += 1;
                        let at = list.iter().position(|(known, _)| *known == key);
                        let mut entry = at.map_or((key, 0), |at| list.remove(at));
                        entry.1 += 1;
                        list.push(entry);
                    }
                    Act::TouchIfEven(n) => {
                        let key = format!("consumer-{n}");
                        let at = list.iter().position(|(known, _)| *known == key);
                        let at = at.filter(|at| list[*at].1.is_multiple_of(2));
                        let expected = at.map(|at| list.remove(at));
                        let touched = map.touch_if(&key, |uses: &mut u8| uses.is_multiple_of(2));
                        prop_assert_eq!(touched.copied(), expected.as_ref().map(|(_, uses)| *uses));
                        list.extend(expected);
                    }
                    Act::Remove(n) => {
                        let key = format!("consumer-{n}");
                        let at = list.iter().position(|(known, _)| *known == key);
                        let expected = at.map(|at| list.remove(at).1);
                        prop_assert_eq!(map.remove(&key), expected);
                    }
                    Act::Pop => {
                        let expected = (!list.is_empty()).then(|| list.remove(0));
                        prop_assert_eq!(map.pop_oldest(), expected);
                    }
                }
                prop_assert_eq!(map.len(), list.len());
                prop_assert_eq!(map.oldest(), list.first().map(|(key, _)| key));
                let keys: Vec<_> = list.iter().map(|(key, _)| key).collect();
                prop_assert_eq!(map.keys().collect::<Vec<_>>(), keys);
                for (key, uses) in &list {
                    prop_assert_eq!((map.get(key), map.contains(key)), (Some(uses), true));
                    prop_assert_eq!(map.get_mut(key).copied(), Some(*uses));
                }
            }
            // Places are reused: never more than there were entries at once.
            prop_assert!(map.order.links.len() <= 12);
        }
    }

    #[test]
    fn keys_with_equal_digests_are_distinct() {
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
        struct Same(u8);
        impl AsRef<str> for Same {
            fn as_ref(&self) -> &str {
                "same"
            }
        }
        let mut map = LruMap::new();
        for n in [1, 2, 1] {
            *map.touch(&Same(n), || 0) += n;
        }
        assert_eq!((map.get(&Same(1)), map.get(&Same(2))), (Some(&2), Some(&2)));
        assert_eq!(map.pop_oldest(), Some((Same(2), 2)));
    }

    #[test]
    fn similar_keys_have_different_digests() {
        let ids: Vec<String> = (0..20_000).map(|n| format!("pigeon-ring-{n:08}")).collect();
        let mut digests: Vec<u64> = ids.iter().map(|id| digest(id)).collect();
        digests.extend(["", "a", "b", "ab", "ba", "abcdefgh", "abcdefgha"].map(digest));
        let all = digests.len();
        digests.sort_unstable();
        digests.dedup();
        assert_eq!(digests.len(), all);
    }
}
