//! What a worker holds, as text: for telling the states of small worlds apart.

use std::fmt::Write as _;

use super::{Asked, Held, Worker};
use crate::bridge::store::LaneId;
use crate::time::Mono;

impl Worker {
    /// What it holds and waits for, without the numbers of its requests.
    pub(in crate::bridge) fn describe(&self, now: Mono) -> String {
        let mut text = String::new();
        for (id, held) in &self.lanes {
            // What is told later decides about nothing.
            let Held { lease, held_until, machine, commit, effect, not_before, .. } = held;
            let wait = not_before.since(now);
            let _ = writeln!(
                text,
                "{id:?} {:?} {:?} {held_until:?} {machine:?} {commit:?} {} {wait:?}",
                lease.fence,
                lease.holder,
                effect.is_some()
            );
            // `Debug` of a commit shows no cells.
            let cells = commit.as_ref().map(|commit| &commit.cells);
            let _ = writeln!(text, "{cells:?}");
        }
        for asked in self.asked.values() {
            let _ = match asked {
                Asked::Claim { holder, at, .. } => writeln!(text, "claim {holder:?} {at:?}"),
                Asked::Commit { lanes, at } => writeln!(text, "commit {lanes:?} {at:?}"),
                Asked::Extend { lanes, at } => writeln!(text, "extend {lanes:?} {at:?}"),
                Asked::Read { lane } => writeln!(text, "read {lane:?}"),
            };
        }
        let _ = writeln!(text, "{:?} {:?} {:?}", self.ready, self.to_commit, self.to_extend);
        let _ = writeln!(text, "{:?}", self.effects.values().collect::<Vec<_>>());
        text
    }

    /// The lanes whose effect is under way, as far as the worker may still believe that it holds them.
    pub(in crate::bridge) fn working_on(&self, now: Mono) -> impl Iterator<Item = &LaneId> {
        let works = move |held: &Held| held.effect.is_some() && held.held_until > now;
        self.lanes.iter().filter(move |(_, held)| works(held)).map(|(id, _)| id)
    }

    /// Looks for no lane before this.
    pub(in crate::bridge) fn look_later(&mut self, until: Mono) {
        self.next_claim = until;
        self.dues.clear();
    }

    /// When it has something to do without a result.
    pub(in crate::bridge) fn wakes(&self, now: Mono) -> Mono {
        self.wake_at(now)
    }
}
