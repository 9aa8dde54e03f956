//! Names of tokens, by which they are shown, and the recognition of repeated requests.

use std::collections::{BTreeMap, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher as _};
use std::time::Duration;

use crate::Endpoint;
use crate::kept::{MAX_KEPT, MAX_KEPT_BYTES};

/// The name of a token.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum TokenName {
    App(u64),
    Consumer(u64, String),
}

impl std::fmt::Display for TokenName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::App(number) => write!(f, "‹AppJWT {number}›"),
            Self::Consumer(number, consumer) => write!(f, "‹ConsumerJWS {number}, {consumer}›"),
        }
    }
}

/// A number for a text that says nothing about it.
pub(crate) fn digest(parts: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    parts.hash(&mut hasher);
    hasher.finish()
}

/// The names of tokens, also of those that were revoked: the log still shows where they were used.
#[derive(Clone, Default, Debug)]
pub(crate) struct Names {
    names: BTreeMap<u64, TokenName>,
    order: VecDeque<u64>,
    /// How many bytes the names have.
    bytes: usize,
}

impl TokenName {
    fn size(&self) -> usize {
        let consumer = if let Self::Consumer(_, consumer) = self { consumer.len() } else { 0 };
        size_of::<Self>() + consumer
    }
}

impl Names {
    pub(crate) fn insert(&mut self, token: &str, name: TokenName) {
        let key = digest(token);
        self.bytes += name.size();
        match self.names.insert(key, name) {
            None => self.order.push_back(key),
            Some(before) => self.bytes -= before.size(),
        }
        while (self.order.len() > MAX_KEPT || self.bytes > MAX_KEPT_BYTES)
            && let Some(oldest) = self.order.pop_front()
        {
            self.bytes -= self.names.remove(&oldest).map_or(0, |name| name.size());
        }
    }

    pub(crate) fn get(&self, token: &str) -> Option<&TokenName> {
        self.names.get(&digest(token))
    }
}

/// For how long a request is remembered, to recognise that it is repeated.
const REPEAT_WINDOW: Duration = Duration::from_secs(60);

/// Recognises requests that come again.
#[derive(Clone, Default, Debug)]
pub(crate) struct Repeats {
    /// How many times a request came, and when last.
    seen: BTreeMap<u64, (u32, Duration)>,
    order: VecDeque<(u64, Duration)>,
}

impl Repeats {
    /// How many times this body came to the endpoint within a minute of the time before, if it is more than
    /// once.
    pub(crate) fn count(
        &mut self,
        now: Duration,
        endpoint: Endpoint,
        caller: &[u8],
        body: &[u8],
        capacity: usize,
    ) -> Option<u32> {
        if body.is_empty() {
            return None;
        }
        while let Some((key, at)) = self.order.front().copied()
            && (at + REPEAT_WINDOW < now || self.order.len() > capacity)
        {
            self.order.pop_front();
            if self.seen.get(&key).is_some_and(|(_, last)| *last == at) {
                self.seen.remove(&key);
            }
        }
        let key = digest((endpoint, caller, body));
        let (times, last) = self.seen.entry(key).or_insert((0, now));
        *times += 1;
        *last = now;
        let times = *times;
        self.order.push_back((key, now));
        (times > 1).then_some(times)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_that_comes_again_within_a_minute_is_a_repeat() {
        let mut repeats = Repeats::default();
        let mut at = |seconds, endpoint, caller: &str, body: &str| {
            let now = Duration::from_secs(seconds);
            repeats.count(now, endpoint, caller.as_bytes(), body.as_bytes(), 100)
        };
        assert_eq!(at(0, Endpoint::Send, "ada", "hello"), None);
        assert_eq!(at(0, Endpoint::Send, "bob", "hello"), None);
        assert_eq!(at(0, Endpoint::Conversation, "ada", "hello"), None);
        assert_eq!(at(60, Endpoint::Send, "ada", "hello"), Some(2));
        assert_eq!(at(119, Endpoint::Send, "ada", "hello"), Some(3));
        assert_eq!(at(180, Endpoint::Send, "ada", "hello"), None);
        assert_eq!(at(180, Endpoint::Domain, "", ""), None);
        assert_eq!(at(180, Endpoint::Domain, "", ""), None);
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut repeats = Repeats::default();
        for body in 0..100u8 {
            repeats.count(Duration::ZERO, Endpoint::Send, b"", &[body], 10);
        }
        assert!(repeats.seen.len() <= 11 && repeats.order.len() <= 11);
    }
}
