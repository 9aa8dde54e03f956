-- The first version of the store. Times are nanoseconds since 1970, by this server's clock.
--
-- A migration runs while programs of older versions work. It changes no function that they call, and takes away nothing
-- that they use: a function that must change otherwise gets a new name, or other arguments. What cannot be done so says
-- that older programs must not run (`least_program`).
--
-- A function that waits for a row does so for 4 s. The limit stands with the function, not with the session: a pool in
-- transaction mode has no sessions. There is no limit for statements as a whole, which would also end the wait for a
-- standby: what was committed on one server alone would then be answered.

-- The clock of terms and due times. Nothing else may decide what time it is.
CREATE FUNCTION lp_now() RETURNS bigint LANGUAGE sql VOLATILE AS
    $$ SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint * 1000 $$;

-- One sequence serves the fences of all lanes and the versions of all cells, so that what is removed and made anew has
-- no number twice. A number is drawn while its row is locked: a later one is greater.
CREATE SEQUENCE lp_fence;

-- `due` is schedule and lease at once: the lane of a dead holder simply comes due. Rows change all the time: there is
-- room for that in each page, and dead rows are cleaned up early.
CREATE TABLE lp_lane (
    id bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
    account text COLLATE "C" NOT NULL,
    kind smallint NOT NULL,
    key text COLLATE "C" NOT NULL,
    due bigint,
    held boolean NOT NULL,
    holder bytea,            -- 16 bytes; it stays after a release, so that a repeated commit is known
    fence bigint NOT NULL,
    committed_from bigint,   -- the fence before the holder's last commit
    committed_at bigint,
    head bigint NOT NULL,    -- the number of the last consumed entry
    tail bigint NOT NULL,    -- the number of the last entry
    version integer,
    record bytea,
    PRIMARY KEY (account, kind, key)
) WITH (fillfactor = 60, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);
-- In the order of claims: whatever is due, none of it is sorted.
CREATE INDEX lp_due ON lp_lane (due, account, kind, key) WHERE due IS NOT NULL;

CREATE TABLE lp_entry (
    lane bigint NOT NULL,
    number bigint NOT NULL,
    body bytea NOT NULL,
    PRIMARY KEY (lane, number)
) WITH (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);

-- What has expired is not there for anybody, and is removed when there is time.
CREATE TABLE lp_cell (
    account text COLLATE "C" NOT NULL,
    key text COLLATE "C" NOT NULL,
    version bigint NOT NULL,
    until bigint,
    value bytea NOT NULL,
    PRIMARY KEY (account, key)
) WITH (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);
CREATE INDEX lp_until ON lp_cell (until) WHERE until IS NOT NULL;

-- Writes cells with these versions, each cell once, in the order of their keys. An empty value removes a cell.
CREATE FUNCTION lp_write(
    accounts text[], keys text[], contents bytea[], numbers bigint[], until_ bigint
) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    -- All of them in one statement, those that are new and those that go as well: a lock that was taken before or after
    -- would be out of order.
    INSERT INTO lp_cell (account, key, version, until, value)
    SELECT account, key, coalesce(number, 0), until_, content
    FROM unnest(accounts, keys, contents, numbers) AS given (account, key, content, number)
    ORDER BY account COLLATE "C", key COLLATE "C"
    ON CONFLICT (account, key) DO UPDATE SET version = excluded.version, until = excluded.until,
        value = excluded.value;
    DELETE FROM lp_cell AS cell USING unnest(accounts, keys, contents) AS given (account, key, content)
    WHERE octet_length(given.content) = 0 AND cell.account = given.account AND cell.key = given.key;
END $$;

-- Removes cells that have expired, a few at a time, and says how many. One that somebody is at is left for the next
-- time: this waits for nobody, and ends at once.
CREATE FUNCTION lp_prune(most bigint) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    -- A volatile function would be asked for each row.
    moment bigint := lp_now();
    removed bigint;
BEGIN
    DELETE FROM lp_cell WHERE (account, key) IN (
        SELECT account, key FROM lp_cell WHERE until <= moment LIMIT most FOR UPDATE SKIP LOCKED
    );
    GET DIAGNOSTICS removed = ROW_COUNT;
    RETURN removed;
END $$;

-- Adds entries, in order. A lane's row is locked before its numbers are given, and rows are locked in the order of
-- their keys: two appends never wait for each other in a circle.
CREATE FUNCTION lp_append(accounts text[], kinds smallint[], keys text[], bodies bytea[]) RETURNS void
LANGUAGE plpgsql SET lock_timeout = '4s' AS $$
DECLARE
    moment bigint := lp_now();
BEGIN
    WITH given AS (
        SELECT * FROM unnest(accounts, kinds, keys, bodies) WITH ORDINALITY
            AS one (account, kind, key, body, place)
    ), lanes AS (
        INSERT INTO lp_lane AS lane (account, kind, key, due, held, fence, head, tail)
        SELECT account, kind, key, moment, false, 0, 0, count(*) FROM given
        GROUP BY account, kind, key
        ORDER BY account COLLATE "C", kind, key COLLATE "C"
        ON CONFLICT (account, kind, key) DO UPDATE SET tail = lane.tail + excluded.tail,
            due = CASE WHEN lane.held THEN lane.due ELSE least(lane.due, excluded.due) END
        RETURNING id, account, kind, key, tail
    )
    INSERT INTO lp_entry (lane, number, body)
    SELECT id, tail + 1 - row_number() OVER (PARTITION BY id ORDER BY place DESC), body
    FROM given JOIN lanes USING (account, kind, key);
END $$;

-- Adds those of the entries whose owner is among `chosen`.
CREATE FUNCTION lp_append_of(
    chosen integer[], owners integer[], accounts text[], kinds smallint[], keys text[], bodies bytea[]
) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF owners && chosen THEN
        PERFORM lp_append(
            array_agg(e.account ORDER BY e.place), array_agg(e.kind ORDER BY e.place),
            array_agg(e.key ORDER BY e.place), array_agg(e.body ORDER BY e.place)
        ) FROM unnest(owners, accounts, kinds, keys, bodies) WITH ORDINALITY
            AS e (owner, account, kind, key, body, place)
        WHERE e.owner = ANY (chosen);
    END IF;
END $$;

-- Leases lanes that are due after `low`, the longest due first, until what is given has `budget` bytes. A lane that
-- somebody is working on at this moment is passed over.
CREATE FUNCTION lp_claim(
    holder_ bytea, lanes_ bigint, entries_ bigint, term bigint, speaks integer, low bigint, budget bigint
) RETURNS TABLE (
    account text, kind smallint, key text, fence bigint, taken_over boolean, elapsed bigint,
    version integer, record bytea, numbers bigint[], bodies bytea[], more boolean, was_due bigint
) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    moment bigint := lp_now();
    bytes bigint := 0;
    lane record;
BEGIN
    FOR lane IN
        SELECT one.* FROM lp_lane AS one
        WHERE one.due > low AND one.due <= moment AND (one.version IS NULL OR one.version <= speaks)
        ORDER BY one.due, one.account, one.kind, one.key LIMIT lanes_ FOR UPDATE SKIP LOCKED
    LOOP
        EXIT WHEN bytes >= budget;
        bytes := bytes + coalesce(octet_length(lane.record), 0);
        SELECT array_agg(given.number ORDER BY given.number), array_agg(given.body ORDER BY given.number),
            bytes + coalesce(sum(octet_length(given.body)), 0)
        INTO numbers, bodies, bytes
        FROM (
            SELECT entry.number, entry.body, row_number() OVER ascending AS place,
                sum(octet_length(entry.body)) OVER ascending - octet_length(entry.body) AS before
            FROM (
                SELECT * FROM lp_entry WHERE lp_entry.lane = lane.id AND number > lane.head
                ORDER BY number LIMIT entries_
            ) AS entry
            WINDOW ascending AS (ORDER BY entry.number)
        ) AS given
        WHERE given.place = 1 OR bytes + given.before < budget;
        fence := nextval('lp_fence');
        UPDATE lp_lane AS one SET fence = lp_claim.fence, holder = holder_, held = true, due = moment + term,
            committed_from = NULL
        WHERE one.id = lane.id;
        account := lane.account;
        kind := lane.kind;
        key := lane.key;
        taken_over := lane.held;
        elapsed := moment - coalesce(lane.committed_at, moment);
        version := lane.version;
        record := lane.record;
        more := lane.tail - lane.head > coalesce(array_length(numbers, 1), 0);
        was_due := lane.due;
        RETURN NEXT;
    END LOOP;
END $$;

-- Ends steps of work, each for itself, and gives the new fences in their order: NULL where the lease was lost.
-- `own` holds one element for each commit; `entry_of` and `cell_of` say which commit an entry or a cell belongs to.
CREATE FUNCTION lp_commit(
    accounts text[], kinds smallint[], keys text[], fences bigint[], holders bytea[],
    through bigint[], seen bigint[], keeps boolean[], versions integer[], records bytea[],
    nexts smallint[], pauses bigint[],
    entry_of integer[], entry_accounts text[], entry_kinds smallint[], entry_keys text[], entry_bodies bytea[],
    cell_of integer[], cell_accounts text[], cell_keys text[], cell_values bytea[]
) RETURNS SETOF bigint LANGUAGE plpgsql SET lock_timeout = '4s' AS $$
DECLARE
    lane record;
    moment bigint;
    consumed bigint;
    new_fence bigint;
    done integer[] := '{}';
    numbers bigint[] := array_fill(NULL::bigint, ARRAY[coalesce(array_length(cell_of, 1), 0)]);
    -- Each commit is by itself, one after the other. Where none appends to a lane of another one, that is the same as
    -- all appends at the end, which is one statement.
    crosses boolean := EXISTS (
        SELECT * FROM unnest(accounts, kinds, keys)
        INTERSECT SELECT * FROM unnest(entry_accounts, entry_kinds, entry_keys)
    );
    holds CONSTANT smallint := 0;
    after_pause CONSTANT smallint := 1;
    gone CONSTANT smallint := 3;
BEGIN
    -- Every row that this touches, in the order of the keys, before any of them is changed.
    PERFORM 1 FROM lp_lane AS touched
    WHERE (touched.account, touched.kind, touched.key) IN (
        SELECT * FROM unnest(accounts, kinds, keys)
        UNION SELECT * FROM unnest(entry_accounts, entry_kinds, entry_keys)
    )
    ORDER BY touched.account, touched.kind, touched.key FOR UPDATE;
    moment := lp_now();
    FOR i IN 1 .. coalesce(array_length(accounts, 1), 0) LOOP
        -- The lease holds, or the answer to this very commit was lost.
        SELECT * INTO lane FROM lp_lane AS one
        WHERE one.account = accounts[i] AND one.kind = kinds[i] AND one.key = keys[i]
            AND one.holder = holders[i]
            AND (one.held AND one.fence = fences[i] OR one.committed_from = fences[i]);
        IF NOT FOUND THEN
            RETURN NEXT NULL;
            CONTINUE;
        END IF;
        IF lane.fence <> fences[i] THEN
            RETURN NEXT lane.fence;
            CONTINUE;
        END IF;
        new_fence := nextval('lp_fence');
        -- What was given, and no more.
        consumed := greatest(lane.head, least(through[i], lane.tail));
        DELETE FROM lp_entry WHERE lp_entry.lane = lane.id AND number > lane.head AND number <= consumed;
        IF nexts[i] = gone AND consumed = lane.tail THEN
            DELETE FROM lp_lane WHERE id = lane.id;
        ELSE
            UPDATE lp_lane SET committed_from = fence, fence = new_fence, committed_at = moment,
                head = consumed, held = nexts[i] = holds,
                due = CASE
                    WHEN nexts[i] = holds THEN moment + pauses[i]
                    WHEN nexts[i] = gone THEN moment
                    WHEN tail > greatest(seen[i], consumed) THEN moment
                    WHEN nexts[i] = after_pause THEN moment + pauses[i]
                END,
                version = CASE WHEN nexts[i] = gone THEN NULL WHEN keeps[i] THEN version ELSE versions[i] END,
                record = CASE WHEN nexts[i] = gone THEN NULL WHEN keeps[i] THEN record ELSE records[i] END
            WHERE id = lane.id;
        END IF;
        done := done || i;
        IF crosses THEN
            PERFORM lp_append_of(
                ARRAY[i], entry_of, entry_accounts, entry_kinds, entry_keys, entry_bodies
            );
        END IF;
        IF cell_of && ARRAY[i] THEN
            -- Versions have the order of the commits, and locks that of the keys.
            FOR place IN 1 .. array_length(cell_of, 1) LOOP
                IF cell_of[place] = i AND octet_length(cell_values[place]) > 0 THEN
                    numbers[place] := nextval('lp_fence');
                END IF;
            END LOOP;
        END IF;
        RETURN NEXT new_fence;
    END LOOP;
    IF NOT crosses THEN
        PERFORM lp_append_of(done, entry_of, entry_accounts, entry_kinds, entry_keys, entry_bodies);
    END IF;
    -- A cell keeps what the last commit wrote.
    IF cell_of && done THEN
        PERFORM lp_write(
            array_agg(one.account), array_agg(one.key), array_agg(one.content), array_agg(one.number), NULL
        ) FROM (
            SELECT DISTINCT ON (account, key) account, key, content, number
            FROM unnest(cell_of, cell_accounts, cell_keys, cell_values, numbers) WITH ORDINALITY
                AS c (owner, account, key, content, number, place)
            WHERE owner = ANY (done) ORDER BY account, key, place DESC
        ) AS one;
    END IF;
END $$;

-- Leases lanes for another term, and says which ones were still held.
CREATE FUNCTION lp_extend(
    accounts text[], kinds smallint[], keys text[], fences bigint[], holders bytea[], term bigint
) RETURNS SETOF boolean LANGUAGE plpgsql SET lock_timeout = '4s' AS $$
DECLARE
    until bigint;
    kept bigint[];
BEGIN
    PERFORM 1 FROM lp_lane AS lane
    WHERE (lane.account, lane.kind, lane.key) IN (SELECT * FROM unnest(accounts, kinds, keys))
    ORDER BY lane.account, lane.kind, lane.key FOR UPDATE;
    until := lp_now() + term;
    SELECT array_agg(lease.place) INTO kept
    FROM unnest(accounts, kinds, keys, fences, holders) WITH ORDINALITY
        AS lease (account, kind, key, fence, holder, place)
    JOIN lp_lane AS lane USING (account, kind, key)
    WHERE lane.held AND lane.fence = lease.fence AND lane.holder = lease.holder;
    UPDATE lp_lane AS lane SET due = until
    FROM unnest(kept) AS one (place)
    WHERE lane.account = accounts[one.place] AND lane.kind = kinds[one.place]
        AND lane.key = keys[one.place];
    FOR i IN 1 .. coalesce(array_length(accounts, 1), 0) LOOP
        RETURN NEXT coalesce(i = ANY (kept), false);
    END LOOP;
END $$;

-- Writes a cell if nobody else did since version `seen`. One that has expired, or is not there, has version 0.
CREATE FUNCTION lp_swap(account_ text, key_ text, seen bigint, value_ bytea, life bigint) RETURNS boolean
LANGUAGE plpgsql SET lock_timeout = '4s' AS $$
DECLARE
    cell record;
    moment bigint;
BEGIN
    SELECT version, until, value INTO cell FROM lp_cell WHERE account = account_ AND key = key_ FOR UPDATE;
    moment := lp_now();
    IF cell.version IS NULL OR cell.until <= moment THEN
        IF seen <> 0 THEN
            -- It is gone, as it should be: the answer to this very swap may have been lost.
            RETURN octet_length(value_) = 0;
        ELSIF cell.version IS NULL AND octet_length(value_) > 0 THEN
            -- Somebody else may make it at this moment.
            INSERT INTO lp_cell VALUES (account_, key_, nextval('lp_fence'), moment + life, value_)
            ON CONFLICT DO NOTHING;
            IF NOT FOUND THEN
                RETURN lp_swap(account_, key_, seen, value_, life);
            END IF;
            RETURN true;
        END IF;
    ELSIF cell.version <> seen THEN
        -- The answer to this very swap may have been lost.
        RETURN cell.version > seen AND cell.value = value_;
    END IF;
    PERFORM lp_write(
        ARRAY[account_], ARRAY[key_], ARRAY[value_], ARRAY[CASE WHEN octet_length(value_) > 0 THEN nextval('lp_fence') END],
        moment + life
    );
    RETURN true;
END $$;
