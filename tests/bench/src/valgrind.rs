//! Instructions and allocations, counted by valgrind, independent of other load: the difference between
//! many runs of a case and few.

use crate::BenchError;
use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use crate::cases::{self, Case};
use crate::report::{Function, Measured, Profile, Report};

const FEW_RUNS: u32 = 100;
const MANY_RUNS: u32 = 1100;

/// The functions of a profile.
const TOP: usize = 10;

/// Adds valgrind's counts to the report. Without valgrind it prints a note only.
pub(crate) fn count(report: &mut Report, quick: bool) -> Result<(), BenchError> {
    if report.machine.valgrind.is_none() {
        eprintln!(
            "valgrind is not installed: no instructions and no allocations are counted. \
             `cargo bench -p lp-connector-bench` counts allocations without it."
        );
        return Ok(());
    }
    let all: Vec<_> = cases::all().into_iter().filter(|case| !(quick && case.heavy)).collect();
    let mut work: Vec<_> = all.iter().collect();
    // These take longest: the others are counted beside them.
    work.sort_by_key(|case| !case.heavy);
    let (next, counted) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let workers = report.machine.cores.clamp(1, 8);
    thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                while let Some(case) = work.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let count = Count::of(case);
                    if let Ok(mut counted) = counted.lock() {
                        counted.push((case.id(), count));
                    }
                }
            });
        }
    });
    let counted = counted.into_inner().map_err(|_| "a counter has panicked")?;
    for case in &all {
        let Some((_, Some(count))) = counted.iter().find(|(of, _)| *of == case.id()) else {
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
            known.allocations = count.allocations;
            known.bytes = count.bytes;
        }
    }
    Ok(())
}

/// What one run takes.
pub(crate) struct Count {
    pub(crate) instructions: f64,
    allocations: Option<f64>,
    bytes: Option<f64>,
}

impl Count {
    pub(crate) fn of(case: &Case) -> Option<Self> {
        let id = &case.id();
        let each = |few: u64, many: u64| {
            many.checked_sub(few).map(|n| n as f64 / f64::from(MANY_RUNS - FEW_RUNS))
        };
        let instructions = match case.large {
            true => once_ready(id, "/dev/null")? as f64 / f64::from(MANY_RUNS),
            false => each(instructions(id, FEW_RUNS)?, instructions(id, MANY_RUNS)?)?,
        };
        if case.heavy {
            return Some(Self { instructions, allocations: None, bytes: None });
        }
        let (few, many) = (heap(id, FEW_RUNS)?, heap(id, MANY_RUNS)?);
        Some(Self {
            instructions,
            allocations: Some(each(few.0, many.0)?),
            bytes: Some(each(few.1, many.1)?),
        })
    }
}

/// The functions that take most instructions of one run of a case.
pub(crate) fn profile(id: &str) -> Option<Profile> {
    let directory = tempfile::tempdir().ok()?;
    let file = directory.path().join("profile");
    let instructions = once_ready(id, file.to_str()?)?;
    profile_of(id, &file, instructions, f64::from(MANY_RUNS))
}

/// The same of a program, which does something as often as `times` reads in its output.
pub(crate) fn profile_program(
    what: &str,
    command: &[&str],
    times: fn(&str) -> Option<f64>,
) -> Option<Profile> {
    let directory = tempfile::tempdir().ok()?;
    let file = directory.path().join("profile");
    let output = Command::new("valgrind")
        .arg("--tool=callgrind")
        .arg(format!("--callgrind-out-file={}", file.to_str()?))
        .args(command)
        .output()
        .ok()?;
    let instructions = collected(&String::from_utf8_lossy(&output.stderr))?;
    profile_of(what, &file, instructions, times(&String::from_utf8_lossy(&output.stdout))?)
}

fn profile_of(what: &str, file: &Path, instructions: u64, times: f64) -> Option<Profile> {
    let annotated = Command::new("callgrind_annotate").arg("--auto=no").arg(file).output().ok()?;
    let top = functions(&String::from_utf8_lossy(&annotated.stdout), TOP);
    let top = top.into_iter().map(|(name, count)| Function { name, instructions: count / times });
    let instructions = instructions as f64 / times;
    Some(Profile { case: what.to_owned(), instructions, top: top.collect() })
}

/// The functions of callgrind_annotate's list, with the sum of their lines: it has one for each file that is inlined.
fn functions(annotated: &str, most: usize) -> Vec<(String, f64)> {
    let mut sums: BTreeMap<&str, f64> = BTreeMap::new();
    for line in annotated.lines() {
        // `1,234 ( 8.01%)  path/file.rs:function [object]`
        let Some((count, rest)) = line.trim_start().split_once(" (") else { continue };
        let Some((_, place)) = rest.split_once("%)") else { continue };
        let Ok(count) = count.replace(',', "").parse::<f64>() else { continue };
        let place = place.trim();
        let Some((_, function)) = place.split_once(':') else { continue };
        let function = function.split(" [").next().unwrap_or(function);
        *sums.entry(function).or_default() += count;
    }
    let mut all: Vec<(String, f64)> =
        sums.into_iter().map(|(name, count)| (name.to_owned(), count)).collect();
    all.sort_by(|a, b| b.1.total_cmp(&a.1));
    all.truncate(most);
    all
}

/// The instructions of many runs, without what comes before them.
fn once_ready(id: &str, file: &str) -> Option<u64> {
    let mut child = Command::new("valgrind")
        .args(["--tool=callgrind", "--instr-atstart=no"])
        .arg(format!("--callgrind-out-file={file}"))
        .arg(std::env::current_exe().ok()?)
        .args(["repeat", id, &MANY_RUNS.to_string(), "--when-told"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .ok()?;
    let mut ready = String::new();
    BufReader::new(child.stdout.take()?).read_line(&mut ready).ok()?;
    let begun = Command::new("callgrind_control")
        .args(["--instr=on", &child.id().to_string()])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    // Ends it too, where nothing is counted.
    child.stdin.take()?.write_all(b"\n").ok()?;
    let mut said = String::new();
    child.stderr.take()?.read_to_string(&mut said).ok()?;
    let succeeded = child.wait().ok()?.success() && begun.ok()?.success();
    collected(&said).filter(|_| succeeded)
}

fn instructions(id: &str, times: u32) -> Option<u64> {
    let tool = ["--tool=callgrind", "--callgrind-out-file=/dev/null"];
    collected(&under_valgrind(&tool, id, times)?)
}

/// The number in what callgrind prints at the end.
fn collected(said: &str) -> Option<u64> {
    said.lines().find(|line| line.contains("Collected :"))?.rsplit(' ').next()?.parse().ok()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_one_function_are_added_up() {
        let annotated = "\
Profile data file 'x'
7,000 (100.0%)  PROGRAM TOTALS
1,200 (17.1%)  core/src/seed.rs:a::Seed::id [/x/bench]
2,500 (35.7%)  ./string/memmove.S:memcpy [/usr/lib/libc.so.6]
1,500 (21.4%)  /rustc/ptr.rs:a::Seed::id";
        let top = functions(annotated, 1);
        assert_eq!(top, [("a::Seed::id".to_owned(), 2700.0)]);
        assert_eq!(functions(annotated, 9).len(), 2);
    }
}
