//! What is measured of the core: its way of doing something beside the other ways. Two programs run these:
//! `cargo bench` for people, and `lp-connector-bench` for `BENCHMARKS.md`.

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
mod notification;
mod send;
pub(crate) mod waiting;

/// One way of doing one thing.
pub(crate) struct Case {
    /// What is done: ways of doing the same are compared.
    pub(crate) group: &'static str,
    /// The way.
    pub(crate) name: &'static str,
    /// Sets up, and gives what is measured.
    pub(crate) prepare: fn() -> Once,
    /// Takes seconds or gigabytes to set up.
    pub(crate) heavy: bool,
}

/// Does it once.
pub(crate) type Once = Box<dyn FnMut()>;

impl Case {
    const fn new(group: &'static str, name: &'static str, prepare: fn() -> Once) -> Self {
        Self { group, name, prepare, heavy: false }
    }

    const fn heavy(mut self) -> Self {
        self.heavy = true;
        self
    }

    /// Its name among all.
    pub(crate) fn id(&self) -> String {
        format!("{}: {}", self.group, self.name)
    }
}

/// The name of this crate's way in each group that has one.
pub(crate) const OURS: &str = "this crate";

/// All of them, each group together.
pub(crate) fn all() -> Vec<Case> {
    [send::CASES, call::CASES, notification::CASES, http1::CASES, caches::CASES]
        .into_iter()
        .flat_map(|make| make())
        .collect()
}
