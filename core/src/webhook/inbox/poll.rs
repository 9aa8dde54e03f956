//! The results of polling and filling an inbox.

use super::delivered::Delivered;
use crate::time::Mono;
use crate::webhook::Change;

/// The next step of an [`Inbox`](super::Inbox)'s caller.
#[derive(Clone, PartialEq, Debug)]
#[expect(clippy::exhaustive_enums, reason = "a driver must handle every one")]
pub enum InboxPoll {
    /// Handle this change, then poll again.
    Deliver(Delivered),
    /// Poll again at this instant, or when a change arrives.
    Wait(Mono),
    /// Poll again when a change arrives.
    Idle,
}

/// The inbox is full: poll it, then hand this change in again.
#[derive(Clone, PartialEq, Debug)]
pub struct InboxFull {
    pub(super) change: Box<Change>,
}

impl InboxFull {
    /// The change that the inbox did not take.
    #[must_use]
    pub fn into_change(self) -> Change {
        *self.change
    }
}

impl std::fmt::Display for InboxFull {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the inbox is full: poll it first")
    }
}

impl std::error::Error for InboxFull {}
