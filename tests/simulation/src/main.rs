//! The simulation from the command line: run the soak, or one scenario.

use std::num::NonZero;
use std::ops::Range;
use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use lp_connector_simulation::{Coverage, bridge, soak};

/// Simulates connectors, network, clocks and cloud in one process, from seeds.
#[derive(Parser, Debug)]
#[command(name = "lp-connector-simulation")]
struct Arguments {
    /// How many scenarios to run.
    #[arg(long, default_value_t = 10_000)]
    seeds: u64,
    /// The first seed.
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// How many threads to use. Default: one for each core.
    #[arg(long)]
    threads: Option<usize>,
    /// Run the scenario of this seed only, and print it with its trace.
    #[arg(long, conflicts_with_all = ["seeds", "from", "threads"])]
    seed: Option<u64>,
    /// Simulate the bridge, with its instances, store and channel.
    #[arg(long)]
    bridge: bool,
    /// Simulate the bridge with this many accounts, of which each gets its turn.
    #[arg(long, requires = "bridge", conflicts_with_all = ["seeds", "seed"], value_parser = clap::value_parser!(u32).range(3..))]
    accounts: Option<u32>,
    /// With this many consumers in all these accounts.
    #[arg(long, requires = "accounts", default_value_t = 100_000)]
    consumers: u32,
    /// Print what the scenarios reached: which faults overlapped, what followed each failure, and more.
    #[arg(long, conflicts_with_all = ["seed", "accounts"])]
    coverage: bool,
    /// Fail if the scenarios do not reach all that they should, or reach what none can.
    #[arg(long, conflicts_with_all = ["seed", "accounts"])]
    require_coverage: bool,
    /// List the invariants.
    #[arg(long)]
    invariants: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if arguments.invariants {
        let all: Vec<_> = match arguments.bridge {
            true => bridge::invariants().collect(),
            false => soak::invariants().collect(),
        };
        for (name, description) in all {
            println!("{name:22} {description}");
        }
        return ExitCode::SUCCESS;
    }
    if let Some(accounts) = arguments.accounts {
        return run_scale(accounts as usize, arguments.consumers as usize);
    }
    // A panic is reported as a broken invariant, with its seed.
    std::panic::set_hook(Box::new(|_| {}));
    if let Some(seed) = arguments.seed {
        let (text, holds) = match arguments.bridge {
            true => bridge::replay(seed),
            false => soak::replay(seed),
        };
        println!("{text}");
        return if holds { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    }
    let threads = arguments
        .threads
        .unwrap_or_else(|| std::thread::available_parallelism().map_or(1, NonZero::get));
    let started_at = Instant::now();
    let seeds = arguments.from..arguments.from.saturating_add(arguments.seeds);
    if arguments.bridge {
        return run_bridge(seeds, threads, &arguments);
    }
    let bar = bar(arguments.seeds);
    let result = soak::run_watched(seeds, threads, &|done| bar.set_position(done));
    bar.finish_and_clear();
    match result {
        Ok(summary) => {
            let took = started_at.elapsed().as_secs_f64();
            let years = summary.virtual_time.as_secs_f64() / (365.25 * 86_400.0);
            println!("{} seeds, no invariant broken", summary.seeds);
            println!(
                "{} calls, {} requests, {} notifications, {} events, {years:.1} years",
                summary.calls, summary.requests, summary.notifications, summary.events
            );
            let rate = summary.calls as f64 / took / threads as f64;
            println!("in {took:.1} s on {threads} threads: {rate:.0} calls a second and thread");
            show_coverage(&summary.coverage, &arguments)
        }
        Err(broken) => {
            println!("{broken}");
            ExitCode::FAILURE
        }
    }
}

/// Prints the coverage and checks it, as far as that is asked for.
fn show_coverage(coverage: &Coverage, arguments: &Arguments) -> ExitCode {
    if arguments.coverage {
        print!("\n{coverage}");
    }
    if !arguments.require_coverage {
        return ExitCode::SUCCESS;
    }
    let (missed, unexpected) = (coverage.missed(), coverage.unexpected());
    missed.iter().for_each(|cell| println!("no scenario reached: {cell}"));
    unexpected.iter().for_each(|cell| println!("said to be out of reach, and reached: {cell}"));
    match missed.is_empty() && unexpected.is_empty() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}

/// A bar of so many seeds on a terminal; nothing elsewhere.
fn bar(seeds: u64) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(seeds), ProgressDrawTarget::stderr());
    let style = ProgressStyle::with_template("[{bar:30}] {pos} of {len} seeds, {eta} left");
    match style {
        Ok(style) => bar.with_style(style.progress_chars("#-.")),
        Err(_) => bar,
    }
}

fn run_bridge(seeds: Range<u64>, threads: usize, arguments: &Arguments) -> ExitCode {
    let started_at = Instant::now();
    match bridge::run(seeds, threads) {
        Ok(summary) => {
            let took = started_at.elapsed().as_secs_f64();
            let days = summary.virtual_time.as_secs_f64() / 86_400.0;
            println!("{} seeds of the bridge, no invariant broken", summary.seeds);
            println!(
                "{} messages ({} unconfirmed), {} delivered, {} takeovers, {} events, {days:.0} days",
                summary.messages,
                summary.unconfirmed,
                summary.delivered,
                summary.takeovers,
                summary.events
            );
            let rate = summary.seeds as f64 / took / threads as f64;
            println!("in {took:.1} s on {threads} threads: {rate:.0} seeds a second and thread");
            show_coverage(&summary.coverage, arguments)
        }
        Err(broken) => {
            println!("{broken}");
            ExitCode::FAILURE
        }
    }
}

fn run_scale(accounts: usize, consumers: usize) -> ExitCode {
    let started_at = Instant::now();
    let summary = bridge::run_scale(bridge::Scale { accounts, consumers });
    println!(
        "{accounts} accounts, {consumers} consumers: {} messages sent, {} answers delivered, lost {}, doubled {}",
        summary.sent, summary.answered, summary.lost, summary.doubled
    );
    println!(
        "from acceptance to the cloud: p99 {:.2?}, at most {:.2?}; of the account with a tenth of all: p99 {:.2?}",
        summary.p99, summary.max, summary.p99_large
    );
    println!(
        "{} commits, {} claims, {:.0?} of virtual time in {:.1?}; {} bytes of memory a consumer",
        summary.commits,
        summary.claims,
        summary.time,
        started_at.elapsed(),
        memory()
            .map_or_else(|| "unknown".to_owned(), |bytes| (bytes / consumers.max(1)).to_string())
    );
    match (summary.lost, summary.doubled) {
        (0, 0) => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}

/// The most memory that this process had, if it is known.
fn memory() -> Option<usize> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let most = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(most.trim().strip_suffix(" kB")?.trim().parse::<usize>().ok()? * 1024)
}
