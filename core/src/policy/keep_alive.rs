//! When to send a keep-alive.

use std::time::Duration;

use crate::time::Mono;

/// When the next [`GetClock`](crate::api::GetClock) is due: every 30 s
/// ([protocol.md 11](crate::protocol#11)), and only after 30 s in which nothing else was sent. For
/// the WebSocket protocol: the pool of an HTTP client keeps its connections, and needs none of it.
///
/// ```
/// use std::time::Duration;
/// use lp_connector_core::policy::KeepAlive;
/// use lp_connector_core::time::Mono;
///
/// let at = |seconds| Mono::from_origin(Duration::from_secs(seconds));
/// let mut keep_alive = KeepAlive::new(at(0));
/// assert!(!keep_alive.is_due(at(29)));
/// keep_alive.sent(at(29)); // anything at all
/// assert!(!keep_alive.is_due(at(58)));
/// assert_eq!(keep_alive.next(), at(59));
/// assert!(keep_alive.is_due(at(59)));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct KeepAlive {
    every: Duration,
    last: Mono,
}

/// The interval of the current documentation ([protocol.md 11](crate::protocol#11)).
const EVERY: Duration = Duration::from_secs(30);

impl KeepAlive {
    /// Starts now, with 30 s.
    #[must_use]
    pub const fn new(now: Mono) -> Self {
        Self { every: EVERY, last: now }
    }

    /// Sets another interval than 30 s; at least 1 s.
    #[must_use]
    pub fn every(mut self, time: Duration) -> Self {
        self.every = time.max(Duration::from_secs(1));
        self
    }

    /// Records that something was sent.
    pub fn sent(&mut self, now: Mono) {
        self.last = self.last.max(now);
    }

    /// When the next one is due.
    #[must_use]
    pub fn next(&self) -> Mono {
        self.last + self.every
    }

    /// Whether it is due.
    #[must_use]
    pub fn is_due(&self, now: Mono) -> bool {
        now >= self.next()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_due_so_long_after_the_last_that_was_sent() {
        let at = |seconds| Mono::from_origin(Duration::from_secs(seconds));
        let mut keep_alive = KeepAlive::new(at(10));
        assert_eq!((keep_alive.next(), keep_alive.is_due(at(39))), (at(40), false));
        assert!(keep_alive.is_due(at(40)) && keep_alive.is_due(at(41)));
        keep_alive.sent(at(20));
        assert_eq!(keep_alive.next(), at(50));
        keep_alive.sent(at(15));
        assert_eq!(keep_alive.next(), at(50), "nothing is earlier than what was later");
        assert_eq!(keep_alive.every(Duration::ZERO).next(), at(21));
    }
}
