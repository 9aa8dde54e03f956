//! What a call prepares before its own request, and what it skips.

use std::time::Duration;

use super::*;
use crate::api::{AuthorizeApp, IdentifyConsumer, ResolveDomain, Service};
use crate::connector::call_harness::{CallHarness, message};
use crate::connector::{Config, DomainLookup};
use crate::id::ExtConsumerId;
use crate::policy::{CircuitPolicy, RatePolicy};

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
