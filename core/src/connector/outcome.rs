//! What passes between a call and the adapter that drives it.

use std::error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};

use crate::error::{Error, Stage};
use crate::time::Mono;

/// What the driver of a [`Call`](super::Call) does next.
#[must_use = "a call only moves when its step is carried out"]
#[derive(Debug)]
#[expect(
    clippy::exhaustive_enums,
    clippy::large_enum_variant,
    reason = "a driver must handle every step, and it lives for one turn of a loop"
)]
pub enum Step<T> {
    /// Perform this request, then report how it went with [`Call::handle`](super::Call::handle).
    Send(Attempt),
    /// Nothing to do before this instant, unless woken: a pause, or another call's request that this
    /// one needs too.
    Wait(Mono),
    /// The call is over, with this result.
    Done(Result<Completed<T>, Error>),
}

/// Whether other calls on the same [`ConnectorState`](super::ConnectorState) should be polled now.
#[must_use = "calls that wait for a token or a host sleep until somebody wakes them"]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[expect(clippy::exhaustive_enums, reason = "a driver must handle both")]
pub enum Wake {
    /// Nothing that others wait for has changed.
    Nobody,
    /// Wake all that wait.
    Waiters,
}

/// One request to be performed.
///
/// Redirects must not be followed, a status must not be made an error, and nothing may be repeated:
/// all of that is the core's to decide. `Debug` shows no query, header or body.
pub struct Attempt {
    pub(crate) number: u32,
    pub(crate) operation: &'static str,
    pub(crate) stage: Stage,
    pub(crate) deadline: Mono,
    pub(crate) request: Request<Bytes>,
}

impl Attempt {
    /// Its number within the call: give it back to [`Call::handle`](super::Call::handle).
    #[must_use]
    pub fn number(&self) -> u32 {
        self.number
    }

    /// The name of the operation that it is part of.
    #[must_use]
    pub fn operation(&self) -> &'static str {
        self.operation
    }

    /// Which of the call's requests it is.
    #[must_use]
    pub fn stage(&self) -> Stage {
        self.stage
    }

    /// When it counts as lost.
    #[must_use]
    pub fn deadline(&self) -> Mono {
        self.deadline
    }

    /// How long it may still take.
    #[must_use]
    pub fn time_left(&self, now: Mono) -> Duration {
        self.deadline.since(now)
    }

    /// The request itself.
    #[must_use]
    pub fn request(&self) -> &Request<Bytes> {
        &self.request
    }

    /// Takes the request out.
    #[must_use]
    pub fn into_request(self) -> Request<Bytes> {
        self.request
    }
}

impl fmt::Debug for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Attempt")
            .field("number", &self.number)
            .field("operation", &self.operation)
            .field("stage", &self.stage)
            .field("deadline", &self.deadline)
            .field("method", self.request.method())
            .field("host", &self.request.uri().authority())
            .field("path", &self.request.uri().path())
            .field("body_len", &self.request.body().len())
            .finish()
    }
}

/// How an attempt ended.
#[expect(clippy::exhaustive_enums, reason = "there was a response or there was none")]
pub enum Outcome {
    /// A whole response came, whatever its status.
    Response(Response<Bytes>),
    /// No whole response came.
    Failed(Failure),
}

impl fmt::Debug for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // A response can hold a token: show sizes alone.
            Self::Response(response) => f
                .debug_struct("Response")
                .field("status", &response.status())
                .field("body_len", &response.body().len())
                .finish(),
            Self::Failed(failure) => failure.fmt(f),
        }
    }
}

/// Why no whole response came, and whether the request may have left.
#[derive(Clone, Debug)]
pub struct Failure {
    pub(crate) kind: FailureKind,
    pub(crate) may_have_left: bool,
    pub(crate) source: Option<Arc<dyn error::Error + Send + Sync>>,
}

impl Failure {
    /// Not one byte of the request was given to a connection: say so only if it is sure.
    #[must_use]
    pub fn never_sent(kind: FailureKind) -> Self {
        Self { kind, may_have_left: false, source: None }
    }

    /// Some or all of the request may have left.
    #[must_use]
    pub fn answer_lost(kind: FailureKind) -> Self {
        Self { kind, may_have_left: true, source: None }
    }

    /// The transport's own error. It must hold no URL with a query, and no header.
    #[must_use]
    pub fn with_source(mut self, source: impl error::Error + Send + Sync + 'static) -> Self {
        self.source = Some(Arc::new(source));
        self
    }

    /// What went wrong.
    #[must_use]
    pub fn kind(&self) -> FailureKind {
        self.kind
    }

    /// Whether the request may have left.
    #[must_use]
    pub fn may_have_left(&self) -> bool {
        self.may_have_left
    }
}

/// What went wrong on the way.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum FailureKind {
    /// The host's name has no address.
    Resolve,
    /// No connection was made, to the host or to the proxy before it.
    Connect,
    /// The TLS handshake failed. Not repeated: a certificate does not mend itself.
    Tls,
    /// The time was up.
    Timeout,
    /// The connection broke, or closed before the answer was whole.
    Broken,
    /// What came is not HTTP.
    Protocol,
    /// The answer is larger than allowed.
    TooLarge,
    /// Anything else.
    Other,
}

impl FailureKind {
    /// What happened, for the middle of a sentence.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Resolve => "the host's name could not be resolved",
            Self::Connect => "no connection could be made",
            Self::Tls => "no trusted TLS connection could be made",
            Self::Timeout => "the time was up before an answer came",
            Self::Broken => "the connection broke before the answer was whole",
            Self::Protocol => "what came back is not HTTP",
            Self::TooLarge => "the answer is larger than allowed",
            Self::Other => "the request failed",
        }
    }
}

/// A result, and how it came about.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Completed<T> {
    /// What the operation gives.
    pub output: T,
    /// How often the operation's own request was sent, or tried to be sent. 0 for one that sends
    /// nothing of its own.
    pub attempts: u32,
    /// True if an earlier attempt may have taken effect too: its answer was lost, or was a 5xx that a
    /// gateway may have made. The operation then may have happened more than once.
    pub maybe_duplicated: bool,
}

impl<T> Completed<T> {
    /// A result at the first attempt.
    #[must_use]
    pub const fn new(output: T) -> Self {
        Self { output, attempts: 1, maybe_duplicated: false }
    }
}
