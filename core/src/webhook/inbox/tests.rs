//! Under any interleaving, duplication and loss: each event once, in order or after its window, and
//! none stuck. A model that knows every event checks this.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::webhook::{ConversationChange, MessagingEvent};

const CONVERSATIONS: usize = 2;
const WINDOW: ReorderWindow = ReorderWindow::new(4, Duration::from_secs(2));

pub(super) fn text(conversation: usize, survey: bool, sequence: u64) -> Change {
    let dialog = if survey { format!("survey-{conversation}") } else { conversation.to_string() };
    let raw = json!({"sequence": sequence, "conversationId": conversation.to_string(),
        "dialogId": dialog, "event": {"type": "ContentEvent", "message": "x"}});
    Change::Message(MessagingEvent::try_from(raw).unwrap())
}

fn state(conversation: usize, updated: u64) -> Change {
    let raw = json!({"result": {"convId": conversation.to_string(),
        "conversationDetails": {"metaDataLastUpdateTs": updated}}});
    Change::Conversation(ConversationChange::try_from(raw).unwrap())
}

/// One step of a script.
#[derive(Clone, Copy, Debug)]
enum Step {
    Text {
        conversation: usize,
        survey: bool,
        sequence: u64,
    },
    State {
        conversation: usize,
        updated: u64,
    },
    Typing {
        conversation: usize,
    },
    Ours {
        conversation: usize,
        sequence: u64,
    },
    Wait {
        ms: u64,
    },
    Poll,
    /// The program restarts, with a new origin of its clock.
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    let conversation = 0..CONVERSATIONS;
    prop_oneof![
        10 => (conversation.clone(), prop::bool::weighted(0.2), 0u64..24).prop_map(
            |(conversation, survey, sequence)| Step::Text { conversation, survey, sequence }),
        2 => (conversation.clone(), 0u64..6)
            .prop_map(|(conversation, updated)| Step::State { conversation, updated }),
        1 => conversation.clone().prop_map(|conversation| Step::Typing { conversation }),
        1 => (conversation, 0u64..24)
            .prop_map(|(conversation, sequence)| Step::Ours { conversation, sequence }),
        3 => (0u64..1500).prop_map(|ms| Step::Wait { ms }),
        4 => Just(Step::Poll),
        1 => Just(Step::Restart),
    ]
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    prop::collection::vec(step(), 0..120)
}

/// The changes that entered the inbox, and those that it delivered.
#[derive(Default)]
struct World {
    /// In milliseconds since the first start.
    time: u64,
    /// The time of the last start.
    origin: u64,
    /// When each event arrived first.
    came: BTreeMap<(usize, bool, u64), u64>,
    ours: BTreeSet<(usize, bool, u64)>,
    delivered: Vec<((usize, bool, u64), Order)>,
    states: Vec<(usize, u64)>,
    typing: usize,
}

impl World {
    fn now(&self) -> Mono {
        Mono::from_origin(Duration::from_millis(self.time - self.origin))
    }

    /// Takes every ready change.
    fn drain(&mut self, inbox: &mut Inbox) {
        for _ in 0..10_000 {
            let due = inbox.next_due();
            match inbox.poll(self.now()) {
                InboxPoll::Deliver(delivered) => {
                    assert!(due.is_some_and(|due| due <= self.now()), "{due:?}");
                    self.note(delivered);
                }
                InboxPoll::Wait(until) => {
                    assert!(until > self.now(), "a wait that ends in the past");
                    assert_eq!(due, Some(until));
                    return;
                }
                InboxPoll::Idle => {
                    assert_eq!(due, None);
                    return;
                }
            }
        }
        panic!("it never comes to rest");
    }

    fn note(&mut self, delivered: Delivered) {
        match &delivered.change {
            Change::Message(event) => match event.sequence() {
                Some(sequence) => {
                    let conversation = event.conversation().as_str().parse().unwrap();
                    let key = (conversation, !event.is_in_main_dialog(), sequence);
                    self.delivered.push((key, delivered.order));
                }
                None => self.typing += 1,
            },
            Change::Conversation(change) => {
                let conversation = change.conversation().as_str().parse().unwrap();
                self.states.push((conversation, change.updated().unwrap().as_millis()));
            }
            Change::Other(_) => unreachable!("none was put in"),
        }
    }
}

fn play(steps: &[Step]) -> World {
    let mut world = World::default();
    let mut inbox = Inbox::new(WINDOW);
    let mut typed = 0;
    for step in steps {
        let now = world.now();
        match *step {
            Step::Text { conversation, survey, sequence } => {
                inbox.handle(text(conversation, survey, sequence), now).unwrap();
                let key = (conversation, survey, sequence);
                world.came.entry(key).or_insert(world.time);
            }
            Step::State { conversation, updated } => {
                inbox.handle(state(conversation, updated), now).unwrap();
            }
            Step::Typing { conversation } => {
                let raw = json!({"dialogId": conversation.to_string(),
                    "event": {"type": "ChatStateEvent", "chatState": "COMPOSING"}});
                let event = MessagingEvent::try_from(raw).unwrap();
                inbox.handle(Change::Message(event), now).unwrap();
                typed += 1;
            }
            Step::Ours { conversation, sequence } => {
                let id = ConversationId::new(conversation.to_string()).unwrap();
                inbox.mark_seen(&id, &DialogId::main_of(&id), sequence);
                world.ours.insert((conversation, false, sequence));
            }
            Step::Wait { ms } => world.time += ms,
            Step::Poll => world.drain(&mut inbox),
            Step::Restart => {
                let ids: Vec<_> = inbox.conversations().cloned().collect();
                let saved: Vec<_> = ids
                    .iter()
                    .map(|id| serde_json::to_string(&inbox.save(id, now).unwrap()).unwrap())
                    .collect();
                world.origin = world.time;
                inbox = Inbox::new(WINDOW);
                for saved in saved {
                    inbox.restore(serde_json::from_str(&saved).unwrap(), world.now());
                }
            }
        }
        let bound = CONVERSATIONS * 2 * WINDOW.count;
        let held = || inbox.conversations.values().map(|entry| entry.queue.len()).sum::<usize>();
        assert_eq!(inbox.len(), held(), "the count is wrong");
        let ready: usize = inbox.conversations.values().map(|entry| entry.queue.ready.len()).sum();
        assert!(inbox.len() - ready <= bound, "more is held back than the window has");
    }
    world.time += 2001;
    world.drain(&mut inbox);
    assert!(inbox.is_empty(), "something is stuck");
    assert_eq!(world.typing, typed, "a chat state was lost or doubled");
    world
}

proptest! {
    #[test]
    fn each_event_is_delivered_exactly_once(steps in steps()) {
        let world = play(&steps);
        let mut seen = BTreeSet::new();
        for (key, _) in &world.delivered {
            prop_assert!(seen.insert(*key), "{key:?} twice");
        }
        for key in world.came.keys().filter(|key| !world.ours.contains(key)) {
            prop_assert!(seen.contains(key), "{key:?} lost");
        }
    }

    #[test]
    fn the_reported_order_is_true(steps in steps()) {
        let world = play(&steps);
        let mut delivered: BTreeMap<(usize, bool), BTreeSet<u64>> = BTreeMap::new();
        for ((conversation, survey, sequence), order) in &world.delivered {
            let before = delivered.entry((*conversation, *survey)).or_default();
            let after = before.range(sequence + 1..).next().is_some();
            prop_assert_eq!(after, *order == Order::Late, "{} of {:?}", sequence, before);
            if *order == Order::InOrder && *sequence > 0 {
                let known = before.contains(&(sequence - 1))
                    || world.ours.contains(&(*conversation, *survey, sequence - 1));
                prop_assert!(known, "{sequence} of {before:?}");
            }
            if *order == Order::AfterGap && *sequence > 0 {
                prop_assert!(!before.contains(&(sequence - 1)), "no gap: {sequence} of {before:?}");
            }
            before.insert(*sequence);
        }
    }

    #[test]
    fn states_only_ever_get_newer(steps in steps()) {
        let world = play(&steps);
        for conversation in 0..CONVERSATIONS {
            let times: Vec<_> =
                world.states.iter().filter(|(of, _)| *of == conversation).map(|(_, at)| *at).collect();
            prop_assert!(times.windows(2).all(|two| two[0] < two[1]), "{times:?}");
        }
        let newest = |of: usize| steps.iter().filter_map(move |step| match step {
            Step::State { conversation, updated } if *conversation == of => Some(*updated),
            _ => None,
        }).max();
        for conversation in 0..CONVERSATIONS {
            let last = world.states.iter().rfind(|(of, _)| *of == conversation).map(|(_, at)| *at);
            prop_assert_eq!(last, newest(conversation));
        }
    }

    #[test]
    fn a_shuffle_within_the_window_is_put_in_order(
        order in Just((0u64..40).collect::<Vec<_>>()).prop_shuffle(),
        again in prop::collection::vec(0usize..40, 0..20),
    ) {
        let mut inbox = Inbox::new(ReorderWindow::new(64, Duration::from_secs(2)));
        let again = again.iter().filter_map(|at| order.get(*at));
        for sequence in order.iter().chain(again) {
            inbox.handle(text(0, false, *sequence), Mono::ZERO).unwrap();
        }
        let mut world = World::default();
        world.drain(&mut inbox);
        let out: Vec<_> = world.delivered.iter().map(|((_, _, sequence), _)| *sequence).collect();
        prop_assert_eq!(out, (0..40).collect::<Vec<_>>());
        prop_assert!(world.delivered.iter().all(|(_, order)| *order == Order::InOrder));
    }

    #[test]
    fn without_a_window_each_event_passes_once(
        order in Just((0u64..200).collect::<Vec<_>>()).prop_shuffle(),
    ) {
        let mut inbox = Inbox::new(ReorderWindow::none());
        for sequence in order.iter().chain(&order) {
            inbox.handle(text(0, false, *sequence), Mono::ZERO).unwrap();
        }
        let mut world = World::default();
        world.drain(&mut inbox);
        let out: Vec<_> = world.delivered.iter().map(|((_, _, sequence), _)| *sequence).collect();
        prop_assert_eq!(out, order);
    }

    #[test]
    fn no_number_panics(numbers in prop::collection::vec(any::<u64>(), 0..50), window in 0usize..5) {
        let mut inbox = Inbox::new(ReorderWindow::new(window, Duration::MAX)).max_conversations(1);
        for number in numbers {
            inbox.handle(text((number % 3) as usize, false, number), Mono::NEVER).unwrap();
            let id = ConversationId::new("0").unwrap();
            inbox.mark_seen(&id, &DialogId::main_of(&id), number ^ 1);
        }
        while let InboxPoll::Deliver(_) = inbox.poll(Mono::NEVER) {}
    }
}

#[test]
fn a_gap_delays_no_longer_than_the_window() {
    let (mut inbox, mut world) = (Inbox::new(WINDOW), World::default());
    inbox.handle(text(0, false, 0), world.now()).unwrap();
    inbox.handle(text(0, false, 2), world.now()).unwrap();
    world.drain(&mut inbox);
    assert_eq!(world.delivered.len(), 1);
    let due = Mono::from_origin(Duration::from_secs(2));
    assert_eq!(inbox.poll(world.now()), InboxPoll::Wait(due));
    world.time = 2000;
    world.drain(&mut inbox);
    assert_eq!(world.delivered.last(), Some(&((0, false, 2), Order::AfterGap)));
    inbox.handle(text(0, false, 1), world.now()).unwrap();
    world.drain(&mut inbox);
    assert_eq!(world.delivered.last(), Some(&((0, false, 1), Order::Late)));
    assert_eq!(inbox.poll(world.now()), InboxPoll::Idle);
}

#[test]
fn a_duplicate_does_not_prolong_the_wait() {
    let (mut inbox, mut world) = (Inbox::new(WINDOW), World::default());
    inbox.handle(text(0, false, 2), world.now()).unwrap();
    world.time = 1500;
    inbox.handle(text(0, false, 2), world.now()).unwrap();
    world.time = 2000;
    world.drain(&mut inbox);
    assert_eq!(world.delivered, [((0, false, 2), Order::AfterGap)]);
}

#[test]
fn a_sequence_marked_as_seen_fills_its_gap() {
    let (mut inbox, mut world) = (Inbox::new(WINDOW), World::default());
    inbox.handle(text(0, false, 1), world.now()).unwrap();
    let id = ConversationId::new("0").unwrap();
    inbox.mark_seen(&id, &DialogId::main_of(&id), 0);
    world.drain(&mut inbox);
    assert_eq!(world.delivered, [((0, false, 1), Order::InOrder)]);
    inbox.handle(text(0, false, 0), world.now()).unwrap();
    world.drain(&mut inbox);
    assert_eq!(world.delivered.len(), 1);
}

#[test]
fn a_full_inbox_returns_the_change() {
    let mut inbox = Inbox::default().max_changes(2);
    let now = Mono::ZERO;
    inbox.handle(text(0, false, 0), now).unwrap();
    inbox.handle(text(0, false, 1), now).unwrap();
    let back = inbox.handle(text(0, false, 2), now).unwrap_err().into_change();
    assert_eq!(back, text(0, false, 2));
    assert!(matches!(inbox.poll(now), InboxPoll::Deliver(_)));
    inbox.handle(back, now).unwrap();
    assert_eq!(inbox.len(), 2);
}

#[test]
fn an_inbox_full_of_held_events_releases_them() {
    let mut inbox = Inbox::default().max_changes(2);
    let now = Mono::ZERO;
    inbox.handle(text(0, false, 5), now).unwrap();
    inbox.handle(text(0, false, 7), now).unwrap();
    assert!(matches!(inbox.poll(now), InboxPoll::Wait(_)));
    let back = inbox.handle(text(0, false, 9), now).unwrap_err().into_change();
    assert!(matches!(inbox.poll(now), InboxPoll::Deliver(_)), "a change is ready");
    inbox.handle(back, now).unwrap();
}

/// One that goes too early is a gap that is not one: it is the one whose time is over first.
#[test]
fn a_full_inbox_releases_what_is_due_first() {
    let mut inbox = Inbox::new(WINDOW).max_changes(3);
    let at = |seconds| Mono::from_origin(Duration::from_secs(seconds));
    for (conversation, second) in [(1, 0), (0, 1), (2, 1)] {
        inbox.handle(text(conversation, false, 5), at(second)).unwrap();
    }
    inbox.handle(text(3, false, 5), at(1)).unwrap_err();
    let InboxPoll::Deliver(delivered) = inbox.poll(at(1)) else { panic!("nothing is ready") };
    assert_eq!(delivered.change, text(1, false, 5));
    assert_eq!(inbox.poll(at(1)), InboxPoll::Wait(at(3)), "the others wait on");
}

/// Nothing says that it is older or newer: it is delivered once, and leaves the time of the newest.
#[test]
fn a_state_without_a_time_is_delivered_once() {
    let state = |updated: Option<u64>, mark: &str| {
        let mut details = json!({"skillId": mark});
        if let Some(updated) = updated {
            details["metaDataLastUpdateTs"] = json!(updated);
        }
        let raw = json!({"result": {"convId": "c", "conversationDetails": details}});
        Change::Conversation(ConversationChange::try_from(raw).unwrap())
    };
    let mut inbox = Inbox::default();
    for (updated, mark, is_new) in [
        (None, "a", true),
        (None, "a", false),
        (Some(7), "b", true),
        (None, "c", true),
        (None, "c", false),
        (Some(6), "d", false),
        (Some(7), "b", false),
        (Some(7), "e", true),
        (Some(8), "f", true),
        (Some(7), "g", false),
    ] {
        inbox.handle(state(updated, mark), Mono::ZERO).unwrap();
        let delivered = matches!(inbox.poll(Mono::ZERO), InboxPoll::Deliver(_));
        assert_eq!(delivered, is_new, "{updated:?} {mark}");
    }
}

#[test]
fn unscoped_changes_survive_a_restart() {
    let other = || {
        let body = br#"{"type":"x.Unknown","body":{"changes":[7]}}"#.to_vec();
        let notification = crate::webhook::Verified::dangerous_unverified(body).parse().unwrap();
        notification.into_changes().remove(0)
    };
    let mut inbox = Inbox::default();
    inbox.handle(other(), Mono::ZERO).unwrap();
    let stored = serde_json::to_string(&inbox.save_unscoped()).unwrap();
    let mut again = Inbox::default();
    again.restore_unscoped(serde_json::from_str(&stored).unwrap());
    let InboxPoll::Deliver(delivered) = again.poll(Mono::ZERO) else { panic!() };
    assert_eq!(delivered.change, other());
    assert!(again.is_empty());
}

#[test]
fn the_sequence_of_a_chat_state_is_ignored() {
    let raw = json!({"sequence": 0, "dialogId": "0", "event": {"type": "ChatStateEvent"}});
    let state = Change::Message(MessagingEvent::try_from(raw).unwrap());
    let mut inbox = Inbox::default();
    inbox.handle(state.clone(), Mono::ZERO).unwrap();
    inbox.handle(text(0, false, 0), Mono::ZERO).unwrap();
    let mut out = Vec::new();
    while let InboxPoll::Deliver(delivered) = inbox.poll(Mono::ZERO) {
        out.push(delivered.change);
    }
    assert_eq!(out, [state, text(0, false, 0)]);
}

#[test]
fn a_seen_state_is_dropped_among_others_of_its_time() {
    let state = |mark: &str| {
        let raw = json!({"result": {"convId": "0", "conversationDetails":
            {"metaDataLastUpdateTs": 7, "skillId": mark}}});
        Change::Conversation(ConversationChange::try_from(raw).unwrap())
    };
    let mut inbox = Inbox::default();
    for mark in ["a", "b", "a", "b"] {
        inbox.handle(state(mark), Mono::ZERO).unwrap();
    }
    assert_eq!(inbox.len(), 2);
}

#[test]
fn a_state_with_its_members_in_another_order_is_the_same() {
    let state = |details: &str| {
        let body = format!(
            r#"{{"type":"cqm.ExConversationChangeNotification","body":{{"changes":[{{"type":"UPSERT",
            "result":{{"convId":"0","conversationDetails":{{{details}}}}}}}]}}}}"#
        );
        let notification = crate::webhook::Verified::dangerous_unverified(body).parse().unwrap();
        notification.into_changes().remove(0)
    };
    let mut inbox = Inbox::default();
    for details in [
        r#""metaDataLastUpdateTs":7,"skillId":"a","state":"OPEN""#,
        r#""state":"OPEN","skillId":"a","metaDataLastUpdateTs":7"#,
    ] {
        assert!(matches!(state(details), Change::Conversation(_)));
        inbox.handle(state(details), Mono::ZERO).unwrap();
    }
    assert_eq!(inbox.len(), 1);
}

#[test]
fn an_evicted_conversation_still_delivers_its_changes() {
    let (mut inbox, mut world) = (Inbox::new(WINDOW).max_conversations(1), World::default());
    inbox.handle(text(0, false, 3), world.now()).unwrap();
    inbox.handle(text(1, false, 0), world.now()).unwrap();
    assert_eq!(inbox.conversations().count(), 1);
    world.drain(&mut inbox);
    let out: Vec<_> = world.delivered.iter().map(|(key, _)| *key).collect();
    assert_eq!(out, [(0, false, 3), (1, false, 0)]);
    assert!(inbox.is_empty() && inbox.due.is_empty() && inbox.turns.is_empty());
}

#[test]
fn unscoped_changes_count_towards_the_limit() {
    let mut inbox = Inbox::default().max_changes(2);
    assert!(inbox.is_empty());
    let other = || {
        let body = br#"{"type":"x.Y","body":{"changes":[1]}}"#.to_vec();
        let parsed = crate::webhook::Verified::dangerous_unverified(body).parse().unwrap();
        parsed.into_changes().remove(0)
    };
    inbox.handle(other(), Mono::ZERO).unwrap();
    assert!(!inbox.is_empty());
    inbox.handle(other(), Mono::ZERO).unwrap();
    assert!(inbox.handle(other(), Mono::ZERO).is_err(), "the limit is two");
    for _ in 0..2 {
        assert!(matches!(inbox.poll(Mono::ZERO), InboxPoll::Deliver(_)));
    }
    assert!(inbox.is_empty());
    assert_eq!(inbox.poll(Mono::ZERO), InboxPoll::Idle);
}

#[test]
fn handle_from_takes_as_many_changes_as_fit() {
    let mut inbox = Inbox::default().max_changes(2);
    let mut waiting: VecDeque<_> = (0..5).map(|sequence| text(0, false, sequence)).collect();
    let mut left = Vec::new();
    let mut delivered = 0;
    loop {
        inbox.handle_from(&mut waiting, Mono::ZERO);
        left.push(waiting.len());
        match inbox.poll(Mono::ZERO) {
            InboxPoll::Deliver(_) => delivered += 1,
            _ => break,
        }
    }
    assert_eq!((delivered, left), (5, vec![3, 2, 1, 0, 0, 0]));
}

#[test]
fn conversations_are_served_round_robin() {
    let mut inbox = Inbox::default();
    for sequence in 0..3 {
        for conversation in 0..2 {
            inbox.handle(text(conversation, false, sequence), Mono::ZERO).unwrap();
        }
    }
    let mut order = Vec::new();
    while let InboxPoll::Deliver(delivered) = inbox.poll(Mono::ZERO) {
        let Change::Message(message) = delivered.change else { panic!() };
        order.push(message.conversation().to_string());
    }
    assert_eq!(order, ["0", "1", "0", "1", "0", "1"]);
}

#[test]
fn eight_states_of_one_timestamp_are_distinguished() {
    let differing = |n: usize| {
        let raw = json!({"result": {"convId": "c",
            "conversationDetails": {"metaDataLastUpdateTs": 5, "n": n}}});
        Change::Conversation(ConversationChange::try_from(raw).unwrap())
    };
    let mut inbox = Inbox::default();
    let mut is_newer = |n: usize| {
        inbox.handle(differing(n), Mono::ZERO).unwrap();
        matches!(inbox.poll(Mono::ZERO), InboxPoll::Deliver(_))
    };
    assert!((0..8).all(&mut is_newer));
    assert!(!(0..8).any(&mut is_newer), "all eight were seen");
    assert!(is_newer(8));
    assert!(!(1..9).any(&mut is_newer), "eight are remembered");
    assert!(is_newer(0), "the oldest was forgotten");
}
