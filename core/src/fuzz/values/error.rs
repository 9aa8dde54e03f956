//! Errors of any parts, and what every error is.

use std::error::Error as _;
use std::sync::Arc;
use std::time::Duration;

use crate::error::{Delivery, Error, ErrorKind, Stage, scrub, spellings};
use crate::fuzz::has_canary;
use crate::id::{ConversationId, LpConsumerId};

/// Texts that no error shows: a secret that the service says again, and its response.
const CANARIES: [&str; 2] = ["fuzz-canary-secret", "fuzz-canary-body"];

const OPERATIONS: [&str; 8] = [
    "call",
    "send_text",
    "open_conversation",
    "create_install",
    "delete_install",
    "login",
    "get_file",
    "find_engagement",
];

const STAGES: [Stage; 4] = [Stage::Operation, Stage::Domain, Stage::AppJwt, Stage::ConsumerJws];

const DELIVERIES: [Delivery; 3] = [Delivery::NotSent, Delivery::Rejected, Delivery::Unknown];

const CODES: [Option<u32>; 7] =
    [None, Some(40001), Some(40102), Some(40103), Some(40104), Some(40105), Some(9007)];

const STATUSES: [u16; 8] = [200, 302, 400, 401, 403, 412, 429, 503];

fn pick<T: Copy, const N: usize>(of: [T; N], which: u8) -> T {
    let at = usize::from(which) % N;
    of.into_iter().nth(at).expect("fewer than there are")
}

/// An error of any parts: each is what it was set to, and no text shows a secret or the response.
pub(super) fn error(data: &[u8]) {
    if has_canary(data) {
        return;
    }
    let mut rest = data;
    let mut next = || rest.split_off_first().copied().unwrap_or_default();
    let (kind, operation) = (pick(ErrorKind::ALL, next()), pick(OPERATIONS, next()));
    let (stage, delivery) = (pick(STAGES, next()), pick(DELIVERIES, next()));
    let (status, code) = (pick(STATUSES, next()), pick(CODES, next()));
    let (parts, seconds, attempts) = (next(), next(), next());
    let has = |part: u8| parts & 1 << part != 0;
    let said = format!("{} {}", String::from_utf8_lossy(rest), CANARIES[0]);
    let message = has(0).then(|| scrub(&said, &spellings(CANARIES[0])));
    let host = has(1).then(|| "va.msg.liveperson.net".to_owned());
    let pause = has(2).then(|| Duration::from_secs(seconds.into()));
    let mut error = Error::new(kind, "it failed")
        .with_operation(operation, has(3).then(|| "a-1".to_owned()))
        .at(stage, host.clone())
        .with_delivery(delivery)
        .with_attempts(attempts.into());
    error = match &message {
        Some(message) => error.with_answer(status, code, Some(message.clone())),
        None => error.with_status(status, code),
    };
    if let Some(pause) = pause {
        error = error.with_retry_after(pause);
    }
    let (consumer, open) = (LpConsumerId::new("9c"), ConversationId::new("5f0c"));
    let consumer = consumer.ok().filter(|_| has(4));
    let open = open.ok().filter(|_| has(4));
    if let (Some(consumer), Some(open)) = (&consumer, &open) {
        error = error.with_consumer_id(consumer.clone()).with_open_conversation(open.clone());
    }
    if has(5) {
        error = error.with_body(CANARIES[1].as_bytes());
    }
    if has(6) {
        let broken = std::io::Error::other("reset by peer");
        error = error.with_source(Arc::new(broken));
    }
    if has(7) {
        error = Error::new(ErrorKind::DeadlineExceeded, "out of time").after(Some(error));
        let first = error.source().map(ToString::to_string).expect("its cause");
        assert!(first.contains("it failed"));
        return reads_well(&error);
    }
    assert_eq!((error.kind(), error.operation(), error.stage()), (kind, operation, stage));
    assert_eq!((error.status(), error.error_code()), (Some(status), code));
    assert_eq!((error.message(), error.host()), (message.as_deref(), host.as_deref()));
    assert_eq!((error.delivery(), error.attempts()), (delivery, u32::from(attempts)));
    assert_eq!(error.request_id(), has(3).then_some("a-1"));
    assert_eq!(
        (error.consumer_id(), error.open_conversation()),
        (consumer.as_ref(), open.as_ref())
    );
    assert_eq!(error.retry_after(), pause);
    assert_eq!(error.response_body(), has(5).then_some(CANARIES[1].as_bytes()));
    assert_eq!(error.source().map(ToString::to_string), has(6).then(|| "reset by peer".to_owned()));
    reads_well(&error);
}

/// What holds of every error: one line says it, one clause says what to do, and neither a secret nor the response is
/// in it. Its cause has a line of its own.
pub(in crate::fuzz) fn reads_well(error: &Error) {
    let line = error.to_string();
    assert!(line.starts_with(&format!("{}: ", error.operation())), "{line}");
    assert!(!line.contains(char::is_control), "{line:?}");
    let advice = error.advice();
    let whole = match &advice {
        Some(advice) => format!("{line}; {advice}"),
        None => line,
    };
    assert_eq!(format!("{error:#}"), whole);
    let (mut shown, mut cause) = (whole, error.source());
    while let Some(error) = cause {
        shown.push_str(&format!("\n  caused by: {error}"));
        cause = error.source();
    }
    assert_eq!(format!("{error:?}"), shown);
    for canary in CANARIES {
        assert!(!format!("{shown} {error:#?}").contains(canary), "{canary} is shown: {shown}");
    }
    if let Some(message) = error.message() {
        assert!(message.chars().count() <= 201 && !message.contains(char::is_control), "{message}");
    }
    named(&format!("{:?}", error.kind()), error.kind().name());
    named(&format!("{:?}", error.stage()), error.stage().name());
    named(&format!("{:?}", error.delivery()), error.delivery().name());
    assert_eq!(error.delivery().to_string(), error.delivery().name());
    // What may have been done is never advised to be repeated as it is.
    assert!(!error.is_transient() || error.delivery() != Delivery::Unknown);
    let has_none = match error.kind() {
        ErrorKind::InvalidInput | ErrorKind::Configuration | ErrorKind::Abandoned => true,
        ErrorKind::CircuitOpen => error.retry_after().is_none(),
        _ => false,
    };
    assert_eq!(advice.is_none(), has_none, "{shown}");
    let Some(advice) = advice else { return };
    assert!(!advice.is_empty() && !advice.contains(['\n', '\r']) && !advice.ends_with('.'));
    match (error.kind(), error.stage()) {
        (ErrorKind::Unconfirmed, _) => assert!(advice.contains("before repeating"), "{advice}"),
        (ErrorKind::CircuitOpen, _) => {
            let pause = error.retry_after().unwrap_or_default();
            let seconds = pause.as_secs() + u64::from(pause.subsec_nanos() > 0);
            assert!(advice.contains(&format!(" {seconds} s")), "{advice}");
        }
        (ErrorKind::Rejected, Stage::Operation) => {
            let is_redirect = error.status().is_some_and(|status| (300..400).contains(&status));
            assert_eq!(is_redirect, advice.starts_with("redirects"), "{advice}");
        }
        _ => {}
    }
}

/// The name is that of the variant, in the form that logs have.
fn named(variant: &str, name: &str) {
    let mut expected = String::new();
    for letter in variant.chars() {
        if letter.is_uppercase() && !expected.is_empty() {
            expected.push('_');
        }
        expected.extend(letter.to_lowercase());
    }
    assert_eq!(name, expected);
}
