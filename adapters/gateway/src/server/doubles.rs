//! What the tests of several modules stand on: a gateway, a store that can be away, and a server's core over it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use lp_connector_bridge::store::{
    Answer, LaneDetails, LaneId, LaneKind, LaneSummary, Listed, Record, Request, Store, StoreError,
    StoreErrorKind, StoreFacts,
};
use lp_connector_bridge::{Bridge, Memory as MemoryStore};
use lp_connector_core::bridge::RECORD_VERSION;
use lp_connector_core::secret::Secret;
use lp_connector_tokio::{Client, Trust};
use serde_json::Value;
use url::Url;

use super::app::App;
use super::body::Memory;
use super::channel::Gateways;
use super::config::{AccountConfig, Drain, GatewayConfig, Retention};
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

/// The token for operations of [`app_over`].
pub(super) const OPERATIONS: &str = "lpb_operations";

/// An account of which everything fails at once: nobody listens there.
pub(super) fn account() -> AccountConfig {
    let secret = Secret::new("n3v3r".to_owned());
    let mut account =
        AccountConfig::new("91827364".parse().unwrap(), "0a1b2c3d".parse().unwrap(), secret);
    let trust = Trust::new("http://127.0.0.1:9", ["liveperson.net"]).unwrap();
    account.client = account.client.trust(trust);
    account
}

/// What the handlers work with, over this store. The bridge has another one, so that nobody works on what is in this.
/// Only within a runtime.
pub(super) fn app_over(store: Arc<dyn Store>) -> App {
    let core = core_over(store);
    let tokens = Tokens::new(&[Secret::new(OPERATIONS.to_owned())]);
    *core.operations.write().unwrap() = Arc::new(tokens);
    let core = Arc::new(core);
    let account = account();
    let id = account.id().clone();
    let client = Client::new(account.client).unwrap();
    let builder = Bridge::builder(client.clone(), MemoryStore::new(), Gateways(core.clone()));
    App::new(core, builder.start().unwrap(), BTreeMap::from([(id, client)]))
}

/// A store with these lanes, in their order, which never change.
pub(super) struct FixedStore(pub(super) Vec<LaneDetails>);

impl Store for FixedStore {
    fn perform(&self, request: Request) -> Result<Answer, StoreError> {
        let Request::List { what: Listed::Lanes { kind, .. }, after, limit } = request else {
            return Err(StoreError::new(StoreErrorKind::Unavailable, "it has lists alone"));
        };
        let is_next = |one: &&LaneDetails| {
            let lane = &one.summary.lane;
            lane.kind() == kind && after.as_ref().is_none_or(|after| lane.key() > after.key())
        };
        Ok(Answer::Listed(self.0.iter().filter(is_next).take(limit).cloned().collect()))
    }
}

/// A lane of the account 91827364 without entries, with this record.
pub(super) fn lane(kind: LaneKind, key: &str, record: Option<&Value>) -> LaneDetails {
    let lane = LaneId::new("91827364".parse().unwrap(), kind, key);
    let record =
        record.map(|body| Record { version: RECORD_VERSION, body: body.to_string().into_bytes() });
    let (held, due_in, overdue) = (false, None, Duration::ZERO);
    let summary = LaneSummary { lane, held, due_in, overdue, entries: 0 };
    LaneDetails { summary, record, entries: Vec::new() }
}
