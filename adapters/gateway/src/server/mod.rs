//! The server: the bridge as a program that gateways in any language speak to.
//!
//! [`Server::start`] opens three listeners, which are loopback addresses unless configured otherwise. TLS is a proxy's
//! task.
//!
//! | listener | serves | who may ask |
//! |---|---|---|
//! | `webhooks` | LivePerson's notifications, at `/lp` | whoever signs them |
//! | `gateways` | `/v1`: messages, receipts, typing, close, files, consumers, ping, `openapi.json` | a gateway's token |
//! | `operations` | `/livez`, `/readyz`, `/metrics`, `/ops/v1` | anybody the first three, a token of its own the last |
//!
//! What gateways hand in is answered 202 once it is in the store. Deliveries are posted to each gateway's URL, signed,
//! in order, and again until it takes them. The page `GATEWAY.md` beside this crate describes all of it.
//!
//! ```no_run
//! use std::sync::Arc;
//! use lp_connector_bridge::Memory;
//! use lp_connector_core::secret::Secret;
//! use lp_connector_gateway::server::{AccountConfig, GatewayConfig, Server, ServerConfig};
//!
//! #[tokio::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let secret = |name: &str| std::env::var(name).map(Secret::new);
//!     let account =
//!         AccountConfig::new("91827364".parse()?, "0a1b2c3d".parse()?, secret("LP_CLIENT_SECRET")?);
//!     let mut sms = GatewayConfig::new("sms", "http://127.0.0.1:9000/bridge");
//!     sms.tokens.push(secret("SMS_TOKEN")?);
//!     sms.deliver.secrets.push(secret("SMS_SECRET")?);
//!     let mut config = ServerConfig::new(account);
//!     config.gateways.push(sms);
//!
//!     let stop = lp_connector_axum::shutdown_signal()?;
//!     let server = Server::start(config, Arc::new(Memory::new())).await?;
//!     println!("gateways post to http://{}/v1/messages", server.addresses().gateways);
//!     stop.await;
//!     let second = lp_connector_axum::shutdown_signal()?;
//!     server.drain(second).await;
//!     Ok(())
//! }
//! ```

mod answer;
mod app;
mod ask;
mod body;
mod calls;
mod census;
mod channel;
mod check;
mod circuit;
mod config;
mod core;
mod current;
#[cfg(test)]
mod doubles;
mod facts;
mod failures;
mod files;
mod gateway;
mod guard;
mod housekeeping;
mod inline;
mod keys;
#[cfg(test)]
mod logged;
mod metered;
mod metrics;
mod no_answer;
mod observe;
mod ops;
mod pause;
mod people;
mod ping;
mod post;
mod probes;
mod repeats;
mod routes;
mod segment;
mod settings;
mod start;
mod threads;
mod trouble;

pub use self::check::InvalidConfig;
pub use self::config::{
    AccountConfig, DeliverConfig, DeliveryType, Drain, GatewayConfig, Listen, Retention,
    ServerConfig, UnknownType,
};
pub use lp_connector_bridge::AcceptOn;

pub use self::start::{Addresses, Server, StartError};

/// The target of this server's events for `tracing`.
///
/// Their fields are `event`, `request`, `gateway`, `consumer`, `conversation`, `message`, `delivery`, `attempt`,
/// `status`, `seconds`, `account`, `operation`, `service` and `cause`. No field holds a text, a name, a token, or the query of a URL. `consumer` is the
/// id as LivePerson knows it: whoever writes the log decides how to show it.
pub const LOG: &str = "lp_connector_gateway";
