//! Switches mutants on, one at a time, and asks the tests that reach it.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::compile::Program;
use crate::found::Outcome;
use crate::run::{self, Ended};
use crate::suite::Test;
use crate::switch::Number;

/// Beside this, tests may take five times as long as they took alone.
const PATIENCE: Duration = Duration::from_secs(8);

/// Tries each of these, and reports what came of it.
///
/// # Errors
/// A sentence if a test cannot be run, or what `report` returns.
pub(crate) fn try_all(
    numbers: &[Number],
    programs: &[Program],
    tests: &[Test],
    jobs: usize,
    report: &(dyn Fn(Number, Outcome) -> Result<(), String> + Sync),
) -> Result<(), String> {
    let next = AtomicUsize::new(0);
    let worker = || -> Result<(), String> {
        loop {
            let Some(number) = numbers.get(next.fetch_add(1, Ordering::Relaxed)) else {
                return Ok(());
            };
            report(*number, try_one(*number, programs, tests)?)?;
        }
    };
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..jobs).map(|_| scope.spawn(worker)).collect();
        workers.into_iter().try_for_each(|worker| worker.join().map_err(|_| "a worker panicked")?)
    })
}

/// The quickest tests first, in groups of 4, 16, 64 and so on of one program each.
fn try_one(number: Number, programs: &[Program], tests: &[Test]) -> Result<Outcome, String> {
    let reaching: Vec<&Test> = tests.iter().filter(|test| test.reached.contains(&number)).collect();
    let mut rest = reaching.as_slice();
    let mut size = 4;
    while !rest.is_empty() {
        let (group, later) = rest.split_at(size.min(rest.len()));
        rest = later;
        size = (size * 4).min(256);
        for (place, program) in programs.iter().enumerate() {
            let of_it: Vec<&&Test> = group.iter().filter(|test| test.program == place).collect();
            let Some(first) = of_it.first() else { continue };
            let names: Vec<&str> = of_it.iter().map(|test| test.name.as_str()).collect();
            let limit = PATIENCE + of_it.iter().map(|test| test.time).sum::<Duration>() * 5;
            let value = number.to_string();
            let run = |names: &[&str], value: &str| {
                run::run(program, names, limit, ("LP_MUTANT", Path::new(value)))
            };
            let mut ended = run(&names, &value)?.0;
            // They were seen to pass one by one: do they beside each other?
            if ended != Ended::Passed && run(&names, "none")?.0 != Ended::Passed {
                ended = Ended::Passed;
                for name in names {
                    ended = run(&[name], &value)?.0;
                    if ended != Ended::Passed {
                        break;
                    }
                }
            }
            let first = || format!("{}: {}", program.name, first.name);
            match ended {
                Ended::Passed => {}
                Ended::Failed => return Ok(Outcome::Caught(first())),
                Ended::OutOfTime => return Ok(Outcome::OutOfTime(first())),
            }
        }
    }
    Ok(if reaching.is_empty() { Outcome::Unreached } else { Outcome::Missed(reaching.len()) })
}
