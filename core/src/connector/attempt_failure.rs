//! Classifies a failed attempt: once, for all stages and all operations.

use std::time::Duration;

use bytes::Bytes;
use http::Response;
use zeroize::Zeroizing;

use super::{Cause, Failure, FailureKind};
use crate::api::{ApiRejection, Reason};
use crate::error::{Error, ErrorKind, Stage, scrub};
use crate::policy::{FailureClass, retry_after};
use crate::time::Now;

/// One failed attempt, classified.
#[derive(Debug)]
pub(super) struct AttemptFailure {
    pub(super) class: FailureClass,
    /// The error to return if there is no retry.
    pub(super) error: Error,
    /// The response's `Retry-After`.
    pub(super) retry_after: Option<Duration>,
    /// The token to refresh before one more attempt ([protocol.md 10.1](crate::protocol#10.1)).
    pub(super) refresh: Option<RejectedToken>,
    /// The failure says nothing about the service: the call's own deadline cut the attempt short, or
    /// the client had no free connection.
    pub(super) not_of_service: bool,
    pub(super) cause: Cause,
}

/// Which token was rejected.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum RejectedToken {
    /// The service names the AppJWT: no call can use it any more.
    AppJwt,
    /// A 401 that names no token. It may be about the AppJWT, so this call refreshes it; it may also be
    /// about this one request, so other calls keep using the token they have.
    PerhapsAppJwt,
    /// The service names the ConsumerJWS.
    ConsumerJws,
}

impl AttemptFailure {
    /// Classifies a response that is not the expected one.
    pub(super) fn rejected(
        rejection: ApiRejection,
        response: &Response<Bytes>,
        stage: Stage,
        secrets: &[Zeroizing<String>],
        now: Now,
    ) -> Self {
        let ApiRejection { reason, status, error_code, message, conversation } = rejection;
        let message = message.as_deref().map(|text| scrub(text, secrets));
        let http_status = response.status().as_u16();
        let (class, kind, headline) = classify(&reason, status, http_status, stage);
        let unreadable = class == FailureClass::Unreadable;
        let shown_status = if unreadable { http_status } else { status };
        let mut error = Error::new(kind, headline).with_answer(shown_status, error_code, message);
        if let Some(open) = conversation {
            error = error.with_open_conversation(open);
        }
        if !unreadable && (!response.status().is_success() || reason == Reason::Loading) {
            error = error.with_body(response.body());
        }
        let asked = if unreadable { None } else { retry_after(response.headers(), now.wall()) };
        // A redirect says when to follow it. Any other status says when the same request may succeed, a 413
        // for one (RFC 9110, 15.5.14).
        if let Some(asked) = asked.filter(|_| class != FailureClass::Redirected) {
            error = error.with_retry_after(asked);
        }
        Self {
            class,
            error,
            retry_after: asked,
            // Only for a rejection: a repetition after any other failure could repeat an effect.
            refresh: rejected_token(stage, status, error_code)
                .filter(|_| class == FailureClass::Rejected),
            not_of_service: false,
            cause: Cause::Status(shown_status),
        }
    }

    /// Classifies an attempt without a whole response.
    pub(super) fn no_response(failure: Failure, stage: Stage) -> Self {
        let Failure { kind, may_have_left, source } = failure;
        let headline = match (kind, &source) {
            // It says which setting, and what is wrong with it.
            (FailureKind::ProxySetting, Some(source)) => source.to_string(),
            _ => format!("{} got no answer: {}", subject(stage), kind.words()),
        };
        let (class, error_kind) = match kind {
            FailureKind::Tls | FailureKind::ClientCertificate if !may_have_left => {
                (FailureClass::TlsFailed, ErrorKind::Tls)
            }
            FailureKind::ClientCertificate => (FailureClass::CertificateMissing, ErrorKind::Tls),
            FailureKind::ProxyAuthentication if !may_have_left => {
                (FailureClass::ProxyUnusable, ErrorKind::Proxy)
            }
            FailureKind::ProxySetting if !may_have_left => {
                (FailureClass::ProxyUnusable, ErrorKind::Configuration)
            }
            FailureKind::TooLarge => (FailureClass::Unreadable, ErrorKind::BadAnswer),
            _ if may_have_left => (FailureClass::AnswerLost, ErrorKind::Unavailable),
            _ => (FailureClass::NotSent, ErrorKind::Unavailable),
        };
        let mut error = Error::new(error_kind, headline);
        if let Some(source) = source.filter(|_| kind != FailureKind::ProxySetting) {
            error = error.with_source(source);
        }
        Self {
            class,
            error,
            retry_after: None,
            refresh: None,
            not_of_service: false,
            cause: Cause::NoResponse(kind),
        }
    }
}

/// What the reason of a rejection means.
fn classify(
    reason: &Reason,
    status: u16,
    http_status: u16,
    stage: Stage,
) -> (FailureClass, ErrorKind, String) {
    let class = match status == http_status {
        true => FailureClass::of_status(status),
        false => FailureClass::of_code(status),
    };
    match reason {
        Reason::Unreadable(how) => (
            FailureClass::Unreadable,
            ErrorKind::BadAnswer,
            format!("{} got an unusable answer: {how}", subject(stage)),
        ),
        Reason::Untrusted(why) => (
            FailureClass::Unreadable,
            ErrorKind::UntrustedHost,
            format!("the Domain API names a host that is not trusted: {why}"),
        ),
        // Retried as a 503, whatever its status.
        Reason::Loading => (
            FailureClass::Unavailable,
            ErrorKind::Unavailable,
            "the account is still being loaded by the service".to_owned(),
        ),
        Reason::AlreadyOpen => (
            class,
            ErrorKind::AlreadyOpen,
            "the consumer has an open conversation already".to_owned(),
        ),
        Reason::ConversationClosed => {
            (class, ErrorKind::ConversationClosed, "the conversation is closed".to_owned())
        }
        Reason::Status => {
            let kind = kind_of(status, class, stage);
            (class, kind, headline(kind, status, stage))
        }
    }
}

/// The kind of error for an error status.
fn kind_of(status: u16, class: FailureClass, stage: Stage) -> ErrorKind {
    match status {
        412 => ErrorKind::StaleRevision,
        401 if stage != Stage::Domain => ErrorKind::Unauthorized,
        400 | 403 if stage == Stage::AppJwt => ErrorKind::Unauthorized,
        429 => ErrorKind::RateLimited,
        451 => ErrorKind::Blocked,
        _ => match class {
            FailureClass::Unavailable | FailureClass::ServerError | FailureClass::NotProcessed => {
                ErrorKind::Unavailable
            }
            FailureClass::Unreadable => ErrorKind::BadAnswer,
            _ => ErrorKind::Rejected,
        },
    }
}

fn headline(kind: ErrorKind, status: u16, stage: Stage) -> String {
    let subject = subject(stage);
    match kind {
        ErrorKind::StaleRevision => "it was changed by somebody else meanwhile".to_owned(),
        ErrorKind::RateLimited => {
            format!("{subject} was rejected with status 429, too many requests")
        }
        ErrorKind::Unavailable => format!("{subject} failed with status {status}"),
        ErrorKind::BadAnswer => format!("{subject} got an unusable answer, with status {status}"),
        _ => format!("{subject} was rejected with status {status}"),
    }
}

/// The request of a stage, as the subject of a sentence.
fn subject(stage: Stage) -> &'static str {
    match stage {
        Stage::Domain => "the host look-up",
        Stage::AppJwt => "the AppJWT request",
        Stage::ConsumerJws => "the ConsumerJWS request",
        Stage::Operation => "the request",
    }
}

/// The token that a rejection is about ([protocol.md 10.1](crate::protocol#10.1)). A new token does
/// not fix 40001, 40104 or 40105.
fn rejected_token(stage: Stage, status: u16, code: Option<u32>) -> Option<RejectedToken> {
    match (stage, status, code) {
        (Stage::Domain | Stage::AppJwt, ..) => None,
        (_, _, Some(40102)) => Some(RejectedToken::AppJwt),
        (Stage::Operation, _, Some(40103)) => Some(RejectedToken::ConsumerJws),
        (_, 401, None) => Some(RejectedToken::PerhapsAppJwt),
        _ => None,
    }
}
