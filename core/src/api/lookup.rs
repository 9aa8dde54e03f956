//! Look-ups: results that a call takes from its prerequisites, the host and the tokens.

use std::time::Duration;

use super::sentinel::AppJwt;
use super::{AppClaims, ConsumerClaims, Endpoint, Origin, Principal, Service};
use crate::id::ExtConsumerId;

/// The prerequisites of a call: the host of its endpoint and the tokens of its principal.
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

    /// The claims of the AppJWT. `None` for an anonymous principal.
    #[must_use]
    pub fn app(&self) -> Option<&AppClaims> {
        self.app.map(|(jwt, _)| &jwt.claims)
    }

    /// The remaining lifetime of the AppJWT. `None` for an anonymous principal.
    #[must_use]
    pub fn app_remaining(&self) -> Option<Duration> {
        self.app.map(|(_, remaining)| remaining)
    }

    /// The claims of the ConsumerJWS. `None` unless the principal is a consumer.
    #[must_use]
    pub fn consumer(&self) -> Option<&ConsumerClaims> {
        self.consumer
    }
}

/// A call without a request of its own: its result comes from the prerequisites.
///
/// [`Call`](crate::connector::Call) runs a look-up like an [`Operation`](super::Operation). It
/// takes prerequisites from the cache while they are valid, and requests the others.
pub trait Lookup {
    /// The result.
    type Output;

    /// The look-up's name for logs, from a small fixed set.
    const NAME: &'static str;

    /// The endpoint whose host the look-up needs.
    fn endpoint(&self) -> Endpoint;

    /// The principal whose tokens the look-up needs.
    fn principal(&self) -> Principal;

    /// The result, from the prerequisites.
    fn output(&self, prepared: &Prepared<'_>) -> Self::Output;
}

/// Resolves the host of a service, from the cache while the entry is valid.
///
/// `GET /api/account/{accountId}/service/{serviceName}/baseURI.json?version=1.0` at the Domain API
/// ([protocol.md 2.1](crate::protocol#2.1)), without a token. Idempotent.
///
/// Fails with [`UntrustedHost`](crate::error::ErrorKind::UntrustedHost) if the configuration does
/// not trust the host.
#[derive(Clone, Debug)]
pub struct ResolveDomain {
    service: Service,
}

impl ResolveDomain {
    /// Resolves `service`.
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

/// Obtains an AppJWT: from the cache while it is valid, refreshed when due.
///
/// `POST /sentinel/api/account/{accountId}/app/token?v=1.0&grant_type=client_credentials` at the
/// service `sentinel` ([protocol.md 4](crate::protocol#4)), with the app's client id and secret.
/// Idempotent.
///
/// Every call that needs an AppJWT obtains it by itself. Use this look-up to check the credentials,
/// or in a timer, so that no call waits for a refresh. Fails with
/// [`Unauthorized`](crate::error::ErrorKind::Unauthorized) if Sentinel rejects the credentials.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct AuthorizeApp;

impl AuthorizeApp {
    /// A look-up of the AppJWT.
    #[must_use]
    pub const fn new() -> Self {
        Self
    }
}

/// The result of [`AuthorizeApp`]. It does not contain the token.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct AppAuthorization {
    /// The token's claims.
    pub claims: AppClaims,
    /// The token's remaining lifetime.
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

/// Obtains a consumer's ConsumerJWS, from the cache if possible, and returns its claims, the
/// consumer's LivePerson id among them.
///
/// `POST /api/account/{accountId}/consumer?v=1.0` at the service `idp`
/// ([protocol.md 5](crate::protocol#5)), with the AppJWT. Idempotent.
#[derive(Clone, Debug)]
pub struct IdentifyConsumer {
    consumer: ExtConsumerId,
}

impl IdentifyConsumer {
    /// Identifies `consumer`.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_look_up_sees_the_claims_of_its_consumer() {
        let trust = crate::connector::Trust::default();
        let origin = trust.resolve_trusted("idp.liveperson.net").unwrap();
        let claims =
            ConsumerClaims { ext_consumer_id: Some("ring-0042".into()), ..Default::default() };
        let prepared = Prepared { origin: &origin, app: None, consumer: Some(&claims) };
        assert_eq!(prepared.consumer(), Some(&claims));
        assert_eq!(Prepared { consumer: None, ..prepared }.consumer(), None);
    }
}
