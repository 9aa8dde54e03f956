//! When to retry, when to stop, how fast to send: pure functions of what happened and when.
//!
//! The documented policy ([protocol.md 11](crate::protocol#11)) is the default; all of it can be
//! changed.
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
#[cfg(test)]
mod decision_tests;
mod failure_class;
mod keep_alive;
mod rate;
mod retry;
mod retry_after;

pub use circuit::CircuitPolicy;
pub(crate) use circuit::{Circuit, Permit, Probe};
pub use failure_class::FailureClass;
pub use keep_alive::KeepAlive;
pub use rate::RatePolicy;
pub(crate) use rate::{Poll, RateLimiter};
pub use retry::{Decision, RetryMode, RetryPolicy, RetryState};
pub use retry_after::retry_after;
