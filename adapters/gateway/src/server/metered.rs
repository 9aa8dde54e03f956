//! The store, with its requests counted.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use lp_connector_bridge::store::{
    Answer, LaneId, LaneKind, Next, Reply, Request, Store, StoreError, StoreErrorKind, StoreFacts,
};

use super::metrics::{Metric, Metrics};

/// A store whose requests are counted, and which remembers when it answered.
pub(super) struct MeteredStore {
    store: Arc<dyn Store>,
    health: Arc<StoreHealth>,
    metrics: Arc<Metrics>,
    held: Arc<Mutex<HeldLanes>>,
}

/// When this instance reached the store.
#[derive(Debug, Default)]
pub(super) struct StoreHealth(Mutex<Option<Instant>>);

impl StoreHealth {
    fn reached(&self, now: Instant) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(now);
    }

    /// Whether it answered within this time.
    pub(super) fn is_reached_within(&self, time: Duration) -> bool {
        self.was_reached_within(time, Instant::now())
    }

    fn was_reached_within(&self, time: Duration, now: Instant) -> bool {
        let reached = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        reached.is_some_and(|at| now.saturating_duration_since(at) < time)
    }
}

/// The lanes that this instance holds, and until when.
#[derive(Debug, Default)]
struct HeldLanes(BTreeMap<LaneId, Instant>);

/// What a request needs to know of itself once it was answered.
enum Asked {
    Claim { term: Duration },
    Commit(Vec<(LaneId, Option<Duration>)>),
    Extend { lanes: Vec<LaneId>, term: Duration },
    Other,
}

impl MeteredStore {
    pub(super) fn new(
        store: Arc<dyn Store>,
        health: Arc<StoreHealth>,
        metrics: Arc<Metrics>,
    ) -> Self {
        Self { store, health, metrics, held: Arc::default() }
    }
}

impl Store for MeteredStore {
    fn perform(&self, request: Request) -> Result<Answer, StoreError> {
        // Nobody asks the store what is too large.
        request.check_sizes()?;
        let measured = self.begin(&request);
        let result = self.store.perform(request);
        measured.end(&result);
        result
    }

    fn submit(&self, request: Request, reply: Reply) {
        if let Err(error) = request.check_sizes() {
            return reply(Err(error));
        }
        let measured = self.begin(&request);
        self.store.submit(
            request,
            Box::new(move |result| {
                measured.end(&result);
                reply(result);
            }),
        );
    }

    fn facts(&self) -> Result<StoreFacts, StoreError> {
        self.store.facts()
    }

    fn is_sealed(&self) -> bool {
        self.store.is_sealed()
    }
}

impl MeteredStore {
    fn begin(&self, request: &Request) -> Measured {
        Measured {
            verb: verb(request),
            asked: Asked::of(request),
            begun: Instant::now(),
            health: self.health.clone(),
            metrics: self.metrics.clone(),
            held: self.held.clone(),
        }
    }
}

/// A request under way.
struct Measured {
    verb: &'static str,
    asked: Asked,
    begun: Instant,
    health: Arc<StoreHealth>,
    metrics: Arc<Metrics>,
    held: Arc<Mutex<HeldLanes>>,
}

impl Measured {
    fn end(self, result: &Result<Answer, StoreError>) {
        let metrics = &self.metrics;
        metrics.observe(Metric::StoreDuration, &[self.verb], self.begun.elapsed());
        let name = match result {
            Ok(_) => "ok",
            Err(error) if error.kind() == StoreErrorKind::Unavailable => "unavailable",
            Err(_) => "failed",
        };
        metrics.count(Metric::StoreRequests, &[self.verb, name]);
        // A store that refuses one request, or says where the account is, has answered.
        let is_answer = |kind| matches!(kind, StoreErrorKind::Refused | StoreErrorKind::Moved);
        let is_up = result.as_ref().err().is_none_or(|error| is_answer(error.kind()));
        metrics.set(Metric::StoreUp, &[], f64::from(u8::from(is_up)));
        if is_up {
            self.health.reached(Instant::now());
        }
        let Ok(answer) = result else { return };
        if matches!(self.asked, Asked::Other) {
            return;
        }
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let (lost, taken_over) = held.follow(self.asked, answer, self.begun);
        metrics.add(Metric::CommitsLost, &[], lost);
        metrics.add(Metric::Takeovers, &[], taken_over);
        for (kind, count) in held.count() {
            metrics.set(Metric::LanesHeld, &[kind.name()], count);
        }
    }
}

impl Asked {
    fn of(request: &Request) -> Self {
        match request {
            Request::Claim { term, .. } => Self::Claim { term: *term },
            Request::Commit(commits) => Self::Commit(
                commits
                    .iter()
                    .map(|commit| match commit.next {
                        Next::Hold(term) => (commit.lease.lane.clone(), Some(term)),
                        _ => (commit.lease.lane.clone(), None),
                    })
                    .collect(),
            ),
            Request::Extend { leases, term } => {
                let lanes = leases.iter().map(|lease| lease.lane.clone()).collect();
                Self::Extend { lanes, term: *term }
            }
            _ => Self::Other,
        }
    }
}

impl HeldLanes {
    /// Takes an answer in. Returns how many leases were lost, and how many lanes were taken over.
    fn follow(&mut self, asked: Asked, answer: &Answer, at: Instant) -> (f64, f64) {
        let (mut lost, mut taken_over) = (0.0, 0.0);
        match (asked, answer) {
            (Asked::Claim { term }, Answer::Claimed(claimed)) => {
                for one in claimed {
                    taken_over += f64::from(u8::from(one.taken_over));
                    self.0.insert(one.lane.clone(), at + term);
                }
            }
            (Asked::Commit(lanes), Answer::Committed(fences)) => {
                for ((lane, term), fence) in lanes.into_iter().zip(fences) {
                    lost += f64::from(u8::from(fence.is_none()));
                    match term.filter(|_| fence.is_some()) {
                        Some(term) => drop(self.0.insert(lane, at + term)),
                        None => drop(self.0.remove(&lane)),
                    }
                }
            }
            (Asked::Extend { lanes, term }, Answer::Extended(extended)) => {
                for (lane, is_extended) in lanes.into_iter().zip(extended) {
                    lost += f64::from(u8::from(!is_extended));
                    match is_extended {
                        true => drop(self.0.insert(lane, at + term)),
                        false => drop(self.0.remove(&lane)),
                    }
                }
            }
            _ => {}
        }
        (lost, taken_over)
    }

    /// How many lanes of each kind are held still.
    fn count(&mut self) -> BTreeMap<LaneKind, f64> {
        let now = Instant::now();
        let mut counts: BTreeMap<_, _> = LaneKind::ALL.iter().map(|kind| (*kind, 0.0)).collect();
        self.0.retain(|lane, until| {
            let is_held = now < *until;
            if let (true, Some(count)) = (is_held, counts.get_mut(&lane.kind())) {
                *count += 1.0;
            }
            is_held
        });
        counts
    }
}

const fn verb(request: &Request) -> &'static str {
    match request {
        Request::Append(_) => "append",
        Request::Claim { .. } => "claim",
        Request::Commit(_) => "commit",
        Request::Extend { .. } => "extend",
        Request::Read(_) => "read",
        Request::Swap { .. } => "swap",
        Request::List { .. } => "list",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A store that answers everything with this error.
    struct Broken(StoreErrorKind);

    impl Store for Broken {
        fn perform(&self, _: Request) -> Result<Answer, StoreError> {
            Err(StoreError::new(self.0, "no"))
        }
    }

    #[test]
    fn a_store_that_refuses_a_request_is_reached() {
        for (kind, is_reached, result) in [
            (StoreErrorKind::Refused, true, "failed"),
            (StoreErrorKind::Moved, true, "failed"),
            (StoreErrorKind::Unavailable, false, "unavailable"),
            (StoreErrorKind::Failed, false, "failed"),
        ] {
            let (health, metrics) = (Arc::<StoreHealth>::default(), Arc::new(Metrics::new(&[])));
            let broken = Arc::new(Broken(kind));
            let store = MeteredStore::new(broken, health.clone(), metrics.clone());
            store.perform(Request::Append(Vec::new())).unwrap_err();
            assert_eq!(health.is_reached_within(Duration::from_secs(60)), is_reached, "{kind:?}");
            let series = "lp_bridge_store_requests_total{verb=\"append\",result=";
            let line = format!("{series}\"{result}\"}} 1\n");
            assert!(metrics.render().contains(&line), "{kind:?}: {}", metrics.render());
        }
    }

    #[test]
    fn an_answer_counts_for_less_than_the_time() {
        let (health, start) = (StoreHealth::default(), Instant::now());
        let within = |millis| {
            let now = start + Duration::from_millis(millis);
            health.was_reached_within(Duration::from_secs(10), now)
        };
        assert!(!within(0), "it has not answered yet");
        health.reached(start);
        assert!(within(9_999) && !within(10_000));
    }
}
