//! Runs what a worker asks of the client: one call for each.

use lp_connector_core::bridge::{CallResult, Called, Outgoing};
use lp_connector_core::connector::{Attempt, Call, Callable, ConnectorState, Outcome, Step, Wake};
use lp_connector_core::policy::RetryPolicy;
use lp_connector_core::seed::Seed;
use lp_connector_core::time::{Mono, Now};

/// The next step of a running call.
#[expect(clippy::large_enum_variant, reason = "it lives for one turn of a loop")]
pub(crate) enum CallStep {
    Send(Attempt),
    Wait(Mono),
    Done(CallResult),
}

/// A call with its operation's type erased.
pub(crate) trait Running {
    fn poll(&mut self, state: &mut ConnectorState, now: Now) -> CallStep;
    fn handle(
        &mut self,
        state: &mut ConnectorState,
        now: Now,
        number: u32,
        outcome: Outcome,
    ) -> Wake;
}

struct Typed<C: Callable> {
    call: Call<C>,
    called: fn(C::Output) -> Called,
}

impl<C: Callable> Running for Typed<C> {
    fn poll(&mut self, state: &mut ConnectorState, now: Now) -> CallStep {
        match self.call.poll(state, now) {
            Step::Send(attempt) => CallStep::Send(attempt),
            Step::Wait(until) => CallStep::Wait(until),
            Step::Done(result) => {
                CallStep::Done(result.map(|completed| (self.called)(completed.output)))
            }
        }
    }

    fn handle(
        &mut self,
        state: &mut ConnectorState,
        now: Now,
        number: u32,
        outcome: Outcome,
    ) -> Wake {
        self.call.handle(state, now, number, outcome)
    }
}

/// Begins a call. It is sent once, and ends within the time limit of an attempt.
pub(crate) fn begin(
    outgoing: Outgoing,
    state: &ConnectorState,
    limit: std::time::Duration,
    seed: u128,
    now: Now,
) -> Box<dyn Running> {
    fn typed<C: Callable + 'static>(
        operation: C,
        start: (&ConnectorState, std::time::Duration, u128, Now),
        called: fn(C::Output) -> Called,
    ) -> Box<dyn Running> {
        let (state, limit, seed, now) = start;
        let seed = Seed::from_bytes(seed.to_le_bytes());
        let call = Call::new(operation, state.config(), seed, now)
            .retry(RetryPolicy::none())
            .timeout(limit, now);
        Box::new(Typed { call, called })
    }
    let start = (state, limit, seed, now);
    match outgoing {
        Outgoing::Identify(one) => {
            typed(one, start, |claims| Called::Identified(claims.lp_consumer_id))
        }
        Outgoing::Open(one) => typed(one, start, |opened| Called::Opened(opened.conversation)),
        Outgoing::Text(one) => typed(one, start, |sent| Called::Published(sent.sequence)),
        Outgoing::Receipt(one) => typed(one, start, |sent| Called::Published(sent.sequence)),
        Outgoing::UploadUrl(one) => typed(one, start, Called::Url),
        Outgoing::Put(one) => typed(one, start, |()| Called::Done),
        Outgoing::File(one) => typed(one, start, |sent| Called::Published(sent.sequence)),
        Outgoing::Close(one) => typed(one, start, |()| Called::Done),
    }
}
