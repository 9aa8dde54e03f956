//! The wire: one file for each document of the API, and the [`Operation`] that they have in common.
//!
//! An operation is a value that knows how its request is written and its answer read. It knows
//! nothing of tokens, retries or time: a [`Call`](crate::connector::Call) runs it. The operations
//! here cover protocol.md 2 to 7; one of your own is the trait implemented once more:
//!
//! ```
//! use lp_connector_core::api::{
//!     ApiRejection, Context, Endpoint, Idempotency, InvalidInput, Operation, Principal,
//!     RelativeRequest, ResponseView, Service,
//! };
//!
//! /// An endpoint of the messaging service that this crate does not know.
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

/// One request to the API: how it is written, and how its response is parsed.
///
/// Implementations are pure: the same value gives the same request each time, since a retry writes it
/// anew.
pub trait Operation {
    /// What a successful response gives.
    type Output;

    /// The operation's name, from a small fixed set, for logs: no ids in it.
    const NAME: &'static str;

    /// What its documents say of repeating it, where that differs from what is configured. By default
    /// nothing.
    const RETRY: RetryHints = RetryHints::NONE;

    /// The endpoint that serves it.
    fn endpoint(&self) -> Endpoint;

    /// In whose name it is done: this decides which credentials the request carries.
    fn principal(&self) -> Principal;

    /// Whether it may be repeated when its response was lost.
    fn idempotency(&self) -> Idempotency;

    /// The conversation that it is about, if it is about one: for logs.
    fn conversation(&self) -> Option<&ConversationId> {
        None
    }

    /// Writes the request, without its host and credentials.
    ///
    /// # Errors
    /// [`InvalidInput`] for arguments that the service would reject. Nothing is sent then, not even
    /// for a token.
    fn request(&self, context: &Context<'_>) -> Result<RelativeRequest, InvalidInput>;

    /// Parses the response, whatever its status.
    ///
    /// # Errors
    /// [`ApiRejection`] for anything but success; [`ResponseView::accepted`] knows the common shapes.
    fn parse(&self, response: &ResponseView<'_>) -> Result<Self::Output, ApiRejection>;
}

/// What an operation's documents say of repeating it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct RetryHints {
    /// The pauses between its attempts, in place of the configured ones.
    pub pauses: Option<&'static [Duration]>,
    /// The shortest pause after status 429, in place of the configured one.
    pub rate_limit_floor: Option<Duration>,
}

impl RetryHints {
    /// Nothing: as configured.
    pub const NONE: Self = Self { pauses: None, rate_limit_floor: None };
}

/// In whose name an operation is done.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Principal {
    /// Nobody: the request carries no credentials.
    Anonymous,
    /// The app: `Authorization` with the AppJWT (protocol.md 4.4).
    App,
    /// A consumer: the AppJWT, and `X-LP-ON-BEHALF` with the ConsumerJWS (protocol.md 5).
    Consumer(ExtConsumerId),
}

/// Whether an operation may be repeated when it is not known if it took effect.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[expect(clippy::exhaustive_enums, reason = "it is one or the other")]
pub enum Idempotency {
    /// Doing it twice is the same as doing it once.
    Idempotent,
    /// Doing it twice has another effect than doing it once: the caller has to choose (protocol.md 11, last paragraph).
    NonIdempotent,
}
