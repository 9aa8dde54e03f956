//! What must hold, whatever happens.

use std::fmt;
use std::time::Duration;

/// Something that the library promises. Each is checked after every event that concerns it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Promise {
    CallsEnd,
    NoBusyLoop,
    OneTokenRequest,
    NoDeadToken,
    TriesAreCounted,
    PausesAreKept,
    RetryAfterHoldsForAll,
    CircuitsOpenAndClose,
    NothingIsDoubled,
    ResultsAreTrue,
    LateChangesNothing,
    AnswersAreTheirOwn,
    TrustedHostsAlone,
    SecretsStaySecret,
    MemoryIsBounded,
    NothingTakenIsLost,
    ActedOnOnceInOrder,
    AllRecovers,
    TheSameAgain,
    NoPanic,
}

impl Promise {
    pub(crate) const ALL: [Self; 20] = [
        Self::CallsEnd,
        Self::NoBusyLoop,
        Self::OneTokenRequest,
        Self::NoDeadToken,
        Self::TriesAreCounted,
        Self::PausesAreKept,
        Self::RetryAfterHoldsForAll,
        Self::CircuitsOpenAndClose,
        Self::NothingIsDoubled,
        Self::ResultsAreTrue,
        Self::LateChangesNothing,
        Self::AnswersAreTheirOwn,
        Self::TrustedHostsAlone,
        Self::SecretsStaySecret,
        Self::MemoryIsBounded,
        Self::NothingTakenIsLost,
        Self::ActedOnOnceInOrder,
        Self::AllRecovers,
        Self::TheSameAgain,
        Self::NoPanic,
    ];

    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::CallsEnd => "every call ends once, by its deadline",
            Self::NoBusyLoop => "who is told to wait is told a time to come, before the deadline",
            Self::OneTokenRequest => "a connector has at most one token request under way",
            Self::NoDeadToken => "no request carries a token past its life by the cloud's clock",
            Self::TriesAreCounted => "no more tries than the policy allows, each handed out once",
            Self::PausesAreKept => "no pause is shorter than documented, or than the service asked",
            Self::RetryAfterHoldsForAll => "a Retry-After of a token service holds for all callers",
            Self::CircuitsOpenAndClose => {
                "a failing service is left alone as documented, one probe at a time"
            }
            Self::NothingIsDoubled => "no message is doubled unless at-least-once was chosen",
            Self::ResultsAreTrue => "what a result says of the message is so",
            Self::LateChangesNothing => "an answer that nobody waits for changes nothing",
            Self::AnswersAreTheirOwn => "an answer is that of its own request, or there is none",
            Self::TrustedHostsAlone => "nothing is sent to a host that is not trusted",
            Self::SecretsStaySecret => "no error, event or state shows a secret, a token or a text",
            Self::MemoryIsBounded => "what is kept is bounded",
            Self::NothingTakenIsLost => "what the endpoint answered 200 for is acted on",
            Self::ActedOnOnceInOrder => {
                "what comes by webhook is acted on once, and in order unless said otherwise"
            }
            Self::AllRecovers => "once the faults stop everything works again",
            Self::TheSameAgain => "the same seed gives the same trace",
            Self::NoPanic => "nothing panics",
        }
    }
}

/// A promise that was not kept.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Violation {
    pub(crate) promise: Promise,
    pub(crate) at: Duration,
    pub(crate) why: String,
}

impl Violation {
    pub(crate) fn new(promise: Promise, at: Duration, why: impl Into<String>) -> Self {
        Self { promise, at, why: why.into() }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { promise, at, why } = self;
        write!(f, "{promise:?}: {}\n  at {:.3} s: {why}", promise.words(), at.as_secs_f64())
    }
}
