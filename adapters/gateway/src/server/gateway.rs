//! What a running server knows of one gateway.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use lp_connector_core::error::Error;
use lp_connector_core::id::AccountId;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::body::Memory;
use super::circuit::Circuit;
use super::config::{DeliveryType, GatewayConfig};
use super::inline::Outsiders;
use super::keys::{FileKeys, Tokens};
use super::post::Poster;
use super::repeats::Repeats;
use crate::request::Rules;
use crate::signature::{InvalidSecret, SigningKeys};

/// How many deliveries may wait for a place, beside those that are under way, and for how long.
pub(super) const MAX_WAITING: usize = 16;
const LONGEST_WAIT: Duration = Duration::from_secs(1);

/// How many files of agents may be on their way to a gateway at a time.
const MAX_DOWNLOADS: usize = 8;

/// A gateway, while the server runs.
#[derive(Debug)]
pub(super) struct Gateway {
    pub(super) name: String,
    pub(super) account: AccountId,
    pub(super) rules: Rules,
    pub(super) config: GatewayConfig,
    pub(super) types: BTreeSet<DeliveryType>,
    pub(super) poster: Poster,
    /// How many deliveries may be under way still, and how many may wait for that.
    room: Arc<Semaphore>,
    waiting: Semaphore,
    /// How many files of agents may be on their way to it: each is in memory, and has at most 8 MiB.
    pub(super) downloads: Arc<Semaphore>,
    /// The memory of what it posts.
    pub(super) memory: Memory,
    pub(super) repeats: Repeats,
    pub(super) outsiders: Outsiders,
    keys: RwLock<Arc<Keys>>,
    circuit: Mutex<Circuit>,
    is_paused: AtomicBool,
}

/// What can be replaced while the server runs.
#[derive(Debug)]
pub(super) struct Keys {
    pub(super) tokens: Tokens,
    pub(super) signing: SigningKeys,
    pub(super) files: FileKeys,
}

impl Keys {
    pub(super) fn new(config: &GatewayConfig) -> Result<Self, InvalidSecret> {
        let secrets = config.deliver.secrets.iter().map(|secret| secret.expose());
        let signing = SigningKeys::new(secrets)?;
        let files = FileKeys::new(&signing);
        Ok(Self { tokens: Tokens::new(&config.tokens), signing, files })
    }

    /// The same, and nobody may use them to ask.
    pub(super) fn without_tokens(&self) -> Self {
        let (signing, files) = (self.signing.clone(), self.files.clone());
        Self { tokens: Tokens::new(&[]), signing, files }
    }
}

impl Gateway {
    pub(super) fn new(
        config: GatewayConfig,
        first: &AccountId,
        keys: Keys,
        memory: Memory,
    ) -> Result<Self, Error> {
        Ok(Self {
            name: config.name.clone(),
            account: config.account.clone().unwrap_or_else(|| first.clone()),
            rules: Rules::new(&config.consumer_prefix),
            types: config.deliver.types.iter().copied().collect(),
            poster: Poster::new(&config.deliver)?,
            room: Arc::new(Semaphore::new(config.deliver.concurrency)),
            waiting: Semaphore::new(MAX_WAITING),
            downloads: Arc::new(Semaphore::new(MAX_DOWNLOADS)),
            memory,
            repeats: Repeats::default(),
            outsiders: Outsiders::default(),
            keys: RwLock::new(Arc::new(keys)),
            circuit: Mutex::default(),
            is_paused: AtomicBool::new(false),
            config,
        })
    }

    /// A place for a delivery. `None` if too many wait already, or this one has waited for a while: it must not keep
    /// what other gateways could use.
    pub(super) async fn room(&self) -> Option<OwnedSemaphorePermit> {
        if let Some(place) = self.free_room() {
            return Some(place);
        }
        let _waiting = self.waiting.try_acquire().ok()?;
        let place = self.room.clone().acquire_owned();
        tokio::time::timeout(LONGEST_WAIT, place).await.ok()?.ok()
    }

    /// A place, if one is free now.
    pub(super) fn free_room(&self) -> Option<OwnedSemaphorePermit> {
        self.room.clone().try_acquire_owned().ok()
    }

    pub(super) fn keys(&self) -> Arc<Keys> {
        self.keys.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn replace_keys(&self, keys: Keys) {
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(keys);
    }

    pub(super) fn circuit(&self) -> MutexGuard<'_, Circuit> {
        self.circuit.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn is_paused(&self) -> bool {
        self.is_paused.load(Ordering::Relaxed)
    }

    pub(super) fn set_paused(&self, paused: bool) {
        self.is_paused.store(paused, Ordering::Relaxed);
    }
}
