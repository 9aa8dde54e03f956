//! A bridge that works on the lanes of a store, and a service and a channel that are in some mood.

use std::time::{Duration, SystemTime};

use super::mood::Mood;
use super::stores;
use crate::bridge::store::{
    Answer, Backlog, Cell, Commit, Entry, Holder, LaneDetails, LaneId, LaneKind, Listed,
    MemoryStore, Next, Record, Request,
};
use crate::bridge::stored::{self, Place};
use crate::bridge::{
    BridgeConfig, ChannelReceipt, Delivery, DeliveryContent, Progress, Status, Worker, WorkerStep,
    accept, report,
};
use crate::id::{AccountId, ExtConsumerId};
use crate::seed::Seed;
use crate::time::{Mono, Now};

pub(super) const SECOND: Duration = Duration::from_secs(1);
const DAY: Duration = Duration::from_secs(24 * 3600);

/// No further than this from the beginning of a run.
const LONGEST: Duration = Duration::from_secs(3600);

pub(super) fn account() -> AccountId {
    AccountId::new("91827364").expect("a good id")
}

pub(super) fn ada() -> ExtConsumerId {
    ExtConsumerId::new("ada").expect("a good id")
}

pub(super) struct Ground {
    pub(super) mood: Mood,
    pub(super) worker: Worker,
    /// What every cell holds, if it is not for the store to say.
    pub(super) cell: Option<Vec<u8>>,
    /// The value cannot be read, and has a text that nothing may show.
    pub(super) hides: bool,
    /// The ids of messages are made by the bridge: none was stored.
    pub(super) makes_ids: bool,
    /// To whom something was delivered.
    pub(super) delivered: Vec<ExtConsumerId>,
    store: MemoryStore,
    now: Now,
    pub(super) sequence: u64,
    commits: u32,
    /// There are no more steps than these at one time.
    most: usize,
}

impl Ground {
    /// The store holds a value of so many bytes.
    pub(super) fn new(mood: Mood, bytes: usize) -> Self {
        let config = BridgeConfig::new().settle_for(SECOND * 20);
        Self {
            mood,
            worker: Worker::new(config, Seed::from_bytes([7; 16])),
            cell: None,
            hides: false,
            makes_ids: false,
            delivered: Vec::new(),
            store: MemoryStore::default(),
            now: Now::new(Mono::from_origin(DAY), SystemTime::UNIX_EPOCH + SECOND * 1_700_000_000),
            sequence: 0,
            commits: 0,
            most: 300 + 4 * bytes,
        }
    }

    pub(super) fn shows(&self, shown: &str) {
        assert!(!self.hides || !shown.contains("canary"), "{shown}");
    }

    pub(super) fn perform(&mut self, request: Request) -> Answer {
        let shown = format!("{request:?}").to_lowercase();
        assert!(shown.starts_with(request.verb()), "{shown}");
        self.shows(&shown);
        assert!(request.check_sizes().is_ok(), "it is too large for any store");
        let answer = self.store.perform(request, self.now.mono());
        self.shows(&format!("{answer:?}"));
        answer
    }

    pub(super) fn append(&mut self, entries: Vec<Entry>) {
        let (request, backlog) = (Request::Append(entries), Backlog::default());
        let admission = backlog.admit(&request).expect("nothing else waits");
        assert_eq!(self.perform(request), Answer::Appended);
        drop(admission);
        self.worker.appended();
    }

    /// Puts a lane into the store. It is due.
    pub(super) fn put(
        &mut self,
        kind: LaneKind,
        key: &str,
        record: Option<Record>,
        entries: Vec<Vec<u8>>,
    ) -> LaneDetails {
        let lane = LaneId::new(account(), kind, key);
        if let Some(record) = record {
            // Only a lane with an entry exists.
            self.append(vec![Entry { lane: lane.clone(), body: b"{}".to_vec() }]);
            self.hold(1, |commit| {
                commit.record(record).through(1).seen(1).next(Next::After(Duration::ZERO))
            });
        }
        let entry = |body| Entry { lane: lane.clone(), body };
        self.append(entries.into_iter().map(entry).collect());
        if kind == LaneKind::Consumer && self.mood == Mood::Out {
            // A message of today comes after what was stored.
            let text = crate::bridge::Inbound::text("m-new", "Coo?").expect("a good message");
            self.append(accept(&account(), &ada(), text));
        }
        match self.mood {
            Mood::TakenOver => {
                let claim = claim(2);
                self.perform(claim);
                self.now = self.now.later(SECOND * 2);
            }
            Mood::Late => self.now = self.now.later(DAY * 40),
            _ => {}
        }
        let details = self.lane(kind, key).expect("a lane");
        self.shows(&format!("{details:?}"));
        details
    }

    /// Claims what is due, and commits.
    fn hold(&mut self, holder: u128, change: impl FnOnce(Commit) -> Commit) {
        let Answer::Claimed(claimed) = self.perform(claim(holder)) else { return };
        let Some(one) = claimed.into_iter().next() else { return };
        let commit = change(Commit::new(one.lane, one.fence, Holder(holder)));
        self.perform(Request::Commit(vec![commit]));
    }

    pub(super) fn lanes(&mut self, kind: LaneKind) -> Vec<LaneDetails> {
        self.list(Listed::Lanes { account: None, kind })
    }

    pub(super) fn lane(&mut self, kind: LaneKind, key: &str) -> Option<LaneDetails> {
        self.list(Listed::Lane(LaneId::new(account(), kind, key))).pop()
    }

    fn list(&mut self, what: Listed) -> Vec<LaneDetails> {
        match self.perform(Request::List { what, after: None, limit: 1000 }) {
            Answer::Listed(lanes) => lanes,
            _ => Vec::new(),
        }
    }

    /// Runs the bridge until there is nothing to do for some time, and reads what it has written.
    pub(super) fn run(&mut self) {
        let end = self.now.mono() + LONGEST;
        for _ in 0..24 {
            let Some(until) = self.work() else { return };
            let due = match self.worker.lanes() {
                0 => self.store.next_due().unwrap_or(Mono::NEVER),
                _ => until,
            };
            let until = until.max(due);
            if until > end {
                break;
            }
            self.now = self.now.later(until.since(self.now.mono()));
        }
        self.check_records();
        self.check_facts();
    }

    /// What is known of the store agrees with what is in it.
    fn check_facts(&mut self) {
        let now = self.now.mono();
        let facts = self.store.facts(now);
        let due = self.store.next_due().filter(|due| *due <= now);
        assert_eq!(facts.due_lanes > 0, due.is_some());
        assert_eq!(facts.oldest_due, due.map_or(Duration::ZERO, |due| now.since(due)));
        assert_eq!(facts.bytes(), 0, "it has no parts");
        let mut entries = 0;
        for kind in LaneKind::ALL {
            entries += self.lanes(*kind).iter().map(|lane| lane.summary.entries).sum::<u64>();
        }
        assert_eq!(self.store.entries() as u64, entries);
        self.shows(&format!("{:?}", self.worker));
    }

    /// Ends everything.
    pub(super) fn stop(&mut self) {
        self.worker.stop();
        for _ in 0..100 {
            let Some(until) = self.work() else { break };
            self.now = self.now.later(until.since(self.now.mono()));
        }
        assert_eq!(self.worker.lanes(), 0, "it does not stop");
        self.check_records();
    }

    fn check_records(&mut self) {
        for stored in stored::ALL {
            let Place::Record(kind) = stored.place else { continue };
            for lane in self.lanes(kind) {
                let Some(record) = &lane.record else { continue };
                if !crate::bridge::store::is_sealed(&record.body) {
                    let again = (stored.rewritten)(record).expect("what was written is read");
                    assert_eq!(again.body, record.body, "it reads as another value");
                }
            }
        }
    }

    /// Does what there is to do at this time. `None`: it has stopped.
    fn work(&mut self) -> Option<Mono> {
        for _ in 0..self.most {
            let step = self.worker.poll(self.now);
            self.shows(&format!("{step:?}"));
            match step {
                WorkerStep::Ask(number, request) => self.ask(number, request),
                WorkerStep::Call(number, account, outgoing) => {
                    assert_eq!(account, self::account());
                    let result = self.call(&outgoing);
                    self.worker.called(number, result, self.now);
                }
                WorkerStep::Deliver(number, delivery) => {
                    self.check_delivery(&delivery);
                    let verdict = self.verdict();
                    self.worker.delivered(number, &verdict, self.now);
                }
                WorkerStep::Wait(until) => {
                    while let Some(event) = self.worker.take_event() {
                        self.shows(&format!("{event:?}"));
                    }
                    assert!(until > self.now.mono(), "it waits for what is over");
                    return Some(until);
                }
                WorkerStep::Stopped => return None,
            }
        }
        panic!("it never waits: {:?}", self.worker);
    }

    fn check_delivery(&mut self, delivery: &Delivery) {
        self.delivered.push(delivery.consumer.clone());
        let (id, consumer) = (delivery.id.clone(), delivery.consumer.clone());
        let mut same =
            Delivery::new(id, delivery.account.clone(), consumer, delivery.content.clone());
        (same.attempt, same.possibly_repeated) = (delivery.attempt, delivery.possibly_repeated);
        (same.order, same.replayed, same.at) = (delivery.order, delivery.replayed, delivery.at);
        (same.details, same.conversation) = (delivery.details, delivery.conversation.clone());
        assert_eq!(&same, delivery);
        let ids = [&*delivery.id];
        let reported = report(&account(), &delivery.consumer, &ids, ChannelReceipt::Delivered);
        match &delivery.content {
            DeliveryContent::Status(status) => {
                let (message, progress) = (status.message.clone(), status.progress.clone());
                if let Progress::Failed(reason) = &progress {
                    assert!(!reason.name().is_empty());
                }
                assert_eq!(&Status::new(message, progress, status.sequence), status);
            }
            // The channel names a message by the id that it was given.
            DeliveryContent::Message(message)
                if self.makes_ids && !delivery.replayed && message.sequence().is_some() =>
            {
                let entries = reported.expect("a message's id");
                let body = entries.first().map(|entry| &*entry.body).unwrap_or_default();
                let body: serde_json::Value = serde_json::from_slice(body).expect("JSON");
                assert_eq!(body.get("dialog"), Some(&message.dialog().as_str().into()));
                let sequence = message.sequence().unwrap_or_default();
                assert_eq!(body.get("sequences"), Some(&vec![sequence].into()));
                self.append(entries);
            }
            _ => {}
        }
    }

    fn ask(&mut self, number: u64, request: Request) {
        if request.check_sizes().is_err() {
            return self.worker.refused(number, self.now);
        }
        if let Request::Commit(_) = request {
            self.commits += 1;
            match (self.mood, self.commits % 5) {
                (Mood::StoreFails, 1 | 3) => {
                    let way = (self.commits % 5 == 3).then_some(self.commits / 5);
                    let error = stores::fails(&request, way);
                    return match error.kind().may_repeat() {
                        true => self.worker.handle(number, None, self.now),
                        false => self.worker.refused(number, self.now),
                    };
                }
                (Mood::StoreFails, 4) => {
                    self.perform(request);
                    return self.worker.handle(number, None, self.now);
                }
                _ => {}
            }
        }
        let answer = match (&request, &self.cell) {
            (Request::Read(ids), Some(value)) => {
                let cell = |_| Some(Cell { version: 3, value: value.clone() });
                Answer::Cells(ids.iter().map(cell).collect())
            }
            _ => self.perform(request),
        };
        self.worker.handle(number, Some(answer), self.now);
    }
}

fn claim(holder: u128) -> Request {
    Request::Claim { holder: Holder(holder), lanes: 9, entries: 9, term: SECOND, speaks: 1 }
}
