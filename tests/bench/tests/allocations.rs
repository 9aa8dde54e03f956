//! The number of allocations of a message stays low. (Times are measured and not tested.)

#[expect(dead_code, reason = "the benches use the rest")]
#[path = "../src/cases/mod.rs"]
mod cases;

/// The allocations of one run of a case, after ten other runs.
fn allocations(id: &str) -> u64 {
    let all = cases::all();
    let Some(case) = all.iter().find(|case| case.id() == id) else { panic!("no case {id}") };
    let mut run = (case.prepare)();
    for _ in 0..10 {
        run();
    }
    allocation_counter::measure(run).count_total
}

#[test]
fn building_a_message_allocates_three_times_at_most() {
    assert!(allocations("build a SEND: this crate") <= 3);
    assert!(allocations("build a SEND: by hand, naive") > 3, "the counter counts");
}
