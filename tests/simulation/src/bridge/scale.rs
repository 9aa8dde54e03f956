//! Many accounts with many consumers, in one store that several instances share: does each get its turn?
//!
//! Nothing is lost here and nothing dies: that is the other scenarios' part. One account has a tenth of all consumers,
//! and the cloud does not answer another one for a while: neither may hold up the rest.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, VecDeque};
use std::time::{Duration, SystemTime};

use lp_connector_core::api::{ConversationRef, Lookup as _, Operation as _, Principal};
use lp_connector_core::bridge::store::{MemoryStore, Request};
use lp_connector_core::bridge::{
    BridgeConfig, CallResult, Called, DeliveryContent, Inbound, Outgoing, Verdict, Worker,
    WorkerStep, accept, ingest,
};
use lp_connector_core::error::{Error, ErrorKind};
use lp_connector_core::id::{AccountId, ConversationId, ExtConsumerId, LpConsumerId};
use lp_connector_core::seed::Seed;
use lp_connector_core::time::{Mono, Now};
use lp_connector_core::webhook::Verified;
use serde_json::json;

/// The time over which the consumers write their messages.
const SPAN: Duration = Duration::from_secs(3600);

/// A request to the cloud takes so long.
const LATENCY: Duration = Duration::from_millis(150);

/// A request that is not answered ends after this.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The cloud does not answer the silent account before this.
const SILENT: Duration = Duration::from_secs(1200);

const INSTANCES: usize = 4;
const LARGE: usize = 0;
const SILENT_ACCOUNT: usize = 1;

/// How large a run is.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::exhaustive_structs, reason = "it is written out")]
pub struct Scale {
    /// At least three.
    pub accounts: usize,
    /// Each writes one message, and gets one answer.
    pub consumers: usize,
}

/// What a run came to.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct ScaleSummary {
    /// Messages that were published in the cloud: each once, if all is well.
    pub sent: u64,
    /// Answers that were delivered.
    pub answered: u64,
    /// Messages or answers that came to nothing.
    pub lost: u64,
    /// Messages or answers that came twice.
    pub doubled: u64,
    /// From acceptance to publication, 99 in 100, of the accounts that nothing is wrong with.
    pub p99: Duration,
    /// The same of the large account.
    pub p99_large: Duration,
    /// The longest, of the accounts that nothing is wrong with.
    pub max: Duration,
    /// The requests for lanes.
    pub claims: u64,
    /// Commits that took effect.
    pub commits: u64,
    /// The virtual time.
    pub time: Duration,
}

#[derive(Clone, Default)]
struct Consumer {
    sequence: u64,
    published: u8,
    answered: u8,
    took: Duration,
}

enum Step {
    Called(u64, AccountId, Box<Outgoing>),
    Delivered(u64),
}

struct World {
    scale: Scale,
    now: Mono,
    store: MemoryStore,
    workers: Vec<Worker>,
    wakes: Vec<Mono>,
    /// What ends when: by time and number.
    ends: BinaryHeap<Reverse<(Mono, u64)>>,
    steps: HashMap<u64, (usize, Step)>,
    consumers: Vec<Consumer>,
    posts: VecDeque<(usize, String)>,
    written: usize,
    claims: u64,
}

/// Runs until everything has come to an end, or for two hours of virtual time.
#[must_use]
pub fn run_scale(scale: Scale) -> ScaleSummary {
    let config =
        BridgeConfig::new().max_effects_of_account(16).retention(Duration::from_secs(86_400));
    let worker = |number: usize| {
        Worker::new(config.clone(), Seed::from_bytes([3; 16]).derive(number as u64))
    };
    let mut world = World {
        scale,
        now: Mono::ZERO,
        store: MemoryStore::default(),
        workers: (0..INSTANCES).map(worker).collect(),
        wakes: vec![Mono::ZERO; INSTANCES],
        ends: BinaryHeap::new(),
        steps: HashMap::new(),
        consumers: vec![Consumer::default(); scale.consumers],
        posts: VecDeque::new(),
        written: 0,
        claims: 0,
    };
    let end = Mono::ZERO + SPAN + Duration::from_secs(3600);
    while world.now < end && !world.is_over() {
        world.turn();
    }
    world.summary()
}

impl World {
    fn is_over(&self) -> bool {
        self.written == self.scale.consumers
            && self.posts.is_empty()
            && self.steps.is_empty()
            && self
                .store
                .next_due()
                .is_none_or(|due| due.since(self.now) > Duration::from_secs(3600))
    }

    fn account_of(&self, consumer: usize) -> usize {
        match consumer.is_multiple_of(10) {
            true => LARGE,
            false => 1 + consumer % (self.scale.accounts - 1),
        }
    }

    fn account(number: usize) -> Option<AccountId> {
        AccountId::new((10_000_000 + number).to_string()).ok()
    }

    fn now(&self) -> Now {
        let wall = SystemTime::UNIX_EPOCH
            + Duration::from_secs(1_700_000_000)
            + self.now.elapsed_from_origin();
        Now::new(self.now, wall)
    }

    fn writes_at(&self, consumer: usize) -> Mono {
        Mono::ZERO + SPAN.mul_f64(consumer as f64 / self.scale.consumers as f64)
    }

    /// Does what is due now, then goes on to the next instant.
    fn turn(&mut self) {
        while self.written < self.scale.consumers && self.writes_at(self.written) <= self.now {
            self.write(self.written);
            self.written += 1;
        }
        while let Some((consumer, body)) = self.posts.pop_front() {
            if let Some(account) = Self::account(self.account_of(consumer)) {
                let entries = ingest(&account, &Verified::dangerous_unverified(body)).entries;
                self.store.perform(Request::Append(entries), self.now);
                self.tell(consumer);
            }
        }
        while let Some(Reverse((at, number))) = self.ends.peek().copied()
            && at <= self.now
        {
            self.ends.pop();
            if let Some((instance, step)) = self.steps.remove(&number) {
                self.finish(instance, step);
            }
        }
        for instance in 0..INSTANCES {
            if self.wakes.get(instance).is_some_and(|wake| *wake <= self.now) {
                self.poll(instance);
            }
        }
        let arrival = (self.written < self.scale.consumers).then(|| self.writes_at(self.written));
        let end = self.ends.peek().map(|Reverse((at, _))| *at);
        let posted = (!self.posts.is_empty()).then_some(self.now);
        let next = self.wakes.iter().copied().chain(arrival).chain(end).chain(posted).min();
        self.now = next.unwrap_or(Mono::NEVER).max(self.now);
    }

    fn write(&mut self, consumer: usize) {
        let (Some(account), Ok(id)) =
            (Self::account(self.account_of(consumer)), ExtConsumerId::new(format!("u{consumer}")))
        else {
            return;
        };
        if let Ok(message) = Inbound::text("m", "Is my parcel on its way?") {
            self.store.perform(Request::Append(accept(&account, &id, message)), self.now);
            self.tell(consumer);
        }
    }

    /// The instance that stored something looks for it at once.
    fn tell(&mut self, consumer: usize) {
        let instance = consumer % INSTANCES;
        if let Some(worker) = self.workers.get_mut(instance) {
            worker.appended();
            self.wake(instance);
        }
    }

    fn wake(&mut self, instance: usize) {
        if let Some(wake) = self.wakes.get_mut(instance) {
            *wake = self.now;
        }
    }

    fn poll(&mut self, instance: usize) {
        let now = self.now();
        loop {
            let Some(worker) = self.workers.get_mut(instance) else { return };
            match worker.poll(now) {
                WorkerStep::Ask(number, request) => {
                    self.claims += u64::from(matches!(request, Request::Claim { .. }));
                    let answer = self.store.perform(request, self.now);
                    worker.handle(number, Some(answer), now);
                    while worker.take_event().is_some() {}
                }
                WorkerStep::Call(number, account, outgoing) => {
                    let silent = Self::account(SILENT_ACCOUNT).as_ref() == Some(&account)
                        && self.now.elapsed_from_origin() < SILENT;
                    let takes = if silent { TIMEOUT } else { LATENCY };
                    self.begin(
                        instance,
                        number,
                        takes,
                        Step::Called(number, account, Box::new(outgoing)),
                    );
                }
                WorkerStep::Deliver(number, delivery) => {
                    if matches!(delivery.content, DeliveryContent::Message(_))
                        && let Some(consumer) = index(&delivery.consumer)
                        && let Some(consumer) = self.consumers.get_mut(consumer)
                    {
                        consumer.answered = consumer.answered.saturating_add(1);
                    }
                    self.begin(instance, number, Duration::from_millis(5), Step::Delivered(number));
                }
                WorkerStep::Wait(until) => {
                    if let Some(wake) = self.wakes.get_mut(instance) {
                        *wake = until;
                    }
                    return;
                }
                WorkerStep::Stopped => return,
            }
        }
    }

    fn begin(&mut self, instance: usize, number: u64, takes: Duration, step: Step) {
        // Each worker has numbers of its own.
        let number = number * INSTANCES as u64 + instance as u64;
        self.ends.push(Reverse((self.now + takes, number)));
        self.steps.insert(number, (instance, step));
    }

    fn finish(&mut self, instance: usize, step: Step) {
        let now = self.now();
        match step {
            Step::Called(number, account, outgoing) => {
                let silent = Self::account(SILENT_ACCOUNT).as_ref() == Some(&account)
                    && self.now.elapsed_from_origin() < SILENT;
                let result = match silent {
                    true => Err(Error::new(ErrorKind::Unavailable, "no connection")),
                    false => self.answer(&outgoing),
                };
                if let Some(worker) = self.workers.get_mut(instance) {
                    worker.called(number, result, now);
                }
            }
            Step::Delivered(number) => {
                if let Some(worker) = self.workers.get_mut(instance) {
                    worker.delivered(number, &Verdict::Taken, now);
                }
            }
        }
        self.wake(instance);
    }

    /// What the cloud answers.
    fn answer(&mut self, outgoing: &Outgoing) -> CallResult {
        let principal = match outgoing {
            Outgoing::Identify(one) => one.principal(),
            Outgoing::Open(one) => one.principal(),
            Outgoing::Text(one) => one.principal(),
            Outgoing::Receipt(one) => one.principal(),
            _ => return Ok(Called::Done),
        };
        let Principal::Consumer(id) = principal else { return Ok(Called::Done) };
        let Some(number) = index(&id) else { return Ok(Called::Done) };
        let written = self.writes_at(number);
        let Some(consumer) = self.consumers.get_mut(number) else { return Ok(Called::Done) };
        let conversation = format!("c{number}");
        let done = match outgoing {
            Outgoing::Identify(_) => {
                Called::Identified(LpConsumerId::new(format!("lp-{number}")).ok())
            }
            Outgoing::Open(_) => {
                let change = json!({"kind":"notification","type":"cqm.ExConversationChangeNotification","body":{"changes":[{
                    "type":"UPSERT","result":{"convId": conversation, "conversationDetails":{"state":"OPEN","stage":"OPEN",
                    "metaDataLastUpdateTs": 1, "participants":[{"id": format!("lp-{number}"), "role":"CONSUMER"}]}}}]}});
                self.posts.push_back((number, change.to_string()));
                match ConversationId::new(conversation) {
                    Ok(conversation) => Called::Opened(ConversationRef::new(id, conversation)),
                    Err(_) => Called::Done,
                }
            }
            Outgoing::Text(_) => {
                consumer.published = consumer.published.saturating_add(1);
                consumer.took = self.now.since(written);
                let sequence = consumer.sequence;
                consumer.sequence += 2;
                for (sequence, role, text) in [
                    (sequence, "CONSUMER", "Is my parcel on its way?"),
                    (sequence + 1, "ASSIGNED_AGENT", "It is."),
                ] {
                    let from =
                        if role == "CONSUMER" { format!("lp-{number}") } else { "a9".to_owned() };
                    let event = json!({"kind":"notification","type":"ms.MessagingEventNotification","body":{"changes":[{
                        "sequence": sequence, "originatorId": from, "originatorMetadata": {"id": from, "role": role},
                        "serverTimestamp": 1_700_000_000_000_u64, "dialogId": conversation, "conversationId": conversation,
                        "event": {"type":"ContentEvent","contentType":"text/plain","message":text}}]}});
                    self.posts.push_back((number, event.to_string()));
                }
                Called::Published(Some(sequence))
            }
            _ => {
                consumer.sequence += 1;
                Called::Published(Some(consumer.sequence - 1))
            }
        };
        Ok(done)
    }

    fn summary(&self) -> ScaleSummary {
        let mut summary = ScaleSummary {
            time: self.now.elapsed_from_origin(),
            claims: self.claims,
            ..ScaleSummary::default()
        };
        let (mut large, mut others) = (Vec::new(), Vec::new());
        for (number, consumer) in self.consumers.iter().enumerate() {
            summary.sent += u64::from(consumer.published > 0);
            summary.answered += u64::from(consumer.answered > 0);
            for count in [consumer.published, consumer.answered] {
                summary.lost += u64::from(count == 0);
                summary.doubled += u64::from(count > 1);
            }
            match self.account_of(number) {
                LARGE => large.push(consumer.took),
                SILENT_ACCOUNT => {}
                _ => others.push(consumer.took),
            }
        }
        let share = |times: &mut Vec<Duration>| {
            times.sort();
            times.get(times.len() * 99 / 100).copied().unwrap_or_default()
        };
        summary.p99_large = share(&mut large);
        summary.p99 = share(&mut others);
        summary.max = others.last().copied().unwrap_or_default();
        summary.commits = self.workers.iter().map(|worker| worker.counters().committed).sum();
        summary
    }
}

/// The number in a consumer's id.
fn index(consumer: &ExtConsumerId) -> Option<usize> {
    consumer.as_str().strip_prefix('u')?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_account_gets_its_turn() {
        let summary = run_scale(Scale { accounts: 50, consumers: 1000 });
        assert_eq!((summary.sent, summary.answered), (1000, 1000), "{summary:?}");
        assert_eq!((summary.lost, summary.doubled), (0, 0), "{summary:?}");
        assert!(summary.max < Duration::from_secs(5), "{summary:?}");
    }
}
