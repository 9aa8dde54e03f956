//! The store of a world, watched: a plain model of its leases says what it may do.

use std::collections::BTreeMap;
use std::time::Duration;

use lp_connector_core::bridge::store::{
    Answer, Claimed, Commit, Fence, Holder, Kept, LaneId, LaneKind, Lease, MemoryStore, Next,
    Request,
};
use lp_connector_core::time::Mono;

use super::invariant::{Broken, Invariant};

/// The most bytes that a record may have: its parts are bounded.
const MAX_RECORD: usize = 1024 * 1024;

/// A lease as the model knows it.
#[derive(Clone, Copy, Debug)]
struct Held {
    holder: Holder,
    fence: Fence,
    until: Mono,
}

#[derive(Debug, Default)]
pub(crate) struct WatchedStore {
    pub(crate) store: MemoryStore,
    held: BTreeMap<LaneId, Held>,
    /// Each commit that took effect, with its new fence: a repetition is answered alike.
    done: BTreeMap<(LaneId, Holder, u64), Fence>,
    /// How often a lane passed on from a silent holder.
    pub(crate) takeovers: u32,
}

/// The store's clock: it has nothing to do with any other.
pub(crate) fn store_clock(now: Duration) -> Mono {
    Mono::from_origin(Duration::from_secs(1_000) + now)
}

impl WatchedStore {
    /// Performs a request.
    pub(crate) fn perform(&mut self, request: Request, now: Duration) -> Result<Answer, Broken> {
        let mono = store_clock(now);
        match request {
            Request::Claim { holder, lanes, entries, term, speaks } => {
                let request = Request::Claim { holder, lanes, entries, term, speaks };
                let answer = self.store.perform(request, mono);
                if let Answer::Claimed(claimed) = &answer {
                    for lane in claimed {
                        self.claimed(lane, holder, term, mono)?;
                    }
                }
                Ok(answer)
            }
            Request::Commit(commits) => {
                let fences: Result<Vec<_>, Broken> =
                    commits.into_iter().map(|commit| self.commit(commit, mono)).collect();
                Ok(Answer::Committed(fences?))
            }
            Request::Extend { leases, term } => {
                let known: Vec<bool> = leases.iter().map(|lease| self.is_held(lease)).collect();
                let answer =
                    self.store.perform(Request::Extend { leases: leases.clone(), term }, mono);
                if let Answer::Extended(extended) = &answer {
                    for ((lease, known), extended) in leases.iter().zip(known).zip(extended) {
                        if *extended && !known {
                            return Err(stale(format!("{:?} was extended", lease.lane)));
                        }
                        if let Some(held) = self.held.get_mut(&lease.lane).filter(|_| *extended) {
                            held.until = mono + term;
                        }
                    }
                }
                Ok(answer)
            }
            other => Ok(self.store.perform(other, mono)),
        }
    }

    fn claimed(
        &mut self,
        lane: &Claimed,
        holder: Holder,
        term: Duration,
        now: Mono,
    ) -> Result<(), Broken> {
        let until = now + term;
        let held = Held { holder, fence: lane.fence, until };
        if let Some(other) = self.held.insert(lane.lane.clone(), held) {
            self.takeovers += 1;
            if other.until > now {
                let why = format!("{:?} was given while its term runs", lane.lane);
                return Err(Broken::new(Invariant::NoTwoHolders, why));
            }
        }
        Ok(())
    }

    fn is_held(&self, lease: &Lease) -> bool {
        let same = |held: &Held| held.holder == lease.holder && held.fence == lease.fence;
        self.held.get(&lease.lane).is_some_and(same)
    }

    fn commit(&mut self, commit: Commit, now: Mono) -> Result<Option<Fence>, Broken> {
        if let Kept::New(record) = &commit.record
            && record.body.len() > MAX_RECORD
        {
            let why =
                format!("the record of {:?} has {} bytes", commit.lease.lane, record.body.len());
            return Err(Broken::new(Invariant::RecordsBounded, why));
        }
        let lease = commit.lease.clone();
        let key = (lease.lane.clone(), lease.holder, lease.fence.0);
        let is_current = self.is_held(&lease);
        let before = (!is_current).then(|| self.store.clone());
        let next = commit.next;
        let answer = self.store.perform(Request::Commit(vec![commit]), now);
        let Answer::Committed(fences) = answer else { return Ok(None) };
        let fence = fences.first().copied().flatten();
        if let Some(before) = before {
            if before != self.store {
                return Err(stale(format!("a commit on {:?} took effect", lease.lane)));
            }
            if fence.is_some() && self.done.get(&key) != fence.as_ref() {
                return Err(stale(format!("a commit on {:?} was confirmed", lease.lane)));
            }
            return Ok(fence);
        }
        let Some(fence) = fence else { return Ok(None) };
        self.done.insert(key, fence);
        match next {
            Next::Hold(term) => {
                let held = Held { holder: lease.holder, fence, until: now + term };
                self.held.insert(lease.lane, held);
            }
            Next::After(_) | Next::Idle | Next::Gone => {
                self.held.remove(&lease.lane);
            }
        }
        Ok(Some(fence))
    }

    /// The keys of the lanes of a kind.
    pub(crate) fn lanes(&mut self, kind: LaneKind) -> Vec<String> {
        use lp_connector_core::bridge::store::Listed;
        let what = Listed::Lanes { account: None, kind };
        let list = Request::List { what, after: None, limit: usize::MAX };
        match self.store.perform(list, Mono::ZERO) {
            Answer::Listed(lanes) => {
                lanes.into_iter().map(|lane| lane.summary.lane.key().to_owned()).collect()
            }
            _ => Vec::new(),
        }
    }
}

fn stale(what: String) -> Broken {
    Broken::new(Invariant::FencedChangesNothing, format!("{what} under a lease that was lost"))
}
