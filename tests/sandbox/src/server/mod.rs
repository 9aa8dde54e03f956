//! The sandbox on a loopback socket.

mod connection;
mod control;
mod pages;
mod post;
mod state_file;
mod stream;
mod timed;
mod tls;

use std::fmt;
use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use tokio::sync::{Notify, watch};

use self::control::ControlServer;
use self::state_file::StateFile;
use crate::{Config, Endpoint, Limits, Sandbox};

/// How a [`Server`] is set up.
#[derive(Clone)]
pub struct ServerConfig {
    listen: SocketAddr,
    tls: bool,
    seed: u64,
    sandbox: Box<dyn Configure>,
    on_request: Option<OnRequest>,
    control: Option<SocketAddr>,
    limits: Limits,
    state: Option<PathBuf>,
}

/// A callback for each request.
type OnRequest = Arc<dyn Fn(&LoggedRequest) + Send + Sync>;

/// An answered request, as far as a log may show it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct LoggedRequest {
    /// The method.
    pub method: String,
    /// The path without the query, which may contain a secret; for a notification an arrow and the
    /// address.
    pub path: String,
    /// The status, if there was a response.
    pub status: Option<u16>,
    /// What it has that is not documented: see [`Reply::warnings`](crate::Reply).
    pub warnings: Vec<&'static str>,
}

/// Changes the sandbox's configuration once the address is known.
trait Configure: Send {
    fn configure(&self, config: Config) -> Config;
    fn boxed(&self) -> Box<dyn Configure>;
}

impl<F: Fn(Config) -> Config + Clone + Send + 'static> Configure for F {
    fn configure(&self, config: Config) -> Config {
        self(config)
    }

    fn boxed(&self) -> Box<dyn Configure> {
        Box::new(self.clone())
    }
}

impl Clone for Box<dyn Configure> {
    fn clone(&self) -> Self {
        self.as_ref().boxed()
    }
}

impl ServerConfig {
    /// HTTP on a free port of 127.0.0.1.
    #[must_use]
    pub fn new() -> Self {
        let listen = SocketAddr::from(([127, 0, 0, 1], 0));
        let unchanged = |config: Config| config;
        Self {
            listen,
            tls: false,
            seed: 1,
            sandbox: Box::new(unchanged),
            on_request: None,
            control: None,
            limits: Limits::default(),
            state: None,
        }
    }

    /// Sets the address to listen on, which must be a loopback address. Default: a free port of 127.0.0.1.
    #[must_use]
    pub fn listen(mut self, address: SocketAddr) -> Self {
        self.listen = address;
        self
    }

    /// Serves over TLS, with a certificate of a new CA; see [`Server::ca_pem`]. Default: no. It is for
    /// `localhost`, `127.0.0.1` and `::1`, and for `cloud.sandbox.test`: the name by which a client can reach
    /// the sandbox through a proxy that leads there.
    #[must_use]
    pub fn tls(mut self, yes: bool) -> Self {
        self.tls = yes;
        self
    }

    /// Opens the control API ([`control`](crate::control)) at this address, 127.0.0.1 or ::1 with any port, and
    /// records what passes. Default: no. With the feature `console` it has the console's page, too.
    #[must_use]
    pub fn control(mut self, address: SocketAddr) -> Self {
        self.control = Some(address);
        self
    }

    /// Keeps the state in this directory, which is made if it is missing: what the sandbox was when it stopped, it is
    /// when it starts again ([`Sandbox::save`]). It is written every 5 s and at the end, readable for this user
    /// alone. Account and keys are those of the state. What passed is no part of it: the log of requests and notifications
    /// begins anew, with the next numbers. Default: no.
    #[must_use]
    pub fn state(mut self, directory: impl Into<PathBuf>) -> Self {
        self.state = Some(directory.into());
        self
    }

    /// Sets how much is recorded. Default: [`Limits::default`].
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Sets the seed of ids, tokens and the app's secret. Default: 1.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Changes the sandbox's configuration, which has the server's address as its host.
    #[must_use]
    pub fn sandbox(
        mut self,
        configure: impl Fn(Config) -> Config + Clone + Send + 'static,
    ) -> Self {
        self.sandbox = Box::new(configure);
        self
    }

    /// Sets a callback for each request and each posted notification, for a log.
    #[must_use]
    pub fn on_request(
        mut self,
        on_request: impl Fn(&LoggedRequest) + Send + Sync + 'static,
    ) -> Self {
        self.on_request = Some(Arc::new(on_request));
        self
    }
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for ServerConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerConfig")
            .field("listen", &self.listen)
            .field("tls", &self.tls)
            .finish_non_exhaustive()
    }
}

/// A running sandbox. It stops when it is dropped.
pub struct Server {
    address: SocketAddr,
    ca_pem: Option<String>,
    shared: Arc<ServerState>,
    /// Stops before the cloud, which it looks at.
    control: Option<ControlServer>,
    is_restored: bool,
    stop: watch::Sender<bool>,
    thread: Option<JoinHandle<()>>,
}

/// Ends [`Server::wait`] from another thread: see [`Server::stopper`].
#[derive(Clone, Debug)]
pub struct Stopper(watch::Sender<bool>);

impl Stopper {
    /// Ends it. The server says goodbye to its readers, and writes its state.
    pub fn stop(&self) {
        let _ = self.0.send(true);
    }
}

/// State shared by the connections.
struct ServerState {
    sandbox: Mutex<Sandbox>,
    connections: AtomicU64,
    on_request: Option<OnRequest>,
    state_file: Option<StateFile>,
    /// How often the sandbox may have changed.
    changes: AtomicU64,
    /// Notified when there may be something to post.
    wake: Notify,
    /// Notified when there may be something to show.
    changed: Notify,
}

impl ServerState {
    fn lock(&self) -> MutexGuard<'_, Sandbox> {
        self.sandbox.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn save(&self) -> io::Result<()> {
        match &self.state_file {
            Some(file) => file.write(&self.sandbox, self.changes.load(Ordering::Relaxed)),
            None => Ok(()),
        }
    }

    fn count_change(&self) {
        self.changes.fetch_add(1, Ordering::Relaxed);
    }

    /// Says that the sandbox may have changed.
    fn notify(&self) {
        self.count_change();
        self.wake.notify_one();
        self.changed.notify_waiters();
    }
}

impl Server {
    /// Starts a server on a thread of its own.
    ///
    /// # Errors
    /// If an address is in use or not one of those that it may listen at, or if there is a state that cannot be read or written.
    pub fn start(config: ServerConfig) -> io::Result<Self> {
        for address in [Some(config.listen), config.control].into_iter().flatten() {
            if !address.ip().is_loopback() {
                let why = format!(
                    "{address}: the sandbox listens on loopback addresses alone, such as 127.0.0.1:0"
                );
                return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
            }
        }
        // Its page answers by these names of this machine alone.
        let by_name = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];
        if let Some(control) = config.control.filter(|at| !by_name.contains(&at.ip())) {
            let why = format!("{control}: the console listens at 127.0.0.1 or [::1] alone");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
        }
        let listener = TcpListener::bind(config.listen)?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let (acceptor, ca_pem) = if config.tls {
            let (acceptor, ca_pem) = tls::acceptor()?;
            (Some(acceptor), Some(ca_pem))
        } else {
            (None, None)
        };
        let cloud = config.sandbox.configure(Config::new(address.to_string(), config.seed));
        let state_file = match &config.state {
            None => None,
            Some(directory) => {
                fs::create_dir_all(directory)?;
                Some(StateFile::new(directory.join("state.json")))
            }
        };
        let restored = match &state_file {
            Some(file) => file.restore(cloud.clone(), config.seed)?,
            None => None,
        };
        let is_restored = restored.is_some();
        let sandbox = restored.unwrap_or_else(|| Sandbox::new(cloud, config.seed));
        let shared = Arc::new(ServerState {
            sandbox: Mutex::new(sandbox),
            state_file,
            connections: AtomicU64::new(0),
            changes: AtomicU64::new(0),
            on_request: config.on_request,
            wake: Notify::new(),
            changed: Notify::new(),
        });
        shared.save()?;
        let scheme = if ca_pem.is_some() { "https" } else { "http" };
        let control = match config.control {
            None => None,
            Some(at) => {
                shared.lock().record(new_epoch(), config.limits);
                let control =
                    ControlServer::start(at, format!("{scheme}://{address}"), shared.clone())?;
                shared.lock().set_control(control.url.clone());
                Some(control)
            }
        };
        let (stop, stopped) = watch::channel(false);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let serving = shared.clone();
        let thread = std::thread::Builder::new().name("sandbox".to_owned()).spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    () = connection::serve(listener, acceptor, serving.clone(), stopped) => {}
                    () = post::deliver(serving.clone()) => {}
                    () = state_file::keep(serving) => {}
                }
            });
        })?;
        Ok(Self { address, ca_pem, shared, control, is_restored, stop, thread: Some(thread) })
    }

    /// Whether it goes on with a state that was kept ([`ServerConfig::state`]).
    #[must_use]
    pub fn is_restored(&self) -> bool {
        self.is_restored
    }

    /// Writes the state, if there is a directory for it.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn save(&self) -> io::Result<()> {
        self.shared.save()
    }

    /// A handle that ends [`wait`](Self::wait) from another thread.
    #[must_use]
    pub fn stopper(&self) -> Stopper {
        Stopper(self.stop.clone())
    }

    /// The base URL of the control API, such as `http://127.0.0.1:40124`; `None` without one
    /// ([`ServerConfig::control`]). The console's page is `/console` there.
    #[must_use]
    pub fn control_url(&self) -> Option<String> {
        self.control.as_ref().map(|control| control.url.clone())
    }

    /// The base URL, such as `http://127.0.0.1:40123`: the address of the Domain API.
    #[must_use]
    pub fn base_url(&self) -> String {
        let scheme = if self.ca_pem.is_some() { "https" } else { "http" };
        format!("{scheme}://{}", self.address)
    }

    /// The address as host and port.
    #[must_use]
    pub fn authority(&self) -> String {
        self.address.to_string()
    }

    /// The CA's certificate in PEM, which clients must trust; `None` without TLS.
    #[must_use]
    pub fn ca_pem(&self) -> Option<&str> {
        self.ca_pem.as_deref()
    }

    /// The account id.
    #[must_use]
    pub fn account_id(&self) -> String {
        self.shared.lock().config().account_id().to_owned()
    }

    /// The client id of its app.
    #[must_use]
    pub fn client_id(&self) -> String {
        let cloud = self.shared.lock();
        cloud.config().app().map(|app| app.client_id().to_owned()).unwrap_or_default()
    }

    /// The client secret of its app.
    #[must_use]
    pub fn client_secret(&self) -> String {
        let cloud = self.shared.lock();
        cloud.config().app().map(|app| app.client_secret().to_owned()).unwrap_or_default()
    }

    /// Reads or changes the sandbox while it runs.
    pub fn with<T>(&self, inspect: impl FnOnce(&mut Sandbox) -> T) -> T {
        let result = inspect(&mut self.shared.lock());
        self.shared.notify();
        result
    }

    /// How many requests an endpoint has received.
    #[must_use]
    pub fn requests(&self, endpoint: Endpoint) -> u64 {
        self.shared.lock().requests(endpoint)
    }

    /// How many TCP connections were accepted.
    #[must_use]
    pub fn connections(&self) -> u64 {
        self.shared.connections.load(Ordering::Relaxed)
    }

    /// Blocks until the server stops: if its thread fails, or a [`Stopper`] ends it. Then it writes the state.
    ///
    /// # Errors
    /// If the state cannot be written.
    pub fn wait(mut self) -> io::Result<()> {
        if let Some(thread) = self.thread.take() {
            // The thread has already printed its panic.
            let _ = thread.join();
        }
        drop(self.control.take());
        self.shared.save()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.control.take());
        let _ = self.stop.send(true);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        // Nobody can be told here: `save` tells.
        let _ = self.shared.save();
    }
}

/// A name for what is recorded from now on.
fn new_epoch() -> String {
    static STARTS: AtomicU64 = AtomicU64::new(0);
    let start = STARTS.fetch_add(1, Ordering::Relaxed);
    let now = u64::try_from(post::now().as_micros()).unwrap_or(u64::MAX);
    // Short, and as good as never the same.
    let mut random =
        crate::Random::new(now ^ start.rotate_left(40) ^ u64::from(std::process::id()) << 20);
    format!("e{:08x}", random.next() & 0xffff_ffff)
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("address", &self.address).finish_non_exhaustive()
    }
}
