//! `lp-connector`: LivePerson's Connector API on the command line, with a local sandbox of the cloud.

mod args;
mod client;
mod commands;
mod failure;
mod help;
mod listener;
mod notices;
mod output;
mod session;
mod setup;
mod terminal;

use std::process::ExitCode;

use clap::FromArgMatches as _;

use args::Args;
use failure::Failure;
use output::Output;

fn main() -> ExitCode {
    let matches = help::command().try_get_matches();
    let args = match matches.and_then(|matches| Args::from_arg_matches(&matches)) {
        Ok(args) => args,
        Err(error) => return usage_error(&error),
    };
    setup::logging(args.global.verbose);
    let output = Output::new(args.global.json);
    match commands::run(args, &output) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            output.failure(&failure);
            failure.exit_code()
        }
    }
}

/// Reports invalid arguments, or prints the help that was asked for.
fn usage_error(error: &clap::Error) -> ExitCode {
    let is_help = !error.use_stderr();
    if !is_help && std::env::args().any(|arg| arg == "--json") {
        let first = error.to_string();
        let first = first.lines().next().unwrap_or_default().trim_start_matches("error: ");
        Output::new(true).failure(&Failure::usage(first));
    }
    // If the terminal is gone, nobody reads this.
    let _ = error.print();
    ExitCode::from(if is_help { 0 } else { 2 })
}
