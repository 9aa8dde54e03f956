//! What the gateways' listener works with: tokens, bodies, and the bridge.

use std::collections::BTreeMap;
use std::ops::Deref;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::Request;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use lp_connector_axum::Connection;
use lp_connector_bridge::Bridge;
use lp_connector_core::id::AccountId;
use lp_connector_tokio::Client;

use super::answer::{Caller, Refusal, RequestId};
use super::body::{Memory, Taken, collect};
use super::core::Core;
use super::gateway::Gateway;
use super::guard::bearer;
use super::metrics::{Metric, Metrics, UNKNOWN};
use super::people::Typists;
use crate::problem::{Problem, ProblemKind};

/// How long a body may take to arrive.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// The state of the handlers. Clones are cheap.
#[derive(Clone, Debug)]
pub(super) struct App(Arc<AppState>);

/// What the handlers share.
#[derive(Debug)]
pub(super) struct AppState {
    pub(super) core: Arc<Core>,
    pub(super) bridge: Bridge,
    pub(super) clients: BTreeMap<AccountId, Client>,
    pub(super) typists: Typists,
}

impl Deref for App {
    type Target = AppState;

    fn deref(&self) -> &AppState {
        &self.0
    }
}

/// What became of a call that hands something in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum HandedIn {
    Accepted,
    Repeated,
}

/// A call of a gateway.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) gateway: Arc<Gateway>,
    pub(super) body: bytes::Bytes,
    /// The id of the request, for the log.
    pub(super) request: Arc<str>,
    /// The memory of the body.
    _memory: Taken,
}

impl App {
    pub(super) fn new(
        core: Arc<Core>,
        bridge: Bridge,
        clients: BTreeMap<AccountId, Client>,
    ) -> Self {
        Self(Arc::new(AppState { core, bridge, clients, typists: Typists::default() }))
    }

    /// The bridge for a gateway's account.
    pub(super) fn bridge_of(&self, gateway: &Gateway) -> Result<Bridge, Refusal> {
        let missing = || Refusal::new(ProblemKind::Internal, "there is no client of this account");
        self.bridge.of(&gateway.account).ok_or_else(missing)
    }

    /// The gateway that asks.
    pub(super) fn gateway(&self, request: &Request) -> Result<Arc<Gateway>, Refusal> {
        let Some(token) = bearer(request.headers()) else {
            let detail = "the header authorization is missing: Bearer, a blank, and the token";
            return Err(Refusal::new(ProblemKind::Unauthorized, detail));
        };
        match self.core.gateway_with(token) {
            Some(gateway) => {
                if let Some(connection) = request.extensions().get::<Connection>() {
                    connection.authenticate();
                }
                Ok(gateway.clone())
            }
            None if self.core.is_operator(token) => {
                let detail = "a token for operations opens /ops/v1 on their own listener";
                Err(Refusal::new(ProblemKind::Forbidden, detail))
            }
            None => Err(Refusal::new(ProblemKind::Unauthorized, "the token is unknown")),
        }
    }

    /// A call that hands something in: checks who asks, reads the body, lets `take` work, and counts.
    pub(super) async fn hand_in<F>(
        &self,
        kind: &'static str,
        request: Request,
        take: impl FnOnce(Call) -> F,
    ) -> Response
    where
        F: Future<Output = Result<(HandedIn, Response), Refusal>>,
    {
        let begun = Instant::now();
        let gateway = match self.gateway(&request) {
            Ok(gateway) => gateway,
            Err(refusal) => return self.counted(kind, UNKNOWN.to_owned(), Err(refusal)),
        };
        let name = gateway.name.clone();
        let id = request.extensions().get::<RequestId>().map(|id| id.0.clone());
        let done = match self.read(request, &gateway.memory).await {
            Ok((body, memory)) => {
                let request = id.unwrap_or_default();
                take(Call { gateway, body, request, _memory: memory }).await
            }
            Err(problem) => Err(problem.into()),
        };
        let metrics = &self.core.metrics;
        metrics.observe(Metric::AcceptDuration, &[&name], begun.elapsed());
        self.counted(kind, name, done)
    }

    /// Counts a call of a gateway that hands something in, and answers it.
    pub(super) fn counted(
        &self,
        kind: &str,
        gateway: String,
        done: Result<(HandedIn, Response), Refusal>,
    ) -> Response {
        counted(&self.core.metrics, kind, gateway, done)
    }

    /// Reads a body of JSON.
    pub(super) async fn read(
        &self,
        request: Request,
        memory: &Memory,
    ) -> Result<(bytes::Bytes, Taken), Problem> {
        if !self.core.is_started() {
            let detail = "the store was not reached yet: repeat it, with the same id";
            return Err(Problem::new(ProblemKind::Starting, detail));
        }
        let (parts, body) = request.into_parts();
        if !is_json(&parts.headers) {
            let detail = "the header content-type is not application/json";
            return Err(Problem::new(ProblemKind::ContentType, detail));
        }
        collect(body, memory, BODY_TIMEOUT).await
    }
}

fn counted(
    metrics: &Metrics,
    kind: &str,
    gateway: String,
    done: Result<(HandedIn, Response), Refusal>,
) -> Response {
    let (result, mut response) = match done {
        Ok((HandedIn::Accepted, response)) => ("accepted", response),
        Ok((HandedIn::Repeated, response)) => ("repeated", response),
        Err(refusal) => (result_of(refusal.0.kind()), refusal.into_response()),
    };
    metrics.count(Metric::Accepts, &[&gateway, kind, result]);
    if gateway != UNKNOWN {
        response.extensions_mut().insert(Caller(gateway));
    }
    response
}

fn is_json(headers: &HeaderMap) -> bool {
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    content_type.is_some_and(|value| {
        let media_type = value.split(';').next().unwrap_or_default().trim();
        media_type.eq_ignore_ascii_case("application/json")
    })
}

/// The label of a call that was refused.
const fn result_of(kind: ProblemKind) -> &'static str {
    match kind {
        ProblemKind::Unauthorized | ProblemKind::Forbidden => "unauthorized",
        ProblemKind::TooMany
        | ProblemKind::Incomplete
        | ProblemKind::Internal
        | ProblemKind::StoreUnavailable
        | ProblemKind::Starting => "unavailable",
        _ => "invalid",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_refusal_counts_under_the_label_of_its_cause() {
        for (kind, label) in [
            (ProblemKind::Unauthorized, "unauthorized"),
            (ProblemKind::Forbidden, "unauthorized"),
            (ProblemKind::TooMany, "unavailable"),
            (ProblemKind::Incomplete, "unavailable"),
            (ProblemKind::Internal, "unavailable"),
            (ProblemKind::StoreUnavailable, "unavailable"),
            (ProblemKind::Starting, "unavailable"),
            (ProblemKind::Malformed, "invalid"),
            (ProblemKind::TooLarge, "invalid"),
            (ProblemKind::IdReused, "invalid"),
        ] {
            assert_eq!(result_of(kind), label, "{kind:?}");
        }
    }

    #[test]
    fn the_log_names_the_caller_that_is_known() {
        let metrics = Metrics::new(&["sms".to_owned()]);
        for (gateway, caller) in [("sms", Some("sms")), (UNKNOWN, None)] {
            let refusal = Refusal::new(ProblemKind::Invalid, "a text is empty");
            let response = counted(&metrics, "message", gateway.to_owned(), Err(refusal));
            let named = response.extensions().get::<Caller>().map(|caller| caller.0.as_str());
            assert_eq!(named, caller, "{gateway}");
        }
    }
}
