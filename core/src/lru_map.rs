//! A map that tracks its least recently used entry.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

/// No place in the list.
const NONE: u32 = u32::MAX;

/// So much room a list has as long as it has any: that of a single entry is not given back and taken again.
const FEW: usize = 8;

/// A map whose entries are ordered by their last use. It holds fewer than four thousand million.
///
/// A tree finds a key's place by its digest. The tree holds nothing but numbers, so a look-up among a million entries reads
/// little memory. The list holds keys and values. The digest needs no secret: keys whose digest is taken share a second
/// tree, so keys chosen to collide cost what keys without a digest cost.
///
/// Crates for this exist (`lru`, `hashlink`), but they hash with a random seed, and this crate draws
/// no random number.
#[derive(Clone, Debug)]
pub(crate) struct LruMap<K, V> {
    /// The place of the first key with a digest.
    by_digest: BTreeMap<u64, u32>,
    /// The places of keys that came while another one had their digest.
    collided: BTreeMap<K, u32>,
    order: LinkedList<K, V>,
}

impl<K: Clone + Ord + AsRef<str>, V> LruMap<K, V> {
    pub(crate) const fn new() -> Self {
        Self { by_digest: BTreeMap::new(), collided: BTreeMap::new(), order: LinkedList::new() }
    }

    pub(crate) const fn len(&self) -> usize {
        self.order.links.len()
    }

    pub(crate) fn contains(&self, key: &K) -> bool {
        self.place(key).is_some()
    }

    /// The value of `key`. Does not count as a use.
    pub(crate) fn get(&self, key: &K) -> Option<&V> {
        Some(&self.order.link(self.place(key)?)?.value)
    }

    /// The value of `key`. Does not count as a use.
    pub(crate) fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        Some(&mut self.order.link_mut(self.place(key)?)?.value)
    }

    /// The value of `key`, if it is there and meets the condition. Counts as a use then.
    pub(crate) fn touch_if(
        &mut self,
        key: &K,
        condition: impl FnOnce(&mut V) -> bool,
    ) -> Option<&mut V> {
        let place = self.place(key)?;
        if !condition(&mut self.order.link_mut(place)?.value) {
            return None;
        }
        self.order.move_to_end(place);
        Some(&mut self.order.link_mut(place)?.value)
    }

    /// The value of `key`, inserted if absent. Counts as a use.
    #[expect(clippy::indexing_slicing, reason = "the place is that of a link")]
    pub(crate) fn touch(&mut self, key: &K, make: impl FnOnce() -> V) -> &mut V {
        let place = match self.place(key) {
            Some(place) => {
                self.order.move_to_end(place);
                place
            }
            None => self.insert(key.clone(), make()),
        };
        &mut self.order.links[place as usize].value
    }

    fn insert(&mut self, key: K, value: V) -> u32 {
        let place = self.order.push(key.clone(), value);
        match self.by_digest.entry(digest(key.as_ref())) {
            Entry::Vacant(free) => {
                free.insert(place);
            }
            Entry::Occupied(_) => {
                self.collided.insert(key, place);
            }
        }
        place
    }

    /// The least recently used key.
    pub(crate) fn oldest(&self) -> Option<&K> {
        self.keys().next()
    }

    /// Removes the least recently used entry.
    pub(crate) fn pop_oldest(&mut self) -> Option<(K, V)> {
        let key = self.oldest()?.clone();
        let value = self.remove(&key)?;
        Some((key, value))
    }

    /// Removes the entry of `key`.
    pub(crate) fn remove(&mut self, key: &K) -> Option<V> {
        let place = self.place(key)?;
        let digest = digest(key.as_ref());
        match self.by_digest.get(&digest) == Some(&place) {
            true => self.by_digest.remove(&digest),
            false => self.collided.remove(key),
        };
        let removed = self.order.remove(place)?;
        self.repoint(removed.moved_from, place);
        Some(removed.value)
    }

    /// Makes the trees know the entry at `place`, which was at `from`, by its new place.
    fn repoint(&mut self, from: u32, place: u32) {
        let Some(moved) = self.order.link(place) else { return };
        match self.by_digest.get_mut(&digest(moved.key.as_ref())) {
            Some(known) if *known == from => *known = place,
            _ => {
                if let Some(known) = self.collided.get_mut(&moved.key) {
                    *known = place;
                }
            }
        }
    }

    /// All keys, the least recently used first.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &K> {
        self.order.links().map(|link| &link.key)
    }

    /// All values, the least recently used first.
    #[cfg(test)]
    pub(crate) fn values(&self) -> impl Iterator<Item = &V> {
        self.order.links().map(|link| &link.value)
    }

    fn place(&self, key: &K) -> Option<u32> {
        let first = self.by_digest.get(&digest(key.as_ref())).copied();
        let is_of_key = |place: &u32| self.order.link(*place).is_some_and(|link| link.key == *key);
        first.filter(is_of_key).or_else(|| self.collided.get(key).copied())
    }
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

/// A doubly linked list in a vector: moving an entry to the end takes no search.
#[derive(Clone, Debug)]
struct LinkedList<K, V> {
    links: Vec<Link<K, V>>,
    oldest: u32,
    newest: u32,
}

#[derive(Clone, Debug)]
struct Link<K, V> {
    key: K,
    value: V,
    older: u32,
    newer: u32,
}

/// What was removed, and where the link that has replaced it was before.
struct Removed<V> {
    value: V,
    moved_from: u32,
}

impl<K, V> LinkedList<K, V> {
    const fn new() -> Self {
        Self { links: Vec::new(), oldest: NONE, newest: NONE }
    }

    /// Appends an entry. Returns its place.
    fn push(&mut self, key: K, value: V) -> u32 {
        let len = self.links.len();
        if len == self.links.capacity() {
            // By a quarter, as doubling would leave up to half of the memory unused. An allocator moves a large vector by its
            // pages, or else copies it: a hundred bytes an entry, once for every quarter.
            self.links.reserve_exact((len / 4).max(FEW));
        }
        let place = u32::try_from(len).unwrap_or(NONE);
        self.links.push(Link { key, value, older: NONE, newer: NONE });
        self.link_last(place);
        place
    }

    fn link(&self, place: u32) -> Option<&Link<K, V>> {
        self.links.get(usize::try_from(place).ok()?)
    }

    fn link_mut(&mut self, place: u32) -> Option<&mut Link<K, V>> {
        self.links.get_mut(usize::try_from(place).ok()?)
    }

    /// Moves the entry at `place` to the end.
    fn move_to_end(&mut self, place: u32) {
        if place != self.newest {
            self.unlink(place);
            self.link_last(place);
        }
    }

    /// Removes the entry at `place`. The one at the last place takes its place.
    fn remove(&mut self, place: u32) -> Option<Removed<V>> {
        self.link(place)?;
        self.unlink(place);
        let Link { value, .. } = self.links.swap_remove(usize::try_from(place).ok()?);
        let len = self.links.len();
        if len < self.links.capacity() / 4 {
            self.links.shrink_to((len * 2).max(FEW));
        }
        if let Some(moved) = self.link(place) {
            let (older, newer) = (moved.older, moved.newer);
            self.set_newer(older, place);
            self.set_older(newer, place);
        }
        Some(Removed { value, moved_from: u32::try_from(len).unwrap_or(NONE) })
    }

    fn links(&self) -> impl Iterator<Item = &Link<K, V>> {
        let mut place = self.oldest;
        std::iter::from_fn(move || {
            let link = self.link(place)?;
            place = link.newer;
            Some(link)
        })
    }

    fn unlink(&mut self, place: u32) {
        let Some(link) = self.link(place) else { return };
        let (older, newer) = (link.older, link.newer);
        self.set_newer(older, newer);
        self.set_older(newer, older);
    }

    /// Sets what comes after `place`; before the first link comes the start of the list.
    fn set_newer(&mut self, place: u32, newer: u32) {
        match self.link_mut(place) {
            Some(link) => link.newer = newer,
            None => self.oldest = newer,
        }
    }

    /// Sets what comes before `place`; after the last link comes the end of the list.
    fn set_older(&mut self, place: u32, older: u32) {
        match self.link_mut(place) {
            Some(link) => link.older = older,
            None => self.newest = older,
        }
    }

    fn link_last(&mut self, place: u32) {
        let last = std::mem::replace(&mut self.newest, place);
        self.set_newer(last, place);
        if let Some(link) = self.link_mut(place) {
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

    /// A key whose digest others may have too.
    #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
    struct Key(u8, String);

    impl AsRef<str> for Key {
        fn as_ref(&self) -> &str {
            &self.1
        }
    }

    proptest! {
        /// The oracle is a list that is searched from its start.
        #[test]
        fn keys_are_in_the_order_of_use(acts in acts(), digests in 1u8..=12) {
            let key = |n: u8| Key(n, format!("consumer-{}", n % digests));
            let mut map = LruMap::new();
            let mut list: Vec<(Key, u8)> = Vec::new();
            for act in acts {
                match act {
                    Act::Touch(n) => {
                        let key = key(n);
                        *map.touch(&key, || 0) += 1;
                        let at = list.iter().position(|(known, _)| *known == key);
                        let mut entry = at.map_or((key, 0), |at| list.remove(at));
                        entry.1 += 1;
                        list.push(entry);
                    }
                    Act::TouchIfEven(n) => {
                        let key = key(n);
                        let at = list.iter().position(|(known, _)| *known == key);
                        let at = at.filter(|at| list[*at].1.is_multiple_of(2));
                        let expected = at.map(|at| list.remove(at));
                        let touched = map.touch_if(&key, |uses: &mut u8| uses.is_multiple_of(2));
                        prop_assert_eq!(touched.copied(), expected.as_ref().map(|(_, uses)| *uses));
                        list.extend(expected);
                    }
                    Act::Remove(n) => {
                        let key = key(n);
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
            let places = map.by_digest.len() + map.collided.len();
            prop_assert_eq!(places, list.len());
        }
    }

    #[test]
    fn the_list_returns_the_memory_of_what_was_removed() {
        let key = |n: u32| Key(0, format!("consumer-{n}"));
        let mut map = LruMap::new();
        (0..10_000).for_each(|n| *map.touch(&key(n), || 0) += n);
        assert!(map.order.links.capacity() <= 10_000 / 4 * 5);
        // In an order that takes from everywhere.
        (0..10_000).map(|n| n * 7 % 10_000).skip(10).for_each(|n| {
            assert_eq!(map.remove(&key(n)), Some(n));
        });
        assert_eq!(map.len(), 10);
        assert!(map.order.links.capacity() <= 80);
    }

    #[test]
    fn a_list_grows_by_eight_places_then_by_a_quarter() {
        let mut list = LinkedList::new();
        let capacity_with = |n: u32| {
            list.push(n, ());
            list.links.capacity()
        };
        let mut capacities: Vec<usize> = (0..51).map(capacity_with).collect();
        capacities.dedup();
        assert_eq!(capacities, [8, 16, 24, 32, 40, 50, 62]);
    }

    #[test]
    fn a_list_under_a_quarter_full_keeps_room_for_twice() {
        let mut list = LinkedList::new();
        for n in 0u32..40 {
            list.push(n, ());
        }
        for _ in 0..30 {
            list.remove(0);
        }
        // A quarter full still keeps all.
        assert_eq!((list.links.len(), list.links.capacity()), (10, 40));
        list.remove(0);
        assert_eq!((list.links.len(), list.links.capacity()), (9, 18));
    }

    #[test]
    fn similar_keys_have_different_digests() {
        let mut ids: Vec<String> = (0..20_000).map(|n| format!("pigeon-ring-{n:08}")).collect();
        // Counted in the last bytes of three words: a product carries nothing from there to lower bits.
        let ends = (0..8_000).map(|n| (n % 20, n / 20 % 20, n / 400));
        ids.extend(ends.map(|(a, b, c)| format!("{a:08}{b:08}{c:08}")));
        let mut digests: Vec<u64> = ids.iter().map(|id| digest(id)).collect();
        digests.extend(["", "a", "b", "ab", "ba", "abcdefgh", "abcdefgha"].map(digest));
        let all = digests.len();
        digests.sort_unstable();
        digests.dedup();
        assert_eq!(digests.len(), all);
    }
}
