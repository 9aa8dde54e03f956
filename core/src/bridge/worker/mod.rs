//! Runs the lanes of one program.

#[cfg(test)]
mod describe;
mod dues;
mod fairness;
mod leases;
mod machine;
mod rate;
#[cfg(test)]
mod refusal_tests;
#[cfg(test)]
mod step_tests;
#[cfg(test)]
mod term_tests;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use self::dues::Dues;
use self::fairness::CROWDED_PAUSE;
use self::machine::Machine;
use self::rate::Rate;
use super::config::BridgeConfig;
use super::delivery::{Delivery, Verdict};
use super::event::{BridgeEvent, BridgeEventKind};
use super::lane::{Effect, LaneStep};
use super::outgoing::{CallResult, Outgoing};
use super::record::RECORD_VERSION;
use super::store::{Answer, Commit, Fence, Holder, LaneId, LaneKind, Lease, Request};
use crate::id::{AccountId, ExtConsumerId};
use crate::seed::Seed;
use crate::time::{Mono, Now};

/// The most commits of one request, and the most requests with commits at a time.
const MAX_COMMITS: usize = 64;
const MAX_COMMIT_REQUESTS: usize = 2;

/// While the records and entries that were given with the held lanes have this many bytes, no further one is claimed.
const MAX_HELD_BYTES: usize = 64 * 1024 * 1024;

/// The most events that nobody took yet.
const MAX_EVENTS: usize = 4096;

/// The pause after a store did not answer.
const STORE_PAUSE: Duration = Duration::from_millis(250);

/// Claims lanes, runs their machines and commits what they did.
///
/// A sans-IO machine: [`poll`](Self::poll) says what to do next, and the driver passes each result in, in any
/// order and from any thread. Steps with different numbers run at the same time. A driver is a loop of five arms.
///
/// ```
/// use std::time::SystemTime;
/// use lp_connector_core::bridge::store::MemoryStore;
/// use lp_connector_core::bridge::{
///     BridgeConfig, CallResult, Called, Inbound, Outgoing, Verdict, Worker, WorkerStep, accept,
/// };
/// use lp_connector_core::bridge::store::Request;
/// use lp_connector_core::api::ConversationRef;
/// use lp_connector_core::id::{AccountId, ConversationId, ExtConsumerId};
/// use lp_connector_core::seed::Seed;
/// use lp_connector_core::time::{Mono, Now};
///
/// let mut now = Now::new(Mono::ZERO, SystemTime::UNIX_EPOCH);
/// let mut store = MemoryStore::default();
/// let (account, ada) = (AccountId::new("91827364")?, ExtConsumerId::new("ada")?);
/// store.perform(Request::Append(accept(&account, &ada, Inbound::text("1", "Coo?")?)), now.mono());
///
/// let mut worker = Worker::new(BridgeConfig::new(), Seed::from_bytes([7; 16]));
/// let mut sent = Vec::new();
/// for _ in 0..30 {
///     match worker.poll(now) {
///         WorkerStep::Ask(number, request) => {
///             let answer = store.perform(request, now.mono()); // a real driver asks its store
///             worker.handle(number, Some(answer), now);
///         }
///         WorkerStep::Call(number, _, outgoing) => {
///             let result: CallResult = Ok(match outgoing { // a real driver asks its client
///                 Outgoing::Identify(_) => Called::Identified(None),
///                 Outgoing::Open(_) => {
///                     Called::Opened(ConversationRef::new(ada.clone(), ConversationId::new("5f0c")?))
///                 }
///                 Outgoing::Text(text) => {
///                     sent.push(text);
///                     Called::Published(Some(0))
///                 }
///                 _ => Called::Done,
///             });
///             worker.called(number, result, now);
///         }
///         WorkerStep::Deliver(number, _) => worker.delivered(number, &Verdict::Taken, now),
///         WorkerStep::Wait(until) => now = now.later(until.since(now.mono())),
///         WorkerStep::Stopped => break,
///     }
/// }
/// assert_eq!(sent.len(), 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[cfg_attr(test, derive(Clone))]
pub struct Worker {
    config: Arc<BridgeConfig>,
    seed: Seed,
    lanes: BTreeMap<LaneId, Held>,
    /// Lanes whose machine is to be polled.
    ready: VecDeque<LaneId>,
    /// Lanes with a commit to ask for.
    to_commit: VecDeque<LaneId>,
    to_extend: Vec<LaneId>,
    asked: BTreeMap<u64, Asked>,
    /// The lane that a request or a delivery is for, by its number.
    effects: BTreeMap<u64, LaneId>,
    /// Lanes that wait until another one's request or delivery has ended.
    waiting: VecDeque<LaneId>,
    /// The limit of requests, if there is one.
    rate: Option<Rate>,
    number: u64,
    next_claim: Mono,
    claim_pause: Duration,
    is_claiming: bool,
    /// When lanes come due that this program had.
    dues: Dues,
    /// How often this program appended something.
    news: u64,
    is_stopping: bool,
    counters: WorkerCounters,
    events: VecDeque<BridgeEvent>,
}

/// Shows how many lanes there are, and nothing of their messages.
impl std::fmt::Debug for Worker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Worker")
            .field("lanes", &self.lanes.len())
            .field("counters", &self.counters)
            .finish_non_exhaustive()
    }
}

/// What a [`Worker`] counted since it was made.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct WorkerCounters {
    /// Lanes that were claimed.
    pub claimed: u64,
    /// Lanes whose last holder neither finished nor released them.
    pub taken_over: u64,
    /// Commits and extensions that came too late: another holder had the lane, or the term was over.
    pub lost: u64,
    /// Commits that took effect.
    pub committed: u64,
    /// Lanes that were claimed and left alone, for a value in them is sealed with a key that this program lacks.
    pub unreadable: u64,
    /// Events that nobody took in time: the oldest are forgotten.
    pub forgotten_events: u64,
}

/// The next action for the driver of a [`Worker`].
#[must_use = "a worker only moves when its step is carried out"]
#[derive(Debug)]
#[expect(clippy::exhaustive_enums, reason = "a driver must handle every step")]
#[expect(clippy::large_enum_variant, reason = "it lives for one turn of a loop")]
pub enum WorkerStep {
    /// Ask the store, then call [`Worker::handle`] with this number.
    Ask(u64, Request),
    /// Call the client of this account at once, then call [`Worker::called`] with this number.
    Call(u64, AccountId, Outgoing),
    /// Hand this to the channel at once, then call [`Worker::delivered`] with this number.
    Deliver(u64, Delivery),
    /// Poll again at this instant, or after any result.
    Wait(Mono),
    /// Everything is committed, and no lane is held.
    Stopped,
}

#[derive(Clone, Debug)]
struct Held {
    lease: Lease,
    held_until: Mono,
    /// [`Worker::news`] when its claim was asked for: what was appended later may be for this lane, unseen.
    news: u64,
    machine: Machine,
    /// The size of what it was claimed with.
    bytes: usize,
    /// The commit that is asked for. It is asked for again if the store does not answer.
    commit: Option<Commit>,
    /// What is told once it has taken effect.
    events: Vec<BridgeEvent>,
    /// The number of the effect that is under way.
    effect: Option<u64>,
    /// No step before this.
    not_before: Mono,
    /// The store refused a request with several commits, this one among them: it is asked for by itself.
    is_suspected: bool,
    /// It is released because this program may send no more: others may have it first.
    others_first: bool,
}

#[derive(Clone, Debug)]
enum Asked {
    Claim { holder: Holder, at: Mono, news: u64 },
    Commit { lanes: Vec<(LaneId, Fence)>, at: Mono },
    Extend { lanes: Vec<(LaneId, Fence)>, at: Mono },
    Read { lane: LaneId },
}

impl Worker {
    /// A worker without lanes. The seed makes its holder numbers: it must be random.
    #[must_use]
    pub fn new(config: BridgeConfig, seed: Seed) -> Self {
        Self {
            claim_pause: config.poll_least,
            rate: config.rate.map(Rate::new),
            config: Arc::new(config),
            seed,
            lanes: BTreeMap::new(),
            ready: VecDeque::new(),
            to_commit: VecDeque::new(),
            to_extend: Vec::new(),
            asked: BTreeMap::new(),
            effects: BTreeMap::new(),
            waiting: VecDeque::new(),
            number: 0,
            next_claim: Mono::ZERO,
            is_claiming: false,
            dues: Dues::default(),
            news: 0,
            is_stopping: false,
            counters: WorkerCounters::default(),
            events: VecDeque::new(),
        }
    }

    /// The next step. It never returns the same step twice.
    pub fn poll(&mut self, now: Now) -> WorkerStep {
        self.drop_expired(now.mono());
        while let Some(id) = self.next_lane(now) {
            if let Some(step) = self.advance(&id, now) {
                return step;
            }
        }
        if let Some(step) = self.ask_commit(now.mono()) {
            return step;
        }
        if let Some(step) = self.ask_extend(now.mono()) {
            return step;
        }
        if let Some(step) = self.ask_claim(now.mono()) {
            return step;
        }
        if self.is_stopping && self.lanes.is_empty() && !self.is_claiming {
            return WorkerStep::Stopped;
        }
        WorkerStep::Wait(self.wake_at(now.mono()))
    }

    /// Takes the store's answer to request `number`: `None` if it did not answer, or failed.
    pub fn handle(&mut self, number: u64, answer: Option<Answer>, now: Now) {
        match (self.asked.remove(&number), answer) {
            (Some(Asked::Claim { at, holder, news }), answer) => {
                self.is_claiming = false;
                match answer {
                    Some(Answer::Claimed(claimed)) => {
                        self.on_claimed(claimed, holder, at, news, now);
                    }
                    _ => {
                        // Perhaps it took effect, and lanes wait for the end of their term.
                        self.next_claim = now.mono() + STORE_PAUSE;
                        self.dues.note_unnamed(now.mono() + self.config.lease_term());
                    }
                }
            }
            (Some(Asked::Commit { lanes, at }), Some(Answer::Committed(fences)))
                if fences.len() == lanes.len() =>
            {
                for ((lane, old), new) in lanes.into_iter().zip(fences) {
                    self.on_committed(&lane, old, new, at, now.mono());
                }
            }
            (Some(Asked::Commit { lanes, .. }), _) => {
                // Perhaps it took effect: the same again is safe.
                for (lane, fence) in lanes {
                    if self.is_current(&lane, fence) {
                        self.postpone(&lane, now.mono());
                        self.to_commit.push_back(lane);
                    }
                }
            }
            (Some(Asked::Extend { lanes, at }), Some(Answer::Extended(extended)))
                if extended.len() == lanes.len() =>
            {
                for ((lane, fence), is_extended) in lanes.into_iter().zip(extended) {
                    if !self.is_current(&lane, fence) {
                        continue;
                    }
                    match self.lanes.get_mut(&lane).filter(|_| is_extended) {
                        Some(held) => {
                            held.held_until = at + self.config.lease_term();
                            self.ready.push_back(lane);
                        }
                        None => self.lose(&lane, now.mono()),
                    }
                }
            }
            (Some(Asked::Extend { lanes, .. }), _) => {
                for (lane, fence) in lanes {
                    if self.is_current(&lane, fence) {
                        self.postpone(&lane, now.mono());
                        self.to_extend.push(lane);
                    }
                }
            }
            (Some(Asked::Read { lane }), answer) => self.on_read(number, &lane, answer, now),
            (None, _) => {}
        }
    }

    /// Takes that the store refused request `number` for good, and that nothing happened: see
    /// [`StoreErrorKind::may_repeat`](super::store::StoreErrorKind::may_repeat).
    ///
    /// Its commits are asked for one by one. A lane whose own commit is refused gives its newest message up, and if it
    /// has none, it is left to the next holder. The other lanes go on.
    pub fn refused(&mut self, number: u64, now: Now) {
        let Some(Asked::Commit { lanes, .. }) = self.asked.get(&number) else {
            self.handle(number, None, now);
            return;
        };
        let lanes = lanes.clone();
        self.asked.remove(&number);
        let is_single = lanes.len() == 1;
        for (lane, fence) in lanes {
            if !self.is_current(&lane, fence) {
                continue;
            }
            if is_single && !self.shed(&lane, now) {
                self.lose(&lane, now.mono());
                continue;
            }
            if let Some(held) = self.lanes.get_mut(&lane) {
                held.is_suspected = true;
                self.to_commit.push_back(lane);
            }
        }
    }

    /// Takes the result of call `number`.
    pub fn called(&mut self, number: u64, result: CallResult, now: Now) {
        if let Some(id) = self.effects.remove(&number)
            && let Some(held) = self.lanes.get_mut(&id)
            && held.effect == Some(number)
        {
            held.effect = None;
            held.machine.called(result, now);
            self.ready.push_back(id);
        }
    }

    /// Takes what the channel made of delivery `number`.
    pub fn delivered(&mut self, number: u64, verdict: &Verdict, now: Now) {
        if let Some(id) = self.effects.remove(&number)
            && let Some(held) = self.lanes.get_mut(&id)
            && held.effect == Some(number)
        {
            held.effect = None;
            held.machine.delivered(verdict, now);
            self.ready.push_back(id);
        }
    }

    /// Something was appended by this program: there may be a lane due now.
    pub fn appended(&mut self) {
        self.news = self.news.wrapping_add(1);
        self.claim_soon();
    }

    /// Claims nothing more, and begins nothing more. Lanes are released once what is under way has ended.
    pub fn stop(&mut self) {
        self.is_stopping = true;
    }

    /// What happened so far.
    #[must_use]
    pub const fn counters(&self) -> WorkerCounters {
        self.counters
    }

    /// The number of lanes that this program holds.
    #[must_use]
    pub fn lanes(&self) -> usize {
        self.lanes.len()
    }

    /// The number of lanes of this kind that this program holds.
    #[must_use]
    pub fn lanes_of(&self, kind: LaneKind) -> usize {
        self.lanes.keys().filter(|lane| lane.kind() == kind).count()
    }

    /// What happened, oldest first: each event once, and once it is durable. Take them after each call of
    /// [`handle`](Self::handle) and [`poll`](Self::poll). Beyond 4096 that nobody takes, the oldest are forgotten.
    pub fn take_event(&mut self) -> Option<BridgeEvent> {
        self.events.pop_front()
    }

    fn tell(&mut self, event: BridgeEvent) {
        if self.events.len() >= MAX_EVENTS {
            self.events.pop_front();
            self.counters.forgotten_events += 1;
        }
        self.events.push_back(event);
    }

    /// Tells what happened to a lane as a whole.
    fn tell_of_lane(&mut self, lane: &LaneId, kind: BridgeEventKind) {
        let consumer = match lane.kind() {
            LaneKind::Consumer | LaneKind::Status => ExtConsumerId::new(lane.key()).ok(),
            LaneKind::Conversation | LaneKind::DeadLetter => None,
        };
        self.tell(BridgeEvent { account: lane.account().clone(), consumer, kind });
    }

    fn next_number(&mut self) -> u64 {
        self.number = self.number.wrapping_add(1);
        self.number
    }

    /// The lane to go on with.
    fn next_lane(&mut self, now: Now) -> Option<LaneId> {
        let waiting = self.next_waiting().or_else(|| self.next_throttled(now));
        waiting.or_else(|| self.next_ready(now.mono()))
    }

    fn next_ready(&mut self, now: Mono) -> Option<LaneId> {
        let lanes = &self.lanes;
        let is_due = |id: &LaneId| lanes.get(id).is_none_or(|held| held.not_before <= now);
        let at = self.ready.iter().position(is_due)?;
        self.ready.remove(at)
    }

    /// Runs a lane's machine. `None` if it has no step for the driver.
    fn advance(&mut self, id: &LaneId, now: Now) -> Option<WorkerStep> {
        let reserve = self.config.effect_reserve();
        let has_room = self.has_room(id.account());
        let may_call = self.may_call(id.account(), now.mono());
        let held = self.lanes.get_mut(id)?;
        if held.commit.is_some() || held.effect.is_some() {
            return None;
        }
        let step = match self.is_stopping {
            true => LaneStep::Commit(held.machine.release(now)),
            false => held.machine.poll(now),
        };
        match step {
            LaneStep::Commit(mut draft) => {
                held.events = std::mem::take(&mut draft.events);
                held.commit = Some(draft.for_lease(&held.lease, self.config.lease_term()));
                self.to_commit.push_back(id.clone());
                None
            }
            LaneStep::Effect(_) if held.held_until.since(now.mono()) < reserve => {
                // An effect that outlasts the term could meet that of the next holder.
                held.machine.cancelled();
                self.to_extend.push(id.clone());
                None
            }
            LaneStep::Effect(Effect::Call(_) | Effect::Deliver(_)) if !has_room => {
                if self.is_crowded(id) {
                    self.put_off(id, CROWDED_PAUSE, now);
                } else if let Some(held) = self.lanes.get_mut(id) {
                    held.machine.cancelled();
                    self.waiting.push_back(id.clone());
                }
                None
            }
            LaneStep::Effect(Effect::Call(_)) if !may_call => {
                self.throttle(id, now);
                None
            }
            LaneStep::Effect(effect) => {
                self.number = self.number.wrapping_add(1);
                let number = self.number;
                held.effect = Some(number);
                Some(match effect {
                    Effect::Read(cells) => {
                        self.asked.insert(number, Asked::Read { lane: id.clone() });
                        WorkerStep::Ask(number, Request::Read(cells))
                    }
                    Effect::Call(outgoing) => {
                        if let Some(rate) = &mut self.rate {
                            rate.spend(id.account(), now.mono());
                        }
                        self.effects.insert(number, id.clone());
                        WorkerStep::Call(number, id.account().clone(), outgoing)
                    }
                    Effect::Deliver(delivery) => {
                        self.effects.insert(number, id.clone());
                        WorkerStep::Deliver(number, delivery)
                    }
                })
            }
        }
    }

    fn ask_commit(&mut self, now: Mono) -> Option<WorkerStep> {
        let asked =
            self.asked.values().filter(|asked| matches!(asked, Asked::Commit { .. })).count();
        if asked >= MAX_COMMIT_REQUESTS {
            return None;
        }
        let (mut lanes, mut commits) = (Vec::new(), Vec::new());
        let mut later = VecDeque::new();
        while commits.len() < MAX_COMMITS
            && let Some(id) = self.to_commit.pop_front()
        {
            let Some(held) = self.lanes.get(&id) else { continue };
            if held.not_before > now || (held.is_suspected && !commits.is_empty()) {
                later.push_back(id);
                continue;
            }
            let is_suspected = held.is_suspected;
            if let Some(commit) = &held.commit {
                lanes.push((id, held.lease.fence));
                commits.push(commit.clone());
                if is_suspected {
                    break;
                }
            }
        }
        later.append(&mut self.to_commit);
        self.to_commit = later;
        if commits.is_empty() {
            return None;
        }
        let number = self.next_number();
        self.asked.insert(number, Asked::Commit { lanes, at: now });
        Some(WorkerStep::Ask(number, Request::Commit(commits)))
    }

    fn ask_extend(&mut self, now: Mono) -> Option<WorkerStep> {
        let lanes = &self.lanes;
        let is_due = |id: &LaneId| lanes.get(id).is_some_and(|held| held.not_before <= now);
        let (due, later): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.to_extend).into_iter().partition(is_due);
        self.to_extend = later.into_iter().filter(|id| self.lanes.contains_key(id)).collect();
        let leases: Vec<Lease> =
            due.iter().filter_map(|id| Some(self.lanes.get(id)?.lease.clone())).collect();
        if leases.is_empty() {
            return None;
        }
        let lanes = leases.iter().map(|lease| (lease.lane.clone(), lease.fence)).collect();
        let number = self.next_number();
        self.asked.insert(number, Asked::Extend { lanes, at: now });
        Some(WorkerStep::Ask(number, Request::Extend { leases, term: self.config.lease_term() }))
    }

    /// How many more lanes this program may hold. What was given with those that it holds is in memory.
    fn lane_room(&self) -> usize {
        match self.lanes.values().map(|held| held.bytes).sum::<usize>() < MAX_HELD_BYTES {
            true => self.config.max_lanes.saturating_sub(self.lanes.len()),
            false => 0,
        }
    }

    fn ask_claim(&mut self, now: Mono) -> Option<WorkerStep> {
        let room = self.lane_room();
        if self.is_stopping || self.is_claiming || room == 0 || now < self.claim_at() {
            return None;
        }
        self.is_claiming = true;
        self.dues.looked(now);
        let number = self.next_number();
        let holder = Holder(self.seed.derive(number).bits());
        self.asked.insert(number, Asked::Claim { holder, at: now, news: self.news });
        let request = Request::Claim {
            holder,
            lanes: room,
            entries: self.config.max_entries,
            term: self.config.lease_term(),
            speaks: RECORD_VERSION,
        };
        Some(WorkerStep::Ask(number, request))
    }
}
