//! The services behind the Domain API (protocol.md 2.3).

use std::borrow::Cow;
use std::fmt;

/// The name of a service, as the Domain API knows it. Case matters (protocol.md 2.1).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Service(Cow<'static, str>);

impl Service {
    /// `asyncMessagingEnt`: conversations and messages.
    pub const MESSAGING: Self = Self(Cow::Borrowed("asyncMessagingEnt"));
    /// `sentinel`: the AppJWT.
    pub const SENTINEL: Self = Self(Cow::Borrowed("sentinel"));
    /// `idp`: the ConsumerJWS.
    pub const IDP: Self = Self(Cow::Borrowed("idp"));

    /// `swift`: files.
    pub const STORAGE: Self = Self(Cow::Borrowed("swift"));
    /// `smt`: the Monitoring API.
    pub const MONITORING: Self = Self(Cow::Borrowed("smt"));
    /// `agentVep`: where users log in.
    pub const LOGIN: Self = Self(Cow::Borrowed("agentVep"));
    /// `accountConfigReadWrite`: app installs.
    pub const ACCOUNT_CONFIG: Self = Self(Cow::Borrowed("accountConfigReadWrite"));

    /// A service by any other name. It is asked for as it is.
    #[must_use]
    pub fn named(name: impl Into<String>) -> Self {
        Self(Cow::Owned(name.into()))
    }

    /// The name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Service({})", self.0)
    }
}

/// The receiver of a request.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[non_exhaustive]
pub enum Endpoint {
    /// The Domain API itself, whose address the configuration gives.
    DomainApi,
    /// A service, whose host the Domain API gives.
    Service(Service),
}

impl Endpoint {
    /// True for the services that calls need before their own: these count one failed call, not
    /// five, as being down (see [`CircuitPolicy`](crate::policy::CircuitPolicy)).
    pub(crate) fn is_prerequisite(&self) -> bool {
        match self {
            Self::DomainApi => true,
            Self::Service(service) => *service == Service::SENTINEL || *service == Service::IDP,
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DomainApi => f.write_str("the Domain API"),
            Self::Service(service) => service.fmt(f),
        }
    }
}
