//! Whom a failed attempt is laid to, and what its end costs the next call.

use super::*;
use crate::api::{AuthorizeApp, CloseConversation, ListDomains, ResolveDomain};
use crate::connector::driven::{APP_JWT, CONSUMER_JWS, Driven, SECRET, message};
use crate::connector::{Config, Failure, Step};
use crate::id::{ConversationId, ExtConsumerId};
use crate::policy::{CircuitPolicy, RetryPolicy};

const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// One failed call opens any circuit, and each failed probe doubles the two minutes.
fn circuits(config: Config) -> Config {
    config.circuit(CircuitPolicy::documented().threshold_for_messages(1))
}

/// The pause of the circuit that opened, or zero if one closed.
fn circuit(told: &[EventKind]) -> Option<Duration> {
    told.iter().find_map(|kind| match kind {
        EventKind::CircuitOpened { pause, .. } => Some(*pause),
        EventKind::CircuitClosed { .. } => Some(Duration::ZERO),
        _ => None,
    })
}

fn lost(kind: FailureKind) -> Outcome {
    Outcome::Failed(Failure::answer_lost(kind))
}

fn refused_by_tls() -> Outcome {
    Outcome::Failed(Failure::never_sent(FailureKind::Tls))
}

fn status(status: u16) -> Outcome {
    Outcome::Answer(http::Response::builder().status(status).body(b"{}".to_vec()).unwrap())
}

#[test]
fn an_attempt_that_its_own_calls_deadline_ended_is_not_laid_to_the_service() {
    for (call_has, ended_at, outcome, laid) in [
        (60, 15, lost(FailureKind::Timeout), true),
        // To the second what an attempt is given.
        (15, 15, lost(FailureKind::Timeout), true),
        (10, 10, lost(FailureKind::Timeout), false),
        // Its HTTP client gave up sooner.
        (10, 4, lost(FailureKind::Timeout), true),
        (10, 10, lost(FailureKind::Broken), true),
    ] {
        let mut driven =
            Driven::with(message(), |config| circuits(config).call_timeout(secs(call_has)));
        let attempt = driven.attempt_of(Stage::Operation);
        driven.now = secs(ended_at);
        driven.handle(&attempt, outcome);
        let expected = laid.then_some(secs(120));
        assert_eq!(circuit(&driven.told()), expected, "{call_has}, {ended_at}");
    }
}

#[test]
fn a_probe_decides_by_its_outcome_whether_the_service_is_back() {
    for (outcome, after, expected) in [
        (status(200), 1, Some(secs(0))),
        (status(404), 1, Some(secs(0))),
        // Not repeated, though the policy would have it so.
        (status(503), 1, Some(secs(240))),
        (refused_by_tls(), 1, Some(secs(240))),
        (lost(FailureKind::Timeout), 15, Some(secs(240))),
    ] {
        let mut driven = Driven::with(message(), circuits);
        leave_alone(&mut driven.shared, Service::MESSAGING, Mono::ZERO);
        let mut driven = driven.next(message(), secs(130));
        let attempt = driven.attempt_of(Stage::Operation);
        driven.now += secs(after);
        let shown = format!("{outcome:?}");
        driven.handle(&attempt, outcome);
        let told = driven.told();
        assert_eq!(circuit(&told), expected, "{shown}: {told:?}");
        assert!(matches!(driven.poll(), Step::Done), "{shown}");
    }
}

#[test]
fn a_probe_that_its_own_calls_deadline_ended_leaves_the_probing_to_the_next() {
    let short = |config| circuits(config).call_timeout(secs(10));
    let mut driven = Driven::with(message(), short);
    leave_alone(&mut driven.shared, Service::MESSAGING, Mono::ZERO);
    let mut driven = driven.next(message(), secs(130));
    let attempt = driven.attempt_of(Stage::Operation);
    driven.now = secs(140);
    driven.handle(&attempt, lost(FailureKind::Timeout));
    assert_eq!(circuit(&driven.told()), None);
    let mut driven = driven.next(message(), secs(140));
    assert_eq!(driven.attempt().stage(), Stage::Operation);
}

#[test]
fn a_probe_for_a_token_decides_as_any_other() {
    // With no token held, and with one that is only due for renewal.
    for begun in [0, 3200] {
        for (outcome, expected) in [
            (status(401), Some(secs(0))),
            (status(503), Some(secs(240))),
            (refused_by_tls(), Some(secs(240))),
        ] {
            let mut driven = Driven::with(AuthorizeApp::new(), circuits);
            if begun > 0 {
                driven.finish("{}");
            }
            leave_alone(&mut driven.shared, Service::SENTINEL, Mono::from_origin(secs(begun)));
            let mut driven = driven.next(AuthorizeApp::new(), secs(begun + 130));
            let attempt = driven.attempt_of(Stage::AppJwt);
            let shown = format!("{begun}, {outcome:?}");
            driven.handle(&attempt, outcome);
            let told = driven.told();
            assert_eq!(circuit(&told), expected, "{shown}: {told:?}");
            driven.finish("{}");
            assert_eq!(driven.call.into_result().is_ok(), begun > 0, "{shown}");
        }
    }
}

fn leave_alone(shared: &mut Shared, service: Service, from: Mono) {
    let target = Target::Service(service);
    let policy = shared.config.circuit.clone();
    let pause = shared.circuit(&target).exhausted(from, None, target.prepares(), &policy);
    assert_eq!(pause, Some(secs(120)));
}

#[test]
fn an_early_renewal_that_failed_is_tried_again_as_any_request_is() {
    let mut driven = Driven::new(AuthorizeApp::new());
    driven.finish("{}");
    let mut driven = driven.next(AuthorizeApp::new(), secs(3597));
    let attempt = driven.attempt_of(Stage::AppJwt);
    driven.handle(&attempt, status(503));
    let told = driven.told();
    let put_off = told.iter().find_map(|kind| match kind {
        EventKind::RenewalPutOff { pause, .. } => Some(pause.as_secs()),
        _ => None,
    });
    assert_eq!(put_off, Some(5), "{told:?}");
    // The token ends before that; who needs one then waits as after any first failure.
    let mut driven = driven.next(AuthorizeApp::new(), secs(3600));
    driven.attempt_of(Stage::AppJwt);
    assert!(driven.now >= secs(3602), "{:?}", driven.now);
}

#[test]
fn a_pause_that_lasts_until_the_deadline_is_not_begun() {
    let ten = |config: Config| {
        let policy = RetryPolicy::documented().pauses([secs(10)]).jitter_percent(0);
        config.retry(policy).circuit(CircuitPolicy::never())
    };
    for (call_has, waits) in [(10, false), (11, true)] {
        let timeout = |config| ten(config).call_timeout(secs(call_has));
        let mut own = Driven::with(ListDomains::new(), timeout);
        let attempt = own.attempt_of(Stage::Operation);
        own.handle(&attempt, status(503));
        own.told();
        assert_eq!(matches!(own.poll(), Step::Wait(_)), waits, "{call_has}");
        let mut shared = Driven::with(ResolveDomain::new(Service::MESSAGING), timeout);
        let attempt = shared.attempt_of(Stage::Domain);
        shared.handle(&attempt, status(503));
        shared.told();
        assert_eq!(matches!(shared.poll(), Step::Wait(_)), waits, "{call_has}");
    }
}

#[test]
fn what_is_closed_already_was_closed_by_us_only_if_an_answer_was_lost() {
    let ada = ExtConsumerId::new("ada").unwrap();
    let close = || CloseConversation::new(ada.clone(), ConversationId::new("c").unwrap());
    let closed = r#"{"code":"BAD_REQUEST","body":"Conversation is close"}"#;
    let mut driven = Driven::new(close());
    let attempt = driven.attempt_of(Stage::Operation);
    driven.answer(&attempt, 400, closed);
    assert_eq!(driven.error().kind(), ErrorKind::ConversationClosed);

    let mut driven = Driven::new(close());
    let attempt = driven.attempt_of(Stage::Operation);
    driven.handle(&attempt, lost(FailureKind::Broken));
    let attempt = driven.attempt_of(Stage::Operation);
    driven.answer(&attempt, 400, closed);
    let done = driven.call.into_result().unwrap();
    assert_eq!((done.attempts, done.possibly_repeated), (2, true));
}

#[test]
fn a_service_that_says_a_credential_back_is_not_quoted() {
    let mut driven = Driven::new(message());
    let attempt = driven.attempt_of(Stage::Operation);
    let said = format!("no {SECRET}, no {APP_JWT} and no {CONSUMER_JWS}, but this");
    driven.answer(&attempt, 400, &format!(r#"{{"code":"BAD_REQUEST","body":{{"msg":"{said}"}}}}"#));
    let error = driven.error();
    let message = error.message().unwrap();
    assert!(message.ends_with("but this"), "{message}");
    for credential in [SECRET, APP_JWT, CONSUMER_JWS] {
        assert!(!message.contains(credential), "{message}");
    }
}

#[test]
fn a_host_of_another_service_is_no_answer() {
    let mut driven = Driven::new(ResolveDomain::new(Service::MESSAGING));
    let attempt = driven.attempt_of(Stage::Domain);
    driven.answer(&attempt, 200, r#"{"service":"idp","baseURI":"idp.liveperson.net"}"#);
    let error = driven.error();
    assert_eq!(error.kind(), ErrorKind::BadAnswer);
    assert!(error.to_string().contains("names no host"), "{error}");
}
