//! What a call has to tell on its way: for logs, counters and progress.

use std::fmt;
use std::time::Duration;

use super::FailureKind;
use crate::api::Target;
use crate::error::Stage;

/// Something that happened during a call. Holds no secret, no token, no text of a message.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Event {
    /// The operation's name: one of a small fixed set.
    pub operation: &'static str,
    /// Which of the call's requests it concerns.
    pub stage: Stage,
    /// What happened.
    pub kind: EventKind,
}

/// What happened.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum EventKind {
    /// An answer came.
    #[non_exhaustive]
    Answered {
        /// Its status.
        status: u16,
        /// How long it took.
        elapsed: Duration,
    },
    /// No whole answer came.
    #[non_exhaustive]
    Lost {
        /// Why.
        failure: FailureKind,
        /// Whether the request may have left.
        may_have_left: bool,
    },
    /// The request will be repeated after a pause.
    #[non_exhaustive]
    Retry {
        /// The number of the try to come.
        attempt: u32,
        /// The pause before it.
        pause: Duration,
        /// What went wrong with the last.
        why: Why,
    },
    /// A refused token is renewed, and the request then repeated, once.
    #[non_exhaustive]
    Renewing {
        /// Which token: [`Stage::AppJwt`] or [`Stage::ConsumerJws`].
        token: Stage,
    },
    /// An early renewal failed. What is held is still good and stays in use.
    #[non_exhaustive]
    RenewalPutOff {
        /// Until the next try.
        pause: Duration,
        /// What went wrong.
        why: Why,
    },
    /// A service is left alone from now on.
    #[non_exhaustive]
    CircuitOpened {
        /// Which.
        target: Target,
        /// For how long.
        pause: Duration,
    },
    /// A service that was left alone works again.
    #[non_exhaustive]
    CircuitClosed {
        /// Which.
        target: Target,
    },
}

/// What went wrong with an attempt, in short.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Why {
    /// The answer had this status.
    Status(u16),
    /// No whole answer came.
    Failure(FailureKind),
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(status) => write!(f, "status {status}"),
            Self::Failure(kind) => f.write_str(kind.words()),
        }
    }
}
