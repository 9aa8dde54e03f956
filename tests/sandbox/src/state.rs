//! The state of the cloud. All of it is bounded; the oldest entries are removed first.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use serde_json::Value;

use crate::file::SignedUrl;
use crate::installs::Install;
use crate::monitoring::Visit;

/// The most entries of each kind: messages, conversations, tokens and so on.
pub const MAX_KEPT: usize = 100_000;

/// The most files, which are large.
const MAX_FILES: usize = 64;

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

#[derive(Clone, Debug)]
pub(crate) struct AppToken {
    pub(crate) expires_at: Duration,
}

/// A conversation.
#[derive(Clone, PartialEq, Debug)]
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
}

/// The survey of a conversation.
#[derive(Clone, PartialEq, Eq, Debug)]
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
#[derive(Clone, PartialEq, Debug)]
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
    pub role: &'static str,
    /// Its audience: `ALL` or `AGENTS_AND_MANAGERS`.
    pub audience: &'static str,
    /// When it was published, in milliseconds since the Unix epoch.
    pub at_ms: u64,
    /// Its metadata; null if there is none.
    pub metadata: Value,
    /// The event.
    pub event: Value,
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

#[derive(Clone, Debug, Default)]
pub(crate) struct State {
    pub(crate) app_tokens: BoundedMap<AppToken>,
    /// The consumer of each ConsumerJWS.
    pub(crate) consumer_tokens: BoundedMap<String>,
    pub(crate) conversations: BoundedMap<Conversation>,
    /// The open conversation of each consumer.
    pub(crate) open: BoundedMap<String>,
    /// The signed URLs of files, by signature.
    pub(crate) signed: BoundedMap<SignedUrl>,
    pub(crate) files: BoundedMap<Vec<u8>, MAX_FILES>,
    pub(crate) visits: BoundedMap<Visit>,
    /// The tokens of logged-in users.
    pub(crate) bearers: BoundedMap<()>,
    pub(crate) installs: BoundedMap<Install>,
    pub(crate) messages: VecDeque<Message>,
    pub(crate) published: u64,
    pub(crate) opened: u64,
}

impl State {
    /// Numbers and stores an event.
    pub(crate) fn publish(
        &mut self,
        now: Duration,
        publication: Publication<'_>,
        has_gaps: bool,
    ) -> Option<&Message> {
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
        self.messages.push_back(Message {
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
        });
        while self.messages.len() > MAX_KEPT {
            self.messages.pop_front();
        }
        self.messages.back()
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

pub(crate) fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
