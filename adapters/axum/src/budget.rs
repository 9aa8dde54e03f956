//! How much memory notifications may take, on their way in and in the queue.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Bytes are counted in these, so that a budget of gigabytes fits a semaphore.
const UNIT: usize = 1024;

/// A number of bytes, shared by all that is held.
#[derive(Clone, Debug)]
pub(crate) struct Budget(Arc<Semaphore>);

/// A part of the budget, given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Share(OwnedSemaphorePermit);

impl Budget {
    pub(crate) fn new(bytes: usize) -> Self {
        Self(Arc::new(Semaphore::new((bytes / UNIT).clamp(1, Semaphore::MAX_PERMITS))))
    }

    /// A part of so many bytes, if there is so much left.
    pub(crate) fn take(&self, bytes: usize) -> Option<Share> {
        self.0.clone().try_acquire_many_owned(units(bytes)).ok().map(Share)
    }
}

impl Share {
    /// Gives back all but so many bytes.
    pub(crate) fn shrink(&mut self, bytes: usize) {
        let spare = self.0.num_permits().saturating_sub(units(bytes) as usize);
        drop(self.0.split(spare));
    }
}

/// What is held costs something beyond its bytes.
fn units(bytes: usize) -> u32 {
    u32::try_from(bytes / UNIT + 1).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_comes_back_and_no_more_is_given_than_there_is() {
        let budget = Budget::new(10 * UNIT);
        let mut all = budget.take(9 * UNIT).unwrap();
        assert!(budget.take(0).is_none());
        all.shrink(3 * UNIT);
        let rest = budget.take(5 * UNIT).unwrap();
        assert!(budget.take(0).is_none());
        drop((all, rest));
        assert!(budget.take(9 * UNIT).is_some());
        assert!(budget.take(usize::MAX).is_none());
    }
}
