//! What happened to the values that calls share: the AppJWT, each ConsumerJWS and each host.
//!
//! A value is cached from the response that brought it, an AppJWT for the lifetime of tokens, until the core refreshes it
//! because a service has rejected it. It is fetched while a request for it is in flight, and pausing from an
//! event that says so to the next request.

use std::collections::BTreeMap;
use std::time::Duration;

use lp_connector_core::connector::{CallEvent, EventKind, TokenKind};
use lp_connector_core::error::Stage;

use super::{End, Reach, Reached, Table, VALUES, index_of};
use crate::event_log::SentRequest;
use crate::invariants::CallSpec;
use crate::scenario::Action;

/// The states of each kind of value.
const STATES: usize = 6;
const NONE: usize = 0;
const CACHED: usize = 1;
const FETCHED: usize = 2;
const REPLACED: usize = 3;
const PAUSING: usize = 4;
const DEFERRED: usize = 5;

// The columns.
const SUCCEEDS: usize = 0;
const FAILS: usize = 1;
const REJECTED: usize = 2;
const CANCELLED: usize = 3;
const DROPPED: usize = 4;
const OF_NO_USE: usize = 5;
const EARLIER_OF_NO_USE: usize = 6;
const REVOKED: usize = 7;
const RESTARTS: usize = 8;
const SUSPENDED: usize = 9;

const HOST: usize = 0;
const APP: usize = 1;
const CONSUMER: usize = 2;

pub(super) const TABLE: Table = Table {
    title: "Hosts and tokens",
    rows: &[
        "host, unknown",
        "host, cached",
        "host, fetched",
        "host, cached and fetched",
        "host, pausing",
        "host, cached and pausing",
        "AppJWT, none",
        "AppJWT, cached",
        "AppJWT, fetched",
        "AppJWT, cached and fetched",
        "AppJWT, pausing",
        "AppJWT, cached and pausing",
        "ConsumerJWS, none",
        "ConsumerJWS, cached",
        "ConsumerJWS, fetched",
        "ConsumerJWS, cached and fetched",
        "ConsumerJWS, pausing",
        "ConsumerJWS, cached and pausing",
    ],
    columns: &[
        "its request succeeds",
        "its request fails",
        "its request is rejected",
        "the call that fetches it is cancelled",
        "the call that fetches it is dropped",
        "a request that carries it is rejected",
        "a request that carries an earlier one is rejected",
        "it is revoked, or the service moves",
        "the process restarts",
        "the process is suspended",
    ],
    reach,
};

fn reach(row: usize, column: usize) -> Reach {
    let (kind, state) = (row / STATES, row % STATES);
    match (kind, state, column) {
        (_, NONE | CACHED | PAUSING | DEFERRED, SUCCEEDS..=DROPPED) => {
            Reach::Never("no request is in flight")
        }
        (HOST, _, OF_NO_USE | EARLIER_OF_NO_USE) => Reach::Never("no request carries it"),
        (CONSUMER, REPLACED | DEFERRED, _) => {
            Reach::Never("it has no end, and is not fetched before it is needed")
        }
        (APP, REPLACED | DEFERRED, EARLIER_OF_NO_USE) => {
            Reach::Seldom("a request with the one before has to take almost as long as it lives")
        }
        (CONSUMER, NONE, EARLIER_OF_NO_USE) => {
            Reach::Seldom("where it was rejected, it is fetched again at once")
        }
        _ => Reach::Wanted,
    }
}

#[derive(Debug)]
pub(super) struct Values {
    app_life: Duration,
    all: Vec<Value>,
    /// When each caller's last request was sent.
    sent: BTreeMap<usize, Duration>,
}

#[derive(Debug)]
struct Value {
    process: usize,
    kind: usize,
    resource: String,
    fetched_at: Duration,
    cached_until: Duration,
    /// The requests in flight for it.
    in_flight: Vec<usize>,
    is_pausing: bool,
}

impl Value {
    fn row(&self, at: Duration) -> usize {
        let is_cached = at < self.cached_until;
        let state = match (self.in_flight.is_empty(), self.is_pausing, is_cached) {
            (false, _, false) => FETCHED,
            (false, _, true) => REPLACED,
            (true, true, false) => PAUSING,
            (true, true, true) => DEFERRED,
            (true, false, false) => NONE,
            (true, false, true) => CACHED,
        };
        self.kind * STATES + state
    }
}

impl Values {
    pub(super) fn new(app_life: Duration) -> Self {
        Self { app_life, all: Vec::new(), sent: BTreeMap::new() }
    }

    fn value(&mut self, sent: &SentRequest) -> Option<&mut Value> {
        let kind = index_of(sent.stage);
        if sent.stage == Stage::Operation {
            return None;
        }
        let is_it = |value: &Value| {
            value.process == sent.process && value.kind == kind && value.resource == sent.resource
        };
        let at = self.all.iter().position(is_it).unwrap_or_else(|| {
            self.all.push(Value {
                process: sent.process,
                kind,
                resource: sent.resource.clone(),
                fetched_at: Duration::ZERO,
                cached_until: Duration::ZERO,
                in_flight: Vec::new(),
                is_pausing: false,
            });
            self.all.len() - 1
        });
        self.all.get_mut(at)
    }

    pub(super) fn sent(&mut self, nth: usize, sent: &SentRequest, at: Duration) {
        self.sent.insert(sent.caller, at);
        if let Some(value) = self.value(sent) {
            value.in_flight.push(nth);
            value.is_pausing = false;
            if value.kind == CONSUMER {
                // Else it would not be fetched: the cache has forgotten it.
                value.cached_until = Duration::ZERO;
            }
        }
    }

    pub(super) fn ends(
        &mut self,
        reached: &mut Reached,
        nth: usize,
        sent: &SentRequest,
        end: End,
        at: Duration,
    ) {
        let life = if sent.stage == Stage::AppJwt { self.app_life } else { Duration::MAX };
        let Some(value) = self.value(sent) else { return };
        let row = value.row(at);
        value.in_flight.retain(|other| *other != nth);
        let column = match (end, sent.status.filter(|_| sent.received && !sent.is_unreadable)) {
            (End::Restart, _) => return,
            (End::Cancelled(true), _) => CANCELLED,
            (End::Cancelled(false), _) => DROPPED,
            (End::Outcome, Some(200..=299)) => {
                value.fetched_at = at;
                value.cached_until = sent.at.saturating_add(life);
                SUCCEEDS
            }
            (End::Outcome, Some(300..=428 | 430..=499)) => REJECTED,
            (End::Outcome, _) => FAILS,
        };
        reached.mark(VALUES, row, column);
    }

    pub(super) fn on_event(
        &mut self,
        reached: &mut Reached,
        (caller, process): (usize, usize),
        event: &CallEvent,
        at: Duration,
        spec: Option<CallSpec>,
    ) {
        match &event.kind {
            EventKind::Retry { .. } | EventKind::RefreshDeferred { .. } => {
                let kind = index_of(event.stage);
                let name = spec.map(|spec| consumer(spec.action)).unwrap_or_default();
                for value in self.all.iter_mut().filter(|value| value.process == process) {
                    let is_it =
                        value.kind == kind && (kind <= APP || value.resource.contains(&name));
                    value.is_pausing |= is_it && value.in_flight.is_empty();
                }
            }
            EventKind::RefreshingToken { token, .. } => {
                let name = match token {
                    TokenKind::AppJwt => String::new(),
                    TokenKind::ConsumerJws => {
                        spec.map(|spec| consumer(spec.action)).unwrap_or_default()
                    }
                };
                let kind = match token {
                    TokenKind::AppJwt => index_of(Stage::AppJwt),
                    TokenKind::ConsumerJws => index_of(Stage::ConsumerJws),
                };
                let sent = self.sent.get(&caller).copied().unwrap_or_default();
                for value in self.all.iter_mut().filter(|value| value.process == process) {
                    if value.kind != kind || !value.resource.contains(&name) {
                        continue;
                    }
                    let is_earlier = sent < value.fetched_at;
                    let column = if is_earlier { EARLIER_OF_NO_USE } else { OF_NO_USE };
                    reached.mark(VALUES, value.row(at), column);
                    if !is_earlier {
                        value.cached_until = Duration::ZERO;
                    }
                }
            }
            _ => {}
        }
    }

    /// All tokens of this kind are revoked.
    pub(super) fn revoked(&self, reached: &mut Reached, stage: Stage, at: Duration) {
        let kind = index_of(stage);
        for value in self.all.iter().filter(|value| value.kind == kind) {
            reached.mark(VALUES, value.row(at), REVOKED);
        }
    }

    /// A service moves to another host.
    pub(super) fn moved(&self, reached: &mut Reached, service: &str, at: Duration) {
        let is_it = |value: &&Value| value.kind == HOST && value.resource.contains(service);
        for value in self.all.iter().filter(is_it) {
            reached.mark(VALUES, value.row(at), REVOKED);
        }
    }

    pub(super) fn suspended(&self, reached: &mut Reached, process: usize, at: Duration) {
        for value in self.all.iter().filter(|value| value.process == process) {
            reached.mark(VALUES, value.row(at), SUSPENDED);
        }
    }

    pub(super) fn restarts(&mut self, reached: &mut Reached, process: usize, at: Duration) {
        for value in self.all.iter().filter(|value| value.process == process) {
            reached.mark(VALUES, value.row(at), RESTARTS);
        }
        self.all.retain(|value| value.process != process);
    }
}

/// The name of the consumer that an action is for.
fn consumer(action: Action) -> String {
    match action {
        Action::ResolveDomain | Action::AuthorizeApp => String::new(),
        Action::OpenConversation(number) => format!("newcomer-{number}"),
        Action::IdentifyConsumer(number)
        | Action::SendText(number)
        | Action::SetComposing(number)
        | Action::CloseConversation(number) => format!("consumer-{number}"),
    }
}
