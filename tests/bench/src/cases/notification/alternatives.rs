//! Other parsers in place of the core's: `serde_json`'s `RawValue`, `sonic-rs` and `simd-json`.
//!
//! Each reads what a connector needs of a notification with the text of an agent; "all kept" means that the
//! members nobody has asked for can be read later, as the core lets them be.
//!
//! None does all that the core promises (`sonic-rs` 0.5.10, `simd-json` 0.19.0, features as in the manifest):
//! - All refuse what is not UTF-8, in a member that nobody reads too.
//! - A number beyond `u64` or `f64`: `RawValue` and `LazyValue` keep its text, `Value` rounds it or refuses the
//!   document, `simd-json` refuses it.
//! - Half a surrogate pair, as `\ud83d`: `RawValue` and `LazyValue` keep its text, the others refuse the document.
//! - All keep the order of members in what is measured here, and a member that comes twice.
//! - Arrays in arrays, 50 000 deep, overflow the stack of `sonic-rs`, which ends the process; `simd-json` refuses
//!   them, `RawValue` takes them.

use std::hint::black_box;

use serde_json::value::RawValue;
use simd_json::prelude::ValueAsScalar as _;
use sonic_rs::{JsonContainerTrait as _, JsonValueTrait as _, LazyValue};

use super::{Borrowed, BorrowedChange, Changes, KIB, KIB_16, LARGE, SMALL, genuine, signed};
use crate::cases::{Case, Once};

macro_rules! cases {
    ($group:expr, $length:expr) => {
        vec![
            Case::new($group, "HMAC and serde_json, borrowed", || both($length, serde)),
            Case::new($group, "HMAC and serde_json's RawValue, all kept", || both($length, raw)),
            Case::new($group, "HMAC and sonic-rs, borrowed", || both($length, sonic)),
            Case::new($group, "HMAC and sonic-rs' LazyValue, all kept", || both($length, lazy)),
            Case::new($group, "HMAC and sonic-rs' Value, all kept", || both($length, value)),
            Case::new($group, "HMAC and simd-json, borrowed", || both($length, simd)),
            Case::new($group, "HMAC and simd-json's tape, all kept", || both($length, tape)),
        ]
    };
}

pub(super) fn small() -> Vec<Case> {
    cases!(KIB, SMALL)
}

pub(super) fn large() -> Vec<Case> {
    cases!(KIB_16, LARGE)
}

fn both(length: usize, read: fn(&[u8])) -> Once {
    let request = signed(length);
    Box::new(move || {
        let request = black_box(&request);
        assert!(genuine(request));
        read(request.body());
    })
}

fn look(change: &BorrowedChange<'_>) {
    assert!(change.originator_metadata.role != "CONSUMER" && change.message_audience == "ALL");
    assert_eq!(change.event.type_, "ContentEvent");
    black_box((change.sequence, &change.conversation_id, &change.event.message));
}

fn serde(body: &[u8]) {
    let notification: Borrowed<'_> = serde_json::from_slice(body).unwrap();
    notification.body.changes.iter().for_each(look);
    black_box(&notification);
}

/// The members of a change are read from its text.
fn raw(body: &[u8]) {
    let notification: Outer<'_, &RawValue> = serde_json::from_slice(body).unwrap();
    assert_eq!(notification.kind, "notification");
    for change in &notification.body.changes {
        look(&serde_json::from_str(change.get()).unwrap());
    }
    black_box(&notification);
}

fn sonic(body: &[u8]) {
    let notification: Borrowed<'_> = sonic_rs::from_slice(body).unwrap();
    notification.body.changes.iter().for_each(look);
    black_box(&notification);
}

fn lazy(body: &[u8]) {
    let notification: Outer<'_, LazyValue<'_>> = sonic_rs::from_slice(body).unwrap();
    assert_eq!(notification.kind, "notification");
    for change in &notification.body.changes {
        look(&sonic_rs::from_str(change.as_raw_str()).unwrap());
    }
    black_box(&notification);
}

fn value(body: &[u8]) {
    let notification: sonic_rs::Value = sonic_rs::from_slice(body).unwrap();
    assert_eq!(notification["kind"].as_str(), Some("notification"));
    for change in notification["body"]["changes"].as_array().unwrap() {
        let event = &change["event"];
        assert_ne!(change["originatorMetadata"]["role"].as_str(), Some("CONSUMER"));
        assert_eq!(change["messageAudience"].as_str(), Some("ALL"));
        assert_eq!(event["type"].as_str(), Some("ContentEvent"));
        black_box((change["sequence"].as_u64(), change["conversationId"].as_str()));
        black_box(event["message"].as_str());
    }
    black_box(&notification);
}

/// It unescapes texts in place, and so needs a copy: the body itself is kept.
fn simd(body: &[u8]) {
    let mut copy = body.to_vec();
    let notification: Borrowed<'_> = simd_json::from_slice(&mut copy).unwrap();
    notification.body.changes.iter().for_each(look);
    black_box(&notification);
}

fn tape(body: &[u8]) {
    let mut copy = body.to_vec();
    let tape = simd_json::to_tape(&mut copy).unwrap();
    let root = tape.as_value();
    let notification = root.as_object().unwrap();
    assert_eq!(notification.get("kind").unwrap().as_str(), Some("notification"));
    let body = notification.get("body").unwrap();
    let changes = body.as_object().unwrap().get("changes").unwrap();
    for change in &changes.as_array().unwrap() {
        let change = change.as_object().unwrap();
        let event = change.get("event").unwrap().as_object().unwrap();
        let originator = change.get("originatorMetadata").unwrap().as_object().unwrap();
        assert_ne!(originator.get("role").unwrap().as_str(), Some("CONSUMER"));
        assert_eq!(change.get("messageAudience").unwrap().as_str(), Some("ALL"));
        assert_eq!(event.get("type").unwrap().as_str(), Some("ContentEvent"));
        black_box(change.get("sequence").unwrap().as_u64());
        black_box(change.get("conversationId").unwrap().as_str());
        black_box(event.get("message").unwrap().as_str());
    }
    black_box(&tape);
}

#[derive(serde::Deserialize)]
struct Outer<'a, T> {
    kind: &'a str,
    body: Changes<T>,
}
