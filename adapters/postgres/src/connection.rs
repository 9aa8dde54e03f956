//! One connection: made when it is needed, and made again when it is lost.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use lp_connector_core::bridge::store::{
    Answer, Request, StoreError, StoreErrorKind as Kind, StoreFacts,
};
use tokio::time::{Instant, sleep_until, timeout_at};
use tokio_postgres::{Client, Config, Error};
use tokio_postgres_rustls::MakeRustlsConnect;

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
    config: Config,
    tls: MakeRustlsConnect,
    time_limit: Duration,
    /// The transactions that met another one and were repeated.
    repeated: AtomicU64,
}

impl Server {
    pub(crate) fn new(url: &str, options: &PostgresOptions) -> Result<Self, StoreError> {
        let config = address::config(url, options.time_limit)?;
        let tls = lp_connector_tls::client_config_with(&options.extra_ca_pem)
            .map_err(|error| StoreError::new(Kind::Denied, error.to_string()))?;
        let tls = MakeRustlsConnect::new(tls);
        Ok(Self { config, tls, time_limit: options.time_limit, repeated: AtomicU64::new(0) })
    }

    /// A new connection. A task of its own drives it.
    pub(crate) async fn connect(&self) -> Result<Client, StoreError> {
        let connecting = self.config.connect(self.tls.clone());
        let connected = timeout_at(Instant::now() + self.time_limit, connecting).await;
        let (client, connection) = connected.map_err(|_| late())?.map_err(not_connected)?;
        // It ends with its client, or when the server ends it: the next request finds that out.
        tokio::spawn(connection);
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
    pub(crate) async fn perform(&mut self, request: &Request) -> Result<Answer, StoreError> {
        let deadline = Instant::now() + self.server.time_limit;
        match timeout_at(deadline, self.try_perform(request)).await {
            Ok(outcome) => outcome,
            Err(_) => {
                // An answer may still come over it, to nobody.
                self.client = None;
                Err(late())
            }
        }
    }

    async fn try_perform(&mut self, request: &Request) -> Result<Answer, StoreError> {
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
                    let error = failure.into_store_error();
                    // What is unavailable may be found again at another host.
                    if error.kind() != Kind::Unavailable {
                        self.client = Some(client);
                    }
                    return Err(error);
                }
            }
        }
        Err(late())
    }

    /// Removes what has expired, if it is time for that. Call it when nobody waits for an answer.
    pub(crate) async fn prune(&mut self) {
        if self.pruned.elapsed() < PRUNE_EVERY {
            return;
        }
        self.pruned = Instant::now();
        if let Some(client) = self.client.take() {
            let deadline = Instant::now() + self.server.time_limit;
            if let Ok(Ok(())) = timeout_at(deadline, requests::prune(&client)).await {
                self.client = Some(client);
            }
        }
    }

    async fn connect(&mut self) -> Result<Client, StoreError> {
        sleep_until(self.not_before).await;
        self.not_before = Instant::now() + PAUSE;
        self.server.connect().await
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
