//! Responses of every service, valid or not.

use std::time::Duration;

use bytes::Bytes;
use http::Response;

use super::document::document;
use super::words::{DOMAINS, MESSAGING, OTHERS, TOKENS};
use super::{consumer, conversation};
use crate::api::{
    AppClaims, CloseConversation, ConsumerClaims, ListDomains, OpenConversation, Operation,
    ResponseView, SendText,
};
use crate::connector::Trust;
use crate::id::ClientId;
use crate::secret::Secret;

/// The response of the Domain API: only trusted hosts resolve.
pub fn domain_answer(data: &[u8]) {
    let response = answered(data, DOMAINS);
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
    let response = answered(data, TOKENS);
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

/// The response to SEND: a rejection's message becomes one short line.
pub fn send_answer(data: &[u8]) {
    let response = answered(data, MESSAGING);
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
    let response = answered(data, OTHERS);
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
