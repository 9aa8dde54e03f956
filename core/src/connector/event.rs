//! What happens during a call: for logs, counters and progress.

use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;

use super::outcome::FailureKind;
use crate::api::Endpoint;
use crate::error::Stage;

/// Something that happened during a call. Holds no secret, no token, no text of a message.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct CallEvent {
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
    /// A response came.
    #[non_exhaustive]
    Answered {
        /// Its status.
        status: u16,
        /// How long it took.
        elapsed: Duration,
    },
    /// No whole response came.
    #[non_exhaustive]
    NoResponse {
        /// Why.
        failure: FailureKind,
        /// Whether the request may have left.
        may_have_left: bool,
    },
    /// The request will be retried after a pause.
    #[non_exhaustive]
    Retry {
        /// The number of the attempt to come.
        attempt: u32,
        /// The pause before it.
        pause: Duration,
        /// What went wrong with the last.
        cause: Cause,
    },
    /// A rejected token is refreshed, and the request then repeated, once.
    #[non_exhaustive]
    RefreshingToken {
        /// Which token.
        token: TokenKind,
    },
    /// A refresh ahead of expiry failed. What is cached is still good and stays in use.
    #[non_exhaustive]
    RefreshDeferred {
        /// Until the next attempt.
        pause: Duration,
        /// What went wrong.
        cause: Cause,
    },
    /// A service keeps failing: calls to it fail at once from now on.
    #[non_exhaustive]
    CircuitOpened {
        /// Which.
        endpoint: Endpoint,
        /// For how long.
        pause: Duration,
    },
    /// A service whose circuit was open works again.
    #[non_exhaustive]
    CircuitClosed {
        /// Which.
        endpoint: Endpoint,
    },
}

/// One of the two tokens that requests carry.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[expect(clippy::exhaustive_enums, reason = "the API has these two")]
pub enum TokenKind {
    /// The app's (protocol.md 4).
    AppJwt,
    /// A consumer's (protocol.md 5).
    ConsumerJws,
}

impl TokenKind {
    /// A short fixed name: `app_jwt` or `consumer_jws`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::AppJwt => "app_jwt",
            Self::ConsumerJws => "consumer_jws",
        }
    }
}

/// What went wrong with an attempt, in short.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Cause {
    /// The response had this status.
    Status(u16),
    /// No whole response came.
    NoResponse(FailureKind),
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(status) => write!(f, "status {status}"),
            Self::NoResponse(kind) => f.write_str(kind.words()),
        }
    }
}

/// Events that were not yet taken. There is seldom more than one at a time, which takes no allocation.
#[derive(Debug, Default)]
pub(super) struct EventQueue {
    first: Option<CallEvent>,
    rest: VecDeque<CallEvent>,
}

impl EventQueue {
    pub(super) fn push(&mut self, event: CallEvent) {
        if self.first.is_none() && self.rest.is_empty() {
            self.first = Some(event);
        } else {
            self.rest.push_back(event);
        }
    }

    pub(super) fn pop(&mut self) -> Option<CallEvent> {
        self.first.take().or_else(|| self.rest.pop_front())
    }
}
