//! The settings of a blocking bridge.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use lp_connector_core::bridge::store::Store;
use lp_connector_core::bridge::{BridgeConfig, BridgeEvent};
use lp_connector_core::error::Error;
use lp_connector_core::id::AccountId;
use lp_connector_ureq::Client;

use super::driver::Driver;
use super::{Bridge, Channel};
use crate::StoreRequest;
use crate::lent::Lent;
use crate::observe::{CallEnded, Observers};
use crate::shared::Shared;

/// A bridge that is not started yet, and its settings: made by [`Bridge::builder`].
#[must_use = "nothing is done before `start`"]
pub struct Builder<C> {
    clients: BTreeMap<AccountId, Client>,
    home: AccountId,
    store: Arc<dyn Store>,
    channel: C,
    config: BridgeConfig,
    observers: Observers,
}

impl<C: Channel> Builder<C> {
    pub(crate) fn new(client: Client, store: Arc<dyn Store>, channel: C) -> Self {
        let home = client.config().account().clone();
        let clients = BTreeMap::from([(home.clone(), client)]);
        Self {
            clients,
            home,
            store,
            channel,
            config: BridgeConfig::new(),
            observers: Observers::default(),
        }
    }

    /// Sets how the bridge works. Default: [`BridgeConfig::new`].
    pub fn config(mut self, config: BridgeConfig) -> Self {
        self.config = config;
        self
    }

    /// Adds the client of one more account. [`Bridge::of`] reaches it.
    ///
    /// Each account has its own connections, circuits and tokens, and an equal share of the requests and deliveries that
    /// are under way, unless [`max_effects_of_account`](BridgeConfig::max_effects_of_account) says otherwise: one that
    /// hangs holds up no other.
    pub fn client(mut self, client: Client) -> Self {
        self.clients.insert(client.config().account().clone(), client);
        self
    }

    /// Sets who is told what happens on the lanes: each event once, after it is durable, in order. It is called by the
    /// bridge's loop, which waits meanwhile: count, and return. A panic in it is caught.
    ///
    /// What is accepted and not yet sent, or set aside, is in the store: [`Bridge::consumer`] and
    /// [`Bridge::dead_letters`] show it.
    pub fn on_event(mut self, observer: impl Fn(&BridgeEvent) + Send + Sync + 'static) -> Self {
        self.observers.on_event(observer);
        self
    }

    /// Sets the observer of each call to LivePerson for a lane that has ended, with its error if it failed: for a log, and
    /// to see why messages wait. It is called where the call ended: count, and return. A panic in it is caught.
    pub fn on_call(mut self, observer: impl Fn(&CallEnded) + Send + Sync + 'static) -> Self {
        self.observers.on_call(observer);
        self
    }

    /// Sets the observer of each request to the store that has ended, by whichever thread the store answers on. A panic
    /// in it is caught.
    pub fn on_store(mut self, observer: impl Fn(&StoreRequest) + Send + Sync + 'static) -> Self {
        self.observers.on_store(observer);
        self
    }

    /// Starts the bridge on threads of its own.
    ///
    /// # Errors
    /// [`Configuration`](lp_connector_core::error::ErrorKind::Configuration) if the operating system has no
    /// randomness or no thread to give, or the store is sealed and the bridge has no key.
    pub fn start(self) -> Result<Bridge, Error> {
        let Self { clients, home, store, channel, config, observers } = self;
        let config = config.or_equal_shares(clients.len());
        let time_limit = config.attempt_timeout_setting();
        let sharing = config.share_settings();
        let shared = Shared::new(store, config, observers)?;
        for client in clients.values() {
            client.share_tokens(Lent::of(shared.store()), sharing);
        }
        let clients = Arc::new(clients);
        let bridge = Bridge::start(shared.clone(), home, clients.clone());
        let started = Driver { shared, clients, channel, time_limit }.start();
        started.map_err(|_| Error::configuration("the operating system gives no thread"))?;
        Ok(bridge)
    }
}

impl<C> fmt::Debug for Builder<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("accounts", &self.clients.keys())
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}
