//! The router: it verifies a notification, and answers 200 once it is kept.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::routing::any;
use lp_connector_core::webhook::{Receiver, Verified};
use tokio::time::timeout;

use crate::budget::{Budget, Share};
use crate::extract::{WebhookError, verify};
use crate::reading::Reading;
use crate::refusals;

/// How long a notification may take to be stored. The answer is due within 2.5 s
/// ([protocol.md 9.1](lp_connector_core::protocol#9.1)).
const STORE_TIMEOUT: Duration = Duration::from_secs(2);

/// Keeps notifications, so that they may be answered 200.
pub(crate) trait Keep: Send + Sync + 'static {
    /// Succeeds once the notification is kept. `share` is its memory.
    fn keep(
        &self,
        verified: Verified,
        share: Share,
    ) -> impl Future<Output = Result<(), WebhookError>> + Send;
}

/// Keeps notifications where a function of the user's stores them.
pub(crate) struct Store<S>(pub(crate) S);

impl<S, F, E> Keep for Store<S>
where
    S: Fn(Verified) -> F + Send + Sync + 'static,
    F: Future<Output = Result<(), E>> + Send + 'static,
    E: fmt::Display,
{
    async fn keep(&self, verified: Verified, _share: Share) -> Result<(), WebhookError> {
        let stored = timeout(STORE_TIMEOUT, (self.0)(verified)).await;
        let cause = match stored {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(error)) => error.to_string(),
            Err(_) => "it took too long".to_owned(),
        };
        refusals::log(format_args!("503: the notification was not stored: {cause}"));
        Err(WebhookError::NotStored)
    }
}

/// The state of the router.
struct Endpoint<K> {
    receiver: Receiver,
    /// The memory of bodies that are being read.
    reading: Reading,
    /// The memory of verified notifications.
    budget: Budget,
    keep: K,
}

/// A router for these paths, or for every path.
pub(crate) fn router(
    receiver: Receiver,
    paths: &[String],
    memory: usize,
    keep: impl Keep,
) -> Router {
    let (reading, budget) = (Reading::new(memory / 2), Budget::new(memory));
    let endpoint = Arc::new(Endpoint { receiver, reading, budget, keep });
    let every = ["/".to_owned(), "/{*path}".to_owned()];
    let paths = if paths.is_empty() { &every } else { paths };
    // Any method: the receiver rejects all but POST, with a reason.
    let router = paths.iter().fold(Router::new(), |router, path| router.route(path, any(accept)));
    router.with_state(endpoint)
}

/// Verifies and keeps a notification, and does no other work: the answer is due within 2.5 s,
/// whatever the notification contains ([protocol.md 9.1](lp_connector_core::protocol#9.1)).
async fn accept<K: Keep>(
    State(endpoint): State<Arc<Endpoint<K>>>,
    request: Request,
) -> Result<&'static str, WebhookError> {
    let Endpoint { receiver, reading, budget, keep } = &*endpoint;
    let verified = verify(receiver, request, Some(reading)).await?;
    let mut share = Share::none();
    if !budget.grow(&mut share, verified.body().len()) {
        return Err(WebhookError::Overloaded);
    }
    keep.keep(verified, share).await?;
    Ok("OK")
}
