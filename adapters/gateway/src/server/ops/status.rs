//! What an operator wants to see first.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use lp_connector_bridge::store::StoreFacts;
use serde::Serialize;

use super::{answer, check_operator};
use crate::server::answer::Refusal;
use crate::server::app::App;
use crate::server::core::Core;
use crate::server::facts;
use crate::server::failures::{Failing, OpenCircuit};
use crate::server::metrics::Metric;
use crate::server::probes::STORE;

#[derive(Serialize)]
struct Status<'a> {
    version: &'static str,
    started: bool,
    draining: bool,
    /// The lanes that this instance works on.
    lanes_held: usize,
    accounts: Vec<&'a str>,
    gateways: Vec<GatewayStatus<'a>>,
    /// What of LivePerson fails at present: consumers' messages wait for it.
    failing: Vec<Failing>,
    /// The services of LivePerson that failed so often that their circuits are open.
    circuits_open: Vec<OpenCircuit>,
    store: StoreStatus<'a>,
    /// How many programs run a bridge on the store, when they were counted last: every 10 s.
    instances: u64,
    /// How many dead letters there are, by reason, when they were counted last: every 15 s.
    dead_letters: BTreeMap<String, u64>,
}

#[derive(Serialize)]
struct StoreStatus<'a> {
    kind: &'a str,
    /// It answered this instance within 10 s.
    up: bool,
    /// Why it cannot be used at present, and for how long, in seconds. Null: it can.
    cause: Option<String>,
    failing_for: Option<f64>,
    /// Its figures, when it last gave them. Null: it has given none yet.
    facts: Option<ToldFacts>,
}

/// Times in seconds.
#[derive(Serialize)]
struct ToldFacts {
    /// How long ago it told.
    age: f64,
    due_lanes: u64,
    oldest_due: f64,
    /// Null: the kind of store has none.
    oldest_snapshot: Option<f64>,
    repeated: u64,
    bytes: u64,
    parts: Vec<Part>,
    standbys: Vec<StandbyStatus>,
}

#[derive(Serialize)]
struct Part {
    name: &'static str,
    bytes: u64,
    dead: u64,
}

#[derive(Serialize)]
struct StandbyStatus {
    name: String,
    state: Option<String>,
    sync: Option<String>,
    behind: Option<u64>,
}

impl ToldFacts {
    fn of((facts, age): (StoreFacts, Duration)) -> Self {
        let bytes = facts.bytes();
        let StoreFacts { oldest_due, due_lanes, oldest_snapshot, repeated, parts, standbys } =
            facts;
        let parts = parts.into_iter().map(|part| {
            let (name, bytes, dead) = (part.name, part.bytes, part.dead);
            Part { name, bytes, dead }
        });
        let standbys = standbys.into_iter().map(|standby| StandbyStatus {
            name: standby.name,
            state: standby.state,
            sync: standby.sync,
            behind: standby.behind,
        });
        Self {
            age: age.as_secs_f64(),
            due_lanes,
            oldest_due: oldest_due.as_secs_f64(),
            oldest_snapshot: oldest_snapshot.map(|age| age.as_secs_f64()),
            repeated,
            bytes,
            parts: parts.collect(),
            standbys: standbys.collect(),
        }
    }
}

#[derive(Serialize)]
struct GatewayStatus<'a> {
    name: &'a str,
    account: &'a str,
    paused: bool,
    /// It keeps failing: one delivery at a time tries it, and the others wait.
    circuit_open: bool,
}

/// `GET /ops/v1/status`
pub(super) async fn status(State(app): State<App>, request: Request) -> Result<Response, Refusal> {
    check_operator(&app, &request)?;
    let core = &app.core;
    facts::refresh(core).await;
    let status = Status {
        version: env!("CARGO_PKG_VERSION"),
        started: core.is_started(),
        draining: core.is_draining(),
        lanes_held: app.bridge.lanes(),
        accounts: app.clients.keys().map(|account| account.as_str()).collect(),
        gateways: core
            .gateways
            .iter()
            .map(|gateway| GatewayStatus {
                name: &gateway.name,
                account: gateway.account.as_str(),
                paused: gateway.is_paused(),
                circuit_open: gateway.circuit().is_open(),
            })
            .collect(),
        failing: core.failures.failing(),
        circuits_open: core.failures.circuits_open(),
        store: store_status(core),
        instances: counted(core, Metric::Instances).into_values().sum(),
        dead_letters: counted(core, Metric::DeadLetters),
    };
    Ok(answer(StatusCode::OK, &status))
}

fn store_status(core: &Core) -> StoreStatus<'_> {
    let (cause, failing_for) = match core.trouble.cause() {
        Some((cause, lasted)) => (Some(cause), Some(lasted.as_secs_f64())),
        None => (None, None),
    };
    StoreStatus {
        kind: &core.store_kind,
        up: core.health.is_reached_within(STORE),
        cause,
        failing_for,
        facts: core.facts.last().map(ToldFacts::of),
    }
}

/// The counts of a metric, by its label.
fn counted(core: &Core, metric: Metric) -> BTreeMap<String, u64> {
    let counted = core.metrics.by_label(metric);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it was counted")]
    counted.into_iter().map(|(label, count)| (label, count as u64)).collect()
}
