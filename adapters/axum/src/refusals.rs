//! The log of refusals, which unauthenticated senders must not be able to fill.

use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// The lines of a second.
const LINES: u32 = 20;

/// The lines of the second that began at the instant: written and left out.
static SECOND: Mutex<Option<Second>> = Mutex::new(None);

#[derive(Clone, Copy, Debug)]
struct Second {
    since: Instant,
    written: u32,
    left_out: u64,
}

/// What becomes of a line.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum LogDecision {
    /// It is written, after so many that were not.
    Write {
        left_out: u64,
    },
    LeaveOut,
}

/// Logs a refusal as a warning: 20 a second at most, with the number of those that were left out.
pub(crate) fn log(line: fmt::Arguments<'_>) {
    let turn = decide(&mut SECOND.lock().unwrap_or_else(PoisonError::into_inner), Instant::now());
    match turn {
        LogDecision::Write { left_out: 0 } => {
            tracing::warn!(event = "notification_refused", "{line}")
        }
        LogDecision::Write { left_out } => {
            tracing::warn!(event = "notification_refused", "{line} (and {left_out} more before it)")
        }
        LogDecision::LeaveOut => {}
    }
}

fn decide(second: &mut Option<Second>, now: Instant) -> LogDecision {
    let current = match second {
        Some(current) if now.duration_since(current.since) < Duration::from_secs(1) => current,
        _ => {
            let left_out = second.map_or(0, |last| last.left_out);
            *second = Some(Second { since: now, written: 1, left_out: 0 });
            return LogDecision::Write { left_out };
        }
    };
    if current.written < LINES {
        current.written += 1;
        LogDecision::Write { left_out: 0 }
    } else {
        current.left_out += 1;
        LogDecision::LeaveOut
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_of_refusals_is_counted_not_written() {
        let start = Instant::now();
        let mut second = None;
        let at = |ms: u64| start + Duration::from_millis(ms);
        let written =
            (0..1000).filter(|ms| decide(&mut second, at(*ms)) != LogDecision::LeaveOut).count();
        assert_eq!(written, 20);
        assert_eq!(decide(&mut second, at(1000)), LogDecision::Write { left_out: 980 });
        assert_eq!(decide(&mut second, at(1001)), LogDecision::Write { left_out: 0 });
        assert_eq!(decide(&mut second, at(9000)), LogDecision::Write { left_out: 0 });
    }
}
