//! Scenarios of the bridge from seeds, checked for every invariant.

use lp_connector_simulation::bridge;

/// `cargo run -p lp-connector-simulation --release -- --bridge --seeds 100000` runs more of them.
#[test]
fn no_seed_breaks_an_invariant_of_the_bridge() {
    match bridge::run(0..400, 2) {
        Ok(summary) => {
            assert_eq!(summary.seeds, 400);
            let unexpected = summary.coverage.unexpected();
            assert!(unexpected.is_empty(), "said to be out of reach, and reached: {unexpected:#?}");
        }
        Err(broken) => panic!("{broken}"),
    }
}

#[test]
fn the_same_seed_gives_the_same_text() {
    for seed in 0..20 {
        let (text, holds) = bridge::replay(seed);
        assert!(holds, "{text}");
        assert_eq!(text, bridge::replay(seed).0, "seed {seed}");
    }
}
