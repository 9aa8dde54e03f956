//! Shrinks a scenario to the smallest one that still breaks the invariant.

use crate::invariant::Invariant;
use crate::runner::{CheckLevel, run_scenario};
use crate::scenario::{Caller, Scenario};

/// How many smaller scenarios are run at most.
const MAX_RUNS: usize = 3_000;

struct Shrinker {
    invariant: Invariant,
    best: Scenario,
    runs: usize,
}

/// Removes from a scenario what is not needed to break the invariant.
pub(crate) fn shrink(scenario: &Scenario, invariant: Invariant) -> Scenario {
    let mut shrinker = Shrinker { invariant, best: scenario.clone(), runs: 0 };
    loop {
        let before = shrinker.best.clone();
        shrinker.shrink_list(|scenario| &mut scenario.world_events);
        shrinker.shrink_list(|scenario| &mut scenario.callers);
        shrinker.shrink_list(|scenario| &mut scenario.request_faults);
        shrinker.shrink_list(|scenario| &mut scenario.post_faults);
        shrinker.simplify();
        if shrinker.best == before || shrinker.runs >= MAX_RUNS {
            return shrinker.best;
        }
    }
}

impl Shrinker {
    /// Keeps the candidate if it breaks the same invariant.
    fn consider(&mut self, candidate: Scenario) -> bool {
        if candidate == self.best || self.runs >= MAX_RUNS {
            return false;
        }
        self.runs += 1;
        let (result, _) = run_scenario(&candidate, CheckLevel { secrets: true, trace: false });
        let breaks = result.is_err_and(|violation| violation.invariant == self.invariant);
        if breaks {
            self.best = candidate;
        }
        breaks
    }

    /// Removes ever smaller parts of a list.
    fn shrink_list<T: Clone>(&mut self, list: impl Fn(&mut Scenario) -> &mut Vec<T>) {
        let mut size = list(&mut self.best).len();
        while size > 0 {
            let mut at = 0;
            while at < list(&mut self.best).len() {
                let mut candidate = self.best.clone();
                let all = list(&mut candidate);
                let end = (at + size).min(all.len());
                all.drain(at..end);
                if !self.consider(candidate) {
                    at += size;
                }
            }
            size /= 2;
        }
    }

    /// Replaces the remaining values by their defaults.
    fn simplify(&mut self) {
        let changes: [fn(&mut Scenario); 9] = [
            |scenario| scenario.latency_seed = None,
            |scenario| scenario.token_life = 3600,
            |scenario| scenario.latency = std::time::Duration::from_millis(40),
            |scenario| scenario.processes.iter_mut().for_each(|program| program.drift = 0),
            |scenario| {
                scenario.processes.iter_mut().for_each(|program| program.wall_clock_offset = 0)
            },
            |scenario| scenario.processes.iter_mut().for_each(|program| program.wire = false),
            |scenario| scenario.processes.iter_mut().for_each(|it| it.consumer_cache = 1000),
            |scenario| scenario.callers.iter_mut().for_each(|caller| caller.deadline = None),
            |scenario| scenario.callers.iter_mut().for_each(|caller| caller.cancel_after = None),
        ];
        for change in changes {
            let mut candidate = self.best.clone();
            change(&mut candidate);
            self.consider(candidate);
        }
        let last = self.best.callers.iter().map(|caller| caller.process).max().unwrap_or(0);
        let mut candidate = self.best.clone();
        candidate.processes.truncate(last + 1);
        self.consider(candidate);
        for n in 0..self.best.callers.len() {
            let patient: fn(&mut Caller) = |caller| {
                caller.cancel_after = None;
                caller.deadline = None;
            };
            let first_process: fn(&mut Caller) = |caller| caller.process = 0;
            for change in [first_process, patient] {
                let mut candidate = self.best.clone();
                candidate.callers.get_mut(n).into_iter().for_each(change);
                self.consider(candidate);
            }
        }
    }
}
