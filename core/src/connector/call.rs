//! One operation's way from start to result.

use std::collections::VecDeque;
use std::time::Duration;

use super::shared::Need;
use super::slot::Grant;
use super::{Completed, Config, Event, EventKind, Failure, FailureKind, Outcome, Shared, Step};
use crate::api::{Authority, Operation, Origin, Plan, Target};
use crate::error::{Error, ErrorKind, Sent, Stage};
use crate::policy::{Probe, RetryPolicy};
use crate::seed::{Jitter, Seed};
use crate::time::{Mono, Now};

/// An operation on its way: host, AppJWT, ConsumerJWS, request, answer, and then a retry, a renewal
/// or the result.
///
/// Drive it with two methods in any order: [`poll`](Self::poll) says what to do next, and
/// [`handle`](Self::handle) is told how a request went. No order of calls is an error: polling again
/// changes nothing, an answer to anything but the attempt in flight is ignored.
///
/// It ends exactly once, by its deadline at the latest. A call that is given up early is told so with
/// [`abandon`](Self::abandon), so that others need not wait for what it was fetching; if it is not,
/// they wait until its attempt's deadline and no longer.
#[derive(Debug)]
pub struct Call<O: Operation> {
    pub(super) operation: O,
    pub(super) authority: Authority,
    pub(super) target: Target,
    pub(super) retry: RetryPolicy,
    pub(super) jitter: Jitter,
    seed: Seed,
    pub(super) deadline: Mono,
    /// Written once when the call is made, so that bad input ends it before anything is sent; anew
    /// for each repetition.
    plan: Option<Plan<O::Output>>,
    /// True if the operation sends nothing of its own.
    pub(super) gathers: bool,
    pub(super) progress: Progress,
    result: Option<Result<Completed<O::Output>, Error>>,
}

/// What happened so far.
#[derive(Debug, Default)]
pub(super) struct Progress {
    /// Numbers all attempts of the call, of every stage.
    pub(super) numbered: u32,
    pub(super) flight: Option<Flight>,
    /// Attempts of the operation's own request, and how many were repetitions under the policy.
    pub(super) tries: u32,
    pub(super) retries: u32,
    /// The worst that any try may have done.
    pub(super) effect: Sent,
    pub(super) resume_at: Mono,
    /// What the last try met.
    pub(super) last: Option<Error>,
    /// What the last answer said to bring along.
    pub(super) carried: Option<String>,
    pub(super) renewed_app: bool,
    pub(super) renewed_consumer: bool,
    /// An AppJWT of an earlier generation will not do.
    pub(super) least_app: u64,
    /// Its place in the row of a service that has a limit: a number of its own, and a round.
    pub(super) ticket: Option<u64>,
    pub(super) round: Option<u64>,
    /// What this call waits for, and which round of it.
    pub(super) joined: Option<(Need, u64)>,
    pub(super) events: Untold,
}

/// Events that were not yet told. There is seldom more than one at a time, which takes no allocation.
#[derive(Debug, Default)]
pub(super) struct Untold {
    first: Option<Event>,
    rest: VecDeque<Event>,
}

impl Untold {
    fn push(&mut self, event: Event) {
        if self.first.is_none() && self.rest.is_empty() {
            self.first = Some(event);
        } else {
            self.rest.push_back(event);
        }
    }

    fn pop(&mut self) -> Option<Event> {
        self.first.take().or_else(|| self.rest.pop_front())
    }
}

/// The attempt that is under way.
#[derive(Debug)]
pub(super) struct Flight {
    pub(super) number: u32,
    pub(super) stage: Stage,
    pub(super) target: Target,
    pub(super) origin: Origin,
    pub(super) began: Mono,
    pub(super) deadline: Mono,
    /// What is being fetched, unless it is the operation's own request.
    pub(super) fetch: Option<(Need, Grant)>,
    /// The operation's own request is the probe of an open circuit.
    pub(super) probe: Option<Probe>,
    pub(super) app_generation: u64,
    pub(super) consumer_generation: u64,
}

impl<O: Operation> Call<O> {
    /// A call that may take as long as the configuration allows, counted from `now`. `seed` gives the
    /// ids of its requests and the jitter of its pauses.
    ///
    /// Bad input, or an operation that needs credentials where there are none, ends it here: the
    /// first poll then says [`Step::Done`].
    pub fn new(operation: O, config: &Config, seed: Seed, now: Now) -> Self {
        let authority = operation.authority();
        let target = operation.target();
        let planned = operation.plan(&config.context(seed));
        let mut call = Self {
            authority,
            target,
            retry: operation.retry(config.retry.clone()),
            jitter: seed.jitter(),
            seed,
            deadline: now.mono() + config.call_timeout,
            plan: None,
            gathers: matches!(planned, Ok(Plan::Gather(_))),
            progress: Progress::default(),
            result: None,
            operation,
        };
        match planned {
            Err(invalid) => {
                call.fail(invalid.into());
            }
            Ok(_) if call.authority != Authority::Nobody && config.credentials.is_none() => {
                let why = "this needs the app install's client id and secret, and the \
                           configuration holds none";
                call.fail(Error::new(ErrorKind::Configuration, why));
            }
            Ok(plan) => call.plan = Some(plan),
        }
        call
    }

    /// Lets this call alone take `timeout`, counted from `now`, in place of the configured time.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration, now: Now) -> Self {
        self.deadline = now.mono() + timeout;
        self
    }

    /// Gives this call alone another retry policy, for its own request: what it fetches for others
    /// too (hosts and tokens) goes by the configured one.
    #[must_use]
    pub fn retry(mut self, policy: RetryPolicy) -> Self {
        self.retry = policy;
        self
    }

    /// The operation.
    pub fn operation(&self) -> &O {
        &self.operation
    }

    /// Says what to do next. May be called at any time, and never gives the same attempt twice.
    pub fn poll(&mut self, shared: &mut Shared, now: Now) -> Step {
        // Each turn either returns or brings the call nearer its end: lost attempts are bounded by
        // the tries, and a failed call is done.
        loop {
            if let Some(event) = self.progress.events.pop() {
                return Step::Tell(event);
            }
            if self.result.is_some() {
                return Step::Done;
            }
            let mono = now.mono();
            if let Some(flight) = &self.progress.flight {
                if mono < flight.deadline {
                    return Step::Wait(flight.deadline);
                }
                self.settle(
                    shared,
                    now,
                    Outcome::Failed(Failure::answer_lost(FailureKind::Timeout)),
                );
            } else if mono >= self.deadline {
                if let Some((need, _)) = &self.progress.joined {
                    let met = shared.fetching(need).and_then(|fetching| fetching.last().cloned());
                    self.progress.last = met.or(self.progress.last.take());
                }
                self.fail(self.out_of_time(None));
            } else if mono < self.progress.resume_at {
                return Step::Wait(self.progress.resume_at);
            } else {
                match self.advance(shared, mono) {
                    Ok(Some(step)) => return step,
                    Ok(None) => {}
                    Err(error) => self.fail(error),
                }
            }
        }
    }

    /// Reports how attempt `number` ended. Says whether others who wait for this `shared` should look
    /// again.
    ///
    /// Anything but the attempt in flight is late or foreign, and changes nothing.
    pub fn handle(&mut self, shared: &mut Shared, now: Now, number: u32, outcome: Outcome) -> bool {
        match &self.progress.flight {
            Some(flight) if flight.number == number => self.settle(shared, now, outcome),
            _ => false,
        }
    }

    /// Gives the call up, and what it was fetching for others back. Says whether others who wait for
    /// this `shared` should look again. [`into_result`](Self::into_result) then says whether the
    /// request may have left.
    pub fn abandon(&mut self, shared: &mut Shared, now: Now) -> bool {
        if self.result.is_some() {
            return false;
        }
        let mut wake = false;
        if let (Some(ticket), Some(round), Some(rate)) =
            (self.progress.ticket, self.progress.round, shared.rate(&self.target))
        {
            rate.forget(ticket, round);
        }
        if let Some(flight) = self.progress.flight.take() {
            if flight.stage == Stage::Operation {
                self.progress.effect = Sent::Maybe;
            }
            if let Some((need, grant)) = &flight.fetch {
                let fetching = shared.fetching(need);
                wake = fetching.is_some_and(|fetching| fetching.release(now.mono(), *grant));
                if let Some(probe) = grant.probe {
                    shared.circuit(&flight.target).forget(probe);
                }
            }
            if let Some(probe) = flight.probe {
                shared.circuit(&flight.target).forget(probe);
            }
        }
        self.fail(Error::new(ErrorKind::Abandoned, "the caller gave the call up"));
        wake
    }

    /// The result, or, before there is one, an [`Abandoned`](ErrorKind::Abandoned) error that says
    /// whether the request may have left.
    ///
    /// # Errors
    /// Why there is no result.
    pub fn into_result(self) -> Result<Completed<O::Output>, Error> {
        if let Some(result) = self.result {
            return result;
        }
        let mut effect = self.progress.effect;
        if self.progress.flight.as_ref().is_some_and(|flight| flight.stage == Stage::Operation) {
            effect = Sent::Maybe;
        }
        Err(Error::new(ErrorKind::Abandoned, "the caller gave the call up")
            .operation_is(self.operation.name(), None)
            .attempts_are(self.progress.tries)
            .sent_is(effect))
    }

    /// The plan, written anew if it went out already.
    pub(super) fn take_plan(&mut self, config: &Config) -> Result<Plan<O::Output>, Error> {
        match self.plan.take() {
            Some(plan) => Ok(plan),
            None => {
                let carried = self.progress.carried.as_deref();
                let context = config.context(self.seed).carrying(carried);
                self.operation.plan(&context).map_err(Error::from)
            }
        }
    }

    pub(super) fn tell(&mut self, stage: Stage, kind: EventKind) {
        let operation = self.operation.name();
        self.progress.events.push(Event { operation, stage, kind });
    }

    pub(super) fn succeed(&mut self, output: O::Output) {
        self.result = Some(Ok(Completed {
            output,
            attempts: self.progress.tries,
            possibly_repeated: self.progress.effect == Sent::Maybe,
        }));
    }

    /// Ends the call with an error, made this call's own: its name, its request, and what its tries
    /// may have done.
    pub(super) fn fail(&mut self, error: Error) {
        let sent = if self.gathers { error.sent() } else { self.progress.effect };
        let id = (self.progress.tries > 0).then(|| self.seed.uuid(0));
        self.result = Some(Err(error.operation_is(self.operation.name(), id).sent_is(sent)));
    }

    /// The call's time is up, or would be before the next try in `pause`.
    pub(super) fn out_of_time(&self, next: Option<(Duration, Error)>) -> Error {
        let due = next.as_ref().map(|(pause, _)| *pause);
        let (headline, earlier) = match next {
            Some((pause, earlier)) => (
                format!(
                    "the next try is due in {:.1} s, after this call's own deadline",
                    pause.as_secs_f64()
                ),
                Some(earlier),
            ),
            None => ("this call's own time is up".to_owned(), self.progress.last.clone()),
        };
        let mut error = Error::new(ErrorKind::DeadlineExceeded, headline);
        if let Some(pause) = due {
            error = error.retry_in(pause);
        }
        if let Some(earlier) = &earlier {
            error = error
                .at(earlier.stage(), earlier.host().map(str::to_owned))
                .attempts_are(earlier.attempts());
            if let Some(status) = earlier.status() {
                let message = earlier.message().map(str::to_owned);
                error = error.answered(status, earlier.error_code(), message);
            }
        }
        error.after(earlier)
    }
}

#[cfg(test)]
#[path = "call_tests.rs"]
mod tests;
