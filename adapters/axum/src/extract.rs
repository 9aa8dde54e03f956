//! A verified notification as an argument of a handler.

use std::time::Duration;

use axum::extract::{FromRef, FromRequest, Request};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::{ACCEPT_ENCODING, ALLOW, CONNECTION, HeaderValue, WWW_AUTHENTICATE};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use lp_connector_core::webhook::{Receiver, Rejection, Verified};
use tokio::time::timeout;

use crate::connection::Connection;
use crate::reading::{self, Reading};
use crate::refusals;

const CHALLENGE: HeaderValue = HeaderValue::from_static("LivePerson-Signature");
const POST: HeaderValue = HeaderValue::from_static("POST");
const IDENTITY: HeaderValue = HeaderValue::from_static("identity");
const CLOSE: HeaderValue = HeaderValue::from_static("close");

/// How long a body may take to arrive. The platform gives up after 5 s
/// ([protocol.md 9.1](lp_connector_core::protocol#9.1)).
pub(crate) const BODY_TIMEOUT: Duration = Duration::from_secs(4);

/// A notification with a valid signature: an extractor for your own handlers. The router's state must
/// provide a [`Receiver`] (axum's `FromRef`).
///
/// A handler should answer 200 at once and work later, see
/// [`SUCCESS`](lp_connector_core::webhook::SUCCESS). [`Webhooks`](crate::Webhooks) does that for you.
///
/// ```
/// use axum::{Router, routing::post};
/// use lp_connector_axum::{Signed, secret::Secret, webhook::Receiver};
///
/// async fn receive(Signed(verified): Signed) -> &'static str {
///     println!("{} bytes", verified.body().len());
///     "OK"
/// }
///
/// let receiver = Receiver::new().secret(Secret::new("n3v3r".to_owned()));
/// let app: Router = Router::new().route("/lp", post(receive)).with_state(receiver);
/// # let _ = app;
/// ```
#[derive(Debug)]
#[expect(clippy::exhaustive_structs, reason = "handlers destructure an extractor")]
pub struct Signed(pub Verified);

/// Why a request is not accepted. As a response, it carries the status and one line of text.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum WebhookError {
    /// The request is not a notification of LivePerson's, or is too large: 401, 405, 413 or 415.
    Rejected(Rejection),
    /// The body did not arrive in time: 408.
    Timeout,
    /// The body ended early: 400.
    IncompleteBody,
    /// Too many bodies are being read, and this one stalls or has been on its way for longest: 503.
    Evicted,
    /// The queue or its memory is full, or closed: 503. The platform sends the notification again.
    Overloaded,
    /// The notification was not stored, or not in time ([`Webhooks::durable`](crate::Webhooks::durable)):
    /// 503. The platform sends it again.
    NotStored,
}

impl WebhookError {
    /// The status of the response.
    #[must_use]
    pub fn status(self) -> StatusCode {
        match self {
            Self::Rejected(rejection) => rejection.status(),
            Self::Timeout => StatusCode::REQUEST_TIMEOUT,
            Self::IncompleteBody => StatusCode::BAD_REQUEST,
            Self::Evicted | Self::Overloaded | Self::NotStored => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// True if the sender has authenticated nothing: then its connection is closed.
    fn is_unauthenticated(self) -> bool {
        !matches!(self, Self::Overloaded | Self::NotStored)
    }
}

impl std::fmt::Display for WebhookError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Rejected(rejection) => rejection.fmt(f),
            Self::Timeout => f.write_str("the notification did not arrive in time"),
            Self::IncompleteBody => f.write_str("the notification ended early"),
            Self::Evicted => f.write_str("too many notifications are on their way"),
            Self::Overloaded => f.write_str("the queue of notifications is full"),
            Self::NotStored => f.write_str("the notification was not stored"),
        }
    }
}

impl std::error::Error for WebhookError {}

impl IntoResponse for WebhookError {
    fn into_response(self) -> Response {
        let status = self.status();
        // Why it was not stored was logged already.
        if self != Self::NotStored {
            refusals::log(format_args!("{}: {self}", status.as_u16()));
        }
        let mut response = (status, self.to_string()).into_response();
        let headers = response.headers_mut();
        match status {
            StatusCode::UNAUTHORIZED => headers.insert(WWW_AUTHENTICATE, CHALLENGE),
            StatusCode::METHOD_NOT_ALLOWED => headers.insert(ALLOW, POST),
            StatusCode::UNSUPPORTED_MEDIA_TYPE => headers.insert(ACCEPT_ENCODING, IDENTITY),
            _ => None,
        };
        if self.is_unauthenticated() {
            headers.insert(CONNECTION, CLOSE);
        }
        response
    }
}

impl<S: Send + Sync> FromRequest<S> for Signed
where
    Receiver: FromRef<S>,
{
    type Rejection = WebhookError;

    async fn from_request(request: Request, state: &S) -> Result<Self, WebhookError> {
        let receiver = Receiver::from_ref(state);
        let connection = request.extensions().get::<Connection>().cloned();
        let reading = connection.as_ref().map(Connection::reading);
        verify(&receiver, request, reading).await.map(Self)
    }
}

/// Checks the head, reads the body within its limits, and verifies it. A valid signature proves the
/// connection. Bodies share the memory of `reading`.
pub(crate) async fn verify(
    receiver: &Receiver,
    request: Request,
    reading: Option<&Reading>,
) -> Result<Verified, WebhookError> {
    let (parts, body) = request.into_parts();
    let pending = receiver.begin(&parts.method, &parts.headers).map_err(WebhookError::Rejected)?;
    let connection = parts.extensions.get::<Connection>();
    let authenticated = connection.is_some_and(Connection::is_authenticated);
    // Memory is reserved as the body arrives: who sends nothing reserves nothing.
    let memory = reading.map(|reading| reading.begin(authenticated));
    let read = timeout(BODY_TIMEOUT, read(body, pending.max_body(), memory.as_ref()));
    let evicted = async {
        match &memory {
            Some(memory) => memory.evicted().await,
            None => std::future::pending().await,
        }
    };
    let body = tokio::select! {
        read = read => read.map_err(|_| WebhookError::Timeout)??,
        () = evicted => return Err(WebhookError::Evicted),
    };
    let verified = pending.finish(body).map_err(WebhookError::Rejected)?;
    if let Some(connection) = connection {
        connection.authenticate();
    }
    Ok(verified)
}

/// Reads a body of at most `max` bytes.
async fn read(
    body: axum::body::Body,
    max: usize,
    memory: Option<&reading::Body>,
) -> Result<Vec<u8>, WebhookError> {
    let mut body = Limited::new(body, max);
    // Frames are copied once: a frame kept by itself would keep hyper's whole read buffer.
    let mut bytes = Vec::new();
    let mut turn = None;
    loop {
        let frame = match &turn {
            Some(turn) => reading::LargeBodyPermit::more(turn, body.frame()).await?,
            None => body.frame().await,
        };
        let Some(frame) = frame else { break };
        let frame = frame.map_err(|error| match error.is::<LengthLimitError>() {
            true => WebhookError::Rejected(Rejection::TooLarge),
            false => WebhookError::IncompleteBody,
        })?;
        let Ok(data) = frame.into_data() else { continue };
        let needed = bytes.len() + data.len();
        if let (None, Some(memory)) = (&turn, memory) {
            turn = memory.turn(needed).await;
        }
        if needed > bytes.capacity() {
            // What is reserved here is what the vector takes.
            let room = needed.max((bytes.capacity() * 3 / 2).min(max));
            if memory.is_some_and(|memory| !memory.grow(room, max)) {
                return Err(WebhookError::Evicted);
            }
            bytes.reserve_exact(room - bytes.len());
        }
        bytes.extend_from_slice(&data);
    }
    bytes.shrink_to_fit();
    Ok(bytes)
}

#[cfg(test)]
#[path = "proofs_tests.rs"]
mod tests;
