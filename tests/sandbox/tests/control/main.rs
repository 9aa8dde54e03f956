//! The control API of a running sandbox, through its client.

#![cfg(feature = "server")]
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test reports by panicking")]

#[cfg(unix)]
mod curl;
mod events;
mod retry;
mod schema;
mod secrets;
mod stream;
mod things;
mod world;
