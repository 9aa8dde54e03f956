//! The order of turns, the bounds, and restarts.

use std::time::Duration;

use serde_json::json;

use super::tests::text;
use super::*;
use crate::webhook::{ConversationChange, MessagingEvent};

/// Every ready change: its conversation and sequence.
fn ready(inbox: &mut Inbox) -> Vec<(String, Option<u64>)> {
    let mut out = Vec::new();
    while let InboxPoll::Deliver(delivered) = inbox.poll(Mono::ZERO) {
        let Change::Message(message) = delivered.change else { panic!() };
        out.push((message.conversation().to_string(), message.sequence()));
    }
    out
}

fn names(inbox: &Inbox) -> Vec<&str> {
    inbox.conversations().map(ConversationId::as_str).collect()
}

#[test]
fn a_burst_in_one_conversation_takes_one_turn() {
    let mut inbox = Inbox::default();
    for sequence in 0..3 {
        inbox.handle(text(0, false, sequence), Mono::ZERO).unwrap();
    }
    inbox.handle(text(1, false, 0), Mono::ZERO).unwrap();
    let order: Vec<_> =
        ready(&mut inbox).into_iter().map(|(conversation, _)| conversation).collect();
    assert_eq!(order, ["0", "1", "0", "0"]);
}

#[test]
fn the_least_recently_used_conversation_is_evicted() {
    let mut inbox = Inbox::default().max_conversations(3);
    for conversation in [0, 1, 2, 0] {
        let sequence = u64::from(inbox.len() == 3);
        inbox.handle(text(conversation, false, sequence), Mono::ZERO).unwrap();
    }
    inbox.handle(text(3, false, 0), Mono::ZERO).unwrap();
    assert_eq!(names(&inbox), ["2", "0", "3"], "in the order of use");
    inbox.handle(text(4, false, 0), Mono::ZERO).unwrap();
    assert_eq!(names(&inbox), ["0", "3", "4"]);
    let mut out = ready(&mut inbox);
    out.sort();
    let all = [("0", 0), ("0", 1), ("1", 0), ("2", 0), ("3", 0), ("4", 0)];
    assert_eq!(out, all.map(|(conversation, sequence)| (conversation.to_owned(), Some(sequence))));
}

#[test]
fn a_restart_does_not_prolong_the_wait() {
    let window = ReorderWindow::new(4, Duration::from_secs(2));
    let at = |ms| Mono::from_origin(Duration::from_millis(ms));
    let mut inbox = Inbox::new(window);
    inbox.handle(text(0, false, 3), at(0)).unwrap();
    let saved = inbox.save(&ConversationId::new("0").unwrap(), at(1500)).unwrap();
    let mut again = Inbox::new(window);
    again.restore(saved, at(10_000));
    assert_eq!(again.poll(at(10_000)), InboxPoll::Wait(at(10_500)));
}

#[test]
fn many_states_of_one_timestamp_are_distinguished() {
    let mut inbox = Inbox::default();
    for n in 0..200 {
        let raw = json!({"result": {"convId": "c",
            "conversationDetails": {"metaDataLastUpdateTs": 5, "n": n}}});
        let state = Change::Conversation(ConversationChange::try_from(raw).unwrap());
        inbox.handle(state, Mono::ZERO).unwrap();
        assert!(matches!(inbox.poll(Mono::ZERO), InboxPoll::Deliver(_)), "{n}");
    }
}

/// A text in a dialog of the conversation `c`.
fn numbered(dialog: u64, sequence: u64) -> Change {
    let raw = json!({"sequence": sequence, "conversationId": "c", "dialogId": format!("d{dialog}"),
        "event": {"type": "ContentEvent", "message": "x"}});
    Change::Message(MessagingEvent::try_from(raw).unwrap())
}

#[test]
fn a_replaced_dialog_still_delivers_what_it_held() {
    let mut inbox = Inbox::default();
    inbox.handle(numbered(0, 5), Mono::ZERO).unwrap();
    for dialog in 1..=7 {
        inbox.handle(numbered(dialog, 0), Mono::ZERO).unwrap();
    }
    assert_eq!(ready(&mut inbox).len(), 7, "the gap before 5 is waited for");
    inbox.handle(numbered(8, 0), Mono::ZERO).unwrap();
    let delivered = ready(&mut inbox);
    let sequences: Vec<_> = delivered.into_iter().filter_map(|(_, sequence)| sequence).collect();
    assert_eq!(sequences, [5, 0]);
    assert!(inbox.is_empty());
}

#[test]
fn a_ninth_dialog_replaces_the_least_recently_used() {
    let mut inbox = Inbox::default();
    for dialog in [0, 1, 2, 3, 4, 5, 6, 7, 0, 8] {
        inbox.handle(numbered(dialog, 0), Mono::ZERO).unwrap();
    }
    assert_eq!(ready(&mut inbox).len(), 9, "dialog 0 drops the duplicate");
    inbox.handle(numbered(0, 0), Mono::ZERO).unwrap();
    assert!(ready(&mut inbox).is_empty());
    inbox.handle(numbered(1, 0), Mono::ZERO).unwrap();
    assert_eq!(ready(&mut inbox).len(), 1, "dialog 1 was forgotten");
}

#[test]
fn evicted_conversations_are_reported_in_order() {
    let mut inbox = Inbox::default().max_conversations(2);
    for conversation in 0..5 {
        inbox.handle(text(conversation, false, 0), Mono::ZERO).unwrap();
    }
    let mut evicted = Vec::new();
    while let Some(conversation) = inbox.pop_evicted() {
        evicted.push(conversation.to_string());
    }
    assert_eq!(evicted, ["1", "2"], "two are remembered, and 0 was dropped");
    assert_eq!(inbox.pop_evicted(), None);
    assert_eq!(ready(&mut inbox).len(), 5);
}

#[test]
fn a_forgotten_conversation_still_delivers_its_changes() {
    let mut inbox = Inbox::default();
    inbox.handle(text(0, false, 0), Mono::ZERO).unwrap();
    inbox.handle(text(0, false, 2), Mono::ZERO).unwrap();
    inbox.handle(text(1, false, 0), Mono::ZERO).unwrap();
    let id = ConversationId::new("0").unwrap();
    assert!(inbox.forget(&id) && !inbox.forget(&id));
    assert_eq!(names(&inbox), ["1"]);
    assert_eq!(inbox.pop_evicted(), None);
    let all = [("0", 0), ("0", 2), ("1", 0)];
    let all = all.map(|(conversation, sequence)| (conversation.to_owned(), Some(sequence)));
    assert_eq!(ready(&mut inbox), all);
    assert!(inbox.is_empty() && inbox.next_due().is_none());
    inbox.handle(text(0, false, 0), Mono::ZERO).unwrap();
    assert_eq!(ready(&mut inbox).len(), 1, "a later duplicate counts as new");
}

#[test]
fn flush_makes_every_held_change_ready() {
    let mut inbox = Inbox::default();
    for (conversation, sequence) in [(0, 3), (0, 5), (1, 7)] {
        inbox.handle(text(conversation, false, sequence), Mono::ZERO).unwrap();
    }
    assert_eq!(inbox.next_due(), Some(Mono::from_origin(Duration::from_secs(2))));
    inbox.flush();
    assert_eq!(inbox.next_due(), Some(Mono::ZERO));
    assert_eq!(ready(&mut inbox).len(), 3);
}

#[test]
fn restoring_an_empty_state_leaves_no_turn_behind() {
    let mut inbox = Inbox::default();
    let id = ConversationId::new("0").unwrap();
    inbox.mark_seen(&id, &DialogId::main_of(&id), 0);
    let saved = inbox.save(&id, Mono::ZERO).unwrap();
    inbox.handle(text(0, false, 1), Mono::ZERO).unwrap();
    inbox.restore(saved, Mono::ZERO);
    assert_eq!((inbox.next_due(), inbox.poll(Mono::ZERO)), (None, InboxPoll::Idle));
}
