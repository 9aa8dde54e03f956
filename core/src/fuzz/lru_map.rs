//! The map that tracks its least recently used entry, beside a list.

use crate::lru_map::LruMap;

/// A key whose digest others may have too: a stranger can choose such keys.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Key(u8, String);

impl AsRef<str> for Key {
    fn as_ref(&self) -> &str {
        &self.1
    }
}

/// Any use of up to sixteen keys, of which several have the same digest: the map does what a list would do that is
/// searched from its start. The first byte says how many digests there are, each other one is a use.
pub fn lru_map(data: &[u8]) {
    let Some((digests, script)) = data.split_first() else { return };
    let digests = digests % 16 + 1;
    let mut map = LruMap::new();
    let mut list: Vec<(Key, u8)> = Vec::new();
    for byte in script.iter().take(400) {
        let key = Key(byte % 16, format!("consumer-{}", byte % 16 % digests));
        let at = list.iter().position(|(known, _)| *known == key);
        match byte / 16 {
            0..=7 => {
                let uses: &mut u8 = map.touch(&key, || 0);
                *uses = uses.wrapping_add(1);
                let mut entry = at.map_or((key, 0), |at| list.remove(at));
                entry.1 = entry.1.wrapping_add(1);
                assert_eq!(*uses, entry.1);
                list.push(entry);
            }
            8 | 9 => {
                let at =
                    at.filter(|at| list.get(*at).is_some_and(|(_, uses)| uses.is_multiple_of(2)));
                let expected = at.map(|at| list.remove(at));
                let touched = map.touch_if(&key, |uses: &mut u8| uses.is_multiple_of(2));
                assert_eq!(touched.copied(), expected.as_ref().map(|(_, uses)| *uses));
                list.extend(expected);
            }
            10..=13 => {
                let expected = at.map(|at| list.remove(at).1);
                assert_eq!(map.remove(&key), expected);
            }
            14 => {
                let expected = (!list.is_empty()).then(|| list.remove(0));
                assert_eq!(map.pop_oldest(), expected);
            }
            _ => {
                assert_eq!(map.get_mut(&key).copied(), map.get(&key).copied());
                assert_eq!(map.contains(&key), at.is_some());
            }
        }
        assert_eq!(map.len(), list.len());
        assert_eq!(map.oldest(), list.first().map(|(key, _)| key));
        assert!(map.keys().eq(list.iter().map(|(key, _)| key)), "another order of use");
        for (key, uses) in &list {
            assert_eq!((map.get(key), map.contains(key)), (Some(uses), true));
        }
    }
}
