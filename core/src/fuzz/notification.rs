//! Notifications, read to the last member.

use serde_json::Value;

use super::delivered::delivered;
use super::document::document;
use super::follow::follow;
use super::rich::{read_replies, read_rich};
use super::words::NOTIFICATIONS;
use crate::json::Json;
use crate::webhook::{
    Change, ConversationChange, Event, MessagingEvent, OtherChange, Role, UnreadableNotification,
    Verified,
};

/// Any bytes as a notification, or after 0xff the description of one: every accessor says what the document does, each
/// change survives serialisation, and an inbox delivers each once.
pub fn notification(data: &[u8]) {
    let body = match data.split_first() {
        Some((0xff, description)) => document(description, NOTIFICATIONS),
        _ => data.to_vec(),
    };
    let verified = Verified::dangerous_unverified(body);
    assert!(verified.account().is_none() && verified.signature_match().is_none());
    read(&verified);
}

/// Reads every member of a notification, and follows its conversations.
pub(super) fn read(verified: &Verified) {
    let notification = match verified.parse() {
        Ok(notification) => notification,
        Err(unreadable) => return read_error(&unreadable, verified.body()),
    };
    let changes = notification.changes();
    let end = format!("lossy: {} }}", notification.is_lossy());
    assert!(format!("{notification:?}").ends_with(&end));
    let is_other = |change: &Change| matches!(change, Change::Other(_));
    assert!(!notification.is_empty() || changes.iter().all(is_other), "it is not empty");
    assert!(notification.clone().into_changes() == changes);
    for change in changes {
        let stored = serde_json::to_string(change).expect("JSON");
        let again: Change = serde_json::from_str(&stored).expect("what was stored");
        assert_eq!(&again, change, "{stored}");
        match change {
            Change::Message(message) => read_message(message),
            Change::Conversation(change) => read_state(change),
            Change::Other(other) => read_other(other),
        }
    }
    delivered(changes);
    follow(changes);
}

/// The error names a place in the body, and nothing that stands there.
fn read_error(unreadable: &UnreadableNotification, body: &[u8]) {
    let shown = unreadable.to_string();
    let mut digits = shown.split(|other: char| !other.is_ascii_digit());
    let mut number = || digits.find_map(|digits| digits.parse::<usize>().ok());
    let (line, column) = (number().expect("a line"), number().expect("a column"));
    assert_eq!(shown, format!("the notification is not JSON (line {line}, column {column})"));
    let lines = body.iter().filter(|byte| **byte == b'\n').count() + 1;
    assert!((1..=lines).contains(&line), "{line} of {lines} lines");
    let text = String::from_utf8_lossy(body);
    let length = text.split('\n').nth(line - 1).map_or(0, |line| line.chars().count());
    assert!((1..=length + 1).contains(&column), "{column} of {length} characters");
}

/// The reason is that of the kind of change that it is not, or of the whole notification.
fn read_other(other: &OtherChange) {
    let reason = other.reason();
    let message = MessagingEvent::try_from(other.raw().to_tape()).map(|_| ());
    let state = ConversationChange::try_from(other.raw().to_tape()).map(|_| ());
    let reasons =
        [message, state].map(|read| read.map_or_else(|why| why.to_string(), |()| "".into()));
    assert!(reason.starts_with("the notification") || reasons.iter().any(|why| why == reason));
    let kind = other.notification_type();
    let expected = format!("OtherChange {{ notification_type: {kind:?}, reason: {reason:?}, .. }}");
    assert_eq!(format!("{other:?}"), expected);
}

/// True if a member that was read as this number can be it.
fn is_number(member: Option<Json<'_>>, number: u64) -> bool {
    member.is_some_and(|member| {
        let text = member.as_str().and_then(|text| text.trim().parse::<i64>().ok());
        text.and_then(|text| text.try_into().ok()).or(member.as_u64()) == Some(number)
            || member.as_f64() == Some(number as f64)
    })
}

fn read_message(message: &MessagingEvent) {
    let raw = message.raw();
    let value = Value::from(message.clone());
    let again = MessagingEvent::try_from(value.clone()).expect("what was read");
    assert_eq!(again.conversation(), message.conversation());
    assert_eq!((again.dialog(), Value::from(again.clone())), (message.dialog(), value));
    let is_main = message.dialog().as_str() == message.conversation().as_str();
    assert_eq!(message.is_in_main_dialog(), is_main);
    if let Some(sequence) = message.sequence() {
        assert!(is_number(raw.get("sequence"), sequence));
    }
    if let Some(time) = message.server_timestamp() {
        assert!(is_number(raw.get("serverTimestamp"), time.as_millis()));
    }
    let kind = raw.get("event").and_then(|event| event.get("type")?.as_str());
    assert!(message.event_type().is_none_or(|name| Some(name) == kind));
    let _ = (message.originator_id(), message.audience());
    for metadata in message.metadata() {
        let raw = |name: &str| metadata.raw().get(name);
        let kind = metadata.kind();
        assert_eq!(format!("{metadata:?}"), format!("Metadata({kind:?})"));
        assert!(kind.is_none_or(|kind| raw("type").and_then(|name| name.as_str()) == Some(kind)));
        let (text, number) = (metadata.member("id"), metadata.number("id"));
        let given = raw("id").and_then(|id| id.as_str());
        assert!(text.is_none() || given.is_none() || text.as_deref() == given);
        if let Some(number) = number {
            let text = text.expect("a number is text too");
            assert_eq!(text.trim().parse().ok(), Some(number));
        }
    }
    if message.is_for_consumer() {
        assert_ne!(message.role(), Some(Role::Consumer));
    }
    read_event(message);
}

/// The content's parts are those of the document, and `Debug` shows none of them.
fn read_event(message: &MessagingEvent) {
    let event = message.event();
    let raw = message.raw().get("event");
    let within = |name: &str| raw.and_then(|event| event.get("message")?.get(name)?.as_str());
    let (name, shown) = match &event {
        Event::RichContent(rich) => {
            read_rich(rich);
            assert_eq!(format!("{rich:?}"), "RichContent(..)");
            ("rich_content", None)
        }
        Event::Text(text) => {
            let whole = raw.and_then(|event| event.get("message")?.as_str()).unwrap_or_default();
            assert_eq!(text.text, whole.strip_suffix('\n').unwrap_or(whole));
            text.quick_replies.iter().for_each(read_replies);
            assert_eq!(format!("{text:?}"), "Text(..)");
            ("text", None)
        }
        Event::File(file) => {
            assert_eq!(Some(file.relative_path), within("relativePath"));
            for (part, name) in
                [(file.file_type, "fileType"), (file.caption, "caption"), (file.preview, "preview")]
            {
                assert!(part.is_none() || part == within(name), "{name}");
            }
            assert_eq!(format!("{file:?}"), "ReceivedFile(..)");
            ("file", None)
        }
        Event::SecureInvitation(form) | Event::SecureSubmission(form) => {
            assert!(form.title.is_none() || form.title == within("title"));
            for (part, name) in [
                (&form.invitation_id, "invitationId"),
                (&form.form_id, "formId"),
                (&form.submission_id, "submissionId"),
            ] {
                // A number is an id too.
                let text = within(name);
                assert!(text.is_none() || part.is_none() || part.as_deref() == text, "{name}");
            }
            assert_eq!(format!("{form:?}"), "SecureForm(..)");
            let is_invitation = matches!(event, Event::SecureInvitation(_));
            (if is_invitation { "secure_invitation" } else { "secure_submission" }, None)
        }
        Event::OtherContent(content) => {
            let kind = raw.and_then(|event| event.get("contentType")?.as_str());
            assert!(content.content_type.is_none_or(|name| Some(name) == kind));
            assert_eq!(format!("{content:?}"), "OtherContent(..)");
            ("content", None)
        }
        Event::AcceptStatus(receipt) => {
            let sequences: Vec<_> = receipt.sequences().collect();
            ("receipt", Some(format!("receipt({}, {sequences:?})", receipt.status)))
        }
        Event::ChatState(state) => ("chat_state", Some(format!("chat_state({state})"))),
        Event::Other(kind) => {
            assert_eq!(*kind, message.event_type());
            ("other", Some(format!("other({kind:?})")))
        }
    };
    assert_eq!(event.name(), name);
    assert_eq!(format!("{event:?}"), shown.unwrap_or_else(|| name.to_owned()));
}

/// A state is the JSON that came, and its parts agree with each other.
fn read_state(change: &ConversationChange) {
    let value = Value::from(change.clone());
    let again = ConversationChange::try_from(value.clone()).expect("what was read");
    assert_eq!(again.conversation(), change.conversation());
    assert_eq!(Value::from(again), value);
    assert!(change.diff(Some(change)).is_empty(), "a state differs from itself");
    if change.is_finished() {
        assert_eq!(change.dialog_to_publish_to(), None);
        assert!(change.is_main_dialog_closed());
    }
    let _ = (change.csat(), change.response_target(), change.delay(), change.manual_ettr());
    let _ = (change.answer_due(), change.skill(), change.close_reason(), change.is_deleted());
    let _ = (change.started(), change.ended(), change.updated());
    let participants: Vec<_> = change.participants().collect();
    let first = participants.iter().find(|one| one.role == Role::Consumer);
    assert_eq!(change.consumer(), first.map(|one| one.id.clone()));
    let in_main: Vec<_> =
        change.main_dialog().iter().flat_map(|main| main.participants()).collect();
    for agent in change.agents() {
        let mut all = participants.iter().chain(&in_main);
        assert!(all.any(|one| one.id == agent && one.role == Role::AssignedAgent), "{agent}");
    }
    for dialog in change.dialogs() {
        let shown = format!(
            "Dialog {{ id: {:?}, dialog_type: {:?}, is_open: {}, .. }}",
            dialog.id(),
            dialog.dialog_type(),
            dialog.is_open(),
        );
        assert_eq!(format!("{dialog:?}"), shown);
        let raw = |name: &str| dialog.raw().get(name).and_then(|member| member.as_str());
        for (part, name) in [
            (dialog.channel_type(), "channelType"),
            (dialog.closed_by(), "closedBy"),
            (dialog.closed_cause(), "closedCause"),
        ] {
            assert!(part.is_none() || part == raw(name), "{name}");
        }
    }
    if let Some(survey) = change.open_survey() {
        assert!(survey.is_open() && change.dialogs().any(|dialog| dialog == survey));
    }
}
