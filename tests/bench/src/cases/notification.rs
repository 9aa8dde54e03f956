//! A notification: checking its signature and reading its text.

use std::borrow::Cow;
use std::hint::black_box;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use hmac::{Hmac, KeyInit as _, Mac as _};
use http::Request;
use lp_connector_core::secret::Secret;
use lp_connector_core::webhook::{Algorithm, Change, Encoding, Event, Receiver, sign};
use serde::Deserialize;
use sha1::Sha1;

use super::{Case, OURS, Once};

#[cfg(feature = "alternatives")]
mod alternatives;

const KIB: &str = "notification of 1 KiB";
const KIB_16: &str = "notification of 16 KiB";
const SECRET: &str = "n3v3r-u5e-7h15-1n-pr0d";
const HEADER: &str = "x-liveperson-signature";
const SMALL: usize = 1024;
const LARGE: usize = 16 * 1024;

pub(super) const CASES: fn() -> Vec<Case> = || {
    let mut cases = vec![
        Case::new(KIB, OURS, || ours(SMALL)),
        Case::new(KIB, "HMAC and typed parse", || both(SMALL)),
        Case::new(KIB, "parsed, written again, HMAC", || vendor(SMALL)),
        Case::new(KIB, "HMAC alone", || hmac_alone(SMALL)),
        Case::new(KIB, "typed parse alone", || parse_alone(SMALL)),
        Case::new(KIB, "typed parse alone, borrowed", || borrowed_alone(SMALL)),
    ];
    #[cfg(feature = "alternatives")]
    cases.extend(alternatives::small());
    cases.extend([
        Case::new(KIB_16, OURS, || ours(LARGE)),
        Case::new(KIB_16, "HMAC and typed parse", || both(LARGE)),
        Case::new(KIB_16, "parsed, written again, HMAC", || vendor(LARGE)),
        Case::new(KIB_16, "HMAC alone", || hmac_alone(LARGE)),
        Case::new(KIB_16, "typed parse alone", || parse_alone(LARGE)),
    ]);
    #[cfg(feature = "alternatives")]
    cases.extend(alternatives::large());
    cases
};

/// A notification of an agent's text, with a body of this many bytes.
fn body(length: usize) -> Vec<u8> {
    let with = |text: &str| {
        format!(
            r#"{{"kind":"notification","type":"ms.MessagingEventNotification","body":{{"changes":[{{"sequence":12,"originatorId":"4c1f7d0a-6f52-51b8-9c5d-3a1f8f6f0c11","originatorMetadata":{{"id":"4c1f7d0a-6f52-51b8-9c5d-3a1f8f6f0c11","role":"ASSIGNED_AGENT","clientProperties":{{"type":".ClientProperties","appId":"webAgent","ipAddress":"192.0.2.17","features":["PHOTO_SHARING"]}}}},"serverTimestamp":1716369330127,"event":{{"type":"ContentEvent","message":"{text}","contentType":"text/plain"}},"conversationId":"5f0c2f4e-3c1d-4f55-9a64-0d8f1d9a7e21","dialogId":"5f0c2f4e-3c1d-4f55-9a64-0d8f1d9a7e21","messageAudience":"ALL"}}]}}}}"#
        )
    };
    let rest = length - with("").len();
    with(&"Coo, said it. ".repeat(rest / 14 + 1)[..rest]).into_bytes()
}

fn signed(length: usize) -> Request<Vec<u8>> {
    let body = body(length);
    assert_eq!(body.len(), length);
    let signature = sign(&Secret::new(SECRET.to_owned()), Algorithm::Sha1, Encoding::Base64, &body);
    Request::post("/lp").header(HEADER, signature).body(body).unwrap()
}

/// From the request, as a server has it, to the agent's text.
fn ours(length: usize) -> Once {
    let receiver = Receiver::new().secret(Secret::new(SECRET.to_owned()));
    let (head, body) = signed(length).into_parts();
    let parts = (head, Bytes::from(body));
    Box::new(move || {
        let (head, body) = black_box(&parts);
        let pending = receiver.begin(&head.method, &head.headers).unwrap();
        let verified = pending.finish(body.clone()).unwrap();
        let notification = verified.parse().unwrap();
        for change in notification.changes() {
            let Change::Message(message) = change else { unreachable!() };
            assert!(message.is_for_consumer());
            let Event::Text(text) = message.event() else { unreachable!() };
            black_box((message.sequence(), message.conversation(), text.text));
        }
    })
}

fn both(length: usize) -> Once {
    let request = signed(length);
    Box::new(move || {
        let request = black_box(&request);
        assert!(genuine(request));
        read(request.body());
    })
}

fn hmac_alone(length: usize) -> Once {
    let request = signed(length);
    Box::new(move || assert!(genuine(black_box(&request))))
}

fn parse_alone(length: usize) -> Once {
    let body = body(length);
    Box::new(move || read(black_box(&body)))
}

fn borrowed_alone(length: usize) -> Once {
    let body = body(length);
    Box::new(move || {
        let text = std::str::from_utf8(black_box(&body)).unwrap();
        let read: Borrowed<'_> = serde_json::from_str(text).unwrap();
        black_box(&read);
    })
}

/// As in LivePerson's sample (which has commented it out since: it fails on emoji).
fn vendor(length: usize) -> Once {
    let request = signed(length);
    Box::new(move || {
        let request = black_box(&request);
        let parsed: serde_json::Value = serde_json::from_slice(request.body()).unwrap();
        let again = parsed.to_string();
        let mut mac = Hmac::<Sha1>::new_from_slice(SECRET.as_bytes()).unwrap();
        mac.update(again.as_bytes());
        let signature = format!("sha1={}", STANDARD.encode(mac.finalize().into_bytes()));
        // The signature differs, as the order of the members does, which does not matter here.
        black_box(signature == request.headers()[HEADER].to_str().unwrap());
        black_box(parsed["body"]["changes"][0]["event"]["message"].as_str());
    })
}

fn genuine(request: &Request<Vec<u8>>) -> bool {
    let signature = request.headers()[HEADER].to_str().unwrap();
    let claimed = STANDARD.decode(signature.strip_prefix("sha1=").unwrap()).unwrap();
    let mut mac = Hmac::<Sha1>::new_from_slice(SECRET.as_bytes()).unwrap();
    mac.update(request.body());
    mac.verify_slice(&claimed).is_ok()
}

fn read(body: &[u8]) {
    let notification: Notification = serde_json::from_slice(body).unwrap();
    for change in &notification.body.changes {
        assert!(change.originator_metadata.role != "CONSUMER" && change.message_audience == "ALL");
        black_box((change.sequence, &change.conversation_id, &change.event.message));
    }
    black_box(&notification);
}

/// The members that a program needs for the texts of agents.
#[derive(Deserialize)]
#[expect(dead_code, reason = "what is parsed is kept, as it would be")]
struct Notification {
    #[serde(rename = "type")]
    type_: String,
    body: Changes<OneChange>,
}

#[derive(Deserialize)]
struct Changes<T> {
    changes: Vec<T>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "what is parsed is kept, as it would be")]
struct OneChange {
    sequence: Option<u64>,
    originator_id: String,
    originator_metadata: Originator,
    server_timestamp: Option<u64>,
    event: Content,
    conversation_id: String,
    dialog_id: String,
    message_audience: String,
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "what is parsed is kept, as it would be")]
struct Originator {
    id: String,
    role: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "what is parsed is kept, as it would be")]
struct Content {
    #[serde(rename = "type")]
    type_: String,
    message: String,
    content_type: String,
}

/// The same, borrowed from the body where possible.
#[derive(Deserialize)]
#[expect(dead_code, reason = "what is parsed is kept, as it would be")]
struct Borrowed<'a> {
    #[serde(rename = "type", borrow)]
    type_: Cow<'a, str>,
    #[serde(borrow)]
    body: Changes<BorrowedChange<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "what is parsed is kept, as it would be")]
struct BorrowedChange<'a> {
    sequence: Option<u64>,
    #[serde(borrow)]
    originator_metadata: BorrowedOriginator<'a>,
    server_timestamp: Option<u64>,
    #[serde(borrow)]
    event: BorrowedContent<'a>,
    #[serde(borrow)]
    conversation_id: Cow<'a, str>,
    #[serde(borrow)]
    dialog_id: Cow<'a, str>,
    #[serde(borrow)]
    message_audience: Cow<'a, str>,
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "what is parsed is kept, as it would be")]
struct BorrowedOriginator<'a> {
    #[serde(borrow)]
    id: Cow<'a, str>,
    #[serde(borrow)]
    role: Cow<'a, str>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "what is parsed is kept, as it would be")]
struct BorrowedContent<'a> {
    #[serde(rename = "type", borrow)]
    type_: Cow<'a, str>,
    #[serde(borrow)]
    message: Cow<'a, str>,
    #[serde(borrow)]
    content_type: Cow<'a, str>,
}
