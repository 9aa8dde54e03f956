//! When a gateway that is out of order is tried.

use std::time::{Duration, Instant};

/// So many failures in a row open the circuit.
const FAILURES: u32 = 10;

/// The first and the longest pause between two probes.
const FIRST_PAUSE: Duration = Duration::from_secs(5);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// What may be done now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Permit {
    /// Try it.
    Try,
    /// Try it: everything else waits for how it goes.
    Probe,
    /// Wait for so long.
    Wait(Duration),
}

/// The circuit of a gateway. While it is open, one delivery in each pause tries the gateway, and the others wait.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Circuit {
    failures: u32,
    open: Option<Open>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Open {
    pause: Duration,
    next_probe: Instant,
    is_probing: bool,
}

impl Circuit {
    pub(super) fn admit(&mut self, now: Instant) -> Permit {
        match &mut self.open {
            None => Permit::Try,
            Some(open) if open.is_probing => Permit::Wait(open.pause),
            Some(open) if now < open.next_probe => {
                Permit::Wait(open.next_probe.saturating_duration_since(now))
            }
            Some(open) => {
                open.is_probing = true;
                Permit::Probe
            }
        }
    }

    /// The gateway answered, as one does that is in order. True if the circuit was open.
    pub(super) const fn succeed(&mut self) -> bool {
        self.failures = 0;
        self.open.take().is_some()
    }

    /// The gateway is out of order. True if that opens the circuit.
    pub(super) fn fail(&mut self, permit: Permit, now: Instant) -> bool {
        self.failures = self.failures.saturating_add(1);
        match &mut self.open {
            // One that was under way when it opened.
            Some(_) if permit != Permit::Probe => false,
            Some(open) => {
                let pause = (open.pause * 2).min(LONGEST_PAUSE);
                *open = Open { pause, next_probe: now + pause, is_probing: false };
                false
            }
            None if self.failures >= FAILURES => {
                let (pause, next_probe) = (FIRST_PAUSE, now + FIRST_PAUSE);
                self.open = Some(Open { pause, next_probe, is_probing: false });
                true
            }
            None => false,
        }
    }

    /// A probe ended without a result: another one may begin.
    pub(super) const fn cancel_probe(&mut self) {
        if let Some(open) = &mut self.open {
            open.is_probing = false;
        }
    }

    pub(super) const fn is_open(&self) -> bool {
        self.open.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opened(now: Instant) -> Circuit {
        let mut circuit = Circuit::default();
        for n in 1..=FAILURES {
            assert_eq!(circuit.admit(now), Permit::Try);
            assert_eq!(circuit.fail(Permit::Try, now), n == FAILURES);
        }
        circuit
    }

    #[test]
    fn ten_failures_in_a_row_leave_one_probe() {
        let now = Instant::now();
        let mut circuit = opened(now);
        assert_eq!(circuit.admit(now), Permit::Wait(FIRST_PAUSE));
        let later = now + FIRST_PAUSE;
        assert_eq!(circuit.admit(later), Permit::Probe);
        assert!(matches!(circuit.admit(later), Permit::Wait(_)));
    }

    #[test]
    fn one_answer_lets_all_go() {
        let now = Instant::now();
        let mut circuit = opened(now);
        assert_eq!(circuit.admit(now + FIRST_PAUSE), Permit::Probe);
        assert!(circuit.succeed());
        assert_eq!(circuit.admit(now + FIRST_PAUSE), Permit::Try);
    }

    #[test]
    fn the_pause_between_probes_grows_to_a_minute() {
        let mut now = Instant::now();
        let mut circuit = opened(now);
        for seconds in [5, 10, 20, 40, 60, 60] {
            let pause = Duration::from_secs(seconds);
            assert_eq!(circuit.admit(now), Permit::Wait(pause));
            now += pause;
            assert_eq!(circuit.admit(now), Permit::Probe);
            // One that began before the circuit opened changes nothing.
            circuit.fail(Permit::Try, now);
            circuit.fail(Permit::Probe, now);
        }
    }

    #[test]
    fn a_probe_that_is_dropped_is_not_waited_for() {
        let now = Instant::now();
        let mut circuit = opened(now);
        assert_eq!(circuit.admit(now + FIRST_PAUSE), Permit::Probe);
        circuit.cancel_probe();
        assert_eq!(circuit.admit(now + FIRST_PAUSE), Permit::Probe);
    }

    #[test]
    fn an_answer_ends_the_row_of_failures() {
        let now = Instant::now();
        let mut circuit = Circuit::default();
        for _ in 0..5 {
            for _ in 1..FAILURES {
                assert!(!circuit.fail(Permit::Try, now));
            }
            assert!(!circuit.succeed());
        }
    }
}
