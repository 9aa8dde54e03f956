//! The documents of the API. Times are milliseconds since the Unix epoch. A reader ignores members that it
//! does not know.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Notification, Row};

/// The version of the API.
pub const API_VERSION: &str = "1.0";

/// `GET /v1`: which sandbox this is.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[non_exhaustive]
#[serde(default)]
pub struct About {
    /// The version of the API.
    pub api: String,
    /// Names this run: a position in the stream of another one is unknown.
    pub epoch: String,
    /// The base URL of the cloud: the Domain API's.
    pub cloud: String,
    /// The account id.
    pub account: String,
    /// The client id of the first app.
    pub client_id: String,
    /// How many event streams are open.
    pub streams: usize,
    /// Whether `POST /v1/notifications` signs a body of the caller's own.
    pub signs_own_bodies: bool,
}

/// `GET /v1/snapshot`: what a page shows first.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[non_exhaustive]
#[serde(default)]
pub struct Snapshot {
    /// Which sandbox this is.
    #[serde(flatten)]
    pub about: About,
    /// Where the stream goes on.
    pub at: String,
    /// The seed of its ids and keys, if it has been told.
    pub seed: Option<String>,
    /// How many there are of each.
    pub counts: Counts,
    /// The open conversations (the 1000 used last), and the 200 closed ones that were used last.
    pub conversations: Vec<Conversation>,
    /// The newest 200 exchanges, newest first.
    pub wire: Vec<Row>,
    /// How many exchanges are kept.
    pub wire_kept: usize,
    /// How many exchanges are kept at most.
    pub wire_limit: usize,
    /// The faults.
    pub faults: Vec<NumberedFault>,
    /// The tokens: the newest 100 of each kind.
    pub tokens: Vec<Token>,
    /// The webhooks.
    pub webhooks: Webhooks,
    /// The app installs.
    pub installs: Vec<Install>,
    /// The files, newest first.
    pub files: Vec<File>,
    /// The newest 200 notifications, newest first.
    pub notifications: Vec<Notification>,
}

/// How many there are.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[non_exhaustive]
#[serde(default)]
pub struct Counts {
    /// Conversations, open and closed.
    pub conversations: usize,
    /// Open conversations.
    pub open: usize,
    /// Messages.
    pub messages: u64,
    /// Exchanges so far, kept or not.
    pub wire: u64,
    /// Notifications so far.
    pub notifications: u64,
    /// Requests so far, by endpoint.
    pub requests: BTreeMap<String, u64>,
}

/// A conversation.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[non_exhaustive]
#[serde(default)]
pub struct Conversation {
    /// Its id.
    pub id: String,
    /// The connector's id of the consumer.
    pub consumer: String,
    /// LivePerson's id of the consumer.
    pub consumer_lp: String,
    /// `open`, `no agent`, `survey` or `closed`.
    pub state: String,
    /// The skill that it is routed to.
    pub skill: Option<String>,
    /// The agents who have joined.
    pub agents: Vec<String>,
    /// How many of the consumer's messages came since an agent wrote or read.
    pub unread: u64,
    /// When it was changed last.
    pub updated: u64,
    /// When it was opened.
    pub opened: u64,
    /// Its number in the order of opening.
    pub number: u64,
    /// Its urgency.
    pub urgency: String,
    /// The last line.
    pub last: Option<LastLine>,
    /// Who is typing.
    pub typing: Vec<String>,
    /// Its dialogs.
    pub dialogs: Vec<Dialog>,
    /// The features that the client has.
    pub features: Vec<String>,
    /// Who closed it.
    pub close_reason: Option<String>,
    /// The consumer's rating.
    pub csat: Option<Value>,
    /// The consumer's profile from the request that opened it.
    pub profile: Value,
    /// The body of the request that opened it.
    pub request: Value,
    /// The exchange that opened it.
    pub wire: Option<u64>,
}

/// The last line of a conversation.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[non_exhaustive]
#[serde(default)]
pub struct LastLine {
    /// Who wrote it.
    pub from: String,
    /// The writer's role.
    pub role: String,
    /// Its text, at most 120 characters.
    pub text: String,
    /// When it was written.
    pub at: u64,
}

/// A dialog of a conversation.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[non_exhaustive]
#[serde(default)]
pub struct Dialog {
    /// Its id.
    pub id: String,
    /// `main` or `survey`.
    pub kind: String,
    /// Whether it is open.
    pub open: bool,
    /// The next sequence in it.
    pub sequence: u64,
}

/// A published event of a conversation.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[non_exhaustive]
#[serde(default)]
pub struct Message {
    /// Its number among all messages, from 1.
    pub n: u64,
    /// The conversation.
    pub conversation: String,
    /// The dialog.
    pub dialog: String,
    /// Its sequence in the dialog; a chat state has none.
    pub sequence: Option<u64>,
    /// The consumer's id, or that of the agent or bot.
    pub from: String,
    /// `CONSUMER`, `ASSIGNED_AGENT` or `AGENT`.
    pub role: String,
    /// `ALL` or `AGENTS_AND_MANAGERS`.
    pub audience: String,
    /// When it was published.
    pub at: u64,
    /// The event, as it was published.
    pub event: Value,
    /// Its metadata.
    pub metadata: Value,
    /// The exchange that brought it; none for what an agent did.
    pub wire: Option<u64>,
    /// Its notification.
    pub notification: Option<u64>,
    /// The file, if it is one that is kept.
    pub file: Option<u64>,
}

/// A [fault](crate::Fault) with its number, its switch and its counts.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[non_exhaustive]
#[serde(default)]
pub struct NumberedFault {
    /// Its number, from 1.
    pub n: u64,
    /// Its text, as for `--fault`.
    pub text: String,
    /// The endpoint.
    pub endpoint: String,
    /// The requests, such as `1-20`, `*` or `p0.05`.
    pub requests: String,
    /// What happens, such as `503`.
    pub what: String,
    /// What happens, as a sentence.
    pub sentence: String,
    /// Whether it is on.
    pub on: bool,
    /// How many requests came while it was on.
    pub counted: u64,
    /// How many it applied to.
    pub applied: u64,
    /// How many it can apply to.
    pub of: Option<u64>,
    /// When it applied last.
    pub last: Option<u64>,
}

/// Faults that belong together.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[non_exhaustive]
#[serde(default)]
pub struct Preset {
    /// Its name.
    pub name: String,
    /// Its name to show.
    pub title: String,
    /// Its faults.
    pub faults: Vec<String>,
}

/// The faults, and what can be added by one name.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[non_exhaustive]
#[serde(default)]
pub struct Faults {
    /// The faults.
    pub faults: Vec<NumberedFault>,
    /// The presets.
    pub presets: Vec<Preset>,
}

/// A token that was issued, without the token.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[non_exhaustive]
#[serde(default)]
pub struct Token {
    /// Its number: those of both kinds differ.
    pub n: u64,
    /// `AppJWT` or `ConsumerJWS`.
    pub kind: String,
    /// The name by which it is shown.
    pub name: String,
    /// The client id, or the consumer.
    pub owner: String,
    /// When it was issued.
    pub issued: u64,
    /// When it expires.
    pub expires: Option<u64>,
    /// How often it was used.
    pub uses: u64,
    /// When it was used last.
    pub last: Option<u64>,
}

/// The webhooks.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[non_exhaustive]
#[serde(default)]
pub struct Webhooks {
    /// `UP`, `FAILED`, `IN_TRANSITION` or `RECOVERED`.
    pub state: String,
    /// How many notifications are not delivered yet.
    pub waiting: usize,
    /// How many of those wait for their next attempt, because an endpoint took no notification.
    pub held: usize,
    /// How many were lost.
    pub lost: u64,
    /// When the next of those is tried; none while it is.
    pub next: Option<u64>,
    /// For how many seconds failed notifications are kept, in the time-based mode.
    pub retention_s: Option<u64>,
    /// How notifications are signed.
    pub signature: String,
    /// The endpoints.
    pub endpoints: Vec<WebhookEndpoint>,
}

/// The endpoint of one kind of event.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[non_exhaustive]
#[serde(default)]
pub struct WebhookEndpoint {
    /// The key of the event.
    pub event: String,
    /// Its last part.
    pub kind: String,
    /// The URL.
    pub url: String,
    /// Whether the sandbox posts there: to `http` on this machine alone.
    pub reachable: bool,
    /// The retries of the count-based mode.
    pub max_retries: Option<u32>,
    /// The names of its headers.
    pub headers: Vec<String>,
    /// The status of the last post.
    pub last_status: Option<u16>,
    /// When the last post ended.
    pub last: Option<u64>,
}

/// An app install, without its secret.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[non_exhaustive]
#[serde(default)]
pub struct Install {
    /// Its id, which is the client id.
    pub id: String,
    /// Its name.
    pub client_name: String,
    /// Whether it is enabled.
    pub enabled: bool,
    /// Its revision.
    pub revision: u64,
    /// Its capabilities.
    pub capabilities: Value,
}

/// A file that is kept.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[non_exhaustive]
#[serde(default)]
pub struct File {
    /// Its number, from 1.
    pub n: u64,
    /// The name that the agent gave it.
    pub name: Option<String>,
    /// Its relative path at the storage service.
    pub path: String,
    /// How many bytes it has.
    pub bytes: usize,
    /// Its type by its bytes: an image type, or `application/octet-stream`.
    #[serde(rename = "type")]
    pub media_type: String,
    /// `agent` or `consumer`.
    pub from: String,
    /// When it was stored.
    pub at: u64,
}

/// A page of conversations.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[non_exhaustive]
#[serde(default)]
pub struct Conversations {
    /// The conversations: those opened last come first.
    pub conversations: Vec<Conversation>,
    /// Pass it as `after` for the next page.
    pub next: Option<u64>,
}

/// A page of messages.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[non_exhaustive]
#[serde(default)]
pub struct Messages {
    /// The messages, oldest first.
    pub messages: Vec<Message>,
    /// Whether there are earlier ones than these.
    pub earlier: bool,
    /// Whether there are later ones than these.
    pub more: bool,
}

/// A page of notifications.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[non_exhaustive]
#[serde(default)]
pub struct Notifications {
    /// The notifications, newest first.
    pub notifications: Vec<Notification>,
    /// Pass it as `before` for the next page.
    pub next: Option<u64>,
}

/// One notification in full.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[non_exhaustive]
#[serde(default)]
pub struct NotificationDetail {
    /// The notification.
    pub notification: Notification,
    /// Its body.
    pub body: Value,
    /// Its attempts that are kept.
    pub attempts: Vec<Row>,
}

/// An error, as `application/problem+json`.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[non_exhaustive]
#[serde(default)]
pub struct Problem {
    /// The status of the response.
    pub status: u16,
    /// What is wrong, as a sentence to show.
    pub title: String,
    /// More about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}
