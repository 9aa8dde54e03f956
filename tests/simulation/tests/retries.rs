//! Retries: which failures are retried, after which pauses, and when retrying ends.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test reports by panicking")]

use std::time::Duration;

use lp_connector_core::api::{
    AuthorizeApp, CloseConversation, ConversationRef, IdentifyConsumer, OpenConversation, SendText,
};
use lp_connector_core::connector::EventKind;
use lp_connector_core::error::{Delivery, Error, ErrorKind, Stage};
use lp_connector_core::policy::RetryPolicy;
use lp_connector_sandbox::Endpoint;
use lp_connector_simulation::{NetworkFault, World, ada, open_conversation};

const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// The pauses between the attempts of `stage` since `from`, from each outcome to the next request.
fn pauses(world: &World, stage: Stage, from: Duration) -> Vec<f64> {
    let sent: Vec<_> = world.sent_for(stage).filter(|sent| sent.at >= from).collect();
    sent.windows(2).map(|two| (two[1].at - two[0].outcome_at).as_secs_f64()).collect()
}

fn within(pauses: &[f64], least: &[f64]) -> bool {
    pauses.len() == least.len()
        && pauses
            .iter()
            .zip(least)
            .all(|(pause, least)| *pause >= *least && *pause <= least * 1.1 + 0.001)
}

/// Sends a text under `fault`. Returns the world, the time of the start, and the result.
fn send_under(fault: &str) -> (World, Duration, Result<u32, Error>) {
    let mut world = World::new();
    let conversation = open_conversation(&mut world);
    world.cloud.fault(fault.parse().unwrap());
    let began = world.now();
    let caller = world.start(SendText::new(&ConversationRef::new(ada(), conversation), "one"));
    world.run();
    let result = match &world.finished_call(caller).result {
        Ok(done) => Ok(done.attempts),
        Err(error) => Err(error.clone()),
    };
    (world, began, result)
}

#[test]
fn a_5xx_is_retried_after_5_10_and_15_seconds() {
    for status in [500, 502, 503, 504, 599] {
        let (world, began, result) = send_under(&format!("send={status}"));
        let pauses = pauses(&world, Stage::Operation, began);
        assert!(within(&pauses, &[5.0, 10.0, 15.0]), "{pauses:?}");
        let error = result.unwrap_err();
        assert_eq!((error.kind(), error.attempts()), (ErrorKind::Unavailable, 4));
        // A 503 had no effect; another 5xx of a gateway may have had one.
        assert_eq!(
            error.delivery(),
            if status == 503 { Delivery::Rejected } else { Delivery::Unknown }
        );
    }
}

#[test]
fn a_refused_connection_is_retried_like_a_5xx() {
    let mut world = World::new();
    let conversation = open_conversation(&mut world);
    let began = world.now();
    // After each failure a domain lookup succeeds.
    let faults = [NetworkFault::Refused, NetworkFault::None];
    world.network_faults.extend(faults.into_iter().cycle().take(7));
    let caller = world.start(SendText::new(&ConversationRef::new(ada(), conversation), "one"));
    world.run();
    let attempts = world.sent_for(Stage::Operation).filter(|sent| sent.at >= began).count();
    assert_eq!(attempts, 4);
    let error = world.finished_call(caller).result.as_ref().unwrap_err();
    assert_eq!((error.kind(), error.delivery()), (ErrorKind::Unavailable, Delivery::NotSent));
}

#[test]
fn a_message_arrives_once_when_the_service_recovers() {
    let (world, began, result) = send_under("send:1-2=503");
    assert!(within(&pauses(&world, Stage::Operation, began), &[5.0, 10.0]));
    assert_eq!(result.unwrap(), 3);
    assert_eq!(world.stored_count("one"), 1);
}

#[test]
fn no_other_4xx_is_retried() {
    for status in [400, 402, 403, 404, 405, 406, 409, 410, 413, 415, 418, 422, 451] {
        let (world, began, result) = send_under(&format!("send={status}"));
        assert_eq!(pauses(&world, Stage::Operation, began).len(), 0, "{status}");
        let error = result.unwrap_err();
        let kind = if status == 451 { ErrorKind::Blocked } else { ErrorKind::Rejected };
        assert_eq!(
            (error.kind(), error.status(), error.delivery()),
            (kind, Some(status), Delivery::Rejected)
        );
    }
}

#[test]
fn what_was_not_processed_is_retried_like_a_503() {
    for status in [408, 421, 425] {
        let (world, began, result) = send_under(&format!("send={status}"));
        assert!(within(&pauses(&world, Stage::Operation, began), &[5.0, 10.0, 15.0]));
        let error = result.unwrap_err();
        assert_eq!(
            (error.kind(), error.status(), error.delivery()),
            (ErrorKind::Unavailable, Some(status), Delivery::Rejected)
        );
        let (world, _, result) = send_under(&format!("send:1-2={status}"));
        assert_eq!((result.unwrap(), world.stored_count("one")), (3, 1));
    }
}

#[test]
fn a_429_waits_a_second_or_its_retry_after() {
    let (world, began, _) = send_under("send:1=429");
    assert!(within(&pauses(&world, Stage::Operation, began), &[1.0]));
    let (world, began, _) = send_under("send:1=429,retry-after:2");
    assert!(within(&pauses(&world, Stage::Operation, began), &[2.0]));
}

#[test]
fn a_429_of_the_token_endpoint_waits_five_seconds() {
    let mut world = World::new().with_fault("token:1=429,retry-after:2");
    world.start(AuthorizeApp::new());
    world.run();
    assert!(within(&pauses(&world, Stage::AppJwt, Duration::ZERO), &[5.0]));
}

#[test]
fn only_503_obeys_retry_after_among_the_5xx() {
    let (world, began, _) = send_under("send:1=503,retry-after:20");
    assert!(within(&pauses(&world, Stage::Operation, began), &[20.0]));
    let (world, began, _) = send_under("send:1=500,retry-after:20");
    assert!(within(&pauses(&world, Stage::Operation, began), &[5.0]));
}

#[test]
fn a_wait_longer_than_the_deadline_fails_at_once() {
    for fault in ["send=429,retry-after:500", "send=503,retry-after:18446744073709551615"] {
        let (world, began, result) = send_under(fault);
        let error = result.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::DeadlineExceeded);
        assert!(error.to_string().contains("the next attempt is due in"), "{error}");
        assert!(world.now() - began < secs(1), "the call fails at once");
        assert!(world.finished_calls().last().unwrap().result.is_err());
    }
}

#[test]
fn a_huge_retry_after_does_not_block_for_ever() {
    let mut world = World::new().with_fault("token:1=429,retry-after:18446744073709551615");
    world.start(AuthorizeApp::new());
    let later = world.start_at(secs(36 * 60), AuthorizeApp::new());
    world.run();
    assert!(world.finished_call(later).result.is_ok());
}

#[test]
fn a_lost_response_is_unconfirmed_and_not_retried() {
    for fault in [
        NetworkFault::RequestLost,
        NetworkFault::ResponseLost,
        NetworkFault::SlowResponse(secs(60)),
    ] {
        let mut world = World::new();
        let conversation = open_conversation(&mut world);
        world.network_faults.push_back(fault);
        let caller = world.start(SendText::new(&ConversationRef::new(ada(), conversation), "one"));
        world.run();
        let error = world.finished_call(caller).result.as_ref().unwrap_err();
        assert_eq!((error.kind(), error.delivery()), (ErrorKind::Unconfirmed, Delivery::Unknown));
        assert_eq!(world.stored_count("one"), usize::from(fault != NetworkFault::RequestLost));
    }
}

#[test]
fn at_least_once_retries_a_lost_response_and_says_so() {
    let at_least_once = RetryPolicy::documented().at_least_once(true);
    let mut world = World::new().with_config(|config| config.retry(at_least_once));
    let conversation = open_conversation(&mut world);
    world.network_faults.push_back(NetworkFault::ResponseLost);
    let caller = world.start(SendText::new(&ConversationRef::new(ada(), conversation), "one"));
    world.run();
    let done = world.finished_call(caller).result.as_ref().unwrap();
    assert_eq!((done.attempts, done.maybe_duplicated), (2, true));
    assert_eq!(world.stored_count("one"), 2);
}

#[test]
fn cautious_retries_503_and_429_and_no_other_5xx() {
    for (fault, attempts) in [("send=500", 1), ("send=502", 1), ("send=503", 4), ("send=429", 4)] {
        let mut world = World::new().with_config(|config| config.retry(RetryPolicy::cautious()));
        let conversation = open_conversation(&mut world);
        world.cloud.fault(fault.parse().unwrap());
        world.start(SendText::new(&ConversationRef::new(ada(), conversation), "one"));
        world.run();
        assert_eq!(world.cloud.requests(Endpoint::Send), attempts, "{fault}");
    }
}

#[test]
fn the_policy_none_makes_one_attempt() {
    let mut world = World::new().with_config(|config| config.retry(RetryPolicy::none()));
    let conversation = open_conversation(&mut world);
    world.cloud.fault("send=503".parse().unwrap());
    world.start(SendText::new(&ConversationRef::new(ada(), conversation), "one"));
    world.run();
    assert_eq!(world.cloud.requests(Endpoint::Send), 1);
}

#[test]
fn closing_is_retried_after_a_lost_response() {
    let mut world = World::new();
    let conversation = open_conversation(&mut world);
    world.network_faults.push_back(NetworkFault::ResponseLost);
    let caller = world.start(CloseConversation::new(&ConversationRef::new(ada(), conversation)));
    world.run();
    let done = world.finished_call(caller).result.as_ref().unwrap();
    assert_eq!((done.attempts, done.maybe_duplicated), (2, true));
}

#[test]
fn opening_again_after_a_lost_response_is_already_open() {
    let at_least_once = RetryPolicy::documented().at_least_once(true);
    let mut world = World::new().with_config(|config| config.retry(at_least_once));
    world.start(AuthorizeApp::new());
    world.run();
    // Two domain lookups, the consumer's token, then the conversation.
    let none = [NetworkFault::None; 3];
    world.network_faults.extend(none.into_iter().chain([NetworkFault::ResponseLost]));
    let caller = world.start(OpenConversation::new(ada()));
    world.run();
    let error = world.finished_call(caller).result.as_ref().unwrap_err();
    assert_eq!((error.kind(), error.delivery()), (ErrorKind::AlreadyOpen, Delivery::Unknown));
}

#[test]
fn the_token_circuit_opens_for_2_4_8_minutes() {
    let mut world = World::new().with_fault("token=500");
    world.start(AuthorizeApp::new());
    world.run();
    let opened_at = world.now();
    // A call starts every ten seconds; almost all fail at once with the time of the next attempt.
    for n in 1..200 {
        world.start_at(opened_at + secs(10) * n, AuthorizeApp::new());
    }
    world.run();
    let probes: Vec<_> =
        world.sent_for(Stage::AppJwt).map(|sent| sent.at).filter(|at| *at > opened_at).collect();
    let gaps: Vec<_> = probes.windows(2).map(|two| (two[1] - two[0]).as_secs()).collect();
    assert_eq!((probes[0] - opened_at).as_secs() / 10, 12, "the first probe after 2 min");
    assert!(
        gaps.iter().zip([240, 480, 960]).all(|(gap, least)| *gap >= least && *gap <= least + 20),
        "{gaps:?}"
    );
    let errors = world.finished_calls().filter_map(|call| call.result.as_ref().err());
    let errors: Vec<_> = errors.filter(|error| error.kind() == ErrorKind::CircuitOpen).collect();
    assert!(errors.len() > 150);
    assert!(
        errors
            .iter()
            .all(|error| error.retry_after().is_some() && error.delivery() == Delivery::NotSent)
    );
}

#[test]
fn a_success_closes_the_circuit_for_all() {
    let mut world = World::new().with_fault("token:1-4=500");
    world.start(AuthorizeApp::new());
    world.run();
    let probe = world.start_at(world.now() + secs(121), AuthorizeApp::new());
    let next = world.start_at(world.now() + secs(122), AuthorizeApp::new());
    world.run();
    assert!(world.finished_call(probe).result.is_ok() && world.finished_call(next).result.is_ok());
    let closed = |event: &lp_connector_core::connector::CallEvent| {
        matches!(event.kind, EventKind::CircuitClosed { .. })
    };
    assert!(world.callers()[probe].events().iter().any(closed));
}

#[test]
fn five_failed_messages_in_a_row_open_the_circuit() {
    let mut world = World::new();
    let conversation = open_conversation(&mut world);
    world.cloud.fault("send:1-16=500".parse().unwrap());
    // Four messages fail (16 attempts) and the fifth succeeds: the circuit stays closed.
    for n in 0..5 {
        world.start(SendText::new(
            &ConversationRef::new(ada(), conversation.clone()),
            format!("message {n}"),
        ));
        world.run();
    }
    assert_eq!(world.stored_count("message 4"), 1);

    let mut world = World::new();
    let conversation = open_conversation(&mut world);
    world.cloud.fault("send=500".parse().unwrap());
    for n in 0..6 {
        world.start(SendText::new(
            &ConversationRef::new(ada(), conversation.clone()),
            format!("message {n}"),
        ));
        world.run();
    }
    assert_eq!(world.cloud.requests(Endpoint::Send), 20);
    let error = world.finished_calls().last().unwrap().result.as_ref().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::CircuitOpen);
}

#[test]
fn a_deadline_error_has_the_last_failure_as_its_cause() {
    let mut world = World::new().with_config(|config| config.call_timeout(secs(3)));
    let conversation = open_conversation(&mut world);
    world.cloud.fault("send=503".parse().unwrap());
    let caller = world.start(SendText::new(&ConversationRef::new(ada(), conversation), "one"));
    world.run();
    let error = world.finished_call(caller).result.as_ref().unwrap_err();
    assert_eq!((error.kind(), error.status()), (ErrorKind::DeadlineExceeded, Some(503)));
    let cause = std::error::Error::source(error).unwrap();
    assert!(cause.to_string().contains("failed with status 503"), "{cause}");
}

#[test]
fn invalid_input_fails_before_anything_is_sent() {
    let mut world = World::new();
    let conversation = lp_connector_core::id::ConversationId::new("5f0c").unwrap();
    let caller = world.start(SendText::new(&ConversationRef::new(ada(), conversation), ""));
    world.run();
    let error = world.finished_call(caller).result.as_ref().unwrap_err();
    assert_eq!((error.kind(), error.delivery()), (ErrorKind::InvalidInput, Delivery::NotSent));
    assert!(world.sent.is_empty());
}

#[test]
fn an_abandoned_call_says_whether_it_may_have_been_sent() {
    for (at, sent) in [(20, Delivery::NotSent), (500, Delivery::Unknown)] {
        let mut world = World::new();
        let conversation = lp_connector_core::id::ConversationId::new("5f0c").unwrap();
        world.latency = Duration::from_millis(45);
        let caller = world.start(SendText::new(&ConversationRef::new(ada(), conversation), "one"));
        world.cancel_at(caller, Duration::from_millis(at), true);
        world.run();
        let error = world.finished_call(caller).result.as_ref().unwrap_err();
        assert_eq!((error.kind(), error.delivery()), (ErrorKind::Abandoned, sent));
    }
}

#[test]
fn a_loading_account_is_retried_after_3_10_and_30_seconds() {
    use lp_connector_core::api::FindEngagement;
    let mut world = World::new().with_fault("monitoring:1-3=loading");
    let app = world.config.client_id().unwrap().clone();
    let caller = world.start(FindEngagement::new(app));
    world.run();
    let ended = world.finished_call(caller).result.as_ref().unwrap();
    assert_eq!(ended.attempts, 4);
    assert!(within(&pauses(&world, Stage::Operation, Duration::ZERO), &[3.0, 10.0, 30.0]));
    // Each response names another visitor; the call continues with the last one.
    assert!(ended.output.contains("visitor_id: Some(\"V"), "{}", ended.output);
    let without = World::new().with_fault("monitoring=loading");
    let mut world = without.with_config(|config| config.retry(RetryPolicy::none()));
    let app = world.config.client_id().unwrap().clone();
    let caller = world.start(FindEngagement::new(app));
    world.run();
    let error = world.finished_call(caller).result.as_ref().unwrap_err();
    assert_eq!((error.kind(), error.attempts()), (ErrorKind::Unavailable, 1));
    assert!(error.to_string().contains("the account is still being loaded"), "{error}");
}

#[test]
fn a_412_is_a_stale_revision() {
    let mut world = World::new().with_fault("send=412");
    let conversation = open_conversation(&mut world);
    let caller = world.start(SendText::new(&ConversationRef::new(ada(), conversation), "one"));
    world.run();
    let error = world.finished_call(caller).result.as_ref().unwrap_err();
    assert_eq!((error.kind(), error.delivery()), (ErrorKind::StaleRevision, Delivery::Rejected));
}

/// Identifies a consumer without cached tokens under `fault`. Returns the pauses between the attempts of
/// `stage`.
fn pauses_of_fetch(fault: &str, stage: Stage) -> Vec<f64> {
    let mut world = World::new().with_fault(fault);
    let caller = world.start_with(Duration::ZERO, IdentifyConsumer::new(ada()), |call, now| {
        call.timeout(secs(600), now)
    });
    world.run();
    assert!(
        world.finished_call(caller).result.is_ok(),
        "{fault}: {:?}",
        world.finished_call(caller).result
    );
    pauses(&world, stage, Duration::ZERO)
}

const FETCHES: [(&str, Stage); 3] =
    [("domain", Stage::Domain), ("token", Stage::AppJwt), ("consumer", Stage::ConsumerJws)];

#[test]
fn hosts_and_tokens_are_retried_with_the_same_pauses() {
    for (endpoint, stage) in FETCHES {
        for status in [500, 502, 503] {
            let pauses = pauses_of_fetch(&format!("{endpoint}:1-3={status}"), stage);
            assert!(within(&pauses[..3], &[5.0, 10.0, 15.0]), "{endpoint}: {pauses:?}");
        }
    }
}

#[test]
fn hosts_and_tokens_obey_retry_after() {
    for (endpoint, stage) in FETCHES {
        for status in [429, 503] {
            let pauses = pauses_of_fetch(&format!("{endpoint}:1={status},retry-after:20"), stage);
            assert!(within(&pauses[..1], &[20.0]), "{endpoint}, {status}: {pauses:?}");
        }
    }
}
