//! The next step of a call: the missing prerequisites, in order, and then its own request.

use bytes::Bytes;
use http::Request;
use http::header::{AUTHORIZATION, HeaderName, USER_AGENT};

use super::Callable;
use super::call::{Call, InFlight, Purpose};
use super::outcome::{Attempt, Step};
use super::prerequisite::{Prerequisite, domain};
use super::single_flight::{Acquire, AcquireRequest, Lease};
use super::state::{ConnectorState, Tokens};
use crate::api::idp::ConsumerJws;
use crate::api::{Endpoint, Origin, Prepared, Principal, RelativeRequest};
use crate::error::{Error, ErrorKind, Stage};
use crate::policy::{Permit, Poll};
use crate::time::Mono;

/// The ConsumerJWS' header ([protocol.md 5](crate::protocol#5); 14, row 14).
const ON_BEHALF: HeaderName = HeaderName::from_static("x-lp-on-behalf");

/// How far a call can proceed without waiting.
enum Next {
    /// Its prerequisites are there.
    Ready,
    /// Something has to be fetched first; boxed, as it is rare.
    Send(Box<Attempt>),
    Wait(Mono),
    /// The call is over.
    Finished,
}

impl<C: Callable> Call<C> {
    /// Proceeds as far as possible without waiting. `None` means that the call is over.
    pub(super) fn next_step(
        &mut self,
        state: &mut ConnectorState,
        now: Mono,
    ) -> Option<Step<C::Output>> {
        // Checked first: a request that cannot be sent needs no token.
        if !C::IS_LOOKUP
            && let Some(until) = state.circuit(&self.endpoint).open_until(now)
        {
            self.fail_open(&self.endpoint.clone(), Stage::Operation, until, now);
            return None;
        }
        match self.prepare(state, now) {
            Next::Ready => {}
            Next::Send(attempt) => return Some(Step::Send(*attempt)),
            Next::Wait(until) => return Some(Step::Wait(until)),
            Next::Finished => return None,
        }
        self.joined = None;
        match self.send_own(state, now) {
            Ok(attempt) => attempt.map(Step::Send),
            Err(error) => {
                self.fail(error);
                None
            }
        }
    }

    /// Acquires all prerequisites, and a slot of the rate limit.
    fn prepare(&mut self, state: &mut ConnectorState, now: Mono) -> Next {
        if let Endpoint::Service(service) = &self.endpoint {
            let host = Prerequisite::Domain(state.domain_key(service));
            match self.require(state, now, host) {
                Next::Ready => {}
                not_yet => return not_yet,
            }
        }
        if self.principal != Principal::Anonymous {
            match self.require(state, now, Prerequisite::AppJwt) {
                Next::Ready => {}
                not_yet => return not_yet,
            }
        }
        if let Principal::Consumer(consumer) = &self.principal {
            match self.require(state, now, Prerequisite::ConsumerJws(consumer.clone())) {
                Next::Ready => {}
                not_yet => return not_yet,
            }
        }
        self.await_rate(state, now)
    }

    /// Acquires one prerequisite.
    fn require(
        &mut self,
        state: &mut ConnectorState,
        now: Mono,
        prerequisite: Prerequisite,
    ) -> Next {
        let min_generation = match prerequisite {
            Prerequisite::AppJwt => self.min_app_jwt(state),
            _ => 0,
        };
        if prerequisite.is_cached(state, now, min_generation) {
            return Next::Ready;
        }
        // The token's own prerequisites come before its lease: fetching them would outlast it.
        let endpoint = prerequisite.endpoint();
        if let Endpoint::Service(service) = &endpoint {
            let host = Prerequisite::Domain(state.domain_key(service));
            match self.require(state, now, host) {
                Next::Ready => {}
                not_yet => return not_yet,
            }
        }
        let origin = match self.origin(state, &endpoint, now) {
            Ok(origin) => origin,
            Err(error) => return self.finish(error),
        };
        let request = AcquireRequest {
            min_generation,
            joined: self.joined_round(&prerequisite),
            lease_id: state.next_id(),
            deadline: self.attempt_deadline(now),
            not_before: prerequisite.not_before(state),
        };
        let (acquired, last) = prerequisite.acquire(state, now, request);
        if let Acquire::Wait { until, round, pausing: true } = acquired
            && prerequisite == Prerequisite::AppJwt
            && until == request.not_before
        {
            return self.await_issue_limit(state, now, until, round, &origin);
        }
        match acquired {
            Acquire::Cached => Next::Ready,
            Acquire::Fetch(lease) => self.fetch(state, now, prerequisite, lease, origin),
            Acquire::Failed(error) => self.finish(error),
            Acquire::CircuitOpen(until) => {
                self.fail_open(&endpoint, prerequisite.stage(), until, now);
                Next::Finished
            }
            Acquire::Wait { until, pausing: true, .. } if until >= self.deadline => {
                let earlier = last.unwrap_or_else(|| {
                    let why = "the service asked for a pause";
                    Error::new(ErrorKind::Unavailable, why).at(prerequisite.stage(), None)
                });
                self.fail_before(until.since(now), earlier);
                Next::Finished
            }
            Acquire::Wait { until, round, .. } => {
                self.joined = Some((prerequisite, round));
                Next::Wait(until.min(self.deadline))
            }
        }
    }

    /// Waits for the limit of token requests, or ends the call if its deadline comes first.
    fn await_issue_limit(
        &mut self,
        state: &ConnectorState,
        now: Mono,
        until: Mono,
        round: u64,
        origin: &Origin,
    ) -> Next {
        let pause = until.since(now);
        // Each wait is reported once, however often the call is polled.
        if until > self.throttled_until {
            self.throttled_until = until;
            self.emit(Stage::AppJwt, state.issue_limit.event(pause));
        }
        if until >= self.deadline {
            return self.finish(state.issue_limit.error(pause, origin.authority()));
        }
        self.joined = Some((Prerequisite::AppJwt, round));
        Next::Wait(until)
    }

    /// The earliest generation of the AppJWT that this call sends: it, or the round of its consumer's
    /// token, has seen the one before rejected.
    fn min_app_jwt(&self, state: &ConnectorState) -> u64 {
        let of_round = match &self.principal {
            Principal::Consumer(consumer) => {
                state.consumers.get(consumer).map_or(0, |flight| flight.refresh.min_app_jwt())
            }
            _ => 0,
        };
        self.refreshes.min_app_jwt.max(of_round)
    }

    /// The round of `prerequisite` that this call waits for.
    fn joined_round(&self, prerequisite: &Prerequisite) -> Option<u64> {
        self.joined.as_ref().filter(|(joined, _)| joined == prerequisite).map(|(_, round)| *round)
    }

    /// Sends the request for a prerequisite.
    fn fetch(
        &mut self,
        state: &mut ConnectorState,
        now: Mono,
        prerequisite: Prerequisite,
        lease: Lease,
        origin: Origin,
    ) -> Next {
        let request = prerequisite.request(state);
        let request = request.and_then(|request| request.for_origin(&origin).map_err(Error::from));
        let mut request = match request {
            Ok(request) => request,
            Err(error) => return self.give_back(state, now, &prerequisite, lease, error),
        };
        let tokens = authorize(state, &prerequisite.principal(), &mut request, now);
        let endpoint = prerequisite.endpoint();
        let token = prerequisite.token(state);
        let purpose = Purpose::Fetch(prerequisite, lease);
        let attempt = self.launch(now, purpose, endpoint, origin, tokens, request);
        Next::Send(Box::new(Attempt { token, ..attempt }))
    }

    /// Releases a lease whose request could not be written, and ends the call.
    fn give_back(
        &mut self,
        state: &mut ConnectorState,
        now: Mono,
        prerequisite: &Prerequisite,
        lease: Lease,
        error: Error,
    ) -> Next {
        if let Some(refresh) = prerequisite.refresh(state) {
            refresh.release(now, lease);
        }
        if let Some(probe) = lease.probe {
            state.circuit(&prerequisite.endpoint()).cancel_probe(probe);
        }
        self.finish(error)
    }

    fn finish(&mut self, error: Error) -> Next {
        self.fail(error);
        Next::Finished
    }

    /// Waits for the rate limit of the endpoint, if it has one.
    fn await_rate(&mut self, state: &mut ConnectorState, now: Mono) -> Next {
        if C::IS_LOOKUP || state.rate(&self.endpoint).is_none() {
            return Next::Ready;
        }
        let waiter = *self.waiter.get_or_insert_with(|| state.next_id());
        let key = match &self.principal {
            Principal::Consumer(consumer) => Some(consumer.clone()),
            _ => None,
        };
        let Some(rate) = state.rate(&self.endpoint) else { return Next::Ready };
        match rate.acquire(now, waiter, &mut self.round, &key) {
            Poll::Ready => Next::Ready,
            Poll::NotBefore(at) if at >= self.deadline => {
                if let Some(round) = self.round.take() {
                    rate.cancel(waiter, round);
                }
                let why = "there are more requests than the configured rate lets through";
                let earlier = Error::new(ErrorKind::RateLimited, why).at(Stage::Operation, None);
                self.fail_before(at.since(now), earlier);
                Next::Finished
            }
            Poll::NotBefore(at) => Next::Wait(at),
        }
    }

    /// Sends the operation's own request. `None` for a look-up, which has none: the call has succeeded then.
    fn send_own(
        &mut self,
        state: &mut ConnectorState,
        now: Mono,
    ) -> Result<Option<Attempt>, Error> {
        let endpoint = self.endpoint.clone();
        let origin = self.origin(state, &endpoint, now)?;
        let Some(request) = self.take_request()? else {
            self.look_up(state, now, &origin);
            return Ok(None);
        };
        self.launch_own(state, now, endpoint, origin, request)
    }

    fn launch_own(
        &mut self,
        state: &mut ConnectorState,
        now: Mono,
        endpoint: Endpoint,
        origin: Origin,
        request: RelativeRequest,
    ) -> Result<Option<Attempt>, Error> {
        let deadline = self.attempt_deadline(now);
        let permit = state.circuit(&endpoint).acquire(now, deadline);
        let mut request = request.for_origin(&origin).inspect_err(|_| {
            // A request that cannot be written must not take the one probe with it.
            if let Permit::Probe(probe) = permit {
                state.circuit(&endpoint).cancel_probe(probe);
            }
        })?;
        let probe = match permit {
            Permit::Granted => None,
            Permit::Probe(probe) => Some(probe),
            Permit::Denied(until) => {
                self.fail_open(&endpoint, Stage::Operation, until, now);
                return Ok(None);
            }
        };
        let tokens = authorize(state, &self.principal, &mut request, now);
        self.attempts.own = self.attempts.own.saturating_add(1);
        Ok(Some(self.launch(now, Purpose::Own(probe), endpoint, origin, tokens, request)))
    }

    /// Ends a look-up with the cached value.
    fn look_up(&mut self, state: &ConnectorState, now: Mono, origin: &Origin) {
        let app = state.app_jwt.value(now);
        let consumer = state.consumer_jws(&self.principal).and_then(|flight| flight.value(now));
        let consumer = consumer.map(ConsumerJws::claims);
        let prepared = Prepared {
            origin,
            app: app.map(|jwt| (jwt, state.app_jwt.remaining(now))),
            consumer: consumer.as_ref(),
        };
        if let Some(output) = self.operation.look_up(&prepared) {
            self.succeed(output);
        }
    }

    fn origin(
        &self,
        state: &mut ConnectorState,
        endpoint: &Endpoint,
        now: Mono,
    ) -> Result<Origin, Error> {
        match endpoint {
            Endpoint::DomainApi => Ok(state.config.trust.domain_api().clone()),
            Endpoint::Service(service) => domain::origin(state, service, now),
        }
    }

    fn launch(
        &mut self,
        now: Mono,
        purpose: Purpose,
        endpoint: Endpoint,
        origin: Origin,
        tokens: Tokens,
        mut request: Request<Bytes>,
    ) -> Attempt {
        if let Some(agent) = &self.config.user_agent {
            request.headers_mut().insert(USER_AGENT, agent.clone());
        }
        self.attempts.number = self.attempts.number.saturating_add(1);
        let (number, deadline) = (self.attempts.number, self.attempt_deadline(now));
        let in_flight =
            InFlight { number, purpose, endpoint, origin, sent_at: now, deadline, tokens };
        let stage = in_flight.stage();
        self.in_flight = Some(in_flight);
        Attempt { number, operation: C::NAME, stage, deadline, token: None, request }
    }

    fn attempt_deadline(&self, now: Mono) -> Mono {
        (now + self.config.attempt_timeout).min(self.deadline)
    }

    /// Ends the call because the circuit of `endpoint` is open.
    fn fail_open(&mut self, endpoint: &Endpoint, stage: Stage, until: Mono, now: Mono) {
        let headline = format!("{endpoint} has kept failing, and its circuit is open");
        let attempts = if stage == Stage::Operation { self.attempts.own } else { 0 };
        let error = Error::new(ErrorKind::CircuitOpen, headline)
            .at(stage, None)
            .with_attempts(attempts)
            .with_retry_after(until.since(now))
            .after(self.attempts.last.clone());
        self.fail(error);
    }
}

/// Adds the tokens of `principal`: the AppJWT bare, without `Bearer`
/// ([protocol.md 4.4](crate::protocol#4.4)).
fn authorize(
    state: &ConnectorState,
    principal: &Principal,
    request: &mut Request<Bytes>,
    now: Mono,
) -> Tokens {
    let mut tokens = Tokens::default();
    if *principal == Principal::Anonymous {
        return tokens;
    }
    if let Some(jwt) = state.app_jwt.value(now) {
        request.headers_mut().insert(AUTHORIZATION, jwt.header.clone());
        tokens.app_jwt = state.app_jwt.generation();
    }
    if let Some(flight) = state.consumer_jws(principal)
        && let Some(jws) = flight.value(now)
    {
        request.headers_mut().insert(ON_BEHALF, jws.header.clone());
        tokens.consumer_jws = flight.generation();
    }
    tokens
}

#[cfg(test)]
#[path = "next_step_tests.rs"]
mod tests;
