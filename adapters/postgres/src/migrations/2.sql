-- An account moves to another database. While it does, and afterwards, it is closed here: what was a function is the
-- inner one of the same name with a check, and programs of the version before call it as ever.
--
-- Who closes an account locks the table against all who check it, and waits for those who have: whatever was answered
-- before is there, and nothing is done afterwards. Calls of before this migration do not check: a move waits until they
-- are over.

-- 0: it has moved, and is open. 1: it moves away. 2: it is elsewhere. 3: it moves to here, and is not whole yet. 4: it has come, and is open; the
-- database that it comes from may not know that yet.
CREATE TABLE lp_closed (
    account text COLLATE "C" PRIMARY KEY,
    state smallint NOT NULL,
    move text NOT NULL  -- the same on both sides
);

-- When lanes of an account that moves are due. They are not due themselves: nobody claims them.
CREATE TABLE lp_parked (
    lane bigint PRIMARY KEY,
    account text COLLATE "C" NOT NULL,
    fence bigint NOT NULL,
    due bigint NOT NULL
);
CREATE INDEX lp_parked_of ON lp_parked (account);

-- Whoever may use the tables may use these: a program goes on that is not the one who makes them.
DO $$
DECLARE
    one record;
BEGIN
    FOR one IN
        SELECT acl.grantee, acl.privilege_type FROM pg_class AS class, aclexplode(class.relacl) AS acl
        WHERE class.oid = 'lp_lane'::regclass AND acl.grantee <> class.relowner
    LOOP
        EXECUTE format('GRANT %s ON lp_closed, lp_parked TO %s', one.privilege_type,
            CASE one.grantee WHEN 0 THEN 'PUBLIC' ELSE one.grantee::regrole::text END);
    END LOOP;
END $$;

-- Changes an account's state from what it was, NULL if there is none, to another one of this move, and says whether it
-- was so. It waits for a moment only, because all others wait behind it: it is to be tried again.
CREATE FUNCTION lp_close(account_ text, was smallint, was_move text, state_ smallint, move_ text) RETURNS boolean
LANGUAGE plpgsql SET lock_timeout = '100ms' AS $$
DECLARE
    found_ record;
BEGIN
    LOCK TABLE lp_closed IN EXCLUSIVE MODE;
    SELECT state, move INTO found_ FROM lp_closed WHERE account = account_;
    IF found_.state IS DISTINCT FROM was OR found_.move IS DISTINCT FROM was_move THEN
        RETURN false;
    END IF;
    INSERT INTO lp_closed VALUES (account_, state_, move_)
    ON CONFLICT (account) DO UPDATE SET state = state_, move = move_;
    RETURN true;
END $$;

-- A step of a move. It fails if the account is not in this state of this move any more; until the step ends, it stays so.
CREATE FUNCTION lp_step(account_ text, move_ text, state_ smallint) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM FROM lp_closed WHERE account = account_ AND move = move_ AND state = state_ FOR UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'another program has gone on with the move' USING ERRCODE = 'LPM03';
    END IF;
END $$;

-- The account has come, and is like any other one.
CREATE FUNCTION lp_forget(account_ text, move_ text) RETURNS void LANGUAGE plpgsql SET lock_timeout = '4s' AS $$
BEGIN
    PERFORM lp_step(account_, move_, 4::smallint);
    -- The row stays: who still takes the account for one that has never moved is refused.
    UPDATE lp_closed SET state = 0 WHERE account = account_;
END $$;

-- Makes fences and versions go on from those that an account brings with it. Claims draw numbers beside this: a million
-- of them are left to those.
CREATE FUNCTION lp_draw_from(account_ text, move_ text, last bigint) RETURNS void
LANGUAGE plpgsql SET lock_timeout = '100ms' AS $$
BEGIN
    LOCK TABLE lp_closed IN EXCLUSIVE MODE;
    PERFORM lp_step(account_, move_, 3::smallint);
    IF nextval('lp_fence') <= last THEN
        PERFORM setval('lp_fence', last + 1000000);
    END IF;
END $$;

-- Makes up to `most` lanes of an account that moves away claimable no more, and says how many.
CREATE FUNCTION lp_park(account_ text, move_ text, most bigint) RETURNS bigint
LANGUAGE plpgsql SET lock_timeout = '4s' AS $$
DECLARE
    count bigint;
BEGIN
    PERFORM lp_step(account_, move_, 1::smallint);
    WITH batch AS (
        SELECT id, fence, due FROM lp_lane WHERE account = account_ AND due IS NOT NULL
        ORDER BY kind, key LIMIT most FOR UPDATE
    ), parked AS (
        INSERT INTO lp_parked SELECT id, account_, fence, due FROM batch
    )
    UPDATE lp_lane SET due = NULL FROM batch WHERE lp_lane.id = batch.id;
    GET DIAGNOSTICS count = ROW_COUNT;
    RETURN count;
END $$;

-- Makes up to `most` lanes of an account that has come due again, and says how many. What was claimed or extended
-- meanwhile has its own time. What was due before is due now: claims do not look far back.
CREATE FUNCTION lp_unpark(account_ text, move_ text, most bigint) RETURNS bigint
LANGUAGE plpgsql SET lock_timeout = '4s' AS $$
DECLARE
    lanes bigint[];
    moment bigint;
BEGIN
    PERFORM lp_step(account_, move_, 4::smallint);
    lanes := ARRAY(SELECT lane FROM lp_parked WHERE account = account_ LIMIT most);
    PERFORM 1 FROM lp_lane WHERE id = ANY (lanes) ORDER BY account, kind, key FOR UPDATE;
    moment := lp_now();
    UPDATE lp_lane SET due = least(lp_lane.due, greatest(parked.due, moment)) FROM lp_parked AS parked
    WHERE parked.lane = ANY (lanes) AND lp_lane.id = parked.lane AND lp_lane.fence = parked.fence
        AND (lp_lane.due IS NULL OR NOT lp_lane.held);
    DELETE FROM lp_parked WHERE lane = ANY (lanes);
    RETURN coalesce(array_length(lanes, 1), 0);
END $$;

-- Removes up to `most` lanes of an account that is elsewhere with all that belongs to them, and as many cells, and says
-- how many.
CREATE FUNCTION lp_remove(account_ text, move_ text, most bigint) RETURNS bigint
LANGUAGE plpgsql SET lock_timeout = '4s' AS $$
DECLARE
    lanes bigint[];
    count bigint;
BEGIN
    PERFORM lp_step(account_, move_, 2::smallint);
    lanes := ARRAY(SELECT id FROM lp_lane WHERE account = account_ ORDER BY kind, key LIMIT most FOR UPDATE);
    DELETE FROM lp_entry WHERE lane = ANY (lanes);
    DELETE FROM lp_parked WHERE lane = ANY (lanes);
    DELETE FROM lp_lane WHERE id = ANY (lanes);
    DELETE FROM lp_cell WHERE (account, key) IN (
        SELECT account, key FROM lp_cell WHERE account = account_ ORDER BY key LIMIT most FOR UPDATE
    );
    GET DIAGNOSTICS count = ROW_COUNT;
    RETURN count + coalesce(array_length(lanes, 1), 0);
END $$;

-- Writes lanes, entries or cells of an account that comes, from JSON arrays: times are from now on, bytes hexadecimal.
-- What is there already stays.
CREATE FUNCTION lp_bring_lanes(account_ text, move_ text, given_ jsonb) RETURNS void
LANGUAGE plpgsql SET lock_timeout = '4s' AS $$
DECLARE
    moment bigint := lp_now();
BEGIN
    PERFORM lp_step(account_, move_, 3::smallint);
    WITH given AS (
        SELECT * FROM jsonb_to_recordset(given_) AS one (kind smallint, key text, held boolean, holder text,
            fence bigint, committed_from bigint, committed bigint, head bigint, tail bigint, version integer,
            record text, due bigint)
    ), lanes AS (
        INSERT INTO lp_lane (account, kind, key, held, holder, fence, committed_from, committed_at, head, tail, version,
            record)
        SELECT account_, kind, key, held, decode(holder, 'hex'), fence, committed_from, moment + committed, head, tail,
            version, decode(record, 'hex')
        FROM given ON CONFLICT DO NOTHING RETURNING id, kind, key
    )
    INSERT INTO lp_parked SELECT id, account_, fence, moment + due FROM lanes JOIN given USING (kind, key)
    WHERE due IS NOT NULL;
END $$;

CREATE FUNCTION lp_bring_entries(account_ text, move_ text, given_ jsonb) RETURNS void
LANGUAGE plpgsql SET lock_timeout = '4s' AS $$
BEGIN
    PERFORM lp_step(account_, move_, 3::smallint);
    INSERT INTO lp_entry
    SELECT lane.id, one.number, decode(one.body, 'hex')
    FROM jsonb_to_recordset(given_) AS one (kind smallint, key text, number bigint, body text)
    JOIN lp_lane AS lane ON lane.account = account_ AND lane.kind = one.kind AND lane.key = one.key
    ON CONFLICT DO NOTHING;
END $$;

CREATE FUNCTION lp_bring_cells(account_ text, move_ text, given_ jsonb) RETURNS void
LANGUAGE plpgsql SET lock_timeout = '4s' AS $$
DECLARE
    moment bigint := lp_now();
BEGIN
    PERFORM lp_step(account_, move_, 3::smallint);
    INSERT INTO lp_cell (account, key, version, until, value)
    SELECT account_, key, version, moment + until, decode(value, 'hex')
    FROM jsonb_to_recordset(given_) AS one (key text, version bigint, until bigint, value text)
    ON CONFLICT DO NOTHING;
END $$;

-- Those of the accounts that are closed. It is asked before anything is changed, and holds until the transaction ends.
CREATE FUNCTION lp_closed_of(accounts text[]) RETURNS text[] LANGUAGE plpgsql AS $$
BEGIN
    -- A transaction that does not look anew at each step would not see what it has waited for.
    IF current_setting('transaction_isolation') <> 'read committed' THEN
        RAISE EXCEPTION 'the bridge needs default_transaction_isolation = read committed' USING ERRCODE = 'LPM04';
    END IF;
    LOCK TABLE lp_closed IN ROW SHARE MODE;
    RETURN ARRAY(SELECT account FROM lp_closed WHERE account = ANY (accounts) AND state BETWEEN 1 AND 3);
END $$;

-- Fails if one of the accounts is closed.
CREATE FUNCTION lp_must_be_open(accounts text[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    closed text[] := lp_closed_of(accounts);
BEGIN
    IF array_length(closed, 1) > 0 THEN
        IF EXISTS (SELECT FROM lp_closed WHERE account = ANY (closed) AND state <> 2) THEN
            RAISE EXCEPTION 'the account is being moved to another database' USING ERRCODE = 'LPM01';
        END IF;
        RAISE EXCEPTION 'the account is on another database' USING ERRCODE = 'LPM02';
    END IF;
END $$;

-- A lease on a lane of a closed account is lost.
CREATE FUNCTION lp_fences(accounts text[], fences bigint[]) RETURNS bigint[] LANGUAGE plpgsql AS $$
DECLARE
    closed text[] := lp_closed_of(accounts);
BEGIN
    IF coalesce(array_length(closed, 1), 0) = 0 THEN
        RETURN fences;
    END IF;
    RETURN ARRAY(
        SELECT CASE WHEN account = ANY (closed) THEN -1 ELSE fence END
        FROM unnest(accounts, fences) WITH ORDINALITY AS one (account, fence, place) ORDER BY place
    );
END $$;

ALTER FUNCTION lp_append(text[], smallint[], text[], bytea[]) RENAME TO lp_append_here;
CREATE FUNCTION lp_append(accounts text[], kinds smallint[], keys text[], bodies bytea[]) RETURNS void
LANGUAGE plpgsql SET lock_timeout = '4s' AS $$
BEGIN
    PERFORM lp_must_be_open(accounts);
    PERFORM lp_append_here(accounts, kinds, keys, bodies);
END $$;

ALTER FUNCTION lp_commit(
    text[], smallint[], text[], bigint[], bytea[], bigint[], bigint[], boolean[], integer[], bytea[], smallint[],
    bigint[], integer[], text[], smallint[], text[], bytea[], integer[], text[], text[], bytea[]
) RENAME TO lp_commit_here;
CREATE FUNCTION lp_commit(
    accounts text[], kinds smallint[], keys text[], fences bigint[], holders bytea[],
    through bigint[], seen bigint[], keeps boolean[], versions integer[], records bytea[],
    nexts smallint[], pauses bigint[],
    entry_of integer[], entry_accounts text[], entry_kinds smallint[], entry_keys text[], entry_bodies bytea[],
    cell_of integer[], cell_accounts text[], cell_keys text[], cell_values bytea[]
) RETURNS SETOF bigint LANGUAGE plpgsql SET lock_timeout = '4s' AS $$
BEGIN
    RETURN QUERY SELECT * FROM lp_commit_here(
        accounts, kinds, keys, lp_fences(accounts, fences), holders, through, seen, keeps, versions, records, nexts,
        pauses, entry_of, entry_accounts, entry_kinds, entry_keys, entry_bodies,
        cell_of, cell_accounts, cell_keys, cell_values
    );
END $$;

ALTER FUNCTION lp_extend(text[], smallint[], text[], bigint[], bytea[], bigint) RENAME TO lp_extend_here;
CREATE FUNCTION lp_extend(
    accounts text[], kinds smallint[], keys text[], fences bigint[], holders bytea[], term bigint
) RETURNS SETOF boolean LANGUAGE plpgsql SET lock_timeout = '4s' AS $$
BEGIN
    RETURN QUERY SELECT * FROM lp_extend_here(accounts, kinds, keys, lp_fences(accounts, fences), holders, term);
END $$;

ALTER FUNCTION lp_swap(text, text, bigint, bytea, bigint) RENAME TO lp_swap_here;
CREATE FUNCTION lp_swap(account_ text, key_ text, seen bigint, value_ bytea, life bigint) RETURNS boolean
LANGUAGE plpgsql SET lock_timeout = '4s' AS $$
BEGIN
    PERFORM lp_must_be_open(ARRAY[account_]);
    RETURN lp_swap_here(account_, key_, seen, value_, life);
END $$;
