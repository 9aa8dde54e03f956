//! Calls that share a connector: one caller's deadline, policy or cancellation fails no other call.

use std::time::Duration;

use lp_connector_core::api::{AuthorizeApp, ConversationRef, IdentifyConsumer, SendText};
use lp_connector_core::error::{ErrorKind, Stage};
use lp_connector_core::id::ExtConsumerId;
use lp_connector_core::policy::{CircuitPolicy, RetryPolicy};
use lp_connector_sandbox::Endpoint;
use lp_connector_simulation::{NetworkFault, World, ada, open_conversation};

const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn times(world: &World, stage: Stage) -> Vec<f64> {
    world.sent_for(stage).map(|sent| sent.at.as_secs_f64()).collect()
}

#[test]
fn the_next_call_repeats_a_vanished_early_renewal() {
    let mut world = World::new();
    world.start(AuthorizeApp::new());
    let holder = world.start_at(secs(3310), AuthorizeApp::new());
    world.cancel_at(holder, secs(3310) + Duration::from_millis(10), false);
    let next = world.start_at(secs(3330), AuthorizeApp::new());
    world.run();
    assert!(world.finished_call(next).result.is_ok());
    let requests = times(&world, Stage::AppJwt);
    assert_eq!(requests.len(), 3, "{requests:?}");
    assert!((3330.0..3330.1).contains(&requests[2]), "{requests:?}");
}

#[test]
fn a_refused_token_is_renewed_after_a_lost_early_renewal() {
    let mut world = World::new();
    let conversation = open_conversation(&mut world);
    let holder = world.start_at(secs(3310), AuthorizeApp::new());
    world.cancel_at(holder, secs(3310) + Duration::from_millis(10), false);
    world.run_until(secs(3330));
    world.cloud.revoke_app_tokens();
    let caller = world
        .start_at(secs(3330), SendText::new(&ConversationRef::new(ada(), conversation), "one"));
    world.run();
    assert!(world.finished_call(caller).result.is_ok(), "{:?}", world.finished_call(caller).result);
}

#[test]
fn a_callers_retry_policy_does_not_affect_others() {
    let mut world = World::new().with_fault("token:1=503");
    let impatient =
        world.start_with(secs(0), AuthorizeApp::new(), |call, _| call.retry(RetryPolicy::none()));
    let others: Vec<_> = (0..5).map(|_| world.start(AuthorizeApp::new())).collect();
    world.run();
    for other in others.into_iter().chain([impatient]) {
        assert!(
            world.finished_call(other).result.is_ok(),
            "{:?}",
            world.finished_call(other).result
        );
    }
}

#[test]
fn a_callers_short_deadline_does_not_fail_others() {
    let slow = NetworkFault::SlowResponse(secs(3));
    let mut world = World::new().with_network_faults([NetworkFault::None, slow]);
    let impatient =
        world.start_with(secs(0), AuthorizeApp::new(), |call, now| call.timeout(secs(1), now));
    let other = world.start(AuthorizeApp::new());
    world.run();
    let error = world.finished_call(impatient).result.as_ref().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::DeadlineExceeded);
    assert!(world.finished_call(other).result.is_ok());
    assert!(
        world.finished_call(other).finished_at < secs(4),
        "no pause after a request that its deadline ended"
    );
}

#[test]
fn short_deadlines_open_no_circuit_and_flood_no_service() {
    let slow = [NetworkFault::SlowResponse(secs(3)); 1000];
    let mut world = World::new().with_network_faults([NetworkFault::None].into_iter().chain(slow));
    for at in 0..200 {
        let at = Duration::from_millis(at * 100);
        world.start_with(at, AuthorizeApp::new(), |call, now| {
            call.timeout(Duration::from_millis(300), now)
        });
    }
    let patient = world.start_at(secs(21), AuthorizeApp::new());
    world.run();
    assert!(
        world.finished_call(patient).result.is_ok(),
        "{:?}",
        world.finished_call(patient).result
    );
    let requests = times(&world, Stage::AppJwt);
    assert!(requests.len() <= 22, "at most one a second: {requests:?}");
}

#[test]
fn messages_with_short_deadlines_open_no_circuit() {
    let mut world = World::new();
    let conversation = open_conversation(&mut world);
    world.network_faults.extend([NetworkFault::SlowResponse(secs(3)); 20]);
    for _ in 0..20 {
        let at = world.now();
        let text = SendText::new(&ConversationRef::new(ada(), conversation.clone()), "one");
        let impatient = world.start_with(at, text, |call, now| call.timeout(secs(1), now));
        world.run();
        let error = world.finished_call(impatient).result.as_ref().unwrap_err();
        assert_ne!(error.kind(), ErrorKind::CircuitOpen);
    }
    let patient = world.start(SendText::new(&ConversationRef::new(ada(), conversation), "two"));
    world.run();
    assert!(world.finished_call(patient).result.is_ok());
}

#[test]
fn retry_after_of_an_early_renewal_outlasts_the_token() {
    let mut world = World::new();
    world.start(AuthorizeApp::new());
    world.run();
    world.cloud.fault("token:1=429,retry-after:60".parse().unwrap());
    world.start_at(secs(3598), AuthorizeApp::new());
    for at in 3599..3700 {
        world.start_at(secs(at), AuthorizeApp::new());
    }
    world.run();
    let requests = times(&world, Stage::AppJwt);
    assert!(requests[2] - requests[1] >= 60.0, "{requests:?}");
}

#[test]
fn without_retries_a_failed_renewal_delays_nobody() {
    let mut world = World::new().with_config(|config| config.retry(RetryPolicy::none()));
    world.start(AuthorizeApp::new());
    world.run();
    world.cloud.fault("token:1=500".parse().unwrap());
    world.start_at(secs(3590), AuthorizeApp::new());
    let after = world.start_at(secs(3605), AuthorizeApp::new());
    world.run();
    assert!(world.finished_call(after).result.is_ok(), "{:?}", world.finished_call(after).result);
    assert!(world.finished_call(after).finished_at < secs(3606));
}

#[test]
fn retry_after_may_exceed_the_circuits_longest_pause() {
    let mut world = World::new()
        .with_config(|config| config.circuit(CircuitPolicy::documented().cap(secs(1))))
        .with_fault("token:1=429,retry-after:20");
    world.start(AuthorizeApp::new());
    world.run();
    let requests = times(&world, Stage::AppJwt);
    assert!(requests[1] - requests[0] >= 20.0, "{requests:?}");
}

#[test]
fn memory_is_bounded_while_the_idp_fails() {
    let mut world = World::new().with_config(|config| {
        config.consumer_cache(10).circuit(CircuitPolicy::never()).retry(RetryPolicy::documented())
    });
    world.cloud.fault("consumer=503".parse().unwrap());
    for n in 0..300u32 {
        let consumer = ExtConsumerId::new(format!("c{n}")).unwrap();
        let at = world.now();
        world.start_with(at, IdentifyConsumer::new(consumer), |call, now| {
            call.timeout(secs(1), now)
        });
        world.run();
    }
    assert!(world.consumers() <= 12, "{} cached", world.consumers());
}

#[test]
fn an_open_circuit_causes_no_token_request() {
    let mut world = World::new();
    let conversation = open_conversation(&mut world);
    world.cloud.fault("send=503".parse().unwrap());
    for _ in 0..5 {
        world.start(SendText::new(&ConversationRef::new(ada(), conversation.clone()), "one"));
        world.run();
    }
    world.cloud.revoke_app_tokens();
    let token_requests = world.cloud.requests(Endpoint::Token);
    let end = world.now() + secs(1);
    let caller = world
        .start_at(end, SendText::new(&ConversationRef::new(ada(), conversation.clone()), "two"));
    let hours = world.now() + secs(5);
    world.run_until(hours);
    let error = world.finished_call(caller).result.as_ref().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::CircuitOpen);
    assert!(error.retry_after().is_some());
    assert_eq!(world.cloud.requests(Endpoint::Token), token_requests);
    // The same with an expired token.
    let mut world = World::new().with_token_life(40);
    let conversation = open_conversation(&mut world);
    world.cloud.fault("send=503".parse().unwrap());
    for _ in 0..5 {
        world.start(SendText::new(&ConversationRef::new(ada(), conversation.clone()), "one"));
    }
    world.run();
    let token_requests = world.cloud.requests(Endpoint::Token);
    let later = world.now() + secs(60);
    let caller =
        world.start_at(later, SendText::new(&ConversationRef::new(ada(), conversation), "two"));
    world.run();
    assert_eq!(
        world.finished_call(caller).result.as_ref().unwrap_err().kind(),
        ErrorKind::CircuitOpen
    );
    assert_eq!(world.finished_call(caller).finished_at, later, "the call fails at once");
    assert_eq!(world.cloud.requests(Endpoint::Token), token_requests);
}

#[test]
fn an_error_has_the_retry_after_of_the_service() {
    let mut world = World::new().with_config(|config| config.retry(RetryPolicy::none()));
    let conversation = open_conversation(&mut world);
    world.cloud.fault("send=429,retry-after:7".parse().unwrap());
    let caller = world.start(SendText::new(&ConversationRef::new(ada(), conversation), "one"));
    world.run();
    let error = world.finished_call(caller).result.as_ref().unwrap_err();
    assert_eq!((error.kind(), error.retry_after()), (ErrorKind::RateLimited, Some(secs(7))));
    let mut world = World::new().with_fault("token=429,retry-after:500");
    let caller = world.start(AuthorizeApp::new());
    world.run();
    let error = world.finished_call(caller).result.as_ref().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::DeadlineExceeded);
    assert!(error.retry_after().is_some_and(|pause| pause >= secs(499)), "{error:?}");
}

#[test]
fn a_rate_limit_spreads_a_burst_fairly_over_consumers() {
    use lp_connector_core::api::{OpenConversation, Service};
    use lp_connector_core::id::ConversationId;
    use lp_connector_core::policy::RatePolicy;
    let policy = RatePolicy::new(2, Duration::from_millis(500));
    let mut world = World::new().with_config(|config| config.rate(Service::MESSAGING, policy));
    let conversation = open_conversation(&mut world);
    let bob = ExtConsumerId::new("bob").unwrap();
    world.start(OpenConversation::new(bob.clone()));
    world.run();
    let bobs = world.cloud.conversations().find(|one| one.consumer == "bob").unwrap();
    let bobs = ConversationId::new(&bobs.id).unwrap();
    let began = world.now() + secs(10);
    for _ in 0..20 {
        world.start_at(
            began,
            SendText::new(&ConversationRef::new(ada(), conversation.clone()), "one"),
        );
    }
    let other = world.start_at(
        began + Duration::from_millis(1),
        SendText::new(&ConversationRef::new(bob, bobs), "two"),
    );
    world.run();
    assert!(world.finished_calls().all(|ended| ended.result.is_ok()));
    let sent: Vec<_> = world
        .sent_for(Stage::Operation)
        .filter(|sent| sent.at >= began)
        .map(|sent| sent.at)
        .collect();
    assert_eq!(sent.len(), 21);
    for three in sent.windows(3) {
        assert!(three[2] - three[0] >= Duration::from_millis(500), "{sent:?}");
    }
    assert!(
        world.finished_call(other).finished_at <= began + secs(2),
        "it does not wait for the other consumer's twenty"
    );
    // A call whose turn comes after its deadline fails at once.
    let late = world.start_with(
        world.now(),
        SendText::new(&ConversationRef::new(ada(), conversation.clone()), "x"),
        |call, _| call,
    );
    let impatient: Vec<_> = (0..10)
        .map(|_| {
            let text = SendText::new(&ConversationRef::new(ada(), conversation.clone()), "x");
            world.start_with(world.now(), text, |call, now| call.timeout(secs(1), now))
        })
        .collect();
    world.run();
    assert!(world.finished_call(late).result.is_ok());
    let refused = impatient.iter().filter_map(|n| world.finished_call(*n).result.as_ref().err());
    let kinds: Vec<_> =
        refused.map(|error| (error.kind(), error.retry_after().is_some())).collect();
    assert!(kinds.contains(&(ErrorKind::DeadlineExceeded, true)), "{kinds:?}");
}

#[test]
fn an_unreachable_host_is_unused_during_its_lookup() {
    let mut world = World::new();
    let conversation = open_conversation(&mut world);
    world.cloud.move_service("asyncMessagingEnt", "elsewhere.liveperson.net");
    let began = world.now() + secs(10);
    world.network_faults.push_back(NetworkFault::Refused);
    world.start_with(
        began,
        SendText::new(&ConversationRef::new(ada(), conversation.clone()), "one"),
        |call, _| call.retry(RetryPolicy::none()),
    );
    world.run_until(began + secs(5));
    for _ in 0..3 {
        world.start(SendText::new(&ConversationRef::new(ada(), conversation.clone()), "two"));
    }
    let from = world.sent.len();
    world.run();
    let sent = world.sent[from..].iter();
    let hosts: Vec<_> = sent.filter(|sent| sent.stage == Stage::Operation).collect();
    assert!(hosts.iter().all(|sent| sent.host == "elsewhere.liveperson.net"), "{hosts:?}");
    assert_eq!(hosts.len(), 3);
}

#[test]
fn retry_after_of_the_last_attempt_binds_the_next_call() {
    let mut world = World::new().with_fault("token=429,retry-after:300");
    world.start_with(secs(0), AuthorizeApp::new(), |call, now| call.timeout(secs(3600), now));
    world.run();
    let failed = world.now();
    world.cloud.clear_faults();
    world.start_at(failed + secs(130), AuthorizeApp::new());
    let patient = world.start_at(failed + secs(200), AuthorizeApp::new());
    world.run();
    assert!(world.finished_call(patient).result.is_ok());
    let requests = times(&world, Stage::AppJwt);
    let last_two = &requests[requests.len() - 2..];
    assert!(last_two[1] - last_two[0] >= 300.0, "{requests:?}");
}

#[test]
fn a_cancelled_token_probe_passes_to_the_next_call() {
    let mut world = World::new().with_fault("token:1-4=500");
    world.start(AuthorizeApp::new());
    world.run();
    let open_until = world.now() + secs(121);
    let prober = world.start_at(open_until, AuthorizeApp::new());
    world.cancel_at(prober, open_until + Duration::from_millis(10), true);
    let next = world.start_at(open_until + Duration::from_millis(20), AuthorizeApp::new());
    world.run();
    assert!(world.finished_call(prober).result.is_err(), "it is cancelled during the probe");
    assert!(world.finished_call(next).result.is_ok(), "{:?}", world.finished_call(next).result);
}

#[test]
fn a_cancelled_message_probe_passes_to_the_next_call() {
    let mut world = World::new();
    let conversation = open_conversation(&mut world);
    world.cloud.fault("send:1-20=500".parse().unwrap());
    for _ in 0..5 {
        world.start(SendText::new(&ConversationRef::new(ada(), conversation.clone()), "one"));
        world.run();
    }
    let open_until = world.now() + secs(121);
    let prober = world.start_at(
        open_until,
        SendText::new(&ConversationRef::new(ada(), conversation.clone()), "two"),
    );
    world.cancel_at(prober, open_until + Duration::from_millis(50), true);
    let then = open_until + Duration::from_millis(60);
    let next =
        world.start_at(then, SendText::new(&ConversationRef::new(ada(), conversation), "three"));
    world.run();
    let error = world.finished_call(prober).result.as_ref().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Abandoned);
    assert!(world.finished_call(next).result.is_ok(), "{:?}", world.finished_call(next).result);
}

#[test]
fn a_cancelled_call_gives_up_its_place_in_the_rate_queue() {
    use lp_connector_core::api::Service;
    use lp_connector_core::policy::RatePolicy;
    let policy = RatePolicy::new(1, secs(10));
    let mut world = World::new().with_config(|config| config.rate(Service::MESSAGING, policy));
    let conversation = open_conversation(&mut world);
    let began = world.now() + secs(60);
    let text = |text: &str| SendText::new(&ConversationRef::new(ada(), conversation.clone()), text);
    world.start_at(began, text("at once"));
    let cancelled: Vec<_> =
        (0..5).map(|_| world.start_at(began + secs(1), text("never"))).collect();
    for caller in cancelled {
        world.cancel_at(caller, began + secs(2), true);
    }
    let next = world.start_at(began + secs(3), text("ten seconds after the first"));
    world.run();
    let took = world.finished_call(next).finished_at - began;
    assert!((secs(10)..secs(12)).contains(&took), "{took:?}");
}

#[test]
fn retry_after_of_the_idp_binds_every_consumer() {
    for status in [429, 503] {
        let mut world = World::new().with_fault(&format!("consumer:1={status},retry-after:30"));
        let first = world.start(IdentifyConsumer::new(ada()));
        let bob = IdentifyConsumer::new(ExtConsumerId::new("bob").unwrap());
        let second = world.start_at(secs(2), bob);
        world.run();
        assert!(
            world.finished_call(first).result.is_ok() && world.finished_call(second).result.is_ok()
        );
        let requests = times(&world, Stage::ConsumerJws);
        assert_eq!(requests.len(), 3);
        assert!(requests[1] >= 30.0 && requests[2] >= 30.0, "{requests:?}");
    }
}
