//! A verified notification as an argument of a handler.

use std::time::Duration;

use axum::extract::{FromRef, FromRequest, Request};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use lp_connector_core::webhook::{Receiver, Rejection, Verified};

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
    /// The request is not a notification of LivePerson's, or is too large: 401, 405 or 413.
    Rejected(Rejection),
    /// The body did not arrive in time: 408.
    Timeout,
    /// The body ended early: 400.
    IncompleteBody,
    /// The queue or its memory is full: 503. The platform sends the notification again.
    Overloaded,
}

impl WebhookError {
    /// The status of the response.
    #[must_use]
    pub fn status(self) -> StatusCode {
        match self {
            Self::Rejected(rejection) => rejection.status(),
            Self::Timeout => StatusCode::REQUEST_TIMEOUT,
            Self::IncompleteBody => StatusCode::BAD_REQUEST,
            Self::Overloaded => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}

impl std::fmt::Display for WebhookError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Rejected(rejection) => rejection.fmt(f),
            Self::Timeout => f.write_str("the notification did not arrive in time"),
            Self::IncompleteBody => f.write_str("the notification ended early"),
            Self::Overloaded => f.write_str("the queue of notifications is full"),
        }
    }
}

impl std::error::Error for WebhookError {}

impl IntoResponse for WebhookError {
    fn into_response(self) -> Response {
        tracing::warn!(status = self.status().as_u16(), "webhook rejected: {self}");
        (self.status(), self.to_string()).into_response()
    }
}

impl<S: Send + Sync> FromRequest<S> for Signed
where
    Receiver: FromRef<S>,
{
    type Rejection = WebhookError;

    async fn from_request(request: Request, state: &S) -> Result<Self, WebhookError> {
        let receiver = Receiver::from_ref(state);
        let unlimited = |_| Ok(());
        verify(&receiver, request, unlimited).await.map(Self)
    }
}

/// Checks the head, reads the body within its limits, and verifies it. `reserve` receives the size of
/// the body after each frame, and may reject it.
pub(crate) async fn verify(
    receiver: &Receiver,
    request: Request,
    mut reserve: impl FnMut(usize) -> Result<(), WebhookError>,
) -> Result<Verified, WebhookError> {
    let (parts, body) = request.into_parts();
    let pending = receiver.begin(&parts.method, &parts.headers).map_err(WebhookError::Rejected)?;
    let read = async {
        let mut body = Limited::new(body, pending.max_body());
        // Frames are copied once: a frame kept by itself would keep hyper's whole read buffer.
        let mut bytes = Vec::new();
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| match error.is::<LengthLimitError>() {
                true => WebhookError::Rejected(Rejection::TooLarge),
                false => WebhookError::IncompleteBody,
            })?;
            if let Ok(data) = frame.into_data() {
                reserve(bytes.len() + data.len())?;
                bytes.extend_from_slice(&data);
            }
        }
        bytes.shrink_to_fit();
        Ok(bytes)
    };
    let read = tokio::time::timeout(BODY_TIMEOUT, read).await;
    let body = read.map_err(|_| WebhookError::Timeout)??;
    pending.finish(body).map_err(WebhookError::Rejected)
}
