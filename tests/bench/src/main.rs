//! What lp-connector costs, beside what one would use instead.
//!
//! `cargo run --release -p lp-connector-bench` measures all of it in some minutes and prints a table;
//! with `--json` the same as JSON, with the ratios. Each measurement end to end, and each one under
//! valgrind, is a process of its own: this program, started again.

mod bench_server;
mod cases;
mod contention;
mod load;
mod machine;
mod memory;
mod pure;
mod ratio;
mod render;
mod report;
mod table;
mod token;
mod valgrind;

use std::error::Error;
use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};

use crate::load::ClientKind;
use crate::report::Report;

/// Why something could not be measured.
pub(crate) type BenchError = Box<dyn Error + Send + Sync>;

/// Measures lp-connector beside what one would use instead.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// Prints JSON.
    #[arg(long)]
    json: bool,

    /// Measures this alone; may be given several times.
    #[arg(long, value_enum)]
    only: Vec<Section>,

    /// Takes a tenth of the time, for trying it out: the figures mean nothing.
    #[arg(long)]
    quick: bool,

    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Section {
    /// Time of the core, in memory.
    Time,
    /// Instructions and allocations of the core, by valgrind.
    Counts,
    /// Bytes for each consumer and conversation that is remembered.
    Memory,
    /// Callers who wait for a token, and the reading of one.
    Waiting,
    /// Every adapter and its rivals over loopback.
    Load,
}

#[derive(Subcommand)]
enum Command {
    /// Writes BENCHMARKS.md from a template and what `--json` printed.
    Render {
        /// What `--json` printed.
        report: PathBuf,
        /// What `weight.sh` printed.
        weight: PathBuf,
        /// The text, with places for the tables.
        template: PathBuf,
    },
    /// Does one case so many times.
    #[command(hide = true)]
    Repeat { case: String, times: u64 },
    /// Holds so many of something, and says what it weighs.
    #[command(hide = true)]
    Hold { what: String, count: usize },
    /// Answers as the cloud would, and says where.
    #[command(hide = true)]
    Serve,
    /// Sends as fast as it can.
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
        Some(Command::Render { report, weight, template }) => {
            print!("{}", render::render(&report, &weight, &template)?);
            Ok(())
        }
        Some(Command::Repeat { case, times }) => pure::repeat(&case, times),
        Some(Command::Hold { what, count }) => memory::hold(&what, count),
        Some(Command::Serve) => Ok(bench_server::run()?),
        Some(Command::Send { kind, callers, millis, base }) => {
            let sent = load::send(kind, callers, millis, &base)?;
            println!("{}", serde_json::to_string(&sent)?);
            Ok(())
        }
        None => {
            let wanted = |section| arguments.only.is_empty() || arguments.only.contains(&section);
            let report = measure(wanted, arguments.quick)?;
            if arguments.json {
                println!("{}", serde_json::to_string_pretty(&report)?);
            } else {
                print!("{}", table::plain(&report));
            }
            Ok(())
        }
    }
}

/// Measures what is wanted, one section after the other: nothing else runs meanwhile.
fn measure(wanted: impl Fn(Section) -> bool, quick: bool) -> Result<Report, BenchError> {
    let mut report = Report::new(machine::describe());
    if wanted(Section::Time) {
        eprintln!("time of the core, in memory");
        report.cases = pure::time(quick);
    }
    if wanted(Section::Counts) {
        eprintln!("instructions and allocations of the core");
        valgrind::count(&mut report)?;
    }
    if wanted(Section::Waiting) {
        eprintln!("callers who wait for a token");
        report.contention = Some(contention::measure(quick));
        report.token = Some(token::measure(quick));
    }
    if wanted(Section::Memory) {
        eprintln!("memory");
        report.memory = memory::measure(quick)?;
    }
    if wanted(Section::Load) {
        eprintln!("every adapter and its rivals over loopback");
        report.load = load::measure(quick)?;
    }
    report.ratios = ratio::of(&report);
    Ok(report)
}
