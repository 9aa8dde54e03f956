//! What there is to know of a file.

use std::time::Duration;

use lp_connector_core::bridge::store::{MAX_COUNTED, StoreFacts, StorePart};
use rusqlite::{Connection, Result};

/// Reads the facts at this time of the store's clock.
pub(crate) fn read(sql: &Connection, now: i64) -> Result<StoreFacts> {
    let (oldest, due_lanes): (Option<i64>, i64) = sql
        .prepare_cached(
            "SELECT min(due), count(*) FROM
                 (SELECT due FROM lp_lane WHERE due <= ?1 ORDER BY due LIMIT ?2)",
        )?
        .query_row((now, MAX_COUNTED.cast_signed()), |row| row.try_into())?;
    let (page, pages, free): (i64, i64, i64) = sql
        .prepare_cached("SELECT * FROM pragma_page_size, pragma_page_count, pragma_freelist_count")?
        .query_row((), |row| row.try_into())?;
    let journal = sql.path().and_then(|path| std::fs::metadata(format!("{path}-wal")).ok());
    let overdue = oldest.map_or(0, |oldest| now.saturating_sub(oldest));
    Ok(StoreFacts {
        oldest_due: Duration::from_nanos(overdue.unsigned_abs()),
        due_lanes: due_lanes.unsigned_abs(),
        parts: vec![
            StorePart {
                name: "file",
                bytes: page.saturating_mul(pages).unsigned_abs(),
                dead: free.unsigned_abs(),
            },
            StorePart { name: "journal", bytes: journal.map_or(0, |found| found.len()), dead: 0 },
        ],
        ..StoreFacts::default()
    })
}
