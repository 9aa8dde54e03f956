//! A call driven by hand, step by step: for the tests of what calls do.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::Response;

use super::{Attempt, Call, Callable, Completed, Config, ConnectorState, EventKind, Outcome, Step};
use crate::api::{ConversationRef, SendText};
use crate::error::{Error, Stage};
use crate::id::{AccountId, ClientId, ConversationId, ExtConsumerId};
use crate::policy::CircuitPolicy;
use crate::secret::Secret;
use crate::seed::Seed;
use crate::time::{Mono, Now};

pub(super) const SECRET: &str = "n3v3r-shown";
pub(super) const APP_JWT: &str = "an-app-jwt";
pub(super) const CONSUMER_JWS: &str = "a-consumer-jws";

/// One call, all that it shares, and the time.
pub(super) struct CallHarness<O: Callable> {
    pub(super) state: ConnectorState,
    pub(super) call: Call<O>,
    pub(super) now: Duration,
    result: Option<Result<Completed<O::Output>, Error>>,
}

impl<O: Callable> CallHarness<O> {
    pub(super) fn new(operation: O) -> Self {
        Self::with(operation, |config| config.circuit(CircuitPolicy::never()))
    }

    /// With settings of its own.
    pub(super) fn with(operation: O, settings: impl FnOnce(Config) -> Config) -> Self {
        let credentials = (ClientId::new("app").unwrap(), Secret::new(SECRET.to_owned()));
        let config = Config::new(AccountId::new("91827364").unwrap())
            .credentials(credentials.0, credentials.1);
        let state = ConnectorState::new(settings(config), Seed::from_bytes([2; 16]));
        Self::begin(operation, state, Duration::ZERO)
    }

    /// Another one in the same state.
    pub(super) fn fork(&self) -> Self
    where
        Call<O>: Clone,
    {
        Self { state: self.state.clone(), call: self.call.clone(), now: self.now, result: None }
    }

    fn begin(operation: O, state: ConnectorState, now: Duration) -> Self {
        let start = Now::new(Mono::from_origin(now), SystemTime::UNIX_EPOCH + now);
        let call = Call::new(operation, state.config(), Seed::from_bytes([1; 16]), start);
        Self { state, call, now, result: None }
    }

    /// The next call, at this time, with all that was shared.
    pub(super) fn next<P: Callable>(self, operation: P, now: Duration) -> CallHarness<P> {
        CallHarness::begin(operation, self.state, now)
    }

    pub(super) fn now(&self) -> Now {
        Now::new(Mono::from_origin(self.now), SystemTime::UNIX_EPOCH + self.now)
    }

    /// Polls; the result is kept for [`into_result`](Self::into_result).
    pub(super) fn poll(&mut self) -> Step<()> {
        let now = self.now();
        match self.call.poll(&mut self.state, now) {
            Step::Send(attempt) => Step::Send(attempt),
            Step::Wait(until) => Step::Wait(until),
            Step::Done(result) => {
                if self.result.is_none() {
                    self.result = Some(result);
                }
                Step::Done(Ok(Completed::new(())))
            }
        }
    }

    /// The result; a call without one is abandoned.
    pub(super) fn into_result(mut self) -> Result<Completed<O::Output>, Error> {
        let now = self.now();
        let _ = self.call.abandon(&mut self.state, now);
        let _ = self.poll();
        self.result.unwrap()
    }

    /// The next attempt; pauses on the way are skipped.
    pub(super) fn attempt(&mut self) -> Attempt {
        for _ in 0..20 {
            match self.poll() {
                Step::Send(attempt) => return attempt,
                Step::Wait(until) => self.now = until.since(Mono::ZERO),
                Step::Done(_) => panic!("it is over"),
            }
        }
        panic!("it sends nothing");
    }

    /// The first attempt of this stage; all before it are answered normally.
    pub(super) fn attempt_of(&mut self, stage: Stage) -> Attempt {
        loop {
            let attempt = self.attempt();
            if attempt.stage() == stage {
                return attempt;
            }
            self.answer_normally(&attempt, "{}");
        }
    }

    /// Answers as a cloud that works; `body` is for the operation's own request.
    pub(super) fn answer_normally(&mut self, attempt: &Attempt, body: &str) {
        let path = attempt.request().uri().path();
        let body = match attempt.stage() {
            Stage::Domain => {
                let service = path.split('/').nth(5).unwrap();
                format!(r#"{{"service":"{service}","baseURI":"{service}.liveperson.net"}}"#)
            }
            Stage::AppJwt => format!(r#"{{"access_token":"{APP_JWT}","expires_in":3600}}"#),
            Stage::ConsumerJws => format!(r#"{{"token":"{CONSUMER_JWS}"}}"#),
            Stage::Operation => body.to_owned(),
        };
        self.answer(attempt, 200, &body);
    }

    pub(super) fn handle(&mut self, attempt: &Attempt, outcome: Outcome) {
        let now = self.now();
        let _ = self.call.handle(&mut self.state, now, attempt.number(), outcome);
    }

    pub(super) fn answer(&mut self, attempt: &Attempt, status: u16, body: &str) {
        let response =
            Response::builder().status(status).body(Bytes::copy_from_slice(body.as_bytes()));
        self.handle(attempt, Outcome::Response(response.unwrap()));
    }

    /// The events that were not yet taken, once it has been polled.
    pub(super) fn events(&mut self) -> Vec<EventKind> {
        let _ = self.poll();
        std::iter::from_fn(|| self.call.next_event()).map(|event| event.kind).collect()
    }

    /// Drives it to its end, and gives the stages of what it sent.
    pub(super) fn finish(&mut self, body: &str) -> Vec<Stage> {
        let mut stages = Vec::new();
        loop {
            match self.poll() {
                Step::Send(attempt) => {
                    stages.push(attempt.stage());
                    self.answer_normally(&attempt, body);
                }
                Step::Wait(until) => self.now = until.since(Mono::ZERO),
                Step::Done(_) => return stages,
            }
        }
    }

    pub(super) fn error(mut self) -> Error {
        while !matches!(self.poll(), Step::Done(_)) {}
        self.into_result().err().unwrap()
    }
}

/// The conversation that messages go to.
pub(super) fn conversation() -> ConversationRef {
    let ada = ExtConsumerId::new("ada").unwrap();
    ConversationRef::new(ada, ConversationId::new("c").unwrap())
}

/// A message.
pub(super) fn message() -> SendText {
    SendText::new(&conversation(), "hello")
}
