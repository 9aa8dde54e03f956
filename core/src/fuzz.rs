//! The bodies of the fuzz targets, kept in the crate so that they compile with it.
//!
//! Each function takes any bytes and panics if an invariant is violated. The targets in `fuzz/` are
//! one line each, and the ordinary tests replay their corpora through the same functions. Behind
//! the feature `_fuzz`, and not part of the public API.

#![expect(clippy::expect_used, reason = "a fuzz target reports by a panic")]

mod call;
mod webhook;

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response};

use crate::api::{
    AppClaims, CloseConversation, ConsumerClaims, ConversationRef, ListDomains, OpenConversation,
    Operation, ResponseView, SendText,
};
use crate::connector::{Failure, FailureKind, Outcome, Trust};
use crate::id::{ClientId, ConversationId, ExtConsumerId};
use crate::policy::retry_after;
use crate::secret::Secret;

pub use call::call;
pub use webhook::{inbox, notification, verify};

/// The response of the Domain API: only trusted hosts resolve.
pub fn domain_answer(data: &[u8]) {
    let response = response(data);
    let trust = Trust::default();
    if let Ok(services) = ListDomains::new().parse(&ResponseView::new(&response, false)) {
        for (_, base) in services {
            if let Ok(origin) = trust.resolve_trusted(&base) {
                let host = origin.host().to_ascii_lowercase();
                assert!(is_trusted(&host), "{host}");
                assert_eq!(origin.scheme(), "https");
            }
        }
    }
}

/// The response of Sentinel: the lifetime is bounded.
pub fn token_answer(data: &[u8]) {
    let response = response(data);
    if let Ok(jwt) = crate::api::sentinel::parse(&ResponseView::new(&response, false)) {
        assert!(jwt.life <= Duration::from_secs(24 * 3600));
        assert!(!jwt.header.is_empty());
    }
}

/// The claims of both tokens.
pub fn claims(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let _ = (AppClaims::of(&text).life(), ConsumerClaims::of(&text));
}

/// The response of the IDP.
pub fn consumer_answer(data: &[u8]) {
    let response = response(data);
    if let Ok(jws) = crate::api::idp::parse(&ResponseView::new(&response, false)) {
        assert!(!jws.header.is_empty());
    }
}

/// The response to CONVERSATION.
pub fn conversation_answer(data: &[u8]) {
    let response = response(data);
    let _ = OpenConversation::new(consumer()).parse(&ResponseView::new(&response, false));
}

/// The response to SEND: a rejection's message becomes one short line.
pub fn send_answer(data: &[u8]) {
    let response = response(data);
    let answer = ResponseView::new(&response, true);
    let _ = CloseConversation::new(&conversation()).parse(&answer);
    if let Err(rejection) = SendText::new(&conversation(), "x").parse(&answer) {
        let line = crate::error::scrub(
            rejection.message.as_deref().unwrap_or_default(),
            &crate::error::spellings("k&"),
        );
        assert!(line.chars().count() <= 201 && !line.contains(char::is_control));
    }
}

/// The responses of the other services.
pub fn other_answer(data: &[u8]) {
    use crate::api::{
        FindEngagement, GenerateUploadUrl, ListInstalls, Login, ReadInstall, ReportActivity,
    };
    let response = response(data);
    let answer = ResponseView::new(&response, false);
    let app = ClientId::new("0a1b").expect("a good id");
    if let Ok(found) = FindEngagement::new(app.clone()).parse(&answer) {
        assert_eq!(found.open(consumer()).is_some(), !found.engagements.is_empty());
    }
    let _ = ReportActivity::new(app).parse(&answer);
    if let Ok(url) = GenerateUploadUrl::new(&conversation(), 1, "png").parse(&answer) {
        assert!(url.segments().all(|segment| !matches!(segment, "" | "." | "..")));
        // `Debug` shows the path only.
        assert_eq!(format!("{url:?}"), format!("SignedUrl({:?})", url.relative_path()));
    }
    let login = Login::new("fuzz", Secret::new("fuzz-canary-secret".to_owned()));
    if let Ok(session) = login.parse(&answer) {
        let _ = ListInstalls::new(session.clone()).parse(&answer);
        let _ = ReadInstall::new(session, "x").parse(&answer);
    }
}

/// Any bytes as JSON: what serde_json reads is read alike, and what is read can be stored within other
/// JSON and read back.
pub fn json(data: &[u8]) {
    use serde_json::{Value, from_slice, json};
    let theirs = from_slice::<Value>(data).ok();
    let Ok(ours) = crate::json::parse(data) else {
        assert!(theirs.is_none(), "serde_json reads it");
        return;
    };
    let value = ours.tape.root().to_value();
    if let Some(theirs) = theirs.filter(|_| !ours.lossy) {
        assert_eq!(value, theirs);
    }
    let stored = json!([[[[{"held": value}]]]]).to_string();
    let again: Value = from_slice(stored.as_bytes()).expect("what was stored");
    assert_eq!(again, json!([[[[{"held": value}]]]]));
    let tape: crate::json::JsonTape =
        from_slice(value.to_string().as_bytes()).expect("what was stored");
    assert_eq!(tape.root().to_value(), value);
}

/// A manifest: parsing one does not change its faults.
pub fn manifest(data: &[u8]) {
    use crate::manifest::{Manifest, Severity, check};
    let Ok((json, _)) = crate::manifest::parse(data) else { return };
    let errors = |json: &serde_json::Value| {
        let all = check(json).into_iter();
        let errors = all.filter(|one| one.severity() == Severity::Error);
        errors.map(|one| one.path().to_owned()).collect::<Vec<_>>()
    };
    let before = errors(&json);
    if let Ok(manifest) = serde_json::from_value::<Manifest>(json) {
        let again = serde_json::to_value(&manifest).expect("JSON");
        assert_eq!(errors(&again), before, "parsing changed the faults");
    } else {
        assert!(!before.is_empty(), "it does not parse and has no fault");
    }
}

/// The headers `Retry-After` and `Date`.
pub fn retry_after_header(data: &[u8]) {
    let (asked, date) = data.split_at(data.len() / 2);
    let mut headers = HeaderMap::new();
    if let Ok(asked) = HeaderValue::from_bytes(asked) {
        headers.insert("retry-after", asked);
    }
    if let Ok(date) = HeaderValue::from_bytes(date) {
        headers.insert("date", date);
    }
    let _ = retry_after(&headers, SystemTime::UNIX_EPOCH);
}

/// An HTTP/1.1 response, valid or not: the decoder gives the same result at once and byte by byte.
pub fn http1_response(data: &[u8]) {
    use crate::http1::{Decoder, Limits, Progress};
    let limits = || Limits::new().head(4096).headers(16).body(4096).chunk_line(64);
    let read = |pieces: &mut dyn Iterator<Item = &[u8]>| {
        let mut decoder = Decoder::new(&http::Method::GET, limits());
        let mut fed = 0;
        for piece in pieces {
            fed += piece.len();
            match decoder.feed(piece) {
                Ok(Progress::More) => {}
                Ok(Progress::Done(done)) => {
                    assert!(done.response.body().len() <= 4096);
                    let whole = data.len() - (fed - done.leftover);
                    return Ok((done.response.into_parts().0.status, whole));
                }
                Err(error) => return Err(error),
            }
        }
        decoder.finish().map(|done| (done.response.status(), 0))
    };
    let whole = read(&mut std::iter::once(data));
    let bytewise = read(&mut data.chunks(1));
    assert_eq!(whole, bytewise, "the result depends on the pieces");
}

/// Any body, encoded as a response in each framing, decodes to itself.
pub fn http1_roundtrip(data: &[u8]) {
    use crate::http1::{Decoder, Limits, Progress};
    let (size, body) = data.split_first().map_or((1, data), |(size, body)| (*size, body));
    let size = usize::from(size).max(1);
    let mut chunked = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".to_vec();
    for chunk in body.chunks(size) {
        chunked.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
        chunked.extend_from_slice(chunk);
        chunked.extend_from_slice(b"\r\n");
    }
    chunked.extend_from_slice(b"0\r\n\r\n");
    let mut sized =
        format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len()).into_bytes();
    sized.extend_from_slice(body);
    for bytes in [chunked, sized] {
        let mut decoder = Decoder::new(&http::Method::GET, Limits::new());
        let mut pieces = bytes.chunks(size).peekable();
        loop {
            let piece = pieces.next().expect("the response ends in time");
            if let Progress::Done(done) = decoder.feed(piece).expect("a good response") {
                assert_eq!(done.response.body(), body);
                assert!(done.reusable && pieces.peek().is_none());
                break;
            }
        }
    }
}

/// The outcome of an attempt, from the script's next bytes.
fn outcome(script: &mut &[u8]) -> Outcome {
    const STATUSES: [u16; 16] =
        [200, 200, 200, 200, 201, 400, 401, 401, 403, 429, 451, 500, 502, 503, 302, 204];
    const BODIES: [&str; 12] = [
        r#"{"service":"asyncMessagingEnt","baseURI":"va.msg.liveperson.net"}"#,
        r#"{"baseURIs":[{"service":"sentinel","baseURI":"a.liveperson.net"},{"service":"idp","baseURI":"b.liveperson.net"},{"service":"asyncMessagingEnt","baseURI":"c.liveperson.net"}]}"#,
        r#"{"access_token":"fuzz-canary-token","expires_in":3}"#,
        r#"{"access_token":"fuzz-canary-token"}"#,
        r#"{"token":"fuzz-canary-jws"}"#,
        r#"{"code":"OK","body":{"sequence":1}}"#,
        r#"{"code":"BAD_REQUEST","body":{"msg":"Bad Request, Conversation is close"}}"#,
        r#"{"body":{"errorCode":40102}}"#,
        r#"{"body":{"errorCode":40103}}"#,
        r#"{"code":"TOO_MANY_REQUESTS","body":{"msg":"fuzz-canary-secret"}}"#,
        r#"{"baseURI":"evil.example","service":"sentinel"}"#,
        "<html>",
    ];
    let mut next = || usize::from(script.split_off_first().copied().unwrap_or(0));
    let (kind, body) = (next(), next());
    match kind % 20 {
        16 => Outcome::Failed(Failure::never_sent(FailureKind::Connect)),
        17 => Outcome::Failed(Failure::answer_lost(FailureKind::Broken)),
        18 => Outcome::Failed(Failure::never_sent(FailureKind::Tls)),
        19 => Outcome::Failed(Failure::answer_lost(FailureKind::TooLarge)),
        status => {
            let status = STATUSES.get(status).copied().unwrap_or(200);
            let body = BODIES.get(body % BODIES.len()).copied().unwrap_or_default();
            let mut response = Response::new(Bytes::from_static(body.as_bytes()));
            *response.status_mut() = http::StatusCode::from_u16(status).unwrap_or_default();
            if next() % 4 == 0 {
                response.headers_mut().insert("retry-after", HeaderValue::from(next() as u64));
            }
            Outcome::Response(response)
        }
    }
}

/// True for a trusted suffix and its subdomains.
fn is_trusted(host: &str) -> bool {
    ["liveperson.net", "lprnd.net"].into_iter().any(|suffix| {
        host.strip_suffix(suffix).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    })
}

/// A response: the first byte selects the status, the rest is the body.
fn response(data: &[u8]) -> Response<Bytes> {
    let (first, body) = data.split_first().map_or((0, data), |(first, body)| (*first, body));
    let mut response = Response::new(Bytes::copy_from_slice(body));
    let status = [200, 201, 400, 401, 404, 429, 451, 500, 503];
    let status = status.get(usize::from(first) % status.len()).copied().unwrap_or(200);
    *response.status_mut() = http::StatusCode::from_u16(status).unwrap_or_default();
    response
}

fn consumer() -> ExtConsumerId {
    ExtConsumerId::new("ring").expect("a good id")
}

fn conversation() -> ConversationRef {
    ConversationRef::new(consumer(), ConversationId::new("5f0c").expect("a good id"))
}
