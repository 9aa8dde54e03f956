//! Events during a call: for logs, counters and progress.

use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;

use super::outcome::FailureKind;
use crate::api::Endpoint;
use crate::error::Stage;

/// An event during a call. It holds no secret, no token and no message text.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct CallEvent {
    /// The operation's name: one of a small fixed set.
    pub operation: &'static str,
    /// The request of the call that it is about.
    pub stage: Stage,
    /// What happened.
    pub kind: EventKind,
}

/// What happened.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum EventKind {
    /// A response arrived.
    #[non_exhaustive]
    Answered {
        /// Its status.
        status: u16,
        /// How long it took.
        elapsed: Duration,
    },
    /// No whole response arrived.
    #[non_exhaustive]
    NoResponse {
        /// The failure.
        failure: FailureKind,
        /// Whether the request may have left.
        may_have_left: bool,
    },
    /// The request will be retried after a pause.
    #[non_exhaustive]
    Retry {
        /// The number of the next attempt.
        attempt: u32,
        /// The pause before it.
        pause: Duration,
        /// The failure of the last attempt.
        cause: Cause,
    },
    /// A token was rejected: it is refreshed, and the request is repeated once.
    #[non_exhaustive]
    RefreshingToken {
        /// The token.
        token: TokenKind,
    },
    /// A refresh ahead of expiry failed. The cached value is still valid and stays in use.
    #[non_exhaustive]
    RefreshDeferred {
        /// The pause before the next attempt.
        pause: Duration,
        /// The failure.
        cause: Cause,
    },
    /// The call waits for the next request of an AppJWT, or fails because its deadline comes first:
    /// [`Config::app_jwt_interval`](super::Config::app_jwt_interval) limits these requests.
    #[non_exhaustive]
    TokenThrottled {
        /// The time until the next request.
        pause: Duration,
        /// How the last token was rejected. `None`: it has expired.
        rejected: Option<Cause>,
    },
    /// The token came from another program: no request for it was sent.
    #[non_exhaustive]
    TokenShared {
        /// The token.
        token: TokenKind,
    },
    /// A service keeps failing: calls to it fail at once from now on.
    #[non_exhaustive]
    CircuitOpened {
        /// The service.
        endpoint: Endpoint,
        /// How long the circuit stays open.
        pause: Duration,
    },
    /// A service whose circuit was open works again.
    #[non_exhaustive]
    CircuitClosed {
        /// The service.
        endpoint: Endpoint,
    },
}

/// One of the two tokens that requests carry.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[expect(clippy::exhaustive_enums, reason = "the API has these two")]
pub enum TokenKind {
    /// The app's ([protocol.md 4](crate::protocol#4)).
    AppJwt,
    /// A consumer's ([protocol.md 5](crate::protocol#5)).
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

/// The failure of an attempt, in short.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Cause {
    /// A response with this status.
    Status(u16),
    /// No whole response arrived.
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

/// Queued events. There is rarely more than one at a time, which needs no allocation.
#[derive(Debug, Default)]
#[cfg_attr(test, derive(Clone))]
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
