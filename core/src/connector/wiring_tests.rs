//! What is decided in one place takes effect in calls: each unit through a call, not alone.

use super::call_harness::{CallHarness, message};
use super::*;
use crate::api::{AuthorizeApp, ConversationRef, FindEngagement, ResolveDomain, SendText, Service};
use crate::error::{ErrorKind, Stage};
use crate::id::{ConversationId, ExtConsumerId};
use crate::policy::{CircuitPolicy, RatePolicy, RetryPolicy};
use crate::seed::Seed;
use crate::time::{Mono, Now};
use bytes::Bytes;
use std::time::{Duration, SystemTime};

const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn at(seconds: u64) -> Mono {
    Mono::from_origin(secs(seconds))
}

fn now(seconds: u64) -> Now {
    Now::new(at(seconds), SystemTime::UNIX_EPOCH + secs(seconds))
}

/// A message of this consumer.
fn from(consumer: &str) -> SendText {
    let consumer = ExtConsumerId::new(consumer).unwrap();
    SendText::new(&ConversationRef::new(consumer, ConversationId::new("c").unwrap()), "hello")
}

fn begin(state: &ConnectorState, consumer: &str, seconds: u64) -> Call<SendText> {
    Call::new(from(consumer), state.config(), Seed::from_bytes([3; 16]), now(seconds))
}

fn sent(step: Step<crate::api::Published>) -> Attempt {
    match step {
        Step::Send(attempt) => attempt,
        other => panic!("{other:?}"),
    }
}

fn until(step: Step<crate::api::Published>) -> Duration {
    match step {
        Step::Wait(until) => until.since(Mono::ZERO),
        other => panic!("{other:?}"),
    }
}

fn status(status: u16, retry_after: Option<u64>, body: &str) -> Outcome {
    let mut response = http::Response::builder().status(status);
    if let Some(seconds) = retry_after {
        response = response.header("retry-after", seconds);
    }
    Outcome::Response(response.body(Bytes::copy_from_slice(body.as_bytes())).unwrap())
}

#[test]
fn a_message_makes_its_consumers_token_the_last_to_go() {
    let small = |config: Config| config.consumer_cache(2);
    let mut harness = CallHarness::with(from("ada"), small);
    harness.finish("{}");
    let fetched = [Stage::ConsumerJws, Stage::Operation];
    let cached = [Stage::Operation];
    for (second, consumer, stages) in [
        (1, "bob", &fetched[..]),
        (2, "ada", &cached),
        (3, "cyd", &fetched), // in the place of bob, not of ada
        (4, "ada", &cached),
        (5, "bob", &fetched),
        (6, "ada", &cached),
        (7, "cyd", &fetched),
    ] {
        harness = harness.next(from(consumer), secs(second));
        assert_eq!(harness.finish("{}"), stages, "{second}: {consumer}");
        assert_eq!(harness.state.consumers(), 2);
    }
}

#[test]
fn a_lost_fetch_holds_its_place_until_its_deadline() {
    for (second, kept) in [(14, 2), (15, 1)] {
        let mut harness = CallHarness::with(from("ada"), |config| config.consumer_cache(1));
        harness.attempt_of(Stage::ConsumerJws);
        let mut harness = harness.next(from("bob"), secs(second));
        harness.attempt_of(Stage::ConsumerJws);
        assert_eq!(harness.state.consumers(), kept, "{second}");
    }
}

#[test]
fn a_list_without_a_host_leaves_the_old_one_in_use() {
    let all = |config: Config| config.domain_lookup(DomainLookup::AllServices).domain_ttl(secs(10));
    let list = |services: &[(Service, &str)]| {
        let hosts = services.iter().map(|(service, host)| {
            format!(r#"{{"service":"{}","baseURI":"{host}"}}"#, service.name())
        });
        format!(r#"{{"baseURIs":[{}]}}"#, hosts.collect::<Vec<_>>().join(","))
    };
    let whole = [
        (Service::MESSAGING, "old.liveperson.net"),
        (Service::SENTINEL, "sentinel.liveperson.net"),
        (Service::IDP, "idp.liveperson.net"),
    ];
    for (messaging, expected) in [
        (None, "old.liveperson.net"),
        (Some("evil.example"), "old.liveperson.net"),
        (Some("new.liveperson.net"), "new.liveperson.net"),
    ] {
        let mut harness = CallHarness::with(message(), all);
        let attempt = harness.attempt();
        harness.answer(&attempt, 200, &list(&whole));
        harness.finish("{}");
        let mut harness = harness.next(message(), secs(20));
        let attempt = harness.attempt();
        assert_eq!(attempt.stage(), Stage::Domain);
        let messaging = messaging.map(|host| (Service::MESSAGING, host));
        let newer: Vec<_> = messaging.into_iter().chain([whole[1].clone()]).collect();
        harness.answer(&attempt, 200, &list(&newer));
        let attempt = harness.attempt();
        assert_eq!(attempt.request().uri().host(), Some(expected));
        // The IDP's host is kept as well.
        let mut harness = harness.next(from("bob"), secs(21));
        let attempt = harness.attempt_of(Stage::ConsumerJws);
        assert_eq!(attempt.request().uri().host(), Some("idp.liveperson.net"));
    }
}

#[test]
fn a_host_is_looked_up_again_at_the_age_of_a_second() {
    for (millis, looks_up) in [(0, false), (999, false), (1000, true)] {
        let no_retries =
            |config: Config| config.retry(RetryPolicy::none()).circuit(CircuitPolicy::never());
        let mut harness = CallHarness::with(message(), no_retries);
        let attempt = harness.attempt_of(Stage::Operation);
        harness.handle(&attempt, Outcome::Failed(Failure::never_sent(FailureKind::Connect)));
        harness.finish("{}");
        let mut harness = harness.next(message(), Duration::from_millis(millis));
        assert_eq!(harness.attempt().stage() == Stage::Domain, looks_up, "{millis}");
    }
}

#[test]
fn a_host_without_a_connection_is_not_used_while_another_is_looked_up() {
    for (answer, expected) in [
        (
            status(200, None, r#"{"service":"asyncMessagingEnt","baseURI":"new.liveperson.net"}"#),
            "new",
        ),
        (status(503, None, ""), "asyncmessagingent"),
    ] {
        let no_retries =
            |config: Config| config.retry(RetryPolicy::none()).circuit(CircuitPolicy::never());
        let mut harness = CallHarness::with(message(), no_retries);
        let attempt = harness.attempt_of(Stage::Operation);
        harness.now = secs(5);
        harness.handle(&attempt, Outcome::Failed(Failure::never_sent(FailureKind::Connect)));
        let mut harness = harness.next(message(), secs(5));
        let look_up = harness.attempt();
        assert_eq!(look_up.stage(), Stage::Domain);
        let mut other = begin(&harness.state, "ada", 5);
        assert_eq!(until(other.poll(&mut harness.state, now(5))), secs(20));
        harness.handle(&look_up, answer);
        let sent = sent(other.poll(&mut harness.state, now(5)));
        let host = sent.request().uri().host().unwrap();
        assert_eq!((sent.stage(), host.split('.').next()), (Stage::Operation, Some(expected)));
    }
}

fn limited(config: Config) -> Config {
    config.rate(Service::MESSAGING, RatePolicy::new(1, secs(10)))
}

#[test]
fn an_abandoned_call_gives_up_its_turn() {
    let mut harness = CallHarness::with(from("ada"), limited);
    harness.finish("{}");
    let (mut second, mut third) =
        (begin(&harness.state, "ada", 1), begin(&harness.state, "ada", 1));
    assert_eq!(until(second.poll(&mut harness.state, now(1))), secs(10));
    assert_eq!(until(third.poll(&mut harness.state, now(1))), secs(20));
    let _ = second.abandon(&mut harness.state, now(2));
    assert_eq!(until(third.poll(&mut harness.state, now(2))), secs(10));
}

#[test]
fn a_burst_of_one_consumer_does_not_hold_up_another() {
    let mut harness = CallHarness::with(from("bob"), limited);
    harness.finish("{}");
    let mut harness = harness.next(from("ada"), secs(1000));
    harness.finish("{}");
    let mut burst: Vec<_> = (0..3).map(|_| begin(&harness.state, "ada", 1000)).collect();
    for call in &mut burst {
        until(call.poll(&mut harness.state, now(1000)));
    }
    let mut other = begin(&harness.state, "bob", 1001);
    let turn = until(other.poll(&mut harness.state, now(1001)));
    assert_eq!(turn, secs(1020), "after one of the burst");
}

/// Up to the IDP, each with the same host and AppJWT.
fn two_at_the_idp(
    settings: impl FnOnce(Config) -> Config,
) -> (CallHarness<SendText>, Attempt, Call<SendText>, Attempt) {
    let mut harness = CallHarness::with(from("ada"), |config| {
        settings(config.circuit(CircuitPolicy::never()).call_timeout(secs(10_000)))
    });
    let first = harness.attempt_of(Stage::ConsumerJws);
    let mut other = begin(&harness.state, "bob", 0);
    let second = sent(other.poll(&mut harness.state, now(0)));
    assert_eq!(second.stage(), Stage::ConsumerJws);
    (harness, first, other, second)
}

#[test]
fn a_pause_of_the_idp_is_for_all_consumers() {
    for asked in [[100, 10], [10, 100], [100, 100]] {
        let (mut harness, first, mut other, second) = two_at_the_idp(|config| config);
        harness.handle(&first, status(429, Some(asked[0]), "{}"));
        let _ = other.handle(
            &mut harness.state,
            now(0),
            second.number(),
            status(429, Some(asked[1]), "{}"),
        );
        let mut third = begin(&harness.state, "cyd", 1);
        let pause = until(third.poll(&mut harness.state, now(1)));
        assert_eq!(pause, secs(100), "{asked:?}");
        assert!(matches!(third.poll(&mut harness.state, now(99)), Step::Wait(_)));
        assert_eq!(sent(third.poll(&mut harness.state, now(100))).stage(), Stage::ConsumerJws);
    }
}

#[test]
fn an_absurd_retry_after_ends_after_half_an_hour() {
    let (mut harness, first, mut other, second) = two_at_the_idp(|config| config);
    harness.handle(&first, status(429, Some(1_000_000_000), "{}"));
    let _ = other.handle(&mut harness.state, now(0), second.number(), status(503, Some(7), "{}"));
    let mut third = begin(&harness.state, "cyd", 1);
    assert_eq!(until(third.poll(&mut harness.state, now(1))), secs(32 * 60));
}

#[test]
fn an_error_for_all_waiters_keeps_little_of_the_body() {
    let no_retries = |config: Config| config.retry(RetryPolicy::none());
    let mut harness = CallHarness::with(message(), no_retries);
    let attempt = harness.attempt();
    harness.answer(&attempt, 404, &"x".repeat(5000));
    let error = harness.error();
    assert_eq!(error.response_body().map(<[u8]>::len), Some(1024));
}

#[test]
fn a_token_is_refreshed_at_the_margin_of_the_setting() {
    // It lives for 3599 s; the margin is never more than a tenth of that.
    for (margin, second) in [(60, 3539), (5, 3594), (0, 3599)] {
        for (at, refreshes) in [(second - 1, false), (second, true)] {
            let settings = |config: Config| config.refresh_margin(secs(margin));
            let mut harness = CallHarness::with(AuthorizeApp::new(), settings);
            harness.finish("");
            let mut harness = harness.next(AuthorizeApp::new(), secs(at));
            assert_eq!(harness.finish("").contains(&Stage::AppJwt), refreshes, "{margin}, {at}");
        }
    }
}

#[test]
fn a_tokens_life_counts_from_its_request() {
    for is_shared in [false, true] {
        let mut harness = CallHarness::new(AuthorizeApp::new());
        let attempt = harness.attempt_of(Stage::AppJwt);
        harness.now = secs(10);
        if is_shared {
            let token = crate::secret::Secret::new("x".to_owned());
            harness.handle(&attempt, Outcome::Shared(SharedToken::new(token, secs(100)).unwrap()));
        } else {
            // As much as is usable of 101 s.
            harness.answer(&attempt, 200, r#"{"access_token":"x","expires_in":101}"#);
        }
        harness.finish("");
        let authorized = harness.into_result().unwrap().output;
        assert_eq!(authorized.remaining, secs(90), "{is_shared}");
    }
}

#[test]
fn a_call_ends_at_its_deadline_and_not_after_it() {
    let mut harness = CallHarness::with(from("ada"), |config| config);
    harness.attempt_of(Stage::ConsumerJws);
    let mut waiter = begin(&harness.state, "ada", 0).timeout(secs(5), now(0));
    assert_eq!(until(waiter.poll(&mut harness.state, now(0))), secs(5));
    let Step::Done(Err(error)) = waiter.poll(&mut harness.state, now(5)) else {
        panic!("its time is up")
    };
    assert_eq!(error.kind(), ErrorKind::DeadlineExceeded);
}

#[test]
fn a_calls_own_policy_stands_above_the_operations_hints() {
    let find = || FindEngagement::new(crate::id::ClientId::new("app").unwrap());
    let exact = RetryPolicy::documented().pauses([secs(7)]).jitter_percent(0);
    // Without one, the hints stand above the configured one.
    for (own, pause) in [(false, 3), (true, 7)] {
        let mut harness = CallHarness::with(find(), |config| config.retry(exact.clone()));
        if own {
            let call = Call::new(find(), harness.state.config(), Seed::from_bytes([1; 16]), now(0));
            harness.call = call.retry(exact.clone());
        }
        let attempt = harness.attempt_of(Stage::Operation);
        harness.answer(&attempt, 503, "");
        let events = harness.events();
        let paused = events.iter().find_map(|event| match event {
            EventKind::Retry { pause, .. } => Some(*pause),
            _ => None,
        });
        assert_eq!(paused, Some(secs(pause)), "{events:?}");
    }
}

/// The first was sent with the token of before; its refusal comes when the other has a new one.
#[test]
fn an_older_refusal_leaves_a_consumers_newer_token() {
    const NO: &str = r#"{"body":{"errorCode":40103}}"#;
    let mut harness = CallHarness::new(from("ada"));
    let first = harness.attempt_of(Stage::Operation);
    let mut other = begin(&harness.state, "ada", 0);
    let second = sent(other.poll(&mut harness.state, now(0)));
    harness.answer(&first, 401, NO);
    let again = harness.attempt();
    assert_eq!(again.stage(), Stage::ConsumerJws);
    harness.answer(&again, 200, r#"{"token":"newer"}"#);
    let _ = other.handle(&mut harness.state, now(0), second.number(), status(401, None, NO));
    let repeated = sent(other.poll(&mut harness.state, now(0)));
    assert_eq!(repeated.stage(), Stage::Operation, "the newer token stays");
    assert_eq!(repeated.request().headers()["x-lp-on-behalf"], "newer");
}

#[test]
fn an_older_refusal_says_nothing_of_a_newer_app_token() {
    const NO: &str = r#"{"body":{"errorCode":40102}}"#;
    let mut harness = CallHarness::new(from("ada"));
    let first = harness.attempt_of(Stage::Operation);
    let mut other = begin(&harness.state, "ada", 0);
    let second = sent(other.poll(&mut harness.state, now(0)));
    harness.answer(&first, 401, NO);
    let again = harness.attempt();
    assert!(again.token().is_some_and(TokenRequest::replaces_rejected));
    harness.answer_normally(&again, "");
    let _ = other.handle(&mut harness.state, now(0), second.number(), status(401, None, NO));
    assert_eq!(sent(other.poll(&mut harness.state, now(0))).stage(), Stage::Operation);
    // An hour later it is replaced because it is old.
    let mut harness = harness.next(from("ada"), secs(4000));
    let refreshed = harness.attempt_of(Stage::AppJwt);
    assert!(refreshed.token().is_some_and(|token| !token.replaces_rejected()));
}

#[test]
fn a_refused_consumer_token_is_told_to_be_of_no_use() {
    let mut harness = CallHarness::new(from("ada"));
    let first = harness.attempt_of(Stage::ConsumerJws);
    assert!(first.token().is_some_and(|token| !token.replaces_rejected()));
    harness.answer_normally(&first, "");
    let sent = harness.attempt();
    harness.answer(&sent, 401, r#"{"body":{"errorCode":40103}}"#);
    let again = harness.attempt();
    assert_eq!(again.stage(), Stage::ConsumerJws);
    assert!(again.token().is_some_and(TokenRequest::replaces_rejected));
}

#[test]
fn a_look_up_of_a_host_wakes_those_who_wait_for_it() {
    let mut harness = CallHarness::new(ResolveDomain::new(Service::MESSAGING));
    let attempt = harness.attempt();
    let mut waiter = begin(&harness.state, "ada", 0);
    assert_eq!(until(waiter.poll(&mut harness.state, now(0))), secs(15));
    let (call, state) = (&mut harness.call, &mut harness.state);
    assert_eq!(call.abandon(state, now(1)), Wake::Waiters);
    assert_eq!(sent(waiter.poll(state, now(1))).stage(), attempt.stage());
}

fn pause_of(events: &[EventKind]) -> Duration {
    let pause = events.iter().find_map(|event| match event {
        EventKind::Retry { pause, .. } | EventKind::RefreshDeferred { pause, .. } => Some(*pause),
        _ => None,
    });
    pause.unwrap_or_else(|| panic!("{events:?}"))
}

/// Up to a tenth, for the call's own requests, for what is fetched for all, and where a refresh is put off.
#[test]
fn calls_that_fail_together_are_spread_over_all_of_the_jitter() {
    let begin_at = |n: u8, begun: u64, policy: &RetryPolicy| {
        let seed = [n; 16];
        let settings =
            |config: Config| config.circuit(CircuitPolicy::never()).retry(policy.clone());
        let mut harness = CallHarness::with(AuthorizeApp::new(), settings);
        harness.state.jitter = Seed::from_bytes(seed).derive(u64::from(n)).jitter();
        if begun > 0 {
            harness.finish("");
            harness = harness.next(AuthorizeApp::new(), secs(begun));
        }
        harness
    };
    let fetch = |n: u8, begun, policy: &RetryPolicy| {
        let mut harness = begin_at(n, begun, policy);
        let attempt = harness.attempt_of(Stage::AppJwt);
        harness.answer(&attempt, 503, "");
        pause_of(&harness.events())
    };
    let own = |n: u8| {
        let mut harness = CallHarness::new(message());
        harness.attempt_of(Stage::Operation);
        let seed = Seed::from_bytes([n; 16]).derive(1);
        let call = Call::new(message(), harness.state.config(), seed, now(0));
        harness.call = call;
        let attempt = harness.attempt_of(Stage::Operation);
        harness.answer(&attempt, 503, "");
        pause_of(&harness.events())
    };
    let (documented, none) = (RetryPolicy::documented(), RetryPolicy::none());
    let all = |pause: &dyn Fn(u8) -> Duration| (0..=255).map(pause).collect::<Vec<_>>();
    for (seconds, pauses) in [
        (5, all(&own)),
        (5, all(&|n| fetch(n, 0, &documented))),
        (5, all(&|n| fetch(n, 3598, &documented))),
        // As long as the first pause of a circuit.
        (120, all(&|n| fetch(n, 3598, &none))),
    ] {
        let (least, most) = (*pauses.iter().min().unwrap(), *pauses.iter().max().unwrap());
        let (exact, bit) = (secs(seconds), secs(seconds) / 500);
        assert!((exact..exact + bit).contains(&least), "{least:?}");
        let longest = exact + exact / 10;
        assert!((longest - bit..=longest).contains(&most), "{most:?}");
    }
}

/// As a call's own pauses at first, then as those of a circuit.
#[test]
fn a_refresh_is_put_off_longer_and_longer() {
    let exact = |config: Config| {
        let retry = RetryPolicy::documented().jitter_percent(0);
        config
            .retry(retry)
            .circuit(CircuitPolicy::never())
            .domain_ttl(secs(1_000_000))
            .refresh_margin(secs(100_000))
    };
    let day = r#"{"access_token":"x","expires_in":86400}"#;
    let mut harness = CallHarness::with(AuthorizeApp::new(), exact);
    let attempt = harness.attempt_of(Stage::AppJwt);
    harness.answer(&attempt, 200, day);
    harness.finish("");
    // It is due from nine tenths on, as the margin is never more.
    let mut second = 77_800;
    for (asked, expected) in [
        (None, 5),
        (None, 10),
        (None, 15),
        (None, 120),
        (Some(100), 240),
        (Some(1_000), 1_000),
        (None, 960),
        (None, 1_920),
        (None, 1_920),
    ] {
        harness = harness.next(AuthorizeApp::new(), secs(second));
        let attempt = harness.attempt_of(Stage::AppJwt);
        harness.handle(&attempt, status(503, asked, "{}"));
        let pause = pause_of(&harness.events());
        assert_eq!(pause, secs(expected), "{asked:?} at {second}");
        // Not before that, and then.
        second += expected;
        harness = harness.next(AuthorizeApp::new(), secs(second - 1));
        assert!(harness.finish("").is_empty(), "{second}");
    }
}

#[test]
fn a_call_refused_by_the_rate_gives_up_its_turn() {
    let mut harness = CallHarness::with(from("ada"), limited);
    harness.finish("{}");
    let mut refused = begin(&harness.state, "ada", 1).timeout(secs(5), now(1));
    let Step::Done(Err(error)) = refused.poll(&mut harness.state, now(1)) else {
        panic!("its turn is too late")
    };
    assert_eq!(error.kind(), ErrorKind::DeadlineExceeded);
    let mut next = begin(&harness.state, "ada", 1);
    assert_eq!(until(next.poll(&mut harness.state, now(1))), secs(10));
}

/// A token that another program has put into the store.
fn shared(life: u64) -> Outcome {
    let token = crate::secret::Secret::new("another".to_owned());
    Outcome::Shared(SharedToken::new(token, secs(life)).unwrap())
}

#[test]
fn a_shared_token_is_refreshed_at_the_margin_too() {
    for (margin, second) in [(5, 95), (60, 90), (0, 100)] {
        for (at, refreshes) in [(second - 1, false), (second, true)] {
            let settings = |config: Config| config.refresh_margin(secs(margin));
            let mut harness = CallHarness::with(AuthorizeApp::new(), settings);
            let attempt = harness.attempt_of(Stage::AppJwt);
            harness.handle(&attempt, shared(100));
            harness.finish("");
            let mut harness = harness.next(AuthorizeApp::new(), secs(at));
            assert_eq!(harness.finish("").contains(&Stage::AppJwt), refreshes, "{margin}, {at}");
        }
    }
}

#[test]
fn a_shared_token_ends_the_refusal_of_the_one_before() {
    let mut harness = CallHarness::new(from("ada"));
    let first = harness.attempt_of(Stage::Operation);
    harness.answer(&first, 401, r#"{"body":{"errorCode":40102}}"#);
    let again = harness.attempt_of(Stage::AppJwt);
    assert!(again.token().is_some_and(TokenRequest::replaces_rejected));
    harness.handle(&again, shared(3600));
    harness.finish("{}");
    let mut harness = harness.next(from("ada"), secs(4000));
    let refreshed = harness.attempt_of(Stage::AppJwt);
    assert!(refreshed.token().is_some_and(|token| !token.replaces_rejected()));
}

#[test]
fn an_event_says_which_token_was_shared() {
    for (stage, name) in [(Stage::AppJwt, "app_jwt"), (Stage::ConsumerJws, "consumer_jws")] {
        let mut harness = CallHarness::new(from("ada"));
        let attempt = harness.attempt_of(stage);
        harness.handle(&attempt, shared(3600));
        let named = harness.events().iter().find_map(|event| match event {
            EventKind::TokenShared { token } => Some(token.name()),
            _ => None,
        });
        assert_eq!(named, Some(name));
    }
}

#[test]
fn an_echo_of_a_token_that_was_replaced_is_not_quoted() {
    for (number, header) in [(40102, "authorization"), (40103, "x-lp-on-behalf")] {
        let mut harness = CallHarness::new(from("ada"));
        let first = harness.attempt_of(Stage::Operation);
        let mut other = begin(&harness.state, "ada", 0);
        let second = sent(other.poll(&mut harness.state, now(0)));
        harness.answer(&first, 401, &format!(r#"{{"body":{{"errorCode":{number}}}}}"#));
        // Another call has rejected the token meanwhile: nobody knows it any more.
        let token = second.request().headers()[header].to_str().unwrap().to_owned();
        let echo = format!(r#"{{"code":"BAD_REQUEST","body":{{"msg":"no token {token}"}}}}"#);
        let outcome = status(400, None, &echo);
        let _ = other.handle(&mut harness.state, now(0), second.number(), outcome);
        let Step::Done(Err(error)) = other.poll(&mut harness.state, now(0)) else { panic!() };
        assert_eq!(error.kind(), ErrorKind::Rejected);
        assert!(error.message().is_none() && !format!("{error:?} {error}").contains(&token));
    }
}
