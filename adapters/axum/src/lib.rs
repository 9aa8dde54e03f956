//! Receives LivePerson's webhooks with [axum](https://docs.rs/axum): verified over the raw bytes,
//! queued, and answered within the contract of [protocol.md 9.1](lp_connector_core::protocol#9.1).
//!
//! [`Webhooks`] makes a `Router` and [`Deliveries`]. The router verifies a notification, queues it and
//! answers 200 at once. When the queue is full it answers 503, and the platform sends the notification
//! again. [`Deliveries::next`] gives each change once and in order. [`serve`] serves a router with
//! limits against slow and huge senders, and drains it when it stops.
//!
//! This program loses nothing that it has answered 200. On SIGTERM, Ctrl-C or a hangup ([`shutdown_signal`])
//! `serve` stops accepting and answers the requests under way; then the router is gone, and `next`
//! returns the rest of the queue and `None`:
//!
//! ```no_run
//! use lp_connector_axum::secret::Secret;
//! use lp_connector_axum::webhook::{Change, Event, Receiver};
//! use lp_connector_axum::{Webhooks, serve, shutdown_signal};
//!
//! #[tokio::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let secret = Secret::new(std::env::var("LP_CLIENT_SECRET")?);
//!     let (router, mut deliveries) = Webhooks::new(Receiver::new().secret(secret)).deliveries();
//!     let app = axum::Router::new().nest("/lp", router);
//!     let listener = tokio::net::TcpListener::bind("127.0.0.1:8080").await?;
//!     let server = tokio::spawn(serve(listener, app, shutdown_signal()?));
//!     while let Some(delivery) = deliveries.next().await {
//!         match delivery.map(|delivered| delivered.change) {
//!             Ok(Change::Message(message)) if message.is_for_consumer() => {
//!                 if let Event::Text(text) = message.event() {
//!                     println!("to {}: {}", message.conversation(), text.text);
//!                 }
//!             }
//!             Ok(_) => {}
//!             Err(unreadable) => eprintln!("set aside: {unreadable}"), // it was answered 200 too
//!         }
//!     }
//!     Ok(server.await??)
//! }
//! ```
//!
//! The queue is in memory. [`Webhooks::durable`] has none: it answers 200 only after a function of yours has
//! stored the notification. [`Webhooks::split`] gives the [`Notifications`] instead, verified and not yet
//! parsed. [`Signed`] is an extractor for your own handlers.
//!
//! Strangers cannot keep the platform out. What a request's head shows is refused before its body is read,
//! and a refusal closes the connection. When places for connections are short, the oldest one that has not
//! brought a valid signature is closed ([`Connection`]); when memory for bodies is short, a body on such a
//! connection that stalls is refused, or else the oldest.
//!
//! The platform requires TLS with a valid certificate: let a proxy in front of this server provide it.

mod budget;
mod connection;
mod deliveries;
mod endpoint;
mod extract;
mod queue;
mod reading;
mod refusals;
mod serve;
mod shutdown;

pub use connection::Connection;
pub use deliveries::Deliveries;
pub use extract::{Signed, WebhookError};
pub use lp_connector_core::{conversation, id, secret, time, webhook};
pub use queue::{Notifications, Webhooks};
pub use serve::{MAX_CONNECTIONS, serve};
pub use shutdown::shutdown_signal;
