//! Each small world, in a thousand orders.

use lp_connector_interleavings::{abandoned_call, calls, connections, deadlines};
use shuttle::{check_pct, check_random};

const ORDERS: usize = 500;

/// Orders by chance, and orders in which a thread seldom gives way: each finds what the other one hardly does.
fn check(world: fn()) {
    check_random(world, ORDERS);
    check_pct(world, ORDERS, 3);
}

#[test]
fn no_order_of_threads_misses_a_deadline() {
    check(deadlines);
}

#[test]
fn no_order_of_threads_forgets_who_waits_for_a_connection() {
    check(connections);
}

#[test]
fn no_order_of_threads_forgets_who_waits_for_a_token() {
    check(calls);
}

#[test]
fn no_order_of_threads_forgets_who_waits_for_a_dropped_call() {
    check(abandoned_call);
}
