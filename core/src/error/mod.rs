//! One error type: what failed, who rejected it, whether the request left, and what to do.
//!
//! Match on [`Error::kind`]; decide about retrying by [`Error::delivery`]. `{}` is one line for a person:
//! what failed, who reports it, whether it was sent. `{:#}` adds what to do. The cause is in
//! [`source`](std::error::Error::source). `{:?}` is what a program prints whose `main` returns the error: the
//! text of `{:#}`, and a line for each cause; `{:#?}` shows the fields. Neither `Display` nor `Debug` ever
//! holds a secret, a token or a message's text.
//!
//! ```
//! use lp_connector_core::error::{Error, ErrorKind, Delivery};
//!
//! fn on_failure(error: &Error) -> &'static str {
//!     match (error.kind(), error.delivery()) {
//!         (ErrorKind::AlreadyOpen, _) => "go on with the conversation that is open",
//!         (ErrorKind::ConversationClosed, _) => "open a new conversation, then send again",
//!         (_, Delivery::NotSent) => "nothing left: put it back in the queue",
//!         (_, Delivery::Rejected) => "it had no effect: correct it before it goes again",
//!         (_, Delivery::Unknown) => "look before repeating it: it may have arrived",
//!     }
//! }
//! # let _ = on_failure;
//! ```

mod advice;
mod kind;
mod scrub;

use std::borrow::Cow;
use std::error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::id::{ConversationId, InvalidId, LpConsumerId};

pub use kind::{Delivery, ErrorKind, Stage};
pub(crate) use scrub::{scrub, spellings};

/// The maximum of bytes of an error response that an [`Error`] keeps.
pub const MAX_KEPT_BODY: usize = 64 * 1024;

/// Why a call failed.
///
/// Cheap to move; clones share the large parts. The [module page](self) shows how to read one.
#[derive(Clone)]
pub struct Error(Box<Inner>);

#[derive(Clone)]
struct Inner {
    kind: ErrorKind,
    operation: &'static str,
    stage: Stage,
    headline: Cow<'static, str>,
    host: Option<String>,
    status: Option<u16>,
    error_code: Option<u32>,
    message: Option<String>,
    request_id: Option<String>,
    attempts: u32,
    delivery: Delivery,
    retry_after: Option<Duration>,
    consumer_id: Option<LpConsumerId>,
    open_conversation: Option<ConversationId>,
    body: Option<Arc<[u8]>>,
    source: Option<Source>,
}

#[derive(Clone)]
enum Source {
    /// How an earlier attempt of the same call failed.
    Earlier(Box<Error>),
    Foreign(Arc<dyn error::Error + Send + Sync>),
}

impl Error {
    /// Creates an error, for tests and for fakes of a client: `headline` is the failure,
    /// in a clause. The errors of this crate carry more.
    #[must_use]
    pub fn new(kind: ErrorKind, headline: impl Into<Cow<'static, str>>) -> Self {
        Self(Box::new(Inner {
            kind,
            operation: "call",
            stage: Stage::Operation,
            headline: headline.into(),
            host: None,
            status: None,
            error_code: None,
            message: None,
            request_id: None,
            attempts: 0,
            delivery: Delivery::NotSent,
            retry_after: None,
            consumer_id: None,
            open_conversation: None,
            body: None,
            source: None,
        }))
    }

    /// Creates a [`Configuration`](ErrorKind::Configuration) error, for adapters: `why` is the fault.
    #[must_use]
    pub fn configuration(why: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorKind::Configuration, why).with_operation("configuration", None)
    }

    /// The kind of failure: match on it.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The name of the operation that failed, such as `send_text`: one of a small fixed set.
    #[must_use]
    pub fn operation(&self) -> &'static str {
        self.0.operation
    }

    /// The request of the call that failed: the operation's own, or a prerequisite.
    #[must_use]
    pub fn stage(&self) -> Stage {
        self.0.stage
    }

    /// The host of the failed request, if a host was known.
    #[must_use]
    pub fn host(&self) -> Option<&str> {
        self.0.host.as_deref()
    }

    /// The status of the response: that of HTTP, or the body's own `code` where HTTP has
    /// 200 and the body another code ([protocol.md 10](crate::protocol#10)).
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        self.0.status
    }

    /// LivePerson's number of the failure, such as 40102
    /// ([protocol.md 10.1](crate::protocol#10.1)). It is stable, unlike the texts around it.
    #[must_use]
    pub fn error_code(&self) -> Option<u32> {
        self.0.error_code
    }

    /// The service's own message, shortened, without anything that looks like a token. For people
    /// and logs: never match on it ([protocol.md 10.2](crate::protocol#10.2)). `None` too if another call has replaced
    /// the token of the request meanwhile: an echo of it could not be recognised.
    #[must_use]
    pub fn message(&self) -> Option<&str> {
        self.0.message.as_deref()
    }

    /// The id of the failed request, as in LivePerson's logs.
    #[must_use]
    pub fn request_id(&self) -> Option<&str> {
        self.0.request_id.as_deref()
    }

    /// How often the failed request was sent, or the adapter attempted to.
    #[must_use]
    pub fn attempts(&self) -> u32 {
        self.0.attempts
    }

    /// Whether the operation may have taken effect, over all attempts.
    #[must_use]
    pub fn delivery(&self) -> Delivery {
        self.0.delivery
    }

    /// How long to wait, from the time of the error, before another attempt makes sense, where that
    /// is known.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }

    /// LivePerson's id of the consumer, if the consumer has an open conversation already
    /// ([`AlreadyOpen`](ErrorKind::AlreadyOpen)): webhooks name it.
    #[must_use]
    pub fn consumer_id(&self) -> Option<&LpConsumerId> {
        self.0.consumer_id.as_ref()
    }

    /// The conversation that is open already, if the program set the one it knew last
    /// ([`OpenConversation::last_known`](crate::api::OpenConversation::last_known)).
    #[must_use]
    pub fn open_conversation(&self) -> Option<&ConversationId> {
        self.0.open_conversation.as_ref()
    }

    /// True if the same call may succeed later without any change, and a repetition cannot repeat an
    /// effect: it is never true for a call that may have taken effect.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        let temporary = matches!(
            self.0.kind,
            ErrorKind::RateLimited
                | ErrorKind::Unavailable
                | ErrorKind::CircuitOpen
                | ErrorKind::DeadlineExceeded
        );
        temporary && self.0.delivery != Delivery::Unknown
    }

    /// The body of the response that rejected the request, up to [`MAX_KEPT_BODY`] bytes. It can hold
    /// personal data: it is in neither `Display` nor `Debug`.
    #[must_use]
    pub fn response_body(&self) -> Option<&[u8]> {
        self.0.body.as_deref()
    }

    /// What to do about it, in one clause.
    #[must_use]
    pub fn advice(&self) -> Option<Cow<'static, str>> {
        advice::advice(self)
    }
}

/// Setters.
impl Error {
    pub(crate) fn with_operation(
        mut self,
        operation: &'static str,
        request_id: Option<String>,
    ) -> Self {
        self.0.operation = operation;
        self.0.request_id = request_id;
        self
    }

    pub(crate) fn at(mut self, stage: Stage, host: Option<String>) -> Self {
        self.0.stage = stage;
        self.0.host = host;
        self
    }

    pub(crate) fn with_answer(
        mut self,
        status: u16,
        error_code: Option<u32>,
        message: Option<String>,
    ) -> Self {
        self.0.status = Some(status);
        self.0.error_code = error_code;
        self.0.message = message;
        self
    }

    /// Sets the status of the response and LivePerson's number of the failure: for tests, as
    /// [`new`](Self::new).
    #[must_use]
    pub fn with_status(mut self, status: u16, error_code: Option<u32>) -> Self {
        self.0.status = Some(status);
        self.0.error_code = error_code;
        self
    }

    /// Changes the kind; the cause stays.
    pub(crate) fn recast(mut self, kind: ErrorKind, headline: String) -> Self {
        self.0.kind = kind;
        self.0.headline = headline.into();
        self
    }

    pub(crate) fn with_attempts(mut self, attempts: u32) -> Self {
        self.0.attempts = attempts;
        self
    }

    /// Sets whether the operation may have taken effect: for tests, as [`new`](Self::new).
    #[must_use]
    pub fn with_delivery(mut self, delivery: Delivery) -> Self {
        self.0.delivery = delivery;
        self
    }

    /// Sets the pause before the next attempt: for tests, as [`new`](Self::new).
    #[must_use]
    pub fn with_retry_after(mut self, pause: Duration) -> Self {
        self.0.retry_after = Some(pause);
        self
    }

    /// Sets LivePerson's id of the consumer: for tests, as [`new`](Self::new).
    #[must_use]
    pub fn with_consumer_id(mut self, id: LpConsumerId) -> Self {
        self.0.consumer_id = Some(id);
        self
    }

    /// Sets the conversation that is open already: for tests, as [`new`](Self::new).
    #[must_use]
    pub fn with_open_conversation(mut self, id: ConversationId) -> Self {
        self.0.open_conversation = Some(id);
        self
    }

    pub(crate) fn with_body(mut self, body: &[u8]) -> Self {
        let kept = body.get(..MAX_KEPT_BODY).unwrap_or(body);
        self.0.body = Some(kept.into());
        self
    }

    /// Limits the kept body of the response: for errors in a cache.
    pub(crate) fn truncate_body(mut self, bytes: usize) -> Self {
        if let Some(kept) = self.0.body.as_deref().and_then(|body| body.get(..bytes)) {
            self.0.body = Some(kept.into());
        }
        self
    }

    pub(crate) fn with_source(mut self, source: Arc<dyn error::Error + Send + Sync>) -> Self {
        self.0.source = Some(Source::Foreign(source));
        self
    }

    pub(crate) fn after(mut self, earlier: Option<Self>) -> Self {
        self.0.source = earlier.map(|error| Source::Earlier(Box::new(error)));
        self
    }
}

impl From<InvalidId> for Error {
    fn from(invalid: InvalidId) -> Self {
        Self::new(ErrorKind::InvalidInput, invalid.to_string())
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inner = &*self.0;
        write!(f, "{}: {}", inner.operation, inner.headline)?;
        if let Some(host) = &inner.host {
            write!(f, " ({host}")?;
            if let Some(code) = inner.error_code {
                write!(f, ", error code {code}")?;
            }
            if inner.attempts > 1 {
                write!(f, ", {} attempts", inner.attempts)?;
            }
            f.write_str(")")?;
        }
        if let Some(message) = &inner.message {
            write!(f, ", which said {message:?}")?;
        }
        match (inner.kind, inner.stage, inner.delivery) {
            (ErrorKind::InvalidInput | ErrorKind::Configuration, ..) => {}
            (_, _, Delivery::NotSent) => f.write_str("; it was not sent")?,
            // Looking up a host or fetching a token has no effect worth reporting.
            (_, Stage::Domain | Stage::AppJwt | Stage::ConsumerJws, _) => {}
            (_, _, Delivery::Unknown) => f.write_str("; it may have taken effect")?,
            (_, _, Delivery::Rejected) => f.write_str("; it had no effect")?,
        }
        match self.advice() {
            Some(advice) if f.alternate() => write!(f, "; {advice}"),
            _ => Ok(()),
        }
    }
}

/// `{:?}` is for people: a program prints it if its `main` returns the error. `{:#?}` shows the fields.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !f.alternate() {
            write!(f, "{self:#}")?;
            let mut cause = error::Error::source(self);
            while let Some(error) = cause {
                write!(f, "\n  caused by: {error}")?;
                cause = error.source();
            }
            return Ok(());
        }
        // Destructured by name, so that a new field needs a decision here.
        let Inner {
            kind,
            operation,
            stage,
            headline,
            host,
            status,
            error_code,
            message,
            request_id,
            attempts,
            delivery,
            retry_after,
            consumer_id,
            open_conversation,
            body,
            source,
        } = &*self.0;
        f.debug_struct("Error")
            .field("kind", kind)
            .field("operation", operation)
            .field("stage", stage)
            .field("headline", headline)
            .field("host", host)
            .field("status", status)
            .field("error_code", error_code)
            .field("message", message)
            .field("request_id", request_id)
            .field("attempts", attempts)
            .field("delivery", delivery)
            .field("retry_after", retry_after)
            .field("consumer_id", consumer_id)
            .field("open_conversation", open_conversation)
            .field("body_len", &body.as_ref().map(|body| body.len()))
            .field("source", &source.as_ref().map(ToString::to_string))
            .finish()
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Earlier(error) => error.fmt(f),
            Self::Foreign(error) => error.fmt(f),
        }
    }
}

impl error::Error for Error {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self.0.source.as_ref()? {
            Source::Earlier(error) => Some(&**error),
            Source::Foreign(error) => Some(&**error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::error::Error as _;

    #[test]
    fn what_is_temporary_and_not_done_is_transient() {
        use ErrorKind as K;
        let temporary = [K::RateLimited, K::Unavailable, K::CircuitOpen, K::DeadlineExceeded];
        let lasting = [
            K::InvalidInput,
            K::Configuration,
            K::UntrustedHost,
            K::Unauthorized,
            K::Blocked,
            K::Rejected,
            K::AlreadyOpen,
            K::ConversationClosed,
            K::StaleRevision,
            K::Unconfirmed,
            K::BadAnswer,
            K::Tls,
            K::Proxy,
            K::Abandoned,
        ];
        for (kinds, is_temporary) in [(&temporary[..], true), (&lasting[..], false)] {
            for kind in kinds {
                for (delivery, is_undone) in [
                    (Delivery::NotSent, true),
                    (Delivery::Rejected, true),
                    (Delivery::Unknown, false),
                ] {
                    let error = Error::new(*kind, "x").with_delivery(delivery);
                    let expected = is_temporary && is_undone;
                    assert_eq!(error.is_transient(), expected, "{kind:?} {delivery:?}");
                }
            }
        }
    }

    #[test]
    fn one_line_says_what_failed_and_what_to_do() {
        let error = Error::new(ErrorKind::Unauthorized, "the AppJWT was rejected with status 401")
            .with_operation("send_text", Some("id-1".into()))
            .at(Stage::Operation, Some("va.msg.liveperson.net".into()))
            .with_answer(401, Some(40102), Some("AppJWT has expired or is invalid".into()))
            .with_attempts(2)
            .with_delivery(Delivery::Rejected);
        let line = format!("{error:#}");
        assert_eq!(
            line,
            "send_text: the AppJWT was rejected with status 401 (va.msg.liveperson.net, error code \
             40102, 2 attempts), which said \"AppJWT has expired or is invalid\"; it had no effect; \
             a fresh AppJWT was rejected too: see that the app install is enabled and its scope is \
             msg.consumer"
        );
        assert!(!line.contains('\n'));
    }

    #[test]
    fn the_line_counts_attempts_from_the_second_on() {
        assert_eq!(Error::new(ErrorKind::Rejected, "x").host(), None);
        let error = Error::new(ErrorKind::Rejected, "the message was rejected")
            .at(Stage::Operation, Some("va.msg.liveperson.net".into()))
            .with_delivery(Delivery::Rejected);
        assert_eq!(error.host(), Some("va.msg.liveperson.net"));
        for (attempts, inside) in
            [(1, "va.msg.liveperson.net"), (2, "va.msg.liveperson.net, 2 attempts")]
        {
            let line = error.clone().with_attempts(attempts).to_string();
            let expected = format!("call: the message was rejected ({inside}); it had no effect");
            assert_eq!(line, expected);
        }
    }

    #[test]
    fn the_body_is_kept_but_not_shown() {
        let error = Error::new(ErrorKind::Rejected, "rejected").with_body(b"private");
        assert_eq!(error.response_body(), Some(&b"private"[..]));
        assert!(!format!("{error:?} {error:#?} {error}").contains("private"));
        let big =
            Error::new(ErrorKind::Rejected, "rejected").with_body(&vec![0; MAX_KEPT_BODY + 1]);
        assert_eq!(big.response_body().unwrap().len(), MAX_KEPT_BODY);
    }

    #[test]
    fn the_cause_is_chained_and_not_repeated() {
        let cause = std::io::Error::other("reset by peer");
        let first = Error::new(ErrorKind::Unavailable, "no answer").with_source(Arc::new(cause));
        let last = Error::new(ErrorKind::DeadlineExceeded, "out of time").after(Some(first));
        let earlier = last.source().unwrap();
        assert!(earlier.to_string().contains("no answer"));
        assert_eq!(earlier.source().unwrap().to_string(), "reset by peer");
        assert!(!last.to_string().contains("reset"));
    }

    #[test]
    fn debug_is_for_people_unless_it_is_pretty() {
        let cause = std::io::Error::other("reset by peer");
        let first = Error::new(ErrorKind::Unavailable, "no answer").with_source(Arc::new(cause));
        let last = Error::new(ErrorKind::DeadlineExceeded, "out of time").after(Some(first));
        assert_eq!(
            format!("{last:?}"),
            "call: out of time; it was not sent; allow more time, or try again later\n  \
             caused by: call: no answer; it was not sent\n  \
             caused by: reset by peer"
        );
        let fields = format!("{last:#?}");
        assert!(fields.starts_with("Error {\n    kind: DeadlineExceeded,"), "{fields}");
        assert!(fields.contains(r#""call: no answer; it was not sent""#), "{fields}");
        let fields = format!("{:#?}", last.source().unwrap());
        assert!(fields.contains(r#""reset by peer""#), "{fields}");
    }
}
