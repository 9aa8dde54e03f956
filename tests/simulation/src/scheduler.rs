//! The scheduler: what happens next in a world, and when.

use std::time::Duration;

use lp_connector_core::connector::{Step, Wake};
use lp_connector_core::error::{Delivery, Error, ErrorKind, Stage};

use crate::caller::{CallerState, FinishedCall};
use crate::event_log::{LogEntry, SentRequest};
use crate::webhook_endpoint::WebhookEndpoint;
use crate::world::World;

/// The next thing that happens.
enum Due {
    Arrival(usize),
    LateResponse(usize),
    Caller(usize),
    WebhookEndpoint,
}

impl World {
    /// Runs until nothing is left to do.
    ///
    /// # Panics
    /// If a call has not ended by then.
    pub fn run(&mut self) {
        self.run_until(Duration::MAX);
        assert!(
            self.callers.iter().all(|caller| matches!(caller.state, CallerState::Finished)),
            "a call never ended"
        );
    }

    /// Runs until this time.
    ///
    /// # Panics
    /// After two million steps: something loops.
    pub fn run_until(&mut self, end: Duration) {
        for _ in 0..2_000_000 {
            if !self.step(end) {
                return;
            }
        }
        panic!("more than 2000000 steps");
    }

    /// Does the next thing, if it is due by `end`. Returns false if nothing is.
    pub(crate) fn step(&mut self, end: Duration) -> bool {
        match self.due() {
            Some((at, due)) if at <= end => {
                self.now = self.now.max(at);
                match due {
                    Due::Arrival(n) => self.arrive(n),
                    Due::LateResponse(n) => self.deliver_late_response(n),
                    Due::Caller(n) => self.step_caller(n),
                    Due::WebhookEndpoint => self.step_webhooks(),
                }
                true
            }
            _ => {
                if end < Duration::MAX {
                    self.now = self.now.max(end);
                }
                false
            }
        }
    }

    fn due(&self) -> Option<(Duration, Due)> {
        // Of several at the same time, the first in this order.
        let mut first: Option<(Duration, Due)> = None;
        let mut offer = |at: Duration, due: Due| {
            if first.as_ref().is_none_or(|(before, _)| at < *before) {
                first = Some((at, due));
            }
        };
        for (n, request) in self.in_flight.iter().enumerate() {
            offer(request.arrives_at, Due::Arrival(n));
        }
        for (n, late) in self.late_responses.iter().enumerate() {
            offer(late.at, Due::LateResponse(n));
        }
        for (n, caller) in self.callers.iter().enumerate() {
            let resumes_at = self.processes.get(caller.process).map(|process| process.resumes_at);
            if let Some(at) = caller.next_due(resumes_at.unwrap_or_default()) {
                offer(at, Due::Caller(n));
            }
        }
        if let Some(at) = self.endpoint.as_ref().and_then(WebhookEndpoint::due) {
            offer(at, Due::WebhookEndpoint);
        }
        first
    }

    /// Does the next thing of one caller.
    fn step_caller(&mut self, n: usize) {
        let Some(caller) = self.callers.get_mut(n) else { return };
        let Some(process) = self.processes.get_mut(caller.process) else { return };
        let (clock, state) = (process.clock, &mut process.state);
        let now = clock.now(self.now);
        if let Some((_, notify)) = caller.cancel_at.filter(|(at, _)| *at <= self.now) {
            let (wake, step) = match &mut caller.call {
                Some(call) if notify => (call.abandon(state, now), call.poll(state, now)),
                _ => (Wake::Nobody, Step::Wait(now.mono())),
            };
            self.log(LogEntry::CallCancelled { caller: n, notify });
            self.finish(n, step);
            if wake == Wake::Waiters {
                self.wake(n);
            }
            return;
        }
        let Some(call) = &mut caller.call else { return };
        if let CallerState::InFlight { nth, number, outcome, .. } = &mut caller.state {
            let (nth, number, outcome) = (*nth, *number, outcome.take());
            caller.state = CallerState::Ready;
            let wake = outcome.map(|outcome| call.handle(state, now, number, outcome));
            self.log(LogEntry::OutcomeHandled { nth });
            if wake == Some(Wake::Waiters) {
                self.wake(n);
            }
            return;
        }
        if matches!(caller.state, CallerState::NotStarted(_)) {
            caller.state = CallerState::Ready;
            self.log(LogEntry::CallStarted { caller: n });
            return;
        }
        caller.polls += 1;
        let step = call.poll(state, now);
        let first_event = caller.events.len();
        caller.events.extend(std::iter::from_fn(|| call.next_event()));
        let events = first_event..caller.events.len();
        if let Step::Wait(until) = &step {
            caller.state = CallerState::Waiting(clock.when(*until));
        }
        for event in events {
            self.log(LogEntry::EventEmitted { caller: n, event });
        }
        match step {
            Step::Send(attempt) => self.send(n, attempt),
            Step::Wait(until) => {
                let until = clock.when(until);
                self.log(LogEntry::CallWaiting { caller: n, until });
            }
            step @ Step::Done(_) => {
                self.finish(n, step);
                self.log(LogEntry::CallFinished { caller: n });
            }
        }
    }

    /// Ends a caller with the result of its call. A call that was dropped has none: the log says whether
    /// its request left.
    fn finish(&mut self, n: usize, step: Step<String>) {
        let own = |sent: &SentRequest| sent.caller == n && sent.stage == Stage::Operation;
        let sent = self.sent.iter().any(own);
        let dropped = || {
            let error = Error::new(ErrorKind::Abandoned, "the caller dropped the call");
            let delivery = if sent { Delivery::Unknown } else { Delivery::NotSent };
            Err(error.with_delivery(delivery))
        };
        let result = match step {
            Step::Done(result) => result,
            Step::Send(_) | Step::Wait(_) => dropped(),
        };
        if let Some(caller) = self.callers.get_mut(n) {
            caller.state = CallerState::Finished;
            let (started_at, finished_at) = (caller.started_at, self.now);
            caller.finished = caller.call.take().map(|_| FinishedCall {
                caller: n,
                started_at,
                finished_at,
                result,
            });
        }
    }

    /// Polls every waiting call in the process of this caller again.
    fn wake(&mut self, by: usize) {
        let process = self.callers.get(by).map(|caller| caller.process);
        for caller in self.callers.iter_mut().filter(|caller| Some(caller.process) == process) {
            if matches!(caller.state, CallerState::Waiting(_)) {
                caller.state = CallerState::Ready;
            }
        }
    }

    pub(crate) fn log(&mut self, entry: LogEntry) {
        if self.event_log_enabled {
            self.event_log.push((self.now, entry));
        }
    }
}
