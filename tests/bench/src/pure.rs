//! Times the core's cases. The cases of a group alternate, so that a disturbance affects all of them.

use crate::BenchError;
use std::io;
use std::time::{Duration, Instant};

use crate::cases::{self, Case, Once};
use crate::report::{Measured, Rounds};
use crate::spread::{self, Spread};
use crate::targets;

/// The fewest and the most rounds of each case: there are more until the ratios of a group are steady.
const ROUNDS: std::ops::RangeInclusive<usize> = 11..=45;

/// The length of a round.
const ROUND: Duration = Duration::from_millis(40);

pub(crate) fn time(quick: bool) -> Vec<Measured> {
    let all = cases::all();
    let round = if quick { ROUND / 20 } else { ROUND };
    let most = if quick { *ROUNDS.start() } else { *ROUNDS.end() };
    let mut measured = Vec::new();
    for group in all.chunk_by(|a, b| a.group == b.group) {
        let group: Vec<&Case> = group.iter().filter(|case| !(quick && case.heavy)).collect();
        let mut ready: Vec<Once> = group.iter().map(|case| (case.prepare)()).collect();
        let mut times: Vec<Vec<f64>> = group.iter().map(|_| Vec::new()).collect();
        for done in 1..=most {
            for (run, times) in spread::in_turn(done, ready.iter_mut().zip(&mut times)) {
                times.push(nanoseconds_per_run(run, round));
            }
            if done >= *ROUNDS.start() && are_steady(&group, &times) {
                break;
            }
        }
        measured.extend(group.iter().zip(times).map(|(case, times)| Measured {
            group: case.group.to_owned(),
            name: case.name.to_owned(),
            nanoseconds: Some(Rounds::of(times)),
            ..Measured::default()
        }));
    }
    measured
}

/// True if all ratios of this group that have a target are steady.
fn are_steady(group: &[&Case], times: &[Vec<f64>]) -> bool {
    let pairs = targets::CASES.iter().filter(|pair| pair.time.is_some());
    pairs.filter(|pair| group.iter().any(|case| case.group == pair.group)).all(|pair| {
        let of = |name| {
            let at = group.iter().position(|case| case.name == name)?;
            times.get(at)
        };
        let (Some(ours), Some(theirs)) = (of(pair.of), of(pair.to)) else { return true };
        Spread::of_ratios(ours, theirs).is_steady()
    })
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

/// Runs one case a number of times, for valgrind: at once, or when a line comes after it has said that it is ready.
pub(crate) fn repeat(id: &str, times: u64, when_told: bool) -> Result<(), BenchError> {
    let all: Vec<_> = cases::all().into_iter().chain(cases::sending::cases()).collect();
    let case = all.iter().find(|case| case.id() == id).ok_or("no such case")?;
    let mut run = (case.prepare)();
    if when_told {
        println!("ready");
        io::stdin().read_line(&mut String::new())?;
    }
    for _ in 0..times {
        run();
    }
    if when_told {
        // To empty a large cache is not part of a run.
        std::mem::forget(run);
    }
    Ok(())
}
