//! One of the two databases between which an account moves.

use std::time::Duration;

use lp_connector_core::bridge::store::{StoreError, StoreErrorKind as Kind};
use lp_connector_core::id::AccountId;
use tokio::time::sleep;
use tokio_postgres::types::Type;
use tokio_postgres::{Client, Row};

use super::Moved;
use crate::error::Failure;
use crate::values::{Typed, get};

/// Rows that are copied or changed at a time.
const BATCH: i64 = 2_000;

/// How often a step is tried that waits for somebody else, and the pause in between.
const TRIES: u32 = 60;
/// How often old calls are looked for: they take some seconds at most.
const OLD_TRIES: u32 = 25;
const PAUSE: Duration = Duration::from_millis(200);

/// The states of an account that `lp_closed` has, see `migrations/2.sql`.
pub(super) mod state {
    pub(in super::super) const OPEN: i16 = 0;
    pub(in super::super) const AWAY: i16 = 1;
    pub(in super::super) const ELSEWHERE: i16 = 2;
    pub(in super::super) const COMING: i16 = 3;
    pub(in super::super) const COME: i16 = 4;
}

/// What is copied, each in the order of its keys.
#[derive(Clone, Copy, Debug)]
pub(super) enum Table {
    Lanes,
    Entries,
    Cells,
}

impl Table {
    /// A batch of the rows of account `$1` behind the key `($2, $3, $4)`, at most `$5`: as JSON, in which times are
    /// those from now, by the clock of the server that reads, and bytes are hexadecimal. After 4 MiB it ends.
    fn read(self) -> String {
        let (row, rows) = match self {
            Self::Lanes => (
                "'kind', kind, 'key', key, 'held', held, 'holder', encode(holder, 'hex'), 'fence', fence,
                'committed_from', committed_from, 'committed', committed_at - moment, 'head', head, 'tail', tail,
                'version', version, 'record', encode(record, 'hex'), 'due', parked_due - moment",
                "SELECT lane.*, 0::bigint AS number, parked.due AS parked_due,
                    coalesce(octet_length(lane.record), 0) AS bytes
                FROM lp_lane AS lane LEFT JOIN lp_parked AS parked ON parked.lane = lane.id
                WHERE lane.account = $1 AND (lane.kind, lane.key, 0::bigint) > ($2, $3, $4)
                ORDER BY lane.kind, lane.key LIMIT $5",
            ),
            Self::Entries => (
                "'kind', kind, 'key', key, 'number', number, 'body', encode(body, 'hex')",
                "SELECT lane.kind, lane.key, entry.number, entry.body, octet_length(entry.body) AS bytes
                FROM lp_lane AS lane JOIN lp_entry AS entry ON entry.lane = lane.id
                WHERE lane.account = $1 AND (lane.kind, lane.key) >= ($2, $3)
                    AND (lane.kind, lane.key, entry.number) > ($2, $3, $4)
                ORDER BY lane.kind, lane.key, entry.number LIMIT $5",
            ),
            Self::Cells => (
                "'key', key, 'version', version, 'until', until - moment, 'value', encode(value, 'hex')",
                "SELECT 0::smallint AS kind, cell.*, 0::bigint AS number, octet_length(cell.value) AS bytes
                FROM lp_cell AS cell
                WHERE cell.account = $1 AND (0::smallint, cell.key, 0::bigint) > ($2, $3, $4)
                ORDER BY cell.key LIMIT $5",
            ),
        };
        format!(
            "SELECT kind, key, number, jsonb_build_object({row})::text FROM (
                SELECT *, sum(bytes) OVER (ORDER BY kind, key, number) - bytes AS before FROM ({rows}) AS found
            ) AS counted CROSS JOIN (SELECT lp_now() AS moment OFFSET 0) AS clock
            WHERE before < 4194304 ORDER BY kind, key, number"
        )
    }

    /// The function that writes such rows.
    const fn write(self) -> &'static str {
        match self {
            Self::Lanes => "SELECT lp_bring_lanes($1, $2, $3::text::jsonb)",
            Self::Entries => "SELECT lp_bring_entries($1, $2, $3::text::jsonb)",
            Self::Cells => "SELECT lp_bring_cells($1, $2, $3::text::jsonb)",
        }
    }
}

/// One of the two databases.
pub(super) struct Side {
    client: Client,
    account: String,
}

impl Side {
    pub(super) fn new(client: Client, account: &AccountId) -> Self {
        Self { client, account: account.as_str().to_owned() }
    }

    /// The account's state here, and which move made it. `None`: it has never moved.
    pub(super) async fn known(&self) -> Result<Option<(i16, String)>, StoreError> {
        let sql = "SELECT state, move FROM lp_closed WHERE account = $1";
        let rows = self.rows(sql, &[]).await?;
        let Some(row) = rows.first() else { return Ok(None) };
        let known = || Ok((get(row, 0)?, get(row, 1)?));
        known().map(Some).map_err(Failure::into_store_error)
    }

    /// A name for a new move.
    pub(super) async fn new_name(&self) -> Result<String, StoreError> {
        self.one("SELECT gen_random_uuid()::text WHERE $1 IS NOT NULL", &[]).await
    }

    /// Changes the state from what was known of it. False: it is not so any more.
    pub(super) async fn close(
        &self,
        known: Option<&(i16, String)>,
        state: i16,
        name: &str,
    ) -> Result<bool, StoreError> {
        let (was, was_name) = (known.map(|known| known.0), known.map(|known| known.1.as_str()));
        let values: [Typed<'_>; 4] = [
            (&was, Type::INT2),
            (&was_name, Type::TEXT),
            (&state, Type::INT2),
            (&name, Type::TEXT),
        ];
        self.one("SELECT lp_close($1, $2, $3, $4, $5)", &values).await
    }

    pub(super) async fn forget(&self, name: &str) -> Result<(), StoreError> {
        self.rows("SELECT lp_forget($1, $2)", &[(&name, Type::TEXT)]).await.map(drop)
    }

    pub(super) async fn park(&self, name: &str) -> Result<(), StoreError> {
        self.in_batches("SELECT lp_park($1, $2, $3)", name).await
    }

    pub(super) async fn unpark(&self, name: &str) -> Result<(), StoreError> {
        self.in_batches("SELECT lp_unpark($1, $2, $3)", name).await
    }

    /// Removes all that there is of the account, but not that it is elsewhere.
    pub(super) async fn remove(&self, name: &str) -> Result<(), StoreError> {
        self.in_batches("SELECT lp_remove($1, $2, $3)", name).await
    }

    async fn in_batches(&self, sql: &str, name: &str) -> Result<(), StoreError> {
        let values = [(&name as _, Type::TEXT), (&BATCH as _, Type::INT8)];
        while self.one::<i64>(sql, &values).await? > 0 {}
        Ok(())
    }

    /// What tells this database and schema from every other one.
    pub(super) async fn identity(&self) -> Result<String, StoreError> {
        let sql = "SELECT concat_ws(' ', system_identifier, (SELECT oid FROM pg_database
                WHERE datname = current_database()), 'lp_lane'::regclass::oid)
            FROM pg_control_system() WHERE $1 IS NOT NULL";
        self.one(sql, &[]).await
    }

    /// Waits for the transactions of before the migration that closes accounts: they do not look whether one is closed.
    pub(super) async fn wait_for_old_calls(&self) -> Result<(), StoreError> {
        let sql = "SELECT EXISTS (
            SELECT FROM pg_stat_activity CROSS JOIN (SELECT xmin FROM lp_store WHERE version = 2) AS migration
            WHERE datname = current_database() AND pid <> pg_backend_pid() AND $1 IS NOT NULL
                AND greatest(age(backend_xmin), age(backend_xid)) >= age(migration.xmin))";
        for _ in 0..OLD_TRIES {
            if !self.one::<bool>(sql, &[]).await? {
                return Ok(());
            }
            sleep(PAUSE).await;
        }
        let text = "the account is not moved: a transaction is still under way that began before the tables were \
                    brought up to date. Try again when it is over";
        Err(StoreError::new(Kind::Unavailable, text))
    }

    pub(super) async fn has_anything(&self) -> Result<bool, StoreError> {
        let sql = "SELECT EXISTS (SELECT FROM lp_lane WHERE account = $1)
            OR EXISTS (SELECT FROM lp_cell WHERE account = $1)";
        self.one(sql, &[]).await
    }

    pub(super) async fn counts(&self) -> Result<Moved, StoreError> {
        let sql = "SELECT (SELECT count(*) FROM lp_lane WHERE account = $1),
            (SELECT count(*) FROM lp_entry JOIN lp_lane ON lp_lane.id = lp_entry.lane WHERE account = $1),
            (SELECT count(*) FROM lp_cell WHERE account = $1 AND until IS NULL)";
        let rows = self.rows(sql, &[]).await?;
        let number = |column| {
            let row = rows.first().ok_or(Failure::Unreadable("it counts nothing"))?;
            get::<i64>(row, column).map(i64::unsigned_abs)
        };
        let counts = || Ok(Moved { lanes: number(0)?, entries: number(1)?, cells: number(2)? });
        counts().map_err(Failure::into_store_error)
    }

    /// The last number that was drawn for a fence or a version.
    pub(super) async fn last_number(&self) -> Result<i64, StoreError> {
        self.one("SELECT last_value FROM lp_fence WHERE $1 IS NOT NULL", &[]).await
    }

    pub(super) async fn draw_from(&self, name: &str, last: i64) -> Result<(), StoreError> {
        let values = [(&name as _, Type::TEXT), (&last as _, Type::INT8)];
        self.rows("SELECT lp_draw_from($1, $2, $3)", &values).await.map(drop)
    }

    /// Copies a table's rows of the account to here.
    pub(super) async fn receive(
        &self,
        from: &Self,
        table: Table,
        name: &str,
    ) -> Result<(), StoreError> {
        let (read, write) = (table.read(), table.write());
        let mut after = (i16::MIN, String::new(), 0_i64);
        loop {
            let values: [Typed<'_>; 4] = [
                (&after.0, Type::INT2),
                (&after.1, Type::TEXT),
                (&after.2, Type::INT8),
                (&BATCH, Type::INT8),
            ];
            let rows = from.rows(&read, &values).await?;
            let Some(last) = rows.last() else { return Ok(()) };
            let key = || Ok((get(last, 0)?, get(last, 1)?, get(last, 2)?));
            after = key().map_err(Failure::into_store_error)?;
            let batch: Result<Vec<&str>, Failure> = rows.iter().map(|row| get(row, 3)).collect();
            let batch = format!("[{}]", batch.map_err(Failure::into_store_error)?.join(","));
            self.rows(write, &[(&name, Type::TEXT), (&batch, Type::TEXT)]).await?;
        }
    }

    async fn one<T>(&self, sql: &str, values: &[Typed<'_>]) -> Result<T, StoreError>
    where
        T: for<'a> tokio_postgres::types::FromSql<'a>,
    {
        let rows = self.rows(sql, values).await?;
        let row = rows.first().ok_or(Failure::Unreadable("it gives nothing"));
        row.and_then(|row| get(row, 0)).map_err(Failure::into_store_error)
    }

    /// Asks with the account as `$1`. Every statement may be repeated.
    async fn rows(&self, sql: &str, values: &[Typed<'_>]) -> Result<Vec<Row>, StoreError> {
        let mut all: Vec<Typed<'_>> = vec![(&self.account, Type::TEXT)];
        all.extend(values.iter().cloned());
        for _ in 1..TRIES {
            match self.client.query_typed(sql, &all).await.map_err(Failure::from) {
                Err(failure) if failure.is_locked() || failure.is_conflict() => sleep(PAUSE).await,
                other => return other.map_err(Failure::into_store_error),
            }
        }
        let last = self.client.query_typed(sql, &all).await;
        last.map_err(|error| Failure::from(error).into_store_error())
    }
}
