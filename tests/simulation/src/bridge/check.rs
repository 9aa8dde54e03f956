//! Runs a world to its end, and checks what must hold then.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use lp_connector_core::bridge::store::LaneKind;
use lp_connector_core::bridge::{FailureReason, Progress, Resolution, Unsettled};
use lp_connector_core::webhook::Order;
use lp_connector_sandbox::Agent;
use serde_json::Value;

use super::invariant::{Broken, Invariant};
use super::scenario::{Assumption, CONSUMERS, Scenario};
use super::store::store_clock;
use super::world::{POLL_LEAST, POLL_MOST, World, consumer_name};
use crate::coverage::Reached;

/// Until then everything must be at rest, from the end of the faults. The longest pauses are 300 s, and each of a
/// consumer's messages may take 60 s to settle.
const REST_WITHIN: Duration = Duration::from_secs(3 * 3600);

/// A lane that is due after this time only is at rest.
const REST: Duration = Duration::from_secs(900);

/// How far the clocks of instances and cloud are apart at most.
const CLOCKS_DIFFER_MS: u64 = 5_000;

const DAY: Duration = Duration::from_secs(24 * 3600);

impl World {
    /// Runs the scenario, then lets everything come to rest.
    pub(crate) fn run(&mut self, checks_retention: bool) -> Result<(), Broken> {
        let messages = self.scenario.messages.iter().map(|message| message.at);
        let events = self.scenario.events.iter().map(|(at, _)| *at);
        let end = messages.chain(events).max().unwrap_or_default() + Duration::from_secs(90);
        self.run_until(end)?;
        self.become_quiet();
        self.come_to_rest()?;
        self.check_idle()?;
        self.check_sent()?;
        self.check_delivered()?;
        self.check_conversations()?;
        if checks_retention {
            self.check_retention()?;
        }
        Ok(())
    }

    fn come_to_rest(&mut self) -> Result<(), Broken> {
        let start = self.now;
        for round in 0.. {
            let is_late = self.now > start + REST_WITHIN;
            if is_late {
                let store = format!("{:#?}", self.store.store);
                self.note(|| store);
                return Err(Broken::new(Invariant::ComesToRest, "it does not come to rest"));
            }
            // The agents are still there: what they say proves what did not arrive.
            if round < 8 {
                for consumer in 0..CONSUMERS {
                    self.agent_does(consumer, Agent::Text(format!("still {round}"), Vec::new()));
                }
            }
            if self.scenario.unsettled == Unsettled::Hold && round >= 4 {
                for consumer in 0..CONSUMERS {
                    self.resolve_all(consumer, Resolution::Drop);
                }
            }
            // A conversation of which no notification told is not found: the consumer's messages wait until it ends.
            if round == 20 {
                for consumer in 0..CONSUMERS {
                    self.agent_does(consumer, Agent::Close);
                    self.end_survey(consumer);
                }
            }
            self.run_until(self.now + Duration::from_secs(35))?;
            if round >= 10 && self.is_at_rest() {
                return Ok(());
            }
        }
        Ok(())
    }

    fn is_at_rest(&self) -> bool {
        let due = self.store.store.next_due();
        self.cloud.notifications_waiting() == 0
            && due.is_none_or(|due| due > store_clock(self.now + REST))
            && self.instances.iter().all(|it| it.calls.is_empty())
    }

    /// At rest, workers look for lanes now and then, and once for each lane that another instance took before it came
    /// due; nothing else happens.
    fn check_idle(&mut self) -> Result<(), Broken> {
        let before = self.counts.asks;
        let span = Duration::from_secs(60);
        self.run_until(self.now + span)?;
        let asks = self.counts.asks - before;
        let instances = self.scenario.instances as u64;
        // A lane for each consumer, and one for its conversation.
        let taken = if instances > 1 { 2 * CONSUMERS as u64 } else { 0 };
        // What was found last may be just over.
        let doublings = u64::from((POLL_MOST.as_millis() / POLL_LEAST.as_millis()).ilog2()) + 1;
        let most = (span.as_secs() / POLL_MOST.as_secs() + 2 + doublings + taken) * instances;
        match asks <= most {
            true => Ok(()),
            false => {
                let why = format!("{asks} requests to the store in {span:?} at rest, not {most}");
                Err(Broken::new(Invariant::NothingSpins, why))
            }
        }
    }

    /// Each accepted message is there once, in order, or was reported.
    fn check_sent(&self) -> Result<(), Broken> {
        for consumer in 0..CONSUMERS {
            let name = consumer_name(consumer);
            let sent = self.sent_texts(&name);
            let mut accepted = self.channel.accepted.get(&consumer).cloned().unwrap_or_default();
            // What came before is forgotten, unconfirmed or not. Repeated after it, it is sent anew.
            let forgotten = self.forgotten.get(&consumer);
            accepted.drain(..forgotten.copied().unwrap_or_default());
            let mut books: BTreeMap<&str, Books> = BTreeMap::new();
            for at in &accepted {
                let Some(message) = self.scenario.messages.get(*at) else { continue };
                let told = self.channel.statuses.get(&(name.clone(), message.id()));
                let last = told.and_then(|told| told.last());
                let book = books.entry(message.text.as_str()).or_default();
                match last {
                    Some(Progress::Failed(FailureReason::Unconfirmed)) => book.unconfirmed += 1,
                    Some(Progress::Failed(FailureReason::Operator)) => book.dropped += 1,
                    Some(Progress::Failed(_)) => {}
                    Some(_) => book.confirmed += 1,
                    // While a channel is out of order for long, statuses are given up.
                    None if self.scenario.give_up_after < DAY => book.unconfirmed += 1,
                    None => {
                        let why = format!("nothing was told about {} of {name}", message.id());
                        return Err(Broken::new(Invariant::AcceptedSettled, why));
                    }
                }
            }
            for (text, book) in &books {
                let there = sent.iter().filter(|sent| sent == text).count() as u32;
                if there < book.confirmed {
                    let why =
                        format!("{text:?} of {name}: {book:?}, and it is there {there} times");
                    return Err(Broken::new(Invariant::AcceptedSettled, why));
                }
                if forgotten.is_some() {
                    continue;
                }
                let resends = self.resends.get(&consumer).copied().unwrap_or_default();
                let most = book.confirmed + book.unconfirmed + book.dropped + resends;
                let may_double = self.scenario.unsettled == Unsettled::Resend
                    // What is proven absent may come after all.
                    || self.scenario.broken.contains(&Assumption::NeverLate);
                if there > most && !may_double {
                    let why =
                        format!("{text:?} of {name}: {book:?}, and it is there {there} times");
                    return Err(Broken::new(Invariant::SentOnceInOrder, why));
                }
            }
            if forgotten.is_some() {
                continue;
            }
            self.check_resends(&name, &accepted)?;
            self.check_sequences(&name, &accepted)?;
            let is_sure = self.scenario.unsettled == Unsettled::Report
                && !self.scenario.broken.contains(&Assumption::NeverLate);
            if is_sure {
                let mut order = accepted.iter().filter_map(|at| self.scenario.messages.get(*at));
                let in_order =
                    sent.iter().all(|text| order.by_ref().any(|message| message.text == *text));
                if !in_order {
                    let why = format!("{name}: sent {sent:?}, accepted {accepted:?}");
                    return Err(Broken::new(Invariant::SentOnceInOrder, why));
                }
            }
        }
        Ok(())
    }

    /// What the policy sends again is sent a good while after the attempt before it.
    fn check_resends(&self, name: &str, accepted: &[usize]) -> Result<(), Broken> {
        if self.scenario.unsettled != Unsettled::Resend
            || self.scenario.broken.contains(&Assumption::NeverLate)
        {
            return Ok(());
        }
        let texts = accepted.iter().filter_map(|at| self.scenario.messages.get(*at));
        let texts: Vec<&str> = texts.map(|message| message.text.as_str()).collect();
        for text in &texts {
            if texts.iter().filter(|other| other == &text).count() > 1 {
                continue;
            }
            let own = self.cloud.messages().iter().filter(|message| {
                message.consumer == name
                    && message.role == "CONSUMER"
                    && message.event.get("message").and_then(Value::as_str) == Some(text)
            });
            let times: Vec<u64> = own.map(|message| message.at_ms).collect();
            if times.windows(2).any(|pair| matches!(pair, [a, b] if b - a < 30_000)) {
                let why = format!("{text:?} of {name} was sent again too soon: {times:?}");
                return Err(Broken::new(Invariant::SentOnceInOrder, why));
            }
        }
        Ok(())
    }

    /// A message that is confirmed with a sequence is the one that the cloud has there: it has its text, and came
    /// after each message before it was given up.
    fn check_sequences(&self, name: &str, accepted: &[usize]) -> Result<(), Broken> {
        // What is processed long after its attempt may look like the next message's echo.
        if self.scenario.broken.contains(&Assumption::NeverLate) {
            return Ok(());
        }
        let mut given_up = 0;
        for message in accepted.iter().filter_map(|at| self.scenario.messages.get(*at)) {
            let key = (name.to_owned(), message.id());
            if let Some(sequence) = self.channel.sequences.get(&key) {
                let is_it = |it: &&lp_connector_sandbox::Message| {
                    it.consumer == name
                        && it.role == "CONSUMER"
                        && it.sequence == Some(*sequence)
                        && it.at_ms + CLOCKS_DIFFER_MS >= given_up
                        && it.event.get("message").and_then(Value::as_str).map(str::trim_end)
                            == Some(message.text.as_str())
                };
                if !self.cloud.messages().iter().any(|it| is_it(&it)) {
                    let why = format!("{} of {name} is not at its sequence {sequence}", key.1);
                    return Err(Broken::new(Invariant::AcceptedSettled, why));
                }
            }
            given_up = self.channel.given_up.get(&key).copied().unwrap_or_default().max(given_up);
        }
        Ok(())
    }

    /// The consumer's own texts, in the order in which the cloud took them.
    fn sent_texts(&self, consumer: &str) -> Vec<String> {
        let own = self
            .cloud
            .messages()
            .iter()
            .filter(|message| message.consumer == consumer && message.role == "CONSUMER");
        let texts = own.filter_map(|message| message.event.get("message").and_then(Value::as_str));
        texts.map(|text| text.trim_end().to_owned()).collect()
    }

    /// Each message that was acknowledged was delivered to its consumer, or is a dead letter; in order, or
    /// that is said.
    fn check_delivered(&mut self) -> Result<(), Broken> {
        let letters = self.store.lanes(LaneKind::DeadLetter);
        let mut dead: BTreeSet<(String, String, u64)> = BTreeSet::new();
        for letter in letters {
            let parts: Vec<&str> = letter.split(':').collect();
            if let [conversation, dialog, sequence] = parts.as_slice()
                && let Ok(sequence) = sequence.parse()
            {
                dead.insert(((*conversation).to_owned(), (*dialog).to_owned(), sequence));
            }
        }
        // Whether a conversation is of somebody who was forgotten: what came before is not delivered, and what comes
        // later begins anew.
        let is_forgotten = |conversation: &str| {
            let mut all = self.cloud.conversations();
            let found = all.find(|one| one.id == conversation);
            found.is_some_and(|one| {
                self.forgotten.keys().any(|it| consumer_name(*it) == one.consumer)
            })
        };
        for key in &self.acknowledged {
            // Where the notification that names the consumer is lost for good, the conversation counts as another
            // channel's after a while: nothing of it is delivered.
            let is_unowned = self.scenario.broken.contains(&Assumption::NothingLost)
                && !self.channel.taken.iter().any(|taken| taken.conversation == key.0);
            let is_there =
                self.channel.taken_messages.contains(key) || dead.contains(key) || is_unowned;
            if !is_there && self.opened.contains(&key.0) && !is_forgotten(&key.0) {
                let why = format!("{key:?} was answered 200, and is nowhere");
                return Err(Broken::new(Invariant::AcknowledgedDelivered, why));
            }
        }
        let mut before = dead;
        // Up to where a dialog's gaps were told.
        let mut told: BTreeMap<(String, String), u64> = BTreeMap::new();
        for taken in &self.channel.taken {
            let key = (taken.conversation.clone(), taken.dialog.clone(), taken.sequence);
            let found = self.cloud.messages().iter().find(|message| {
                message.conversation == key.0
                    && message.dialog == key.1
                    && message.sequence == Some(key.2)
            });
            let text = found.and_then(|it| it.event.get("message")).and_then(Value::as_str);
            let is_right = found.is_some_and(|message| message.consumer == taken.consumer)
                && text == Some(taken.text.as_str());
            if !is_right {
                let why = format!("{key:?} was delivered to {}", taken.consumer);
                return Err(Broken::new(Invariant::AcknowledgedDelivered, why));
            }
            if before.contains(&key) {
                continue;
            }
            let is_earlier = |message: &&lp_connector_sandbox::Message| {
                message.conversation == key.0
                    && message.dialog == key.1
                    && message.role != "CONSUMER"
                    && message.audience == "ALL"
                    && message.event.get("type").and_then(Value::as_str) == Some("ContentEvent")
                    && message.sequence.is_some_and(|sequence| sequence < key.2)
            };
            let dialog = (key.0.clone(), key.1.clone());
            let told_to = told.get(&dialog).copied();
            let mut earlier = self.cloud.messages().iter().filter(is_earlier);
            let missing = earlier.find(|message| {
                let sequence = message.sequence.unwrap_or_default();
                told_to.is_none_or(|to| sequence > to)
                    && !before.contains(&(key.0.clone(), key.1.clone(), sequence))
            });
            if let Some(missing) = missing
                && taken.order == Order::InOrder
                && self.opened.contains(&key.0)
                && !is_forgotten(&key.0)
            {
                let why = format!("{key:?} came before {:?}, and said nothing", missing.sequence);
                return Err(Broken::new(Invariant::DeliveredInOrder, why));
            }
            if taken.order != Order::InOrder {
                let told_to = told.entry(dialog).or_default();
                *told_to = (*told_to).max(key.2);
            }
            before.insert(key);
        }
        Ok(())
    }

    fn check_conversations(&self) -> Result<(), Broken> {
        for consumer in 0..CONSUMERS {
            let name = consumer_name(consumer);
            let all = || self.cloud.conversations().filter(|one| one.consumer == name);
            let open = all().filter(|one| one.open).count();
            if open > 1 {
                let why = format!("{open} conversations of {name} are open");
                return Err(Broken::new(Invariant::OneConversation, why));
            }
        }
        Ok(())
    }

    /// When nothing happens for long, nothing is left but dead letters, and those go too.
    fn check_retention(&mut self) -> Result<(), Broken> {
        for _ in 0..8 {
            self.now += 8 * DAY;
            for instance in 0..self.instances.len() {
                self.wake(instance, self.now);
            }
            self.run_until(self.now + Duration::from_secs(30))?;
        }
        for kind in LaneKind::ALL {
            let lanes = self.store.lanes(*kind);
            if !lanes.is_empty() {
                let why = format!("lanes of {kind} after 64 days: {lanes:?}");
                return Err(Broken::new(Invariant::RecordsBounded, why));
            }
        }
        Ok(())
    }
}

/// What the channel was told about messages with one text.
#[derive(Debug, Default)]
struct Books {
    confirmed: u32,
    unconfirmed: u32,
    dropped: u32,
}

/// What a run is asked to check beside.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Level {
    pub(crate) trace: bool,
    pub(crate) retention: bool,
}

/// The counts of a run.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Stats {
    pub(crate) messages: u64,
    pub(crate) delivered: u64,
    pub(crate) takeovers: u64,
    pub(crate) unconfirmed: u64,
    pub(crate) events: u64,
    pub(crate) virtual_time: Duration,
}

/// Runs a scenario. Returns its counts and what it reached, or what it broke; and the trace, if it is wanted.
pub(crate) fn run_scenario(
    scenario: &Scenario,
    level: Level,
) -> (Result<(Stats, Reached), Broken>, String) {
    let run = || {
        let mut world = World::new(scenario, level.trace);
        let result = world.run(level.retention).map(|()| {
            let told = world.channel.statuses.values();
            let unconfirmed =
                told.filter(|told| told.contains(&Progress::Failed(FailureReason::Unconfirmed)));
            Stats {
                messages: world.channel.acknowledged.len() as u64,
                delivered: world.channel.taken_messages.len() as u64,
                takeovers: u64::from(world.store.takeovers),
                unconfirmed: unconfirmed.count() as u64,
                events: world.counts.events,
                virtual_time: world.now,
            }
        });
        let reached = world.observer.into_reached();
        (result.map(|stats| (stats, reached)), world.trace.unwrap_or_default())
    };
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(run)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|it| (*it).to_owned()));
        (Err(Broken::new(Invariant::NoPanic, text.unwrap_or_default())), String::new())
    })
}
