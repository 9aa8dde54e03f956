-- An account moves to another database. While it does, and afterwards, it is closed here: what was a function is the
-- inner one of the same name with a check, and programs of the version before call it as ever.
--
-- Who closes an account locks the table against all who check it, and waits for those who have: whatever was answered
-- before is there, and nothing is done afterwards.

-- 1: it moves away. 2: it is elsewhere. 3: it moves to here, and is not whole yet. 4: it has come, and is open; the
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

-- Closes an account, with this state; or opens it, with state 4.
CREATE FUNCTION lp_close(account_ text, state_ smallint, move_ text) RETURNS void
LANGUAGE plpgsql SET lock_timeout = '4s' AS $$
BEGIN
    LOCK TABLE lp_closed IN EXCLUSIVE MODE;
    INSERT INTO lp_closed VALUES (account_, state_, move_)
    ON CONFLICT (account) DO UPDATE SET state = state_, move = move_;
END $$;

-- Makes fences and versions go on from those that an account brings with it. Claims draw numbers beside this: a million
-- of them are left to those.
CREATE FUNCTION lp_draw_from(last bigint) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF nextval('lp_fence') <= last THEN
        PERFORM setval('lp_fence', last + 1000000);
    END IF;
END $$;

-- Makes up to `most` lanes of a closed account claimable no more, and says how many.
CREATE FUNCTION lp_park(account_ text, most bigint) RETURNS bigint LANGUAGE plpgsql SET lock_timeout = '4s' AS $$
DECLARE
    count bigint;
BEGIN
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

-- Makes up to `most` lanes of an account that has come due again, and says how many. What was claimed meanwhile has its
-- own time. What was due before is due now: claims do not look far back.
CREATE FUNCTION lp_unpark(account_ text, most bigint) RETURNS bigint LANGUAGE plpgsql SET lock_timeout = '4s' AS $$
DECLARE
    lanes bigint[] := ARRAY(SELECT lane FROM lp_parked WHERE account = account_ LIMIT most);
    moment bigint;
BEGIN
    PERFORM 1 FROM lp_lane WHERE id = ANY (lanes) ORDER BY account, kind, key FOR UPDATE;
    moment := lp_now();
    UPDATE lp_lane SET due = least(lp_lane.due, greatest(parked.due, moment)) FROM lp_parked AS parked
    WHERE parked.lane = ANY (lanes) AND lp_lane.id = parked.lane AND lp_lane.fence = parked.fence;
    DELETE FROM lp_parked WHERE lane = ANY (lanes);
    RETURN coalesce(array_length(lanes, 1), 0);
END $$;

-- Removes up to `most` lanes of an account with all that belongs to them, or as many cells, and says how many.
CREATE FUNCTION lp_remove(account_ text, most bigint) RETURNS bigint LANGUAGE plpgsql SET lock_timeout = '4s' AS $$
DECLARE
    lanes bigint[] := ARRAY(
        SELECT id FROM lp_lane WHERE account = account_ ORDER BY kind, key LIMIT most FOR UPDATE
    );
    count bigint;
BEGIN
    DELETE FROM lp_entry WHERE lane = ANY (lanes);
    DELETE FROM lp_parked WHERE lane = ANY (lanes);
    DELETE FROM lp_lane WHERE id = ANY (lanes);
    DELETE FROM lp_cell WHERE (account, key) IN (
        SELECT account, key FROM lp_cell WHERE account = account_ ORDER BY key LIMIT most FOR UPDATE
    );
    GET DIAGNOSTICS count = ROW_COUNT;
    RETURN count + coalesce(array_length(lanes, 1), 0);
END $$;

-- Those of the accounts that are closed. It is asked before anything is changed, and holds until the transaction ends.
CREATE FUNCTION lp_closed_of(accounts text[]) RETURNS text[] LANGUAGE plpgsql AS $$
BEGIN
    LOCK TABLE lp_closed IN ROW SHARE MODE;
    RETURN ARRAY(SELECT account FROM lp_closed WHERE account = ANY (accounts) AND state < 4);
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
