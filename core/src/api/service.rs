//! The services that the Domain API lists ([protocol.md 2.3](crate::protocol#2.3)).

use std::borrow::Cow;
use std::fmt;

/// The name of a service at the Domain API. Case matters ([protocol.md 2.1](crate::protocol#2.1)).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Service(Cow<'static, str>);

impl Service {
    /// `asyncMessagingEnt`: conversations and messages.
    pub const MESSAGING: Self = Self(Cow::Borrowed("asyncMessagingEnt"));
    /// `sentinel`: issues AppJWTs.
    pub const SENTINEL: Self = Self(Cow::Borrowed("sentinel"));
    /// `idp`: issues ConsumerJWSs.
    pub const IDP: Self = Self(Cow::Borrowed("idp"));

    /// `swift`: files.
    pub const STORAGE: Self = Self(Cow::Borrowed("swift"));
    /// `smt`: the Monitoring API.
    pub const MONITORING: Self = Self(Cow::Borrowed("smt"));
    /// `agentVep`: the login of users.
    pub const LOGIN: Self = Self(Cow::Borrowed("agentVep"));
    /// `accountConfigReadWrite`: app installs.
    pub const ACCOUNT_CONFIG: Self = Self(Cow::Borrowed("accountConfigReadWrite"));

    /// A service with any other name, which is sent unchanged.
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
    /// The Domain API, at the address in the configuration.
    DomainApi,
    /// A service, at the host that the Domain API returns.
    Service(Service),
}

impl Endpoint {
    /// True for the services that other calls depend on. One failed call opens their circuit, not
    /// five (see [`CircuitPolicy`](crate::policy::CircuitPolicy)).
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_and_tokens_are_prerequisites() {
        assert!(Endpoint::DomainApi.is_prerequisite());
        for (service, expected) in [
            (Service::SENTINEL, true),
            (Service::IDP, true),
            (Service::named("idp"), true),
            (Service::named("IDP"), false),
            (Service::MESSAGING, false),
            (Service::STORAGE, false),
            (Service::LOGIN, false),
        ] {
            let endpoint = Endpoint::Service(service);
            assert_eq!(endpoint.is_prerequisite(), expected, "{endpoint}");
        }
    }

    #[test]
    fn an_endpoint_is_shown_by_its_name() {
        assert_eq!(Service::SENTINEL.to_string(), "sentinel");
        assert_eq!(Endpoint::DomainApi.to_string(), "the Domain API");
        assert_eq!(Endpoint::Service(Service::MESSAGING).to_string(), "asyncMessagingEnt");
    }
}
