//! What the bridge posts to a gateway.
//!
//! Every delivery has the same envelope: an id that is the same on every repeat, a type, the time of the event, the
//! channel's own id of the consumer. Each message has a plain `text`, with cards and buttons numbered; what is rich comes
//! beside it.

use std::time::SystemTime;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use lp_connector_core::bridge::{
    ChangeDetails, Delivery, DeliveryContent, FailureReason, Progress, Status,
};
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
    /// The body. On a repeat only `possibly_repeated` and the URL of a file differ.
    pub body: String,
}

/// What a delivery does not hold itself.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct Extras {
    /// How the gateway gets the bytes of the message's file.
    pub media: Option<Media>,
}

impl Extras {
    /// A file.
    #[must_use]
    pub const fn media(media: Media) -> Self {
        Self { media: Some(media) }
    }
}

/// How a gateway gets the bytes of a file. `Debug` shows no URL and no bytes.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Media {
    /// The file's id, the same on every repeat.
    pub file: String,
    /// A name for it.
    pub name: String,
    /// Where its bytes are, with a signature: it needs no token. Made anew for every try.
    pub url: String,
    /// Until when the URL is good.
    pub expires: SystemTime,
    /// The bytes themselves, if they are few.
    pub data: Option<Vec<u8>>,
}

impl Media {
    /// A file without its bytes.
    #[must_use]
    pub fn new(
        file: impl Into<String>,
        name: impl Into<String>,
        url: impl Into<String>,
        expires: SystemTime,
    ) -> Self {
        let (file, name, url) = (file.into(), name.into(), url.into());
        Self { file, name, url, expires, data: None }
    }
}

impl std::fmt::Debug for Media {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Media").field("file", &self.file).finish_non_exhaustive()
    }
}

#[derive(Serialize)]
struct Body<'a> {
    id: &'a str,
    #[serde(rename = "type")]
    kind: &'static str,
    timestamp: String,
    version: u32,
    gateway: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    consumer: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    conversation: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    order: Option<&'static str>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    possibly_repeated: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    replayed: bool,
    data: Value,
}

impl Envelope {
    /// Writes a delivery for the gateway of this name. `None` if the consumer is another channel's.
    #[must_use]
    pub fn of(delivery: &Delivery, gateway: &str, rules: &Rules, extras: &Extras) -> Option<Self> {
        let consumer = rules.internal(&delivery.consumer)?;
        let (kind, data) = match &delivery.content {
            DeliveryContent::Message(message) => {
                ("message.created", message_data(message, extras.media.as_ref()))
            }
            DeliveryContent::Changed(transition) => {
                ("conversation.changed", change_data(transition, delivery.details))
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
            consumer: Some(consumer),
            conversation: delivery.conversation.as_ref().map(|id| id.as_str()),
            order: Some(match delivery.order {
                Order::AfterGap => "after_gap",
                Order::Late => "late",
                _ => "in_order",
            }),
            possibly_repeated: delivery.possibly_repeated,
            replayed: delivery.replayed,
            data,
        };
        Some(Self::written(&body))
    }

    /// Whether the agent types. `consumer` is the channel's own id.
    #[must_use]
    pub fn typing(
        id: &str,
        at: SystemTime,
        gateway: &str,
        consumer: &str,
        conversation: Option<&str>,
        typing: bool,
    ) -> Self {
        Self::written(&Body {
            id,
            kind: "typing.changed",
            timestamp: humantime::format_rfc3339_millis(at).to_string(),
            version: VERSION,
            gateway,
            consumer: Some(consumer),
            conversation,
            order: Some("in_order"),
            possibly_repeated: false,
            replayed: false,
            data: json!({"typing": typing, "from": {"role": "agent"}}),
        })
    }

    /// A delivery that only asks whether the gateway answers.
    #[must_use]
    pub fn ping(id: &str, at: SystemTime, gateway: &str) -> Self {
        Self::written(&Body {
            id,
            kind: "ping",
            timestamp: humantime::format_rfc3339_millis(at).to_string(),
            version: VERSION,
            gateway,
            consumer: None,
            conversation: None,
            order: None,
            possibly_repeated: false,
            replayed: false,
            data: json!({}),
        })
    }

    fn written(body: &Body<'_>) -> Self {
        let written = serde_json::to_string(body).unwrap_or_default();
        Self { id: body.id.to_owned(), kind: body.kind, body: written }
    }
}

fn message_data(message: &MessagingEvent, media: Option<&Media>) -> Value {
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
            let mut facts = json!({"type": media_type(file.file_type)});
            if let (Some(media), Some(facts)) = (media, facts.as_object_mut()) {
                let expires = humantime::format_rfc3339_seconds(media.expires).to_string();
                facts.insert("file".to_owned(), json!(media.file));
                facts.insert("name".to_owned(), json!(media.name));
                facts.insert("url".to_owned(), json!(media.url));
                facts.insert("expires".to_owned(), json!(expires));
                if let Some(bytes) = &media.data {
                    facts.insert("data".to_owned(), json!(STANDARD.encode(bytes)));
                }
            }
            set("media", facts);
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

fn change_data(transition: &Transition, details: ChangeDetails) -> Value {
    let (state, survey) = match transition {
        Transition::Finished => ("closed", false),
        Transition::SurveyStarted(_) => ("open", true),
        _ => ("open", false),
    };
    let mut data = json!({"change": transition.name(), "state": state, "survey": survey});
    let mut set = |name: &str, value: Value| {
        if let Some(members) = data.as_object_mut() {
            members.insert(name.to_owned(), value);
        }
    };
    if let Transition::AgentJoined(id) | Transition::AgentLeft(id) = transition {
        set("agent", json!(id));
    }
    if details.adopted {
        set("adopted", json!(true));
    }
    if let Some(by) = details.by {
        set("by", json!(by.name()));
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

#[cfg(test)]
mod tests {
    use lp_connector_core::webhook::{Change, Verified};

    use super::*;

    /// The `data` of what is posted.
    fn data(content: DeliveryContent) -> Value {
        let (account, consumer) = ("91827364".parse().unwrap(), "sms:ada".parse().unwrap());
        let delivery = Delivery::new("5f0c:5f0c:7".to_owned(), account, consumer, content);
        let envelope = Envelope::of(&delivery, "sms", &Rules::new("sms:"), &Extras::default());
        let body: Value = serde_json::from_str(&envelope.unwrap().body).unwrap();
        body["data"].clone()
    }

    /// A message of somebody of this role.
    fn message_of(role: &str) -> DeliveryContent {
        let body = format!(
            r#"{{"type":"ms.MessagingEventNotification","body":{{"changes":[{{"sequence":7,"originatorId":"a9",
            "originatorMetadata":{{"id":"a9","role":"{role}"}},"serverTimestamp":1790769603123,
            "dialogId":"5f0c","conversationId":"5f0c",
            "event":{{"type":"ContentEvent","contentType":"text/plain","message":"Good morning"}}}}]}}}}"#
        );
        let notification = Verified::dangerous_unverified(body).parse().unwrap();
        match notification.into_changes().remove(0) {
            Change::Message(message) => DeliveryContent::Message(message),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn each_role_of_liveperson_is_one_of_four() {
        for (role, expected) in [
            ("ASSIGNED_AGENT", "agent"),
            ("AGENT", "agent"),
            ("MANAGER", "manager"),
            ("AGENT_MANAGER", "manager"),
            ("ASSIGNED_MANAGER", "manager"),
            ("CONTROLLER", "bot"),
            ("BRAND_BOT", "bot"),
            ("brand_bot", "bot"),
            ("READER", "other"),
            ("PIGEON", "other"),
        ] {
            let from = data(message_of(role))["from"].clone();
            assert_eq!(from, json!({"role": expected, "id": "a9"}), "{role}");
        }
    }

    #[test]
    fn each_progress_of_a_message_has_its_name() {
        for (progress, name) in
            [(Progress::Sent, "sent"), (Progress::Delivered, "delivered"), (Progress::Read, "read")]
        {
            let status = DeliveryContent::Status(Status::new("SM9f3", progress, Some(4)));
            let expected = json!({"message": "SM9f3", "status": name, "sequence": 4});
            assert_eq!(data(status), expected);
        }
    }
}
