//! What every loop of a bridge does next: the worker's steps, and news of typing.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use lp_connector_core::bridge::store::{Answer, Request};
use lp_connector_core::bridge::{
    BridgeEvent, CallResult, Delivery, Instance, Membership, MembershipStep, Outgoing, Verdict,
    Worker, WorkerStep,
};
use lp_connector_core::id::AccountId;
use lp_connector_core::time::{Mono, Now};

use crate::message::Typing;

/// The most news of typing that wait, and that are under way.
const MAX_TYPING: usize = 16;

/// The most handlers of one account that are still at work beyond their time. While there are so many, no further one
/// of it begins.
const MAX_AT_WORK: usize = 64;

/// The most results of such handlers that are remembered.
const MAX_LATE: usize = 1024;

/// Requests of the membership have numbers from here on, those of the worker have lower ones.
const MEMBERSHIP: u64 = 1 << 63;

/// The next action for a loop.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "it lives for one turn of a loop")]
pub(crate) enum Step {
    Ask(u64, Request),
    Call(Job<(AccountId, Outgoing)>),
    Deliver(Job<Delivery>),
    Typing(Typing),
    Wait(Mono),
    Stopped,
}

/// Something that is due by a deadline.
#[derive(Debug)]
pub(crate) struct Job<T> {
    pub(crate) number: u64,
    pub(crate) deadline: Mono,
    pub(crate) what: T,
}

/// The worker, its place among the programs on the store, and the time that handlers have.
#[derive(Debug)]
pub(crate) struct Engine {
    worker: Worker,
    membership: Membership,
    time_limit: Duration,
    /// The deliveries that handlers are at work on, and their deadlines. `None` is for one that is over its time.
    deliveries: BTreeMap<u64, (String, AccountId, Option<Mono>)>,
    /// The deliveries whose handlers are still at work beyond their time, with their accounts.
    at_work: BTreeMap<String, AccountId>,
    /// The deliveries that such handlers took in the end.
    late: BTreeSet<String>,
    typing: VecDeque<Typing>,
    typing_under_way: usize,
}

impl Engine {
    pub(crate) const fn new(worker: Worker, membership: Membership, time_limit: Duration) -> Self {
        Self {
            worker,
            membership,
            time_limit,
            deliveries: BTreeMap::new(),
            at_work: BTreeMap::new(),
            late: BTreeSet::new(),
            typing: VecDeque::new(),
            typing_under_way: 0,
        }
    }

    /// The next step. It never returns the same step twice.
    pub(crate) fn poll(&mut self, now: Now) -> Step {
        self.expire(now);
        if self.typing_under_way < MAX_TYPING
            && let Some(typing) = self.typing.pop_front()
        {
            self.typing_under_way += 1;
            return Step::Typing(typing);
        }
        let member = match self.membership.poll(self.worker.lanes(), now.mono()) {
            MembershipStep::Ask(number, request) => return Step::Ask(MEMBERSHIP | number, request),
            MembershipStep::Wait(until) => Some(until),
            MembershipStep::Gone => None,
        };
        self.worker.set_share(self.membership.share(now.mono()), now);
        let deadline = now.mono() + self.time_limit;
        loop {
            return match self.worker.poll(now) {
                WorkerStep::Ask(number, request) => Step::Ask(number, request),
                WorkerStep::Call(number, account, outgoing) => {
                    Step::Call(Job { number, deadline, what: (account, outgoing) })
                }
                WorkerStep::Deliver(number, delivery) => {
                    if let Some(verdict) = self.known_verdict(&delivery) {
                        self.worker.delivered(number, &verdict, now);
                        continue;
                    }
                    let (id, account) = (delivery.id.clone(), delivery.account.clone());
                    self.deliveries.insert(number, (id, account, Some(deadline)));
                    Step::Deliver(Job { number, deadline, what: delivery })
                }
                WorkerStep::Wait(until) => {
                    let until = until.min(member.unwrap_or(Mono::NEVER));
                    Step::Wait(until.min(self.first_deadline()))
                }
                WorkerStep::Stopped => match member {
                    None => Step::Stopped,
                    // Who works on nothing any more is not counted any more.
                    Some(_) => {
                        self.membership.leave(now.mono());
                        match self.membership.poll(0, now.mono()) {
                            MembershipStep::Ask(number, request) => {
                                Step::Ask(MEMBERSHIP | number, request)
                            }
                            MembershipStep::Wait(until) => Step::Wait(until),
                            MembershipStep::Gone => Step::Stopped,
                        }
                    }
                },
            };
        }
    }

    /// A delivery whose handler outlasted its time is not begun a second time beside it.
    fn known_verdict(&mut self, delivery: &Delivery) -> Option<Verdict> {
        let of_account = self.at_work.values().filter(|account| **account == delivery.account);
        if self.at_work.contains_key(&delivery.id) || of_account.count() >= MAX_AT_WORK {
            return Some(Verdict::Outage(None));
        }
        self.late.remove(&delivery.id).then_some(Verdict::Taken)
    }

    fn first_deadline(&self) -> Mono {
        let deadlines = self.deliveries.values().filter_map(|(.., deadline)| *deadline);
        deadlines.min().unwrap_or(Mono::NEVER)
    }

    /// Ends deliveries that are over their time. The lane goes on; the handler may still be at work.
    fn expire(&mut self, now: Now) {
        for (number, (id, account, deadline)) in &mut self.deliveries {
            if deadline.is_some_and(|deadline| deadline <= now.mono()) {
                tracing::warn!(
                    event = "handler_slow",
                    delivery = id.as_str(),
                    "the channel's handler takes too long"
                );
                *deadline = None;
                self.at_work.insert(id.clone(), account.clone());
                self.worker.delivered(*number, &Verdict::Outage(None), now);
            }
        }
    }

    /// Takes the store's answer to request `number`: `None` if it gave none.
    pub(crate) fn answered(&mut self, number: u64, answer: Option<Answer>, now: Now) {
        match number & MEMBERSHIP {
            0 => self.worker.handle(number, answer, now),
            _ => self.membership.handle(number ^ MEMBERSHIP, answer, now.mono()),
        }
    }

    /// Takes that the store refused request `number` for good.
    pub(crate) fn refused(&mut self, number: u64, now: Now) {
        match number & MEMBERSHIP {
            0 => self.worker.refused(number, now),
            _ => self.answered(number, None, now),
        }
    }

    /// Takes the result of call `number`.
    pub(crate) fn called(&mut self, number: u64, result: CallResult, now: Now) {
        self.worker.called(number, result, now);
    }

    /// Takes what the channel made of delivery `number`.
    pub(crate) fn delivered(&mut self, number: u64, verdict: Verdict, now: Now) {
        let Some((id, _, deadline)) = self.deliveries.remove(&number) else { return };
        if deadline.is_some() {
            self.worker.delivered(number, &verdict, now);
            return;
        }
        self.at_work.remove(&id);
        // It comes again, unless another program has its lane by then: this is the answer.
        if verdict == Verdict::Taken && self.late.len() < MAX_LATE {
            self.late.insert(id);
        }
    }

    /// The agent is typing: worth something only now.
    pub(crate) fn push_typing(&mut self, typing: Typing) {
        if self.typing.len() < MAX_TYPING {
            self.typing.push_back(typing);
        }
    }

    /// News of typing were passed on, or not.
    pub(crate) const fn typing_passed_on(&mut self) {
        self.typing_under_way = self.typing_under_way.saturating_sub(1);
    }

    /// What happened and is durable, oldest first.
    pub(crate) fn take_events(&mut self) -> Vec<BridgeEvent> {
        std::iter::from_fn(|| self.worker.take_event()).collect()
    }

    pub(crate) fn appended(&mut self) {
        self.worker.appended();
    }

    pub(crate) fn stop(&mut self) {
        self.worker.stop();
    }

    /// The programs on the store, by an answer to [`instances_request`](lp_connector_core::bridge::instances_request).
    pub(crate) fn instances(&self, answer: &Answer, now: Now) -> Vec<Instance> {
        self.membership.instances_of(answer, now.mono())
    }

    pub(crate) const fn worker(&self) -> &Worker {
        &self.worker
    }
}

#[cfg(test)]
#[path = "engine_tests.rs"]
mod tests;
