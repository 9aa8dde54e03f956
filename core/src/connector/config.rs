//! The configuration of a connector.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;
use http::uri::PathAndQuery;

use super::{CallEvent, Proxy, Trust};
use crate::api::{Context, CredentialsIn, Service, send_path};
use crate::error::Error;
use crate::id::{AccountId, ClientId};
use crate::policy::{CircuitPolicy, RatePolicy, RetryPolicy};
use crate::secret::Secret;
use crate::seed::Seed;

/// The default `User-Agent`.
const AGENT: &str = concat!("lp-connector/", env!("CARGO_PKG_VERSION"));

/// The Domain API of the real cloud ([protocol.md 2.1](crate::protocol#2.1)).
pub const DOMAIN_API: &str = "https://api.liveperson.net";

/// The suffixes that hosts of the real cloud are under.
pub const TRUSTED_SUFFIXES: &[&str] = &["liveperson.net", "lprnd.net"];

/// The configuration of a client: account, app, time-outs, retries. Every setter
/// documents its default.
///
/// All adapters take the same configuration. The adapter applies the socket settings (time-outs, proxy,
/// CA); the core applies the rest.
///
/// ```
/// use lp_connector_core::connector::Config;
/// use lp_connector_core::id::{AccountId, ClientId};
/// use lp_connector_core::secret::Secret;
///
/// let secret = Secret::new(std::env::var("LP_CLIENT_SECRET").unwrap_or_default());
/// let config = Config::new(AccountId::new("91827364")?)
///     .credentials(ClientId::new("0a1b2c3d")?, secret);
/// # let _ = config;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Config {
    pub(crate) account: AccountId,
    pub(crate) credentials: Option<(ClientId, Secret)>,
    pub(crate) credentials_in: CredentialsIn,
    pub(crate) trust: Trust,
    pub(crate) domain_lookup: DomainLookup,
    pub(crate) domain_ttl: Duration,
    pub(crate) refresh_margin: Duration,
    pub(crate) app_jwt_interval: Duration,
    pub(crate) consumer_cache: usize,
    pub(crate) retry: RetryPolicy,
    pub(crate) circuit: CircuitPolicy,
    pub(crate) rates: BTreeMap<Service, RatePolicy>,
    pub(crate) attempt_timeout: Duration,
    pub(crate) call_timeout: Duration,
    pub(crate) user_agent: Option<HeaderValue>,
    /// The parts of the message URLs, formatted once.
    send_path: Option<PathAndQuery>,
    observer: Option<Observer>,
    transport: Transport,
}

/// How the connector looks up hosts.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub enum DomainLookup {
    /// One request for each service, when it is first needed: the documented form.
    #[default]
    PerService,
    /// One request for all services: seen in the official sample, not documented.
    AllServices,
}

/// The settings of sockets, for adapters.
#[derive(Clone, Debug)]
pub struct Transport {
    connect_timeout: Duration,
    max_body: usize,
    idle_timeout: Duration,
    max_connections: usize,
    extra_ca_pem: Vec<u8>,
    proxy: Proxy,
}

/// The observer of events.
#[derive(Clone)]
struct Observer(Arc<dyn Fn(&CallEvent) + Send + Sync>);

impl fmt::Debug for Observer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Observer")
    }
}

impl Config {
    /// Creates a configuration for one account of the real cloud, with the documented retry policy and no
    /// credentials.
    #[must_use]
    pub fn new(account: AccountId) -> Self {
        let trust = Trust::default();
        Self {
            send_path: send_path(&account),
            account,
            credentials: None,
            credentials_in: CredentialsIn::default(),
            trust,
            domain_lookup: DomainLookup::default(),
            domain_ttl: Duration::from_secs(3600),
            refresh_margin: Duration::from_secs(300),
            app_jwt_interval: Duration::from_secs(15),
            consumer_cache: 10_000,
            retry: RetryPolicy::documented(),
            circuit: CircuitPolicy::documented(),
            rates: BTreeMap::new(),
            attempt_timeout: Duration::from_secs(15),
            call_timeout: Duration::from_secs(120),
            user_agent: Some(HeaderValue::from_static(AGENT)),
            observer: None,
            transport: Transport {
                connect_timeout: Duration::from_secs(5),
                max_body: 8 * 1024 * 1024,
                idle_timeout: Duration::from_secs(15),
                max_connections: 64,
                extra_ca_pem: Vec::new(),
                proxy: Proxy::default(),
            },
        }
    }

    /// Sets the app install's id and secret. Default: none, which suffices for the Domain API only.
    #[must_use]
    pub fn credentials(mut self, client: ClientId, secret: Secret) -> Self {
        self.credentials = Some((client, secret));
        self
    }

    /// Sets where a token request carries the credentials. Default: in its body.
    #[must_use]
    pub fn credentials_in(mut self, place: CredentialsIn) -> Self {
        self.credentials_in = place;
        self
    }

    /// Sets the Domain API's address and the trusted suffixes of hosts, in place of
    /// [`DOMAIN_API`] and [`TRUSTED_SUFFIXES`]. See [`Trust`].
    #[must_use]
    pub fn trust(mut self, trust: Trust) -> Self {
        self.trust = trust;
        self
    }

    /// Sets how the connector looks up hosts. Default: one service at a time.
    #[must_use]
    pub fn domain_lookup(mut self, lookup: DomainLookup) -> Self {
        self.domain_lookup = lookup;
        self
    }

    /// Sets the age at which a host is looked up again; the old host stays in use until the new one is known.
    /// Default: 1 h. A failed connection triggers a look-up at once.
    #[must_use]
    pub fn domain_ttl(mut self, ttl: Duration) -> Self {
        self.domain_ttl = ttl;
        self
    }

    /// Sets how long before its expiry an AppJWT is refreshed; at most a tenth of its life.
    /// Default: 300 s ([protocol.md 4.3](crate::protocol#4.3)).
    #[must_use]
    pub fn refresh_margin(mut self, margin: Duration) -> Self {
        self.refresh_margin = margin;
        self
    }

    /// Sets how often an AppJWT is requested at most: after two at once, one in each interval. Default:
    /// 15 s; zero is no limit.
    ///
    /// A token is requested about once an hour, so this takes effect only if tokens are rejected as soon
    /// as they are issued, or live shorter than the interval. A call that then has to wait emits
    /// [`TokenThrottled`](super::EventKind::TokenThrottled). If its deadline comes first, it fails at once
    /// with [`DeadlineExceeded`](crate::error::ErrorKind::DeadlineExceeded) at the stage
    /// [`AppJwt`](crate::error::Stage::AppJwt): the error says why the last token was rejected, and
    /// [`retry_after`](Error::retry_after) when the next one is requested.
    #[must_use]
    pub fn app_jwt_interval(mut self, interval: Duration) -> Self {
        self.app_jwt_interval = interval;
        self
    }

    /// Sets how many consumers' tokens are cached; the least recently used leaves first. Default: 10 000; at
    /// least 1.
    #[must_use]
    pub fn consumer_cache(mut self, consumers: usize) -> Self {
        self.consumer_cache = consumers.max(1);
        self
    }

    /// Sets when failed attempts are retried. Default: [`RetryPolicy::documented`].
    #[must_use]
    pub fn retry(mut self, policy: RetryPolicy) -> Self {
        self.retry = policy;
        self
    }

    /// Sets when the circuit of a failing service opens. Default: [`CircuitPolicy::documented`].
    #[must_use]
    pub fn circuit(mut self, policy: CircuitPolicy) -> Self {
        self.circuit = policy;
        self
    }

    /// Limits the rate of requests to a service, fairly among consumers. A request that would have to wait
    /// longer than its call may take fails at once. Default: no service has a limit.
    #[must_use]
    pub fn rate(mut self, service: Service, policy: RatePolicy) -> Self {
        self.rates.insert(service, policy);
        self
    }

    /// Sets the time limit of one request, from its start to the last byte of its response. Default: 15 s.
    #[must_use]
    pub fn attempt_timeout(mut self, timeout: Duration) -> Self {
        self.attempt_timeout = timeout;
        self
    }

    /// Sets the time limit of a call, with all its requests and pauses. Default: 120 s, which leaves room
    /// for the documented pauses; `Duration::MAX` is no limit.
    #[must_use]
    pub fn call_timeout(mut self, timeout: Duration) -> Self {
        self.call_timeout = timeout;
        self
    }

    /// Sets the time limit of a connect, TLS included. Default: 5 s.
    #[must_use]
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.transport.connect_timeout = timeout;
        self
    }

    /// Sets how long an idle connection is kept. Default: 15 s.
    #[must_use]
    pub fn idle_timeout(mut self, timeout: Duration) -> Self {
        self.transport.idle_timeout = timeout;
        self
    }

    /// Sets the maximum of connections of an async client; further requests wait for one, within
    /// their time limit. A blocking client has one for each thread that calls. Default: 64; at least 1.
    #[must_use]
    pub fn max_connections(mut self, connections: usize) -> Self {
        self.transport.max_connections = connections.max(1);
        self
    }

    /// Sets the maximum size of a response body, in bytes. Default: 8 MiB.
    #[must_use]
    pub fn max_body(mut self, bytes: usize) -> Self {
        self.transport.max_body = bytes;
        self
    }

    /// Adds certificate authorities, in PEM, to the platform's. Default: none.
    #[must_use]
    pub fn extra_ca_pem(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.transport.extra_ca_pem = pem.into();
        self
    }

    /// Sets the proxy. Default: from the environment, see [`ProxyRules::new`](super::ProxyRules::new).
    ///
    /// A request to this machine (loopback) never goes through a proxy. Every other one is TLS, inside of a
    /// tunnel: the proxy sees the host's name, and nothing of the request.
    #[must_use]
    pub fn proxy(mut self, proxy: Proxy) -> Self {
        self.transport.proxy = proxy;
        self
    }

    /// Sets the `User-Agent` of every request. Default: `lp-connector/` and the version.
    ///
    /// # Errors
    /// [`Configuration`](crate::error::ErrorKind::Configuration) if `agent` cannot stand in a header.
    pub fn user_agent(mut self, agent: impl AsRef<str>) -> Result<Self, Error> {
        let agent = HeaderValue::try_from(agent.as_ref());
        let invalid = |_| Error::configuration("the user agent cannot stand in a header");
        self.user_agent = Some(agent.map_err(invalid)?);
        Ok(self)
    }

    /// Sets a callback for events during calls: retries, refreshes, circuits. It runs on the thread or
    /// task of the call, with no lock held, and must not block. Default: none.
    #[must_use]
    pub fn observer(mut self, observer: impl Fn(&CallEvent) + Send + Sync + 'static) -> Self {
        self.observer = Some(Observer(Arc::new(observer)));
        self
    }

    /// Passes an event of a call to the observer, and to `tracing` where that feature is on. A
    /// driver calls it with each [`Call::next_event`](super::Call::next_event).
    pub fn emit(&self, event: &CallEvent) {
        #[cfg(feature = "tracing")]
        crate::trace::event(event);
        if let Some(Observer(observer)) = &self.observer {
            observer(event);
        }
    }

    /// The account.
    #[must_use]
    pub fn account(&self) -> &AccountId {
        &self.account
    }

    /// The context in which an operation writes its request, for a call of this seed.
    #[must_use]
    pub fn context(&self, seed: Seed) -> Context<'_> {
        Context::new(&self.account, seed).sending_to(self.send_path.as_ref())
    }

    /// The app install's id, if credentials were given.
    #[must_use]
    pub fn client_id(&self) -> Option<&ClientId> {
        self.credentials.as_ref().map(|(client, _)| client)
    }

    /// The settings of sockets.
    #[must_use]
    pub fn transport(&self) -> &Transport {
        &self.transport
    }
}

impl Transport {
    /// See [`Config::connect_timeout`].
    #[must_use]
    pub fn connect_timeout(&self) -> Duration {
        self.connect_timeout
    }

    /// See [`Config::idle_timeout`].
    #[must_use]
    pub fn idle_timeout(&self) -> Duration {
        self.idle_timeout
    }

    /// See [`Config::max_connections`].
    #[must_use]
    pub fn max_connections(&self) -> usize {
        self.max_connections
    }

    /// See [`Config::max_body`].
    #[must_use]
    pub fn max_body(&self) -> usize {
        self.max_body
    }

    /// See [`Config::extra_ca_pem`]; empty if there are none.
    #[must_use]
    pub fn extra_ca_pem(&self) -> &[u8] {
        &self.extra_ca_pem
    }

    /// See [`Config::proxy`].
    #[must_use]
    pub fn proxy(&self) -> &Proxy {
        &self.proxy
    }
}

impl Default for Trust {
    /// The hosts of the real cloud.
    fn default() -> Self {
        Self::cloud("api.liveperson.net", TRUSTED_SUFFIXES)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connector::EventKind;
    use crate::error::Stage;
    use std::sync::mpsc;

    fn config() -> Config {
        Config::new(AccountId::new("91827364").unwrap())
    }

    #[test]
    fn transport_settings_reach_the_adapter() {
        let seconds = Duration::from_secs;
        let config = config()
            .connect_timeout(seconds(7))
            .idle_timeout(seconds(8))
            .max_connections(9)
            .max_body(10)
            .extra_ca_pem(b"pem".to_vec())
            .proxy(Proxy::None);
        let transport = config.transport();
        assert_eq!(transport.connect_timeout(), seconds(7));
        assert_eq!(transport.idle_timeout(), seconds(8));
        assert_eq!((transport.max_connections(), transport.max_body()), (9, 10));
        assert_eq!(transport.extra_ca_pem(), b"pem");
        assert!(matches!(transport.proxy(), Proxy::None));
    }

    #[test]
    fn the_observer_gets_each_event() {
        let (sender, seen) = mpsc::channel();
        let config = config().observer(move |event| sender.send(event.operation).unwrap());
        let kind = EventKind::Answered { status: 200, elapsed: Duration::ZERO };
        config.emit(&CallEvent { operation: "send_text", stage: Stage::Operation, kind });
        assert_eq!(seen.try_recv(), Ok("send_text"));
        assert!(format!("{config:?}").contains("Observer"));
    }
}
