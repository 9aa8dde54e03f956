//! Responses of every service, valid or not.

use std::time::Duration;

use bytes::Bytes;
use http::Response;
use http::header::{CONTENT_TYPE, HeaderValue};

use super::document::document;
use super::installs::installs;
use super::visits::visits;
use super::words::{DOMAINS, MESSAGING, OTHERS, TOKENS};
use super::{consumer, conversation};
use crate::api::{
    ApiRejection, AppClaims, CloseConversation, ConsumerClaims, IdentifyConsumer, ListDomains,
    Lookup, OpenConversation, Operation, Prepared, Reason, ResolveDomain, ResponseView, SendText,
};
use crate::connector::Trust;
use crate::secret::Secret;

/// The response of the Domain API: only trusted hosts resolve.
pub fn domain_answer(data: &[u8]) {
    let response = answered(data, DOMAINS);
    let trust = Trust::default();
    if let Ok(services) = ListDomains::new().parse(&ResponseView::new(&response, false)) {
        for (service, base) in services {
            if let Ok(origin) = trust.resolve_trusted(&base) {
                let host = origin.host().to_ascii_lowercase();
                assert!(is_trusted(&host), "{host}");
                assert_eq!(origin.scheme(), "https");
                let prepared = Prepared { origin: &origin, app: None, consumer: None };
                assert_eq!(prepared.origin(), &ResolveDomain::new(service).output(&prepared));
            }
        }
    }
}

/// The response of Sentinel: the lifetime is bounded.
pub fn token_answer(data: &[u8]) {
    let response = answered(data, TOKENS);
    if let Ok(jwt) = crate::api::sentinel::parse(&ResponseView::new(&response, false)) {
        assert!(jwt.life <= Duration::from_secs(24 * 3600));
        assert!(!jwt.header.is_empty());
    }
}

/// The longest token to read, in bytes.
const MAX_TOKEN: usize = 16 * 1024;

/// The claims of both tokens: the lifetime follows from its two times, and a token that is too long has no claims.
pub fn claims(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let (app, consumer) = (AppClaims::of(&text), ConsumerClaims::of(&text));
    let times = app.issued_at.zip(app.expires_at);
    let life = times.map(|(from, until)| Duration::from_secs(until.saturating_sub(from)));
    assert_eq!(app.life(), life);
    let origin = Trust::default().resolve_trusted("idp.liveperson.net").expect("a trusted host");
    let prepared = Prepared { origin: &origin, app: None, consumer: Some(&consumer) };
    assert_eq!(prepared.consumer(), Some(&consumer));
    assert_eq!(IdentifyConsumer::new(super::consumer()).output(&prepared), consumer);
    if (&app, &consumer) == (&AppClaims::default(), &ConsumerClaims::default()) {
        return;
    }
    // The claims are behind the first dot, so a longer header changes nothing up to the limit.
    let padded = |length: usize| format!("{}{text}", "x".repeat(length.saturating_sub(text.len())));
    let longest = padded(MAX_TOKEN);
    assert_eq!((AppClaims::of(&longest), ConsumerClaims::of(&longest)), (app, consumer));
    let longer = padded(MAX_TOKEN + 1);
    assert_eq!(AppClaims::of(&longer), AppClaims::default());
    assert_eq!(ConsumerClaims::of(&longer), ConsumerClaims::default());
}

/// The response of the IDP.
pub fn consumer_answer(data: &[u8]) {
    let response = answered(data, TOKENS);
    if let Ok(jws) = crate::api::idp::parse(&ResponseView::new(&response, false)) {
        assert!(!jws.header.is_empty());
    }
}

/// The response to CONVERSATION.
pub fn conversation_answer(data: &[u8]) {
    let response = answered(data, MESSAGING);
    let _ = OpenConversation::new(consumer()).parse(&ResponseView::new(&response, false));
}

/// The response to SEND: a rejection's message becomes one short line, and the type of the body counts for a body
/// that is no JSON alone.
pub fn send_answer(data: &[u8]) {
    let response = answered(data, MESSAGING);
    typed(&response);
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

/// The longest body of plain text that is a message, in bytes.
const MAX_TEXT: usize = 1024;

/// The body with each type: JSON is read without regard to it, an HTML page is called one, and a short plain text is the
/// message of a rejection.
fn typed(response: &Response<Bytes>) {
    let bare = ResponseView::new(response, true);
    let (status, length) = (bare.status(), bare.body().len());
    assert_eq!(
        format!("{bare:?}"),
        format!("ResponseView {{ status: {status}, body_len: {length}, repeated: true, .. }}"),
    );
    let bare = bare.json();
    if let Err(rejection) = &bare {
        rebuilt(rejection);
    }
    let is_json = crate::json::parse(response.body()).is_ok();
    let kinds = [
        ("text/html; charset=utf-8", true, false),
        ("Text/Plain;charset=utf-8", false, true),
        ("text", false, false),
    ];
    for (kind, is_html, is_text) in kinds.into_iter().take(if is_json { 1 } else { 3 }) {
        let mut response = response.clone();
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
        let read = ResponseView::new(&response, true).json();
        let mut expected = bare.clone();
        if let Err(rejection) = &mut expected
            && !is_json
        {
            if (200..300).contains(&status) && is_html {
                *rejection = ApiRejection::unreadable("the answer is an HTML page, not JSON");
            } else if !(200..300).contains(&status) && is_text && length <= MAX_TEXT {
                let text = std::str::from_utf8(response.body()).unwrap_or_default().trim();
                rejection.message = (!text.is_empty()).then(|| text.to_owned());
            }
        }
        assert_eq!(read, expected, "{kind}");
    }
}

/// A rejection is what a program of the public API can make of its parts.
fn rebuilt(rejection: &ApiRejection) {
    if rejection.reason != Reason::Status {
        return;
    }
    let mut again = ApiRejection::status(rejection.status);
    if let Some(code) = rejection.error_code {
        again = again.error_code(code);
    }
    if let Some(message) = &rejection.message {
        again = again.message(message);
    }
    assert_eq!(&again, rejection);
}

/// The responses of the other services.
pub fn other_answer(data: &[u8]) {
    use crate::api::{GenerateUploadUrl, Login};
    let response = answered(data, OTHERS);
    let answer = ResponseView::new(&response, false);
    visits(&response);
    if let Ok(url) = GenerateUploadUrl::new(&conversation(), 1, "png").parse(&answer) {
        assert!(url.segments().all(|segment| !matches!(segment, "" | "." | "..")));
        // `Debug` shows the path only.
        assert_eq!(format!("{url:?}"), format!("SignedUrl({:?})", url.relative_path()));
    }
    let login = Login::new("fuzz", Secret::new("fuzz-canary-secret".to_owned()));
    if let Ok(session) = login.parse(&answer) {
        let document = answer.json().expect("what was read");
        let length = document.get("bearer").and_then(|text| text.as_str()).map_or(0, str::len);
        let is_admin = session.is_admin;
        let expected =
            format!("UserSession {{ bearer: Secret({length} bytes), is_admin: {is_admin} }}");
        assert_eq!(format!("{session:?}"), expected);
    }
    installs(&response);
}

/// True for a trusted suffix and its subdomains.
pub(super) fn is_trusted(host: &str) -> bool {
    ["liveperson.net", "lprnd.net"].into_iter().any(|suffix| {
        host.strip_suffix(suffix).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    })
}

/// A response: the first byte selects the status, the rest is the body, or from 0x80 on the description of one.
fn answered(data: &[u8], valid: &[&str]) -> Response<Bytes> {
    let mut answered = response(data);
    if let Some((0x80.., description)) = data.split_first() {
        *answered.body_mut() = document(description, valid).into();
    }
    answered
}

/// A response: the first byte selects the status, the rest is the body.
pub(super) fn response(data: &[u8]) -> Response<Bytes> {
    let (first, body) = data.split_first().map_or((0, data), |(first, body)| (*first, body));
    let mut response = Response::new(Bytes::copy_from_slice(body));
    let status = [200, 201, 400, 401, 404, 429, 451, 500, 503];
    let status = status.get(usize::from(first) % status.len()).copied().unwrap_or(200);
    *response.status_mut() = http::StatusCode::from_u16(status).unwrap_or_default();
    response
}
