//! The clock of a store's file.
//!
//! A term ends for everybody at the same time, so all processes on one file share its clock: a number in the file
//! that grows by the time that passed since it was last written. While the machine runs, that is measured on the
//! clock that starts with it, which no change of date touches. Over a restart of the machine, only the date can
//! measure it; a date that went back counts as no time.

use std::time::{Duration, SystemTime};

/// One reading of a machine's clocks.
#[derive(Clone, PartialEq, Eq, Debug)]
#[expect(clippy::exhaustive_structs, reason = "it is these three")]
pub struct ClockReading {
    /// Names the start of the machine. Readings of `uptime` are compared where this is the same.
    pub boot: String,
    /// The time since the machine started. All processes see the same, and it does not jump.
    pub uptime: Duration,
    /// The date, as the time since 1970.
    pub date: Duration,
}

/// The clocks of this machine. On Linux, `uptime` is the time since it started, with the time that it slept.
/// Elsewhere the standard library has no clock that processes share, and the date stands in for it: a date that is
/// set forward then ends terms early, which a fence makes harmless to what is stored, and one that is set back
/// costs the moment of the jump.
pub(crate) fn system() -> impl Fn() -> ClockReading {
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok();
    move || {
        let date = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        match boot.clone().zip(uptime()) {
            Some((boot, uptime)) => ClockReading { boot, uptime, date },
            None => ClockReading { boot: "date".into(), uptime: date, date },
        }
    }
}

#[cfg(target_os = "linux")]
fn uptime() -> Option<Duration> {
    rustix::time::clock_gettime(rustix::time::ClockId::Boottime).try_into().ok()
}

#[cfg(not(target_os = "linux"))]
fn uptime() -> Option<Duration> {
    None
}

/// Nanoseconds, as the file has them: up to 292 years.
pub(crate) fn nanos(time: Duration) -> i64 {
    i64::try_from(time.as_nanos()).unwrap_or(i64::MAX)
}

/// The time from `earlier` to `later`, or zero.
pub(crate) fn between(earlier: i64, later: i64) -> Duration {
    Duration::from_nanos(u64::try_from(later.saturating_sub(earlier)).unwrap_or(0))
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn on_linux_the_clock_is_that_of_the_machines_start() {
        let ClockReading { boot, uptime, date } = system()();
        assert_ne!(boot, "date");
        assert_ne!(uptime, date, "a change of date does not touch it");
    }
}
