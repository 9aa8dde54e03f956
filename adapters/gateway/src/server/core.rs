//! What the listeners and the channel of a server share.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, RwLock};
use std::time::{Duration, Instant};

use lp_connector_bridge::store::Store;
use lp_connector_core::id::{AccountId, ExtConsumerId};
use url::Url;

use super::body::Memory;
use super::config::{Drain, Retention};
use super::facts::Facts;
use super::failures::Failures;
use super::gateway::Gateway;
use super::keys::Tokens;
use super::metered::StoreHealth;
use super::metrics::Metrics;
use super::trouble::Trouble;

/// What everything of a server shares.
pub(super) struct Core {
    pub(super) gateways: Vec<Arc<Gateway>>,
    /// The first account: the server's own cells are its.
    pub(super) home: AccountId,
    pub(super) store: Arc<dyn Store>,
    pub(super) health: Arc<StoreHealth>,
    /// Why the store cannot be used.
    pub(super) trouble: Trouble,
    pub(super) metrics: Arc<Metrics>,
    pub(super) public_url: Url,
    pub(super) retention: Retention,
    pub(super) drain: Drain,
    /// How long a try of a delivery may take, with all that comes before the post.
    pub(super) try_limit: Duration,
    pub(super) operations: RwLock<Arc<Tokens>>,
    pub(super) ticks: Ticks,
    pub(super) is_started: AtomicBool,
    pub(super) is_draining: AtomicBool,
    /// The memory of what operators post.
    pub(super) memory: Memory,
    /// What of LivePerson fails.
    pub(super) failures: Arc<Failures>,
    /// The last figures of the store.
    pub(super) facts: Facts,
    /// The name of the store's kind.
    pub(super) store_kind: String,
}

/// Settings and parts of a [`Core`].
pub(super) struct Parts {
    pub(super) gateways: Vec<Arc<Gateway>>,
    pub(super) home: AccountId,
    pub(super) store: Arc<dyn Store>,
    pub(super) health: Arc<StoreHealth>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) public_url: Url,
    pub(super) retention: Retention,
    pub(super) drain: Drain,
    pub(super) try_limit: Duration,
    pub(super) operations: Tokens,
    pub(super) store_kind: String,
}

impl Core {
    pub(super) fn new(parts: Parts) -> Self {
        let Parts {
            gateways,
            home,
            store,
            health,
            metrics,
            public_url,
            retention,
            drain,
            try_limit,
            operations,
            store_kind,
        } = parts;
        Self {
            gateways,
            home,
            store,
            health,
            trouble: Trouble::default(),
            metrics,
            public_url,
            retention,
            drain,
            try_limit,
            operations: RwLock::new(Arc::new(operations)),
            ticks: Ticks::new(Instant::now()),
            is_started: AtomicBool::new(false),
            is_draining: AtomicBool::new(false),
            memory: Memory::share(0),
            failures: Arc::default(),
            facts: Facts::default(),
            store_kind,
        }
    }

    /// The gateway of a consumer, as LivePerson knows it.
    pub(super) fn gateway_of(
        &self,
        account: &AccountId,
        consumer: &ExtConsumerId,
    ) -> Option<&Arc<Gateway>> {
        self.gateways.iter().find(|gateway| {
            gateway.account == *account && gateway.rules.internal(consumer).is_some()
        })
    }

    /// The gateway with this token.
    pub(super) fn gateway_with(&self, token: &str) -> Option<&Arc<Gateway>> {
        // All are asked, whichever it is: the time tells nothing.
        self.gateways.iter().fold(None, |found, gateway| {
            match gateway.keys().tokens.contain(token) {
                true => Some(gateway),
                false => found,
            }
        })
    }

    pub(super) fn gateway_named(&self, name: &str) -> Option<&Arc<Gateway>> {
        self.gateways.iter().find(|gateway| gateway.name == name)
    }

    pub(super) fn is_operator(&self, token: &str) -> bool {
        let tokens =
            self.operations.read().unwrap_or_else(std::sync::PoisonError::into_inner).clone();
        tokens.contain(token)
    }

    pub(super) fn is_started(&self) -> bool {
        self.is_started.load(Ordering::SeqCst)
    }

    pub(super) fn is_draining(&self) -> bool {
        self.is_draining.load(Ordering::SeqCst)
    }
}

impl fmt::Debug for Core {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Core").field("gateways", &self.gateways).finish_non_exhaustive()
    }
}

/// Tells whether the process turns.
#[derive(Debug)]
pub(super) struct Ticks {
    origin: Instant,
    last: AtomicU64,
}

impl Ticks {
    pub(super) fn new(now: Instant) -> Self {
        Self { origin: now, last: AtomicU64::new(0) }
    }

    pub(super) fn tick(&self, now: Instant) {
        let elapsed = u64::try_from(self.elapsed(now).as_millis()).unwrap_or(u64::MAX);
        self.last.store(elapsed, Ordering::Relaxed);
    }

    /// The time since the last tick.
    pub(super) fn age(&self, now: Instant) -> Duration {
        let last = Duration::from_millis(self.last.load(Ordering::Relaxed));
        self.elapsed(now).saturating_sub(last)
    }

    fn elapsed(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.origin)
    }
}

#[cfg(test)]
mod tests {
    use super::super::doubles::{AwayStore, block_on, core_over};
    use super::super::pause;
    use super::*;

    #[test]
    fn a_server_has_started_once_its_store_has_answered() {
        let store = Arc::new(AwayStore::new());
        let core = core_over(store.clone());
        assert!(block_on(pause::refresh(&core)).is_err());
        assert!(!core.is_started());
        store.come_back();
        block_on(pause::refresh(&core)).unwrap();
        assert!(core.is_started());
    }

    #[test]
    fn a_tick_grows_older_until_the_next_one() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let ticks = Ticks::new(start);
        assert_eq!(ticks.age(at(9)), Duration::from_secs(9));
        ticks.tick(at(20));
        assert_eq!(ticks.age(at(23)), Duration::from_secs(3));
    }
}
