//! The bridge on an async runtime. The root of this crate exports all of it.
//!
//! One task decides, and each call and each delivery is a task of its own. A handler that outlasts its time is
//! dropped. A store whose [`submit`](lp_connector_core::bridge::store::Store::submit) blocks holds up the runtime's
//! thread meanwhile.

mod bridge;
mod builder;
mod channel;
#[cfg(feature = "axum")]
mod door;
mod download;
mod driver;

pub use bridge::Bridge;
pub use builder::Builder;
pub use channel::{Channel, Content, File, FromAgent};
pub use download::Download;
