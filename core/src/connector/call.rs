//! One call, from start to result.

use std::sync::Arc;
use std::time::Duration;

use super::event::{CallEvent, EventKind, EventQueue};
use super::outcome::{Completed, Failure, FailureKind, Outcome, Step, Wake};
use super::prerequisite::Prerequisite;
use super::single_flight::Lease;
use super::state::{ConnectorState, Tokens};
use super::{Callable, Config};
use crate::api::{Endpoint, Origin, Principal, RelativeRequest};
use crate::error::{Delivery, Error, ErrorKind, Stage};
use crate::policy::{Probe, RetryPolicy};
use crate::seed::{Jitter, Seed};
use crate::time::{Mono, Now};

/// One run of an operation: host, AppJWT, ConsumerJWS, request, response, and then a retry, a refresh or
/// the result.
///
/// A driver calls two methods, in any order: [`poll`](Self::poll) returns what to do next, and
/// [`handle`](Self::handle) takes the outcome of a request. No order of calls is an error: another poll
/// changes nothing, and an outcome of any other than the attempt in flight is ignored. Events for logs
/// queue in [`next_event`](Self::next_event).
///
/// A call ends exactly once, by its deadline at the latest. A driver that stops early calls
/// [`abandon`](Self::abandon), so that other calls take over what the call was fetching; otherwise they
/// wait until the deadline of its attempt.
#[derive(Debug)]
#[cfg_attr(test, derive(Clone))]
pub struct Call<C: Callable> {
    pub(super) operation: C,
    pub(super) principal: Principal,
    pub(super) endpoint: Endpoint,
    pub(super) config: Arc<Config>,
    pub(super) retry: RetryPolicy,
    pub(super) jitter: Jitter,
    pub(super) seed: Seed,
    pub(super) deadline: Mono,
    /// Written when the call is created, so that bad input ends it before anything is sent; again for each
    /// retry.
    request: Option<RelativeRequest>,
    pub(super) attempts: Attempts,
    pub(super) refreshes: Refreshes,
    pub(super) in_flight: Option<InFlight>,
    /// The prerequisite that this call waits for, and the round of its fetch.
    pub(super) joined: Option<(Prerequisite, u64)>,
    /// The end of the wait for the limit of token requests that was reported last.
    pub(super) throttled_until: Mono,
    /// The call's id and round at a rate limiter.
    pub(super) waiter: Option<u64>,
    pub(super) round: Option<u64>,
    events: EventQueue,
    result: CallResult<C::Output>,
}

/// The attempts so far.
#[derive(Debug, Default)]
#[cfg_attr(test, derive(Clone))]
pub(super) struct Attempts {
    /// Numbers all attempts of the call, of every stage.
    pub(super) number: u32,
    /// How often the operation's own request was sent, and how many of these were retries.
    pub(super) own: u32,
    pub(super) retries: u32,
    /// The worst effect that any of them may have had.
    pub(super) effect: Delivery,
    pub(super) resume_at: Mono,
    /// How the last one failed.
    pub(super) last: Option<Error>,
}

/// The tokens refreshed after a rejection: each at most once, never a loop.
#[derive(Debug, Default)]
#[cfg_attr(test, derive(Clone))]
pub(super) struct Refreshes {
    pub(super) app_jwt: bool,
    pub(super) consumer_jws: bool,
    /// The earliest generation of the AppJWT that this call accepts.
    pub(super) min_app_jwt: u64,
}

/// The attempt in flight.
#[derive(Debug)]
#[cfg_attr(test, derive(Clone))]
pub(super) struct InFlight {
    pub(super) number: u32,
    pub(super) purpose: Purpose,
    pub(super) endpoint: Endpoint,
    pub(super) origin: Origin,
    pub(super) sent_at: Mono,
    pub(super) deadline: Mono,
    pub(super) tokens: Tokens,
}

/// The purpose of an attempt.
#[derive(Clone, Debug)]
pub(super) enum Purpose {
    /// Fetches a prerequisite.
    Fetch(Prerequisite, Lease),
    /// The operation's own request, perhaps as the probe of a half-open circuit.
    Own(Option<Probe>),
}

#[derive(Debug)]
#[cfg_attr(test, derive(Clone))]
enum CallResult<T> {
    None,
    Ready(Box<Result<Completed<T>, Error>>),
    Taken,
}

impl InFlight {
    pub(super) const fn stage(&self) -> Stage {
        match &self.purpose {
            Purpose::Fetch(prerequisite, _) => prerequisite.stage(),
            Purpose::Own(_) => Stage::Operation,
        }
    }

    pub(super) const fn probe(&self) -> Option<Probe> {
        match &self.purpose {
            Purpose::Fetch(_, lease) => lease.probe,
            Purpose::Own(probe) => *probe,
        }
    }
}

impl<C: Callable> Call<C> {
    /// Creates a call that may take [`call_timeout`](Config::call_timeout), counted from `now`. `config`
    /// is that of the [`ConnectorState`] that polls it. `seed` determines the ids of its requests and the
    /// jitter of its pauses.
    ///
    /// Bad input, and an operation that needs credentials where there are none, end the call here: the first
    /// poll returns the error.
    pub fn new(operation: C, config: &Arc<Config>, seed: Seed, now: Now) -> Self {
        let principal = operation.principal();
        let request = operation.request(&config.context(seed));
        let mut call = Self {
            endpoint: operation.endpoint(),
            retry: config.retry.clone().with_hints(C::RETRY),
            jitter: seed.jitter(),
            deadline: now.mono() + config.call_timeout,
            config: config.clone(),
            seed,
            request: None,
            attempts: Attempts::default(),
            refreshes: Refreshes::default(),
            in_flight: None,
            joined: None,
            throttled_until: Mono::ZERO,
            waiter: None,
            round: None,
            events: EventQueue::default(),
            result: CallResult::None,
            operation,
            principal,
        };
        match request {
            Err(invalid) => call.fail(invalid.into()),
            Ok(_) if call.principal != Principal::Anonymous && config.credentials.is_none() => {
                let why = "this needs the app install's client id and secret, and the \
                           configuration holds none";
                call.fail(Error::new(ErrorKind::Configuration, why));
            }
            Ok(request) => call.request = request,
        }
        call
    }

    /// Sets the time limit of this call, counted from `now`, in place of the configured one.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration, now: Now) -> Self {
        self.deadline = now.mono() + timeout;
        self
    }

    /// Sets the retry policy of this call's own request. What it fetches for other calls too
    /// (hosts and tokens) follows the configured policy.
    #[must_use]
    pub fn retry(mut self, policy: RetryPolicy) -> Self {
        self.retry = policy;
        self
    }

    /// The operation.
    pub const fn operation(&self) -> &C {
        &self.operation
    }

    /// True once there is a result, whether or not a poll has returned it.
    pub const fn is_finished(&self) -> bool {
        !matches!(self.result, CallResult::None)
    }

    /// Takes the oldest queued event, for logs and progress. Needs no lock: take all events after each
    /// poll.
    pub fn next_event(&mut self) -> Option<CallEvent> {
        self.events.pop()
    }

    /// Returns what to do next. It may be called at any time. It never returns the same attempt or result
    /// twice: after [`Step::Done`] it returns an error that the result was taken.
    pub fn poll(&mut self, state: &mut ConnectorState, now: Now) -> Step<C::Output> {
        // Each iteration returns or brings the call nearer its end: retries bound the attempts,
        // and a failed call is done.
        loop {
            if let Some(result) = self.take_result() {
                return Step::Done(result);
            }
            if !Arc::ptr_eq(&self.config, &state.config) {
                let why = "the call was made for another connector's configuration";
                self.fail(Error::new(ErrorKind::Configuration, why));
                continue;
            }
            let mono = now.mono();
            if let Some(attempt) = &self.in_flight {
                if mono < attempt.deadline {
                    return Step::Wait(attempt.deadline);
                }
                let lost = Outcome::Failed(Failure::answer_lost(FailureKind::Timeout));
                // Waiters have the same deadline, and check it themselves.
                let _ = self.on_outcome(state, now, lost);
            } else if mono >= self.deadline {
                self.expire(state);
            } else if mono < self.attempts.resume_at {
                return Step::Wait(self.attempts.resume_at);
            } else if let Some(step) = self.next_step(state, mono) {
                return step;
            }
        }
    }

    /// Takes the outcome of attempt `number`. Returns whether other calls on this `state` should be polled.
    ///
    /// An outcome of any other attempt than the one in flight is late or foreign, and changes nothing.
    pub fn handle(
        &mut self,
        state: &mut ConnectorState,
        now: Now,
        number: u32,
        outcome: Outcome,
    ) -> Wake {
        match &self.in_flight {
            Some(attempt) if attempt.number == number => self.on_outcome(state, now, outcome),
            _ => Wake::Nobody,
        }
    }

    /// Ends the call, and releases what it was fetching for others. Returns whether other calls on this
    /// `state` should be polled. The next poll returns an [`Abandoned`](ErrorKind::Abandoned) error that
    /// states whether the request may have left.
    pub fn abandon(&mut self, state: &mut ConnectorState, now: Now) -> Wake {
        if self.is_finished() {
            return Wake::Nobody;
        }
        let mut wake = Wake::Nobody;
        if let (Some(waiter), Some(round)) = (self.waiter, self.round)
            && let Some(rate) = state.rate(&self.endpoint)
        {
            rate.cancel(waiter, round);
        }
        if let Some(attempt) = self.in_flight.take() {
            match &attempt.purpose {
                Purpose::Own(_) => self.attempts.effect = Delivery::Unknown,
                Purpose::Fetch(prerequisite, lease) => {
                    let refresh = prerequisite.refresh(state);
                    if refresh.is_some_and(|refresh| refresh.release(now.mono(), *lease)) {
                        wake = Wake::Waiters;
                    }
                }
            }
            if let Some(probe) = attempt.probe() {
                state.circuit(&attempt.endpoint).cancel_probe(probe);
            }
        }
        self.fail(Error::new(ErrorKind::Abandoned, "the caller gave the call up"));
        wake
    }

    fn take_result(&mut self) -> Option<Result<Completed<C::Output>, Error>> {
        match std::mem::replace(&mut self.result, CallResult::Taken) {
            CallResult::None => {
                self.result = CallResult::None;
                None
            }
            CallResult::Ready(result) => Some(*result),
            CallResult::Taken => {
                let why = "the call is over, and its result was given before";
                Some(Err(Error::new(ErrorKind::Abandoned, why).with_operation(C::NAME, None)))
            }
        }
    }

    /// The request, written again if it was sent already.
    pub(super) fn take_request(&mut self) -> Result<Option<RelativeRequest>, Error> {
        match self.request.take() {
            Some(request) => Ok(Some(request)),
            None => {
                let previous = self.attempts.last.as_ref().and_then(Error::response_body);
                let context = self.config.context(self.seed).after(previous);
                self.operation.request(&context).map_err(Error::from)
            }
        }
    }

    pub(super) fn emit(&mut self, stage: Stage, kind: EventKind) {
        self.events.push(CallEvent { operation: C::NAME, stage, kind });
    }

    pub(super) fn succeed(&mut self, output: C::Output) {
        self.result = CallResult::Ready(Box::new(Ok(Completed {
            output,
            attempts: self.attempts.own,
            maybe_duplicated: self.attempts.effect == Delivery::Unknown,
        })));
    }

    /// Ends the call with an error that names this call: its operation, its request, and the effect that
    /// its attempts may have done.
    pub(super) fn fail(&mut self, error: Error) {
        let delivery = if C::IS_LOOKUP { error.delivery() } else { self.attempts.effect };
        let id = (self.attempts.own > 0).then(|| self.seed.uuid(0));
        let error = error.with_operation(C::NAME, id).with_delivery(delivery);
        self.result = CallResult::Ready(Box::new(Err(error)));
    }

    /// Ends a call whose deadline has passed.
    fn expire(&mut self, state: &mut ConnectorState) {
        if let Some((prerequisite, _)) = &self.joined {
            let met = prerequisite.refresh(state).and_then(|refresh| refresh.last().cloned());
            self.attempts.last = met.or(self.attempts.last.take());
        }
        let earlier = self.attempts.last.clone();
        self.fail(out_of_time("this call's own time is up".to_owned(), earlier));
    }

    /// Ends a call whose deadline comes before its next attempt, in `pause`.
    pub(super) fn fail_before(&mut self, pause: Duration, earlier: Error) {
        let seconds = pause.as_secs_f64();
        let headline =
            format!("the next attempt is due in {seconds:.1} s, after this call's own deadline");
        self.fail(out_of_time(headline, Some(earlier)).with_retry_after(pause));
    }
}

/// The error of a call that ran out of time, with the failure of its last attempt.
fn out_of_time(headline: String, earlier: Option<Error>) -> Error {
    let mut error = Error::new(ErrorKind::DeadlineExceeded, headline);
    if let Some(earlier) = &earlier {
        error = error
            .at(earlier.stage(), earlier.host().map(str::to_owned))
            .with_attempts(earlier.attempts());
        if let Some(status) = earlier.status() {
            let message = earlier.message().map(str::to_owned);
            error = error.with_answer(status, earlier.error_code(), message);
        }
    }
    error.after(earlier)
}

#[cfg(test)]
#[path = "call_tests.rs"]
mod tests;
