//! What of LivePerson fails: for the log, and for those who ask why messages wait.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use lp_connector_bridge::CallEnded;
use lp_connector_core::connector::{CallEvent, EventKind};
use lp_connector_core::error::{Error, ErrorKind, Stage};
use lp_connector_core::id::AccountId;
use serde::Serialize;

use super::metrics::service;

/// The same failure of an account is logged once in this time.
const QUIET: Duration = Duration::from_secs(60);

/// The most failures that are remembered as logged. While there are so many, no other one is logged.
const MAX_LOGGED: usize = 256;

/// So many failures in a row of what may pass by itself are logged.
const IN_A_ROW: u64 = 3;

/// The calls of each account that fail.
#[derive(Debug, Default)]
pub(super) struct Failures(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    failing: BTreeMap<(AccountId, &'static str), Failing>,
    /// When a failure may be logged again.
    logged: BTreeMap<(AccountId, &'static str, String), Instant>,
    circuits: BTreeSet<OpenCircuit>,
}

/// An operation that fails, and what waits for it.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Failing {
    account: String,
    operation: &'static str,
    /// The request that fails: the operation's own, or one of those that it needs first, such as `app_jwt`.
    request: &'static str,
    /// The host that refuses it or does not answer, if one is known.
    service: Option<String>,
    status: Option<u16>,
    /// Without secrets and texts, with what to do.
    cause: String,
    since: String,
    /// How often in a row.
    failures: u64,
}

/// A service of LivePerson that is left alone for a while.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize)]
pub(super) struct OpenCircuit {
    account: String,
    service: String,
}

/// What a failure means.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Meaning {
    /// A conversation changed in the meantime: the lane goes on.
    Expected,
    /// What was sent is refused: it is reported as failed.
    Refused,
    /// It may pass by itself.
    Passing,
    /// Somebody must change something.
    Lasting,
}

impl Meaning {
    fn of(error: &Error) -> Self {
        match error.kind() {
            ErrorKind::AlreadyOpen | ErrorKind::ConversationClosed | ErrorKind::Abandoned => {
                Self::Expected
            }
            ErrorKind::InvalidInput | ErrorKind::Rejected | ErrorKind::StaleRevision
                if error.stage() == Stage::Operation =>
            {
                Self::Refused
            }
            ErrorKind::Unavailable
            | ErrorKind::CircuitOpen
            | ErrorKind::RateLimited
            | ErrorKind::DeadlineExceeded
            | ErrorKind::BadAnswer
            | ErrorKind::Unconfirmed => Self::Passing,
            _ => Self::Lasting,
        }
    }
}

impl Failures {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes note of a call that ended, and logs what must be known.
    pub(super) fn record(&self, ended: &CallEnded, now: Instant) {
        let account = ended.account.as_str();
        let meaning = ended.result.as_ref().err().map(|error| (error, Meaning::of(error)));
        let mut state = self.state();
        let key = (ended.account.clone(), ended.operation);
        let Some((error, meaning @ (Meaning::Refused | Meaning::Passing | Meaning::Lasting))) =
            meaning
        else {
            let was_failing = state.failing.remove(&key);
            drop(state);
            if was_failing.is_some_and(|failing| failing.failures >= IN_A_ROW) {
                let operation = ended.operation;
                tracing::info!(
                    target: super::LOG, event = "liveperson_up", account, operation,
                    "LivePerson takes it again"
                );
            }
            return;
        };
        let failing = Failing::new(ended, error, state.failing.get(&key));
        let (service, status) = (failing.service.clone(), failing.status);
        let (request, cause) = (failing.request, failing.cause.clone());
        let is_due = match meaning {
            Meaning::Passing => failing.failures >= IN_A_ROW,
            _ => true,
        };
        match meaning {
            // The answer is about this message: the service works.
            Meaning::Refused => drop(state.failing.remove(&key)),
            _ => drop(state.failing.insert(key, failing)),
        }
        if !is_due || !state.may_log(&ended.account, request, error, now) {
            return;
        }
        drop(state);
        let cause = cause.as_str();
        match meaning {
            Meaning::Lasting => tracing::error!(
                target: super::LOG, event = "liveperson_refuses", account, operation = request,
                service, status, cause
            ),
            Meaning::Refused => tracing::warn!(
                target: super::LOG, event = "call_refused", account, operation = request,
                service, status, cause
            ),
            _ => tracing::warn!(
                target: super::LOG, event = "liveperson_down", account, operation = request,
                service, status, cause
            ),
        }
    }

    /// Takes note of circuits.
    pub(super) fn follow(&self, account: &AccountId, event: &CallEvent) {
        let of = |service| OpenCircuit { account: account.as_str().to_owned(), service };
        match &event.kind {
            EventKind::CircuitOpened { endpoint, .. } => {
                self.state().circuits.insert(of(service(endpoint)));
            }
            EventKind::CircuitClosed { endpoint, .. } => {
                self.state().circuits.remove(&of(service(endpoint)));
            }
            _ => {}
        }
    }

    /// What fails at present.
    pub(super) fn failing(&self) -> Vec<Failing> {
        self.state().failing.values().cloned().collect()
    }

    pub(super) fn circuits_open(&self) -> Vec<OpenCircuit> {
        self.state().circuits.iter().cloned().collect()
    }
}

impl State {
    /// Whether this failure was not logged for a while. The operation does not count for what all of them need.
    fn may_log(
        &mut self,
        account: &AccountId,
        request: &'static str,
        error: &Error,
        now: Instant,
    ) -> bool {
        self.logged.retain(|_, until| now < *until);
        let cause = match error.stage() {
            Stage::Operation => error.to_string(),
            _ => error.kind().name().to_owned(),
        };
        let key = (account.clone(), request, cause);
        if self.logged.contains_key(&key) || self.logged.len() >= MAX_LOGGED {
            return false;
        }
        self.logged.insert(key, now + QUIET);
        true
    }
}

impl Failing {
    fn new(ended: &CallEnded, error: &Error, before: Option<&Self>) -> Self {
        let now = || humantime::format_rfc3339_millis(SystemTime::now()).to_string();
        Self {
            account: ended.account.as_str().to_owned(),
            operation: ended.operation,
            request: match error.stage() {
                Stage::Operation => ended.operation,
                stage => stage.name(),
            },
            service: error.host().map(str::to_owned),
            status: error.status(),
            cause: format!("{error:#}"),
            since: before.map_or_else(now, |before| before.since.clone()),
            failures: before.map_or(1, |before| before.failures.saturating_add(1)),
        }
    }
}
