//! What each side saw, and whether it agrees.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The channel's own book.
#[derive(Debug, Default)]
pub(crate) struct Books(Mutex<Book>);

#[derive(Debug, Default)]
pub(crate) struct Book {
    /// For each consumer, the ids of accepted messages, in order.
    pub(crate) accepted: BTreeMap<String, Vec<String>>,
    /// The last that was told about each message.
    pub(crate) told: HashMap<String, Told>,
    /// For each consumer, the deliveries of agents' messages, without repeats.
    pub(crate) delivered: BTreeMap<String, Vec<Delivered>>,
    /// The texts of agents whose notification was answered 200.
    pub(crate) acknowledged: HashSet<String>,
    known: HashSet<String>,
    pub(crate) repeats: u64,
    /// Deliveries that were said to come after a gap or late.
    pub(crate) out_of_order: u64,
}

/// A message of an agent that the channel took.
#[derive(Debug)]
pub(crate) struct Delivered {
    pub(crate) text: String,
    /// False if it was said to be late, or to come after a gap.
    pub(crate) in_order: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Told {
    Sent,
    Refused,
    Unconfirmed,
}

impl Books {
    pub(crate) fn lock(&self) -> MutexGuard<'_, Book> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Book {
    pub(crate) fn accept(&mut self, consumer: &str, id: &str) {
        self.accepted.entry(consumer.to_owned()).or_default().push(id.to_owned());
    }

    pub(crate) fn deliver(&mut self, consumer: &str, id: &str, text: &str, in_order: bool) {
        if !self.known.insert(id.to_owned()) {
            self.repeats += 1;
            return;
        }
        self.out_of_order += u64::from(!in_order);
        let delivered = self.delivered.entry(consumer.to_owned()).or_default();
        delivered.push(Delivered { text: text.to_owned(), in_order });
    }

    pub(crate) fn tell(&mut self, message: &str, told: Told) {
        self.told.insert(message.to_owned(), told);
    }

    pub(crate) fn accepted(&self) -> usize {
        self.accepted.values().map(Vec::len).sum()
    }

    pub(crate) fn delivered(&self) -> usize {
        self.delivered.values().map(Vec::len).sum()
    }

    /// Consumers with messages of which nothing was told.
    pub(crate) fn open_consumers(&self) -> HashSet<String> {
        let is_open = |ids: &Vec<String>| ids.iter().any(|id| !self.told.contains_key(id));
        let open = self.accepted.iter().filter(|(_, ids)| is_open(ids));
        open.map(|(consumer, _)| consumer.clone()).collect()
    }

    /// True if the channel has whatever was acknowledged.
    pub(crate) fn has_all_acknowledged(&self) -> bool {
        let known: HashSet<&str> =
            self.delivered.values().flatten().map(|one| one.text.as_str()).collect();
        self.acknowledged.iter().all(|text| known.contains(text.as_str()))
    }
}

/// The cloud's book: the texts of each consumer and of the agents, in order.
#[derive(Debug, Default)]
pub(crate) struct Cloud {
    pub(crate) texts: BTreeMap<String, Vec<String>>,
    pub(crate) agents: BTreeMap<String, Vec<String>>,
}

/// The comparison.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Verdict {
    pub(crate) accepted: usize,
    pub(crate) confirmed: usize,
    pub(crate) refused: usize,
    pub(crate) reported: usize,
    /// Reported as unconfirmed, and in the cloud's book nevertheless: known from outside alone.
    pub(crate) reported_but_sent: usize,
    pub(crate) said_by_agents: usize,
    /// Said by agents, and in no notification that was acknowledged.
    pub(crate) never_posted: usize,
    pub(crate) delivered: usize,
    pub(crate) lost: usize,
    pub(crate) doubled: usize,
    pub(crate) out_of_order: usize,
}

impl Verdict {
    pub(crate) fn is_good(&self) -> bool {
        (self.lost, self.doubled, self.out_of_order) == (0, 0, 0)
    }

    /// Compares the books. What an agent said counts as lost if its notification was acknowledged and it was not
    /// delivered.
    pub(crate) fn of(book: &Book, cloud: &Cloud) -> Self {
        let mut verdict = Self { accepted: book.accepted(), ..Self::default() };
        let none = Vec::new();
        for (consumer, accepted) in &book.accepted {
            let sent = cloud.texts.get(consumer).unwrap_or(&none);
            let mut places: HashMap<&str, usize> = HashMap::new();
            for (place, text) in sent.iter().enumerate() {
                match places.entry(text) {
                    Entry::Vacant(vacant) => {
                        vacant.insert(place);
                    }
                    Entry::Occupied(_) => verdict.doubled += 1,
                }
            }
            let mut last = None;
            for id in accepted {
                let place = places.get(id.as_str()).copied();
                match (book.told.get(id), place) {
                    (Some(Told::Sent), Some(_)) => verdict.confirmed += 1,
                    (Some(Told::Refused), None) => verdict.refused += 1,
                    (Some(Told::Unconfirmed), _) => {
                        verdict.reported += 1;
                        verdict.reported_but_sent += usize::from(place.is_some());
                    }
                    // Nothing was told, or what was told is not so.
                    _ => verdict.lost += 1,
                }
                if place.is_some() && place < last {
                    verdict.out_of_order += 1;
                }
                last = place.max(last);
            }
        }
        for (consumer, said) in &cloud.agents {
            verdict.said_by_agents += said.len();
            let places: HashMap<&str, usize> =
                said.iter().enumerate().map(|(place, text)| (text.as_str(), place)).collect();
            let mut known = HashSet::new();
            let mut last = None;
            for one in book.delivered.get(consumer).into_iter().flatten() {
                let place = places.get(one.text.as_str()).copied();
                known.insert(one.text.as_str());
                verdict.delivered += 1;
                // What is said to be late is not taken for the next one.
                verdict.out_of_order += usize::from(one.in_order && place < last);
                last = place.max(last);
            }
            let missing = said.iter().filter(|text| !known.contains(text.as_str()));
            let (acknowledged, unknown): (Vec<_>, Vec<_>) =
                missing.partition(|text| book.acknowledged.contains(*text));
            verdict.lost += acknowledged.len();
            verdict.never_posted += unknown.len();
        }
        verdict
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn books() -> (Book, Cloud) {
        let (mut book, mut cloud) = (Book::default(), Cloud::default());
        for id in ["1", "2", "3"] {
            book.accept("ada", id);
            book.tell(id, Told::Sent);
        }
        cloud.texts.insert("ada".into(), ["1", "2", "3"].map(String::from).into());
        cloud.agents.insert("ada".into(), ["a", "b"].map(String::from).into());
        for (id, text) in [("c:0", "a"), ("c:1", "b")] {
            book.acknowledged.insert(text.into());
            book.deliver("ada", id, text, true);
        }
        (book, cloud)
    }

    #[test]
    fn equal_books_agree() {
        let (book, cloud) = books();
        let verdict = Verdict::of(&book, &cloud);
        assert!(verdict.is_good(), "{verdict:?}");
        assert_eq!((verdict.confirmed, verdict.delivered), (3, 2));
    }

    #[test]
    fn each_difference_is_found() {
        type Change = fn(&mut Book, &mut Cloud);
        let changes: [(Change, [usize; 3]); 7] = [
            (|_, cloud| cloud.texts.get_mut("ada").unwrap().push("2".into()), [0, 1, 0]),
            (|_, cloud| drop(cloud.texts.get_mut("ada").unwrap().pop()), [1, 0, 0]),
            (|_, cloud| cloud.texts.get_mut("ada").unwrap().swap(0, 1), [0, 0, 1]),
            (
                |book, _| {
                    book.told.remove("2");
                },
                [1, 0, 0],
            ),
            (|book, _| book.tell("2", Told::Refused), [1, 0, 0]),
            (
                |book, cloud| {
                    book.acknowledged.insert("c".into());
                    cloud.agents.get_mut("ada").unwrap().push("c".into());
                },
                [1, 0, 0],
            ),
            (|_, cloud| cloud.agents.get_mut("ada").unwrap().swap(0, 1), [0, 0, 1]),
        ];
        for (number, (change, expected)) in changes.into_iter().enumerate() {
            let (mut book, mut cloud) = books();
            change(&mut book, &mut cloud);
            let verdict = Verdict::of(&book, &cloud);
            let found = [verdict.lost, verdict.doubled, verdict.out_of_order];
            assert_eq!(found, expected, "{number}: {verdict:?}");
        }
    }

    #[test]
    fn what_was_never_posted_is_not_lost() {
        let (book, mut cloud) = books();
        cloud.agents.get_mut("ada").unwrap().push("c".into());
        let verdict = Verdict::of(&book, &cloud);
        assert!(verdict.is_good(), "{verdict:?}");
        assert_eq!(verdict.never_posted, 1);
    }

    #[test]
    fn a_late_delivery_that_says_so_is_in_order() {
        for in_order in [false, true] {
            let (mut book, mut cloud) = books();
            cloud.agents.get_mut("ada").unwrap().insert(0, "late".into());
            book.deliver("ada", "c:2", "late", in_order);
            assert_eq!(Verdict::of(&book, &cloud).out_of_order, usize::from(in_order));
        }
    }

    #[test]
    fn a_repeated_delivery_counts_once() {
        let (mut book, cloud) = books();
        book.deliver("ada", "c:1", "b", true);
        assert_eq!(book.repeats, 1);
        assert!(Verdict::of(&book, &cloud).is_good());
    }
}
