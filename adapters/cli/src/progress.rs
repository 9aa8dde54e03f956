//! A progress bar on a terminal, and nothing elsewhere.

use std::io::{self, IsTerminal as _};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::output::Output;
use crate::terminal;

/// How often the bar moves while a step takes its time.
const TICK: Duration = Duration::from_millis(120);

/// A bar on stderr: steps done, the step under way, and how long it takes. It is gone when this is dropped.
#[derive(Debug)]
pub(crate) struct Progress(Option<ProgressBar>);

impl Progress {
    /// A bar of so many steps.
    pub(crate) fn new(steps: u64, output: &Output) -> Self {
        if output.is_json() || terminal::is_dumb() || !io::stderr().is_terminal() {
            return Self(None);
        }
        let bar = ProgressBar::with_draw_target(Some(steps), ProgressDrawTarget::stderr());
        // No colour: what is under way is plain without it.
        let style = ProgressStyle::with_template("{spinner} [{bar:30}] {wide_msg} {elapsed}");
        if let Ok(style) = style {
            bar.set_style(style.progress_chars("#-.").tick_chars("|/-\\ "));
        }
        bar.enable_steady_tick(TICK);
        Self(Some(bar))
    }

    /// So many steps are done, and this one is under way.
    pub(crate) fn step(&self, done: u64, text: impl Into<String>) {
        if let Some(bar) = &self.0 {
            bar.set_position(done);
            bar.set_message(text.into());
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.0 {
            bar.finish_and_clear();
        }
    }
}
