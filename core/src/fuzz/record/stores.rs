//! Stores that fail.

use std::error::Error as _;
use std::sync::{Arc, mpsc};

use crate::bridge::store::{Answer, Request, Store, StoreError, StoreErrorKind, StoreFacts};

/// A store that fails in this way.
struct Failing(StoreErrorKind);

impl Store for Failing {
    fn perform(&self, request: Request) -> Result<Answer, StoreError> {
        let message = format!("the store does not {}", request.verb());
        Err(StoreError::new(self.0, message).with_source("it fails"))
    }
}

/// The failures that may pass.
const PASSING: [StoreErrorKind; 8] = [
    StoreErrorKind::Unavailable,
    StoreErrorKind::Failed,
    StoreErrorKind::Full,
    StoreErrorKind::Denied,
    StoreErrorKind::Incompatible,
    StoreErrorKind::Damaged,
    StoreErrorKind::Unreadable,
    StoreErrorKind::Moved,
];

/// A store fails at this request: for good, or in one of the other ways. Shared or not, it says the same, in one line
/// without anything of the request.
pub(super) fn fails(request: &Request, way: Option<u32>) -> StoreError {
    let passing = |way: u32| PASSING.iter().cycle().nth(way as usize % PASSING.len()).copied();
    let kind = way.and_then(passing).unwrap_or(StoreErrorKind::Refused);
    let (shared, boxed): (Arc<dyn Store>, Box<dyn Store>) =
        (Arc::new(Failing(kind)), Box::new(Failing(kind)));
    let (sender, receiver) = mpsc::channel();
    for sender in [sender.clone(), sender.clone()] {
        let reply = Box::new(move |result| sender.send(result).expect("somebody waits"));
        shared.submit(request.clone(), reply);
    }
    boxed.submit(
        request.clone(),
        Box::new(move |result| sender.send(result).expect("somebody waits")),
    );
    let error = shared.perform(request.clone()).expect_err("it fails");
    let again = boxed.perform(request.clone()).expect_err("it fails");
    for other in receiver.into_iter().map(|result| result.expect_err("it fails")).chain([again]) {
        assert_eq!((other.kind(), other.to_string()), (kind, error.to_string()));
    }
    assert_eq!(shared.facts().ok(), Some(StoreFacts::default()));
    assert_eq!(boxed.facts().ok(), Some(StoreFacts::default()));
    assert!(!shared.is_sealed() && !boxed.is_sealed());
    assert_eq!(error.source().map(ToString::to_string).as_deref(), Some("it fails"));
    assert!(!kind.name().is_empty() && error.to_string().len() < 40);
    assert_eq!(kind.may_repeat(), kind != StoreErrorKind::Refused);
    error
}
