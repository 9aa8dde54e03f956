//! Why the store cannot be used: it is logged once, and then ever more seldom.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use lp_connector_bridge::store::{StoreError, StoreErrorKind};

/// The pause after the first line of the log. Each one after it is twice as long.
const PAUSE: Duration = Duration::from_secs(10);

/// The longest pause.
const MAX_PAUSE: Duration = Duration::from_secs(600);

/// What is wrong with the store, if something is.
#[derive(Debug, Default)]
pub(super) struct Trouble(Mutex<Option<State>>);

#[derive(Debug)]
struct State {
    kind: StoreErrorKind,
    cause: String,
    since: Instant,
    /// How often it failed.
    times: u64,
    pause: Duration,
    /// When it is logged again.
    next: Instant,
}

/// What to log.
#[derive(PartialEq, Eq, Debug)]
pub(super) struct News {
    /// How often it has failed.
    pub(super) times: u64,
    pub(super) lasted: Duration,
    /// It cannot heal by itself: somebody has to do something.
    pub(super) lasts: bool,
}

impl Trouble {
    /// Takes that the store failed. Returns what is to be logged, if it is new, or was not logged for long.
    pub(super) fn failed(&self, error: &StoreError, now: Instant) -> Option<News> {
        let mut state = self.lock();
        let was = state.take();
        let (since, times) = was.as_ref().map_or((now, 1), |was| (was.since, was.times + 1));
        let (pause, next, is_due) = match was {
            Some(was) if was.kind == error.kind() && now < was.next => (was.pause, was.next, false),
            Some(was) if was.kind == error.kind() => {
                let pause = was.pause.saturating_mul(2).min(MAX_PAUSE);
                (pause, now + pause, true)
            }
            _ => (PAUSE, now + PAUSE, true),
        };
        let (kind, cause) = (error.kind(), error.to_string());
        *state = Some(State { kind, cause, since, times, pause, next });
        let heals = matches!(
            kind,
            StoreErrorKind::Unavailable | StoreErrorKind::Failed | StoreErrorKind::Full
        );
        let lasts = !heals;
        is_due.then(|| News { times, lasted: now.saturating_duration_since(since), lasts })
    }

    /// Takes that the store answered. Returns for how long it had failed, if it had.
    pub(super) fn ended(&self, now: Instant) -> Option<Duration> {
        self.lock().take().map(|was| now.saturating_duration_since(was.since))
    }

    /// Why the store cannot be used, and for how long.
    pub(super) fn cause(&self) -> Option<(String, Duration)> {
        self.lock().as_ref().map(|state| (state.cause.clone(), state.since.elapsed()))
    }

    fn lock(&self) -> MutexGuard<'_, Option<State>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(kind: StoreErrorKind) -> StoreError {
        StoreError::new(kind, format!("{kind:?}"))
    }

    #[test]
    fn one_cause_is_logged_ever_more_seldom() {
        let (trouble, start) = (Trouble::default(), Instant::now());
        let denied = error(StoreErrorKind::Unreadable);
        let at = |seconds| start + Duration::from_secs(seconds);
        let logged = |to: u64| {
            let due = |second: &u64| trouble.failed(&denied, at(*second)).is_some();
            (0..to).filter(due).collect::<Vec<u64>>()
        };
        assert_eq!(logged(3000), [0, 10, 30, 70, 150, 310, 630, 1230, 1830, 2430]);
        assert_eq!(trouble.cause().unwrap().0, denied.to_string());
        assert_eq!(trouble.ended(at(3000)), Some(Duration::from_secs(3000)));
        assert_eq!((trouble.ended(at(3001)), trouble.cause()), (None, None));
        let again = trouble.failed(&denied, at(3002));
        assert_eq!(again, Some(News { times: 1, lasted: Duration::ZERO, lasts: true }));
    }

    #[test]
    fn another_cause_is_logged_at_once() {
        let (trouble, now) = (Trouble::default(), Instant::now());
        let (away, denied) = (error(StoreErrorKind::Unavailable), error(StoreErrorKind::Denied));
        assert!(trouble.failed(&away, now).is_some_and(|news| !news.lasts));
        assert!(trouble.failed(&away, now).is_none());
        assert!(trouble.failed(&denied, now).is_some_and(|news| news.lasts && news.times == 3));
        assert!(trouble.failed(&denied, now).is_none());
        // Its first pause is as short as any first one.
        assert!(trouble.failed(&denied, now + Duration::from_millis(9999)).is_none());
        assert!(trouble.failed(&denied, now + Duration::from_secs(10)).is_some());
    }
}
