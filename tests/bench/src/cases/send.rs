//! The request of one message.

use std::hint::black_box;

use bytes::Bytes;
use http::header::{AUTHORIZATION, HeaderName, USER_AGENT};
use http::{HeaderValue, Request};
use lp_connector_core::api::Operation;
use lp_connector_core::connector::{Step, Trust};
use lp_connector_core::seed::Seed;

use super::cloud::{Connector, TEXT, conversation, text};
use super::{Case, OURS, Once, by_hand};

pub(super) const CASES: fn() -> Vec<Case> = || {
    vec![
        Case::new("build a SEND", OURS, ours),
        Case::new("build a SEND", "by hand, all parts cached", cached),
        Case::new("build a SEND", "by hand, naive", naive),
        Case::new("build a SEND", "this crate, as a call's first step", first_step),
    ]
};

/// Serialisation, URL and credentials, as every message needs them.
fn ours() -> Once {
    let connector = Connector::warm(1);
    let operation = text(0);
    let origin = Trust::default().resolve_trusted("va.asyncMessagingEnt.liveperson.net").unwrap();
    let token = HeaderValue::from_str(&"e".repeat(430)).unwrap();
    let agent = HeaderValue::from_static("by-hand/1.0");
    let mut messages = 0;
    Box::new(move || {
        messages += 1;
        let seed = Seed::from_bytes(*b"0123456789abcdef").derive(messages);
        let context = connector.state.config().context(seed);
        let request = black_box(&operation).request(&context).unwrap();
        let mut request: Request<Bytes> = request.for_origin(&origin).unwrap();
        let headers = request.headers_mut();
        headers.insert(USER_AGENT, agent.clone());
        headers.insert(AUTHORIZATION, token.clone());
        headers.insert(HeaderName::from_static("x-lp-on-behalf"), token.clone());
        black_box(request);
    })
}

/// A call up to its request: tokens, circuits and time-outs included.
fn first_step() -> Once {
    let mut connector = Connector::warm(1);
    let operation = text(0);
    Box::new(move || {
        let mut call = connector.call(black_box(&operation).clone());
        let Step::Send(attempt) = call.poll(&mut connector.state, connector.now) else {
            unreachable!("all that it needs is there")
        };
        black_box(attempt.into_request());
    })
}

fn cached() -> Once {
    let mut cached = by_hand::Cached::new(by_hand::CLOUD);
    let conversation = conversation();
    Box::new(move || {
        black_box(cached.request(black_box(conversation.as_str()), black_box(TEXT)));
    })
}

fn naive() -> Once {
    let token = "e".repeat(430);
    let conversation = conversation();
    let mut messages = 0;
    Box::new(move || {
        messages += 1;
        black_box(by_hand::naive(messages, conversation.as_str(), black_box(TEXT), &token));
    })
}
