//! Measures what lp-connector costs, beside the alternatives.
//!
//! `cargo run --release -p lp-connector-bench` measures everything in some minutes and prints tables, or
//! JSON with `--json`. Each load measurement and each one under valgrind is a process of its own: this
//! program with a hidden command.

mod bench_server;
mod bridge;
mod cases;
mod contention;
mod counts;
mod improvements;
mod load;
mod machine;
mod memory;
mod peer;
mod pure;
mod quiet;
mod ratio;
mod render;
mod report;
mod simulation;
mod spread;
mod table;
mod targets;
mod token;
mod valgrind;
mod weight;

use std::error::Error;
use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};

use crate::load::ClientKind;
use crate::quiet::Watch;
use crate::report::Report;

/// An error of a measurement.
pub(crate) type BenchError = Box<dyn Error + Send + Sync>;

/// Measures what lp-connector costs, beside the alternatives.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// Prints JSON.
    #[arg(long)]
    json: bool,

    /// Measures only this section; may be given several times.
    #[arg(long, value_enum)]
    only: Vec<Section>,

    /// The same as `--only bridge`.
    #[arg(long)]
    bridge: bool,

    /// Takes a tenth of the time, for a trial; the figures mean nothing.
    #[arg(long)]
    quick: bool,

    /// Measures whatever the load is. The report says what it was.
    #[arg(long)]
    busy: bool,

    /// Measures crates and builds of every program, not only of those that have a target.
    #[arg(long)]
    all_builds: bool,

    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Section {
    /// The time of the core's cases.
    Time,
    /// The instructions and allocations of the core's cases, counted by valgrind.
    Counts,
    /// The memory for each cached consumer and conversation.
    Memory,
    /// Callers that wait for a token, and the cost of a cached one.
    Waiting,
    /// Every adapter and its alternatives over loopback.
    Load,
    /// Notifications through the bridge, over SQLite and PostgreSQL.
    Bridge,
    /// The soak of the simulation.
    Simulation,
    /// Crates and clean builds of a program that sends one message.
    Weight,
}

#[derive(Subcommand)]
enum Command {
    /// Renders BENCHMARKS.md from a template and a report.
    Render {
        /// The output of `--json`.
        report: PathBuf,
        /// The template, with placeholders for tables and figures.
        template: PathBuf,
    },
    /// Counts instructions with valgrind, and fails if there are 2 % more than counts.txt says.
    Counts {
        /// Writes what is counted into counts.txt.
        #[arg(long)]
        write: bool,
    },
    /// Runs one case a number of times.
    #[command(hide = true)]
    Repeat {
        case: String,
        times: u64,
        #[arg(long)]
        when_told: bool,
    },
    /// Fills a cache, and prints the bytes that it takes.
    #[command(hide = true)]
    Hold { what: String, count: usize },
    /// Runs the server of the load measurements, and prints its address.
    #[command(hide = true)]
    Serve,
    /// Sends messages at full speed.
    #[command(hide = true)]
    Send {
        kind: ClientKind,
        #[arg(long)]
        callers: usize,
        #[arg(long)]
        millis: u64,
        #[arg(long)]
        base: String,
    },
}

fn main() -> Result<(), BenchError> {
    let arguments = Arguments::parse();
    match arguments.command {
        Some(Command::Render { report, template }) => {
            print!("{}", render::render(&report, &template)?);
            Ok(())
        }
        Some(Command::Counts { write }) => counts::check(write),
        Some(Command::Repeat { case, times, when_told }) => pure::repeat(&case, times, when_told),
        Some(Command::Hold { what, count }) => memory::hold(&what, count),
        Some(Command::Serve) => Ok(bench_server::run()?),
        Some(Command::Send { kind, callers, millis, base }) => {
            let sent = load::send(kind, callers, millis, &base)?;
            println!("{}", serde_json::to_string(&sent)?);
            Ok(())
        }
        None => {
            let mut only = arguments.only;
            only.extend(arguments.bridge.then_some(Section::Bridge));
            let wanted = |section| only.is_empty() || only.contains(&section);
            if wanted(Section::Bridge)
                && let Some(status) = bridge::with_server()?
            {
                std::process::exit(status);
            }
            if !arguments.busy && !arguments.quick {
                quiet::wait()?;
            }
            let report = measure(wanted, arguments.quick, arguments.all_builds)?;
            if arguments.json {
                println!("{}", serde_json::to_string_pretty(&report)?);
            } else {
                print!("{}", table::plain(&report));
            }
            Ok(())
        }
    }
}

/// Measures the wanted sections one after the other: what needs a quiet machine first.
fn measure(
    wanted: impl Fn(Section) -> bool,
    quick: bool,
    all_builds: bool,
) -> Result<Report, BenchError> {
    let mut report = Report::new(machine::describe());
    let mut sections = Vec::new();
    let mut section = |section, name, measure: &mut dyn FnMut() -> Result<(), BenchError>| {
        if wanted(section) {
            let watch = Watch::begin(name);
            measure()?;
            sections.push(watch.end());
        }
        Ok::<(), BenchError>(())
    };
    section(Section::Load, "every adapter and its alternatives over loopback", &mut || {
        report.load = load::measure(quick)?;
        Ok(())
    })?;
    section(Section::Time, "time of the core's cases", &mut || {
        report.cases = pure::time(quick);
        Ok(())
    })?;
    section(Section::Waiting, "callers that wait for a token", &mut || {
        report.contention = Some(contention::measure(quick));
        report.token = Some(token::measure(quick));
        Ok(())
    })?;
    section(Section::Simulation, "the simulation", &mut || {
        report.simulation = simulation::measure(quick)?;
        Ok(())
    })?;
    section(Section::Bridge, bridge::SECTION, &mut || {
        report.bridge = bridge::measure(quick)?;
        report.durability = bridge::sending::measure(quick)?;
        Ok(())
    })?;
    section(Section::Memory, "memory", &mut || {
        report.memory = memory::measure(quick)?;
        Ok(())
    })?;
    section(Section::Counts, "instructions and allocations of the core's cases", &mut || {
        valgrind::count(&mut report, quick)?;
        report.profiles = targets::PROFILED
            .iter()
            .filter_map(|case| valgrind::profile(case))
            .chain(simulation::profile())
            .collect();
        Ok(())
    })?;
    section(Section::Weight, "crates and clean builds", &mut || {
        report.weight = weight::measure(quick, all_builds)?;
        Ok(())
    })?;
    report.sections = sections;
    report.ratios = ratio::of(&report);
    Ok(report)
}
