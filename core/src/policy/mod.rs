//! When to try again: pure functions of what happened and when.
//!
//! The documented policy (protocol.md 11) is the default; all of it can be changed.
//!
//! ```
//! use std::time::Duration;
//! use lp_connector_core::policy::RetryPolicy;
//!
//! let patient = RetryPolicy::documented().pauses([Duration::from_secs(1); 6]);
//! let once_more = RetryPolicy::documented().at_least_once(true);
//! let never = RetryPolicy::none();
//! # let _ = (patient, once_more, never);
//! ```

mod circuit;
mod keep_alive;
mod rate;
mod retry;
mod retry_after;

pub use circuit::CircuitPolicy;
pub(crate) use circuit::{Admission, Circuit, Probe};
pub use keep_alive::KeepAlive;
pub use rate::RatePolicy;
pub(crate) use rate::{Rate, Turn};
pub use retry::{Decision, Preset, RetryPolicy, Trouble};
pub use retry_after::retry_after;
