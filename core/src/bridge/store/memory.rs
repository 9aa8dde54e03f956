//! The contract of a store, executable.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use super::{
    Answer, Cell, CellId, Claimed, Commit, Entry, Fence, Holder, Kept, LaneDetails, LaneId,
    LaneSummary, Lease, Listed, MAX_CLAIM_BYTES, Next, Record, Request,
};
use crate::time::Mono;

/// A store in memory: the reference that other stores are compared with, and the store of tests and
/// simulations. It keeps nothing over a restart.
///
/// Time is an argument: the store's clock.
///
/// # Invariants
///
/// Tests go to every state that two or three workers, a lane, a few entries and a few half terms can lead to: more than
/// 8 000. Whoever was given a lease may use it at any later time there.
///
/// 1. Each claim and each commit that takes effect has a fence that is greater than all before.
/// 2. At most one lease of a lane counts. A commit or an extension with any other changes nothing.
/// 3. Under one fence one commit takes effect at most. Asked for again before the next claim, it changes nothing and has
///    the same answer, unless it removed the lane.
/// 4. A lease counts until its holder releases the lane or, at the end of its term or later, another one claims it. Nobody
///    but its holder makes the term shorter or longer, by a nanosecond.
/// 5. A claim gives the entries that are not consumed, all in order, and says if it takes over from a holder that said
///    nothing.
/// 6. A lane that is released with entries that were not seen is due at once.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct MemoryStore {
    lanes: BTreeMap<LaneId, Lane>,
    /// The lanes that have a due time, by it.
    schedule: BTreeSet<(Mono, LaneId)>,
    cells: BTreeMap<CellId, (Cell, Option<Mono>)>,
    /// The cells that expire, by the time.
    expiries: BTreeSet<(Mono, CellId)>,
    /// The last fence or version. One counter serves all lanes and cells, so that what is removed and created again
    /// has no number twice.
    fence: u64,
}

#[derive(Clone, PartialEq, Eq, Debug, Default)]
struct Lane {
    record: Option<Record>,
    /// When the lane may be claimed: its due time, or the end of its holder's term.
    due: Option<Mono>,
    /// The last holder, which stays known after it released the lane: a commit that is repeated is found by it.
    holder: Option<Holder>,
    is_held: bool,
    fence: u64,
    /// The fence before the holder's last commit.
    committed_from: Option<u64>,
    committed_at: Option<Mono>,
    head: u64,
    entries: VecDeque<Vec<u8>>,
}

impl Lane {
    fn tail(&self) -> u64 {
        self.head.saturating_add(self.entries.len() as u64)
    }

    fn is_leased_by(&self, lease: &Lease) -> bool {
        self.is_held && self.fence == lease.fence.0 && self.holder == Some(lease.holder)
    }

    fn set_due(&mut self, id: &LaneId, due: Option<Mono>, schedule: &mut BTreeSet<(Mono, LaneId)>) {
        if let Some(old) = self.due {
            schedule.remove(&(old, id.clone()));
        }
        self.due = due;
        schedule.extend(due.map(|due| (due, id.clone())));
    }
}

impl MemoryStore {
    /// Performs a request at this time of the store's clock.
    pub fn perform(&mut self, request: Request, now: Mono) -> Answer {
        match request {
            Request::Append(entries) => {
                self.append(entries, now);
                Answer::Appended
            }
            Request::Claim { holder, lanes, entries, term, speaks } => {
                Answer::Claimed(self.claim(holder, lanes, entries, term, speaks, now))
            }
            Request::Commit(commits) => {
                Answer::Committed(commits.into_iter().map(|one| self.commit(one, now)).collect())
            }
            Request::Extend { leases, term } => {
                Answer::Extended(leases.iter().map(|lease| self.extend(lease, term, now)).collect())
            }
            Request::Read(cells) => {
                Answer::Cells(cells.iter().map(|cell| self.read(cell, now).cloned()).collect())
            }
            Request::Swap { cell, seen, value, life } => {
                Answer::Swapped(self.swap(cell, seen, value, life, now))
            }
            Request::List { what, after, limit } => {
                Answer::Listed(self.list(&what, after.as_ref(), limit, now))
            }
        }
    }

    /// When the next lane is due, or the next lease ends: [`Mono::ZERO`] or earlier than now if one is due
    /// already.
    #[must_use]
    pub fn next_due(&self) -> Option<Mono> {
        self.schedule.first().map(|(due, _)| *due)
    }

    pub(super) fn dues(&self) -> impl Iterator<Item = Mono> {
        self.lanes.values().filter_map(|lane| lane.due)
    }

    /// The number of entries in all lanes.
    #[must_use]
    pub fn entries(&self) -> usize {
        self.lanes.values().map(|lane| lane.entries.len()).sum()
    }

    fn append(&mut self, entries: Vec<Entry>, now: Mono) {
        for Entry { lane: id, body } in entries {
            let lane = self.lanes.entry(id.clone()).or_default();
            lane.entries.push_back(body);
            if !lane.is_held {
                let due = lane.due.map_or(now, |due| due.min(now));
                lane.set_due(&id, Some(due), &mut self.schedule);
            }
        }
    }

    fn claim(
        &mut self,
        holder: Holder,
        lanes: usize,
        entries: usize,
        term: Duration,
        speaks: u16,
        now: Mono,
    ) -> Vec<Claimed> {
        let is_readable = |id: &LaneId| {
            let record = self.lanes.get(id).map(|lane| lane.record.as_ref());
            record.is_some_and(|record| record.is_none_or(|record| record.version <= speaks))
        };
        let due = self.schedule.iter().take_while(|(due, _)| *due <= now).map(|(_, id)| id);
        let due: Vec<LaneId> = due.filter(|id| is_readable(id)).take(lanes).cloned().collect();
        let mut claimed = Vec::new();
        let mut bytes = 0;
        for id in due {
            if bytes >= MAX_CLAIM_BYTES {
                break;
            }
            let Some(lane) = self.lanes.get_mut(&id) else { continue };
            self.fence += 1;
            let taken_over = lane.is_held;
            lane.fence = self.fence;
            lane.holder = Some(holder);
            lane.committed_from = None;
            lane.is_held = true;
            lane.set_due(&id, Some(now + term), &mut self.schedule);
            bytes += lane.record.as_ref().map_or(0, |record| record.body.len());
            let numbered = (lane.head + 1..).zip(lane.entries.iter()).take(entries);
            let mut given: Vec<(u64, Vec<u8>)> = Vec::new();
            for (number, body) in numbered {
                if !given.is_empty() && bytes >= MAX_CLAIM_BYTES {
                    break;
                }
                bytes += body.len();
                given.push((number, body.clone()));
            }
            claimed.push(Claimed {
                fence: Fence(lane.fence),
                taken_over,
                elapsed: lane.committed_at.map_or(Duration::ZERO, |at| now.since(at)),
                record: lane.record.clone(),
                more: lane.entries.len() > given.len(),
                entries: given,
                lane: id,
            });
        }
        claimed
    }

    fn commit(&mut self, commit: Commit, now: Mono) -> Option<Fence> {
        let Commit { lease, through, seen, record, append, cells, next } = commit;
        let lane = self.lanes.get_mut(&lease.lane)?;
        if !lane.is_leased_by(&lease) {
            // The answer to this very commit may have been lost.
            let repeated =
                lane.committed_from == Some(lease.fence.0) && lane.holder == Some(lease.holder);
            return repeated.then_some(Fence(lane.fence));
        }
        self.fence += 1;
        lane.committed_from = Some(lane.fence);
        lane.fence = self.fence;
        lane.committed_at = Some(now);
        while lane.head < through && lane.entries.pop_front().is_some() {
            lane.head += 1;
        }
        if let Kept::New(record) = record {
            lane.record = Some(record);
        }
        let has_news = lane.tail() > seen.max(lane.head);
        lane.is_held = matches!(next, Next::Hold(_));
        let due = match next {
            Next::Hold(term) => Some(now + term),
            _ if has_news => Some(now),
            Next::Gone if !lane.entries.is_empty() => Some(now),
            Next::After(pause) => Some(now + pause),
            Next::Idle | Next::Gone => None,
        };
        lane.set_due(&lease.lane, due, &mut self.schedule);
        let fence = Fence(lane.fence);
        if matches!(next, Next::Gone) {
            lane.record = None;
            if lane.entries.is_empty() {
                self.lanes.remove(&lease.lane);
            }
        }
        self.append(append, now);
        for (cell, value) in cells {
            self.write(cell, value, None, now);
        }
        Some(fence)
    }

    fn extend(&mut self, lease: &Lease, term: Duration, now: Mono) -> bool {
        match self.lanes.get_mut(&lease.lane) {
            Some(lane) if lane.is_leased_by(lease) => {
                lane.set_due(&lease.lane, Some(now + term), &mut self.schedule);
                true
            }
            _ => false,
        }
    }

    fn read(&self, cell: &CellId, now: Mono) -> Option<&Cell> {
        let (cell, until) = self.cells.get(cell)?;
        until.is_none_or(|until| now < until).then_some(cell)
    }

    /// Versions never come twice: whoever saw a cell that has expired must not overwrite the new one.
    fn write(&mut self, id: CellId, value: Vec<u8>, until: Option<Mono>, now: Mono) {
        while let Some((until, expired)) = self.expiries.first().cloned()
            && until <= now
        {
            self.remove(&expired);
        }
        self.remove(&id);
        if value.is_empty() {
            return;
        }
        self.fence += 1;
        self.expiries.extend(until.map(|until| (until, id.clone())));
        self.cells.insert(id, (Cell { version: self.fence, value }, until));
    }

    fn remove(&mut self, id: &CellId) {
        if let Some((_, Some(until))) = self.cells.remove(id) {
            self.expiries.remove(&(until, id.clone()));
        }
    }

    fn swap(
        &mut self,
        id: CellId,
        seen: u64,
        value: Vec<u8>,
        life: Option<Duration>,
        now: Mono,
    ) -> bool {
        let version = self.read(&id, now).map_or(0, |cell| cell.version);
        if version != seen {
            // The answer to this very swap may have been lost.
            return match self.read(&id, now) {
                Some(cell) => version > seen && cell.value == value,
                None => value.is_empty(),
            };
        }
        self.write(id, value, life.map(|life| now + life), now);
        true
    }

    fn list(
        &self,
        what: &Listed,
        after: Option<&LaneId>,
        limit: usize,
        now: Mono,
    ) -> Vec<LaneDetails> {
        let wanted = |id: &LaneId| match what {
            Listed::Lanes { account, kind } => {
                id.kind() == *kind && account.as_ref().is_none_or(|one| one == id.account())
            }
            Listed::Lane(lane) => id == lane,
        };
        let details = |(id, lane): (&LaneId, &Lane)| {
            let numbered = (lane.head + 1..).zip(lane.entries.iter().map(Vec::len));
            LaneDetails {
                summary: LaneSummary {
                    lane: id.clone(),
                    held: lane.is_held,
                    due_in: lane.due.map(|due| due.since(now)),
                    overdue: lane.due.map_or(Duration::ZERO, |due| now.since(due)),
                    entries: lane.tail() - lane.head,
                },
                record: lane.record.clone(),
                entries: match what {
                    Listed::Lane(_) => numbered.take(limit).collect(),
                    Listed::Lanes { .. } => Vec::new(),
                },
            }
        };
        let found = self.lanes.iter().filter(|(id, _)| wanted(id));
        match what {
            Listed::Lane(_) => found.map(details).collect(),
            Listed::Lanes { .. } => {
                let rest = found.filter(|(id, _)| after.is_none_or(|after| *id > after));
                rest.map(details).take(limit).collect()
            }
        }
    }
}

#[cfg(any(test, feature = "_fuzz"))]
use super::LaneKind;

#[cfg(any(test, feature = "_fuzz"))]
impl MemoryStore {
    /// Performs a request of a worker that is given lanes of some kinds only.
    pub(in crate::bridge) fn perform_for(
        &mut self,
        serves: impl Fn(LaneKind) -> bool,
        request: Request,
        now: Mono,
    ) -> Answer {
        let is_claim = matches!(request, Request::Claim { .. });
        let is_hidden = |id: &LaneId| is_claim && !serves(id.kind());
        let lanes = std::mem::take(&mut self.lanes);
        let (mut hidden, lanes): (BTreeMap<_, _>, _) =
            lanes.into_iter().partition(|(id, _)| is_hidden(id));
        self.lanes = lanes;
        let answer = self.perform(request, now);
        self.lanes.append(&mut hidden);
        answer
    }

    /// When the next lane of some kinds is due.
    #[cfg(test)]
    pub(in crate::bridge) fn due_for(&self, serves: impl Fn(LaneKind) -> bool) -> Option<Mono> {
        let lanes = self.lanes.iter().filter(|(id, _)| serves(id.kind()));
        lanes.filter_map(|(_, lane)| lane.due).min()
    }

    /// Who holds a lane, and since which fence.
    #[cfg(test)]
    pub(in crate::bridge) fn lease_of(&self, id: &LaneId) -> Option<Lease> {
        let lane = self.lanes.get(id).filter(|lane| lane.is_held)?;
        Some(Lease { lane: id.clone(), fence: Fence(lane.fence), holder: lane.holder? })
    }

    /// The most bytes of a record, and the most entries of a lane.
    pub(crate) fn largest(&self) -> (usize, usize) {
        let records = self.lanes.values().filter_map(|lane| lane.record.as_ref());
        let bytes = records.map(|record| record.body.len()).max();
        let entries = self.lanes.values().map(|lane| lane.entries.len()).max();
        (bytes.unwrap_or_default(), entries.unwrap_or_default())
    }

    /// The whole content as text, for telling states apart.
    #[cfg(test)]
    pub(in crate::bridge) fn describe(&self, now: Mono) -> String {
        use std::fmt::Write as _;
        let mut text = String::new();
        for (id, lane) in &self.lanes {
            let body = |body: &[u8]| String::from_utf8_lossy(body).into_owned();
            let record = lane.record.as_ref().map(|record| body(&record.body));
            let age = lane.committed_at.map(|at| now.since(at));
            let _ = write!(
                text,
                "{} {}: {record:?} {:?} {:?} {} {:?} {:?} {age:?} {}",
                id.kind(),
                id.key(),
                lane.due,
                lane.holder,
                lane.is_held,
                Fence(lane.fence),
                lane.committed_from.map(Fence),
                lane.head,
            );
            for entry in &lane.entries {
                text.push_str(&body(entry));
            }
            text.push('\n');
        }
        for (id, (cell, _)) in &self.cells {
            let _ = writeln!(text, "{} {:?}", id.key, cell.value);
        }
        text
    }
}
