//! Scenarios from seeds, checked for every invariant.

use lp_connector_simulation::soak;

/// `cargo run -p lp-connector-simulation --release -- --seeds 1000000` runs more of them.
#[test]
fn no_seed_breaks_an_invariant() {
    match soak::run(0..3_000, 2) {
        Ok(summary) => {
            assert_eq!(summary.seeds, 3_000);
            let unexpected = summary.coverage.unexpected();
            assert!(unexpected.is_empty(), "said to be out of reach, and reached: {unexpected:#?}");
        }
        Err(broken) => panic!("{broken}"),
    }
}

#[test]
fn the_same_seed_gives_the_same_text() {
    for seed in 0..50 {
        let (text, holds) = soak::replay(seed);
        assert!(holds, "{text}");
        assert_eq!(text, soak::replay(seed).0, "seed {seed}");
    }
}
