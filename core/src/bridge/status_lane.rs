//! The machine of a status lane: what the channel is told about its own messages.

use std::collections::VecDeque;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::config::BridgeConfig;
use super::dead_letter;
use super::delivery::{ChangeDetails, Delivery, DeliveryContent, Verdict};
use super::entry::{StatusEntry, StatusForget};
use super::event::BridgeEvent;
use super::inbound::first_eight;
use super::lane::{Draft, DraftNext, Effect, LaneStep};
use super::offer::Offer;
use super::record::{decode, encode};
use super::status::Progress;
use super::store::{Claimed, Entry, Kept, LaneId};
use super::tries::{SavedTries, Tried, Tries};
use crate::id::{AccountId, ExtConsumerId};
use crate::time::{Mono, Now, Timestamp};
use crate::webhook::Order;

#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct StatusRecord {
    #[serde(skip_serializing_if = "Option::is_none")]
    tries: Option<SavedTries>,
}

fn is_forget(body: &[u8]) -> bool {
    serde_json::from_slice::<StatusForget>(body).is_ok_and(|entry| entry.forget)
}

/// The machine of one claim of a status lane. Of what the channel does not take in the end, a failure becomes a dead
/// letter. Any other status is dropped: [`List`](super::store::Request::List) tells the same.
#[derive(Clone, Debug)]
pub(super) struct StatusLane {
    account: AccountId,
    consumer: ExtConsumerId,
    config: Arc<BridgeConfig>,
    statuses: VecDeque<(u64, StatusEntry)>,
    through: u64,
    append: Vec<Entry>,
    tries: Tries,
    offer: Option<Offer>,
    events: Vec<BridgeEvent>,
    must_commit: bool,
}

impl StatusLane {
    pub(super) fn restore(
        claimed: Claimed,
        consumer: ExtConsumerId,
        config: Arc<BridgeConfig>,
        now: Now,
    ) -> Option<Self> {
        let record: StatusRecord = match &claimed.record {
            Some(record) => decode(record)?,
            None => StatusRecord::default(),
        };
        let (mut through, mut is_forgotten) = (0, false);
        let mut statuses = VecDeque::new();
        for (number, body) in &claimed.entries {
            match serde_json::from_slice::<StatusEntry>(body) {
                Ok(entry) => statuses.push_back((*number, entry)),
                Err(_) if is_forget(body) => {
                    statuses.clear();
                    through = *number;
                    is_forgotten = true;
                }
                // One that cannot be read tells nothing.
                Err(_) if statuses.is_empty() => through = *number,
                Err(_) => {}
            }
        }
        let saved = record.tries.as_ref().filter(|_| !is_forgotten);
        let mut tries = Tries::restore(saved, claimed.elapsed, now.mono());
        if claimed.taken_over && !statuses.is_empty() {
            tries.doubt();
        }
        Some(Self {
            account: claimed.lane.account().clone(),
            consumer,
            config,
            statuses,
            through,
            append: Vec::new(),
            tries,
            offer: None,
            events: Vec::new(),
            must_commit: false,
        })
    }

    pub(super) fn poll(&mut self, now: Now) -> LaneStep {
        match self.statuses.front() {
            Some(_) if self.must_commit && !self.tries.is_paused(now.mono()) => {
                LaneStep::Commit(self.draft(DraftNext::Hold, now.mono()))
            }
            Some((_, entry)) if !self.tries.is_paused(now.mono()) => {
                let (delivery, at) = (self.delivery(entry), entry.at);
                self.offer = Some(Offer::of(&delivery, Some(at)));
                LaneStep::Effect(Effect::Deliver(delivery))
            }
            Some(_) => {
                let pause = self.tries.paused_until().map(|until| until.since(now.mono()));
                let next = DraftNext::After(pause.unwrap_or_default());
                LaneStep::Commit(self.draft(next, now.mono()))
            }
            None => LaneStep::Commit(self.draft(DraftNext::Gone, now.mono())),
        }
    }

    pub(super) fn committed(&mut self) {
        self.must_commit = false;
    }

    pub(super) fn cancelled(&mut self) {
        self.offer = None;
    }

    /// Ends work now. The lane is due at once, for whoever claims it.
    pub(super) fn release(&mut self, now: Now) -> Draft {
        self.cancelled();
        self.draft(DraftNext::After(std::time::Duration::ZERO), now.mono())
    }

    pub(super) fn delivered(&mut self, verdict: &Verdict, now: Now) {
        let Some(offer) = self.offer.take() else { return };
        self.must_commit = true;
        let settings = self.config.of(&self.consumer);
        let lane = LaneId::status(&self.account, &self.consumer);
        let tried = self.tries.on_verdict(verdict, settings, &lane, now.mono());
        let id = offer.delivery().to_owned();
        self.events.extend(offer.ended(verdict, &tried, now).into_iter().map(|kind| BridgeEvent {
            account: self.account.clone(),
            consumer: Some(self.consumer.clone()),
            kind,
        }));
        match tried {
            Tried::Again => {}
            Tried::Taken => {
                if let Some((number, _)) = self.statuses.pop_front() {
                    self.through = number;
                }
            }
            Tried::GivenUp(reason) => {
                if let Some((number, entry)) = self.statuses.pop_front() {
                    self.through = number;
                    if matches!(entry.status.progress, Progress::Failed(_)) {
                        let lane = LaneId::status(&self.account, &self.consumer);
                        let at = Timestamp::from_system_time(now.wall());
                        self.append.push(dead_letter::status(&lane, &id, entry, reason, at));
                    }
                }
            }
        }
    }

    /// The id: a hash, for two consumers may use the same message id.
    fn delivery(&self, StatusEntry { status, at }: &StatusEntry) -> Delivery {
        let mut hash = Sha256::new();
        for part in [self.account.as_str(), self.consumer.as_str(), &status.message] {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        let name = match &status.progress {
            Progress::Sent => "sent",
            Progress::Delivered => "delivered",
            Progress::Read => "read",
            Progress::Failed(_) => "failed",
        };
        Delivery {
            id: format!("in:{:016x}:{name}", first_eight(&hash.finalize())),
            account: self.account.clone(),
            consumer: self.consumer.clone(),
            conversation: None,
            at: Some(*at),
            order: Order::InOrder,
            replayed: false,
            attempt: self.tries.attempt(),
            possibly_repeated: self.tries.is_possibly_repeated(),
            details: ChangeDetails::default(),
            content: DeliveryContent::Status(status.clone()),
        }
    }

    fn draft(&mut self, next: DraftNext, now: Mono) -> Draft {
        let tries = self.tries.save(now);
        Draft {
            through: self.through,
            // While a delivery waits, no further status can help.
            seen: if self.statuses.is_empty() { self.through } else { u64::MAX },
            record: Kept::New(encode(&StatusRecord { tries })),
            append: std::mem::take(&mut self.append),
            cells: Vec::new(),
            next,
            events: std::mem::take(&mut self.events),
        }
    }
}

/// The record as this program reads and writes it.
#[cfg(any(test, feature = "_fuzz"))]
pub(super) fn rewritten(
    record: &crate::bridge::store::Record,
) -> Option<crate::bridge::store::Record> {
    decode::<StatusRecord>(record).map(|known| encode(&known))
}
