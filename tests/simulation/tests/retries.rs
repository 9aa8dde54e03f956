//! Promises about what is repeated, when, and when no more.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test reports by panicking")]

use std::time::Duration;

use lp_connector_core::api::{
    AuthorizeApp, CloseConversation, IdentifyConsumer, OpenConversation, SendText,
};
use lp_connector_core::connector::EventKind;
use lp_connector_core::error::{Error, ErrorKind, Sent, Stage};
use lp_connector_core::policy::RetryPolicy;
use lp_connector_sandbox::Endpoint;
use lp_connector_simulation::{NetworkFault, World, ada, open_conversation};

const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// The pauses between the tries of `stage` since `from`, each less the way to and fro.
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

/// Sends one text under `fault`; gives the world, when that began, and how it ended.
fn send_under(fault: &str) -> (World, Duration, Result<u32, Error>) {
    let mut world = World::new();
    let conversation = open_conversation(&mut world);
    world.cloud.fault(fault.parse().unwrap());
    let began = world.now();
    let caller = world.start(SendText::new(ada(), conversation, "one"));
    world.run();
    let result = match &world.finished_call(caller).result {
        Ok(done) => Ok(done.attempts),
        Err(error) => Err(error.clone()),
    };
    (world, began, result)
}

#[test]
fn a_5xx_is_repeated_after_5_10_and_15_seconds_and_then_no_more() {
    for status in [500, 502, 503, 504, 599] {
        let (world, began, result) = send_under(&format!("send={status}"));
        let pauses = pauses(&world, Stage::Operation, began);
        assert!(within(&pauses, &[5.0, 10.0, 15.0]), "{pauses:?}");
        let error = result.unwrap_err();
        assert_eq!((error.kind(), error.attempts()), (ErrorKind::Unavailable, 4));
        // 503 says that nothing was done; a gateway's other 5xx may hide an effect.
        assert_eq!(error.sent(), if status == 503 { Sent::Yes } else { Sent::Maybe });
    }
}

#[test]
fn a_connection_that_cannot_be_made_is_tried_as_a_5xx_is() {
    let mut world = World::new();
    let conversation = open_conversation(&mut world);
    let began = world.now();
    // Each failure has the host looked up again, which works.
    let twice = [NetworkFault::Refused, NetworkFault::None];
    world.network_faults.extend(twice.into_iter().cycle().take(7));
    let caller = world.start(SendText::new(ada(), conversation, "one"));
    world.run();
    let tries = world.sent_for(Stage::Operation).filter(|sent| sent.at >= began).count();
    assert_eq!(tries, 4);
    let error = world.finished_call(caller).result.as_ref().unwrap_err();
    assert_eq!((error.kind(), error.sent()), (ErrorKind::Unavailable, Sent::No));
}

#[test]
fn the_message_gets_through_once_when_the_service_recovers() {
    let (world, began, result) = send_under("send:1-2=503");
    assert!(within(&pauses(&world, Stage::Operation, began), &[5.0, 10.0]));
    assert_eq!(result.unwrap(), 3);
    assert_eq!(world.stored_count("one"), 1);
}

#[test]
fn no_other_4xx_is_ever_repeated() {
    for status in [400, 402, 403, 404, 405, 406, 408, 409, 410, 413, 415, 418, 422, 451] {
        let (world, began, result) = send_under(&format!("send={status}"));
        assert_eq!(pauses(&world, Stage::Operation, began).len(), 0, "{status}");
        let error = result.unwrap_err();
        let kind = if status == 451 { ErrorKind::Blocked } else { ErrorKind::Refused };
        assert_eq!((error.kind(), error.status(), error.sent()), (kind, Some(status), Sent::Yes));
    }
}

#[test]
fn a_429_waits_a_second_or_as_long_as_it_is_told() {
    let (world, began, _) = send_under("send:1=429");
    assert!(within(&pauses(&world, Stage::Operation, began), &[1.0]));
    let (world, began, _) = send_under("send:1=429,retry-after:2");
    assert!(within(&pauses(&world, Stage::Operation, began), &[2.0]));
}

#[test]
fn a_429_from_the_token_endpoint_waits_five_seconds() {
    let mut world = World::new().with_fault("token:1=429,retry-after:2");
    world.start(AuthorizeApp::new());
    world.run();
    assert!(within(&pauses(&world, Stage::AppJwt, Duration::ZERO), &[5.0]));
}

#[test]
fn a_503_obeys_retry_after_and_other_5xx_do_not() {
    let (world, began, _) = send_under("send:1=503,retry-after:20");
    assert!(within(&pauses(&world, Stage::Operation, began), &[20.0]));
    let (world, began, _) = send_under("send:1=500,retry-after:20");
    assert!(within(&pauses(&world, Stage::Operation, began), &[5.0]));
}

#[test]
fn a_wait_that_would_outlast_the_call_is_not_begun() {
    for fault in ["send=429,retry-after:500", "send=503,retry-after:18446744073709551615"] {
        let (world, began, result) = send_under(fault);
        let error = result.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::DeadlineExceeded);
        assert!(error.to_string().contains("the next try is due in"), "{error}");
        assert!(world.now() - began < secs(1), "it ended at once");
        assert!(world.finished_calls().last().unwrap().result.is_err());
    }
}

#[test]
fn an_absurd_retry_after_does_not_stop_the_connector_for_good() {
    let mut world = World::new().with_fault("token:1=429,retry-after:18446744073709551615");
    world.start(AuthorizeApp::new());
    let later = world.start_at(secs(36 * 60), AuthorizeApp::new());
    world.run();
    assert!(world.finished_call(later).result.is_ok());
}

#[test]
fn a_lost_answer_is_unconfirmed_and_not_repeated() {
    for weather in [
        NetworkFault::RequestLost,
        NetworkFault::ResponseLost,
        NetworkFault::SlowResponse(secs(60)),
    ] {
        let mut world = World::new();
        let conversation = open_conversation(&mut world);
        world.network_faults.push_back(weather);
        let caller = world.start(SendText::new(ada(), conversation, "one"));
        world.run();
        let error = world.finished_call(caller).result.as_ref().unwrap_err();
        assert_eq!((error.kind(), error.sent()), (ErrorKind::Unconfirmed, Sent::Maybe));
        assert_eq!(world.stored_count("one"), usize::from(weather != NetworkFault::RequestLost));
    }
}

#[test]
fn at_least_once_repeats_a_lost_answer_and_says_that_it_may_have_happened_twice() {
    let often = RetryPolicy::documented().at_least_once(true);
    let mut world = World::new().with_config(|config| config.retry(often));
    let conversation = open_conversation(&mut world);
    world.network_faults.push_back(NetworkFault::ResponseLost);
    let caller = world.start(SendText::new(ada(), conversation, "one"));
    world.run();
    let done = world.finished_call(caller).result.as_ref().unwrap();
    assert_eq!((done.attempts, done.possibly_repeated), (2, true));
    assert_eq!(world.stored_count("one"), 2);
}

#[test]
fn cautious_repeats_503_and_429_and_no_other_5xx() {
    for (fault, tries) in [("send=500", 1), ("send=502", 1), ("send=503", 4), ("send=429", 4)] {
        let mut world = World::new().with_config(|config| config.retry(RetryPolicy::cautious()));
        let conversation = open_conversation(&mut world);
        world.cloud.fault(fault.parse().unwrap());
        world.start(SendText::new(ada(), conversation, "one"));
        world.run();
        assert_eq!(world.cloud.requests(Endpoint::Send), tries, "{fault}");
    }
}

#[test]
fn the_preset_none_tries_once() {
    let mut world = World::new().with_config(|config| config.retry(RetryPolicy::none()));
    let conversation = open_conversation(&mut world);
    world.cloud.fault("send=503".parse().unwrap());
    world.start(SendText::new(ada(), conversation, "one"));
    world.run();
    assert_eq!(world.cloud.requests(Endpoint::Send), 1);
}

#[test]
fn closing_is_repeated_when_the_answer_is_lost_and_succeeds() {
    let mut world = World::new();
    let conversation = open_conversation(&mut world);
    world.network_faults.push_back(NetworkFault::ResponseLost);
    let caller = world.start(CloseConversation::new(ada(), conversation));
    world.run();
    let done = world.finished_call(caller).result.as_ref().unwrap();
    assert_eq!((done.attempts, done.possibly_repeated), (2, true));
}

#[test]
fn a_conversation_whose_answer_was_lost_is_reported_open_by_the_next_try() {
    let often = RetryPolicy::documented().at_least_once(true);
    let mut world = World::new().with_config(|config| config.retry(often));
    world.start(AuthorizeApp::new());
    world.run();
    // Two look-ups, the consumer, then the conversation itself.
    let fine = [NetworkFault::None; 3];
    world.network_faults.extend(fine.into_iter().chain([NetworkFault::ResponseLost]));
    let caller = world.start(OpenConversation::new(ada()));
    world.run();
    let error = world.finished_call(caller).result.as_ref().unwrap_err();
    assert_eq!((error.kind(), error.sent()), (ErrorKind::AlreadyOpen, Sent::Maybe));
}

#[test]
fn one_exhausted_token_call_leaves_sentinel_alone_for_2_4_8_minutes() {
    let mut world = World::new().with_fault("token=500");
    world.start(AuthorizeApp::new());
    world.run();
    let opened = world.now();
    // Every ten seconds somebody tries; almost all are told at once to come back later.
    for n in 1..200 {
        world.start_at(opened + secs(10) * n, AuthorizeApp::new());
    }
    world.run();
    let probes: Vec<_> =
        world.sent_for(Stage::AppJwt).map(|sent| sent.at).filter(|at| *at > opened).collect();
    let gaps: Vec<_> = probes.windows(2).map(|two| (two[1] - two[0]).as_secs()).collect();
    assert_eq!((probes[0] - opened).as_secs() / 10, 12, "the first after 2 min");
    assert!(
        gaps.iter().zip([240, 480, 960]).all(|(gap, least)| *gap >= least && *gap <= least + 20),
        "{gaps:?}"
    );
    let told = world.finished_calls().filter_map(|ended| ended.result.as_ref().err());
    let told: Vec<_> = told.filter(|error| error.kind() == ErrorKind::CircuitOpen).collect();
    assert!(told.len() > 150);
    assert!(told.iter().all(|error| error.retry_after().is_some() && error.sent() == Sent::No));
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
    let closed = |event: &lp_connector_core::connector::Event| {
        matches!(event.kind, EventKind::CircuitClosed { .. })
    };
    assert!(world.callers()[probe].events().iter().any(closed));
}

#[test]
fn one_message_that_the_service_chokes_on_does_not_hold_up_the_others() {
    let mut world = World::new();
    let conversation = open_conversation(&mut world);
    world.cloud.fault("send:1-16=500".parse().unwrap());
    // Four in a row are exhausted (16 tries), the fifth succeeds: five would have opened the circuit.
    for n in 0..5 {
        world.start(SendText::new(ada(), conversation.clone(), format!("message {n}")));
        world.run();
    }
    assert_eq!(world.stored_count("message 4"), 1);

    let mut world = World::new();
    let conversation = open_conversation(&mut world);
    world.cloud.fault("send=500".parse().unwrap());
    for n in 0..6 {
        world.start(SendText::new(ada(), conversation.clone(), format!("message {n}")));
        world.run();
    }
    assert_eq!(world.cloud.requests(Endpoint::Send), 20);
    let error = world.finished_calls().last().unwrap().result.as_ref().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::CircuitOpen);
}

#[test]
fn a_call_that_runs_out_of_time_says_so_and_what_it_met() {
    let mut world = World::new().with_config(|config| config.call_timeout(secs(3)));
    let conversation = open_conversation(&mut world);
    world.cloud.fault("send=503".parse().unwrap());
    let caller = world.start(SendText::new(ada(), conversation, "one"));
    world.run();
    let error = world.finished_call(caller).result.as_ref().unwrap_err();
    assert_eq!((error.kind(), error.status()), (ErrorKind::DeadlineExceeded, Some(503)));
    let cause = std::error::Error::source(error).unwrap();
    assert!(cause.to_string().contains("failed with status 503"), "{cause}");
}

#[test]
fn bad_input_ends_a_call_before_anything_is_sent() {
    let mut world = World::new();
    let conversation = lp_connector_core::id::ConversationId::new("5f0c").unwrap();
    let caller = world.start(SendText::new(ada(), conversation, ""));
    world.run();
    let error = world.finished_call(caller).result.as_ref().unwrap_err();
    assert_eq!((error.kind(), error.sent()), (ErrorKind::InvalidInput, Sent::No));
    assert!(world.sent.is_empty());
}

#[test]
fn giving_up_says_whether_the_request_may_have_left() {
    for (at, sent) in [(20, Sent::No), (500, Sent::Maybe)] {
        let mut world = World::new();
        let conversation = lp_connector_core::id::ConversationId::new("5f0c").unwrap();
        world.latency = Duration::from_millis(45);
        let caller = world.start(SendText::new(ada(), conversation, "one"));
        world.cancel_at(caller, Duration::from_millis(at), true);
        world.run();
        let error = world.finished_call(caller).result.as_ref().unwrap_err();
        assert_eq!((error.kind(), error.sent()), (ErrorKind::Abandoned, sent));
    }
}

#[test]
fn an_account_that_is_being_loaded_is_asked_again_after_3_10_and_30_seconds_for_the_same_visitor() {
    use lp_connector_core::api::FindEngagement;
    let mut world = World::new().with_fault("monitoring:1-3=loading");
    let app = world.config.client_id().unwrap().clone();
    let caller = world.start(FindEngagement::new(app));
    world.run();
    let ended = world.finished_call(caller).result.as_ref().unwrap();
    assert_eq!(ended.attempts, 4);
    assert!(within(&pauses(&world, Stage::Operation, Duration::ZERO), &[3.0, 10.0, 30.0]));
    // Each answer named a visitor of its own; the last of them was brought along.
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
fn a_change_of_what_was_changed_meanwhile_is_an_error_of_its_own() {
    let mut world = World::new().with_fault("send=412");
    let conversation = open_conversation(&mut world);
    let caller = world.start(SendText::new(ada(), conversation, "one"));
    world.run();
    let error = world.finished_call(caller).result.as_ref().unwrap_err();
    assert_eq!((error.kind(), error.sent()), (ErrorKind::StaleRevision, Sent::Yes));
}

/// Asks for a consumer's token from nothing, under `fault`; gives the pauses between the tries of
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
fn hosts_and_tokens_are_asked_for_again_after_the_same_pauses_as_messages_are_sent() {
    for (endpoint, stage) in FETCHES {
        for status in [500, 502, 503] {
            let pauses = pauses_of_fetch(&format!("{endpoint}:1-3={status}"), stage);
            assert!(within(&pauses[..3], &[5.0, 10.0, 15.0]), "{endpoint}: {pauses:?}");
        }
    }
}

#[test]
fn hosts_and_tokens_are_not_asked_for_before_the_service_wants_to_be_asked() {
    for (endpoint, stage) in FETCHES {
        for status in [429, 503] {
            let pauses = pauses_of_fetch(&format!("{endpoint}:1={status},retry-after:20"), stage);
            assert!(within(&pauses[..1], &[20.0]), "{endpoint}, {status}: {pauses:?}");
        }
    }
}
