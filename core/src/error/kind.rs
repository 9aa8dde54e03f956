//! The kind of a failure, its request, and whether the request left.

use std::fmt;

/// The kind of an [`Error`](super::Error).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The arguments cannot be sent: empty, or over a limit of the service. Nothing was sent.
    InvalidInput,
    /// The configuration lacks a value that this call needs, or has an unusable one.
    Configuration,
    /// The Domain API named a host outside the suffixes that the configuration trusts.
    UntrustedHost,
    /// The credentials were rejected, and refreshing them once did not help
    /// ([protocol.md 10.1](crate::protocol#10.1)).
    Unauthorized,
    /// Status 451: LivePerson has blocked the account or the user
    /// ([protocol.md 11](crate::protocol#11)).
    Blocked,
    /// The service rejected the request; it will reject the same one again. Or it answered with a redirect,
    /// which is not followed.
    Rejected,
    /// The consumer has an open conversation already ([protocol.md 6.6](crate::protocol#6.6)).
    AlreadyOpen,
    /// The conversation is closed ([protocol.md 7.11](crate::protocol#7.11)).
    ConversationClosed,
    /// The object was changed by another client since it was read
    /// ([protocol.md 13.2](crate::protocol#13.2)).
    StaleRevision,
    /// Status 429 until the retries were used up.
    RateLimited,
    /// The service could not be reached, or answered 5xx, 408, 421 or 425, until the retries were used up.
    Unavailable,
    /// Earlier calls found the service down; this one was not sent
    /// ([protocol.md 11](crate::protocol#11)).
    CircuitOpen,
    /// The call's deadline passed, or comes before its next attempt.
    DeadlineExceeded,
    /// The response was lost after the request may have left, or is a redirect that does not say whether the
    /// request took effect; a retry could repeat the effect.
    Unconfirmed,
    /// The response cannot be read or used.
    BadAnswer,
    /// There is no trusted TLS connection, or the server demands a client certificate.
    Tls,
    /// The proxy requires a user and password, or rejected those of its URL (status 407). Nothing was sent.
    Proxy,
    /// The caller abandoned the call.
    Abandoned,
}

impl ErrorKind {
    /// All of them, for the tests and the fuzz targets. Fuzz inputs name one by its place: what is new comes last.
    #[cfg(any(test, feature = "_fuzz"))]
    pub(crate) const ALL: [Self; 18] = [
        Self::InvalidInput,
        Self::Configuration,
        Self::UntrustedHost,
        Self::Unauthorized,
        Self::Blocked,
        Self::Rejected,
        Self::AlreadyOpen,
        Self::ConversationClosed,
        Self::StaleRevision,
        Self::RateLimited,
        Self::Unavailable,
        Self::CircuitOpen,
        Self::DeadlineExceeded,
        Self::Unconfirmed,
        Self::BadAnswer,
        Self::Tls,
        Self::Proxy,
        Self::Abandoned,
    ];

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
            Self::Proxy => "proxy",
            Self::Abandoned => "abandoned",
        }
    }
}

/// Whether a failed operation may have taken effect, over all its attempts.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
#[expect(clippy::exhaustive_enums, reason = "a caller must be able to decide for every case")]
pub enum Delivery {
    /// Nothing was sent: a repetition is safe.
    #[default]
    NotSent,
    /// The service rejected it: it had no effect.
    Rejected,
    /// It may have been sent, and may have taken effect: a repetition can repeat the effect.
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

/// A request of a call: the operation's own, or a prerequisite.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[non_exhaustive]
pub enum Stage {
    /// A host, from the Domain API ([protocol.md 2](crate::protocol#2)).
    Domain,
    /// The app's token, from Sentinel ([protocol.md 4](crate::protocol#4)).
    AppJwt,
    /// The consumer's token, from the IDP ([protocol.md 5](crate::protocol#5)).
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Logs and machine-readable output have them: other programs match on them.
    #[test]
    fn every_kind_keeps_its_name() {
        for (kind, name) in [
            (ErrorKind::InvalidInput, "invalid_input"),
            (ErrorKind::Configuration, "configuration"),
            (ErrorKind::UntrustedHost, "untrusted_host"),
            (ErrorKind::Unauthorized, "unauthorized"),
            (ErrorKind::Blocked, "blocked"),
            (ErrorKind::Rejected, "rejected"),
            (ErrorKind::AlreadyOpen, "already_open"),
            (ErrorKind::ConversationClosed, "conversation_closed"),
            (ErrorKind::StaleRevision, "stale_revision"),
            (ErrorKind::RateLimited, "rate_limited"),
            (ErrorKind::Unavailable, "unavailable"),
            (ErrorKind::CircuitOpen, "circuit_open"),
            (ErrorKind::DeadlineExceeded, "deadline_exceeded"),
            (ErrorKind::Unconfirmed, "unconfirmed"),
            (ErrorKind::BadAnswer, "bad_answer"),
            (ErrorKind::Tls, "tls"),
            (ErrorKind::Proxy, "proxy"),
            (ErrorKind::Abandoned, "abandoned"),
        ] {
            assert_eq!(kind.name(), name);
        }
    }

    #[test]
    fn every_delivery_and_stage_keeps_its_name() {
        for (delivery, name) in [
            (Delivery::NotSent, "not_sent"),
            (Delivery::Rejected, "rejected"),
            (Delivery::Unknown, "unknown"),
        ] {
            assert_eq!((delivery.name(), delivery.to_string().as_str()), (name, name));
        }
        for (stage, name) in [
            (Stage::Domain, "domain"),
            (Stage::AppJwt, "app_jwt"),
            (Stage::ConsumerJws, "consumer_jws"),
            (Stage::Operation, "operation"),
        ] {
            assert_eq!(stage.name(), name);
        }
    }
}
