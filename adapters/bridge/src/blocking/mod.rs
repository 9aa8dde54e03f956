//! The bridge on threads, with the blocking client.
//!
//! It is the bridge of this crate's root in plain calls: a thread decides, others call LivePerson and the
//! channel. A handler that outlasts its time cannot be stopped: its thread goes on, its delivery counts as an
//! outage, and it is not begun a second time before the first one has ended. If that one took it after all, it is
//! not repeated.
//!
//! ```no_run
//! use std::time::Duration;
//! use lp_connector_bridge::blocking::{Bridge, Channel, Content, FromAgent};
//! use lp_connector_bridge::{Inbound, Memory, Undelivered};
//! use lp_connector_core::{connector::Config, id::ExtConsumerId, secret::Secret};
//! use lp_connector_ureq::Client;
//!
//! struct Terminal;
//!
//! impl Channel for Terminal {
//!     fn deliver(&self, to: &ExtConsumerId, message: FromAgent) -> Result<(), Undelivered> {
//!         if let Content::Text(text) = &message.content {
//!             println!("to {to}: {}", text.numbered());
//!         }
//!         Ok(()) // the agent sees that it was delivered
//!     }
//! }
//!
//! let secret = Secret::new(std::env::var("LP_CLIENT_SECRET")?);
//! let config = Config::new("91827364".parse()?).credentials("0a1b2c3d".parse()?, secret);
//! let bridge = Bridge::new(Client::new(config)?, Memory::new(), Terminal)?;
//!
//! // Whatever the channel brings: it is stored when this returns.
//! bridge.accept(&"ada".parse()?, Inbound::text("SM9f3", "Where is my parcel?")?)?;
//! // Webhooks: 200 if `bridge.receive(&verified)` succeeds, and 503 if not.
//! bridge.drain(Duration::from_secs(10));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod bridge;
mod builder;
mod channel;
mod download;
mod driver;
mod pool;

pub use bridge::Bridge;
pub use builder::Builder;
pub use channel::{Channel, Content, File, FromAgent};
pub use download::Download;
