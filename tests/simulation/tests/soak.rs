//! Whole worlds from seeds: every promise that the watcher knows, whatever happens.

use lp_connector_simulation::soak;

/// `cargo run -p lp-connector-simulation --release -- --seeds 1000000` tells more of them.
#[test]
fn no_seed_breaks_a_promise() {
    match soak::run(0..3_000, 2) {
        Ok(summary) => assert_eq!(summary.seeds, 3_000),
        Err(broken) => panic!("{broken}"),
    }
}

#[test]
fn the_same_seed_is_told_the_same_way_byte_for_byte() {
    for seed in 0..50 {
        let (told, stored) = soak::replay(seed);
        assert!(stored, "{told}");
        assert_eq!(told, soak::replay(seed).0, "seed {seed}");
    }
}
