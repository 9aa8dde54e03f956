//! Which sequences arrived, which echoes among them, and what that says about a message.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::digest;
use crate::bridge::entry::{Question, Verdict};
use crate::id::DialogId;
use crate::time::Timestamp;
use crate::webhook::{MessagingEvent, Role};

/// How long after the end of an attempt its request may still be processed. It also covers the difference
/// between this machine's clock and the service's.
const PROCESSING: Duration = Duration::from_secs(30);

const MAX_DIALOGS: usize = 8;
const MAX_RANGES: usize = 32;
const MAX_STAMPS: usize = 16;
const MAX_ECHOES: usize = 16;
const MAX_QUESTIONS: usize = 16;

/// What arrived in a conversation, as far as it decides about unconfirmed messages.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Sightings {
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    dialogs: BTreeMap<DialogId, Arrived>,
    /// The consumer's own messages that belong to no question yet.
    #[serde(skip_serializing_if = "VecDeque::is_empty")]
    echoes: VecDeque<Echo>,
    /// Open questions, oldest first. One whose message was given up stays: its echo must not count for a later
    /// message with the same text.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    questions: Vec<Question>,
}

#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
struct Arrived {
    /// First and last sequence of each range, sorted. When there are too many, the lowest is forgotten: less is
    /// known then, never more.
    ranges: Vec<(u64, u64)>,
    /// The newest sequences with the time at which the service received them.
    stamps: VecDeque<(u64, Timestamp)>,
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
struct Echo {
    dialog: DialogId,
    sequence: u64,
    digest: u64,
    /// When the service received it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    at: Option<Timestamp>,
}

impl Echo {
    /// True if it may be of this question's message. One that was received later than the request may be processed
    /// is of a later message.
    fn may_answer(&self, question: &Question) -> bool {
        self.dialog == question.dialog
            && self.sequence >= question.least
            && self.digest == question.digest
            && self.at.is_none_or(|at| u128::from(at.as_millis()) <= certain(question))
    }
}

/// After this time, in milliseconds, the question's request is not processed any more.
fn certain(question: &Question) -> u128 {
    u128::from(question.ended.as_millis()) + PROCESSING.as_millis()
}

impl Arrived {
    /// False if the sequence arrived before.
    fn insert(&mut self, sequence: u64) -> bool {
        let after = self.ranges.partition_point(|(first, _)| *first <= sequence);
        let before = after.checked_sub(1).and_then(|at| self.ranges.get(at).copied());
        if before.is_some_and(|(_, last)| sequence <= last) {
            return false;
        }
        let joins_before = before.is_some_and(|(_, last)| last.saturating_add(1) == sequence);
        let joins_after =
            self.ranges.get(after).is_some_and(|(first, _)| sequence.saturating_add(1) == *first);
        let (mut range, mut place) = ((sequence, sequence), after);
        if joins_after {
            range.1 = self.ranges.remove(after).1;
        }
        if joins_before && let Some(at) = after.checked_sub(1) {
            range.0 = self.ranges.remove(at).0;
            place = at;
        }
        self.ranges.insert(place.min(self.ranges.len()), range);
        if self.ranges.len() > MAX_RANGES {
            self.ranges.remove(0);
        }
        true
    }

    /// The last sequence up to which everything from `least` on arrived.
    fn horizon(&self, least: u64) -> Option<u64> {
        let found = self.ranges.iter().find(|(first, last)| *first <= least && least <= *last);
        found.map(|(_, last)| *last)
    }
}

impl Sightings {
    /// Records an event as it arrives, whatever its place in the order. `is_own` tells the consumer's own
    /// events from those of somebody else in the same role.
    pub(super) fn record(&mut self, message: &MessagingEvent, is_own: bool) {
        let Some(sequence) = message.sequence() else { return };
        if !self.dialogs.contains_key(message.dialog()) && self.dialogs.len() >= MAX_DIALOGS {
            self.forget_dialog();
        }
        let arrived = self.dialogs.entry(message.dialog().clone()).or_default();
        if !arrived.insert(sequence) {
            return;
        }
        if let Some(stamp) = message.server_timestamp() {
            arrived.stamps.push_back((sequence, stamp));
            if arrived.stamps.len() > MAX_STAMPS {
                arrived.stamps.pop_front();
            }
        }
        if message.role() == Some(Role::Consumer)
            && is_own
            && let Some(digest) = digest::event(&message.event())
        {
            let (dialog, at) = (message.dialog().clone(), message.server_timestamp());
            self.echoes.push_back(Echo { dialog, sequence, digest, at });
            if self.echoes.len() > MAX_ECHOES {
                self.echoes.pop_front();
            }
        }
    }

    /// Makes room for another dialog: the longest silent one goes, and one that a question is about only if all are.
    fn forget_dialog(&mut self) {
        let is_asked = |id: &DialogId| self.questions.iter().any(|one| one.dialog == *id);
        let last = |arrived: &Arrived| arrived.stamps.iter().map(|(_, at)| *at).max();
        let silent = self.dialogs.iter().min_by_key(|&(id, one)| (is_asked(id), last(one)));
        if let Some(id) = silent.map(|(id, _)| id.clone()) {
            self.dialogs.remove(&id);
        }
    }

    pub(super) fn ask(&mut self, question: Question) {
        let same = |other: &Question| {
            other.message == question.message && other.attempt == question.attempt
        };
        if self.questions.iter().any(same) {
            return;
        }
        self.questions.push(question);
        if self.questions.len() > MAX_QUESTIONS {
            self.questions.remove(0);
        }
    }

    /// The answers that are known now, each with its question. They are given once.
    pub(super) fn settle(&mut self) -> Vec<(Question, Verdict)> {
        let mut settled = Vec::new();
        let mut open = VecDeque::from(std::mem::take(&mut self.questions));
        while let Some(question) = open.pop_front() {
            match self.verdict(&question, &mut open) {
                Some(verdict) => settled.push((question, verdict)),
                None => self.questions.push(question),
            }
        }
        settled
    }

    fn verdict(&mut self, question: &Question, later: &mut VecDeque<Question>) -> Option<Verdict> {
        if let Some(at) = self.echoes.iter().position(|echo| echo.may_answer(question)) {
            // Each echo answers one question.
            let echo = self.echoes.remove(at)?;
            for other in later.iter_mut().filter(|other| echo.may_answer(other)) {
                other.is_ambiguous = true;
            }
            return Some(Verdict::Echo(echo.sequence));
        }
        if question.is_ambiguous {
            return None;
        }
        // One that nobody asks about may be this message with another text: then nothing is proven.
        let is_strange =
            |echo: &Echo| echo.dialog == question.dialog && echo.sequence >= question.least;
        if self.echoes.iter().any(is_strange) {
            return None;
        }
        let arrived = self.dialogs.get(&question.dialog)?;
        let horizon = arrived.horizon(question.least)?;
        let certain = certain(question);
        let is_late = |(sequence, stamp): &(u64, Timestamp)| {
            *sequence <= horizon && u128::from(stamp.as_millis()) >= certain
        };
        // Everything up to an event long after the attempt is known, and the echo is not among it.
        arrived.stamps.iter().any(is_late).then_some(Verdict::Absent)
    }
}

#[cfg(test)]
#[path = "sightings_tests.rs"]
mod tests;
