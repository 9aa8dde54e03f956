//! The programs that run a bridge on one store.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::store::{Answer, CellId, Request};
use crate::id::AccountId;
use crate::seed::Seed;
use crate::time::Mono;

/// Who shows no beat for this long is gone.
const DEAD_AFTER: Duration = Duration::from_secs(30);

/// A share is good for this long after the write that last confirmed it was asked for: less than [`DEAD_AFTER`].
const GOOD_FOR: Duration = Duration::from_secs(25);

/// The store forgets the list when nobody has written it for this long.
const LIST_LIFE: Duration = Duration::from_secs(60);

/// The pause before another try, where somebody else wrote meanwhile, and where the store did not answer.
const CONTENDED_PAUSE: Duration = Duration::from_millis(20);
const STORE_PAUSE: Duration = Duration::from_secs(1);

/// A request that is not answered by then is asked again.
const ANSWER_TIME: Duration = Duration::from_secs(10);

/// How long a program that stops tries to remove itself.
const LEAVE_TIME: Duration = Duration::from_secs(2);

/// The most programs in the list. A further one is not in it, and has no share.
const MAX_INSTANCES: usize = 256;

/// The most characters of an id, of a version and of a host's name.
const MAX_CHARS: usize = 64;

/// The version of the list's format. Another one is left alone.
const VERSION: u8 = 1;

/// All of it, in millionths.
const WHOLE: u32 = 1_000_000;

/// A program that runs a bridge on the store.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Instance {
    /// Its id: random, and new for each start.
    pub id: String,
    /// The name of its machine, if it [told](Membership::host) one: 64 characters at most.
    pub host: Option<String>,
    /// The version of the library.
    pub version: String,
    /// How long it has run, when it was last heard of.
    pub up: Duration,
    /// How many lanes it held then.
    pub lanes: u64,
    /// How long it has not been heard of, as far as this program knows.
    pub silent: Duration,
    /// True if it is this program.
    pub is_self: bool,
}

/// The next action for the driver of a [`Membership`].
#[must_use = "a membership only moves when its step is carried out"]
#[derive(Debug)]
#[expect(clippy::exhaustive_enums, reason = "a driver must handle every step")]
pub enum MembershipStep {
    /// Ask the store, then call [`Membership::handle`] with this number.
    Ask(u64, Request),
    /// Poll again at this instant, or after an answer.
    Wait(Mono),
    /// It has left the list, or given that up.
    Gone,
}

/// One program's place among those that run a bridge on a store.
///
/// Each writes itself into one list, in one cell, with a number that grows with each beat. Another one is dead if that number
/// has not changed for 30 s of one's own time: no clock is compared with another.
///
/// The list also divides what all may do together: each program's *share*, in millionths. Who writes the list takes no more
/// than an equal part, and no more than the others have left. It lowers its share before it writes that, and raises it once
/// that is written. So the shares that are in use never sum up to more than one, whoever starts, stops or dies.
///
/// ```
/// use std::time::Duration;
/// use lp_connector_core::bridge::store::MemoryStore;
/// use lp_connector_core::bridge::{Membership, MembershipStep};
/// use lp_connector_core::seed::Seed;
/// use lp_connector_core::time::Mono;
///
/// let mut store = MemoryStore::default();
/// let mut all = [1, 2].map(|n| Membership::new(Seed::from_bytes([n; 16]), Duration::from_secs(10)));
/// let mut now = Mono::ZERO;
/// for _ in 0..3 {
///     for one in &mut all {
///         while let MembershipStep::Ask(number, request) = one.poll(3, now) {
///             one.handle(number, Some(store.perform(request, now)), now);
///         }
///     }
///     now = now + Duration::from_secs(10);
/// }
/// assert_eq!(all[0].instances(now).len(), 2);
/// assert_eq!(all[1].share(now), 500_000);
/// ```
#[derive(Clone, Debug)]
pub struct Membership {
    id: String,
    host: Option<String>,
    seed: Seed,
    every: Duration,
    /// The first poll.
    started: Option<Mono>,
    /// The beat of each other program, and since when it has been the same.
    heard: BTreeMap<String, (u64, Mono)>,
    /// The others, as they were last read.
    others: Vec<Listed>,
    beat: u64,
    lanes: u64,
    /// The share that this program may use, and when the write was asked for that last confirmed it.
    share: u32,
    confirmed_at: Option<Mono>,
    number: u64,
    /// How often in a row somebody else wrote first.
    contended: u32,
    state: State,
    /// When it began to leave.
    leaving: Option<Mono>,
}

#[derive(Clone, Debug)]
enum State {
    Until(Mono),
    Reading {
        asked_at: Mono,
    },
    Read {
        seen: u64,
    },
    /// `is_listed`: the program is in what is written.
    Writing {
        asked_at: Mono,
        share: u32,
        is_listed: bool,
    },
    Gone,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct List {
    v: u8,
    all: Vec<Listed>,
}

#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
struct Listed {
    id: String,
    beat: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    host: Option<String>,
    version: String,
    up_ms: u64,
    lanes: u64,
    share: u32,
    /// What a newer release adds is kept.
    #[serde(flatten)]
    more: Map<String, Value>,
}

impl Membership {
    /// A program that writes itself down at its first poll, and then once in this time: 10 s is good, and 2 s where shares
    /// matter. The seed makes its id: it must be random.
    #[must_use]
    pub fn new(seed: Seed, every: Duration) -> Self {
        Self {
            id: seed.uuid(0),
            host: None,
            seed,
            every: every.clamp(Duration::from_millis(100), DEAD_AFTER / 3),
            started: None,
            heard: BTreeMap::new(),
            others: Vec::new(),
            beat: 0,
            lanes: 0,
            share: 0,
            confirmed_at: None,
            number: 0,
            contended: 0,
            state: State::Until(Mono::ZERO),
            leaving: None,
        }
    }

    /// Sets the name of the program's machine, for whoever lists the programs. Its first 64 characters count.
    #[must_use]
    pub fn host(mut self, name: &str) -> Self {
        self.host = Some(short(name));
        self
    }

    /// This program's id.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// What to do next, while this program holds so many lanes.
    pub fn poll(&mut self, lanes: usize, now: Mono) -> MembershipStep {
        self.started.get_or_insert(now);
        self.lanes = u64::try_from(lanes).unwrap_or(u64::MAX);
        if self.leaving.is_some_and(|since| now >= since + LEAVE_TIME) {
            self.state = State::Gone;
        }
        match self.state {
            State::Gone => MembershipStep::Gone,
            State::Until(at) if now < at => MembershipStep::Wait(at),
            State::Reading { asked_at } | State::Writing { asked_at, .. }
                if now < asked_at + ANSWER_TIME =>
            {
                let leave = self.leaving.map_or(Mono::NEVER, |since| since + LEAVE_TIME);
                MembershipStep::Wait(leave.min(asked_at + ANSWER_TIME))
            }
            State::Until(_) | State::Reading { .. } | State::Writing { .. } => {
                self.state = State::Reading { asked_at: now };
                self.ask(instances_request())
            }
            State::Read { seen } => self.write(seen, now),
        }
    }

    fn ask(&mut self, request: Request) -> MembershipStep {
        self.number = self.number.wrapping_add(1);
        MembershipStep::Ask(self.number, request)
    }

    fn write(&mut self, seen: u64, now: Mono) -> MembershipStep {
        let mut all = self.living(now);
        let mut share = 0;
        let is_listed = self.leaving.is_none() && all.len() < MAX_INSTANCES;
        if is_listed {
            let taken = all.iter().fold(0_u32, |sum, one| sum.saturating_add(one.share));
            let equal = WHOLE / u32::try_from(all.len() + 1).unwrap_or(WHOLE);
            share = equal.min(WHOLE.saturating_sub(taken));
            self.beat += 1;
            let up = self.started.map_or(Duration::ZERO, |started| now.since(started));
            all.push(Listed {
                id: self.id.clone(),
                beat: self.beat,
                host: self.host.clone(),
                version: env!("CARGO_PKG_VERSION").to_owned(),
                up_ms: u64::try_from(up.as_millis()).unwrap_or(u64::MAX),
                lanes: self.lanes,
                share,
                more: Map::new(),
            });
        }
        // Less is in use before it is written, and more afterwards.
        self.share = self.share.min(share);
        self.state = State::Writing { asked_at: now, share, is_listed };
        let value = match all.is_empty() {
            true => Vec::new(),
            false => serde_json::to_vec(&List { v: VERSION, all }).unwrap_or_default(),
        };
        self.ask(Request::Swap { cell: instances_cell(), seen, value, life: Some(LIST_LIFE) })
    }

    /// Takes the store's answer to request `number`: `None` if it gave none.
    pub fn handle(&mut self, number: u64, answer: Option<Answer>, now: Mono) {
        if number != self.number {
            return;
        }
        let has_left = self.leaving.is_some();
        self.state = match (&self.state, answer) {
            (State::Reading { .. }, Some(Answer::Cells(cells))) => {
                let cell = cells.into_iter().next().flatten();
                match cell.as_ref().map_or_else(|| Some(Vec::new()), |cell| read(&cell.value)) {
                    Some(all) => {
                        self.hear(all, now);
                        State::Read { seen: cell.map_or(0, |cell| cell.version) }
                    }
                    None => State::Until(now + self.every),
                }
            }
            // It began to leave while it wrote itself down: that is to be taken back.
            (State::Writing { is_listed: true, .. }, Some(Answer::Swapped(true))) if has_left => {
                State::Until(now)
            }
            (State::Writing { .. }, Some(Answer::Swapped(true))) if has_left => State::Gone,
            (State::Writing { asked_at, share, .. }, Some(Answer::Swapped(true))) => {
                self.share = *share;
                self.confirmed_at = Some(*asked_at);
                self.contended = 0;
                State::Until(now + self.every)
            }
            (State::Writing { .. }, Some(Answer::Swapped(false))) => {
                // Not all who start at once try again at once.
                let jitter = u32::try_from(self.seed.derive(number).bits() % 8).unwrap_or(0);
                self.contended = self.contended.saturating_add(1);
                State::Until(now + CONTENDED_PAUSE * (1 + jitter) * self.contended.min(16))
            }
            (State::Reading { .. } | State::Writing { .. }, _) if has_left => State::Gone,
            (State::Reading { .. } | State::Writing { .. }, _) => State::Until(now + STORE_PAUSE),
            (state, _) => state.clone(),
        };
    }

    fn hear(&mut self, all: Vec<Listed>, now: Mono) {
        self.others = all.into_iter().filter(|one| one.id != self.id).collect();
        let mut heard = std::mem::take(&mut self.heard);
        for one in &self.others {
            let since = match heard.remove(&one.id) {
                Some((beat, since)) if beat == one.beat => since,
                _ => now,
            };
            self.heard.insert(one.id.clone(), (one.beat, since));
        }
    }

    fn silent(&self, one: &Listed, now: Mono) -> Duration {
        match self.heard.get(&one.id) {
            Some((beat, since)) if *beat == one.beat => now.since(*since),
            _ => Duration::ZERO,
        }
    }

    /// The others that live.
    fn living(&self, now: Mono) -> Vec<Listed> {
        let lives = |one: &&Listed| self.silent(one, now) < DEAD_AFTER;
        self.others.iter().filter(lives).cloned().collect()
    }

    /// The programs that live, as far as this one knows: what it read when it last wrote itself down.
    #[must_use]
    pub fn instances(&self, now: Mono) -> Vec<Instance> {
        self.shown(&self.others, now)
    }

    /// The programs that live, by an answer to [`instances_request`] that came now.
    #[must_use]
    pub fn instances_of(&self, answer: &Answer, now: Mono) -> Vec<Instance> {
        let Answer::Cells(cells) = answer else { return self.instances(now) };
        let all = cells.first().and_then(Option::as_ref).and_then(|cell| read(&cell.value));
        let others = all.unwrap_or_default().into_iter().filter(|one| one.id != self.id);
        self.shown(&others.collect::<Vec<_>>(), now)
    }

    fn shown(&self, others: &[Listed], now: Mono) -> Vec<Instance> {
        let of_other = |one: &Listed| Instance {
            id: one.id.clone(),
            host: one.host.as_deref().map(short),
            version: one.version.clone(),
            up: Duration::from_millis(one.up_ms),
            lanes: one.lanes,
            silent: self.silent(one, now),
            is_self: false,
        };
        let mut all: Vec<Instance> = others.iter().map(of_other).collect();
        all.retain(|one| one.silent < DEAD_AFTER);
        if let Some(started) = self.started
            && self.leaving.is_none()
        {
            all.push(Instance {
                id: self.id.clone(),
                host: self.host.clone(),
                version: env!("CARGO_PKG_VERSION").to_owned(),
                up: now.since(started),
                lanes: self.lanes,
                silent: Duration::ZERO,
                is_self: true,
            });
        }
        all.sort_by(|one, other| one.id.cmp(&other.id));
        all
    }

    /// The part of everything that this program may use now, in millionths. None before it is in the list, and none if it
    /// could not write itself down for 25 s.
    #[must_use]
    pub fn share(&self, now: Mono) -> u32 {
        let is_good = self.confirmed_at.is_some_and(|at| now < at + GOOD_FOR);
        if is_good && self.leaving.is_none() { self.share } else { 0 }
    }

    /// Leaves the list. [`poll`](Self::poll) goes on until it is [`Gone`](MembershipStep::Gone), within 2 s.
    pub fn leave(&mut self, now: Mono) {
        if self.leaving.is_none() {
            self.leaving = Some(now);
            self.share = 0;
            match self.state {
                State::Until(_) if self.beat > 0 => self.state = State::Until(now),
                State::Until(_) => self.state = State::Gone,
                _ => {}
            }
        }
    }
}

/// The list. It belongs to no account.
fn instances_cell() -> CellId {
    CellId { account: AccountId::none(), key: "instances".to_owned() }
}

/// The request whose answer [`Membership::instances_of`] reads.
#[must_use]
pub fn instances_request() -> Request {
    Request::Read(vec![instances_cell()])
}

/// The first characters of a name.
fn short(name: &str) -> String {
    name.chars().take(MAX_CHARS).collect()
}

fn read(value: &[u8]) -> Option<Vec<Listed>> {
    let list: List = serde_json::from_slice(value).ok()?;
    let is_short = |text: &str| text.chars().count() <= MAX_CHARS;
    let is_good = |one: &Listed| is_short(&one.id) && is_short(&one.version);
    (list.v == VERSION).then(|| list.all.into_iter().filter(is_good).take(MAX_INSTANCES).collect())
}

/// The list as this program reads and writes it.
#[cfg(feature = "_fuzz")]
pub(super) fn rewritten(record: &super::store::Record) -> Option<super::store::Record> {
    let all = read(&record.body)?;
    let body = serde_json::to_vec(&List { v: VERSION, all }).unwrap_or_default();
    Some(super::store::Record { version: record.version, body })
}

#[cfg(test)]
#[path = "instances_tests.rs"]
mod tests;
