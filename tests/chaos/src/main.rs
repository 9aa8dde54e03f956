//! Kills the bridge again and again, and compares the books of both sides.
//!
//! Real processes: this one is the cloud (the sandbox, with faults on request), the channel and its gateway; the
//! bridge runs in processes of its own, over one store. They are killed with SIGKILL, and frozen, while messages
//! go both ways. In the end each accepted message is confirmed once, refused or reported, and each message of an
//! agent is delivered, in order.
//!
//! `cargo run -q --release -p lp-connector-chaos -- --kill-every 300ms --messages 20000`
//!
//! It ends with 1 if a message was lost, doubled or out of order. `--help` lists the options.

mod agents;
mod arguments;
mod balancer;
mod books;
mod channel;
mod cold;
mod engine;
mod fleet;
mod instance;
mod outage;
mod program;
mod run;
mod senders;
mod trouble;
mod watch;

use std::process::ExitCode;

/// An error of the program itself.
type ChaosError = Box<dyn std::error::Error + Send + Sync>;

fn main() -> ExitCode {
    // This program is the instances too.
    let result = match std::env::args().nth(1).as_deref() {
        Some(instance::COMMAND) => instance::run().map(|()| true),
        Some("--help" | "-h") => {
            println!("{}", arguments::HELP);
            Ok(true)
        }
        _ => arguments::parse().and_then(|arguments| match arguments.cold {
            Some(count) => cold::run(&arguments, count),
            None => run::run(&arguments),
        }),
    };
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(2)
        }
    }
}
