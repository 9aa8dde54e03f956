//! The threads of the async client, run in many orders.
//!
//! The modules of `lp-connector-async` that share something between threads are compiled here a second time, with the locks
//! of [shuttle]: at each of them it chooses which thread goes on. Where all threads wait and none can go on, as after a wake-up
//! that was lost, the run fails and prints the order that led there. Each function here is one small world; the tests
//! run each a thousand times.
//!
//! ```
//! shuttle::check_random(lp_connector_interleavings::deadlines, 10);
//! ```
//!
//! What the modules use besides their locks is not cut up: atomics, and the lists of event-listener, which has tests of this
//! kind itself.

// The client's modules bring their unit tests, which run there.
#![cfg(not(test))]
#![expect(clippy::unwrap_used, clippy::missing_panics_doc, reason = "a run reports by panicking")]

mod calls;
mod clock;
mod send;
mod waits;

#[path = "../../../adapters/async/src/connections.rs"]
#[expect(dead_code, reason = "the client uses the rest")]
mod connections;
#[path = "../../../adapters/async/src/deadlines.rs"]
#[expect(dead_code, reason = "the client uses the rest")]
mod deadlines;
#[path = "../../../adapters/async/src/driver.rs"]
#[expect(dead_code, reason = "the client uses the rest")]
mod driver;
#[path = "../../../adapters/async/src/race.rs"]
#[expect(dead_code, reason = "the client uses the rest")]
mod race;
#[path = "../../../adapters/async/src/sharing.rs"]
#[expect(dead_code, reason = "the client uses the rest")]
mod sharing;

/// The locks in place of those of std.
mod sync {
    pub(crate) use shuttle::sync::{Mutex, MutexGuard};
}

pub use calls::{abandoned_call, calls};
use lp_connector_async::Runtime;
pub use waits::{connections, deadlines};
