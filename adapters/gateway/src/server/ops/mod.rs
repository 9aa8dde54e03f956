//! Operations: what waits, what is dead, and what an operator decides.

mod bulk;
mod consumer;
mod decide;
mod instances;
mod known;
mod lanes;
mod letters;
mod page;
mod status;

use axum::Router;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::{get, post};
use lp_connector_axum::Connection;
use serde::de::DeserializeOwned;

use super::answer::{Caller, Refusal, json};
use super::app::App;
use super::guard::bearer;
use crate::problem::ProblemKind;

/// The name of whoever has a token for operations, in the log.
const OPERATOR: &str = "operations";

/// The paths below `/ops/v1`.
pub(super) fn router() -> Router<App> {
    Router::new()
        .route("/ops/v1/status", get(status::status))
        .route("/ops/v1/instances", get(instances::list))
        .route("/ops/v1/lanes", get(lanes::list))
        .route("/ops/v1/dead-letters", get(letters::list))
        .route("/ops/v1/dead-letters/replay", post(bulk::replay))
        .route("/ops/v1/dead-letters/{id}", get(letters::show).delete(letters::delete))
        .route("/ops/v1/dead-letters/{id}/replay", post(letters::replay))
        .route("/ops/v1/consumer", get(consumer::show).delete(consumer::forget))
        .route("/ops/v1/settle", post(decide::settle))
        .route("/ops/v1/adopt", post(decide::adopt))
        .route("/ops/v1/gateways/{name}/pause", post(decide::pause))
        .route("/ops/v1/gateways/{name}/resume", post(decide::resume))
}

/// Whether an operator asks.
fn check_operator(app: &App, request: &Request) -> Result<(), Refusal> {
    let Some(token) = bearer(request.headers()) else {
        let detail = "the header authorization is missing: Bearer, a blank, and the token";
        return Err(Refusal::new(ProblemKind::Unauthorized, detail));
    };
    if app.core.is_operator(token) {
        if let Some(connection) = request.extensions().get::<Connection>() {
            connection.authenticate();
        }
        return Ok(());
    }
    match app.core.gateway_with(token) {
        Some(_) => Err(Refusal::new(ProblemKind::Forbidden, "a gateway's token opens /v1 alone")),
        None => Err(Refusal::new(ProblemKind::Unauthorized, "the token is unknown")),
    }
}

/// The body of an operator's request, with members of these names alone. A query is none: what stands there would
/// count for nothing.
async fn read<T: DeserializeOwned>(
    app: &App,
    request: Request,
    known: &[&str],
) -> Result<T, Refusal> {
    check_operator(app, &request)?;
    if request.uri().query().is_some_and(|query| !query.is_empty()) {
        return Err(Refusal::new(ProblemKind::Invalid, "this call has a body, and no query"));
    }
    let (body, _memory) = app.read(request, &app.core.memory).await?;
    Ok(known::parse_known(&body, known)?)
}

/// An answer to an operator.
fn answer(status: StatusCode, body: &impl serde::Serialize) -> Response {
    let mut response = json(status, body);
    response.extensions_mut().insert(Caller(OPERATOR.to_owned()));
    response
}
