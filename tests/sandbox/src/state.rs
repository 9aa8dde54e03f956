//! What the cloud remembers. Everything is bounded: the oldest goes first.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use serde_json::Value;

/// The most of each kind that is remembered.
pub const MAX_KEPT: usize = 100_000;

/// A map that forgets what came first when it is full.
#[derive(Debug)]
pub(crate) struct Bounded<V> {
    entries: BTreeMap<String, V>,
    order: VecDeque<String>,
}

impl<V> Default for Bounded<V> {
    fn default() -> Self {
        Self { entries: BTreeMap::new(), order: VecDeque::new() }
    }
}

impl<V> Bounded<V> {
    pub(crate) fn insert(&mut self, key: String, value: V) {
        if self.entries.insert(key.clone(), value).is_none() {
            self.order.push_back(key);
        }
        while self.order.len() > MAX_KEPT {
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

#[derive(Debug)]
pub(crate) struct AppToken {
    pub(crate) ends: Duration,
}

/// A conversation.
#[derive(Clone, PartialEq, Debug)]
#[non_exhaustive]
pub struct Conversation {
    /// Its id, and that of its main dialog.
    pub id: String,
    /// The consumer, as the connector knows them.
    pub consumer: String,
    /// Whether it is open.
    pub open: bool,
    /// What the connector said of the consumer.
    pub profile: Value,
    /// The body of the request that opened it.
    pub request: Value,
    /// The features of the `Client-Properties` header.
    pub features: Vec<String>,
    /// The next number in each dialog.
    pub(crate) sequences: BTreeMap<String, u64>,
}

/// An event in a dialog, as it was published.
#[derive(Clone, PartialEq, Debug)]
#[non_exhaustive]
pub struct Message {
    /// The conversation.
    pub conversation: String,
    /// The dialog.
    pub dialog: String,
    /// Its number in the dialog; chat states have none (protocol.md 7.1).
    pub sequence: Option<u64>,
    /// Who published it, as the connector knows them.
    pub consumer: String,
    /// The event itself.
    pub event: Value,
}

#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) app_tokens: Bounded<AppToken>,
    /// The consumer of each ConsumerJWS.
    pub(crate) consumer_tokens: Bounded<String>,
    pub(crate) conversations: Bounded<Conversation>,
    /// The open conversation of each consumer.
    pub(crate) open: Bounded<String>,
    pub(crate) messages: VecDeque<Message>,
}

impl State {
    /// Numbers and keeps an event. Chat states get no number.
    pub(crate) fn publish(&mut self, conversation: &str, dialog: &str, event: &Value) -> u64 {
        let Some(open) = self.conversations.get_mut(conversation) else {
            return 0;
        };
        let volatile = event.get("type").and_then(Value::as_str) == Some("ChatStateEvent");
        let sequence = if volatile {
            None
        } else {
            let next = open.sequences.entry(dialog.to_owned()).or_default();
            *next += 1;
            Some(*next - 1)
        };
        self.messages.push_back(Message {
            conversation: conversation.to_owned(),
            dialog: dialog.to_owned(),
            sequence,
            consumer: open.consumer.clone(),
            event: event.clone(),
        });
        while self.messages.len() > MAX_KEPT {
            self.messages.pop_front();
        }
        // What a chat state is answered means nothing (protocol.md 7.1).
        sequence.unwrap_or(0)
    }

    pub(crate) fn close(&mut self, conversation: &str) {
        if let Some(closed) = self.conversations.get_mut(conversation) {
            closed.open = false;
            let consumer = closed.consumer.clone();
            self.open.remove(&consumer);
        }
    }
}
