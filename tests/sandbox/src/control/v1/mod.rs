//! Version 1 of the control API. It only grows: a reader ignores members and events that it does not know.
//!
//! `openapi.json` beside the source describes each request. The types here are its documents.
//!
//! ```
//! use lp_connector_sandbox::control::v1::Row;
//!
//! let row: Row = serde_json::from_str(r#"{"n": 1042, "status": 503, "added_later": true}"#)?;
//! assert_eq!((row.n, row.status, row.fault), (1042, Some(503), None));
//! # Ok::<(), serde_json::Error>(())
//! ```

mod action_types;
pub(crate) mod actions;
pub(crate) mod describe;
mod event_types;
pub(crate) mod frame;
pub(crate) mod page;
mod problem;
mod reads;
pub(crate) mod router;
mod types;
mod wire;
mod wire_types;

pub use action_types::*;
pub use event_types::*;
pub use router::ROUTES;
pub use types::*;
pub use wire_types::*;
