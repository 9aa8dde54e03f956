//! One consumer, for an operator.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use lp_connector_core::id::ExtConsumerId;

use super::decide::{ACCEPTED, gateway};
use super::page::Query;
use super::{answer, check_operator};
use crate::server::answer::Refusal;
use crate::server::app::App;
use crate::server::gateway::Gateway;
use crate::server::{calls, people};

/// `GET /ops/v1/consumer?consumer=&gateway=`
pub(super) async fn show(State(app): State<App>, request: Request) -> Result<Response, Refusal> {
    let (gateway, consumer) = named(&app, &request)?;
    let shown = people::state_of(&app, &gateway, &consumer).await?;
    Ok(answer(StatusCode::OK, &shown))
}

/// `DELETE /ops/v1/consumer?consumer=&gateway=`: done once nothing of theirs is unconfirmed.
pub(super) async fn forget(State(app): State<App>, request: Request) -> Result<Response, Refusal> {
    let (gateway, consumer) = named(&app, &request)?;
    calls::forget_consumer(&app, &gateway, &consumer).await?;
    Ok(answer(StatusCode::ACCEPTED, &ACCEPTED))
}

fn named(app: &App, request: &Request) -> Result<(Arc<Gateway>, ExtConsumerId), Refusal> {
    check_operator(app, request)?;
    let query = Query::parse(request.uri().query(), &["gateway", "consumer"])?;
    let gateway = gateway(app, query.get("gateway"))?;
    let consumer = gateway.rules.external(query.get("consumer").unwrap_or_default())?;
    Ok((gateway, consumer))
}
