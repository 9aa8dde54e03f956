//! How much may wait for a store that is slow.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::{Request, StoreError, StoreErrorKind};

/// The most bytes of appends that wait.
const MAX_BYTES: usize = 64 * 1024 * 1024;

/// What an append costs beside its bodies, in bytes.
const OVERHEAD: usize = 512;

/// The appends that wait for a store. Channels and LivePerson repeat what is not answered in time, so a store that is
/// stuck would else hold more and more of the same in memory. Requests of the worker always have room: there are few.
///
/// ```
/// use lp_connector_core::bridge::store::{Backlog, Request};
///
/// let backlog = Backlog::default();
/// let admission = backlog.admit(&Request::Append(Vec::new()))?;
/// drop(admission); // when the request is answered
/// # Ok::<(), lp_connector_core::bridge::store::StoreError>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Backlog(Arc<AtomicUsize>);

/// A request that waits. Drop it when the request is answered.
#[derive(Debug)]
pub struct Admission {
    bytes: usize,
    backlog: Backlog,
}

impl Backlog {
    /// Lets a request wait.
    ///
    /// # Errors
    /// [`StoreError`] of the kind [`Unavailable`](StoreErrorKind::Unavailable) for an append while 64 MiB of them wait
    /// already.
    pub fn admit(&self, request: &Request) -> Result<Admission, StoreError> {
        let bytes = match request {
            Request::Append(entries) => {
                entries.iter().map(|entry| entry.body.len()).sum::<usize>().saturating_add(OVERHEAD)
            }
            _ => 0,
        };
        let waiting = self.0.fetch_add(bytes, Ordering::AcqRel);
        let admission = Admission { bytes, backlog: self.clone() };
        match bytes > 0 && waiting >= MAX_BYTES {
            true => Err(StoreError::new(
                StoreErrorKind::Unavailable,
                "too much waits for the store already",
            )),
            false => Ok(admission),
        }
    }
}

impl Drop for Admission {
    fn drop(&mut self) {
        self.backlog.0.fetch_sub(self.bytes, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bridge::store::{Entry, LaneId, LaneKind};
    use crate::id::AccountId;

    #[test]
    fn only_appends_are_refused_while_much_waits() {
        let lane = LaneId::new(AccountId::new("91827364").unwrap(), LaneKind::Consumer, "ada");
        let append = |bytes: usize| {
            Request::Append(vec![Entry { lane: lane.clone(), body: vec![0; bytes] }])
        };
        let backlog = Backlog::default();
        let waiting: Vec<_> = (0..16).map(|_| backlog.admit(&append(MAX_BYTES / 16))).collect();
        assert!(waiting.iter().all(Result::is_ok));
        let error = backlog.admit(&append(0)).unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::Unavailable);
        assert!(backlog.admit(&Request::Read(Vec::new())).is_ok());
        drop(waiting);
        assert_eq!(backlog.0.load(Ordering::SeqCst), 0, "nothing is counted twice, or for ever");
        assert!(backlog.admit(&append(0)).is_ok());
    }
}
