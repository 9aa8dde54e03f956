//! The core against the sandbox with no sockets, no threads and no real time.
//!
//! A [`World`] owns the only clock. Callers start when they are told to, requests take time to travel
//! and are lost on order, and everything that happens is kept in a trace, so that a test can say what
//! must hold of it. The same orders give the same trace.
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
//! assert!(world.ended().all(|caller| caller.result.is_ok()));
//! assert_eq!(world.cloud.requests(Endpoint::Token), 1);
//! ```

mod caller;
mod chance;
mod clock;
mod endpoint;
mod journal;
mod network;
mod play;
mod process;
mod promise;
mod shrink;
pub mod soak;
mod story;
mod trace;
mod transit;
mod watch;
mod wire;
mod world;

pub use caller::{Caller, Ended};
pub use endpoint::PostWeather;
pub use journal::Sent;
pub use network::Weather;
pub use world::{World, ada, conversation_of};
