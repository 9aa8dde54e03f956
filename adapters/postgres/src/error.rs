//! What PostgreSQL's errors mean for a bridge.

use lp_connector_core::bridge::store::{StoreError, StoreErrorKind as Kind};
use tokio_postgres::Error;
use tokio_postgres::error::SqlState;

/// Codes of our own functions, see the second migration: the account is being moved, or on another database; a move is
/// another program's; a setting is not as it must be.
const MOVING: &str = "LPM01";
const MOVED: &str = "LPM02";
const OVERTAKEN: &str = "LPM03";
const UNFIT: &str = "LPM04";

/// Why a request was not done.
#[derive(Debug)]
pub(crate) enum Failure {
    Server(Error),
    /// A row holds what no release writes.
    Unreadable(&'static str),
    /// The account is being moved.
    Moving,
    /// The account is on another database.
    Moved,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Server(error)
    }
}

impl Failure {
    /// Two transactions met, and this one gave way: it may be tried again at once.
    pub(crate) fn is_conflict(&self) -> bool {
        let conflicts = [SqlState::T_R_DEADLOCK_DETECTED, SqlState::T_R_SERIALIZATION_FAILURE];
        match self {
            Self::Server(error) => error.code().is_some_and(|code| conflicts.contains(code)),
            _ => false,
        }
    }

    /// Another transaction holds a row or a table for too long.
    pub(crate) fn is_locked(&self) -> bool {
        self.has_code(&[SqlState::LOCK_NOT_AVAILABLE.code()])
    }

    /// The account is closed: it is being moved, or is on another database.
    pub(crate) fn is_closed(&self) -> bool {
        matches!(self, Self::Moving | Self::Moved) || self.has_code(&[MOVING, MOVED])
    }

    fn has_code(&self, codes: &[&str]) -> bool {
        match self {
            Self::Server(error) => error.code().is_some_and(|code| codes.contains(&code.code())),
            _ => false,
        }
    }

    pub(crate) fn into_store_error(self) -> StoreError {
        match self {
            Self::Server(error) => store_error(error, "the PostgreSQL server did not do it"),
            Self::Unreadable(what) => {
                StoreError::new(Kind::Damaged, format!("the store is damaged: {what}"))
            }
            Self::Moving => {
                StoreError::new(Kind::Unavailable, "the account is being moved to another database")
            }
            Self::Moved => StoreError::new(Kind::Moved, "the account is on another database"),
        }
    }
}

/// An engine's error, as a store's. Only its code and its own message are shown: details quote rows.
pub(crate) fn store_error(error: Error, what: &str) -> StoreError {
    let cause = match error.as_db_error() {
        Some(known) => format!("{} ({})", known.message(), known.code().code()),
        None => with_sources(&error),
    };
    StoreError::new(kind(error.code().map(SqlState::code)), format!("{what}: {cause}"))
}

/// The error and what lies below it, such as a connection that is refused.
fn with_sources(error: &dyn std::error::Error) -> String {
    let below = std::iter::successors(error.source(), |one| one.source());
    below.fold(error.to_string(), |text, one| format!("{text}: {one}"))
}

fn kind(code: Option<&str>) -> Kind {
    // No code: the connection failed.
    let Some(code) = code else { return Kind::Unavailable };
    match code.get(..2).unwrap_or_default() {
        // The server cannot be written: after a fail-over, another one can.
        _ if code == "25006" => Kind::Unavailable,
        _ if code == "53100" => Kind::Full,
        _ if code == MOVING => Kind::Unavailable,
        _ if code == MOVED => Kind::Moved,
        _ if code == OVERTAKEN => Kind::Unavailable,
        _ if code == UNFIT => Kind::Incompatible,
        // Connection, resources, an operator who stops it, and two transactions that met.
        "08" | "53" | "57" | "40" | "55" => Kind::Unavailable,
        "28" | "3D" => Kind::Denied,
        _ if code == "42501" => Kind::Denied,
        // Tables or functions that this release does not know.
        "42" => Kind::Incompatible,
        "22" | "54" => Kind::Refused,
        "XX" | "23" => Kind::Damaged,
        _ => Kind::Failed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_says_what_is_wrong() {
        let cases = [
            (None, Kind::Unavailable),
            (Some("25006"), Kind::Unavailable),
            (Some("53100"), Kind::Full),
            (Some("LPM01"), Kind::Unavailable),
            (Some("LPM02"), Kind::Moved),
            (Some("LPM03"), Kind::Unavailable),
            (Some("LPM04"), Kind::Incompatible),
            (Some("53300"), Kind::Unavailable),
            (Some("57P01"), Kind::Unavailable),
            (Some("40P01"), Kind::Unavailable),
            (Some("28P01"), Kind::Denied),
            (Some("42501"), Kind::Denied),
            (Some("42P01"), Kind::Incompatible),
            (Some("22021"), Kind::Refused),
            (Some("XX001"), Kind::Damaged),
            (Some("58030"), Kind::Failed),
            (Some(""), Kind::Failed),
        ];
        for (code, expected) in cases {
            assert_eq!(kind(code), expected, "{code:?}");
        }
    }
}
