//! The contract of a store, written a second time and in another way.

use std::collections::BTreeSet;
use std::time::Duration;

use lp_connector_core::bridge::store::{
    Answer, Cell, CellId, Claimed, Commit, Entry, Fence, Holder, Kept, LaneDetails, LaneId,
    LaneKind, LaneSummary, Lease, Listed, MAX_CLAIM_BYTES, Next, Record, Request,
};

use crate::Plant;

/// A store that keeps a log of what happened, and reads it from the start for each request.
///
/// It is slow, and simple: nothing in it is updated, so nothing can be forgotten.
#[derive(Clone, Debug, Default)]
pub struct Model {
    log: Vec<Fact>,
    plant: Option<Plant>,
}

#[derive(Clone, Debug)]
struct Fact {
    at: Duration,
    what: What,
}

#[derive(Clone, Debug)]
enum What {
    Appended {
        lane: LaneId,
        body: Vec<u8>,
    },
    /// A number that no entry has: only a fault makes one.
    Skipped {
        lane: LaneId,
    },
    Claimed {
        lane: LaneId,
        holder: Holder,
        fence: u64,
        until: Duration,
    },
    Extended {
        lane: LaneId,
        until: Duration,
    },
    Committed {
        from: u64,
        fence: u64,
        through: u64,
        commit: Commit,
    },
    Removed {
        lane: LaneId,
    },
    Written {
        cell: CellId,
        version: u64,
        value: Vec<u8>,
        until: Option<Duration>,
    },
}

impl What {
    fn lane(&self) -> Option<&LaneId> {
        match self {
            Self::Appended { lane, .. }
            | Self::Skipped { lane }
            | Self::Claimed { lane, .. }
            | Self::Extended { lane, .. }
            | Self::Removed { lane } => Some(lane),
            Self::Committed { commit, .. } => Some(&commit.lease.lane),
            Self::Written { .. } => None,
        }
    }
}

impl Model {
    /// A model with this fault.
    #[must_use]
    pub fn with(plant: Plant) -> Self {
        Self { log: Vec::new(), plant: Some(plant) }
    }

    /// Performs a request at this time.
    pub fn perform(&mut self, request: Request, now: Duration) -> Answer {
        match request {
            Request::Append(entries) => {
                self.append(entries, now);
                Answer::Appended
            }
            Request::Claim { holder, lanes, entries, term, speaks } => {
                let due = self.due_lanes(now, speaks);
                let due: Vec<LaneId> = due.into_iter().take(lanes).collect();
                let mut claimed: Vec<Claimed> = Vec::new();
                for lane in due {
                    let bytes: usize = claimed.iter().map(bytes_of).sum();
                    if bytes < MAX_CLAIM_BYTES {
                        claimed.push(self.claim(lane, holder, (entries, bytes), term, now));
                    }
                }
                Answer::Claimed(claimed)
            }
            Request::Commit(commits) => {
                Answer::Committed(commits.into_iter().map(|one| self.commit(one, now)).collect())
            }
            Request::Extend { leases, term } => Answer::Extended(
                leases.into_iter().map(|lease| self.extend(&lease, term, now)).collect(),
            ),
            Request::Read(cells) => {
                Answer::Cells(cells.iter().map(|cell| self.read(cell, now)).collect())
            }
            Request::Swap { cell, seen, value, life } => {
                let current = self.read(&cell, now);
                let version = current.as_ref().map_or(0, |cell| cell.version);
                let is_ours = version == seen || self.has(Plant::SwapNotChecked);
                if is_ours {
                    self.write(cell, value, life.map(|life| now + life), now);
                    return Answer::Swapped(true);
                }
                let is_there = match current {
                    Some(cell) => version > seen && cell.value == value,
                    None => value.is_empty(),
                };
                let is_repeated = is_there && !self.has(Plant::RepeatedSwapIsLost);
                Answer::Swapped(is_repeated)
            }
            Request::List { what, after, limit } => {
                Answer::Listed(self.list(&what, after.as_ref(), limit, now))
            }
        }
    }

    fn has(&self, plant: Plant) -> bool {
        self.plant == Some(plant)
    }

    fn record(&mut self, at: Duration, what: What) {
        self.log.push(Fact { at, what });
    }

    fn append(&mut self, entries: Vec<Entry>, now: Duration) {
        let several = entries.len() > 1;
        for Entry { mut lane, body } in entries {
            if self.has(Plant::KindsShareLanes) {
                lane = LaneId::new(lane.account().clone(), LaneKind::Consumer, lane.key());
            }
            if self.has(Plant::EntriesTwice) {
                self.record(now, What::Appended { lane: lane.clone(), body: body.clone() });
            }
            self.record(now, What::Appended { lane: lane.clone(), body });
            if self.has(Plant::NumbersWithGaps) && several {
                self.record(now, What::Skipped { lane });
            }
        }
    }

    /// What happened to a lane since it was made.
    fn story(&self, lane: &LaneId) -> Story<'_> {
        let all: Vec<&Fact> =
            self.log.iter().filter(|fact| fact.what.lane() == Some(lane)).collect();
        let made = all.iter().rposition(|fact| matches!(fact.what, What::Removed { .. }));
        Story {
            facts: all.into_iter().skip(made.map_or(0, |at| at + 1)).collect(),
            plant: self.plant,
        }
    }

    fn lanes(&self) -> BTreeSet<LaneId> {
        let all = self.log.iter().filter_map(|fact| fact.what.lane());
        all.filter(|lane| !self.story(lane).facts.is_empty()).cloned().collect()
    }

    fn due_lanes(&self, now: Duration, speaks: u16) -> Vec<LaneId> {
        let mut due: Vec<(Duration, LaneId)> = Vec::new();
        for lane in self.lanes() {
            let story = self.story(&lane);
            let is_readable = story.record().is_none_or(|record| record.version <= speaks);
            if let Some(at) = story.due().filter(|at| *at <= now)
                && (is_readable || self.has(Plant::NewerRecordGiven))
            {
                due.push((at, lane));
            }
        }
        due.sort();
        if self.has(Plant::ShortestDueFirst) {
            due.reverse();
        }
        due.into_iter().map(|(_, lane)| lane).collect()
    }

    fn next_fence(&self, lane: &LaneId) -> u64 {
        match self.has(Plant::FenceOfItsOwn) {
            true => self.story(lane).fence().unwrap_or(0) + 1,
            false => self.next_number(),
        }
    }

    fn next_number(&self) -> u64 {
        let fences = self.log.iter().filter_map(|fact| match fact.what {
            What::Claimed { fence, .. } | What::Committed { fence, .. } => Some(fence),
            What::Written { version, .. } => Some(version),
            _ => None,
        });
        fences.max().unwrap_or(0) + 1
    }

    fn claim(
        &mut self,
        lane: LaneId,
        holder: Holder,
        (limit, before): (usize, usize),
        term: Duration,
        now: Duration,
    ) -> Claimed {
        let fence = self.next_fence(&lane);
        let story = self.story(&lane);
        let mut entries = story.entries();
        if self.has(Plant::NewestFirst) {
            entries.reverse();
        }
        let since = match self.plant {
            Some(Plant::ElapsedSinceClaim) => story.claimed_at(),
            _ => story.committed_at(),
        };
        let taken_over = match self.plant {
            Some(Plant::ReleasedIsTakenOver) => story.fence().is_some(),
            Some(Plant::NeverTakenOver) => false,
            _ => story.is_held(),
        };
        let count = entries.len();
        let mut bytes = before + story.record().map_or(0, |record| record.body.len());
        let mut given: Vec<(u64, Vec<u8>)> = Vec::new();
        for entry in entries.into_iter().take(limit) {
            if given.is_empty() || bytes < MAX_CLAIM_BYTES || self.has(Plant::ClaimUnbounded) {
                bytes += entry.1.len();
                given.push(entry);
            }
        }
        let claimed = Claimed {
            lane: lane.clone(),
            fence: Fence(fence),
            taken_over,
            elapsed: since.map_or(Duration::ZERO, |at| now - at),
            record: story.record(),
            more: count > given.len(),
            entries: given,
        };
        let early = Duration::from_nanos(u64::from(self.has(Plant::TermEndsEarly)));
        let until = now + term.saturating_sub(early);
        self.record(now, What::Claimed { lane, holder, fence, until });
        claimed
    }

    fn is_leased(&self, lease: &Lease) -> bool {
        let story = self.story(&lease.lane);
        let fence = story.fence() == Some(lease.fence.0) || self.has(Plant::FenceNotChecked);
        let holder = story.holder() == Some(lease.holder) || self.has(Plant::HolderNotChecked);
        (story.is_held() || self.has(Plant::ReleaseForgotten)) && fence && holder
    }

    fn commit(&mut self, commit: Commit, now: Duration) -> Option<Fence> {
        let lane = commit.lease.lane.clone();
        let story = self.story(&lane);
        let current = story.fence();
        if !self.is_leased(&commit.lease) {
            let is_repeated = story.holder() == Some(commit.lease.holder)
                && story.committed_by_holder() == Some(commit.lease.fence.0);
            if self.has(Plant::LostCommitAppends)
                || (is_repeated && self.has(Plant::RepeatedCommitAppends))
            {
                self.append(commit.append, now);
            }
            if self.has(Plant::LostCommitWritesCells) {
                for (cell, value) in commit.cells {
                    self.write(cell, value, None, now);
                }
            }
            let is_known = is_repeated && !self.has(Plant::RepeatedCommitIsLost);
            return current.filter(|_| is_known).map(Fence);
        }
        let from = current.unwrap_or(0);
        let fence = if self.has(Plant::FenceStays) { from } else { self.next_fence(&lane) };
        let last = story.numbers();
        let through = match self.plant {
            Some(Plant::ThroughUnbounded) => commit.through,
            Some(Plant::ConsumesTail) => last,
            _ => commit.through.min(last),
        };
        let (append, cells, next) = (commit.append.clone(), commit.cells.clone(), commit.next);
        self.record(now, What::Committed { from, fence, through, commit });
        let is_empty = self.story(&lane).entries().is_empty();
        if next == Next::Gone && (is_empty || self.has(Plant::GoneDropsEntries)) {
            self.record(now, What::Removed { lane });
        }
        if !self.has(Plant::AppendForgotten) {
            self.append(append, now);
        }
        if !self.has(Plant::CellsForgotten) {
            for (cell, value) in cells {
                self.write(cell, value, None, now);
            }
        }
        Some(Fence(fence))
    }

    fn extend(&mut self, lease: &Lease, term: Duration, now: Duration) -> bool {
        let is_known = self.story(&lease.lane).is_held() && self.has(Plant::ExtensionNotChecked);
        let is_extended = is_known || self.is_leased(lease);
        if is_extended {
            self.record(now, What::Extended { lane: lease.lane.clone(), until: now + term });
        }
        is_extended
    }

    fn writes(&self, id: &CellId) -> impl DoubleEndedIterator<Item = (Cell, Option<Duration>)> {
        self.log.iter().filter_map(move |fact| match &fact.what {
            What::Written { cell, version, value, until } if cell == id => {
                Some((Cell { version: *version, value: value.clone() }, *until))
            }
            _ => None,
        })
    }

    fn read(&self, id: &CellId, now: Duration) -> Option<Cell> {
        let (cell, until) = self.writes(id).next_back()?;
        let is_alive = until.is_none_or(|until| now < until) || self.has(Plant::CellLivesOn);
        let is_there = !cell.value.is_empty() || self.has(Plant::EmptyCellStays);
        (is_alive && is_there).then_some(cell)
    }

    fn write(&mut self, cell: CellId, value: Vec<u8>, until: Option<Duration>, now: Duration) {
        let version = match self.plant {
            Some(Plant::VersionsBeginAgain) => {
                self.read(&cell, now).map_or(0, |cell| cell.version) + 1
            }
            // What is removed has no number.
            _ if value.is_empty() && !self.has(Plant::EmptyCellStays) => 0,
            _ => self.next_number(),
        };
        self.record(now, What::Written { cell, version, value, until });
    }

    fn list(
        &self,
        what: &Listed,
        after: Option<&LaneId>,
        limit: usize,
        now: Duration,
    ) -> Vec<LaneDetails> {
        let mut listed = Vec::new();
        for lane in self.lanes() {
            let story = self.story(&lane);
            let entries = story.entries();
            let summary = LaneSummary {
                held: story.is_held(),
                due_in: story.due().map(|due| due.saturating_sub(now)),
                overdue: story.due().map_or(Duration::ZERO, |due| now.saturating_sub(due)),
                entries: entries.len() as u64,
                lane: lane.clone(),
            };
            let sizes: Vec<(u64, usize)> =
                entries.iter().map(|(number, body)| (*number, body.len())).collect();
            let record = story.record();
            match what {
                Listed::Lane(one) if *one == lane => {
                    let entries = sizes.into_iter().take(limit).collect();
                    listed.push(LaneDetails { summary, record, entries });
                }
                Listed::Lanes { account, kind }
                    if *kind == lane.kind()
                        && account.as_ref().is_none_or(|one| one == lane.account())
                        && after.is_none_or(|after| lane > *after)
                        && (listed.len() < limit || self.has(Plant::ListTooLong)) =>
                {
                    listed.push(LaneDetails { summary, record, entries: Vec::new() });
                }
                Listed::Lane(_) | Listed::Lanes { .. } => {}
            }
        }
        listed
    }
}

fn bytes_of(claimed: &Claimed) -> usize {
    let record = claimed.record.as_ref().map_or(0, |record| record.body.len());
    record + claimed.entries.iter().map(|(_, body)| body.len()).sum::<usize>()
}

/// What happened to one lane.
struct Story<'a> {
    facts: Vec<&'a Fact>,
    plant: Option<Plant>,
}

impl<'a> Story<'a> {
    fn last<T>(&self, find: impl Fn(&'a Fact) -> Option<T>) -> Option<T> {
        self.facts.iter().rev().find_map(|fact| find(fact))
    }

    /// The last number that was given out.
    fn numbers(&self) -> u64 {
        let is_number =
            |fact: &&&Fact| matches!(fact.what, What::Appended { .. } | What::Skipped { .. });
        self.facts.iter().filter(is_number).count() as u64
    }

    fn consumed(&self) -> u64 {
        let through = self.facts.iter().filter_map(|fact| match fact.what {
            What::Committed { through, .. } => Some(through),
            _ => None,
        });
        through.max().unwrap_or(0)
    }

    fn entries(&self) -> Vec<(u64, Vec<u8>)> {
        let bodies = self.facts.iter().filter_map(|fact| match &fact.what {
            What::Appended { body, .. } => Some(Some(body)),
            What::Skipped { .. } => Some(None),
            _ => None,
        });
        let numbered = (1..).zip(bodies).filter_map(|(number, body)| Some((number, body?.clone())));
        numbered.filter(|(number, _)| *number > self.consumed()).collect()
    }

    fn fence(&self) -> Option<u64> {
        self.last(|fact| match fact.what {
            What::Claimed { fence, .. } | What::Committed { fence, .. } => Some(fence),
            _ => None,
        })
    }

    fn holder(&self) -> Option<Holder> {
        self.last(|fact| match fact.what {
            What::Claimed { holder, .. } => Some(holder),
            _ => None,
        })
    }

    fn claimed_at(&self) -> Option<Duration> {
        self.last(|fact| matches!(fact.what, What::Claimed { .. }).then_some(fact.at))
    }

    fn is_held(&self) -> bool {
        self.last(|fact| match &fact.what {
            What::Claimed { .. } => Some(true),
            What::Committed { commit, .. } => Some(matches!(commit.next, Next::Hold(_))),
            _ => None,
        })
        .unwrap_or(false)
    }

    fn committed_at(&self) -> Option<Duration> {
        self.last(|fact| matches!(fact.what, What::Committed { .. }).then_some(fact.at))
    }

    /// The fence before the last commit of the last holder.
    fn committed_by_holder(&self) -> Option<u64> {
        self.last(|fact| match fact.what {
            What::Claimed { .. } => Some(None),
            What::Committed { from, .. } => Some(Some(from)),
            _ => None,
        })
        .flatten()
    }

    fn record(&self) -> Option<Record> {
        let keeps = self.plant == Some(Plant::GoneKeepsRecord);
        let forgets = self.plant == Some(Plant::RecordForgotten);
        self.last(|fact| match &fact.what {
            What::Committed { commit, .. } if commit.next == Next::Gone && !keeps => Some(None),
            What::Committed { commit, .. } => match &commit.record {
                Kept::New(record) if !forgets => Some(Some(record.clone())),
                _ => None,
            },
            _ => None,
        })
        .flatten()
    }

    fn due(&self) -> Option<Duration> {
        let is_turn =
            |fact: &&Fact| !matches!(fact.what, What::Appended { .. } | What::Skipped { .. });
        let turn = self.facts.iter().rposition(is_turn);
        let (before, after) = self.facts.split_at(turn.map_or(0, |at| at + 1));
        let arrived = after.first().map(|fact| fact.at);
        let Some(turn) = before.last() else { return arrived };
        let has = |plant| self.plant == Some(plant);
        let scheduled = match &turn.what {
            What::Claimed { until, .. } | What::Extended { until, .. } => Some(*until),
            What::Committed { commit, .. } => {
                let then = Story { facts: before.to_vec(), plant: self.plant };
                let seen = if has(Plant::DueIgnoresSeen) { 0 } else { commit.seen };
                let has_news = then.numbers() > seen.max(then.consumed());
                match commit.next {
                    Next::Hold(term) => Some(turn.at + term),
                    _ if has_news && !has(Plant::DueIgnoresTail) => Some(turn.at),
                    Next::After(pause) => Some(turn.at + pause),
                    Next::Gone => Some(turn.at),
                    Next::Idle => None,
                }
            }
            _ => None,
        };
        let is_deaf = has(Plant::WaitingLaneIsNotDue) && scheduled.is_some();
        if (!self.is_held() && !is_deaf) || has(Plant::HeldLaneIsDue) {
            scheduled.into_iter().chain(arrived).min()
        } else {
            scheduled
        }
    }
}
