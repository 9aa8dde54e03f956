//! The wire: one file for each document of the API, and the [`Operation`] that they have in common.
//!
//! An operation is a value that knows how its request is written and its answer read. It knows
//! nothing of tokens, retries or time: a [`Call`](crate::connector::Call) runs it. The operations
//! here cover protocol.md 2 to 7; one of your own is the trait implemented once more:
//!
//! ```
//! use lp_connector_core::api::{
//!     Answer, Authority, Context, Draft, InvalidInput, Operation, Plan, Refusal, Repeat, Service,
//!     Target,
//! };
//!
//! /// Some endpoint of the messaging service that this crate does not know.
//! struct Ping;
//!
//! impl Operation for Ping {
//!     type Output = u16;
//!     fn name(&self) -> &'static str { "ping" }
//!     fn target(&self) -> Target { Target::Service(Service::MESSAGING) }
//!     fn authority(&self) -> Authority { Authority::App }
//!     fn repeat(&self) -> Repeat { Repeat::Idempotent }
//!     fn plan(&self, context: &Context<'_>) -> Result<Plan<u16>, InvalidInput> {
//!         let path = ["api", "account", context.account().as_str(), "ping"];
//!         Ok(Plan::Send(Draft::get(path, [("v", "3")])))
//!     }
//!     fn read(&self, answer: &Answer<'_>) -> Result<u16, Refusal> {
//!         answer.accepted()?;
//!         Ok(answer.status())
//!     }
//! }
//! # let _ = Ping;
//! ```

mod answer;
mod app_install;
mod claims;
mod client_properties;
mod conversation;
pub(crate) mod domain;
mod draft;
mod gather;
pub(crate) mod idp;
mod monitoring;
mod origin;
mod profile;
mod request;
mod send;
pub(crate) mod sentinel;
mod service;
mod storage;

pub(crate) use answer::Reason;
pub use answer::{Answer, Refusal};
pub use app_install::{
    AppInstall, CreateInstall, DeleteInstall, ListInstalls, Login, ReadInstall, UpdateInstall,
    UserSession,
};
pub use claims::{AppClaims, ConsumerClaims};
pub use client_properties::ClientProperties;
pub use conversation::{Campaign, ConversationContext, OpenConversation, Opened, Urgency};
pub use domain::ListDomains;
pub(crate) use draft::send_path;
pub use draft::{Context, Draft, InvalidInput, Plan};
pub use gather::{AppAuthorization, AuthorizeApp, Gathered, IdentifyConsumer, ResolveDomain};
pub use monitoring::{Engagement, FindEngagement, Found, Identity, ReportActivity, Visitor};
pub use origin::Origin;
pub use profile::{
    Address, Age, Contact, CustomerInfo, Date, Gender, PersonalInfo, PhoneType, PrivateData,
    Profile,
};
pub use send::{
    ChatState, CloseConversation, CloseDialog, GenerateDownloadUrl, GenerateUploadUrl, GetClock,
    HostedFile, MAX_REQUEST_CHARS, Published, RateConversation, Rating, Receipt, SendFile,
    SendReceipt, SendText, SetChatState, SetUrgency, SignedUrl, Ttr, UpdateProfile,
};
pub use sentinel::CredentialsIn;
pub use service::{Service, Target};
pub use storage::{GetFile, PutFile};

use crate::id::{ConversationId, ExtConsumerId};
use crate::policy::RetryPolicy;

/// One thing to be done: how its request is written, and how its answer is read.
///
/// Implementations are pure: the same value gives the same request each time, since a retry writes it
/// anew.
pub trait Operation {
    /// What a successful answer gives.
    type Output;

    /// The operation's name, from a small fixed set, for logs: no ids in it.
    fn name(&self) -> &'static str;

    /// The service that answers it.
    fn target(&self) -> Target;

    /// In whose name it is done; decides which credentials the request carries.
    fn authority(&self) -> Authority;

    /// Whether it may be repeated when an answer was lost.
    fn repeat(&self) -> Repeat;

    /// The conversation that it is about, if it is about one: for logs.
    fn conversation(&self) -> Option<&ConversationId> {
        None
    }

    /// Writes the request, less its host and credentials.
    ///
    /// # Errors
    /// [`InvalidInput`] for arguments that the service would refuse. Nothing is sent then, not even
    /// for a token.
    fn plan(&self, context: &Context<'_>) -> Result<Plan<Self::Output>, InvalidInput>;

    /// How often and when it is repeated, where its documents say something else than is configured.
    /// By default as configured.
    fn retry(&self, configured: RetryPolicy) -> RetryPolicy {
        configured
    }

    /// Reads the answer, whatever its status.
    ///
    /// # Errors
    /// [`Refusal`] for anything but success; [`Answer::accepted`] knows the common shapes.
    fn read(&self, answer: &Answer<'_>) -> Result<Self::Output, Refusal>;
}

/// In whose name an operation is done.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Authority {
    /// Nobody's: the request carries no credentials.
    Nobody,
    /// The app's: `Authorization` with the AppJWT (protocol.md 4.4).
    App,
    /// A consumer's: the AppJWT, and `X-LP-ON-BEHALF` with the ConsumerJWS (protocol.md 5).
    Consumer(ExtConsumerId),
}

/// Whether an operation may be repeated when it is not known if it took effect.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[expect(clippy::exhaustive_enums, reason = "it is one or the other")]
pub enum Repeat {
    /// Doing it twice is the same as doing it once.
    Idempotent,
    /// Doing it twice shows: the caller has to choose (protocol.md 11, last paragraph).
    Visible,
}
