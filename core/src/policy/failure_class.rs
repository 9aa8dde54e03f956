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
/// | `NotSent`, `TlsFailed`, `ProxyUnusable` | not sent | no | no |
/// | `AnswerLost`, `CertificateMissing` | unknown | no | no |
/// | `RateLimited`, `Unavailable` | rejected | no | yes |
/// | `NotProcessed` | rejected | yes | yes |
/// | `ServerError` | unknown | no | no |
/// | `Rejected` | rejected | yes | no |
/// | `Redirected`, `Unreadable` | unknown | yes | no |
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum FailureClass {
    /// The request never left: no address, or no connection.
    NotSent,
    /// There is no trusted TLS connection, and a retry does not change that.
    TlsFailed,
    /// The proxy rejects this client, or its setting is unusable, and a retry does not change that.
    ProxyUnusable,
    /// The request may have left, and no whole response arrived.
    AnswerLost,
    /// The server has ended the connection because the client has no certificate, after the request may
    /// have left. A retry does not change that.
    CertificateMissing,
    /// Status 429: the request had no effect.
    RateLimited,
    /// Status 503, or an account that is still being loaded: the request had no effect.
    Unavailable,
    /// Status 408, 421 or 425: the server did not receive the whole request, is not the one for it, or
    /// does not process it yet. It had no effect, and may be repeated whatever it does (RFC 9110, 15.5.9
    /// and 15.5.20; RFC 8470, 5.2).
    NotProcessed,
    /// Any other 5xx: it may come from a gateway that lost the response. So is a status that is not HTTP's
    /// (RFC 9110, 15).
    ServerError,
    /// A redirect other than 307 and 308: a service may answer so when it has done what was asked, 303
    /// says just that (RFC 9110, 15.4).
    Redirected,
    /// Any other 4xx: the service is up, and rejects the request. 307 and 308 too, which want the same
    /// request at another place, and have not done it here.
    Rejected,
    /// A success that cannot be read or used: the request probably had its effect.
    Unreadable,
}

impl FailureClass {
    /// The class of a response with this status that is not the expected one.
    #[must_use]
    pub const fn of_status(status: u16) -> Self {
        match status {
            429 => Self::RateLimited,
            503 => Self::Unavailable,
            408 | 421 | 425 => Self::NotProcessed,
            307 | 308 | 400..=499 => Self::Rejected,
            300..=399 => Self::Redirected,
            200..=299 => Self::Unreadable,
            _ => Self::ServerError,
        }
    }

    /// The class of this status in the body of a response that HTTP calls a success: the service has
    /// received the whole request, so its 408 means that it gave up waiting for another one.
    #[must_use]
    pub const fn of_code(code: u16) -> Self {
        match code {
            408 => Self::ServerError,
            _ => Self::of_status(code),
        }
    }

    /// Whether this attempt may have taken effect.
    #[must_use]
    pub const fn effect(self) -> Delivery {
        match self {
            Self::NotSent | Self::TlsFailed | Self::ProxyUnusable => Delivery::NotSent,
            Self::RateLimited | Self::Unavailable | Self::NotProcessed | Self::Rejected => {
                Delivery::Rejected
            }
            Self::AnswerLost
            | Self::CertificateMissing
            | Self::ServerError
            | Self::Redirected
            | Self::Unreadable => Delivery::Unknown,
        }
    }

    /// True if the failure shows that the service is up.
    #[must_use]
    pub const fn service_up(self) -> bool {
        matches!(self, Self::NotProcessed | Self::Redirected | Self::Rejected | Self::Unreadable)
    }

    /// True if a `Retry-After` of the response counts ([protocol.md 11](crate::protocol#11)).
    #[must_use]
    pub const fn honours_retry_after(self) -> bool {
        matches!(self, Self::RateLimited | Self::Unavailable | Self::NotProcessed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_status_has_its_class() {
        for (class, statuses) in [
            (FailureClass::RateLimited, &[429][..]),
            (FailureClass::Unavailable, &[503]),
            (FailureClass::NotProcessed, &[408, 421, 425]),
            (FailureClass::ServerError, &[500, 501, 502, 504, 599, 600, 999, 100, 101]),
            (FailureClass::Redirected, &[300, 301, 302, 303, 304, 305, 306, 309, 399]),
            (FailureClass::Rejected, &[307, 308, 400, 407, 409, 424, 426, 451, 499]),
            (FailureClass::Unreadable, &[200, 204, 206, 299]),
        ] {
            for status in statuses {
                assert_eq!(FailureClass::of_status(*status), class, "{status}");
                let code = if *status == 408 { FailureClass::ServerError } else { class };
                assert_eq!(FailureClass::of_code(*status), code, "{status}");
            }
        }
    }

    #[test]
    fn each_class_is_as_its_row_says() {
        let (unsent, unknown) = (Delivery::NotSent, Delivery::Unknown);
        for (class, effect, service_up, honours_retry_after) in [
            (FailureClass::NotSent, unsent, false, false),
            (FailureClass::TlsFailed, unsent, false, false),
            (FailureClass::ProxyUnusable, unsent, false, false),
            (FailureClass::AnswerLost, unknown, false, false),
            (FailureClass::CertificateMissing, unknown, false, false),
            (FailureClass::RateLimited, Delivery::Rejected, false, true),
            (FailureClass::Unavailable, Delivery::Rejected, false, true),
            (FailureClass::NotProcessed, Delivery::Rejected, true, true),
            (FailureClass::ServerError, unknown, false, false),
            (FailureClass::Rejected, Delivery::Rejected, true, false),
            (FailureClass::Redirected, unknown, true, false),
            (FailureClass::Unreadable, unknown, true, false),
        ] {
            let row = (class.effect(), class.service_up(), class.honours_retry_after());
            assert_eq!(row, (effect, service_up, honours_retry_after), "{class:?}");
        }
    }

    #[test]
    fn only_a_status_that_denies_an_effect_is_a_rejection() {
        for status in 100..1000 {
            let denies = matches!(status, 307 | 308 | 400..=499 | 503);
            let effect = FailureClass::of_status(status).effect();
            let expected = if denies { Delivery::Rejected } else { Delivery::Unknown };
            assert_eq!(effect, expected, "{status}");
        }
    }
}
