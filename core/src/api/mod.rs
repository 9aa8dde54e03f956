//! The API: its endpoints, and the [`Operation`] trait that they implement.
//!
//! An operation is a value that writes a request and parses its response. It does not handle
//! tokens, retries or time: a [`Call`](crate::connector::Call) does. The operations here cover
//! [protocol.md 2](crate::protocol#2), 4 to 8, 12 and 13. Implement the trait for any other
//! endpoint:
//!
//! ```
//! use lp_connector_core::api::{
//!     ApiRejection, Context, Endpoint, Idempotency, InvalidInput, Operation, Principal,
//!     RelativeRequest, ResponseView, Service,
//! };
//!
//! /// An endpoint of the messaging service that this crate does not cover.
//! struct Ping;
//!
//! impl Operation for Ping {
//!     type Output = u16;
//!     const NAME: &'static str = "ping";
//!     fn endpoint(&self) -> Endpoint { Endpoint::Service(Service::MESSAGING) }
//!     fn principal(&self) -> Principal { Principal::App }
//!     fn idempotency(&self) -> Idempotency { Idempotency::Idempotent }
//!     fn request(&self, context: &Context<'_>) -> Result<RelativeRequest, InvalidInput> {
//!         let path = ["api", "account", context.account().as_str(), "ping"];
//!         Ok(RelativeRequest::get(path, [("v", "3")]))
//!     }
//!     fn parse(&self, response: &ResponseView<'_>) -> Result<u16, ApiRejection> {
//!         response.accepted()?;
//!         Ok(response.status())
//!     }
//! }
//! # let _ = Ping;
//! ```

mod app_install;
mod claims;
mod client_properties;
mod conversation;
pub(crate) mod domain;
mod envelope;
#[cfg(test)]
mod idempotency_tests;
pub(crate) mod idp;
mod lookup;
mod monitoring;
mod origin;
mod profile;
mod relative_request;
mod response;
mod send;
pub(crate) mod sentinel;
mod service;
mod storage;
#[cfg(test)]
mod tolerance_tests;

pub use app_install::{
    AppInstall, CreateInstall, DeleteInstall, ListInstalls, Login, ReadInstall, UpdateInstall,
    UserSession,
};
pub use claims::{AppClaims, ConsumerClaims};
pub use client_properties::ClientProperties;
pub use conversation::{Campaign, ConversationContext, OpenConversation, Opened, Urgency};
pub use domain::ListDomains;
pub use lookup::{
    AppAuthorization, AuthorizeApp, IdentifyConsumer, Lookup, Prepared, ResolveDomain,
};
pub use monitoring::{Engagement, FindEngagement, Found, Identity, ReportActivity, Visitor};
pub use origin::Origin;
pub use profile::{
    Age, Contact, CustomerInfo, Date, Gender, PersonalInfo, PhoneType, PostalAddress, PrivateData,
    Profile,
};
pub(crate) use relative_request::send_path;
pub use relative_request::{Context, InvalidInput, RelativeRequest};
pub(crate) use response::Reason;
pub use response::{ApiRejection, ResponseView};
pub use send::{
    ChatState, CloseConversation, CloseDialog, ConversationRef, GenerateDownloadUrl,
    GenerateUploadUrl, GetClock, HostedFile, MAX_REQUEST_CHARS, Published, RateConversation,
    Rating, Receipt, Resolution, SendFile, SendReceipt, SendText, SetChatState, SetUrgency,
    SignedUrl, UpdateProfile,
};
pub use sentinel::CredentialsIn;
pub use service::{Endpoint, Service};
pub use storage::{GetFile, PutFile};

use std::time::Duration;

use crate::id::{ConversationId, ExtConsumerId};

/// One request to the API: writes the request and parses the response.
///
/// Implementations are pure: the same value and [`Context`] give the same request, because each
/// retry writes it again.
pub trait Operation {
    /// The result of a successful response.
    type Output;

    /// The operation's name for logs, from a small fixed set. It contains no ids.
    const NAME: &'static str;

    /// Retry settings that the documents prescribe for this operation. Its pauses replace the
    /// configured ones; of the two shortest pauses after status 429 the longer counts. Default: none.
    const RETRY: RetryHints = RetryHints::NONE;

    /// The endpoint that serves it.
    fn endpoint(&self) -> Endpoint;

    /// The principal of the request. It decides which tokens the request carries.
    fn principal(&self) -> Principal;

    /// Whether the operation is retried after a lost response.
    fn idempotency(&self) -> Idempotency;

    /// The conversation that the operation concerns, for logs. Default: none.
    fn conversation(&self) -> Option<&ConversationId> {
        None
    }

    /// Writes the request, without host and credentials.
    ///
    /// # Errors
    /// [`InvalidInput`] for arguments that the service would reject. The call then sends nothing,
    /// not even a token request.
    fn request(&self, context: &Context<'_>) -> Result<RelativeRequest, InvalidInput>;

    /// Parses the response, whatever its status.
    ///
    /// # Errors
    /// [`ApiRejection`] for anything but success. [`ResponseView::accepted`] parses the common
    /// shapes.
    fn parse(&self, response: &ResponseView<'_>) -> Result<Self::Output, ApiRejection>;
}

/// Retry settings that the documents prescribe for one operation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct RetryHints {
    /// The pauses between attempts. `None`: the configured ones.
    pub pauses: Option<&'static [Duration]>,
    /// The shortest pause after status 429, unless a longer one is configured. `None`: the configured one.
    pub rate_limit_floor: Option<Duration>,
}

impl RetryHints {
    /// No prescribed settings: the configured ones apply.
    pub const NONE: Self = Self { pauses: None, rate_limit_floor: None };
}

/// The principal of an operation: it decides which tokens the request carries.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Principal {
    /// No principal: the request carries no token.
    Anonymous,
    /// The app: `Authorization` with the AppJWT ([protocol.md 4.4](crate::protocol#4.4)).
    App,
    /// A consumer: the AppJWT, and `X-LP-ON-BEHALF` with the ConsumerJWS
    /// ([protocol.md 5](crate::protocol#5)).
    Consumer(ExtConsumerId),
}

/// Whether an operation can be retried when it is unknown if it took effect.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[expect(clippy::exhaustive_enums, reason = "it is one or the other")]
pub enum Idempotency {
    /// Two executions have the same effect as one. The call retries after a lost response.
    Idempotent,
    /// Two executions have another effect than one ([protocol.md 11](crate::protocol#11), last
    /// paragraph). The call retries after a lost response only if
    /// [`RetryPolicy::at_least_once`](crate::policy::RetryPolicy::at_least_once) allows that.
    NonIdempotent,
}
