//! Drives the sandbox's console in a real browser, beside a real `lp-connector chat`, and reports each check.
//!
//! It needs Chromium and its driver (Debian: `chromium`, `chromium-driver`); where they are missing it says so in
//! one line, and ends well. A driver that is there and does not start is a failure. Screenshots are written to
//! `target/console`.
//!
//! Nothing but a check itself runs beside it. One that fails runs once more, and both results are printed; the last
//! line names those that passed only then, and those that were skipped. A limit of time is judged by the best of at most three tries, and what was measured is printed: the machine may be busy.
//!
//! ```text
//! cargo build --release -p lp-connector-cli
//! cargo run --release --manifest-path tests/console/Cargo.toml -- --only 1,8
//! cargo run --release --manifest-path tests/console/Cargo.toml -- --only 25 --docs tests/sandbox/console-shots
//! ```
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a check reports by panicking")]

mod browser;
mod chat;
mod checks;
mod cloud;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use browser::Driver;

/// How long one check may take.
const CHECK_LIMIT: Duration = Duration::from_secs(180);

/// The settings of a run.
struct Options {
    only: Vec<u32>,
    /// The command-line program.
    program: PathBuf,
    /// Where screenshots and axe-core go.
    output: PathBuf,
    /// Where the pictures of the guide go.
    docs: Option<PathBuf>,
}

impl Options {
    fn parse() -> Result<Self, String> {
        let mut options = Self {
            only: Vec::new(),
            program: PathBuf::from("target/release/lp-connector"),
            output: PathBuf::from("target/console"),
            docs: None,
        };
        let mut arguments = std::env::args().skip(1);
        while let Some(name) = arguments.next() {
            let value = arguments.next().ok_or_else(|| format!("{name} has no value"))?;
            match name.as_str() {
                "--only" => {
                    let numbers = value.split(',').map(str::parse).collect::<Result<_, _>>();
                    options.only = numbers.map_err(|_| format!("--only {value}: say 1,8"))?;
                }
                "--program" => options.program = value.into(),
                "--output" => options.output = value.into(),
                "--docs" => options.docs = Some(value.into()),
                _ => {
                    return Err(format!(
                        "there is no {name}: there are --only, --program, --output, --docs"
                    ));
                }
            }
        }
        Ok(options)
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    tokio::task::LocalSet::new().run_until(run()).await
}

async fn run() -> ExitCode {
    let options = match Options::parse() {
        Ok(options) => options,
        Err(wrong) => {
            eprintln!("{wrong}");
            return ExitCode::from(2);
        }
    };
    let driver = match Driver::start() {
        Ok(Some(driver)) => driver,
        Ok(None) => {
            println!("skipped: the console's checks need chromium and chromedriver");
            return ExitCode::SUCCESS;
        }
        Err(wrong) => {
            eprintln!("{wrong}");
            return ExitCode::FAILURE;
        }
    };
    if !options.program.is_file() {
        eprintln!(
            "{} is missing: build lp-connector-cli, or name it with --program",
            options.program.display()
        );
        return ExitCode::FAILURE;
    }
    std::fs::create_dir_all(&options.output).unwrap();
    // A failed check has its own line.
    std::panic::set_hook(Box::new(|_| {}));
    let started = Instant::now();
    let mut passed = 0;
    let (mut again, mut skipped, mut failed) = (Vec::new(), Vec::new(), Vec::new());
    for check in checks::ALL {
        if !options.only.is_empty() && !options.only.contains(&check.0) {
            continue;
        }
        match attempt(check, "", &driver, &options).await {
            Outcome::Passed => passed += 1,
            Outcome::Skipped => skipped.push(check.0),
            Outcome::Failed => match attempt(check, ", once more", &driver, &options).await {
                Outcome::Passed => again.push(check.0),
                Outcome::Skipped => skipped.push(check.0),
                Outcome::Failed => failed.push(check.0),
            },
        }
    }
    drop(driver);
    println!(
        "{passed} passed{}{}; {} ({:.0} s)",
        numbered("; ", "only at the second attempt", &again),
        numbered("; ", "skipped", &skipped),
        if failed.is_empty() { "0 failed".to_owned() } else { numbered("", "failed", &failed) },
        started.elapsed().as_secs_f64()
    );
    if failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Such as `; 2 skipped: 16, 18`; nothing for none.
fn numbered(before: &str, what: &str, numbers: &[u32]) -> String {
    if numbers.is_empty() {
        return String::new();
    }
    let list: Vec<_> = numbers.iter().map(u32::to_string).collect();
    format!("{before}{} {what}: {}", list.len(), list.join(", "))
}

/// How an attempt ended.
enum Outcome {
    Passed,
    Skipped,
    Failed,
}

/// Runs a check and prints its line.
async fn attempt(
    check: &checks::Check,
    which: &str,
    driver: &Driver,
    options: &Options,
) -> Outcome {
    let (number, title, run) = check;
    let started = Instant::now();
    let world = checks::World::new(driver, options);
    let run = tokio::task::spawn_local(run(world));
    let abort = run.abort_handle();
    let outcome = tokio::time::timeout(CHECK_LIMIT, run).await;
    let took = started.elapsed().as_secs_f64();
    let wrong = match outcome {
        Ok(Ok(Ok(note))) => {
            let note = note.map(|note| format!(": {note}")).unwrap_or_default();
            println!("{number:>2} ok      {title}{which}{note} ({took:.1} s)");
            return Outcome::Passed;
        }
        Ok(Ok(Err(error))) if error.is::<checks::Skipped>() => {
            println!("{number:>2} skipped {title}: {error}");
            return Outcome::Skipped;
        }
        // A driver's error has its stack.
        Ok(Ok(Err(error))) => {
            error.to_string().split("Stacktrace").next().unwrap_or_default().trim().to_owned()
        }
        Ok(Err(panic)) => panicked(panic),
        Err(_) => {
            abort.abort();
            format!("not done within {} s", CHECK_LIMIT.as_secs())
        }
    };
    println!("{number:>2} FAILED  {title}{which} ({took:.1} s)\n           {wrong}");
    // Its windows are still open: what comes next is alone.
    driver.close_windows();
    Outcome::Failed
}

fn panicked(error: tokio::task::JoinError) -> String {
    let Ok(payload) = error.try_into_panic() else { return "it was aborted".to_owned() };
    let text = payload.downcast_ref::<String>().cloned();
    text.or_else(|| payload.downcast_ref::<&str>().map(|text| (*text).to_owned()))
        .unwrap_or_else(|| "it panicked".to_owned())
}
