//! How tokens are asked for, and how long they are used.

use std::collections::BTreeMap;
use std::time::Duration;

use lp_connector_core::error::Stage;

use super::ROUNDING;
use crate::event_log::SentRequest;
use crate::invariant::{Invariant, Violation};
use crate::scenario::{Policy, Scenario};
use crate::world::World;

/// Whatever a service asks, nothing shared is put off for longer (`CircuitPolicy`).
const LONGEST_ASKED: Duration = Duration::from_secs(32 * 60);

/// The least pause after a failed fetch (protocol.md 11), whoever comes next.
const FIRST_PAUSE: Duration = Duration::from_secs(5);
/// One, and three more (protocol.md 11).
const TRIES: u32 = 4;

/// No story has more consumers.
const CONSUMERS_AT_MOST: usize = 10;

#[derive(Debug)]
pub(super) struct Tokens {
    processes: Vec<Process>,
    /// When each thing may be asked for again that a service has failed to give: by process and what it is.
    /// How many tries of it have failed in a row.
    again: BTreeMap<(usize, String), (Duration, u32)>,
    /// When the cloud's clock was set last.
    clock_set: Option<Duration>,
}

#[derive(Clone, Debug)]
struct Process {
    /// The token request under way: its caller and until when it can be answered.
    under_way: Option<(usize, u32, Duration)>,
    /// No token request before this: the service has asked for that.
    not_before: Duration,
    /// No request for a consumer's token before this: the service has asked for that.
    idp_not_before: Duration,
    /// Whether its policy is to try once.
    repeats_nothing: bool,
    /// How many consumers it remembers.
    cache: usize,
    /// When the token request was sent whose token is in use.
    token_since: Option<Duration>,
    /// By how much of a token's life its clock is off.
    drift: f64,
    /// Lives are told in whole seconds: of short ones up to one is unsure.
    unsure: f64,
}

impl Tokens {
    pub(super) fn new(scenario: &Scenario) -> Self {
        let unsure = if scenario.token_life < 10 { 1.0 } else { 0.0 };
        let processes = scenario.processes.iter().map(|program| Process {
            under_way: None,
            not_before: Duration::ZERO,
            idp_not_before: Duration::ZERO,
            repeats_nothing: program.policy == Policy::None,
            cache: program.consumer_cache,
            token_since: None,
            drift: f64::from(program.drift.unsigned_abs()) / 1e6,
            unsure,
        });
        Self { processes: processes.collect(), again: BTreeMap::new(), clock_set: None }
    }

    pub(super) fn clock_was_set(&mut self, at: Duration) {
        self.clock_set = Some(at);
    }

    pub(super) fn on_sent(&mut self, sent: &SentRequest, at: Duration) -> Result<(), Violation> {
        let Some(process) = self.processes.get_mut(sent.process) else { return Ok(()) };
        // What is said of a consumer that had to give way in the cache is forgotten.
        let forgets = process.cache < CONSUMERS_AT_MOST && sent.stage == Stage::ConsumerJws;
        let again = self.again.get(&(sent.process, sent.resource.clone()));
        let again = again.map(|(again, _)| *again).unwrap_or_default();
        let allowed = at + ROUNDING + LONGEST_ASKED / 1000;
        if sent.stage == Stage::ConsumerJws && allowed < process.idp_not_before {
            let why = format!("not before {:?}, said the IDP", process.idp_not_before);
            return Err(Violation::new(Invariant::RetryAfterShared, at, why));
        }
        if sent.stage != Stage::Operation && !forgets && allowed < again {
            let why = format!("{:?} was asked for before {again:?}", sent.stage);
            return Err(Violation::new(Invariant::PausesRespected, at, why));
        }
        if sent.stage == Stage::AppJwt {
            if let Some((caller, number, _)) = process.under_way.filter(|(.., until)| *until > at) {
                let why = format!("that of caller {caller} (#{number}) has no answer yet");
                return Err(Violation::new(Invariant::OneTokenRequest, at, why));
            }
            if at + ROUNDING + LONGEST_ASKED / 1000 < process.not_before {
                let why = format!("not before {:?}, said the service", process.not_before);
                return Err(Violation::new(Invariant::RetryAfterShared, at, why));
            }
            process.under_way = Some((sent.caller, sent.number, sent.deadline));
        }
        // What a token says of its life is by the clock that the cloud had then.
        let on_event =
            self.clock_set.is_none_or(|set| process.token_since.is_some_and(|it| it > set));
        if let (Some(on_cancelled), true) = (sent.token_remaining, on_event) {
            let allowed = process.unsure + 3600.0 * process.drift + ROUNDING.as_secs_f64();
            if on_cancelled < -allowed {
                let why = format!(
                    "caller {}'s #{} carries a token that ended {:.3} s ago",
                    sent.caller, sent.number, -on_cancelled
                );
                return Err(Violation::new(Invariant::NoExpiredToken, at, why));
            }
        }
        Ok(())
    }

    pub(super) fn on_outcome(&mut self, sent: &SentRequest, at: Duration) {
        let Some(process) = self.processes.get_mut(sent.process) else { return };
        if sent.stage == Stage::Operation {
            return;
        }
        let status = sent.status.filter(|_| sent.answered);
        let (again, failures) =
            self.again.entry((sent.process, sent.resource.clone())).or_default();
        let failed = status.is_none_or(|status| status == 429 || status >= 500);
        *failures = if failed { *failures + 1 } else { 0 };
        let least = match status {
            // Nothing is repeated, so no pause was promised: what comes next is another call's.
            _ if process.repeats_nothing => Duration::ZERO,
            // The last of a round: from here on it is the circuit's to say when.
            _ if failures.is_multiple_of(TRIES) => Duration::ZERO,
            Some(429) if sent.stage != Stage::AppJwt => Duration::from_secs(1),
            Some(429 | 500..=599) => FIRST_PAUSE,
            _ => Duration::ZERO,
        };
        let asked = match status {
            Some(429 | 503) => Duration::from_secs(sent.retry_after.unwrap_or_default()),
            _ => Duration::ZERO,
        };
        let asked = asked.min(LONGEST_ASKED);
        *again = at + least.max(asked);
        if sent.stage == Stage::ConsumerJws {
            process.idp_not_before = process.idp_not_before.max(at + asked);
        }
        if sent.stage != Stage::AppJwt {
            return;
        }
        process
            .under_way
            .take_if(|(caller, number, _)| (*caller, *number) == (sent.caller, sent.number));
        match sent.status {
            Some(200) if sent.answered => process.token_since = Some(sent.at),
            Some(429 | 503) if sent.answered => {
                let asked = Duration::from_secs(sent.retry_after.unwrap_or_default());
                process.not_before = process.not_before.max(at + asked.min(LONGEST_ASKED));
            }
            _ => {}
        }
    }

    /// Who tells takes the request back; who does not leaves a lease that ends with the attempt.
    pub(super) fn on_cancelled(
        &mut self,
        world: &World,
        caller: usize,
        notify: bool,
        _at: Duration,
    ) {
        let process = world.callers.get(caller).map(|caller| caller.process);
        let process = process.and_then(|process| self.processes.get_mut(process));
        if let (Some(process), true) = (process, notify) {
            process.under_way.take_if(|(holder, ..)| *holder == caller);
        }
    }

    pub(super) fn on_restart(&mut self, process: usize) {
        if let Some(process) = self.processes.get_mut(process) {
            process.under_way = None;
            process.not_before = Duration::ZERO;
            process.idp_not_before = Duration::ZERO;
            process.token_since = None;
        }
        self.again.retain(|(of, _), _| *of != process);
    }
}
