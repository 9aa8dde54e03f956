//! A limit of the memory that notifications take, while they are read and in the queue.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The unit in which bytes are counted, so that a budget of gigabytes fits a semaphore.
const UNIT: usize = 64;

/// A number of bytes that all notifications share.
#[derive(Clone, Debug)]
pub(crate) struct Budget(Arc<Semaphore>);

/// A part of the budget. Dropping it gives it back.
#[derive(Debug)]
pub(crate) struct Share(Option<OwnedSemaphorePermit>);

impl Share {
    /// An empty share.
    pub(crate) fn none() -> Self {
        Self(None)
    }
}

impl Budget {
    pub(crate) fn new(bytes: usize) -> Self {
        Self(Arc::new(Semaphore::new((bytes / UNIT).clamp(1, Semaphore::MAX_PERMITS))))
    }

    /// Grows a share to so many bytes. Returns false if the budget has too little left.
    pub(crate) fn grow(&self, share: &mut Share, bytes: usize) -> bool {
        // One unit more, for the overhead of a notification.
        let wanted = u32::try_from(bytes / UNIT + 1).unwrap_or(u32::MAX);
        let held = share.0.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
        let more = wanted.saturating_sub(u32::try_from(held).unwrap_or(u32::MAX));
        let Ok(permit) = self.0.clone().try_acquire_many_owned(more) else { return false };
        match &mut share.0 {
            Some(held) => held.merge(permit),
            none => *none = Some(permit),
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_never_exceed_the_budget_and_come_back() {
        let budget = Budget::new(10 * UNIT);
        let (mut one, mut two) = (Share::none(), Share::none());
        assert!(budget.grow(&mut one, 100) && budget.grow(&mut one, 5 * UNIT));
        assert!(budget.grow(&mut two, 3 * UNIT));
        assert!(!budget.grow(&mut one, 6 * UNIT), "all ten units are taken");
        assert!(budget.grow(&mut one, 2 * UNIT), "it has as much already");
        drop(two);
        assert!(budget.grow(&mut one, 9 * UNIT));
        assert!(!budget.grow(&mut one, usize::MAX));
    }
}
