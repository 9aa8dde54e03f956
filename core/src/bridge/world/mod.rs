//! A small world for tests: workers over one store, a cloud, and a channel that keeps books.

mod cloud;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, SystemTime};

pub(crate) use self::cloud::Cloud;
use super::store::{Answer, Claimed, Fence, LaneId, LaneKind, MemoryStore, Record, Request};
use super::{
    BridgeConfig, BridgeEvent, ChangeDetails, Delivery, DeliveryContent, Inbound, Outgoing,
    Progress, Verdict, Worker, WorkerStep, accept, ingest_at,
};
use crate::error::{Delivery as Effect, Error, ErrorKind};
use crate::id::{AccountId, ExtConsumerId};
use crate::seed::Seed;
use crate::time::{Mono, Now, Timestamp};
use crate::webhook::{Event, Order, Verified};

/// A lane that is claimed so long after its last commit.
pub(crate) fn claimed(
    lane: LaneId,
    record: Record,
    entries: Vec<(u64, Vec<u8>)>,
    elapsed: Duration,
) -> Claimed {
    let record = Some(record);
    Claimed { lane, fence: Fence(1), taken_over: false, elapsed, record, entries, more: false }
}

/// What happens to a step that a worker hands out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Fate {
    Done,
    /// It takes effect, and the answer is lost.
    AnswerLost,
    /// It has no effect, and nobody knows.
    RequestLost,
    /// It takes effect later, and nobody knows.
    Late,
}

#[cfg_attr(test, derive(Clone))]
pub(crate) struct World {
    pub(crate) now: Now,
    pub(crate) store: MemoryStore,
    pub(crate) instances: Vec<Instance>,
    pub(crate) cloud: Cloud,
    pub(crate) channel: Channel,
    config: BridgeConfig,
    seeds: u64,
    /// What instances that died had handed out, and when they died: it may have left.
    pub(crate) orphans: Vec<(Mono, UnderWay)>,
    /// Notifications were not posted in order.
    pub(crate) is_reordered: bool,
    /// The kinds of lanes that each instance is given. None: all.
    pub(crate) serves: Option<fn(usize, LaneKind) -> bool>,
}

#[cfg(test)]
impl Clone for UnderWay {
    fn clone(&self) -> Self {
        self.again()
    }
}

impl UnderWay {
    /// The same once more, if it can be repeated for a test.
    fn again(&self) -> Self {
        match self {
            Self::Ask(number, request) => Self::Ask(*number, request.clone()),
            Self::Call(number, outgoing, until) => {
                let outgoing = match &**outgoing {
                    Outgoing::Identify(one) => Outgoing::Identify(one.clone()),
                    Outgoing::Open(one) => Outgoing::Open(one.clone()),
                    Outgoing::Text(one) => Outgoing::Text(one.clone()),
                    Outgoing::Receipt(one) => Outgoing::Receipt(one.clone()),
                    Outgoing::Close(one) => Outgoing::Close(one.clone()),
                    other => panic!("{other:?}"),
                };
                Self::Call(*number, Box::new(outgoing), *until)
            }
            Self::Deliver(number, delivery) => Self::Deliver(*number, delivery.clone()),
        }
    }
}

#[cfg_attr(test, derive(Clone))]
pub(crate) struct Instance {
    pub(crate) worker: Worker,
    /// Steps that were handed out and not answered.
    pub(crate) under_way: VecDeque<UnderWay>,
}

#[derive(Debug)]
pub(crate) enum UnderWay {
    Ask(u64, Request),
    /// With the instant at which the client gives it up.
    Call(u64, Box<Outgoing>, Mono),
    Deliver(u64, Box<Delivery>),
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Channel {
    /// What was accepted, in order, for each consumer.
    pub(crate) accepted: BTreeMap<String, Vec<String>>,
    /// What was delivered, in order.
    pub(crate) delivered: Vec<(String, String, Order)>,
    pub(crate) statuses: Vec<(String, Progress)>,
    pub(crate) is_out: bool,
    pub(crate) refuses: bool,
    pub(crate) paused: Option<Duration>,
    /// It is known to be out of order.
    pub(crate) not_tried: Option<Duration>,
    /// What was offered: the id, the number of the try, whether it may be a repetition.
    pub(crate) offered: Vec<(String, u32, bool)>,
    /// The id and time of each delivery.
    pub(crate) times: Vec<(String, Option<Timestamp>)>,
    /// To whom something was delivered.
    pub(crate) consumers: BTreeSet<String>,
    /// What is known of each change, by its name.
    pub(crate) details: Vec<(String, ChangeDetails)>,
    /// The names of the changes that were delivered.
    pub(crate) changes: Vec<String>,
}

fn account() -> AccountId {
    AccountId::new("91827364").unwrap()
}

impl World {
    pub(crate) fn new(instances: usize, config: BridgeConfig) -> Self {
        let start = Duration::from_secs(1_700_000_000);
        let now =
            Now::new(Mono::from_origin(Duration::from_secs(1000)), SystemTime::UNIX_EPOCH + start);
        let mut world = Self {
            now,
            store: MemoryStore::default(),
            instances: Vec::new(),
            cloud: Cloud::at(start),
            channel: Channel::default(),
            config,
            seeds: 0,
            orphans: Vec::new(),
            is_reordered: false,
            serves: None,
        };
        for _ in 0..instances {
            let instance = world.instance();
            world.instances.push(instance);
        }
        world
    }

    fn instance(&mut self) -> Instance {
        self.seeds += 1;
        let seed = Seed::from_bytes([9; 16]).derive(self.seeds);
        Instance { worker: Worker::new(self.config.clone(), seed), under_way: VecDeque::new() }
    }

    /// Kills an instance. What it had handed out stays under way: requests that left may still take effect.
    pub(crate) fn crash(&mut self, at: usize) {
        let instance = self.instance();
        let dead = std::mem::replace(&mut self.instances[at], instance);
        let now = self.now.mono();
        self.orphans.extend(dead.under_way.into_iter().map(|step| (now, step)));
    }

    /// A request of a dead instance arrives after all, within the time in which the service processes one.
    pub(crate) fn arrive(&mut self, index: usize) {
        if index >= self.orphans.len() {
            return;
        }
        let (died, step) = self.orphans.remove(index);
        match step {
            UnderWay::Ask(_, request) => {
                self.ask_store(0, request);
            }
            UnderWay::Call(_, outgoing, _) => {
                if self.now.mono().since(died) < Duration::from_secs(20) {
                    let _ = self.cloud.perform(&outgoing);
                }
            }
            UnderWay::Deliver(_, delivery) => self.channel.take(&delivery),
        }
    }

    /// Overwrites a record with what no version writes.
    pub(crate) fn spoil_record(&mut self, kind: LaneKind, key: &str) {
        let lane = LaneId::new(account(), kind, key);
        self.append(vec![super::store::Entry { lane: lane.clone(), body: b"{}".to_vec() }]);
        let (holder, now) = (super::store::Holder(1), self.now.mono());
        let claim = Request::Claim {
            holder,
            lanes: 100,
            entries: 0,
            term: Duration::from_millis(1),
            speaks: 1,
        };
        let Answer::Claimed(claimed) = self.store.perform(claim, now) else { panic!() };
        for one in claimed {
            let mut commit = super::store::Commit::new(one.lane.clone(), one.fence, holder);
            if one.lane == lane {
                commit = commit.record(Record { version: 1, body: b"7".to_vec() });
            }
            self.store.perform(Request::Commit(vec![commit]), now);
        }
    }

    pub(crate) fn orphans(&self) -> usize {
        self.orphans.len()
    }

    pub(crate) fn advance(&mut self, by: Duration) {
        self.now = self.now.later(by);
        self.cloud.wall += by;
    }

    /// The channel did not hear the answer, and repeats its message.
    pub(crate) fn repeat(&mut self, consumer: &str, back: usize) {
        let Some(accepted) = self.channel.accepted.get_mut(consumer) else { return };
        let at = accepted.len().checked_sub(1 + back % 3);
        if let Some(text) = at.and_then(|at| accepted.get(at)).cloned() {
            self.accept(consumer, &text, &text);
            if let Some(accepted) = self.channel.accepted.get_mut(consumer) {
                accepted.pop();
            }
        }
    }

    pub(crate) fn hand_in(&mut self, consumer: &str, message: Inbound) {
        let message = message.accepted_at(Timestamp::from_system_time(self.now.wall()));
        self.append(accept(&account(), &ExtConsumerId::new(consumer).unwrap(), message));
    }

    pub(crate) fn append(&mut self, entries: Vec<super::store::Entry>) {
        self.store.perform(Request::Append(entries), self.now.mono());
    }

    pub(crate) fn accept(&mut self, consumer: &str, id: &str, text: &str) {
        self.hand_in(consumer, Inbound::text(id, text).unwrap());
        self.channel.accepted.entry(consumer.to_owned()).or_default().push(text.to_owned());
    }

    /// Posts a notification. It is answered 200 if the store took it.
    pub(crate) fn post(&mut self, at: usize, fate: Fate) {
        let Some(body) = self.cloud.to_post.get(at).cloned() else { return };
        self.is_reordered |= at > 0;
        let now = Timestamp::from_system_time(self.now.wall());
        let ingested = ingest_at(&account(), &Verified::dangerous_unverified(body), now);
        if fate != Fate::RequestLost {
            self.store.perform(Request::Append(ingested.entries), self.now.mono());
        }
        if fate == Fate::Done {
            self.cloud.to_post.remove(at);
        }
    }

    /// Polls an instance until it waits. What it hands out is under way.
    pub(crate) fn poll(&mut self, at: usize) -> Option<Mono> {
        for _ in 0..10_000 {
            let instance = &mut self.instances[at];
            let step = match instance.worker.poll(self.now) {
                WorkerStep::Ask(number, request) => UnderWay::Ask(number, request),
                WorkerStep::Call(number, _, outgoing) => {
                    let until = self.now.mono() + Duration::from_secs(10);
                    UnderWay::Call(number, Box::new(outgoing), until)
                }
                WorkerStep::Deliver(number, delivery) => {
                    UnderWay::Deliver(number, Box::new(delivery))
                }
                WorkerStep::Wait(until) => return Some(until),
                WorkerStep::Stopped => return None,
            };
            instance.under_way.push_back(step);
        }
        panic!("the worker never waits");
    }

    /// The store's answer to an instance.
    pub(crate) fn ask_store(&mut self, at: usize, request: Request) -> Answer {
        let now = self.now.mono();
        match self.serves {
            Some(serves) => self.store.perform_for(|kind| serves(at, kind), request, now),
            None => self.store.perform(request, now),
        }
    }

    /// Ends a step that is under way.
    pub(crate) fn finish(&mut self, at: usize, index: usize, fate: Fate) {
        let Some(step) = self.instances[at].under_way.remove(index) else { return };
        let now = self.now;
        if fate == Fate::Late {
            self.orphans.push((now.mono(), step.again()));
        }
        let fate = if fate == Fate::Late { Fate::RequestLost } else { fate };
        match step {
            UnderWay::Ask(number, request) => {
                if request.check_sizes().is_err() {
                    self.instances[at].worker.refused(number, now);
                    return;
                }
                let answer: Option<Answer> = match fate {
                    Fate::RequestLost => None,
                    _ => Some(self.ask_store(at, request)),
                };
                let answer = answer.filter(|_| fate == Fate::Done);
                self.instances[at].worker.handle(number, answer, now);
            }
            UnderWay::Call(number, outgoing, until) => {
                let fate = if now.mono() > until { Fate::RequestLost } else { fate };
                let lost = || {
                    Err(Error::new(ErrorKind::Unconfirmed, "lost").with_delivery(Effect::Unknown))
                };
                let result = match fate {
                    Fate::RequestLost => lost(),
                    _ => self.cloud.perform(&outgoing),
                };
                let result = if fate == Fate::AnswerLost { lost() } else { result };
                self.instances[at].worker.called(number, result, now);
            }
            UnderWay::Deliver(number, delivery) => {
                let (attempt, repeated) = (delivery.attempt, delivery.possibly_repeated);
                self.channel.offered.push((delivery.id.clone(), attempt, repeated));
                let verdict = match (fate, self.channel.paused) {
                    (Fate::RequestLost, _) => Verdict::Outage(None),
                    (_, Some(pause)) => Verdict::Paused(pause),
                    _ if self.channel.not_tried.is_some() => {
                        Verdict::NotTried(self.channel.not_tried.unwrap_or_default())
                    }
                    _ if self.channel.is_out => Verdict::Outage(None),
                    _ if self.channel.refuses => Verdict::Refused("no".into()),
                    _ => {
                        self.channel.take(&delivery);
                        Verdict::Taken
                    }
                };
                let verdict = if fate == Fate::Done { verdict } else { Verdict::Outage(None) };
                self.instances[at].worker.delivered(number, &verdict, now);
            }
        }
    }

    /// Runs the first instance until it has nothing to do now, except that it leaves the first step that `stops`
    /// accepts under way, and returns its place.
    pub(crate) fn run_until(&mut self, stops: impl Fn(&UnderWay) -> bool) -> Option<usize> {
        for _ in 0..1000 {
            self.poll(0);
            if let Some(at) = self.instances[0].under_way.iter().position(&stops) {
                return Some(at);
            }
            if self.instances[0].under_way.is_empty() {
                let is_due = self.store.next_due().is_some_and(|due| due <= self.now.mono());
                if !is_due {
                    return None;
                }
                self.advance(Duration::from_millis(250));
                continue;
            }
            self.finish(0, 0, Fate::Done);
        }
        panic!("it does not come to rest");
    }

    /// What the first instance told since it was asked last.
    pub(crate) fn events(&mut self) -> Vec<BridgeEvent> {
        std::iter::from_fn(|| self.instances[0].worker.take_event()).collect()
    }

    /// Runs the first instance until it has nothing to do now.
    pub(crate) fn run(&mut self) {
        assert_eq!(self.run_until(|_| false), None);
    }

    /// Runs the first instance and posts its notifications, until neither leads to anything.
    pub(crate) fn go_on(&mut self) {
        for _ in 0..10 {
            self.run();
            self.post_all();
        }
        self.run();
    }

    /// Posts all notifications.
    pub(crate) fn post_all(&mut self) {
        while !self.cloud.to_post.is_empty() {
            self.post(0, Fate::Done);
        }
    }

    /// Lets everything end without further faults, while the agents say something now and then.
    pub(crate) fn settle(&mut self) {
        self.orphans.clear();
        let start = self.now.mono();
        let mut spoken = 0;
        for _ in 0..20_000 {
            while !self.cloud.to_post.is_empty() {
                self.post(0, Fate::Done);
            }
            let mut until = Mono::NEVER;
            for at in 0..self.instances.len() {
                until = until.min(self.poll(at).unwrap_or(Mono::NEVER));
                let mut finished = 0;
                while !self.instances[at].under_way.is_empty() {
                    finished += 1;
                    assert!(finished < 3000, "it spins: {:?}", self.instances[at].under_way);
                    self.finish(at, 0, Fate::Done);
                    until = until.min(self.poll(at).unwrap_or(Mono::NEVER));
                }
            }
            if !self.cloud.to_post.is_empty() {
                continue;
            }
            let gone = self.now.mono().since(start);
            if gone > Duration::from_secs(35 * (spoken + 1)) && spoken < 5 {
                spoken += 1;
                for conversation in self.open_conversations() {
                    self.cloud.agent_says(&conversation, &format!("still there? {spoken}"));
                }
                continue;
            }
            let due = self.store.next_due().unwrap_or(Mono::NEVER);
            if gone > Duration::from_secs(250)
                && due.since(self.now.mono()) > Duration::from_secs(900)
            {
                return;
            }
            // No further than the next speech, and nobody looks in vain in between.
            let until = until.max(due).since(self.now.mono());
            self.advance(until.clamp(Duration::from_millis(50), Duration::from_secs(5)));
        }
        panic!("it does not come to rest: {:#?}", self.store);
    }

    pub(crate) fn open_conversations(&self) -> Vec<String> {
        let open = self.cloud.conversations.iter().filter(|(_, talk)| talk.is_open);
        open.map(|(id, _)| id.clone()).collect()
    }

    /// What must hold once everything has come to rest.
    pub(crate) fn check(&self) -> Result<(), String> {
        self.check_accepted()?;
        self.check_delivered()?;
        for (id, talk) in &self.cloud.conversations {
            let open = self.cloud.conversations.values();
            let same =
                open.filter(|other| other.is_open && other.consumer == talk.consumer).count();
            if same > 1 {
                return Err(format!(
                    "{same} conversations of {} are open, {id} among them",
                    talk.consumer
                ));
            }
        }
        Ok(())
    }

    /// Each accepted message was sent once, or reported; in order.
    fn check_accepted(&self) -> Result<(), String> {
        for (consumer, accepted) in &self.channel.accepted {
            let sent = self.cloud.texts_of(consumer);
            let mut unique = BTreeSet::new();
            for text in &sent {
                if !unique.insert(text) {
                    return Err(format!("{text} of {consumer} was sent twice: {sent:?}"));
                }
            }
            let expected: Vec<&String> =
                accepted.iter().filter(|text| unique.contains(text)).collect();
            if sent.iter().collect::<Vec<_>>() != expected {
                return Err(format!("{consumer}: sent {sent:?}, accepted {accepted:?}"));
            }
            for text in accepted {
                let told = self.channel.statuses.iter().filter(|(id, _)| id == text);
                let failed =
                    told.clone().any(|(_, progress)| matches!(progress, Progress::Failed(_)));
                let confirmed = told.clone().any(|(_, progress)| *progress == Progress::Sent);
                if !failed && !confirmed {
                    return Err(format!("{text} of {consumer} was lost: sent {sent:?}"));
                }
                if confirmed && !unique.contains(text) {
                    return Err(format!("{text} of {consumer} was confirmed and never sent"));
                }
            }
        }
        Ok(())
    }

    /// Each text of an agent was delivered, and in order but for repeats.
    fn check_delivered(&self) -> Result<(), String> {
        for (id, talk) in &self.cloud.conversations {
            let said = talk.events.iter().enumerate().filter(|(_, (role, _))| *role != "CONSUMER");
            let wanted: Vec<String> =
                said.map(|(sequence, _)| format!("{id}:{id}:{sequence}")).collect();
            let (mut first, mut in_order) = (Vec::new(), true);
            for (delivery, _, order) in &self.channel.delivered {
                let is_message = delivery.starts_with(&format!("{id}:{id}:"));
                if is_message && !first.contains(delivery) {
                    first.push(delivery.clone());
                    in_order &= *order == Order::InOrder;
                }
            }
            if !in_order {
                // What came after the window is said to be late, or after a gap.
                if !self.is_reordered {
                    return Err(format!("{id}: a gap where nothing was reordered: {first:?}"));
                }
                first.sort_by_key(|id| wanted.iter().position(|other| other == id));
            }
            if first != wanted {
                return Err(format!("{id}: delivered {first:?}, said {wanted:?}"));
            }
        }
        Ok(())
    }
}

impl Channel {
    fn take(&mut self, delivery: &Delivery) {
        self.times.push((delivery.id.clone(), delivery.at));
        self.consumers.insert(delivery.consumer.to_string());
        match &delivery.content {
            DeliveryContent::Message(message) => {
                let text = match message.event() {
                    Event::Text(text) => text.text.to_owned(),
                    Event::RichContent(content) => content.to_text(),
                    other => panic!("{other:?}"),
                };
                self.delivered.push((delivery.id.clone(), text, delivery.order));
            }
            DeliveryContent::Changed(transition) => {
                self.details.push((transition.name().to_owned(), delivery.details));
                self.changes.push(format!("{} {transition:?}", delivery.id));
            }
            DeliveryContent::Status(status) => {
                self.statuses.push((status.message.clone(), status.progress.clone()));
            }
        }
    }
}
