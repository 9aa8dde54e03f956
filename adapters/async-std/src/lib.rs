//! Async client for LivePerson's Connector API, on [async-std](https://docs.rs/async-std) or any other
//! runtime with `futures-io` streams, such as [smol](https://docs.rs/smol).
//!
//! **async-std is no longer maintained.** This crate is for programs that are on it, and for those on
//! smol: bring a [`Runtime`] of a dozen lines, as `examples/smol.rs` does. New programs are better
//! served by `lp-connector-tokio`.
//!
//! A [`Client`] is made once and cloned into every task: clones share tokens, hosts and connections.
//! All that is decided is decided by [`lp_connector_core`], whose HTTP/1.1 codec this crate puts on
//! streams; it sends one request at a time and waits where it is told to. A call whose future is
//! dropped strands nobody, and a connection with an unfinished exchange is never used again.
//!
//! ```no_run
//! use lp_connector_async_std::api::OpenConversation;
//! use lp_connector_async_std::id::{AccountId, ClientId, ExtConsumerId};
//! use lp_connector_async_std::secret::Secret;
//! use lp_connector_async_std::{Client, Config};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let secret = Secret::new(std::env::var("LP_CLIENT_SECRET")?);
//! let config = Config::new(AccountId::new("91827364")?)
//!     .credentials(ClientId::new("0a1b2c3d")?, secret);
//! let client = Client::new(config)?;
//!
//! let ada = ExtConsumerId::new("pigeon-ring-0042")?;
//! let opened = client.open_conversation(OpenConversation::new(ada.clone())).await?.output;
//! client.send_text(&ada, &opened.conversation, "Coo?").await?;
//! client.close(&ada, &opened.conversation).await?;
//! # Ok(())
//! # }
//! ```

mod client;
mod connect;
mod runtime;
mod send;

pub use client::{Client, Conversation};
pub use lp_connector_core::connector::{Completed, Config, Event, EventKind, Trust};
pub use lp_connector_core::error::{Error, ErrorKind, Sent};
pub use lp_connector_core::{
    api, connector, conversation, error, file, id, policy, secret, seed, time, webhook,
};
#[cfg(feature = "async-std")]
pub use runtime::AsyncStd;
pub use runtime::Runtime;
