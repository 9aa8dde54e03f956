//! What all lanes' machines share.

use std::time::Duration;

use sha2::{Digest, Sha256};

use super::delivery::Delivery;
use super::event::BridgeEvent;
use super::outgoing::Outgoing;
use super::store::{CellId, Commit, Entry, Kept, LaneId, Lease, Next};
use crate::seed::Seed;

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

/// The pauses after a failure that is not the message's own: 1, 5, 25, 60 and 120 s, then every 300 s, and up to a tenth
/// more, so that the lanes of a channel that was out of order do not all come back at one instant. How much more follows
/// from the lane's name: nobody else has the lane meanwhile.
pub(super) fn outage_pause(lane: &LaneId, tries: u32) -> Duration {
    let seconds = match tries {
        0 | 1 => 1,
        2 => 5,
        3 => 25,
        4 => 60,
        5 => 120,
        _ => 300,
    };
    let least = Duration::from_secs(seconds);
    let draw = seed_of(lane).derive(tries.into()).jitter().draw();
    least + (least / 10).mul_f64(f64::from(draw) / f64::from(u32::MAX))
}

fn seed_of(lane: &LaneId) -> Seed {
    let mut hash = Sha256::new();
    for part in [lane.account().as_str(), lane.kind().name(), lane.key()] {
        hash.update(part);
        hash.update([0]);
    }
    let hash = hash.finalize();
    Seed::from_bytes(hash.first_chunk().copied().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    use crate::bridge::store::LaneKind;
    use crate::id::AccountId;

    fn lane(account: &str, kind: LaneKind, key: &str) -> LaneId {
        LaneId::new(AccountId::new(account).unwrap(), kind, key)
    }

    #[test]
    fn pauses_grow_to_five_minutes_and_a_tenth_more() {
        let tries = [0, 1, 2, 3, 4, 5, 6, 7, u32::MAX];
        let least = [1, 1, 5, 25, 60, 120, 300, 300, 300].map(Duration::from_secs);
        let lanes: Vec<_> =
            (0..2000).map(|n| lane("1", LaneKind::Consumer, &n.to_string())).collect();
        for (tries, least) in tries.into_iter().zip(least) {
            let pauses = lanes.iter().map(|lane| outage_pause(lane, tries).div_duration_f64(least));
            let (mut shortest, mut longest, mut sum) = (2.0_f64, 0.0_f64, 0.0);
            for times in pauses {
                (shortest, longest) = (shortest.min(times), longest.max(times));
                sum += times / 2000.0;
            }
            let is_spread =
                shortest >= 1.0 && longest <= 1.1 && shortest < 1.001 && longest > 1.099;
            assert!(
                is_spread && (1.045..1.055).contains(&sum),
                "{tries}: {shortest} {sum} {longest}"
            );
        }
    }

    #[test]
    fn each_lane_and_try_has_a_pause_of_its_own() {
        let lanes = [
            lane("1", LaneKind::Consumer, "23"),
            lane("12", LaneKind::Consumer, "3"),
            lane("1", LaneKind::Conversation, "23"),
            lane("1", LaneKind::Consumer, "24"),
        ];
        let mut pauses = Vec::new();
        for tries in [6, 7] {
            pauses.extend(lanes.iter().map(|lane| outage_pause(lane, tries)));
            assert_eq!(outage_pause(&lanes[0], tries), outage_pause(&lanes[0], tries));
        }
        pauses.sort();
        pauses.dedup();
        assert_eq!(pauses.len(), 8);
    }
}
