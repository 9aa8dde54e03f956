//! Which lanes a worker holds, and for how long.

use super::{Held, STORE_PAUSE, Worker};
use crate::bridge::event::BridgeEventKind;
use crate::bridge::store::{Answer, Claimed, Fence, Holder, LaneId, Lease, Next, is_sealed};
use crate::bridge::worker::machine::Machine;
use crate::time::{Mono, Now};

/// True if this program lacks the key of something in the lane.
fn has_sealed(lane: &Claimed) -> bool {
    lane.record.as_ref().is_some_and(|record| is_sealed(&record.body))
        || lane.entries.iter().any(|(_, body)| is_sealed(body))
}

impl Worker {
    pub(super) fn on_claimed(
        &mut self,
        claimed: Vec<Claimed>,
        holder: Holder,
        at: Mono,
        news: u64,
        now: Now,
    ) {
        if let Some(pause) = self.throttled_pause(now.mono()) {
            self.next_claim = now.mono() + pause;
        } else if claimed.is_empty() && news == self.news {
            self.next_claim = now.mono() + self.claim_pause;
            self.claim_pause = self.claim_pause.saturating_mul(2).min(self.config.poll_most);
        } else {
            self.claim_soon();
        }
        // The term counts from before the claim was asked: the store's began later.
        let held_until = at + self.config.lease_term();
        for lane in claimed {
            if has_sealed(&lane) {
                // It stays as it is: its term ends, and a program with the key goes on.
                self.counters.unreadable += 1;
                self.dues.note(&lane.lane, now.mono() + self.config.lease_term());
                continue;
            }
            self.dues.held(&lane.lane);
            self.counters.claimed += 1;
            self.counters.taken_over += u64::from(lane.taken_over);
            let id = lane.lane.clone();
            if lane.taken_over {
                self.tell_of_lane(&id, BridgeEventKind::TakenOver(id.kind()));
            }
            let bytes = lane.record.as_ref().map_or(0, |record| record.body.len())
                + lane.entries.iter().map(|(_, body)| body.len()).sum::<usize>();
            let lease = Lease { lane: id.clone(), fence: lane.fence, holder };
            let machine = Machine::restore(lane, self.config.clone(), now);
            let not_before = Mono::ZERO;
            let (commit, events, effect) = (None, Vec::new(), None);
            let is_suspected = false;
            let held = Held {
                lease,
                held_until,
                news,
                machine,
                bytes,
                commit,
                events,
                effect,
                not_before,
                is_suspected,
                others_first: false,
            };
            // One that was held before was lost: the store gave it anew.
            self.lanes.insert(id.clone(), held);
            self.ready.push_back(id);
        }
    }

    pub(super) fn on_committed(
        &mut self,
        id: &LaneId,
        old: Fence,
        new: Option<Fence>,
        at: Mono,
        now: Mono,
    ) {
        if !self.is_current(id, old) {
            return;
        }
        let (Some(fence), Some(held)) = (new, self.lanes.get_mut(id)) else {
            self.lose(id, now);
            return;
        };
        self.counters.committed += 1;
        let Some(commit) = held.commit.take() else { return };
        let events = std::mem::take(&mut held.events);
        let is_released = !matches!(commit.next, Next::Hold(_));
        let has_unseen = is_released && held.news != self.news;
        let has_appended = !commit.append.is_empty();
        match commit.next {
            Next::Hold(term) => {
                held.lease.fence = fence;
                held.held_until = at + term;
                held.not_before = Mono::ZERO;
                held.is_suspected = false;
                held.machine.committed();
                self.ready.push_back(id.clone());
            }
            Next::After(pause) => {
                let due = match held.others_first {
                    true => self.after_others(now + pause),
                    false => now + pause,
                };
                self.lanes.remove(id);
                self.dues.note(id, due);
            }
            Next::Idle | Next::Gone => {
                self.lanes.remove(id);
            }
        }
        if has_appended {
            self.appended();
        } else if has_unseen {
            // A claim that was asked meanwhile passed the lane by: it was held.
            self.claim_soon();
        }
        events.into_iter().for_each(|event| self.tell(event));
    }

    pub(super) fn on_read(&mut self, number: u64, id: &LaneId, answer: Option<Answer>, now: Now) {
        let Some(held) = self.lanes.get_mut(id).filter(|held| held.effect == Some(number)) else {
            return;
        };
        held.effect = None;
        match answer {
            Some(Answer::Cells(cells)) => held.machine.read(&cells, now),
            _ => {
                held.machine.cancelled();
                held.not_before = now.mono() + STORE_PAUSE;
            }
        }
        self.ready.push_back(id.clone());
    }

    /// True if the lane is held under this fence.
    pub(super) fn is_current(&self, id: &LaneId, fence: Fence) -> bool {
        self.lanes.get(id).is_some_and(|held| held.lease.fence == fence)
    }

    pub(super) fn postpone(&mut self, id: &LaneId, now: Mono) {
        if let Some(held) = self.lanes.get_mut(id) {
            held.not_before = now + STORE_PAUSE;
        }
    }

    /// Makes another commit of a lane whose own was refused: with less. False if there is nothing to give up.
    pub(super) fn shed(&mut self, id: &LaneId, now: Now) -> bool {
        let term = self.config.lease_term();
        let Some(held) = self.lanes.get_mut(id) else { return false };
        let Some(refused) = held.commit.take() else { return false };
        let Some(mut draft) = held.machine.shed(now) else { return false };
        // What the refused one would have told is told with this one.
        draft.append.splice(0..0, refused.append);
        draft.cells.splice(0..0, refused.cells);
        held.events.append(&mut draft.events);
        held.commit = Some(draft.for_lease(&held.lease, term));
        true
    }

    /// Somebody else has the lane, or may have it: all that is known of it is in the store. If nobody has it, its
    /// term ends by the store's clock.
    pub(super) fn lose(&mut self, id: &LaneId, now: Mono) {
        if self.lanes.remove(id).is_some() {
            self.counters.lost += 1;
            self.dues.note(id, now + self.config.lease_term());
            self.tell_of_lane(id, BridgeEventKind::CommitLost(id.kind()));
        }
    }

    /// A lane whose term is over belongs to whoever claims it next. Its effect may still be under way: the result
    /// is of no use any more.
    pub(super) fn drop_expired(&mut self, now: Mono) {
        let expired: Vec<LaneId> = self
            .lanes
            .iter()
            .filter(|(_, held)| held.held_until <= now)
            .map(|(id, _)| id.clone())
            .collect();
        for id in expired {
            self.lose(&id, now);
        }
    }

    /// A lane may be due now.
    pub(super) fn claim_soon(&mut self) {
        self.next_claim = Mono::ZERO;
        self.claim_pause = self.config.poll_least;
    }

    /// When the next claim is to be asked for.
    pub(super) fn claim_at(&self) -> Mono {
        self.dues.first().map_or(self.next_claim, |due| self.next_claim.min(due))
    }

    /// When something can be done without a result.
    pub(super) fn wake_at(&self, now: Mono) -> Mono {
        let lanes = self.lanes.values().map(|held| match held.not_before > now {
            true => held.not_before.min(held.held_until),
            false => held.held_until,
        });
        let has_room = self.lane_room() > 0;
        let claim = (!self.is_stopping && !self.is_claiming && has_room).then(|| self.claim_at());
        let wake = lanes.chain(claim).min().unwrap_or(Mono::NEVER);
        wake.min(self.throttled_until(now))
    }
}
