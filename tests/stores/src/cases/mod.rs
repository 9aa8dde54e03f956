//! The cases, by law.

mod bench;
mod cells;
mod commits;
mod entries;
mod leases;
mod listing;

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::sync::Once;

use self::bench::Bench;
use crate::Engine;

/// A case: what an empty store must do.
#[derive(Debug)]
#[non_exhaustive]
pub struct Case {
    /// The law of the [contract](lp_connector_core::bridge::store) that it is of.
    pub law: u8,
    /// The promise.
    pub name: &'static str,
    run: fn(&Bench),
}

impl Case {
    /// Runs it on a new engine. It panics where the engine breaks the promise.
    pub fn run(&self, engine: Box<dyn Engine>) {
        (self.run)(&Bench::new(engine));
    }

    /// True if an engine with a fault breaks the promise. Its panic prints nothing: it is what a fault is planted for.
    pub fn finds_fault(&self, make: impl FnOnce() -> Box<dyn Engine>) -> bool {
        // What cannot be made is no fault that is found.
        let engine = make();
        panics_silently(|| self.run(engine))
    }
}

thread_local! {
    static IS_SILENT: Cell<bool> = const { Cell::new(false) };
}

/// True if this panics. Panics of other threads are printed as usual.
fn panics_silently(run: impl FnOnce()) -> bool {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let print = take_hook();
        set_hook(Box::new(move |panic| {
            if !IS_SILENT.get() {
                print(panic);
            }
        }));
    });
    IS_SILENT.set(true);
    let outcome = catch_unwind(AssertUnwindSafe(run));
    IS_SILENT.set(false);
    outcome.is_err()
}

macro_rules! cases {
    ($($law:literal $room:ident :: $name:ident,)*) => {
        /// All cases.
        pub const CASES: &[Case] =
            &[$(Case { law: $law, name: stringify!($name), run: $room::$name }),*];
    };
}

cases! {
    1 entries::an_answered_append_is_there_for_everybody,
    1 commits::an_answered_commit_is_there_for_everybody,
    2 commits::a_commit_happens_as_a_whole,
    2 commits::each_commit_of_a_request_stands_for_itself,
    2 commits::of_two_commits_of_a_request_the_last_writes,
    2 commits::a_removed_lane_begins_anew,
    2 commits::a_lane_with_entries_is_not_removed,
    3 leases::no_lane_is_given_before_its_term_ends,
    3 leases::an_extension_is_a_term_from_now,
    3 leases::a_hold_is_a_term_from_now,
    3 leases::an_entry_does_not_end_a_term,
    3 leases::a_released_lane_is_not_taken_over,
    3 leases::a_pause_ends_when_it_says,
    3 leases::an_idle_lane_waits_for_an_entry,
    3 leases::a_late_holder_may_commit_while_nobody_came,
    3 leases::a_newer_record_waits_for_who_can_read_it,
    4 leases::fences_grow_over_all_lanes,
    4 leases::a_removed_lane_never_has_a_fence_twice,
    4 leases::a_stale_fence_changes_nothing,
    4 leases::another_holder_changes_nothing,
    4 leases::a_released_lane_takes_no_commit,
    4 leases::a_stale_extension_changes_nothing,
    5 entries::entries_come_in_the_order_of_their_appends,
    5 entries::numbers_go_on_without_gaps,
    5 entries::a_claim_gives_no_more_than_it_is_asked_for,
    5 entries::a_claim_gives_a_bounded_number_of_bytes,
    5 entries::a_large_entry_hides_none_behind_it,
    5 entries::the_longest_due_comes_first,
    5 entries::lanes_are_apart_by_account_kind_and_key,
    6 commits::a_commit_consumes_what_was_given,
    6 commits::a_number_without_an_entry_is_not_consumed,
    6 commits::what_came_meanwhile_makes_the_lane_due,
    6 commits::what_was_seen_does_not_make_the_lane_due,
    7 commits::a_repeated_commit_knows_itself,
    7 commits::a_repeated_commit_that_released_knows_itself,
    7 commits::a_commit_before_another_claim_is_lost,
    7 cells::a_repeated_swap_knows_itself,
    7 entries::an_append_comes_once,
    8 leases::elapsed_is_the_time_since_the_last_commit,
    8 listing::a_list_tells_durations,
    8 listing::the_facts_tell_what_is_due,
    2 cells::a_cell_is_written_by_one_of_two,
    2 cells::cells_are_read_in_the_order_asked,
    2 cells::an_empty_value_removes_a_cell,
    3 cells::a_cell_ends_with_its_life,
    4 cells::versions_go_on_after_a_life,
    2 listing::a_list_has_an_order_and_a_limit,
    2 listing::a_lane_is_listed_with_its_entries,
    2 listing::a_list_changes_nothing,
    2 entries::nothing_asked_is_nothing_done,
    2 entries::a_value_over_the_limit_is_refused,
}

/// The names of the cases that an engine breaks. What they panic with goes to standard error, as usual.
pub fn broken(make: &dyn Fn() -> Box<dyn Engine>) -> Vec<&'static str> {
    let fails = |case: &&Case| catch_unwind(AssertUnwindSafe(|| case.run(make()))).is_err();
    CASES.iter().filter(fails).map(|case| case.name).collect()
}
