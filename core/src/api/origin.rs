//! Scheme, host and port: where requests go, once it is settled that they may.

use std::fmt;

use http::uri::{Authority, Scheme};

/// A scheme, a host and perhaps a port that the configuration allows requests to.
///
/// Only [`Trust`](crate::connector::Trust) makes one, so a request for a host that nobody vouched for
/// cannot be written.
#[derive(Clone, PartialEq, Eq)]
pub struct Origin {
    scheme: Scheme,
    authority: Authority,
}

impl Origin {
    pub(crate) fn new(scheme: Scheme, authority: Authority) -> Self {
        Self { scheme, authority }
    }

    /// `https`, or `http` for a loopback host.
    #[must_use]
    pub fn scheme(&self) -> &str {
        self.scheme.as_str()
    }

    /// The host, with its port if it has one.
    #[must_use]
    pub fn authority(&self) -> &str {
        self.authority.as_str()
    }

    /// The host alone.
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
