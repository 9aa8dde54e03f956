//! Laws 3 to 6 as properties of a run, without any model.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use lp_connector_core::bridge::store::{Answer, Claimed, LaneId, Next, Request};
use proptest::prelude::*;

/// What a run showed so far.
#[derive(Debug, Default)]
pub(crate) struct Laws {
    /// Until when each lane is somebody's.
    terms: BTreeMap<LaneId, Duration>,
    fence: u64,
    /// The entries of each lane in the order of their appends, as far as the run knows them.
    appended: BTreeMap<LaneId, Vec<Vec<u8>>>,
    /// How many of them are consumed.
    consumed: BTreeMap<LaneId, usize>,
    /// Commits that took effect: their lane and fence.
    done: BTreeSet<(LaneId, u64)>,
}

impl Laws {
    pub(crate) fn check(
        &mut self,
        request: &Request,
        answer: &Answer,
        now: Duration,
    ) -> Result<(), TestCaseError> {
        match (request, answer) {
            (Request::Append(entries), _) => {
                for entry in entries {
                    self.append(&entry.lane, &entry.body);
                }
            }
            (Request::Claim { term, entries, .. }, Answer::Claimed(claimed)) => {
                for one in claimed {
                    self.claimed(one, *entries, now)?;
                    self.terms.insert(one.lane.clone(), now + *term);
                }
            }
            (Request::Extend { leases, term }, Answer::Extended(extended)) => {
                for (lease, _) in leases.iter().zip(extended).filter(|(_, is)| **is) {
                    self.terms.insert(lease.lane.clone(), now + *term);
                }
            }
            (Request::Commit(commits), Answer::Committed(fences)) => {
                for (commit, fence) in commits.iter().zip(fences) {
                    let Some(fence) = fence else { continue };
                    let lane = &commit.lease.lane;
                    if !self.done.insert((lane.clone(), fence.0)) {
                        continue; // repeated
                    }
                    prop_assert!(fence.0 > self.fence, "law 4: a fence is greater than all before");
                    self.fence = fence.0;
                    self.consume(lane, commit.through);
                    match commit.next {
                        Next::Hold(term) => self.terms.insert(lane.clone(), now + term),
                        _ => self.terms.remove(lane),
                    };
                    if commit.next == Next::Gone && self.left(lane).is_empty() {
                        self.appended.remove(lane);
                        self.consumed.remove(lane);
                    }
                    for entry in &commit.append {
                        self.append(&entry.lane, &entry.body);
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn append(&mut self, lane: &LaneId, body: &[u8]) {
        self.appended.entry(lane.clone()).or_default().push(body.to_vec());
    }

    fn consume(&mut self, lane: &LaneId, through: u64) {
        let all = self.appended.get(lane).map_or(0, Vec::len);
        let consumed = self.consumed.entry(lane.clone()).or_default();
        *consumed = usize::try_from(through).unwrap_or(usize::MAX).clamp(*consumed, all);
    }

    fn left(&self, lane: &LaneId) -> &[Vec<u8>] {
        let consumed = self.consumed.get(lane).copied().unwrap_or(0);
        self.appended.get(lane).map_or(&[], |all| &all[consumed..])
    }

    fn claimed(&mut self, one: &Claimed, limit: usize, now: Duration) -> Result<(), TestCaseError> {
        let held_until = self.terms.get(&one.lane);
        prop_assert!(held_until.is_none_or(|until| *until <= now), "law 3: its term is not over");
        prop_assert_eq!(one.taken_over, held_until.is_some(), "law 3: its holder said nothing");
        prop_assert!(one.fence.0 > self.fence, "law 4: a fence is greater than all before");
        self.fence = one.fence.0;
        let left = self.left(&one.lane);
        let given: Vec<&[u8]> = one.entries.iter().map(|(_, body)| body.as_slice()).collect();
        let due: Vec<&[u8]> = left.iter().take(limit).map(Vec::as_slice).collect();
        prop_assert_eq!(given, due, "laws 5 and 6: what was appended and not consumed, in order");
        let first = self.consumed.get(&one.lane).copied().unwrap_or(0) as u64 + 1;
        let numbers: Vec<u64> = one.entries.iter().map(|(number, _)| *number).collect();
        let expected: Vec<u64> = (first..).take(numbers.len()).collect();
        prop_assert_eq!(numbers, expected, "law 5: without gaps");
        Ok(())
    }
}
