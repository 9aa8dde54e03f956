//! The state of the cloud. All of it is bounded; the oldest entries are removed first.

use std::collections::{BTreeMap, VecDeque};
use std::mem::size_of;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::file::{SignedUrl, StoredFile};
use crate::installs::Install;
use crate::journal::Retired;
use crate::kept::{BoundedList, BoundedMap, Weigh};
use crate::monitoring::Visit;
use crate::saved;

/// The most files, which are large.
const MAX_FILES: usize = 64;

/// A text of a fixed set. By this name it can be read from bytes that do not live as long.
type Fixed = &'static str;

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
    pub(crate) messages: BoundedList<Message>,
    pub(crate) published: u64,
    pub(crate) opened: u64,
    /// How many tokens of both kinds were issued.
    pub(crate) tokens_issued: u64,
    /// How many files were stored.
    pub(crate) stored: u64,
    /// The secrets that were replaced, oldest first: messages and clients may still say them. A state that an earlier
    /// version saved has none.
    #[serde(default)]
    pub(crate) retired: VecDeque<Retired>,
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
        self.conversations.weigh_again(publication.conversation);
        self.messages.push(message);
        self.messages.entries_mut().next_back()
    }

    /// The message with this number, if it is kept.
    pub(crate) fn message(&self, number: u64) -> Option<&Message> {
        let messages = self.messages.entries();
        let first = messages.front()?.number;
        let place = usize::try_from(number.checked_sub(first)?).ok()?;
        messages.get(place).filter(|message| message.number == number)
    }

    /// The open conversation of a consumer, if it is kept.
    pub(crate) fn open_of(&self, consumer: &str) -> Option<&String> {
        self.open.get(consumer).filter(|id| self.conversations.get(id).is_some())
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
            self.conversations.weigh_again(conversation);
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

impl Weigh for AppToken {
    fn weight(&self) -> usize {
        size_of::<Self>() + self.owner.len()
    }
}

impl Weigh for ConsumerToken {
    fn weight(&self) -> usize {
        size_of::<Self>() + self.consumer.len()
    }
}

impl Weigh for Message {
    fn weight(&self) -> usize {
        let ids = [&self.conversation, &self.dialog, &self.consumer, &self.originator];
        let ids = ids.into_iter().map(String::len).sum::<usize>();
        size_of::<Self>() + ids + self.event.weight() + self.metadata.weight()
    }
}

impl Weigh for Conversation {
    fn weight(&self) -> usize {
        let ids = [&self.id, &self.consumer, &self.consumer_lp, &self.ttr];
        let ids = ids.into_iter().map(String::len).sum::<usize>();
        let lists = [&self.features, &self.agents, &self.typing];
        let lists = lists.into_iter().map(Weigh::weight).sum::<usize>();
        let texts = self.skill.weight() + self.close_reason.weight();
        let documents = self.profile.weight() + self.request.weight() + self.csat.weight();
        let survey = self.survey.as_ref().map_or(0, |one| one.dialog.len() + one.answers.weight());
        let dialogs = self.sequences.keys().map(Weigh::weight).sum::<usize>();
        let last = self.last.as_ref().map_or(0, |last| last.from.len() + last.text.len());
        size_of::<Self>() + ids + lists + texts + documents + survey + dialogs + last
    }

    fn is_in_use(&self) -> bool {
        self.open
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
