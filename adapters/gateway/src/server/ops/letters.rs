//! Dead letters: what was acknowledged, and will not be delivered by itself.

use std::time::SystemTime;

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use lp_connector_bridge::store::{
    Answer, LaneDetails, LaneId, LaneKind, Listed, Request as Ask, StoreError,
};
use lp_connector_core::bridge::{self, DeadLetter};
use lp_connector_core::id::AccountId;
use serde::Serialize;

use super::lanes::{Place, chunk};
use super::page::{Page, Query, time};
use super::{answer, check_operator};
use crate::problem::{Problem, ProblemKind};
use crate::server::answer::Refusal;
use crate::server::app::App;
use crate::server::ask::ask;
use crate::server::calls::unstored;
use crate::server::segment::Segment;

/// How many letters are asked for at a time, and looked at for one page.
const CHUNK: usize = 200;
const MAX_LOOKED_AT: usize = 5000;

/// The filters of letters.
pub(super) const FILTERS: &[&str] = &["account", "gateway", "consumer", "reason", "since", "until"];

/// A dead letter, as it is shown.
#[derive(Serialize)]
pub(super) struct Shown {
    pub(super) id: String,
    account: String,
    reason: &'static str,
    gateway: Option<String>,
    /// The channel's id of the consumer if the gateway is known, or else the external one.
    consumer: Option<String>,
    conversation: Option<String>,
    pub(super) at: Option<String>,
    replayable: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<String>,
}

/// A dead letter, and where it lies.
pub(super) struct Found {
    pub(super) lane: LaneId,
    pub(super) letter: DeadLetter,
    /// Something is on its way to it: it is put back, or removed.
    pub(super) is_leaving: bool,
}

/// Which letters are wanted.
pub(super) struct Wanted<'a> {
    account: Option<&'a str>,
    gateway: Option<&'a str>,
    consumer: Option<&'a str>,
    reason: Option<&'a str>,
    since: Option<SystemTime>,
    until: Option<SystemTime>,
}

impl<'a> Wanted<'a> {
    pub(super) fn new(query: &'a Query) -> Result<Self, Problem> {
        Ok(Self {
            account: query.get("account"),
            gateway: query.get("gateway"),
            consumer: query.get("consumer"),
            reason: query.get("reason"),
            since: query.get("since").map(time).transpose()?,
            until: query.get("until").map(time).transpose()?,
        })
    }

    pub(super) fn includes(&self, found: &Found, shown: &Shown) -> bool {
        let at = found.letter.at().map(SystemTime::from);
        let external = found.letter.consumer().map(|consumer| consumer.as_str());
        self.account.is_none_or(|account| shown.account == account)
            && self.gateway.is_none_or(|name| shown.gateway.as_deref() == Some(name))
            && self.reason.is_none_or(|reason| shown.reason == reason)
            && self.since.is_none_or(|since| at.is_some_and(|at| since <= at))
            && self.until.is_none_or(|until| at.is_some_and(|at| at < until))
            && self.consumer.is_none_or(|consumer| {
                shown.consumer.as_deref() == Some(consumer) || external == Some(consumer)
            })
    }
}

impl Found {
    pub(super) fn of(details: &LaneDetails) -> Option<Self> {
        let letter = DeadLetter::of(details)?;
        let is_leaving = details.summary.entries > 0;
        Some(Self { lane: details.summary.lane.clone(), letter, is_leaving })
    }

    pub(super) fn show(&self, app: &App, with_body: bool) -> Shown {
        let (id, letter) = (&self.lane, &self.letter);
        let gateway =
            letter.consumer().and_then(|consumer| app.core.gateway_of(id.account(), consumer));
        let own = |consumer| gateway.and_then(|gateway| gateway.rules.internal(consumer));
        Shown {
            id: id.key().to_owned(),
            account: id.account().as_str().to_owned(),
            reason: letter.reason().name(),
            gateway: gateway.map(|gateway| gateway.name.clone()),
            consumer: letter
                .consumer()
                .map(|consumer| own(consumer).unwrap_or(consumer.as_str()).to_owned()),
            conversation: letter.conversation().map(|id| id.as_str().to_owned()),
            at: letter
                .at()
                .map(|at| humantime::format_rfc3339_millis(SystemTime::from(at)).to_string()),
            replayable: letter.can_be_replayed(),
            body: with_body.then(|| letter.content()),
        }
    }
}

/// `GET /ops/v1/dead-letters`
pub(super) async fn list(State(app): State<App>, request: Request) -> Result<Response, Refusal> {
    check_operator(&app, &request)?;
    let known = [FILTERS, &["body"]].concat();
    let query = Query::parse(request.uri().query(), &known)?;
    let with_body = query.is_true("body")?;
    let wanted = Wanted::new(&query)?;
    let after: Option<Place> = query.after()?;
    let mut after = after.map(|place| place.lane()).transpose()?.flatten();
    let mut page = Page { items: Vec::new(), next: None };
    let mut looked_at = 0;
    loop {
        let lanes = chunk(&app, LaneKind::DeadLetter, after.as_ref(), CHUNK).await?;
        let is_last = lanes.len() < CHUNK;
        for details in lanes {
            looked_at += 1;
            if let Some(found) = Found::of(&details).filter(|found| !found.is_leaving) {
                let shown = found.show(&app, with_body);
                if wanted.includes(&found, &shown) {
                    page.items.push(shown);
                }
            }
            let lane = details.summary.lane;
            if page.items.len() >= query.limit || looked_at >= MAX_LOOKED_AT {
                page.next = Some(query.cursor(Place::of(&lane)));
                return Ok(answer(StatusCode::OK, &page));
            }
            after = Some(lane);
        }
        if is_last {
            return Ok(answer(StatusCode::OK, &page));
        }
    }
}

/// `GET /ops/v1/dead-letters/{id}`
pub(super) async fn show(
    State(app): State<App>,
    Segment(id): Segment,
    request: Request,
) -> Result<Response, Refusal> {
    check_operator(&app, &request)?;
    let query = Query::parse(request.uri().query(), &["account", "body"])?;
    let with_body = query.is_true("body")?;
    match find(&app, &id, query.get("account")).await? {
        Some(found) => Ok(answer(StatusCode::OK, &found.show(&app, with_body))),
        None => Err(Refusal::new(ProblemKind::NotFound, "there is no such dead letter")),
    }
}

#[derive(Serialize)]
struct Moved<'a> {
    id: &'a str,
    status: &'static str,
}

/// `POST /ops/v1/dead-letters/{id}/replay`: to the end of its lane, with the same id.
pub(super) async fn replay(
    State(app): State<App>,
    Segment(id): Segment,
    request: Request,
) -> Result<Response, Refusal> {
    check_operator(&app, &request)?;
    let query = Query::parse(request.uri().query(), &["account"])?;
    let found = dead(&app, &id, query.get("account")).await?;
    if !found.letter.can_be_replayed() {
        let detail = "it could not be read, and is no delivery: look at its body, then delete it";
        return Err(Refusal::new(ProblemKind::Invalid, detail));
    }
    let entry = bridge::replay(found.lane.account(), &id);
    append(&app, vec![entry]).await.map_err(|error| unstored(&error))?;
    Ok(answer(StatusCode::ACCEPTED, &Moved { id: &id, status: "replayed" }))
}

/// `DELETE /ops/v1/dead-letters/{id}`
pub(super) async fn delete(
    State(app): State<App>,
    Segment(id): Segment,
    request: Request,
) -> Result<Response, Refusal> {
    check_operator(&app, &request)?;
    let query = Query::parse(request.uri().query(), &["account"])?;
    let found = dead(&app, &id, query.get("account")).await?;
    let entry = bridge::delete(found.lane.account(), &id);
    append(&app, vec![entry]).await.map_err(|error| unstored(&error))?;
    Ok(answer(StatusCode::ACCEPTED, &Moved { id: &id, status: "deleted" }))
}

/// A letter that is dead, and not on its way.
async fn dead(app: &App, id: &str, account: Option<&str>) -> Result<Found, Refusal> {
    let found = find(app, id, account).await?.filter(|found| !found.is_leaving);
    found.ok_or_else(|| {
        Refusal::new(ProblemKind::NotDead, "it was replayed or deleted, or never was")
    })
}

/// The letter with this id, of the account that is named, or else of the only one that has it. An id is that of a
/// message, which another account may have too: which one is meant is not guessed.
async fn find(app: &App, id: &str, account: Option<&str>) -> Result<Option<Found>, Refusal> {
    let is_meant = |one: &&AccountId| account.is_none_or(|name| one.as_str() == name);
    let accounts: Vec<AccountId> = app.clients.keys().filter(is_meant).cloned().collect();
    let mut found = None;
    for account in accounts {
        let what = Listed::Lane(LaneId::new(account, LaneKind::DeadLetter, id));
        let listed = ask(&*app.core.store, Ask::List { what, after: None, limit: 1 }).await;
        if let Answer::Listed(lanes) = listed.map_err(|error| unstored(&error))?
            && let Some(one) = lanes.first().and_then(Found::of)
            && found.replace(one).is_some()
        {
            let detail =
                "letters of several accounts have this id: account must say which is meant";
            return Err(Refusal::new(ProblemKind::Invalid, detail));
        }
    }
    Ok(found)
}

pub(super) async fn append(
    app: &App,
    entries: Vec<lp_connector_bridge::store::Entry>,
) -> Result<(), StoreError> {
    ask(&*app.core.store, Ask::Append(entries)).await.map(drop)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use axum::body::{Body, to_bytes};
    use serde_json::{Value, json};

    use super::*;
    use crate::server::doubles::{FixedStore, OPERATIONS, app_over, block_on, lane};

    /// A letter of noon on 30 September 2026, set aside for this reason.
    fn letter(key: &str, reason: &str) -> LaneDetails {
        let letter = json!({
            "lane": [2, "5f0c"],
            "reason": reason,
            "at": 1_790_769_600_000_u64,
            "content": {"raw": "{"},
        });
        lane(LaneKind::DeadLetter, key, Some(&letter))
    }

    /// So many letters that were refused: `5f0c:0000`, `5f0c:0001` and so on.
    fn refused(count: usize) -> Vec<LaneDetails> {
        (0..count).map(|n| letter(&format!("5f0c:{n:04}"), "refused")).collect()
    }

    /// What an operator gets of these letters.
    fn page(letters: &[LaneDetails], query: &str) -> Value {
        let request = Request::builder()
            .uri(format!("/ops/v1/dead-letters?{query}"))
            .header("authorization", format!("Bearer {OPERATIONS}"))
            .body(Body::empty())
            .unwrap();
        let body = block_on(async {
            let app = app_over(Arc::new(FixedStore(letters.to_vec())));
            let response = list(State(app), request).await.unwrap();
            to_bytes(response.into_body(), 1_000_000).await.unwrap()
        });
        serde_json::from_slice(&body).unwrap()
    }

    fn ids(page: &Value) -> Vec<&str> {
        page["items"].as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap()).collect()
    }

    #[test]
    fn since_includes_its_own_moment_and_until_does_not() {
        let letters = refused(1);
        for (query, count) in [
            ("since=2026-09-30T12:00:00Z", 1),
            ("since=2026-09-30T12:00:00.001Z", 0),
            ("until=2026-09-30T12:00:00Z", 0),
            ("until=2026-09-30T12:00:00.001Z", 1),
        ] {
            assert_eq!(ids(&page(&letters, query)).len(), count, "{query}");
        }
    }

    #[test]
    fn a_letter_that_is_leaving_is_not_listed() {
        let mut letters = refused(3);
        letters[1].summary.entries = 1;
        assert_eq!(ids(&page(&letters, "")), ["5f0c:0000", "5f0c:0002"]);
    }

    #[test]
    fn letters_beyond_the_first_200_are_listed() {
        let page = page(&refused(201), "limit=1000");
        assert_eq!((ids(&page).len(), &page["next"]), (201, &Value::Null));
    }

    #[test]
    fn a_page_has_no_more_letters_than_its_limit() {
        let letters = refused(3);
        let first = page(&letters, "limit=2");
        assert_eq!(ids(&first), ["5f0c:0000", "5f0c:0001"]);
        let next = first["next"].as_str().unwrap();
        let last = page(&letters, &format!("limit=2&after={next}"));
        assert_eq!((ids(&last), &last["next"]), (vec!["5f0c:0002"], &Value::Null));
    }

    #[test]
    fn a_page_ends_after_5000_letters_whatever_it_has() {
        let mut letters = refused(5000);
        letters.push(letter("5f0c:5000", "expired"));
        let first = page(&letters, "reason=expired");
        assert_eq!(first["items"], json!([]));
        let next = first["next"].as_str().unwrap();
        let last = page(&letters, &format!("reason=expired&after={next}"));
        assert_eq!((ids(&last), &last["next"]), (vec!["5f0c:5000"], &Value::Null));
    }
}
