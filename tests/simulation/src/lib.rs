//! The core against the sandbox, without sockets, threads or real time.
//!
//! A [`World`] owns the only clock. Calls start at given times, requests take time to arrive and meet
//! the faults that a test asks for, and every request is recorded, so that a test can check its times
//! and its outcome. The same steps give the same records.
//!
//! Module [`soak`] generates scenarios from seeds, and checks invariants after every event. Module [`bridge`]
//! does the same for the bridge. Both count what their scenarios [reach](Coverage).
//!
//! ```
//! use lp_connector_core::api::AuthorizeApp;
//! use lp_connector_sandbox::Endpoint;
//! use lp_connector_simulation::World;
//!
//! let mut world = World::new();
//! for _ in 0..1000 {
//!     world.start(AuthorizeApp::new());
//! }
//! world.run();
//! assert!(world.finished_calls().all(|call| call.result.is_ok()));
//! assert_eq!(world.cloud.requests(Endpoint::Token), 1);
//! ```

pub mod bridge;
mod caller;
mod clock;
mod coverage;
mod event_log;
mod fixtures;
mod generator;
mod in_flight;
mod invariant;
mod invariants;
mod network;
mod process;
mod runner;
mod scenario;
mod scheduler;
mod shrink;
pub mod soak;
mod trace;
mod webhook_endpoint;
mod wire;
mod world;

pub use caller::{Caller, FinishedCall};
pub use coverage::Coverage;
pub use event_log::SentRequest;
pub use fixtures::{ada, open_conversation};
pub use network::NetworkFault;
pub use webhook_endpoint::PostFault;
pub use world::World;
