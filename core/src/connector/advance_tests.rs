//! What a call sees to before its own request, and what it leaves out.

use std::time::Duration;

use super::*;
use crate::api::{AuthorizeApp, IdentifyConsumer, ResolveDomain};
use crate::connector::driven::{Driven, message};
use crate::connector::{Config, DomainLookup};
use crate::policy::{CircuitPolicy, RatePolicy};

const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn a_token_that_is_held_needs_no_host_of_those_who_give_tokens_out() {
    let mut driven = Driven::with(message(), |config| config.domain_life(secs(10)));
    driven.finish("{}");
    let mut driven = driven.next(message(), secs(20));
    // Its own service's host is due to be looked up again; Sentinel's and the IDP's are as old.
    assert_eq!(driven.finish("{}"), [Stage::Domain, Stage::Operation]);
}

#[test]
fn hosts_that_are_not_trusted_and_hosts_that_are_missing_are_told_apart() {
    for (host, kind) in [("evil.example", ErrorKind::UntrustedHost), ("", ErrorKind::Refused)] {
        let all = |config: Config| config.domain_lookup(DomainLookup::AllServices);
        let mut driven = Driven::with(ResolveDomain::new(Service::MESSAGING), all);
        let attempt = driven.attempt();
        let service = if host.is_empty() { "another" } else { "asyncMessagingEnt" };
        let list = format!(r#"{{"baseURIs":[{{"service":"{service}","baseURI":"x.{host}"}}]}}"#);
        driven.answer(&attempt, 200, &list);
        let error = driven.error();
        assert_eq!((error.kind(), error.stage()), (kind, Stage::Domain), "{error}");
    }
}

#[test]
fn a_limit_of_requests_holds_up_none_that_sends_nothing() {
    let limited = |config: Config| {
        config.rate(Service::MESSAGING, RatePolicy::new(1, secs(10))).call_timeout(secs(15))
    };
    let mut driven = Driven::with(message(), limited);
    driven.finish("{}");
    let mut driven = driven.next(ResolveDomain::new(Service::MESSAGING), secs(1));
    assert!(driven.finish("{}").is_empty());
    let mut driven = driven.next(ResolveDomain::new(Service::MESSAGING), secs(1));
    assert!(driven.finish("{}").is_empty());
    assert_eq!(driven.now, secs(1));
    let mut driven = driven.next(message(), secs(2));
    driven.finish("{}");
    assert_eq!(driven.now, secs(10));
}

#[test]
fn a_turn_that_would_come_at_the_deadline_is_not_waited_for() {
    for (call_has, goes) in [(9, false), (10, true)] {
        let limited = |config: Config| {
            let policy = RatePolicy::new(1, secs(10));
            config.rate(Service::MESSAGING, policy).call_timeout(secs(call_has))
        };
        let mut driven = Driven::with(message(), limited);
        driven.finish("{}");
        let mut driven = driven.next(message(), secs(1));
        driven.finish("{}");
        assert_eq!(driven.now, secs(if goes { 10 } else { 1 }));
        assert_eq!(driven.call.into_result().is_ok(), goes);
    }
}

#[test]
fn a_call_whose_service_is_left_alone_after_its_try_says_that_it_tried() {
    let one = CircuitPolicy::documented().threshold_for_messages(1);
    let mut driven = Driven::with(message(), |config| config.circuit(one.clone()));
    let attempt = driven.attempt_of(Stage::Operation);
    driven.answer(&attempt, 503, "{}");
    let target = Target::Service(Service::MESSAGING);
    driven.shared.circuit(&target).exhausted(Mono::ZERO, None, false, &one);
    driven.told();
    driven.now = secs(10);
    let error = driven.error();
    assert_eq!((error.kind(), error.attempts()), (ErrorKind::CircuitOpen, 1));

    let mut driven = Driven::with(message(), |config| config.circuit(one.clone()));
    driven.shared.circuit(&target).exhausted(Mono::ZERO, None, false, &one);
    assert_eq!(driven.error().attempts(), 0);
}

#[test]
fn what_a_call_gathers_is_what_the_tokens_say() {
    // {"scope":"msg.consumer","iat":0,"exp":3600} and {"account_id":"91827364"}
    let app = "e30.eyJzY29wZSI6Im1zZy5jb25zdW1lciIsImlhdCI6MCwiZXhwIjozNjAwfQ.c2ln";
    let jws = "e30.eyJhY2NvdW50X2lkIjoiOTE4MjczNjQifQ.c2ln";
    let mut driven = Driven::new(AuthorizeApp::new());
    let attempt = driven.attempt_of(Stage::AppJwt);
    driven.answer(&attempt, 200, &format!(r#"{{"access_token":"{app}"}}"#));
    driven.finish("");
    let ada = ExtConsumerId::new("ada").unwrap();
    let mut next = Driven::new(IdentifyConsumer::new(ada));
    let authorized = driven.call.into_result().unwrap().output;
    assert_eq!(authorized.claims.scope.as_deref(), Some("msg.consumer"));
    // A second less than an hour: `iat` is rounded down.
    assert_eq!(authorized.remaining, secs(3599));
    let attempt = next.attempt_of(Stage::ConsumerJws);
    next.answer(&attempt, 200, &format!(r#"{{"token":"{jws}"}}"#));
    next.finish("");
    let claims = next.call.into_result().unwrap().output;
    assert_eq!(claims.account_id.as_deref(), Some("91827364"));
}
