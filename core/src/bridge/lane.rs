//! What all lanes' machines share.

use std::time::Duration;

use super::delivery::Delivery;
use super::event::BridgeEvent;
use super::outgoing::Outgoing;
use super::store::{CellId, Commit, Entry, Kept, Lease, Next};

/// The next step of a lane's machine.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "it lives for one turn of a loop")]
pub(super) enum LaneStep {
    /// Do this, then pass the result in.
    Effect(Effect),
    /// Commit this. If the lane is held, it goes on afterwards.
    Commit(Draft),
}

/// Something outside the lane.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "it lives for one turn of a loop")]
pub(super) enum Effect {
    Read(Vec<CellId>),
    Call(Outgoing),
    Deliver(Delivery),
}

/// A commit, without the lease.
#[derive(Debug)]
pub(super) struct Draft {
    pub(super) through: u64,
    /// See [`Commit::seen`].
    pub(super) seen: u64,
    pub(super) record: Kept,
    pub(super) append: Vec<Entry>,
    pub(super) cells: Vec<(CellId, Vec<u8>)>,
    pub(super) next: DraftNext,
    /// What happened, to be told once the commit has taken effect.
    pub(super) events: Vec<BridgeEvent>,
}

impl Draft {
    pub(super) fn for_lease(self, lease: &Lease, term: Duration) -> Commit {
        let Self { through, seen, record, append, cells, next, events: _ } = self;
        let mut commit = Commit::new(lease.lane.clone(), lease.fence, lease.holder)
            .through(through)
            .seen(seen)
            .next(next.with_term(term));
        commit.record = record;
        commit.append = append;
        commit.cells = cells;
        commit
    }
}

/// As [`Next`], without the term, which the worker knows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum DraftNext {
    Hold,
    After(Duration),
    Idle,
    Gone,
}

impl DraftNext {
    pub(super) const fn with_term(self, term: Duration) -> Next {
        match self {
            Self::Hold => Next::Hold(term),
            Self::After(pause) => Next::After(pause),
            Self::Idle => Next::Idle,
            Self::Gone => Next::Gone,
        }
    }
}

/// The pauses after a failure that is not the message's own: 1, 5, 25, 60 and 120 s, then every 300 s.
pub(super) fn outage_pause(tries: u32) -> Duration {
    let seconds = match tries {
        0 | 1 => 1,
        2 => 5,
        3 => 25,
        4 => 60,
        5 => 120,
        _ => 300,
    };
    Duration::from_secs(seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_five_minutes() {
        let pauses = [0, 1, 2, 3, 4, 5, 6, 7, u32::MAX].map(|tries| outage_pause(tries).as_secs());
        assert_eq!(pauses, [1, 1, 5, 25, 60, 120, 300, 300, 300]);
    }
}
