//! Bridges on one store, and the channel that all of them hand over to.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use lp_connector_bridge::{
    AcceptOn, Bridge, BridgeConfig, Channel, Content, FromAgent, Undelivered,
};
use lp_connector_core::connector::Config;
use lp_connector_core::id::{AccountId, ExtConsumerId};
use lp_connector_core::secret::Secret;
use lp_connector_core::webhook::Verified;
use lp_connector_tokio::Client;
use tokio::sync::Notify;

use super::place::Place;
use crate::BenchError;

pub(crate) const ACCOUNT: &str = "91827364";

/// What was handed over. Each message says when it was posted.
#[derive(Clone)]
pub(crate) struct Taken {
    origin: Instant,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    count: AtomicU64,
    /// From post to hand-over.
    times: Mutex<Vec<Duration>>,
    changed: Notify,
}

impl Taken {
    fn new() -> Self {
        Self { origin: Instant::now(), shared: Arc::default() }
    }

    pub(crate) fn now(&self) -> Duration {
        self.origin.elapsed()
    }

    pub(crate) fn count(&self) -> u64 {
        self.shared.count.load(Ordering::SeqCst)
    }

    /// Waits until this many were handed over in all.
    pub(crate) async fn reach(&self, count: u64) -> Result<(), BenchError> {
        let wait = async {
            loop {
                let changed = self.shared.changed.notified();
                if self.count() >= count {
                    return;
                }
                changed.await;
            }
        };
        let limit = Duration::from_secs(120);
        let late =
            |_| format!("{} of {count} messages were handed over in two minutes", self.count());
        Ok(tokio::time::timeout(limit, wait).await.map_err(late)?)
    }

    /// The times since the last call, in ascending order.
    pub(crate) fn times(&self) -> Vec<Duration> {
        let mut times = self.shared.times.lock().unwrap_or_else(PoisonError::into_inner);
        let mut times = std::mem::take(&mut *times);
        times.sort();
        times
    }
}

impl Channel for Taken {
    async fn deliver(&self, _: &ExtConsumerId, message: FromAgent) -> Result<(), Undelivered> {
        if let Content::Text(text) = &message.content
            && let Ok(posted) =
                text.plain().and_then(|text| text.split(' ').next()).unwrap_or_default().parse()
        {
            let time = self.now().saturating_sub(Duration::from_nanos(posted));
            self.shared.times.lock().unwrap_or_else(PoisonError::into_inner).push(time);
            self.shared.count.fetch_add(1, Ordering::SeqCst);
            self.shared.changed.notify_waiters();
        }
        Ok(())
    }
}

/// Some bridges on one store.
pub(crate) struct Fleet {
    pub(crate) bridges: Vec<Bridge>,
    pub(crate) taken: Taken,
}

impl Fleet {
    pub(crate) fn start(place: &Place, instances: usize) -> Result<Self, BenchError> {
        let taken = Taken::new();
        let account = AccountId::new(ACCOUNT)?;
        let bridges = (0..instances).map(|_| {
            // Nothing is sent: receipts would follow what the channel reports, and it reports nothing.
            let config = BridgeConfig::new().accept_on(AcceptOn::Delivered);
            let client = Client::new(
                Config::new(account.clone()).credentials("c".parse()?, Secret::new("s".to_owned())),
            )?;
            let bridge = Bridge::builder(client, place.open()?, taken.clone());
            Ok(bridge.config(config).start()?)
        });
        Ok(Self { bridges: bridges.collect::<Result<_, BenchError>>()?, taken })
    }

    pub(crate) async fn post(
        &self,
        turn: usize,
        notification: &Verified,
    ) -> Result<(), BenchError> {
        if let Some(bridge) = self.bridge(turn) {
            bridge.receive(notification).await?;
        }
        Ok(())
    }

    /// The commits that took effect: each ends a lane's cycle.
    pub(crate) fn commits(&self) -> u64 {
        self.bridges.iter().map(|bridge| bridge.counters().committed).sum()
    }

    /// Waits until nothing is done any more.
    pub(crate) async fn rest(&self) -> Result<(), BenchError> {
        let mut last = (0, u64::MAX);
        for _ in 0..1200 {
            tokio::time::sleep(Duration::from_millis(500)).await;
            let now = (self.bridges.iter().map(Bridge::lanes).sum::<usize>(), self.commits());
            if now.0 == 0 && now == last {
                return Ok(());
            }
            last = now;
        }
        Err("the bridges do not come to rest in ten minutes".into())
    }

    /// The bridge that gets a post: each in its turn, as behind a proxy.
    pub(crate) fn bridge(&self, turn: usize) -> Option<&Bridge> {
        self.bridges.get(turn % self.bridges.len().max(1))
    }
}
