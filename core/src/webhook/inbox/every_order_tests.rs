//! Every order in which a few events can arrive, with every repeat, loss, pause and restart.
//!
//! A search goes from an empty inbox to every state that these events can lead to, until there is no other. What
//! must hold in each is written down here, and not how the inbox does it: the invariants of [`Inbox`].

use std::collections::{BTreeSet, VecDeque};
use std::rc::Rc;
use std::time::Duration;

use super::tests::text;
use super::*;

/// The window is so many of these long.
const TICK: Duration = Duration::from_secs(1);

/// The most states of a world. Beyond this a search ends, and its test fails.
const MOST: usize = 60_000;

/// Which events there are, and which window.
#[derive(Clone, Copy, Debug)]
struct World {
    /// The events have the sequences from 0 on.
    events: usize,
    /// The connector's own message, of which the answer says the sequence.
    own: Option<usize>,
    count: usize,
    ticks: u32,
    max_changes: usize,
    /// Whatever is ready is taken at once.
    is_drained: bool,
}

impl World {
    fn window(self) -> ReorderWindow {
        ReorderWindow::new(self.count, TICK * self.ticks)
    }

    fn inbox(self) -> Inbox {
        Inbox::new(self.window()).max_changes(self.max_changes)
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Action {
    /// The event arrives: for the first time, or again.
    Arrive(usize),
    /// The sequence of the connector's own message is known.
    Own,
    Take,
    Tick,
}

/// What is known of one event.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
struct Known {
    arrived: Option<Mono>,
    /// It is ready, or was delivered.
    is_out: bool,
    is_own: bool,
}

#[derive(Clone, Debug)]
struct State {
    world: World,
    inbox: Inbox,
    now: Mono,
    /// What arrives: the same each time.
    changes: Rc<[Change]>,
    known: Vec<Known>,
    way: Vec<Action>,
}

impl State {
    fn new(world: World) -> Self {
        let changes = (0..world.events).map(|at| text(0, false, at as u64)).collect();
        let known = vec![Known::default(); world.events];
        Self { world, inbox: world.inbox(), now: Mono::ZERO, changes, known, way: Vec::new() }
    }

    fn queue(&self) -> Option<&ConversationQueue> {
        self.inbox.conversations.values().next().map(|entry| &entry.queue)
    }

    fn ready(&self) -> Vec<(usize, Order)> {
        let ready = self.queue().into_iter().flat_map(|queue| &queue.ready);
        ready.map(|delivered| (sequence(delivered), delivered.order)).collect()
    }

    /// The events that arrived, and are neither ready nor delivered.
    fn held(&self) -> Vec<usize> {
        let is_held = |known: &Known| known.arrived.is_some() && !known.is_out && !known.is_own;
        (0..self.known.len()).filter(|at| is_held(&self.known[*at])).collect()
    }

    /// When the time of an event is over.
    fn due(&self, at: usize) -> Mono {
        self.known[at].arrived.unwrap() + TICK * self.world.ticks
    }

    fn follows(&self, at: usize) -> bool {
        at == 0 || self.known[at - 1].is_out || self.known[at - 1].is_own
    }

    fn actions(&self) -> Vec<Action> {
        let mut actions: Vec<Action> = (0..self.known.len()).map(Action::Arrive).collect();
        actions.extend(self.world.own.map(|_| Action::Own));
        actions.push(Action::Tick);
        if !self.world.is_drained {
            actions.push(Action::Take);
        }
        actions
    }

    fn perform(&mut self, action: Action) {
        self.way.push(action);
        let before = self.ready();
        let mut taken = 0;
        let mut is_full = false;
        match action {
            Action::Arrive(at) => {
                let has_no_room = self.inbox.is_full();
                // What is ready makes room.
                is_full = has_no_room && before.is_empty();
                let change = self.changes[at].clone();
                match self.inbox.handle(change.clone(), self.now) {
                    Ok(()) => {
                        assert!(!has_no_room, "{self:?} took one more");
                        self.known[at].arrived.get_or_insert(self.now);
                    }
                    Err(full) => {
                        assert!(has_no_room, "{self:?} is not full");
                        let next = self.inbox.next_due();
                        assert_eq!(next, Some(Mono::ZERO), "{self:?} is full, and stays so");
                        assert_eq!(full.into_change(), change, "{self:?} gave another back");
                    }
                }
            }
            Action::Own => {
                let (id, at) = (ConversationId::new("0").unwrap(), self.world.own.unwrap());
                self.inbox.mark_seen(&id, &DialogId::main_of(&id), at as u64);
                self.known[at].is_own = true;
            }
            Action::Take => taken = usize::from(self.take(&before)),
            Action::Tick => self.now = self.now + TICK,
        }
        let after = self.ready();
        let kept = &before[taken.min(before.len())..];
        assert_eq!(&after[..kept.len()], kept, "{self:?} changed what was ready");
        for (at, order) in &after[kept.len()..] {
            self.check_decision(*at, *order, action, is_full);
        }
        self.check();
    }

    /// Polls once. True if one of those that were ready was given.
    fn take(&mut self, before: &[(usize, Order)]) -> bool {
        let due: Vec<usize> =
            self.held().into_iter().filter(|at| self.due(*at) <= self.now).collect();
        match self.inbox.poll(self.now) {
            InboxPoll::Deliver(delivered) => {
                let given = (sequence(&delivered), delivered.order);
                match before.first() {
                    Some(first) => assert_eq!(given, *first, "{self:?} gave another first"),
                    None => self.check_decision(given.0, given.1, Action::Take, false),
                }
                !before.is_empty()
            }
            poll => {
                let is_rest = before.is_empty() && due.is_empty();
                assert!(is_rest, "{self:?} is at rest, and {due:?} are due");
                let next = self.held().into_iter().map(|at| self.due(at)).min();
                let expected = next.map_or(InboxPoll::Idle, InboxPoll::Wait);
                assert_eq!(poll, expected, "{self:?}");
                false
            }
        }
    }

    /// An event has just become ready, with this order.
    fn check_decision(&mut self, at: usize, order: Order, action: Action, is_full: bool) {
        let held = self.held();
        assert!(held.contains(&at), "{self:?}: {at} is ready twice, or was never there");
        let is_late = self.known[at + 1..].iter().any(|later| later.is_out);
        let expected = match (is_late, self.follows(at)) {
            (true, _) => Order::Late,
            (false, true) => Order::InOrder,
            (false, false) => Order::AfterGap,
        };
        assert_eq!(order, expected, "{self:?}: {at}");
        if order == Order::AfterGap {
            let is_over = |later: &usize| *later >= at && self.due(*later) <= self.now;
            let is_due = action == Action::Take && held.iter().any(is_over);
            let is_crowded = held.len() > self.world.count;
            assert!(is_due || is_crowded || is_full, "{self:?}: {at} goes before its time");
        }
        self.known[at].is_out = true;
    }

    /// What holds at any time.
    fn check(&self) {
        let held = self.held();
        assert!(held.len() <= self.world.count, "{self:?} holds {held:?}");
        let waits_for_nothing = held.first().is_some_and(|first| self.follows(*first));
        assert!(!waits_for_nothing, "{self:?}: the first waits for nothing");
        for at in &held {
            let is_late = self.known[at + 1..].iter().any(|later| later.is_out);
            assert!(!is_late, "{self:?}: {at} waits, and a later one does not");
        }
        let ready = self.ready().len();
        assert_eq!(self.inbox.len(), held.len() + ready, "{self:?}: the count is wrong");
        let is_full = held.len() + ready >= self.world.max_changes;
        assert_eq!(self.inbox.is_full(), is_full, "{self:?}");
        let due = held.iter().map(|at| self.due(*at)).min();
        let next = if ready > 0 { Some(Mono::ZERO) } else { due };
        assert_eq!(self.inbox.next_due(), next, "{self:?}");
    }

    /// A restart with another origin of the clock changes nothing.
    fn check_restart(&self) {
        let Some(id) = self.inbox.conversations().next().cloned() else { return };
        let saved = self.inbox.save(&id, self.now).unwrap();
        let mut again = self.clone();
        again.inbox = self.world.inbox();
        again.now = Mono::from_origin(TICK * 1000);
        for known in &mut again.known {
            let age = known.arrived.map(|at| self.now.since(at).min(TICK * self.world.ticks));
            known.arrived = age.map(|age| Mono::from_origin(TICK * 1000 - age));
        }
        again.inbox.restore(saved, again.now);
        assert_eq!(again.key(), self.key(), "{self:?} is another after a restart");
        again.check();
    }

    /// From here on nothing arrives: all goes out in the time of the window, and nothing remains.
    fn check_end(&self) {
        let mut end = self.clone();
        end.now = end.now + TICK * end.world.ticks;
        for _ in 0..=end.known.len() {
            end.perform(Action::Take);
        }
        let inbox = &end.inbox;
        assert!(inbox.is_empty() && inbox.due.is_empty() && inbox.turns.is_empty(), "{end:?}");
        for known in &end.known {
            let is_out = known.is_out || known.is_own || known.arrived.is_none();
            assert!(is_out, "{end:?} has lost one");
        }
    }

    /// Tells states apart: all that the inbox keeps, with times from now on.
    fn key(&self) -> Vec<u64> {
        let mut key = Vec::new();
        for known in &self.known {
            let wait =
                known.arrived.map(|at| (at + TICK * self.world.ticks).since(self.now).as_secs());
            let wait = wait.filter(|_| !known.is_out && !known.is_own).unwrap_or(9);
            key.extend([u64::from(known.arrived.is_some()), u64::from(known.is_out)]);
            key.extend([u64::from(known.is_own), wait]);
        }
        for (at, order) in self.ready() {
            key.extend([at as u64, order as u64]);
        }
        key.push(u64::MAX);
        for (_, dialog) in self.queue().into_iter().flat_map(|queue| &queue.dialogs) {
            key.push(dialog.highest.unwrap_or(u64::MAX));
            let seen = (0..self.known.len() as u64).filter(|at| dialog.seen.contains(*at));
            key.extend(seen);
            key.push(u64::MAX);
            for (at, held) in &dialog.held {
                key.extend([*at, held.due.since(self.now).as_secs()]);
            }
        }
        key
    }
}

fn sequence(delivered: &Delivered) -> usize {
    let Change::Message(event) = &delivered.change else { panic!("no event") };
    event.sequence().unwrap() as usize
}

/// Goes to every state, and returns how many there are.
fn explore(world: World) -> usize {
    let start = State::new(world);
    let mut seen = BTreeSet::from([start.key()]);
    let mut queue = VecDeque::from([start]);
    while let Some(state) = queue.pop_front() {
        state.check_restart();
        state.check_end();
        for action in state.actions() {
            let mut next = state.clone();
            next.perform(action);
            while world.is_drained && next.inbox.next_due().is_some_and(|due| due <= next.now) {
                next.perform(Action::Take);
            }
            if seen.insert(next.key()) {
                assert!(seen.len() <= MOST, "the world is too large: {world:?}");
                queue.push_back(next);
            }
        }
    }
    seen.len()
}

const FIVE: World =
    World { events: 5, own: None, count: 2, ticks: 2, max_changes: 100, is_drained: false };

#[test]
fn each_event_once_in_order_or_with_its_reason() {
    let worlds = [0, 1, 2, 3, 4].map(|count| World { count, ..FIVE });
    let states: usize = worlds.into_iter().map(explore).sum();
    assert!(states >= 4_400, "{states}");
}

#[test]
fn six_events_once_in_order_or_with_their_reasons() {
    let six = World { events: 6, ticks: 3, is_drained: true, ..FIVE };
    let worlds = [1, 2, 3, 4, 5].map(|count| World { count, ..six });
    let states: usize = worlds.into_iter().map(explore).sum();
    assert!(states >= 4_200, "{states}");
}

#[test]
fn an_own_message_is_never_delivered_nor_waited_for() {
    let worlds = [0, 1, 2, 3].map(|own| World { events: 4, own: Some(own), ..FIVE });
    let states: usize = worlds.into_iter().map(explore).sum();
    assert!(states >= 1_500, "{states}");
}

#[test]
fn a_full_inbox_loses_nothing_and_gets_room() {
    let worlds = [1, 2, 3].map(|max_changes| World { max_changes, count: 3, ..FIVE });
    let states: usize = worlds.into_iter().map(explore).sum();
    assert!(states >= 1_300, "{states}");
}
