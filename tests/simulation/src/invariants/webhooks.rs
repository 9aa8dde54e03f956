//! Notifications: each is processed once, in order or marked as late, and none is lost.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use lp_connector_core::webhook::Order;

use crate::invariant::{Invariant, Violation};
use crate::world::World;

#[derive(Debug, Default)]
pub(super) struct Webhooks {
    agent_texts: Vec<String>,
    processed_texts: BTreeSet<String>,
    /// The highest sequence processed so far, by conversation.
    highest: BTreeMap<String, u64>,
    processed_sequences: BTreeSet<(String, u64)>,
}

impl Webhooks {
    pub(super) fn agent_sent(&mut self, text: String) {
        self.agent_texts.push(text);
    }

    pub(super) fn on_post(
        &self,
        world: &World,
        status: Option<u16>,
        at: Duration,
    ) -> Result<(), Violation> {
        let held =
            world.endpoint.as_ref().map(|endpoint| endpoint.feed.inbox().len()).unwrap_or_default();
        if held > 500 {
            return Err(Violation::new(
                Invariant::BoundedMemory,
                at,
                format!("the inbox holds {held} changes"),
            ));
        }
        match status {
            None | Some(200 | 503) => Ok(()),
            Some(status) => {
                let why = format!("a signed notification was answered {status}");
                Err(Violation::new(Invariant::NoLostNotification, at, why))
            }
        }
    }

    pub(super) fn on_processed(
        &mut self,
        world: &World,
        nth: usize,
        at: Duration,
    ) -> Result<(), Violation> {
        let processed = world.endpoint.as_ref().and_then(|endpoint| endpoint.processed.get(nth));
        let Some(processed) = processed else { return Ok(()) };
        let fail = |why: String| Err(Violation::new(Invariant::OnceInOrder, at, why));
        if let Some(sequence) = processed.sequence {
            if !self.processed_sequences.insert((processed.conversation.clone(), sequence)) {
                return fail(format!(
                    "{sequence} of {} was processed twice",
                    processed.conversation
                ));
            }
            let highest = self.highest.entry(processed.conversation.clone()).or_default();
            if sequence < *highest && processed.order != Order::Late {
                return fail(format!(
                    "{sequence} was processed after {highest}, as {:?}",
                    processed.order
                ));
            }
            *highest = sequence.max(*highest);
        }
        if let Some(text) = &processed.text
            && !self.processed_texts.insert(text.clone())
        {
            return fail(format!("{text:?} was processed twice"));
        }
        Ok(())
    }

    /// Every accepted text, and in the end every text of an agent, has been processed.
    pub(super) fn check_end(&self, world: &World) -> Result<(), Violation> {
        let Some(endpoint) = &world.endpoint else { return Ok(()) };
        let fail = |why: String| Err(Violation::new(Invariant::NoLostNotification, world.now, why));
        let mut expected = endpoint.accepted_texts.iter().chain(&self.agent_texts);
        if let Some(missing) = expected.find(|text| !self.processed_texts.contains(*text)) {
            return fail(format!("{missing:?} was never processed"));
        }
        if !endpoint.feed.is_empty() {
            return fail(format!("{} changes remain in the inbox", endpoint.feed.inbox().len()));
        }
        if world.cloud.notifications_lost() > 0 {
            return fail(format!(
                "the cloud dropped {} notifications",
                world.cloud.notifications_lost()
            ));
        }
        Ok(())
    }
}
