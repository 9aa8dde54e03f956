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
    /// It was due to be logged, and so is its end. The line itself may be missing: the same cause is logged once a minute.
    #[serde(skip)]
    is_reported: bool,
}

/// A service of LivePerson whose circuit is open: no request goes there for a while.
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
        self.note(&ended.account, ended.operation, ended.result.as_ref().err(), now);
    }

    /// The same, in parts: another crate cannot make a [`CallEnded`], and so the tests could not.
    fn note(
        &self,
        account: &AccountId,
        operation: &'static str,
        error: Option<&Error>,
        now: Instant,
    ) {
        let failed = error.map(|error| (error, Meaning::of(error)));
        let mut state = self.state();
        let key = (account.clone(), operation);
        let before = state.failing.remove(&key);
        // An answer that is about this message is one: the service works.
        let works = !matches!(failed, Some((_, Meaning::Passing | Meaning::Lasting)));
        let is_up = works && before.as_ref().is_some_and(|before| before.is_reported);
        let reported = match failed {
            Some((error, meaning)) if meaning != Meaning::Expected => {
                let mut failing = Failing::new(account, operation, error, before.as_ref());
                let is_due = meaning != Meaning::Passing || failing.failures >= IN_A_ROW;
                failing.is_reported |= is_due;
                if !works {
                    state.failing.insert(key, failing.clone());
                }
                let is_new = is_due && state.may_log(account, failing.request, error, now);
                is_new.then_some((failing, meaning))
            }
            _ => None,
        };
        drop(state);
        let account = account.as_str();
        if is_up {
            tracing::info!(
                target: super::LOG, event = "liveperson_up", account, operation,
                "LivePerson takes it again"
            );
        }
        let Some((failing, meaning)) = reported else { return };
        let Failing { service, status, request, cause, .. } = failing;
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
    fn new(
        account: &AccountId,
        operation: &'static str,
        error: &Error,
        before: Option<&Self>,
    ) -> Self {
        let now = || humantime::format_rfc3339_millis(SystemTime::now()).to_string();
        Self {
            account: account.as_str().to_owned(),
            operation,
            request: match error.stage() {
                Stage::Operation => operation,
                stage => stage.name(),
            },
            service: error.host().map(str::to_owned),
            status: error.status(),
            cause: format!("{error:#}"),
            since: before.map_or_else(now, |before| before.since.clone()),
            failures: before.map_or(1, |before| before.failures.saturating_add(1)),
            is_reported: before.is_some_and(|before| before.is_reported),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::iter;

    use axum::http::Response;
    use bytes::Bytes;
    use lp_connector_core::api::{CloseConversation, ConversationRef};
    use lp_connector_core::connector::{Call, Config, ConnectorState, Outcome, Step};
    use lp_connector_core::policy::RetryPolicy;
    use lp_connector_core::secret::Secret;
    use lp_connector_core::seed::Seed;
    use lp_connector_core::time::{Mono, Now};

    use super::super::logged::logged;
    use super::*;

    const DOWN: &str = "WARN liveperson_down 91827364 send_text";
    const UP: &str = "INFO liveperson_up 91827364 send_text";

    fn account() -> AccountId {
        "91827364".parse().unwrap()
    }

    /// The level, event, account and operation of what is logged meanwhile.
    fn log_of(work: impl FnOnce()) -> Vec<String> {
        let begin = |line: String| line.split(' ').take(4).collect::<Vec<_>>().join(" ");
        logged(work).into_iter().map(begin).collect()
    }

    /// What is logged if a message's call ends so, with this kind of error or without one.
    fn log_at(failures: &Failures, now: Instant, kind: Option<ErrorKind>) -> Vec<String> {
        let error = kind.map(|kind| Error::new(kind, "it fails"));
        log_of(|| failures.note(&account(), "send_text", error.as_ref(), now))
    }

    /// The operations that fail, and how often in a row.
    fn rows(failures: &Failures) -> Vec<(&'static str, u64)> {
        failures.failing().into_iter().map(|one| (one.operation, one.failures)).collect()
    }

    fn client() -> ConnectorState {
        let secret = Secret::new("n3v3r-shown".to_owned());
        let config = Config::new(account()).credentials("0a1b2c3d".parse().unwrap(), secret);
        ConnectorState::new(config.retry(RetryPolicy::none()), Seed::from_bytes([2; 16]))
    }

    /// How a call ends if the look-up of the host, which comes first, is answered with this status so many seconds
    /// after the start; and its events.
    fn look_up(state: &mut ConnectorState, at: u64, status: u16) -> (Error, Vec<CallEvent>) {
        let now = Now::new(Mono::ZERO, SystemTime::UNIX_EPOCH).later(Duration::from_secs(at));
        let to = ConversationRef::new("ada".parse().unwrap(), "5f0c".parse().unwrap());
        let close = CloseConversation::new(&to);
        let mut call = Call::new(close, state.config(), Seed::from_bytes([1; 16]), now);
        let Step::Send(attempt) = call.poll(state, now) else { panic!("it sends nothing") };
        assert_eq!(attempt.stage(), Stage::Domain);
        let answer = Response::builder().status(status).body(Bytes::from_static(b"{}")).unwrap();
        let _ = call.handle(state, now, attempt.number(), Outcome::Response(answer));
        let Step::Done(Err(error)) = call.poll(state, now) else { panic!("it does not fail") };
        (error, iter::from_fn(|| call.next_event()).collect())
    }

    #[test]
    fn each_kind_of_failure_has_its_meaning() {
        use ErrorKind as K;
        for (meaning, kinds) in [
            (Meaning::Expected, &[K::AlreadyOpen, K::ConversationClosed, K::Abandoned][..]),
            (Meaning::Refused, &[K::InvalidInput, K::Rejected, K::StaleRevision][..]),
            (Meaning::Passing, &[K::Unavailable, K::CircuitOpen, K::RateLimited][..]),
            (Meaning::Passing, &[K::DeadlineExceeded, K::BadAnswer, K::Unconfirmed][..]),
            (Meaning::Lasting, &[K::Configuration, K::UntrustedHost, K::Unauthorized][..]),
            (Meaning::Lasting, &[K::Blocked, K::Tls, K::Proxy][..]),
        ] {
            for kind in kinds {
                assert_eq!(Meaning::of(&Error::new(*kind, "it fails")), meaning, "{kind:?}");
            }
        }
        // The account is unknown there: it is not about a message.
        let (error, _) = look_up(&mut client(), 0, 404);
        assert_eq!((error.kind(), error.stage()), (K::Rejected, Stage::Domain));
        assert_eq!(Meaning::of(&error), Meaning::Lasting);
    }

    #[test]
    fn what_may_pass_is_logged_from_the_third_in_a_row() {
        let (failures, now) = (Failures::default(), Instant::now());
        let log = |kind| log_at(&failures, now, kind);
        let down = || log(Some(ErrorKind::Unavailable));
        assert!(down().is_empty() && down().is_empty());
        // Nobody knows of these two.
        assert!(log(None).is_empty());
        assert!(down().is_empty() && down().is_empty());
        assert_eq!(down(), [DOWN]);
        assert_eq!(rows(&failures), [("send_text", 3)]);
        assert_eq!(log(None), [UP]);
        assert!(log(None).is_empty());
        assert!(rows(&failures).is_empty());
    }

    #[test]
    fn a_closed_conversation_is_no_failure() {
        let (failures, now) = (Failures::default(), Instant::now());
        let log = |kind| log_at(&failures, now, Some(kind));
        assert!(log(ErrorKind::ConversationClosed).is_empty());
        let down: Vec<_> = (0..4).flat_map(|_| log(ErrorKind::Unavailable)).collect();
        assert_eq!(down, [DOWN]);
        // LivePerson answered.
        assert_eq!(log(ErrorKind::ConversationClosed), [UP]);
        assert!(rows(&failures).is_empty());
    }

    #[test]
    fn what_lasts_is_logged_at_once_and_again_after_a_minute() {
        let (failures, begun) = (Failures::default(), Instant::now());
        let refuses = "ERROR liveperson_refuses 91827364 send_text";
        for (millis, times) in [(0, 1), (59_999, 0), (60_000, 1)] {
            let now = begun + Duration::from_millis(millis);
            let lines = log_at(&failures, now, Some(ErrorKind::Unauthorized));
            assert_eq!(lines, vec![refuses; times], "{millis}");
        }
        assert_eq!(rows(&failures), [("send_text", 3)]);
    }

    #[test]
    fn each_reported_failure_has_its_end() {
        let (failures, now) = (Failures::default(), Instant::now());
        assert_eq!(log_at(&failures, now, Some(ErrorKind::Unauthorized)).len(), 1);
        assert_eq!(log_at(&failures, now, None), [UP]);
        let log = |kind| log_at(&failures, now + QUIET, kind);
        let down: Vec<_> = (0..3).flat_map(|_| log(Some(ErrorKind::Unavailable))).collect();
        assert_eq!(down, [DOWN]);
        let log = |kind| log_at(&failures, now + QUIET * 2, kind);
        assert_eq!(log(Some(ErrorKind::Rejected)), [UP, "WARN call_refused 91827364 send_text"]);
        assert!(log(None).is_empty());
    }

    #[test]
    fn each_reason_to_refuse_a_message_is_logged() {
        let (failures, now) = (Failures::default(), Instant::now());
        assert!(log_at(&failures, now, Some(ErrorKind::Unavailable)).is_empty());
        let refuse = |why: &'static str| {
            let error = Error::new(ErrorKind::Rejected, why);
            log_of(|| failures.note(&account(), "send_text", Some(&error), now))
        };
        let refused = "WARN call_refused 91827364 send_text";
        assert_eq!(refuse("the text is empty"), [refused]);
        // The service works, and what failed before it no longer does.
        assert!(rows(&failures).is_empty());
        assert!(refuse("the text is empty").is_empty());
        assert_eq!(refuse("the text is too long"), [refused]);
    }

    #[test]
    fn what_all_operations_need_is_logged_once_for_them() {
        let (failures, now) = (Failures::default(), Instant::now());
        let lines = log_of(|| {
            for (operation, status) in [("send_text", 404), ("send_receipt", 403)] {
                let (error, _) = look_up(&mut client(), 0, status);
                failures.note(&account(), operation, Some(&error), now);
            }
        });
        assert_eq!(lines, ["ERROR liveperson_refuses 91827364 domain"]);
        assert_eq!(rows(&failures), [("send_receipt", 1), ("send_text", 1)]);
        assert!(failures.failing().iter().all(|one| one.request == "domain"));
    }

    #[test]
    fn at_most_256_failures_are_logged_in_a_minute() {
        let (failures, begun) = (Failures::default(), Instant::now());
        let refuse = |number: u32, now| {
            let error = Error::new(ErrorKind::Rejected, format!("field {number} is wrong"));
            failures.note(&account(), "send_text", Some(&error), now);
        };
        let lines = log_of(|| (0..300).for_each(|number| refuse(number, begun)));
        assert_eq!(lines.len(), 256);
        let lines = log_of(|| refuse(299, begun + Duration::from_secs(60)));
        assert_eq!(lines.len(), 1);
    }

    #[test]
    fn a_circuit_is_listed_from_its_opening_to_its_closing() {
        let (failures, mut state) = (Failures::default(), client());
        let mut follow = |at, status| {
            let (_, events) = look_up(&mut state, at, status);
            events.iter().for_each(|event| failures.follow(&account(), event));
            failures.circuits_open()
        };
        let (account, service) = ("91827364".to_owned(), "domain_api".to_owned());
        assert_eq!(follow(0, 503), [OpenCircuit { account, service }]);
        // The circuit is open for 120 s. Then the service answers, whatever it says.
        assert!(follow(130, 404).is_empty());
    }
}
