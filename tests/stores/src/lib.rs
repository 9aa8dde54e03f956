//! One table of cases for every store of the bridge.
//!
//! A store is an [`Engine`]: it connects, and its clock is the test's. [`CASES`] are the eight laws of
//! [`store`](lp_connector_core::bridge::store), each in several cases with a name; [`broken`] runs them and tells
//! which ones an engine breaks. [`Model`] is the contract once more, written differently: a log of facts which is
//! interpreted from scratch for each request. It can be given a [`Plant`], a fault that a store might have, and
//! the cases must find each.
//!
//! ```
//! use lp_connector_stores::{MemoryEngine, broken};
//!
//! assert!(broken(&|| Box::new(MemoryEngine::default())).is_empty());
//! ```

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    reason = "a case fails by a panic"
)]

mod cases;
#[cfg(unix)]
mod cluster;
mod engine;
mod model;
mod plant;
mod planted;
#[cfg(unix)]
mod pooler;
mod postgres;
mod session;
mod storm;
mod traps;

pub use self::cases::{CASES, Case, broken};
#[cfg(unix)]
pub use self::cluster::{Cluster, ClusterError, Replication, Stop};
pub use self::engine::{Engine, MemoryEngine, ModelEngine, SqliteEngine, TestClock};
pub use self::model::Model;
pub use self::plant::Plant;
pub use self::planted::{Finder, PLANTED_SQL, PlantedSql};
#[cfg(unix)]
pub use self::pooler::Pooler;
pub use self::postgres::{PostgresEngine, PostgresServer};
pub use self::session::Session;
pub use self::storm::{Disorder, one_wins_each_swap, storm};
pub use self::traps::Trap;
