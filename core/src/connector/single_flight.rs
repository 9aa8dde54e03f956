//! One shared value that calls need, and the single flight that fetches it.
//!
//! A [`SingleFlight`] caches a value (hosts, a token) and tracks who fetches the next one. However many
//! calls need it, one holds the *lease* and the others wait. Failures are shared: the attempts of one
//! *round* are counted here, not in each call, and when a round fails for good, every call that waited for
//! it ends with the same error.
//!
//! ```text
//!            acquire                   store
//!   Idle ───────────────▶ InFlight ───────────────▶ Idle, value cached
//!    ▲                     │  │ back off for 5 s
//!    │ fail                │  ▼
//!    └─────────────────────┘ Backoff ── acquire, when the pause is over ──▶ InFlight
//! ```

use std::time::Duration;

use crate::error::Error;
use crate::policy::{Permit, Probe};
use crate::time::Mono;

/// A round without an attempt for this long is over: the next attempt begins a new one.
const ROUND_TTL: Duration = Duration::from_secs(60);

#[derive(Debug)]
#[cfg_attr(test, derive(Clone))]
pub(super) struct SingleFlight<T> {
    content: Content<T>,
    pub(super) refresh: Refresh,
}

#[derive(Debug)]
#[cfg_attr(test, derive(Clone))]
enum Content<T> {
    /// There has been no value yet.
    Absent,
    /// The last value was rejected, and there is no other yet.
    Rejected {
        generation: u32,
    },
    Cached(Cached<T>),
}

#[derive(Debug)]
#[cfg_attr(test, derive(Clone))]
struct Cached<T> {
    value: T,
    stored_at: Mono,
    /// From this instant on one call fetches a new value while the others use this one.
    refresh_at: Mono,
    /// From this instant on the value must not be used.
    expires_at: Mono,
    /// Numbers the values: a rejection names a token by its number. 32 bits suffice: each number costs a request.
    generation: u32,
    /// The value did not work: while another is being fetched, no call uses it.
    stale: bool,
}

/// The state of the fetch, independent of the type of the value.
///
/// Of a million consumers most are at rest: what only a fetch, a pause or a failure needs has an allocation of its own.
#[derive(Debug, Default)]
#[cfg_attr(test, derive(Clone))]
pub(super) struct Refresh {
    /// The number of the present round, or of the last one.
    round: u64,
    progress: Option<Box<Progress>>,
}

/// What is neither at rest nor forgotten.
#[derive(Debug, Default)]
#[cfg_attr(test, derive(Clone))]
struct Progress {
    state: State,
    attempts: Attempts,
    /// The last round that failed for good, and its error.
    failed: Option<(u64, Error)>,
    ahead: Ahead,
    /// No round begins before this: the documented pause after a failed refresh ahead of expiry, or the
    /// pause that the service asked for.
    not_before: Mono,
    /// The expiry of the value that was cached when the fetch began.
    expires_at: Mono,
}

#[derive(Clone, Copy, Debug, Default)]
enum State {
    #[default]
    Idle,
    InFlight {
        lease: Lease,
        until: Mono,
    },
    Backoff {
        until: Mono,
    },
}

/// The attempts of a round, which share one count of retries.
#[derive(Debug, Default)]
#[cfg_attr(test, derive(Clone))]
struct Attempts {
    failures: u32,
    /// The earliest generation of the AppJWT for this round, once the service has rejected one in it.
    min_app_jwt: Option<u64>,
    last: Option<Error>,
}

/// Refreshing a value ahead of its expiry.
#[derive(Debug, Default)]
#[cfg_attr(test, derive(Clone))]
struct Ahead {
    not_before: Mono,
    failures: u32,
}

/// The right to fetch, held by one call at a time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Lease {
    id: u64,
    /// A refresh while the old value is still good.
    pub(super) refresh_ahead: bool,
    /// The one attempt that a half-open circuit lets through.
    pub(super) probe: Option<Probe>,
}

/// The answer to a call that needs the value.
#[derive(Debug)]
pub(super) enum Acquire {
    /// The value is cached.
    Cached,
    /// This call has to fetch the value.
    Fetch(Lease),
    /// Another call fetches the value, or a pause is on.
    Wait {
        until: Mono,
        round: u64,
        /// True for a pause, which a call whose deadline comes first need not begin; false for a fetch in
        /// flight, which may end at any time.
        pausing: bool,
    },
    /// The round that this call waited for has failed.
    Failed(Error),
    /// The circuit of the service is open until then.
    CircuitOpen(Mono),
}

/// One call's need of the value.
#[derive(Clone, Copy, Debug)]
pub(super) struct AcquireRequest {
    /// The earliest generation that the call accepts: it has seen the one before rejected.
    pub(super) min_generation: u64,
    /// The round that the call has waited for so far.
    pub(super) joined: Option<u64>,
    /// A number that no other lease has.
    pub(super) lease_id: u64,
    /// When a fetch that begins now counts as lost.
    pub(super) deadline: Mono,
    /// No fetch may begin before this.
    pub(super) not_before: Mono,
}

impl<T> SingleFlight<T> {
    pub(super) fn new() -> Self {
        Self { content: Content::Absent, refresh: Refresh::default() }
    }

    const fn cached(&self) -> Option<&Cached<T>> {
        match &self.content {
            Content::Cached(cached) => Some(cached),
            Content::Absent | Content::Rejected { .. } => None,
        }
    }

    /// True if [`acquire`](Self::acquire) would begin or await a fetch, so that a call can first prepare
    /// what the fetch itself needs.
    pub(super) fn wants_fetch(&mut self, now: Mono, min_generation: u64) -> bool {
        self.refresh.expire(now);
        match self.cached() {
            Some(cached) if Self::is_usable(cached, now, min_generation) => {
                self.replacement_due(cached).is_some()
                    || self.refresh.is_due_ahead(cached.refresh_at, now)
            }
            _ => true,
        }
    }

    /// Acquires the value. `permit` asks the circuit, and only when a fetch would begin.
    pub(super) fn acquire(
        &mut self,
        now: Mono,
        request: AcquireRequest,
        permit: impl FnOnce() -> Permit,
    ) -> Acquire {
        self.refresh.expire(now);
        let usable =
            self.cached().filter(|cached| Self::is_usable(cached, now, request.min_generation));
        if let Some(cached) = usable {
            if let Some(until) = self.replacement_due(cached) {
                return Acquire::Wait { until, round: self.refresh.round, pausing: false };
            }
            let expires_at = cached.expires_at;
            let refresh_at = cached.refresh_at;
            let due = self.refresh.is_due_ahead(refresh_at, now) && now >= request.not_before;
            return match due.then(permit) {
                Some(Permit::Granted) => {
                    Acquire::Fetch(self.refresh.lease_ahead(request, None, expires_at))
                }
                Some(Permit::Probe(probe)) => {
                    Acquire::Fetch(self.refresh.lease_ahead(request, Some(probe), expires_at))
                }
                Some(Permit::Denied(_)) | None => Acquire::Cached,
            };
        }
        self.refresh.acquire(now, request, permit)
    }

    fn is_usable(cached: &Cached<T>, now: Mono, min_generation: u64) -> bool {
        now < cached.expires_at && u64::from(cached.generation) >= min_generation
    }

    /// When the fetch in flight ends at the latest, if the cached value is not to be used before.
    fn replacement_due(&self, cached: &Cached<T>) -> Option<Mono> {
        match self.refresh.state() {
            State::InFlight { until, .. } if cached.stale => Some(until),
            _ => None,
        }
    }

    /// The value, if it may be used now.
    pub(super) fn value(&self, now: Mono) -> Option<&T> {
        self.cached().filter(|cached| now < cached.expires_at).map(|cached| &cached.value)
    }

    /// The generation of the value, or of the one that was rejected.
    pub(super) fn generation(&self) -> u64 {
        self.last_generation().into()
    }

    const fn last_generation(&self) -> u32 {
        match &self.content {
            Content::Absent => 0,
            Content::Rejected { generation } => *generation,
            Content::Cached(cached) => cached.generation,
        }
    }

    /// For how long the value may still be used.
    pub(super) fn remaining(&self, now: Mono) -> Duration {
        self.cached().map(|cached| cached.expires_at.since(now)).unwrap_or_default()
    }

    /// Ends a fetch with its result. If another call holds the lease by now, the result is
    /// dropped.
    pub(super) fn store(
        &mut self,
        now: Mono,
        lease: Lease,
        value: T,
        refresh_at: Mono,
        expires_at: Mono,
    ) {
        if self.refresh.holds(lease) {
            self.content = Content::Cached(Cached {
                value,
                stored_at: now,
                refresh_at,
                expires_at,
                generation: self.last_generation().saturating_add(1),
                stale: false,
            });
            self.refresh.succeed();
        }
    }

    /// Drops the value of this generation, which the service rejected.
    pub(super) fn invalidate(&mut self, generation: u64) {
        if generation == self.generation() {
            self.content = Content::Rejected { generation: self.last_generation() };
            if let Some(progress) = &mut self.refresh.progress {
                progress.expires_at = Mono::ZERO;
            }
        }
    }

    /// True if the last value was rejected, and there is no other yet.
    pub(super) const fn is_rejected(&self) -> bool {
        matches!(self.content, Content::Rejected { .. })
    }

    /// Marks the value as possibly out of date: another is fetched soon, but not before this one has the age
    /// `youngest`. A call that needs it while that fetch is in flight waits for the outcome.
    pub(super) fn mark_stale(&mut self, now: Mono, youngest: Duration) {
        if let Content::Cached(cached) = &mut self.content {
            cached.refresh_at = cached.refresh_at.min(now.max(cached.stored_at + youngest));
            cached.stale = true;
        }
    }

    /// True while a call fetches the value: its waiters would miss the result if this were dropped now.
    pub(super) fn is_in_flight(&self, now: Mono) -> bool {
        matches!(self.refresh.state(), State::InFlight { until, .. } if now < until)
    }
}

impl Refresh {
    fn state(&self) -> State {
        self.progress.as_ref().map(|progress| progress.state).unwrap_or_default()
    }

    fn progress(&mut self) -> &mut Progress {
        self.progress.get_or_insert_default()
    }

    fn is_due_ahead(&self, refresh_at: Mono, now: Mono) -> bool {
        let ahead = self.progress.as_ref().map(|progress| progress.ahead.not_before);
        now >= refresh_at && now >= ahead.unwrap_or_default() && matches!(self.state(), State::Idle)
    }

    /// Frees an expired lease: its holder is gone, or its attempt timed out.
    fn expire(&mut self, now: Mono) {
        let Some(progress) = &mut self.progress else { return };
        if let State::InFlight { lease, until } = progress.state
            && until <= now
        {
            progress.state =
                if lease.refresh_ahead { State::Idle } else { State::Backoff { until } };
        }
        if let State::Backoff { until } = progress.state
            && until + ROUND_TTL <= now
        {
            progress.state = State::Idle;
        }
    }

    fn acquire(
        &mut self,
        now: Mono,
        request: AcquireRequest,
        permit: impl FnOnce() -> Permit,
    ) -> Acquire {
        let mut not_before = Mono::ZERO;
        if let Some(progress) = &self.progress {
            if let (Some(joined), Some((failed, error))) = (request.joined, &progress.failed)
                && *failed >= joined
            {
                return Acquire::Failed(error.clone());
            }
            not_before = progress.not_before;
        }
        let (from, begins_round) = match self.state() {
            State::InFlight { until, .. } => {
                return Acquire::Wait { until, round: self.round, pausing: false };
            }
            State::Backoff { until } => (until, false),
            State::Idle => (not_before, true),
        };
        let from = from.max(request.not_before);
        if now < from {
            // A pause before a round has begun belongs to the round to come.
            let round = self.round + u64::from(begins_round);
            return Acquire::Wait { until: from, round, pausing: true };
        }
        let probe = match permit() {
            Permit::Granted => None,
            Permit::Probe(probe) => Some(probe),
            Permit::Denied(until) => return Acquire::CircuitOpen(until),
        };
        if begins_round {
            self.begin_round();
        }
        let lease = Lease { id: request.lease_id, refresh_ahead: false, probe };
        Acquire::Fetch(self.lease(lease, request.deadline, Mono::ZERO))
    }

    fn begin_round(&mut self) {
        self.round += 1;
        self.progress().attempts = Attempts::default();
    }

    /// Leases the fetch of a new value while the old one is good, until `expires_at`.
    fn lease_ahead(
        &mut self,
        request: AcquireRequest,
        probe: Option<Probe>,
        expires_at: Mono,
    ) -> Lease {
        let lease = Lease { id: request.lease_id, refresh_ahead: true, probe };
        self.lease(lease, request.deadline, expires_at)
    }

    fn lease(&mut self, lease: Lease, until: Mono, expires_at: Mono) -> Lease {
        let progress = self.progress();
        progress.expires_at = expires_at;
        progress.state = State::InFlight { lease, until };
        lease
    }

    fn holds(&self, lease: Lease) -> bool {
        matches!(self.state(), State::InFlight { lease: held, .. } if held == lease)
    }

    /// What is going on, if it is this lease's fetch.
    fn held(&mut self, lease: Lease) -> Option<&mut Progress> {
        if self.holds(lease) { self.progress.as_deref_mut() } else { None }
    }

    fn succeed(&mut self) {
        // Who waited for a failed round may still ask for its error.
        let failed = self.progress.take().and_then(|progress| progress.failed);
        if failed.is_some() {
            self.progress().failed = failed;
        }
    }

    /// The round that a call waits for.
    pub(super) const fn round(&self) -> u64 {
        self.round
    }

    /// How many attempts of this round have failed.
    pub(super) fn failures(&self) -> u32 {
        self.progress.as_ref().map_or(0, |progress| progress.attempts.failures)
    }

    /// How many refreshes ahead of expiry in a row have failed.
    pub(super) fn failures_ahead(&self) -> u32 {
        self.progress.as_ref().map_or(0, |progress| progress.ahead.failures)
    }

    /// How the last attempt of this round failed.
    pub(super) fn last(&self) -> Option<&Error> {
        self.progress.as_ref().and_then(|progress| progress.attempts.last.as_ref())
    }

    /// Ends a fetch that any call retries after `pause`.
    pub(super) fn back_off(&mut self, now: Mono, lease: Lease, pause: Duration, error: &Error) {
        if let Some(progress) = self.held(lease) {
            progress.attempts.failures = progress.attempts.failures.saturating_add(1);
            progress.attempts.last = Some(error.clone());
            progress.state = State::Backoff { until: now + pause };
        }
    }

    /// Ends a failed refresh ahead of expiry: the cached value stays in use, and the next refresh waits for
    /// `pause`. If the value has expired meanwhile, this was the first failure of a round, and the
    /// next attempt waits for `floor`.
    pub(super) fn defer(
        &mut self,
        now: Mono,
        lease: Lease,
        floor: Duration,
        pause: Duration,
        error: &Error,
    ) {
        let Some(progress) = self.held(lease) else { return };
        progress.ahead.failures = progress.ahead.failures.saturating_add(1);
        progress.ahead.not_before = now + pause;
        progress.attempts.last = Some(error.clone());
        progress.not_before = now + floor;
        progress.state = State::Idle;
        if progress.expires_at <= now {
            progress.attempts =
                Attempts { failures: 1, last: Some(error.clone()), min_app_jwt: None };
            progress.state = State::Backoff { until: now + floor };
            self.round += 1;
        }
    }

    /// Ends a fetch that the deadline of its own call cut short: that says nothing about the service,
    /// and counts as no failure; but such calls, however many, fetch at most once every `pause`.
    pub(super) fn deadline_truncated(&mut self, now: Mono, lease: Lease, pause: Duration) {
        if let Some(progress) = self.held(lease) {
            progress.ahead.not_before = now + pause;
            progress.state = if lease.refresh_ahead && now < progress.expires_at {
                State::Idle
            } else {
                State::Backoff { until: now + pause }
            };
        }
    }

    /// Ends a fetch, and with it the round, for every call that waited for it. The next round begins no
    /// earlier than after `retry_after`, and so does a refresh ahead of a value that other calls still use.
    pub(super) fn fail(&mut self, now: Mono, lease: Lease, retry_after: Duration, error: &Error) {
        let round = self.round;
        if let Some(progress) = self.held(lease) {
            progress.state = State::Idle;
            progress.not_before = progress.not_before.max(now + retry_after);
            progress.ahead.not_before = progress.ahead.not_before.max(now + retry_after);
            progress.failed = Some((round, error.clone()));
        }
    }

    /// Releases the lease without a result: the round goes on with the next call. True if it was held.
    pub(super) fn release(&mut self, now: Mono, lease: Lease) -> bool {
        let Some(progress) = self.held(lease) else { return false };
        progress.state =
            if lease.refresh_ahead { State::Idle } else { State::Backoff { until: now } };
        true
    }

    /// Makes this round go on with an AppJWT of at least this generation. False if the round has
    /// refreshed the AppJWT already: each round does so once.
    pub(super) fn refresh_app_jwt_once(&mut self, lease: Lease, min_generation: u64) -> bool {
        let Some(progress) = self.held(lease) else { return false };
        let first = progress.attempts.min_app_jwt.is_none();
        if first {
            progress.attempts.min_app_jwt = Some(min_generation);
        }
        first
    }

    /// The earliest generation of the AppJWT that a fetch in this round may send: every call that
    /// takes over the round needs it, not only the one whose attempt was rejected.
    pub(super) fn min_app_jwt(&self) -> u64 {
        self.progress.as_ref().and_then(|progress| progress.attempts.min_app_jwt).unwrap_or(0)
    }
}

#[cfg(test)]
#[path = "single_flight_tests.rs"]
mod tests;
