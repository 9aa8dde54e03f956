//! The memory of bodies that are being read: their senders are not authenticated yet.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, Semaphore, SemaphorePermit};
use tokio::time::sleep;

use crate::extract::WebhookError;

/// The largest small body. Notifications with a picture's preview are larger.
const SMALL: usize = 16 * 1024;

/// How many large bodies without a proof are read at a time. Others wait, first come, first served.
const LARGE: usize = 16;

/// How long such a body may bring nothing while others wait. With as many connections as `serve` has, each
/// of them with a body that stalls, the last one waits 0.8 s.
const STALL: Duration = Duration::from_millis(25);

/// What all bodies under way share.
///
/// Bytes: when they are short, the body that has been on its way for longest is evicted, unless its
/// connection is authenticated. Permits: an unauthenticated large body needs one, and loses it when it stalls.
#[derive(Clone, Debug)]
pub(crate) struct Reading(Arc<Pool>);

#[derive(Debug)]
struct Pool {
    limit: usize,
    state: Mutex<State>,
    turns: Semaphore,
    waiting: AtomicUsize,
}

#[derive(Debug, Default)]
struct State {
    used: usize,
    next: u64,
    /// Keys grow: the first is the oldest.
    bodies: BTreeMap<u64, Reserved>,
}

#[derive(Debug)]
struct Reserved {
    bytes: usize,
    authenticated: bool,
    evicted: Arc<Notify>,
}

/// The memory of one body. Dropping it gives it back.
#[derive(Debug)]
pub(crate) struct Body {
    pool: Reading,
    key: u64,
    authenticated: bool,
    evicted: Arc<Notify>,
}

/// The permit to read a large body.
#[derive(Debug)]
pub(crate) struct LargeBodyPermit<'a> {
    pool: &'a Pool,
    _permit: SemaphorePermit<'a>,
}

impl Reading {
    pub(crate) fn new(bytes: usize) -> Self {
        let (turns, waiting) = (Semaphore::new(LARGE), AtomicUsize::new(0));
        Self(Arc::new(Pool { limit: bytes, state: Mutex::default(), turns, waiting }))
    }

    /// A body without memory as yet.
    pub(crate) fn begin(&self, authenticated: bool) -> Body {
        let mut state = self.lock();
        state.next += 1;
        let key = state.next;
        let evicted = Arc::new(Notify::new());
        state.bodies.insert(key, Reserved { bytes: 0, authenticated, evicted: evicted.clone() });
        Body { pool: self.clone(), key, authenticated, evicted }
    }

    #[cfg(test)]
    pub(crate) fn used(&self) -> usize {
        self.lock().used
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Takes the memory of the oldest body that holds some and is on a connection without a proof.
    /// Returns its key.
    fn evict(&mut self) -> Option<u64> {
        let can_be_evicted = |(_, body): &(&u64, &Reserved)| !body.authenticated && body.bytes > 0;
        let key = self.bodies.iter().find(can_be_evicted).map(|(key, _)| *key)?;
        let body = self.bodies.remove(&key)?;
        self.used -= body.bytes;
        body.evicted.notify_one();
        Some(key)
    }
}

impl Body {
    /// Grows the memory to so many bytes; at the cost of others, if it is short. Two bodies of `largest`
    /// bytes always fit. Returns false if this body itself must give way.
    pub(crate) fn grow(&self, bytes: usize, largest: usize) -> bool {
        let limit = self.pool.0.limit.max(largest.saturating_mul(2));
        let mut state = self.pool.lock();
        let Some(held) = state.bodies.get(&self.key).map(|body| body.bytes) else { return false };
        let more = bytes.saturating_sub(held);
        while state.used.saturating_add(more) > limit {
            match state.evict() {
                Some(key) if key != self.key => {}
                _ => return false,
            }
        }
        if let Some(body) = state.bodies.get_mut(&self.key) {
            body.bytes += more;
            state.used += more;
        }
        true
    }

    /// Waits for the body's turn if it needs one at this size.
    pub(crate) async fn turn(&self, bytes: usize) -> Option<LargeBodyPermit<'_>> {
        if self.authenticated || bytes <= SMALL {
            return None;
        }
        let pool = &*self.pool.0;
        let _waits = Waits::new(&pool.waiting);
        let permit = pool.turns.acquire().await.ok()?;
        Some(LargeBodyPermit { pool, _permit: permit })
    }

    /// Completes when the body must give way to a newer one.
    pub(crate) async fn evicted(&self) {
        self.evicted.notified().await;
    }
}

impl LargeBodyPermit<'_> {
    /// Waits for more of the body. Fails if nothing comes and others wait.
    pub(crate) async fn more<T>(&self, frame: impl Future<Output = T>) -> Result<T, WebhookError> {
        let stalled = async {
            loop {
                sleep(STALL).await;
                if self.pool.waiting.load(Ordering::Relaxed) > 0 {
                    return;
                }
            }
        };
        tokio::select! {
            biased;
            frame = frame => Ok(frame),
            () = stalled => Err(WebhookError::Evicted),
        }
    }
}

/// Counts a body that waits.
struct Waits<'a>(&'a AtomicUsize);

impl<'a> Waits<'a> {
    fn new(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Drop for Body {
    fn drop(&mut self) {
        let mut state = self.pool.lock();
        if let Some(body) = state.bodies.remove(&self.key) {
            state.used -= body.bytes;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_limited_and_comes_back() {
        let reading = Reading::new(100);
        let (one, two) = (reading.begin(true), reading.begin(true));
        assert!(one.grow(60, 0) && two.grow(40, 0) && one.grow(30, 0), "it has as much already");
        assert!(!two.grow(41, 0) && !two.grow(usize::MAX, 0));
        assert_eq!(reading.used(), 100);
        drop(one);
        assert!(two.grow(100, 0));
        drop(two);
        assert_eq!(reading.used(), 0);
    }

    #[test]
    fn two_of_the_largest_bodies_fit_into_any_limit() {
        let reading = Reading::new(10);
        let bodies = [(); 3].map(|()| reading.begin(true));
        assert_eq!(bodies.each_ref().map(|body| body.grow(50, 50)), [true, true, false]);
    }

    #[test]
    fn the_oldest_unauthenticated_body_is_evicted() {
        // Which of three bodies with 30 bytes each are authenticated, who asks for 40 more of 100, and who has
        // its memory then.
        let cases = [
            ([false; 3], 2, [false, true, true]),
            ([false; 3], 1, [false, true, true]),
            ([false; 3], 0, [false, true, true]),
            ([true, false, false], 2, [true, false, true]),
            ([true, true, false], 0, [true, true, false]),
            ([true, true, false], 2, [true, true, false]),
            ([true; 3], 2, [true, true, true]),
        ];
        for (authenticated, asks, expected) in cases {
            let reading = Reading::new(100);
            let bodies = authenticated.map(|authenticated| reading.begin(authenticated));
            assert!(bodies.iter().all(|body| body.grow(30, 0)));
            let grown = bodies[asks].grow(70, 0);
            let kept = bodies.each_ref().map(|body| body.grow(0, 0));
            assert_eq!(kept, expected, "{authenticated:?} {asks}");
            assert_eq!(grown, kept[asks] && authenticated != [true; 3], "{authenticated:?} {asks}");
            assert!(reading.used() <= 100);
        }
    }

    #[test]
    fn a_body_that_has_sent_nothing_is_no_loss_to_anyone() {
        let reading = Reading::new(100);
        let silent = reading.begin(false);
        let (old, new) = (reading.begin(false), reading.begin(false));
        assert!(old.grow(100, 0) && new.grow(100, 0));
        assert!(silent.grow(0, 0) && !old.grow(0, 0));
    }

    #[tokio::test]
    async fn a_large_body_of_a_known_sender_waits_for_no_turn() {
        use std::pin::pin;
        use std::task::{Context, Poll, Waker};
        let reading = Reading::new(100);
        let strangers = [(); LARGE].map(|()| reading.begin(false));
        let mut turns = Vec::new();
        for stranger in &strangers {
            turns.push(stranger.turn(SMALL + 1).await);
        }
        assert!(turns.iter().all(Option::is_some));
        let mut context = Context::from_waker(Waker::noop());
        let (known, next) = (reading.begin(true), reading.begin(false));
        let turn = pin!(known.turn(SMALL + 1));
        assert!(matches!(turn.poll(&mut context), Poll::Ready(None)));
        let turn = pin!(next.turn(SMALL + 1));
        assert!(turn.poll(&mut context).is_pending(), "a stranger waits");
    }

    /// On a clock that moves when everything waits.
    #[tokio::test(start_paused = true)]
    async fn a_stalled_large_body_is_refused_only_while_others_wait() {
        use std::future::pending;
        use tokio::time::timeout;
        let second = Duration::from_secs(1);
        let reading = Reading::new(100);
        let strangers = [(); LARGE].map(|()| reading.begin(false));
        let mut turns = Vec::new();
        for stranger in &strangers {
            turns.push(stranger.turn(SMALL + 1).await.unwrap());
        }
        let next = reading.begin(false);
        let stalls = || timeout(second, turns[0].more(pending::<()>()));
        assert!(stalls().await.is_err(), "nobody waits yet");
        // The next one gives up after a second, as all keep their turns.
        let (stalled, waited) = tokio::join!(stalls(), timeout(second, next.turn(SMALL + 1)));
        assert_eq!(stalled, Ok(Err(WebhookError::Evicted)));
        assert!(waited.is_err());
        assert!(stalls().await.is_err(), "nobody waits any longer");
    }
}
