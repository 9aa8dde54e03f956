//! Signals that end the program.

use std::io;
use std::process;
use std::thread;

use lp_connector_axum::shutdown_signal;
use tokio::runtime::Builder;

use crate::failure::Failure;
use crate::output::Output;

/// Calls `end` at the first signal that ends the program: SIGTERM, SIGINT, SIGHUP or SIGQUIT. A second one
/// ends the process, with exit status 1.
pub(crate) fn at_first_signal(
    output: &Output,
    end: impl FnOnce() + Send + 'static,
) -> Result<(), Failure> {
    let begin = move || {
        end();
        true
    };
    at_signals(output, begin, String::new)
}

/// As [`at_first_signal`], for a program that may know already that it was interrupted: then `begin` returns false, and
/// the first signal counts as the second one. `left` tells what that leaves.
pub(crate) fn at_signals(
    output: &Output,
    begin: impl FnOnce() -> bool + Send + 'static,
    left: impl FnOnce() -> String + Send + 'static,
) -> Result<(), Failure> {
    let local = |error: io::Error| Failure::Local(format!("cannot wait for signals: {error}"));
    let runtime = Builder::new_current_thread().enable_all().build().map_err(local)?;
    let signal = {
        let _context = runtime.enter();
        shutdown_signal().map_err(local)?
    };
    let output = output.clone();
    thread::spawn(move || {
        let second = runtime.block_on(async {
            signal.await;
            shutdown_signal()
        });
        let is_first = begin();
        if let Ok(second) = second {
            if is_first {
                runtime.block_on(second);
            }
            output.error(&format!("interrupted a second time: it ends at once{}", left()));
            process::exit(1);
        }
    });
    Ok(())
}
