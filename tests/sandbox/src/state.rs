//! What the cloud remembers. Everything is bounded: the oldest goes first.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use serde_json::Value;

use crate::file::SignedUrl;
use crate::installs::Install;
use crate::monitoring::Visit;

/// The most of each kind that is remembered.
pub const MAX_KEPT: usize = 100_000;

/// The most files that are remembered: they are large.
const MAX_FILES: usize = 64;

/// A map that forgets what came first when it is full.
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
    /// Its id, and that of its main dialog.
    pub id: String,
    /// The consumer, as the connector knows them.
    pub consumer: String,
    /// The consumer, as LivePerson knows them.
    pub consumer_lp: String,
    /// Whether it is open as a whole.
    pub open: bool,
    /// Whether its main dialog is.
    pub main_open: bool,
    /// What the connector said of the consumer.
    pub profile: Value,
    /// The body of the request that opened it.
    pub request: Value,
    /// The features of the `Client-Properties` header.
    pub features: Vec<String>,
    /// The agents who are on board.
    pub agents: Vec<String>,
    /// Where it is routed to.
    pub skill: Option<String>,
    /// How urgent it is.
    pub ttr: String,
    /// By whom it was closed.
    pub close_reason: Option<String>,
    /// How satisfied the consumer was.
    pub csat: Option<Value>,
    /// The survey after it.
    pub survey: Option<Survey>,
    /// Its number among all: two may be opened in the same millisecond.
    pub(crate) opened: u64,
    pub(crate) started_ms: u64,
    /// Never the same twice: it is what puts states in order (protocol.md 9.9).
    pub(crate) updated_ms: u64,
    /// The next number in each dialog.
    pub(crate) sequences: BTreeMap<String, u64>,
}

/// A survey's dialog.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Survey {
    /// Its id.
    pub dialog: String,
    /// Whether it is open.
    pub open: bool,
    /// What the consumer answered.
    pub answers: Vec<String>,
    pub(crate) started_ms: u64,
}

/// An event in a dialog, as it was published.
#[derive(Clone, PartialEq, Debug)]
#[non_exhaustive]
pub struct Message {
    /// Its number among all, from 1.
    pub number: u64,
    /// The conversation.
    pub conversation: String,
    /// The dialog.
    pub dialog: String,
    /// Its number in the dialog; chat states have none (protocol.md 7.1).
    pub sequence: Option<u64>,
    /// The consumer of the conversation, as the connector knows them.
    pub consumer: String,
    /// Who published it: LivePerson's id of them.
    pub originator: String,
    /// As what.
    pub role: &'static str,
    /// Who may see it.
    pub audience: &'static str,
    /// When, in milliseconds since 1970.
    pub at_ms: u64,
    /// What came with it.
    pub metadata: Value,
    /// The event itself.
    pub event: Value,
}

/// An event to be published.
#[derive(Debug)]
pub(crate) struct Publication<'a> {
    pub(crate) conversation: &'a str,
    pub(crate) dialog: &'a str,
    /// Who publishes it; the consumer, if nobody is named.
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
    /// The signed addresses of files, by their signature.
    pub(crate) signed: BoundedMap<SignedUrl>,
    pub(crate) files: BoundedMap<Vec<u8>, MAX_FILES>,
    pub(crate) visits: BoundedMap<Visit>,
    /// The users who are logged in.
    pub(crate) bearers: BoundedMap<()>,
    pub(crate) installs: BoundedMap<Install>,
    pub(crate) messages: VecDeque<Message>,
    pub(crate) published: u64,
    pub(crate) opened: u64,
}

impl State {
    /// Numbers and keeps an event. Chat states get no number.
    pub(crate) fn publish(
        &mut self,
        now: Duration,
        publication: Publication<'_>,
    ) -> Option<&Message> {
        let open = self.conversations.get_mut(publication.conversation)?;
        let kind = publication.event.get("type").and_then(Value::as_str);
        let sequence = (kind != Some("ChatStateEvent")).then(|| {
            let next = open.sequences.entry(publication.dialog.to_owned()).or_default();
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

    /// Closes a conversation altogether.
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
