//! Notifications, read to the last member.

use super::consumer;
use super::document::document;
use super::words::NOTIFICATIONS;
use crate::api::ConversationRef;
use crate::conversation::Conversation;
use crate::id::ConversationId;
use crate::webhook::{Change, ConversationChange, Element, Event, MessagingEvent, Role, Verified};

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
