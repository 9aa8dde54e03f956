//! What there is to know of the server and its tables.

use std::time::Duration;

use lp_connector_core::bridge::store::{MAX_COUNTED, Standby, StoreFacts, StorePart};
use tokio_postgres::types::Type;
use tokio_postgres::{Client, Row};

use crate::error::Failure;
use crate::values::{duration, get, signed};

const TABLES: [&str; 3] = ["lp_lane", "lp_entry", "lp_cell"];

/// An open transaction keeps what was deleted since it began, whether it reads or writes, and so does a prepared one.
/// What another user does is seen by a member of `pg_read_all_stats` alone.
const SQL: &str = "
    WITH clock AS (SELECT lp_now() AS moment),
    overdue AS (
        SELECT due FROM lp_lane WHERE due <= (SELECT moment FROM clock) ORDER BY due LIMIT $1
    ),
    held AS (
        SELECT xact_start AS since FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'
            AND (backend_xmin IS NOT NULL OR backend_xid IS NOT NULL)
        UNION ALL SELECT prepared FROM pg_prepared_xacts WHERE database = current_database()
    ),
    part AS (
        SELECT pg_total_relation_size(name::regclass) AS bytes, pg_stat_get_dead_tuples(name::regclass) AS dead, place
        FROM unnest($2) WITH ORDINALITY AS one (name, place)
    ),
    standby AS (
        SELECT application_name AS name, state, sync_state,
            pg_wal_lsn_diff(pg_current_wal_lsn(), flush_lsn)::bigint AS behind
        FROM pg_stat_replication WHERE state IS DISTINCT FROM 'backup'
    )
    SELECT (SELECT moment - min(due) FROM clock, overdue GROUP BY moment), (SELECT count(*) FROM overdue),
        (SELECT (extract(epoch FROM clock_timestamp() - min(since)) * 1000000)::bigint * 1000 FROM held),
        (SELECT array_agg(bytes ORDER BY place) FROM part), (SELECT array_agg(dead ORDER BY place) FROM part),
        (SELECT array_agg(name ORDER BY name) FROM standby), (SELECT array_agg(state ORDER BY name) FROM standby),
        (SELECT array_agg(sync_state ORDER BY name) FROM standby),
        (SELECT array_agg(behind ORDER BY name) FROM standby),
        pg_has_role(current_user, 'pg_read_all_stats', 'USAGE')";

/// Reads them.
pub(crate) async fn read(client: &Client, repeated: u64) -> Result<StoreFacts, Failure> {
    let most = signed(MAX_COUNTED);
    let rows = client
        .query_typed(SQL, &[(&most, Type::INT8), (&TABLES.as_slice(), Type::TEXT_ARRAY)])
        .await?;
    let none = StoreFacts { repeated, ..StoreFacts::default() };
    rows.first().map_or(Ok(none), |row| facts(row, repeated))
}

fn facts(row: &Row, repeated: u64) -> Result<StoreFacts, Failure> {
    let count = |number: i64| u64::try_from(number).unwrap_or(0);
    let (bytes, dead): (Vec<i64>, Vec<i64>) = (get(row, 3)?, get(row, 4)?);
    let parts = TABLES.into_iter().zip(bytes).zip(dead);
    let names: Vec<Option<String>> = get::<Option<_>>(row, 5)?.unwrap_or_default();
    let states: Vec<Option<String>> = get::<Option<_>>(row, 6)?.unwrap_or_default();
    let syncs: Vec<Option<String>> = get::<Option<_>>(row, 7)?.unwrap_or_default();
    let behind: Vec<Option<i64>> = get::<Option<_>>(row, 8)?.unwrap_or_default();
    let standbys = names.into_iter().zip(states).zip(syncs).zip(behind);
    Ok(StoreFacts {
        oldest_due: get::<Option<i64>>(row, 0)?.map_or(Duration::ZERO, duration),
        due_lanes: count(get(row, 1)?),
        // Who does not see the others' snapshots does not know the oldest.
        oldest_snapshot: get::<bool>(row, 9)?
            .then_some(get::<Option<i64>>(row, 2)?.map_or(Duration::ZERO, duration)),
        repeated,
        parts: parts
            .map(|((name, bytes), dead)| StorePart { name, bytes: count(bytes), dead: count(dead) })
            .collect(),
        standbys: standbys
            .map(|(((name, state), sync), behind)| Standby {
                name: name.unwrap_or_default(),
                state,
                sync,
                behind: behind.map(count),
            })
            .collect(),
    })
}
