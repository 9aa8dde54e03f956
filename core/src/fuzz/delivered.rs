//! The changes of one notification, through an inbox.

use std::collections::{BTreeMap, BTreeSet};

use crate::time::Mono;
use crate::webhook::{Change, Delivered, Inbox, InboxPoll, Order};

/// The most changes to look at, and the room of the inbox, which is less.
const MOST: usize = 64;
const ROOM: usize = 16;

/// The most dialogs of a conversation that an inbox remembers.
const DIALOGS: usize = 8;

/// A full inbox gives a change back and has room after the next delivery. Each message is delivered, and once if its
/// dialog is remembered; each change without a place in an order is delivered, and no state after a newer one.
pub(super) fn delivered(changes: &[Change]) {
    let changes = changes.get(..MOST).unwrap_or(changes);
    let mut inbox = Inbox::default().max_changes(ROOM);
    let (mut out, mut was_full) = (Vec::new(), false);
    for change in changes {
        if let Err(full) = inbox.handle(change.clone(), Mono::ZERO) {
            was_full = true;
            assert!(inbox.is_full());
            assert_eq!(full.to_string(), "the inbox is full: poll it first");
            let back = full.into_change();
            assert_eq!(&back, change, "it gives another change back");
            out.push(polled(&mut inbox).expect("a full inbox has something to deliver"));
            inbox.handle(back, Mono::ZERO).expect("room");
        }
        assert!(inbox.len() <= ROOM);
    }
    inbox.flush();
    out.extend(std::iter::from_fn(|| polled(&mut inbox)));
    assert!(inbox.is_empty(), "something is stuck");
    in_order(&out, was_full);
    once(changes, &out);
}

fn polled(inbox: &mut Inbox) -> Option<Delivered> {
    let (before, due) = (inbox.len(), inbox.next_due());
    match inbox.poll(Mono::ZERO) {
        InboxPoll::Deliver(delivered) => {
            assert_eq!((inbox.len() + 1, due), (before, Some(Mono::ZERO)));
            Some(delivered)
        }
        InboxPoll::Wait(until) => panic!("something waits until {until:?}"),
        InboxPoll::Idle => {
            assert_eq!(due, None);
            None
        }
    }
}

/// The place of a message, if it is one and has one.
fn place(change: &Change) -> Option<(&str, &str, u64)> {
    let Change::Message(message) = change else { return None };
    let sequence = message.sequence().filter(|_| message.event_type() != Some("ChatStateEvent"))?;
    Some((message.conversation().as_str(), message.dialog().as_str(), sequence))
}

fn in_order(out: &[Delivered], was_full: bool) {
    let mut newest = BTreeMap::new();
    for delivered in out {
        // All have come at once, so none is late unless there was no room for it.
        assert!(was_full || delivered.order != Order::Late, "late");
        if let Change::Conversation(state) = &delivered.change
            && let Some(updated) = state.updated()
        {
            let before = newest.insert(state.conversation(), updated);
            assert!(before.is_none_or(|before| before <= updated), "an older state");
        }
    }
}

fn once(changes: &[Change], out: &[Delivered]) {
    let came: BTreeSet<_> = changes.iter().filter_map(place).collect();
    let all: Vec<_> = out.iter().filter_map(|one| place(&one.change)).collect();
    assert_eq!(all.iter().copied().collect::<BTreeSet<_>>(), came, "lost");
    let dialogs: BTreeSet<_> = came.iter().map(|(of, dialog, _)| (of, dialog)).collect();
    assert!(dialogs.len() > DIALOGS || all.len() == came.len(), "a message comes twice");
    let is_unordered =
        |change: &Change| place(change).is_none() && !matches!(change, Change::Conversation(_));
    let count = changes.iter().filter(|change| is_unordered(change)).count();
    assert_eq!(out.iter().filter(|one| is_unordered(&one.change)).count(), count);
}
