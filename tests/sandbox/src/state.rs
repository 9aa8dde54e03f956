//! The state of the cloud. All of it is bounded; the oldest entries are removed first.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::file::{SignedUrl, StoredFile};
use crate::installs::Install;
use crate::monitoring::Visit;
use crate::saved;

/// The most entries of each kind: messages, conversations, tokens and so on.
pub const MAX_KEPT: usize = 100_000;

/// The most files, which are large.
const MAX_FILES: usize = 64;

/// A text of a fixed set. By this name it can be read from bytes that do not live as long.
type Fixed = &'static str;

/// A map that removes its oldest entry when it is full.
#[derive(Clone, Debug)]
pub(crate) struct BoundedMap<V, const CAPACITY: usize = MAX_KEPT> {
    entries: BTreeMap<String, V>,
    order: VecDeque<String>,
}

impl<V, const CAPACITY: usize> Default for BoundedMap<V, CAPACITY> {
    fn default() -> Self {
        Self { entries: BTreeMap::new(), order: VecDeque::new() }
    }
}

/// As pairs, oldest first.
impl<V: Serialize, const CAPACITY: usize> Serialize for BoundedMap<V, CAPACITY> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let value = |key: &'_ String| self.entries.get(key);
        serializer.collect_seq(self.order.iter().filter_map(move |key| Some((key, value(key)?))))
    }
}

impl<'de, V: Deserialize<'de>, const CAPACITY: usize> Deserialize<'de> for BoundedMap<V, CAPACITY> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut map = Self::default();
        for (key, value) in Vec::<(String, V)>::deserialize(deserializer)? {
            map.insert(key, value);
        }
        Ok(map)
    }
}

impl<V, const CAPACITY: usize> BoundedMap<V, CAPACITY> {
    pub(crate) fn insert(&mut self, key: String, value: V) {
        if self.entries.insert(key.clone(), value).is_none() {
            self.order.push_back(key);
        }
        while self.order.len() > CAPACITY {
            if let Some(oldest) = self.order.pop_front() {
                self.entries.remove(&oldest);
            }
        }
    }

    pub(crate) fn get(&self, key: &str) -> Option<&V> {
        self.entries.get(key)
    }

    pub(crate) fn get_mut(&mut self, key: &str) -> Option<&mut V> {
        self.entries.get_mut(key)
    }

    pub(crate) fn values(&self) -> impl Iterator<Item = &V> {
        self.entries.values()
    }

    pub(crate) fn values_mut(&mut self) -> impl Iterator<Item = &mut V> {
        self.entries.values_mut()
    }

    pub(crate) fn len(&self) -> usize {
        self.order.len()
    }

    /// The entries, newest first.
    pub(crate) fn newest(&self) -> impl Iterator<Item = (&str, &V)> {
        let value = |key: &'_ String| self.entries.get(key);
        self.order.iter().rev().filter_map(move |key| Some((key.as_str(), value(key)?)))
    }

    pub(crate) fn clear(&mut self) {
        self.entries.clear();
        self.order.clear();
    }

    pub(crate) fn remove(&mut self, key: &str) {
        if self.entries.remove(key).is_some() {
            self.order.retain(|kept| kept != key);
        }
    }
}

/// An AppJWT.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct AppToken {
    pub(crate) number: u64,
    pub(crate) owner: String,
    pub(crate) issued: Duration,
    pub(crate) expires_at: Duration,
    pub(crate) usage: Usage,
}

/// A ConsumerJWS.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ConsumerToken {
    pub(crate) number: u64,
    pub(crate) consumer: String,
    pub(crate) issued: Duration,
    pub(crate) usage: Usage,
}

/// How often a token was used, and when last.
#[derive(Clone, Copy, Default, Debug, Serialize, Deserialize)]
pub(crate) struct Usage {
    pub(crate) times: u64,
    pub(crate) last: Option<Duration>,
}

impl Usage {
    pub(crate) fn add(&mut self, now: Duration) {
        self.times += 1;
        self.last = Some(now);
    }
}

/// A conversation.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Conversation {
    /// Its id, which is also that of its main dialog.
    pub id: String,
    /// The connector's id of the consumer.
    pub consumer: String,
    /// LivePerson's id of the consumer.
    pub consumer_lp: String,
    /// Whether any of its dialogs is open.
    pub open: bool,
    /// Whether its main dialog is open.
    pub main_open: bool,
    /// The consumer's profile from the request that opened it.
    pub profile: Value,
    /// The body of the request that opened it.
    pub request: Value,
    /// The features of the `Client-Properties` header.
    pub features: Vec<String>,
    /// The agents who have joined.
    pub agents: Vec<String>,
    /// The skill that it is routed to.
    pub skill: Option<String>,
    /// Its urgency, such as `NORMAL`.
    pub ttr: String,
    /// Who closed it: `CONSUMER` or `AGENT`.
    pub close_reason: Option<String>,
    /// The consumer's rating.
    pub csat: Option<Value>,
    /// Its survey, if one has started.
    pub survey: Option<Survey>,
    /// Its number in the order of opening.
    pub(crate) opened: u64,
    pub(crate) started_ms: u64,
    /// Strictly increasing: it orders the states
    /// ([protocol.md 9.9](https://docs.rs/lp-connector-core/latest/lp_connector_core/protocol/#9.9)).
    pub(crate) updated_ms: u64,
    /// The next sequence in each dialog.
    pub(crate) sequences: BTreeMap<String, u64>,
    /// How many of the consumer's messages came since an agent wrote or read.
    pub(crate) unread: u64,
    /// The last line.
    pub(crate) last: Option<LastLine>,
    /// Who is typing.
    pub(crate) typing: Vec<String>,
    /// The number of the request that opened it, where requests are recorded.
    pub(crate) opened_by: Option<u64>,
}

/// The last message of a conversation that has something to show, in short.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct LastLine {
    pub(crate) from: String,
    #[serde(with = "saved::fixed")]
    pub(crate) role: Fixed,
    pub(crate) text: String,
    pub(crate) at_ms: u64,
}

/// The longest last line, in characters.
pub(crate) const MAX_LINE: usize = 120;

/// The survey of a conversation.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Survey {
    /// The id of its dialog.
    pub dialog: String,
    /// Whether it is open.
    pub open: bool,
    /// The consumer's answers.
    pub answers: Vec<String>,
    pub(crate) started_ms: u64,
}

/// A published event of a dialog.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Message {
    /// Its number among all messages, from 1.
    pub number: u64,
    /// The id of the conversation.
    pub conversation: String,
    /// The id of the dialog.
    pub dialog: String,
    /// Its sequence in the dialog; a chat state has none
    /// ([protocol.md 7.1](https://docs.rs/lp-connector-core/latest/lp_connector_core/protocol/#7.1)).
    pub sequence: Option<u64>,
    /// The connector's id of the conversation's consumer.
    pub consumer: String,
    /// LivePerson's id of its publisher.
    pub originator: String,
    /// The publisher's role.
    #[serde(with = "saved::fixed")]
    pub role: Fixed,
    /// Its audience: `ALL` or `AGENTS_AND_MANAGERS`.
    #[serde(with = "saved::fixed")]
    pub audience: Fixed,
    /// When it was published, in milliseconds since the Unix epoch.
    pub at_ms: u64,
    /// Its metadata; null if there is none.
    pub metadata: Value,
    /// The event.
    pub event: Value,
    /// The number of the request that brought it; `None` for what an agent did, and where requests are not
    /// recorded ([`Sandbox::record`](crate::Sandbox::record)).
    pub request: Option<u64>,
    /// The number of its notification, if its kind of event has an endpoint.
    pub notification: Option<u64>,
}

impl Message {
    /// Who published it: the connector's id of the consumer, or the agent's id.
    #[must_use]
    pub fn from(&self) -> &str {
        if self.role == "CONSUMER" { &self.consumer } else { &self.originator }
    }
}

/// An event to publish.
#[derive(Debug)]
pub(crate) struct Publication<'a> {
    pub(crate) conversation: &'a str,
    pub(crate) dialog: &'a str,
    /// The agent's id and role; `None` for the consumer.
    pub(crate) agent: Option<(&'a str, &'static str)>,
    pub(crate) audience: &'static str,
    pub(crate) metadata: Value,
    pub(crate) event: Value,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct State {
    pub(crate) app_tokens: BoundedMap<AppToken>,
    pub(crate) consumer_tokens: BoundedMap<ConsumerToken>,
    pub(crate) conversations: BoundedMap<Conversation>,
    /// The open conversation of each consumer.
    pub(crate) open: BoundedMap<String>,
    /// The signed URLs of files, by signature.
    pub(crate) signed: BoundedMap<SignedUrl>,
    pub(crate) files: BoundedMap<StoredFile, MAX_FILES>,
    pub(crate) visits: BoundedMap<Visit>,
    /// The tokens of logged-in users.
    pub(crate) bearers: BoundedMap<()>,
    pub(crate) installs: BoundedMap<Install>,
    pub(crate) messages: VecDeque<Message>,
    pub(crate) published: u64,
    pub(crate) opened: u64,
    /// How many tokens of both kinds were issued.
    pub(crate) tokens_issued: u64,
    /// How many files were stored.
    pub(crate) stored: u64,
}

impl State {
    /// Numbers and stores an event.
    pub(crate) fn publish(
        &mut self,
        now: Duration,
        publication: Publication<'_>,
        has_gaps: bool,
        request: Option<u64>,
    ) -> Option<&mut Message> {
        let open = self.conversations.get_mut(publication.conversation)?;
        let kind = publication.event.get("type").and_then(Value::as_str);
        let sequence = (kind != Some("ChatStateEvent")).then(|| {
            let next = open.sequences.entry(publication.dialog.to_owned()).or_default();
            if has_gaps && *next % 3 == 2 {
                *next += 1;
            }
            *next += 1;
            *next - 1
        });
        let (originator, role) = match publication.agent {
            Some((agent, role)) => (agent.to_owned(), role),
            None => (open.consumer_lp.clone(), "CONSUMER"),
        };
        self.published += 1;
        let message = Message {
            number: self.published,
            conversation: publication.conversation.to_owned(),
            dialog: publication.dialog.to_owned(),
            sequence,
            consumer: open.consumer.clone(),
            originator,
            role,
            audience: publication.audience,
            at_ms: milliseconds(now),
            metadata: publication.metadata,
            event: publication.event,
            request,
            notification: None,
        };
        open.note(&message);
        self.messages.push_back(message);
        while self.messages.len() > MAX_KEPT {
            self.messages.pop_front();
        }
        self.messages.back_mut()
    }

    /// The message with this number, if it is kept.
    pub(crate) fn message(&self, number: u64) -> Option<&Message> {
        let first = self.messages.front()?.number;
        let place = usize::try_from(number.checked_sub(first)?).ok()?;
        self.messages.get(place).filter(|message| message.number == number)
    }

    /// Closes a conversation with all its dialogs.
    pub(crate) fn close(&mut self, conversation: &str, by: &str) {
        if let Some(closed) = self.conversations.get_mut(conversation) {
            closed.open = false;
            closed.main_open = false;
            closed.close_reason.get_or_insert_with(|| by.to_owned());
            if let Some(survey) = &mut closed.survey {
                survey.open = false;
            }
            let consumer = closed.consumer.clone();
            self.open.remove(&consumer);
        }
    }
}

impl Conversation {
    /// When anything happened in it last, in milliseconds since the Unix epoch.
    pub(crate) fn last_use_ms(&self) -> u64 {
        self.last.as_ref().map_or(0, |last| last.at_ms).max(self.updated_ms)
    }

    /// Takes from a message what the conversation shows of it.
    fn note(&mut self, message: &Message) {
        let text = |name: &str| message.event.get(name).and_then(Value::as_str);
        let from = message.from().to_owned();
        let by_consumer = message.role == "CONSUMER";
        match text("type") {
            Some("ChatStateEvent") => {
                self.typing.retain(|one| *one != from);
                if text("chatState") == Some("COMPOSING") {
                    self.typing.push(from);
                }
                return;
            }
            Some("AcceptStatusEvent") => {
                if !by_consumer && text("status") == Some("READ") {
                    self.unread = 0;
                }
                return;
            }
            _ => {}
        }
        self.typing.retain(|one| *one != from);
        let to_consumer = message.audience == "ALL";
        self.unread = match (by_consumer, to_consumer) {
            (true, _) => self.unread + 1,
            (false, true) => 0,
            (false, false) => self.unread,
        };
        let line = summary(&message.event).chars().take(MAX_LINE).collect();
        self.last = Some(LastLine { from, role: message.role, text: line, at_ms: message.at_ms });
    }
}

/// What a conversation's list shows of an event.
fn summary(event: &Value) -> String {
    let caption = |file: &Value| {
        let name = file.get("caption").and_then(Value::as_str).unwrap_or("a file");
        format!("{name} (file)")
    };
    match event.get("message") {
        Some(Value::String(text)) => text.clone(),
        Some(file @ Value::Object(_)) => caption(file),
        _ => match first_text(event, 0) {
            Some(text) => format!("{text} (card)"),
            None => event.get("type").and_then(Value::as_str).unwrap_or("an event").to_owned(),
        },
    }
}

/// The first text of a card.
fn first_text(value: &Value, depth: usize) -> Option<String> {
    if depth > 16 {
        return None;
    }
    match value {
        Value::Object(members) => match members.get("text") {
            Some(Value::String(text)) => Some(text.clone()),
            _ => members.values().find_map(|value| first_text(value, depth + 1)),
        },
        Value::Array(values) => values.iter().find_map(|value| first_text(value, depth + 1)),
        _ => None,
    }
}

pub(crate) fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
