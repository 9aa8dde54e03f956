//! Which lane begins next where there is not room for all, and how accounts leave room to each other.

use std::time::Duration;

use super::{Held, Worker};
use crate::bridge::lane::DraftNext;
use crate::bridge::store::{LaneId, Next};
use crate::id::AccountId;
use crate::time::Now;

/// How long a lane is put off whose account has all its places taken and its share of the lanes.
pub(super) const CROWDED_PAUSE: Duration = Duration::from_secs(1);

impl Worker {
    /// True if a further request or delivery of this account may begin.
    pub(super) fn has_room(&self, account: &AccountId) -> bool {
        self.effects.len() < self.config.max_effects
            && self.effects_of(account) < self.config.account_effects()
    }

    fn effects_of(&self, account: &AccountId) -> usize {
        if self.config.account_effects() >= self.config.max_effects {
            return 0; // There is no limit but the common one.
        }
        self.effects.values().filter(|lane| lane.account() == account).count()
    }

    /// The lane that has waited longest and may begin now. While the worker stops, each is released in its turn.
    pub(super) fn next_waiting(&mut self) -> Option<LaneId> {
        if self.is_stopping {
            return self.waiting.pop_front();
        }
        if self.waiting.is_empty() || self.effects.len() >= self.config.max_effects {
            return None;
        }
        let may_go = |id: &LaneId| !self.lanes.contains_key(id) || self.has_room(id.account());
        let at = self.waiting.iter().position(may_go)?;
        self.waiting.remove(at)
    }

    /// True if the lane's account has its places taken and holds more than its share of the lanes: others must find
    /// room.
    pub(super) fn is_crowded(&self, id: &LaneId) -> bool {
        let share = self.config.account_lanes();
        if self.lanes.len() <= share {
            return false;
        }
        // One that is being released leaves room already.
        let is_kept = |held: &Held| {
            held.commit.as_ref().is_none_or(|commit| matches!(commit.next, Next::Hold(_)))
        };
        let kept = self
            .lanes
            .iter()
            .filter(|(lane, held)| lane.account() == id.account() && is_kept(held))
            .count();
        kept > share
    }

    /// Releases a lane for a while: others are due before it.
    pub(super) fn put_off(&mut self, id: &LaneId, pause: Duration, now: Now) {
        let term = self.config.lease_term();
        if let Some(held) = self.lanes.get_mut(id) {
            let mut draft = held.machine.release(now);
            draft.next = DraftNext::After(pause);
            held.events = std::mem::take(&mut draft.events);
            held.commit = Some(draft.for_lease(&held.lease, term));
            self.to_commit.push_back(id.clone());
        }
    }
}

#[cfg(test)]
#[path = "fairness_tests.rs"]
mod tests;
