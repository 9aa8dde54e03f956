//! A map that knows which of its entries was used longest ago.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

/// No place.
const NONE: usize = usize::MAX;

/// A map from ids whose entries are in the order of their last use.
///
/// Its keys are compared by their digests first. The ids themselves are each in a piece of memory of its
/// own, and a look-up among a million would wait for twenty of these where it now waits for one. A map by
/// digests alone would need secret ones, lest somebody choose ids that collide; here such ids cost no
/// more than ids without digests did.
#[derive(Debug)]
pub(crate) struct Recent<K, V> {
    entries: BTreeMap<(u64, K), Used<V>>,
    chain: Chain<K>,
}

#[derive(Debug)]
struct Used<V> {
    value: V,
    /// Its place in the chain.
    place: usize,
}

impl<K: Clone + Ord + AsRef<str>, V> Recent<K, V> {
    pub(crate) const fn new() -> Self {
        Self { entries: BTreeMap::new(), chain: Chain::new() }
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(crate) fn contains(&self, key: &K) -> bool {
        self.entries.contains_key(&entry_of(key))
    }

    /// Without counting as a use.
    pub(crate) fn get(&self, key: &K) -> Option<&V> {
        self.entries.get(&entry_of(key)).map(|used| &used.value)
    }

    /// Without counting as a use.
    pub(crate) fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        self.entries.get_mut(&entry_of(key)).map(|used| &mut used.value)
    }

    /// The value of `key`, made if there is none, and now the one used last.
    pub(crate) fn touch(&mut self, key: &K, make: impl FnOnce() -> V) -> &mut V {
        match self.entries.entry(entry_of(key)) {
            Entry::Occupied(entry) => {
                let used = entry.into_mut();
                self.chain.renew(used.place);
                &mut used.value
            }
            Entry::Vacant(entry) => {
                let place = self.chain.add(key.clone());
                &mut entry.insert(Used { value: make(), place }).value
            }
        }
    }

    /// The key that was used longest ago.
    pub(crate) fn oldest(&self) -> Option<&K> {
        self.chain.keys().next()
    }

    /// Takes out what was used longest ago.
    pub(crate) fn pop_oldest(&mut self) -> Option<(K, V)> {
        let key = self.chain.pop_oldest()?;
        let used = self.entries.remove(&entry_of(&key))?;
        Some((key, used.value))
    }

    /// From the one used longest ago to the one used last.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &K> {
        self.chain.keys()
    }

    /// In no order that means anything.
    #[cfg(test)]
    pub(crate) fn values(&self) -> impl Iterator<Item = &V> {
        self.entries.values().map(|used| &used.value)
    }
}

fn entry_of<K: Clone + AsRef<str>>(key: &K) -> (u64, K) {
    (digest(key.as_ref()), key.clone())
}

/// Much the same for few, and cheap: no more is asked of it.
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

/// Keys in a row: each knows its neighbours, so that one is moved to the end without a search.
#[derive(Debug)]
struct Chain<K> {
    links: Vec<Link<K>>,
    /// Places that nothing stands on.
    free: Vec<usize>,
    oldest: usize,
    newest: usize,
}

#[derive(Debug)]
struct Link<K> {
    key: Option<K>,
    older: usize,
    newer: usize,
}

impl<K> Chain<K> {
    const fn new() -> Self {
        Self { links: Vec::new(), free: Vec::new(), oldest: NONE, newest: NONE }
    }

    /// Puts a key at the end, and gives its place, which it keeps.
    fn add(&mut self, key: K) -> usize {
        let link = Link { key: Some(key), older: NONE, newer: NONE };
        let reused = self.free.pop().filter(|place| *place < self.links.len());
        let place = reused.unwrap_or(self.links.len());
        match self.links.get_mut(place) {
            Some(free) => *free = link,
            None => self.links.push(link),
        }
        self.append(place);
        place
    }

    /// Moves what stands there to the end.
    fn renew(&mut self, place: usize) {
        if place != self.newest {
            self.take_out(place);
            self.append(place);
        }
    }

    fn pop_oldest(&mut self) -> Option<K> {
        let place = self.oldest;
        let key = self.links.get_mut(place)?.key.take();
        self.take_out(place);
        self.free.push(place);
        key
    }

    fn keys(&self) -> impl Iterator<Item = &K> {
        let mut place = self.oldest;
        std::iter::from_fn(move || {
            let link = self.links.get(place)?;
            place = link.newer;
            link.key.as_ref()
        })
    }

    fn take_out(&mut self, place: usize) {
        let Some(link) = self.links.get(place) else { return };
        let (older, newer) = (link.older, link.newer);
        match self.links.get_mut(older) {
            Some(link) => link.newer = newer,
            None => self.oldest = newer,
        }
        match self.links.get_mut(newer) {
            Some(link) => link.older = older,
            None => self.newest = older,
        }
    }

    fn append(&mut self, place: usize) {
        let last = std::mem::replace(&mut self.newest, place);
        match self.links.get_mut(last) {
            Some(link) => link.newer = place,
            None => self.oldest = place,
        }
        if let Some(link) = self.links.get_mut(place) {
            (link.older, link.newer) = (last, NONE);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[derive(Clone, Copy, Debug)]
    enum Do {
        Touch(u8),
        Pop,
    }

    fn acts() -> impl Strategy<Value = Vec<Do>> {
        let act = prop_oneof![3 => (0u8..12).prop_map(Do::Touch), 1 => Just(Do::Pop)];
        prop::collection::vec(act, 0..80)
    }

    proptest! {
        /// A list that is searched from its beginning is the oracle.
        #[test]
        fn it_is_a_list_in_the_order_of_use(acts in acts()) {
            let mut recent = Recent::new();
            let mut list: Vec<(String, u8)> = Vec::new();
            for act in acts {
                match act {
                    Do::Touch(n) => {
                        let key = format!("consumer-{n}");
                        *recent.touch(&key, || 0) += 1;
                        let at = list.iter().position(|(known, _)| *known == key);
                        let mut entry = at.map_or((key, 0), |at| list.remove(at));
                        entry.1 += 1;
                        list.push(entry);
                    }
                    Do::Pop => {
                        let expected = (!list.is_empty()).then(|| list.remove(0));
                        prop_assert_eq!(recent.pop_oldest(), expected);
                    }
                }
                prop_assert_eq!(recent.len(), list.len());
                prop_assert_eq!(recent.oldest(), list.first().map(|(key, _)| key));
                let keys: Vec<_> = list.iter().map(|(key, _)| key).collect();
                prop_assert_eq!(recent.keys().collect::<Vec<_>>(), keys);
                for (key, uses) in &list {
                    prop_assert_eq!((recent.get(key), recent.contains(key)), (Some(uses), true));
                    prop_assert_eq!(recent.get_mut(key).copied(), Some(*uses));
                }
            }
            // Places are used again: there are never more than there were entries at once.
            prop_assert!(recent.chain.links.len() <= 12);
        }
    }

    #[test]
    fn ids_with_one_digest_are_told_apart() {
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
        struct Same(u8);
        impl AsRef<str> for Same {
            fn as_ref(&self) -> &str {
                "same"
            }
        }
        let mut recent = Recent::new();
        for n in [1, 2, 1] {
            *recent.touch(&Same(n), || 0) += n;
        }
        assert_eq!((recent.get(&Same(1)), recent.get(&Same(2))), (Some(&2), Some(&2)));
        assert_eq!(recent.pop_oldest(), Some((Same(2), 2)));
    }

    #[test]
    fn ids_that_differ_in_one_place_have_other_digests() {
        let ids: Vec<String> = (0..20_000).map(|n| format!("pigeon-ring-{n:08}")).collect();
        let mut digests: Vec<u64> = ids.iter().map(|id| digest(id)).collect();
        digests.extend(["", "a", "b", "ab", "ba", "abcdefgh", "abcdefgha"].map(digest));
        let all = digests.len();
        digests.sort_unstable();
        digests.dedup();
        assert_eq!(digests.len(), all);
    }
}
