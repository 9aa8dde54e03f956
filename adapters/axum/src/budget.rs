//! How much memory notifications may take, on their way in and in the queue.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Bytes are counted in these, so that a budget of gigabytes fits a semaphore.
const UNIT: usize = 64;

/// A number of bytes, shared by all that is held.
#[derive(Clone, Debug)]
pub(crate) struct Budget(Arc<Semaphore>);

/// A part of the budget, given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Share(Option<OwnedSemaphorePermit>);

impl Share {
    /// Nothing yet.
    pub(crate) fn none() -> Self {
        Self(None)
    }
}

impl Budget {
    pub(crate) fn new(bytes: usize) -> Self {
        Self(Arc::new(Semaphore::new((bytes / UNIT).clamp(1, Semaphore::MAX_PERMITS))))
    }

    /// Makes a share one of so many bytes, if there is so much left.
    pub(crate) fn grow(&self, share: &mut Share, bytes: usize) -> bool {
        // What is held costs something beyond its bytes.
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
    fn what_is_taken_comes_back_and_no_more_is_given_than_there_is() {
        let budget = Budget::new(10 * UNIT);
        let (mut one, mut two) = (Share::none(), Share::none());
        assert!(budget.grow(&mut one, 100) && budget.grow(&mut one, 5 * UNIT));
        assert!(budget.grow(&mut two, 3 * UNIT));
        assert!(!budget.grow(&mut one, 6 * UNIT), "all ten are held");
        assert!(budget.grow(&mut one, 2 * UNIT), "it holds as much already");
        drop(two);
        assert!(budget.grow(&mut one, 9 * UNIT));
        assert!(!budget.grow(&mut one, usize::MAX));
    }
}
