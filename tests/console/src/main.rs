//! Drives the sandbox's console in a real browser, beside a real `lp-connector chat`, and reports each check.
//!
//! It needs Chromium and its driver (Debian: `chromium`, `chromium-driver`); where they are missing it says so in
//! one line, and ends well. Screenshots are written to `target/console`.
//!
//! ```text
//! cargo build --release -p lp-connector-cli
//! cargo run --release --manifest-path tests/console/Cargo.toml -- --only 1,8
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
const CHECK_LIMIT: Duration = Duration::from_secs(120);

/// The settings of a run.
struct Options {
    only: Vec<u32>,
    /// The command-line program.
    program: PathBuf,
    /// Where screenshots and axe-core go.
    output: PathBuf,
}

impl Options {
    fn parse() -> Result<Self, String> {
        let mut options = Self {
            only: Vec::new(),
            program: PathBuf::from("target/release/lp-connector"),
            output: PathBuf::from("target/console"),
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
                _ => {
                    return Err(format!(
                        "there is no {name}: there are --only, --program, --output"
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
    let Some(driver) = Driver::start() else {
        println!("skipped: the console's checks need chromium and chromedriver");
        return ExitCode::SUCCESS;
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
    let (mut passed, mut failed) = (0, 0);
    for (number, title, check) in checks::ALL {
        if !options.only.is_empty() && !options.only.contains(number) {
            continue;
        }
        let started = Instant::now();
        let world = checks::World::new(&driver, &options.program, &options.output);
        let run = tokio::task::spawn_local(check(world));
        let abort = run.abort_handle();
        let outcome = tokio::time::timeout(CHECK_LIMIT, run).await;
        let took = started.elapsed().as_secs_f64();
        let wrong = match outcome {
            Ok(Ok(Ok(note))) => {
                passed += 1;
                println!(
                    "{number:>2} ok      {title}{} ({took:.1} s)",
                    note.map(|note| format!(": {note}")).unwrap_or_default()
                );
                continue;
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
        failed += 1;
        println!("{number:>2} FAILED  {title} ({took:.1} s)\n           {wrong}");
    }
    drop(driver);
    println!("{passed} passed, {failed} failed");
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn panicked(error: tokio::task::JoinError) -> String {
    let Ok(payload) = error.try_into_panic() else { return "it was aborted".to_owned() };
    let text = payload.downcast_ref::<String>().cloned();
    text.or_else(|| payload.downcast_ref::<&str>().map(|text| (*text).to_owned()))
        .unwrap_or_else(|| "it panicked".to_owned())
}
