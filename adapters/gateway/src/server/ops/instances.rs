//! The programs that run a bridge on the store.

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;

use super::page::{Page, Query};
use super::{answer, check_operator};
use crate::server::answer::Refusal;
use crate::server::app::App;
use crate::server::ask::in_time;
use crate::server::calls::unstored;

/// A program. Times in seconds.
#[derive(Serialize)]
struct Shown {
    /// Random, and new for each start.
    id: String,
    /// The name of its machine. Null: it tells none.
    host: Option<String>,
    version: String,
    /// It is the one that was asked.
    asked: bool,
    /// How long it had run, and how many lanes it held, when it was last heard of.
    up: f64,
    lanes: u64,
    /// For how long it has not been heard of.
    silent: f64,
}

/// `GET /ops/v1/instances`: those that live, all on one page.
pub(super) async fn list(State(app): State<App>, request: Request) -> Result<Response, Refusal> {
    check_operator(&app, &request)?;
    Query::parse(request.uri().query(), &[])?;
    let all = in_time(app.bridge.instances()).await.map_err(|error| unstored(&error))?;
    let items = all.into_iter().map(|one| Shown {
        id: one.id,
        host: one.host,
        version: one.version,
        asked: one.is_self,
        up: one.up.as_secs_f64(),
        lanes: one.lanes,
        silent: one.silent.as_secs_f64(),
    });
    Ok(answer(StatusCode::OK, &Page { items: items.collect(), next: None }))
}
