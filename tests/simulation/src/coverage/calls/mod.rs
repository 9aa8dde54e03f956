//! What the scenarios of calls reach.
//!
//! | table | a cell is reached if |
//! |---|---|
//! | pairs of faults | the two [overlap](faults) in one process |
//! | failures | an attempt that failed so was followed by this |
//! | circuits | this happened at a service whose circuit was in this state |
//! | tokens and hosts | this happened to a value in this state |
//! | endings | a call ended so, at this request |

mod circuits;
mod endings;
mod failures;
mod faults;
mod values;

use std::time::Duration;

use lp_connector_core::error::Stage;

use self::circuits::Circuits;
use self::failures::Failures;
use self::faults::{Fault, Faults};
use self::values::Values;
use super::{Coverage, Reach, Reached, Table};
use crate::event_log::{LogEntry, SentRequest};
use crate::invariants::CallSpec;
use crate::scenario::{Scenario, WorldEvent};
use crate::world::World;

/// The tables, in the order of their indices.
static TABLES: [Table; 5] =
    [faults::TABLE, failures::TABLE, circuits::TABLE, values::TABLE, endings::TABLE];
const FAULTS: usize = 0;
const FAILURES: usize = 1;
const CIRCUITS: usize = 2;
const VALUES: usize = 3;
const ENDINGS: usize = 4;

const STAGES: [Stage; 4] = [Stage::Domain, Stage::AppJwt, Stage::ConsumerJws, Stage::Operation];

/// No coverage of calls yet.
pub(crate) fn empty() -> Coverage {
    Coverage::new(&TABLES)
}

fn index_of(stage: Stage) -> usize {
    STAGES.iter().position(|it| *it == stage).unwrap_or_default()
}

/// A request in flight, until its caller has its outcome, has gone or has died.
#[derive(Clone, Copy, Debug)]
struct Flight {
    nth: usize,
    caller: usize,
    process: usize,
    stage: Stage,
}

/// How a request ended for its caller.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum End {
    Outcome,
    /// The call was cancelled; with notice to the core, or without.
    Cancelled(bool),
    Restart,
}

/// Watches one scenario.
#[derive(Debug)]
pub(crate) struct Observer {
    reached: Reached,
    flights: Vec<Flight>,
    faults: Faults,
    failures: Failures,
    circuits: Circuits,
    values: Values,
}

impl Observer {
    pub(crate) fn new(scenario: &Scenario) -> Self {
        Self {
            reached: Reached::new(&TABLES),
            flights: Vec::new(),
            faults: Faults::default(),
            failures: Failures::default(),
            circuits: Circuits::default(),
            values: Values::new(Duration::from_secs(scenario.token_life)),
        }
    }

    pub(crate) fn into_reached(self) -> Reached {
        self.reached
    }

    /// A world event takes effect.
    pub(crate) fn happens(&mut self, event: &WorldEvent, at: Duration) {
        let reached = &mut self.reached;
        let (fault, process) = match event {
            WorldEvent::AppTokensRevoked => (Fault::AppTokensRevoked, None),
            WorldEvent::ConsumerTokensRevoked => (Fault::ConsumerTokensRevoked, None),
            WorldEvent::SecretRotated(_) => (Fault::SecretChanged, None),
            WorldEvent::ServiceMoved(service, _) => {
                self.values.moved(reached, service, at);
                (Fault::ServiceMoved, None)
            }
            WorldEvent::CloudClockSet(_) => (Fault::CloudClockSet, None),
            WorldEvent::WallClockSet(process, _) => (Fault::WallClockSet, Some(*process)),
            WorldEvent::ProcessSuspended(process, _) => {
                self.values.suspended(reached, *process, at);
                (Fault::ProcessSuspended, Some(*process))
            }
            // A restart is an entry of the log, and agents are no fault.
            WorldEvent::ProcessCrashed(..)
            | WorldEvent::Fault(_)
            | WorldEvent::FaultsCleared
            | WorldEvent::AgentTexts(..)
            | WorldEvent::AgentComposing(_)
            | WorldEvent::AgentNote(_)
            | WorldEvent::AgentTransfer(_) => return,
        };
        match fault {
            Fault::AppTokensRevoked => self.values.revoked(reached, Stage::AppJwt, at),
            Fault::ConsumerTokensRevoked => self.values.revoked(reached, Stage::ConsumerJws, at),
            _ => {}
        }
        self.faults.moment(fault, process);
    }

    /// Looks at one entry of the log.
    pub(crate) fn observe(
        &mut self,
        world: &World,
        spec: impl Fn(usize) -> Option<CallSpec>,
        at: Duration,
        entry: LogEntry,
    ) {
        let reached = &mut self.reached;
        match entry {
            LogEntry::RequestSent { nth } => {
                let Some(sent) = world.sent.get(nth) else { return };
                let SentRequest { caller, process, stage, .. } = *sent;
                self.flights.push(Flight { nth, caller, process, stage });
                self.faults.sent(nth, process);
                self.failures.sent(caller);
                self.circuits.sent(nth, sent, at);
                self.values.sent(nth, sent, at);
            }
            LogEntry::OutcomeHandled { nth } => {
                self.end(world, at, |flight| flight.nth == nth, End::Outcome);
            }
            LogEntry::CallCancelled { caller, notify } => {
                let in_flight = self.flights.iter().find(|flight| flight.caller == caller);
                endings::cancelled(reached, notify, in_flight.map(|flight| flight.stage));
                let process = in_flight.map(|flight| flight.process);
                self.faults.moment(Fault::cancelled(notify), process.or(Some(usize::MAX)));
                self.end(world, at, |flight| flight.caller == caller, End::Cancelled(notify));
            }
            LogEntry::ProcessRestarted { process } => {
                self.faults.moment(Fault::ProcessRestarts, Some(process));
                self.values.restarts(reached, process, at);
                self.circuits.restarts(reached, process, at);
                let own = |flight: &&Flight| flight.process == process;
                let stages = self.flights.iter().filter(own).map(|flight| flight.stage);
                stages.for_each(|stage| endings::died(reached, Some(stage)));
                self.end(world, at, |flight| flight.process == process, End::Restart);
                self.circuits.forget(process);
            }
            LogEntry::EventEmitted { caller, event } => {
                let Some(caller_of) = world.callers.get(caller) else { return };
                let Some(emitted) = caller_of.events.get(event) else { return };
                self.failures.on_event(reached, caller, emitted);
                self.circuits.on_event(caller_of.process, emitted, at);
                self.values.on_event(
                    reached,
                    (caller, caller_of.process),
                    emitted,
                    at,
                    spec(caller),
                );
            }
            LogEntry::CallFinished { caller } => {
                let Some(it) = world.callers.get(caller) else { return };
                let (Some(finished), Some(spec)) = (&it.finished, spec(caller)) else { return };
                self.failures.finished(reached, caller, &spec, finished);
                self.circuits.finished(reached, it.process, finished, at);
                endings::finished(reached, finished);
            }
            LogEntry::PostHandled { nth, status } => {
                let endpoint = world.endpoint.as_ref();
                let process = endpoint.map_or(0, |endpoint| endpoint.process);
                let meets = |endpoint: &crate::webhook_endpoint::WebhookEndpoint| {
                    endpoint.post_faults.contains_key(&nth)
                };
                if status != Some(200) || endpoint.is_some_and(meets) {
                    self.faults.moment(Fault::PostFails, Some(process));
                }
            }
            LogEntry::CallStarted { .. }
            | LogEntry::RequestArrived { .. }
            | LogEntry::WrongResponse { .. }
            | LogEntry::LateResponse { .. }
            | LogEntry::CallWaiting { .. }
            | LogEntry::MessageProcessed { .. } => {}
        }
    }

    /// Ends the flights of these requests.
    fn end(&mut self, world: &World, at: Duration, of: impl Fn(&Flight) -> bool, end: End) {
        let reached = &mut self.reached;
        for flight in self.flights.extract_if(.., |flight| of(flight)) {
            let Some(sent) = world.sent.get(flight.nth) else { continue };
            self.faults.ends(reached, world, flight.nth, sent);
            if end == End::Outcome {
                self.failures.outcome(flight.caller, sent);
            }
            self.circuits.ends(reached, flight.nth, sent, end, at);
            self.values.ends(reached, flight.nth, sent, end, at);
        }
    }
}
