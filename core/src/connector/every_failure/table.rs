//! What the documents say of a failed request ([protocol.md 10.1](crate::protocol#10.1),
//! [11](crate::protocol#11)), written down a second time: by what came back, not by its class.

use std::time::Duration;

use crate::connector::FailureKind;
use crate::error::{Delivery, ErrorKind};
use crate::policy::RetryMode;

/// How an attempt ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum End {
    /// A response with this status.
    Status(u16),
    /// A success, with this status in its body.
    Code(u16),
    /// A response with this status and a number that says which token is wrong.
    Token(u16, u32),
    /// A success that cannot be read.
    Unreadable,
    NeverSent(FailureKind),
    Lost(FailureKind),
}

/// What a caller chose.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Choice {
    pub(super) mode: RetryMode,
    pub(super) at_least_once: bool,
    pub(super) is_idempotent: bool,
}

/// What has happened to a call so far.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub(super) struct Past {
    pub(super) retries: usize,
    pub(super) has_new_app_jwt: bool,
    pub(super) has_new_consumer_jws: bool,
    pub(super) effect: Delivery,
    /// A response had a `Retry-After`.
    pub(super) asked: bool,
}

/// What follows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Then {
    /// The same again, after exactly this pause.
    Again(Duration),
    /// The same again at once, with a new token.
    WithNewAppJwt,
    WithNewConsumerJws,
    /// The call is over, with an error of this kind.
    Over(ErrorKind),
}

/// "5xx: 3 retries, pauses 5, 10, 15 s".
const PAUSES: [u64; 3] = [5, 10, 15];

impl Choice {
    fn may_happen_twice(self) -> bool {
        self.is_idempotent || self.at_least_once
    }
}

impl End {
    pub(super) const fn has_headers(self) -> bool {
        !matches!(self, Self::NeverSent(_) | Self::Lost(_))
    }

    /// The status that counts, and whether it is that of a success which says otherwise in its body.
    fn status(self) -> Option<(u16, bool)> {
        match self {
            Self::Status(status) | Self::Token(status, _) => Some((status, false)),
            Self::Code(code) => Some((code, true)),
            Self::Unreadable | Self::NeverSent(_) | Self::Lost(_) => None,
        }
    }

    /// What this attempt may have done.
    pub(super) fn effect(self) -> Delivery {
        match (self, self.status()) {
            // The service says that it did nothing; a 408 in a body comes from behind the service.
            (_, Some((408, true))) => Delivery::Unknown,
            (_, Some((307 | 308 | 400..=499 | 503, _))) => Delivery::Rejected,
            (Self::NeverSent(_), _) => Delivery::NotSent,
            _ => Delivery::Unknown,
        }
    }

    /// What follows, if the service asked for a pause of so many seconds.
    pub(super) fn then(self, choice: Choice, past: Past, asked: Option<u64>) -> Then {
        match self {
            Self::Token(_, 40102) | Self::Status(401) if !past.has_new_app_jwt => {
                return Then::WithNewAppJwt;
            }
            Self::Token(_, 40103) if !past.has_new_consumer_jws => return Then::WithNewConsumerJws,
            _ => {}
        }
        let turn = PAUSES.get(past.retries).filter(|_| choice.mode != RetryMode::None);
        match (self.least_pause(choice), turn) {
            (Some(Least { floor, obeys }), Some(turn)) => {
                let asked = asked.filter(|_| obeys).unwrap_or(0);
                Then::Again(Duration::from_secs(floor.unwrap_or(*turn).max(asked)))
            }
            _ => Then::Over(self.error(choice)),
        }
    }

    /// How long to wait at least. `None`: it is never sent again.
    fn least_pause(self, choice: Choice) -> Option<Least> {
        let as_5xx = Least { floor: None, obeys: false };
        match (self, self.status()) {
            // "429: retry after 1 s"
            (_, Some((429, _))) => Some(Least { floor: Some(1), obeys: true }),
            (_, Some((503, _) | (408 | 421 | 425, false) | (421 | 425, true))) => {
                Some(Least { floor: None, obeys: true })
            }
            // "4xx: do not retry", and a redirect is none of the answers that are foreseen.
            (_, Some((300..=407 | 409..=499, _))) => None,
            // "5xx": a gateway may have lost the answer. What is no status of HTTP counts as one.
            (_, Some(_)) => {
                let is_allowed = choice.mode == RetryMode::Documented || choice.may_happen_twice();
                is_allowed.then_some(as_5xx)
            }
            (Self::NeverSent(kind), _) => match kind {
                FailureKind::Tls
                | FailureKind::ClientCertificate
                | FailureKind::ProxyAuthentication
                | FailureKind::ProxySetting => None,
                _ => Some(as_5xx),
            },
            // "SEND is not idempotent": a lost answer is no reason to send again.
            (Self::Lost(FailureKind::ClientCertificate | FailureKind::TooLarge), _) => None,
            (Self::Lost(_), _) => choice.may_happen_twice().then_some(as_5xx),
            _ => None,
        }
    }

    fn error(self, choice: Choice) -> ErrorKind {
        match (self, self.status()) {
            (_, Some((401, _))) => ErrorKind::Unauthorized,
            (_, Some((412, _))) => ErrorKind::StaleRevision,
            (_, Some((429, _))) => ErrorKind::RateLimited,
            (_, Some((451, _))) => ErrorKind::Blocked,
            (_, Some((408 | 421 | 425, _))) => ErrorKind::Unavailable,
            (_, Some((307 | 308 | 400..=499, _))) => ErrorKind::Rejected,
            (_, Some((300..=399, _))) if choice.is_idempotent => ErrorKind::Rejected,
            (_, Some((300..=399, _))) => ErrorKind::Unconfirmed,
            (_, Some(_)) => ErrorKind::Unavailable,
            (Self::Unreadable | Self::Lost(FailureKind::TooLarge), _) => ErrorKind::BadAnswer,
            (Self::NeverSent(FailureKind::ProxyAuthentication), _) => ErrorKind::Proxy,
            (Self::NeverSent(FailureKind::ProxySetting), _) => ErrorKind::Configuration,
            (Self::NeverSent(FailureKind::Tls | FailureKind::ClientCertificate), _)
            | (Self::Lost(FailureKind::ClientCertificate), _) => ErrorKind::Tls,
            (Self::Lost(_), _) if !choice.may_happen_twice() => ErrorKind::Unconfirmed,
            _ => ErrorKind::Unavailable,
        }
    }
}

/// The shortest pause.
struct Least {
    /// In seconds. `None`: that of its turn.
    floor: Option<u64>,
    /// `Retry-After` counts.
    obeys: bool,
}
