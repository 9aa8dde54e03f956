//! When a service is left alone, and for how long: the rule of protocol.md 11, followed by hand.

use std::time::Duration;

use lp_connector_core::api::{Service, Target};
use lp_connector_core::connector::{Event, EventKind};
use lp_connector_core::error::{ErrorKind, Stage};

use super::{CallSpec, ROUNDING};
use crate::caller::FinishedCall;
use crate::event_log::SentRequest;
use crate::invariant::{Invariant, Violation};
use crate::scenario::Scenario;
use crate::world::World;

/// Two minutes, doubling up to 32.
const PAUSES: [u64; 5] = [120, 240, 480, 960, 1920];
/// So many calls in a row.
const MESSAGES: u32 = 5;

const STAGES: [Stage; 4] = [Stage::Domain, Stage::AppJwt, Stage::ConsumerJws, Stage::Operation];

#[derive(Debug)]
pub(super) struct Circuits(Vec<[Circuit; 4]>);

#[derive(Clone, Debug, Default)]
struct Circuit {
    open_until: Option<Duration>,
    openings: usize,
    /// Calls in a row that used up what their policy allowed them.
    exhausted: u32,
    /// Of these, those whose every try surely failed.
    refused: u32,
    /// Requests under way that were sent since it opened: their places, and until when they may last.
    probes: Vec<(usize, Duration)>,
}

fn place(stage: Stage) -> Option<usize> {
    STAGES.iter().position(|it| *it == stage)
}

fn stage_of(target: &Target) -> Option<Stage> {
    match target {
        Target::DomainApi => Some(Stage::Domain),
        Target::Service(service) if *service == Service::SENTINEL => Some(Stage::AppJwt),
        Target::Service(service) if *service == Service::IDP => Some(Stage::ConsumerJws),
        Target::Service(service) if *service == Service::MESSAGING => Some(Stage::Operation),
        _ => None,
    }
}

/// An answer of a service that works: anything but 429 and 5xx.
fn works(sent: &SentRequest) -> bool {
    sent.answered && sent.status.is_some_and(|status| status != 429 && status < 500)
}

impl Circuits {
    pub(super) fn new(scenario: &Scenario) -> Self {
        Self(scenario.processes.iter().map(|_| Default::default()).collect())
    }

    fn circuit(&mut self, process: usize, stage: Stage) -> Option<&mut Circuit> {
        self.0.get_mut(process)?.get_mut(place(stage)?)
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
            return fail(format!("the {} is to be left alone until {until:?}", sent.stage.name()));
        }
        circuit.probes.retain(|(_, lost)| at + ROUNDING < *lost);
        if let Some((other, _)) = circuit.probes.first() {
            let why = format!("request {other} probes the {} already", sent.stage.name());
            return fail(why);
        }
        circuit.probes.push((nth, sent.deadline));
        Ok(())
    }

    pub(super) fn on_outcome(&mut self, nth: usize, sent: &SentRequest) {
        let Some(circuit) = self.circuit(sent.process, sent.stage) else { return };
        circuit.probes.retain(|(probe, _)| *probe != nth);
        if works(sent) {
            circuit.exhausted = 0;
            circuit.refused = 0;
        }
    }

    pub(super) fn on_event(
        &mut self,
        world: &World,
        caller: usize,
        event: &Event,
        at: Duration,
    ) -> Result<(), Violation> {
        let process = world.callers.get(caller).map(|caller| caller.process).unwrap_or_default();
        let (target, pause) = match &event.kind {
            EventKind::CircuitOpened { target, pause, .. } => (target, Some(*pause)),
            EventKind::CircuitClosed { target, .. } => (target, None),
            _ => return Ok(()),
        };
        let Some(stage) = stage_of(target) else { return Ok(()) };
        let Some(circuit) = self.circuit(process, stage) else { return Ok(()) };
        let fail = |why: String| Err(Violation::new(Invariant::CircuitBreaker, at, why));
        let Some(pause) = pause else {
            *circuit = Circuit::default();
            return Ok(());
        };
        let documented =
            PAUSES.get(circuit.openings).or(PAUSES.last()).copied().unwrap_or_default();
        if pause != Duration::from_secs(documented) {
            return fail(format!("it is left alone for {pause:?}, not {documented} s"));
        }
        let enough = stage != Stage::Operation || circuit.exhausted + 1 >= MESSAGES;
        if circuit.openings == 0 && !enough {
            return fail(format!("after {} calls in a row, not {MESSAGES}", circuit.exhausted + 1));
        }
        circuit.openings += 1;
        circuit.open_until = Some(at + pause);
        // What was under way before is no probe.
        circuit.probes.clear();
        Ok(())
    }

    /// Calls that use up all their tries in a row open it.
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
        // A last try that its caller cut short tells nothing of the service.
        let cut_short = at + ROUNDING + spec.timeout / 1000 >= finished.started_at + spec.timeout;
        match error.kind() {
            ErrorKind::Unavailable | ErrorKind::RateLimited if !cut_short => {
                circuit.exhausted += 1;
                circuit.refused += 1;
            }
            // Its policy allows no other try.
            ErrorKind::Unconfirmed | ErrorKind::Unavailable => circuit.exhausted += 1,
            _ => {}
        }
        if circuit.refused >= MESSAGES && circuit.open_until.is_none() {
            let why = format!("{} calls in a row used up their tries", circuit.refused);
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
