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
            verb: request.verb(),
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
        for (kind, count) in held.count(Instant::now()) {
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
    fn count(&mut self, now: Instant) -> BTreeMap<LaneKind, f64> {
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

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use lp_connector_bridge::store::{Claimed, Commit, Fence, Holder, Lease};

    use super::*;

    /// A store that answers everything with this error.
    struct Broken(StoreErrorKind);

    impl Store for Broken {
        fn perform(&self, _: Request) -> Result<Answer, StoreError> {
            Err(StoreError::new(self.0, "no"))
        }
    }

    /// A store that gives these answers, one after the other.
    struct Script(Mutex<VecDeque<Answer>>);

    impl Store for Script {
        fn perform(&self, _: Request) -> Result<Answer, StoreError> {
            let answer = self.0.lock().unwrap().pop_front();
            answer.ok_or_else(|| StoreError::new(StoreErrorKind::Failed, "it has no more answers"))
        }
    }

    /// A store that is sealed, or is not.
    struct Sealed(bool);

    impl Store for Sealed {
        fn perform(&self, _: Request) -> Result<Answer, StoreError> {
            Err(StoreError::new(StoreErrorKind::Unavailable, "it is away"))
        }

        fn is_sealed(&self) -> bool {
            self.0
        }
    }

    const HOLDER: Holder = Holder(7);

    /// The lanes of two consumers, and that of a conversation.
    fn lanes() -> [LaneId; 3] {
        let lane = |kind, key| LaneId::new("91827364".parse().unwrap(), kind, key);
        [
            lane(LaneKind::Consumer, "ada"),
            lane(LaneKind::Consumer, "bea"),
            lane(LaneKind::Conversation, "5f0c"),
        ]
    }

    /// A claim for so many seconds that is given these lanes, each taken over or not.
    fn claim(seconds: u64, lanes: &[(&LaneId, bool)]) -> (Request, Answer) {
        let term = Duration::from_secs(seconds);
        let request = Request::Claim { holder: HOLDER, lanes: 10, entries: 10, term, speaks: 1 };
        let claimed = |&(lane, taken_over): &(&LaneId, bool)| Claimed {
            lane: lane.clone(),
            fence: Fence(4),
            taken_over,
            elapsed: Duration::ZERO,
            record: None,
            entries: Vec::new(),
            more: false,
        };
        (request, Answer::Claimed(lanes.iter().map(claimed).collect()))
    }

    /// A commit of each of these lanes, with its new fence, or without one if its lease was lost.
    fn commit(lanes: &[(&LaneId, Next, Option<u64>)]) -> (Request, Answer) {
        let commits = lanes
            .iter()
            .map(|&(lane, next, _)| Commit::new(lane.clone(), Fence(4), HOLDER).next(next));
        let fences = lanes.iter().map(|&(_, _, fence)| fence.map(Fence));
        (Request::Commit(commits.collect()), Answer::Committed(fences.collect()))
    }

    /// An extension of these leases by so many seconds: each was extended, or was lost before.
    fn extend(seconds: u64, lanes: &[(&LaneId, bool)]) -> (Request, Answer) {
        let lease = |lane: &LaneId| Lease { lane: lane.clone(), fence: Fence(4), holder: HOLDER };
        let leases = lanes.iter().map(|&(lane, _)| lease(lane)).collect();
        let extended = lanes.iter().map(|&(_, is_extended)| is_extended).collect();
        let term = Duration::from_secs(seconds);
        (Request::Extend { leases, term }, Answer::Extended(extended))
    }

    /// What is about no lane.
    fn read() -> (Request, Answer) {
        (Request::Read(Vec::new()), Answer::Cells(Vec::new()))
    }

    #[test]
    fn a_lane_is_held_until_its_term_ends_or_it_is_lost() {
        let [ada, bea, talk] = lanes();
        let (hold, idle) = (Next::Hold(Duration::from_secs(20)), Next::Idle);
        // When it was asked for, in milliseconds; how many leases were lost, and lanes taken over; then, how many lanes
        // of consumers and of conversations are held.
        let steps = [
            (0, claim(15, &[(&ada, true), (&bea, false), (&talk, true)]), [0, 2, 2, 1]),
            (10_000, commit(&[(&ada, hold, Some(5)), (&talk, idle, Some(5))]), [0, 0, 2, 0]),
            // The end of bea's term.
            (14_999, read(), [0, 0, 2, 0]),
            (15_000, read(), [0, 0, 1, 0]),
            // Ada's would end at 30 s.
            (25_000, extend(40, &[(&ada, true)]), [0, 0, 1, 0]),
            (64_999, read(), [0, 0, 1, 0]),
            (65_000, read(), [0, 0, 0, 0]),
            (66_000, claim(15, &[(&ada, false), (&bea, false), (&talk, false)]), [0, 0, 2, 1]),
            (70_000, extend(40, &[(&ada, false), (&bea, false), (&talk, true)]), [2, 0, 0, 1]),
            (71_000, claim(15, &[(&ada, true)]), [0, 1, 1, 1]),
            (72_000, commit(&[(&ada, hold, None), (&talk, idle, None)]), [2, 0, 0, 0]),
        ];
        let (mut held, start) = (HeldLanes::default(), Instant::now());
        for (millis, (request, answer), expected) in steps {
            let at = start + Duration::from_millis(millis);
            let [lost, taken_over, consumers, conversations] =
                expected.map(|count: u32| f64::from(count));
            let followed = held.follow(Asked::of(&request), &answer, at);
            assert_eq!(followed, (lost, taken_over), "{millis}");
            let expected = BTreeMap::from([
                (LaneKind::Consumer, consumers),
                (LaneKind::Conversation, conversations),
                (LaneKind::Status, 0.0),
                (LaneKind::DeadLetter, 0.0),
            ]);
            assert_eq!(held.count(at), expected, "{millis}");
        }
    }

    #[test]
    fn lanes_and_lost_leases_are_shown_as_metrics() {
        let ([ada, bea, talk], metrics) = (lanes(), Arc::new(Metrics::new(&[])));
        // A term that does not end meanwhile.
        let claimed = claim(3_600, &[(&ada, true), (&bea, true), (&talk, false)]);
        let (requests, answers): (Vec<_>, VecDeque<_>) =
            [claimed, commit(&[(&talk, Next::Idle, None)])].into_iter().unzip();
        let script = Arc::new(Script(Mutex::new(answers)));
        let store = MeteredStore::new(script, Arc::default(), metrics.clone());
        for (request, conversations) in requests.into_iter().zip([1, 0]) {
            store.perform(request).unwrap();
            let text = metrics.render();
            for (kind, count) in [("consumer", 2), ("conversation", conversations), ("status", 0)] {
                let line = format!("lp_bridge_lanes_held{{kind=\"{kind}\"}} {count}\n");
                assert!(text.contains(&line), "{line}");
            }
        }
        let text = metrics.render();
        assert!(text.contains("\nlp_bridge_takeovers_total 2\n"), "{text}");
        assert!(text.contains("\nlp_bridge_commits_lost_total 1\n"), "{text}");
    }

    /// Tokens are shared through a sealed one alone.
    #[test]
    fn a_metered_store_is_sealed_if_its_store_is() {
        for is_sealed in [true, false] {
            let (health, metrics) = (Arc::default(), Arc::new(Metrics::new(&[])));
            let store = MeteredStore::new(Arc::new(Sealed(is_sealed)), health, metrics);
            assert_eq!(store.is_sealed(), is_sealed);
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
