//! What the tests of several modules stand on: a gateway, a store that can be away, and a server's core over it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use lp_connector_bridge::Memory as MemoryStore;
use lp_connector_bridge::store::{Answer, Request, Store, StoreError, StoreErrorKind, StoreFacts};
use lp_connector_core::secret::Secret;
use url::Url;

use super::body::Memory;
use super::config::{Drain, GatewayConfig, Retention};
use super::core::{Core, Parts};
use super::gateway::{Gateway, Keys};
use super::keys::Tokens;
use super::metered::StoreHealth;
use super::metrics::Metrics;

/// Runs this on a runtime of its own, on this thread.
pub(super) fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(work)
}

/// The gateway `sms`, of the account 91827364.
pub(super) fn gateway() -> Gateway {
    gateway_with(|_| {})
}

/// The same, with settings of its own.
pub(super) fn gateway_with(change: impl FnOnce(&mut GatewayConfig)) -> Gateway {
    let mut config = GatewayConfig::new("sms", "http://127.0.0.1:9/");
    let secret = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
    config.deliver.secrets.push(Secret::new(secret.to_owned()));
    change(&mut config);
    let keys = Keys::new(&config).unwrap();
    let account = "91827364".parse().unwrap();
    Gateway::new(config, &account, keys, Memory::share(1)).unwrap()
}

/// A store that is away at first, and in which three lanes are due.
pub(super) struct AwayStore {
    store: MemoryStore,
    is_away: AtomicBool,
}

impl AwayStore {
    pub(super) fn new() -> Self {
        Self { store: MemoryStore::new(), is_away: AtomicBool::new(true) }
    }

    pub(super) fn come_back(&self) {
        self.is_away.store(false, Ordering::SeqCst);
    }

    fn check(&self) -> Result<(), StoreError> {
        match self.is_away.load(Ordering::SeqCst) {
            true => Err(StoreError::new(StoreErrorKind::Unavailable, "it is away")),
            false => Ok(()),
        }
    }
}

impl Store for AwayStore {
    fn perform(&self, request: Request) -> Result<Answer, StoreError> {
        self.check()?;
        self.store.perform(request)
    }

    fn facts(&self) -> Result<StoreFacts, StoreError> {
        self.check()?;
        Ok(StoreFacts { due_lanes: 3, ..StoreFacts::default() })
    }
}

/// What a server with the gateway `sms` shares, over this store.
pub(super) fn core_over(store: Arc<dyn Store>) -> Core {
    Core::new(Parts {
        gateways: vec![Arc::new(gateway())],
        home: "91827364".parse().unwrap(),
        store,
        health: Arc::new(StoreHealth::default()),
        metrics: Arc::new(Metrics::new(&["sms".to_owned()])),
        public_url: Url::parse("http://127.0.0.1:8081").unwrap(),
        retention: Retention::default(),
        drain: Drain::default(),
        try_limit: Duration::from_secs(10),
        operations: Tokens::new(&[]),
        store_kind: "memory".to_owned(),
    })
}
