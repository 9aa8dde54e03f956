//! Counts what waits in the store, for the gauges.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use lp_connector_bridge::store::{
    Answer, LaneDetails, LaneKind, Listed, Request, Store, StoreError,
};
use lp_connector_core::bridge::{ConsumerSummary, DeadLetter, Waiting};
use lp_connector_core::time::Timestamp;

use super::ask::ask;
use super::core::Core;
use super::metrics::{Metric, Metrics, unix_seconds};

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
    let begun = SystemTime::now();
    for kind in LaneKind::ALL.iter().copied() {
        let census = count_kind(&*core.store, kind).await?;
        record(&core.metrics, kind, census, SystemTime::now());
    }
    core.metrics.set(Metric::CountedAt, &[], unix_seconds(begun));
    Ok(())
}

/// Shows what was counted of a kind.
fn record(metrics: &Metrics, kind: LaneKind, census: Census, now: SystemTime) {
    metrics.set(Metric::Entries, &[kind.name()], census.entries);
    let since = match census.overdue {
        Duration::ZERO => 0.0,
        overdue => unix_seconds(now) - overdue.as_secs_f64(),
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

async fn count_kind(store: &dyn Store, kind: LaneKind) -> Result<Census, StoreError> {
    let mut census = Census::default();
    let mut after = None;
    loop {
        let what = Listed::Lanes { account: None, kind };
        let request = Request::List { what, after: after.take(), limit: CHUNK };
        let Answer::Listed(lanes) = ask(store, request).await? else { return Ok(census) };
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

#[cfg(test)]
mod tests {
    use lp_connector_bridge::Memory;
    use lp_connector_bridge::store::{Entry, LaneId, LaneSummary, Record};
    use lp_connector_core::bridge::RECORD_VERSION;
    use serde_json::{Value, json};

    use super::*;

    fn consumer(key: &str) -> LaneId {
        LaneId::new("91827364".parse().unwrap(), LaneKind::Consumer, key)
    }

    /// A consumer's lane with so many entries, and one message in its record.
    fn lane(entries: u64, state: &Value) -> LaneDetails {
        let record = json!({
            "queue": [{"id": "SM2", "content": {"text": {"text": "Coo?"}}, "state": state}],
            "recent": [
                {"id": "SM1", "fingerprint": 7, "rank": 2},
                {"id": "SM2", "fingerprint": 8, "rank": 0},
            ],
        });
        let overdue = Duration::from_secs(entries);
        let lane = consumer("sms:ada");
        LaneDetails {
            summary: LaneSummary { lane, held: false, due_in: None, overdue, entries },
            record: Some(Record { version: RECORD_VERSION, body: record.to_string().into_bytes() }),
            entries: Vec::new(),
        }
    }

    #[test]
    fn what_waits_in_several_lanes_is_summed() {
        let unconfirmed = json!({"unconfirmed": {
            "conversation": "5f0c", "dialog": "5f0c", "least": 2, "ended": 1_700_000_001_000_u64,
            "left": {"secs": 59, "nanos": 0}, "is_asked": true,
        }});
        let mut census = Census::default();
        for (entries, state) in [(3, unconfirmed), (5, json!("held")), (4, json!("waiting"))] {
            census.add(&lane(entries, &state));
        }
        assert_eq!(census.entries, 12.0);
        assert_eq!(census.waiting, 15.0, "a message in each record");
        assert_eq!(census.unconfirmed, 2.0, "one is held; what is sent or waits is not meant");
        assert_eq!(census.overdue, Duration::from_secs(5));
    }

    #[test]
    fn each_count_has_its_series() {
        let metrics = Metrics::new(&[]);
        let census = Census {
            entries: 12.0,
            overdue: Duration::from_secs(30),
            unconfirmed: 2.0,
            ..Census::default()
        };
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1000);
        record(&metrics, LaneKind::Consumer, census, now);
        record(&metrics, LaneKind::Status, Census::default(), now);
        let text = metrics.render();
        for line in [
            "entries{kind=\"consumer\"} 12",
            "oldest_due_timestamp_seconds{kind=\"consumer\"} 970",
            "oldest_due_timestamp_seconds{kind=\"status\"} 0",
            "unconfirmed_messages 2",
        ] {
            assert!(text.contains(&format!("lp_bridge_{line}\n")), "{line}: {text}");
        }
    }

    #[test]
    fn lanes_after_a_full_page_are_counted_too() {
        let store = Memory::new();
        let entry = |n: usize| Entry { lane: consumer(&format!("sms:{n}")), body: b"{}".to_vec() };
        // A page has 200.
        store.perform(Request::Append((0..201).map(entry).collect())).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let census = runtime.block_on(count_kind(&store, LaneKind::Consumer)).unwrap();
        assert_eq!(census.entries, 201.0);
    }
}
