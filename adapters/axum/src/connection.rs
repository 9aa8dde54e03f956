//! The places for connections, and which connection gives way when they are short.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use crate::reading::Reading;

/// How long every connection may take for its first request before it gives way. Newcomers wait to be
/// accepted meanwhile: with 512 places, 5000 of them a second get one.
const GRACE: Duration = Duration::from_millis(100);

/// The connection that a request came on. [`serve`](crate::serve) puts it into the extensions of each
/// request.
///
/// A connection is *proven* once a notification with a valid signature has come on it. When places are
/// short, the oldest connection without a proof is closed, so strangers cannot starve the platform. A
/// handler of your own that has checked its caller can say so too:
///
/// ```
/// use axum::{Extension, Router, routing::post};
/// use lp_connector_axum::Connection;
///
/// async fn from_the_gateway(Extension(connection): Extension<Connection>) -> &'static str {
///     // After the caller's password was checked:
///     connection.prove();
///     "OK"
/// }
///
/// let app: Router = Router::new().route("/sms", post(from_the_gateway));
/// # let _ = app;
/// ```
#[derive(Clone)]
pub struct Connection(Arc<Seat>);

/// A taken place. It is free again when the last clone is dropped, or when it is evicted.
struct Seat {
    places: Arc<Places>,
    reading: Reading,
    evicted: Arc<Notify>,
    /// Changes only while the places are locked.
    rank: Mutex<Rank>,
}

/// Who gives way first: those without a proof, then the oldest. A proof makes a connection new again.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Rank {
    proven: bool,
    age: u64,
}

/// The places of one server.
#[derive(Debug)]
pub(crate) struct Places {
    limit: usize,
    taken: Mutex<Taken>,
    freed: Notify,
}

#[derive(Debug, Default)]
struct Taken {
    next: u64,
    connections: BTreeMap<Rank, Occupant>,
}

#[derive(Debug)]
struct Occupant {
    evicted: Arc<Notify>,
    since: Instant,
    /// True while a request is under way.
    busy: bool,
}

/// The end of an attempt to free a place.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Eviction {
    Done,
    /// The oldest connection may stay until then.
    NotBefore(Instant),
    /// Every connection is proven and has a request under way.
    Nobody,
}

impl Places {
    pub(crate) fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self { limit, taken: Mutex::default(), freed: Notify::new() })
    }

    /// Takes a place, if one is free.
    pub(crate) fn take(self: &Arc<Self>, reading: &Reading) -> Option<Connection> {
        let mut taken = self.lock();
        if taken.connections.len() >= self.limit {
            return None;
        }
        let rank = taken.rank(false);
        let evicted = Arc::new(Notify::new());
        let since = Instant::now();
        let occupant = Occupant { evicted: evicted.clone(), since, busy: false };
        taken.connections.insert(rank, occupant);
        drop(taken);
        let (places, reading, rank) = (self.clone(), reading.clone(), Mutex::new(rank));
        Some(Connection(Arc::new(Seat { places, reading, evicted, rank })))
    }

    /// Frees the place of the oldest connection without a proof, or else of the proven one that has
    /// been idle for longest.
    pub(crate) fn evict(&self) -> Eviction {
        let mut taken = self.lock();
        let gives_way = |(rank, occupant): &(&Rank, &Occupant)| !(rank.proven && occupant.busy);
        let first = taken.connections.iter().find(gives_way);
        let Some((rank, until)) = first.map(|(rank, who)| (*rank, who.since + GRACE)) else {
            return Eviction::Nobody;
        };
        if Instant::now() < until {
            return Eviction::NotBefore(until);
        }
        if let Some(occupant) = taken.connections.remove(&rank) {
            occupant.evicted.notify_one();
        }
        Eviction::Done
    }

    /// Completes when a place was freed.
    pub(crate) async fn freed(&self) {
        self.freed.notified().await;
    }

    fn lock(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Taken {
    fn rank(&mut self, proven: bool) -> Rank {
        self.next += 1;
        Rank { proven, age: self.next }
    }
}

impl Connection {
    /// Marks the connection as proven: its caller is not a stranger. Of the proven connections, the one
    /// whose last proof is oldest gives way first, and none while it has a request under way.
    pub fn prove(&self) {
        let mut taken = self.0.places.lock();
        let mut rank = self.0.rank();
        // An evicted connection has no place any more.
        if let Some(occupant) = taken.connections.remove(&rank) {
            *rank = taken.rank(true);
            taken.connections.insert(*rank, occupant);
        }
    }

    /// True if a request on it was proven.
    #[must_use]
    pub fn is_proven(&self) -> bool {
        self.0.rank().proven
    }

    /// Says whether a request is under way.
    pub(crate) fn set_busy(&self, busy: bool) {
        let mut taken = self.0.places.lock();
        let rank = *self.0.rank();
        if let Some(occupant) = taken.connections.get_mut(&rank) {
            occupant.busy = busy;
        }
        // A proven connection that is idle again may give way.
        if !busy {
            self.0.places.freed.notify_one();
        }
    }

    pub(crate) fn is_busy(&self) -> bool {
        let taken = self.0.places.lock();
        let rank = *self.0.rank();
        taken.connections.get(&rank).is_some_and(|occupant| occupant.busy)
    }

    /// Completes when the connection must give way.
    pub(crate) async fn evicted(&self) {
        self.0.evicted.notified().await;
    }

    /// The memory of the bodies that this server reads.
    pub(crate) fn reading(&self) -> &Reading {
        &self.0.reading
    }
}

impl Seat {
    fn rank(&self) -> MutexGuard<'_, Rank> {
        self.rank.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut taken = self.places.lock();
        let rank = *self.rank();
        taken.connections.remove(&rank);
        drop(taken);
        self.places.freed.notify_one();
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("proven", &self.is_proven()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future as _;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use tokio::time::advance;

    use super::*;

    /// Takes so many places.
    fn fill(places: &Arc<Places>, count: usize) -> Vec<Connection> {
        let reading = Reading::new(0);
        (0..count).map(|_| places.take(&reading).unwrap()).collect()
    }

    fn is_evicted(connection: &Connection) -> bool {
        let evicted = pin!(connection.evicted());
        evicted.poll(&mut Context::from_waker(Waker::noop())) == Poll::Ready(())
    }

    /// The connections in the order in which they give way.
    fn order(places: &Arc<Places>, connections: &[Connection]) -> Vec<usize> {
        let mut order = Vec::new();
        while places.evict() == Eviction::Done {
            order.extend((0..connections.len()).filter(|n| is_evicted(&connections[*n])));
        }
        order
    }

    #[tokio::test(start_paused = true)]
    async fn places_are_limited_and_come_back() {
        let places = Places::new(2);
        let mut both = fill(&places, 2);
        assert!(places.take(&Reading::new(0)).is_none());
        both.pop();
        let _third = fill(&places, 1);
        advance(GRACE).await;
        assert_eq!(places.evict(), Eviction::Done);
        let _fourth = fill(&places, 1);
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_gives_way_before_the_grace_is_over() {
        let places = Places::new(2);
        let start = Instant::now();
        let _first = fill(&places, 1);
        advance(GRACE / 2).await;
        let _second = fill(&places, 1);
        assert_eq!(places.evict(), Eviction::NotBefore(start + GRACE));
        advance(GRACE / 2).await;
        assert_eq!(places.evict(), Eviction::Done);
        assert_eq!(places.evict(), Eviction::NotBefore(start + GRACE * 3 / 2));
    }

    #[tokio::test(start_paused = true)]
    async fn the_oldest_without_a_proof_gives_way_first() {
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
        for (proven, busy, expected) in cases {
            let places = Places::new(4);
            let connections = fill(&places, 4);
            proven.iter().for_each(|n| connections[*n].prove());
            busy.iter().for_each(|n| connections[*n].set_busy(true));
            advance(GRACE).await;
            assert_eq!(order(&places, &connections), expected, "{proven:?} {busy:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_evicted_connection_takes_no_place_again() {
        let places = Places::new(1);
        let evicted = fill(&places, 1);
        advance(GRACE).await;
        assert_eq!(places.evict(), Eviction::Done);
        evicted[0].prove();
        let next = fill(&places, 1);
        drop(evicted);
        assert!(places.take(&Reading::new(0)).is_none(), "the place is the next one's");
        drop(next);
        assert!(places.take(&Reading::new(0)).is_some());
    }
}
