//! What a failed attempt means for the circuit, and for the next call.

use bytes::Bytes;

use super::*;
use crate::api::{
    AuthorizeApp, CloseConversation, ListDomains, Login, OpenConversation, Operation, ReadInstall,
    ResolveDomain, ResponseView, Service,
};
use crate::connector::call_harness::{
    APP_JWT, CONSUMER_JWS, CallHarness, SECRET, conversation, message,
};
use crate::connector::{Config, Failure, Step};
use crate::id::{ConversationId, ExtConsumerId};
use crate::policy::{CircuitPolicy, RetryPolicy};
use crate::secret::Secret;
use crate::time::Mono;

const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// One failed call opens any circuit, and each failed probe doubles the two minutes.
fn circuits(config: Config) -> Config {
    config.circuit(CircuitPolicy::documented().threshold_for_messages(1))
}

/// The pause of the circuit that opened, or zero if one closed.
fn circuit(events: &[EventKind]) -> Option<Duration> {
    events.iter().find_map(|kind| match kind {
        EventKind::CircuitOpened { pause, .. } => Some(*pause),
        EventKind::CircuitClosed { .. } => Some(Duration::ZERO),
        _ => None,
    })
}

fn lost(kind: FailureKind) -> Outcome {
    Outcome::Failed(Failure::answer_lost(kind))
}

fn tls_failure() -> Outcome {
    Outcome::Failed(Failure::never_sent(FailureKind::Tls))
}

fn status(status: u16) -> Outcome {
    Outcome::Response(
        http::Response::builder().status(status).body(Bytes::from_static(b"{}")).unwrap(),
    )
}

#[test]
fn a_truncated_attempt_does_not_count_for_the_circuit() {
    for (call_has, ended_at, outcome, counts) in [
        (60, 15, lost(FailureKind::Timeout), true),
        // To the second what an attempt is given.
        (15, 15, lost(FailureKind::Timeout), true),
        (10, 10, lost(FailureKind::Timeout), false),
        // Its HTTP client gave up sooner.
        (10, 4, lost(FailureKind::Timeout), true),
        (10, 10, lost(FailureKind::Broken), true),
    ] {
        let mut harness =
            CallHarness::with(message(), |config| circuits(config).call_timeout(secs(call_has)));
        let attempt = harness.attempt_of(Stage::Operation);
        harness.now = secs(ended_at);
        harness.handle(&attempt, outcome);
        let expected = counts.then_some(secs(120));
        assert_eq!(circuit(&harness.events()), expected, "{call_has}, {ended_at}");
    }
}

#[test]
fn a_client_without_a_free_connection_opens_no_circuit() {
    for (kind, counts) in [(FailureKind::Connect, true), (FailureKind::NoFreeConnection, false)] {
        let mut harness =
            CallHarness::with(message(), |config| circuits(config).retry(RetryPolicy::none()));
        let attempt = harness.attempt_of(Stage::Operation);
        harness.now = secs(15);
        harness.handle(&attempt, Outcome::Failed(Failure::never_sent(kind)));
        assert_eq!(circuit(&harness.events()), counts.then_some(secs(120)), "{kind:?}");
        // A failed connect looks the host up again, once it is old enough.
        let mut next = harness.next(CloseConversation::new(&conversation()), secs(2000));
        let looks_up = next.attempt().stage() == Stage::Domain;
        assert_eq!(looks_up, counts, "{kind:?}");
    }
}

#[test]
fn a_probes_outcome_closes_or_reopens_the_circuit() {
    for (outcome, after, expected) in [
        (status(200), 1, Some(secs(0))),
        (status(404), 1, Some(secs(0))),
        // Not repeated, though the policy would have it so.
        (status(503), 1, Some(secs(240))),
        (tls_failure(), 1, Some(secs(240))),
        (lost(FailureKind::Timeout), 15, Some(secs(240))),
    ] {
        let mut harness = CallHarness::with(message(), circuits);
        open_circuit(&mut harness.state, Service::MESSAGING, Mono::ZERO);
        let mut harness = harness.next(message(), secs(130));
        let attempt = harness.attempt_of(Stage::Operation);
        harness.now += secs(after);
        let shown = format!("{outcome:?}");
        harness.handle(&attempt, outcome);
        let events = harness.events();
        assert_eq!(circuit(&events), expected, "{shown}: {events:?}");
        assert!(matches!(harness.poll(), Step::Done(_)), "{shown}");
    }
}

#[test]
fn a_truncated_probe_leaves_the_probing_to_the_next() {
    let short = |config| circuits(config).call_timeout(secs(10));
    let mut harness = CallHarness::with(message(), short);
    open_circuit(&mut harness.state, Service::MESSAGING, Mono::ZERO);
    let mut harness = harness.next(message(), secs(130));
    let attempt = harness.attempt_of(Stage::Operation);
    harness.now = secs(140);
    harness.handle(&attempt, lost(FailureKind::Timeout));
    assert_eq!(circuit(&harness.events()), None);
    let mut harness = harness.next(message(), secs(140));
    assert_eq!(harness.attempt().stage(), Stage::Operation);
}

#[test]
fn a_request_that_cannot_be_written_takes_no_probe() {
    let answer = http::Response::new(Bytes::from_static(br#"{"bearer":"b"}"#));
    let login = Login::new("a", Secret::new("b".to_owned()));
    let user = Operation::parse(&login, &ResponseView::new(&answer, false)).unwrap();
    let long = "x".repeat(70_000);
    let mut harness = CallHarness::with(ReadInstall::new(user.clone(), "i"), circuits);
    harness.attempt_of(Stage::Operation);
    open_circuit(&mut harness.state, Service::ACCOUNT_CONFIG, Mono::ZERO);
    let mut harness = harness.next(ReadInstall::new(user.clone(), long), secs(130));
    assert!(matches!(harness.poll(), Step::Done(_)));
    let mut harness = harness.next(ReadInstall::new(user, "i"), secs(130));
    assert_eq!(harness.attempt().stage(), Stage::Operation);
}

/// What ends a probe without a word about the service leaves the probing to the next, at once.
#[test]
fn a_token_of_another_program_and_a_full_client_end_no_probing() {
    let token = || {
        let token = Secret::new("x".to_owned());
        Outcome::Shared(SharedToken::new(token, secs(100)).unwrap())
    };
    let full = || Outcome::Failed(Failure::never_sent(FailureKind::NoFreeConnection));
    for outcome in [token(), full()] {
        let mut harness = CallHarness::with(AuthorizeApp::new(), circuits);
        open_circuit(&mut harness.state, Service::SENTINEL, Mono::ZERO);
        let mut harness = harness.next(AuthorizeApp::new(), secs(130));
        let attempt = harness.attempt_of(Stage::AppJwt);
        let now = Mono::from_origin(secs(130));
        let sentinel = Endpoint::Service(Service::SENTINEL);
        assert_eq!(harness.state.circuit(&sentinel).open_until(now), Some(attempt.deadline()));
        let shown = format!("{outcome:?}");
        harness.handle(&attempt, outcome);
        assert_eq!(circuit(&harness.events()), None, "{shown}");
        assert_eq!(harness.state.circuit(&sentinel).open_until(now), None, "{shown}");
        let now = Now::new(now, std::time::SystemTime::UNIX_EPOCH);
        let permit = harness.state.circuit(&sentinel).acquire(now.mono(), now.mono() + secs(1));
        assert!(matches!(permit, crate::policy::Permit::Probe(_)), "{shown}: it is open still");
    }
}

#[test]
fn a_probe_for_a_token_counts_as_any_other() {
    // With no token held, and with one that is only due for a refresh.
    for begun in [0, 3200] {
        for (outcome, expected) in [
            (status(401), Some(secs(0))),
            (status(503), Some(secs(240))),
            (tls_failure(), Some(secs(240))),
        ] {
            let mut harness = CallHarness::with(AuthorizeApp::new(), circuits);
            if begun > 0 {
                harness.finish("{}");
            }
            open_circuit(&mut harness.state, Service::SENTINEL, Mono::from_origin(secs(begun)));
            let mut harness = harness.next(AuthorizeApp::new(), secs(begun + 130));
            let attempt = harness.attempt_of(Stage::AppJwt);
            let shown = format!("{begun}, {outcome:?}");
            harness.handle(&attempt, outcome);
            let events = harness.events();
            assert_eq!(circuit(&events), expected, "{shown}: {events:?}");
            harness.finish("{}");
            assert_eq!(harness.into_result().is_ok(), begun > 0, "{shown}");
        }
    }
}

#[test]
fn a_fetch_that_fails_for_good_opens_its_circuit() {
    for (code, expected) in [(503, Some(secs(120))), (404, None)] {
        let once = |config| circuits(config).retry(RetryPolicy::none());
        let mut harness = CallHarness::with(AuthorizeApp::new(), once);
        let attempt = harness.attempt_of(Stage::AppJwt);
        harness.handle(&attempt, status(code));
        assert_eq!(circuit(&harness.events()), expected, "{code}");
    }
}

/// Its limit is one of its own.
#[test]
fn a_429_of_the_token_endpoint_pauses_longer() {
    for (stage, pause) in [(Stage::Domain, 1), (Stage::AppJwt, 5), (Stage::ConsumerJws, 1)] {
        let exact = |config: Config| {
            let policy = RetryPolicy::documented().jitter_percent(0);
            config.circuit(CircuitPolicy::never()).retry(policy)
        };
        let mut harness = CallHarness::with(message(), exact);
        let attempt = harness.attempt_of(stage);
        harness.handle(&attempt, status(429));
        let paused = harness.events().iter().find_map(|kind| match kind {
            EventKind::Retry { pause, .. } => Some(*pause),
            _ => None,
        });
        assert_eq!(paused, Some(secs(pause)), "{stage:?}");
    }
}

fn open_circuit(state: &mut ConnectorState, service: Service, from: Mono) {
    let endpoint = Endpoint::Service(service);
    let policy = state.config.circuit.clone();
    let pause =
        state.circuit(&endpoint).record_failure(from, None, endpoint.is_prerequisite(), &policy);
    assert_eq!(pause, Some(secs(120)));
}

#[test]
fn a_failed_refresh_ahead_is_retried_as_any_request() {
    let mut harness = CallHarness::new(AuthorizeApp::new());
    harness.finish("{}");
    let mut harness = harness.next(AuthorizeApp::new(), secs(3597));
    let attempt = harness.attempt_of(Stage::AppJwt);
    harness.handle(&attempt, status(503));
    let events = harness.events();
    let put_off = events.iter().find_map(|kind| match kind {
        EventKind::RefreshDeferred { pause, .. } => Some(pause.as_secs()),
        _ => None,
    });
    assert_eq!(put_off, Some(5), "{events:?}");
    // The token ends before that; who needs one then waits as after any first failure.
    let mut harness = harness.next(AuthorizeApp::new(), secs(3600));
    harness.attempt_of(Stage::AppJwt);
    assert!(harness.now >= secs(3602), "{:?}", harness.now);
}

#[test]
fn a_pause_until_the_deadline_is_not_begun() {
    let ten = |config: Config| {
        let policy = RetryPolicy::documented().pauses([secs(10)]).jitter_percent(0);
        config.retry(policy).circuit(CircuitPolicy::never())
    };
    for (call_has, waits) in [(10, false), (11, true)] {
        let timeout = |config| ten(config).call_timeout(secs(call_has));
        let mut own = CallHarness::with(ListDomains::new(), timeout);
        let attempt = own.attempt_of(Stage::Operation);
        own.handle(&attempt, status(503));
        own.events();
        assert_eq!(matches!(own.poll(), Step::Wait(_)), waits, "{call_has}");
        let mut shared = CallHarness::with(ResolveDomain::new(Service::MESSAGING), timeout);
        let attempt = shared.attempt_of(Stage::Domain);
        shared.handle(&attempt, status(503));
        shared.events();
        assert_eq!(matches!(shared.poll(), Step::Wait(_)), waits, "{call_has}");
    }
}

#[test]
fn closed_already_is_success_only_after_a_lost_answer() {
    let close = || CloseConversation::new(&conversation());
    let closed = r#"{"code":"BAD_REQUEST","body":"Conversation is close"}"#;
    let mut harness = CallHarness::new(close());
    let attempt = harness.attempt_of(Stage::Operation);
    harness.answer(&attempt, 400, closed);
    assert_eq!(harness.error().kind(), ErrorKind::ConversationClosed);

    let mut harness = CallHarness::new(close());
    let attempt = harness.attempt_of(Stage::Operation);
    harness.handle(&attempt, lost(FailureKind::Broken));
    let attempt = harness.attempt_of(Stage::Operation);
    harness.answer(&attempt, 400, closed);
    let done = harness.into_result().unwrap();
    assert_eq!((done.attempts, done.maybe_duplicated), (2, true));
}

#[test]
fn an_echoed_credential_is_not_quoted() {
    let mut harness = CallHarness::new(message());
    let attempt = harness.attempt_of(Stage::Operation);
    let said = format!("no {SECRET}, no {APP_JWT} and no {CONSUMER_JWS}, but this");
    harness.answer(
        &attempt,
        400,
        &format!(r#"{{"code":"BAD_REQUEST","body":{{"msg":"{said}"}}}}"#),
    );
    let error = harness.error();
    let message = error.message().unwrap();
    assert!(message.ends_with("but this"), "{message}");
    for credential in [SECRET, APP_JWT, CONSUMER_JWS] {
        assert!(!message.contains(credential), "{message}");
    }
}

#[test]
fn what_a_service_says_to_a_refused_fetch_is_quoted() {
    for stage in [Stage::Domain, Stage::AppJwt, Stage::ConsumerJws] {
        let mut harness = CallHarness::new(message());
        let attempt = harness.attempt_of(stage);
        harness.answer(&attempt, 400, r#"{"message":"no such pigeon"}"#);
        assert_eq!(harness.error().message(), Some("no such pigeon"), "{stage:?}");
    }
}

#[test]
fn a_host_of_another_service_is_a_bad_answer() {
    let mut harness = CallHarness::new(ResolveDomain::new(Service::MESSAGING));
    let attempt = harness.attempt_of(Stage::Domain);
    harness.answer(&attempt, 200, r#"{"service":"idp","baseURI":"idp.liveperson.net"}"#);
    let error = harness.error();
    assert_eq!(error.kind(), ErrorKind::BadAnswer);
    assert!(error.to_string().contains("names no host"), "{error}");
}

#[test]
fn a_service_of_any_name_makes_one_line() {
    let name = format!("pigeon\n{}", "x".repeat(500));
    let mut harness = CallHarness::new(ResolveDomain::new(Service::named(name)));
    let attempt = harness.attempt_of(Stage::Domain);
    harness.answer(&attempt, 200, r#"{"service":"idp","baseURI":"idp.liveperson.net"}"#);
    let line = harness.error().to_string();
    assert!(line.contains("the service pigeon xxx"), "{line}");
    assert!(!line.contains('\n') && line.len() < 400, "{line}");
}

/// A 401 without a number at the IDP: the waiter that takes over the round sends the new AppJWT too.
#[test]
fn a_waiter_takes_over_a_round_with_the_new_app_token() {
    let mut leader = CallHarness::new(message());
    let rejected = leader.attempt_of(Stage::ConsumerJws);
    let config = leader.state.config().clone();
    let now = leader.now();
    let seed = crate::seed::Seed::from_bytes([3; 16]);
    let mut waiter = Call::new(message(), &config, seed, now);
    assert!(matches!(waiter.poll(&mut leader.state, now), Step::Wait(_)));

    leader.answer(&rejected, 401, "{}");
    let Step::Send(next) = waiter.poll(&mut leader.state, now) else {
        panic!("the waiter goes on")
    };
    assert_eq!(next.stage(), Stage::AppJwt, "the rejected AppJWT is not sent again");
    let token = Bytes::from_static(br#"{"access_token":"another-app-jwt","expires_in":3600}"#);
    let outcome = Outcome::Response(http::Response::new(token));
    let _ = waiter.handle(&mut leader.state, now, next.number(), outcome);
    assert!(matches!(waiter.poll(&mut leader.state, now), Step::Send(next)
        if next.request().headers()["authorization"] == "another-app-jwt"));
}

/// After a 5xx the request may have had its effect: no token is refreshed for a repetition.
#[test]
fn a_token_number_in_a_5xx_repeats_nothing() {
    for (status, refreshed) in [(401, true), (403, true), (500, false), (502, false)] {
        let mut harness = CallHarness::with(message(), |config| config.retry(RetryPolicy::none()));
        let attempt = harness.attempt_of(Stage::Operation);
        harness.answer(&attempt, status, r#"{"body":{"errorCode":40102}}"#);
        let again = matches!(harness.poll(), Step::Send(_));
        assert_eq!(again, refreshed, "{status}");
    }
}

#[test]
fn already_open_names_the_conversation_and_the_consumer() {
    // Its claims are {"lp_consumer_id":"9c"}.
    let jws = "e30.eyJscF9jb25zdW1lcl9pZCI6IjljIn0.c2ln";
    let last = ConversationId::new("5f0c").unwrap();
    let ada = ExtConsumerId::new("ada").unwrap();
    for status in [200, 400] {
        let mut harness =
            CallHarness::new(OpenConversation::new(ada.clone()).last_known(last.clone()));
        let token = harness.attempt_of(Stage::ConsumerJws);
        harness.answer(&token, 200, &format!(r#"{{"token":"{jws}"}}"#));
        let attempt = harness.attempt_of(Stage::Operation);
        let body = r#"[{"code":"OK"},{"code":"BAD_REQUEST",
            "body":{"msg":"User 9c already has open conversation."}}]"#;
        harness.answer(&attempt, status, body);
        let error = harness.error();
        assert_eq!(error.kind(), ErrorKind::AlreadyOpen);
        assert_eq!(error.open_conversation(), Some(&last));
        assert_eq!(error.consumer_id().map(|id| id.as_str()), Some("9c"));
    }
}

#[test]
fn a_401_to_a_request_without_a_token_is_final() {
    let mut harness = CallHarness::new(Login::new("a", Secret::new("b".to_owned())));
    let attempt = harness.attempt_of(Stage::Operation);
    harness.handle(&attempt, status(401));
    assert!(matches!(harness.poll(), Step::Done(_)), "it is sent again");
    let error = harness.error();
    assert_eq!((error.kind(), error.attempts()), (ErrorKind::Unauthorized, 1));
}
