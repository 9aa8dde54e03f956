//! `lp-connector`: LivePerson's Connector API on the command line, with a local sandbox of the cloud.

mod args;
mod client;
mod colour;
mod commands;
mod complete;
mod control;
mod editor;
mod failure;
mod gaps;
mod help;
mod input;
mod listener;
mod needs_output;
mod notices;
mod output;
mod paths;
mod post;
mod profile;
mod progress;
mod report;
mod secret_file;
mod session;
mod setup;
mod signals;
mod table;
mod terminal;
mod typed_ahead;
mod usage;
mod values;

use std::process::ExitCode;

use clap::FromArgMatches as _;

use args::{Args, Command, SandboxCommand};
use output::Output;

fn main() -> ExitCode {
    complete::answer();
    let matches = help::command().try_get_matches();
    let parsed = matches.and_then(|matches| Ok((Args::from_arg_matches(&matches)?, matches)));
    let (mut args, matches) = match parsed {
        Ok(parsed) => parsed,
        Err(error) => return usage::report(error),
    };
    if let Command::Sandbox { command: Some(SandboxCommand::Agent(side)), .. } = &mut args.command {
        side.put_in_order(&matches);
    }
    // A bridge has a log of its own.
    if !args.command.is_bridge() {
        setup::logging(args.global.verbose);
    }
    let output = Output::new(args.global.json);
    // A command whose output cannot be written changes nothing.
    let ready = output.finish().and_then(|()| match args.command.needs_output() {
        true => output.check_open(),
        false => Ok(()),
    });
    let done = ready.and_then(|()| profile::apply(&mut args, &matches));
    let done = done.and_then(|()| commands::run(args, &output));
    output.exit(done)
}
