//! The advice for each failure: by the operation where that matters, else by the kind.

use std::borrow::Cow;

use super::{Delivery, Error, ErrorKind, Stage};

/// The advice that differs by operation, for failures of the operation's own request. The first row
/// that has both counts.
const BY_OPERATION: &[(ErrorKind, &[&str], &str)] = &[
    (
        ErrorKind::ConversationClosed,
        &["send_receipt"],
        "drop the receipt: a closed conversation needs none",
    ),
    (
        ErrorKind::ConversationClosed,
        &["set_chat_state"],
        "drop the chat state: nobody sees it in a closed conversation",
    ),
    (
        ErrorKind::ConversationClosed,
        &["close_conversation", "close_dialog"],
        "nothing is left to do: it is closed already",
    ),
    (
        ErrorKind::ConversationClosed,
        &["rate_conversation", "set_urgency"],
        "drop it: this conversation takes no more changes",
    ),
    (
        ErrorKind::ConversationClosed,
        &["update_profile"],
        "set the profile when the next conversation is opened",
    ),
    (
        ErrorKind::ConversationClosed,
        &["generate_upload_url"],
        "open a new conversation and upload the file for it",
    ),
    (
        ErrorKind::ConversationClosed,
        &["generate_download_url", "get_clock"],
        "call it with a conversation of this consumer that is open",
    ),
    (
        ErrorKind::ConversationClosed,
        &["send_text", "send_file"],
        "open a new conversation and send it there",
    ),
    (
        ErrorKind::Unauthorized,
        &["put_file", "get_file"],
        "the signed URL is invalid or has expired: request a new one",
    ),
    (ErrorKind::Unauthorized, &["login"], "check the user name and the password"),
    (
        ErrorKind::Unauthorized,
        INSTALLS,
        "log in again, as a user who administers the account's apps",
    ),
    (
        ErrorKind::Unauthorized,
        &["find_engagement", "report_activity", "list_domains"],
        "check the account id, and the id of the app install",
    ),
    (
        ErrorKind::Unconfirmed,
        &["open_conversation"],
        "look before repeating it: a conversation may be open, and the next notification has its id",
    ),
    (
        ErrorKind::Unconfirmed,
        &["create_install"],
        "list the app installs before repeating it: the app may be installed, under a secret that is lost",
    ),
    (
        ErrorKind::Unconfirmed,
        &["update_install", "delete_install"],
        "read the app install before repeating it: it may be changed already",
    ),
    (ErrorKind::RateLimited, &["login"], "wait for 5 s at least, then log in again"),
    (
        ErrorKind::RateLimited,
        &["find_engagement", "report_activity"],
        "send each visitor's ids with the next request: visitors without ids are limited",
    ),
    (
        ErrorKind::BadAnswer,
        &["open_conversation"],
        "look before repeating it: a conversation may be open, and the next notification has its id",
    ),
    (
        ErrorKind::StaleRevision,
        INSTALLS,
        "read the app install again, and change what is there now",
    ),
];

/// The operations on app installs.
const INSTALLS: &[&str] =
    &["list_installs", "read_install", "create_install", "update_install", "delete_install"];

fn by_operation(error: &Error) -> Option<&'static str> {
    let is_own = error.stage() == Stage::Operation;
    let row = BY_OPERATION.iter().filter(|_| is_own).find(|(kind, operations, _)| {
        *kind == error.kind() && operations.contains(&error.operation())
    });
    row.map(|(.., advice)| *advice)
}

/// One clause for the reader of the message, or nothing where the headline has it already.
pub(super) fn advice(error: &Error) -> Option<Cow<'static, str>> {
    if let Some(text) = by_operation(error) {
        return Some(text.into());
    }
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
            (_, _, Some(40001)) => WRONG_ACCOUNT,
            _ => "the same request will be rejected again: correct it first",
        },
        ErrorKind::AlreadyOpen => "go on with the conversation that is open, or close it first",
        ErrorKind::ConversationClosed => "this conversation is over: go on in a new one",
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
        // It waits for the limit of token requests.
        ErrorKind::DeadlineExceeded
            if error.stage() == Stage::AppJwt && error.status() == Some(401) =>
        {
            return Some(
                format!("see why the AppJWT is rejected: {}", rejected_token(error)).into(),
            );
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

/// For 40001, which comes with either status ([protocol.md 14](crate::protocol#14), row 13).
const WRONG_ACCOUNT: &str = "check that the account id is the one that the app is installed in";

/// What makes a service reject fresh tokens.
fn rejected_token(error: &Error) -> &'static str {
    match error.error_code() {
        Some(40103) => "does the consumer belong to this account?",
        _ => "is the app install enabled, and is its scope msg.consumer?",
    }
}

fn unauthorized(error: &Error) -> &'static str {
    match (error.stage(), error.error_code()) {
        (Stage::AppJwt, _) => "check the client id and the secret of the app install",
        (_, Some(40001)) => WRONG_ACCOUNT,
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

#[cfg(test)]
#[path = "advice_tests.rs"]
mod tests;
