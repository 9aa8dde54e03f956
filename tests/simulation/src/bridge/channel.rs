//! The channel, which keeps books of everything.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use lp_connector_core::bridge::{Delivery, DeliveryContent, FailureReason, Progress, Verdict};
use lp_connector_core::webhook::{Event, Order};

use super::invariant::{Broken, Invariant};
use super::scenario::{BROKEN, REFUSED};

/// How often a refused delivery is tried, and one on which the channel's handler breaks.
const TRIES: [(&str, u32); 2] = [(REFUSED, 3), (BROKEN, 5)];

#[derive(Debug, Default)]
pub(crate) struct Channel {
    /// The messages, by consumer, in the order in which they were stored first.
    pub(crate) accepted: BTreeMap<usize, Vec<usize>>,
    /// The messages that the bridge said it has.
    pub(crate) acknowledged: BTreeSet<usize>,
    /// What it took, in order.
    pub(crate) taken: Vec<Taken>,
    /// The messages of agents that it took: conversation, dialog, sequence.
    pub(crate) taken_messages: BTreeSet<(String, String, u64)>,
    /// What it was told about each message of a consumer.
    pub(crate) statuses: BTreeMap<(String, String), Vec<Progress>>,
    /// The sequence with which each message was confirmed first, and when each was reported as unconfirmed, in
    /// milliseconds, by the clock of an instance.
    pub(crate) sequences: BTreeMap<(String, String), u64>,
    pub(crate) given_up: BTreeMap<(String, String), u64>,
    /// How often it was offered what it never takes.
    poison: BTreeMap<String, u32>,
    /// The consumers who were forgotten: what is repeated after that is sent anew.
    pub(crate) forgotten: BTreeSet<String>,
    /// Out of order until then.
    pub(crate) down_until: Duration,
}

/// A message of an agent that the channel took.
#[derive(Debug)]
pub(crate) struct Taken {
    pub(crate) consumer: String,
    pub(crate) conversation: String,
    pub(crate) dialog: String,
    pub(crate) sequence: u64,
    pub(crate) order: Order,
    pub(crate) text: String,
}

impl Channel {
    /// What it makes of a delivery. `takeovers` is how often a lane was taken over so far: a try before that may
    /// not be known. Nor is one whose answer is lost.
    pub(crate) fn take(
        &mut self,
        delivery: &Delivery,
        now: Duration,
        takeovers: u32,
        is_answered: bool,
    ) -> Result<Verdict, Broken> {
        if now < self.down_until {
            return Ok(Verdict::Outage(None));
        }
        match &delivery.content {
            DeliveryContent::Message(message) => {
                let text = match message.event() {
                    Event::Text(text) => text.text.to_owned(),
                    _ => String::new(),
                };
                if let Some((kind, most)) = TRIES.iter().find(|(kind, _)| text.starts_with(kind)) {
                    let tries = self.poison.entry(delivery.id.clone()).or_default();
                    *tries += u32::from(is_answered);
                    // Of what is repeated after its consumer was forgotten, no try is remembered.
                    let again = self.forgotten.contains(&delivery.consumer.to_string());
                    if *tries > most * (1 + u32::from(again)) + takeovers {
                        let why = format!("{} was tried {tries} times", delivery.id);
                        return Err(Broken::new(Invariant::PoisonGivenUp, why));
                    }
                    return Ok(match *kind {
                        REFUSED => Verdict::Refused("never".to_owned()),
                        _ => Verdict::Broken,
                    });
                }
                let taken = Taken {
                    consumer: delivery.consumer.to_string(),
                    conversation: message.conversation().to_string(),
                    dialog: message.dialog().to_string(),
                    sequence: message.sequence().unwrap_or_default(),
                    order: delivery.order,
                    text,
                };
                self.taken_messages.insert((
                    taken.conversation.clone(),
                    taken.dialog.clone(),
                    taken.sequence,
                ));
                self.taken.push(taken);
            }
            DeliveryContent::Status(status) => {
                let key = (delivery.consumer.to_string(), status.message.clone());
                if let (Progress::Sent, Some(sequence)) = (&status.progress, status.sequence) {
                    self.sequences.entry(key.clone()).or_insert(sequence);
                }
                if let (Progress::Failed(FailureReason::Unconfirmed), Some(at)) =
                    (&status.progress, delivery.at)
                {
                    self.given_up.insert(key.clone(), at.as_millis());
                }
                let told = self.statuses.entry(key).or_default();
                let is_forgotten = self.forgotten.contains(delivery.consumer.as_str());
                let is_lower = |last: &Progress| last.rank() > status.progress.rank();
                if !is_forgotten && told.last().is_some_and(is_lower) {
                    let why = format!("{} after {told:?}: {:?}", status.message, status.progress);
                    return Err(Broken::new(Invariant::AcceptedSettled, why));
                }
                told.push(status.progress.clone());
            }
            _ => {}
        }
        Ok(Verdict::Taken)
    }
}
