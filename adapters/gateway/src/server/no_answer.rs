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
