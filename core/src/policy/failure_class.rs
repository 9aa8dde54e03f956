//! Classes of failed attempts: the effect, the state of the service, and the use of `Retry-After`.

use crate::error::Delivery;

/// How one attempt failed, as far as decisions depend on it.
///
/// This table alone decides which failures may have had an effect, which of them count against the
/// service, and when `Retry-After` counts. Whether a failure is retried is decided by
/// [`RetryPolicy::decide`](super::RetryPolicy::decide).
///
/// | class | effect | the service is up | `Retry-After` counts |
/// |---|---|---|---|
/// | `NotSent`, `TlsFailed` | not sent | no | no |
/// | `AnswerLost` | unknown | no | no |
/// | `RateLimited`, `Unavailable` | rejected | no | yes |
/// | `ServerError` | unknown | no | no |
/// | `Rejected` | rejected | yes | no |
/// | `Unreadable` | unknown | yes | no |
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum FailureClass {
    /// The request never left: no address, or no connection.
    NotSent,
    /// There is no trusted TLS connection, and a retry does not change that.
    TlsFailed,
    /// The request may have left, and no whole response arrived.
    AnswerLost,
    /// Status 429: the request had no effect.
    RateLimited,
    /// Status 503, or an account that is still being loaded: the request had no effect.
    Unavailable,
    /// Any other 5xx: it may come from a gateway that lost the response.
    ServerError,
    /// Any other status: the service is up, and rejects the request.
    Rejected,
    /// A success that cannot be read or used: the request probably had its effect.
    Unreadable,
}

impl FailureClass {
    /// The class of a response with this status that is no success.
    #[must_use]
    pub const fn of_status(status: u16) -> Self {
        match status {
            429 => Self::RateLimited,
            503 => Self::Unavailable,
            500..=599 => Self::ServerError,
            _ => Self::Rejected,
        }
    }

    /// Whether this attempt may have taken effect.
    #[must_use]
    pub const fn effect(self) -> Delivery {
        match self {
            Self::NotSent | Self::TlsFailed => Delivery::NotSent,
            Self::RateLimited | Self::Unavailable | Self::Rejected => Delivery::Rejected,
            Self::AnswerLost | Self::ServerError | Self::Unreadable => Delivery::Unknown,
        }
    }

    /// True if the failure shows that the service is up.
    #[must_use]
    pub const fn service_up(self) -> bool {
        matches!(self, Self::Rejected | Self::Unreadable)
    }

    /// True if a `Retry-After` of the response counts ([protocol.md 11](crate::protocol#11)).
    #[must_use]
    pub const fn honours_retry_after(self) -> bool {
        matches!(self, Self::RateLimited | Self::Unavailable)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_status_has_its_class() {
        for (status, class) in [
            (429, FailureClass::RateLimited),
            (503, FailureClass::Unavailable),
            (500, FailureClass::ServerError),
            (502, FailureClass::ServerError),
            (599, FailureClass::ServerError),
            (400, FailureClass::Rejected),
            (302, FailureClass::Rejected),
            (600, FailureClass::Rejected),
        ] {
            assert_eq!(FailureClass::of_status(status), class, "{status}");
        }
    }
}
