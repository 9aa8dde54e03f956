//! The control API of a running sandbox: what the console, the command line and tests use to look into it and
//! to act in it.
//!
//! It has a listener of its own, on loopback alone ([`ServerConfig::control`](crate::ServerConfig::control)).
//! `GET /_sandbox` at the cloud's address says where. [`v1`] has its types, and [`Control`] is a client.
//!
//! ```
//! # #[cfg(feature = "server")] {
//! use lp_connector_sandbox::control::Control;
//! use lp_connector_sandbox::{Server, ServerConfig};
//!
//! let config = ServerConfig::new().control(([127, 0, 0, 1], 0).into());
//! let server = Server::start(config)?;
//! let control = Control::at(&server.control_url().unwrap_or_default()).unwrap();
//! let fault = control.add_fault("send:1-20=503").unwrap();
//! assert_eq!((fault.n, fault.of, fault.applied), (1, Some(20), 0));
//! # }
//! # Ok::<(), std::io::Error>(())
//! ```

mod client;
mod curl;
mod guard;
pub(crate) mod triggers;
pub mod v1;

pub use client::{Control, ControlError, EventStream, StreamEvent};
pub(crate) use guard::guard;
