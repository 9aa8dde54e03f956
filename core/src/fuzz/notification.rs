//! Notifications, read to the last member.

use std::time::Duration;

use arbitrary::{Arbitrary, Unstructured};

use super::consumer;
use super::document::document;
use super::words::NOTIFICATIONS;
use crate::api::ConversationRef;
use crate::conversation::Conversation;
use crate::id::ConversationId;
use crate::time::Mono;
use crate::webhook::{
    Change, ConversationChange, Element, Event, Feed, FeedPoll, Inbox, MessagingEvent,
    ReorderWindow, Role, SavedConversation, Verified,
};

/// Any bytes as a notification, or after 0xff the description of one: every accessor is called, and each change
/// survives serialisation.
pub fn notification(data: &[u8]) {
    let body = match data.split_first() {
        Some((0xff, description)) => document(description, NOTIFICATIONS),
        _ => data.to_vec(),
    };
    read(&Verified::dangerous_unverified(body));
}

/// Reads every member of a notification, and follows its conversations.
pub(super) fn read(verified: &Verified) {
    let Ok(notification) = verified.parse() else { return };
    let _ = (notification.is_lossy(), format!("{notification:?}"));
    let Some(first) = notification.changes().first() else { return };
    let id = match first {
        Change::Message(message) => message.conversation().clone(),
        Change::Conversation(change) => change.conversation().clone(),
        Change::Other(_) => ConversationId::new("5f0c").expect("a good id"),
    };
    let mut conversation = Conversation::new(ConversationRef::new(consumer(), id));
    for change in notification.changes() {
        let stored = serde_json::to_string(change).expect("JSON");
        let again: Change = serde_json::from_str(&stored).expect("what was stored");
        assert_eq!(&again, change, "{stored}");
        let _ = conversation.apply(change);
        match change {
            Change::Message(message) => read_message(message, &conversation),
            Change::Conversation(change) => read_state(change),
            Change::Other(other) => {
                let _ = (other.reason(), other.notification_type(), other.raw());
            }
        }
        let _ = format!("{change:?}");
    }
    follow(conversation);
}

/// A conversation is stored and restored, and each of its messages is received once.
fn follow(mut conversation: Conversation) {
    let stored = serde_json::to_string(&conversation).expect("JSON");
    let again: Conversation = serde_json::from_str(&stored).expect("what was stored");
    assert_eq!(serde_json::to_string(&again).expect("JSON"), stored);
    assert_eq!(again.is_finished(), conversation.is_finished());
    while let Some(receipt) = conversation.mark_delivered() {
        conversation.restore_receipt(&receipt);
        assert!(conversation.mark_delivered().is_some(), "a receipt is not restored");
    }
    while conversation.mark_read().is_some() {}
    assert!(conversation.mark_delivered().is_none() && conversation.mark_read().is_none());
    let _ = (conversation.state(), conversation.is_in_survey(), conversation.dialog());
}

fn read_message(message: &MessagingEvent, conversation: &Conversation) {
    let _ = (message.sequence(), message.server_timestamp(), message.originator_id());
    let _ = (message.event_type(), message.audience(), message.is_in_main_dialog());
    let _ = (message.raw(), message.dialog(), message.event().name());
    for metadata in message.metadata() {
        let _ = (metadata.kind(), metadata.raw(), metadata.member("id"), metadata.number("id"));
    }
    if message.is_for_consumer() {
        assert_ne!(message.role(), Some(Role::Consumer));
    }
    match message.event() {
        Event::RichContent(rich) => {
            let _ = (rich.to_text(), rich.quick_replies().map(|replies| replies.raw()));
            read_element(rich.root());
            for element in rich.clickable() {
                let click = conversation.click(message, element);
                assert_eq!(click.is_some(), message.sequence().is_some());
            }
        }
        Event::Text(text) => {
            let _ =
                text.quick_replies.map(|replies| (replies.to_text(), replies.replies().count()));
        }
        Event::AcceptStatus(receipt) => {
            let _ = (&receipt.status, receipt.sequences().count());
        }
        Event::File(file) => {
            let _ = (file.relative_path, file.file_type, file.caption, file.preview);
        }
        Event::SecureInvitation(form) | Event::SecureSubmission(form) => {
            let _ = (form.invitation_id, form.title, form.form_id, form.submission_id);
        }
        Event::OtherContent(content) => {
            let _ = (content.content_type, content.message);
        }
        Event::ChatState(_) | Event::Other(_) => {}
    }
    let _ = format!("{:?}", message.event());
}

/// The JSON reader bounds the depth.
fn read_element(element: Element<'_>) {
    let _ = (element.kind(), element.label(), element.url(), element.click_metadata());
    for action in element.actions() {
        let _ = format!("{action:?} {element:?}");
    }
    element.elements().for_each(read_element);
}

fn read_state(change: &ConversationChange) {
    assert!(change.diff(Some(change)).is_empty(), "a state differs from itself");
    for transition in change.diff(None) {
        let _ = (transition.name(), format!("{transition:?}"));
    }
    if change.is_finished() {
        assert_eq!(change.dialog_to_publish_to(), None);
    }
    let _ = (change.csat(), change.response_target(), change.delay(), change.manual_ettr());
    let _ = (change.answer_due(), change.consumer(), change.skill(), change.close_reason());
    let _ = (change.started(), change.ended(), change.updated(), change.state(), change.stage());
    let _ = (change.is_deleted(), change.is_main_dialog_closed(), change.agents(), change.raw());
    let _ = (change.participants().count(), change.open_survey(), change.main_dialog());
    for dialog in change.dialogs() {
        let _ = (dialog.id(), dialog.dialog_type(), dialog.channel_type(), dialog.is_open());
        let _ = (dialog.closed_by(), dialog.closed_cause(), dialog.participants().count());
        let _ = (dialog.raw(), format!("{dialog:?}"));
    }
}

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

/// Notifications in any order through a feed: no more is delivered than has come, and nothing stays.
pub fn feed(data: &[u8]) {
    let mut input = Unstructured::new(data);
    let Ok(setting) = Setting::arbitrary(&mut input) else { return };
    let mut world = World { feed: Feed::new(setting.inbox()), setting, now: Mono::ZERO, owed: 0 };
    while let Ok(step) = Step::arbitrary(&mut input) {
        if input.is_empty() {
            break;
        }
        world.step(step, &mut input);
    }
    world.feed.finish();
    while world.poll() {}
    assert!(world.feed.is_empty(), "something is stuck");
}

impl Setting {
    fn inbox(&self) -> Inbox {
        let window = match self.count {
            0 => ReorderWindow::none(),
            count => ReorderWindow::new(count.into(), Duration::from_millis(self.ms.into())),
        };
        let inbox = Inbox::new(window).max_conversations(usize::from(self.conversations % 8));
        inbox.max_changes(usize::from(self.changes))
    }
}

struct World {
    feed: Feed,
    setting: Setting,
    now: Mono,
    /// How many changes and unreadable notifications have come and not gone.
    owed: usize,
}

impl World {
    fn step(&mut self, step: Step, input: &mut Unstructured<'_>) {
        let id = |which: u8| ConversationId::new(format!("c{}", which % 12)).expect("a good id");
        let changes = match step {
            Step::Message(of, dialog, sequence) => serde_json::json!({
                "conversationId": id(of).as_str(), "dialogId": format!("d{}", dialog % 2),
                "sequence": sequence, "event": {"type": "ContentEvent", "message": "x"}}),
            Step::State(of) => serde_json::json!({"dialogId": id(of).as_str(),
                "event": {"type": "ChatStateEvent", "chatState": "COMPOSING"}}),
            Step::Conversation { of, is_closed } => {
                let state = if is_closed { "CLOSE" } else { "OPEN" };
                serde_json::json!({"type": "UPSERT", "result": {"convId": id(of).as_str(),
                    "conversationDetails": {"state": state}}})
            }
            Step::Document(length) => {
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
                self.feed.inbox_mut().forget(&id(which));
                return;
            }
            Step::Seen(which, sequence) => {
                let dialog = crate::id::DialogId::main_of(&id(which));
                self.feed.inbox_mut().mark_seen(&id(which), &dialog, sequence.into());
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
        self.owed += verified.parse().map_or(1, |parsed| parsed.changes().len());
        self.feed.push(verified, self.now);
    }

    /// Whether something was delivered.
    fn poll(&mut self) -> bool {
        match self.feed.poll(self.now) {
            FeedPoll::Deliver(_) | FeedPoll::Unreadable(_) => {
                let owed = self.owed.checked_sub(1);
                self.owed = owed.expect("more is delivered than has come");
                true
            }
            FeedPoll::Wait(until) => {
                assert!(until > self.now, "a wait that ends in the past");
                assert_eq!(self.feed.inbox().next_due(), Some(until));
                false
            }
            FeedPoll::Idle => false,
        }
    }

    /// What is in the inbox is stored and restored. What waits before it is lost with the process.
    fn restart(&mut self) {
        let inbox = self.feed.inbox();
        let ids: Vec<_> = inbox.conversations().cloned().collect();
        let saved: Vec<_> = ids.iter().filter_map(|id| inbox.save(id, self.now)).collect();
        let stored = serde_json::to_string(&saved).expect("JSON");
        let saved: Vec<SavedConversation> = serde_json::from_str(&stored).expect("what was stored");
        let unscoped = inbox.save_unscoped();
        self.feed = Feed::new(self.setting.inbox());
        saved.into_iter().for_each(|saved| self.feed.inbox_mut().restore(saved, self.now));
        self.feed.inbox_mut().restore_unscoped(unscoped);
    }
}
