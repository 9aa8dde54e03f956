-- The store's counters and clock: one row. One counter serves the fences of all lanes and the versions of all cells, so
-- that what is removed and made anew has no number twice. Times are nanoseconds.
CREATE TABLE lp_store (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    fence INTEGER NOT NULL,
    boot TEXT NOT NULL,      -- the reading of the machine's clocks at the last change
    uptime INTEGER NOT NULL,
    date INTEGER NOT NULL,
    now INTEGER NOT NULL     -- the store's clock at the last change
) STRICT;
INSERT INTO lp_store VALUES (1, 0, '', 0, 0, 0);

-- `due` is schedule and lease at once: the lane of a dead holder simply comes due. The record is last: what stands
-- before a large value is read without it.
CREATE TABLE lp_lane (
    id INTEGER PRIMARY KEY,
    account TEXT NOT NULL,
    kind INTEGER NOT NULL,
    key TEXT NOT NULL,
    due INTEGER,
    held INTEGER NOT NULL,
    holder BLOB,             -- 16 bytes; it stays after a release, so that a repeated commit is known
    fence INTEGER NOT NULL,
    committed_from INTEGER,  -- the fence before the holder's last commit
    committed_at INTEGER,
    head INTEGER NOT NULL,   -- the number of the last consumed entry
    tail INTEGER NOT NULL,   -- the number of the last entry
    version INTEGER,
    record BLOB,
    UNIQUE (account, kind, key)
) STRICT;
CREATE INDEX lp_due ON lp_lane (due) WHERE due IS NOT NULL;

CREATE TABLE lp_entry (
    lane INTEGER NOT NULL,
    number INTEGER NOT NULL,
    body BLOB NOT NULL,
    PRIMARY KEY (lane, number)
) STRICT, WITHOUT ROWID;

CREATE TABLE lp_cell (
    account TEXT NOT NULL,
    key TEXT NOT NULL,
    version INTEGER NOT NULL,
    until INTEGER,
    value BLOB NOT NULL,
    PRIMARY KEY (account, key)
) STRICT;
CREATE INDEX lp_until ON lp_cell (until) WHERE until IS NOT NULL;

PRAGMA application_id = 0x6c706373; -- lpcs
PRAGMA user_version = 1;
