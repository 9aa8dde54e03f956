//! Counts what waits in the store, for the gauges.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use lp_connector_bridge::store::{Answer, LaneDetails, LaneKind, Listed, Request, StoreError};
use lp_connector_core::bridge::{ConsumerSummary, DeadLetter, Waiting};
use lp_connector_core::time::Timestamp;

use super::ask::ask;
use super::core::Core;
use super::metrics::{Metric, unix_seconds};

/// How many lanes are asked for at a time, the pause between two requests, and that between two counts: the store has
/// other work.
const CHUNK: usize = 200;
const BREATH: Duration = Duration::from_millis(20);
const PAUSE: Duration = Duration::from_secs(15);

/// What waits, when it is counted.
#[derive(Debug, Default)]
struct Census {
    entries: f64,
    overdue: Duration,
    waiting: f64,
    waiting_since: Option<Timestamp>,
    unconfirmed: f64,
    dead_by_reason: BTreeMap<&'static str, f64>,
}

/// Counts again and again. It ends with the server.
pub(super) async fn run(core: Arc<Core>) {
    loop {
        // The next count says it again.
        if let Err(error) = count(&core).await {
            tracing::debug!(target: super::LOG, event = "census", cause = %error);
        }
        tokio::time::sleep(PAUSE).await;
    }
}

async fn count(core: &Core) -> Result<(), StoreError> {
    let (metrics, begun) = (&core.metrics, SystemTime::now());
    for kind in LaneKind::ALL.iter().copied() {
        let census = count_kind(core, kind).await?;
        metrics.set(Metric::Entries, &[kind.name()], census.entries);
        let since = match census.overdue {
            Duration::ZERO => 0.0,
            overdue => unix_seconds(SystemTime::now()) - overdue.as_secs_f64(),
        };
        metrics.set(Metric::OldestDue, &[kind.name()], since);
        metrics.set(Metric::Waiting, &[kind.name()], census.waiting);
        let since = census.waiting_since.map_or(0.0, |since| unix_seconds(since.to_system_time()));
        metrics.set(Metric::OldestWaiting, &[kind.name()], since);
        match kind {
            LaneKind::Consumer => metrics.set(Metric::UnconfirmedMessages, &[], census.unconfirmed),
            LaneKind::DeadLetter => {
                metrics.clear(Metric::DeadLetters);
                for (reason, count) in census.dead_by_reason {
                    metrics.set(Metric::DeadLetters, &[reason], count);
                }
            }
            _ => {}
        }
    }
    metrics.set(Metric::CountedAt, &[], unix_seconds(begun));
    Ok(())
}

async fn count_kind(core: &Core, kind: LaneKind) -> Result<Census, StoreError> {
    let mut census = Census::default();
    let mut after = None;
    loop {
        let what = Listed::Lanes { account: None, kind };
        let request = Request::List { what, after: after.take(), limit: CHUNK };
        let Answer::Listed(lanes) = ask(&*core.store, request).await? else { return Ok(census) };
        lanes.iter().for_each(|lane| census.add(lane));
        if lanes.len() < CHUNK {
            return Ok(census);
        }
        after = lanes.last().map(|lane| lane.summary.lane.clone());
        tokio::time::sleep(BREATH).await;
    }
}

impl Census {
    fn add(&mut self, lane: &LaneDetails) {
        // So many entries fit a float exactly.
        self.entries += lane.summary.entries as f64;
        self.overdue = self.overdue.max(lane.summary.overdue);
        let waiting = Waiting::of(lane);
        self.waiting += waiting.count as f64;
        let oldest = self.waiting_since.into_iter().chain(waiting.since).min();
        self.waiting_since = oldest;
        if let Some(letter) = DeadLetter::of(lane) {
            *self.dead_by_reason.entry(letter.reason().name()).or_default() += 1.0;
        }
        if let Some(consumer) = ConsumerSummary::of(lane) {
            let is_unsettled = |status: &str| status == "unconfirmed" || status == "held";
            let unsettled = consumer.recent.iter().filter(|one| is_unsettled(one.status));
            self.unconfirmed += unsettled.map(|_| 1.0).sum::<f64>();
        }
    }
}
