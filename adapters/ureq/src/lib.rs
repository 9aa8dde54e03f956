//! Blocking client for LivePerson's Connector API, on [ureq](https://docs.rs/ureq).
//!
//! A [`Client`] is made once and cloned into every thread: clones share tokens, hosts and
//! connections. All that is decided is decided by [`lp_connector_core`]; this crate sends one request
//! at a time and waits for the pauses that the core returns.
//!
//! ureq resolves names, makes and keeps connections, and writes requests. Responses are read by the core's
//! codec ([`lp_connector_core::http1`]), as by every other client: what is unusual is read, a body that is
//! cut off is incomplete, and nothing is bounded by what a server sends.
//!
//! Limits that the other clients do not have:
//!
//! * Each thread that calls has a connection of its own;
//!   [`max_connections`](Config::max_connections) bounds nothing.
//! * If TLS itself sends a message on an idle connection, such as a new key, the connection is not used
//!   again: ureq cannot tell it from data.
//!
//! What this crate logs, by `tracing`, holds no secret, token or text. ureq itself logs by `log`: up to
//! level debug the same holds of it, but at **trace it dumps the bytes on the wire**. Leave `ureq` and
//! `ureq_proto` below trace in production.
//!
//! ```no_run
//! use lp_connector_ureq::api::OpenConversation;
//! use lp_connector_ureq::id::{AccountId, ClientId, ExtConsumerId};
//! use lp_connector_ureq::secret::Secret;
//! use lp_connector_ureq::{Client, Config};
//!
//! let secret = Secret::new(std::env::var("LP_CLIENT_SECRET")?);
//! let config = Config::new(AccountId::new("91827364")?)
//!     .credentials(ClientId::new("0a1b2c3d")?, secret);
//! let client = Client::new(config)?;
//!
//! let ada = ExtConsumerId::new("pigeon-ring-0042")?;
//! let opened = client.open_conversation(OpenConversation::new(ada))?.output;
//! client.send_text(&opened.conversation, "Coo?")?;
//! client.close_conversation(&opened.conversation)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod client;
mod codec;
mod exchange;
mod handle;
mod records;
mod request;
mod resolver;
mod send;
mod sharing;
mod tunnel;
#[cfg(test)]
mod wire_tests;

pub use bytes::Bytes;
pub use client::Client;
pub use handle::Conversation;
pub use lp_connector_core::connector::{CallEvent, Completed, Config, EventKind, Trust};
pub use lp_connector_core::error::{Delivery, Error, ErrorKind};
pub use lp_connector_core::{
    api, connector, conversation, error, file, id, manifest, policy, secret, seed, time, webhook,
};
pub use request::Request;
