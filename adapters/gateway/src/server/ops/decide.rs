//! What an operator decides.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use lp_connector_bridge::Resolution;
use lp_connector_core::id::ConversationId;
use serde::{Deserialize, Serialize};

use super::{answer, check_operator, read};
use crate::problem::{Problem, ProblemKind};
use crate::server::answer::Refusal;
use crate::server::app::App;
use crate::server::ask::in_time;
use crate::server::calls::unstored;
use crate::server::gateway::Gateway;
use crate::server::pause as pauses;
use crate::server::segment::Segment;

#[derive(Deserialize)]
struct Settle {
    gateway: Option<String>,
    consumer: String,
    message: String,
    #[serde(rename = "as")]
    as_what: String,
}

#[derive(Deserialize)]
struct Adopt {
    gateway: Option<String>,
    consumer: String,
    conversation: String,
}

#[derive(Serialize)]
pub(super) struct Done {
    status: &'static str,
}

#[derive(Serialize)]
struct Paused<'a> {
    gateway: &'a str,
    paused: bool,
}

pub(super) const ACCEPTED: Done = Done { status: "accepted" };

/// `POST /ops/v1/settle`: about a message that is held or unconfirmed.
pub(super) async fn settle(State(app): State<App>, request: Request) -> Result<Response, Refusal> {
    let body: Settle = read(&app, request, &["gateway", "consumer", "message", "as"]).await?;
    let gateway = gateway(&app, body.gateway.as_deref())?;
    let resolution = match body.as_what.as_str() {
        "sent" => Resolution::Sent,
        "resend" => Resolution::Resend,
        "drop" => Resolution::Drop,
        _ => {
            let problem = Problem::new(ProblemKind::Invalid, "this cannot be decided")
                .at("/as", "sent, resend and drop are allowed");
            return Err(problem.into());
        }
    };
    let consumer = gateway.rules.external(&body.consumer)?;
    let bridge = app.bridge_of(&gateway)?;
    let resolved = bridge.resolve(&consumer, &body.message, resolution);
    in_time(resolved).await.map_err(|error| unstored(&error))?;
    Ok(answer(StatusCode::ACCEPTED, &ACCEPTED))
}

/// `POST /ops/v1/adopt`: this conversation is the consumer's.
pub(super) async fn adopt(State(app): State<App>, request: Request) -> Result<Response, Refusal> {
    let body: Adopt = read(&app, request, &["gateway", "consumer", "conversation"]).await?;
    let gateway = gateway(&app, body.gateway.as_deref())?;
    let consumer = gateway.rules.external(&body.consumer)?;
    let conversation = ConversationId::new(&body.conversation).map_err(|error| {
        Problem::new(ProblemKind::Invalid, "this is no conversation's id")
            .at("/conversation", error.to_string())
    })?;
    let bridge = app.bridge_of(&gateway)?;
    in_time(bridge.adopt(&consumer, conversation)).await.map_err(|error| unstored(&error))?;
    Ok(answer(StatusCode::ACCEPTED, &ACCEPTED))
}

/// The gateway of this name, or the only one.
pub(super) fn gateway(app: &App, name: Option<&str>) -> Result<Arc<Gateway>, Refusal> {
    let found = match (name, &app.core.gateways[..]) {
        (Some(name), _) => app.core.gateway_named(name),
        (None, [only]) => Some(only),
        (None, _) => None,
    };
    let missing = || {
        Problem::new(ProblemKind::Invalid, "the gateway whose consumer it is must be named")
            .at("/gateway", "there is none of this name, or there are several")
    };
    Ok(found.cloned().ok_or_else(missing)?)
}

/// `POST /ops/v1/gateways/{name}/pause`
pub(super) async fn pause(
    State(app): State<App>,
    Segment(name): Segment,
    request: Request,
) -> Result<Response, Refusal> {
    check_operator(&app, &request)?;
    set_paused(&app, &name, true).await
}

/// `POST /ops/v1/gateways/{name}/resume`
pub(super) async fn resume(
    State(app): State<App>,
    Segment(name): Segment,
    request: Request,
) -> Result<Response, Refusal> {
    check_operator(&app, &request)?;
    set_paused(&app, &name, false).await
}

async fn set_paused(app: &App, name: &str, paused: bool) -> Result<Response, Refusal> {
    let Some(gateway) = app.core.gateway_named(name) else {
        return Err(Refusal::new(ProblemKind::NotFound, "there is no gateway of this name"));
    };
    pauses::set(&app.core, gateway, paused).await.map_err(|error| unstored(&error))?;
    Ok(answer(StatusCode::OK, &Paused { gateway: name, paused }))
}
