//! What is counted of calls to LivePerson. Each test drives calls by hand, in a time of its own.

use axum::http::Response;
use bytes::Bytes;
use lp_connector_core::api::{AuthorizeApp, ConversationRef, SendText};
use lp_connector_core::connector::{
    Attempt, Call, Callable, Config, ConnectorState, Failure, FailureKind, Outcome, Step,
};
use lp_connector_core::policy::RetryPolicy;
use lp_connector_core::secret::Secret;
use lp_connector_core::seed::Seed;
use lp_connector_core::time::{Mono, Now};

use super::*;

/// A client, and what is counted of its calls.
struct Calls {
    state: ConnectorState,
    metrics: Metrics,
}

impl Calls {
    fn new() -> Self {
        let secret = Secret::new("n3v3r-shown".to_owned());
        let config = Config::new("91827364".parse().unwrap())
            .credentials("0a1b2c3d".parse().unwrap(), secret)
            .retry(RetryPolicy::none())
            .call_timeout(Duration::from_secs(10));
        let state = ConnectorState::new(config, Seed::from_bytes([2; 16]));
        Self { state, metrics: Metrics::new(&[]) }
    }

    /// Runs a call that begins so many seconds after the start. `outcome` gives how a request of it ends; without
    /// one, it is answered as by a cloud that works.
    fn run<C: Callable>(
        &mut self,
        operation: C,
        at: u64,
        outcome: impl Fn(Stage) -> Option<Outcome>,
    ) {
        let start = Now::new(Mono::ZERO, SystemTime::UNIX_EPOCH);
        let mut now = start.later(Duration::from_secs(at));
        let mut call = Call::new(operation, self.state.config(), Seed::from_bytes([1; 16]), now);
        loop {
            match call.poll(&mut self.state, now) {
                Step::Send(attempt) => {
                    let outcome = outcome(attempt.stage()).unwrap_or_else(|| success(&attempt));
                    let _ = call.handle(&mut self.state, now, attempt.number(), outcome);
                }
                Step::Wait(until) => now = start.later(until.since(Mono::ZERO)),
                Step::Done(_) => break,
            }
        }
        while let Some(event) = call.next_event() {
            self.metrics.record_call(&event);
        }
    }

    /// How many tokens had this result.
    fn tokens(&self, result: &str) -> f64 {
        self.metrics.by_label(Metric::TokenRenewals).get(result).copied().unwrap_or_default()
    }

    fn has(&self, line: &str) -> bool {
        self.metrics.render().lines().any(|one| one == line)
    }
}

/// The answer of a cloud that works.
fn success(attempt: &Attempt) -> Outcome {
    let body = match attempt.stage() {
        Stage::Domain => {
            let service = attempt.request().uri().path().split('/').nth(5).unwrap();
            format!(r#"{{"service":"{service}","baseURI":"{service}.liveperson.net"}}"#)
        }
        Stage::AppJwt => r#"{"access_token":"an-app-jwt","expires_in":3600}"#.to_owned(),
        Stage::ConsumerJws => r#"{"token":"a-consumer-jws"}"#.to_owned(),
        _ => "{}".to_owned(),
    };
    answer(200, body)
}

fn answer(status: u16, body: impl Into<Bytes>) -> Outcome {
    Outcome::Response(Response::builder().status(status).body(body.into()).unwrap())
}

fn message() -> SendText {
    let to = ConversationRef::new("ada".parse().unwrap(), "5f0c".parse().unwrap());
    SendText::new(&to, "Where is my parcel?")
}

#[test]
fn a_request_without_an_answer_is_counted_as_itself() {
    for (failing, operation) in [(Stage::AppJwt, "app_jwt"), (Stage::Operation, "send_text")] {
        let mut calls = Calls::new();
        calls.run(message(), 0, |stage| {
            let failure = Failure::never_sent(FailureKind::Connect);
            (stage == failing).then_some(Outcome::Failed(failure))
        });
        let line = format!(
            "lp_bridge_api_requests_total{{operation=\"{operation}\",outcome=\"no_response\"}} 1"
        );
        assert!(calls.has(&line), "{line}");
    }
}

#[test]
fn a_token_that_is_rejected_or_waited_for_is_counted() {
    let mut calls = Calls::new();
    let reject = |stage: Stage| {
        let body = r#"{"code":401,"body":{"title":"Invalid AppJWT","errorCode":40102}}"#;
        (stage == Stage::Operation).then(|| answer(401, body))
    };
    calls.run(message(), 0, reject);
    assert_eq!((calls.tokens("rejected"), calls.tokens("throttled")), (1.0, 0.0));
    // Two tokens were fetched. The next one may be asked for at 15 s, and the call has 10 s.
    calls.run(message(), 2, reject);
    assert_eq!((calls.tokens("rejected"), calls.tokens("throttled")), (2.0, 1.0));
}

#[test]
fn a_renewal_ahead_that_fails_is_counted() {
    let mut calls = Calls::new();
    calls.run(AuthorizeApp::new(), 0, |_| None);
    assert_eq!((calls.tokens("renewed"), calls.tokens("deferred")), (1.0, 0.0));
    // The token has an hour.
    let fail = |stage: Stage| (stage == Stage::AppJwt).then(|| answer(503, "{}"));
    calls.run(AuthorizeApp::new(), 3_597, fail);
    assert_eq!((calls.tokens("renewed"), calls.tokens("deferred")), (1.0, 1.0));
}

#[test]
fn an_open_circuit_is_shown_until_it_closes() {
    let mut calls = Calls::new();
    let fail = |stage: Stage| (stage == Stage::AppJwt).then(|| answer(503, "{}"));
    calls.run(AuthorizeApp::new(), 0, fail);
    assert!(calls.has("lp_bridge_api_circuit_open{service=\"sentinel\"} 1"));
    // The circuit is open for 120 s.
    calls.run(AuthorizeApp::new(), 130, |_| None);
    assert!(calls.has("lp_bridge_api_circuit_open{service=\"sentinel\"} 0"));
}
