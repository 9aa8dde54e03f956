//! The lanes of the store.

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use lp_connector_bridge::store::{Answer, LaneDetails, LaneId, LaneKind, Listed, Request as Ask};
use lp_connector_core::bridge::Waiting;
use lp_connector_core::id::AccountId;
use serde::Serialize;

use super::page::{Page, Query};
use super::{answer, check_operator};
use crate::problem::{Problem, ProblemKind};
use crate::server::answer::Refusal;
use crate::server::app::App;
use crate::server::ask::ask;
use crate::server::calls::unstored;

/// How many lanes are asked for at a time, and looked at for one page.
const CHUNK: usize = 200;
const MAX_LOOKED_AT: usize = 5000;

/// A lane, without its content.
#[derive(Serialize)]
struct Lane {
    kind: &'static str,
    account: String,
    /// The consumer's external id, the conversation's id, or the dead letter's.
    key: String,
    gateway: Option<String>,
    /// What no instance has taken in yet.
    entries: u64,
    /// What waits for LivePerson or for the gateway: the entries, and what is in the lane's record.
    waiting: u64,
    /// Since when the oldest one waits, as far as the record says.
    waiting_since: Option<String>,
    held: bool,
    /// Seconds until it is due, or until its holder's term ends. Null: it waits for an entry.
    due_in: Option<f64>,
    /// For how many seconds it has been due.
    overdue: f64,
}

/// `GET /ops/v1/lanes?kind=&gateway=&consumer=`
pub(super) async fn list(State(app): State<App>, request: Request) -> Result<Response, Refusal> {
    check_operator(&app, &request)?;
    let query = Query::parse(request.uri().query(), &["kind", "gateway", "consumer"])?;
    let kinds = kinds(query.get("kind"))?;
    let after: Option<Place> = query.after()?;
    let wanted = |lane: &Lane| {
        let key = lane.gateway.as_deref().map_or(lane.key.as_str(), |name| {
            let gateway = app.core.gateway_named(name);
            gateway
                .and_then(|one| lane.key.strip_prefix(&one.config.consumer_prefix))
                .unwrap_or(&lane.key)
        });
        query.get("gateway").is_none_or(|name| lane.gateway.as_deref() == Some(name))
            && query.get("consumer").is_none_or(|consumer| key == consumer || lane.key == consumer)
    };
    let mut page = Page { items: Vec::new(), next: None };
    let mut looked_at = 0;
    let mut place = after.map(|place| place.lane()).transpose()?.flatten();
    let from = place.as_ref().map(LaneId::kind);
    for kind in kinds.into_iter().skip_while(|kind| from.is_some_and(|from| *kind != from)) {
        place = place.filter(|lane| lane.kind() == kind);
        loop {
            let lanes = chunk(&app, kind, place.as_ref(), CHUNK).await?;
            let is_last = lanes.len() < CHUNK;
            for details in &lanes {
                let lane = show(&app, details);
                if wanted(&lane) {
                    page.items.push(lane);
                }
                looked_at += 1;
                let id = &details.summary.lane;
                if page.items.len() >= query.limit || looked_at >= MAX_LOOKED_AT {
                    page.next = Some(query.cursor(Place::of(id)));
                    return Ok(answer(StatusCode::OK, &page));
                }
                place = Some(id.clone());
            }
            if is_last {
                break;
            }
        }
        place = None;
    }
    Ok(answer(StatusCode::OK, &page))
}

/// A lane, in a cursor.
#[derive(Serialize, serde::Deserialize)]
pub(super) struct Place(String, u8, String);

impl Place {
    pub(super) fn of(lane: &LaneId) -> Self {
        Self(lane.account().as_str().to_owned(), lane.kind().number(), lane.key().to_owned())
    }

    pub(super) fn lane(&self) -> Result<Option<LaneId>, Problem> {
        let wrong = || Problem::new(ProblemKind::Invalid, "the cursor is none of this bridge's");
        let account = AccountId::new(&self.0).map_err(|_| wrong())?;
        let kind = LaneKind::from_number(self.1).ok_or_else(wrong)?;
        Ok(Some(LaneId::new(account, kind, &self.2)))
    }
}

/// The next lanes of a kind.
pub(super) async fn chunk(
    app: &App,
    kind: LaneKind,
    after: Option<&LaneId>,
    limit: usize,
) -> Result<Vec<LaneDetails>, Refusal> {
    let what = Listed::Lanes { account: None, kind };
    let request = Ask::List { what, after: after.cloned(), limit };
    match ask(&*app.core.store, request).await {
        Ok(Answer::Listed(lanes)) => Ok(lanes),
        Ok(_) => Ok(Vec::new()),
        Err(error) => Err(unstored(&error)),
    }
}

fn kinds(name: Option<&str>) -> Result<Vec<LaneKind>, Problem> {
    let Some(name) = name else { return Ok(LaneKind::ALL.to_vec()) };
    let kind = LaneKind::ALL.iter().find(|kind| kind.name() == name);
    kind.map(|kind| vec![*kind]).ok_or_else(|| {
        let detail = "kind is consumer, conversation, status or dead_letter";
        Problem::new(ProblemKind::Invalid, detail)
    })
}

fn show(app: &App, details: &LaneDetails) -> Lane {
    let summary = &details.summary;
    let (id, kind) = (&summary.lane, summary.lane.kind());
    let waiting = Waiting::of(details);
    let consumer = match kind {
        LaneKind::Consumer | LaneKind::Status => id.key().parse().ok(),
        _ => waiting.owner,
    };
    let gateway = consumer.and_then(|consumer| app.core.gateway_of(id.account(), &consumer));
    Lane {
        kind: kind.name(),
        account: id.account().as_str().to_owned(),
        key: id.key().to_owned(),
        gateway: gateway.map(|gateway| gateway.name.clone()),
        entries: summary.entries,
        waiting: waiting.count,
        waiting_since: waiting
            .since
            .map(|since| humantime::format_rfc3339_millis(since.to_system_time()).to_string()),
        held: summary.held,
        due_in: summary.due_in.map(|time| time.as_secs_f64()),
        overdue: summary.overdue.as_secs_f64(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use axum::body::{Body, to_bytes};
    use serde_json::{Value, json};

    use super::*;
    use crate::server::doubles::{FixedStore, OPERATIONS, app_over, block_on, lane};

    /// The page of the consumers' lanes `sms:00000`, `sms:00001` and so on, so many, with this filter.
    fn page(count: usize, consumer: &str) -> Value {
        let lanes =
            (0..count).map(|n| lane(LaneKind::Consumer, &format!("sms:{n:05}"), None)).collect();
        let request = axum::http::Request::builder()
            .uri(format!("/ops/v1/lanes?kind=consumer&consumer={consumer}"))
            .header("authorization", format!("Bearer {OPERATIONS}"))
            .body(Body::empty())
            .unwrap();
        let body = block_on(async {
            let app = app_over(Arc::new(FixedStore(lanes)));
            let response = list(State(app), request).await.unwrap();
            to_bytes(response.into_body(), 10_000).await.unwrap()
        });
        serde_json::from_slice(&body).unwrap()
    }

    #[test]
    fn a_page_ends_after_5000_lanes_whatever_it_has() {
        let (all, some) = (page(4999, "bob"), page(5000, "bob"));
        assert_eq!(all, json!({"items": [], "next": null}));
        assert_eq!(some["items"], json!([]));
        assert!(some["next"].is_string(), "{some}");
    }

    #[test]
    fn a_consumer_is_found_by_the_external_id_too() {
        for consumer in ["00007", "sms%3A00007"] {
            let found = page(12, consumer);
            let keys: Vec<&Value> =
                found["items"].as_array().unwrap().iter().map(|lane| &lane["key"]).collect();
            assert_eq!(keys, ["sms:00007"], "{consumer}");
        }
    }
}
