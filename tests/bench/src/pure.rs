//! Times the core's cases. The cases of a group alternate, so that a disturbance affects all of them.

use crate::BenchError;
use std::time::{Duration, Instant};

use crate::cases::{self, Case, Once};
use crate::report::{Measured, Rounds};

/// The rounds of each case.
const ROUNDS: usize = 11;

/// The length of a round.
const ROUND: Duration = Duration::from_millis(40);

pub(crate) fn time(quick: bool) -> Vec<Measured> {
    let all = cases::all();
    let round = if quick { ROUND / 20 } else { ROUND };
    let mut measured = Vec::new();
    for group in all.chunk_by(|a, b| a.group == b.group) {
        let group: Vec<&Case> = group.iter().filter(|case| !(quick && case.heavy)).collect();
        let mut ready: Vec<(Once, Vec<f64>)> =
            group.iter().map(|case| ((case.prepare)(), Vec::new())).collect();
        for _ in 0..ROUNDS {
            for (run, times) in &mut ready {
                times.push(nanoseconds_per_run(run, round));
            }
        }
        measured.extend(group.iter().zip(ready).map(|(case, (_, times))| Measured {
            group: case.group.to_owned(),
            name: case.name.to_owned(),
            nanoseconds: Some(Rounds::of(times)),
            ..Measured::default()
        }));
    }
    measured
}

/// The nanoseconds of one run, averaged over this time.
pub(crate) fn nanoseconds_per_run(run: &mut Once, for_: Duration) -> f64 {
    let mut done = 0_u32;
    let began = Instant::now();
    loop {
        for _ in 0..64 {
            run();
        }
        done += 64;
        let elapsed = began.elapsed();
        if elapsed >= for_ {
            return elapsed.as_secs_f64() * 1e9 / f64::from(done);
        }
    }
}

/// Runs one case a number of times, for valgrind.
pub(crate) fn repeat(id: &str, times: u64) -> Result<(), BenchError> {
    let all = cases::all();
    let case = all.iter().find(|case| case.id() == id).ok_or("no such case")?;
    let mut run = (case.prepare)();
    for _ in 0..times {
        run();
    }
    Ok(())
}
