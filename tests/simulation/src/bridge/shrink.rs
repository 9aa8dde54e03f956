//! Shrinks a scenario of the bridge to the smallest one that still breaks the invariant.

use std::time::Duration;

use super::check::{Level, run_scenario};
use super::invariant::Invariant;
use super::scenario::Scenario;

/// How many smaller scenarios are run at most.
const MAX_RUNS: usize = 1_500;

struct Shrinker {
    invariant: Invariant,
    level: Level,
    best: Scenario,
    runs: usize,
}

/// Removes from a scenario what is not needed to break the invariant.
pub(crate) fn shrink(scenario: &Scenario, invariant: Invariant, level: Level) -> Scenario {
    let level = Level { trace: false, ..level };
    let mut shrinker = Shrinker { invariant, level, best: scenario.clone(), runs: 0 };
    loop {
        let before = shrinker.best.clone();
        shrinker.shrink_list(|scenario| &mut scenario.events);
        shrinker.shrink_list(|scenario| &mut scenario.messages);
        shrinker.shrink_list(|scenario| &mut scenario.turn_faults);
        shrinker.shrink_list(|scenario| &mut scenario.store_faults);
        shrinker.shrink_list(|scenario| &mut scenario.call_faults);
        shrinker.shrink_list(|scenario| &mut scenario.post_faults);
        shrinker.shrink_list(|scenario| &mut scenario.delivery_faults);
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
        let (result, _) = run_scenario(&candidate, self.level);
        let breaks = result.is_err_and(|broken| broken.invariant == self.invariant);
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

    /// Replaces the remaining values by plain ones.
    fn simplify(&mut self) {
        let changes: [fn(&mut Scenario); 8] = [
            |scenario| scenario.instances = 1,
            |scenario| scenario.latency = Duration::from_millis(40),
            |scenario| scenario.store_latency = Duration::from_millis(5),
            |scenario| scenario.retention = true,
            |scenario| scenario.surveys = false,
            |scenario| scenario.broken.clear(),
            |scenario| scenario.give_up_after = Duration::from_secs(24 * 3600),
            |scenario| scenario.messages.iter_mut().for_each(|message| message.again = None),
        ];
        for change in changes {
            let mut candidate = self.best.clone();
            change(&mut candidate);
            let instances = candidate.instances;
            candidate.messages.iter_mut().for_each(|message| message.instance %= instances);
            candidate.turn_faults.retain(|fault| fault.instance < instances);
            self.consider(candidate);
        }
    }
}
