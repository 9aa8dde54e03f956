//! What an operator wants to see first.

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;

use super::{answer, check_operator};
use crate::server::answer::Refusal;
use crate::server::app::App;
use crate::server::failures::{Failing, OpenCircuit};

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
    /// The services of LivePerson that failed so often that they are left alone for a while.
    circuits_open: Vec<OpenCircuit>,
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
    };
    Ok(answer(StatusCode::OK, &status))
}
