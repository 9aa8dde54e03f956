//! The cases of the core: its own way of doing something beside the alternatives. `cargo bench` and the
//! program `lp-connector-bench` run them.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::expect_used,
    reason = "a case that cannot be set up is a bug"
)]

pub(crate) mod by_hand;
pub(crate) mod caches;
mod call;
pub(crate) mod cloud;
mod http1;
mod memory;
mod notification;
mod send;
pub(crate) mod sending;
pub(crate) mod waiting;

/// A case: one way of doing something.
pub(crate) struct Case {
    /// What is done; the cases of a group are compared.
    pub(crate) group: &'static str,
    /// How it is done.
    pub(crate) name: &'static str,
    /// Prepares the case, and returns what is measured.
    pub(crate) prepare: fn() -> Once,
    /// Whether what it prepares is so large that to drop it would count: instructions are counted once it is ready.
    pub(crate) large: bool,
    /// Whether its preparation takes seconds or gigabytes.
    pub(crate) heavy: bool,
}

/// Runs a case once.
pub(crate) type Once = Box<dyn FnMut()>;

impl Case {
    const fn new(group: &'static str, name: &'static str, prepare: fn() -> Once) -> Self {
        Self { group, name, prepare, large: false, heavy: false }
    }

    const fn large(mut self) -> Self {
        self.large = true;
        self
    }

    const fn heavy(mut self) -> Self {
        (self.large, self.heavy) = (true, true);
        self
    }

    /// The name of the case among all.
    pub(crate) fn id(&self) -> String {
        format!("{}: {}", self.group, self.name)
    }
}

/// The name of this crate's own case in a group.
pub(crate) const OURS: &str = "this crate";

/// All cases, ordered by group.
pub(crate) fn all() -> Vec<Case> {
    [send::CASES, call::CASES, notification::CASES, http1::CASES, caches::CASES]
        .into_iter()
        .flat_map(|make| make())
        .collect()
}
