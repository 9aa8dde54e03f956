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
    let live = turns(&core, Instant::now());
    json(status(live), &Live { live })
}

fn turns(core: &Core, now: Instant) -> bool {
    core.ticks.age(now) < TURNS
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

#[cfg(test)]
mod tests {
    use axum::body::to_bytes;
    use lp_connector_bridge::Memory;

    use super::super::core::Ticks;
    use super::super::doubles::{block_on, core_over};
    use super::*;

    #[test]
    fn a_process_that_has_not_ticked_for_ten_seconds_hangs() {
        let start = Instant::now();
        let mut core = core_over(Arc::new(Memory::new()));
        core.ticks = Ticks::new(start);
        assert!(turns(&core, start + Duration::from_millis(9_999)));
        assert!(!turns(&core, start + Duration::from_millis(10_000)));
    }

    #[test]
    fn the_probe_says_that_the_process_turns() {
        let core = core_over(Arc::new(Memory::new()));
        // However long this test takes, the last tick is not old.
        core.ticks.tick(Instant::now() + Duration::from_secs(3600));
        let response = block_on(livez(State(Arc::new(core))));
        assert_eq!(response.status(), StatusCode::OK);
        let body = block_on(to_bytes(response.into_body(), 100)).unwrap();
        assert_eq!(body, r#"{"live":true}"#);
    }
}
