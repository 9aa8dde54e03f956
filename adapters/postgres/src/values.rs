//! Values on their way to the server and back.

use std::time::Duration;

use lp_connector_core::bridge::store::{Entry, LaneId, LaneKind, Lease, Record};
use lp_connector_core::id::AccountId;
use tokio_postgres::Row;
use tokio_postgres::types::{FromSql, ToSql, Type};

use crate::error::Failure;

/// A value with the type that the server gives it: nothing is prepared, so nothing must be asked first.
pub(crate) type Typed<'a> = (&'a (dyn ToSql + Sync), Type);

/// The names of lanes, column by column.
#[derive(Default)]
pub(crate) struct Names<'a> {
    pub(crate) accounts: Vec<&'a str>,
    pub(crate) kinds: Vec<i16>,
    pub(crate) keys: Vec<&'a str>,
}

impl<'a> Names<'a> {
    pub(crate) fn of(lanes: impl Iterator<Item = &'a LaneId>) -> Self {
        let mut names = Self::default();
        for lane in lanes {
            names.accounts.push(lane.account().as_str());
            names.kinds.push(i16::from(lane.kind().number()));
            names.keys.push(lane.key());
        }
        names
    }

    pub(crate) fn of_entries(entries: &'a [Entry]) -> Self {
        Self::of(entries.iter().map(|entry| &entry.lane))
    }

    pub(crate) fn typed(&self) -> [Typed<'_>; 3] {
        [
            (&self.accounts, Type::TEXT_ARRAY),
            (&self.kinds, Type::INT2_ARRAY),
            (&self.keys, Type::TEXT_ARRAY),
        ]
    }
}

/// The leases' fences and holders.
pub(crate) fn marks<'a>(leases: impl Iterator<Item = &'a Lease>) -> (Vec<i64>, Vec<Vec<u8>>) {
    leases.map(|lease| (signed(lease.fence.0), lease.holder.0.to_be_bytes().to_vec())).unzip()
}

/// PostgreSQL's numbers are signed. No counter comes near the end of them.
pub(crate) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A count for a LIMIT.
pub(crate) fn count(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Nanoseconds. The longest is some 150 years, so that a sum with the time of day stays in range.
pub(crate) fn nanos(time: Duration) -> i64 {
    i64::try_from(time.as_nanos()).unwrap_or(i64::MAX).min(5_000_000_000_000_000_000)
}

pub(crate) fn duration(nanos: i64) -> Duration {
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(0))
}

pub(crate) fn get<'a, T: FromSql<'a>>(row: &'a Row, column: usize) -> Result<T, Failure> {
    Ok(row.try_get(column)?)
}

pub(crate) fn unsigned(row: &Row, column: usize) -> Result<u64, Failure> {
    get::<i64>(row, column).map(i64::unsigned_abs)
}

/// The lane's name, from the first three columns.
pub(crate) fn lane_id(row: &Row) -> Result<LaneId, Failure> {
    let account = AccountId::new(get::<&str>(row, 0)?);
    let kind = u8::try_from(get::<i16>(row, 1)?).ok().and_then(LaneKind::from_number);
    match (account, kind) {
        (Ok(account), Some(kind)) => Ok(LaneId::new(account, kind, get::<&str>(row, 2)?)),
        _ => Err(Failure::Unreadable("a lane of an unknown kind")),
    }
}

/// A record, from a column with its version and the one after it.
pub(crate) fn record(row: &Row, column: usize) -> Result<Option<Record>, Failure> {
    let Some(version) = get::<Option<i32>>(row, column)? else { return Ok(None) };
    let version = u16::try_from(version)
        .map_err(|_| Failure::Unreadable("a record of an unknown version"))?;
    Ok(Some(Record { version, body: get(row, column + 1)? }))
}
