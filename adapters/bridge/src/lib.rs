//! A connector for LivePerson's Connector API that loses nothing: the bridge between a channel (an SMS gateway, a
//! chat app) and a client, over a store.
//!
//! A [`Channel`] delivers messages to consumers. [`Bridge::accept`] takes theirs. The machines of
//! [`lp_connector_core::bridge`] decide everything between the two, and its documentation says what may be relied on:
//! what is accepted is sent once and in order, or reported; what LivePerson's notifications bring is stored before
//! they are answered 200, and delivered in order, at least once, with an id that is the same on every repeat. This
//! crate asks the store, calls the client and the channel, and waits.
//!
//! | feature | brings |
//! |---|---|
//! | `async` | [`Bridge`] on tokio, smol, async-std or any other [`Spawn`](lp_connector_async::Spawn) |
//! | `axum` | [`Bridge::webhooks`], a router that answers 200 once a notification is stored |
//! | `blocking` | [`blocking::Bridge`] on threads, with the blocking client |
//!
//! A store keeps what the bridge accepted. [`Memory`] is for tests; with any other, a program that is started again
//! goes on where the last one ended, and several programs share the work.
//!
#![cfg_attr(feature = "axum", doc = "```no_run")]
#![cfg_attr(not(feature = "axum"), doc = "```text")]
//! use std::time::Duration;
//! use lp_connector_bridge::{Bridge, Channel, Content, FromAgent, Inbound, Memory, Undelivered};
//! use lp_connector_core::{connector::Config, id::ExtConsumerId, secret::Secret, webhook::Receiver};
//! use lp_connector_tokio::Client;
//!
//! struct Terminal;
//!
//! impl Channel for Terminal {
//!     async fn deliver(&self, to: &ExtConsumerId, message: FromAgent) -> Result<(), Undelivered> {
//!         if let Content::Text(text) = &message.content {
//!             println!("to {to}: {}", text.numbered());
//!         }
//!         Ok(()) // the agent sees that it was delivered
//!     }
//! }
//!
//! #[tokio::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let secret = Secret::new(std::env::var("LP_CLIENT_SECRET")?);
//!     let receiver = Receiver::new().secret(secret.clone());
//!     let config = Config::new("91827364".parse()?).credentials("0a1b2c3d".parse()?, secret);
//!     let bridge = Bridge::new(Client::new(config)?, Memory::new(), Terminal)?;
//!
//!     // Whatever the channel brings: it is stored when this returns.
//!     bridge.accept(&"ada".parse()?, Inbound::text("SM9f3", "Where is my parcel?")?).await?;
//!
//!     let listener = tokio::net::TcpListener::bind("127.0.0.1:8080").await?;
//!     let stop = lp_connector_axum::shutdown_signal()?;
//!     lp_connector_axum::serve(listener, bridge.webhooks(receiver), stop).await?;
//!     bridge.drain(Duration::from_secs(10)).await;
//!     Ok(())
//! }
//! ```
#![cfg_attr(docsrs, feature(doc_cfg))]
#![cfg_attr(
    not(all(feature = "axum", feature = "blocking")),
    allow(
        rustdoc::broken_intra_doc_links,
        reason = "the front page links to what is behind features"
    )
)]

#[cfg(feature = "async")]
pub mod asynchronous;
#[cfg(feature = "blocking")]
pub mod blocking;
#[cfg(any(feature = "async", feature = "blocking"))]
mod engine;
#[cfg(any(feature = "async", feature = "blocking"))]
mod file;
mod handed_in;
#[cfg(any(feature = "async", feature = "blocking"))]
mod key_check;
#[cfg(any(feature = "async", feature = "blocking"))]
mod lent;
#[cfg(any(feature = "async", feature = "blocking"))]
mod listing;
mod memory;
#[cfg(any(feature = "async", feature = "blocking"))]
pub mod message;
#[cfg(any(feature = "async", feature = "blocking"))]
mod observe;
#[cfg(any(feature = "async", feature = "blocking"))]
mod owners;
mod pods;
mod sealed;
#[cfg(any(feature = "async", feature = "blocking"))]
mod shared;
#[cfg(any(feature = "async", feature = "blocking"))]
mod slot;

#[cfg(feature = "async")]
#[doc(inline)]
pub use asynchronous::{Bridge, Builder, Channel, Content, Download, File, FromAgent};
pub use handed_in::{Accepted, ReportError, TypingError};
#[cfg(any(feature = "async", feature = "blocking"))]
pub use listing::DeadLetters;
pub use lp_connector_core::bridge::{
    AcceptOn, BridgeConfig, BridgeEvent, BridgeEventKind, ChangeDetails, ChannelReceipt, ClosedBy,
    ConsumerSettings, ConsumerState, ConsumerSummary, ConversationOutcome, DeadLetter,
    DeadLetterReason, DeadLetterSummary, DeliveryKind, DeliveryOutcome, FailureReason, Inbound,
    Instance, LaneId, MessageOutcome, Opening, OrderAnomaly, Progress, RecentMessage, Resolution,
    Status, SurveyPolicy, Unsettled, Waiting, WorkerCounters, store,
};
pub use memory::Memory;
#[cfg(any(feature = "async", feature = "blocking"))]
pub use message::{Text, Undelivered};
#[cfg(any(feature = "async", feature = "blocking"))]
pub use observe::{CallEnded, StoreRequest};
pub use pods::Pods;
pub use sealed::{Sealed, StoreKey};
