//! What a bridge shows to people.

use lp_connector_core::bridge::store::{Answer, LaneDetails, LaneId, LaneKind, Listed, Request};
use lp_connector_core::bridge::{ConsumerSummary, DeadLetterSummary};
use lp_connector_core::id::{AccountId, ExtConsumerId};

/// The most dead letters of one page.
const MAX_PAGE: usize = 1000;

/// A page of dead letters, in the order of their ids.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct DeadLetters {
    /// The letters. One that was set aside moments ago may still be missing.
    pub items: Vec<DeadLetterSummary>,
    /// What the next page comes after. `None` at the end.
    pub next: Option<String>,
}

pub(crate) fn consumer(account: &AccountId, consumer: &ExtConsumerId) -> Request {
    let what = Listed::Lane(LaneId::consumer(account, consumer));
    Request::List { what, after: None, limit: 1 }
}

pub(crate) fn consumer_of(answer: Answer) -> Option<ConsumerSummary> {
    lanes(answer).first().and_then(ConsumerSummary::of)
}

pub(crate) fn dead_letters(account: &AccountId, after: Option<&str>, limit: usize) -> Request {
    let kind = LaneKind::DeadLetter;
    let after = after.map(|id| LaneId::new(account.clone(), kind, id));
    let what = Listed::Lanes { account: Some(account.clone()), kind };
    Request::List { what, after, limit: limit.clamp(1, MAX_PAGE) }
}

pub(crate) fn dead_letters_of(answer: Answer, limit: usize) -> DeadLetters {
    let lanes = lanes(answer);
    let is_full = lanes.len() >= limit.clamp(1, MAX_PAGE);
    let last = lanes.last().filter(|_| is_full);
    DeadLetters {
        items: lanes.iter().filter_map(DeadLetterSummary::of).collect(),
        next: last.map(|lane| lane.summary.lane.key().to_owned()),
    }
}

fn lanes(answer: Answer) -> Vec<LaneDetails> {
    match answer {
        Answer::Listed(lanes) => lanes,
        _ => Vec::new(),
    }
}
