//! An answer, and how it says no.
//!
//! The decision order is that of protocol.md 10.3: the status first, then the `code` and `errorCode`
//! of a JSON body, and message texts for logs alone.

use std::borrow::Cow;
use std::fmt;

use bytes::Bytes;
use http::{HeaderMap, Response, StatusCode};
use serde::Deserialize;
use serde_json::Value;

use crate::id::ConversationId;

/// An answer to one attempt.
#[derive(Clone, Copy)]
pub struct ResponseView<'a> {
    response: &'a Response<Bytes>,
    repeated: bool,
}

impl<'a> ResponseView<'a> {
    /// `repeated` says that an earlier attempt of the same call may have taken effect.
    #[must_use]
    pub const fn new(response: &'a Response<Bytes>, repeated: bool) -> Self {
        Self { response, repeated }
    }

    /// The HTTP status.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.response.status().as_u16()
    }

    /// The headers.
    #[must_use]
    pub fn headers(&self) -> &'a HeaderMap {
        self.response.headers()
    }

    /// The body as it came.
    #[must_use]
    pub fn body(&self) -> &'a [u8] {
        self.response.body()
    }

    /// The body, shared and not copied.
    #[must_use]
    pub fn to_bytes(&self) -> Bytes {
        self.response.body().clone()
    }

    /// True if an earlier attempt of the same call may have taken effect.
    #[must_use]
    pub const fn repeated(&self) -> bool {
        self.repeated
    }

    /// The body of a 2xx answer as JSON.
    ///
    /// # Errors
    /// [`ApiRejection`] by status for any other answer, or as unreadable for what is not JSON.
    pub fn json(&self) -> Result<Value, ApiRejection> {
        if self.response.status().is_success() { self.parse() } else { Err(self.rejection()) }
    }

    /// A 2xx answer of exactly this shape, with no copy of it made on the way. What else may be in it is
    /// passed over.
    pub(crate) fn plain<T: Deserialize<'a>>(&self) -> Option<T> {
        let success = self.response.status().is_success();
        success.then(|| serde_json::from_slice(self.body()).ok()).flatten()
    }

    /// The `body` member of a success in the envelope of the Send API, `null` if it has none
    /// (protocol.md 1.3, 7.1). An answer whose HTTP status says 200 and whose `code` says otherwise
    /// is a refusal (protocol.md 14, row 1).
    ///
    /// # Errors
    /// [`ApiRejection`] for anything but success.
    pub fn accepted(&self) -> Result<Value, ApiRejection> {
        let document = self.json()?;
        match Code::of(&document) {
            Code::Success | Code::Missing => Ok(take(document, "body")),
            Code::Failure(_) => Err(ApiRejection::in_envelope(self.status(), &document)),
            Code::Unknown => Err(ApiRejection::unknown_code()),
        }
    }

    /// What the answer's status and body say against it.
    #[must_use]
    pub fn rejection(&self) -> ApiRejection {
        match serde_json::from_slice::<Value>(self.body()) {
            Ok(document) => ApiRejection::in_envelope(self.status(), &document),
            Err(_) => ApiRejection::status(self.status()),
        }
    }

    pub(crate) fn parse(&self) -> Result<Value, ApiRejection> {
        serde_json::from_slice(self.body()).map_err(|error| {
            // The parser's own text can quote the document, and with it a token: say where, not what.
            let kind = self.headers().get(http::header::CONTENT_TYPE);
            let html = kind.is_some_and(|kind| kind.as_bytes().starts_with(b"text/html"));
            ApiRejection::unreadable(if html {
                "the answer is an HTML page, not JSON".to_owned()
            } else if self.body().is_empty() {
                "the answer has no body".to_owned()
            } else {
                format!("the answer is not JSON (line {}, column {})", error.line(), error.column())
            })
        })
    }
}

impl fmt::Debug for ResponseView<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseView")
            .field("status", &self.status())
            .field("body_len", &self.body().len())
            .field("repeated", &self.repeated)
            .finish_non_exhaustive()
    }
}

/// Why an answer is not the hoped-for one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ApiRejection {
    pub(crate) reason: Reason,
    pub(crate) status: u16,
    pub(crate) error_code: Option<u32>,
    pub(crate) message: Option<String>,
    /// The conversation that is open, as far as the program knows.
    pub(crate) conversation: Option<ConversationId>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Reason {
    /// The status, and the error code if there is one, tell all.
    Status,
    /// protocol.md 6.6.
    AlreadyOpen,
    /// protocol.md 7.11.
    ConversationClosed,
    /// The account is still being loaded (protocol.md 12.1): to be asked again.
    Loading,
    /// The answer cannot be understood.
    Unreadable(Cow<'static, str>),
    /// The Domain API named a host that the configuration does not trust.
    Untrusted(String),
}

impl ApiRejection {
    /// Refused with this status. For 401, 429, 451 and 5xx the call does what protocol.md 10 and 11
    /// ask for; any other is final.
    #[must_use]
    pub const fn status(status: u16) -> Self {
        Self { reason: Reason::Status, status, error_code: None, message: None, conversation: None }
    }

    /// The answer came, and cannot be understood: say in which way, and never quote it.
    #[must_use]
    pub fn unreadable(how: impl Into<Cow<'static, str>>) -> Self {
        let reason = Reason::Unreadable(how.into());
        Self { reason, status: 200, error_code: None, message: None, conversation: None }
    }

    /// LivePerson's number for the failure (protocol.md 10.1).
    #[must_use]
    pub const fn error_code(mut self, code: u32) -> Self {
        self.error_code = Some(code);
        self
    }

    /// What the service said.
    #[must_use]
    pub fn message(mut self, text: impl Into<String>) -> Self {
        self.message = Some(text.into());
        self
    }

    /// The status says that it was done, and the envelope's code says nothing that is known: it may
    /// have been done.
    pub(crate) fn unknown_code() -> Self {
        Self::unreadable("its code is none that is known")
    }

    /// Names the conversation that is open already, if this says that one is.
    pub(crate) fn open_conversation(mut self, id: Option<&ConversationId>) -> Self {
        if self.reason == Reason::AlreadyOpen {
            self.conversation = id.cloned();
        }
        self
    }

    pub(crate) fn because(mut self, reason: Reason) -> Self {
        self.reason = reason;
        self
    }

    /// Reads any of the envelopes of protocol.md 10.
    pub(crate) fn in_envelope(http: u16, document: &Value) -> Self {
        let status = match Code::of(document) {
            // HTTP's own refusal outranks what the body says.
            Code::Failure(code) if (200..300).contains(&http) => code,
            _ => http,
        };
        let body = document.get("body").unwrap_or(document);
        let message = message(body).or_else(|| message(document));
        let error_code = body.get("errorCode").and_then(number);
        Self { reason: Reason::Status, status, error_code, message, conversation: None }.with_hint()
    }

    /// The one place that looks into a message text: two refusals that have no number of their own
    /// (protocol.md 6.6, 7.11). Where the text changes, they are plain refusals again.
    fn with_hint(mut self) -> Self {
        if self.status == 400
            && let Some(text) = &self.message
        {
            if text.contains("already has open conversation") {
                self.reason = Reason::AlreadyOpen;
            } else if text.contains("Conversation is close") {
                self.reason = Reason::ConversationClosed;
            }
        }
        self
    }
}

/// The envelope's `code`: a number, a number as text, or the name of a status (protocol.md 14, row 1).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Code {
    Success,
    Failure(u16),
    Missing,
    /// Something that names no status.
    Unknown,
}

impl Code {
    pub(crate) fn of(document: &Value) -> Self {
        let number = match document.get("code") {
            None | Some(Value::Null) => return Self::Missing,
            Some(Value::String(text)) => named(text).or_else(|| text.trim().parse().ok()),
            Some(code) => whole(code),
        };
        match number {
            Some(200..=299) => Self::Success,
            Some(code) if StatusCode::from_u16(code).is_ok() => Self::Failure(code),
            _ => Self::Unknown,
        }
    }
}

/// A number without a fraction, also where it is written with a point, as `200.0`.
fn whole(code: &Value) -> Option<u16> {
    let number = code.as_f64().filter(|number| number.fract() == 0.0)?;
    (0.0..=f64::from(u16::MAX)).contains(&number).then_some(number as u16)
}

/// Only `OK` and `BAD_REQUEST` are documented; the rest are "names of HTTP statuses"
/// (protocol.md 10.2).
fn named(text: &str) -> Option<u16> {
    Some(match text.trim().to_ascii_uppercase().as_str() {
        "OK" => 200,
        "CREATED" => 201,
        "ACCEPTED" => 202,
        "NO_CONTENT" => 204,
        "BAD_REQUEST" => 400,
        "UNAUTHORIZED" => 401,
        "FORBIDDEN" => 403,
        "NOT_FOUND" => 404,
        "METHOD_NOT_ALLOWED" => 405,
        "REQUEST_TIMEOUT" => 408,
        "CONFLICT" => 409,
        "GONE" => 410,
        "PRECONDITION_FAILED" => 412,
        "PAYLOAD_TOO_LARGE" | "REQUEST_ENTITY_TOO_LARGE" => 413,
        "UNSUPPORTED_MEDIA_TYPE" => 415,
        "TOO_MANY_REQUESTS" => 429,
        "UNAVAILABLE_FOR_LEGAL_REASONS" => 451,
        "INTERNAL_SERVER_ERROR" => 500,
        "NOT_IMPLEMENTED" => 501,
        "BAD_GATEWAY" => 502,
        "SERVICE_UNAVAILABLE" => 503,
        "GATEWAY_TIMEOUT" => 504,
        _ => return None,
    })
}

/// The text for people, wherever this envelope keeps it (protocol.md 10.1 to 10.3).
fn message(document: &Value) -> Option<String> {
    let text = |name: &str| document.get(name).and_then(Value::as_str);
    if let Some(text) = document.as_str() {
        return Some(text.to_owned());
    }
    if let (Some(error), Some(more)) = (text("error"), text("error_description")) {
        return Some(format!("{error}: {more}"));
    }
    let found = ["msg", "details", "title", "message", "error"].into_iter().find_map(text);
    found.map(str::to_owned).or_else(|| {
        let code: u64 = document.get("internalErrorCode").and_then(number)?;
        Some(format!("internal error code {code}"))
    })
}

/// A non-negative integer, as a number or as digits.
pub(crate) fn number<T: TryFrom<u64>>(value: &Value) -> Option<T> {
    let number = match value {
        Value::Number(number) => number.as_u64()?,
        Value::String(text) => text.trim().parse().ok()?,
        _ => return None,
    };
    T::try_from(number).ok()
}

/// The member `name`, taken out of an object; `null` if it has none.
pub(crate) fn take(mut document: Value, name: &str) -> Value {
    document.get_mut(name).map(Value::take).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn answer(status: u16, body: &str) -> Response<Bytes> {
        Response::builder().status(status).body(Bytes::copy_from_slice(body.as_bytes())).unwrap()
    }

    fn accepted(status: u16, body: &str) -> Result<Value, ApiRejection> {
        ResponseView::new(&answer(status, body), false).accepted()
    }

    #[test]
    fn the_documented_success_is_accepted_with_either_kind_of_code() {
        for code in [r#""OK""#, "200", "200.0", r#""200""#, "201", "null"] {
            let body = format!(r#"{{"code":{code},"body":{{"sequence":12}},"reqId":"c-17"}}"#);
            assert_eq!(accepted(200, &body).unwrap(), json!({"sequence": 12}), "{code}");
        }
        assert_eq!(accepted(200, r#"{"code":"OK","reqId":"1"}"#).unwrap(), Value::Null);
        assert_eq!(accepted(200, r#"{"code":"OK","body":"done"}"#).unwrap(), json!("done"));
    }

    #[test]
    fn the_authorization_error_gives_its_number() {
        let body = r#"{"kind":"resp","code":401,"body":{"title":"Invalid AppJWT","details":
            "AppJWT has expired or is invalid","errorCode":40102},"type":".ReqBody$ErrorResp"}"#;
        let rejection = accepted(401, body).unwrap_err();
        assert_eq!((rejection.status, rejection.error_code), (401, Some(40102)));
        assert_eq!(rejection.message.as_deref(), Some("AppJWT has expired or is invalid"));
        let as_text = accepted(401, r#"{"body":{"errorCode":"40103"}}"#).unwrap_err();
        assert_eq!(as_text.error_code, Some(40103));
    }

    #[test]
    fn a_code_in_the_body_outranks_status_200_and_no_other() {
        let body = r#"{"code":"TOO_MANY_REQUESTS","body":{"msg":"slow down"}}"#;
        assert_eq!(accepted(200, body).unwrap_err().status, 429);
        assert_eq!(accepted(503, body).unwrap_err().status, 503);
        assert_eq!(accepted(400, r#"{"code":"OK"}"#).unwrap_err().status, 400);
    }

    #[test]
    fn a_code_that_names_nothing_is_no_success() {
        for code in [r#""KO""#, r#""SUCCESS""#, "200.5", "true", "[]", "-1", "99999999999", "7"] {
            let body = format!(r#"{{"code":{code}}}"#);
            let rejection = accepted(200, &body).unwrap_err();
            // Nor is it a refusal: what the service did is unknown.
            assert!(matches!(rejection.reason, Reason::Unreadable(_)), "{code}: {rejection:?}");
            assert_eq!(accepted(500, &body).unwrap_err(), ApiRejection::status(500), "{code}");
        }
    }

    #[test]
    fn the_two_refusals_without_a_number_are_known_by_their_words() {
        let closed =
            r#"{"code":"BAD_REQUEST","body":{"msg":"Bad Request, Conversation is close"}}"#;
        assert_eq!(accepted(400, closed).unwrap_err().reason, Reason::ConversationClosed);
        assert_eq!(accepted(200, closed).unwrap_err().reason, Reason::ConversationClosed);
        assert_eq!(accepted(500, closed).unwrap_err().reason, Reason::Status);
    }

    #[test]
    fn every_error_envelope_gives_its_message() {
        for (body, message) in [
            (r#"{"time":1,"message":"Loading account","internalCode":20}"#, "Loading account"),
            (r#"{"error":"invalid_client","error_description":"no"}"#, "invalid_client: no"),
            (r#"{"error":"invalid_client"}"#, "invalid_client"),
            (r#"{"internalErrorCode":"9007"}"#, "internal error code 9007"),
            (r#"{"internalErrorCode":9007}"#, "internal error code 9007"),
            (r#"{"code":"BAD_REQUEST","body":"plain"}"#, "plain"),
        ] {
            assert_eq!(accepted(400, body).unwrap_err().message.as_deref(), Some(message));
        }
        assert_eq!(accepted(502, "<html>").unwrap_err(), ApiRejection::status(502));
    }

    #[test]
    fn an_unreadable_answer_says_where_and_quotes_nothing() {
        let rejection = accepted(200, r#"{"token": "s3cr3t" "#).unwrap_err();
        let Reason::Unreadable(how) = rejection.reason else { panic!("{rejection:?}") };
        assert!(how.contains("line 1") && !how.contains("s3cr3t"), "{how}");
    }

    #[test]
    fn a_code_may_be_the_name_of_any_status() {
        for (name, status) in [
            ("CREATED", 201),
            ("ACCEPTED", 202),
            ("NO_CONTENT", 204),
            ("BAD_REQUEST", 400),
            ("UNAUTHORIZED", 401),
            ("FORBIDDEN", 403),
            ("NOT_FOUND", 404),
            ("METHOD_NOT_ALLOWED", 405),
            ("REQUEST_TIMEOUT", 408),
            ("CONFLICT", 409),
            ("GONE", 410),
            ("PRECONDITION_FAILED", 412),
            ("PAYLOAD_TOO_LARGE", 413),
            ("REQUEST_ENTITY_TOO_LARGE", 413),
            ("UNSUPPORTED_MEDIA_TYPE", 415),
            ("TOO_MANY_REQUESTS", 429),
            ("UNAVAILABLE_FOR_LEGAL_REASONS", 451),
            ("INTERNAL_SERVER_ERROR", 500),
            ("NOT_IMPLEMENTED", 501),
            ("BAD_GATEWAY", 502),
            ("SERVICE_UNAVAILABLE", 503),
            ("GATEWAY_TIMEOUT", 504),
        ] {
            let answered = accepted(200, &format!(r#"{{"code":"{name}","body":7}}"#));
            match status {
                200..=299 => assert_eq!(answered.unwrap(), json!(7), "{name}"),
                _ => assert_eq!(answered.unwrap_err().status, status, "{name}"),
            }
        }
    }
}
