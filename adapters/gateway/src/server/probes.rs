//! Whether the process turns, whether it may be asked, and its metrics.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::answer::json;
use super::core::Core;
use super::facts;

/// A process that has not ticked for so long does not turn.
const TURNS: Duration = Duration::from_secs(10);

/// The store must have answered within this time.
pub(super) const STORE: Duration = Duration::from_secs(10);

#[derive(Serialize)]
struct Live {
    live: bool,
}

/// The parts of readiness. There is no gateway and no LivePerson in it: the store is the queue.
#[derive(Serialize)]
struct Ready {
    ready: bool,
    started: bool,
    draining: bool,
    store: bool,
}

/// `GET /livez`: asks nobody.
pub(super) async fn livez(State(core): State<Arc<Core>>) -> Response {
    let live = core.ticks.age(Instant::now()) < TURNS;
    json(status(live), &Live { live })
}

/// `GET /readyz`
pub(super) async fn readyz(State(core): State<Arc<Core>>) -> Response {
    let (started, draining) = (core.is_started(), core.is_draining());
    let store = core.health.is_reached_within(STORE);
    let ready = started && !draining && store;
    json(status(ready), &Ready { ready, started, draining, store })
}

const fn status(is_well: bool) -> StatusCode {
    if is_well { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }
}

/// `GET /metrics`
pub(super) async fn metrics(State(core): State<Arc<Core>>) -> Response {
    facts::refresh(&core).await;
    let content_type = "text/plain; version=0.0.4; charset=utf-8";
    ([(header::CONTENT_TYPE, content_type)], core.metrics.render()).into_response()
}
