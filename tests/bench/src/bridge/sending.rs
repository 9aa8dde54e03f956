//! What durability costs: the same messages sent by the client alone, and by a bridge over each store.
//!
//! The cloud is the server of the load measurements, in a process of its own. It sends no notifications, so what the
//! bridge does with the echoes of messages is not part of this.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use lp_connector_bridge::{
    Bridge, BridgeEvent, BridgeEventKind, Channel, FromAgent, Inbound, MessageOutcome,
    StoreRequest, Undelivered,
};
use lp_connector_core::api::ConversationRef;
use lp_connector_core::connector::{Config, Trust};
use lp_connector_core::id::{AccountId, ClientId, ConversationId, ExtConsumerId};
use lp_connector_core::secret::Secret;
use lp_connector_tokio::Client;
use tokio::sync::Notify;
use tokio::task::JoinSet;

use super::place::Place;
use super::{StoreKind, fleet};
use crate::cases::cloud::TEXT;
use crate::peer::Peer;
use crate::report::{Durability, StoreRequests};
use crate::{BenchError, machine};

/// Who writes, each in a conversation of their own.
pub(crate) const CONSUMERS: usize = 1000;

/// Messages that are accepted at a time, or sent by the client alone.
const AT_ONCE: usize = 64;

/// The most messages that are accepted and not sent yet.
const MOST_WAITING: u64 = 2000;

/// A channel that gets nothing: no agent writes.
struct Nobody;

impl Channel for Nobody {
    async fn deliver(&self, _: &ExtConsumerId, _: FromAgent) -> Result<(), Undelivered> {
        Ok(())
    }
}

/// What is sent, and what the store is asked for it.
#[derive(Default)]
struct Counters {
    sent: AtomicU64,
    changed: Notify,
    requests: Mutex<BTreeMap<&'static str, (u64, Duration)>>,
}

impl Counters {
    fn note_sent(&self) {
        self.sent.fetch_add(1, Ordering::SeqCst);
        self.changed.notify_waiters();
    }

    fn note_request(&self, request: &StoreRequest) {
        let mut requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        let (count, took) = requests.entry(request.verb).or_default();
        *count += 1;
        *took += request.took;
    }

    fn requests(&self) -> BTreeMap<&'static str, (u64, Duration)> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn reach(&self, count: u64) -> Result<(), BenchError> {
        let wait = async {
            loop {
                let changed = self.changed.notified();
                if self.sent.load(Ordering::SeqCst) >= count {
                    return;
                }
                changed.await;
            }
        };
        let late =
            |_| format!("{} of {count} messages in a minute", self.sent.load(Ordering::SeqCst));
        Ok(tokio::time::timeout(Duration::from_secs(60), wait).await.map_err(late)?)
    }
}

/// Measures the client alone and a bridge over each store. Where there is no PostgreSQL server, it leaves that out.
pub(crate) fn measure(quick: bool) -> Result<Vec<Durability>, BenchError> {
    let time = Duration::from_secs(if quick { 1 } else { 8 });
    let peer = Peer::start()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let mut all = vec![runtime.block_on(client_alone(peer.base(), time))?];
    for kind in [StoreKind::Sqlite, StoreKind::Postgres] {
        if let Some(place) = Place::new(kind)? {
            eprintln!("messages through a bridge on {}", kind.name());
            all.push(runtime.block_on(through_bridge(kind, &place, peer.base(), time))?);
        }
    }
    Ok(all)
}

fn client(base: &str) -> Result<Client, BenchError> {
    let config = Config::new(AccountId::new(fleet::ACCOUNT)?)
        .credentials(ClientId::new("0a1b2c3d")?, Secret::new("n3v3r".to_owned()))
        .trust(Trust::new(base, ["liveperson.net"])?);
    Ok(Client::new(config)?)
}

fn consumer(number: usize) -> Result<(ExtConsumerId, ConversationId), BenchError> {
    let conversation = ConversationId::new(format!("c0ffee00-0000-4000-8000-{number:012}"))?;
    Ok((ExtConsumerId::new(format!("pigeon-ring-{number:08}"))?, conversation))
}

async fn client_alone(base: &str, time: Duration) -> Result<Durability, BenchError> {
    let (client, counters) = (client(base)?, Arc::new(Counters::default()));
    let stop = Arc::new(AtomicBool::new(false));
    let mut senders = JoinSet::new();
    for sender in 0..AT_ONCE {
        let (client, counters, stop) = (client.clone(), counters.clone(), stop.clone());
        senders.spawn(async move {
            for number in (sender..CONSUMERS).step_by(AT_ONCE).cycle() {
                if stop.load(Ordering::SeqCst) {
                    break;
                }
                let (consumer, conversation) = consumer(number)?;
                client.send_text(&ConversationRef::new(consumer, conversation), TEXT).await?;
                counters.note_sent();
            }
            Ok::<_, BenchError>(())
        });
    }
    counters.reach(4 * CONSUMERS as u64).await?;
    let measured = measured(None, &counters, || Ok(None), time).await;
    stop.store(true, Ordering::SeqCst);
    while let Some(done) = senders.join_next().await {
        done??;
    }
    measured
}

async fn through_bridge(
    kind: StoreKind,
    place: &Place,
    base: &str,
    time: Duration,
) -> Result<Durability, BenchError> {
    let counters = Arc::new(Counters::default());
    let (of_events, of_requests) = (counters.clone(), counters.clone());
    let bridge = Bridge::builder(client(base)?, place.open()?, Nobody)
        .on_event(move |event: &BridgeEvent| {
            if matches!(&event.kind, BridgeEventKind::Message { outcome: MessageOutcome::Sent, .. })
            {
                of_events.note_sent();
            }
        })
        .on_store(move |request: &StoreRequest| of_requests.note_request(request))
        .start()?;
    for number in 0..CONSUMERS {
        let (consumer, conversation) = consumer(number)?;
        bridge.adopt(&consumer, conversation).await?;
    }
    let (stop, accepted) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let mut senders = JoinSet::new();
    for sender in 0..AT_ONCE {
        let (bridge, counters) = (bridge.clone(), counters.clone());
        let (stop, accepted) = (stop.clone(), accepted.clone());
        senders.spawn(async move {
            for number in (sender..CONSUMERS).step_by(AT_ONCE).cycle() {
                if stop.load(Ordering::SeqCst) {
                    break;
                }
                let before = accepted.fetch_add(1, Ordering::SeqCst);
                counters.reach(before.saturating_sub(MOST_WAITING)).await?;
                let (consumer, _) = consumer(number)?;
                bridge.accept(&consumer, Inbound::text(before.to_string(), TEXT)?).await?;
            }
            Ok::<_, BenchError>(())
        });
    }
    counters.reach(4 * CONSUMERS as u64).await?;
    let measured = measured(Some(kind.name()), &counters, || place.written(), time).await;
    stop.store(true, Ordering::SeqCst);
    while let Some(done) = senders.join_next().await {
        done??;
    }
    counters.reach(accepted.load(Ordering::SeqCst)).await?;
    bridge.drain(Duration::from_secs(10)).await;
    measured
}

/// What is sent in this time, and at what cost.
async fn measured(
    store: Option<&str>,
    counters: &Counters,
    written: impl Fn() -> Result<Option<u64>, BenchError>,
    time: Duration,
) -> Result<Durability, BenchError> {
    let sample = || -> Result<_, BenchError> {
        let sent = counters.sent.load(Ordering::SeqCst);
        Ok((sent, counters.requests(), written()?, machine::cpu_time(), Instant::now()))
    };
    let before = sample()?;
    tokio::time::sleep(time).await;
    let after = sample()?;
    let messages = (after.0 - before.0) as f64;
    let requests = after.1.into_iter().map(|(verb, (count, took))| {
        let (count_before, took_before) = before.1.get(verb).copied().unwrap_or_default();
        let count = (count - count_before) as f64;
        StoreRequests {
            verb: verb.to_owned(),
            per_message: count / messages,
            milliseconds: (took - took_before).as_secs_f64() * 1e3 / count.max(1.0),
        }
    });
    Ok(Durability {
        store: store.map(ToOwned::to_owned),
        messages_per_second: messages / (after.4 - before.4).as_secs_f64(),
        cpu_per_message: (after.3 - before.3) / messages,
        written_per_message: before
            .2
            .zip(after.2)
            .map(|(before, after)| after.saturating_sub(before) as f64 / messages),
        requests: requests.filter(|requests| requests.per_message > 0.0).collect(),
    })
}
