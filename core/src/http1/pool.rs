//! Which idle connection a request takes: bookkeeping alone, for any kind of connection.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::time::Mono;

/// Idle connections, by where they lead.
///
/// A connection that is taken belongs to whoever took it, so two requests never share one; only whoever
/// finished an exchange cleanly ([`Decoded::reusable`](super::Decoded::reusable)) puts it back. Whether
/// the peer has closed it meanwhile is for the taker to see.
///
/// ```
/// use std::time::Duration;
/// use lp_connector_core::http1::Pool;
/// use lp_connector_core::time::Mono;
///
/// let mut pool = Pool::new(64, Duration::from_secs(15));
/// pool.put("https://va.example.net", "a connection", Mono::ZERO);
/// let soon = Mono::ZERO + Duration::from_secs(1);
/// assert_eq!(pool.take("https://va.example.net", soon), Some("a connection"));
/// assert_eq!(pool.take("https://va.example.net", soon), None);
/// ```
#[derive(Debug)]
pub struct Pool<C> {
    idle: BTreeMap<String, Vec<(Mono, C)>>,
    per_origin: usize,
    idle_for: Duration,
}

/// More origins than this are not kept connections to.
const MAX_ORIGINS: usize = 256;

impl<C> Pool<C> {
    /// Keeps at most `per_origin` idle connections to one origin, each for no longer than `idle_for`.
    #[must_use]
    pub const fn new(per_origin: usize, idle_for: Duration) -> Self {
        Self { idle: BTreeMap::new(), per_origin, idle_for }
    }

    /// The connection to `origin` that was idle for the shortest time, if there is one that was not
    /// idle for too long. Those that were are dropped.
    pub fn take(&mut self, origin: &str, now: Mono) -> Option<C> {
        let idle = self.idle.get_mut(origin)?;
        idle.retain(|(since, _)| now.since(*since) < self.idle_for);
        let taken = idle.pop();
        if idle.is_empty() {
            self.idle.remove(origin);
        }
        taken.map(|(_, connection)| connection)
    }

    /// Keeps a connection that has finished its exchange. If there are as many already, the one that
    /// was idle the longest is dropped.
    pub fn put(&mut self, origin: &str, connection: C, now: Mono) {
        if self.per_origin == 0 {
            return;
        }
        if !self.idle.contains_key(origin) && self.idle.len() >= MAX_ORIGINS {
            self.idle.retain(|_, idle| {
                idle.retain(|(since, _)| now.since(*since) < self.idle_for);
                !idle.is_empty()
            });
            if self.idle.len() >= MAX_ORIGINS {
                return;
            }
        }
        let idle = self.idle.entry(origin.to_owned()).or_default();
        if idle.len() >= self.per_origin {
            idle.remove(0);
        }
        idle.push((now, connection));
    }

    /// How many connections are idle.
    #[must_use]
    pub fn len(&self) -> usize {
        self.idle.values().map(Vec::len).sum()
    }

    /// True if no connection is idle.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.idle.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    #[derive(Clone, Debug)]
    enum Doing {
        Take(u16),
        /// Gives back one of those taken.
        Put(usize),
        Pass(u64),
    }

    fn doing() -> impl Strategy<Value = Doing> {
        prop_oneof![
            (0u16..4).prop_map(Doing::Take),
            any::<usize>().prop_map(Doing::Put),
            (0u64..10).prop_map(Doing::Pass),
        ]
    }

    proptest! {
        #[test]
        fn no_connection_is_held_twice_kept_too_long_or_beyond_the_bound(
            all in prop::collection::vec(doing(), 0..200), bound in 0usize..4,
        ) {
            let mut pool = Pool::new(bound, Duration::from_secs(15));
            let mut now = Mono::ZERO;
            let mut next = 0u32;
            let mut held: Vec<(u16, u32)> = Vec::new();
            let mut put_at = BTreeMap::new();
            for one in all {
                match one {
                    Doing::Take(origin) => {
                        let taken = pool.take(&origin.to_string(), now);
                        if let Some((of, id)) = taken {
                            prop_assert_eq!(of, origin, "a connection to elsewhere");
                            let since: Mono = put_at[&id];
                            prop_assert!(now.since(since) < Duration::from_secs(15));
                        }
                        held.push(taken.unwrap_or_else(|| { next += 1; (origin, next) }));
                    }
                    Doing::Put(which) if !held.is_empty() => {
                        let (origin, id) = held.swap_remove(which % held.len());
                        put_at.insert(id, now);
                        pool.put(&origin.to_string(), (origin, id), now);
                    }
                    Doing::Put(_) => {}
                    Doing::Pass(seconds) => now = now + Duration::from_secs(seconds),
                }
                let ids: BTreeSet<_> = held.iter().map(|(_, id)| id).collect();
                prop_assert_eq!(ids.len(), held.len(), "held twice");
                prop_assert!(pool.len() <= 4 * bound);
            }
        }
    }

    #[test]
    fn the_one_that_was_used_last_is_taken_first() {
        let mut pool = Pool::new(4, Duration::from_secs(15));
        for n in 0..3 {
            pool.put("a", n, Mono::from_origin(Duration::from_secs(n)));
        }
        assert_eq!(pool.take("a", Mono::from_origin(Duration::from_secs(3))), Some(2));
    }

    #[test]
    fn the_number_of_origins_is_bounded() {
        let mut pool = Pool::new(1, Duration::from_secs(15));
        for n in 0..1000 {
            pool.put(&n.to_string(), n, Mono::ZERO);
        }
        assert_eq!(pool.len(), MAX_ORIGINS);
        let later = Mono::ZERO + Duration::from_secs(15);
        pool.put("new", 1, later);
        assert_eq!(pool.len(), 1, "those that were idle too long made room");
    }

    #[test]
    fn it_is_empty_when_nothing_is_idle() {
        let mut pool = Pool::new(2, Duration::from_secs(15));
        assert!(pool.is_empty());
        pool.put("a", 1, Mono::ZERO);
        assert!(!pool.is_empty());
        assert_eq!(pool.take("a", Mono::ZERO), Some(1));
        assert_eq!((pool.is_empty(), pool.len()), (true, 0));
    }

    #[test]
    fn one_that_is_known_is_kept_though_there_are_as_many_as_may_be() {
        let mut pool = Pool::new(2, Duration::from_secs(15));
        for origin in 0..MAX_ORIGINS {
            pool.put(&origin.to_string(), origin, Mono::ZERO);
        }
        pool.put("0", 1000, Mono::ZERO);
        assert_eq!(pool.take("0", Mono::ZERO), Some(1000));
        pool.put("another", 1001, Mono::ZERO);
        assert_eq!(pool.take("another", Mono::ZERO), None);
    }
}
