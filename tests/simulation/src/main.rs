//! The simulated world from the command line: soak it, or replay one story.

use std::num::NonZero;
use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;
use lp_connector_simulation::soak;

/// Connectors, network, clocks and cloud in one process, from a seed.
#[derive(Parser, Debug)]
#[command(name = "lp-connector-simulation")]
struct Arguments {
    /// How many stories to tell.
    #[arg(long, default_value_t = 10_000)]
    seeds: u64,
    /// The first of them.
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// In how many threads; each story takes one. Default: one for each core.
    #[arg(long)]
    threads: Option<usize>,
    /// Tell this story alone, with all that happens in it.
    #[arg(long, conflicts_with_all = ["seeds", "from", "threads"])]
    seed: Option<u64>,
    /// List what is watched for.
    #[arg(long)]
    invariants: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if arguments.invariants {
        for (name, words) in soak::invariants() {
            println!("{name:22} {words}");
        }
        return ExitCode::SUCCESS;
    }
    // A panic is reported as a promise that was not kept, with its seed.
    std::panic::set_hook(Box::new(|_| {}));
    if let Some(seed) = arguments.seed {
        let (text, stored) = soak::replay(seed);
        println!("{text}");
        return if stored { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    }
    let threads = arguments
        .threads
        .unwrap_or_else(|| std::thread::available_parallelism().map_or(1, NonZero::get));
    let began = Instant::now();
    let seeds = arguments.from..arguments.from.saturating_add(arguments.seeds);
    match soak::run(seeds, threads) {
        Ok(summary) => {
            let took = began.elapsed().as_secs_f64();
            let years = summary.virtual_time.as_secs_f64() / (365.25 * 86_400.0);
            println!("{} seeds, no promise broken", summary.seeds);
            println!(
                "{} calls, {} requests, {} notifications, {} events, {years:.1} years",
                summary.calls, summary.requests, summary.notifications, summary.events
            );
            let rate = summary.calls as f64 / took / threads as f64;
            println!("in {took:.1} s on {threads} threads: {rate:.0} calls a second and thread");
            ExitCode::SUCCESS
        }
        Err(broken) => {
            println!("{broken}");
            ExitCode::FAILURE
        }
    }
}
