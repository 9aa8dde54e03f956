//! What an unsuccessful attempt means: one reading of it, for all stages and all operations.

use std::time::Duration;

use http::Response;
use zeroize::Zeroizing;

use super::{Failure, FailureKind, Why};
use crate::api::{Reason, Refusal};
use crate::error::{Error, ErrorKind, Sent, Stage, scrub};
use crate::policy::{Trouble, retry_after};
use crate::time::Now;

/// One unsuccessful attempt, understood.
#[derive(Debug)]
pub(super) struct Setback {
    /// What to report if it stays at that.
    pub(super) error: Error,
    /// What the retry policy is asked about; `None` if trying again cannot help.
    pub(super) trouble: Option<Trouble>,
    /// The answer's `Retry-After`.
    pub(super) asked: Option<Duration>,
    /// Whether this attempt may have taken effect.
    pub(super) effect: Sent,
    /// The service answered as a working one does, if not as hoped.
    pub(super) works: bool,
    /// A token that is worth renewing before one more try (protocol.md 10.1).
    pub(super) renew: Option<Renewal>,
    /// The call's own deadline ended the attempt before its time: that tells nothing of the service.
    pub(super) cut_short: bool,
    /// What the answer said to bring along next time.
    pub(super) carried: Option<String>,
    pub(super) why: Why,
}

/// Which token was refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Renewal {
    /// The service names the AppJWT: nobody can use it any more.
    AppJwt,
    /// A 401 that names nothing. It may be about the AppJWT, so that is renewed; but it may as well be
    /// about this one request, so the others go on with what they have.
    PerhapsAppJwt,
    /// The service names the ConsumerJWS.
    ConsumerJws,
}

impl Setback {
    /// An answer came, and was not the hoped-for one.
    pub(super) fn refused(
        refusal: Refusal,
        response: &Response<Vec<u8>>,
        stage: Stage,
        secrets: &[Zeroizing<String>],
        now: Now,
    ) -> Self {
        let what = subject(stage);
        let message = refusal.message.as_deref().map(|text| scrub(text, secrets));
        let (status, code) = (refusal.status, refusal.error_code);
        let unreadable = |kind, headline: String| {
            // A 2xx that cannot be read was a success all the same, as far as anybody knows.
            let error = Error::new(kind, headline).answered(
                response.status().as_u16(),
                code,
                message.clone(),
            );
            let effect = Sent::Maybe;
            Self {
                error,
                trouble: None,
                asked: None,
                effect,
                works: true,
                renew: None,
                cut_short: false,
                carried: None,
                why: Why::Status(response.status().as_u16()),
            }
        };
        match refusal.reason {
            Reason::Unreadable(how) => {
                return unreadable(
                    ErrorKind::BadAnswer,
                    format!("{what} got an unusable answer: {how}"),
                );
            }
            Reason::Untrusted(why) => {
                return unreadable(
                    ErrorKind::UntrustedHost,
                    format!("the Domain API names a host that is not trusted: {why}"),
                );
            }
            Reason::Status | Reason::AlreadyOpen | Reason::ConversationClosed | Reason::Loading => {
            }
        }
        let loading = refusal.reason == Reason::Loading;
        let kind = match (refusal.reason, status) {
            (Reason::AlreadyOpen, _) => ErrorKind::AlreadyOpen,
            (Reason::ConversationClosed, _) => ErrorKind::ConversationClosed,
            (Reason::Loading, _) => ErrorKind::Unavailable,
            (_, 412) => ErrorKind::StaleRevision,
            (_, 401) if stage != Stage::Domain => ErrorKind::Unauthorized,
            (_, 400 | 403) if stage == Stage::AppJwt => ErrorKind::Unauthorized,
            (_, 429) => ErrorKind::RateLimited,
            (_, 451) => ErrorKind::Blocked,
            (_, 500..=599) => ErrorKind::Unavailable,
            _ => ErrorKind::Refused,
        };
        let headline = match kind {
            ErrorKind::Unavailable if loading => {
                "the account is still being loaded by the service".to_owned()
            }
            ErrorKind::StaleRevision => "it was changed by somebody else meanwhile".to_owned(),
            ErrorKind::AlreadyOpen => "the consumer has an open conversation already".to_owned(),
            ErrorKind::ConversationClosed => "the conversation is closed".to_owned(),
            ErrorKind::RateLimited => {
                format!("{what} was turned away with status 429, too many requests")
            }
            ErrorKind::Unavailable => format!("{what} failed with status {status}"),
            _ => format!("{what} was refused with status {status}"),
        };
        let failing = loading || status == 429 || (500..600).contains(&status);
        // 503 says that nothing was done; any other 5xx may come from a gateway that lost the answer.
        let effect = if failing && !loading && !matches!(status, 429 | 503) {
            Sent::Maybe
        } else {
            Sent::Yes
        };
        let mut error = Error::new(kind, headline).answered(status, code, message);
        if !response.status().is_success() {
            error = error.with_body(response.body());
        }
        let asked = retry_after(response.headers(), now.wall());
        if let Some(asked) = asked.filter(|_| failing) {
            error = error.retry_in(asked);
        }
        Self {
            error,
            // Loading is repeated as 503 is, whatever status it is told with.
            trouble: Some(Trouble::Status(if loading { 503 } else { status })),
            asked,
            effect,
            works: !failing,
            renew: renewal(stage, status, code),
            cut_short: false,
            carried: refusal.carried,
            why: Why::Status(status),
        }
    }

    /// No whole answer came.
    pub(super) fn failed(failure: Failure, stage: Stage) -> Self {
        let Failure { kind, may_have_left, source } = failure;
        let headline = format!("{} got no answer: {}", subject(stage), kind.words());
        let (error_kind, trouble) = match kind {
            FailureKind::Tls if !may_have_left => (ErrorKind::Tls, None),
            FailureKind::TooLarge => (ErrorKind::BadAnswer, None),
            _ if may_have_left => (ErrorKind::Unavailable, Some(Trouble::AnswerLost)),
            _ => (ErrorKind::Unavailable, Some(Trouble::NeverSent)),
        };
        let mut error = Error::new(error_kind, headline);
        if let Some(source) = source {
            error = error.because(source);
        }
        Self {
            error,
            trouble,
            asked: None,
            effect: if may_have_left { Sent::Maybe } else { Sent::No },
            works: false,
            renew: None,
            cut_short: false,
            carried: None,
            why: Why::Failure(kind),
        }
    }
}

/// What was asked for, as the subject of a sentence.
fn subject(stage: Stage) -> &'static str {
    match stage {
        Stage::Domain => "the host look-up",
        Stage::AppJwt => "the AppJWT request",
        Stage::ConsumerJws => "the ConsumerJWS request",
        Stage::Operation => "the request",
    }
}

/// Which token a refusal is about (protocol.md 10.1). 40001, 40104 and 40105 are faults that no new
/// token mends.
fn renewal(stage: Stage, status: u16, code: Option<u32>) -> Option<Renewal> {
    match (stage, status, code) {
        (Stage::Domain | Stage::AppJwt, ..) => None,
        (_, _, Some(40102)) => Some(Renewal::AppJwt),
        (Stage::Operation, _, Some(40103)) => Some(Renewal::ConsumerJws),
        (_, 401, None) => Some(Renewal::PerhapsAppJwt),
        _ => None,
    }
}
