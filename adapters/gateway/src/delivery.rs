//! What the bridge posts to a gateway.
//!
//! Every delivery has the same envelope: an id that is the same on every repeat, a type, the time of the event, the
//! channel's own id of the consumer. Each message has a plain `text`, with cards and buttons numbered; what is rich comes
//! beside it.

use std::time::SystemTime;

use lp_connector_core::bridge::{Delivery, DeliveryContent, FailureReason, Progress, Status};
use lp_connector_core::webhook::{Event, MessagingEvent, Order, Role, Transition};
use serde::Serialize;
use serde_json::{Value, json};

use crate::request::Rules;

/// The version of the envelope.
const VERSION: u32 = 1;

/// A delivery, written out.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Envelope {
    /// The id: the header `webhook-id`.
    pub id: String,
    /// The type, such as `message.created`.
    pub kind: &'static str,
    /// The body. The same bytes on every repeat.
    pub body: String,
}

#[derive(Serialize)]
struct Body<'a> {
    id: &'a str,
    #[serde(rename = "type")]
    kind: &'static str,
    timestamp: String,
    version: u32,
    gateway: &'a str,
    consumer: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    conversation: Option<&'a str>,
    order: &'static str,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    replayed: bool,
    data: Value,
}

impl Envelope {
    /// Writes a delivery for the gateway of this name. `None` if the consumer is another channel's.
    #[must_use]
    pub fn of(delivery: &Delivery, gateway: &str, rules: &Rules) -> Option<Self> {
        let consumer = rules.internal(&delivery.consumer)?;
        let (kind, data) = match &delivery.content {
            DeliveryContent::Message(message) => ("message.created", message_data(message)),
            DeliveryContent::Changed(transition) => {
                ("conversation.changed", change_data(transition))
            }
            DeliveryContent::Status(status) => ("message.status", status_data(status)),
            _ => return None,
        };
        let at = delivery.at.map_or(SystemTime::UNIX_EPOCH, SystemTime::from);
        let body = Body {
            id: &delivery.id,
            kind,
            timestamp: humantime::format_rfc3339_millis(at).to_string(),
            version: VERSION,
            gateway,
            consumer,
            conversation: delivery.conversation.as_ref().map(|id| id.as_str()),
            order: match delivery.order {
                Order::AfterGap => "after_gap",
                Order::Late => "late",
                _ => "in_order",
            },
            replayed: delivery.replayed,
            data,
        };
        let id = delivery.id.clone();
        Some(Self { id, kind, body: serde_json::to_string(&body).unwrap_or_default() })
    }
}

fn message_data(message: &MessagingEvent) -> Value {
    let mut data = json!({
        "text": plain_text(message),
        "from": {"role": role(message.role()), "id": message.originator_id()},
        "dialog": if message.is_in_main_dialog() { "main" } else { "survey" },
    });
    let mut set = |name: &str, value: Value| {
        if let Some(members) = data.as_object_mut() {
            members.insert(name.to_owned(), value);
        }
    };
    match message.event() {
        Event::Text(text) => {
            if let Some(replies) = &text.quick_replies {
                let labels =
                    replies.replies().map(|reply| reply.label().unwrap_or_default().to_owned());
                set("options", options(labels));
                set("rich", json!({"quickReplies": replies.raw().to_value()}));
            }
        }
        Event::RichContent(content) => {
            let labels = content.clickable().into_iter();
            set(
                "options",
                options(labels.map(|element| element.label().unwrap_or_default().to_owned())),
            );
            set("rich", json!({"content": content.root().raw().to_value()}));
        }
        Event::File(file) => {
            set("media", json!({"path": file.relative_path, "type": media_type(file.file_type)}));
        }
        Event::SecureInvitation(form) => set("form", json!({"title": form.title})),
        _ => {}
    }
    data
}

fn plain_text(message: &MessagingEvent) -> String {
    match message.event() {
        Event::Text(text) => match &text.quick_replies {
            Some(replies) => format!("{}\n{}", text.text, replies.to_text()),
            None => text.text.to_owned(),
        },
        Event::RichContent(content) => content.to_text(),
        Event::File(file) => file.caption.unwrap_or_default().to_owned(),
        Event::SecureInvitation(form) => form.title.unwrap_or_default().to_owned(),
        _ => String::new(),
    }
}

fn options(labels: impl Iterator<Item = String>) -> Value {
    labels.zip(1_u32..).map(|(title, number)| json!({"number": number, "title": title})).collect()
}

fn role(role: Option<Role>) -> &'static str {
    match role {
        Some(Role::AssignedAgent | Role::Agent) => "agent",
        Some(Role::Manager | Role::AgentManager | Role::AssignedManager) => "manager",
        Some(Role::Controller) => "bot",
        Some(other) if other.as_str().eq_ignore_ascii_case("BRAND_BOT") => "bot",
        _ => "other",
    }
}

fn media_type(file_type: Option<&str>) -> &'static str {
    let known = [
        ("JPG", "image/jpeg"),
        ("JPEG", "image/jpeg"),
        ("PNG", "image/png"),
        ("GIF", "image/gif"),
        ("PDF", "application/pdf"),
    ];
    let found =
        known.iter().find(|(name, _)| file_type.is_some_and(|one| one.eq_ignore_ascii_case(name)));
    found.map_or("application/octet-stream", |(_, media_type)| media_type)
}

fn change_data(transition: &Transition) -> Value {
    let (state, survey) = match transition {
        Transition::Finished => ("closed", false),
        Transition::SurveyStarted(_) => ("open", true),
        _ => ("open", false),
    };
    let mut data = json!({"change": transition.name(), "state": state, "survey": survey});
    if let (Transition::AgentJoined(id) | Transition::AgentLeft(id), Some(members)) =
        (transition, data.as_object_mut())
    {
        members.insert("agent".to_owned(), json!(id));
    }
    data
}

fn status_data(status: &Status) -> Value {
    let mut data = json!({"message": status.message});
    let mut set = |name: &str, value: Value| {
        if let Some(members) = data.as_object_mut() {
            members.insert(name.to_owned(), value);
        }
    };
    let name = match &status.progress {
        Progress::Sent => "sent",
        Progress::Delivered => "delivered",
        Progress::Read => "read",
        _ => "failed",
    };
    set("status", json!(name));
    if let Some(sequence) = status.sequence {
        set("sequence", json!(sequence));
    }
    if let Progress::Failed(reason) = &status.progress {
        set("reason", json!(reason.name()));
        if let FailureReason::Refused(detail) = reason {
            set("detail", json!(detail));
        }
    }
    data
}
