//! Agents who speak in many conversations.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use lp_connector_core::id::{ConversationId, ExtConsumerId};
use lp_connector_core::webhook::Verified;
use serde_json::json;
use tokio::task::JoinSet;

use super::fleet::Fleet;
use super::place::Place;
use crate::{BenchError, machine};

/// The open conversations, each of a consumer of its own.
pub(crate) const CONVERSATIONS: usize = 10_000;

/// Posts under way at a time.
const POSTERS: usize = 64;

/// The most messages that are stored and not handed over yet, flat out.
const MOST_WAITING: u64 = 4000;

/// The bytes of a message's text: with the rest of it, a notification has about 900.
const TEXT: usize = 560;

/// What a run flat out came to: messages and lanes' cycles a second, and per message what was written.
pub(crate) struct FlatOut {
    pub(crate) messages: f64,
    pub(crate) cycles: f64,
    pub(crate) written: Option<f64>,
    /// Microseconds of this process.
    pub(crate) cpu: f64,
}

/// The times from post to hand-over at a steady rate.
pub(crate) struct Steady {
    pub(crate) rate: f64,
    pub(crate) p50: Duration,
    pub(crate) p99: Duration,
    pub(crate) max: Duration,
}

/// What agents say.
pub(crate) struct Conversations {
    padding: String,
    /// The next sequence of each.
    sequences: Vec<AtomicU64>,
}

impl Conversations {
    fn new() -> Self {
        let sequences = (0..CONVERSATIONS).map(|_| AtomicU64::new(0)).collect();
        Self { padding: "x".repeat(TEXT), sequences }
    }

    /// The next message of a conversation, which says when it was posted.
    fn next(&self, number: usize, posted: Duration) -> Verified {
        let sequence = self.sequences.get(number);
        let sequence = sequence.map_or(0, |sequence| sequence.fetch_add(1, Ordering::SeqCst));
        let text = format!("{} {}", posted.as_nanos(), self.padding);
        let conversation = conversation(number);
        let event = json!({"type": "ContentEvent", "contentType": "text/plain", "message": text});
        let change = json!({
            "sequence": sequence, "originatorId": "a9", "originatorMetadata": {"id": "a9", "role": "ASSIGNED_AGENT"},
            "serverTimestamp": 1_700_000_000_000_u64 + sequence,
            "dialogId": conversation, "conversationId": conversation, "event": event,
        });
        let body = json!({
            "kind": "notification", "type": "ms.MessagingEventNotification", "body": {"changes": [change]},
        });
        Verified::dangerous_unverified(body.to_string())
    }
}

fn conversation(number: usize) -> String {
    format!("c0ffee00-0000-4000-8000-{number:012}")
}

/// Opens the conversations.
pub(crate) async fn prepare(fleet: &Arc<Fleet>) -> Result<Arc<Conversations>, BenchError> {
    let adopt = |poster: usize| {
        let fleet = fleet.clone();
        async move {
            for number in (poster..CONVERSATIONS).step_by(POSTERS) {
                let Some(bridge) = fleet.bridge(number) else { continue };
                let consumer = ExtConsumerId::new(format!("consumer-{number}"))?;
                bridge.adopt(&consumer, ConversationId::new(conversation(number))?).await?;
            }
            Ok(())
        }
    };
    all((0..POSTERS).map(adopt)).await?;
    fleet.rest().await?;
    Ok(Arc::new(Conversations::new()))
}

/// Posts as fast as the bridges hand over.
pub(crate) async fn flat_out(
    fleet: &Arc<Fleet>,
    conversations: &Arc<Conversations>,
    place: &Place,
    time: Duration,
) -> Result<FlatOut, BenchError> {
    let posted = Arc::new(AtomicU64::new(fleet.taken.count()));
    let stop = Arc::new(AtomicBool::new(false));
    let post = |poster: usize| {
        let (fleet, conversations) = (fleet.clone(), conversations.clone());
        let (posted, stop) = (posted.clone(), stop.clone());
        async move {
            let numbers = (poster..CONVERSATIONS).step_by(POSTERS).cycle();
            for (turn, number) in numbers.enumerate() {
                if stop.load(Ordering::SeqCst) {
                    break;
                }
                let before = posted.fetch_add(1, Ordering::SeqCst);
                fleet.taken.reach(before.saturating_sub(MOST_WAITING)).await?;
                fleet.post(turn, &conversations.next(number, fleet.taken.now())).await?;
            }
            Ok::<_, BenchError>(())
        }
    };
    let posters = (0..POSTERS).map(|poster| tokio::spawn(post(poster))).collect::<Vec<_>>();
    // The first moments fill the queue.
    tokio::time::sleep(time / 4).await;
    let sample = || -> Result<_, BenchError> {
        let (count, commits) = (fleet.taken.count(), fleet.commits());
        Ok((count, commits, place.written()?, machine::cpu_time(), Instant::now()))
    };
    let before = sample()?;
    tokio::time::sleep(time).await;
    let after = sample()?;
    stop.store(true, Ordering::SeqCst);
    for poster in posters {
        poster.await??;
    }
    fleet.taken.reach(posted.load(Ordering::SeqCst)).await?;
    fleet.rest().await?;
    fleet.taken.times();
    let seconds = (after.4 - before.4).as_secs_f64();
    let (messages, commits) = ((after.0 - before.0) as f64, (after.1 - before.1) as f64);
    let written = before.2.zip(after.2).map(|(before, after)| (after - before) as f64 / messages);
    Ok(FlatOut {
        messages: messages / seconds,
        cycles: commits / seconds,
        written,
        cpu: (after.3 - before.3) / messages,
    })
}

/// Posts at a steady rate, and measures how long each message takes.
pub(crate) async fn steady(
    fleet: &Arc<Fleet>,
    conversations: &Arc<Conversations>,
    rate: f64,
    time: Duration,
) -> Result<Steady, BenchError> {
    let first = fleet.taken.count();
    let start = fleet.taken.now();
    let each = Duration::from_secs_f64(1.0 / rate);
    let count = (time.as_secs_f64() * rate) as u32;
    let mut posts = JoinSet::new();
    for turn in 0..count {
        let due = start + each * turn;
        // A timer is a millisecond late: what is due meanwhile follows at once.
        if let Some(pause) = due.checked_sub(fleet.taken.now()) {
            tokio::time::sleep(pause).await;
        }
        let (fleet, turn) = (fleet.clone(), turn as usize);
        // It counts from when it should have been posted.
        let message = conversations.next(turn % CONVERSATIONS, due);
        posts.spawn(async move { fleet.post(turn, &message).await });
        while let Some(done) = posts.try_join_next() {
            done??;
        }
    }
    while let Some(done) = posts.join_next().await {
        done??;
    }
    fleet.taken.reach(first + u64::from(count)).await?;
    let seconds = (fleet.taken.now() - start).as_secs_f64();
    let times = fleet.taken.times();
    let at = |share: f64| {
        times.get(((times.len() as f64 * share) as usize).min(times.len().saturating_sub(1)))
    };
    let at = |share| at(share).copied().unwrap_or_default();
    Ok(Steady { rate: f64::from(count) / seconds, p50: at(0.5), p99: at(0.99), max: at(1.0) })
}

async fn all<F>(tasks: impl Iterator<Item = F>) -> Result<(), BenchError>
where
    F: Future<Output = Result<(), BenchError>> + Send + 'static,
{
    let mut set = JoinSet::new();
    tasks.for_each(|task| {
        set.spawn(task);
    });
    while let Some(done) = set.join_next().await {
        done??;
    }
    Ok(())
}
