//! Why a gateway gave no answer.

use std::fmt;
use std::io;

/// Why there is no answer. Its texts are fixed: they hold no part of a URL.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum NoAnswer {
    /// Too little of the try was left: nothing was sent.
    TooLate,
    /// The time ran out.
    Timeout,
    /// The name of the host has no address.
    UnknownHost,
    /// Nobody listens there.
    Refused,
    /// There is no way to the host.
    Unreachable,
    /// TLS was not agreed on, or the certificate is not trusted.
    Tls,
    /// The connection ended before the answer did.
    BrokenOff,
    /// There is no connection for another reason.
    NoConnection,
    /// What came is no HTTP.
    Invalid,
}

impl NoAnswer {
    pub(super) fn of(error: &ureq::Error) -> Self {
        match error {
            ureq::Error::Timeout(_) => Self::Timeout,
            ureq::Error::HostNotFound => Self::UnknownHost,
            ureq::Error::ConnectionFailed => Self::NoConnection,
            ureq::Error::Io(error) => Self::of_io(error),
            ureq::Error::Tls(_) | ureq::Error::Rustls(_) | ureq::Error::Pem(_) => Self::Tls,
            _ => Self::Invalid,
        }
    }

    fn of_io(error: &io::Error) -> Self {
        use io::ErrorKind as Kind;
        match error.kind() {
            Kind::TimedOut | Kind::WouldBlock => Self::Timeout,
            Kind::ConnectionRefused => Self::Refused,
            Kind::HostUnreachable | Kind::NetworkUnreachable | Kind::AddrNotAvailable => {
                Self::Unreachable
            }
            Kind::ConnectionReset
            | Kind::ConnectionAborted
            | Kind::BrokenPipe
            | Kind::NotConnected
            | Kind::UnexpectedEof => Self::BrokenOff,
            // What rustls finds wrong comes as this.
            Kind::InvalidData => Self::Tls,
            // The resolver's errors have no kind of their own.
            _ if error.to_string().starts_with("failed to lookup address") => Self::UnknownHost,
            _ => Self::NoConnection,
        }
    }

    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::TooLate => "too little time was left",
            Self::Timeout => "no answer in time",
            Self::UnknownHost => "the host's name is unknown",
            Self::Refused => "connection refused",
            Self::Unreachable => "no route to the host",
            Self::Tls => "TLS failed",
            Self::BrokenOff => "the connection broke off",
            Self::NoConnection => "no connection",
            Self::Invalid => "no valid answer",
        }
    }
}

impl fmt::Display for NoAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use ureq::{Error, Timeout};

    use super::*;

    #[test]
    fn each_error_of_the_client_has_its_reason() {
        for (error, reason) in [
            (Error::Timeout(Timeout::Connect), NoAnswer::Timeout),
            (Error::HostNotFound, NoAnswer::UnknownHost),
            (Error::ConnectionFailed, NoAnswer::NoConnection),
            (Error::Tls("no certificate"), NoAnswer::Tls),
            (Error::TooManyRedirects, NoAnswer::Invalid),
        ] {
            assert_eq!(NoAnswer::of(&error), reason, "{error}");
        }
    }

    #[test]
    fn each_error_of_the_system_has_its_reason() {
        use io::ErrorKind as K;
        for (reason, kinds) in [
            (NoAnswer::Timeout, &[K::TimedOut, K::WouldBlock][..]),
            (NoAnswer::Refused, &[K::ConnectionRefused][..]),
            (
                NoAnswer::Unreachable,
                &[K::HostUnreachable, K::NetworkUnreachable, K::AddrNotAvailable][..],
            ),
            (NoAnswer::BrokenOff, &[K::ConnectionReset, K::ConnectionAborted][..]),
            (NoAnswer::BrokenOff, &[K::BrokenPipe, K::NotConnected, K::UnexpectedEof][..]),
            (NoAnswer::Tls, &[K::InvalidData][..]),
            (NoAnswer::NoConnection, &[K::PermissionDenied, K::NetworkDown][..]),
        ] {
            for kind in kinds {
                let error = Error::Io((*kind).into());
                assert_eq!(NoAnswer::of(&error), reason, "{kind:?}");
            }
        }
    }

    #[test]
    fn an_error_of_the_resolver_is_known_by_its_text() {
        for (text, reason) in [
            (
                "failed to lookup address information: Name or service not known",
                NoAnswer::UnknownHost,
            ),
            ("no buffer space available", NoAnswer::NoConnection),
        ] {
            let error = Error::Io(io::Error::other(text));
            assert_eq!(NoAnswer::of(&error), reason, "{text}");
        }
    }
}
