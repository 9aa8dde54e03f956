//! The bridge as a program, for a gateway in any language.

pub(crate) mod args;
mod config;
pub(crate) mod demo;
mod log;
mod run;
mod signals;

use self::args::{Bridge, BridgeCommand, ConfigCommand};
use crate::args::Global;
use crate::failure::Failure;
use crate::output::Output;

pub(crate) fn run(bridge: Bridge, global: &Global, output: &Output) -> Result<(), Failure> {
    match bridge.command {
        Some(BridgeCommand::Config(ConfigCommand::Check { options })) => {
            let loaded = config::Loaded::read(&options, global)?;
            config::check(&loaded, output)
        }
        None => run::run(&bridge.options, global, output),
    }
}
