//! A connector process: its configuration, memory, clocks and connections.

use std::time::Duration;

use lp_connector_core::connector::{Config, ConnectorState};
use lp_connector_core::seed::Seed;

use crate::clock::Clock;
use crate::event_log::LogEntry;
use crate::wire::Wire;
use crate::world::World;

/// A process that runs one connector.
#[derive(Debug)]
pub(crate) struct Process {
    pub(crate) config: Config,
    pub(crate) state: ConnectorState,
    pub(crate) clock: Clock,
    /// Its connections, if it uses the core's own HTTP/1.1 codec.
    pub(crate) wire: Option<Wire>,
    /// How many times it has restarted.
    pub(crate) generation: u64,
    /// The process is stopped or suspended until this time.
    pub(crate) resumes_at: Duration,
}

impl Process {
    pub(crate) fn new(config: Config, clock: Clock, wire: bool) -> Self {
        let state = ConnectorState::new(config.clone(), seed(0));
        let wire = wire.then(Wire::new);
        Self { config, state, clock, wire, generation: 0, resumes_at: Duration::ZERO }
    }

    /// Stops the process, which starts again at `at` with empty memory.
    pub(crate) fn restart(&mut self, config: Config, at: Duration) {
        self.generation += 1;
        self.state = ConnectorState::new(config.clone(), seed(self.generation));
        self.config = config;
        self.clock.origin = at;
        self.resumes_at = at;
        if let Some(wire) = &mut self.wire {
            *wire = Wire::new();
        }
    }
}

impl World {
    /// Restarts a process after `down`. Its callers and everything in its memory are lost.
    pub(crate) fn restart(&mut self, process: usize, config: Config, down: Duration) {
        let resumes_at = self.now.saturating_add(down);
        let Some(program) = self.processes.get_mut(process) else { return };
        program.restart(config, resumes_at);
        let after = program.clock;
        let own = |n: &usize| self.callers.get(*n).is_some_and(|it| it.process == process);
        let stopped: Vec<_> = (0..self.callers.len()).filter(own).collect();
        for n in stopped {
            if let Some(caller) = self.callers.get_mut(n) {
                caller.process_stopped();
            }
        }
        if let Some(endpoint) = self.endpoint.as_mut().filter(|it| it.process == process) {
            endpoint.restart(after);
        }
        self.log(LogEntry::ProcessRestarted { process });
    }
}

fn seed(generation: u64) -> Seed {
    Seed::from_bytes([9; 16]).derive(generation)
}
