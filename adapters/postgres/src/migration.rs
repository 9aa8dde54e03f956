//! The tables' versions: forward only, one transaction each, beside programs that run.

use lp_connector_core::bridge::store::{StoreError, StoreErrorKind as Kind};
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Error, GenericClient};

use crate::error::store_error;

/// From which version to which the tables were brought: see
/// [`migrate_now`](crate::PostgresOptions::migrate_now). 0: there were none.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[expect(clippy::exhaustive_structs, reason = "it is these two")]
pub struct Migrated {
    /// The version that was found.
    pub from: u32,
    /// The version that the tables have now.
    pub to: u32,
}

/// One step of the tables.
pub(crate) struct Migration {
    /// The version that it makes. They are numbered from 1, without gaps.
    pub(crate) version: i32,
    /// The oldest program, by the version of its tables, that may go on afterwards.
    pub(crate) least_program: i32,
    pub(crate) sql: &'static str,
}

/// All of them, oldest first. The last one's version is that of this program.
pub(crate) const MIGRATIONS: &[Migration] = &[
    Migration { version: 1, least_program: 1, sql: include_str!("migrations/1.sql") },
    Migration { version: 2, least_program: 1, sql: include_str!("migrations/2.sql") },
];

/// How often it is tried when another program does the same at this moment.
const TRIES: u32 = 5;

/// It waits this long for another program that migrates, and for a transaction that uses a table.
const LIMITS: &str =
    "SET LOCAL lock_timeout = '60s'; SET LOCAL idle_in_transaction_session_timeout = '60s'";
const LOCK_LIMIT: &str = "SET LOCAL lock_timeout = '3s'";

/// Checks the tables' version and brings them up to date, if it may. Programs that do this at the same time wait for
/// each other.
pub(crate) async fn bring_up(
    client: &mut Client,
    migrations: &[Migration],
    may_migrate: bool,
) -> Result<Migrated, StoreError> {
    let from = check(client, migrations).await?;
    let own = migrations.last().map_or(0, |last| last.version);
    if from < own && !may_migrate {
        let what = match from {
            0 => "the database has no tables of the bridge".into(),
            _ => format!("the tables have version {from}, and this program needs {own}"),
        };
        let text = format!("{what}: run `lp-connector bridge migrate` first");
        return Err(StoreError::new(Kind::Incompatible, text));
    }
    for step in migrations.iter().filter(|step| step.version > from) {
        let mut tried = 1;
        while let Err(error) = perform(client, step).await {
            if tried == TRIES || !is_met(&error) {
                return Err(failed(error, step.version));
            }
            tried += 1;
        }
    }
    let to = check(client, migrations).await?;
    Ok(Migrated { from: from.unsigned_abs(), to: to.unsigned_abs() })
}

/// The tables' version, unless this program must not use them.
async fn check(client: &Client, migrations: &[Migration]) -> Result<i32, StoreError> {
    let own = migrations.last().map_or(0, |last| last.version);
    let unread = |error| store_error(error, "the tables' version cannot be read");
    let (version, least_program) = found(client).await.map_err(unread)?;
    match least_program > own {
        true => Err(StoreError::new(
            Kind::Incompatible,
            format!(
                "the tables have version {version}, which needs a program for version {least_program} or later: this \
                 one is for {own}. Use a newer release"
            ),
        )),
        false => Ok(version),
    }
}

const SELECT: &str = "SELECT version, least_program FROM lp_store ORDER BY version DESC LIMIT 1";

async fn found(client: &impl GenericClient) -> Result<(i32, i32), Error> {
    let exists = "SELECT to_regclass('lp_store') IS NOT NULL";
    match client.query_typed(exists, &[]).await?.first().map(|row| row.try_get(0)) {
        Some(Ok(true)) => {}
        Some(Err(error)) => return Err(error),
        _ => return Ok((0, 0)),
    }
    match client.query_typed(SELECT, &[]).await?.first() {
        Some(row) => Ok((row.try_get(0)?, row.try_get(1)?)),
        None => Ok((0, 0)),
    }
}

async fn perform(client: &mut Client, step: &Migration) -> Result<(), Error> {
    let transaction = client.transaction().await?;
    transaction.batch_execute(LIMITS).await?;
    match found(&transaction).await? {
        // Of two programs that make the same table at once, one waits, and is refused.
        (0, _) => {
            let create = "CREATE TABLE lp_store (version integer PRIMARY KEY, least_program integer NOT NULL)";
            transaction.batch_execute(create).await?;
        }
        // Programs that start meanwhile read on.
        _ => transaction.batch_execute("LOCK TABLE lp_store IN SHARE ROW EXCLUSIVE MODE").await?,
    }
    if found(&transaction).await?.0 >= step.version {
        return transaction.rollback().await;
    }
    transaction.batch_execute(LOCK_LIMIT).await?;
    transaction.batch_execute(step.sql).await?;
    let done = format!("INSERT INTO lp_store VALUES ({}, {})", step.version, step.least_program);
    transaction.batch_execute(&done).await?;
    transaction.commit().await
}

/// Another program did it meanwhile, or is at it.
fn is_met(error: &Error) -> bool {
    let met = [
        SqlState::UNIQUE_VIOLATION,
        SqlState::DUPLICATE_TABLE,
        SqlState::T_R_DEADLOCK_DETECTED,
        SqlState::T_R_SERIALIZATION_FAILURE,
    ];
    error.code().is_some_and(|code| met.contains(code))
}

fn failed(error: Error, version: i32) -> StoreError {
    if error.code() == Some(&SqlState::LOCK_NOT_AVAILABLE) {
        let text = format!(
            "the migration of the tables to version {version} waited for a transaction that uses them, and gave up: \
             nothing is changed. Try again when it is over"
        );
        return StoreError::new(Kind::Unavailable, text);
    }
    let what = format!("the tables cannot be brought to version {version}, and are as before");
    store_error(error, &what)
}

#[cfg(test)]
#[path = "migration_tests.rs"]
pub(crate) mod tests;
