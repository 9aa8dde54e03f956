//! The figures of the store: asked for when somebody looks, and not more often than every few seconds.

use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use lp_connector_bridge::store::StoreFacts;
use tokio::sync::watch;

use super::core::Core;
use super::metrics::{Metric, Metrics, unix_seconds};

/// For how long an answer serves, and how long who looks waits for a new one.
const FRESH: Duration = Duration::from_secs(5);
const PATIENCE: Duration = Duration::from_secs(1);

/// The last answer.
#[derive(Debug)]
pub(super) struct Facts {
    state: Mutex<State>,
    /// Says that an answer has come, or a failure.
    answers: watch::Sender<()>,
}

#[derive(Debug, Default)]
struct State {
    asked: Option<Instant>,
    /// The store is being asked. One that hangs holds up one thread.
    is_under_way: bool,
    last: Option<(StoreFacts, Instant)>,
}

impl State {
    /// Whether the store is to be asked now. It is under way then.
    fn begins(&mut self, now: Instant) -> bool {
        let age = self.asked.map(|asked| now.saturating_duration_since(asked));
        let begins = age.is_none_or(|age| age >= FRESH) && !self.is_under_way;
        if begins {
            (self.asked, self.is_under_way) = (Some(now), true);
        }
        begins
    }
}

impl Default for Facts {
    fn default() -> Self {
        Self { state: Mutex::default(), answers: watch::Sender::new(()) }
    }
}

impl Facts {
    /// The last answer, and its age.
    pub(super) fn last(&self) -> Option<(StoreFacts, Duration)> {
        self.with(|state| state.last.as_ref().map(|(facts, at)| (facts.clone(), at.elapsed())))
    }

    fn with<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        change(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Asks the store, unless that was done a moment ago. Waits for the answer, but not long: who looks at a store that
/// hangs sees what was before.
pub(super) async fn refresh(core: &Arc<Core>) {
    let facts = &core.facts;
    let mut answers = facts.answers.subscribe();
    let (begins, waits) = facts.with(|state| (state.begins(Instant::now()), state.is_under_way));
    if begins {
        let own = core.clone();
        // It blocks, perhaps for good: a runtime would wait for its own threads at its end.
        let thread = thread::Builder::new().name("lp-facts".into()).spawn(move || ask(&own));
        if thread.is_err() {
            facts.with(|state| state.is_under_way = false);
        }
    }
    if waits {
        // An error means that the server ends.
        let _ = tokio::time::timeout(PATIENCE, answers.changed()).await;
    }
}

fn ask(core: &Core) {
    let told = core.store.facts();
    if let Ok(told) = &told {
        record(&core.metrics, told, SystemTime::now());
    }
    core.facts.with(|state| {
        state.is_under_way = false;
        if let Ok(told) = told {
            state.last = Some((told, Instant::now()));
        }
    });
    core.facts.answers.send_replace(());
}

fn record(metrics: &Metrics, facts: &StoreFacts, now: SystemTime) {
    let now = unix_seconds(now);
    let since = |age: Duration| if age.is_zero() { 0.0 } else { now - age.as_secs_f64() };
    // Sizes and counts are far from where a float is not exact.
    let float = |number: u64| number as f64;
    metrics.set(Metric::DueLanes, &[], float(facts.due_lanes));
    metrics.set(Metric::DueSince, &[], since(facts.oldest_due));
    metrics.set(Metric::OldestSnapshot, &[], since(facts.oldest_snapshot.unwrap_or_default()));
    metrics.set(Metric::StoreRepeated, &[], float(facts.repeated));
    for part in &facts.parts {
        metrics.set(Metric::StoreBytes, &[part.name], float(part.bytes));
        metrics.set(Metric::StoreDeadRows, &[part.name], float(part.dead));
    }
    metrics.clear(Metric::StoreStandbys);
    for standby in &facts.standbys {
        let known = ["sync", "quorum", "potential", "async"];
        let sync = standby.sync.as_deref().filter(|sync| known.contains(sync));
        metrics.add(Metric::StoreStandbys, &[sync.unwrap_or("unknown")], 1.0);
    }
    let behind = facts.standbys.iter().filter_map(|standby| standby.behind).max();
    metrics.set(Metric::StandbyBehind, &[], float(behind.unwrap_or(0)));
    metrics.set(Metric::FactsAt, &[], now);
}

#[cfg(test)]
mod tests {
    use lp_connector_bridge::store::{Standby, StorePart};

    use super::super::doubles::{AwayStore, core_over};
    use super::*;

    #[test]
    fn the_store_is_asked_every_five_seconds_at_most() {
        let start = Instant::now();
        let at = |millis| start + Duration::from_millis(millis);
        let mut state = State::default();
        assert!(state.begins(start));
        assert!(!state.begins(at(60_000)), "the first time is under way still");
        state.is_under_way = false;
        assert!(!state.begins(at(4_999)));
        assert!(state.begins(at(5_000)));
    }

    #[test]
    fn there_are_no_facts_before_the_store_has_given_some() {
        let store = Arc::new(AwayStore::new());
        let core = core_over(store.clone());
        let due_lanes = || core.facts.last().map(|(facts, _)| facts.due_lanes);
        for expected in [None, Some(3)] {
            let waits = core.facts.answers.subscribe();
            core.facts.with(|state| state.is_under_way = true);
            ask(&core);
            assert!(waits.has_changed().unwrap(), "who waits goes on");
            assert!(!core.facts.with(|state| state.is_under_way));
            assert_eq!(due_lanes(), expected);
            store.come_back();
        }
    }

    #[test]
    fn all_that_a_store_tells_is_a_gauge() {
        let metrics = Metrics::new(&[]);
        let standby = |sync: Option<&str>, behind| Standby {
            name: "one".to_owned(),
            state: None,
            sync: sync.map(str::to_owned),
            behind,
        };
        let mut facts = StoreFacts {
            oldest_due: Duration::from_secs(3),
            due_lanes: 7,
            oldest_snapshot: Some(Duration::from_secs(60)),
            repeated: 2,
            parts: vec![StorePart { name: "lp_lane", bytes: 4096, dead: 5 }],
            standbys: vec![standby(Some("async"), Some(9)), standby(None, Some(11))],
        };
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1000);
        record(&metrics, &facts, now);
        let text = metrics.render();
        for line in [
            "due_lanes 7",
            "due_since_timestamp_seconds 997",
            "oldest_snapshot_timestamp_seconds 940",
            "store_repeated_total 2",
            "store_bytes{part=\"lp_lane\"} 4096",
            "store_dead_rows{part=\"lp_lane\"} 5",
            "store_standbys{sync=\"async\"} 1",
            "store_standbys{sync=\"unknown\"} 1",
            "store_standby_behind_bytes 11",
            "store_facts_timestamp_seconds 1000",
        ] {
            assert!(text.contains(&format!("lp_bridge_{line}\n")), "{line}: {text}");
        }
        (facts.oldest_due, facts.oldest_snapshot) = (Duration::ZERO, None);
        facts.standbys.clear();
        record(&metrics, &facts, now);
        let text = metrics.render();
        for line in [
            "due_since_timestamp_seconds 0",
            "oldest_snapshot_timestamp_seconds 0",
            "store_standbys{sync=\"async\"} 0",
            "store_standby_behind_bytes 0",
        ] {
            assert!(text.contains(&format!("lp_bridge_{line}\n")), "{line}: {text}");
        }
    }
}
