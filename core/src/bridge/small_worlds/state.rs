//! A state of a small world, and what can happen in it.

use std::time::Duration;

use super::super::store::{Answer, LaneKind, MemoryStore, Request};
use super::super::world::{Fate, UnderWay, World};
use super::super::{BridgeConfig, Outgoing};
use super::FREEZE;
use crate::time::Mono;

/// The longest time that passes while nothing is under way: at its end everything is at rest.
const LONGEST: Duration = Duration::from_secs(100);

/// The most bytes of a record, and the most entries of a lane.
const RECORD: usize = 4096;
const ENTRIES: usize = 16;

/// The worker that has the lanes of the other kinds.
const OTHERS: usize = 2;

/// What happens next.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Action {
    /// A step of this worker ends.
    Finish(usize, usize, Fate),
    /// A request of this worker takes effect, and its answer comes after all terms.
    FinishLate(usize, usize),
    /// A request that its worker gave up, or whose worker died, arrives.
    Arrive(usize),
    /// A notification is posted.
    Post(Fate),
    Crash(usize),
    /// Time passes, beyond all terms.
    Freeze,
    AgentSpeaks,
    /// The lanes of the other kinds do all that is due.
    Others,
    /// Nothing is under way: time passes until something is due.
    Wait,
}

/// Where a world begins.
#[derive(Clone)]
pub(super) struct Start {
    faults: u32,
    before: fn(&mut World),
    messages: u32,
    speeches: u32,
    serves: Option<fn(usize, LaneKind) -> bool>,
}

impl Start {
    /// A world with up to this many faults, in which nothing has happened.
    pub(super) fn new(faults: u32) -> Self {
        Self { faults, before: |_| {}, messages: 0, speeches: 0, serves: None }
    }

    /// What has happened, without faults.
    pub(super) fn before(self, before: fn(&mut World)) -> Self {
        Self { before, ..self }
    }

    /// The messages that wait.
    pub(super) fn accepts(self, messages: u32) -> Self {
        Self { messages, ..self }
    }

    /// How often the agent says something meanwhile.
    pub(super) fn agent_speaks(self, speeches: u32) -> Self {
        Self { speeches, ..self }
    }

    /// The kinds of lanes of the two workers. The others are the third one's.
    pub(super) fn serves(self, serves: fn(usize, LaneKind) -> bool) -> Self {
        Self { serves: Some(serves), ..self }
    }
}

#[derive(Clone)]
pub(super) struct State {
    pub(super) world: World,
    /// How many faults may still happen.
    pub(super) faults: u32,
    /// How often the agent may still say something.
    pub(super) speeches: u32,
}

impl State {
    pub(super) fn new(start: &Start) -> Self {
        let config = BridgeConfig::new()
            .poll(Duration::from_millis(25), Duration::from_millis(25))
            .max_lanes(1);
        let mut before = World::new(1, config.clone());
        (start.before)(&mut before);
        let mut world = World::new(if start.serves.is_some() { 3 } else { 2 }, config);
        world.advance(before.now.mono().since(world.now.mono()));
        (world.store, world.cloud, world.channel) = (before.store, before.cloud, before.channel);
        world.serves = start.serves;
        for number in 1..=start.messages {
            // Texts of different lengths: of a request, only the length is shown.
            let text = format!("m{}", "x".repeat(number as usize));
            world.accept("ada", &text, &text);
        }
        let mut state = Self { world, faults: start.faults, speeches: start.speeches };
        state.poll();
        state
    }

    /// When a lane of this worker is due.
    fn due(&self, at: usize) -> Option<Mono> {
        match self.world.serves {
            Some(serves) => self.world.store.due_for(|kind| serves(at, kind)),
            None => self.world.store.next_due(),
        }
    }

    fn is_due(&self, at: usize) -> bool {
        self.due(at).is_some_and(|due| due <= self.world.now.mono())
    }

    /// Polls the two workers, and tells them when a lane is due: looking for one takes no time here.
    fn poll(&mut self) {
        let now = self.world.now.mono();
        for at in 0..2 {
            let is_due = self.is_due(at);
            let worker = &mut self.world.instances[at].worker;
            match is_due {
                true => worker.appended(),
                false => worker.look_later(now + LONGEST + LONGEST),
            }
            self.world.poll(at);
        }
    }

    fn others_are_due(&self) -> bool {
        self.world.serves.is_some() && self.is_due(OTHERS)
    }

    fn is_busy(&self) -> bool {
        self.world.instances.iter().any(|instance| !instance.under_way.is_empty())
            || !self.world.cloud.to_post.is_empty()
            || self.others_are_due()
    }

    /// When something is due next, if that is soon.
    fn next_time(&self) -> Option<Mono> {
        let now = self.world.now.mono();
        let workers = self.world.instances.iter().take(2).map(|it| it.worker.wakes(now));
        let next = workers.chain(self.world.store.next_due()).filter(|at| *at > now).min()?;
        (next.since(now) <= LONGEST).then_some(next)
    }

    /// What can happen.
    pub(super) fn actions(&self) -> Vec<Action> {
        let mut actions = Vec::new();
        let may_fail = self.faults > 0;
        // A claim ends before anything else happens: what a late one meets, a due lane meets too.
        let is_claim = |step: &UnderWay| matches!(step, UnderWay::Ask(_, Request::Claim { .. }));
        let mut all = self.world.instances.iter().flat_map(|instance| &instance.under_way);
        let is_claiming = all.any(is_claim);
        for (at, instance) in self.world.instances.iter().enumerate() {
            for (index, step) in instance.under_way.iter().enumerate() {
                if is_claiming && !is_claim(step) {
                    continue;
                }
                actions.push(Action::Finish(at, index, Fate::Done));
                if may_fail {
                    actions.push(Action::Finish(at, index, Fate::RequestLost));
                    actions.push(Action::Finish(at, index, Fate::AnswerLost));
                }
                if may_fail && may_arrive_late(step) {
                    actions.push(Action::Finish(at, index, Fate::Late));
                }
                if may_fail && matches!(step, UnderWay::Ask(..)) {
                    actions.push(Action::FinishLate(at, index));
                }
            }
            if may_fail && (instance.worker.lanes() > 0 || !instance.under_way.is_empty()) {
                actions.push(Action::Crash(at));
            }
        }
        if is_claiming {
            return actions;
        }
        if !self.world.cloud.to_post.is_empty() {
            actions.push(Action::Post(Fate::Done));
            if may_fail {
                actions.push(Action::Post(Fate::AnswerLost));
            }
        }
        actions.extend((0..self.world.orphans.len()).map(Action::Arrive));
        if may_fail && self.is_busy() {
            actions.push(Action::Freeze);
        }
        if self.speeches > 0 && !self.world.open_conversations().is_empty() {
            actions.push(Action::AgentSpeaks);
        }
        if self.others_are_due() {
            actions.push(Action::Others);
        }
        if !self.is_busy() && self.next_time().is_some() {
            actions.push(Action::Wait);
        }
        actions
    }

    /// Performs an action.
    pub(super) fn perform(&mut self, action: Action) -> Result<(), String> {
        let costs = match action {
            Action::Finish(_, _, fate) | Action::Post(fate) => fate != Fate::Done,
            Action::FinishLate(..) | Action::Crash(_) | Action::Freeze => true,
            Action::Arrive(_) | Action::AgentSpeaks | Action::Others | Action::Wait => false,
        };
        self.faults -= u32::from(costs);
        let fenced = self.fenced(action);
        match action {
            Action::Finish(at, index, fate) => self.world.finish(at, index, fate),
            Action::FinishLate(at, index) => self.finish_late(at, index),
            Action::Arrive(index) => self.world.arrive(index),
            Action::Post(fate) => self.world.post(0, fate),
            Action::Crash(at) => {
                self.world.crash(at);
                let has_effect = |step: &UnderWay| {
                    may_arrive_late(step) || matches!(step, UnderWay::Ask(_, Request::Claim { .. }))
                };
                self.world.orphans.retain(|(_, step)| has_effect(step));
            }
            Action::Freeze => self.world.advance(FREEZE),
            Action::AgentSpeaks => {
                let open = self.world.open_conversations();
                let text = format!("said {}", self.speeches);
                self.world.cloud.agent_says(&open[0], &text);
                self.speeches -= 1;
            }
            Action::Others => self.run_others(),
            Action::Wait => {
                let next = self.next_time().unwrap();
                self.world.advance(next.since(self.world.now.mono()));
            }
        }
        if fenced.is_some_and(|before| before != self.world.store) {
            return Err("a commit without a lease took effect".to_owned());
        }
        let now = self.world.now.mono();
        // What left long ago does not arrive any more.
        self.world.orphans.retain(|(died, _)| now.since(*died) < Duration::from_secs(20));
        self.poll();
        Ok(())
    }

    /// The store as it is, if the action is a commit of which no lease holds.
    fn fenced(&self, action: Action) -> Option<MemoryStore> {
        let step = match action {
            Action::Finish(at, index, _) | Action::FinishLate(at, index) => {
                self.world.instances[at].under_way.get(index)
            }
            Action::Arrive(index) => self.world.orphans.get(index).map(|(_, step)| step),
            _ => None,
        };
        let Some(UnderWay::Ask(_, Request::Commit(commits))) = step else { return None };
        let store = &self.world.store;
        let holds = commits.iter().map(|commit| &commit.lease);
        let mut holds = holds.filter(|lease| store.lease_of(&lease.lane).as_ref() == Some(*lease));
        holds.next().is_none().then(|| store.clone())
    }

    fn finish_late(&mut self, at: usize, index: usize) {
        let Some(UnderWay::Ask(number, request)) = self.world.instances[at].under_way.remove(index)
        else {
            return;
        };
        let answer: Answer = self.world.ask_store(at, request);
        self.world.advance(FREEZE);
        let now = self.world.now;
        self.world.instances[at].worker.handle(number, Some(answer), now);
    }

    fn run_others(&mut self) {
        for _ in 0..1000 {
            if self.is_due(OTHERS) {
                self.world.instances[OTHERS].worker.appended();
            } else if self.world.instances[OTHERS].worker.lanes() == 0 {
                return;
            }
            self.world.poll(OTHERS);
            while !self.world.instances[OTHERS].under_way.is_empty() {
                self.world.finish(OTHERS, 0, Fate::Done);
            }
        }
        panic!("the other lanes do not come to rest");
    }

    /// What holds at any time.
    pub(super) fn check(&self) -> Result<(), String> {
        let mut sent = self.world.cloud.texts_of("ada");
        let all = sent.len();
        sent.sort();
        sent.dedup();
        if sent.len() < all {
            return Err(format!("something is there twice: {sent:?} are {all}"));
        }
        let now = self.world.now.mono();
        let [one, other] = [0, 1].map(|at| &self.world.instances[at].worker);
        let both = one.working_on(now).find(|lane| other.working_on(now).any(|it| it == *lane));
        if let Some(lane) = both {
            return Err(format!("two workers work on {lane:?}"));
        }
        let open = self.world.open_conversations();
        if open.len() > 1 {
            return Err(format!("{open:?} are open"));
        }
        let (record, entries) = self.world.store.largest();
        if record > RECORD || entries > ENTRIES {
            return Err(format!("a record has {record} bytes, or a lane {entries} entries"));
        }
        Ok(())
    }

    /// What holds once nothing happens any more: everything comes to rest, and the books agree.
    pub(super) fn check_end(&self) -> Result<(), String> {
        let mut end = self.world.clone();
        end.serves = None;
        end.settle();
        end.check()
    }
}

/// False for what has no effect, or none that a due lane would not meet too.
fn may_arrive_late(step: &UnderWay) -> bool {
    match step {
        UnderWay::Ask(_, request) => matches!(request, Request::Commit(_) | Request::Extend { .. }),
        UnderWay::Call(_, outgoing, _) => !matches!(**outgoing, Outgoing::Identify(_)),
        UnderWay::Deliver(..) => true,
    }
}
