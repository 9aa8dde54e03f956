//! One circuit for two callers.

use super::*;
use crate::error::ErrorKind;
use crate::policy::{CircuitPolicy, RetryPolicy};

/// What the observer knows of the circuit.
#[derive(Clone, Debug, Default)]
struct Circuits {
    open: Option<Open>,
    probes: u64,
    /// The probe that each caller's request is, if it is one.
    probe_of: [Option<u64>; 2],
    /// Attempts have less than their full time, so a lost one counts for nothing.
    is_short: bool,
}

#[derive(Clone, Copy, Debug)]
struct Open {
    until: Mono,
    steps: u32,
    probe: Option<(u64, Mono)>,
}

impl Circuits {
    /// When the next request may go.
    fn until(&self, now: Mono) -> Option<Mono> {
        let open = self.open?;
        let until = open.until.max(open.probe.map_or(Mono::ZERO, |(_, deadline)| deadline));
        Some(until).filter(|until| now < *until)
    }

    fn failed(&mut self, caller: usize, now: Mono) {
        let probe = self.probe_of[caller].take();
        let steps = match &self.open {
            Some(open) if probe.is_some() && open.probe.map(|(id, _)| id) == probe => {
                open.steps + 1
            }
            Some(_) => return,
            None => 0,
        };
        self.open = Some(Open { until: now + secs(120 << steps), steps, probe: None });
    }

    fn cancelled(&mut self, caller: usize) {
        let probe = self.probe_of[caller].take();
        if let Some(open) = &mut self.open
            && probe.is_some()
        {
            open.probe.take_if(|(id, _)| Some(*id) == probe);
        }
    }
}

impl Observer for Circuits {
    const LIFE: u64 = 3600;

    fn replies(stage: Stage) -> &'static [Reply] {
        match stage {
            Stage::Operation => &[Reply::Good, Reply::Down],
            _ => &[Reply::Good],
        }
    }

    fn sent(&mut self, caller: usize, sent: &Sent, now: Mono) {
        if sent.stage != Stage::Operation {
            return;
        }
        assert_eq!(self.until(now), None, "the circuit is open");
        self.probe_of[caller] = None;
        if let Some(open) = &mut self.open {
            self.probes += 1;
            open.probe = Some((self.probes, sent.deadline));
            self.probe_of[caller] = Some(self.probes);
        }
    }

    fn answered(&mut self, caller: usize, sent: &Sent, reply: Reply, now: Mono) {
        match reply {
            _ if sent.stage != Stage::Operation => {}
            Reply::Down => self.failed(caller, now),
            _ => {
                self.probe_of[caller] = None;
                self.open = None;
            }
        }
    }

    fn ended(&mut self, caller: usize, sent: &Sent, is_dropped: bool, now: Mono) {
        match is_dropped || self.is_short {
            _ if sent.stage != Stage::Operation => {}
            true => self.cancelled(caller),
            false => self.failed(caller, now),
        }
    }

    fn done(&mut self, _: usize, error: Option<&Error>, now: Mono) {
        if error.is_some_and(|error| error.kind() == ErrorKind::CircuitOpen) {
            let until = self.until(now).expect("the circuit is not open");
            assert_eq!(error.and_then(Error::retry_after), Some(until.since(now)));
        }
    }

    fn check(&mut self, state: &mut ConnectorState, now: Mono) {
        let circuit = state.circuit(&Endpoint::Service(Service::MESSAGING));
        assert_eq!(circuit.open_until(now), self.until(now));
    }
}

/// The circuit has just been half opened, and nobody has probed yet.
fn half_open(call_has: u64) -> World<Circuits> {
    let settings = |config: Config| {
        let circuit = CircuitPolicy::documented().threshold_for_messages(1);
        config.circuit(circuit).retry(RetryPolicy::none()).call_timeout(secs(call_has))
    };
    let is_short = call_has < 15;
    let mut world = World::new(Circuits { is_short, ..Circuits::default() }, settings);
    for action in [Action::Poll(0), Action::Answer(0, Reply::Down), Action::Poll(0)] {
        world.perform(action);
    }
    world.now = world.now + secs(120);
    world
}

#[test]
fn no_order_of_steps_counts_a_lost_probe() {
    for call_has in [40, 10] {
        let ways = explore(&half_open(call_has), Bounds { steps: 8, faults: 3 }, &mut Vec::new());
        println!("{ways} ways");
        assert!(ways > 10_000, "{ways}");
    }
}
