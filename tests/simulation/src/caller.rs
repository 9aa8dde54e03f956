//! One caller and its call, whatever the operation.

use std::time::Duration;

use lp_connector_core::api::Operation;
use lp_connector_core::connector::{Call, Completed, Event, Outcome, Shared, Step};
use lp_connector_core::error::Error;
use lp_connector_core::time::Now;

/// A call without its operation's type.
pub(crate) trait AnyCall {
    fn poll(&mut self, shared: &mut Shared, now: Now) -> Step;
    fn handle(&mut self, shared: &mut Shared, now: Now, number: u32, outcome: Outcome) -> bool;
    fn abandon(&mut self, shared: &mut Shared, now: Now) -> bool;
    fn finish(self: Box<Self>) -> Result<Completed<String>, Error>;
    fn debug_text(&self) -> String;
}

impl<O: Operation + std::fmt::Debug> AnyCall for Call<O>
where
    O::Output: std::fmt::Debug,
{
    fn poll(&mut self, shared: &mut Shared, now: Now) -> Step {
        Self::poll(self, shared, now)
    }

    fn handle(&mut self, shared: &mut Shared, now: Now, number: u32, outcome: Outcome) -> bool {
        Self::handle(self, shared, now, number, outcome)
    }

    fn abandon(&mut self, shared: &mut Shared, now: Now) -> bool {
        Self::abandon(self, shared, now)
    }

    fn finish(self: Box<Self>) -> Result<Completed<String>, Error> {
        (*self).into_result().map(|done| {
            let mut plain = Completed::new(format!("{:?}", done.output));
            plain.attempts = done.attempts;
            plain.possibly_repeated = done.possibly_repeated;
            plain
        })
    }

    fn debug_text(&self) -> String {
        format!("{self:?}")
    }
}

/// Where a caller is.
#[derive(Debug)]
pub(crate) enum CallerState {
    /// Has not begun.
    NotStarted(Duration),
    /// Is to be polled.
    Ready,
    /// Waits until then, or until woken.
    Waiting(Duration),
    /// Has sent something, of which it hears then.
    InFlight { nth: usize, number: u32, outcome_at: Duration, outcome: Option<Outcome> },
    /// Has its result, or went away.
    Finished,
}

/// Someone who makes a call.
pub struct Caller {
    pub(crate) call: Option<Box<dyn AnyCall>>,
    pub(crate) process: usize,
    pub(crate) state: CallerState,
    pub(crate) started_at: Duration,
    /// Goes away then, telling the core or not.
    pub(crate) cancel_at: Option<(Duration, bool)>,
    pub(crate) events: Vec<Event>,
    pub(crate) finished: Option<FinishedCall>,
    pub(crate) polls: u64,
}

/// How a call ended.
#[derive(Debug)]
#[non_exhaustive]
pub struct FinishedCall {
    /// Which caller's it was.
    pub caller: usize,
    /// When it began.
    pub started_at: Duration,
    /// When it ended.
    pub finished_at: Duration,
    /// With what.
    pub result: Result<Completed<String>, Error>,
}

impl std::fmt::Debug for Caller {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Caller").field("at", &self.state).finish_non_exhaustive()
    }
}

impl Caller {
    /// What its call told on its way.
    #[must_use]
    pub fn events(&self) -> &[Event] {
        &self.events
    }

    /// How often its call was polled.
    #[must_use]
    pub fn polls(&self) -> u64 {
        self.polls
    }

    /// Its process has stopped.
    pub(crate) fn process_stopped(&mut self) {
        self.call = None;
        self.state = CallerState::Finished;
    }

    /// When the caller is to be seen to next, its process doing nothing before it is back.
    pub(crate) fn next(&self, back_at: Duration) -> Option<Duration> {
        let due = match &self.state {
            CallerState::NotStarted(state) => *state,
            CallerState::Ready => Duration::ZERO,
            CallerState::Waiting(until) => *until,
            CallerState::InFlight { outcome_at, .. } => *outcome_at,
            CallerState::Finished => return None,
        };
        let due =
            self.cancel_at.map_or(due, |(cancel_at, _)| due.min(cancel_at.max(self.started_at)));
        Some(due.max(back_at))
    }
}
