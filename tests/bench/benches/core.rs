//! `cargo bench -p lp-connector-bench`: time and allocations of each case.
//!
//! Cases that take gigabytes to set up are in the program `lp-connector-bench` alone.

#[expect(dead_code, reason = "what is weighed, and not timed, the other program asks for")]
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

/// Ten thousand callers, from the token's coming until all have sent.
#[divan::bench(sample_count = 10, sample_size = 1)]
fn herd(bencher: Bencher<'_, '_>) {
    bencher
        .with_inputs(|| cases::waiting::gather(10_000))
        .bench_local_values(|mut waiting| (waiting.token_comes().polls_after, waiting));
}
