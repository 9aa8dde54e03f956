//! Where a store is, and what is written there.

use std::time::Duration;

use lp_connector_core::bridge::store::Store;
use lp_connector_postgres::PostgresOptions;
use lp_connector_sqlite::Sqlite;
use lp_connector_stores::PostgresServer;
use tempfile::TempDir;

use super::StoreKind;
use crate::{BenchError, machine};

/// An empty store's place.
pub(crate) enum Place {
    Sqlite(TempDir),
    Postgres { server: PostgresServer, url: String },
}

impl Place {
    /// `None` if there is no PostgreSQL server.
    pub(crate) fn new(kind: StoreKind) -> Result<Option<Self>, BenchError> {
        Ok(match kind {
            StoreKind::Sqlite => Some(Self::Sqlite(tempfile::tempdir()?)),
            StoreKind::Postgres => PostgresServer::from_env()
                .map(|server| Self::Postgres { url: server.new_schema(), server }),
        })
    }

    /// A connection of its own.
    pub(crate) fn open(&self) -> Result<Box<dyn Store>, BenchError> {
        Ok(match self {
            Self::Sqlite(directory) => Box::new(Sqlite::open(directory.path().join("bridge.db"))?),
            Self::Postgres { url, .. } => Box::new(PostgresOptions::default().connect(url)?),
        })
    }

    /// The bytes written so far: PostgreSQL's log, or all that this process wrote for SQLite.
    pub(crate) fn written(&self) -> Result<Option<u64>, BenchError> {
        Ok(match self {
            Self::Sqlite(_) => machine::bytes_written(),
            Self::Postgres { server, .. } => Some(on_own_thread(|| server.written_ahead())),
        })
    }

    /// The server of PostgreSQL.
    pub(crate) const fn server(&self) -> Option<&PostgresServer> {
        match self {
            Self::Sqlite(_) => None,
            Self::Postgres { server, .. } => Some(server),
        }
    }

    /// How often PostgreSQL's log was flushed so far, and how long that took, if the server counts it.
    pub(crate) fn flushes(&self) -> Option<(u64, Duration)> {
        match self {
            Self::Sqlite(_) => None,
            Self::Postgres { server, .. } => on_own_thread(|| server.flushes()),
        }
    }
}

/// Runs a query of the server. That takes a runtime of its own, which must not be within another one.
pub(crate) fn on_own_thread<T: Send>(query: impl FnOnce() -> T + Send) -> T {
    let done = std::thread::scope(|scope| scope.spawn(query).join());
    done.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}
