//! The scheme, host and port of a trusted server.

use std::fmt;

use http::uri::{Authority, Scheme};

/// The scheme, the host and optionally the port of a server that the configuration trusts.
///
/// Only [`Trust`](crate::connector::Trust) creates an origin, so no request for an untrusted host
/// can be built.
#[derive(Clone, PartialEq, Eq)]
pub struct Origin {
    scheme: Scheme,
    authority: Authority,
}

impl Origin {
    pub(crate) fn new(scheme: Scheme, authority: Authority) -> Self {
        Self { scheme, authority }
    }

    /// The scheme: `https`, or `http` for a loopback host.
    #[must_use]
    pub fn scheme(&self) -> &str {
        self.scheme.as_str()
    }

    /// The host, with the port if there is one.
    #[must_use]
    pub fn authority(&self) -> &str {
        self.authority.as_str()
    }

    /// The host, without the port.
    #[must_use]
    pub fn host(&self) -> &str {
        self.authority.host()
    }

    pub(crate) fn parts(&self) -> (Scheme, Authority) {
        (self.scheme.clone(), self.authority.clone())
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme, self.authority)
    }
}

impl fmt::Debug for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Origin({self})")
    }
}
