//! Time as an argument: readings of two clocks of the caller.
//!
//! The core reads no clock. An adapter reads its clocks once per step and passes the
//! readings as [`Now`]; a test passes any values, so that years pass in a microsecond.
//!
//! ```
//! use std::time::{Duration, SystemTime};
//! use lp_connector_core::time::{Mono, Now};
//!
//! let start = Now::new(Mono::ZERO, SystemTime::UNIX_EPOCH);
//! let later = start.mono() + Duration::from_secs(5);
//! assert_eq!(later.since(start.mono()), Duration::from_secs(5));
//! assert_eq!(start.mono().since(later), Duration::ZERO); // never negative, never a panic
//! ```

use std::fmt;
use std::ops::Add;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

/// A point on the caller's monotonic clock: the time since an origin of the caller's choosing.
///
/// Every wait and every lifetime in this crate is measured on this clock, so a wall clock that is hours
/// wrong, or that jumps, changes nothing. It counts nanoseconds, for some 584 years; all arithmetic saturates.
///
/// Where that clock stops while the machine is suspended, as [`std::time::Instant`] does on Linux, a
/// token may be used past its lifetime: the service rejects it, it is refreshed once, and the request is
/// repeated.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Mono(u64);

impl Mono {
    /// The origin.
    pub const ZERO: Self = Self(0);
    /// Later than any other point: a deadline that never comes.
    pub const NEVER: Self = Self(u64::MAX);

    /// The point `elapsed` after the origin.
    #[must_use]
    pub const fn from_origin(elapsed: Duration) -> Self {
        Self(nanos(elapsed))
    }

    /// The time from the origin to this point.
    #[must_use]
    pub const fn elapsed_from_origin(self) -> Duration {
        Duration::from_nanos(self.0)
    }

    /// The time from `earlier` to this point, or zero if `earlier` is later.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

/// In nanoseconds, or the most there can be.
const fn nanos(duration: Duration) -> u64 {
    duration.as_secs().saturating_mul(1_000_000_000).saturating_add(duration.subsec_nanos() as u64)
}

impl Add<Duration> for Mono {
    type Output = Self;

    /// Saturates at [`Mono::NEVER`].
    fn add(self, by: Duration) -> Self {
        Self(self.0.saturating_add(nanos(by)))
    }
}

impl fmt::Debug for Mono {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Self::NEVER {
            f.write_str("never")
        } else {
            write!(f, "+{:?}", self.elapsed_from_origin())
        }
    }
}

/// One reading of the caller's two clocks.
///
/// The wall clock serves one purpose: a `Retry-After` with a date, in a response that has
/// no `Date` to compare it with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Now {
    mono: Mono,
    wall: SystemTime,
}

impl Now {
    /// Joins a monotonic and a wall clock reading taken at the same moment.
    #[must_use]
    pub const fn new(mono: Mono, wall: SystemTime) -> Self {
        Self { mono, wall }
    }

    /// The monotonic reading.
    #[must_use]
    pub const fn mono(self) -> Mono {
        self.mono
    }

    /// The wall clock reading.
    #[must_use]
    pub const fn wall(self) -> SystemTime {
        self.wall
    }

    /// This reading, `by` later on both clocks. The wall clock stays unchanged if it would overflow.
    #[must_use]
    pub fn later(self, by: Duration) -> Self {
        Self { mono: self.mono + by, wall: self.wall.checked_add(by).unwrap_or(self.wall) }
    }
}

/// A time on the wire: milliseconds since 1970-01-01 UTC
/// ([protocol.md 1.5](crate::protocol#1.5)).
///
/// Any `u64` is valid, so an absurd value on the wire is no error. It serialises as the number.
///
/// ```
/// use std::time::{Duration, SystemTime};
/// use lp_connector_core::time::Timestamp;
///
/// let sent = Timestamp::from_millis(1_700_000_000_123);
/// assert_eq!(sent.as_millis(), 1_700_000_000_123);
/// let wall = SystemTime::UNIX_EPOCH + Duration::from_millis(1_700_000_000_123);
/// assert_eq!(sent.to_system_time(), wall);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(u64);

impl Timestamp {
    /// The last millisecond of the year 9999. Every platform's `SystemTime` can hold it.
    const YEAR_9999: Duration = Duration::from_millis(253_402_300_799_999);

    /// Creates a time from milliseconds since 1970-01-01 UTC.
    #[must_use]
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// Milliseconds since 1970-01-01 UTC.
    #[must_use]
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// Creates a time from a `SystemTime`. Saturates at 1970 and at the end of the year 9999.
    #[must_use]
    pub fn from_system_time(time: SystemTime) -> Self {
        let since_epoch = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let millis = since_epoch.min(Self::YEAR_9999).as_millis();
        Self(u64::try_from(millis).unwrap_or(u64::MAX))
    }

    /// The time from this to `now`. `None` if this is later, as another machine's clock may say.
    pub(crate) fn until(self, now: Now) -> Option<Duration> {
        now.wall().duration_since(self.to_system_time()).ok()
    }

    /// The same time as a `SystemTime`. Saturates at the end of the year 9999.
    #[must_use]
    pub fn to_system_time(self) -> SystemTime {
        let since_epoch = Duration::from_millis(self.0).min(Self::YEAR_9999);
        SystemTime::UNIX_EPOCH.checked_add(since_epoch).unwrap_or(SystemTime::UNIX_EPOCH)
    }
}

impl From<Timestamp> for SystemTime {
    fn from(timestamp: Timestamp) -> Self {
        timestamp.to_system_time()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_timestamp_converts_to_system_time() {
        let last = SystemTime::UNIX_EPOCH + Timestamp::YEAR_9999;
        assert_eq!(Timestamp::from_millis(0).to_system_time(), SystemTime::UNIX_EPOCH);
        assert_eq!(SystemTime::from(Timestamp::from_millis(u64::MAX)), last);
        assert_eq!(Timestamp::from_system_time(last).as_millis(), 253_402_300_799_999);
        let before = SystemTime::UNIX_EPOCH - Duration::from_secs(1);
        assert_eq!(Timestamp::from_system_time(before).as_millis(), 0);
        assert_eq!(Timestamp::from_millis(253_402_300_799_999).to_system_time(), last);
    }

    #[test]
    fn a_point_saturates_and_keeps_its_nanoseconds() {
        let last = Mono::from_origin(Duration::from_nanos(u64::MAX - 1));
        assert!(last < Mono::NEVER);
        assert_eq!(last + Duration::from_nanos(1), Mono::NEVER);
        assert_eq!(Mono::NEVER + Duration::MAX, Mono::NEVER);
        assert_eq!(Mono::from_origin(Duration::MAX), Mono::NEVER);
        assert_eq!(
            Mono::from_origin(Duration::from_secs(u64::MAX / 1_000_000_000 + 1)),
            Mono::NEVER
        );
        let odd = Duration::new(7, 123_456_789);
        assert_eq!(Mono::from_origin(odd).elapsed_from_origin(), odd);
        assert_eq!((Mono::ZERO + odd + odd).since(Mono::from_origin(odd)), odd);
    }

    #[test]
    fn a_timestamp_serialises_as_its_number() {
        let stored = serde_json::to_string(&Timestamp::from_millis(7)).unwrap();
        assert_eq!(stored, "7");
        assert_eq!(serde_json::from_str::<Timestamp>("7").unwrap(), Timestamp::from_millis(7));
    }
}
