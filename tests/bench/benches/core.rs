//! `cargo bench -p lp-connector-bench`: time and allocations of each case.
//!
//! Cases that need gigabytes are in the program `lp-connector-bench` only.

#[expect(dead_code, reason = "the other program measures memory too")]
#[path = "../src/cases/mod.rs"]
mod cases;

use divan::{AllocProfiler, Bencher};

#[global_allocator]
static ALLOCATOR: AllocProfiler = AllocProfiler::system();

fn main() {
    divan::main();
}

#[divan::bench(args = light())]
fn case(bencher: Bencher<'_, '_>, id: &String) {
    let all = cases::all();
    let Some(case) = all.iter().find(|case| case.id() == *id) else { return };
    bencher.bench_local((case.prepare)());
}

fn light() -> Vec<String> {
    cases::all().iter().filter(|case| !case.heavy).map(cases::Case::id).collect()
}

/// Ten thousand callers wait for a token: the time from its arrival until all have sent.
#[divan::bench(sample_count = 10, sample_size = 1)]
fn contention(bencher: Bencher<'_, '_>) {
    bencher
        .with_inputs(|| cases::waiting::start_callers(10_000))
        .bench_local_values(|mut waiting| (waiting.deliver_token().after_arrival, waiting));
}
