//! The bridge as a program, for a gateway in any language.

pub(crate) mod args;
mod client;
mod config;
pub(crate) mod demo;
mod letters;
mod log;
mod operations;
mod rows;
mod run;
mod signals;

use self::args::Bridge;
use crate::args::Global;
use crate::failure::Failure;
use crate::output::Output;

pub(crate) fn run(bridge: Bridge, global: &Global, output: &Output) -> Result<(), Failure> {
    match bridge.command {
        None => run::run(&bridge.options, global, output),
        Some(command) => operations::run(command, global, output),
    }
}
