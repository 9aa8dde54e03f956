//! Caches whose operations must not get slower with the number of consumers and conversations.

use std::hint::black_box;

use lp_connector_core::id::{ConversationId, DialogId};
use lp_connector_core::time::Mono;
use lp_connector_core::webhook::{Change, Inbox, InboxPoll, MessagingEvent, ReorderWindow};
use serde_json::json;

use super::cloud::{Connector, text};
use super::{Case, Once};

const INBOX: &str = "inbox: one event in and out";
const CALLS: &str = "tokens: one call";

pub(super) const CASES: fn() -> Vec<Case> = || {
    vec![
        Case::new(INBOX, "1 conversation", || inbox(1, 1)),
        Case::new(INBOX, "10,000 conversations", || inbox(10_000, 10_000)).large(),
        Case::new(INBOX, "10,000 conversations, of a new one", || inbox(20_000, 10_000)).large(),
        Case::new(INBOX, "1,000,000 conversations", || inbox(1_000_000, 1_000_000)).heavy(),
        Case::new(CALLS, "1 consumer", || calls(1)),
        Case::new(CALLS, "10,000 consumers", || calls(10_000)).large(),
        Case::new(CALLS, "1,000,000 consumers", || calls(1_000_000)).heavy(),
    ]
};

/// Indices far apart from each other, so that the processor's caches do not help.
fn step(n: usize) -> usize {
    n * 61 / 100 + 1
}

/// If not all conversations are remembered, each comes when it is forgotten.
fn inbox(conversations: usize, remembered: usize) -> Once {
    let mut inbox = Inbox::new(ReorderWindow::default()).max_conversations(remembered);
    // A thousand of them, spread over all, take turns; or all of them.
    let taking_turns =
        if remembered < conversations { conversations } else { conversations.min(1000) };
    let ids: Vec<ConversationId> = (0..conversations)
        .map(|n| ConversationId::new(format!("5f0c2f4e-3c1d-4f55-9a64-{n:012}")).unwrap())
        .collect();
    for id in &ids {
        inbox.mark_seen(id, &DialogId::main_of(id), 0);
    }
    let events: Vec<_> = (0..taking_turns)
        .filter_map(|n| ids.get(n * step(conversations) % conversations))
        .map(|id| {
            let event = json!({"type": "ChatStateEvent", "chatState": "COMPOSING"});
            let raw = json!({"dialogId": id, "conversationId": id, "event": event});
            MessagingEvent::try_from(raw).unwrap()
        })
        .collect();
    let (mut n, mut sequence) = (0, 1);
    Box::new(move || {
        n += 1;
        if n >= events.len() {
            n = 0;
            sequence += 1;
        }
        let event = &events[n];
        inbox.mark_seen(event.conversation(), event.dialog(), sequence);
        inbox.handle(Change::Message(event.clone()), Mono::ZERO).unwrap();
        let InboxPoll::Deliver(delivered) = inbox.poll(Mono::ZERO) else { unreachable!() };
        black_box((delivered, inbox.pop_evicted()));
    })
}

fn calls(consumers: usize) -> Once {
    let mut connector = Connector::warm(consumers);
    let texts: Vec<_> =
        (0..consumers.min(1000)).map(|n| text(n * step(consumers) % consumers)).collect();
    let mut n = 0;
    Box::new(move || {
        n = (n + 1) % texts.len();
        black_box(connector.send(texts[n].clone()));
    })
}

/// A filled cache of consumers or conversations, for the memory measurement.
pub(crate) fn idle(what: &str, n: usize) -> Once {
    match what {
        "consumers" => {
            let connector = Connector::warm(n);
            Box::new(move || {
                black_box(&connector.state);
            })
        }
        _ => inbox(n, n),
    }
}
