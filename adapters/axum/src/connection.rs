//! The connection slots of a server, and the eviction of connections when they are short.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use crate::reading::Reading;

/// The time that every connection has for its first request before it can be evicted. New connections wait
/// to be accepted meanwhile: with 512 slots, 5000 of them a second get one.
const GRACE: Duration = Duration::from_millis(100);

/// The connection that a request came on. [`serve`](crate::serve) puts it into the extensions of each
/// request.
///
/// A connection is *authenticated* once a notification with a valid signature has come on it. When slots are
/// short, the oldest unauthenticated connection is closed, so that others cannot starve the platform. A
/// handler of your own that has checked its caller can say so too:
///
/// ```
/// use axum::{Extension, Router, routing::post};
/// use lp_connector_axum::Connection;
///
/// async fn from_the_gateway(Extension(connection): Extension<Connection>) -> &'static str {
///     // After the caller's password was checked:
///     connection.authenticate();
///     "OK"
/// }
///
/// let app: Router = Router::new().route("/sms", post(from_the_gateway));
/// # let _ = app;
/// ```
#[derive(Clone)]
pub struct Connection(Arc<SlotGuard>);

/// A slot in use. It is free again when the last clone is dropped, or when the connection is evicted.
struct SlotGuard {
    slots: Arc<ConnectionSlots>,
    reading: Reading,
    evicted: Arc<Notify>,
    /// Changes only while the slots are locked.
    rank: Mutex<Rank>,
}

/// The order of eviction: unauthenticated connections first, then the oldest. Each authentication makes a
/// connection new again.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Rank {
    authenticated: bool,
    age: u64,
}

/// The connection slots of one server.
#[derive(Debug)]
pub(crate) struct ConnectionSlots {
    limit: usize,
    taken: Mutex<Taken>,
    freed: Notify,
}

#[derive(Debug, Default)]
struct Taken {
    next: u64,
    connections: BTreeMap<Rank, Slot>,
}

#[derive(Debug)]
struct Slot {
    evicted: Arc<Notify>,
    since: Instant,
    /// True while a request is under way.
    busy: bool,
}

/// The end of an attempt to free a slot.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Eviction {
    Done,
    /// The oldest connection may stay until then.
    NotBefore(Instant),
    /// Every connection is authenticated and has a request under way.
    Nobody,
}

impl ConnectionSlots {
    pub(crate) fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self { limit, taken: Mutex::default(), freed: Notify::new() })
    }

    /// Takes a slot, if one is free.
    pub(crate) fn take(self: &Arc<Self>, reading: &Reading) -> Option<Connection> {
        let mut taken = self.lock();
        if taken.connections.len() >= self.limit {
            return None;
        }
        let rank = taken.rank(false);
        let evicted = Arc::new(Notify::new());
        let since = Instant::now();
        let slot = Slot { evicted: evicted.clone(), since, busy: false };
        taken.connections.insert(rank, slot);
        drop(taken);
        let (slots, reading, rank) = (self.clone(), reading.clone(), Mutex::new(rank));
        Some(Connection(Arc::new(SlotGuard { slots, reading, evicted, rank })))
    }

    /// Evicts the oldest unauthenticated connection, or else the authenticated one that has been idle for
    /// longest.
    pub(crate) fn evict(&self) -> Eviction {
        let mut taken = self.lock();
        let can_be_evicted = |(rank, slot): &(&Rank, &Slot)| !(rank.authenticated && slot.busy);
        let first = taken.connections.iter().find(can_be_evicted);
        let Some((rank, until)) = first.map(|(rank, who)| (*rank, who.since + GRACE)) else {
            return Eviction::Nobody;
        };
        if Instant::now() < until {
            return Eviction::NotBefore(until);
        }
        if let Some(slot) = taken.connections.remove(&rank) {
            slot.evicted.notify_one();
        }
        Eviction::Done
    }

    /// Completes when a slot was freed.
    pub(crate) async fn freed(&self) {
        self.freed.notified().await;
    }

    fn lock(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Taken {
    fn rank(&mut self, authenticated: bool) -> Rank {
        self.next += 1;
        Rank { authenticated, age: self.next }
    }
}

impl Connection {
    /// Marks the connection as authenticated: its caller is known. Of the authenticated connections, the one
    /// whose last authentication is oldest is evicted first, and none while it has a request under way.
    pub fn authenticate(&self) {
        let mut taken = self.0.slots.lock();
        let mut rank = self.0.rank();
        // An evicted connection has no slot any more.
        if let Some(slot) = taken.connections.remove(&rank) {
            *rank = taken.rank(true);
            taken.connections.insert(*rank, slot);
        }
    }

    /// True if a request on it was authenticated.
    #[must_use]
    pub fn is_authenticated(&self) -> bool {
        self.0.rank().authenticated
    }

    /// Says whether a request is under way.
    pub(crate) fn set_busy(&self, busy: bool) {
        let mut taken = self.0.slots.lock();
        let rank = *self.0.rank();
        if let Some(slot) = taken.connections.get_mut(&rank) {
            slot.busy = busy;
        }
        // An authenticated connection that is idle again can be evicted.
        if !busy {
            self.0.slots.freed.notify_one();
        }
    }

    pub(crate) fn is_busy(&self) -> bool {
        let taken = self.0.slots.lock();
        let rank = *self.0.rank();
        taken.connections.get(&rank).is_some_and(|slot| slot.busy)
    }

    /// Completes when the connection is evicted.
    pub(crate) async fn evicted(&self) {
        self.0.evicted.notified().await;
    }

    /// The memory of the bodies that this server reads.
    pub(crate) fn reading(&self) -> &Reading {
        &self.0.reading
    }
}

impl SlotGuard {
    fn rank(&self) -> MutexGuard<'_, Rank> {
        self.rank.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for SlotGuard {
    fn drop(&mut self) {
        let mut taken = self.slots.lock();
        let rank = *self.rank();
        taken.connections.remove(&rank);
        drop(taken);
        self.slots.freed.notify_one();
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("authenticated", &self.is_authenticated())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future as _;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use tokio::time::advance;

    use super::*;

    /// Takes so many slots.
    fn fill(slots: &Arc<ConnectionSlots>, count: usize) -> Vec<Connection> {
        let reading = Reading::new(0);
        (0..count).map(|_| slots.take(&reading).unwrap()).collect()
    }

    fn is_evicted(connection: &Connection) -> bool {
        let evicted = pin!(connection.evicted());
        evicted.poll(&mut Context::from_waker(Waker::noop())) == Poll::Ready(())
    }

    /// The connections in the order in which they give way.
    fn order(slots: &Arc<ConnectionSlots>, connections: &[Connection]) -> Vec<usize> {
        let mut order = Vec::new();
        while slots.evict() == Eviction::Done {
            order.extend((0..connections.len()).filter(|n| is_evicted(&connections[*n])));
        }
        order
    }

    #[tokio::test(start_paused = true)]
    async fn places_are_limited_and_come_back() {
        let slots = ConnectionSlots::new(2);
        let mut both = fill(&slots, 2);
        assert!(slots.take(&Reading::new(0)).is_none());
        both.pop();
        let _third = fill(&slots, 1);
        advance(GRACE).await;
        assert_eq!(slots.evict(), Eviction::Done);
        let _fourth = fill(&slots, 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_can_be_evicted_after_a_tenth_of_a_second() {
        let slots = ConnectionSlots::new(1);
        let _stranger = fill(&slots, 1);
        let tenth = Duration::from_millis(100);
        assert_eq!(slots.evict(), Eviction::NotBefore(Instant::now() + tenth));
        advance(tenth).await;
        assert_eq!(slots.evict(), Eviction::Done);
    }

    #[tokio::test(start_paused = true)]
    async fn no_connection_is_evicted_before_the_grace_is_over() {
        let slots = ConnectionSlots::new(2);
        let start = Instant::now();
        let _first = fill(&slots, 1);
        advance(GRACE / 2).await;
        let _second = fill(&slots, 1);
        assert_eq!(slots.evict(), Eviction::NotBefore(start + GRACE));
        advance(GRACE / 2).await;
        assert_eq!(slots.evict(), Eviction::Done);
        assert_eq!(slots.evict(), Eviction::NotBefore(start + GRACE * 3 / 2));
    }

    #[tokio::test(start_paused = true)]
    async fn the_oldest_unauthenticated_one_is_evicted_first() {
        // Proven in this order; busy; the order in which they give way.
        let cases: [(&[usize], &[usize], &[usize]); 6] = [
            (&[], &[], &[0, 1, 2, 3]),
            (&[0], &[], &[1, 2, 3, 0]),
            (&[1, 0], &[], &[2, 3, 1, 0]),
            (&[0, 1, 0], &[], &[2, 3, 1, 0]),
            // A request under way protects only who has given a proof.
            (&[], &[0, 1], &[0, 1, 2, 3]),
            (&[0, 1, 2, 3], &[0, 2], &[1, 3]),
        ];
        for (authenticated, busy, expected) in cases {
            let slots = ConnectionSlots::new(4);
            let connections = fill(&slots, 4);
            authenticated.iter().for_each(|n| connections[*n].authenticate());
            busy.iter().for_each(|n| connections[*n].set_busy(true));
            advance(GRACE).await;
            assert_eq!(order(&slots, &connections), expected, "{authenticated:?} {busy:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_waits_for_a_place_is_told_of_each_that_comes_free() {
        let slots = ConnectionSlots::new(2);
        let mut connections = fill(&slots, 2);
        let is_told = || {
            let freed = pin!(slots.freed());
            freed.poll(&mut Context::from_waker(Waker::noop())) == Poll::Ready(())
        };
        assert!(!is_told());
        connections.pop();
        assert!(is_told(), "one is closed");
        assert!(!is_told(), "once");
        connections[0].set_busy(true);
        assert!(!is_told());
        connections[0].set_busy(false);
        assert!(is_told(), "one can be evicted again");
    }

    #[tokio::test(start_paused = true)]
    async fn an_evicted_connection_takes_no_place_again() {
        let slots = ConnectionSlots::new(1);
        let evicted = fill(&slots, 1);
        advance(GRACE).await;
        assert_eq!(slots.evict(), Eviction::Done);
        evicted[0].authenticate();
        let next = fill(&slots, 1);
        drop(evicted);
        assert!(slots.take(&Reading::new(0)).is_none(), "the place is the next one's");
        drop(next);
        assert!(slots.take(&Reading::new(0)).is_some());
    }
}
