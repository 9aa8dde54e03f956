//! The bridge on threads, with the blocking client.
//!
//! It is the bridge of this crate's root in plain calls: a thread decides, others call LivePerson and the
//! channel. A handler that outlasts its time cannot be stopped: its thread goes on, its delivery counts as an
//! outage, and it is not begun a second time before the first one has ended. If that one took it after all, it is
//! not repeated.

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
