//! Messages in any order, through a feed.

use std::collections::BTreeSet;
use std::error::Error as _;
use std::time::Duration;

use arbitrary::{Arbitrary, Unstructured};

use super::document::document;
use super::words::NOTIFICATIONS;
use crate::id::{ConversationId, DialogId};
use crate::time::Mono;
use crate::webhook::{
    Change, Delivered, Feed, FeedPoll, Inbox, Order, ReorderWindow, SavedConversation, Verified,
};

#[derive(Arbitrary, Debug)]
struct Setting {
    count: u8,
    ms: u16,
    conversations: u8,
    changes: u8,
}

#[derive(Arbitrary, Debug)]
enum Step {
    /// A message: conversation, dialog, sequence.
    Message(u8, u8, u8),
    /// A message without a sequence.
    State(u8),
    /// A state of a conversation.
    Conversation {
        of: u8,
        is_closed: bool,
    },
    /// Any notification of so many bytes.
    Document(u8),
    Poll,
    Pass(u16),
    Forget(u8),
    Seen(u8, u8),
    Restart,
    Evicted,
}

/// Notifications in any order through a feed: each message that has come is delivered, and nothing stays. In a conversation
/// that was never forgotten each is delivered once, and its place in the order is true.
pub fn feed(data: &[u8]) {
    let mut input = Unstructured::new(data);
    let Ok(setting) = Setting::arbitrary(&mut input) else { return };
    let mut world = World {
        feed: Feed::new(setting.inbox()),
        setting,
        now: Mono::ZERO,
        owed: 0,
        messages: Messages::default(),
    };
    world.messages.are_all_forgotten = world.setting.conversations() < CONVERSATIONS.into();
    while let Ok(step) = Step::arbitrary(&mut input) {
        if input.is_empty() {
            break;
        }
        world.step(step, &mut input);
    }
    world.feed.finish();
    while world.poll() {}
    assert!(world.feed.is_empty(), "something is stuck");
    assert_eq!(world.messages.undelivered, BTreeSet::new(), "lost");
}

/// So many conversations have messages.
const CONVERSATIONS: u8 = 6;

impl Setting {
    /// The most that the inbox remembers: with more than there are, each is remembered.
    fn conversations(&self) -> usize {
        usize::from(self.conversations % 16)
    }

    fn inbox(&self) -> Inbox {
        let window = match self.count {
            0 => ReorderWindow::none(),
            count => ReorderWindow::new(count.into(), Duration::from_millis(self.ms.into())),
        };
        let inbox = Inbox::new(window).max_conversations(self.conversations());
        inbox.max_changes(usize::from(self.changes))
    }
}

struct World {
    feed: Feed,
    setting: Setting,
    now: Mono,
    /// How many changes and unreadable notifications have come and not gone.
    owed: usize,
    messages: Messages,
}

/// The messages of dialogs, by conversation, dialog and sequence.
type Message = (ConversationId, DialogId, u64);

/// What happened to the messages.
#[derive(Default)]
struct Messages {
    undelivered: BTreeSet<Message>,
    delivered: BTreeSet<Message>,
    /// These may have been forgotten, and then their messages are new when they come again.
    forgotten: BTreeSet<ConversationId>,
    /// Any conversation may have been.
    are_all_forgotten: bool,
}

impl Messages {
    fn come(&mut self, message: Message) {
        // A repeat is dropped.
        if !self.delivered.contains(&message) {
            self.undelivered.insert(message);
        }
    }

    fn deliver(&mut self, delivered: &Delivered) {
        let Change::Message(message) = &delivered.change else { return };
        let Some(sequence) = message.sequence() else { return };
        let (conversation, dialog) = (message.conversation().clone(), message.dialog().clone());
        let of = |sequence| (conversation.clone(), dialog.clone(), sequence);
        self.undelivered.remove(&of(sequence));
        if !self.are_all_forgotten && !self.forgotten.contains(&conversation) {
            assert!(!self.delivered.contains(&of(sequence)), "{conversation} {dialog} {sequence}");
            let has_later = self.delivered.range(of(sequence)..=of(u64::MAX)).next().is_some();
            let has_previous = sequence
                .checked_sub(1)
                .is_none_or(|previous| self.delivered.contains(&of(previous)));
            let order = match (has_later, has_previous) {
                (true, _) => Order::Late,
                (false, true) => Order::InOrder,
                (false, false) => Order::AfterGap,
            };
            assert_eq!(delivered.order, order, "{conversation} {dialog} {sequence}");
        }
        self.delivered.insert(of(sequence));
    }
}

impl World {
    fn step(&mut self, step: Step, input: &mut Unstructured<'_>) {
        let id = |which: u8| {
            ConversationId::new(format!("c{}", which % CONVERSATIONS)).expect("a good id")
        };
        let changes = match step {
            Step::Message(of, dialog, sequence) => {
                let dialog = DialogId::new(format!("d{}", dialog % 2)).expect("a good id");
                let change = serde_json::json!({
                    "conversationId": id(of).as_str(), "dialogId": dialog.as_str(),
                    "sequence": sequence, "event": {"type": "ContentEvent", "message": "x"}});
                self.messages.come((id(of), dialog, sequence.into()));
                change
            }
            Step::State(of) => serde_json::json!({"dialogId": id(of).as_str(),
                "event": {"type": "ChatStateEvent", "chatState": "COMPOSING"}}),
            Step::Conversation { of, is_closed } => {
                let state = if is_closed { "CLOSE" } else { "OPEN" };
                serde_json::json!({"type": "UPSERT", "result": {"convId": id(of).as_str(),
                    "conversationDetails": {"state": state}}})
            }
            Step::Document(length) => {
                // Of conversations that this does not count.
                self.messages.are_all_forgotten = true;
                let bytes = input.bytes(usize::from(length).min(input.len()));
                let body = document(bytes.unwrap_or_default(), NOTIFICATIONS);
                return self.push(body);
            }
            Step::Poll => {
                self.poll();
                return;
            }
            Step::Pass(ms) => {
                self.now = self.now + Duration::from_millis(ms.into());
                return;
            }
            Step::Forget(which) => {
                if self.feed.inbox_mut().forget(&id(which)) {
                    self.messages.forgotten.insert(id(which));
                }
                return;
            }
            Step::Seen(which, sequence) => {
                let dialog = DialogId::new("d0").expect("a good id");
                self.feed.inbox_mut().mark_seen(&id(which), &dialog, sequence.into());
                // One that was ready is still delivered, and any other is not.
                self.messages.forgotten.insert(id(which));
                let message = (id(which), dialog, sequence.into());
                self.messages.undelivered.remove(&message);
                self.messages.delivered.insert(message);
                return;
            }
            Step::Restart => return self.restart(),
            Step::Evicted => {
                let _ = self.feed.inbox_mut().pop_evicted();
                return;
            }
        };
        let kind = if changes.get("result").is_some() {
            "cqm.ExConversationChangeNotification"
        } else {
            "ms.MessagingEventNotification"
        };
        let body = serde_json::json!({"type": kind, "body": {"changes": [changes]}});
        self.push(body.to_string().into_bytes());
    }

    fn push(&mut self, body: Vec<u8>) {
        let verified = Verified::dangerous_unverified(body);
        let changes = verified.parse().ok().map(|parsed| parsed.changes().len());
        self.owed += changes.unwrap_or(1);
        let was_full = self.feed.is_full();
        self.feed.push(verified, self.now);
        // One that is not full takes at least one change.
        let waiting = self.feed.waiting().count();
        let is_taken = changes.is_some_and(|changes| waiting < changes);
        assert!(was_full || waiting == 0 || is_taken, "{waiting} of {changes:?} wait");
        assert!(waiting == 0 || self.feed.is_full(), "the next change would have to wait");
    }

    /// Whether something was delivered.
    fn poll(&mut self) -> bool {
        match self.feed.poll(self.now) {
            FeedPoll::Deliver(delivered) => {
                self.messages.deliver(&delivered);
                self.pay()
            }
            FeedPoll::Unreadable(unreadable) => {
                let shown = unreadable.to_string();
                let source = unreadable.source().map(ToString::to_string);
                assert!(shown.starts_with("the notification is not JSON"), "{shown}");
                assert_eq!(source.as_deref(), Some(&*shown));
                assert_eq!(unreadable.notification.parse(), Err(unreadable.error));
                self.pay()
            }
            FeedPoll::Wait(until) => {
                assert!(until > self.now, "a wait that ends in the past");
                assert_eq!(self.feed.inbox().next_due(), Some(until));
                false
            }
            FeedPoll::Idle => false,
        }
    }

    fn pay(&mut self) -> bool {
        self.owed = self.owed.checked_sub(1).expect("more is delivered than has come");
        true
    }

    /// What is in the inbox, and what waits before it, is stored and restored.
    fn restart(&mut self) {
        let inbox = self.feed.inbox();
        let ids: Vec<_> = inbox.conversations().cloned().collect();
        let saved: Vec<_> = ids.iter().filter_map(|id| inbox.save(id, self.now)).collect();
        let stored = serde_json::to_string(&saved).expect("JSON");
        let saved: Vec<SavedConversation> = serde_json::from_str(&stored).expect("what was stored");
        let unscoped = inbox.save_unscoped();
        let waiting: Vec<_> = self.feed.waiting().cloned().collect();
        self.feed = Feed::new(self.setting.inbox());
        saved.into_iter().for_each(|saved| self.feed.inbox_mut().restore(saved, self.now));
        self.feed.inbox_mut().restore_unscoped(unscoped);
        waiting.into_iter().for_each(|change| self.feed.push_change(change, self.now));
    }
}
