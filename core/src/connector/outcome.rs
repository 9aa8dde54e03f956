//! The values that a call and its adapter exchange.

use std::error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Request, Response};

use super::ProxyUrl;
use crate::error::{Error, Stage};
use crate::http1::DecodeError;
use crate::id::ExtConsumerId;
use crate::secret::Secret;
use crate::time::Mono;

/// The next action for the driver of a [`Call`](super::Call).
#[must_use = "a call only moves when its step is carried out"]
#[derive(Debug)]
#[expect(
    clippy::exhaustive_enums,
    clippy::large_enum_variant,
    reason = "a driver must handle every step, and it lives for one turn of a loop"
)]
pub enum Step<T> {
    /// Send this request, then pass its outcome to [`Call::handle`](super::Call::handle).
    Send(Attempt),
    /// Poll again at this instant, or when woken: the call pauses, or waits for another call's request
    /// that it needs too.
    Wait(Mono),
    /// The call is over, with this result.
    Done(Result<Completed<T>, Error>),
}

/// Whether other calls on the same [`ConnectorState`](super::ConnectorState) should be polled now.
#[must_use = "calls that wait for a token or a host sleep until somebody wakes them"]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[expect(clippy::exhaustive_enums, reason = "a driver must handle both")]
pub enum Wake {
    /// Nothing that other calls wait for has changed.
    Nobody,
    /// Wake all calls that wait.
    Waiters,
}

/// One request to send.
///
/// The adapter must not follow redirects, turn a status into an error, or repeat the request:
/// the core decides all of that. `Debug` shows no query, header or body.
pub struct Attempt {
    pub(crate) number: u32,
    pub(crate) operation: &'static str,
    pub(crate) stage: Stage,
    pub(crate) deadline: Mono,
    pub(crate) token: Option<TokenRequest>,
    pub(crate) request: Request<Bytes>,
}

/// The token that an attempt requests.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TokenRequest {
    pub(crate) consumer: Option<ExtConsumerId>,
    pub(crate) replaces_rejected: bool,
}

impl TokenRequest {
    /// The consumer whose ConsumerJWS it is. `None`: it is the AppJWT.
    #[must_use]
    pub const fn consumer(&self) -> Option<&ExtConsumerId> {
        self.consumer.as_ref()
    }

    /// True if the client had a token, and a service rejected it: the same again is of no use.
    #[must_use]
    pub const fn replaces_rejected(&self) -> bool {
        self.replaces_rejected
    }
}

/// A token that another program requested, for the same account and app.
#[derive(Clone)]
pub struct SharedToken {
    pub(crate) header: HeaderValue,
    pub(crate) token: Secret,
    pub(crate) life: Duration,
}

impl SharedToken {
    /// A token, and how long it may be used, from when it was asked for. `None` if a header cannot carry it.
    #[must_use]
    pub fn new(token: Secret, life: Duration) -> Option<Self> {
        let header = token.header().filter(|header| !header.is_empty())?;
        Some(Self { header, token, life })
    }
}

impl fmt::Debug for SharedToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedToken").field("life", &self.life).finish_non_exhaustive()
    }
}

impl Attempt {
    /// Its number within the call: pass it to [`Call::handle`](super::Call::handle).
    #[must_use]
    pub fn number(&self) -> u32 {
        self.number
    }

    /// The name of the operation that it is part of.
    #[must_use]
    pub fn operation(&self) -> &'static str {
        self.operation
    }

    /// The request of the call that this attempt sends.
    #[must_use]
    pub fn stage(&self) -> Stage {
        self.stage
    }

    /// The instant at which the attempt times out.
    #[must_use]
    pub fn deadline(&self) -> Mono {
        self.deadline
    }

    /// The time left until the deadline.
    #[must_use]
    pub fn time_left(&self, now: Mono) -> Duration {
        self.deadline.since(now)
    }

    /// The token that it requests, if it requests one: a driver that has it from elsewhere need not send the request,
    /// and ends the attempt with [`Outcome::Shared`].
    #[must_use]
    pub fn token(&self) -> Option<&TokenRequest> {
        self.token.as_ref()
    }

    /// The request.
    #[must_use]
    pub fn request(&self) -> &Request<Bytes> {
        &self.request
    }

    /// Returns the request by value.
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
#[expect(clippy::exhaustive_enums, reason = "there was a response, or none, or no need of one")]
pub enum Outcome {
    /// A whole response arrived, whatever its status.
    Response(Response<Bytes>),
    /// No whole response arrived.
    Failed(Failure),
    /// The request was not sent: another program has the [token](Attempt::token). For any other attempt it is a
    /// failure.
    Shared(SharedToken),
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
            Self::Shared(token) => token.fmt(f),
        }
    }
}

/// Why no whole response arrived, and whether the request may have left.
#[derive(Clone, Debug)]
pub struct Failure {
    pub(crate) kind: FailureKind,
    pub(crate) may_have_left: bool,
    pub(crate) source: Option<Arc<dyn error::Error + Send + Sync>>,
}

impl Failure {
    /// Creates a failure before any byte of the request left. Use it only if that is certain.
    #[must_use]
    pub fn never_sent(kind: FailureKind) -> Self {
        Self { kind, may_have_left: false, source: None }
    }

    /// Creates a failure after some or all of the request may have left.
    #[must_use]
    pub fn answer_lost(kind: FailureKind) -> Self {
        Self { kind, may_have_left: true, source: None }
    }

    /// Adds the transport's own error. It must hold no URL with a query, and no header.
    #[must_use]
    pub fn with_source(mut self, source: impl error::Error + Send + Sync + 'static) -> Self {
        self.source = Some(Arc::new(source));
        self
    }

    /// Says that it happened on the way through `proxy`: the source names the proxy, then.
    #[must_use]
    pub fn through(mut self, proxy: &ProxyUrl) -> Self {
        let proxy = proxy.authority().unwrap_or_default();
        self.source = Some(Arc::new(ThroughProxy { proxy, source: self.source }));
        self
    }

    /// The kind of failure.
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

/// Which proxy a failed connection was to go through.
#[derive(Debug)]
struct ThroughProxy {
    proxy: String,
    source: Option<Arc<dyn error::Error + Send + Sync>>,
}

impl fmt::Display for ThroughProxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the connection to the proxy {}", self.proxy)
    }
}

impl error::Error for ThroughProxy {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

/// The kind of a transport failure.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum FailureKind {
    /// The host name does not resolve.
    Resolve,
    /// All connections of the client were in use until the attempt timed out. It says nothing about
    /// the service: neither its circuit nor its host is affected.
    NoFreeConnection,
    /// The connect failed, to the host or to the proxy before it.
    Connect,
    /// The proxy answered 407: it requires a user and password, or others than it got. It is not retried.
    ProxyAuthentication,
    /// The setting of the proxy cannot be used, as the source says. It is not retried.
    ProxySetting,
    /// The TLS handshake failed. It is not retried: a bad certificate stays bad.
    Tls,
    /// The server demands a certificate of the client, which has none. In TLS 1.3 it says so after the
    /// client's part of the handshake, when the client has sent its request already; it has read none of
    /// that (RFC 8446, 4.4.2.4). It is not retried.
    ClientCertificate,
    /// The attempt timed out.
    Timeout,
    /// The connection broke, or closed before the response was complete.
    Broken,
    /// The peer did not send valid HTTP.
    Protocol,
    /// The response is larger than allowed.
    TooLarge,
    /// Anything else.
    Other,
}

/// Bytes that are no response: for adapters that use the core's codec.
impl From<DecodeError> for FailureKind {
    fn from(error: DecodeError) -> Self {
        match error {
            DecodeError::TooLarge(_) => Self::TooLarge,
            DecodeError::Truncated | DecodeError::ClosedBeforeResponse => Self::Broken,
            _ => Self::Protocol,
        }
    }
}

impl FailureKind {
    #[cfg(any(test, feature = "_fuzz"))]
    pub(crate) const ALL: [Self; 12] = [
        Self::Resolve,
        Self::NoFreeConnection,
        Self::Connect,
        Self::ProxyAuthentication,
        Self::ProxySetting,
        Self::Tls,
        Self::ClientCertificate,
        Self::Timeout,
        Self::Broken,
        Self::Protocol,
        Self::TooLarge,
        Self::Other,
    ];

    /// The failure, as a clause for the middle of a sentence.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Resolve => "the host's name could not be resolved",
            Self::NoFreeConnection => "all connections of this client were in use",
            Self::Connect => "no connection could be made",
            Self::ProxyAuthentication => {
                "the proxy requires a valid user and password (status 407)"
            }
            Self::ProxySetting => "the proxy's setting cannot be used",
            Self::Tls => "no trusted TLS connection could be made",
            Self::ClientCertificate => "the server demands a client certificate",
            Self::Timeout => "the time was up before an answer came",
            Self::Broken => "the connection broke before the answer was whole",
            Self::Protocol => "what came back is not HTTP",
            Self::TooLarge => "the answer is larger than allowed",
            Self::Other => "the request failed",
        }
    }
}

/// The result of a call, and its attempts.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Completed<T> {
    /// The output of the operation.
    pub output: T,
    /// How often the operation's own request was sent, or the adapter attempted to. 0 for a look-up,
    /// which sends no request of its own.
    pub attempts: u32,
    /// True if an earlier attempt may have taken effect too: its response was lost, or was a 5xx that a
    /// gateway may have made. The operation may then have happened more than once.
    pub maybe_duplicated: bool,
}

impl<T> Completed<T> {
    /// A result at the first attempt.
    #[must_use]
    pub const fn new(output: T) -> Self {
        Self { output, attempts: 1, maybe_duplicated: false }
    }
}
