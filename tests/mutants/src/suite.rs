//! The tests: which there are, how long each takes, and which mutants each reaches.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::compile::Program;
use crate::run::{self, Ended};
use crate::switch::Number;

/// A test, alone in its process.
#[derive(Debug, Clone)]
pub(crate) struct Test {
    /// Its program's place in the list of them.
    pub(crate) program: usize,
    pub(crate) name: String,
    pub(crate) time: Duration,
    pub(crate) reached: BTreeSet<Number>,
}

/// A single test may take so long without a mutant.
const LIMIT: Duration = Duration::from_secs(300);

/// Runs every test once, alone. Those that fail without a mutant are left out: their names come second.
///
/// # Errors
/// A sentence if one cannot be run.
pub(crate) fn observe(
    programs: &[Program],
    scratch: &Path,
    jobs: usize,
) -> Result<(Vec<Test>, Vec<String>), String> {
    let mut all = Vec::new();
    for (place, program) in programs.iter().enumerate() {
        let output = Command::new(&program.path)
            .args(["--list", "--format", "terse"])
            .current_dir(&program.folder)
            .output()
            .map_err(|error| format!("{}: {error}", program.path.display()))?;
        let listed = String::from_utf8_lossy(&output.stdout).into_owned();
        let tests = listed.lines().filter_map(|line| line.strip_suffix(": test"));
        all.extend(tests.map(|name| (place, name.to_owned())));
    }
    let next = AtomicUsize::new(0);
    let done: Mutex<(Vec<Test>, Vec<String>)> = Mutex::default();
    let worker = |job: usize| -> Result<(), String> {
        loop {
            let Some((place, name)) = all.get(next.fetch_add(1, Ordering::Relaxed)) else {
                return Ok(());
            };
            let Some(program) = programs.get(*place) else { return Ok(()) };
            let file = scratch.join(format!("reached-{job}"));
            let _ = std::fs::remove_file(&file);
            let (ended, time) = run::run(program, &[name], LIMIT, ("LP_MUTANTS_REACHED", &file))?;
            let text = std::fs::read_to_string(&file).unwrap_or_default();
            let reached = text.lines().filter_map(|line| line.parse().ok()).collect();
            let mut done = done.lock().map_err(|_| "a worker panicked")?;
            if ended == Ended::Passed {
                done.0.push(Test { program: *place, name: name.clone(), time, reached });
            } else {
                done.1.push(format!("{}: {name}", program.name));
            }
        }
    };
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..jobs).map(|job| scope.spawn(move || worker(job))).collect();
        workers.into_iter().try_for_each(|worker| worker.join().map_err(|_| "a worker panicked")?)
    })?;
    let (mut tests, mut failed) = done.into_inner().map_err(|_| "a worker panicked")?;
    tests
        .sort_by(|left, right| left.time.cmp(&right.time).then_with(|| left.name.cmp(&right.name)));
    failed.sort();
    Ok((tests, failed))
}
