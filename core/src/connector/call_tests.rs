//! A call driven by hand, step by step.

use std::time::SystemTime;

use http::Response;

use super::*;
use crate::api::{IdentifyConsumer, ListDomains, SendText};
use crate::connector::{Attempt, Failure, FailureKind};
use crate::id::{AccountId, ClientId, ConversationId, ExtConsumerId};
use crate::policy::CircuitPolicy;
use crate::secret::Secret;

/// One call, all that it shares, and the time.
struct Driven<O: Operation> {
    shared: Shared,
    call: Call<O>,
    now: Duration,
}

impl<O: Operation> Driven<O> {
    fn new(operation: O) -> Self {
        let credentials = (ClientId::new("app").unwrap(), Secret::new("s".to_owned()));
        let config = Config::new(AccountId::new("91827364").unwrap())
            .credentials(credentials.0, credentials.1)
            .circuit(CircuitPolicy::never());
        let start = Now::new(Mono::ZERO, SystemTime::UNIX_EPOCH);
        let call = Call::new(operation, &config, Seed::from_bytes([1; 16]), start);
        let shared = Shared::new(config, Seed::from_bytes([2; 16]));
        Self { shared, call, now: Duration::ZERO }
    }

    fn now(&self) -> Now {
        Now::new(Mono::from_origin(self.now), SystemTime::UNIX_EPOCH + self.now)
    }

    fn poll(&mut self) -> Step {
        let now = self.now();
        self.call.poll(&mut self.shared, now)
    }

    /// The next attempt; events and pauses on the way are passed over.
    fn attempt(&mut self) -> Attempt {
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
    fn attempt_of(&mut self, stage: Stage) -> Attempt {
        loop {
            let attempt = self.attempt();
            let path = attempt.request().uri().path().to_owned();
            let body = match attempt.stage() {
                here if here == stage => return attempt,
                Stage::Domain => {
                    let service = path.split('/').nth(5).unwrap();
                    format!(r#"{{"service":"{service}","baseURI":"{service}.liveperson.net"}}"#)
                }
                Stage::AppJwt => r#"{"access_token":"app","expires_in":3600}"#.to_owned(),
                _ => r#"{"token":"jws"}"#.to_owned(),
            };
            self.answer(&attempt, 200, &body);
        }
    }

    fn handle(&mut self, attempt: &Attempt, outcome: Outcome) {
        let now = self.now();
        self.call.handle(&mut self.shared, now, attempt.number(), outcome);
    }

    fn answer(&mut self, attempt: &Attempt, status: u16, body: &str) {
        let response = Response::builder().status(status).body(body.as_bytes().to_vec());
        self.handle(attempt, Outcome::Answer(response.unwrap()));
    }

    /// All that it tells before it wants anything else.
    fn told(&mut self) -> Vec<EventKind> {
        std::iter::from_fn(|| match self.poll() {
            Step::Tell(event) => Some(event.kind),
            _ => None,
        })
        .collect()
    }

    fn error(mut self) -> Error {
        while !matches!(self.poll(), Step::Done) {}
        self.call.into_result().err().unwrap()
    }
}

fn send() -> Driven<SendText> {
    let ada = ExtConsumerId::new("ada").unwrap();
    Driven::new(SendText::new(ada, ConversationId::new("c").unwrap(), "hello"))
}

/// Up to the message itself.
fn to_the_message(driven: &mut Driven<SendText>) -> Attempt {
    driven.attempt_of(Stage::Operation)
}

#[test]
fn polled_in_flight_it_waits_for_the_answer_and_takes_it_for_lost_at_the_attempts_end() {
    let mut driven = Driven::new(ListDomains::new());
    let attempt = driven.attempt();
    for at in [0, 1, 14_999] {
        driven.now = Duration::from_millis(at);
        assert!(matches!(driven.poll(), Step::Wait(until) if until == attempt.deadline()));
    }
    driven.now = Duration::from_secs(15);
    let told = driven.told();
    let Some(EventKind::Lost { failure: FailureKind::Timeout, may_have_left: true }) = told.first()
    else {
        panic!("{told:?}")
    };
    assert!(matches!(told[1..], [EventKind::Retry { attempt: 2, .. }]), "{told:?}");
}

#[test]
fn all_that_happened_is_told_in_its_order() {
    let mut driven = Driven::new(ListDomains::new());
    let attempt = driven.attempt();
    driven.answer(&attempt, 503, "");
    let told = driven.told();
    assert!(
        matches!(told[..], [EventKind::Answered { status: 503, .. }, EventKind::Retry { .. }]),
        "{told:?}"
    );
}

#[test]
fn a_call_that_is_dropped_says_whether_its_own_request_may_have_left() {
    let mut driven = send();
    assert_eq!(send().call.into_result().unwrap_err().sent(), Sent::No);
    let attempt = driven.attempt();
    assert_eq!(attempt.stage(), Stage::Domain);
    assert_eq!(driven.call.into_result().unwrap_err().sent(), Sent::No);
    let mut driven = send();
    to_the_message(&mut driven);
    assert_eq!(driven.call.into_result().unwrap_err().sent(), Sent::Maybe);
}

#[test]
fn an_error_names_the_request_that_was_sent_and_none_that_was_not() {
    let mut driven = send();
    let attempt = to_the_message(&mut driven);
    driven.answer(&attempt, 404, "{}");
    let id = Seed::from_bytes([1; 16]).uuid(0);
    assert_eq!(driven.error().request_id(), Some(id.as_str()));
    let mut driven = send();
    let attempt = driven.attempt();
    driven.answer(&attempt, 404, "{}");
    assert_eq!(driven.error().request_id(), None);
}

#[test]
fn what_got_no_answer_is_told_apart_by_why() {
    use FailureKind::{Connect, Tls, TooLarge};
    for (failure, kind, sent) in [
        (Failure::never_sent(Tls), ErrorKind::Tls, Sent::No),
        (Failure::answer_lost(TooLarge), ErrorKind::BadAnswer, Sent::Maybe),
        // After that nothing is repeated; what a broken handshake after the request is, nobody knows.
        (Failure::answer_lost(Tls), ErrorKind::Unconfirmed, Sent::Maybe),
        (Failure::answer_lost(Connect), ErrorKind::Unconfirmed, Sent::Maybe),
    ] {
        let mut driven = send();
        let attempt = to_the_message(&mut driven);
        driven.handle(&attempt, Outcome::Failed(failure.clone()));
        let error = driven.error();
        assert_eq!((error.kind(), error.sent()), (kind, sent), "{failure:?}");
        assert_eq!(error.attempts(), 1);
    }
}

#[test]
fn what_was_refused_is_told_apart_by_whom() {
    // The Domain API knows no credentials; Sentinel has no other reason to refuse.
    for (stage, status, kind) in [
        (Stage::Domain, 401, ErrorKind::Refused),
        (Stage::AppJwt, 400, ErrorKind::Unauthorized),
        (Stage::AppJwt, 401, ErrorKind::Unauthorized),
        (Stage::AppJwt, 403, ErrorKind::Unauthorized),
        (Stage::AppJwt, 404, ErrorKind::Refused),
        (Stage::ConsumerJws, 403, ErrorKind::Refused),
    ] {
        let mut driven = Driven::new(IdentifyConsumer::new(ExtConsumerId::new("ada").unwrap()));
        let attempt = driven.attempt_of(stage);
        driven.answer(&attempt, status, r#"{"message":"no"}"#);
        let error = driven.error();
        assert_eq!((error.kind(), error.stage()), (kind, stage), "{status}");
        assert_eq!(error.response_body(), Some(&br#"{"message":"no"}"#[..]));
    }
    for (status, body, said) in [
        (412, "{}", "it was changed by somebody else meanwhile"),
        (
            400,
            r#"{"code":"BAD_REQUEST","body":"Conversation is close"}"#,
            "the conversation is closed",
        ),
        (451, "{}", "was refused with status 451"),
    ] {
        let mut driven = send();
        let attempt = to_the_message(&mut driven);
        driven.answer(&attempt, status, body);
        let error = driven.error();
        assert!(error.to_string().contains(said), "{error}");
    }
}
