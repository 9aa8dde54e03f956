//! What happened at a service while its circuit was in each state.
//!
//! A circuit is open from the event that says so, for the time that it says; then half-open, and probed while a request
//! is in flight that was sent since. The event that it has closed closes it.

use std::collections::BTreeMap;
use std::time::Duration;

use lp_connector_core::connector::{CallEvent, EventKind};
use lp_connector_core::error::{ErrorKind, Stage};

use super::{CIRCUITS, End, Reach, Reached, Table, index_of};
use crate::caller::FinishedCall;
use crate::event_log::SentRequest;

/// The states of each service's circuit.
const STATES: usize = 4;

// The columns.
const SUCCEEDS: usize = 0;
const FAILS: usize = 1;
const REJECTED: usize = 2;
const PROBE_SUCCEEDS: usize = 3;
const PROBE_FAILS: usize = 4;
const PROBE_REJECTED: usize = 5;
const PROBE_CANCELLED: usize = 6;
const PROBE_DROPPED: usize = 7;
const DENIED: usize = 8;
const RESTARTS: usize = 9;

pub(super) const TABLE: Table = Table {
    title: "Circuits",
    rows: &[
        "Domain API, closed",
        "Domain API, open",
        "Domain API, half-open",
        "Domain API, probed",
        "Sentinel, closed",
        "Sentinel, open",
        "Sentinel, half-open",
        "Sentinel, probed",
        "IDP, closed",
        "IDP, open",
        "IDP, half-open",
        "IDP, probed",
        "messaging, closed",
        "messaging, open",
        "messaging, half-open",
        "messaging, probed",
    ],
    columns: &[
        "a request succeeds",
        "a request fails",
        "a request is rejected",
        "the probe succeeds",
        "the probe fails",
        "the probe is rejected",
        "the probe's call is cancelled",
        "the probe's call is dropped",
        "a call ends at once",
        "the process restarts",
    ],
    reach,
};

const CLOSED: usize = 0;
const OPEN: usize = 1;
const HALF_OPEN: usize = 2;
const PROBED: usize = 3;

const SENTINEL: usize = 1;

fn reach(row: usize, column: usize) -> Reach {
    match (row / STATES, row % STATES, column) {
        (_, CLOSED | OPEN | HALF_OPEN, PROBE_SUCCEEDS..=PROBE_DROPPED) => {
            Reach::Never("only a half-open circuit is probed")
        }
        (_, CLOSED | HALF_OPEN, DENIED) => Reach::Never("the circuit lets a request through"),
        (SENTINEL, PROBED, DENIED) => {
            Reach::Never("a call waits for what the probe fetches: it needs the same AppJWT")
        }
        (SENTINEL, OPEN, SUCCEEDS..=REJECTED) => Reach::Seldom(
            "one request for an AppJWT is in flight at a time, or another after its time",
        ),
        (_, HALF_OPEN | PROBED, SUCCEEDS..=REJECTED) => Reach::Seldom(
            "a request from before it opened has ended by now, unless the process was suspended",
        ),
        _ => Reach::Wanted,
    }
}

#[derive(Debug, Default)]
pub(super) struct Circuits(BTreeMap<(usize, usize), Circuit>);

#[derive(Debug, Default)]
struct Circuit {
    open_until: Option<Duration>,
    /// The requests in flight that were sent since it opened.
    probes: Vec<usize>,
    /// When the attempt of a probe ends whose call was dropped.
    lost_until: Duration,
}

impl Circuit {
    fn state(&self, at: Duration) -> usize {
        match self.open_until {
            None => CLOSED,
            Some(_) if !self.probes.is_empty() || at < self.lost_until => PROBED,
            Some(until) if at < until => OPEN,
            Some(_) => HALF_OPEN,
        }
    }
}

impl Circuits {
    pub(super) fn sent(&mut self, nth: usize, sent: &SentRequest, at: Duration) {
        let circuit = self.0.entry((sent.process, index_of(sent.stage))).or_default();
        if circuit.open_until.is_some_and(|until| until <= at) {
            circuit.probes.push(nth);
        }
    }

    pub(super) fn ends(
        &mut self,
        reached: &mut Reached,
        nth: usize,
        sent: &SentRequest,
        end: End,
        at: Duration,
    ) {
        let stage = index_of(sent.stage);
        let circuit = self.0.entry((sent.process, stage)).or_default();
        let row = stage * STATES + circuit.state(at);
        let probes = circuit.probes.len();
        circuit.probes.retain(|probe| *probe != nth);
        let was_probe = circuit.probes.len() < probes;
        if was_probe && end == End::Cancelled(false) {
            circuit.lost_until = circuit.lost_until.max(sent.deadline);
        }
        let status = sent.status.filter(|_| sent.received);
        let column = match (end, was_probe, status) {
            (End::Restart, ..) => return,
            (End::Cancelled(true), true, _) => PROBE_CANCELLED,
            (End::Cancelled(false), true, _) => PROBE_DROPPED,
            (End::Cancelled(_), false, _) => return,
            (End::Outcome, false, Some(200..=299)) => SUCCEEDS,
            (End::Outcome, true, Some(200..=299)) => PROBE_SUCCEEDS,
            (End::Outcome, false, Some(300..=428 | 430..=499)) => REJECTED,
            (End::Outcome, true, Some(300..=428 | 430..=499)) => PROBE_REJECTED,
            (End::Outcome, false, _) => FAILS,
            (End::Outcome, true, _) => PROBE_FAILS,
        };
        reached.mark(CIRCUITS, row, column);
    }

    pub(super) fn on_event(&mut self, process: usize, event: &CallEvent, at: Duration) {
        let circuit = self.0.entry((process, index_of(event.stage))).or_default();
        match &event.kind {
            EventKind::CircuitOpened { pause, .. } => {
                circuit.open_until = Some(at + *pause);
                circuit.probes.clear();
            }
            EventKind::CircuitClosed { .. } => *circuit = Circuit::default(),
            _ => {}
        }
    }

    /// A call ends because of an open circuit.
    pub(super) fn finished(
        &self,
        reached: &mut Reached,
        process: usize,
        finished: &FinishedCall,
        at: Duration,
    ) {
        let Err(error) = &finished.result else { return };
        if error.kind() == ErrorKind::CircuitOpen {
            self.mark(reached, process, error.stage(), DENIED, at);
        }
    }

    pub(super) fn restarts(&self, reached: &mut Reached, process: usize, at: Duration) {
        for stage in super::STAGES {
            self.mark(reached, process, stage, RESTARTS, at);
        }
    }

    pub(super) fn forget(&mut self, process: usize) {
        self.0.retain(|(of, _), _| *of != process);
    }

    fn mark(
        &self,
        reached: &mut Reached,
        process: usize,
        stage: Stage,
        column: usize,
        at: Duration,
    ) {
        let stage = index_of(stage);
        let state = self.0.get(&(process, stage)).map_or(CLOSED, |circuit| circuit.state(at));
        reached.mark(CIRCUITS, stage * STATES + state, column);
    }
}
