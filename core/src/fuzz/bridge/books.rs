//! What was handed in, and what must have become of it.

use std::collections::{BTreeMap, BTreeSet};

use super::deliveries::put_back;
use super::setting::Setting;
use super::{CONSUMERS, FOREIGN, account, consumer};
use crate::bridge::store::{Answer, LaneDetails, LaneId, LaneKind, Listed, Request};
use crate::bridge::world::{UnderWay, World};
use crate::bridge::{
    BridgeEvent, BridgeEventKind, ConsumerSummary, MessageOutcome, Progress, Resolution, Unsettled,
    resolve,
};

pub(super) struct Books {
    pub(super) setting: Setting,
    /// The ids of the messages of each consumer, in order.
    handed_in: BTreeMap<&'static str, Vec<String>>,
    /// Texts of several parts: whose, the id and the text.
    long: Vec<(&'static str, String, String)>,
    /// What an operator said of a message need not be true.
    resolved: BTreeSet<(&'static str, String)>,
    /// The messages of which an instance told that they were sent.
    told_sent: BTreeSet<(String, String)>,
}

impl Books {
    pub(super) const fn new(setting: Setting) -> Self {
        Self {
            setting,
            handed_in: BTreeMap::new(),
            long: Vec::new(),
            resolved: BTreeSet::new(),
            told_sent: BTreeSet::new(),
        }
    }

    pub(super) fn unsettled(&self) -> Unsettled {
        self.setting.unsettled()
    }

    pub(super) fn handed_in(&mut self, who: &'static str, id: &str) {
        self.handed_in.entry(who).or_default().push(id.to_owned());
    }

    pub(super) fn newest(&self, who: &str) -> Option<String> {
        self.handed_in.get(who)?.last().cloned()
    }

    pub(super) fn long(&mut self, who: &'static str, id: &str, text: &str) {
        self.long.push((who, id.to_owned(), text.to_owned()));
    }

    pub(super) fn resolved(&mut self, who: &'static str, id: &str) {
        self.resolved.insert((who, id.to_owned()));
    }

    /// One of the newest messages.
    pub(super) fn known(&self, who: &str, back: usize) -> Option<String> {
        let ids = self.handed_in.get(who)?;
        ids.get(ids.len().checked_sub(1 + back % 4)?).cloned()
    }

    /// What holds at any time, after so many events.
    pub(super) fn check_always(&mut self, world: &mut World, count: usize) {
        self.take_events(world);
        self.check_order(world);
        for instance in &world.instances {
            let is_effect =
                |step: &&UnderWay| matches!(step, UnderWay::Call(..) | UnderWay::Deliver(..));
            let effects = instance.under_way.iter().filter(is_effect).count();
            assert!(effects <= self.setting.effects(), "{effects} effects at a time");
            let worker = &instance.worker;
            let lanes: usize = LaneKind::ALL.iter().map(|kind| worker.lanes_of(*kind)).sum();
            assert_eq!(lanes, worker.lanes());
        }
        for talk in world.cloud.conversations.values().filter(|talk| talk.consumer != FOREIGN) {
            assert_eq!(talk.skill.as_deref(), self.setting.skill(&talk.consumer));
        }
        for who in CONSUMERS {
            let open = world.cloud.conversations.values();
            let open = open.filter(|talk| talk.is_open && talk.consumer == who).count();
            assert!(open <= 1, "{open} conversations of {who} are open");
        }
        let (bytes, entries) = world.store.largest();
        let long: usize = self.long.iter().map(|(.., text)| text.len()).sum();
        let most = 4096 + 1024 * count + long;
        assert!(bytes <= most, "a record has {bytes} bytes after {count} events");
        assert!(entries <= 16 + 4 * count, "a lane has {entries} entries after {count} events");
    }

    /// Each instance tells what happened. What is told is durable: no message is sent twice by what is told.
    fn take_events(&mut self, world: &mut World) {
        let is_resent = self.unsettled() == Unsettled::Resend;
        for instance in &mut world.instances {
            while let Some(BridgeEvent { consumer, kind, account, .. }) =
                instance.worker.take_event()
            {
                assert_eq!(account, super::account());
                let names = match &kind {
                    BridgeEventKind::Message { outcome, message, .. } => {
                        let consumer = consumer.map(|id| id.to_string()).unwrap_or_default();
                        let is_new = *outcome != MessageOutcome::Sent
                            || self.told_sent.insert((consumer, message.clone()));
                        assert!(is_new || is_resent, "{message} is told to be sent twice");
                        vec![outcome.name()]
                    }
                    BridgeEventKind::Conversation { outcome, .. } => vec![outcome.name()],
                    BridgeEventKind::Delivery { content, outcome, attempt, .. } => {
                        assert!(*attempt > 0);
                        vec![content.name(), outcome.name()]
                    }
                    BridgeEventKind::OrderAnomaly { anomaly, .. } => vec![anomaly.name()],
                    BridgeEventKind::DeadLetter { reason, .. } => vec![reason.name()],
                    BridgeEventKind::TakenOver(lane) | BridgeEventKind::CommitLost(lane) => {
                        vec![lane.name()]
                    }
                };
                let is_name =
                    |name: &str| name.bytes().all(|it| it == b'_' || it.is_ascii_lowercase());
                assert!(names.into_iter().all(is_name), "{kind:?}");
            }
        }
    }

    /// No text is there twice, unless that is the policy; and they are in the order in which they were accepted.
    fn check_order(&self, world: &World) {
        for (who, accepted) in &world.channel.accepted {
            let sent = world.cloud.texts_of(who);
            let mut unique = Vec::new();
            for text in sent.iter().filter(|text| accepted.contains(text)) {
                if !unique.contains(&text) {
                    unique.push(text);
                    continue;
                }
                assert_eq!(self.unsettled(), Unsettled::Resend, "{text} is there twice: {sent:?}");
            }
            let expected: Vec<_> = accepted.iter().filter(|text| unique.contains(text)).collect();
            assert_eq!(unique, expected, "of {who}");
        }
        for (who, id, text) in &self.long {
            let mark = format!("<{id}>");
            let parts = world.cloud.texts_of(who).into_iter().filter(|text| text.contains(&mark));
            let sent = parts.collect::<Vec<_>>().concat();
            let is_resent = self.unsettled() == Unsettled::Resend;
            assert!(is_resent || text.starts_with(&sent), "parts of {id} of {who} are in disorder");
        }
        for who in CONSUMERS {
            let is_known = self.handed_in.get(who).is_some_and(|ids| ids.len() < 60);
            let has_other = world.cloud.texts_of(who).iter().any(|text| text == "other");
            assert!(!has_other || !is_known, "a message of {who} with a known id is sent");
        }
    }

    /// Everything is well again, and comes to rest: nothing is lost.
    pub(super) fn end(&mut self, world: &mut World) {
        let channel = &mut world.channel;
        (channel.is_out, channel.refuses) = (false, false);
        (channel.paused, channel.not_tried) = (None, None);
        world.serves = None;
        for instance in &mut world.instances {
            instance.worker.set_share(1_000_000, world.now);
        }
        world.settle();
        self.take_events(world);
        self.check_order(world);
        self.check_deliveries(world);
        self.check_details(world);
        self.check_messages(world);
        self.give_held_up(world);
        put_back(world);
    }

    /// Each message is confirmed, or failed, or waits.
    fn check_messages(&self, world: &mut World) {
        for (who, ids) in &self.handed_in {
            let lane = lane(world, LaneId::consumer(&account(), &consumer(who)));
            // What the record has no room for, or waits behind a file, is an entry still.
            let entries = lane.as_ref().map_or(0, |lane| lane.summary.entries);
            let summary = lane.as_ref().and_then(ConsumerSummary::of);
            let recent = summary.map(|summary| summary.recent).unwrap_or_default();
            for id in ids {
                let told = world.channel.statuses.iter().filter(|(of, _)| of == id);
                // A status that the channel refuses is listed all the same.
                let listed = recent.iter().find(|it| it.id == *id).map_or("", |it| it.status);
                let is_sent = told.clone().any(|(_, progress)| *progress == Progress::Sent)
                    || ["sent", "delivered", "read"].contains(&listed);
                let is_failed = told.clone().any(|(_, it)| matches!(it, Progress::Failed(_)))
                    || listed == "failed";
                let waits = ["accepted", "unconfirmed", "held"].contains(&listed)
                    || (listed.is_empty() && !is_sent && !is_failed && entries > 0);
                assert!(is_sent || is_failed || waits, "{id} of {who} is lost: {recent:?}");
                assert!(!waits || self.unsettled() == Unsettled::Hold, "{id} of {who} still waits");
                if is_sent
                    && !self.resolved.contains(&(*who, id.clone()))
                    && world.channel.accepted.get(*who).is_some_and(|all| all.contains(id))
                {
                    let sent = world.cloud.texts_of(who);
                    assert!(sent.contains(id), "{id} of {who} is confirmed and not there");
                }
            }
        }
    }

    /// An operator gives up what is held, one after the other: then nothing waits.
    fn give_held_up(&self, world: &mut World) {
        if self.unsettled() != Unsettled::Hold {
            return;
        }
        for _ in 0..MAX_ROUNDS {
            let mut entries = Vec::new();
            for who in CONSUMERS {
                let lane = lane(world, LaneId::consumer(&account(), &consumer(who)));
                let recent = lane.as_ref().and_then(ConsumerSummary::of).map(|it| it.recent);
                let held = recent.into_iter().flatten().find(|it| it.status == "held");
                entries.extend(
                    held.map(|held| resolve(&account(), &consumer(who), held.id, Resolution::Drop)),
                );
            }
            if entries.is_empty() {
                return;
            }
            world.append(entries);
            world.settle();
            self.check_order(world);
        }
    }
}

/// No more messages than these are given up one by one.
const MAX_ROUNDS: usize = 6;

fn lane(world: &mut World, id: LaneId) -> Option<LaneDetails> {
    list(world, Listed::Lane(id)).pop()
}

pub(super) fn list(world: &mut World, what: Listed) -> Vec<LaneDetails> {
    let list = Request::List { what, after: None, limit: 1000 };
    match world.store.perform(list, world.now.mono()) {
        Answer::Listed(lanes) => lanes,
        _ => Vec::new(),
    }
}
