//! Promises about tokens and hosts: one request for all, renewed in time, never used past their life.

use std::time::Duration;

use lp_connector_core::api::ChatState;
use lp_connector_core::api::{AuthorizeApp, IdentifyConsumer, SendText, SetChatState};
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

fn all_well(world: &World) -> bool {
    world.finished_calls().all(|ended| ended.result.is_ok())
}

#[test]
fn a_thousand_calls_on_a_cold_start_cause_one_request_of_each_kind() {
    let mut world = World::new();
    for _ in 0..1000 {
        world.start(IdentifyConsumer::new(ada()));
    }
    world.run();
    assert!(all_well(&world));
    for (endpoint, requests) in
        [(Endpoint::Domain, 2), (Endpoint::Token, 1), (Endpoint::Consumer, 1)]
    {
        assert_eq!(world.cloud.requests(endpoint), requests, "{endpoint}");
    }
}

#[test]
fn a_token_that_arrives_takes_few_polls_of_those_who_waited() {
    let mut world = World::new();
    for _ in 0..1000 {
        world.start(AuthorizeApp::new());
    }
    world.run();
    // Woken once for the host and once for the token, and polled once to begin and once to end.
    assert!(world.callers().iter().skip(1).all(|caller| caller.polls() <= 4));
}

#[test]
fn a_token_is_renewed_five_minutes_before_its_end_while_others_use_the_old_one() {
    let mut world = World::new();
    world.start(AuthorizeApp::new());
    world.start_at(secs(3290), AuthorizeApp::new());
    world.start_at(secs(3310), AuthorizeApp::new());
    world.start_at(secs(3310), AuthorizeApp::new());
    world.run();
    let requests = token_requests(&world);
    assert_eq!(requests.len(), 2);
    assert!(requests[1] >= secs(3300) && requests[1] <= secs(3311));
    // The second of the two did not wait for the first's renewal.
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
fn whatever_life_a_token_has_no_more_than_six_are_asked_for_in_a_minute() {
    for life in [0, 1, 2, 29, 30, 31, 60, 299, 300, 301, 3600] {
        let mut world = World::new().with_cloud(|cloud| cloud.token_life(secs(life)));
        for at in 0..600 {
            world.start_at(Duration::from_millis(at * 500), AuthorizeApp::new());
        }
        world.run();
        for seven in token_requests(&world).windows(7) {
            assert!(seven[6] - seven[0] >= secs(60), "life {life}: {seven:?}");
        }
        assert_eq!(all_well(&world), life > 0, "life {life}");
    }
}

#[test]
fn a_token_that_is_dead_on_arrival_is_an_error_that_says_so() {
    let mut world = World::new().with_cloud(|cloud| cloud.token_life(secs(0)));
    let caller = world.start(AuthorizeApp::new());
    world.run();
    let error = world.finished_call(caller).result.as_ref().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::BadAnswer);
    assert!(error.to_string().contains("had ended when it came"), "{error}");
}

#[test]
fn a_failed_early_renewal_fails_no_call_until_the_real_end() {
    let mut world = World::new();
    world.start(AuthorizeApp::new());
    world.run();
    world.cloud.fault("token=500".parse().unwrap());
    for at in (3200..3590).step_by(2) {
        world.start_at(secs(at), AuthorizeApp::new());
    }
    world.run();
    assert!(all_well(&world));
    // 5, 10 and 15 s apart, then 2 min and longer.
    let tries = token_requests(&world).len() - 1;
    assert!((3..=6).contains(&tries), "{tries} tries in 5 minutes");
}

#[test]
fn after_the_real_end_the_failure_shows() {
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
fn a_wall_clock_that_is_hours_wrong_changes_nothing() {
    let schedule = |wall_clock_offset| {
        let mut world = World::new();
        world.wall_clock_offset = wall_clock_offset;
        for at in (0..20_000).step_by(60) {
            world.start_at(secs(at), AuthorizeApp::new());
        }
        world.run();
        assert!(all_well(&world));
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
    world.start(SendText::new(ada(), conversation.clone(), "one"));
    world.start(SendText::new(ada(), conversation, "two"));
    world.run();
    assert!(all_well(&world));
    assert_eq!(world.cloud.requests(Endpoint::Token), 2);
    assert_eq!((world.stored_count("one"), world.stored_count("two")), (1, 1));
}

#[test]
fn a_token_refused_for_ever_is_renewed_once_and_the_call_ends() {
    let mut world = World::new();
    let conversation = open_conversation(&mut world);
    world.cloud.fault("send=revoke-app".parse().unwrap());
    let caller = world.start(SendText::new(ada(), conversation, "one"));
    world.run();
    let error = world.finished_call(caller).result.as_ref().unwrap_err();
    assert_eq!((error.kind(), error.error_code()), (ErrorKind::Unauthorized, Some(40102)));
    assert_eq!(world.cloud.requests(Endpoint::Send), 2);
    assert_eq!(world.cloud.requests(Endpoint::Token), 2);
}

#[test]
fn a_consumer_token_refused_for_ever_is_renewed_once_and_the_call_ends() {
    let mut world = World::new();
    let conversation = open_conversation(&mut world);
    world.cloud.fault("send=revoke-consumer".parse().unwrap());
    let caller = world.start(SendText::new(ada(), conversation, "one"));
    world.run();
    let error = world.finished_call(caller).result.as_ref().unwrap_err();
    assert_eq!((error.kind(), error.error_code()), (ErrorKind::Unauthorized, Some(40103)));
    assert_eq!(world.cloud.requests(Endpoint::Send), 2);
    assert_eq!(world.cloud.requests(Endpoint::Consumer), 2);
    assert_eq!(world.cloud.requests(Endpoint::Token), 1);
}

#[test]
fn a_401_without_a_code_renews_once_and_leaves_others_their_token() {
    let mut world = World::new();
    let conversation = open_conversation(&mut world);
    let stranger = ExtConsumerId::new("somebody-else").unwrap();
    let state = SetChatState::new(stranger, conversation.clone(), ChatState::Active);
    let caller = world.start(state);
    world.run_until(world.now() + Duration::from_millis(330));
    let other = world.start(SendText::new(ada(), conversation, "one"));
    let began = world.now();
    world.run();
    let error = world.finished_call(caller).result.as_ref().unwrap_err();
    assert_eq!((error.kind(), error.status()), (ErrorKind::Unauthorized, Some(401)));
    assert_eq!(world.cloud.requests(Endpoint::Token), 2);
    assert!(world.finished_call(other).result.is_ok());
    assert_eq!(
        world.finished_call(other).finished_at,
        began + Duration::from_millis(80),
        "it waited for nothing"
    );
}

#[test]
fn a_refused_app_token_at_the_idp_is_renewed_once_for_all_who_wait() {
    let mut world = World::new();
    world.start(AuthorizeApp::new());
    world.run();
    world.cloud.revoke_app_tokens();
    for _ in 0..20 {
        world.start(IdentifyConsumer::new(ada()));
    }
    world.run();
    assert!(all_well(&world));
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
fn a_wrong_secret_costs_one_request_however_many_wait() {
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
fn the_holder_of_the_lease_who_says_goodbye_strands_nobody() {
    let mut world = World::new();
    let holder = world.start(AuthorizeApp::new());
    let other = world.start(AuthorizeApp::new());
    world.cancel_at(holder, Duration::from_millis(100), true);
    world.run();
    assert!(world.finished_call(other).result.is_ok());
    assert!(world.finished_call(other).finished_at < secs(1));
}

#[test]
fn the_holder_of_the_lease_who_vanishes_strands_nobody_past_the_lease() {
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
fn hosts_are_kept_for_an_hour_and_an_old_one_is_better_than_none() {
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
fn a_refused_connection_has_the_host_looked_up_again() {
    let mut world = World::new().with_network_faults([NetworkFault::None, NetworkFault::Refused]);
    let caller = world.start(AuthorizeApp::new());
    world.run();
    assert!(world.finished_call(caller).result.is_ok());
    assert_eq!(world.cloud.requests(Endpoint::Domain), 2);
}

#[test]
fn a_host_is_not_looked_up_more_than_once_a_second_while_it_cannot_be_reached() {
    let weather = [NetworkFault::None].into_iter().chain([NetworkFault::Refused; 1000]);
    let mut world = World::new().with_network_faults(weather);
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
fn consumers_beyond_the_cache_are_asked_for_again_and_memory_is_bounded() {
    let mut world = World::new().with_config(|config| config.consumer_cache(10));
    let consumer = |n: u32| ExtConsumerId::new(format!("c{n}")).unwrap();
    for n in 0..30 {
        world.start(IdentifyConsumer::new(consumer(n % 15)));
        world.run();
    }
    assert!(all_well(&world));
    assert_eq!(world.cloud.requests(Endpoint::Consumer), 30);
    world.start(IdentifyConsumer::new(consumer(14)));
    world.run();
    assert_eq!(world.cloud.requests(Endpoint::Consumer), 30, "the last one used is kept");
}

#[test]
fn all_services_are_looked_up_in_one_request_where_that_was_chosen() {
    use lp_connector_core::connector::DomainLookup;
    for swapped in [false, true] {
        let mut world = World::new()
            .with_cloud(|cloud| cloud.swapped_domain_shapes(swapped))
            .with_config(|config| config.domain_lookup(DomainLookup::AllServices));
        let _ = open_conversation(&mut world);
        assert_eq!(world.cloud.requests(Endpoint::Domain), 1);
    }
}
