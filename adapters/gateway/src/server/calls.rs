//! What gateways post: messages, receipts, the end of a conversation.

use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use lp_connector_bridge::ReportError;
use lp_connector_bridge::store::{StoreError, StoreErrorKind};
use serde::Serialize;

use super::answer::{Refusal, json};
use super::app::{App, Call, HandedIn};
use super::ask::in_time;
use super::gateway::Gateway;
use super::metrics::UNKNOWN;
use super::people;
use super::repeats::Known;
use crate::problem::{Problem, ProblemKind};
use crate::request::{Message, parse_close, parse_message, parse_receipts};

/// The interface, as OpenAPI 3.1.
const OPENAPI: &[u8] = include_bytes!("../../openapi.json");

/// The answer to a message.
#[derive(Serialize)]
struct Accepted<'a> {
    id: &'a str,
    consumer: &'a str,
    status: &'static str,
    repeated: bool,
}

/// `POST /v1/messages`
pub(super) async fn messages(State(app): State<App>, request: Request) -> Response {
    let bridge = app.clone();
    app.hand_in("message", request, |call| async move {
        let message = parse_message(&call.body, &call.gateway.rules)?;
        accept(&bridge, &call, message).await
    })
    .await
}

/// `POST /v1/close`
pub(super) async fn close(State(app): State<App>, request: Request) -> Response {
    let bridge = app.clone();
    app.hand_in("close", request, |call| async move {
        let message = parse_close(&call.body, &call.gateway.rules)?;
        accept(&bridge, &call, message).await
    })
    .await
}

/// Stores a message, or says that its id is another one's. A repeat is stored too: nobody but the consumer's lane
/// knows what every instance accepted.
async fn accept(app: &App, call: &Call, message: Message) -> Result<(HandedIn, Response), Refusal> {
    let gateway = &call.gateway;
    let Message { consumer, inbound } = message;
    let own = gateway.rules.internal(&consumer).unwrap_or_default().to_owned();
    let (id, fingerprint) = (inbound.id().to_owned(), inbound.fingerprint());
    let known = gateway.repeats.look_up(&own, &id, fingerprint);
    if known == Known::Another {
        let problem = Problem::new(ProblemKind::IdReused, "the first message with this id counts")
            .at("/id", "another message had it");
        return Err(problem.into());
    }
    let bridge = app.bridge_of(gateway)?;
    in_time(bridge.accept(&consumer, inbound)).await.map_err(|error| unstored(&error))?;
    gateway.repeats.remember(&own, &id, fingerprint);
    people::end_by_message(app, gateway, &consumer);
    let repeated = known == Known::Repeated;
    let answer = Accepted { id: &id, consumer: &own, status: "accepted", repeated };
    let handed_in = if repeated { HandedIn::Repeated } else { HandedIn::Accepted };
    tracing::info!(
        target: super::LOG, event = "accepted", request = &*call.request, gateway = gateway.name,
        consumer = consumer.as_str(), message = id, status = 202
    );
    Ok((handed_in, json(StatusCode::ACCEPTED, &answer)))
}

/// `POST /v1/receipts`
pub(super) async fn receipts(State(app): State<App>, request: Request) -> Response {
    let bridge = app.clone();
    app.hand_in("receipts", request, |call| async move {
        let receipts = parse_receipts(&call.body, &call.gateway.rules)?;
        let messages: Vec<&str> = receipts.messages.iter().map(String::as_str).collect();
        let bridge = bridge.bridge_of(&call.gateway)?;
        let reported = bridge.report(&receipts.consumer, &messages, receipts.receipt);
        let reported = in_time(reported).await;
        reported.map_err(|error| match error {
            ReportError::Store(error) => unstored(&error),
            other => Problem::new(ProblemKind::Invalid, "receipts are for messages of agents")
                .at("/messages", other.to_string())
                .into(),
        })?;
        Ok((HandedIn::Accepted, json(StatusCode::ACCEPTED, &Done { status: "accepted" })))
    })
    .await
}

#[derive(Serialize)]
struct Done {
    status: &'static str,
}

/// `DELETE /v1/consumer?consumer=…`
pub(super) async fn forget(State(app): State<App>, request: Request) -> Response {
    let query = request.uri().query().map(str::to_owned);
    match app.gateway(&request) {
        Ok(gateway) => {
            let done = forget_named(&app, &gateway, query.as_deref()).await;
            app.counted("forget", gateway.name.clone(), done)
        }
        Err(refusal) => app.counted("forget", UNKNOWN.to_owned(), Err(refusal)),
    }
}

async fn forget_named(
    app: &App,
    gateway: &Gateway,
    query: Option<&str>,
) -> Result<(HandedIn, Response), Refusal> {
    forget_consumer(app, gateway, &consumer(gateway, query)?).await?;
    Ok((HandedIn::Accepted, json(StatusCode::ACCEPTED, &Done { status: "accepted" })))
}

pub(super) async fn forget_consumer(
    app: &App,
    gateway: &Gateway,
    consumer: &lp_connector_core::id::ExtConsumerId,
) -> Result<(), Refusal> {
    let bridge = app.bridge_of(gateway)?;
    in_time(bridge.forget(consumer)).await.map_err(|error| unstored(&error))?;
    gateway.repeats.forget(gateway.rules.internal(consumer).unwrap_or_default());
    Ok(())
}

/// The consumer that a query names.
pub(super) fn consumer(
    gateway: &Gateway,
    query: Option<&str>,
) -> Result<lp_connector_core::id::ExtConsumerId, Refusal> {
    let mut pairs = url::form_urlencoded::parse(query.unwrap_or_default().as_bytes());
    let Some((_, consumer)) = pairs.find(|(name, _)| name == "consumer") else {
        let detail = "the query names the consumer: ?consumer=, with a + as %2B";
        return Err(Refusal::new(ProblemKind::Invalid, detail));
    };
    Ok(gateway.rules.external(&consumer)?)
}

/// `GET /v1/openapi.json`
pub(super) async fn openapi() -> Response {
    ([(header::CONTENT_TYPE, "application/json")], OPENAPI).into_response()
}

/// The store did not take it.
pub(super) fn unstored(error: &StoreError) -> Refusal {
    match error.kind() {
        StoreErrorKind::Refused => Refusal::new(ProblemKind::TooLarge, error.to_string()),
        _ => Refusal::new(ProblemKind::StoreUnavailable, "repeat it, with the same id"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_store_never_takes_is_not_repeated() {
        for (kind, problem) in [
            (StoreErrorKind::Refused, ProblemKind::TooLarge),
            (StoreErrorKind::Unavailable, ProblemKind::StoreUnavailable),
            (StoreErrorKind::Failed, ProblemKind::StoreUnavailable),
            (StoreErrorKind::Full, ProblemKind::StoreUnavailable),
            (StoreErrorKind::Moved, ProblemKind::StoreUnavailable),
        ] {
            let refusal = unstored(&StoreError::new(kind, "a value has 9000000 bytes"));
            assert_eq!(refusal.0.kind(), problem, "{kind:?}");
        }
    }
}
