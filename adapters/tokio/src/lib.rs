//! Async client for LivePerson's Connector API, on [tokio](https://docs.rs/tokio) and
//! [hyper](https://docs.rs/hyper).
//!
//! A [`Client`] is made once and cloned into every task: clones share tokens, hosts and connections.
//! All that is decided is decided by [`lp_connector_core`]; this crate sends one request at a time and
//! waits where it is told to. A call whose future is dropped strands nobody.
//!
//! ```no_run
//! use lp_connector_tokio::api::OpenConversation;
//! use lp_connector_tokio::id::{AccountId, ClientId, ExtConsumerId};
//! use lp_connector_tokio::secret::Secret;
//! use lp_connector_tokio::{Client, Config};
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
mod send;

pub use client::{Client, Conversation};
pub use lp_connector_core::connector::{Completed, Config, Event, EventKind, Trust};
pub use lp_connector_core::error::{Error, ErrorKind, Sent};
pub use lp_connector_core::{
    api, connector, conversation, error, file, id, policy, secret, seed, time, webhook,
};
