//! What sort of failure, at which request, and whether it left.

use std::fmt;

/// What sort of failure an [`Error`](super::Error) is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The arguments cannot be sent: empty, or over a limit of the service. Nothing left.
    InvalidInput,
    /// The configuration lacks something that this call needs, or holds something unusable.
    Configuration,
    /// The Domain API named a host outside the suffixes that the configuration trusts.
    UntrustedHost,
    /// The credentials were rejected, and refreshing them once did not help (protocol.md 10.1).
    Unauthorized,
    /// Status 451: LivePerson has blocked the account or the user (protocol.md 11).
    Blocked,
    /// The service rejected the request as it stands; the same one will be rejected again.
    Rejected,
    /// The consumer has an open conversation already (protocol.md 6.6).
    AlreadyOpen,
    /// The conversation is closed (protocol.md 7.11).
    ConversationClosed,
    /// What was to be changed was changed by somebody else since it was read (protocol.md 13.2).
    StaleRevision,
    /// Status 429 until the retries were used up.
    RateLimited,
    /// The service could not be reached, or answered 5xx, until the retries were used up.
    Unavailable,
    /// Earlier calls found the service down; this one was not sent (protocol.md 11).
    CircuitOpen,
    /// The call's own time ran out, or the next pause would have outlasted it.
    DeadlineExceeded,
    /// The answer was lost after the request may have left, and repeating could do it twice.
    Unconfirmed,
    /// The service answered something that cannot be read or used.
    BadAnswer,
    /// No trusted TLS connection could be made.
    Tls,
    /// The caller gave up first.
    Abandoned,
}

impl ErrorKind {
    /// A short fixed name, such as `already_open`, for logs and machine-readable output.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::InvalidInput => "invalid_input",
            Self::Configuration => "configuration",
            Self::UntrustedHost => "untrusted_host",
            Self::Unauthorized => "unauthorized",
            Self::Blocked => "blocked",
            Self::Rejected => "rejected",
            Self::AlreadyOpen => "already_open",
            Self::ConversationClosed => "conversation_closed",
            Self::StaleRevision => "stale_revision",
            Self::RateLimited => "rate_limited",
            Self::Unavailable => "unavailable",
            Self::CircuitOpen => "circuit_open",
            Self::DeadlineExceeded => "deadline_exceeded",
            Self::Unconfirmed => "unconfirmed",
            Self::BadAnswer => "bad_answer",
            Self::Tls => "tls",
            Self::Abandoned => "abandoned",
        }
    }
}

/// Whether an operation that failed may have taken effect, all its attempts considered.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
#[expect(clippy::exhaustive_enums, reason = "a caller must be able to decide for every case")]
pub enum Delivery {
    /// Nothing of it left: repeating it is safe.
    #[default]
    NotSent,
    /// It arrived and was rejected: it had no effect.
    Rejected,
    /// It may have left, and may have taken effect: repeating it can do it twice.
    Unknown,
}

impl Delivery {
    /// A short fixed name: `not_sent`, `rejected` or `unknown`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::NotSent => "not_sent",
            Self::Rejected => "rejected",
            Self::Unknown => "unknown",
        }
    }
}

impl fmt::Display for Delivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Which of a call's requests is meant: its own, or one whose answer it needs first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[non_exhaustive]
pub enum Stage {
    /// Which host serves: the Domain API (protocol.md 2).
    Domain,
    /// The app's token, from Sentinel (protocol.md 4).
    AppJwt,
    /// The consumer's token, from the IDP (protocol.md 5).
    ConsumerJws,
    /// The operation's own request.
    Operation,
}

impl Stage {
    /// A short fixed name: `domain`, `app_jwt`, `consumer_jws` or `operation`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Domain => "domain",
            Self::AppJwt => "app_jwt",
            Self::ConsumerJws => "consumer_jws",
            Self::Operation => "operation",
        }
    }
}
