//! A response, and the rejection that it can carry.
//!
//! The order of decision is that of [protocol.md 10.3](crate::protocol#10.3): the status, then
//! `code` and `errorCode` of a JSON body. Message texts are for logs, with two exceptions
//! ([protocol.md 6.6](crate::protocol#6.6), [7.11](crate::protocol#7.11)).

use std::borrow::Cow;
use std::fmt;

use bytes::Bytes;
use http::{HeaderMap, Response, StatusCode};
use serde::Deserialize;
use serde_json::Value;

use crate::id::ConversationId;
use crate::json;

/// The response to one attempt.
#[derive(Clone, Copy)]
pub struct ResponseView<'a> {
    response: &'a Response<Bytes>,
    repeated: bool,
}

impl<'a> ResponseView<'a> {
    /// A view of `response`. `repeated` is true if an earlier attempt of the same call may have
    /// taken effect.
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

    /// The raw body.
    #[must_use]
    pub fn body(&self) -> &'a [u8] {
        self.response.body()
    }

    /// The raw body, shared without a copy.
    #[must_use]
    pub fn to_bytes(&self) -> Bytes {
        self.response.body().clone()
    }

    /// True if an earlier attempt of the same call may have taken effect.
    #[must_use]
    pub const fn repeated(&self) -> bool {
        self.repeated
    }

    /// The body of a 2xx response as JSON. Read tolerantly: a byte order mark, invalid Unicode, a
    /// number that no float holds, what is no JSON value (`NaN`, `01`) or deep nesting in one member
    /// affects no other. Of duplicate members, the last.
    ///
    /// # Errors
    /// [`ApiRejection`] for any other status, and for a body that is not JSON.
    pub fn json(&self) -> Result<Value, ApiRejection> {
        self.json_and_loss().map(|(document, _)| document)
    }

    /// The body of a 2xx response, if it is strict JSON of this shape. Unknown members are skipped.
    /// Makes no copy. `None` too for a body with a `[` anywhere: serde reads an array
    /// as a struct, by position.
    pub(crate) fn plain<T: Deserialize<'a>>(&self) -> Option<T> {
        let success = self.response.status().is_success();
        let has_array = self.body().contains(&b'[');
        (success && !has_array).then(|| serde_json::from_slice(self.body()).ok()).flatten()
    }

    /// The member `body` of a successful Send API response, `null` if it is missing
    /// ([protocol.md 1.3](crate::protocol#1.3), [7.1](crate::protocol#7.1)). A response with HTTP
    /// status 200 and the `code` of an error is a rejection ([protocol.md 14](crate::protocol#14),
    /// row 1). The envelope may be the only element of an array ([1.4](crate::protocol#1.4)).
    ///
    /// # Errors
    /// [`ApiRejection`] for anything but success.
    pub fn accepted(&self) -> Result<Value, ApiRejection> {
        let mut document = self.json()?;
        if let Some([only]) = document.as_array_mut().map(Vec::as_mut_slice) {
            document = only.take();
        }
        if !document.is_object() {
            return Err(ApiRejection::unreadable("the answer is not an envelope"));
        }
        match Code::of(&document) {
            Code::Success | Code::Missing => Ok(take(document, "body")),
            Code::Failure(_) => Err(ApiRejection::in_envelope(self.status(), &document)),
            Code::Unknown => Err(ApiRejection::unknown_code()),
        }
    }

    /// The response as a rejection, by its status and body.
    #[must_use]
    pub fn rejection(&self) -> ApiRejection {
        match document(self.body()) {
            Some(document) => ApiRejection::in_envelope(self.status(), &document),
            None => ApiRejection { message: self.text(), ..ApiRejection::status(self.status()) },
        }
    }

    /// A body of plain text, as proxies and gateways send it. A longer one is a page.
    fn text(&self) -> Option<String> {
        let kind = self.headers().get(http::header::CONTENT_TYPE)?.as_bytes();
        let is_plain = kind.get(..10)?.eq_ignore_ascii_case(b"text/plain");
        let is_short = self.body().len() <= MAX_TEXT;
        let text = std::str::from_utf8(self.body()).ok().filter(|_| is_plain && is_short)?.trim();
        (!text.is_empty()).then(|| text.to_owned())
    }

    pub(crate) fn parse(&self) -> Result<Value, ApiRejection> {
        self.parsed().map(|parsed| parsed.tape.root().to_value())
    }

    /// The body of a 2xx response as JSON, and whether something in it could not be kept as it was
    /// written.
    pub(crate) fn json_and_loss(&self) -> Result<(Value, bool), ApiRejection> {
        if !self.response.status().is_success() {
            return Err(self.rejection());
        }
        self.parsed().map(|parsed| (parsed.tape.root().to_value(), parsed.lossy))
    }

    fn parsed(&self) -> Result<json::Parsed, ApiRejection> {
        json::parse(self.body()).map_err(|error| {
            let kind = self.headers().get(http::header::CONTENT_TYPE);
            let html = kind.is_some_and(|kind| kind.as_bytes().starts_with(b"text/html"));
            ApiRejection::unreadable(if html {
                "the answer is an HTML page, not JSON".to_owned()
            } else if self.body().is_empty() {
                "the answer has no body".to_owned()
            } else {
                format!("the answer is {error}")
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

/// Why a response is not a success: a rejection by the service, or an unreadable response.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ApiRejection {
    pub(crate) reason: Reason,
    pub(crate) status: u16,
    pub(crate) error_code: Option<u32>,
    pub(crate) message: Option<String>,
    /// The open conversation, if the program named one.
    pub(crate) conversation: Option<ConversationId>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Reason {
    /// The status, and the error code if there is one.
    Status,
    /// The consumer has an open conversation ([protocol.md 6.6](crate::protocol#6.6)).
    AlreadyOpen,
    /// The conversation is closed ([protocol.md 7.11](crate::protocol#7.11)).
    ConversationClosed,
    /// The service is still loading the account ([protocol.md 12.1](crate::protocol#12.1)). The
    /// call retries.
    Loading,
    /// The response cannot be parsed.
    Unreadable(Cow<'static, str>),
    /// The Domain API named a host that the configuration does not trust.
    Untrusted(String),
}

impl ApiRejection {
    /// A rejection with this status. The call handles 401, 429, 451 and 5xx as
    /// [protocol.md 10](crate::protocol#10) and [11](crate::protocol#11) prescribe. Any other
    /// status is final.
    #[must_use]
    pub const fn status(status: u16) -> Self {
        Self { reason: Reason::Status, status, error_code: None, message: None, conversation: None }
    }

    /// A response that cannot be parsed. `how` states the fault and must not quote the response.
    #[must_use]
    pub fn unreadable(how: impl Into<Cow<'static, str>>) -> Self {
        let reason = Reason::Unreadable(how.into());
        Self { reason, status: 200, error_code: None, message: None, conversation: None }
    }

    /// Sets LivePerson's `errorCode` ([protocol.md 10.1](crate::protocol#10.1)).
    #[must_use]
    pub const fn error_code(mut self, code: u32) -> Self {
        self.error_code = Some(code);
        self
    }

    /// Sets the service's message.
    #[must_use]
    pub fn message(mut self, text: impl Into<String>) -> Self {
        self.message = Some(text.into());
        self
    }

    /// The status is a success and the envelope's code is unknown: the request may have taken
    /// effect.
    pub(crate) fn unknown_code() -> Self {
        Self::unreadable("the answer has an unknown code")
    }

    /// Adds the open conversation to an [`AlreadyOpen`](Reason::AlreadyOpen).
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

    /// Parses any of the error envelopes of [protocol.md 10](crate::protocol#10).
    pub(crate) fn in_envelope(http: u16, document: &Value) -> Self {
        // Of several envelopes, the first that is no success.
        let failed = |one: &&Value| matches!(Code::of(one), Code::Failure(_));
        let document = match document {
            Value::Array(all) => all.iter().find(failed).or(all.first()).unwrap_or(document),
            one => one,
        };
        let status = match Code::of(document) {
            // An HTTP error status outranks the body.
            Code::Failure(code) if (200..300).contains(&http) => code,
            _ => http,
        };
        let body = document.get("body").unwrap_or(document);
        let message = message(body).or_else(|| message(document));
        let error_code = error_code(document);
        Self { reason: Reason::Status, status, error_code, message, conversation: None }.with_hint()
    }

    /// Recognises the two rejections that have no number by their message text
    /// ([protocol.md 6.6](crate::protocol#6.6), [7.11](crate::protocol#7.11)). If the service
    /// changes a text, its rejection is an ordinary one.
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

/// The envelope's `code`: a number, a number as text, or the name of a status
/// ([protocol.md 14](crate::protocol#14), row 1).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Code {
    Success,
    Failure(u16),
    Missing,
    /// A value that names no status.
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

/// A whole number, written with or without a fraction of zero (`200.0`).
fn whole(code: &Value) -> Option<u16> {
    let number = code.as_f64().filter(|number| number.fract() == 0.0)?;
    (0.0..=f64::from(u16::MAX)).contains(&number).then_some(number as u16)
}

/// The status with this name. The documents show only `OK` and `BAD_REQUEST`, and call the others
/// names of HTTP statuses ([protocol.md 10.2](crate::protocol#10.2)).
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

/// The members that hold an error, or an object or array with it: those of the documented envelopes
/// ([protocol.md 10.1](crate::protocol#10.1) to [10.3](crate::protocol#10.3)) and of common others.
const ERROR_MEMBERS: &[&str] = &[
    "msg",
    "details",
    "detail",
    "title",
    "message",
    "error",
    "errors",
    "errorMessage",
    "error_description",
    "description",
    "reason",
    "fault",
    "faultstring",
];

/// The members that hold a number of a service's own, and what to call it.
const INTERNAL_CODES: &[(&str, &str)] =
    &[("internalCode", "internal code"), ("internalErrorCode", "internal error code")];

/// The deepest error within an error to read, and the most errors of an array.
const MAX_ERRORS: usize = 5;

/// The longest body of plain text that is taken for a message, in bytes.
const MAX_TEXT: usize = 1024;

/// The message, in any of the error envelopes.
fn message(document: &Value) -> Option<String> {
    words(document, MAX_ERRORS)
}

fn words(value: &Value, depth: usize) -> Option<String> {
    let depth = depth.checked_sub(1)?;
    match value {
        Value::String(text) => (!text.trim().is_empty()).then(|| text.clone()),
        Value::Array(all) => {
            let found: Vec<_> =
                all.iter().filter_map(|one| words(one, depth)).take(MAX_ERRORS).collect();
            (!found.is_empty()).then(|| found.join("; "))
        }
        Value::Object(members) => {
            let text = |name: &str| members.get(name).and_then(Value::as_str);
            let found = match (text("error"), text("error_description")) {
                (Some(error), Some(more)) => Some(format!("{error}: {more}")),
                _ => ERROR_MEMBERS.iter().find_map(|name| {
                    let member = members.get(*name)?;
                    words(member, depth).or_else(|| by_field(member, depth))
                }),
            };
            // Without a known member, one that holds an error by another name.
            let objects = || members.values().filter(|member| member.is_object());
            let found = found.or_else(|| objects().find_map(|member| words(member, depth)));
            let code = INTERNAL_CODES
                .iter()
                .find_map(|(name, what)| Some(format!("{what} {}", scalar(members.get(*name)?)?)));
            match (found, code) {
                (Some(found), Some(code)) => Some(format!("{found} ({code})")),
                (found, code) => found.or(code),
            }
        }
        _ => None,
    }
}

/// The texts of an object that names each field with what is wrong with it.
fn by_field(value: &Value, depth: usize) -> Option<String> {
    let text = |(name, value): (&String, &Value)| Some(format!("{name}: {}", words(value, depth)?));
    let found: Vec<_> = value.as_object()?.iter().filter_map(text).take(MAX_ERRORS).collect();
    (!found.is_empty()).then(|| found.join("; "))
}

/// LivePerson's `errorCode`: in the envelope's body, beside it, or in an error within either.
fn error_code(document: &Value) -> Option<u32> {
    let body = document.get("body");
    let holders = [body, Some(document)].into_iter().flatten();
    let inner = holders.clone().flat_map(|holder| {
        let found = [holder.get("error"), holder.get("errors")].into_iter().flatten();
        found.flat_map(|error| match error {
            Value::Array(all) => all.as_slice(),
            one => std::slice::from_ref(one),
        })
    });
    holders.chain(inner).find_map(|holder| holder.get("errorCode").and_then(number))
}

/// A document, read tolerantly. `None` if it is not JSON.
pub(crate) fn document(bytes: &[u8]) -> Option<Value> {
    json::parse(bytes).ok().map(|parsed| parsed.tape.root().to_value())
}

/// A string, or an integer as text ([protocol.md 14](crate::protocol#14), rows 2 and 34).
pub(crate) fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(integer) if !integer.is_f64() => Some(integer.to_string()),
        value => number::<u64>(value).map(|number| number.to_string()),
    }
}

/// A non-negative integer, as a number or as a string of digits.
pub(crate) fn number<T: TryFrom<u64>>(value: &Value) -> Option<T> {
    let number = match value {
        Value::Number(number) => number.as_u64().or_else(|| {
            let float = number.as_f64().filter(|float| float.fract() == 0.0)?;
            // Larger floats do not name a single integer.
            (0.0..9e15).contains(&float).then_some(float as u64)
        })?,
        Value::String(text) => text.trim().parse().ok()?,
        _ => return None,
    };
    T::try_from(number).ok()
}

/// Takes the member `name` out of an object; `null` if it has none.
pub(crate) fn take(mut document: Value, name: &str) -> Value {
    document.get_mut(name).map(Value::take).unwrap_or_default()
}

#[cfg(test)]
#[path = "response_tests.rs"]
mod tests;
