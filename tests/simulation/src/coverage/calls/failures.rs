//! What followed each class of failure: of an operation's own request, and of a request for a value that calls share.

use std::collections::BTreeMap;

use lp_connector_core::api::Idempotency;
use lp_connector_core::connector::{CallEvent, EventKind};
use lp_connector_core::error::{ErrorKind, Stage};
use lp_connector_core::policy::{Decision, FailureClass, RetryState};

use super::{FAILURES, Reach, Reached, Table};
use crate::caller::FinishedCall;
use crate::event_log::SentRequest;
use crate::invariants::CallSpec;
use crate::network::NetworkFault;
use crate::scenario::Action;

const CLASSES: [FailureClass; 12] = [
    FailureClass::NotSent,
    FailureClass::TlsFailed,
    FailureClass::ProxyUnusable,
    FailureClass::AnswerLost,
    FailureClass::CertificateMissing,
    FailureClass::RateLimited,
    FailureClass::Unavailable,
    FailureClass::NotProcessed,
    FailureClass::ServerError,
    FailureClass::Redirected,
    FailureClass::Rejected,
    FailureClass::Unreadable,
];

// The columns.
const RETRIED: usize = 0;
const EXHAUSTED: usize = 1;
const NOT_IDEMPOTENT: usize = 2;
const NOT_RETRYABLE: usize = 3;
const PROBE: usize = 4;
const REFRESH: usize = 5;
const OUT_OF_TIME: usize = 6;
const FETCH_RETRIED: usize = 7;
const FETCH_EXHAUSTED: usize = 8;
const FETCH_NOT_RETRYABLE: usize = 9;
const FETCH_REFRESH: usize = 10;
const FETCH_DEFERRED: usize = 11;

pub(super) const TABLE: Table = Table {
    title: "Failures, and what followed",
    rows: &[
        "not_sent",
        "tls_failed",
        "proxy_unusable",
        "answer_lost",
        "certificate_missing",
        "rate_limited",
        "unavailable",
        "not_processed",
        "server_error",
        "redirected",
        "rejected",
        "unreadable",
    ],
    columns: &[
        "own request: retried",
        "own request: the retries are used up",
        "own request: not idempotent",
        "own request: not retryable",
        "own request: a probe, which is not retried",
        "own request: a token is refreshed",
        "own request: the deadline comes before the retry",
        "host or token: retried",
        "host or token: the retries are used up, or a probe has failed",
        "host or token: not retryable",
        "host or token: another token is refreshed first",
        "host or token: deferred, the old one stays in use",
    ],
    reach,
};

fn is_retryable(class: FailureClass) -> bool {
    matches!(
        class,
        FailureClass::NotSent
            | FailureClass::AnswerLost
            | FailureClass::RateLimited
            | FailureClass::Unavailable
            | FailureClass::NotProcessed
            | FailureClass::ServerError
    )
}

fn reach(row: usize, column: usize) -> Reach {
    let Some(class) = CLASSES.get(row).copied() else { return Reach::Wanted };
    let unknown = matches!(class, FailureClass::AnswerLost | FailureClass::ServerError);
    match column {
        RETRIED | EXHAUSTED | NOT_IDEMPOTENT | PROBE | OUT_OF_TIME | FETCH_RETRIED
        | FETCH_EXHAUSTED
            if !is_retryable(class) =>
        {
            Reach::Never("no policy retries it")
        }
        PROBE if class == FailureClass::NotProcessed => {
            Reach::Never("the service is up, so its circuit is closed again, and it is retried")
        }
        NOT_IDEMPOTENT if !unknown => Reach::Never("it certainly had no effect"),
        NOT_RETRYABLE | FETCH_NOT_RETRYABLE if is_retryable(class) => {
            Reach::Never("it may be retried")
        }
        REFRESH | FETCH_REFRESH if class != FailureClass::Rejected => {
            Reach::Never("it says nothing about a token")
        }
        _ => Reach::Wanted,
    }
}

#[derive(Debug, Default)]
pub(super) struct Failures {
    /// The last attempt of each caller, if it failed.
    last: BTreeMap<usize, (Stage, FailureClass)>,
    /// How often each caller's own request was retried.
    retries: BTreeMap<usize, u32>,
}

impl Failures {
    pub(super) fn sent(&mut self, caller: usize) {
        self.last.remove(&caller);
    }

    pub(super) fn outcome(&mut self, caller: usize, sent: &SentRequest) {
        if let Some(class) = class_of(sent) {
            self.last.insert(caller, (sent.stage, class));
        }
    }

    pub(super) fn on_event(&mut self, reached: &mut Reached, caller: usize, event: &CallEvent) {
        let failed = self.last.get(&caller).filter(|(stage, _)| *stage == event.stage);
        let Some((stage, class)) = failed.copied() else { return };
        let is_own = stage == Stage::Operation;
        let column = match (&event.kind, is_own) {
            (EventKind::Retry { .. }, true) => {
                *self.retries.entry(caller).or_default() += 1;
                RETRIED
            }
            (EventKind::Retry { .. }, false) => FETCH_RETRIED,
            (EventKind::RefreshingToken { .. }, true) => REFRESH,
            (EventKind::RefreshingToken { .. }, false) => FETCH_REFRESH,
            (EventKind::RefreshDeferred { .. }, _) => FETCH_DEFERRED,
            _ => return,
        };
        self.last.remove(&caller);
        mark(reached, class, column);
    }

    /// A call has ended: by its last failure, if nothing else followed that.
    pub(super) fn finished(
        &mut self,
        reached: &mut Reached,
        caller: usize,
        spec: &CallSpec,
        finished: &FinishedCall,
    ) {
        let (Some((stage, class)), Err(error)) = (self.last.remove(&caller), &finished.result)
        else {
            return;
        };
        if error.stage() != stage {
            return;
        }
        let is_own = stage == Stage::Operation;
        let column = match (is_own, error.kind()) {
            (true, ErrorKind::DeadlineExceeded) => OUT_OF_TIME,
            (false, ErrorKind::DeadlineExceeded) => return,
            (true, _) => {
                let idempotency = match spec.action {
                    Action::SendText(_) | Action::OpenConversation(_) => Idempotency::NonIdempotent,
                    _ => Idempotency::Idempotent,
                };
                let retries = self.retries.get(&caller).copied().unwrap_or_default();
                let state = RetryState::new(class).retries(retries).idempotency(idempotency);
                match spec.policy.retry_policy().decide(&state) {
                    Decision::Retry(_) => PROBE,
                    Decision::Exhausted => EXHAUSTED,
                    Decision::NotIdempotent => NOT_IDEMPOTENT,
                    Decision::NotRetryable => NOT_RETRYABLE,
                }
            }
            (false, _) if is_retryable(class) => FETCH_EXHAUSTED,
            (false, _) => FETCH_NOT_RETRYABLE,
        };
        mark(reached, class, column);
    }
}

fn mark(reached: &mut Reached, class: FailureClass, column: usize) {
    if let Some(row) = CLASSES.iter().position(|it| *it == class) {
        reached.mark(FAILURES, row, column);
    }
}

/// How an attempt failed, by what the network and the cloud did.
fn class_of(sent: &SentRequest) -> Option<FailureClass> {
    match sent.status.filter(|_| sent.received) {
        Some(200..=299) => sent.is_unreadable.then_some(FailureClass::Unreadable),
        Some(status) => Some(FailureClass::of_status(status)),
        // The fault came too late to be seen.
        None if sent.outcome_at >= sent.deadline => Some(FailureClass::AnswerLost),
        None => Some(match sent.fault {
            NetworkFault::Refused | NetworkFault::Unresolved | NetworkFault::NoFreeConnection => {
                FailureClass::NotSent
            }
            NetworkFault::NoTls => FailureClass::TlsFailed,
            NetworkFault::CertificateDemanded => FailureClass::CertificateMissing,
            NetworkFault::ProxyRefused => FailureClass::ProxyUnusable,
            _ => FailureClass::AnswerLost,
        }),
    }
}
