//! A router that can be replaced while it serves.

use std::sync::{Arc, PoisonError, RwLock};

use axum::Router;
use axum::extract::{Request, State};
use axum::response::Response;
use tower_service::Service as _;

/// The router that serves now. Requests under way end where they began.
#[derive(Clone, Debug)]
pub(super) struct Current(Arc<RwLock<Router>>);

impl Current {
    pub(super) fn new(router: Router) -> Self {
        Self(Arc::new(RwLock::new(router)))
    }

    pub(super) fn replace(&self, router: Router) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = router;
    }

    /// A router that passes every request on.
    pub(super) fn router(&self) -> Router {
        Router::new().fallback(pass_on).with_state(self.clone())
    }
}

async fn pass_on(State(current): State<Current>, request: Request) -> Response {
    let mut router = current.0.read().unwrap_or_else(PoisonError::into_inner).clone();
    // A router is always ready.
    match router.call(request).await {
        Ok(response) => response,
        Err(never) => match never {},
    }
}
