//! The configuration of a sandbox.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::random::Random;

/// An app install: the credentials of a connector.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct App {
    pub(crate) client_id: String,
    pub(crate) client_secret: String,
}

impl App {
    /// An app with this id and secret.
    #[must_use]
    pub fn new(client_id: impl Into<String>, client_secret: impl Into<String>) -> Self {
        Self { client_id: client_id.into(), client_secret: client_secret.into() }
    }

    /// Its id.
    #[must_use]
    pub fn client_id(&self) -> &str {
        &self.client_id
    }

    /// Its secret.
    #[must_use]
    pub fn client_secret(&self) -> &str {
        &self.client_secret
    }
}

impl fmt::Debug for App {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("App").field("client_id", &self.client_id).finish_non_exhaustive()
    }
}

/// The services that the Domain API names
/// ([protocol.md 2.3](https://docs.rs/lp-connector-core/latest/lp_connector_core/protocol/#2.3)).
pub(crate) const SERVICES: [&str; 8] = [
    "asyncMessagingEnt",
    "sentinel",
    "idp",
    "swift",
    "smt",
    "agentVep",
    "accountConfigReadWrite",
    "accountConfigReadOnly",
];

/// The configuration of a sandbox: one account, its apps, and the hosts of its services.
#[derive(Clone, Debug)]
pub struct Config {
    pub(crate) account: String,
    pub(crate) apps: Vec<App>,
    pub(crate) token_life: Duration,
    pub(crate) expires_in: bool,
    pub(crate) swapped_domain_shapes: bool,
    pub(crate) survey: bool,
    pub(crate) strict: bool,
    pub(crate) main_dialog_first: bool,
    pub(crate) sequence_gaps: bool,
    pub(crate) changed_echo: bool,
    pub(crate) admin: (String, String),
    pub(crate) host: String,
    pub(crate) hosts: BTreeMap<String, String>,
    /// The seed of ids and keys.
    pub(crate) seed: Option<u64>,
    /// Whether the secret of an app may be a real one.
    pub(crate) foreign_secret: bool,
}

impl Config {
    /// Account `91827364` with one app, whose id and secret are derived from `seed`. All services are at
    /// `host`, a host with an optional port.
    #[must_use]
    pub fn new(host: impl Into<String>, seed: u64) -> Self {
        let mut random = Random::new(seed);
        Self {
            account: "91827364".to_owned(),
            apps: vec![App::new(random.uuid(), random.hex(2))],
            token_life: Duration::from_secs(3600),
            expires_in: false,
            swapped_domain_shapes: false,
            survey: true,
            strict: false,
            main_dialog_first: false,
            sequence_gaps: false,
            changed_echo: false,
            admin: ("admin".to_owned(), random.hex(1)),
            host: host.into(),
            hosts: BTreeMap::new(),
            seed: Some(seed),
            foreign_secret: false,
        }
    }

    /// Replaces the app and the user by those that [`new`](Self::new) derives from `seed`. The sandbox's own
    /// ids and tokens stay those of its own seed, so that they do not come twice.
    ///
    /// ```
    /// use lp_connector_sandbox::Config;
    ///
    /// let (first, second) = (Config::new("127.0.0.1:1", 7), Config::new("127.0.0.1:2", 8).keys_of(7));
    /// assert_eq!(first.app(), second.app());
    /// assert_eq!(first.admin(), second.admin());
    /// ```
    #[must_use]
    pub fn keys_of(mut self, seed: u64) -> Self {
        let Self { apps, admin, .. } = Self::new("", seed);
        (self.apps, self.admin) = (apps, admin);
        self
    }

    /// Sets the account id.
    #[must_use]
    pub fn account(mut self, account: impl Into<String>) -> Self {
        self.account = account.into();
        self
    }

    /// Replaces the apps.
    #[must_use]
    pub fn apps(mut self, apps: impl IntoIterator<Item = App>) -> Self {
        self.apps = apps.into_iter().collect();
        self
    }

    /// Sets the lifetime of AppJWTs. Default: one hour. With 0 s a token has expired on arrival.
    #[must_use]
    pub fn token_life(mut self, lifetime: Duration) -> Self {
        self.token_life = lifetime;
        self
    }

    /// Adds `expires_in` to token responses, which is not documented. Default: no.
    #[must_use]
    pub fn expires_in(mut self, yes: bool) -> Self {
        self.expires_in = yes;
        self
    }

    /// Swaps the two shapes of the Domain API: one service as a list, all as a bare array (
    /// [protocol.md 14](https://docs.rs/lp-connector-core/latest/lp_connector_core/protocol/#14),
    /// row 40). Default: no.
    #[must_use]
    pub fn swapped_domain_shapes(mut self, yes: bool) -> Self {
        self.swapped_domain_shapes = yes;
        self
    }

    /// Enables surveys, which follow conversations with an agent if the client supports several dialogs.
    /// Default: yes.
    #[must_use]
    pub fn survey(mut self, yes: bool) -> Self {
        self.survey = yes;
        self
    }

    /// Refuses what other clients send and the documents do not have: old paths and types, and a version
    /// that is left out. Default: no, each is taken, with a warning in [`Reply::warnings`](crate::Reply).
    #[must_use]
    pub fn strict(mut self, yes: bool) -> Self {
        self.strict = yes;
        self
    }

    /// Names the main dialog before the survey in notifications. Default: no, as their order is not documented
    /// ([protocol.md 9.9](https://docs.rs/lp-connector-core/latest/lp_connector_core/protocol/#9.9)). The
    /// official sample reads the survey at the second place.
    #[must_use]
    pub fn main_dialog_first(mut self, yes: bool) -> Self {
        self.main_dialog_first = yes;
        self
    }

    /// Leaves every third sequence of a dialog out. Default: no. Nothing documents gaps
    /// ([protocol.md 7.1](https://docs.rs/lp-connector-core/latest/lp_connector_core/protocol/#7.1)).
    #[must_use]
    pub fn sequence_gaps(mut self, yes: bool) -> Self {
        self.sequence_gaps = yes;
        self
    }

    /// Notifies of a consumer's text with a blank added to it. Default: no, it comes back unchanged
    /// ([protocol.md 9.4](https://docs.rs/lp-connector-core/latest/lp_connector_core/protocol/#9.4)).
    #[must_use]
    pub fn changed_echo(mut self, yes: bool) -> Self {
        self.changed_echo = yes;
        self
    }

    /// Says that the secret of an app comes from elsewhere and may be a real one: then the control API signs no
    /// body of a caller's own. Default: no.
    #[must_use]
    pub fn foreign_secret(mut self, yes: bool) -> Self {
        self.foreign_secret = yes;
        self
    }

    /// Keeps the seed to itself: the control API does not tell it, for the keys follow from it. Default: no.
    #[must_use]
    pub fn hide_seed(mut self, yes: bool) -> Self {
        if yes {
            self.seed = None;
        }
        self
    }

    /// Sets the host of one service, by its name in the Domain API.
    #[must_use]
    pub fn service_at(mut self, service: impl Into<String>, host: impl Into<String>) -> Self {
        self.hosts.insert(service.into(), host.into());
        self
    }

    /// The name and password of the user who manages app installs.
    #[must_use]
    pub fn admin(&self) -> (&str, &str) {
        (&self.admin.0, &self.admin.1)
    }

    /// The account id.
    #[must_use]
    pub fn account_id(&self) -> &str {
        &self.account
    }

    /// The first app, unless there is none.
    #[must_use]
    pub fn app(&self) -> Option<&App> {
        self.apps.first()
    }

    /// The Domain API's entry of a service.
    pub(crate) fn base_uri(&self, service: &str) -> Option<Value> {
        let host = self.host_of(service)?;
        Some(json!({"service": service, "account": self.account, "baseURI": host}))
    }

    /// The Domain API's entries of all services.
    pub(crate) fn base_uris(&self) -> Vec<Value> {
        let extra = self.hosts.keys().map(String::as_str);
        let extra = extra.filter(|service| !SERVICES.contains(service));
        SERVICES.into_iter().chain(extra).filter_map(|service| self.base_uri(service)).collect()
    }

    pub(crate) fn host_of(&self, service: &str) -> Option<&str> {
        let known = self.hosts.get(service).map(String::as_str);
        known.or_else(|| SERVICES.contains(&service).then_some(&*self.host))
    }
}
