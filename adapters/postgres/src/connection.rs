//! One connection: made when it is needed, and made again when it is lost.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use lp_connector_core::bridge::store::{
    Answer, Request, StoreError, StoreErrorKind as Kind, StoreFacts,
};
use tokio::time::{Instant, sleep_until, timeout_at};
use tokio_postgres::{Client, Config, Error};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::durability::{self, Accepted};
use crate::error::{Failure, store_error};
use crate::{PostgresOptions, address, facts, requests};

/// After an attempt to connect that failed, the next one waits for this long.
const PAUSE: Duration = Duration::from_millis(100);

/// How often cells that have expired are removed.
const PRUNE_EVERY: Duration = Duration::from_secs(10);

/// How often a transaction is tried that met another one.
const TRIES: u32 = 5;

/// Where the server is.
pub(crate) struct Server {
    /// One for each host, in the order in which they are tried.
    hosts: Vec<Config>,
    /// The host that was found last.
    found: AtomicUsize,
    tls: MakeRustlsConnect,
    time_limit: Duration,
    accepts: Accepted,
    /// The transactions that met another one and were repeated.
    repeated: AtomicU64,
}

impl Server {
    pub(crate) fn new(url: &str, options: &PostgresOptions) -> Result<Self, StoreError> {
        let hosts = address::hosts(&address::config(url, options.time_limit)?);
        let tls = lp_connector_tls::client_config_with(&options.extra_ca_pem)
            .map_err(|error| StoreError::new(Kind::Denied, error.to_string()))?;
        let tls = MakeRustlsConnect::new(tls);
        Ok(Self {
            hosts,
            found: AtomicUsize::new(0),
            tls,
            time_limit: options.time_limit,
            accepts: options.accepts,
            repeated: AtomicU64::new(0),
        })
    }

    /// A new connection, to a server that keeps what it acknowledges. A task of its own drives it.
    ///
    /// Hosts are tried one after the other, beginning with the one that was found last. One that takes the connection
    /// and then says nothing has its share of the time, and no more.
    pub(crate) async fn connect(&self) -> Result<Client, StoreError> {
        let count = self.hosts.len().max(1);
        let share = self.time_limit / u32::try_from(count).unwrap_or(1);
        let first = self.found.load(Ordering::Relaxed);
        let mut refused = late();
        for at in (0..count).map(|next| (first + next) % count) {
            let Some(host) = self.hosts.get(at) else { break };
            match timeout_at(Instant::now() + share, self.connect_to(host)).await {
                Ok(Ok(client)) => {
                    self.found.store(at, Ordering::Relaxed);
                    return Ok(client);
                }
                Ok(Err(error)) => refused = error,
                Err(_) => refused = late(),
            }
        }
        Err(refused)
    }

    async fn connect_to(&self, host: &Config) -> Result<Client, StoreError> {
        let (client, connection) = host.connect(self.tls.clone()).await.map_err(not_connected)?;
        // It ends with its client, or when the server ends it: the next request finds that out.
        tokio::spawn(connection);
        durability::check(&client, self.accepts).await?;
        Ok(client)
    }

    /// What there is to know, within the time limit.
    pub(crate) async fn facts(&self) -> Result<StoreFacts, StoreError> {
        let read = async {
            let client = self.connect().await?;
            let repeated = self.repeated.load(Ordering::Relaxed);
            facts::read(&client, repeated).await.map_err(Failure::into_store_error)
        };
        timeout_at(Instant::now() + self.time_limit, read).await.unwrap_or_else(|_| Err(late()))
    }
}

/// A connection that lives as long as its server.
pub(crate) struct Connection {
    server: Arc<Server>,
    client: Option<Client>,
    /// Where claims begin to look.
    low: requests::LowerBound,
    not_before: Instant,
    pruned: Instant,
}

impl Connection {
    pub(crate) fn new(server: Arc<Server>) -> Self {
        Self {
            server,
            client: None,
            low: requests::LowerBound::default(),
            not_before: Instant::now(),
            pruned: Instant::now(),
        }
    }

    /// Performs a request, within the time limit.
    pub(crate) async fn perform(&mut self, request: &Request) -> Result<Answer, Refusal> {
        let deadline = Instant::now() + self.server.time_limit;
        match timeout_at(deadline, self.try_perform(request)).await {
            Ok(outcome) => outcome,
            Err(_) => {
                // An answer may still come over it, to nobody.
                self.client = None;
                Err(late().into())
            }
        }
    }

    async fn try_perform(&mut self, request: &Request) -> Result<Answer, Refusal> {
        for tried in 1.. {
            let client = match self.client.take().filter(|client| !client.is_closed()) {
                Some(client) => client,
                None => self.connect().await?,
            };
            let outcome = requests::perform(&client, request, &mut self.low).await;
            match outcome {
                Ok(answer) => {
                    self.client = Some(client);
                    return Ok(answer);
                }
                Err(failure) if failure.is_conflict() && tried < TRIES => {
                    self.server.repeated.fetch_add(1, Ordering::Relaxed);
                    self.client = Some(client);
                }
                Err(failure) => {
                    let reach = match () {
                        () if failure.is_locked() => Reach::Lane,
                        () if failure.is_closed() => Reach::Account,
                        () => Reach::Server,
                    };
                    let error = failure.into_store_error();
                    // What is unavailable may be found again at another host.
                    if reach != Reach::Server || error.kind() != Kind::Unavailable {
                        self.client = Some(client);
                    }
                    return Err(Refusal { error, reach });
                }
            }
        }
        Err(late().into())
    }

    /// Removes what has expired and looks at the server again, if it is time for that. Call it when nobody waits for an answer.
    pub(crate) async fn prune(&mut self) {
        if self.pruned.elapsed() < PRUNE_EVERY {
            return;
        }
        self.pruned = Instant::now();
        if let Some(client) = self.client.take() {
            let deadline = Instant::now() + self.server.time_limit;
            let work = async {
                requests::prune(&client).await.map_err(Failure::into_store_error)?;
                // A standby may have come since, or a setting may have changed.
                durability::check(&client, self.server.accepts).await
            };
            if let Ok(Ok(())) = timeout_at(deadline, work).await {
                self.client = Some(client);
            }
        }
    }

    async fn connect(&mut self) -> Result<Client, StoreError> {
        sleep_until(self.not_before).await;
        self.not_before = Instant::now() + PAUSE;
        // Perhaps another server, with another clock.
        self.low = requests::LowerBound::default();
        // Nothing is wrong with the request: once the server is well again, it is done.
        let unavailable = |error: StoreError| StoreError::new(Kind::Unavailable, error.to_string());
        self.server.connect().await.map_err(unavailable)
    }
}

/// Why a request was not done.
pub(crate) struct Refusal {
    pub(crate) error: StoreError,
    pub(crate) reach: Reach,
}

/// What a refusal is about.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reach {
    /// Some lanes, which somebody else holds.
    Lane,
    /// An account, which is closed.
    Account,
    /// The server, or the request as a whole.
    Server,
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        Self { error, reach: Reach::Server }
    }
}

fn not_connected(error: Error) -> StoreError {
    let is_tls = lp_connector_tls::is_tls(&error);
    let refused = store_error(error, "no connection to the PostgreSQL server");
    match is_tls {
        // Its certificate is not trusted, or is another server's: that does not pass by itself.
        true => StoreError::new(Kind::Denied, refused.to_string()),
        false => refused,
    }
}

fn late() -> StoreError {
    StoreError::new(Kind::Unavailable, "the PostgreSQL server gave no answer in time")
}
