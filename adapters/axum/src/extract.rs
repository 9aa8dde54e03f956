//! A notification as an argument of a handler.

use std::time::Duration;

use axum::extract::{FromRef, FromRequest, Request};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use lp_connector_core::webhook::{Receiver, Rejection, Verified};

/// How long a body may take to come. The platform gives up after 5 s (protocol.md 9.1).
pub(crate) const BODY_TIMEOUT: Duration = Duration::from_secs(4);

/// A notification that LivePerson has signed: an extractor, for handlers of one's own. The router's
/// state must give a [`Receiver`] (axum's `FromRef`).
///
/// A handler should answer 200 at once and work later; see
/// [`SUCCESS`](lp_connector_core::webhook::SUCCESS). [`Webhooks`](crate::Webhooks) does so by itself.
///
/// ```
/// use axum::{Router, routing::post};
/// use lp_connector_axum::{Signed, secret::Secret, webhook::Receiver};
///
/// async fn told(Signed(verified): Signed) -> &'static str {
///     println!("{} bytes", verified.body().len());
///     "OK"
/// }
///
/// let receiver = Receiver::new().secret(Secret::new("n3v3r".to_owned()));
/// let app: Router = Router::new().route("/lp", post(told)).with_state(receiver);
/// # let _ = app;
/// ```
#[derive(Debug)]
#[expect(
    clippy::exhaustive_structs,
    reason = "an extractor is taken apart in a handler's arguments"
)]
pub struct Signed(pub Verified);

/// Why a request is not taken, and with which status it is answered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum WebhookError {
    /// It is not LivePerson's, or too large.
    Rejected(Rejection),
    /// Its body did not come in time: 408.
    TooSlow,
    /// Its body broke off: 400.
    BrokenOff,
    /// There is no room for it now; the platform sends it again: 503.
    Full,
}

impl WebhookError {
    /// The status that it is answered with.
    #[must_use]
    pub fn status(self) -> StatusCode {
        match self {
            Self::Rejected(rejection) => {
                StatusCode::from_u16(rejection.status()).unwrap_or(StatusCode::BAD_REQUEST)
            }
            Self::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::BrokenOff => StatusCode::BAD_REQUEST,
            Self::Full => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}

impl std::fmt::Display for WebhookError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Rejected(rejection) => rejection.fmt(f),
            Self::TooSlow => f.write_str("the notification did not come in time"),
            Self::BrokenOff => f.write_str("the notification broke off"),
            Self::Full => f.write_str("there is no room for the notification now"),
        }
    }
}

impl std::error::Error for WebhookError {}

impl IntoResponse for WebhookError {
    fn into_response(self) -> Response {
        tracing::warn!(status = self.status().as_u16(), "webhook refused: {self}");
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
        verified(&receiver, request, unlimited).await.map(Self)
    }
}

/// Reads the body, within its limits, and checks it. `grown` is told how many bytes there are each time
/// there are more, and may refuse them.
pub(crate) async fn verified(
    receiver: &Receiver,
    request: Request,
    mut grown: impl FnMut(usize) -> Result<(), WebhookError>,
) -> Result<Verified, WebhookError> {
    receiver.precheck(request.method(), request.headers()).map_err(WebhookError::Rejected)?;
    let (parts, body) = request.into_parts();
    let read = async {
        let mut body = Limited::new(body, receiver.largest_body());
        let mut bytes = Vec::new();
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| match error.is::<LengthLimitError>() {
                true => WebhookError::Rejected(Rejection::TooLarge),
                false => WebhookError::BrokenOff,
            })?;
            if let Ok(data) = frame.into_data() {
                grown(bytes.len() + data.len())?;
                bytes.extend_from_slice(&data);
            }
        }
        Ok(bytes)
    };
    let read = tokio::time::timeout(BODY_TIMEOUT, read).await;
    let body = read.map_err(|_| WebhookError::TooSlow)??;
    receiver.verify(&http::Request::from_parts(parts, body)).map_err(WebhookError::Rejected)
}
