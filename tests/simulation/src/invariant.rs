//! The invariants that must hold in every scenario.

use std::fmt;
use std::time::Duration;

/// A guarantee of the library, checked after every event that it depends on.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Invariant {
    CallsEnd,
    NoBusyLoop,
    OneTokenRequest,
    NoExpiredToken,
    AttemptsWithinPolicy,
    PausesRespected,
    RetryAfterShared,
    CircuitBreaker,
    NoDuplicateMessage,
    ResultsMatchCloud,
    LateResponsesIgnored,
    ResponsesMatchRequests,
    TrustedHostsOnly,
    NoSecretsShown,
    BoundedMemory,
    NoLostNotification,
    OnceInOrder,
    RecoversAfterFaults,
    Deterministic,
    NoPanic,
}

impl Invariant {
    pub(crate) const ALL: [Self; 20] = [
        Self::CallsEnd,
        Self::NoBusyLoop,
        Self::OneTokenRequest,
        Self::NoExpiredToken,
        Self::AttemptsWithinPolicy,
        Self::PausesRespected,
        Self::RetryAfterShared,
        Self::CircuitBreaker,
        Self::NoDuplicateMessage,
        Self::ResultsMatchCloud,
        Self::LateResponsesIgnored,
        Self::ResponsesMatchRequests,
        Self::TrustedHostsOnly,
        Self::NoSecretsShown,
        Self::BoundedMemory,
        Self::NoLostNotification,
        Self::OnceInOrder,
        Self::RecoversAfterFaults,
        Self::Deterministic,
        Self::NoPanic,
    ];

    pub(crate) fn description(self) -> &'static str {
        match self {
            Self::CallsEnd => "every call ends exactly once, by its deadline",
            Self::NoBusyLoop => "a call waits only for a future time before its deadline",
            Self::OneTokenRequest => "a connector has at most one token request in flight",
            Self::NoExpiredToken => "no request carries an expired token, by the cloud's clock",
            Self::AttemptsWithinPolicy => "no more attempts than the policy allows, each sent once",
            Self::PausesRespected => "no pause is shorter than documented, or than Retry-After",
            Self::RetryAfterShared => "a Retry-After of a token service applies to all callers",
            Self::CircuitBreaker => {
                "circuits open and close as documented, with one probe at a time"
            }
            Self::NoDuplicateMessage => "no message is sent twice, except with at-least-once",
            Self::ResultsMatchCloud => "a result agrees with the messages that the cloud has",
            Self::LateResponsesIgnored => "a late response changes nothing",
            Self::ResponsesMatchRequests => "a request never gets another request's response",
            Self::TrustedHostsOnly => "no request goes to an untrusted host, or without TLS",
            Self::NoSecretsShown => {
                "no error, event or state shows a secret, a token or a message text"
            }
            Self::BoundedMemory => "caches and the inbox are bounded",
            Self::NoLostNotification => "every notification that was answered 200 is processed",
            Self::OnceInOrder => "every notification is processed once, in order or marked as late",
            Self::RecoversAfterFaults => "after the faults every call succeeds again",
            Self::Deterministic => "the same seed gives the same trace",
            Self::NoPanic => "nothing panics",
        }
    }
}

/// A broken invariant.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Violation {
    pub(crate) invariant: Invariant,
    pub(crate) at: Duration,
    pub(crate) detail: String,
}

impl Violation {
    pub(crate) fn new(invariant: Invariant, at: Duration, detail: impl Into<String>) -> Self {
        Self { invariant, at, detail: detail.into() }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { invariant, at, detail } = self;
        write!(
            f,
            "{invariant:?}: {}\n  at {:.3} s: {detail}",
            invariant.description(),
            at.as_secs_f64()
        )
    }
}
