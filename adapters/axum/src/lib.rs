//! Receives LivePerson's webhooks with [axum](https://docs.rs/axum): verified over the raw bytes,
//! queued, and answered within the contract of protocol.md 9.1.
//!
//! [`Webhooks`] makes a `Router` and a [`Notifications`] queue. The router answers 200 as soon as a
//! notification is in the queue, and does no work on it; when the queue is full it answers 503, so that
//! the platform sends it again and nothing is lost. [`serve`] puts a router on a socket, with limits
//! against slow and huge senders, and stops gracefully.
//!
//! ```no_run
//! use lp_connector_axum::webhook::{Change, Inbox, Receiver};
//! use lp_connector_axum::{Webhooks, serve};
//! use lp_connector_axum::secret::Secret;
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let secret = Secret::new(std::env::var("LP_CLIENT_SECRET")?);
//! let (router, mut notifications) = Webhooks::new(Receiver::new().secret(secret)).split();
//! let app = axum::Router::new().nest("/lp", router);
//!
//! let worker = tokio::spawn(async move {
//!     while let Some(verified) = notifications.recv().await {
//!         match verified.parse() {
//!             Ok(notification) => {
//!                 for change in notification.into_changes() {
//!                     if let Change::Message(message) = change && message.is_for_consumer() {
//!                         println!("to relay: {message:?}");
//!                     }
//!                 }
//!             }
//!             // It was answered 200 all the same: put it aside, and look at it later.
//!             Err(unreadable) => eprintln!("{unreadable}: {} bytes", verified.body().len()),
//!         }
//!     }
//! });
//! let listener = tokio::net::TcpListener::bind("127.0.0.1:8080").await?;
//! let stop = async { let _ = tokio::signal::ctrl_c().await; };
//! serve(listener, app, stop).await?; // all that was accepted is in the queue by then
//! worker.await?; // and ends when the queue is empty
//! # Ok(())
//! # }
//! ```
//!
//! The platform wants TLS with a valid certificate: let a proxy before this server see to it.
//! For a handler of your own there is an extractor, [`Signed`].

mod budget;
mod extract;
mod queue;
mod serve;

pub use extract::{Signed, WebhookError};
pub use lp_connector_core::{conversation, id, secret, time, webhook};
pub use queue::{Notifications, Webhooks};
pub use serve::{MAX_CONNECTIONS, serve};
