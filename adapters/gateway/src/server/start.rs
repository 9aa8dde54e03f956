//! Starts and stops a server.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::Router;
use lp_connector_axum::{Webhooks, serve};
use lp_connector_bridge::Bridge;
use lp_connector_bridge::store::Store;
use lp_connector_core::error::Error;
use lp_connector_core::id::AccountId;
use lp_connector_core::webhook::Receiver;
use lp_connector_tokio::Client;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use url::Url;

use super::app::App;
use super::body::Memory;
use super::channel::Gateways;
use super::check::{self, InvalidConfig};
use super::config::{AccountConfig, GatewayConfig, ServerConfig};
use super::core::{Core, Parts};
use super::current::Current;
use super::gateway::{Gateway, Keys};
use super::keys::Tokens;
use super::metered::{MeteredStore, StoreHealth};
use super::metrics::{Metric, Metrics};
use super::settings::{bridge_config, try_limit};
use super::{census, housekeeping, observe, people, routes};

/// A running server. Dropped, it ends at once; [`drain`](Self::drain) ends it well.
pub struct Server {
    core: Arc<Core>,
    bridge: Bridge,
    notifications: Current,
    clients: BTreeMap<AccountId, Client>,
    addresses: Addresses,
    /// Told to stop: webhooks and gateways, then operations.
    stop_public: watch::Sender<bool>,
    stop_operations: watch::Sender<bool>,
    public: Mutex<Vec<JoinHandle<()>>>,
    operations: Mutex<Vec<JoinHandle<()>>>,
    housekeeping: Vec<JoinHandle<()>>,
}

/// Where a server listens.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Addresses {
    /// LivePerson's notifications.
    pub webhooks: SocketAddr,
    /// The gateways' calls.
    pub gateways: SocketAddr,
    /// Operations.
    pub operations: SocketAddr,
}

/// Why a server did not start.
#[derive(Debug)]
#[non_exhaustive]
pub enum StartError {
    /// A setting cannot be used.
    Config(InvalidConfig),
    /// A listener's address cannot be used: the setting, and the system's error.
    Listen(&'static str, SocketAddr, io::Error),
    /// A client, or TLS, cannot be set up.
    Client(Error),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Config(error) => error.fmt(f),
            Self::Listen(setting, address, error) => write!(f, "{setting}: {address}: {error}"),
            Self::Client(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for StartError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Config(_) => None,
            Self::Listen(.., error) => Some(error),
            Self::Client(error) => Some(error),
        }
    }
}

impl From<InvalidConfig> for StartError {
    fn from(error: InvalidConfig) -> Self {
        Self::Config(error)
    }
}

impl From<Error> for StartError {
    fn from(error: Error) -> Self {
        Self::Client(error)
    }
}

impl Server {
    /// Starts a server over a store, on this tokio runtime. When it returns, the listeners are open.
    ///
    /// # Errors
    /// [`StartError`]: a setting that cannot be used, or an address that is taken.
    pub async fn start(config: ServerConfig, store: Arc<dyn Store>) -> Result<Self, StartError> {
        config.check()?;
        let webhooks = bind("listen.webhooks", config.listen.webhooks).await?;
        let gateways = bind("listen.gateways", config.listen.gateways).await?;
        let operations = bind("listen.operations", config.listen.operations).await?;
        let addresses =
            Addresses { webhooks: webhooks.1, gateways: gateways.1, operations: operations.1 };
        let core = Arc::new(core(&config, store, addresses.gateways)?);
        let clients = clients(&config, &core)?;
        let bridge = bridge(&config, &core, &clients)?;
        let app = App::new(core.clone(), bridge.clone(), clients.clone());

        let (stop_public, public_stopped) = watch::channel(false);
        let (stop_operations, operations_stopped) = watch::channel(false);
        let notifications = Current::new(notifications(&config, &bridge));
        let counted = routes::counted(notifications.router(), core.clone());
        let calls = routes::gateways(app.clone(), addresses.gateways, &config.allowed_hosts);
        let probes = routes::operations(app.clone(), addresses.operations, &config.allowed_hosts);
        let public = vec![
            spawn_listener(webhooks.0, counted, public_stopped.clone()),
            spawn_listener(gateways.0, calls, public_stopped),
        ];
        let operations = vec![spawn_listener(operations.0, probes, operations_stopped)];
        let housekeeping = vec![
            tokio::spawn(people::end_by_time(app)),
            tokio::spawn(housekeeping::tick(core.clone())),
            tokio::spawn(housekeeping::follow(core.clone())),
            tokio::spawn(census::run(core.clone())),
            tokio::spawn(housekeeping::count_instances(core.clone(), bridge.clone())),
        ];
        Ok(Self {
            core,
            bridge,
            notifications,
            clients,
            addresses,
            stop_public,
            stop_operations,
            public: Mutex::new(public),
            operations: Mutex::new(operations),
            housekeeping,
        })
    }

    /// Where it listens.
    #[must_use]
    pub const fn addresses(&self) -> Addresses {
        self.addresses
    }

    /// The bridge inside, for what this server has no call for.
    #[must_use]
    pub const fn bridge(&self) -> &Bridge {
        &self.bridge
    }

    /// Takes of this configuration the tokens, the secrets that sign deliveries, those that verify notifications, and
    /// those that log in at LivePerson, from the next token on; nothing else of it. Gateways are found by their names:
    /// one that is not in it has no token any more, and a new one is none.
    ///
    /// # Errors
    /// [`InvalidConfig`]: then nothing has changed. `liveperson.account` if the accounts are others,
    /// `liveperson.client_id` if an app install is.
    pub fn reload_secrets(&self, config: &ServerConfig) -> Result<(), InvalidConfig> {
        config.check()?;
        let fixed = |setting: &str, problem: &str| InvalidConfig {
            setting: setting.to_owned(),
            problem: problem.to_owned(),
        };
        if !accounts(config).iter().eq(self.clients.keys()) {
            return Err(fixed("liveperson.account", "another account needs a restart"));
        }
        let client = |account: &AccountConfig| self.clients.get(account.id());
        let is_same = |account: &AccountConfig| {
            client(account)
                .is_some_and(|one| one.config().client_id() == account.client.client_id())
        };
        if !config.accounts.iter().all(is_same) {
            return Err(fixed("liveperson.client_id", "another app install needs a restart"));
        }
        let found = |name: &str| config.gateways.iter().find(|gateway| gateway.name == name);
        let mut replaced = Vec::new();
        for running in &self.core.gateways {
            let new = match found(&running.name) {
                Some(gateway) => keys(gateway)?,
                // What waits for it is delivered still, with the secrets it had.
                None => running.keys().without_tokens(),
            };
            replaced.push((running, new));
        }
        for (running, new) in replaced {
            running.replace_keys(new);
        }
        let tokens = Arc::new(Tokens::new(&config.operations_tokens));
        *self.core.operations.write().unwrap_or_else(PoisonError::into_inner) = tokens;
        self.notifications.replace(notifications(config, &self.bridge));
        for account in &config.accounts {
            if let Some(client) = client(account) {
                client.replace_login(&account.client);
            }
        }
        Ok(())
    }

    /// Stops well. `/readyz` says at once that it is not ready. For [`Drain::delay`](super::Drain::delay) it still
    /// accepts and works; then it claims nothing more, closes the listeners, and ends what has begun, within
    /// [`Drain::timeout`](super::Drain::timeout). A webhook is answered 200 until its listener is closed. `/livez`
    /// answers until the end. `cut_short` ends it at once.
    ///
    /// True if everything ended in time. What did not is in the store.
    pub async fn drain(&self, cut_short: impl Future<Output = ()>) -> bool {
        tokio::select! {
            in_time = self.drain_in_time() => in_time,
            () = cut_short => false,
        }
    }

    async fn drain_in_time(&self) -> bool {
        let drain = self.core.drain;
        self.core.is_draining.store(true, Ordering::SeqCst);
        tracing::info!(target: super::LOG, event = "draining");
        tokio::time::sleep(drain.delay).await;
        self.stop_public.send_replace(true);
        let closed = wait_for(&self.public, drain.timeout);
        let (is_closed, is_drained) = tokio::join!(closed, self.bridge.drain(drain.timeout));
        self.stop_operations.send_replace(true);
        // It has probes alone: they need no time.
        let is_over = wait_for(&self.operations, Duration::from_secs(1)).await;
        let in_time = is_closed && is_drained;
        tracing::info!(target: super::LOG, event = "drained", in_time, is_over);
        in_time
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let public = self.public.get_mut().unwrap_or_else(PoisonError::into_inner);
        let operations = self.operations.get_mut().unwrap_or_else(PoisonError::into_inner);
        let tasks = public.iter().chain(operations.iter()).chain(&self.housekeeping);
        tasks.for_each(JoinHandle::abort);
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("addresses", &self.addresses).finish_non_exhaustive()
    }
}

async fn bind(
    setting: &'static str,
    address: SocketAddr,
) -> Result<(TcpListener, SocketAddr), StartError> {
    let failed = |error| StartError::Listen(setting, address, error);
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    Ok((listener, address))
}

fn spawn_listener(
    listener: TcpListener,
    router: Router,
    mut stopped: watch::Receiver<bool>,
) -> JoinHandle<()> {
    tokio::spawn(async move {
        let stop = async move {
            // An error means that the server is gone.
            let _ = stopped.wait_for(|stopped| *stopped).await;
        };
        // It has no error at present.
        let _ = serve(listener, router, stop).await;
    })
}

/// Waits until these tasks have ended. False if they take longer.
async fn wait_for(tasks: &Mutex<Vec<JoinHandle<()>>>, most: Duration) -> bool {
    let tasks = std::mem::take(&mut *tasks.lock().unwrap_or_else(PoisonError::into_inner));
    let all = async {
        for task in tasks {
            let _ = task.await;
        }
    };
    tokio::time::timeout(most, all).await.is_ok()
}

fn keys(gateway: &GatewayConfig) -> Result<Keys, InvalidConfig> {
    Keys::new(gateway).map_err(|error| InvalidConfig {
        setting: format!("gateway.{}.deliver.secrets", gateway.name),
        problem: error.to_string(),
    })
}

fn core(
    config: &ServerConfig,
    store: Arc<dyn Store>,
    gateways_at: SocketAddr,
) -> Result<Core, StartError> {
    let names: Vec<String> = config.gateways.iter().map(|gateway| gateway.name.clone()).collect();
    let metrics = Arc::new(Metrics::new(&names));
    let version = env!("CARGO_PKG_VERSION");
    metrics.set(Metric::BuildInfo, &[version, &config.store_kind], 1.0);
    let health = Arc::new(StoreHealth::default());
    let store = Arc::new(MeteredStore::new(store, health.clone(), metrics.clone()));
    let home = first_account(config)?;
    let mut gateways = Vec::new();
    for gateway in &config.gateways {
        let keys = keys(gateway)?;
        let memory = Memory::share(config.gateways.len());
        gateways.push(Arc::new(Gateway::new(gateway.clone(), &home, keys, memory)?));
    }
    let public_url = match &config.public_url {
        Some(url) => check::public_url(url)?,
        None => own_url(gateways_at)?,
    };
    Ok(Core::new(Parts {
        gateways,
        home,
        store,
        health,
        metrics,
        public_url,
        retention: config.retention,
        drain: config.drain,
        try_limit: try_limit(config),
        operations: Tokens::new(&config.operations_tokens),
        store_kind: config.store_kind.clone(),
    }))
}

fn accounts(config: &ServerConfig) -> BTreeSet<AccountId> {
    config.accounts.iter().map(|account| account.id().clone()).collect()
}

fn first_account(config: &ServerConfig) -> Result<AccountId, InvalidConfig> {
    let missing = || InvalidConfig {
        setting: "liveperson".to_owned(),
        problem: "an account is needed".to_owned(),
    };
    config.accounts.first().map(|account| account.id().clone()).ok_or_else(missing)
}

fn own_url(address: SocketAddr) -> Result<Url, InvalidConfig> {
    check::public_url(&format!("http://{address}"))
}

fn clients(config: &ServerConfig, core: &Core) -> Result<BTreeMap<AccountId, Client>, Error> {
    let client = |account: &AccountConfig| {
        let (metrics, failures) = (core.metrics.clone(), core.failures.clone());
        let id = account.id().clone();
        let observed = account.client.clone().observer(move |event| {
            metrics.record_call(event);
            failures.follow(&id, event);
        });
        Ok((account.id().clone(), Client::new(observed)?))
    };
    config.accounts.iter().map(client).collect()
}

fn bridge(
    config: &ServerConfig,
    core: &Arc<Core>,
    clients: &BTreeMap<AccountId, Client>,
) -> Result<Bridge, StartError> {
    let mut all = clients.values().cloned();
    let missing = || Error::configuration("an account is needed");
    let first = clients.get(&core.home).cloned().or_else(|| all.next()).ok_or_else(missing)?;
    let channel = Gateways(core.clone());
    let (observed, failures) = (core.clone(), core.failures.clone());
    let builder = Bridge::builder(first, core.store.clone(), channel)
        .config(bridge_config(config))
        .on_event(move |event| observe::record(&observed, event))
        .on_call(move |ended| failures.record(ended, Instant::now()));
    let builder = clients.values().cloned().fold(builder, |builder, one| builder.client(one));
    Ok(builder.start()?)
}

/// The endpoint of notifications. With several accounts, the headers name the account and the app, and the secret that
/// signed must be that app's.
fn notifications(config: &ServerConfig, bridge: &Bridge) -> Router {
    let receiver = match &config.accounts[..] {
        [one] => one
            .webhook_secrets
            .iter()
            .fold(Receiver::new(), |all, secret| all.secret(secret.clone())),
        several => {
            several.iter().fold(Receiver::new(), |all, account| match account.client.client_id() {
                Some(client) => {
                    let secrets = account.webhook_secrets.iter().cloned();
                    all.app(account.id().clone(), client.clone(), secrets)
                }
                None => all,
            })
        }
    };
    let webhooks = Webhooks::new(receiver).path("/lp");
    match config.accounts.len() {
        1 => bridge.webhooks_with(webhooks),
        _ => bridge.webhooks_for_all_with(webhooks),
    }
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;

    use lp_connector_bridge::Memory as MemoryStore;
    use tokio::task::AbortHandle;

    use super::super::doubles::{account, block_on};
    use super::*;

    #[test]
    fn why_a_server_does_not_start_is_said_with_its_cause() {
        let address = SocketAddr::from(([127, 0, 0, 1], 8081));
        let setting =
            InvalidConfig { setting: "public_url".to_owned(), problem: "it is no URL".to_owned() };
        let listen = StartError::Listen("listen.gateways", address, io::Error::other("taken"));
        let client = Error::configuration("no certificates");
        let why = client.to_string();
        for (error, text, cause) in [
            (StartError::Config(setting), "public_url: it is no URL", None),
            (listen, "listen.gateways: 127.0.0.1:8081: taken", Some("taken")),
            (StartError::Client(client), &*why, Some(&*why)),
        ] {
            assert_eq!(error.to_string(), text);
            assert_eq!(error.source().map(ToString::to_string).as_deref(), cause);
        }
        assert!(why.contains("no certificates"), "{why}");
    }

    #[test]
    fn a_task_that_goes_on_is_not_waited_for_any_longer() {
        block_on(async {
            let ended = Mutex::new(vec![tokio::spawn(async {})]);
            assert!(wait_for(&ended, Duration::from_secs(60)).await);
            let endless = Mutex::new(vec![tokio::spawn(std::future::pending::<()>())]);
            assert!(!wait_for(&endless, Duration::ZERO).await);
        });
    }

    fn handles(tasks: &[JoinHandle<()>]) -> Vec<AbortHandle> {
        tasks.iter().map(JoinHandle::abort_handle).collect()
    }

    #[test]
    fn nothing_of_a_dropped_server_goes_on() {
        let mut config = ServerConfig::new(account());
        let anywhere = SocketAddr::from(([127, 0, 0, 1], 0));
        config.listen.webhooks = anywhere;
        config.listen.gateways = anywhere;
        config.listen.operations = anywhere;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let server = Server::start(config, Arc::new(MemoryStore::new())).await.unwrap();
            let mut tasks = handles(&server.public.lock().unwrap());
            tasks.extend(handles(&server.operations.lock().unwrap()));
            tasks.extend(handles(&server.housekeeping));
            assert_eq!(tasks.len(), 8);
            drop(server);
            let all_ended = async {
                while !tasks.iter().all(|task| task.is_finished()) {
                    tokio::task::yield_now().await;
                }
            };
            // Without end, it fails.
            assert!(tokio::time::timeout(Duration::from_secs(30), all_ended).await.is_ok());
        });
    }
}
