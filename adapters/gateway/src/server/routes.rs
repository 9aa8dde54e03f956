//! The routers of the three listeners.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use axum::routing::{MethodRouter, get, post};

use super::answer::{RequestIds, finish, not_found, other_method};
use super::app::App;
use super::core::Core;
use super::guard::{Hosts, check_host};
use super::metrics::Metric;
use super::{calls, files, ops, people, ping, probes};

/// The paths of the gateways' listener.
pub(super) fn gateways(app: App, listener: SocketAddr, hosts: &[String]) -> Router {
    let hosts = Hosts::new(listener, &app.core.public_url, hosts);
    let router = gateway_routes()
        .into_iter()
        .fold(Router::new(), |router, (path, methods)| router.route(path, methods))
        .with_state(app);
    wrapped(router, hosts)
}

/// The calls of gateways. `openapi.json` describes each of them.
fn gateway_routes() -> [(&'static str, MethodRouter<App>); 8] {
    [
        ("/v1/messages", post(calls::messages)),
        ("/v1/receipts", post(calls::receipts)),
        ("/v1/typing", post(people::typing)),
        ("/v1/close", post(calls::close)),
        ("/v1/files/{file}", get(files::get)),
        ("/v1/consumer", get(people::show).delete(calls::forget)),
        ("/v1/ping", post(ping::ping)),
        ("/v1/openapi.json", get(calls::openapi)),
    ]
}

/// The paths of the operations' listener.
pub(super) fn operations(app: App, listener: SocketAddr, hosts: &[String]) -> Router {
    let hosts = Hosts::new(listener, &app.core.public_url, hosts);
    let router = Router::new()
        .route("/livez", get(probes::livez))
        .route("/readyz", get(probes::readyz))
        .route("/metrics", get(probes::metrics))
        .with_state(app.core.clone())
        .merge(ops::router().with_state(app));
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

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use axum::body::Body;
    use tower_service::Service as _;

    use super::super::doubles::{AwayStore, block_on, core_over};
    use super::*;

    #[test]
    fn a_notification_counts_by_how_it_was_answered() {
        for (status, result) in [
            (200, "stored"),
            (401, "bad_signature"),
            (413, "too_large"),
            (503, "unavailable"),
            (400, "refused"),
        ] {
            let core = Arc::new(core_over(Arc::new(AwayStore::new())));
            let status = StatusCode::from_u16(status).unwrap();
            let mut router =
                counted(Router::new().fallback(move || async move { status }), core.clone());
            let answer = block_on(router.call(Request::new(Body::empty()))).unwrap();
            assert_eq!(answer.status(), status);
            let counts = core.metrics.by_label(Metric::Webhooks);
            assert_eq!(counts, BTreeMap::from([(result.to_owned(), 1.0)]));
        }
    }

    #[test]
    fn every_path_of_the_gateways_is_documented() {
        let api: serde_json::Value =
            serde_json::from_str(include_str!("../../openapi.json")).unwrap();
        let documented = api["paths"].as_object().unwrap().keys().map(String::as_str);
        let served = gateway_routes();
        let served: BTreeSet<&str> = served.iter().map(|(path, _)| *path).collect();
        assert_eq!(documented.collect::<BTreeSet<_>>(), served);
    }
}
