//! A connection for statements of a test itself.

use std::fmt;
use std::sync::{Mutex, PoisonError};

use tokio::runtime::Runtime;
use tokio_postgres::{Client, NoTls, SimpleQueryMessage};

/// A connection to a PostgreSQL server. What fails panics.
pub struct Session {
    runtime: Mutex<Runtime>,
    client: Client,
}

impl Session {
    /// Connects, without TLS.
    #[must_use]
    pub fn connect(url: &str) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (client, connection) = runtime.block_on(tokio_postgres::connect(url, NoTls)).unwrap();
        runtime.spawn(connection);
        Self { runtime: Mutex::new(runtime), client }
    }

    /// Runs statements.
    pub fn run(&self, sql: &str) {
        self.rows(sql);
    }

    /// Runs statements, and gives the rows that they give, as text. NULL is empty.
    pub fn rows(&self, sql: &str) -> Vec<Vec<String>> {
        let runtime = self.runtime.lock().unwrap_or_else(PoisonError::into_inner);
        let messages = runtime.block_on(self.client.simple_query(sql)).unwrap();
        let rows = messages.iter().filter_map(|message| match message {
            SimpleQueryMessage::Row(row) => Some(row),
            _ => None,
        });
        rows.map(|row| (0..row.len()).map(|at| row.get(at).unwrap_or_default().into()).collect())
            .collect()
    }

    /// The last value that statements give. `None`: one of them fails.
    pub fn ask(&self, sql: &str) -> Option<String> {
        let runtime = self.runtime.lock().unwrap_or_else(PoisonError::into_inner);
        let messages = runtime.block_on(self.client.simple_query(sql)).ok()?;
        messages.iter().rev().find_map(|message| match message {
            SimpleQueryMessage::Row(row) => row.get(0).map(String::from),
            _ => None,
        })
    }

    /// The one value that statements give, as a number.
    pub fn number(&self, sql: &str) -> i64 {
        self.rows(sql)[0][0].parse().unwrap()
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Session")
    }
}
