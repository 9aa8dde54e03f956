//! One shared thing that calls need, and the single flight that fetches it.
//!
//! A slot holds a value (a host, a token) and knows who fetches the next one. However many calls need
//! it, one holds the *lease* and the others wait. What goes wrong goes wrong for all of them together:
//! the tries of one *round* are counted here, not in each call, and when a round fails for good every
//! call that waited for it ends with the same error.
//!
//! ```text
//!            claim                    fetched
//!   Idle ───────────────▶ Leased ───────────────▶ Idle, value held
//!    ▲                     │  │ retry in 5 s
//!    │ failed for good     │  ▼
//!    └─────────────────────┘ Paused ── claim, when the pause is over ──▶ Leased
//! ```

use std::time::Duration;

use crate::error::Error;
use crate::policy::{Admission, Probe};
use crate::time::Mono;

/// A round that nobody has gone on with for so long is over: the next try begins a new one.
const ROUND_IS_STALE: Duration = Duration::from_secs(60);

#[derive(Debug)]
pub(super) struct Slot<T> {
    held: Option<Held<T>>,
    /// Counts the values held so far: a token that was refused is named by its number.
    generation: u64,
    pub(super) fetching: Fetching,
}

#[derive(Debug)]
struct Held<T> {
    value: T,
    since: Mono,
    /// From here on one caller fetches a new value while the others use this one.
    renew_at: Mono,
    /// From here on it must not be used.
    end: Mono,
    /// It did not work when it was used: while somebody asks for another, nobody uses it.
    suspected: bool,
}

/// Everything about the fetching that does not depend on what is fetched.
#[derive(Debug)]
pub(super) struct Fetching {
    state: State,
    round: u64,
    failures: u32,
    /// A refused AppJWT was renewed in this round already.
    renewed: bool,
    last: Option<Error>,
    failed: Option<(u64, Error)>,
    /// An early renewal is not tried again before this.
    early_from: Mono,
    early_failures: u32,
    /// No fetch at all begins before this: the documented pause after a failed early one.
    floor: Mono,
    /// The end of the value that is held.
    good_until: Mono,
}

#[derive(Debug)]
enum State {
    Idle,
    Leased { grant: Grant, until: Mono },
    Paused { until: Mono },
}

/// The right to fetch, held by one call at a time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Grant {
    lease: u64,
    /// A renewal while the old value is still good.
    pub(super) early: bool,
    /// The one try that an open circuit lets through.
    pub(super) probe: Option<Probe>,
}

/// What a call that needs the value gets.
#[derive(Debug)]
pub(super) enum Claim {
    /// The value is there, in this generation.
    Held(u64),
    /// This call has to fetch it.
    Fetch(Grant),
    /// Somebody else fetches it, or a pause is on.
    Wait {
        until: Mono,
        round: u64,
        /// A pause, which a call whose time ends first need not begin; else a fetch under way, which
        /// may end at any time.
        pausing: bool,
    },
    /// The round that this call waited for has failed.
    Failed(Error),
    /// The service is being left alone until then.
    Open(Mono),
}

/// Who asks, and what for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Claimant {
    /// An older value will not do: this call has seen it refused.
    pub(super) least: u64,
    /// The round that the call has waited for so far.
    pub(super) joined: Option<u64>,
    /// A number that no other lease has.
    pub(super) lease: u64,
    /// When a fetch begun now counts as lost.
    pub(super) deadline: Mono,
    /// No fetch may begin before this, whatever the slot says.
    pub(super) not_before: Mono,
}

impl<T> Slot<T> {
    pub(super) fn new() -> Self {
        Self { held: None, generation: 0, fetching: Fetching::new() }
    }

    /// Says whether a claim would be answered with a fetch or a wait for one, so that a call can
    /// first see to what the fetch itself needs.
    pub(super) fn wants_fetch(&mut self, now: Mono, least: u64) -> bool {
        self.fetching.expire(now);
        match &self.held {
            Some(held) if self.usable(held, now, least) => {
                self.renewal_of_suspected(held).is_some()
                    || self.fetching.early_is_due(held.renew_at, now)
            }
            _ => true,
        }
    }

    /// The generation of the value, if a claim would be answered with it and nothing else.
    pub(super) fn ready(&mut self, now: Mono, least: u64) -> Option<u64> {
        (!self.wants_fetch(now, least)).then_some(self.generation)
    }

    /// Asks for the value. `admit` is asked for leave only when a fetch would begin.
    pub(super) fn claim(
        &mut self,
        now: Mono,
        who: Claimant,
        admit: impl FnOnce() -> Admission,
    ) -> Claim {
        self.fetching.expire(now);
        let usable = self.held.as_ref().filter(|held| self.usable(held, now, who.least));
        if let Some(held) = usable {
            if let Some(until) = self.renewal_of_suspected(held) {
                return Claim::Wait { until, round: self.fetching.round, pausing: false };
            }
            let renew_at = held.renew_at;
            let due = self.fetching.early_is_due(renew_at, now) && now >= who.not_before;
            return match due.then(admit) {
                Some(Admission::Go) => Claim::Fetch(self.fetching.grant(who, true, None)),
                Some(Admission::Probe(probe)) => {
                    Claim::Fetch(self.fetching.grant(who, true, Some(probe)))
                }
                Some(Admission::NotBefore(_)) | None => Claim::Held(self.generation),
            };
        }
        self.fetching.claim(now, who, admit)
    }

    fn usable(&self, held: &Held<T>, now: Mono, least: u64) -> bool {
        now < held.end && self.generation >= least
    }

    /// When the fetch under way ends at the latest, if the value is not to be used before.
    fn renewal_of_suspected(&self, held: &Held<T>) -> Option<Mono> {
        match self.fetching.state {
            State::Leased { until, .. } if held.suspected => Some(until),
            _ => None,
        }
    }

    /// The value, if it may be used now.
    pub(super) fn value(&self, now: Mono) -> Option<&T> {
        self.held.as_ref().filter(|held| now < held.end).map(|held| &held.value)
    }

    /// For how long the value may still be used.
    pub(super) fn remaining(&self, now: Mono) -> Duration {
        self.held.as_ref().map(|held| held.end.since(now)).unwrap_or_default()
    }

    /// Ends a fetch with its result. False if the lease had passed to somebody else meanwhile: the
    /// result is then dropped.
    pub(super) fn fetched(
        &mut self,
        now: Mono,
        grant: Grant,
        value: T,
        renew_at: Mono,
        end: Mono,
    ) -> bool {
        if !self.fetching.holds(grant) {
            return false;
        }
        self.generation += 1;
        self.held = Some(Held { value, since: now, renew_at, end, suspected: false });
        self.fetching.succeeded(end);
        true
    }

    /// The service refused the value of this generation for good: nobody uses it any more.
    pub(super) fn reject(&mut self, generation: u64) {
        if generation == self.generation {
            self.held = None;
            self.fetching.good_until = Mono::ZERO;
        }
    }

    /// The value may be out of date: fetch another soon, but not before this one is `youngest` old.
    /// Whoever needs it while that is under way waits for the outcome.
    pub(super) fn suspect(&mut self, now: Mono, youngest: Duration) {
        if let Some(held) = &mut self.held {
            held.renew_at = held.renew_at.min(now.max(held.since + youngest));
            held.suspected = true;
        }
    }

    /// True while somebody fetches the value: whoever waits for it would not hear of its coming if
    /// the slot were dropped now.
    pub(super) fn is_leased(&self, now: Mono) -> bool {
        matches!(self.fetching.state, State::Leased { until, .. } if now < until)
    }
}

impl Fetching {
    fn new() -> Self {
        Self {
            state: State::Idle,
            round: 0,
            failures: 0,
            renewed: false,
            last: None,
            failed: None,
            early_from: Mono::ZERO,
            early_failures: 0,
            floor: Mono::ZERO,
            good_until: Mono::ZERO,
        }
    }

    fn early_is_due(&self, renew_at: Mono, now: Mono) -> bool {
        now >= renew_at && now >= self.early_from && matches!(self.state, State::Idle)
    }

    /// A lease whose time is up is free again: its holder is gone, or will find its attempt lost.
    fn expire(&mut self, now: Mono) {
        if let State::Leased { grant, until } = self.state
            && until <= now
        {
            self.state = if grant.early { State::Idle } else { State::Paused { until } };
        }
        if let State::Paused { until } = self.state
            && until + ROUND_IS_STALE <= now
        {
            self.state = State::Idle;
        }
    }

    fn claim(&mut self, now: Mono, who: Claimant, admit: impl FnOnce() -> Admission) -> Claim {
        if let (Some(joined), Some((failed, error))) = (who.joined, &self.failed)
            && *failed >= joined
        {
            return Claim::Failed(error.clone());
        }
        let from = match self.state {
            State::Leased { until, .. } => {
                return Claim::Wait { until, round: self.round, pausing: false };
            }
            State::Paused { until } => until,
            State::Idle => self.floor,
        };
        let from = from.max(who.not_before);
        if now < from {
            // A pause before a round has begun belongs to the round to come.
            let round = self.round + u64::from(matches!(self.state, State::Idle));
            return Claim::Wait { until: from, round, pausing: true };
        }
        let probe = match admit() {
            Admission::Go => None,
            Admission::Probe(probe) => Some(probe),
            Admission::NotBefore(until) => return Claim::Open(until),
        };
        if matches!(self.state, State::Idle) {
            self.begin_round();
        }
        Claim::Fetch(self.grant(who, false, probe))
    }

    fn begin_round(&mut self) {
        self.round += 1;
        self.failures = 0;
        self.renewed = false;
        self.last = None;
    }

    fn grant(&mut self, who: Claimant, early: bool, probe: Option<Probe>) -> Grant {
        let grant = Grant { lease: who.lease, early, probe };
        self.state = State::Leased { grant, until: who.deadline };
        grant
    }

    fn holds(&self, grant: Grant) -> bool {
        matches!(&self.state, State::Leased { grant: held, .. } if *held == grant)
    }

    fn succeeded(&mut self, good_until: Mono) {
        self.good_until = good_until;
        self.state = State::Idle;
        self.failures = 0;
        self.renewed = false;
        self.last = None;
        self.early_failures = 0;
        self.early_from = Mono::ZERO;
        self.floor = Mono::ZERO;
    }

    /// The round that a call waits for.
    pub(super) fn round(&self) -> u64 {
        self.round
    }

    /// How many tries of this round have failed.
    pub(super) fn failures(&self) -> u32 {
        self.failures
    }

    /// How many early renewals in a row have failed.
    pub(super) fn early_failures(&self) -> u32 {
        self.early_failures
    }

    /// What the last try of this round met.
    pub(super) fn last(&self) -> Option<&Error> {
        self.last.as_ref()
    }

    /// Ends a fetch that will be tried again, by whoever comes first, after `pause`.
    pub(super) fn retry(&mut self, now: Mono, grant: Grant, pause: Duration, why: &Error) {
        if self.holds(grant) {
            self.failures = self.failures.saturating_add(1);
            self.last = Some(why.clone());
            self.state = State::Paused { until: now + pause };
        }
    }

    /// A renewal that was not urgent has failed: what is held stays in use, and the next early try
    /// waits for `pause`. Should the value have ended meanwhile, this was the first failure of a
    /// round, and the next try waits for `floor`.
    pub(super) fn early_failed(
        &mut self,
        now: Mono,
        grant: Grant,
        floor: Duration,
        pause: Duration,
        why: &Error,
    ) {
        if !self.holds(grant) {
            return;
        }
        self.early_failures = self.early_failures.saturating_add(1);
        self.early_from = now + pause;
        self.floor = now + floor;
        self.last = Some(why.clone());
        self.state = State::Idle;
        if self.good_until <= now {
            self.begin_round();
            self.failures = 1;
            self.last = Some(why.clone());
            self.state = State::Paused { until: self.floor };
        }
    }

    /// Ends a fetch that told nothing of the service, for its holder had too little time for it. It
    /// counts as no failure; but such holders, however many, ask no more often than every `pause`.
    pub(super) fn cut_short(&mut self, now: Mono, grant: Grant, pause: Duration) {
        if self.holds(grant) {
            self.early_from = now + pause;
            self.state = if grant.early && now < self.good_until {
                State::Idle
            } else {
                State::Paused { until: now + pause }
            };
        }
    }

    /// Ends a fetch, and with it the round, for every call that waited for it. The next round begins
    /// no earlier than the service `asked`.
    pub(super) fn fail(&mut self, now: Mono, grant: Grant, asked: Duration, error: &Error) {
        if self.holds(grant) {
            self.state = State::Idle;
            self.floor = self.floor.max(now + asked);
            self.failed = Some((self.round, error.clone()));
        }
    }

    /// Gives the lease back with nothing decided: the round goes on with the next claim.
    pub(super) fn release(&mut self, now: Mono, grant: Grant) -> bool {
        let held = self.holds(grant);
        if held {
            self.state = if grant.early { State::Idle } else { State::Paused { until: now } };
        }
        held
    }

    /// Notes that this round has renewed the AppJWT. False if it had already: once is enough.
    pub(super) fn renew_once(&mut self, grant: Grant) -> bool {
        let first = self.holds(grant) && !self.renewed;
        self.renewed |= first;
        first
    }
}

#[cfg(test)]
#[path = "slot_tests.rs"]
mod tests;
