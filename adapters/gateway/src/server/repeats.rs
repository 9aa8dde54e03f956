//! The messages that this instance took last.
//!
//! What is accepted twice is found by the consumer's lane, whatever instance took it. This only tells the gateway at
//! once, where this instance took both.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, PoisonError};

/// The ids of a consumer that are remembered, and the consumers.
const MAX_IDS: usize = 64;
const MAX_CONSUMERS: usize = 4096;

/// What is known of a message that was posted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Known {
    /// Nothing.
    New,
    /// It was accepted before.
    Repeated,
    /// Another one with its id was.
    Another,
}

/// The messages of a gateway's consumers.
#[derive(Debug, Default)]
pub(super) struct Repeats(Mutex<Consumers>);

#[derive(Debug, Default)]
struct Consumers {
    by_name: BTreeMap<Box<str>, (u64, Messages)>,
    by_use: BTreeMap<u64, Box<str>>,
    uses: u64,
}

/// Ids and fingerprints, the oldest first.
type Messages = VecDeque<(Box<str>, u64)>;

impl Repeats {
    pub(super) fn look_up(&self, consumer: &str, id: &str, fingerprint: u64) -> Known {
        let consumers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let messages = consumers.by_name.get(consumer);
        let known = messages.and_then(|(_, all)| all.iter().find(|(one, _)| **one == *id));
        match known {
            None => Known::New,
            Some((_, first)) if *first == fingerprint => Known::Repeated,
            Some(_) => Known::Another,
        }
    }

    /// Remembers a message that was accepted.
    pub(super) fn remember(&self, consumer: &str, id: &str, fingerprint: u64) {
        let mut consumers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let consumers = &mut *consumers;
        consumers.uses += 1;
        let used = consumers.uses;
        let (last, messages) = consumers.by_name.entry(consumer.into()).or_default();
        consumers.by_use.remove(last);
        consumers.by_use.insert(used, consumer.into());
        *last = used;
        if !messages.iter().any(|(one, _)| **one == *id) {
            messages.push_back((id.into(), fingerprint));
            if messages.len() > MAX_IDS {
                messages.pop_front();
            }
        }
        if consumers.by_name.len() > MAX_CONSUMERS
            && let Some((_, oldest)) = consumers.by_use.pop_first()
        {
            consumers.by_name.remove(&oldest);
        }
    }

    /// Forgets a consumer.
    pub(super) fn forget(&self, consumer: &str) {
        let mut consumers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((used, _)) = consumers.by_name.remove(consumer) {
            consumers.by_use.remove(&used);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repeat_is_told_from_another_message() {
        let repeats = Repeats::default();
        repeats.remember("ada", "1", 7);
        assert_eq!(repeats.look_up("ada", "1", 7), Known::Repeated);
        assert_eq!(repeats.look_up("ada", "1", 8), Known::Another);
        assert_eq!(repeats.look_up("ada", "2", 7), Known::New);
        assert_eq!(repeats.look_up("bob", "1", 7), Known::New);
        repeats.forget("ada");
        assert_eq!(repeats.look_up("ada", "1", 7), Known::New);
    }

    #[test]
    fn the_first_of_two_messages_with_one_id_counts() {
        let repeats = Repeats::default();
        repeats.remember("ada", "1", 7);
        repeats.remember("ada", "1", 8);
        assert_eq!(repeats.look_up("ada", "1", 7), Known::Repeated);
    }

    #[test]
    fn the_oldest_leave_when_there_are_too_many() {
        let repeats = Repeats::default();
        for id in 0..=MAX_IDS {
            repeats.remember("ada", &id.to_string(), 0);
        }
        assert_eq!(repeats.look_up("ada", "0", 0), Known::New);
        assert_eq!(repeats.look_up("ada", "1", 0), Known::Repeated);
        for consumer in 0..MAX_CONSUMERS {
            repeats.remember(&consumer.to_string(), "1", 0);
            repeats.remember("bob", "1", 0);
        }
        assert_eq!(repeats.look_up("ada", "1", 0), Known::New);
        assert_eq!(repeats.look_up("bob", "1", 0), Known::Repeated);
        assert_eq!(repeats.0.lock().unwrap().by_use.len(), MAX_CONSUMERS);
    }
}
