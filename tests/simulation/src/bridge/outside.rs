//! What is outside of the instances: the store, the cloud, the channel, and the ways to them.

use std::time::Duration;

use bytes::Bytes;
use http::Request as HttpRequest;
use lp_connector_core::api::{CloseConversation, ConversationRef, OpenConversation};
use lp_connector_core::bridge::store::{Answer, Request};
use lp_connector_core::bridge::{Delivery, Outgoing, Resolution, forget, resolve};
use lp_connector_core::connector::Outcome;
use lp_connector_core::id::{ConversationId, ExtConsumerId};
use lp_connector_core::webhook::{Change, Event as Received, Verified};
use lp_connector_sandbox::{Agent, Conversation, NextPost, Transmission};
use serde_json::Value;

use super::calls::{CallStep, begin};
use super::instance::{STORE_TIMEOUT, find, slow_answer, slow_request};
use super::invariant::{Broken, Invariant};
use super::observer::{To, Trouble};
use super::scenario::{Event, Fault};
use super::world::{Appending, Asker, Turn, What, World, consumer_name};
use crate::network::response_lost;

/// How long the channel waits for an answer before it hands a message in again.
const CHANNEL_TIMEOUT: Duration = Duration::from_secs(5);

/// How long LivePerson waits for the answer to a post.
const POST_TIMEOUT: Duration = Duration::from_secs(5);

impl World {
    /// Sends a request to the store.
    pub(crate) fn ask(&mut self, instance: usize, asker: Asker, request: Request) {
        let is_idle = matches!(request, Request::Claim { .. })
            && self
                .store
                .store
                .next_due()
                .is_none_or(|due| due > super::store::store_clock(self.now));
        self.counts.asks += 1;
        // A claim that finds nothing is not worth a fault.
        let fault = if is_idle {
            None
        } else {
            self.counts.store += 1;
            find(&self.scenario.store_faults, self.counts.store - 1)
        };
        self.observer.sent(To::Store, fault, self.now, STORE_TIMEOUT);
        let arrives = self.now + self.scenario.store_latency + slow_request(fault);
        let generation = self.generation(instance);
        self.at(arrives, What::Store { instance, generation, asker, request, fault });
    }

    pub(crate) fn reach_store(
        &mut self,
        instance: usize,
        generation: u64,
        asker: Asker,
        request: Request,
        fault: Option<Fault>,
    ) -> Result<(), Broken> {
        let is_lost = self.now < self.store_down_until || fault == Some(Fault::RequestLost);
        if let (false, Asker::Appending(Appending::Message(message))) = (is_lost, &asker) {
            self.first_stored(*message);
        }
        if let (false, Asker::Forget(consumer)) = (is_lost, &asker) {
            let before = self.channel.accepted.get(consumer).map_or(0, Vec::len);
            self.forgotten.insert(*consumer, before);
            self.channel.forgotten.insert(consumer_name(*consumer));
        }
        if self.trace.is_some() && !matches!(&request, Request::Claim { .. }) {
            let text = format!("{request:?}");
            self.note(|| format!("store: instance {instance} {fault:?} lost {is_lost}: {text}"));
        }
        let answer = match is_lost {
            true => None,
            false => Some(self.store.perform(request, self.now)?),
        };
        let answer = answer.filter(|_| fault != Some(Fault::AnswerLost));
        if let Some(Answer::Claimed(claimed)) = &answer
            && !claimed.is_empty()
            && self.trace.is_some()
        {
            let text = format!("{claimed:?}");
            self.note(|| format!("store: instance {instance} claimed {text}"));
        }
        let turn = match asker {
            Asker::Worker(number) => Turn::Asked(number, answer),
            Asker::Appending(appending) => Turn::Appended(appending, answer.is_some()),
            Asker::Operator | Asker::Forget(_) => return Ok(()),
        };
        let at = self.now + self.scenario.store_latency + slow_answer(fault);
        self.at(at, What::Turn { instance, generation: Some(generation), turn });
        Ok(())
    }

    /// The order of a consumer's messages is that in which the store took them.
    fn first_stored(&mut self, message: usize) {
        let Some(it) = self.scenario.messages.get(message) else { return };
        let stored = self.channel.accepted.entry(it.consumer).or_default();
        if !stored.contains(&message) {
            stored.push(message);
        }
    }

    /// The store has what an instance wanted to answer for, or perhaps not.
    pub(crate) fn appended(&mut self, instance: usize, appending: Appending, is_stored: bool) {
        self.observer.appended(instance, matches!(appending, Appending::Message(_)));
        match appending {
            Appending::Message(message) => {
                self.note(|| format!("message {message} is accepted: {is_stored}"));
                if is_stored {
                    self.channel.acknowledged.insert(message);
                }
            }
            Appending::Post(id, body) => {
                let status = if is_stored { 200 } else { 503 };
                if is_stored {
                    self.acknowledge(&body);
                }
                self.answer_post(id, status);
            }
        }
        if let Some(it) = self.instances.get_mut(instance).filter(|_| is_stored) {
            it.worker.appended();
        }
    }

    /// An instance answers a post.
    pub(crate) fn answer_post(&mut self, id: u64, status: u16) {
        self.note(|| format!("post {id} is answered {status}"));
        let lost = self.post_faults.get(&id) == Some(&Fault::AnswerLost);
        let at = self.now + self.scenario.latency + slow_answer(self.post_faults.get(&id).copied());
        if !lost {
            self.at(at, What::PostEnds(id, Some(status)));
        }
    }

    /// From here the bridge is responsible for these messages.
    pub(crate) fn acknowledge(&mut self, body: &[u8]) {
        let Ok(parsed) = Verified::dangerous_unverified(body.to_vec()).parse() else { return };
        for change in parsed.into_changes() {
            if let Change::Message(message) = change
                && message.is_for_consumer()
                && matches!(message.event(), Received::Text(_) | Received::RichContent(_))
                && let Some(sequence) = message.sequence()
            {
                let (conversation, dialog) = (message.conversation(), message.dialog());
                self.acknowledged.insert((conversation.to_string(), dialog.to_string(), sequence));
            }
        }
    }

    pub(crate) fn reach_cloud(
        &mut self,
        from: (usize, u64),
        number: u64,
        attempt: u32,
        request: &HttpRequest<Vec<u8>>,
        fault: Option<Fault>,
    ) -> Result<(), Broken> {
        let before: Vec<String> = self.cloud.conversations().map(|one| one.id.clone()).collect();
        let now = self.cloud_clock();
        let reply = self.cloud.reply(now, request);
        let status = reply.response.status();
        self.note(|| format!("call {number} of instance {} reaches the cloud: {status}", from.0));
        for conversation in self.cloud.conversations() {
            if !before.contains(&conversation.id) {
                self.opened.insert(conversation.id.clone());
            }
        }
        self.look_at_new_messages()?;
        self.poll_cloud(self.now);
        let is_lost = fault == Some(Fault::AnswerLost)
            || matches!(
                reply.transmission,
                Transmission::Dropped | Transmission::Truncated | Transmission::Garbage
            );
        let is_refused = status.is_client_error() || status.is_server_error();
        if !self.is_quiet && fault.is_none() && (is_lost || is_refused) {
            self.observer.moment(Trouble::CloudFails, self.now);
        }
        let outcome = match is_lost {
            true => response_lost(),
            false => Outcome::Response(reply.response.map(Bytes::from)),
        };
        let at = self.now + self.scenario.latency + slow_answer(fault);
        let turn = Turn::CallOutcome(number, attempt, outcome);
        self.at(at, What::Turn { instance: from.0, generation: Some(from.1), turn });
        Ok(())
    }

    /// Receipts for what the channel has not got would be lies.
    fn look_at_new_messages(&mut self) -> Result<(), Broken> {
        let seen = self.seen_messages;
        for message in self.cloud.messages().iter().filter(|message| message.number > seen) {
            self.seen_messages = message.number;
            let is_accept = message.event.get("status").and_then(Value::as_str) == Some("ACCEPT");
            if message.role != "CONSUMER" || !is_accept {
                continue;
            }
            let list = message.event.get("sequenceList").and_then(Value::as_array);
            for sequence in list.into_iter().flatten().filter_map(Value::as_u64) {
                let key = (message.conversation.clone(), message.dialog.clone(), sequence);
                if !self.channel.taken_messages.contains(&key) {
                    let why = format!("{key:?} was acknowledged before the channel had it");
                    return Err(Broken::new(Invariant::ReceiptsFollow, why));
                }
            }
        }
        Ok(())
    }

    pub(crate) fn reach_channel(
        &mut self,
        from: (usize, u64),
        number: u64,
        delivery: &Delivery,
        fault: Option<Fault>,
    ) -> Result<(), Broken> {
        let is_answered = fault.is_none();
        let verdict = self.channel.take(delivery, self.now, self.store.takeovers, is_answered)?;
        self.note(|| format!("channel: {} {verdict:?}", delivery.id));
        if fault == Some(Fault::AnswerLost) {
            return Ok(());
        }
        let at = self.now + self.scenario.latency + slow_answer(fault);
        let turn = Turn::Delivered(number, verdict);
        self.at(at, What::Turn { instance: from.0, generation: Some(from.1), turn });
        Ok(())
    }

    /// Asks the cloud for its next post.
    pub(crate) fn next_post(&mut self) {
        if self.poll_cloud_at.is_none_or(|at| at > self.now) {
            return;
        }
        self.poll_cloud_at = None;
        let cloud_now = self.cloud_clock();
        match self.cloud.next_post(cloud_now) {
            NextPost::Post(post) => {
                let nth = self.counts.posts;
                self.counts.posts += 1;
                let fault = find(&self.scenario.post_faults, nth);
                // Any instance gets it.
                let instance = (nth as usize).wrapping_mul(7) / 3 % self.scenario.instances.max(1);
                let body = post.request.into_body();
                let text = || String::from_utf8_lossy(&body).chars().take(400).collect::<String>();
                if self.trace.is_some() {
                    let text = text();
                    self.note(|| {
                        format!("post {} to instance {instance} {fault:?}: {text}", post.id)
                    });
                }
                self.observer.sent(To::Instance, fault, self.now, POST_TIMEOUT);
                match fault {
                    Some(fault) => self.post_faults.insert(post.id, fault),
                    None => self.post_faults.remove(&post.id),
                };
                let arrives = self.now + self.scenario.latency + slow_request(fault);
                if fault != Some(Fault::RequestLost) {
                    let turn = Turn::Post(post.id, body);
                    self.at(arrives, What::Turn { instance, generation: None, turn });
                }
                self.at(self.now + POST_TIMEOUT, What::PostEnds(post.id, None));
                self.poll_cloud(self.now);
            }
            NextPost::Wait(at) => {
                let at = self.now + at.saturating_sub(cloud_now).max(Duration::from_millis(1));
                self.poll_cloud(at);
            }
            NextPost::Idle => {}
        }
    }

    /// The channel hands a message in, and repeats it until it is accepted.
    pub(crate) fn hand_in(&mut self, message: usize, instance: usize) {
        if self.channel.acknowledged.contains(&message) {
            // It repeats what was accepted, once.
            let Some(it) = self.scenario.messages.get_mut(message) else { return };
            let Some(after) = it.again.take() else { return };
            let turn = Turn::Accept(message);
            let at = self.now + after;
            self.at(at, What::Turn { instance, generation: None, turn });
            return;
        }
        let turn = Turn::Accept(message);
        let at = self.now + self.scenario.latency;
        self.at(at, What::Turn { instance, generation: None, turn });
        let next = (instance + 1) % self.scenario.instances.max(1);
        self.at(self.now + CHANNEL_TIMEOUT, What::HandsIn { message, instance: next });
    }

    pub(crate) fn open_conversation(&self, consumer: usize) -> Option<String> {
        let name = consumer_name(consumer);
        let mut open = self.cloud.conversations().filter(|one| one.main_open);
        open.find(|one| one.consumer == name).map(|one| one.id.clone())
    }

    pub(crate) fn agent_does(&mut self, consumer: usize, action: Agent) {
        let Some(conversation) = self.open_conversation(consumer) else { return };
        self.note(|| format!("agent in {conversation}: {action:?}"));
        let now = self.cloud_clock();
        // It is open.
        let _ = self.cloud.agent(now, &conversation, action);
        self.seen_messages = self.cloud.messages().back().map_or(0, |message| message.number);
        self.poll_cloud(self.now);
    }

    pub(crate) fn scenario_event(&mut self, event: usize) {
        let Some((_, event)) = self.scenario.events.get(event).cloned() else { return };
        self.note(|| format!("event: {event:?}"));
        self.observe_event(&event);
        match event {
            Event::AgentTexts { consumer, text } => {
                self.agent_does(consumer, Agent::Text(text, Vec::new()));
            }
            Event::AgentReads(consumer) => self.agent_does(consumer, Agent::Read),
            Event::AgentCloses(consumer) => self.agent_does(consumer, Agent::Close),
            Event::OpenedElsewhere(consumer) => self.open_elsewhere(consumer),
            Event::StoreDown(time) => self.store_down_until = self.now + time,
            Event::ChannelDown(time) => self.channel.down_until = self.now + time,
            Event::CloudFault(fault) => {
                if let Ok(fault) = fault.parse() {
                    self.cloud.fault(fault);
                }
            }
            Event::Forget(consumer) => {
                let Ok(id) = ExtConsumerId::new(consumer_name(consumer)) else { return };
                let entries = vec![forget(&self.account, &id)];
                self.ask(0, Asker::Forget(consumer), Request::Append(entries));
            }
            Event::Resolve { consumer, resend } => {
                let decision = if resend { Resolution::Resend } else { Resolution::Drop };
                self.resolve_all(consumer, decision);
            }
        }
    }

    fn observe_event(&mut self, event: &Event) {
        let now = self.now;
        match event {
            Event::AgentCloses(_) => self.observer.moment(Trouble::AgentCloses, now),
            Event::OpenedElsewhere(_) => self.observer.moment(Trouble::OpenedElsewhere, now),
            Event::StoreDown(time) => self.observer.lasts(Trouble::StoreDown, now, *time),
            Event::ChannelDown(time) => self.observer.lasts(Trouble::ChannelDown, now, *time),
            Event::CloudFault(fault) if fault.starts_with("webhook") => {
                self.observer.moment(Trouble::NotificationsDisturbed, now);
            }
            Event::Forget(_) => self.observer.moment(Trouble::Forgotten, now),
            Event::AgentTexts { .. }
            | Event::AgentReads(_)
            | Event::CloudFault(_)
            | Event::Resolve { .. } => {}
        }
    }

    /// An operator decides about everything of a consumer that is neither confirmed nor refused.
    pub(crate) fn resolve_all(&mut self, consumer: usize, decision: Resolution) {
        let name = consumer_name(consumer);
        let Ok(id) = ExtConsumerId::new(&name) else { return };
        let accepted = self.channel.accepted.get(&consumer).cloned().unwrap_or_default();
        let ids = accepted.iter().filter_map(|at| self.scenario.messages.get(*at));
        let ids: Vec<String> = ids.map(super::scenario::Message::id).collect();
        // Of a forgotten consumer, a message whose status was given may have been repeated, and be held.
        let is_forgotten = self.channel.forgotten.contains(&name);
        let is_open = |it: &&String| {
            is_forgotten || !self.channel.statuses.contains_key(&(name.clone(), (*it).clone()))
        };
        let open: Vec<String> = ids.iter().filter(is_open).cloned().collect();
        if decision == Resolution::Resend {
            *self.resends.entry(consumer).or_default() += 1;
        }
        let entries =
            open.into_iter().map(|it| resolve(&self.account, &id, it, decision)).collect();
        self.ask(0, Asker::Operator, Request::Append(entries));
    }

    /// Another program opens a conversation for the consumer.
    fn open_elsewhere(&mut self, consumer: usize) {
        let Ok(id) = ExtConsumerId::new(consumer_name(consumer)) else { return };
        self.call_elsewhere(Outgoing::Open(OpenConversation::new(id)));
    }

    /// Another program ends the survey of the consumer's conversation: the cloud has no time-out for it.
    pub(crate) fn end_survey(&mut self, consumer: usize) {
        let name = consumer_name(consumer);
        let is_in_survey = |one: &&Conversation| one.consumer == name && one.open && !one.main_open;
        let in_survey = self.cloud.conversations().find(is_in_survey);
        let conversation = in_survey.and_then(|one| ConversationId::new(&one.id).ok());
        if let (Some(conversation), Ok(id)) = (conversation, ExtConsumerId::new(&name)) {
            let to = ConversationRef::new(id, conversation);
            self.call_elsewhere(Outgoing::Close(CloseConversation::new(&to).without_survey()));
        }
    }

    /// Another program sends a request for a consumer.
    fn call_elsewhere(&mut self, outgoing: Outgoing) {
        let Some(first) = self.instances.first() else { return };
        let now = first.clock(self.now);
        let mut state = Self::connector(&self.client, 9_999);
        let limit = Duration::from_secs(10);
        let mut call = begin(outgoing, &state, limit, u128::from(self.counts.events), now);
        for _ in 0..20 {
            match call.poll(&mut state, now) {
                CallStep::Send(attempt) => {
                    let number = attempt.number();
                    let request = attempt.into_request().map(Vec::from);
                    let response = self.cloud.handle(self.cloud_clock(), &request);
                    let outcome = Outcome::Response(response.map(Bytes::from));
                    let _ = call.handle(&mut state, now, number, outcome);
                }
                CallStep::Wait(_) | CallStep::Done(_) => break,
            }
        }
        self.poll_cloud(self.now);
    }
}
