//! How calls ended, and at which of their requests.

use lp_connector_core::error::{ErrorKind, Stage};

use super::{ENDINGS, Reach, Reached, Table, index_of};
use crate::caller::FinishedCall;

/// The kinds of errors, with the rows after the successes.
const ERRORS: [ErrorKind; 17] = [
    ErrorKind::InvalidInput,
    ErrorKind::Configuration,
    ErrorKind::UntrustedHost,
    ErrorKind::Unauthorized,
    ErrorKind::Blocked,
    ErrorKind::Rejected,
    ErrorKind::AlreadyOpen,
    ErrorKind::ConversationClosed,
    ErrorKind::StaleRevision,
    ErrorKind::RateLimited,
    ErrorKind::Unavailable,
    ErrorKind::CircuitOpen,
    ErrorKind::DeadlineExceeded,
    ErrorKind::Unconfirmed,
    ErrorKind::BadAnswer,
    ErrorKind::Tls,
    ErrorKind::Proxy,
];
const FIRST_ERROR: usize = 4;
const CANCELLED: usize = 21;
const DROPPED: usize = 22;
const DIED: usize = 23;
/// The column of a call that has no request in flight.
const NOTHING: usize = 4;

pub(super) const TABLE: Table = Table {
    title: "Endings of calls",
    rows: &[
        "looked up",
        "success",
        "success, retried",
        "success, may be twice",
        "invalid_input",
        "configuration",
        "untrusted_host",
        "unauthorized",
        "blocked",
        "rejected",
        "already_open",
        "conversation_closed",
        "stale_revision",
        "rate_limited",
        "unavailable",
        "circuit_open",
        "deadline_exceeded",
        "unconfirmed",
        "bad_answer",
        "tls",
        "proxy",
        "cancelled",
        "dropped",
        "died with its process",
    ],
    columns: &[
        "at the host look-up",
        "at the AppJWT",
        "at the ConsumerJWS",
        "at its own request",
        "with no request in flight",
    ],
    reach,
};

fn reach(row: usize, column: usize) -> Reach {
    const DOMAIN: usize = 0;
    const CONSUMER_JWS: usize = 2;
    const OWN: usize = 3;
    let error = row.checked_sub(FIRST_ERROR).and_then(|error| ERRORS.get(error));
    match (row, error, column) {
        (CANCELLED | DROPPED, ..) => Reach::Wanted,
        (DIED, _, NOTHING) => {
            Reach::Never("calls that wait when their process dies are not counted")
        }
        (DIED, ..) => Reach::Wanted,
        (_, None, OWN) => Reach::Wanted,
        (_, None, _) => Reach::Never("no request of a success has failed for good"),
        (.., NOTHING) => Reach::Never("an error names the request at which it arose"),
        (_, Some(ErrorKind::InvalidInput | ErrorKind::Configuration), _) => {
            Reach::Never("no scenario has bad input, or a bad configuration")
        }
        (_, Some(ErrorKind::UntrustedHost), DOMAIN) => Reach::Wanted,
        (_, Some(ErrorKind::UntrustedHost), _) => Reach::Never("the Domain API names the hosts"),
        (_, Some(ErrorKind::Unauthorized), DOMAIN) => Reach::Never("the Domain API takes no token"),
        (
            _,
            Some(ErrorKind::AlreadyOpen | ErrorKind::ConversationClosed | ErrorKind::Unconfirmed),
            DOMAIN..=CONSUMER_JWS,
        ) => Reach::Never("only an operation's own request ends so"),
        _ => Reach::Wanted,
    }
}

pub(super) fn finished(reached: &mut Reached, finished: &FinishedCall) {
    let (row, stage) = match &finished.result {
        Ok(done) => {
            let row = match (done.attempts, done.maybe_duplicated) {
                (0, _) => 0,
                (_, true) => 3,
                (1, false) => 1,
                (_, false) => 2,
            };
            (row, Stage::Operation)
        }
        Err(error) => {
            let kind = ERRORS.iter().position(|kind| *kind == error.kind());
            let Some(kind) = kind else { return };
            (FIRST_ERROR + kind, error.stage())
        }
    };
    reached.mark(ENDINGS, row, index_of(stage));
}

/// The caller gave its call up, with notice to the core or without, with this request in flight.
pub(super) fn cancelled(reached: &mut Reached, notify: bool, in_flight: Option<Stage>) {
    let row = if notify { CANCELLED } else { DROPPED };
    reached.mark(ENDINGS, row, in_flight.map_or(NOTHING, index_of));
}

/// A process died, and with it a call with this request in flight.
pub(super) fn died(reached: &mut Reached, in_flight: Option<Stage>) {
    reached.mark(ENDINGS, DIED, in_flight.map_or(NOTHING, index_of));
}
