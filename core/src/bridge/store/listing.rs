//! What a store lists, for people.

use std::time::Duration;

use super::{LaneId, LaneKind, Record};
use crate::id::AccountId;

/// What to list.
#[derive(Clone, PartialEq, Eq, Debug)]
#[expect(clippy::exhaustive_enums, reason = "a store must serve every one")]
pub enum Listed {
    /// The lanes of a kind, in the order of account and key, without their entries.
    Lanes {
        /// The account. `None`: all.
        account: Option<AccountId>,
        /// The kind.
        kind: LaneKind,
    },
    /// One lane, with its entries up to the limit.
    Lane(LaneId),
}

/// A lane in a list, without its content.
#[derive(Clone, PartialEq, Eq, Debug)]
#[expect(clippy::exhaustive_structs, reason = "a store writes it")]
pub struct LaneSummary {
    /// The lane.
    pub lane: LaneId,
    /// True while somebody holds it.
    pub held: bool,
    /// The time until it is due, or until the holder's term ends. `None`: it waits for an entry. Zero: it is
    /// due now.
    pub due_in: Option<Duration>,
    /// How long it has been due. Zero if it is not.
    pub overdue: Duration,
    /// The number of its entries.
    pub entries: u64,
}

/// A lane in a list.
#[derive(Clone, PartialEq, Eq, Debug)]
#[expect(clippy::exhaustive_structs, reason = "a store writes it")]
pub struct LaneDetails {
    /// The lane.
    pub summary: LaneSummary,
    /// Its record.
    pub record: Option<Record>,
    /// The sizes of its entries, if it was asked for alone: oldest first, with their numbers.
    pub entries: Vec<(u64, usize)>,
}
