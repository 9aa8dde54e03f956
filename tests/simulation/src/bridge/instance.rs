//! An instance: a worker, its driver and its client.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use lp_connector_core::api::{Lookup as _, Operation as _, Principal};
use lp_connector_core::bridge::store::Request;
use lp_connector_core::bridge::{
    BridgeConfig, Delivery, DeliveryContent, Inbound, Outgoing, Verdict, Worker, WorkerStep,
    accept, ingest,
};
use lp_connector_core::connector::{Config, ConnectorState, Wake};
use lp_connector_core::error::Stage;
use lp_connector_core::id::ExtConsumerId;
use lp_connector_core::seed::Seed;
use lp_connector_core::time::{Mono, Now};
use lp_connector_core::webhook::Verified;

use super::calls::{CallStep, Running, begin};
use super::invariant::{Broken, Invariant};
use super::observer::To;
use super::scenario::Fault;
use super::world::{Appending, Asker, EPOCH, Turn, What, World, consumer_name};
use crate::network::timed_out;

/// How long a driver waits for the store.
pub(crate) const STORE_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a notification waits for the store before it is answered 503.
const DURABLE_WITHIN: Duration = Duration::from_secs(2);

/// The most requests to the store of one instance in a second.
const MAX_ASKS: u32 = 300;

pub(crate) struct Instance {
    /// How many times it has died.
    pub(crate) generation: u64,
    pub(crate) worker: Worker,
    pub(crate) state: ConnectorState,
    pub(crate) calls: BTreeMap<u64, Box<dyn Running>>,
    /// It is dead or frozen until then.
    pub(crate) stops_until: Duration,
    pub(crate) is_dead: bool,
    pub(crate) poll_at: Option<Duration>,
    /// The lanes of the effects that it has begun.
    effect_lanes: BTreeMap<u64, String>,
    turns: u32,
    number: usize,
    /// The requests to the store in this second.
    asks: (u64, u32),
}

impl Instance {
    pub(crate) fn new(number: usize, bridge: &BridgeConfig, client: &Config) -> Self {
        Self {
            generation: 0,
            worker: Worker::new(bridge.clone(), seed(number, 0)),
            state: World::connector(client, number as u64),
            calls: BTreeMap::new(),
            stops_until: Duration::ZERO,
            is_dead: false,
            poll_at: None,
            effect_lanes: BTreeMap::new(),
            turns: 0,
            number,
            asks: (0, 0),
        }
    }

    /// Its clocks: no two instances agree.
    pub(crate) fn clock(&self, now: Duration) -> Now {
        let wall =
            EPOCH + Duration::from_secs(3) + now - Duration::from_secs(2 * self.number as u64);
        Now::new(Mono::from_origin(self.origin() + now), SystemTime::UNIX_EPOCH + wall)
    }

    fn origin(&self) -> Duration {
        Duration::from_secs(500 * (self.number as u64 + 1))
    }

    /// The world's time at an instant of its clock.
    fn when(&self, mono: Mono) -> Duration {
        mono.elapsed_from_origin().saturating_sub(self.origin())
    }
}

fn seed(number: usize, generation: u64) -> Seed {
    Seed::from_bytes([11; 16]).derive(number as u64).derive(generation)
}

impl World {
    /// Gives an instance its turn, unless it stops before it.
    pub(crate) fn take_turn(
        &mut self,
        instance: usize,
        generation: Option<u64>,
        turn: Turn,
    ) -> Result<(), Broken> {
        let now = self.now;
        let Some(it) = self.instances.get_mut(instance) else { return Ok(()) };
        if generation.is_some_and(|generation| generation != it.generation) {
            return Ok(());
        }
        if now < it.stops_until {
            if !it.is_dead {
                let until = it.stops_until;
                self.at(until, What::Turn { instance, generation, turn });
            }
            return Ok(());
        }
        it.is_dead = false;
        if matches!(turn, Turn::Poll) {
            if it.poll_at.is_none_or(|at| at > now) {
                return Ok(());
            }
            it.poll_at = None;
        }
        it.turns += 1;
        let nth = it.turns;
        let stops =
            |fault: &&super::scenario::TurnFault| fault.instance == instance && fault.turn == nth;
        if let Some(fault) = self.scenario.turn_faults.iter().find(stops).copied() {
            if fault.is_crash {
                self.crash(instance, fault.lasts);
                return Ok(());
            }
            self.note(|| format!("instance {instance} freezes for {:?}", fault.lasts));
            self.observer.stops(instance, false, now, fault.lasts);
            if let Some(it) = self.instances.get_mut(instance) {
                it.stops_until = now + fault.lasts;
                let is_poll = matches!(turn, Turn::Poll);
                it.poll_at = is_poll.then_some(it.stops_until).or(it.poll_at);
                self.at(now + fault.lasts, What::Turn { instance, generation, turn });
            }
            return Ok(());
        }
        self.do_turn(instance, turn)
    }

    /// An instance dies, and starts again with nothing. What it sent goes on.
    fn crash(&mut self, instance: usize, down: Duration) {
        let (bridge, client, until) = (self.bridge.clone(), self.client.clone(), self.now + down);
        self.note(|| format!("instance {instance} dies for {down:?}"));
        self.observer.stops(instance, true, self.now, down);
        self.effects.retain(|_, (who, _)| *who != instance);
        let Some(it) = self.instances.get_mut(instance) else { return };
        let generation = it.generation + 1;
        it.generation = generation;
        it.worker = Worker::new(bridge, seed(instance, generation));
        it.state = Self::connector(&client, 100 * generation + instance as u64);
        it.calls.clear();
        it.effect_lanes.clear();
        it.stops_until = until;
        it.is_dead = true;
        it.poll_at = None;
        self.at(until, What::Starts(instance));
    }

    fn do_turn(&mut self, instance: usize, turn: Turn) -> Result<(), Broken> {
        let world_now = self.now;
        let Some(it) = self.instances.get_mut(instance) else { return Ok(()) };
        let now = it.clock(world_now);
        match turn {
            Turn::Poll => return self.poll_worker(instance, now),
            Turn::Asked(number, answer) => {
                it.worker.handle(number, answer, now);
                self.observer.ended(instance, number);
            }
            Turn::Delivered(number, verdict) => {
                it.worker.delivered(number, &verdict, now);
                self.observer.ended(instance, number);
                self.effect_ends(instance, number);
            }
            Turn::CallPoll(number) => self.poll_call(instance, number, now),
            Turn::CallOutcome(number, attempt, outcome) => {
                let Instance { calls, state, .. } = it;
                if let Some(call) = calls.get_mut(&number) {
                    let wake = call.handle(state, now, attempt, outcome);
                    let woken: Vec<u64> = match wake {
                        Wake::Waiters => calls.keys().copied().collect(),
                        Wake::Nobody => vec![number],
                    };
                    for number in woken {
                        self.turn(instance, world_now, Turn::CallPoll(number));
                    }
                }
                return Ok(());
            }
            Turn::Accept(message) => {
                self.accept_message(instance, message);
                return Ok(());
            }
            Turn::Post(id, body) => {
                let verified = Verified::dangerous_unverified(body.clone());
                let entries = ingest(&self.account, &verified).entries;
                self.at(world_now + DURABLE_WITHIN, What::PostEnds(id, Some(503)));
                let asker = Asker::Appending(Appending::Post(id, body));
                self.observer.appends(instance, false);
                self.ask(instance, asker, Request::Append(entries));
                return Ok(());
            }
            Turn::Appended(appending, is_stored) => self.appended(instance, appending, is_stored),
        }
        self.wake(instance, world_now);
        Ok(())
    }

    fn poll_worker(&mut self, instance: usize, now: Now) -> Result<(), Broken> {
        let world_now = self.now;
        let Some(it) = self.instances.get_mut(instance) else { return Ok(()) };
        let step = it.worker.poll(now);
        while let Some(event) = it.worker.take_event() {
            self.observer.told(&event);
        }
        match step {
            WorkerStep::Ask(number, request) => {
                self.observer.asked(instance, number, &request);
                let second = world_now.as_secs();
                it.asks = if it.asks.0 == second { (second, it.asks.1 + 1) } else { (second, 1) };
                if it.asks.1 > MAX_ASKS {
                    let why = format!(
                        "instance {instance} asks more than {MAX_ASKS} times a second: {request:?}"
                    );
                    return Err(Broken::new(Invariant::NothingSpins, why));
                }
                self.at(
                    world_now + STORE_TIMEOUT,
                    What::Turn {
                        instance,
                        generation: Some(self.generation(instance)),
                        turn: Turn::Asked(number, None),
                    },
                );
                self.ask(instance, Asker::Worker(number), request);
            }
            WorkerStep::Call(number, _, outgoing) => {
                let limit = self.bridge.attempt_timeout_setting();
                self.note(|| format!("instance {instance} calls {outgoing:?}"));
                self.observer.called(instance, number, &outgoing);
                if let Some(lane) = lane_of(&outgoing) {
                    self.effect_begins(instance, number, lane)?;
                }
                if let Some(it) = self.instances.get_mut(instance) {
                    let seed = (u128::from(number) << 64)
                        | (u128::from(it.generation) << 8)
                        | instance as u128;
                    let call = begin(outgoing, &it.state, limit, seed + 1, now);
                    it.calls.insert(number, call);
                }
                self.turn(instance, world_now, Turn::CallPoll(number));
            }
            WorkerStep::Deliver(number, delivery) => {
                let lane = match (&delivery.conversation, &delivery.content) {
                    (
                        Some(conversation),
                        DeliveryContent::Message(_) | DeliveryContent::Changed(_),
                    ) => {
                        format!("conversation {conversation}")
                    }
                    _ => format!("status {}", delivery.consumer),
                };
                self.effect_begins(instance, number, lane)?;
                self.observer.delivers(instance, number, &delivery);
                self.deliver(instance, number, delivery);
            }
            WorkerStep::Wait(until) => {
                let until = it.when(until).max(world_now);
                if until == world_now {
                    let why = format!("instance {instance} waits for now");
                    return Err(Broken::new(Invariant::NothingSpins, why));
                }
                self.wake(instance, until);
                return Ok(());
            }
            WorkerStep::Stopped => return Ok(()),
        }
        self.wake(instance, world_now);
        Ok(())
    }

    pub(crate) fn generation(&self, instance: usize) -> u64 {
        self.instances.get(instance).map_or(0, |it| it.generation)
    }

    fn poll_call(&mut self, instance: usize, number: u64, now: Now) {
        let (world_now, latency) = (self.now, self.scenario.latency);
        let Some(it) = self.instances.get_mut(instance) else { return };
        let Instance { calls, state, worker, .. } = it;
        let Some(call) = calls.get_mut(&number) else { return };
        match call.poll(state, now) {
            CallStep::Wait(until) => {
                let until = it.when(until).max(world_now);
                self.turn(instance, until, Turn::CallPoll(number));
            }
            CallStep::Done(result) => {
                calls.remove(&number);
                let text = match &result {
                    Ok(called) => format!("{called:?}"),
                    Err(error) => error.to_string(),
                };
                worker.called(number, result, now);
                self.observer.ended(instance, number);
                self.note(|| format!("instance {instance} call {number} ends: {text}"));
                self.effect_ends(instance, number);
            }
            CallStep::Send(attempt) => {
                let (nth, stage) = (attempt.number(), attempt.stage());
                let deadline = it.when(attempt.deadline());
                let request = attempt.into_request().map(Vec::from);
                let fault = match stage {
                    Stage::Operation => {
                        self.counts.calls += 1;
                        find(&self.scenario.call_faults, self.counts.calls - 1)
                    }
                    _ => None,
                };
                self.note(|| {
                    format!(
                        "instance {instance} sends {} of call {number}: {fault:?}",
                        stage.name()
                    )
                });
                self.turn(instance, deadline, Turn::CallOutcome(number, nth, timed_out()));
                self.observer.sent(To::Cloud, fault, world_now, deadline.saturating_sub(world_now));
                let arrives = world_now + latency + slow_request(fault);
                let generation = self.generation(instance);
                if fault != Some(Fault::RequestLost) {
                    self.at(
                        arrives,
                        What::Http { instance, generation, number, attempt: nth, request, fault },
                    );
                }
            }
        }
    }

    fn deliver(&mut self, instance: usize, number: u64, delivery: Delivery) {
        self.counts.deliveries += 1;
        let fault = find(&self.scenario.delivery_faults, self.counts.deliveries - 1);
        self.note(|| format!("instance {instance} delivers {}: {fault:?}", delivery.id));
        let waits = self.bridge.attempt_timeout_setting();
        let limit = self.now + waits;
        self.observer.sent(To::Channel, fault, self.now, waits);
        self.turn(instance, limit, Turn::Delivered(number, Verdict::Outage(None)));
        if fault == Some(Fault::RequestLost) {
            return;
        }
        let generation = self.generation(instance);
        let arrives = self.now + self.scenario.latency + slow_request(fault);
        let delivery = Box::new(delivery);
        self.at(arrives, What::Delivery { instance, generation, number, delivery, fault });
    }

    fn accept_message(&mut self, instance: usize, message: usize) {
        let Some(accepted) = self.scenario.messages.get(message) else { return };
        let consumer = ExtConsumerId::new(consumer_name(accepted.consumer));
        let inbound = Inbound::text(accepted.id(), accepted.text.clone());
        if let (Ok(consumer), Ok(inbound)) = (consumer, inbound) {
            let entries = accept(&self.account, &consumer, inbound);
            let asker = Asker::Appending(Appending::Message(message));
            self.observer.appends(instance, true);
            self.ask(instance, asker, Request::Append(entries));
        }
    }

    /// An instance works on a lane: nobody else may.
    fn effect_begins(&mut self, instance: usize, number: u64, lane: String) -> Result<(), Broken> {
        let until = self.now + self.bridge.attempt_timeout_setting();
        if let Some((other, ends)) = self.effects.get(&lane)
            && *other != instance
            && *ends > self.now
        {
            let why = format!("instances {other} and {instance} work on {lane}");
            return Err(Broken::new(Invariant::NoTwoHolders, why));
        }
        self.effects.insert(lane.clone(), (instance, until));
        if let Some(it) = self.instances.get_mut(instance) {
            it.effect_lanes.insert(number, lane);
        }
        Ok(())
    }

    fn effect_ends(&mut self, instance: usize, number: u64) {
        let Some(it) = self.instances.get_mut(instance) else { return };
        if let Some(lane) = it.effect_lanes.remove(&number)
            && self.effects.get(&lane).is_some_and(|(who, _)| *who == instance)
        {
            self.effects.remove(&lane);
        }
    }
}

/// The lane that an operation belongs to.
fn lane_of(outgoing: &Outgoing) -> Option<String> {
    let principal = match outgoing {
        Outgoing::Identify(one) => one.principal(),
        Outgoing::Open(one) => one.principal(),
        Outgoing::Text(one) => one.principal(),
        Outgoing::Receipt(one) => one.principal(),
        Outgoing::UploadUrl(one) => one.principal(),
        Outgoing::File(one) => one.principal(),
        Outgoing::Close(one) => one.principal(),
        Outgoing::Put(_) => return None,
    };
    match principal {
        Principal::Consumer(consumer) => Some(format!("consumer {consumer}")),
        _ => None,
    }
}

/// The fault of this request.
pub(crate) fn find(faults: &[(u32, Fault)], number: u32) -> Option<Fault> {
    faults.iter().find(|(nth, _)| *nth == number).map(|(_, fault)| *fault)
}

pub(crate) fn slow_request(fault: Option<Fault>) -> Duration {
    match fault {
        Some(Fault::SlowRequest(by)) => by,
        _ => Duration::ZERO,
    }
}

pub(crate) fn slow_answer(fault: Option<Fault>) -> Duration {
    match fault {
        Some(Fault::SlowAnswer(by)) => by,
        _ => Duration::ZERO,
    }
}
