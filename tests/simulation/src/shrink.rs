//! The smallest story that still breaks the promise.

use crate::invariant::Invariant;
use crate::runner::{CheckLevel, run_scenario};
use crate::scenario::{Caller, Scenario};

/// More tries than this are not made: a smaller story is a courtesy.
const TRIES: usize = 3_000;

struct Shrinker {
    invariant: Invariant,
    best: Scenario,
    tries: usize,
}

/// Leaves out of a story whatever it does not take to break the promise.
pub(crate) fn shrink(scenario: &Scenario, invariant: Invariant) -> Scenario {
    let mut shrinker = Shrinker { invariant, best: scenario.clone(), tries: 0 };
    loop {
        let before = shrinker.best.clone();
        shrinker.parts(|scenario| &mut scenario.world_events);
        shrinker.parts(|scenario| &mut scenario.callers);
        shrinker.parts(|scenario| &mut scenario.request_faults);
        shrinker.parts(|scenario| &mut scenario.posts);
        shrinker.details();
        if shrinker.best == before || shrinker.tries >= TRIES {
            return shrinker.best;
        }
    }
}

impl Shrinker {
    /// Keeps the candidate if it breaks the same promise.
    fn offer(&mut self, candidate: Scenario) -> bool {
        if candidate == self.best || self.tries >= TRIES {
            return false;
        }
        self.tries += 1;
        let (result, _) = run_scenario(&candidate, CheckLevel { thorough: true, traced: false });
        let breaks = result.is_err_and(|violation| violation.invariant == self.invariant);
        if breaks {
            self.best = candidate;
        }
        breaks
    }

    /// Leaves out ever smaller parts of a list.
    fn parts<T: Clone>(&mut self, list: impl Fn(&mut Scenario) -> &mut Vec<T>) {
        let mut size = list(&mut self.best).len();
        while size > 0 {
            let mut at = 0;
            while at < list(&mut self.best).len() {
                let mut candidate = self.best.clone();
                let all = list(&mut candidate);
                let end = (at + size).min(all.len());
                all.drain(at..end);
                if !self.offer(candidate) {
                    at += size;
                }
            }
            size /= 2;
        }
    }

    /// Makes what is left as plain as can be.
    fn details(&mut self) {
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
            self.offer(candidate);
        }
        let last = self.best.callers.iter().map(|caller| caller.process).max().unwrap_or(0);
        let mut candidate = self.best.clone();
        candidate.processes.truncate(last + 1);
        self.offer(candidate);
        for n in 0..self.best.callers.len() {
            let calm: fn(&mut Caller) = |caller| {
                caller.cancel_after = None;
                caller.deadline = None;
            };
            let first: fn(&mut Caller) = |caller| caller.process = 0;
            for change in [first, calm] {
                let mut candidate = self.best.clone();
                candidate.callers.get_mut(n).into_iter().for_each(change);
                self.offer(candidate);
            }
        }
    }
}
