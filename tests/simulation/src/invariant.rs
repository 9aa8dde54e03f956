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
            Self::CallsEnd => "every call ends once, by its deadline",
            Self::NoBusyLoop => "who is told to wait is told a time to come, before the deadline",
            Self::OneTokenRequest => "a connector has at most one token request under way",
            Self::NoExpiredToken => "no request carries a token past its life by the cloud's clock",
            Self::AttemptsWithinPolicy => {
                "no more tries than the policy allows, each handed out once"
            }
            Self::PausesRespected => {
                "no pause is shorter than documented, or than the service asked"
            }
            Self::RetryAfterShared => "a Retry-After of a token service holds for all callers",
            Self::CircuitBreaker => {
                "a failing service is left alone as documented, one probe at a time"
            }
            Self::NoDuplicateMessage => "no message is doubled unless at-least-once was chosen",
            Self::ResultsMatchCloud => "what a result says of the message is so",
            Self::LateResponsesIgnored => "an answer that nobody waits for changes nothing",
            Self::ResponsesMatchRequests => {
                "an answer is that of its own request, or there is none"
            }
            Self::TrustedHostsOnly => "nothing is sent to a host that is not trusted",
            Self::NoSecretsShown => "no error, event or state shows a secret, a token or a text",
            Self::BoundedMemory => "what is kept is bounded",
            Self::NoLostNotification => "what the endpoint answered 200 for is acted on",
            Self::OnceInOrder => {
                "what comes by webhook is acted on once, and in order unless said otherwise"
            }
            Self::RecoversAfterFaults => "once the faults stop everything works again",
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
