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
        end();
        if let Ok(second) = second {
            runtime.block_on(second);
            output.error("interrupted a second time: it ends at once");
            process::exit(1);
        }
    });
    Ok(())
}
