//! Notifications as text and as JSON.

use std::time::SystemTime;

use humantime::format_rfc3339_millis;
use lp_connector_core::time::Timestamp;
use lp_connector_core::webhook::{
    Audience, Change, ConversationChange, Event, MessagingEvent, Role, Transition,
};
use serde_json::{Value, json};

/// A change as JSON: the members that programs need most, and the raw change.
pub(crate) fn describe(change: &Change) -> Value {
    match change {
        Change::Message(message) => {
            let mut described = json!({
                "event": "message",
                "kind": message.event().name(),
                "conversation_id": message.conversation().as_str(),
                "dialog_id": message.dialog().as_str(),
                "sequence": message.sequence(),
                "role": message.role().map(|role| role.as_str().to_owned()),
                "audience": message.audience().as_str(),
                "for_consumer": message.is_for_consumer(),
                "raw": message.raw(),
            });
            if let (Event::Text(text), Some(members)) = (message.event(), described.as_object_mut())
            {
                members.insert("text".to_owned(), json!(text.text));
            }
            described
        }
        Change::Conversation(state) => json!({
            "event": "state",
            "conversation_id": state.conversation().as_str(),
            "state": state.state().map(|state| state.as_str().to_owned()),
            "stage": state.stage().map(|stage| stage.as_str().to_owned()),
            "finished": state.is_finished(),
            "dialog_to_publish_to": state.dialog_to_publish_to().map(|id| id.as_str().to_owned()),
            "agents": state.agents(),
            "skill": state.skill(),
            "raw": state.raw(),
        }),
        Change::Other(other) => json!({
            "event": "other",
            "type": other.notification_type(),
            "reason": other.reason(),
            "raw": other.raw(),
        }),
        _ => json!({"event": "other"}),
    }
}

/// When and where a change happened: the service's time if it has one, or else that of its arrival; the
/// conversation, and the dialog if it is not the main one.
pub(crate) fn time_and_place(change: &Change, received: SystemTime) -> String {
    let (time, mut place) = match change {
        Change::Message(message) => {
            let conversation = message.conversation().to_string();
            let place = match message.is_in_main_dialog() {
                true => conversation,
                false => format!("{conversation}, dialog {}", message.dialog()),
            };
            (message.server_timestamp(), place)
        }
        Change::Conversation(state) => (state.updated(), state.conversation().to_string()),
        _ => (None, String::new()),
    };
    if !place.is_empty() {
        place.insert(0, ' ');
    }
    let time = time.map_or(received, Timestamp::to_system_time);
    format!("{}{place}", format_rfc3339_millis(time))
}

/// A change as text: one line or more.
pub(crate) fn lines(change: &Change) -> Vec<String> {
    match change {
        Change::Message(message) => {
            let author = author(message);
            let number = message.sequence().map(|n| format!("#{n} ")).unwrap_or_default();
            let hidden = match message.audience() {
                Audience::All => String::new(),
                Audience::Unreadable => " [for whom is unreadable]".to_owned(),
                audience => format!(" [{audience} only]"),
            };
            content(message)
                .into_iter()
                .map(|line| format!("{number}{author}{hidden}: {line}"))
                .collect()
        }
        Change::Conversation(state) => transitions(state, &state.diff(None)),
        Change::Other(other) => {
            let name = other.notification_type().unwrap_or("a notification");
            vec![format!("{name}: {}; kept as received", other.reason())]
        }
        _ => Vec::new(),
    }
}

/// Who sent a message, in one word.
pub(crate) fn author(message: &MessagingEvent) -> String {
    match message.role() {
        Some(Role::Consumer) => "consumer".to_owned(),
        Some(Role::AssignedAgent) => "agent".to_owned(),
        // Usually the bot that runs the survey.
        Some(Role::Agent) => "bot".to_owned(),
        Some(role) => role.as_str().to_ascii_lowercase(),
        None => "unknown".to_owned(),
    }
}

/// The content of a message as text.
pub(crate) fn content(message: &MessagingEvent) -> Vec<String> {
    match message.event() {
        Event::Text(text) => {
            let mut lines = vec![text.text.to_owned()];
            let replies = text.quick_replies.map(|replies| replies.to_text());
            lines.extend(replies.iter().flat_map(|text| text.lines()).map(str::to_owned));
            lines
        }
        Event::RichContent(rich) => rich.to_text().lines().map(str::to_owned).collect(),
        Event::File(file) => {
            let caption = file.caption.filter(|caption| !caption.is_empty()).unwrap_or("a file");
            vec![format!("{caption} ({}) at {}", file.file_type.unwrap_or("?"), file.relative_path)]
        }
        Event::SecureInvitation(form) => {
            vec![format!("a secure form: {}", form.title.unwrap_or_default())]
        }
        Event::SecureSubmission(_) => vec!["a completed secure form".to_owned()],
        Event::AcceptStatus(receipt) => {
            let sequences: Vec<_> = receipt.sequences().map(|n| format!("#{n}")).collect();
            let status = receipt.status.as_str().to_ascii_lowercase();
            vec![format!("{status} {}", sequences.join(" "))]
        }
        Event::ChatState(state) => vec![state.as_str().to_ascii_lowercase()],
        Event::OtherContent(content) => {
            vec![format!("content of type {}", content.content_type.unwrap_or("?"))]
        }
        Event::Other(name) => vec![name.unwrap_or("an event without a type").to_owned()],
        _ => Vec::new(),
    }
}

/// What happened to a conversation, as text.
pub(crate) fn transitions(state: &ConversationChange, transitions: &[Transition]) -> Vec<String> {
    let mut lines: Vec<String> = transitions.iter().filter_map(transition).collect();
    if lines.is_empty() {
        lines.push(format!("-- conversation {}: changed", state.conversation()));
    }
    lines
}

pub(crate) fn transition(transition: &Transition) -> Option<String> {
    Some(match transition {
        Transition::Created => "-- the conversation is open".to_owned(),
        Transition::AgentJoined(id) => format!("-- {id} has joined"),
        Transition::AgentLeft(id) => format!("-- {id} has left"),
        Transition::Transferred { to, .. } => {
            format!("-- transferred to skill {}", to.as_deref().unwrap_or("none"))
        }
        Transition::MainDialogClosed => "-- the conversation is closed".to_owned(),
        Transition::SurveyStarted(_) => "-- a survey has started".to_owned(),
        Transition::SurveyEnded(_) => "-- the survey has ended".to_owned(),
        Transition::Finished => "-- the conversation has ended".to_owned(),
        _ => return None,
    })
}
