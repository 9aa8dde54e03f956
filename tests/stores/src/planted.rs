//! Faults that the functions on the PostgreSQL server might have.

use crate::Disorder;
use crate::traps::Trap;

/// What the store's first migration makes: its functions are what is planted in.
const SCHEMA: &str = include_str!("../../../adapters/postgres/src/migrations/1.sql");

/// A fault of the functions on the PostgreSQL server, as a change of their text.
#[derive(Debug)]
#[non_exhaustive]
pub struct PlantedSql {
    /// The fault.
    pub name: &'static str,
    /// What finds it.
    pub found_by: Finder,
    edits: &'static [(&'static str, &'static str)],
}

/// What finds a fault.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Finder {
    /// The [case](crate::CASES) of this name.
    Case(&'static str),
    /// A [`storm`](crate::storm), which finds one of these.
    Storm(&'static [Disorder]),
    /// A trap of PostgreSQL's own.
    Trap(Trap),
}

impl PlantedSql {
    /// The functions with the fault in them, in place of those that are there.
    ///
    /// # Panics
    /// A text that is to be changed is not there, or not once: the functions have changed, and this table has not.
    #[must_use]
    pub fn functions(&self) -> String {
        let mut schema = SCHEMA.to_owned();
        for (text, fault) in self.edits {
            assert_eq!(schema.matches(text).count(), 1, "{}: {text:?}", self.name);
            schema = schema.replace(text, fault);
        }
        assert_ne!(schema, SCHEMA, "{}: nothing is changed", self.name);
        functions(&schema)
    }
}

/// The functions of a text, in place of those that are there.
fn functions(schema: &str) -> String {
    let created = schema.split("CREATE FUNCTION").skip(1).map(|rest| {
        let body = rest.find("$$").unwrap() + 2;
        let end = body + rest[body..].find("$$;").unwrap() + 3;
        format!("CREATE OR REPLACE FUNCTION{}\n", &rest[..end])
    });
    created.collect()
}

macro_rules! planted {
    ($($name:literal: $finder:expr => $(($text:expr, $fault:expr)),+;)*) => {
        /// All of them.
        pub const PLANTED_SQL: &[PlantedSql] =
            &[$(PlantedSql { name: $name, found_by: $finder, edits: &[$(($text, $fault)),+] }),*];
    };
}

use Finder::{Case, Storm, Trap as Found};

const LOCK: &str = "    PERFORM 1 FROM lp_lane AS touched
    WHERE (touched.account, touched.kind, touched.key) IN (
        SELECT * FROM unnest(accounts, kinds, keys)
        UNION SELECT * FROM unnest(entry_accounts, entry_kinds, entry_keys)
    )
    ORDER BY touched.account, touched.kind, touched.key FOR UPDATE;\n";
const LOCK_ORDER: &str = "ORDER BY touched.account, touched.kind, touched.key FOR UPDATE;";
const LOCK_OTHER_ORDER: &str =
    "ORDER BY touched.account DESC, touched.kind DESC, touched.key DESC FOR UPDATE;";
const WRITE: &str = "BEGIN\n    -- All of them in one statement,";
const CONSUMED: &str = "consumed := greatest(lane.head, least(through[i], lane.tail));";
const LOST: &str = "            RETURN NEXT NULL;\n            CONTINUE;";
const CLAIMED_FENCE: &str = "        fence := nextval('lp_fence');";
const COMMITTED_FENCE: &str = "new_fence := nextval('lp_fence');";
const TAILS: &str = "    new_fence bigint;
    tails bigint[] := ARRAY(
        SELECT tail FROM unnest(accounts, kinds, keys) WITH ORDINALITY AS own (account, kind, key, place)
        LEFT JOIN lp_lane USING (account, kind, key) ORDER BY place
    );\n";
const NEWS: &str = "WHEN tail > greatest(seen[i], consumed) THEN moment\n";

planted! {
    // The five traps.
    "commit consumes the tail": Case("a_commit_consumes_what_was_given")
        => (CONSUMED, "consumed := lane.tail;");
    "commit consumes the tail, many at once": Storm(&[Disorder::Lost])
        => (CONSUMED, "consumed := lane.tail;");
    "due does not look at the tail": Case("what_came_meanwhile_makes_the_lane_due") => (NEWS, "\n");
    "due does not look at the tail, many at once": Storm(&[Disorder::Stuck]) => (NEWS, "\n");
    "due looks at a tail that was read before the lock": Found(Trap::Sticks)
        => ("    new_fence bigint;\n", TAILS), (NEWS, "WHEN tails[i] > greatest(seen[i], consumed) THEN moment\n");
    "append locks lanes as they come": Found(Trap::Circles)
        => ("ORDER BY account COLLATE \"C\", kind, key COLLATE \"C\"\n        ON", "ORDER BY min(place)\n        ON");
    "append locks lanes in the order of a language": Found(Trap::Circles)
        => ("ORDER BY account COLLATE \"C\", kind, key COLLATE \"C\"\n        ON",
            "ORDER BY account COLLATE \"C\", kind, lower(key) COLLATE \"C\"\n        ON");
    "commit locks lanes as they come": Found(Trap::Circles) => (LOCK, "");
    "commit locks its own lanes first": Found(Trap::Circles)
        => ("        SELECT * FROM unnest(accounts, kinds, keys)\n        UNION SELECT * FROM unnest(entry_accounts, entry_kinds, entry_keys)\n    )",
            "        SELECT * FROM unnest(accounts, kinds, keys)\n    )");
    "commit locks lanes in another order": Found(Trap::Circles) => (LOCK_ORDER, LOCK_OTHER_ORDER);
    "commit locks lanes in another order, many at once": Storm(&[Disorder::Repeated])
        => (LOCK_ORDER, LOCK_OTHER_ORDER);
    "commit locks lanes by their keys first": Found(Trap::Circles)
        => (LOCK_ORDER, "ORDER BY touched.key, touched.account, touched.kind FOR UPDATE;");
    "extend locks lanes as they come": Found(Trap::Circles)
        => ("    ORDER BY lane.account, lane.kind, lane.key FOR UPDATE;", "    LIMIT 0;");
    "extend locks lanes in another order": Found(Trap::Circles)
        => ("ORDER BY lane.account, lane.kind, lane.key FOR UPDATE;",
            "ORDER BY lane.account DESC, lane.kind DESC, lane.key DESC FOR UPDATE;");
    "commit locks cells as they come": Found(Trap::Circles)
        => ("    ORDER BY account COLLATE \"C\", key COLLATE \"C\"\n    ON", "    ON"),
            ("WHERE owner = ANY (done) ORDER BY account, key, place DESC\n        ) AS one;",
             "WHERE owner = ANY (done) ORDER BY place\n        ) AS one;"),
            ("array_agg(one.account), array_agg(one.key), array_agg(one.content), array_agg(one.number), NULL",
             "ARRAY[one.account], ARRAY[one.key], ARRAY[one.content], ARRAY[one.number], NULL"),
            ("            SELECT DISTINCT ON (account, key) account, key, content, number\n", "            SELECT account, key, content, number\n");
    "commit locks cells that are there before new ones": Found(Trap::Circles)
        => (WRITE, "BEGIN
    PERFORM 1 FROM lp_cell AS cell WHERE (cell.account, cell.key) IN (SELECT * FROM unnest(accounts, keys))
    ORDER BY cell.account, cell.key FOR UPDATE;\n    --");
    "commit locks cells that go before those that stay": Found(Trap::Circles)
        => (WRITE, "BEGIN
    DELETE FROM lp_cell AS cell USING unnest(accounts, keys, contents) AS given (account, key, content)
    WHERE octet_length(given.content) = 0 AND cell.account = given.account AND cell.key = given.key;\n    --");
    "commit locks cells that stay before those that go": Found(Trap::Circles)
        => ("    ORDER BY account COLLATE \"C\", key COLLATE \"C\"\n    ON",
            "    WHERE octet_length(content) > 0 ORDER BY account COLLATE \"C\", key COLLATE \"C\"\n    ON");
    "claim has no lower bound": Found(Trap::Visits)
        => ("WHERE one.due > low AND one.due <= moment", "WHERE one.due <= moment");
    "append notifies": Found(Trap::Notifies)
        => ("moment bigint := lp_now();\nBEGIN\n    WITH given",
            "moment bigint := lp_now();\nBEGIN\n    PERFORM pg_notify('lp', array_to_string(keys, ','));\n    WITH given");
    "commit notifies": Found(Trap::Notifies)
        => (COMMITTED_FENCE, "new_fence := nextval('lp_fence');\n        PERFORM pg_notify('lp', keys[i] || new_fence);");
    // Locks.
    "claim locks nothing": Found(Trap::Claims) => ("lanes_ FOR UPDATE SKIP LOCKED", "lanes_");
    "claim locks nothing, many at once": Storm(&[Disorder::HeldTwice]) => ("lanes_ FOR UPDATE SKIP LOCKED", "lanes_");
    "claim waits for who is at work": Found(Trap::Waits) => ("lanes_ FOR UPDATE SKIP LOCKED", "lanes_ FOR UPDATE");
    "pruning waits for who is at work": Found(Trap::Waits) => ("most FOR UPDATE SKIP LOCKED", "most FOR UPDATE");
    "swap locks nothing": Found(Trap::Swaps)
        => ("WHERE account = account_ AND key = key_ FOR UPDATE;", "WHERE account = account_ AND key = key_;");
    "swap makes a cell that another one made": Found(Trap::Swaps)
        => ("RETURN lp_swap(account_, key_, seen, value_, life);", "RETURN true;");
    // Leases.
    "commit under any fence": Case("a_stale_fence_changes_nothing")
        => ("AND (one.held AND one.fence = fences[i] OR one.committed_from = fences[i]);", "AND one.held;"),
            ("IF lane.fence <> fences[i] THEN", "IF NOT lane.held THEN");
    "commit of any holder": Case("another_holder_changes_nothing") => ("            AND one.holder = holders[i]\n", "\n");
    "extension of anybody": Case("a_stale_extension_changes_nothing")
        => ("WHERE lane.held AND lane.fence = lease.fence AND lane.holder = lease.holder;", "WHERE true;");
    "commit after the release": Case("a_released_lane_takes_no_commit")
        => ("(one.held AND one.fence = fences[i] OR", "(one.fence = fences[i] OR");
    "claim ends a moment early": Case("no_lane_is_given_before_its_term_ends")
        => ("held = true, due = moment + term,", "held = true, due = moment + term - 1,");
    "extension ends a moment early": Case("an_extension_is_a_term_from_now")
        => ("until := lp_now() + term;", "until := lp_now() + term - 1;");
    "hold ends a moment early": Case("a_hold_is_a_term_from_now")
        => ("WHEN nexts[i] = holds THEN moment + pauses[i]", "WHEN nexts[i] = holds THEN moment + pauses[i] - 1");
    "hold counts from the last term": Case("a_hold_is_a_term_from_now")
        => ("WHEN nexts[i] = holds THEN moment + pauses[i]", "WHEN nexts[i] = holds THEN due + pauses[i]");
    "extension counts from the last term": Case("an_extension_is_a_term_from_now")
        => ("UPDATE lp_lane AS lane SET due = until", "UPDATE lp_lane AS lane SET due = due + term");
    "an entry ends a term": Case("an_entry_does_not_end_a_term")
        => ("due = CASE WHEN lane.held THEN lane.due ELSE least(lane.due, excluded.due) END",
            "due = least(lane.due, excluded.due)");
    "an entry wakes nobody": Case("an_idle_lane_waits_for_an_entry")
        => ("ELSE least(lane.due, excluded.due) END", "ELSE lane.due END");
    "a pause ends early": Case("a_pause_ends_when_it_says")
        => ("WHEN nexts[i] = after_pause THEN moment + pauses[i]", "WHEN nexts[i] = after_pause THEN moment + pauses[i] - 1");
    "newer records are given": Case("a_newer_record_waits_for_who_can_read_it")
        => (" AND (one.version IS NULL OR one.version <= speaks)", "");
    "released counts as taken over": Case("a_released_lane_is_not_taken_over")
        => ("taken_over := lane.held;", "taken_over := lane.holder IS NOT NULL;");
    "nothing counts as taken over": Case("no_lane_is_given_before_its_term_ends")
        => ("taken_over := lane.held;", "taken_over := false;");
    "elapsed since the claim": Case("elapsed_is_the_time_since_the_last_commit")
        => ("            committed_from = NULL\n", "            committed_from = NULL, committed_at = moment\n");
    // Fences.
    "commit keeps the fence": Case("a_repeated_commit_knows_itself") => (COMMITTED_FENCE, "new_fence := lane.fence;");
    "each lane counts its fences": Case("a_removed_lane_never_has_a_fence_twice")
        => (CLAIMED_FENCE, "        fence := lane.fence + 1;"), (COMMITTED_FENCE, "new_fence := lane.fence + 1;");
    // Entries.
    "entries come twice": Case("an_append_comes_once")
        => ("AS one (account, kind, key, body, place)\n    ), lanes",
            "AS one (account, kind, key, body, place) CROSS JOIN generate_series(1, 2)\n    ), lanes");
    "numbers have gaps": Case("numbers_go_on_without_gaps") => ("false, 0, 0, count(*) FROM given", "false, 0, 0, count(*) + 1 FROM given");
    "the newest comes first": Case("entries_come_in_the_order_of_their_appends")
        => ("array_agg(given.number ORDER BY given.number), array_agg(given.body ORDER BY given.number),",
            "array_agg(given.number ORDER BY given.number DESC), array_agg(given.body ORDER BY given.number DESC),");
    "entries of a request are turned round": Case("entries_come_in_the_order_of_their_appends")
        => ("PARTITION BY id ORDER BY place DESC", "PARTITION BY id ORDER BY place");
    "the shortest due comes first": Case("the_longest_due_comes_first")
        => ("ORDER BY one.due, one.account", "ORDER BY one.due DESC, one.account");
    "a claim has no bound of bytes": Case("a_claim_gives_a_bounded_number_of_bytes")
        => ("        EXIT WHEN bytes >= budget;\n", ""), ("given.place = 1 OR bytes + given.before < budget", "true");
    // Commits.
    "what has no number yet is consumed": Case("a_number_without_an_entry_is_not_consumed")
        => ("least(through[i], lane.tail)", "through[i]");
    "what was seen makes the lane due": Case("what_was_seen_does_not_make_the_lane_due")
        => ("greatest(seen[i], consumed)", "consumed");
    "a lost commit appends": Case("a_stale_fence_changes_nothing")
        => (LOST, "            done := done || i;\n            RETURN NEXT NULL;\n            CONTINUE;");
    "a lost commit writes cells": Case("a_stale_fence_changes_nothing")
        => ("WHERE owner = ANY (done) ORDER BY account, key, place DESC", "ORDER BY account, key, place DESC"),
            ("IF cell_of && done THEN", "IF true THEN");
    "the record is forgotten": Case("an_answered_commit_is_there_for_everybody")
        => ("ELSE versions[i] END,", "ELSE version END,"), ("ELSE records[i] END\n", "ELSE record END\n");
    "appends are forgotten": Case("a_commit_before_another_claim_is_lost") => ("    IF NOT crosses THEN", "    IF false THEN");
    "appends to its own lane are forgotten": Case("a_commit_happens_as_a_whole") => ("        IF crosses THEN", "        IF false THEN");
    "cells are forgotten": Case("a_commit_happens_as_a_whole") => ("IF cell_of && done THEN", "IF false THEN");
    "the first cell of a request stays": Case("of_two_commits_of_a_request_the_last_writes")
        => ("ORDER BY account, key, place DESC", "ORDER BY account, key, place");
    "a repeated commit appends": Case("a_repeated_commit_knows_itself")
        => ("            RETURN NEXT lane.fence;", "            done := done || i;\n            RETURN NEXT lane.fence;");
    "a repeated commit is lost": Case("a_repeated_commit_knows_itself") => (" OR one.committed_from = fences[i]", "");
    "a removed lane loses entries": Case("a_lane_with_entries_is_not_removed")
        => ("IF nexts[i] = gone AND consumed = lane.tail THEN", "IF nexts[i] = gone THEN");
    "a removed lane keeps its record": Case("a_lane_with_entries_is_not_removed")
        => ("version = CASE WHEN nexts[i] = gone THEN NULL WHEN", "version = CASE WHEN"),
            ("record = CASE WHEN nexts[i] = gone THEN NULL WHEN", "record = CASE WHEN");
    "a removed lane is not due for what it has": Case("a_lane_with_entries_is_not_removed")
        => ("WHEN nexts[i] = gone THEN moment", "WHEN nexts[i] = gone THEN NULL");
    // Cells.
    "a swap is not compared": Case("a_cell_is_written_by_one_of_two") => ("ELSIF cell.version <> seen THEN", "ELSIF false THEN");
    "a repeated swap is lost": Case("a_repeated_swap_knows_itself")
        => ("RETURN cell.version > seen AND cell.value = value_;", "RETURN false;");
    "a cell lives on": Case("a_cell_ends_with_its_life") => ("OR cell.until <= moment THEN", "THEN");
    "versions begin again": Case("versions_go_on_after_a_life")
        => ("INSERT INTO lp_cell VALUES (account_, key_, nextval('lp_fence'),", "INSERT INTO lp_cell VALUES (account_, key_, 1,"),
            ("SELECT account, key, coalesce(number, 0), until_, content", "SELECT account, key, 1, until_, content");
    "an empty cell stays": Case("an_empty_value_removes_a_cell") => ("WHERE octet_length(given.content) = 0 AND", "WHERE false AND");
    "pruning takes what lives": Found(Trap::Prunes) => ("WHERE until <= moment LIMIT most", "WHERE until IS NOT NULL LIMIT most");
}
