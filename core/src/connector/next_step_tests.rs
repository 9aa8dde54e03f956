//! What a call prepares before its own request, and what it skips.

use std::time::Duration;

use super::*;
use crate::api::{AuthorizeApp, IdentifyConsumer, ResolveDomain, Service};
use crate::connector::call_harness::{CallHarness, message};
use crate::connector::{Cause, Config, DomainLookup, EventKind};
use crate::id::ExtConsumerId;
use crate::policy::{CircuitPolicy, RatePolicy, RetryPolicy};

const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn a_cached_token_needs_no_host_of_its_issuer() {
    let mut harness = CallHarness::with(message(), |config| config.domain_ttl(secs(10)));
    harness.finish("{}");
    let mut harness = harness.next(message(), secs(20));
    // Its own service's host is due to be looked up again; Sentinel's and the IDP's are as old.
    assert_eq!(harness.finish("{}"), [Stage::Domain, Stage::Operation]);
}

#[test]
fn untrusted_and_missing_hosts_differ() {
    for (host, kind) in [("evil.example", ErrorKind::UntrustedHost), ("", ErrorKind::Rejected)] {
        let all = |config: Config| config.domain_lookup(DomainLookup::AllServices);
        let mut harness = CallHarness::with(ResolveDomain::new(Service::MESSAGING), all);
        let attempt = harness.attempt();
        let service = if host.is_empty() { "another" } else { "asyncMessagingEnt" };
        let list = format!(r#"{{"baseURIs":[{{"service":"{service}","baseURI":"x.{host}"}}]}}"#);
        harness.answer(&attempt, 200, &list);
        let error = harness.error();
        assert_eq!((error.kind(), error.stage()), (kind, Stage::Domain), "{error}");
    }
}

#[test]
fn a_new_call_fetches_again_what_an_earlier_one_could_not() {
    let once = |config: Config| config.circuit(CircuitPolicy::never()).retry(RetryPolicy::none());
    let mut harness = CallHarness::with(message(), once);
    let attempt = harness.attempt();
    harness.answer(&attempt, 503, "");
    assert!(matches!(harness.poll(), Step::Done(_)));
    let mut harness = harness.next(message(), secs(1));
    assert_eq!(harness.finish("{}").last(), Some(&Stage::Operation));
    assert!(harness.into_result().is_ok());
}

#[test]
fn a_look_up_does_not_wait_for_the_rate_limit() {
    let limited = |config: Config| {
        config.rate(Service::MESSAGING, RatePolicy::new(1, secs(10))).call_timeout(secs(15))
    };
    let mut harness = CallHarness::with(message(), limited);
    harness.finish("{}");
    let mut harness = harness.next(ResolveDomain::new(Service::MESSAGING), secs(1));
    assert!(harness.finish("{}").is_empty());
    let mut harness = harness.next(ResolveDomain::new(Service::MESSAGING), secs(1));
    assert!(harness.finish("{}").is_empty());
    assert_eq!(harness.now, secs(1));
    let mut harness = harness.next(message(), secs(2));
    harness.finish("{}");
    assert_eq!(harness.now, secs(10));
}

#[test]
fn a_rate_pause_until_the_deadline_is_not_begun() {
    for (call_has, goes) in [(9, false), (10, true)] {
        let limited = |config: Config| {
            let policy = RatePolicy::new(1, secs(10));
            config.rate(Service::MESSAGING, policy).call_timeout(secs(call_has))
        };
        let mut harness = CallHarness::with(message(), limited);
        harness.finish("{}");
        let mut harness = harness.next(message(), secs(1));
        harness.finish("{}");
        assert_eq!(harness.now, secs(if goes { 10 } else { 1 }));
        assert_eq!(harness.into_result().is_ok(), goes);
    }
}

#[test]
fn an_open_circuit_names_the_attempts_before_it() {
    let one = CircuitPolicy::documented().threshold_for_messages(1);
    let mut harness = CallHarness::with(message(), |config| config.circuit(one.clone()));
    let attempt = harness.attempt_of(Stage::Operation);
    harness.answer(&attempt, 503, "{}");
    let endpoint = Endpoint::Service(Service::MESSAGING);
    harness.state.circuit(&endpoint).record_failure(Mono::ZERO, None, false, &one);
    harness.events();
    harness.now = secs(10);
    let error = harness.error();
    assert_eq!((error.kind(), error.attempts()), (ErrorKind::CircuitOpen, 1));

    let mut harness = CallHarness::with(message(), |config| config.circuit(one.clone()));
    harness.state.circuit(&endpoint).record_failure(Mono::ZERO, None, false, &one);
    assert_eq!(harness.error().attempts(), 0);
}

#[test]
fn look_ups_give_the_tokens_claims() {
    // {"scope":"msg.consumer","iat":0,"exp":3600} and {"account_id":"91827364"}
    let app = "e30.eyJzY29wZSI6Im1zZy5jb25zdW1lciIsImlhdCI6MCwiZXhwIjozNjAwfQ.c2ln";
    let jws = "e30.eyJhY2NvdW50X2lkIjoiOTE4MjczNjQifQ.c2ln";
    let mut harness = CallHarness::new(AuthorizeApp::new());
    let attempt = harness.attempt_of(Stage::AppJwt);
    harness.answer(&attempt, 200, &format!(r#"{{"access_token":"{app}"}}"#));
    harness.finish("");
    let ada = ExtConsumerId::new("ada").unwrap();
    let mut next = CallHarness::new(IdentifyConsumer::new(ada));
    let authorized = harness.into_result().unwrap().output;
    assert_eq!(authorized.claims.scope.as_deref(), Some("msg.consumer"));
    // A second less than an hour: `iat` is rounded down.
    assert_eq!(authorized.remaining, secs(3599));
    let attempt = next.attempt_of(Stage::ConsumerJws);
    next.answer(&attempt, 200, &format!(r#"{{"token":"{jws}"}}"#));
    next.finish("");
    let claims = next.into_result().unwrap().output;
    assert_eq!(claims.account_id.as_deref(), Some("91827364"));
}

const INVALID_APP_JWT: &str = r#"{"code":401,"body":{"title":"Invalid AppJWT","details":
    "AppJWT has expired or is invalid for pigeon-ring-0042","errorCode":40102}}"#;

/// Drives a call whose every message is answered 401, and gives the times of its token requests.
fn rejected<O: Callable>(harness: &mut CallHarness<O>) -> Vec<Duration> {
    let mut tokens = Vec::new();
    loop {
        match harness.poll() {
            Step::Send(attempt) if attempt.stage() == Stage::Operation => {
                harness.answer(&attempt, 401, INVALID_APP_JWT);
            }
            Step::Send(attempt) => {
                if attempt.stage() == Stage::AppJwt {
                    tokens.push(harness.now);
                }
                harness.answer_normally(&attempt, "{}");
            }
            Step::Wait(until) => harness.now = until.since(Mono::ZERO),
            Step::Done(_) => return tokens,
        }
    }
}

fn throttled(events: &[EventKind]) -> Vec<(Duration, Option<Cause>)> {
    events
        .iter()
        .filter_map(|kind| match kind {
            EventKind::TokenThrottled { pause, rejected } => Some((*pause, *rejected)),
            _ => None,
        })
        .collect()
}

#[test]
fn a_throttled_call_says_stage_reason_and_next_try() {
    let mut harness = CallHarness::with(message(), |config| config.call_timeout(secs(10)));
    assert_eq!(rejected(&mut harness), [secs(0), secs(0)], "two at once");
    assert_eq!(throttled(&harness.events()), []);
    let mut harness = harness.next(message(), secs(2));
    assert_eq!(rejected(&mut harness), []);
    let expected = (secs(13), Some(Cause::Status(401)));
    assert_eq!(throttled(&harness.events()), [expected]);
    let error = harness.error();
    assert_eq!((error.kind(), error.stage()), (ErrorKind::DeadlineExceeded, Stage::AppJwt));
    assert_eq!((error.status(), error.error_code()), (Some(401), Some(40102)));
    assert_eq!(error.retry_after(), Some(secs(13)));
    assert_eq!(
        format!("{error:#}"),
        "send_text: the next AppJWT is requested in 13.0 s, after this call's own deadline: one is \
         requested every 15 s at most, and the last one was rejected (by send_text: status 401, error \
         code 40102) (sentinel.liveperson.net, error code 40102); see why the AppJWT is rejected: is \
         the app install enabled, and is its scope msg.consumer?"
    );
    let rejection = std::error::Error::source(&error).unwrap().to_string();
    assert!(
        rejection.starts_with("send_text: the request was rejected with status 401"),
        "{rejection}"
    );
    assert_eq!(error.response_body(), None);
}

#[test]
fn a_call_with_time_waits_for_the_next_token_and_says_so_once() {
    let mut harness = CallHarness::with(message(), |config| config.call_timeout(secs(60)));
    rejected(&mut harness);
    let mut harness = harness.next(message(), secs(2));
    let attempt = harness.attempt();
    harness.answer(&attempt, 401, INVALID_APP_JWT);
    for _ in 0..3 {
        assert!(
            matches!(harness.poll(), Step::Wait(until) if until == Mono::from_origin(secs(15)))
        );
    }
    assert_eq!(throttled(&harness.events()).len(), 1);
    assert_eq!(rejected(&mut harness), [secs(15)]);
}

/// Drives a look-up of an AppJWT that lives for two seconds.
fn authorize_briefly(harness: &mut CallHarness<AuthorizeApp>) {
    loop {
        match harness.poll() {
            Step::Send(attempt) if attempt.stage() == Stage::AppJwt => {
                harness.answer(&attempt, 200, r#"{"access_token":"x","expires_in":2}"#);
            }
            Step::Send(attempt) => harness.answer_normally(&attempt, "{}"),
            Step::Wait(until) => harness.now = until.since(Mono::ZERO),
            Step::Done(_) => return,
        }
    }
}

#[test]
fn a_token_of_two_seconds_is_used_for_nine_tenths_of_them() {
    let mut harness = CallHarness::new(AuthorizeApp::new());
    authorize_briefly(&mut harness);
    let authorized = harness.into_result().unwrap().output;
    assert_eq!(authorized.remaining, Duration::from_millis(1800));
}

#[test]
fn short_lived_tokens_are_throttled_without_a_rejection() {
    let short = |config: Config| config.call_timeout(secs(5));
    let mut harness = CallHarness::with(AuthorizeApp::new(), short);
    authorize_briefly(&mut harness);
    let mut harness = harness.next(AuthorizeApp::new(), secs(3));
    authorize_briefly(&mut harness);
    let mut harness = harness.next(AuthorizeApp::new(), secs(6));
    authorize_briefly(&mut harness);
    assert_eq!(throttled(&harness.events()), [(secs(9), None)]);
    let error = harness.error();
    assert!(error.to_string().contains("the last one has expired"), "{error}");
    assert_eq!((error.status(), error.retry_after()), (None, Some(secs(9))));
    assert!(std::error::Error::source(&error).is_none());
}

#[test]
fn the_limit_of_token_requests_can_be_set() {
    for (interval, at) in [(0, 1), (5, 5), (15, 15)] {
        let settings =
            |config: Config| config.call_timeout(secs(20)).app_jwt_interval(secs(interval));
        let mut harness = CallHarness::with(message(), settings);
        assert_eq!(rejected(&mut harness).len(), 2);
        let mut harness = harness.next(message(), secs(1));
        assert_eq!(rejected(&mut harness), [secs(at)], "{interval}");
    }
}
