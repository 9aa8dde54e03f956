//! The seven requests as SQL. Most of it is in functions on the server (`migrations`), so that each is one round trip.

use std::time::{Duration, Instant};

use lp_connector_core::bridge::store::{
    Answer, Cell, CellId, Claimed, Commit, Entry, Fence, Holder, Kept, LaneDetails, LaneId,
    LaneSummary, Lease, Listed, MAX_CLAIM_BYTES, Next, Request,
};
use tokio_postgres::types::Type;
use tokio_postgres::{Client, Row};

use crate::error::Failure;
use crate::values::{
    Names, Typed, count, duration, get, lane_id, marks, nanos, record, signed, unsigned,
};

/// A lane that comes due may become visible a little later than one that comes due after it.
const MARGIN: i64 = 5_000_000_000;

/// What a claim itself gives, in bytes: so little that the sockets hold it. Its transaction ends when the answer is sent: a
/// program that stops before it reads would keep the lanes locked, and no term would end for them. Of a lane that was
/// cut, the rest is read afterwards, without a lock.
const CLAIM_BYTES: usize = 256 * 1024;

/// How long a claim may read on: it has its lanes already, and its answer must come in time.
const READ_ON: Duration = Duration::from_secs(1);

/// How often claims look at everything.
const SWEEP: Duration = Duration::from_secs(10);

/// The most cells that are removed at a time.
const PRUNED: i64 = 1_000;

/// Where claims begin to look. While another program holds a snapshot, the index keeps every due time that there
/// was: to read from the start would take longer with each commit.
#[derive(Debug)]
pub(crate) struct LowerBound {
    low: i64,
    swept: Option<Instant>,
}

impl Default for LowerBound {
    fn default() -> Self {
        Self { low: i64::MIN, swept: None }
    }
}

impl LowerBound {
    /// Where this claim begins: at the very start if it is time for that.
    fn next(&mut self) -> i64 {
        match self.swept {
            Some(at) if at.elapsed() < SWEEP => self.low,
            _ => {
                self.swept = Some(Instant::now());
                i64::MIN
            }
        }
    }

    fn saw(&mut self, first_due: i64) {
        self.low = self.low.max(first_due.saturating_sub(MARGIN));
    }
}

/// Performs a request. Nothing is prepared: a pool may give each request another connection.
pub(crate) async fn perform(
    client: &Client,
    request: &Request,
    low: &mut LowerBound,
) -> Result<Answer, Failure> {
    Ok(match request {
        Request::Append(entries) => {
            append(client, entries).await?;
            Answer::Appended
        }
        Request::Claim { holder, lanes, entries, term, speaks } => {
            Answer::Claimed(claim(client, *holder, (*lanes, *entries), *term, *speaks, low).await?)
        }
        Request::Commit(commits) => Answer::Committed(commit(client, commits).await?),
        Request::Extend { leases, term } => Answer::Extended(extend(client, leases, *term).await?),
        Request::Read(cells) => Answer::Cells(read(client, cells).await?),
        Request::Swap { cell, seen, value, life } => {
            Answer::Swapped(swap(client, cell, *seen, value, *life).await?)
        }
        Request::List { what, after, limit } => {
            Answer::Listed(list(client, what, after.as_ref(), *limit).await?)
        }
    })
}

async fn append(client: &Client, entries: &[Entry]) -> Result<(), Failure> {
    let names = Names::of_entries(entries);
    let bodies: Vec<&[u8]> = entries.iter().map(|entry| entry.body.as_slice()).collect();
    let [accounts, kinds, keys] = names.typed();
    let values = [accounts, kinds, keys, (&bodies, Type::BYTEA_ARRAY)];
    client.query_typed("SELECT lp_append($1, $2, $3, $4)", &values).await?;
    Ok(())
}

async fn claim(
    client: &Client,
    holder: Holder,
    (lanes, entries): (usize, usize),
    term: Duration,
    speaks: u16,
    low: &mut LowerBound,
) -> Result<Vec<Claimed>, Failure> {
    let holder = holder.0.to_be_bytes();
    let most = entries;
    let (lanes, entries, term) = (count(lanes), count(entries), nanos(term));
    let (speaks, from, budget) =
        (i32::from(speaks), low.next(), count(CLAIM_BYTES.min(MAX_CLAIM_BYTES)));
    let values: [Typed<'_>; 7] = [
        (&holder.as_slice(), Type::BYTEA),
        (&lanes, Type::INT8),
        (&entries, Type::INT8),
        (&term, Type::INT8),
        (&speaks, Type::INT4),
        (&from, Type::INT8),
        (&budget, Type::INT8),
    ];
    let rows =
        client.query_typed("SELECT * FROM lp_claim($1, $2, $3, $4, $5, $6, $7)", &values).await?;
    if let Some(first) = rows.first() {
        low.saw(get(first, 11)?);
    }
    let mut claimed = rows.iter().map(claimed).collect::<Result<Vec<Claimed>, Failure>>()?;
    let mut left = MAX_CLAIM_BYTES.saturating_sub(claimed.iter().map(bytes_of).sum());
    let deadline = tokio::time::Instant::now() + READ_ON;
    for lane in claimed.iter_mut().filter(|lane| lane.more && lane.entries.len() < most) {
        // The lanes are claimed: what cannot be read now may be given another time.
        match tokio::time::timeout_at(deadline, read_on(client, lane, most, left)).await {
            Ok(Ok(bytes)) => left = left.saturating_sub(bytes),
            Ok(Err(_)) | Err(_) => break,
        }
    }
    Ok(claimed)
}

fn bytes_of(lane: &Claimed) -> usize {
    let record = lane.record.as_ref().map_or(0, |record| record.body.len());
    record + lane.entries.iter().map(|(_, body)| body.len()).sum::<usize>()
}

/// Reads on in a lane that was cut: a large file hides nothing that stands behind it. Returns how many bytes it read.
async fn read_on(
    client: &Client,
    lane: &mut Claimed,
    most: usize,
    left: usize,
) -> Result<usize, Failure> {
    let Some(mut last) = lane.entries.last().map(|(number, _)| *number) else { return Ok(0) };
    let id = &lane.lane;
    let (account, kind) = (id.account().as_str(), i16::from(id.kind().number()));
    let key = id.key();
    let (fence, after) = (signed(lane.fence.0), signed(last));
    let (limit, budget) = (count(most.saturating_sub(lane.entries.len())), count(left));
    let values: [Typed<'_>; 7] = [
        (&account, Type::TEXT),
        (&kind, Type::INT2),
        (&key, Type::TEXT),
        (&fence, Type::INT8),
        (&after, Type::INT8),
        (&limit, Type::INT8),
        (&budget, Type::INT8),
    ];
    let sql = "SELECT given.number, given.body, given.tail FROM (
            SELECT one.number, one.body, one.tail,
                sum(octet_length(one.body)) OVER (ORDER BY one.number) - octet_length(one.body) AS before
            FROM (
                SELECT entry.number, entry.body, lane.tail FROM lp_lane AS lane JOIN lp_entry AS entry ON entry.lane = lane.id
                WHERE lane.account = $1 AND lane.kind = $2 AND lane.key = $3 AND lane.fence = $4 AND entry.number > $5
                ORDER BY entry.number LIMIT $6
            ) AS one
        ) AS given WHERE given.before < $7 ORDER BY given.number";
    let rows = client.query_typed(sql, &values).await?;
    let mut bytes: usize = 0;
    for row in &rows {
        let (number, body): (u64, Vec<u8>) = (unsigned(row, 0)?, get(row, 1)?);
        if number != last.saturating_add(1) {
            break;
        }
        last = number;
        bytes = bytes.saturating_add(body.len());
        lane.entries.push((number, body));
        // As of now: what came since the claim is among these.
        lane.more = unsigned(row, 2)? > last;
    }
    Ok(bytes)
}

/// Removes some of the cells that have expired.
pub(crate) async fn prune(client: &Client) -> Result<(), Failure> {
    client.query_typed("SELECT lp_prune($1)", &[(&PRUNED, Type::INT8)]).await?;
    Ok(())
}

fn claimed(row: &Row) -> Result<Claimed, Failure> {
    let numbers: Vec<i64> = get::<Option<_>>(row, 8)?.unwrap_or_default();
    let bodies: Vec<Vec<u8>> = get::<Option<_>>(row, 9)?.unwrap_or_default();
    Ok(Claimed {
        lane: lane_id(row)?,
        fence: Fence(unsigned(row, 3)?),
        taken_over: get(row, 4)?,
        elapsed: duration(get(row, 5)?),
        record: record(row, 6)?,
        entries: numbers.into_iter().map(i64::unsigned_abs).zip(bodies).collect(),
        more: get(row, 10)?,
    })
}

async fn commit(client: &Client, commits: &[Commit]) -> Result<Vec<Option<Fence>>, Failure> {
    let own = Names::of(commits.iter().map(|one| &one.lease.lane));
    let (fences, holders) = marks(commits.iter().map(|one| &one.lease));
    let through: Vec<i64> = commits.iter().map(|one| signed(one.through)).collect();
    let seen: Vec<i64> = commits.iter().map(|one| signed(one.seen)).collect();
    let new = |one: &Commit| match &one.record {
        Kept::New(record) => (false, i32::from(record.version), record.body.clone()),
        Kept::Same => (true, 0, Vec::new()),
    };
    let mut records = (Vec::new(), Vec::new(), Vec::new());
    for (keeps, version, body) in commits.iter().map(new) {
        records.0.push(keeps);
        records.1.push(version);
        records.2.push(body);
    }
    let (nexts, pauses): (Vec<i16>, Vec<i64>) = commits.iter().map(|one| next(one.next)).unzip();
    let appended = || {
        (1_i32..).zip(commits).flat_map(|(at, one)| one.append.iter().map(move |entry| (at, entry)))
    };
    let entry_of: Vec<i32> = appended().map(|(at, _)| at).collect();
    let entries = Names::of(appended().map(|(_, entry)| &entry.lane));
    let bodies: Vec<&[u8]> = appended().map(|(_, entry)| entry.body.as_slice()).collect();
    let written = || {
        (1_i32..).zip(commits).flat_map(|(at, one)| one.cells.iter().map(move |cell| (at, cell)))
    };
    let cell_of: Vec<i32> = written().map(|(at, _)| at).collect();
    let cell_accounts: Vec<&str> = written().map(|(_, (id, _))| id.account.as_str()).collect();
    let cell_keys: Vec<&str> = written().map(|(_, (id, _))| id.key.as_str()).collect();
    let cell_values: Vec<&[u8]> = written().map(|(_, (_, value))| value.as_slice()).collect();
    let [accounts, kinds, keys] = own.typed();
    let [entry_accounts, entry_kinds, entry_keys] = entries.typed();
    let values = [
        accounts,
        kinds,
        keys,
        (&fences, Type::INT8_ARRAY),
        (&holders, Type::BYTEA_ARRAY),
        (&through, Type::INT8_ARRAY),
        (&seen, Type::INT8_ARRAY),
        (&records.0, Type::BOOL_ARRAY),
        (&records.1, Type::INT4_ARRAY),
        (&records.2, Type::BYTEA_ARRAY),
        (&nexts, Type::INT2_ARRAY),
        (&pauses, Type::INT8_ARRAY),
        (&entry_of, Type::INT4_ARRAY),
        entry_accounts,
        entry_kinds,
        entry_keys,
        (&bodies, Type::BYTEA_ARRAY),
        (&cell_of, Type::INT4_ARRAY),
        (&cell_accounts, Type::TEXT_ARRAY),
        (&cell_keys, Type::TEXT_ARRAY),
        (&cell_values, Type::BYTEA_ARRAY),
    ];
    let sql = "SELECT lp_commit($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18,
        $19, $20, $21)";
    let rows = client.query_typed(sql, &values).await?;
    let fence =
        |row: &Row| Ok(get::<Option<i64>>(row, 0)?.map(|fence| Fence(fence.unsigned_abs())));
    rows.iter().map(fence).collect()
}

/// The number of what is next, as `lp_commit` has it, and its time.
fn next(next: Next) -> (i16, i64) {
    match next {
        Next::Hold(term) => (0, nanos(term)),
        Next::After(pause) => (1, nanos(pause)),
        Next::Idle => (2, 0),
        Next::Gone => (3, 0),
    }
}

async fn extend(client: &Client, leases: &[Lease], term: Duration) -> Result<Vec<bool>, Failure> {
    let names = Names::of(leases.iter().map(|lease| &lease.lane));
    let (fences, holders) = marks(leases.iter());
    let term = nanos(term);
    let [accounts, kinds, keys] = names.typed();
    let values = [
        accounts,
        kinds,
        keys,
        (&fences, Type::INT8_ARRAY),
        (&holders, Type::BYTEA_ARRAY),
        (&term, Type::INT8),
    ];
    let rows = client.query_typed("SELECT lp_extend($1, $2, $3, $4, $5, $6)", &values).await?;
    rows.iter().map(|row| get(row, 0)).collect()
}

async fn read(client: &Client, cells: &[CellId]) -> Result<Vec<Option<Cell>>, Failure> {
    let accounts: Vec<&str> = cells.iter().map(|cell| cell.account.as_str()).collect();
    let keys: Vec<&str> = cells.iter().map(|cell| cell.key.as_str()).collect();
    let values: [Typed<'_>; 2] = [(&accounts, Type::TEXT_ARRAY), (&keys, Type::TEXT_ARRAY)];
    // The time is asked for once: within the join it would be asked for each cell there is.
    // An account that is closed, see the second migration, has no cells to show: what it has may be elsewhere.
    let sql = "SELECT cell.version, cell.value, closed.state
        FROM unnest($1, $2) WITH ORDINALITY AS id (account, key, place)
        CROSS JOIN (SELECT lp_now() AS moment OFFSET 0) AS clock
        LEFT JOIN lp_cell AS cell
            ON cell.account = id.account AND cell.key = id.key AND (cell.until IS NULL OR cell.until > clock.moment)
        LEFT JOIN lp_closed AS closed ON closed.account = id.account AND closed.state BETWEEN 1 AND 3
        ORDER BY id.place";
    let rows = client.query_typed(sql, &values).await?;
    let cell = |row: &Row| {
        match get(row, 2)? {
            None => {}
            Some(2_i16) => return Err(Failure::Moved),
            Some(_) => return Err(Failure::Moving),
        }
        let Some(version) = get::<Option<i64>>(row, 0)? else { return Ok(None) };
        Ok(Some(Cell { version: version.unsigned_abs(), value: get(row, 1)? }))
    };
    rows.iter().map(cell).collect()
}

async fn swap(
    client: &Client,
    cell: &CellId,
    seen: u64,
    value: &[u8],
    life: Option<Duration>,
) -> Result<bool, Failure> {
    let (account, seen, life) = (cell.account.as_str(), signed(seen), life.map(nanos));
    let values: [Typed<'_>; 5] = [
        (&account, Type::TEXT),
        (&cell.key, Type::TEXT),
        (&seen, Type::INT8),
        (&value, Type::BYTEA),
        (&life, Type::INT8),
    ];
    let rows = client.query_typed("SELECT lp_swap($1, $2, $3, $4, $5)", &values).await?;
    rows.first().map_or(Ok(false), |row| get(row, 0))
}

async fn list(
    client: &Client,
    what: &Listed,
    after: Option<&LaneId>,
    limit: usize,
) -> Result<Vec<LaneDetails>, Failure> {
    let (account, kind, key, entries, limit) = match what {
        Listed::Lanes { account, kind } => {
            (account.as_ref().map(|one| one.as_str()), *kind, None, 0, count(limit))
        }
        Listed::Lane(lane) => {
            (Some(lane.account().as_str()), lane.kind(), Some(lane.key()), count(limit), 1)
        }
    };
    let after = after.filter(|_| key.is_none());
    let (a, k, n) = after.map_or(("", 0, ""), |lane| {
        (lane.account().as_str(), i16::from(lane.kind().number()), lane.key())
    });
    let kind = i16::from(kind.number());
    let values: [Typed<'_>; 8] = [
        (&kind, Type::INT2),
        (&account, Type::TEXT),
        (&key, Type::TEXT),
        (&a, Type::TEXT),
        (&k, Type::INT2),
        (&n, Type::TEXT),
        (&limit, Type::INT8),
        (&entries, Type::INT8),
    ];
    let sql = "SELECT lane.account, lane.kind, lane.key, lane.held, lane.due - clock.moment, lane.tail - lane.head,
            lane.version, lane.record, entry.numbers, entry.sizes
        FROM (SELECT lp_now() AS moment) AS clock CROSS JOIN lp_lane AS lane LEFT JOIN LATERAL (
            SELECT array_agg(one.number ORDER BY one.number) AS numbers,
                array_agg(octet_length(one.body) ORDER BY one.number) AS sizes
            FROM (SELECT * FROM lp_entry WHERE lp_entry.lane = lane.id ORDER BY number LIMIT $8) AS one
        ) AS entry ON true
        WHERE lane.kind = $1 AND ($2 IS NULL AND NOT EXISTS (
                SELECT FROM lp_closed AS closed WHERE closed.account = lane.account AND closed.state IN (2, 3)
            ) OR lane.account = $2) AND ($3 IS NULL OR lane.key = $3)
            AND (lane.account, lane.kind, lane.key) > ($4, $5, $6)
        ORDER BY lane.account, lane.kind, lane.key LIMIT $7";
    let rows = client.query_typed(sql, &values).await?;
    if account.is_some() {
        // What was not there may be elsewhere.
        let values: [Typed<'_>; 1] = [(&account, Type::TEXT)];
        client.query_typed("SELECT lp_must_be_open(ARRAY[$1])", &values).await?;
    }
    rows.iter().map(details).collect()
}

fn details(row: &Row) -> Result<LaneDetails, Failure> {
    let due_in: Option<i64> = get(row, 4)?;
    let numbers: Vec<i64> = get::<Option<_>>(row, 8)?.unwrap_or_default();
    let sizes: Vec<i32> = get::<Option<_>>(row, 9)?.unwrap_or_default();
    let sizes = sizes.into_iter().map(|size| usize::try_from(size).unwrap_or(0));
    let summary = LaneSummary {
        lane: lane_id(row)?,
        held: get(row, 3)?,
        due_in: due_in.map(duration),
        overdue: duration(due_in.unwrap_or(0).saturating_neg()),
        entries: unsigned(row, 5)?,
    };
    let entries = numbers.into_iter().map(i64::unsigned_abs).zip(sizes).collect();
    Ok(LaneDetails { summary, record: record(row, 6)?, entries })
}
