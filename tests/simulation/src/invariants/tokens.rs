//! How tokens are requested, and how long they are used.

use std::collections::BTreeMap;
use std::time::Duration;

use lp_connector_core::error::Stage;

use super::ROUNDING;
use crate::event_log::SentRequest;
use crate::invariant::{Invariant, Violation};
use crate::scenario::{Policy, Scenario};
use crate::world::World;

/// The longest `Retry-After` that is obeyed for shared requests (`CircuitPolicy`).
const MAX_RETRY_AFTER: Duration = Duration::from_secs(32 * 60);

/// The shortest pause after a failed request for a host or token
/// ([protocol.md 11](lp_connector_core::protocol#11)).
const MIN_PAUSE: Duration = Duration::from_secs(5);
/// The first attempt and three retries ([protocol.md 11](lp_connector_core::protocol#11)).
const ATTEMPTS: u32 = 4;

/// An upper bound for the consumers of a scenario.
const MAX_CONSUMERS: usize = 10;

#[derive(Debug)]
pub(super) struct Tokens {
    processes: Vec<Process>,
    /// By process and resource: when it may be requested again, and how many attempts have failed in a
    /// row.
    retries: BTreeMap<(usize, String), (Duration, u32)>,
    /// When the cloud's clock was last set.
    clock_set: Option<Duration>,
}

#[derive(Clone, Debug)]
struct Process {
    /// The token request in flight: its caller, number and attempt deadline.
    in_flight: Option<(usize, u32, Duration)>,
    /// No token request before this time, by the service's `Retry-After`.
    not_before: Duration,
    /// No request for a consumer's token before this time, by the IDP's `Retry-After`.
    idp_not_before: Duration,
    /// Whether its policy makes one attempt only.
    never_retries: bool,
    /// How many consumers it caches.
    cache: usize,
    /// When the request of the present token was sent.
    token_requested_at: Option<Duration>,
    /// The drift of its clock, as a fraction.
    drift: f64,
    /// Lifetimes are given in whole seconds: a short one may be off by up to one second.
    tolerance: f64,
}

impl Tokens {
    pub(super) fn new(scenario: &Scenario) -> Self {
        let tolerance = if scenario.token_life < 10 { 1.0 } else { 0.0 };
        let processes = scenario.processes.iter().map(|program| Process {
            in_flight: None,
            not_before: Duration::ZERO,
            idp_not_before: Duration::ZERO,
            never_retries: program.policy == Policy::None,
            cache: program.consumer_cache,
            token_requested_at: None,
            drift: f64::from(program.drift.unsigned_abs()) / 1e6,
            tolerance,
        });
        Self { processes: processes.collect(), retries: BTreeMap::new(), clock_set: None }
    }

    pub(super) fn cloud_clock_set(&mut self, at: Duration) {
        self.clock_set = Some(at);
    }

    pub(super) fn on_sent(&mut self, sent: &SentRequest, at: Duration) -> Result<(), Violation> {
        let Some(process) = self.processes.get_mut(sent.process) else { return Ok(()) };
        // The pause of a consumer that was evicted from the cache is forgotten.
        let may_be_evicted = process.cache < MAX_CONSUMERS && sent.stage == Stage::ConsumerJws;
        let retry = self.retries.get(&(sent.process, sent.resource.clone()));
        let retry_at = retry.map(|(retry_at, _)| *retry_at).unwrap_or_default();
        let latest = at + ROUNDING + MAX_RETRY_AFTER / 1000;
        if sent.stage == Stage::ConsumerJws && latest < process.idp_not_before {
            let why = format!("the IDP asked for no request before {:?}", process.idp_not_before);
            return Err(Violation::new(Invariant::RetryAfterShared, at, why));
        }
        if sent.stage != Stage::Operation && !may_be_evicted && latest < retry_at {
            let why = format!("{:?} was requested before {retry_at:?}", sent.stage);
            return Err(Violation::new(Invariant::PausesRespected, at, why));
        }
        if sent.stage == Stage::AppJwt {
            if let Some((caller, number, _)) = process.in_flight.filter(|(.., until)| *until > at) {
                let why = format!("#{number} of caller {caller} is still in flight");
                return Err(Violation::new(Invariant::OneTokenRequest, at, why));
            }
            if latest < process.not_before {
                let why =
                    format!("the service asked for no request before {:?}", process.not_before);
                return Err(Violation::new(Invariant::RetryAfterShared, at, why));
            }
            process.in_flight = Some((sent.caller, sent.number, sent.deadline));
        }
        // A token's times are by the cloud's clock of when it was issued.
        let same_clock =
            self.clock_set.is_none_or(|set| process.token_requested_at.is_some_and(|it| it > set));
        if let (Some(remaining), true) = (sent.token_remaining, same_clock) {
            let allowed = process.tolerance + 3600.0 * process.drift + ROUNDING.as_secs_f64();
            if remaining < -allowed {
                let why = format!(
                    "#{} of caller {} carries a token that expired {:.3} s ago",
                    sent.number, sent.caller, -remaining
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
        let status = sent.status.filter(|_| sent.received);
        let (retry_at, failures) =
            self.retries.entry((sent.process, sent.resource.clone())).or_default();
        let failed = status.is_none_or(|status| status == 429 || status >= 500);
        *failures = if failed { *failures + 1 } else { 0 };
        let minimum = match status {
            // Nothing is retried, so no pause is due: the next request is another call's.
            _ if process.never_retries => Duration::ZERO,
            // The last attempt of a round: from here on the circuit decides.
            _ if failures.is_multiple_of(ATTEMPTS) => Duration::ZERO,
            Some(429) if sent.stage != Stage::AppJwt => Duration::from_secs(1),
            Some(429 | 500..=599) => MIN_PAUSE,
            _ => Duration::ZERO,
        };
        let retry_after = match status {
            Some(429 | 503) => Duration::from_secs(sent.retry_after.unwrap_or_default()),
            _ => Duration::ZERO,
        };
        let retry_after = retry_after.min(MAX_RETRY_AFTER);
        *retry_at = at + minimum.max(retry_after);
        if sent.stage == Stage::ConsumerJws {
            process.idp_not_before = process.idp_not_before.max(at + retry_after);
        }
        if sent.stage != Stage::AppJwt {
            return;
        }
        process
            .in_flight
            .take_if(|(caller, number, _)| (*caller, *number) == (sent.caller, sent.number));
        match sent.status {
            Some(200) if sent.received => process.token_requested_at = Some(sent.at),
            Some(429 | 503) if sent.received => {
                process.not_before = process.not_before.max(at + retry_after);
            }
            _ => {}
        }
    }

    /// A cancellation that the core knows of ends the request; any other leaves a lease until the
    /// attempt's deadline.
    pub(super) fn on_cancelled(&mut self, world: &World, caller: usize, notify: bool) {
        let process = world.callers.get(caller).map(|caller| caller.process);
        let process = process.and_then(|process| self.processes.get_mut(process));
        if let (Some(process), true) = (process, notify) {
            process.in_flight.take_if(|(holder, ..)| *holder == caller);
        }
    }

    pub(super) fn on_restart(&mut self, process: usize) {
        if let Some(process) = self.processes.get_mut(process) {
            process.in_flight = None;
            process.not_before = Duration::ZERO;
            process.idp_not_before = Duration::ZERO;
            process.token_requested_at = None;
        }
        self.retries.retain(|(of, _), _| *of != process);
    }
}
