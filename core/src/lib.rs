//! The Connector API of LivePerson's Conversational Cloud, with no IO of its own.

pub mod api;
pub mod connector;
pub mod error;
pub mod id;
pub mod policy;
pub mod secret;
pub mod seed;
pub mod time;

#[cfg(feature = "tracing")]
pub mod trace;
