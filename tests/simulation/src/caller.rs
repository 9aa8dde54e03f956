//! A caller and its call, of any operation.

use std::time::Duration;

use lp_connector_core::connector::{
    Call, CallEvent, Callable, Completed, ConnectorState, Outcome, Step, Wake,
};
use lp_connector_core::error::Error;
use lp_connector_core::time::Now;

/// A call with its operation's type erased.
pub(crate) trait AnyCall {
    fn poll(&mut self, state: &mut ConnectorState, now: Now) -> Step<String>;
    fn next_event(&mut self) -> Option<CallEvent>;
    fn handle(
        &mut self,
        state: &mut ConnectorState,
        now: Now,
        number: u32,
        outcome: Outcome,
    ) -> Wake;
    fn abandon(&mut self, state: &mut ConnectorState, now: Now) -> Wake;
    fn debug_text(&self) -> String;
}

impl<C: Callable + std::fmt::Debug> AnyCall for Call<C>
where
    C::Output: std::fmt::Debug,
{
    fn poll(&mut self, state: &mut ConnectorState, now: Now) -> Step<String> {
        match Self::poll(self, state, now) {
            Step::Send(attempt) => Step::Send(attempt),
            Step::Wait(until) => Step::Wait(until),
            Step::Done(result) => Step::Done(result.map(|done| {
                let mut plain = Completed::new(format!("{:?}", done.output));
                plain.attempts = done.attempts;
                plain.maybe_duplicated = done.maybe_duplicated;
                plain
            })),
        }
    }

    fn next_event(&mut self) -> Option<CallEvent> {
        Self::next_event(self)
    }

    fn handle(
        &mut self,
        state: &mut ConnectorState,
        now: Now,
        number: u32,
        outcome: Outcome,
    ) -> Wake {
        Self::handle(self, state, now, number, outcome)
    }

    fn abandon(&mut self, state: &mut ConnectorState, now: Now) -> Wake {
        Self::abandon(self, state, now)
    }

    fn debug_text(&self) -> String {
        format!("{self:?}")
    }
}

/// What a caller does at the moment.
#[derive(Debug)]
pub(crate) enum CallerState {
    /// Starts at this time.
    NotStarted(Duration),
    /// Polls next.
    Ready,
    /// Waits until this time, or until another call wakes it.
    Waiting(Duration),
    /// Has sent request `nth`, and gets `outcome` at `outcome_at`.
    InFlight { nth: usize, number: u32, outcome_at: Duration, outcome: Option<Outcome> },
    /// Has its result, or was cancelled.
    Finished,
}

/// A task that makes one call.
pub struct Caller {
    pub(crate) call: Option<Box<dyn AnyCall>>,
    pub(crate) process: usize,
    pub(crate) state: CallerState,
    pub(crate) started_at: Duration,
    /// When the call is cancelled, and whether the core is notified.
    pub(crate) cancel_at: Option<(Duration, bool)>,
    pub(crate) events: Vec<CallEvent>,
    pub(crate) finished: Option<FinishedCall>,
    pub(crate) polls: u64,
}

/// A call that has ended.
#[derive(Debug)]
#[non_exhaustive]
pub struct FinishedCall {
    /// The caller's number.
    pub caller: usize,
    /// When it started, since the start of the world.
    pub started_at: Duration,
    /// When it ended, since the start of the world.
    pub finished_at: Duration,
    /// Its result, with the output in its `Debug` form.
    pub result: Result<Completed<String>, Error>,
}

impl std::fmt::Debug for Caller {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Caller").field("state", &self.state).finish_non_exhaustive()
    }
}

impl Caller {
    /// The events that its call emitted, oldest first.
    #[must_use]
    pub fn events(&self) -> &[CallEvent] {
        &self.events
    }

    /// How many times its call was polled.
    #[must_use]
    pub fn polls(&self) -> u64 {
        self.polls
    }

    /// Drops the call: its process has stopped.
    pub(crate) fn process_stopped(&mut self) {
        self.call = None;
        self.state = CallerState::Finished;
    }

    /// When the caller acts next; not before `resumes_at`, when its process runs again.
    pub(crate) fn next_due(&self, resumes_at: Duration) -> Option<Duration> {
        let due = match &self.state {
            CallerState::NotStarted(at) => *at,
            CallerState::Ready => Duration::ZERO,
            CallerState::Waiting(until) => *until,
            CallerState::InFlight { outcome_at, .. } => *outcome_at,
            CallerState::Finished => return None,
        };
        let due =
            self.cancel_at.map_or(due, |(cancel_at, _)| due.min(cancel_at.max(self.started_at)));
        Some(due.max(resumes_at))
    }
}
