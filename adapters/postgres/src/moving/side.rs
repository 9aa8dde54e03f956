//! One of the two databases between which an account moves.

use lp_connector_core::bridge::store::StoreError;
use lp_connector_core::id::AccountId;
use tokio_postgres::types::Type;
use tokio_postgres::{Client, Row};

use super::Moved;
use crate::error::Failure;
use crate::values::{Typed, get};

/// Rows that are copied or changed at a time.
const BATCH: i64 = 2_000;

/// How often a step is tried that waits for somebody else's lock.
const TRIES: u32 = 5;

/// The states of an account that `lp_closed` has, see `migrations/2.sql`.
pub(super) mod state {
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
                WHERE lane.account = $1 AND (lane.kind, lane.key, entry.number) > ($2, $3, $4)
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

    /// Writes the rows of account `$1` that a JSON array holds. Those that are there already stay.
    const fn write(self) -> &'static str {
        match self {
            Self::Lanes => {
                "WITH clock AS MATERIALIZED (SELECT lp_now() AS moment), given AS (
                    SELECT * FROM jsonb_to_recordset($2::text::jsonb) AS one (kind smallint, key text, held boolean,
                        holder text, fence bigint, committed_from bigint, committed bigint, head bigint, tail bigint,
                        version integer, record text, due bigint)
                ), lanes AS (
                    INSERT INTO lp_lane (account, kind, key, held, holder, fence, committed_from, committed_at, head,
                        tail, version, record)
                    SELECT $1, kind, key, held, decode(holder, 'hex'), fence, committed_from, moment + committed, head,
                        tail, version, decode(record, 'hex')
                    FROM given CROSS JOIN clock ON CONFLICT DO NOTHING RETURNING id, kind, key
                )
                INSERT INTO lp_parked (lane, account, fence, due)
                SELECT id, $1, fence, moment + due FROM lanes JOIN given USING (kind, key) CROSS JOIN clock
                WHERE due IS NOT NULL"
            }
            Self::Entries => {
                "INSERT INTO lp_entry (lane, number, body)
                SELECT lane.id, one.number, decode(one.body, 'hex')
                FROM jsonb_to_recordset($2::text::jsonb) AS one (kind smallint, key text, number bigint, body text)
                JOIN lp_lane AS lane ON lane.account = $1 AND lane.kind = one.kind AND lane.key = one.key
                ON CONFLICT DO NOTHING"
            }
            Self::Cells => {
                "INSERT INTO lp_cell (account, key, version, until, value)
                SELECT $1, key, version, moment + until, decode(value, 'hex')
                FROM jsonb_to_recordset($2::text::jsonb) AS one (key text, version bigint, until bigint, value text)
                CROSS JOIN (SELECT lp_now() AS moment OFFSET 0) AS clock
                ON CONFLICT DO NOTHING"
            }
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

    pub(super) async fn close(&self, state: i16, name: &str) -> Result<(), StoreError> {
        let values = [(&state as _, Type::INT2), (&name as _, Type::TEXT)];
        self.rows("SELECT lp_close($1, $2, $3)", &values).await.map(drop)
    }

    pub(super) async fn forget(&self) -> Result<(), StoreError> {
        self.rows("DELETE FROM lp_closed WHERE account = $1", &[]).await.map(drop)
    }

    pub(super) async fn park(&self) -> Result<(), StoreError> {
        self.in_batches("SELECT lp_park($1, $2)").await
    }

    pub(super) async fn unpark(&self) -> Result<(), StoreError> {
        self.in_batches("SELECT lp_unpark($1, $2)").await
    }

    /// Removes all that there is of the account, but not that it is closed.
    pub(super) async fn remove(&self) -> Result<(), StoreError> {
        self.in_batches("SELECT lp_remove($1, $2)").await
    }

    async fn in_batches(&self, sql: &str) -> Result<(), StoreError> {
        while self.one::<i64>(sql, &[(&BATCH, Type::INT8)]).await? > 0 {}
        Ok(())
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

    pub(super) async fn draw_from(&self, last: i64) -> Result<(), StoreError> {
        self.rows("SELECT lp_draw_from($2) WHERE $1 IS NOT NULL", &[(&last, Type::INT8)])
            .await
            .map(drop)
    }

    /// Copies a table's rows of the account to here.
    pub(super) async fn receive(&self, from: &Self, table: Table) -> Result<(), StoreError> {
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
            self.rows(write, &[(&batch, Type::TEXT)]).await?;
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
                Err(failure) if failure.is_partial() || failure.is_conflict() => {}
                other => return other.map_err(Failure::into_store_error),
            }
        }
        let last = self.client.query_typed(sql, &all).await;
        last.map_err(|error| Failure::from(error).into_store_error())
    }
}
