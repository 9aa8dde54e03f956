//! The store of the bridge on PostgreSQL: any number of programs share it.
//!
//! ```no_run
//! use lp_connector_postgres::Postgres;
//!
//! let store = Postgres::connect("postgres://lp@db.example/lp")?;
//! # let _ = store;
//! # Ok::<(), lp_connector_core::bridge::store::StoreError>(())
//! ```
//!
//! It has a thread of its own, so it serves blocking programs and every async runtime alike. PostgreSQL 13 or later is
//! needed; a database of its own is best, for a snapshot that another program holds slows every queue down.
//!
//! # What it promises
//!
//! * What was answered is on the server's disk, and on that of a synchronous standby if there is one. [`connect`]
//!   checks what this rests on: `fsync`, `full_page_writes`, `synchronous_commit`, and whether a standby would lose
//!   what was acknowledged. See [`PostgresOptions::accept_loss_on_failover`].
//! * Every request is one round trip and one transaction, and waits for 4 s at most for each lock of another one. There is no
//!   session state: a pool in transaction mode between the two, such as pgbouncer, works. No transaction is ever idle,
//!   so `idle_in_transaction_session_timeout` may be as short as you like for the bridge's user.
//! * Several hosts may stand in the URL: the one that can be written is used, and looked for again when it is lost.
//! * Nothing is sent in the clear to another machine unless the URL says `sslmode=disable`; a server's certificate is
//!   always checked, with its name. See [`PostgresOptions::extra_ca_pem`].
//! * Terms and due times are measured on the server's clock alone.
//!
//! # Tables
//!
//! [`connect`] makes and updates them, one migration after the other, forward only; see [`PostgresOptions::migrate`].
//! Programs of an older release go on beside a newer one: their functions stay on the server, and they are not given
//! what they cannot read. Tables that an older program must not use say so, and it is refused.
//!
//! # For operators
//!
//! [`facts`](Store::facts) tells how long the oldest lane has been due, and why that may be: a snapshot that is held,
//! transactions that were repeated, sizes and dead rows, standbys. Grant the bridge's user `pg_read_all_stats`: else
//! what other users hold is not seen.
//!
//! [`connect`]: Postgres::connect

mod address;
mod connection;
mod durability;
mod error;
mod facts;
mod group;
mod migration;
mod moving;
mod queue;
mod requests;
mod values;

use std::fmt;
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use lp_connector_core::bridge::store::{
    Answer, Reply, Request, Store, StoreError, StoreErrorKind, StoreFacts,
};
use lp_connector_core::id::AccountId;
use tokio::runtime::{Builder, Handle};

use crate::connection::Server;
use crate::durability::Accepted;
pub use crate::migration::Migrated;
pub use crate::moving::Moved;
use crate::queue::Queue;

/// How a store is reached.
#[derive(Clone, Debug)]
pub struct PostgresOptions {
    connections: usize,
    pub(crate) time_limit: Duration,
    pub(crate) accepts: Accepted,
    may_migrate: bool,
    pub(crate) extra_ca_pem: Vec<u8>,
}

impl Default for PostgresOptions {
    fn default() -> Self {
        Self {
            connections: 4,
            time_limit: Duration::from_secs(5),
            accepts: Accepted::default(),
            may_migrate: true,
            extra_ca_pem: Vec::new(),
        }
    }
}

impl PostgresOptions {
    /// How many connections this program has. Default: 4; at least 1.
    #[must_use]
    pub fn connections(mut self, count: usize) -> Self {
        self.connections = count.max(1);
        self
    }

    /// How long a request may take, the time to connect included. Default: 5 s. What takes longer fails as
    /// [`Unavailable`](StoreErrorKind::Unavailable).
    #[must_use]
    pub fn time_limit(mut self, time: Duration) -> Self {
        self.time_limit = time;
        self
    }

    /// Takes a server whose standbys get everything late. When one of them is promoted, the last that was acknowledged
    /// is lost.
    #[must_use]
    pub const fn accept_loss_on_failover(mut self) -> Self {
        self.accepts.failover = true;
        self
    }

    /// Takes a server whose settings do not keep over a crash what was acknowledged, such as one for tests without
    /// `fsync`.
    #[must_use]
    pub const fn accept_loss_in_crash(mut self) -> Self {
        self.accepts.crash = true;
        self
    }

    /// Whether to bring the tables up to date when it connects. Default: true. Else tables that are too old, or not
    /// there, are refused: [`migrate_now`](Self::migrate_now) makes them, by a user who may, at a time of the
    /// operator's choice.
    #[must_use]
    pub fn migrate(mut self, yes: bool) -> Self {
        self.may_migrate = yes;
        self
    }

    /// Certificates to trust besides the platform's, as PEM.
    #[must_use]
    pub fn extra_ca_pem(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.extra_ca_pem = pem.into();
        self
    }

    /// Checks the form of an address, and asks nobody.
    ///
    /// # Errors
    /// [`Denied`](StoreErrorKind::Denied): [`connect`](Self::connect) would fail too. The error quotes nothing of the
    /// address.
    pub fn check(&self, url: &str) -> Result<(), StoreError> {
        address::config(url, self.time_limit).map(drop)
    }

    /// Connects, checks the server and brings the tables up to date. It blocks until that is done.
    ///
    /// # Errors
    /// As [`Postgres::connect`].
    pub fn connect(self, url: &str) -> Result<Postgres, StoreError> {
        let server = Arc::new(Server::new(url, &self)?);
        let queue = Arc::new(Queue::default());
        let failed = |error: std::io::Error| {
            StoreError::new(StoreErrorKind::Failed, format!("the store cannot start: {error}"))
        };
        let runtime = Builder::new_current_thread().enable_all().build().map_err(failed)?;
        let handle = runtime.handle().clone();
        let (sender, ready) = mpsc::sync_channel(1);
        let (serving, reached) = (queue.clone(), server.clone());
        let connections = self.connections;
        // All of it on a thread of its own: the caller may be on a runtime already.
        let thread = thread::Builder::new().name("lp-postgres".into()).spawn(move || {
            let prepared = runtime.block_on(self.prepare(&server));
            let is_ready = prepared.is_ok();
            if sender.send(prepared).is_ok() && is_ready {
                let serve = || queue::serve(serving.clone(), server.clone());
                let tasks: Vec<_> = (0..connections).map(|_| runtime.spawn(serve())).collect();
                for task in tasks {
                    let _ = runtime.block_on(task);
                }
            }
        });
        let thread = thread.map_err(failed)?;
        ready.recv().unwrap_or_else(|_| Err(queue::closed()))?;
        Ok(Postgres { queue, server: reached, handle, thread: Some(thread) })
    }

    /// Brings the tables up to date, whatever [`migrate`](Self::migrate) says, and tells from which version to which.
    /// Programs of older releases go on meanwhile: each step is a transaction, which waits for 3 s at most for those
    /// that use a table.
    ///
    /// # Errors
    /// As [`Postgres::connect`]. What fails leaves the tables as they were.
    pub fn migrate_now(mut self, url: &str) -> Result<Migrated, StoreError> {
        self.may_migrate = true;
        let server = Server::new(url, &self)?;
        block_on(async move { self.prepare(&server).await })
    }

    /// Moves an account from one database to another while it is served: the bridges use both as pods, and find it
    /// where it is. It blocks until that is done, and tells what is there then.
    ///
    /// While the account is copied, it is closed: what is asked for it fails as [`Unavailable`], its leases count as
    /// lost, and nothing of it is claimed. The other accounts go on. Then it is open in the new database, and what is
    /// asked for it in the old one fails as [`Moved`](StoreErrorKind::Moved). Fences, versions, numbers and times go on
    /// where they were, so a bridge that was at work on a lane has lost it, and the next one knows that it takes over.
    ///
    /// It may be called again after every failure, also by another program: it goes on where it was. To move the account
    /// back, or to give a move up that is not over, call it with the addresses the other way round. All programs that use
    /// both databases as pods must be of this release.
    ///
    /// # Errors
    /// As [`Postgres::connect`], for both databases. [`Refused`](StoreErrorKind::Refused): the account is not in the
    /// first one, both have lanes of it, or another move of it is not over. Nothing is changed then.
    /// [`Damaged`](StoreErrorKind::Damaged): the copy is not like the original. The account stays closed, and the
    /// original is whole.
    ///
    /// [`Unavailable`]: StoreErrorKind::Unavailable
    pub fn move_account(
        self,
        account: &AccountId,
        from: &str,
        to: &str,
    ) -> Result<Moved, StoreError> {
        let (from, to) = (Server::new(from, &self)?, Server::new(to, &self)?);
        let account = account.clone();
        block_on(async move { moving::move_account(&self, &account, &from, &to).await })
    }

    /// Checks the server, and brings its tables up to date.
    pub(crate) async fn prepare(&self, server: &Server) -> Result<Migrated, StoreError> {
        let mut client = server.connect().await?;
        migration::bring_up(&mut client, migration::MIGRATIONS, self.may_migrate).await
    }
}

/// Does it on a thread of its own: the caller may be on a runtime already.
fn block_on<T: Send + 'static>(
    work: impl Future<Output = Result<T, StoreError>> + Send + 'static,
) -> Result<T, StoreError> {
    let failed = |why: String| {
        StoreError::new(
            StoreErrorKind::Failed,
            format!("a thread for the store cannot start: {why}"),
        )
    };
    let runtime = Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| failed(error.to_string()))?;
    let thread = thread::Builder::new().name("lp-postgres".into());
    let thread = thread.spawn(move || runtime.block_on(work));
    let thread = thread.map_err(|error| failed(error.to_string()))?;
    thread.join().unwrap_or_else(|_| Err(queue::closed()))
}

/// A store on a PostgreSQL server. When it is dropped, what was asked is done first, as long as
/// the server is there.
pub struct Postgres {
    queue: Arc<Queue>,
    server: Arc<Server>,
    /// Of the runtime on the store's own thread.
    handle: Handle,
    thread: Option<JoinHandle<()>>,
}

impl Postgres {
    /// Connects to the server of this URL, checks it, and brings the tables up to date:
    /// `postgres://user:password@host:port/database`, or `key=value` pairs as libpq has them.
    ///
    /// # Errors
    /// [`StoreError`]: the URL cannot be read, the server cannot be reached, refuses the user, holds tables of
    /// another program, or would lose what was acknowledged.
    pub fn connect(url: &str) -> Result<Self, StoreError> {
        PostgresOptions::default().connect(url)
    }
}

impl Store for Postgres {
    fn perform(&self, request: Request) -> Result<Answer, StoreError> {
        let (sender, receiver) = mpsc::sync_channel(1);
        self.submit(request, Box::new(move |result| drop(sender.send(result))));
        receiver.recv().unwrap_or_else(|_| Err(queue::closed()))
    }

    fn submit(&self, request: Request, reply: Reply) {
        match request.check_sizes() {
            Err(refused) => reply(Err(refused)),
            Ok(()) => self.queue.push(request, reply),
        }
    }

    /// Over a connection of its own, which waits for nothing that is in the queue.
    fn facts(&self) -> Result<StoreFacts, StoreError> {
        let (sender, receiver) = mpsc::sync_channel(1);
        let server = self.server.clone();
        self.handle.spawn(async move {
            let _ = sender.try_send(server.facts().await);
        });
        receiver.recv().unwrap_or_else(|_| Err(queue::closed()))
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.queue.close();
        // A reply may hold the last handle, on the store's own thread.
        let is_other = |thread: &JoinHandle<()>| thread.thread().id() != thread::current().id();
        if let Some(thread) = self.thread.take().filter(is_other) {
            let _ = thread.join();
        }
    }
}

impl fmt::Debug for Postgres {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Postgres").finish_non_exhaustive()
    }
}
