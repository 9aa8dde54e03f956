//! Puts many dead letters back at once.

use std::collections::BTreeMap;

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use lp_connector_bridge::store::LaneKind;
use lp_connector_core::bridge;
use serde::{Deserialize, Serialize};

use super::lanes::chunk;
use super::letters::{Found, Wanted, append};
use super::page::Query;
use super::{answer, read};
use crate::problem::{Problem, ProblemKind};
use crate::server::answer::Refusal;
use crate::server::app::App;
use crate::server::calls::unstored;

/// How many letters are asked for at a time, and put back in one append.
const CHUNK: usize = 200;

/// The most letters of one request.
const MAX_LIMIT: usize = 1000;

const MEMBERS: &[&str] =
    &["account", "gateway", "consumer", "reason", "since", "until", "limit", "after"];

#[derive(Deserialize)]
struct Body {
    account: Option<String>,
    gateway: Option<String>,
    consumer: Option<String>,
    reason: Option<String>,
    since: Option<String>,
    until: Option<String>,
    limit: Option<usize>,
    after: Option<String>,
}

#[derive(Serialize)]
struct Replayed {
    replayed: usize,
    next: Option<String>,
}

/// The time of a letter, and its id with its account, by which they are ordered. Two accounts may have one id.
type Age = (String, String);

/// `POST /ops/v1/dead-letters/replay`: the oldest first.
pub(super) async fn replay(State(app): State<App>, request: Request) -> Result<Response, Refusal> {
    let body: Body = read(&app, request, MEMBERS).await?;
    let limit = body.limit.unwrap_or(MAX_LIMIT);
    if !(1..=MAX_LIMIT).contains(&limit) {
        let problem =
            Problem::new(ProblemKind::Invalid, "limit is 1 to 1000").at("/limit", "it is not");
        return Err(problem.into());
    }
    let filters = [
        ("account", body.account),
        ("gateway", body.gateway),
        ("consumer", body.consumer),
        ("reason", body.reason),
        ("since", body.since),
        ("until", body.until),
    ];
    let named = filters.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
    let query = Query::of(named.collect(), limit, body.after);
    let wanted = Wanted::new(&query)?;
    let after: Option<Age> = query.after()?;
    let mut oldest = oldest(&app, &wanted, after, limit + 1).await?;
    let has_more = oldest.len() > limit;
    if has_more {
        oldest.pop_last();
    }
    let next = oldest.last_key_value().filter(|_| has_more).map(|(age, _)| query.cursor(age));
    let entries: Vec<_> = oldest
        .values()
        .map(|found| bridge::replay(found.lane.account(), found.lane.key()))
        .collect();
    for chunk in entries.chunks(CHUNK) {
        append(&app, chunk.to_vec()).await.map_err(|error| unstored(&error))?;
    }
    Ok(answer(StatusCode::ACCEPTED, &Replayed { replayed: oldest.len(), next }))
}

/// The oldest letters that are wanted, after this one. The store lists them by their ids, so all are looked at.
async fn oldest(
    app: &App,
    wanted: &Wanted<'_>,
    after: Option<Age>,
    most: usize,
) -> Result<BTreeMap<Age, Found>, Refusal> {
    let mut oldest = BTreeMap::new();
    let mut place = None;
    loop {
        let lanes = chunk(app, LaneKind::DeadLetter, place.as_ref(), CHUNK).await?;
        let is_last = lanes.len() < CHUNK;
        for details in &lanes {
            let Some(found) = Found::of(details) else { continue };
            let shown = found.show(app, false);
            // A cursor of an older program has the id alone, which comes just before this.
            let id = format!("{} {}", shown.id, found.lane.account());
            let age = (shown.at.clone().unwrap_or_default(), id);
            let is_next = !found.is_leaving
                && found.letter.can_be_replayed()
                && after.as_ref().is_none_or(|after| age > *after);
            if is_next && wanted.includes(&found, &shown) {
                oldest.insert(age, found);
                if oldest.len() > most {
                    oldest.pop_last();
                }
            }
        }
        place = lanes.last().map(|details| details.summary.lane.clone());
        if is_last {
            return Ok(oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use lp_connector_bridge::store::LaneDetails;
    use serde_json::{Value, json};

    use super::*;
    use crate::server::doubles::{FixedStore, app_over, block_on, lane};

    /// A letter of 12:00:01 on 30 September 2026, with this content.
    fn letter(key: &str, content: &Value) -> LaneDetails {
        let letter = json!({
            "lane": [3, "sms:+41790000001"],
            "reason": "refused",
            "at": 1_790_769_601_000_u64,
            "content": content,
        });
        lane(LaneKind::DeadLetter, key, Some(&letter))
    }

    /// One that can be put back.
    fn status(key: &str) -> LaneDetails {
        let status = json!({"message": "SM9f3", "progress": "sent"});
        letter(key, &json!({"status": {"status": status, "at": 1_790_769_600_000_u64}}))
    }

    /// The keys of the letters that are put back.
    fn replayed(letters: Vec<LaneDetails>, after: Option<Age>) -> Vec<String> {
        let all = Query::of(BTreeMap::new(), 1000, None);
        let found = block_on(async {
            let app = app_over(Arc::new(FixedStore(letters)));
            oldest(&app, &Wanted::new(&all).unwrap(), after, 1001).await.unwrap()
        });
        found.values().map(|found| found.lane.key().to_owned()).collect()
    }

    #[test]
    fn letters_beyond_the_first_200_are_replayed() {
        let letters = (0..201).map(|n| status(&format!("5f0c:{n:03}"))).collect();
        let keys = replayed(letters, None);
        assert_eq!((keys.len(), keys.last().unwrap().as_str()), (201, "5f0c:200"));
    }

    #[test]
    fn what_is_leaving_or_unreadable_is_not_replayed() {
        let unreadable = letter("5f0c:1", &json!({"raw": "{"}));
        let mut leaving = status("5f0c:2");
        leaving.summary.entries = 1;
        let letters = vec![unreadable, leaving, status("5f0c:3")];
        assert_eq!(replayed(letters, None), ["5f0c:3"]);
    }

    #[test]
    fn the_next_letters_come_after_the_cursors_own() {
        let letters = ["5f0c:1", "5f0c:2", "5f0c:3"].map(status).to_vec();
        let after = ("2026-09-30T12:00:01.000Z".to_owned(), "5f0c:2 91827364".to_owned());
        assert_eq!(replayed(letters, Some(after)), ["5f0c:3"]);
    }
}
