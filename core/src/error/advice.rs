//! The advice for each failure.

use std::borrow::Cow;

use super::{Delivery, Error, ErrorKind, Stage};

/// One clause for the reader of the message, or nothing where the headline has it already.
pub(super) fn advice(error: &Error) -> Option<Cow<'static, str>> {
    let text = match error.kind() {
        ErrorKind::InvalidInput | ErrorKind::Configuration | ErrorKind::Abandoned => return None,
        ErrorKind::UntrustedHost => {
            "if that host is right, add its suffix to the trusted ones of the configuration"
        }
        ErrorKind::Unauthorized => unauthorized(error),
        ErrorKind::Blocked => {
            "LivePerson has blocked the account or user: do not retry, ask LivePerson"
        }
        ErrorKind::Rejected => match (error.stage(), error.status(), error.error_code()) {
            (Stage::Domain, ..) => "check the account id and the service name",
            (_, Some(300..=399), _) => {
                "redirects are not followed, they could carry the token away"
            }
            _ if error.retry_after().is_some() => "try again later",
            (_, _, Some(40001)) => {
                "check that the account id is the one that the app is installed in"
            }
            _ => "the same request will be rejected again: correct it first",
        },
        ErrorKind::AlreadyOpen => "go on with the conversation that is open, or close it first",
        ErrorKind::ConversationClosed => "open a new conversation and send it there",
        ErrorKind::StaleRevision => "read it again, and change what is there now",
        ErrorKind::RateLimited => "send fewer requests at a time, then try again",
        ErrorKind::Unavailable
            if error.delivery() == Delivery::NotSent && error.status().is_none() =>
        {
            "check the network, the host's name and any proxy, or try again later"
        }
        ErrorKind::Unavailable => "try again later",
        ErrorKind::CircuitOpen => {
            let seconds = error.retry_after()?.as_secs_f64().ceil();
            return Some(format!("the next attempt is possible in {seconds} s").into());
        }
        ErrorKind::DeadlineExceeded => "allow more time, or try again later",
        ErrorKind::Unconfirmed => "look before repeating it: repeating can do it twice",
        ErrorKind::BadAnswer => {
            "is the address right, and is no proxy or sign-in page answering in its place?"
        }
        ErrorKind::Proxy => {
            "check the user and password in the proxy's URL, http://user:password@host:port, each \
             percent-encoded"
        }
        ErrorKind::Tls => {
            "check the host's certificate, whether it demands one of the client (none is sent), and \
             that its CA is among the platform's or given as an extra one"
        }
    };
    Some(text.into())
}

fn unauthorized(error: &Error) -> &'static str {
    match (error.stage(), error.error_code()) {
        (Stage::AppJwt, _) => "check the client id and the secret of the app install",
        (_, Some(40102)) => {
            "a fresh AppJWT was rejected too: see that the app install is enabled and its scope is \
             msg.consumer"
        }
        (_, Some(40103)) => {
            "a fresh ConsumerJWS was rejected too: see that the consumer belongs to this account"
        }
        (_, Some(40104 | 40105)) => {
            "a credential header did not arrive: is a proxy removing headers on the way?"
        }
        _ => "see that the app may do this, and that the conversation is this consumer's own",
    }
}
