//! A process's clocks, with drift and offset.

use std::time::{Duration, SystemTime};

use lp_connector_core::time::{Mono, Now};

/// The cloud's wall clock at the start of the world.
pub(crate) const EPOCH: Duration = Duration::from_secs(1_711_000_000);

const MILLION: u128 = 1_000_000;

/// The clocks of one process: a monotonic clock that drifts, and a wall clock that may be hours off.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Clock {
    /// When the process started: the zero of its monotonic clock.
    pub(crate) origin: Duration,
    /// How fast its monotonic clock runs, in parts per million.
    pub(crate) drift: i32,
    /// How many seconds its wall clock is ahead.
    pub(crate) wall_clock_offset: i64,
}

impl Clock {
    fn rate(self) -> u128 {
        MILLION.saturating_add_signed(i128::from(self.drift.max(-500_000)))
    }

    /// The monotonic clock at this time of the world.
    pub(crate) fn mono(self, at: Duration) -> Mono {
        let since = at.saturating_sub(self.origin);
        if self.drift == 0 {
            return Mono::from_origin(since);
        }
        Mono::from_origin(nanoseconds(since.as_nanos() * self.rate() / MILLION))
    }

    /// The first time of the world at which the monotonic clock has reached `mono`.
    pub(crate) fn when(self, mono: Mono) -> Duration {
        let elapsed = mono.elapsed_from_origin();
        if self.drift == 0 || mono == Mono::NEVER {
            return self.origin.saturating_add(elapsed);
        }
        let since = (elapsed.as_nanos() * MILLION).div_ceil(self.rate());
        self.origin.saturating_add(nanoseconds(since))
    }

    /// Both clocks at this time of the world.
    pub(crate) fn now(self, at: Duration) -> Now {
        let offset = Duration::from_secs(self.wall_clock_offset.unsigned_abs());
        let wall = SystemTime::UNIX_EPOCH + EPOCH + at.min(Duration::from_secs(1 << 40));
        let wall = if self.wall_clock_offset < 0 { wall - offset } else { wall + offset };
        Now::new(self.mono(at), wall)
    }
}

fn nanoseconds(nanoseconds: u128) -> Duration {
    const SECOND: u128 = 1_000_000_000;
    let seconds = u64::try_from(nanoseconds / SECOND).unwrap_or(u64::MAX);
    Duration::new(seconds, u32::try_from(nanoseconds % SECOND).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn when_is_the_first_time_that_reaches_mono(
            origin in 0u64..1 << 60, elapsed in 0u64..1 << 60, drift in -900i32..900,
        ) {
            let origin = Duration::from_nanos(origin);
            let clock = Clock { origin, drift, wall_clock_offset: 0 };
            let mono = Mono::from_origin(Duration::from_nanos(elapsed));
            let when = clock.when(mono);
            prop_assert!(clock.mono(when) >= mono);
            let before = when.saturating_sub(Duration::from_nanos(1));
            prop_assert!(elapsed == 0 || clock.mono(before) < mono);
        }
    }
}
