//! Async client for LivePerson's Connector API, for any runtime.
//!
//! This crate is what the async clients share. A program names the crate of its runtime instead:
//! `lp-connector-tokio`, `lp-connector-smol` or `lp-connector-async-std`. For another runtime, it brings
//! a [`Runtime`]: resolve, connect, sleep.
//!
//! A [`Client`] is made once and cloned into every task: clones share tokens, hosts and connections.
//! [`lp_connector_core`] decides; this crate puts its HTTP/1.1 codec on the runtime's streams, with TLS
//! by rustls, sends one request at a time and waits as long as it is told to.
//!
//! * An attempt has one deadline, from the wait for a connection to the last byte of the response. The
//!   connect time-out ends with the TLS handshake.
//! * A connection is used again only if its last exchange has finished, and if the server has neither
//!   closed it nor sent anything on it since.
//! * A body that ends with the connection is whole only if TLS ends with it as it should, or TCP without a
//!   reset.
//! * There are never more connections than
//!   [`max_connections`](lp_connector_core::connector::Config::max_connections). Requests that wait for
//!   one get it in the order in which they came.
//! * A future that is dropped closes its connection, and strands no other call.
//!
//! ```no_run
//! use std::net::SocketAddr;
//! use std::{io, time::Duration};
//! use lp_connector_async::api::OpenConversation;
//! use lp_connector_async::id::{AccountId, ClientId, ExtConsumerId};
//! use lp_connector_async::secret::Secret;
//! use lp_connector_async::{Client, Config, Runtime, SockRef};
//!
//! #[derive(Default)]
//! struct Smol;
//!
//! impl Runtime for Smol {
//!     type Stream = smol::net::TcpStream;
//!
//!     async fn resolve(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
//!         smol::net::resolve((host, port)).await
//!     }
//!
//!     async fn connect(&self, address: SocketAddr) -> io::Result<Self::Stream> {
//!         smol::net::TcpStream::connect(address).await
//!     }
//!
//!     fn socket(stream: &Self::Stream) -> SockRef<'_> {
//!         stream.into()
//!     }
//!
//!     async fn sleep(&self, time: Duration) {
//!         smol::Timer::after(time).await;
//!     }
//! }
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let secret = Secret::new(std::env::var("LP_CLIENT_SECRET")?);
//! let config = Config::new(AccountId::new("91827364")?)
//!     .credentials(ClientId::new("0a1b2c3d")?, secret);
//! let client = Client::<Smol>::new(config)?;
//!
//! let ada = ExtConsumerId::new("pigeon-ring-0042")?;
//! let opened = client.open_conversation(OpenConversation::new(ada)).await?.output;
//! client.send_text(&opened.conversation, "Coo?").await?;
//! client.close_conversation(&opened.conversation).await?;
//! # Ok(())
//! # }
//! ```

#[cfg(any(test, feature = "async-io"))]
#[cfg_attr(
    not(feature = "async-io"),
    expect(unreachable_pub, reason = "its tests run without the feature too")
)]
mod async_io;
mod client;
mod connect;
mod connection;
mod connections;
mod deadlines;
mod dial;
mod driver;
mod handle;
mod race;
mod record_stream;
mod request;
mod runtime;
mod send;
mod sharing;

/// The locks that calls share. `tests/interleavings` compiles the modules that use them with others, and runs their threads
/// in many orders.
mod sync {
    pub(crate) use std::sync::{Mutex, MutexGuard};
}

#[cfg(feature = "async-io")]
pub use async_io::AsyncIoStream;
pub use bytes::Bytes;
pub use client::Client;
pub use handle::Conversation;
pub use lp_connector_core::connector::{CallEvent, Completed, Config, EventKind, Trust};
pub use lp_connector_core::error::{Delivery, Error, ErrorKind};
pub use lp_connector_core::{
    api, connector, conversation, error, file, id, manifest, policy, secret, seed, time, webhook,
};
pub use request::Request;
pub use runtime::{Runtime, Spawn};
pub use socket2::SockRef;

#[cfg(test)]
mod limits_tests;
#[cfg(test)]
mod world_tests;
