//! What a message allocates does not grow beyond `counts.txt`. (Times are measured and not tested.)

#[expect(dead_code, reason = "the benches use the rest")]
#[path = "../src/cases/mod.rs"]
mod cases;

use allocation_counter::measure;

/// The lines of the table: a case and how often it may allocate.
fn table() -> Vec<(u64, &'static str)> {
    let lines = include_str!("../counts.txt").lines().filter(|line| !line.starts_with('#'));
    let columns = |line: &'static str| {
        let (allocations, rest) = line.trim_start().split_once(' ')?;
        let (_instructions, case) = rest.trim_start().split_once(' ')?;
        Some((allocations.parse().ok()?, case.trim_start()))
    };
    lines.map(|line| columns(line).unwrap_or_else(|| panic!("counts.txt: {line}"))).collect()
}

/// What one run allocates in this thread, after ten others: the least of several, as runtimes and maps do some work
/// only now and then.
fn allocations(mut run: impl FnMut()) -> u64 {
    for _ in 0..10 {
        run();
    }
    (0..40).map(|_| measure(&mut run).count_total).min().unwrap_or_default()
}

#[test]
fn nothing_allocates_more_than_the_table_says() {
    let all: Vec<_> = cases::all().into_iter().chain(cases::sending::cases()).collect();
    let grown: Vec<_> = table()
        .into_iter()
        .filter_map(|(allowed, id)| {
            let case = all.iter().find(|case| case.id() == id);
            let case = case.unwrap_or_else(|| panic!("no case {id}"));
            let counted = allocations((case.prepare)());
            println!("{counted:6} of {allowed:6} {id}");
            (counted > allowed).then(|| format!("{id}: {counted}, not {allowed}"))
        })
        .collect();
    assert!(grown.is_empty(), "{grown:#?}");
}

#[test]
fn the_counter_counts() {
    assert_eq!(allocations(|| drop(std::hint::black_box(Box::new(7_u64)))), 1);
}
