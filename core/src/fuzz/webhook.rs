//! Webhooks: signatures and the inbox.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};

use crate::id::{ConversationId, DialogId};
use crate::secret::Secret;
use crate::time::Mono;
use crate::webhook::{
    Algorithm, Change, Encoding, Inbox, InboxPoll, MessagingEvent, Order, ReorderWindow,
    SavedConversation, sign, verify_signature,
};

/// A signature, a line break and a body: only a valid signature passes, and one flipped bit of the
/// body invalidates it.
pub fn verify(data: &[u8]) {
    let secret = Secret::new("fuzz-canary-secret".to_owned());
    let end = data.iter().position(|byte| *byte == b'\n').unwrap_or(data.len());
    let (head, body) = data.split_at_checked(end).unwrap_or_default();
    let signature = String::from_utf8_lossy(head);
    if let Ok(matched) = verify_signature(&signature, body, [&secret]) {
        // It must be the expected one, perhaps in another spelling.
        let expected = sign(&secret, matched.algorithm, matched.encoding, body);
        let bare = |text: &str| text.trim().trim_end_matches('=').to_ascii_lowercase();
        assert_eq!(bare(&expected), bare(&signature), "another signature passed");
    }
    for algorithm in [Algorithm::Sha1, Algorithm::Sha256] {
        for encoding in [Encoding::Base64, Encoding::Hex] {
            let signature = sign(&secret, algorithm, encoding, body);
            assert!(verify_signature(&signature, body, [&secret]).is_ok());
            let mut other = body.to_vec();
            let place = usize::from(head.first().copied().unwrap_or(0));
            match other.get_mut(place) {
                Some(byte) => *byte ^= 1 << (head.len() % 8),
                None => other.push(0),
            }
            assert!(
                verify_signature(&signature, &other, [&secret]).is_err(),
                "another body passed"
            );
        }
    }
}

/// A script of events, waits, polls and restarts: the inbox delivers each event once, reports its
/// order truthfully, and is empty in the end.
pub fn inbox(data: &[u8]) {
    let window = ReorderWindow::new(4, Duration::from_millis(1000));
    let mut inbox = Inbox::new(window).max_conversations(3);
    let id = |n: u8| ConversationId::new(format!("c{}", n % 2)).expect("a good id");
    let (mut now, mut came, mut out) = (Mono::ZERO, BTreeSet::new(), BTreeSet::new());
    let mut ours = BTreeSet::new();
    let mut earlier: Option<SavedConversation> = None;
    let mut drain = |inbox: &mut Inbox, now: Mono, ours: &BTreeSet<(u8, u64)>| {
        for _ in 0..10_000 {
            let due = inbox.next_due();
            match inbox.poll(now) {
                InboxPoll::Deliver(delivered) => {
                    assert!(due.is_some_and(|due| due <= now), "it was due at {due:?}");
                    let Change::Message(message) = &delivered.change else { continue };
                    let Some(sequence) = message.sequence() else { continue };
                    let key = (message.conversation().as_str() == "c1").into();
                    assert!(out.insert((key, sequence)), "{sequence} was delivered twice");
                    if delivered.order == Order::InOrder && sequence > 0 {
                        let before = (key, sequence - 1);
                        assert!(
                            out.contains(&before) || ours.contains(&before),
                            "{sequence} is not in order"
                        );
                    }
                }
                InboxPoll::Wait(until) => {
                    assert!(until > now, "a wait that ends in the past");
                    // What was due then had been seen before it was released.
                    assert!(due.is_some_and(|due| due <= until), "it was due at {due:?}");
                    return;
                }
                InboxPoll::Idle => {
                    assert!(inbox.is_empty() && inbox.next_due().is_none());
                    return;
                }
            }
        }
        panic!("the inbox never becomes idle");
    };
    for pair in data.chunks_exact(2) {
        let [what, value] = *pair else { return };
        let sequence = u64::from(value % 32);
        match what % 16 {
            0..=8 => {
                let raw = json!({"sequence": sequence, "dialogId": id(what).as_str(),
                    "event": {"type": "ContentEvent", "message": "x"}});
                let event = MessagingEvent::try_from(raw.clone()).expect("an event");
                assert_eq!(Value::from(event.clone()), raw);
                came.insert((what % 2, sequence));
                inbox.handle(Change::Message(event), now).expect("room");
            }
            9 => {
                ours.insert((value % 2, sequence));
                inbox.mark_seen(&id(value), &DialogId::main_of(&id(value)), sequence);
            }
            10..=12 => now = now + Duration::from_millis(u64::from(value) * 10),
            13 | 14 => drain(&mut inbox, now, &ours),
            _ => {
                let saved: Vec<_> =
                    [0, 1].into_iter().filter_map(|n| inbox.save(&id(n), now)).collect();
                let stored = serde_json::to_string(&saved).expect("JSON");
                let saved: Vec<SavedConversation> =
                    serde_json::from_str(&stored).expect("what was stored");
                if let Some(earlier) = &earlier {
                    replaced(inbox.clone(), earlier, now);
                }
                earlier = earlier.or(saved.first().cloned());
                inbox = Inbox::new(window).max_conversations(3);
                saved.into_iter().for_each(|saved| inbox.restore(saved, now));
            }
        }
        assert!(inbox.len() <= 2 * 4 + data.len(), "the inbox grows without bound");
    }
    drain(&mut inbox, now + Duration::from_millis(1001), &ours);
    assert!(inbox.is_empty(), "something is stuck");
    for key in came {
        assert!(out.contains(&key) || ours.contains(&key), "{key:?} is lost");
    }
}

/// An earlier state of a conversation replaces the present one: the inbox holds what that state holds, and delivers it.
fn replaced(mut inbox: Inbox, earlier: &SavedConversation, now: Mono) {
    let id = earlier.conversation();
    let alone = |saved: SavedConversation| {
        let mut alone = Inbox::new(ReorderWindow::new(4, Duration::from_millis(1000)));
        alone.restore(saved, now);
        alone.len()
    };
    let present = inbox.save(id, now).map_or(0, alone);
    let others = inbox.len().checked_sub(present).expect("a part of it");
    inbox.restore(earlier.clone(), now);
    let held = alone(earlier.clone());
    assert_eq!(inbox.len(), others + held);
    assert_eq!(inbox.save(id, now).map_or(0, alone), held);
    inbox.flush();
    for _ in 0..others + held {
        assert!(matches!(inbox.poll(now), InboxPoll::Deliver(_)), "something is stuck");
    }
    assert_eq!(inbox.poll(now), InboxPoll::Idle);
}
