//! A whole call in memory: the message, the state machine and the response.

use std::hint::black_box;

use http::Response;
use lp_connector_core::api::{AuthorizeApp, ResolveDomain, Service};
use lp_connector_core::connector::Callable;

use super::cloud::{Connector, PUBLISHED, TEXT, conversation, text};
use super::{Case, OURS, Once, by_hand};

pub(super) const CASES: fn() -> Vec<Case> = || {
    vec![
        Case::new("a whole call", OURS, ours),
        Case::new("a whole call", "request and answer by hand", hand),
        Case::new("a call that needs no token", OURS, || {
            look_up(ResolveDomain::new(Service::MESSAGING))
        }),
        Case::new("a call that needs a token", OURS, || look_up(AuthorizeApp::new())),
    ]
};

fn ours() -> Once {
    let mut connector = Connector::warm(1);
    let operation = text(0);
    Box::new(move || {
        black_box(connector.send(black_box(&operation).clone()));
    })
}

fn hand() -> Once {
    let mut cached = by_hand::Cached::new(by_hand::CLOUD);
    let conversation = conversation();
    Box::new(move || {
        let request =
            cached.request(black_box(conversation.as_str()), black_box(TEXT).to_owned().as_str());
        black_box(request);
        let response = Response::new(PUBLISHED.to_vec());
        assert!(response.status().is_success());
        let answer: by_hand::Answer = serde_json::from_slice(response.body()).unwrap();
        assert_eq!(answer.code, "OK");
        black_box(answer.body.sequence);
    })
}

/// A call that sends nothing: with a token minus without one is the cost of a cached token.
fn look_up<C: Callable + Clone + 'static>(lookup: C) -> Once {
    let mut connector = Connector::warm(1);
    Box::new(move || {
        black_box(connector.send(black_box(&lookup).clone()));
    })
}
