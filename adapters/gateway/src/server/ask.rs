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
    let unavailable = |why| StoreError::new(StoreErrorKind::Unavailable, why);
    match tokio::time::timeout(TIMEOUT, receiver).await {
        Ok(Ok(result)) => result,
        Ok(Err(_)) => Err(unavailable("the store gave no answer")),
        Err(_) => Err(unavailable("the store gave no answer in time")),
    }
}
