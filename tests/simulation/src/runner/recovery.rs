//! The end of every scenario: the faults stop, and everything works again.

use std::time::Duration;

use lp_connector_core::api::{ConversationRef, SendText};
use lp_connector_core::id::ExtConsumerId;
use lp_connector_core::policy::RetryPolicy;

use super::Runner;
use crate::invariant::{Invariant, Violation};
use crate::invariants::{CallSpec, TEXT};
use crate::scenario::{Action, Policy, SERVICES};
use crate::trace;

/// How long to wait for recovery: longer than any pause.
const RECOVERY_TIME: Duration = Duration::from_secs(3600);
/// The time between calls that follow each other: long enough for one.
const CALL_INTERVAL: Duration = Duration::from_secs(30);

impl Runner<'_> {
    /// Stops all faults, and checks that calls succeed once more time than any pause has passed.
    pub(super) fn recover(&mut self) -> Result<(), Violation> {
        if self.tracing {
            trace::note(&mut self.trace, self.world.now, "*** all faults end");
        }
        self.world.cloud.clear_faults();
        self.world.request_faults.clear();
        self.world.latency = Duration::from_millis(40);
        self.world.latency_seed = None;
        self.world.cloud.set_token_life(RECOVERY_TIME);
        for service in SERVICES {
            self.move_service(service, 0);
        }
        if let Some(endpoint) = &mut self.world.endpoint {
            endpoint.post_faults.clear();
        }
        self.agent_text(0);
        self.run_until(self.world.now + RECOVERY_TIME)?;
        let first = self.scenario.callers.iter().map(|caller| caller.name + 1).max().unwrap_or(0);
        let mut name = first;
        // The first calls may find that a service has moved. An hour after them every call must
        // succeed: first one at a time, as half-open circuits admit them, then several at once.
        for (concurrent, wait, must_succeed) in [
            (3, RECOVERY_TIME, false),
            (1, CALL_INTERVAL, true),
            (1, CALL_INTERVAL, true),
            (3, RECOVERY_TIME, true),
        ] {
            let from = self.world.callers.len();
            for process in 0..self.scenario.processes.len() {
                for _ in 0..concurrent {
                    self.start_recovery_call(process, name, name - first);
                    name += 1;
                }
            }
            self.run_until(self.world.now + wait)?;
            for (n, caller) in self.world.callers.iter().enumerate().skip(from) {
                let finished = caller.finished.as_ref().filter(|_| must_succeed);
                if let Some(Err(error)) = finished.map(|finished| &finished.result) {
                    let why = format!("call {n}, long after the last fault: {error}");
                    return Err(Violation::new(
                        Invariant::RecoversAfterFaults,
                        self.world.now,
                        why,
                    ));
                }
            }
        }
        self.run_until(Duration::MAX)
    }

    /// Sends a text from this process, for the two consumers alternately.
    fn start_recovery_call(&mut self, process: usize, name: u32, turn: u32) {
        let to = (turn / self.scenario.processes.len().max(1) as u32 % 2) as u8;
        let Some(conversation) = self.conversation(to) else { return };
        #[expect(clippy::expect_used, reason = "a simulation reports by panicking")]
        let consumer = ExtConsumerId::new(format!("consumer-{to}")).expect("a valid id");
        let text =
            SendText::new(&ConversationRef::new(consumer, conversation), format!("{TEXT}{name}"));
        let timeout = Duration::from_secs(120);
        let policy = Policy::Documented;
        self.checker.register(CallSpec { name, policy, action: Action::SendText(to), timeout });
        let at = self.world.now;
        self.world.start_in_process(process, at, text, |call, now| {
            call.timeout(timeout, now).retry(RetryPolicy::documented())
        });
    }
}
