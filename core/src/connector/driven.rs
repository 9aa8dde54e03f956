//! A call driven by hand, step by step: for the tests of what calls do.

use std::time::{Duration, SystemTime};

use http::Response;

use super::{Attempt, Call, Config, EventKind, Outcome, Shared, Step};
use crate::api::{Operation, SendText};
use crate::error::{Error, Stage};
use crate::id::{AccountId, ClientId, ConversationId, ExtConsumerId};
use crate::policy::CircuitPolicy;
use crate::secret::Secret;
use crate::seed::Seed;
use crate::time::{Mono, Now};

pub(super) const SECRET: &str = "n3v3r-t0ld";
pub(super) const APP_JWT: &str = "an-app-jwt";
pub(super) const CONSUMER_JWS: &str = "a-consumer-jws";

/// One call, all that it shares, and the time.
pub(super) struct Driven<O: Operation> {
    pub(super) shared: Shared,
    pub(super) call: Call<O>,
    pub(super) now: Duration,
}

impl<O: Operation> Driven<O> {
    pub(super) fn new(operation: O) -> Self {
        Self::with(operation, |config| config.circuit(CircuitPolicy::never()))
    }

    /// With settings of its own.
    pub(super) fn with(operation: O, settings: impl FnOnce(Config) -> Config) -> Self {
        let credentials = (ClientId::new("app").unwrap(), Secret::new(SECRET.to_owned()));
        let config = Config::new(AccountId::new("91827364").unwrap())
            .credentials(credentials.0, credentials.1);
        let shared = Shared::new(settings(config), Seed::from_bytes([2; 16]));
        Self::begin(operation, shared, Duration::ZERO)
    }

    fn begin(operation: O, shared: Shared, now: Duration) -> Self {
        let start = Now::new(Mono::from_origin(now), SystemTime::UNIX_EPOCH + now);
        let call = Call::new(operation, shared.config(), Seed::from_bytes([1; 16]), start);
        Self { shared, call, now }
    }

    /// The next call, at this time, with all that was shared.
    pub(super) fn next<P: Operation>(self, operation: P, now: Duration) -> Driven<P> {
        Driven::begin(operation, self.shared, now)
    }

    pub(super) fn now(&self) -> Now {
        Now::new(Mono::from_origin(self.now), SystemTime::UNIX_EPOCH + self.now)
    }

    pub(super) fn poll(&mut self) -> Step {
        let now = self.now();
        self.call.poll(&mut self.shared, now)
    }

    /// The next attempt; events and pauses on the way are passed over.
    pub(super) fn attempt(&mut self) -> Attempt {
        for _ in 0..20 {
            match self.poll() {
                Step::Send(attempt) => return attempt,
                Step::Wait(until) => self.now = until.since(Mono::ZERO),
                Step::Tell(_) => {}
                Step::Done => panic!("it is over"),
            }
        }
        panic!("it sends nothing");
    }

    /// The first attempt of this stage; all before it are answered as they should be.
    pub(super) fn attempt_of(&mut self, stage: Stage) -> Attempt {
        loop {
            let attempt = self.attempt();
            if attempt.stage() == stage {
                return attempt;
            }
            self.answer_well(&attempt, "{}");
        }
    }

    /// Answers as a cloud in which all is well; `body` is what its own request gets.
    fn answer_well(&mut self, attempt: &Attempt, body: &str) {
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
        self.call.handle(&mut self.shared, now, attempt.number(), outcome);
    }

    pub(super) fn answer(&mut self, attempt: &Attempt, status: u16, body: &str) {
        let response = Response::builder().status(status).body(body.as_bytes().to_vec());
        self.handle(attempt, Outcome::Answer(response.unwrap()));
    }

    /// All that it tells before it wants anything else.
    pub(super) fn told(&mut self) -> Vec<EventKind> {
        std::iter::from_fn(|| match self.poll() {
            Step::Tell(event) => Some(event.kind),
            _ => None,
        })
        .collect()
    }

    /// Drives it to its end: what it gives, and the stages of what it sent.
    pub(super) fn finish(&mut self, body: &str) -> Vec<Stage> {
        let mut stages = Vec::new();
        loop {
            match self.poll() {
                Step::Send(attempt) => {
                    stages.push(attempt.stage());
                    self.answer_well(&attempt, body);
                }
                Step::Wait(until) => self.now = until.since(Mono::ZERO),
                Step::Tell(_) => {}
                Step::Done => return stages,
            }
        }
    }

    pub(super) fn error(mut self) -> Error {
        while !matches!(self.poll(), Step::Done) {}
        self.call.into_result().err().unwrap()
    }
}

/// A message.
pub(super) fn message() -> SendText {
    let ada = ExtConsumerId::new("ada").unwrap();
    SendText::new(ada, ConversationId::new("c").unwrap(), "hello")
}
