//! What the commands printed last.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The figure of each claim, by the claim's name.
pub type Figures = BTreeMap<String, Figure>;

/// What a command printed, and when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Figure {
    /// The command that ran.
    pub command: String,
    /// The commit whose tree it ran in.
    pub commit: String,
    /// The day, as `2026-11-26`.
    pub day: String,
    /// How long it took, in seconds, builds included.
    pub seconds: u64,
    /// The cores of the machine.
    pub cores: usize,
    /// The lines that were kept.
    pub printed: Vec<String>,
}
