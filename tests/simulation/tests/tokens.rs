//! Tokens and hosts: one request serves all callers, renewal is early, nothing expired is used.

use std::time::Duration;

use lp_connector_core::api::ChatState;
use lp_connector_core::api::{
    AuthorizeApp, ConversationRef, IdentifyConsumer, SendText, SetChatState,
};
use lp_connector_core::error::{ErrorKind, Stage};
use lp_connector_core::id::ExtConsumerId;
use lp_connector_sandbox::Endpoint;
use lp_connector_simulation::{NetworkFault, World, ada, open_conversation};

const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn token_requests(world: &World) -> Vec<Duration> {
    world.sent_for(Stage::AppJwt).map(|sent| sent.at).collect()
}

fn all_succeeded(world: &World) -> bool {
    world.finished_calls().all(|ended| ended.result.is_ok())
}

#[test]
fn a_thousand_cold_calls_send_one_request_of_each_kind() {
    let mut world = World::new();
    for _ in 0..1000 {
        world.start(IdentifyConsumer::new(ada()));
    }
    world.run();
    assert!(all_succeeded(&world));
    for (endpoint, requests) in
        [(Endpoint::Domain, 2), (Endpoint::Token, 1), (Endpoint::Consumer, 1)]
    {
        assert_eq!(world.cloud.requests(endpoint), requests, "{endpoint}");
    }
}

#[test]
fn waiting_calls_are_polled_at_most_four_times() {
    let mut world = World::new();
    for _ in 0..1000 {
        world.start(AuthorizeApp::new());
    }
    world.run();
    // One poll each for the start, the host, the token and the result.
    assert!(world.callers().iter().skip(1).all(|caller| caller.polls() <= 4));
}

#[test]
fn a_token_is_renewed_early_while_others_use_the_old_one() {
    let mut world = World::new();
    world.start(AuthorizeApp::new());
    world.start_at(secs(3290), AuthorizeApp::new());
    world.start_at(secs(3310), AuthorizeApp::new());
    world.start_at(secs(3310), AuthorizeApp::new());
    world.run();
    let requests = token_requests(&world);
    assert_eq!(requests.len(), 2);
    assert!(requests[1] >= secs(3300) && requests[1] <= secs(3311));
    // The second of the two does not wait for the first's renewal.
    assert_eq!(world.finished_call(3).finished_at, secs(3310));
}

#[test]
fn a_short_lived_token_is_renewed_in_its_last_tenth() {
    let mut world = World::new().with_cloud(|cloud| cloud.token_life(secs(100)));
    for at in 0..100 {
        world.start_at(secs(at), AuthorizeApp::new());
    }
    world.run();
    let requests = token_requests(&world);
    assert_eq!(requests.len(), 2);
    assert!(requests[1] >= secs(88) && requests[1] <= secs(91), "{requests:?}");
}

#[test]
fn at_most_six_tokens_a_minute_for_any_lifetime() {
    for lifetime in [0, 1, 2, 29, 30, 31, 60, 299, 300, 301, 3600] {
        let mut world = World::new().with_cloud(|cloud| cloud.token_life(secs(lifetime)));
        for at in 0..600 {
            world.start_at(Duration::from_millis(at * 500), AuthorizeApp::new());
        }
        world.run();
        for seven in token_requests(&world).windows(7) {
            assert!(seven[6] - seven[0] >= secs(60), "lifetime {lifetime}: {seven:?}");
        }
        assert_eq!(all_succeeded(&world), lifetime > 0, "lifetime {lifetime}");
    }
}

#[test]
fn a_token_that_has_expired_on_arrival_is_an_error() {
    let mut world = World::new().with_cloud(|cloud| cloud.token_life(secs(0)));
    let caller = world.start(AuthorizeApp::new());
    world.run();
    let error = world.finished_call(caller).result.as_ref().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::BadAnswer);
    assert!(error.to_string().contains("had expired when it came"), "{error}");
}

#[test]
fn a_failed_early_renewal_fails_no_call_before_expiry() {
    let mut world = World::new();
    world.start(AuthorizeApp::new());
    world.run();
    world.cloud.fault("token=500".parse().unwrap());
    for at in (3200..3590).step_by(2) {
        world.start_at(secs(at), AuthorizeApp::new());
    }
    world.run();
    assert!(all_succeeded(&world));
    // After 5, 10 and 15 s, then after 2 min.
    let attempts = token_requests(&world).len() - 1;
    assert!((3..=6).contains(&attempts), "{attempts} attempts in 5 minutes");
}

#[test]
fn a_failed_renewal_fails_calls_after_expiry() {
    let mut world = World::new();
    world.start(AuthorizeApp::new());
    world.run();
    world.cloud.fault("token=500".parse().unwrap());
    world.start_at(secs(3590), AuthorizeApp::new());
    world.run();
    let caller = world.start_at(secs(3620), AuthorizeApp::new());
    world.run();
    assert!(world.finished_call(caller).result.is_err());
}

#[test]
fn a_wrong_wall_clock_changes_nothing() {
    let schedule = |wall_clock_offset| {
        let mut world = World::new();
        world.wall_clock_offset = wall_clock_offset;
        for at in (0..20_000).step_by(60) {
            world.start_at(secs(at), AuthorizeApp::new());
        }
        world.run();
        assert!(all_succeeded(&world));
        token_requests(&world)
    };
    let right = schedule(0);
    assert_eq!(right.len(), 7);
    assert_eq!(schedule(7200), right);
    assert_eq!(schedule(-7200), right);
}

#[test]
fn a_revoked_token_costs_two_callers_one_renewal() {
    let mut world = World::new();
    let conversation = open_conversation(&mut world);
    world.cloud.revoke_app_tokens();
    world.start(SendText::new(&ConversationRef::new(ada(), conversation.clone()), "one"));
    world.start(SendText::new(&ConversationRef::new(ada(), conversation), "two"));
    world.run();
    assert!(all_succeeded(&world));
    assert_eq!(world.cloud.requests(Endpoint::Token), 2);
    assert_eq!((world.stored_count("one"), world.stored_count("two")), (1, 1));
}

#[test]
fn a_permanently_refused_app_token_is_renewed_once() {
    let mut world = World::new();
    let conversation = open_conversation(&mut world);
    world.cloud.fault("send=revoke-app".parse().unwrap());
    let caller = world.start(SendText::new(&ConversationRef::new(ada(), conversation), "one"));
    world.run();
    let error = world.finished_call(caller).result.as_ref().unwrap_err();
    assert_eq!((error.kind(), error.error_code()), (ErrorKind::Unauthorized, Some(40102)));
    assert_eq!(world.cloud.requests(Endpoint::Send), 2);
    assert_eq!(world.cloud.requests(Endpoint::Token), 2);
}

#[test]
fn a_permanently_refused_consumer_token_is_renewed_once() {
    let mut world = World::new();
    let conversation = open_conversation(&mut world);
    world.cloud.fault("send=revoke-consumer".parse().unwrap());
    let caller = world.start(SendText::new(&ConversationRef::new(ada(), conversation), "one"));
    world.run();
    let error = world.finished_call(caller).result.as_ref().unwrap_err();
    assert_eq!((error.kind(), error.error_code()), (ErrorKind::Unauthorized, Some(40103)));
    assert_eq!(world.cloud.requests(Endpoint::Send), 2);
    assert_eq!(world.cloud.requests(Endpoint::Consumer), 2);
    assert_eq!(world.cloud.requests(Endpoint::Token), 1);
}

#[test]
fn a_401_without_a_code_renews_once_and_delays_nobody() {
    let mut world = World::new();
    let conversation = open_conversation(&mut world);
    let other_consumer = ExtConsumerId::new("somebody-else").unwrap();
    let state = SetChatState::new(
        &ConversationRef::new(other_consumer, conversation.clone()),
        ChatState::Active,
    );
    let caller = world.start(state);
    world.run_until(world.now() + Duration::from_millis(330));
    let other = world.start(SendText::new(&ConversationRef::new(ada(), conversation), "one"));
    let began = world.now();
    world.run();
    let error = world.finished_call(caller).result.as_ref().unwrap_err();
    assert_eq!((error.kind(), error.status()), (ErrorKind::Unauthorized, Some(401)));
    assert_eq!(world.cloud.requests(Endpoint::Token), 2);
    assert!(world.finished_call(other).result.is_ok());
    assert_eq!(
        world.finished_call(other).finished_at,
        began + Duration::from_millis(80),
        "it does not wait"
    );
}

#[test]
fn an_app_token_refused_by_the_idp_is_renewed_once_for_all() {
    let mut world = World::new();
    world.start(AuthorizeApp::new());
    world.run();
    world.cloud.revoke_app_tokens();
    for _ in 0..20 {
        world.start(IdentifyConsumer::new(ada()));
    }
    world.run();
    assert!(all_succeeded(&world));
    assert_eq!(world.cloud.requests(Endpoint::Token), 2);
    assert_eq!(world.cloud.requests(Endpoint::Consumer), 2);

    let mut world = World::new().with_fault("consumer=revoke-app");
    for _ in 0..20 {
        world.start(IdentifyConsumer::new(ada()));
    }
    world.run();
    assert!(world.finished_calls().all(|ended| ended.result.is_err()));
    assert_eq!(world.cloud.requests(Endpoint::Token), 2);
    assert_eq!(world.cloud.requests(Endpoint::Consumer), 2);
}

#[test]
fn a_wrong_secret_costs_one_request_for_all_callers() {
    let mut world = World::new();
    let id = world.config.client_id().unwrap().as_str().to_owned();
    world.cloud.rotate_secret(&id, "another");
    for _ in 0..100 {
        world.start(AuthorizeApp::new());
    }
    world.run();
    assert_eq!(world.cloud.requests(Endpoint::Token), 1);
    for ended in world.finished_calls() {
        assert_eq!(ended.result.as_ref().unwrap_err().kind(), ErrorKind::Unauthorized);
    }
}

#[test]
fn a_cancelled_lease_holder_frees_the_lease_at_once() {
    let mut world = World::new();
    let holder = world.start(AuthorizeApp::new());
    let other = world.start(AuthorizeApp::new());
    world.cancel_at(holder, Duration::from_millis(100), true);
    world.run();
    assert!(world.finished_call(other).result.is_ok());
    assert!(world.finished_call(other).finished_at < secs(1));
}

#[test]
fn a_vanished_lease_holder_blocks_only_until_the_lease_ends() {
    let mut world = World::new();
    let holder = world.start(AuthorizeApp::new());
    let other = world.start(AuthorizeApp::new());
    world.cancel_at(holder, Duration::from_millis(100), false);
    world.run();
    assert!(world.finished_call(other).result.is_ok());
    assert!(
        world.finished_call(other).finished_at <= secs(16),
        "{:?}",
        world.finished_call(other).finished_at
    );
}

#[test]
fn hosts_are_cached_for_an_hour_and_reused_on_failure() {
    let mut world = World::new();
    world.start(AuthorizeApp::new());
    world.start_at(secs(3599), AuthorizeApp::new());
    world.run();
    assert_eq!(world.cloud.requests(Endpoint::Domain), 1);
    world.cloud.fault("domain=500".parse().unwrap());
    let caller = world.start_at(secs(3700), AuthorizeApp::new());
    world.run();
    assert_eq!(world.cloud.requests(Endpoint::Domain), 2);
    assert!(world.finished_call(caller).result.is_ok());
}

#[test]
fn a_refused_connection_causes_a_new_host_lookup() {
    let mut world = World::new().with_network_faults([NetworkFault::None, NetworkFault::Refused]);
    let caller = world.start(AuthorizeApp::new());
    world.run();
    assert!(world.finished_call(caller).result.is_ok());
    assert_eq!(world.cloud.requests(Endpoint::Domain), 2);
}

#[test]
fn an_unreachable_host_is_looked_up_once_a_second_at_most() {
    let faults = [NetworkFault::None].into_iter().chain([NetworkFault::Refused; 1000]);
    let mut world = World::new().with_network_faults(faults);
    for at in 0..300 {
        world.start_at(Duration::from_millis(at * 10), AuthorizeApp::new());
    }
    world.run();
    let lookups: Vec<_> = world.sent_for(Stage::Domain).map(|sent| sent.at).collect();
    for two in lookups.windows(2) {
        assert!(two[1] - two[0] >= Duration::from_millis(900), "{lookups:?}");
    }
}

#[test]
fn evicted_consumers_are_identified_again() {
    let mut world = World::new().with_config(|config| config.consumer_cache(10));
    let consumer = |n: u32| ExtConsumerId::new(format!("c{n}")).unwrap();
    for n in 0..30 {
        world.start(IdentifyConsumer::new(consumer(n % 15)));
        world.run();
    }
    assert!(all_succeeded(&world));
    assert_eq!(world.cloud.requests(Endpoint::Consumer), 30);
    world.start(IdentifyConsumer::new(consumer(14)));
    world.run();
    assert_eq!(world.cloud.requests(Endpoint::Consumer), 30, "the last one stays cached");
}

#[test]
fn all_services_can_be_looked_up_in_one_request() {
    use lp_connector_core::connector::DomainLookup;
    for swapped in [false, true] {
        let mut world = World::new()
            .with_cloud(|cloud| cloud.swapped_domain_shapes(swapped))
            .with_config(|config| config.domain_lookup(DomainLookup::AllServices));
        let _ = open_conversation(&mut world);
        assert_eq!(world.cloud.requests(Endpoint::Domain), 1);
    }
}
