//! The seven requests as SQL.

use std::time::Duration;

use lp_connector_core::bridge::store::{
    Answer, Cell, CellId, Claimed, Commit, Entry, Fence, Kept, LaneDetails, LaneId, LaneKind,
    LaneSummary, Lease, Listed, MAX_CLAIM_BYTES, Next, Record, Request,
};
use lp_connector_core::id::AccountId;
use rusqlite::types::Type;
use rusqlite::{Connection, Error, Params, Result, Row, params};

use crate::clock::{between, nanos};

/// Performs requests within a transaction.
pub(crate) struct Requests<'a> {
    pub(crate) sql: &'a Connection,
    /// The store's clock.
    pub(crate) now: i64,
    /// The last fence or version.
    pub(crate) fence: &'a mut i64,
}

impl Requests<'_> {
    pub(crate) fn perform(&mut self, request: &Request) -> Result<Answer> {
        Ok(match request {
            Request::Append(entries) => self.append(entries).map(|()| Answer::Appended)?,
            Request::Claim { holder, lanes, entries, term, speaks } => {
                let (holder, until) = (holder.0.to_be_bytes(), self.after(*term));
                Answer::Claimed(self.claim(holder, *lanes, *entries, until, *speaks)?)
            }
            Request::Commit(commits) => {
                let done = commits.iter().map(|one| self.commit(one));
                Answer::Committed(done.collect::<Result<_>>()?)
            }
            Request::Extend { leases, term } => {
                let done = leases.iter().map(|lease| self.extend(lease, self.after(*term)));
                Answer::Extended(done.collect::<Result<_>>()?)
            }
            Request::Read(cells) => {
                Answer::Cells(cells.iter().map(|cell| self.read(cell)).collect::<Result<_>>()?)
            }
            Request::Swap { cell, seen, value, life } => {
                let until = life.map(|life| self.after(life));
                Answer::Swapped(self.swap(cell, *seen, value, until)?)
            }
            Request::List { what: Listed::Lane(lane), limit, .. } => {
                Answer::Listed(self.list_lane(lane, *limit)?)
            }
            Request::List { what: Listed::Lanes { account, kind }, after, limit } => {
                Answer::Listed(self.list_lanes(account.as_ref(), *kind, after.as_ref(), *limit)?)
            }
        })
    }

    fn append(&self, entries: &[Entry]) -> Result<()> {
        for Entry { lane, body } in entries {
            let lane = params![lane.account().as_str(), lane.kind().number(), lane.key(), self.now];
            let numbered: Vec<(i64, i64)> = self.rows(
                "INSERT INTO lp_lane (account, kind, key, due, held, fence, head, tail)
                 VALUES (?1, ?2, ?3, ?4, 0, 0, 0, 1) ON CONFLICT DO UPDATE SET tail = tail + 1,
                     due = CASE WHEN held THEN due ELSE min(ifnull(due, ?4), ?4) END
                 RETURNING id, tail",
                lane,
                |row| row.try_into(),
            )?;
            for (lane, number) in numbered {
                self.run("INSERT INTO lp_entry VALUES (?, ?, ?)", params![lane, number, body])?;
            }
        }
        Ok(())
    }

    fn claim(
        &mut self,
        holder: [u8; 16],
        lanes: usize,
        entries: usize,
        until: i64,
        speaks: u16,
    ) -> Result<Vec<Claimed>> {
        let mut due = self.rows(
            "SELECT account, kind, key, id, head, held, committed_at, tail - head FROM lp_lane
             WHERE due <= ? AND (version IS NULL OR version <= ?)
             ORDER BY due, account, kind, key LIMIT ?",
            params![self.now, speaks, signed(lanes as u64)],
            |row| {
                let since = row.get::<_, Option<i64>>(6)?.unwrap_or(self.now);
                let claimed = Claimed {
                    lane: lane_id(row)?,
                    fence: Fence(0),
                    taken_over: row.get(5)?,
                    elapsed: between(since, self.now),
                    record: None,
                    entries: Vec::new(),
                    more: false,
                };
                Ok((row.get::<_, i64>(3)?, row.get::<_, i64>(4)?, row.get(7)?, claimed))
            },
        )?;
        let (mut bytes, mut given) = (0, 0);
        for (lane, head, count, claimed) in &mut due {
            if bytes >= MAX_CLAIM_BYTES {
                break;
            }
            given += 1;
            claimed.fence = self.next_fence();
            self.run(
                "UPDATE lp_lane SET fence = ?, holder = ?, held = 1, due = ?, committed_from = NULL
                 WHERE id = ?",
                params![*self.fence, holder, until, *lane],
            )?;
            claimed.record = self
                .rows("SELECT version, record FROM lp_lane WHERE id = ?", [*lane], |row| {
                    record(row, 0)
                })?
                .pop()
                .flatten();
            bytes += claimed.record.as_ref().map_or(0, |record| record.body.len());
            let mut select = self.sql.prepare_cached(
                "SELECT number, body FROM lp_entry WHERE lane = ? AND number > ? ORDER BY number LIMIT ?",
            )?;
            let mut rows = select.query(params![*lane, *head, signed(entries as u64)])?;
            while (claimed.entries.is_empty() || bytes < MAX_CLAIM_BYTES)
                && let Some(row) = rows.next()?
            {
                let body: Vec<u8> = row.get(1)?;
                bytes += body.len();
                claimed.entries.push((unsigned(row, 0)?, body));
            }
            claimed.more = *count > signed(claimed.entries.len() as u64);
        }
        due.truncate(given);
        Ok(due.into_iter().map(|(_, _, _, claimed): (_, _, i64, _)| claimed).collect())
    }

    fn next_fence(&mut self) -> Fence {
        *self.fence += 1;
        Fence(self.fence.unsigned_abs())
    }

    fn commit(&mut self, commit: &Commit) -> Result<Option<Fence>> {
        let Commit { lease, through, seen, record, append, cells, next, .. } = commit;
        let Lease { lane, fence, holder } = lease;
        // The lease holds, or the answer to this very commit was lost.
        let known: Vec<(i64, i64, i64, i64)> = self.rows(
            "SELECT id, fence, head, tail FROM lp_lane WHERE account = ?1 AND kind = ?2 AND key = ?3
                 AND holder = ?4 AND (held AND fence = ?5 OR committed_from = ?5)",
            params![
                lane.account().as_str(),
                lane.kind().number(),
                lane.key(),
                holder.0.to_be_bytes(),
                signed(fence.0)
            ],
            |row| row.try_into(),
        )?;
        let Some(&(lane, current, head, tail)) = known.first() else { return Ok(None) };
        if current != signed(fence.0) {
            return Ok(Some(Fence(current.unsigned_abs())));
        }
        let new_fence = self.next_fence();
        // What is there, and no more.
        let head = signed(*through).clamp(head, tail);
        self.run("DELETE FROM lp_entry WHERE lane = ? AND number <= ?", params![lane, head])?;
        if *next == Next::Gone && head == tail {
            self.run("DELETE FROM lp_lane WHERE id = ?", [lane])?;
        } else {
            let due = match *next {
                Next::Hold(term) => Some(self.after(term)),
                Next::Gone => Some(self.now),
                _ if tail > signed(*seen).max(head) => Some(self.now),
                Next::After(pause) => Some(self.after(pause)),
                Next::Idle => None,
            };
            self.run(
                "UPDATE lp_lane SET committed_from = fence, fence = ?, committed_at = ?, head = ?,
                     held = ?, due = ? WHERE id = ?",
                params![
                    signed(new_fence.0),
                    self.now,
                    head,
                    matches!(next, Next::Hold(_)),
                    due,
                    lane
                ],
            )?;
        }
        let record = match record {
            _ if *next == Next::Gone => Some((None, None)),
            Kept::New(record) => Some((Some(record.version), Some(&record.body))),
            Kept::Same => None,
        };
        if let Some((version, body)) = record {
            let values = params![version, body, lane];
            self.run("UPDATE lp_lane SET version = ?, record = ? WHERE id = ?", values)?;
        }
        self.append(append)?;
        for (cell, value) in cells {
            self.write(cell, value, None)?;
        }
        Ok(Some(new_fence))
    }

    fn extend(&self, lease: &Lease, until: i64) -> Result<bool> {
        let Lease { lane, fence, holder } = lease;
        let extended = self.run(
            "UPDATE lp_lane SET due = ? WHERE held AND fence = ? AND holder = ?
                 AND account = ? AND kind = ? AND key = ?",
            params![
                until,
                signed(fence.0),
                holder.0.to_be_bytes(),
                lane.account().as_str(),
                lane.kind().number(),
                lane.key()
            ],
        )?;
        Ok(extended > 0)
    }

    fn read(&self, cell: &CellId) -> Result<Option<Cell>> {
        let mut found = self.rows(
            "SELECT version, value FROM lp_cell
             WHERE account = ? AND key = ? AND (until IS NULL OR until > ?)",
            params![cell.account.as_str(), cell.key, self.now],
            |row| Ok(Cell { version: unsigned(row, 0)?, value: row.get(1)? }),
        )?;
        Ok(found.pop())
    }

    fn swap(&mut self, id: &CellId, seen: u64, value: &[u8], until: Option<i64>) -> Result<bool> {
        let cell = self.read(id)?;
        let version = cell.as_ref().map_or(0, |cell| cell.version);
        if version != seen {
            // The answer to this very swap may have been lost.
            return Ok(match cell {
                Some(cell) => version > seen && cell.value == value,
                None => value.is_empty(),
            });
        }
        self.write(id, value, until).map(|()| true)
    }

    /// Versions never come twice: whoever saw a cell that has expired must not overwrite the new one.
    fn write(&mut self, cell: &CellId, value: &[u8], until: Option<i64>) -> Result<()> {
        self.run(
            "DELETE FROM lp_cell WHERE until <= ? OR account = ? AND key = ?",
            params![self.now, cell.account.as_str(), cell.key],
        )?;
        if !value.is_empty() {
            let version = signed(self.next_fence().0);
            self.run(
                "INSERT INTO lp_cell (account, key, version, until, value) VALUES (?, ?, ?, ?, ?)",
                params![cell.account.as_str(), cell.key, version, until, value],
            )?;
        }
        Ok(())
    }

    fn list_lanes(
        &self,
        account: Option<&AccountId>,
        kind: LaneKind,
        after: Option<&LaneId>,
        limit: usize,
    ) -> Result<Vec<LaneDetails>> {
        let account = account.map(AccountId::as_str);
        let (a, k, key) = after.map_or(("", 0, ""), |lane| {
            (lane.account().as_str(), lane.kind().number(), lane.key())
        });
        self.rows(
            "SELECT account, kind, key, version, record, id, head, held, due, tail - head FROM lp_lane
             WHERE kind = ?1 AND (?2 IS NULL OR account = ?2) AND (account, kind, key) > (?3, ?4, ?5)
             ORDER BY account, kind, key LIMIT ?6",
            params![kind.number(), account, a, k, key, signed(limit as u64)],
            |row| self.details(row),
        )
    }

    fn list_lane(&self, lane: &LaneId, limit: usize) -> Result<Vec<LaneDetails>> {
        let name = (lane.account().as_str(), lane.kind().number(), lane.key());
        let mut lanes = self.rows(
            "SELECT account, kind, key, version, record, id, head, held, due, tail - head FROM lp_lane
             WHERE account = ? AND kind = ? AND key = ?",
            name,
            |row| Ok((row.get::<_, i64>(5)?, self.details(row)?)),
        )?;
        for (lane, details) in &mut lanes {
            details.entries = self.rows(
                "SELECT number, length(body) FROM lp_entry WHERE lane = ? ORDER BY number LIMIT ?",
                params![*lane, signed(limit as u64)],
                |row| Ok((unsigned(row, 0)?, row.get::<_, u32>(1)? as usize)),
            )?;
        }
        Ok(lanes.into_iter().map(|(_, details)| details).collect())
    }

    fn details(&self, row: &Row<'_>) -> Result<LaneDetails> {
        let due: Option<i64> = row.get(8)?;
        let summary = LaneSummary {
            lane: lane_id(row)?,
            held: row.get(7)?,
            due_in: due.map(|due| between(self.now, due)),
            overdue: due.map_or(Duration::ZERO, |due| between(due, self.now)),
            entries: unsigned(row, 9)?,
        };
        Ok(LaneDetails { summary, record: record(row, 3)?, entries: Vec::new() })
    }

    fn after(&self, time: Duration) -> i64 {
        self.now.saturating_add(nanos(time))
    }

    fn run(&self, sql: &str, values: impl Params) -> Result<usize> {
        self.sql.prepare_cached(sql)?.execute(values)
    }

    fn rows<T>(
        &self,
        sql: &str,
        values: impl Params,
        read: impl FnMut(&Row<'_>) -> Result<T>,
    ) -> Result<Vec<T>> {
        self.sql.prepare_cached(sql)?.query_map(values, read)?.collect()
    }
}

/// SQLite's numbers are signed. No counter comes near the end of them.
fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn unsigned(row: &Row<'_>, column: usize) -> Result<u64> {
    row.get::<_, i64>(column).map(i64::unsigned_abs)
}

/// The lane's name, from the first three columns.
fn lane_id(row: &Row<'_>) -> Result<LaneId> {
    let account: String = row.get(0)?;
    match (AccountId::new(account), LaneKind::from_number(row.get(1)?)) {
        (Ok(account), Some(kind)) => Ok(LaneId::new(account, kind, row.get::<_, String>(2)?)),
        _ => Err(Error::InvalidColumnType(0, "lane".into(), Type::Text)),
    }
}

/// A record, from a column with its version and the one after it.
fn record(row: &Row<'_>, column: usize) -> Result<Option<Record>> {
    let Some(version) = row.get(column)? else { return Ok(None) };
    Ok(Some(Record { version, body: row.get(column + 1)? }))
}
