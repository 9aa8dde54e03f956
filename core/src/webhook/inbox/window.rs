//! How far events may wait for their order.

use std::time::Duration;

/// The reorder window: how many events wait for those before them, and how long.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ReorderWindow {
    pub(super) count: usize,
    pub(super) time: Duration,
}

impl ReorderWindow {
    /// Holds back at most `count` events of one dialog, and each for at most `time`.
    ///
    /// Receipts take a sequence too. A connector that does not subscribe to every kind of messaging
    /// event meets a gap for each missing one, and waits `time` for it unless
    /// [`Inbox::mark_seen`](super::Inbox::mark_seen) fills the gap.
    #[must_use]
    pub const fn new(count: usize, time: Duration) -> Self {
        Self { count, time }
    }

    /// Holds nothing back: each event once, in the order of arrival.
    #[must_use]
    pub const fn none() -> Self {
        Self::new(0, Duration::ZERO)
    }
}

impl Default for ReorderWindow {
    /// 64 events, for 2 s.
    fn default() -> Self {
        Self::new(64, Duration::from_secs(2))
    }
}
