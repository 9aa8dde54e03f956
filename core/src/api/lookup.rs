//! Look-ups: what a call finds out without a request of its own.

use std::time::Duration;

use super::sentinel::AppJwt;
use super::{AppClaims, ConsumerClaims, Endpoint, Origin, Principal, Service};
use crate::id::ExtConsumerId;

/// What a call has prepared before its own request: the host, and the tokens that its principal needs.
#[derive(Clone, Copy, Debug)]
pub struct Prepared<'a> {
    pub(crate) origin: &'a Origin,
    pub(crate) app: Option<(&'a AppJwt, Duration)>,
    pub(crate) consumer: Option<&'a ConsumerClaims>,
}

impl Prepared<'_> {
    /// The origin of the endpoint.
    #[must_use]
    pub fn origin(&self) -> &Origin {
        self.origin
    }

    /// The claims of the AppJWT, if the principal needs one.
    #[must_use]
    pub fn app(&self) -> Option<&AppClaims> {
        self.app.map(|(jwt, _)| &jwt.claims)
    }

    /// For how long the AppJWT is still good.
    #[must_use]
    pub fn app_remaining(&self) -> Option<Duration> {
        self.app.map(|(_, remaining)| remaining)
    }

    /// The claims of the ConsumerJWS, if the principal needs one.
    #[must_use]
    pub fn consumer(&self) -> Option<&ConsumerClaims> {
        self.consumer
    }
}

/// A question that a call answers from what it prepares: it sends no request of its own.
///
/// [`Call`](crate::connector::Call) runs a look-up as it runs an [`Operation`](super::Operation), from
/// the cache where that is fresh.
pub trait Lookup {
    /// The answer.
    type Output;

    /// The look-up's name, from a small fixed set, for logs.
    const NAME: &'static str;

    /// The endpoint whose host is needed.
    fn endpoint(&self) -> Endpoint;

    /// The principal whose tokens are needed.
    fn principal(&self) -> Principal;

    /// Takes the answer from what was prepared.
    fn output(&self, prepared: &Prepared<'_>) -> Self::Output;
}

/// Finds out which host serves a service, from the cache where it is fresh (protocol.md 2). Needs no
/// credentials.
#[derive(Clone, Debug)]
pub struct ResolveDomain {
    service: Service,
}

impl ResolveDomain {
    /// Asks for `service`.
    #[must_use]
    pub const fn new(service: Service) -> Self {
        Self { service }
    }
}

impl Lookup for ResolveDomain {
    type Output = Origin;

    const NAME: &'static str = "resolve_domain";

    fn endpoint(&self) -> Endpoint {
        Endpoint::Service(self.service.clone())
    }

    fn principal(&self) -> Principal {
        Principal::Anonymous
    }

    fn output(&self, prepared: &Prepared<'_>) -> Origin {
        prepared.origin.clone()
    }
}

/// Makes sure that there is an AppJWT: from the cache while it is good, refreshed when that is due
/// (protocol.md 4).
///
/// Every call does this by itself. Use it to see that the credentials work, or from a timer of your
/// own, so that no call ever waits for a refresh.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct AuthorizeApp;

impl AuthorizeApp {
    /// The look-up.
    #[must_use]
    pub const fn new() -> Self {
        Self
    }
}

/// What [`AuthorizeApp`] gives: never the token itself.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct AppAuthorization {
    /// The token's claims.
    pub claims: AppClaims,
    /// For how long it is still good.
    pub remaining: Duration,
}

impl Lookup for AuthorizeApp {
    type Output = AppAuthorization;

    const NAME: &'static str = "authorize_app";

    fn endpoint(&self) -> Endpoint {
        Endpoint::Service(Service::SENTINEL)
    }

    fn principal(&self) -> Principal {
        Principal::App
    }

    fn output(&self, prepared: &Prepared<'_>) -> AppAuthorization {
        AppAuthorization {
            claims: prepared.app().cloned().unwrap_or_default(),
            remaining: prepared.app_remaining().unwrap_or_default(),
        }
    }
}

/// Makes sure that there is a consumer's ConsumerJWS, and gives the id under which LivePerson knows the
/// consumer (protocol.md 5).
#[derive(Clone, Debug)]
pub struct IdentifyConsumer {
    consumer: ExtConsumerId,
}

impl IdentifyConsumer {
    /// Asks for `consumer`.
    #[must_use]
    pub const fn new(consumer: ExtConsumerId) -> Self {
        Self { consumer }
    }
}

impl Lookup for IdentifyConsumer {
    type Output = ConsumerClaims;

    const NAME: &'static str = "identify_consumer";

    fn endpoint(&self) -> Endpoint {
        Endpoint::Service(Service::IDP)
    }

    fn principal(&self) -> Principal {
        Principal::Consumer(self.consumer.clone())
    }

    fn output(&self, prepared: &Prepared<'_>) -> ConsumerClaims {
        prepared.consumer.cloned().unwrap_or_default()
    }
}
