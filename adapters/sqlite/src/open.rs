//! Opens a file: makes it, or checks that it is a store.

use std::fs::OpenOptions;
use std::io::ErrorKind;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use lp_connector_core::bridge::store::{StoreError, StoreErrorKind as Kind};
use rusqlite::{Connection, MAIN_DB, OpenFlags, TransactionBehavior};

use crate::error::store_error;
use crate::writer::wait_for_lock;

/// Before this, two processes on one file can damage it (sqlite.org/wal.html, "the WAL-reset bug").
const LEAST_SQLITE: i32 = 3_051_003;

const APPLICATION_ID: i64 = 0x6c70_6373;
const SCHEMA_VERSION: i64 = 1;

const SETTINGS: &str =
    "PRAGMA synchronous = FULL; PRAGMA fullfsync = ON; PRAGMA trusted_schema = OFF;
    PRAGMA cell_size_check = ON; PRAGMA secure_delete = ON; PRAGMA journal_size_limit = 67108864;";

/// To close a file drops the locks that this process has on it, so nobody may open it through SQLite between its
/// creation and that.
static CREATING: Mutex<()> = Mutex::new(());

/// Opens a store, and makes it if there is no file.
pub(crate) fn open(
    path: &Path,
    busy: Duration,
    most: Option<u64>,
) -> Result<Connection, StoreError> {
    let failed =
        |error: StoreError| StoreError::new(error.kind(), format!("{}: {error}", path.display()));
    let mut connection = connect(path).map_err(failed)?;
    wait_for_lock(busy, || prepare(&mut connection, most)).map_err(failed)?;
    Ok(connection)
}

fn connect(path: &Path) -> Result<Connection, StoreError> {
    check_version(rusqlite::version_number())?;
    // Absolute: SQLite gives meanings of its own to some names.
    let path = std::path::absolute(path).map_err(|error| not_made(&error))?;
    let mut options = OpenOptions::new();
    // SQLite gives the files beside it the same mode.
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let _guard = CREATING.lock().unwrap_or_else(PoisonError::into_inner);
    match options.write(true).create_new(true).open(&path) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(not_made(&error)),
        _ => {}
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    Connection::open_with_flags(&path, flags).map_err(|error| store_error(&error))
}

/// A program may be linked with the system's SQLite in place of the one that is compiled in.
fn check_version(number: i32) -> Result<(), StoreError> {
    if number < LEAST_SQLITE {
        return Err(incompatible(format!("SQLite {} is older than 3.51.3", rusqlite::version())));
    }
    Ok(())
}

fn prepare(connection: &mut Connection, most: Option<u64>) -> Result<(), StoreError> {
    let failed = |error| store_error(&error);
    connection.busy_timeout(Duration::ZERO).map_err(failed)?;
    connection.set_prepared_statement_cache_capacity(64);
    // Before anything is written: it may be another program's file.
    let is_new = is_new(connection)?;
    if connection.is_readonly(MAIN_DB).map_err(failed)? {
        return Err(StoreError::new(Kind::Denied, "the store may not be written"));
    }
    let mode: String =
        connection.query_row("PRAGMA journal_mode = WAL", (), |row| row.get(0)).map_err(failed)?;
    connection.execute_batch(SETTINGS).map_err(failed)?;
    let (synchronous, page): (i64, u32) = connection
        .query_row("SELECT * FROM pragma_synchronous, pragma_page_size", (), |row| row.try_into())
        .map_err(failed)?;
    if (mode.as_str(), synchronous) != ("wal", 2) {
        return Err(incompatible(format!("its file system has no write-ahead log: it is {mode}")));
    }
    if let Some(most) = most {
        // Zero would set no limit. What is beyond SQLite's own limit sets that.
        let pages = (most / u64::from(page)).max(1);
        connection.execute_batch(&format!("PRAGMA max_page_count = {pages}")).map_err(failed)?;
    }
    if is_new { make_tables(connection) } else { Ok(()) }
}

/// Makes the tables of a store in a file that was new a moment ago.
fn make_tables(connection: &mut Connection) -> Result<(), StoreError> {
    let failed = |error| store_error(&error);
    let transaction =
        connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
    // Another process may have made them meanwhile.
    if is_new(&transaction)? {
        transaction.execute_batch(include_str!("schema.sql")).map_err(failed)?;
    }
    transaction.commit().map_err(failed)
}

/// True if the file is empty, false if it is a store of this release.
fn is_new(connection: &Connection) -> Result<bool, StoreError> {
    let marks = "SELECT *, (SELECT count(*) FROM sqlite_schema)
                 FROM pragma_application_id, pragma_user_version";
    match connection.query_row(marks, (), |row| <(i64, i64, i64)>::try_from(row)) {
        Ok((0, 0, 0)) => Ok(true),
        Ok((APPLICATION_ID, SCHEMA_VERSION, _)) => Ok(false),
        Ok((APPLICATION_ID, version, _)) => Err(incompatible(format!(
            "the store has version {version} and is of another release: this one reads {SCHEMA_VERSION}"
        ))),
        Ok(_) => Err(incompatible("it is another program's database".into())),
        Err(error) => Err(store_error(&error)),
    }
}

fn incompatible(text: String) -> StoreError {
    StoreError::new(Kind::Incompatible, text)
}

fn not_made(error: &std::io::Error) -> StoreError {
    let kind = match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Kind::Full,
        _ => Kind::Denied,
    };
    StoreError::new(kind, format!("the store's file cannot be made: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A crash of the machine is nothing that a test can make: what the disk is asked for stands in for it.
    #[test]
    fn a_commit_is_flushed_and_what_is_deleted_is_overwritten() {
        let directory = tempfile::tempdir().unwrap();
        let connection = open(&directory.path().join("bridge.db"), Duration::ZERO, None).unwrap();
        let setting = |name: &str| -> String {
            let pragma = format!("SELECT CAST(\"{name}\" AS TEXT) FROM pragma_{name}");
            connection.query_row(&pragma, (), |row| row.get(0)).unwrap()
        };
        let found = ["journal_mode", "synchronous", "fullfsync", "secure_delete"].map(setting);
        assert_eq!(found, ["wal", "2", "1", "1"]);
    }

    #[test]
    fn a_sqlite_that_can_damage_a_shared_file_is_refused() {
        let error = check_version(3_051_002).unwrap_err();
        assert_eq!(error.kind(), Kind::Incompatible, "{error}");
        for sound in [3_051_003, 3_053_002] {
            check_version(sound).unwrap();
        }
    }

    #[test]
    fn a_limit_is_in_whole_pages_and_never_none() {
        let directory = tempfile::tempdir().unwrap();
        for (most, pages) in [(200_000, 48), (u64::MAX, 4_294_967_294)] {
            let path = directory.path().join(format!("{most}.db"));
            let connection = open(&path, Duration::ZERO, Some(most)).unwrap();
            let found: i64 =
                connection.query_row("PRAGMA max_page_count", (), |row| row.get(0)).unwrap();
            assert_eq!(found, pages, "{most}");
        }
        let error = open(&directory.path().join("0.db"), Duration::ZERO, Some(0)).unwrap_err();
        assert_eq!(error.kind(), Kind::Full, "{error}");
    }

    #[test]
    fn a_disk_without_room_for_the_file_is_full() {
        for (cause, kind) in [
            (ErrorKind::StorageFull, Kind::Full),
            (ErrorKind::QuotaExceeded, Kind::Full),
            (ErrorKind::PermissionDenied, Kind::Denied),
        ] {
            let error = not_made(&cause.into());
            assert_eq!(error.kind(), kind, "{error}");
        }
    }

    #[test]
    fn what_another_process_has_made_is_not_made_again() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("bridge.db");
        let mut late = open(&path, Duration::ZERO, None).unwrap();
        make_tables(&mut late).unwrap();
        assert!(!is_new(&late).unwrap());
    }
}
