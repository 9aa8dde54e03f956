//! A change on its way to the program, and its place in the order.

use serde::{Deserialize, Serialize};

use crate::webhook::Change;

/// How an event relates to those before it in its dialog.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Order {
    /// The event before it was delivered or marked as seen, and none after it. Or the change has no sequence.
    InOrder,
    /// The event before it is missing, and did not arrive in time.
    AfterGap,
    /// Events after it were delivered already.
    Late,
}

/// A change for the program to handle.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Delivered {
    /// The change.
    pub change: Change,
    /// How it relates to those before it.
    pub order: Order,
}

impl Delivered {
    pub(super) fn in_order(change: Change) -> Self {
        Self { change, order: Order::InOrder }
    }
}
