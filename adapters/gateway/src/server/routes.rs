//! The routers of the three listeners.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use axum::routing::{delete, get, post};

use super::answer::{RequestIds, finish, not_found, other_method};
use super::app::App;
use super::core::Core;
use super::guard::{Hosts, check_host};
use super::metrics::Metric;
use super::{calls, files, probes};

/// The paths of the gateways' listener.
pub(super) fn gateways(app: App, listener: SocketAddr, hosts: &[String]) -> Router {
    let hosts = Hosts::new(listener, &app.core.public_url, hosts);
    let router = Router::new()
        .route("/v1/messages", post(calls::messages))
        .route("/v1/receipts", post(calls::receipts))
        .route("/v1/close", post(calls::close))
        .route("/v1/files/{file}", get(files::get))
        .route("/v1/consumer", delete(calls::forget))
        .with_state(app);
    wrapped(router, hosts)
}

/// The paths of the operations' listener.
pub(super) fn operations(app: App, listener: SocketAddr, hosts: &[String]) -> Router {
    let hosts = Hosts::new(listener, &app.core.public_url, hosts);
    let router = Router::new()
        .route("/livez", get(probes::livez))
        .route("/readyz", get(probes::readyz))
        .route("/metrics", get(probes::metrics))
        .with_state(app.core.clone());
    wrapped(router, hosts)
}

/// What all calls have: an id, problems as RFC 9457 has them, and a known host.
fn wrapped(router: Router, hosts: Hosts) -> Router {
    router
        .fallback(not_found)
        .method_not_allowed_fallback(other_method)
        .layer(from_fn_with_state(hosts, check_host))
        .layer(from_fn_with_state(Arc::new(RequestIds::new()), finish))
}

/// Counts the notifications of a router.
pub(super) fn counted(router: Router, core: Arc<Core>) -> Router {
    router.layer(from_fn_with_state(core, count))
}

async fn count(State(core): State<Arc<Core>>, request: Request, next: Next) -> Response {
    let begun = Instant::now();
    let response = next.run(request).await;
    let result = match response.status() {
        StatusCode::OK => "stored",
        StatusCode::UNAUTHORIZED => "bad_signature",
        StatusCode::PAYLOAD_TOO_LARGE => "too_large",
        StatusCode::SERVICE_UNAVAILABLE => "unavailable",
        _ => "refused",
    };
    core.metrics.count(Metric::Webhooks, &[result]);
    core.metrics.observe(Metric::WebhookDuration, &[], begun.elapsed());
    response
}
