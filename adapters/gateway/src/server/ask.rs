//! Asks the store from a task.

use lp_connector_bridge::store::{Answer, Request, Store, StoreError, StoreErrorKind};
use std::time::Duration;

/// How long the store may take.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Asks, and waits for the answer.
pub(super) async fn ask(store: &dyn Store, request: Request) -> Result<Answer, StoreError> {
    let (sender, receiver) = tokio::sync::oneshot::channel();
    // If nobody waits any more, the answer is dropped.
    store.submit(request, Box::new(move |result| drop(sender.send(result))));
    in_time(async { receiver.await.unwrap_or_else(|_| Err(silent())) }).await
}

/// Waits for something of the store's, and no longer than a caller does: what a call waits for takes its memory.
pub(super) async fn in_time<T, E: From<StoreError>>(
    asked: impl Future<Output = Result<T, E>>,
) -> Result<T, E> {
    tokio::time::timeout(TIMEOUT, asked).await.unwrap_or_else(|_| Err(silent().into()))
}

fn silent() -> StoreError {
    StoreError::new(StoreErrorKind::Unavailable, "the store gave no answer in time")
}
