//! What is kept, beside lists that count everything anew each time.

use proptest::prelude::*;

use super::*;

/// A value of a size; an odd one is in use.
#[derive(Clone, Debug, PartialEq)]
struct Sized(usize);

impl Weigh for Sized {
    fn weight(&self) -> usize {
        self.0
    }

    fn is_in_use(&self) -> bool {
        self.0 % 2 == 1
    }
}

const CAPACITY: usize = 6;
const BYTES: usize = 1000;

#[derive(Clone, Debug)]
enum Step {
    Insert(u8, usize),
    Grow(u8, usize),
    Remove(u8),
    Clear,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let size = || prop_oneof![0usize..100, 100usize..400, Just(2000), Just(2001)];
    let step = prop_oneof![
        12 => (0u8..12, size()).prop_map(|(key, size)| Step::Insert(key, size)),
        4 => (0u8..12, size()).prop_map(|(key, size)| Step::Grow(key, size)),
        2 => (0u8..12).prop_map(Step::Remove),
        1 => Just(Step::Clear),
    ];
    prop::collection::vec(step, 0..60)
}

/// The key, and how much it counts: it is there twice.
fn key(number: u8) -> (String, usize) {
    let key = "k".repeat(usize::from(number) + 1);
    let size = 2 * (size_of::<String>() + key.len());
    (key, size)
}

/// Removes the oldest of a naive list of keys, own sizes and sizes until it fits; first those that are not in use,
/// and never the one that changed.
fn shorten_but(changed: &str, model: &mut Vec<(String, usize, usize)>) {
    let total = |model: &[(String, usize, usize)]| {
        model.iter().map(|(_, own, size)| own + size).sum::<usize>()
    };
    while model.len() > CAPACITY || total(model) > BYTES {
        let others = || model.iter().enumerate().filter(|(_, (key, ..))| key != changed);
        let unused = others().find(|(_, (.., size))| size % 2 == 0);
        let Some((place, _)) = unused.or_else(|| others().next()) else { return };
        model.remove(place);
    }
}

/// Removes the oldest of a naive list of keys and sizes until it fits.
fn shorten(model: &mut Vec<(String, usize)>) {
    let total = |model: &[(String, usize)]| model.iter().map(|(_, size)| size).sum::<usize>();
    while model.len() > 1 && (model.len() > CAPACITY || total(model) > BYTES) {
        model.remove(0);
    }
}

proptest! {
    #[test]
    fn a_map_loses_what_a_naive_list_loses(steps in steps()) {
        let mut map = BoundedMap::<Sized, CAPACITY, BYTES>::default();
        let mut model: Vec<(String, usize, usize)> = Vec::new();
        for step in steps {
            match step {
                Step::Insert(number, size) => {
                    let (key, own) = key(number);
                    map.insert(key.clone(), Sized(size));
                    match model.iter_mut().find(|(kept, ..)| *kept == key) {
                        Some(kept) => kept.2 = size,
                        None => model.push((key.clone(), own, size)),
                    }
                    shorten_but(&key, &mut model);
                }
                Step::Grow(number, size) => {
                    let (key, _) = key(number);
                    if let Some(value) = map.get_mut(&key) {
                        value.0 = size;
                    }
                    map.weigh_again(&key);
                    if let Some(kept) = model.iter_mut().find(|(kept, ..)| *kept == key) {
                        kept.2 = size;
                        shorten_but(&key, &mut model);
                    }
                }
                Step::Remove(number) => {
                    map.remove(&key(number).0);
                    model.retain(|(kept, ..)| *kept != key(number).0);
                }
                Step::Clear => {
                    map.clear();
                    model.clear();
                }
            }
            let kept: Vec<&str> = map.newest().map(|(key, _)| key).collect();
            let expected: Vec<&str> = model.iter().rev().map(|(key, ..)| key.as_str()).collect();
            prop_assert_eq!(kept, expected);
            prop_assert_eq!(map.bytes(), model.iter().map(|(_, own, size)| own + size).sum::<usize>());
            prop_assert_eq!(map.len(), map.values().count());
        }
    }

    #[test]
    fn a_list_loses_what_a_naive_list_loses(
        sizes in prop::collection::vec(prop_oneof![0usize..100, 100usize..600, Just(2000)], 0..60),
    ) {
        let mut list = BoundedList::<Sized, CAPACITY, BYTES>::default();
        let mut model: Vec<(String, usize)> = Vec::new();
        for size in sizes {
            list.push(Sized(size));
            model.push((String::new(), size));
            shorten(&mut model);
            let kept: Vec<usize> = list.entries().iter().map(|one| one.0).collect();
            let expected: Vec<usize> = model.iter().map(|(_, size)| *size).collect();
            prop_assert_eq!(list.bytes(), expected.iter().sum::<usize>());
            prop_assert_eq!(kept, expected);
        }
    }
}

#[test]
fn a_document_weighs_at_least_its_texts() {
    let small = serde_json::json!({"a": [null, true, 1.5]}).weight();
    let large = serde_json::json!({"a": [null, true, 1.5, "x".repeat(1000)]}).weight();
    assert!(large - small >= 1000, "{small} {large}");
    let long_name = serde_json::json!({"n".repeat(1000): 1}).weight();
    assert!(long_name >= 1000, "{long_name}");
    assert!(Some("x".repeat(100)).weight() >= 100);
}
