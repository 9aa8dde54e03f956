//! Which connection a request takes, and how many there may be: bookkeeping alone, for any kind of
//! connection.

use std::collections::BTreeMap;
use std::time::Duration;

use http::Uri;
use http::uri::{Authority, Scheme};

use crate::time::Mono;

/// A bounded number of connections, those in use and those that are idle.
///
/// A request begins with [`acquire`](Self::acquire), which counts one connection as in use, and ends
/// with [`release`](Self::release) or [`discard`](Self::discard), which end that. A connection that is
/// in use belongs to one request alone. Only a request that has finished its exchange cleanly
/// ([`Decoded::reusable`](super::Decoded::reusable)) releases its connection. Whether the peer has
/// closed an idle connection, or has sent something on it, is for the driver to find out before it
/// uses the connection.
///
/// ```
/// use std::time::Duration;
/// use http::Uri;
/// use lp_connector_core::http1::{Acquired, Pool};
/// use lp_connector_core::time::Mono;
///
/// let uri = Uri::from_static("https://va.example.net/path");
/// let mut pool = Pool::new(1, Duration::from_secs(15));
/// assert_eq!(pool.acquire(&uri, Mono::ZERO), Acquired::Connect);
/// assert_eq!(pool.acquire(&uri, Mono::ZERO), Acquired::Full);
/// pool.release(&uri, "a connection", Mono::ZERO);
/// let soon = Mono::ZERO + Duration::from_secs(1);
/// assert_eq!(pool.acquire(&uri, soon), Acquired::Idle("a connection"));
/// ```
#[derive(Debug)]
pub struct Pool<C> {
    hosts: BTreeMap<String, Host<C>>,
    /// How many are idle, at all hosts together.
    idle: usize,
    in_use: usize,
    max: usize,
    idle_for: Duration,
}

/// The idle connections to one host and port, those used last at the end.
#[derive(Debug)]
struct Host<C> {
    plain: Vec<(Mono, C)>,
    tls: Vec<(Mono, C)>,
}

/// What a request is to do for a connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[expect(clippy::exhaustive_enums, reason = "a driver must handle each")]
pub enum Acquired<C> {
    /// Use this one, unless the peer has closed it or sent something on it:
    /// [`Pool::next_idle`] then gives another.
    Idle(C),
    /// Make one.
    Connect,
    /// As many as there may be are in use: wait for a [`release`](Pool::release) or a
    /// [`discard`](Pool::discard), and ask again. Nothing was counted.
    Full,
}

/// More hosts than this are not remembered.
const MAX_HOSTS: usize = 256;

impl<C> Pool<C> {
    /// Allows `max` connections (0 means 1), and keeps an idle one for less than `idle_for`.
    #[must_use]
    pub const fn new(max: usize, idle_for: Duration) -> Self {
        let max = if max == 0 { 1 } else { max };
        Self { hosts: BTreeMap::new(), idle: 0, in_use: 0, max, idle_for }
    }

    /// Counts one more connection as in use, and says which: the idle one to the scheme, host and port
    /// of `uri` that was used last, or a new one. A new one may take the place of the connection that
    /// has been idle the longest, which is dropped.
    pub fn acquire(&mut self, uri: &Uri, now: Mono) -> Acquired<C> {
        if self.in_use >= self.max {
            return Acquired::Full;
        }
        self.in_use += 1;
        if let Some(connection) = self.next_idle(uri, now) {
            return Acquired::Idle(connection);
        }
        self.drop_expired(now);
        if self.in_use + self.idle > self.max {
            self.drop_oldest();
        }
        Acquired::Connect
    }

    /// Another idle connection in place of one that could not be used; if there is none, a new one is
    /// to be made. The number in use stays as it is.
    pub fn next_idle(&mut self, uri: &Uri, now: Mono) -> Option<C> {
        let idle = self.hosts.get_mut(host(uri))?.to(uri);
        let before = idle.len();
        idle.retain(|(since, _)| now.since(*since) < self.idle_for);
        let connection = idle.pop();
        self.idle -= before - idle.len();
        connection.map(|(_, connection)| connection)
    }

    /// Keeps a connection whose exchange has finished cleanly; it is no longer in use.
    pub fn release(&mut self, uri: &Uri, connection: C, now: Mono) {
        self.discard();
        let authority = host(uri);
        if !self.hosts.contains_key(authority) {
            if self.hosts.len() >= MAX_HOSTS {
                self.drop_expired(now);
                self.hosts.retain(|_, host| !(host.plain.is_empty() && host.tls.is_empty()));
            }
            if self.hosts.len() >= MAX_HOSTS {
                return;
            }
            self.hosts.insert(authority.to_owned(), Host { plain: Vec::new(), tls: Vec::new() });
        }
        if let Some(host) = self.hosts.get_mut(authority) {
            host.to(uri).push((now, connection));
            self.idle += 1;
        }
    }

    /// Ends the use of a connection that is closed, or that never came to be.
    pub fn discard(&mut self) {
        self.in_use = self.in_use.saturating_sub(1);
    }

    /// True if [`acquire`](Self::acquire) would give a connection.
    #[must_use]
    pub const fn has_room(&self) -> bool {
        self.in_use < self.max
    }

    /// How many connections are idle.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.idle
    }

    /// True if no connection is idle.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.idle == 0
    }

    fn drop_expired(&mut self, now: Mono) {
        let mut idle = 0;
        for host in self.hosts.values_mut() {
            for list in [&mut host.plain, &mut host.tls] {
                list.retain(|(since, _)| now.since(*since) < self.idle_for);
                idle += list.len();
            }
        }
        self.idle = idle;
    }

    fn drop_oldest(&mut self) {
        let lists = self.hosts.values_mut().flat_map(|host| [&mut host.plain, &mut host.tls]);
        let oldest = lists
            .filter_map(|list| list.first().map(|(since, _)| *since).map(|since| (since, list)))
            .min_by_key(|(since, _)| *since);
        if let Some((_, list)) = oldest {
            list.remove(0);
            self.idle -= 1;
        }
    }
}

impl<C> Host<C> {
    fn to(&mut self, uri: &Uri) -> &mut Vec<(Mono, C)> {
        if uri.scheme() == Some(&Scheme::HTTPS) { &mut self.tls } else { &mut self.plain }
    }
}

fn host(uri: &Uri) -> &str {
    uri.authority().map(Authority::as_str).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    #[derive(Clone, Debug)]
    enum Action {
        Acquire(usize),
        /// Another in place of one that is in use.
        NextIdle(usize),
        /// Ends the use of one: cleanly or not.
        End(usize, bool),
        Pass(u64),
    }

    fn action() -> impl Strategy<Value = Action> {
        prop_oneof![
            4 => (0usize..4).prop_map(Action::Acquire),
            1 => any::<usize>().prop_map(Action::NextIdle),
            3 => (any::<usize>(), any::<bool>()).prop_map(|(which, clean)| Action::End(which, clean)),
            1 => (0u64..10).prop_map(Action::Pass),
        ]
    }

    fn uris() -> [Uri; 4] {
        ["http://a/1", "https://a/2", "https://a:81", "https://b/3"].map(Uri::from_static)
    }

    proptest! {
        #[test]
        fn no_connection_is_lent_twice_kept_too_long_or_over_the_bound(
            all in prop::collection::vec(action(), 0..200), bound in 1usize..4,
        ) {
            let uris = uris();
            let mut pool = Pool::new(bound, Duration::from_secs(15));
            let mut now = Mono::ZERO;
            let mut next = 0u32;
            let mut held: Vec<(usize, u32)> = Vec::new();
            let mut put_at = BTreeMap::new();
            for one in all {
                let mut fresh = |of| { next += 1; (of, next) };
                let taken = match one {
                    Action::Acquire(to) => match pool.acquire(&uris[to], now) {
                        Acquired::Idle(connection) => {
                            held.push(connection);
                            Some((to, connection))
                        }
                        Acquired::Connect => { held.push(fresh(to)); None }
                        Acquired::Full => { prop_assert_eq!(held.len(), bound); None }
                    },
                    Action::NextIdle(which) if !held.is_empty() => {
                        let which = which % held.len();
                        let to = held[which].0;
                        let another = pool.next_idle(&uris[to], now);
                        held[which] = another.unwrap_or_else(|| fresh(to));
                        another.map(|connection| (to, connection))
                    }
                    Action::End(which, clean) if !held.is_empty() => {
                        let (to, id) = held.swap_remove(which % held.len());
                        if clean {
                            put_at.insert(id, now);
                            pool.release(&uris[to], (to, id), now);
                        } else {
                            pool.discard();
                        }
                        None
                    }
                    Action::Pass(seconds) => { now = now + Duration::from_secs(seconds); None }
                    _ => None,
                };
                if let Some((to, (of, id))) = taken {
                    prop_assert_eq!(of, to, "a connection to elsewhere");
                    let since: Mono = put_at[&id];
                    prop_assert!(now.since(since) < Duration::from_secs(15));
                }
                let ids: BTreeSet<_> = held.iter().map(|(_, id)| id).collect();
                prop_assert_eq!(ids.len(), held.len(), "lent twice");
                prop_assert!(held.len() + pool.len() <= bound);
                prop_assert_eq!(pool.has_room(), held.len() < bound);
            }
        }
    }

    proptest! {
        /// The oracle is one list, in the order of use. No two things happen in one instant.
        #[test]
        fn which_connection_is_taken_kept_or_dropped(
            all in prop::collection::vec(action(), 0..200), bound in 1usize..5,
        ) {
            let uris = uris();
            let mut pool = Pool::new(bound, Duration::from_secs(15));
            let mut now = Mono::ZERO;
            let mut next = 0u32;
            let mut held: Vec<(usize, u32)> = Vec::new();
            let mut idle: Vec<(Mono, usize, u32)> = Vec::new();
            for one in all {
                now = now + Duration::from_millis(1);
                idle.retain(|(since, ..)| now.since(*since) < Duration::from_secs(15));
                match one {
                    Action::Acquire(to) => {
                        let last = idle.iter().rposition(|(_, of, _)| *of == to);
                        let expected = match last {
                            _ if held.len() >= bound => Acquired::Full,
                            Some(last) => Acquired::Idle(idle.remove(last).2),
                            None => Acquired::Connect,
                        };
                        prop_assert_eq!(pool.acquire(&uris[to], now), expected);
                        match expected {
                            Acquired::Full => {}
                            Acquired::Idle(id) => held.push((to, id)),
                            Acquired::Connect => {
                                next += 1;
                                held.push((to, next));
                                if held.len() + idle.len() > bound {
                                    idle.remove(0);
                                }
                            }
                        }
                    }
                    Action::NextIdle(which) if !held.is_empty() => {
                        let which = which % held.len();
                        let to = held[which].0;
                        let last = idle.iter().rposition(|(_, of, _)| *of == to);
                        let expected = last.map(|last| idle.remove(last).2);
                        prop_assert_eq!(pool.next_idle(&uris[to], now), expected);
                        next += 1;
                        held[which].1 = expected.unwrap_or(next);
                    }
                    Action::End(which, clean) if !held.is_empty() => {
                        let (to, id) = held.swap_remove(which % held.len());
                        if clean {
                            pool.release(&uris[to], id, now);
                            idle.push((now, to, id));
                        } else {
                            pool.discard();
                        }
                    }
                    Action::Pass(seconds) => now = now + Duration::from_secs(seconds),
                    _ => {}
                }
            }
        }
    }

    fn at(seconds: u64) -> Mono {
        Mono::from_origin(Duration::from_secs(seconds))
    }

    /// A pool with idle connections to these, one second after the other.
    fn idle(max: usize, uris: &[&'static str]) -> Pool<usize> {
        let mut pool = Pool::new(max, Duration::from_secs(15));
        for uri in uris {
            assert_eq!(pool.acquire(&Uri::from_static(uri), at(0)), Acquired::Connect);
        }
        for (n, uri) in uris.iter().enumerate() {
            pool.release(&Uri::from_static(uri), n, at(n as u64));
        }
        pool
    }

    #[test]
    fn the_connection_used_last_is_taken_first() {
        let mut pool = idle(4, &["http://a"; 3]);
        assert_eq!(pool.acquire(&Uri::from_static("http://a/x?y"), at(3)), Acquired::Idle(2));
    }

    #[test]
    fn a_new_connection_replaces_the_one_idle_longest() {
        let mut pool = idle(3, &["http://a", "http://b", "https://b"]);
        assert_eq!(pool.acquire(&Uri::from_static("http://c"), at(3)), Acquired::Connect);
        assert!(pool.len() == 2 && !pool.is_empty());
        let a = Uri::from_static("http://a");
        assert_eq!(pool.next_idle(&a, at(3)), None, "the oldest went");
    }

    #[test]
    fn expired_connections_make_room_first() {
        let mut pool = idle(3, &["http://a", "http://b", "http://b"]);
        assert_eq!(pool.acquire(&Uri::from_static("http://c"), at(16)), Acquired::Connect);
        assert_eq!(pool.len(), 1, "two were idle for 15 seconds");
    }

    #[test]
    fn the_number_of_hosts_is_bounded() {
        let mut pool = Pool::new(10_000, Duration::from_secs(15));
        let uri = |n: usize| Uri::try_from(format!("http://h{n}/")).unwrap();
        for n in 0..1000 {
            assert_eq!(pool.acquire(&uri(n), at(0)), Acquired::Connect);
            pool.release(&uri(n), n, at(0));
        }
        assert_eq!(pool.len(), MAX_HOSTS);
        pool.acquire(&uri(0), at(0));
        pool.release(&uri(0), 5000, at(0));
        assert_eq!(pool.next_idle(&uri(0), at(0)), Some(5000), "a known host is kept");
        pool.acquire(&uri(2000), at(15));
        pool.release(&uri(2000), 2000, at(15));
        assert_eq!(pool.len(), 1, "hosts with no idle connection made room");
    }

    #[test]
    fn a_bound_of_zero_means_one() {
        let mut pool = Pool::<()>::new(0, Duration::from_secs(15));
        assert!(pool.has_room() && pool.is_empty());
        assert_eq!(pool.acquire(&Uri::from_static("http://a"), at(0)), Acquired::Connect);
        assert!(!pool.has_room());
    }
}
