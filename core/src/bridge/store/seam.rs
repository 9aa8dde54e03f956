//! How a driver reaches a store.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use super::{Answer, Commit, Kept, MAX_VALUE_BYTES, Request, StoreFacts};

/// Takes what came of a request. See [`Store::submit`].
pub type Reply = Box<dyn FnOnce(Result<Answer, StoreError>) + Send>;

/// A store behind one method. An engine's adapter implements it; a driver shares it between its threads.
///
/// A blocking driver calls [`perform`](Self::perform). A driver that must not block calls
/// [`submit`](Self::submit), if the store answers from a thread of its own.
///
/// ```
/// use std::sync::mpsc;
/// use lp_connector_core::bridge::store::{Answer, Request, Store, StoreError, StoreErrorKind};
///
/// struct Unplugged;
///
/// impl Store for Unplugged {
///     fn perform(&self, _: Request) -> Result<Answer, StoreError> {
///         Err(StoreError::new(StoreErrorKind::Unavailable, "the store is unplugged"))
///     }
/// }
///
/// let (sender, receiver) = mpsc::channel();
/// Unplugged.submit(Request::Read(Vec::new()), Box::new(move |result| sender.send(result).unwrap()));
/// let error = receiver.recv().unwrap().unwrap_err();
/// assert!(error.kind().may_repeat());
/// assert_eq!(error.to_string(), "the store is unplugged");
/// ```
pub trait Store: Send + Sync {
    /// Performs a request. It returns when the answer is durable, and blocks until then.
    ///
    /// # Errors
    ///
    /// [`StoreError`]: there is no answer. The request may have taken effect all the same; to repeat it is safe
    /// where [`may_repeat`](StoreErrorKind::may_repeat) is true.
    fn perform(&self, request: Request) -> Result<Answer, StoreError>;

    /// Performs a request and passes the result to `reply`, once. A store with a thread of its own returns at
    /// once and calls `reply` from that thread, where it must not block; this default calls
    /// [`perform`](Self::perform) and blocks.
    fn submit(&self, request: Request, reply: Reply) {
        reply(self.perform(request));
    }

    /// What an operator wants to know of it. It blocks, for as long as a request may take. A store that has nothing
    /// to tell keeps this default; one around another store passes it on.
    ///
    /// # Errors
    ///
    /// [`StoreError`], as for a request.
    fn facts(&self) -> Result<StoreFacts, StoreError> {
        Ok(StoreFacts::default())
    }

    /// True if nobody without a key can read what is kept here. Tokens are shared only through such a store: none is ever
    /// written in the clear. Default: false. A store around another passes it on, if it writes the same nowhere else.
    fn is_sealed(&self) -> bool {
        false
    }
}

impl<S: Store + ?Sized> Store for Arc<S> {
    fn perform(&self, request: Request) -> Result<Answer, StoreError> {
        (**self).perform(request)
    }

    fn submit(&self, request: Request, reply: Reply) {
        (**self).submit(request, reply);
    }

    fn facts(&self) -> Result<StoreFacts, StoreError> {
        (**self).facts()
    }

    fn is_sealed(&self) -> bool {
        (**self).is_sealed()
    }
}

impl<S: Store + ?Sized> Store for Box<S> {
    fn perform(&self, request: Request) -> Result<Answer, StoreError> {
        (**self).perform(request)
    }

    fn submit(&self, request: Request, reply: Reply) {
        (**self).submit(request, reply);
    }

    fn facts(&self) -> Result<StoreFacts, StoreError> {
        (**self).facts()
    }

    fn is_sealed(&self) -> bool {
        (**self).is_sealed()
    }
}

impl Request {
    /// A short fixed name: `append`, `claim`, `commit`, `extend`, `read`, `swap` or `list`.
    #[must_use]
    pub const fn verb(&self) -> &'static str {
        match self {
            Self::Append(_) => "append",
            Self::Claim { .. } => "claim",
            Self::Commit(_) => "commit",
            Self::Extend { .. } => "extend",
            Self::Read(_) => "read",
            Self::Swap { .. } => "swap",
            Self::List { .. } => "list",
        }
    }

    /// Refuses a request with a value of more than [`MAX_VALUE_BYTES`]. A store checks this first, so that it
    /// refuses no other request because of this one.
    ///
    /// # Errors
    ///
    /// [`StoreError`] of the kind [`Refused`](StoreErrorKind::Refused).
    pub fn check_sizes(&self) -> Result<(), StoreError> {
        let largest = match self {
            Self::Append(entries) => entries.iter().map(|entry| entry.body.len()).max(),
            Self::Commit(commits) => commits.iter().flat_map(sizes).max(),
            Self::Swap { value, .. } => Some(value.len()),
            Self::Claim { .. } | Self::Extend { .. } | Self::Read(_) | Self::List { .. } => None,
        };
        match largest {
            Some(bytes) if bytes > MAX_VALUE_BYTES => Err(StoreError::new(
                StoreErrorKind::Refused,
                format!("a value has {bytes} bytes: the most is {MAX_VALUE_BYTES}"),
            )),
            _ => Ok(()),
        }
    }
}

fn sizes(commit: &Commit) -> impl Iterator<Item = usize> {
    let record = match &commit.record {
        Kept::New(record) => record.body.len(),
        Kept::Same => 0,
    };
    let entries = commit.append.iter().map(|entry| entry.body.len());
    entries.chain(commit.cells.iter().map(|(_, value)| value.len())).chain([record])
}

/// Why a store gave no answer. Its text is for people: one line, without any content of a lane or a cell.
#[derive(Debug)]
pub struct StoreError {
    kind: StoreErrorKind,
    message: String,
    source: Option<Box<dyn Error + Send + Sync>>,
}

impl StoreError {
    /// An error of this kind. The message must not quote bodies, records or cells.
    #[must_use]
    pub fn new(kind: StoreErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), source: None }
    }

    /// Sets the cause.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// What kind of error it is.
    #[must_use]
    pub const fn kind(&self) -> StoreErrorKind {
        self.kind
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Error for StoreError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

/// The kind of a [`StoreError`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum StoreErrorKind {
    /// The store cannot be reached, is locked by somebody else, or is closed.
    Unavailable,
    /// Its disk or its server failed.
    Failed,
    /// No space is left.
    Full,
    /// The request holds a value of more than [`MAX_VALUE_BYTES`], or is otherwise one
    /// that this store never takes. Nothing happened.
    Refused,
    /// The store may not be read or written.
    Denied,
    /// It is not a store of this library, or is one of a newer release.
    Incompatible,
    /// Its content is damaged.
    Damaged,
    /// A value is sealed with a key that this program does not have, or was changed since.
    Unreadable,
    /// The account is on another store now. Nothing happened.
    Moved,
}

impl StoreErrorKind {
    /// A short fixed name, such as `unavailable`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unavailable => "unavailable",
            Self::Failed => "failed",
            Self::Full => "full",
            Self::Refused => "refused",
            Self::Denied => "denied",
            Self::Incompatible => "incompatible",
            Self::Damaged => "damaged",
            Self::Unreadable => "unreadable",
            Self::Moved => "moved",
        }
    }

    /// True if the same request may succeed later, and is safe to repeat. Only [`Refused`](Self::Refused) is
    /// final for the request; the others are faults of the store, which people mend.
    #[must_use]
    pub const fn may_repeat(self) -> bool {
        !matches!(self, Self::Refused)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;
    use crate::bridge::store::{CellId, Entry, Fence, Holder, LaneId, LaneKind, Record};
    use crate::id::AccountId;

    /// Keeps every default.
    struct Plain;

    impl Store for Plain {
        fn perform(&self, _: Request) -> Result<Answer, StoreError> {
            Err(StoreError::new(StoreErrorKind::Unavailable, "asked to perform"))
        }
    }

    /// Keeps none.
    struct Own;

    impl Store for Own {
        fn perform(&self, request: Request) -> Result<Answer, StoreError> {
            Plain.perform(request)
        }

        fn submit(&self, _: Request, reply: Reply) {
            reply(Err(StoreError::new(StoreErrorKind::Unavailable, "asked to submit")));
        }

        fn facts(&self) -> Result<StoreFacts, StoreError> {
            Ok(StoreFacts { repeated: 12, ..StoreFacts::default() })
        }

        fn is_sealed(&self) -> bool {
            true
        }
    }

    /// What a store answers to a request, to one that is submitted, and of itself.
    fn answers(store: &impl Store) -> (String, String, u64, bool) {
        let performed = store.perform(Request::Read(Vec::new())).unwrap_err();
        let (sender, receiver) = mpsc::channel();
        let reply = move |result| sender.send(result).unwrap();
        store.submit(Request::Read(Vec::new()), Box::new(reply));
        let submitted = receiver.try_recv().unwrap().unwrap_err();
        let repeated = store.facts().unwrap().repeated;
        (performed.to_string(), submitted.to_string(), repeated, store.is_sealed())
    }

    #[test]
    fn a_store_without_more_performs_what_is_submitted() {
        let plain = ("asked to perform".to_owned(), "asked to perform".to_owned(), 0, false);
        assert_eq!(answers(&Plain), plain);
        assert_eq!(answers(&Arc::new(Plain)), plain);
        assert_eq!(answers(&Box::new(Plain)), plain);
    }

    #[test]
    fn a_shared_or_boxed_store_answers_as_itself() {
        let own = ("asked to perform".to_owned(), "asked to submit".to_owned(), 12, true);
        let shared: Arc<dyn Store> = Arc::new(Own);
        let boxed: Box<dyn Store> = Box::new(Own);
        assert_eq!(answers(&shared), own);
        assert_eq!(answers(&boxed), own);
    }

    #[test]
    fn an_error_tells_its_text_and_its_cause() {
        let error = StoreError::new(StoreErrorKind::Full, "the disk is full");
        assert!(error.source().is_none());
        let error = error.with_source("no space left on device");
        assert_eq!(error.to_string(), "the disk is full");
        assert_eq!(error.source().unwrap().to_string(), "no space left on device");
    }

    #[test]
    fn only_what_is_refused_may_not_be_repeated() {
        for (kind, name, may_repeat) in [
            (StoreErrorKind::Unavailable, "unavailable", true),
            (StoreErrorKind::Failed, "failed", true),
            (StoreErrorKind::Full, "full", true),
            (StoreErrorKind::Refused, "refused", false),
            (StoreErrorKind::Denied, "denied", true),
            (StoreErrorKind::Incompatible, "incompatible", true),
            (StoreErrorKind::Damaged, "damaged", true),
            (StoreErrorKind::Unreadable, "unreadable", true),
            (StoreErrorKind::Moved, "moved", true),
        ] {
            assert_eq!((kind.name(), kind.may_repeat()), (name, may_repeat));
        }
    }

    #[test]
    fn every_value_of_a_request_has_the_limit() {
        let account = AccountId::new("91827364").unwrap();
        let lane = LaneId::new(account.clone(), LaneKind::Consumer, "ada");
        let cell = CellId { account, key: "c".into() };
        let entry = |body: Vec<u8>| Entry { lane: lane.clone(), body };
        let commit = || Commit::new(lane.clone(), Fence(1), Holder(1));
        let requests = |size: usize| {
            let body = vec![0; size];
            [
                Request::Append(vec![entry(Vec::new()), entry(body.clone())]),
                Request::Commit(vec![commit(), commit().append(entry(body.clone()))]),
                Request::Commit(vec![commit().cell(cell.clone(), body.clone())]),
                Request::Commit(vec![commit().record(Record { version: 1, body: body.clone() })]),
                Request::Swap { cell: cell.clone(), seen: 0, value: body, life: None },
            ]
        };
        for (most, over) in requests(MAX_VALUE_BYTES).iter().zip(requests(MAX_VALUE_BYTES + 1)) {
            assert!(most.check_sizes().is_ok());
            let error = over.check_sizes().unwrap_err();
            assert_eq!((error.kind(), error.kind().may_repeat()), (StoreErrorKind::Refused, false));
        }
    }
}
