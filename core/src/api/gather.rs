//! Operations that send nothing of their own: what a call gathers on its way is what they are for.

use std::time::Duration;

use super::sentinel::AppJwt;
use super::{
    Answer, AppClaims, Authority, ConsumerClaims, Context, InvalidInput, Operation, Origin, Plan,
    Refusal, Repeat, Service, Target,
};
use crate::id::ExtConsumerId;

/// What a call has gathered when its own turn comes.
#[derive(Clone, Copy, Debug)]
pub struct Gathered<'a> {
    pub(crate) origin: &'a Origin,
    pub(crate) app: Option<(&'a AppJwt, Duration)>,
    pub(crate) consumer: Option<&'a ConsumerClaims>,
}

impl Gathered<'_> {
    /// Where the target is.
    #[must_use]
    pub fn origin(&self) -> &Origin {
        self.origin
    }

    /// The claims of the AppJWT, if the authority needs one.
    #[must_use]
    pub fn app(&self) -> Option<&AppClaims> {
        self.app.map(|(jwt, _)| &jwt.claims)
    }

    /// For how long the AppJWT is still good.
    #[must_use]
    pub fn app_remaining(&self) -> Option<Duration> {
        self.app.map(|(_, remaining)| remaining)
    }

    /// The claims of the ConsumerJWS, if the authority needs one.
    #[must_use]
    pub fn consumer(&self) -> Option<&ConsumerClaims> {
        self.consumer
    }
}

macro_rules! gathering {
    ($operation:ident, $output:ty, $name:literal, $self:ident, $target:expr, $authority:expr, $of:expr) => {
        impl Operation for $operation {
            type Output = $output;

            fn name(&self) -> &'static str {
                $name
            }

            fn target(&$self) -> Target {
                $target
            }

            fn authority(&$self) -> Authority {
                $authority
            }

            fn repeat(&self) -> Repeat {
                Repeat::Idempotent
            }

            fn plan(&self, _: &Context<'_>) -> Result<Plan<$output>, InvalidInput> {
                Ok(Plan::Gather($of))
            }

            fn read(&self, _: &Answer<'_>) -> Result<$output, Refusal> {
                Err(Refusal::unreadable("this operation sends no request of its own"))
            }
        }
    };
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

gathering!(
    ResolveDomain,
    Origin,
    "resolve_domain",
    self,
    Target::Service(self.service.clone()),
    Authority::Nobody,
    |gathered| gathered.origin.clone()
);

/// Makes sure of an AppJWT: from the cache while it is good, renewed when it is due
/// (protocol.md 4).
///
/// Every call does this by itself. Use it to see that the credentials work, or from a timer of your
/// own, so that no call ever waits for a renewal.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct AuthorizeApp;

impl AuthorizeApp {
    /// The operation.
    #[must_use]
    pub const fn new() -> Self {
        Self
    }
}

/// What [`AuthorizeApp`] gives: never the token itself.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct AppAuthorization {
    /// What the token says of itself.
    pub claims: AppClaims,
    /// For how long it is still good.
    pub remaining: Duration,
}

gathering!(
    AuthorizeApp,
    AppAuthorization,
    "authorize_app",
    self,
    Target::Service(Service::SENTINEL),
    Authority::App,
    |gathered| AppAuthorization {
        claims: gathered.app().cloned().unwrap_or_default(),
        remaining: gathered.app_remaining().unwrap_or_default(),
    }
);

/// Makes sure of a consumer's ConsumerJWS, and tells under which id LivePerson knows the consumer
/// (protocol.md 5).
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

gathering!(
    IdentifyConsumer,
    ConsumerClaims,
    "identify_consumer",
    self,
    Target::Service(Service::IDP),
    Authority::Consumer(self.consumer.clone()),
    |gathered| gathered.consumer.cloned().unwrap_or_default()
);
