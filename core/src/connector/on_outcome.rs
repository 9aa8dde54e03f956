//! Handles the end of an attempt: a result, a shared value, a refresh, a pause or an error.

use std::time::Duration;

use super::Callable;
use super::attempt_failure::{AttemptFailure, RejectedToken};
use super::call::{Call, InFlight, Purpose};
use super::event::{Cause, EventKind, TokenKind};
use super::issue_limit::Rejected;
use super::outcome::{Failure, FailureKind, Outcome, SharedToken, Wake};
use super::prerequisite::{Adopted, Fetched, Prerequisite};
use super::single_flight::Lease;
use super::state::ConnectorState;
use crate::api::{Endpoint, Idempotency, Principal, ResponseView};
use crate::error::{Delivery, Error, ErrorKind, Stage};
use crate::policy::{Decision, FailureClass, Probe, RetryState};
use crate::time::{Mono, Now};

/// The minimum time between two fetches that the deadlines of their calls cut short.
const TRUNCATED_PAUSE: Duration = Duration::from_secs(1);

/// The most bytes of a response that an error keeps while it waits for other calls: there may be one such
/// error for each consumer.
const MAX_SHARED_BODY: usize = 1024;

impl<C: Callable> Call<C> {
    /// Ends the attempt in flight. Returns whether other calls should be polled.
    pub(super) fn on_outcome(
        &mut self,
        state: &mut ConnectorState,
        now: Now,
        outcome: Outcome,
    ) -> Wake {
        let Some(attempt) = self.in_flight.take() else {
            return Wake::Nobody;
        };
        let wake = match attempt.purpose {
            Purpose::Fetch(..) => Wake::Waiters,
            Purpose::Own(_) => Wake::Nobody,
        };
        if let Outcome::Shared(token) = &outcome
            && self.adopt(state, now.mono(), &attempt, token)
        {
            return wake;
        }
        let failure = match self.read(state, now, &attempt, outcome) {
            Ok(()) => {
                self.record_success(state, &attempt.endpoint, attempt.stage());
                return wake;
            }
            Err(failure) => self.with_truncation(state, now.mono(), &attempt, *failure),
        };
        if failure.class.service_up() {
            self.record_success(state, &attempt.endpoint, attempt.stage());
        }
        match &attempt.purpose {
            Purpose::Fetch(prerequisite, lease) => {
                self.fetch_failed(state, now.mono(), &attempt, prerequisite, *lease, failure);
            }
            Purpose::Own(probe) => self.own_failed(state, now.mono(), &attempt, *probe, failure),
        }
        wake
    }

    /// Ends a fetch with a token that another program requested. It says nothing about the service.
    fn adopt(
        &mut self,
        state: &mut ConnectorState,
        now: Mono,
        attempt: &InFlight,
        token: &SharedToken,
    ) -> bool {
        let Purpose::Fetch(prerequisite, lease) = &attempt.purpose else { return false };
        let adopted = Adopted { token, lease: *lease, asked_at: attempt.sent_at };
        if !prerequisite.adopt(state, now, &adopted) {
            return false;
        }
        if let Some(probe) = lease.probe {
            state.circuit(&attempt.endpoint).cancel_probe(probe);
        }
        let token = match prerequisite {
            Prerequisite::ConsumerJws(_) => TokenKind::ConsumerJws,
            _ => TokenKind::AppJwt,
        };
        self.emit(attempt.stage(), EventKind::TokenShared { token });
        true
    }

    /// Reads the outcome: stores its value, or returns how the attempt failed.
    fn read(
        &mut self,
        state: &mut ConnectorState,
        now: Now,
        attempt: &InFlight,
        outcome: Outcome,
    ) -> Result<(), Box<AttemptFailure>> {
        let stage = attempt.stage();
        let response = match outcome {
            Outcome::Response(response) => response,
            Outcome::Failed(failure) => {
                let (kind, may_have_left) = (failure.kind, failure.may_have_left);
                self.emit(stage, EventKind::NoResponse { failure: kind, may_have_left });
                if !may_have_left
                    && kind != FailureKind::NoFreeConnection
                    && let Endpoint::Service(service) = &attempt.endpoint
                {
                    state.mark_host_stale(service, now.mono());
                }
                return Err(Box::new(AttemptFailure::no_response(failure, stage)));
            }
            // Too late, or a driver's fault.
            Outcome::Shared(_) => {
                let failure = Failure::never_sent(FailureKind::Other);
                return Err(Box::new(AttemptFailure::no_response(failure, stage)));
            }
        };
        let status = response.status().as_u16();
        let elapsed = now.mono().since(attempt.sent_at);
        self.emit(stage, EventKind::Answered { status, elapsed });
        let view = ResponseView::new(&response, self.may_have_had_effect(attempt));
        let parsed = match &attempt.purpose {
            Purpose::Fetch(prerequisite, lease) => {
                let fetched = Fetched { response: &view, lease: *lease, sent_at: attempt.sent_at };
                prerequisite.store(state, now.mono(), fetched)
            }
            Purpose::Own(_) => self.operation.parse(&view).map(|output| self.succeed(output)),
        };
        parsed.map_err(|mut rejection| {
            if !state.keeps(&self.principal, attempt.tokens) {
                // It may echo a token that nobody can recognise any more.
                rejection.message = None;
            }
            let secrets = state.secrets(&self.principal);
            let failure = AttemptFailure::rejected(rejection, &response, stage, &secrets, now);
            Box::new(self.with_consumer(state, now.mono(), failure))
        })
    }

    /// True if an earlier attempt of the operation's own request may have taken effect.
    fn may_have_had_effect(&self, attempt: &InFlight) -> bool {
        matches!(attempt.purpose, Purpose::Own(_)) && self.attempts.effect == Delivery::Unknown
    }

    /// Adds LivePerson's id of the consumer who has an open conversation
    /// ([protocol.md 6.6](crate::protocol#6.6), [15](crate::protocol#15)).
    fn with_consumer(
        &self,
        state: &ConnectorState,
        now: Mono,
        mut failure: AttemptFailure,
    ) -> AttemptFailure {
        if failure.error.kind() == ErrorKind::AlreadyOpen
            && let Some(jws) =
                state.consumer_jws(&self.principal).and_then(|flight| flight.value(now))
            && let Some(id) = jws.claims().lp_consumer_id
        {
            failure.error = failure.error.with_consumer_id(id);
        }
        failure
    }

    /// Marks an attempt whose failure is not the service's: it had less than the full time limit, or it
    /// got no connection.
    fn with_truncation(
        &self,
        state: &ConnectorState,
        now: Mono,
        attempt: &InFlight,
        mut failure: AttemptFailure,
    ) -> AttemptFailure {
        failure.not_of_service = match failure.cause {
            Cause::NoResponse(FailureKind::NoFreeConnection) => true,
            Cause::NoResponse(FailureKind::Timeout) => {
                attempt.deadline <= now
                    && attempt.deadline < attempt.sent_at + state.config.attempt_timeout
            }
            _ => false,
        };
        failure
    }

    /// Handles a failed fetch of a prerequisite: the pause, or the error, is shared by all calls.
    fn fetch_failed(
        &mut self,
        state: &mut ConnectorState,
        now: Mono,
        attempt: &InFlight,
        prerequisite: &Prerequisite,
        lease: Lease,
        failure: AttemptFailure,
    ) {
        if let Some(token) = failure.refresh
            && let Some(refresh) = prerequisite.refresh(state)
            && refresh.refresh_app_jwt_once(lease, attempt.tokens.app_jwt.saturating_add(1))
        {
            refresh.release(now, lease);
            self.refresh_token(state, attempt, token, failure);
            return;
        }
        let jitter = state.jitter.draw();
        // (A call's own wait is bounded by its deadline.)
        let longest = state.config.circuit.longest_retry_after();
        let asked = failure.retry_after.map(|asked| asked.min(longest));
        let retry_after = asked.filter(|_| failure.class.honours_retry_after()).unwrap_or_default();
        prerequisite.postpone(state, now, retry_after);
        let Some(refresh) = prerequisite.refresh(state) else {
            return;
        };
        let failures =
            if lease.refresh_ahead { refresh.failures_ahead() } else { refresh.failures() };
        let error = Self::shared_error(attempt, failure.error, failure.class, failures);
        if failure.not_of_service {
            refresh.deadline_truncated(now, lease, TRUNCATED_PAUSE);
            if let Some(probe) = lease.probe {
                state.circuit(&attempt.endpoint).cancel_probe(probe);
            }
            self.attempts.last = Some(error);
            return;
        }
        let failed = FetchFailure {
            prerequisite,
            lease,
            state: RetryState::new(failure.class)
                .retries(failures)
                .idempotency(Idempotency::Idempotent)
                .for_token(attempt.stage() == Stage::AppJwt)
                .retry_after(asked)
                .jitter(jitter),
            retry_after,
            error,
            cause: failure.cause,
        };
        if lease.refresh_ahead {
            self.refresh_ahead_failed(state, now, attempt, failed);
        } else {
            self.round_failed(state, now, attempt, failed);
        }
    }

    /// The error of a failed fetch, for every call that waits for it.
    fn shared_error(
        attempt: &InFlight,
        error: Error,
        class: FailureClass,
        earlier_failures: u32,
    ) -> Error {
        error
            .with_operation(C::NAME, None)
            .at(attempt.stage(), Some(attempt.origin.authority().to_owned()))
            .with_attempts(earlier_failures.saturating_add(1))
            .with_delivery(class.effect())
            .truncate_body(MAX_SHARED_BODY)
    }

    /// Handles a failed refresh ahead of expiry: the cached value stays in use.
    fn refresh_ahead_failed(
        &mut self,
        state: &mut ConnectorState,
        now: Mono,
        attempt: &InFlight,
        failed: FetchFailure<'_>,
    ) {
        // A shared fetch follows the configured policy, not this call's own.
        let (policy, circuit) = (state.config.retry.clone(), state.config.circuit.clone());
        let asked = failed.state.retry_after.unwrap_or_default();
        // As long as a call's own pauses at first, then as long as an open circuit's.
        let pause = match policy.decide(&failed.state) {
            Decision::Retry(pause) => pause,
            _ => {
                let pause = circuit.pause(failed.state.retries.saturating_sub(policy.retries()));
                policy.lengthened(pause.max(asked), failed.state.jitter)
            }
        };
        // If the value expires meanwhile, the pause is that after a first failure.
        let floor = match policy.decide(&failed.state.retries(0)) {
            Decision::Retry(pause) => pause,
            _ => asked,
        };
        if let Some(refresh) = failed.prerequisite.refresh(state) {
            refresh.defer(now, failed.lease, floor, pause, &failed.error);
        }
        if !failed.state.class.service_up() {
            self.record_probe_failure(state, now, attempt, failed.lease.probe);
        }
        self.emit(attempt.stage(), EventKind::RefreshDeferred { pause, cause: failed.cause });
    }

    /// Handles a failed attempt of a round: a pause for all waiters, or the end of the round.
    fn round_failed(
        &mut self,
        state: &mut ConnectorState,
        now: Mono,
        attempt: &InFlight,
        failed: FetchFailure<'_>,
    ) {
        let decision = state.config.retry.decide(&failed.state);
        let Some(refresh) = failed.prerequisite.refresh(state) else {
            return;
        };
        let round = refresh.round();
        match decision {
            Decision::Retry(pause)
                if failed.lease.probe.is_none() || failed.state.class.service_up() =>
            {
                refresh.back_off(now, failed.lease, pause, &failed.error);
                let number = failed.state.retries.saturating_add(2);
                let retry = EventKind::Retry { attempt: number, pause, cause: failed.cause };
                self.emit(attempt.stage(), retry);
            }
            Decision::Retry(_) | Decision::Exhausted if !failed.state.class.service_up() => {
                refresh.fail(now, failed.lease, failed.retry_after, &failed.error);
                self.record_failure(state, now, attempt, failed.lease.probe);
            }
            _ => {
                refresh.fail(now, failed.lease, failed.retry_after, &failed.error);
                if !failed.state.class.service_up() {
                    self.record_probe_failure(state, now, attempt, failed.lease.probe);
                }
            }
        }
        // The next poll finds the error, as every waiter of this round does.
        self.joined = Some((failed.prerequisite.clone(), round));
    }

    /// Handles a failure of the operation's own request.
    fn own_failed(
        &mut self,
        state: &mut ConnectorState,
        now: Mono,
        attempt: &InFlight,
        probe: Option<Probe>,
        failure: AttemptFailure,
    ) {
        self.attempts.effect = self.attempts.effect.max(failure.class.effect());
        if let Some(token) = failure.refresh
            && self.principal != Principal::Anonymous
            && self.may_refresh(token)
        {
            self.refresh_token(state, attempt, token, failure);
            return;
        }
        let error = failure
            .error
            .with_operation(C::NAME, None)
            .at(Stage::Operation, Some(attempt.origin.authority().to_owned()))
            .with_attempts(self.attempts.own)
            .with_delivery(self.attempts.effect);
        let decision = self.retry.decide(
            &RetryState::new(failure.class)
                .retries(self.attempts.retries)
                .idempotency(self.operation.idempotency())
                .retry_after(failure.retry_after)
                .jitter(self.jitter.draw()),
        );
        match decision {
            Decision::Retry(pause) if probe.is_none() || failure.class.service_up() => {
                self.retry_own(now, pause, error, failure.cause);
                return;
            }
            // Its circuit is closed already.
            _ if failure.class.service_up() => {}
            Decision::Retry(_) | Decision::Exhausted | Decision::NotIdempotent => match probe {
                Some(probe) if failure.not_of_service => {
                    state.circuit(&attempt.endpoint).cancel_probe(probe);
                }
                None if failure.not_of_service => {}
                probe => self.record_failure(state, now, attempt, probe),
            },
            Decision::NotRetryable => self.record_probe_failure(state, now, attempt, probe),
        }
        let unconfirmed = match failure.class {
            FailureClass::AnswerLost => decision == Decision::NotIdempotent,
            FailureClass::Redirected => self.operation.idempotency() == Idempotency::NonIdempotent,
            _ => false,
        };
        self.fail(if unconfirmed {
            let how = match failure.cause {
                Cause::Status(status) => format!("answered with status {status}, a redirect"),
                Cause::NoResponse(kind) => format!("sent, and {}", kind.words()),
            };
            let headline = format!("the request was {how}: whether it took effect is unknown");
            error.recast(ErrorKind::Unconfirmed, headline)
        } else {
            error
        });
    }

    /// Pauses before the next attempt of the operation's own request.
    fn retry_own(&mut self, now: Mono, pause: Duration, error: Error, cause: Cause) {
        let at = now + pause;
        // No attempt fits after a pause that lasts until the deadline.
        if at >= self.deadline {
            self.fail_before(pause, error);
            return;
        }
        self.attempts.resume_at = at;
        self.attempts.retries = self.attempts.retries.saturating_add(1);
        self.attempts.last = Some(error);
        let attempt = self.attempts.own.saturating_add(1);
        self.emit(Stage::Operation, EventKind::Retry { attempt, pause, cause });
    }

    /// Whether this call has not refreshed that token before: each once, never a loop.
    fn may_refresh(&mut self, token: RejectedToken) -> bool {
        let refreshed = match token {
            RejectedToken::AppJwt | RejectedToken::PerhapsAppJwt => &mut self.refreshes.app_jwt,
            RejectedToken::ConsumerJws => &mut self.refreshes.consumer_jws,
        };
        !std::mem::replace(refreshed, true)
    }

    /// Makes the next attempt use another token than the rejected one.
    fn refresh_token(
        &mut self,
        state: &mut ConnectorState,
        attempt: &InFlight,
        token: RejectedToken,
        failure: AttemptFailure,
    ) {
        let kind = match token {
            RejectedToken::ConsumerJws => {
                if let Principal::Consumer(consumer) = &self.principal
                    && let Some(flight) = state.consumers.get_mut(consumer)
                {
                    flight.invalidate(attempt.tokens.consumer_jws);
                }
                TokenKind::ConsumerJws
            }
            RejectedToken::AppJwt => {
                state.app_jwt.invalidate(attempt.tokens.app_jwt);
                TokenKind::AppJwt
            }
            RejectedToken::PerhapsAppJwt => TokenKind::AppJwt,
        };
        if kind == TokenKind::AppJwt {
            let next = attempt.tokens.app_jwt.saturating_add(1);
            self.refreshes.min_app_jwt = self.refreshes.min_app_jwt.max(next);
            if attempt.tokens.app_jwt == state.app_jwt.generation() {
                let host = Some(attempt.origin.authority().to_owned());
                let error = failure.error.with_operation(C::NAME, None).at(attempt.stage(), host);
                let error = error.with_attempts(1).with_delivery(Delivery::Rejected);
                state.issue_limit.reject(Rejected { error, cause: failure.cause });
            }
        }
        self.emit(attempt.stage(), EventKind::RefreshingToken { token: kind });
    }

    fn record_success(&mut self, state: &mut ConnectorState, endpoint: &Endpoint, stage: Stage) {
        if state.circuit(endpoint).record_success() {
            self.emit(stage, EventKind::CircuitClosed { endpoint: endpoint.clone() });
        }
    }

    fn record_failure(
        &mut self,
        state: &mut ConnectorState,
        now: Mono,
        attempt: &InFlight,
        probe: Option<Probe>,
    ) {
        let endpoint = &attempt.endpoint;
        let policy = state.config.circuit.clone();
        let for_tokens = endpoint.is_prerequisite();
        let opened = state.circuit(endpoint).record_failure(now, probe, for_tokens, &policy);
        if let Some(pause) = opened {
            let opened = EventKind::CircuitOpened { endpoint: endpoint.clone(), pause };
            self.emit(attempt.stage(), opened);
        }
    }

    /// A probe has failed even if no policy retries its failure.
    fn record_probe_failure(
        &mut self,
        state: &mut ConnectorState,
        now: Mono,
        attempt: &InFlight,
        probe: Option<Probe>,
    ) {
        if probe.is_some() {
            self.record_failure(state, now, attempt, probe);
        }
    }
}

/// A failed fetch, for the retry policy.
struct FetchFailure<'a> {
    prerequisite: &'a Prerequisite,
    lease: Lease,
    state: RetryState,
    /// The pause that the service asked for, where it counts.
    retry_after: Duration,
    error: Error,
    cause: Cause,
}

#[cfg(test)]
#[path = "on_outcome_tests.rs"]
mod tests;
