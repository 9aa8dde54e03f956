//! Async client for LivePerson's Connector API, on [smol](https://docs.rs/smol).
//!
//! A [`Client`] is made once and cloned into every task: clones share tokens, hosts and connections. It
//! is the client of [`lp_connector_async`], whose documentation says what it promises. This crate adds
//! 30 lines of code, which resolve, connect, sleep and spawn on smol.
//!
//! ```no_run
//! use lp_connector_smol::api::OpenConversation;
//! use lp_connector_smol::id::{AccountId, ClientId, ExtConsumerId};
//! use lp_connector_smol::secret::Secret;
//! use lp_connector_smol::{Client, Config};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let secret = Secret::new(std::env::var("LP_CLIENT_SECRET")?);
//! let config = Config::new(AccountId::new("91827364")?)
//!     .credentials(ClientId::new("0a1b2c3d")?, secret);
//! let client = Client::new(config)?;
//!
//! let ada = ExtConsumerId::new("pigeon-ring-0042")?;
//! let opened = client.open_conversation(OpenConversation::new(ada)).await?.output;
//! client.send_text(&opened.conversation, "Coo?").await?;
//! client.close_conversation(&opened.conversation).await?;
//! # Ok(())
//! # }
//! ```

mod runtime;

pub use lp_connector_async::{Bytes, Request};
pub use lp_connector_core::connector::{CallEvent, Completed, Config, EventKind, Trust};
pub use lp_connector_core::error::{Delivery, Error, ErrorKind};
pub use lp_connector_core::{
    api, connector, conversation, error, file, id, manifest, policy, secret, seed, time, webhook,
};
pub use runtime::Smol;

/// The client, on smol.
pub type Client = lp_connector_async::Client<Smol>;

/// A conversation, and the client to hold it with, on smol.
pub type Conversation = lp_connector_async::Conversation<Smol>;
