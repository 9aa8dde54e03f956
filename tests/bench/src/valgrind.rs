//! Instructions and allocations, counted by valgrind, independent of other load: the difference between
//! many runs of a case and few.

use crate::BenchError;
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use crate::cases;
use crate::report::{Measured, Report};

const FEW_RUNS: u32 = 100;
const MANY_RUNS: u32 = 1100;

/// Adds valgrind's counts to the report. Without valgrind it prints a note only.
pub(crate) fn count(report: &mut Report) -> Result<(), BenchError> {
    if report.machine.valgrind.is_none() {
        eprintln!(
            "valgrind is not installed: no instructions and no allocations are counted. \
             `cargo bench -p lp-connector-bench` counts allocations without it."
        );
        return Ok(());
    }
    let all: Vec<_> = cases::all().into_iter().filter(|case| !case.heavy).collect();
    let (next, counted) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let workers = report.machine.cores.clamp(1, 8);
    thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                while let Some(case) = all.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let count = Count::of(&case.id());
                    if let Ok(mut counted) = counted.lock() {
                        counted.push((case, count));
                    }
                }
            });
        }
    });
    let counted = counted.into_inner().map_err(|_| "a counter has panicked")?;
    for case in &all {
        let Some((_, Some(count))) = counted.iter().find(|(of, _)| of.id() == case.id()) else {
            eprintln!("valgrind could not count {}", case.id());
            continue;
        };
        let id = case.id();
        let at = match report.cases.iter().position(|known| known.id() == id) {
            Some(at) => at,
            None => {
                let (group, name) = (case.group.to_owned(), case.name.to_owned());
                report.cases.push(Measured { group, name, ..Measured::default() });
                report.cases.len() - 1
            }
        };
        if let Some(known) = report.cases.get_mut(at) {
            known.instructions = Some(count.instructions);
            known.allocations = Some(count.allocations);
            known.bytes = Some(count.bytes);
        }
    }
    Ok(())
}

/// What one run takes.
pub(crate) struct Count {
    pub(crate) instructions: f64,
    allocations: f64,
    bytes: f64,
}

impl Count {
    pub(crate) fn of(id: &str) -> Option<Self> {
        let each = |few: u64, many: u64| {
            many.checked_sub(few).map(|n| n as f64 / f64::from(MANY_RUNS - FEW_RUNS))
        };
        let (few, many) = (instructions(id, FEW_RUNS)?, instructions(id, MANY_RUNS)?);
        let (heap_few, heap_many) = (heap(id, FEW_RUNS)?, heap(id, MANY_RUNS)?);
        Some(Self {
            instructions: each(few, many)?,
            allocations: each(heap_few.0, heap_many.0)?,
            bytes: each(heap_few.1, heap_many.1)?,
        })
    }
}

fn instructions(id: &str, times: u32) -> Option<u64> {
    let tool = ["--tool=callgrind", "--callgrind-out-file=/dev/null"];
    let output = under_valgrind(&tool, id, times)?;
    let line = output.lines().find(|line| line.contains("Collected :"))?;
    line.rsplit(' ').next()?.parse().ok()
}

/// Allocations, and bytes.
fn heap(id: &str, times: u32) -> Option<(u64, u64)> {
    let tool = ["--tool=memcheck", "--leak-check=no", "--undef-value-errors=no"];
    let output = under_valgrind(&tool, id, times)?;
    let line = output.lines().find(|line| line.contains("total heap usage:"))?;
    let mut numbers = line
        .split_once("usage:")?
        .1
        .split(' ')
        .filter_map(|word| word.replace(',', "").parse().ok());
    let (allocations, _, bytes) = (numbers.next()?, numbers.next()?, numbers.next()?);
    Some((allocations, bytes))
}

fn under_valgrind(tool: &[&str], id: &str, times: u32) -> Option<String> {
    let program = std::env::current_exe().ok()?;
    let output = Command::new("valgrind")
        .args(tool)
        .arg(program)
        .args(["repeat", id, &times.to_string()])
        .output()
        .ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stderr).into_owned())
}
