//! The store of an instance, watched: what a fence refused is counted, and a commit is held back on request.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use lp_connector_core::bridge::store::{Answer, Reply, Request, Store, StoreError};

/// How long a commit is held back: time enough to stop this program meanwhile.
const HOLD: Duration = Duration::from_secs(1);

/// What an instance says when it holds a commit back, and when a fence refused some.
pub(crate) const HOLDS: &str = "holds";
pub(crate) const FENCED: &str = "fenced";

/// A store that says what happens to commits.
pub(crate) struct Watched {
    store: Arc<dyn Store>,
    holds: Arc<AtomicBool>,
}

impl Watched {
    /// The next commit is held back once `holds` is true.
    pub(crate) fn new(store: impl Store + 'static, holds: &Arc<AtomicBool>) -> Self {
        Self { store: Arc::new(store), holds: holds.clone() }
    }
}

fn tell(result: &Result<Answer, StoreError>) {
    if let Ok(Answer::Committed(fences)) = result {
        let refused = fences.iter().filter(|fence| fence.is_none()).count();
        if refused > 0 {
            println!("{FENCED} {refused}");
        }
    }
}

impl Store for Watched {
    fn perform(&self, request: Request) -> Result<Answer, StoreError> {
        let result = self.store.perform(request);
        tell(&result);
        result
    }

    fn submit(&self, request: Request, reply: Reply) {
        let is_commit = matches!(request, Request::Commit(_));
        let reply: Reply = Box::new(move |result| {
            tell(&result);
            reply(result);
        });
        if is_commit && self.holds.swap(false, Ordering::Relaxed) {
            let store = self.store.clone();
            std::thread::spawn(move || {
                println!("{HOLDS}");
                std::thread::sleep(HOLD);
                store.submit(request, reply);
            });
        } else {
            self.store.submit(request, reply);
        }
    }
}
