//! When circuits open, for how long, and how they are probed: the rules of
//! [protocol.md 11](lp_connector_core::protocol#11), computed independently of the core.

use std::time::Duration;

use lp_connector_core::api::{Endpoint, Service};
use lp_connector_core::connector::{CallEvent, EventKind};
use lp_connector_core::error::{ErrorKind, Stage};

use super::{CallSpec, ROUNDING};
use crate::caller::FinishedCall;
use crate::event_log::SentRequest;
use crate::invariant::{Invariant, Violation};
use crate::network::NetworkFault;
use crate::scenario::Scenario;
use crate::world::World;

/// How long a circuit stays open, in seconds, by how often it has opened in a row.
const OPEN_SECONDS: [u64; 5] = [120, 240, 480, 960, 1920];
/// How many failed calls in a row open the circuit of messages.
const MESSAGE_THRESHOLD: u32 = 5;

const STAGES: [Stage; 4] = [Stage::Domain, Stage::AppJwt, Stage::ConsumerJws, Stage::Operation];

#[derive(Debug)]
pub(super) struct Circuits(Vec<[Circuit; 4]>);

#[derive(Clone, Debug, Default)]
struct Circuit {
    open_until: Option<Duration>,
    openings: usize,
    /// Calls in a row that used all attempts of their policy.
    exhausted: u32,
    /// Those of them whose every attempt certainly failed.
    surely_failed: u32,
    /// Requests sent since it opened: their indices and attempt deadlines.
    probes: Vec<(usize, Duration)>,
}

fn index_of(stage: Stage) -> Option<usize> {
    STAGES.iter().position(|it| *it == stage)
}

fn stage_of(endpoint: &Endpoint) -> Option<Stage> {
    match endpoint {
        Endpoint::DomainApi => Some(Stage::Domain),
        Endpoint::Service(service) if *service == Service::SENTINEL => Some(Stage::AppJwt),
        Endpoint::Service(service) if *service == Service::IDP => Some(Stage::ConsumerJws),
        Endpoint::Service(service) if *service == Service::MESSAGING => Some(Stage::Operation),
        _ => None,
    }
}

/// True for a response of a working service: anything but 429 and 5xx.
fn service_up(sent: &SentRequest) -> bool {
    sent.received && sent.status.is_some_and(|status| status != 429 && status < 500)
}

impl Circuits {
    pub(super) fn new(scenario: &Scenario) -> Self {
        Self(scenario.processes.iter().map(|_| Default::default()).collect())
    }

    fn circuit(&mut self, process: usize, stage: Stage) -> Option<&mut Circuit> {
        self.0.get_mut(process)?.get_mut(index_of(stage)?)
    }

    pub(super) fn on_sent(
        &mut self,
        nth: usize,
        sent: &SentRequest,
        at: Duration,
    ) -> Result<(), Violation> {
        let Some(circuit) = self.circuit(sent.process, sent.stage) else { return Ok(()) };
        let Some(until) = circuit.open_until else { return Ok(()) };
        let fail = |why: String| Err(Violation::new(Invariant::CircuitBreaker, at, why));
        if at + ROUNDING + until.saturating_sub(at) / 1000 < until {
            return fail(format!(
                "the circuit of the {} is open until {until:?}",
                sent.stage.name()
            ));
        }
        circuit.probes.retain(|(_, deadline)| at + ROUNDING < *deadline);
        if let Some((other, _)) = circuit.probes.first() {
            let why = format!("request {other} is already the probe of the {}", sent.stage.name());
            return fail(why);
        }
        circuit.probes.push((nth, sent.deadline));
        Ok(())
    }

    pub(super) fn on_outcome(&mut self, nth: usize, sent: &SentRequest) {
        let Some(circuit) = self.circuit(sent.process, sent.stage) else { return };
        circuit.probes.retain(|(probe, _)| *probe != nth);
        if service_up(sent) {
            circuit.exhausted = 0;
            circuit.surely_failed = 0;
        }
    }

    pub(super) fn on_event(
        &mut self,
        world: &World,
        caller: usize,
        event: &CallEvent,
        at: Duration,
    ) -> Result<(), Violation> {
        let process = world.callers.get(caller).map(|caller| caller.process).unwrap_or_default();
        let (endpoint, pause) = match &event.kind {
            EventKind::CircuitOpened { endpoint, pause, .. } => (endpoint, Some(*pause)),
            EventKind::CircuitClosed { endpoint, .. } => (endpoint, None),
            _ => return Ok(()),
        };
        let Some(stage) = stage_of(endpoint) else { return Ok(()) };
        let Some(circuit) = self.circuit(process, stage) else { return Ok(()) };
        let fail = |why: String| Err(Violation::new(Invariant::CircuitBreaker, at, why));
        let Some(pause) = pause else {
            *circuit = Circuit::default();
            return Ok(());
        };
        let documented =
            OPEN_SECONDS.get(circuit.openings).or(OPEN_SECONDS.last()).copied().unwrap_or_default();
        if pause != Duration::from_secs(documented) {
            return fail(format!("the circuit opens for {pause:?}, not {documented} s"));
        }
        let enough = stage != Stage::Operation || circuit.exhausted + 1 >= MESSAGE_THRESHOLD;
        if circuit.openings == 0 && !enough {
            return fail(format!(
                "the circuit opens after {} calls in a row, not {MESSAGE_THRESHOLD}",
                circuit.exhausted + 1
            ));
        }
        circuit.openings += 1;
        circuit.open_until = Some(at + pause);
        // Requests sent before it opened are no probes.
        circuit.probes.clear();
        Ok(())
    }

    /// Counts calls that used all their attempts: enough of them in a row open the circuit.
    pub(super) fn on_finished(
        &mut self,
        world: &World,
        caller: usize,
        spec: &CallSpec,
        finished: &FinishedCall,
        at: Duration,
    ) -> Result<(), Violation> {
        let process = world.callers.get(caller).map(|caller| caller.process).unwrap_or_default();
        let Some(circuit) = self.circuit(process, Stage::Operation) else { return Ok(()) };
        let Err(error) = &finished.result else { return Ok(()) };
        if error.stage() != Stage::Operation {
            return Ok(());
        }
        // Nor does a call count whose last attempt found the service up, or found no free connection.
        let own = |sent: &&SentRequest| sent.caller == caller && sent.stage == Stage::Operation;
        let last = world.sent.iter().rev().find(own);
        let counts =
            |sent: &SentRequest| !service_up(sent) && sent.fault != NetworkFault::NoFreeConnection;
        if !last.is_some_and(counts) {
            return Ok(());
        }
        // An attempt that the call's deadline ended early says nothing about the service.
        let deadline_truncated =
            at + ROUNDING + spec.timeout / 1000 >= finished.started_at + spec.timeout;
        match error.kind() {
            ErrorKind::Unavailable | ErrorKind::RateLimited if !deadline_truncated => {
                circuit.exhausted += 1;
                circuit.surely_failed += 1;
            }
            // Its policy allows no other attempt; or the response was there before the deadline, and the process
            // was suspended.
            ErrorKind::Unconfirmed | ErrorKind::Unavailable | ErrorKind::RateLimited => {
                circuit.exhausted += 1;
            }
            _ => {}
        }
        if circuit.surely_failed >= MESSAGE_THRESHOLD && circuit.open_until.is_none() {
            let why = format!(
                "the circuit is closed after {} calls in a row that used all attempts",
                circuit.surely_failed
            );
            return Err(Violation::new(Invariant::CircuitBreaker, at, why));
        }
        Ok(())
    }

    pub(super) fn on_cancelled(&mut self, world: &World, caller: usize, notify: bool) {
        let Some(process) = world.callers.get(caller).map(|caller| caller.process) else { return };
        let of_caller = |nth: usize| world.sent.get(nth).is_some_and(|sent| sent.caller == caller);
        for circuit in self.0.get_mut(process).into_iter().flatten() {
            if notify {
                circuit.probes.retain(|(probe, _)| !of_caller(*probe));
            }
        }
    }

    pub(super) fn on_restart(&mut self, process: usize) {
        if let Some(circuits) = self.0.get_mut(process) {
            *circuits = Default::default();
        }
    }
}
