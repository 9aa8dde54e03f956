//! What SQLite's errors mean for a bridge.

use lp_connector_core::bridge::store::{StoreError, StoreErrorKind as Kind};
use rusqlite::{Error, ErrorCode as Code};

/// An engine's error, as a store's. SQLite's own texts name tables and columns, and quote no content.
pub(crate) fn store_error(error: &Error) -> StoreError {
    let (kind, meaning) = match error.sqlite_error_code() {
        Some(Code::DatabaseBusy | Code::DatabaseLocked | Code::FileLockingProtocolFailed) => {
            (Kind::Unavailable, "another program holds the store's lock")
        }
        Some(Code::DiskFull) => (Kind::Full, "the store has no space left"),
        Some(Code::ReadOnly | Code::PermissionDenied) => {
            (Kind::Denied, "the store may not be written")
        }
        Some(Code::CannotOpen) => (Kind::Denied, "the store's file cannot be opened"),
        Some(Code::NotADatabase) => (Kind::Incompatible, "the file is not a SQLite database"),
        Some(Code::TooBig) => (Kind::Refused, "a value is too large for the store"),
        Some(Code::SystemIoFailure) => (Kind::Failed, "the store's disk failed"),
        // No error code: a value that no release writes. Unknown: a table is missing.
        Some(Code::DatabaseCorrupt | Code::ConstraintViolation | Code::Unknown) | None => {
            (Kind::Damaged, "the store is damaged")
        }
        Some(_) => (Kind::Failed, "the store failed"),
    };
    StoreError::new(kind, format!("{meaning}: {error}"))
}
