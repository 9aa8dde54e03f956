//! Replays the corpus of every fuzz target on stable Rust.

#![expect(clippy::unwrap_used, reason = "a test reports by panicking")]

use std::fs;
use std::path::Path;

use lp_connector_core::fuzz;

fn replay(target: &str, body: fn(&[u8])) {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(target);
    let mut inputs = 0;
    for entry in fs::read_dir(&corpus).unwrap() {
        let path = entry.unwrap().path();
        let input = fs::read(&path).unwrap();
        // The test shows this line only if the target panics.
        println!("{}", path.display());
        body(&input);
        inputs += 1;
    }
    assert!(inputs > 0, "no corpus in {}", corpus.display());
}

macro_rules! corpora {
    ($($target:ident)*) => {$(
        #[test]
        fn $target() {
            replay(stringify!($target), fuzz::$target);
        }
    )*};
}

corpora!(domain_answer token_answer claims consumer_answer conversation_answer send_answer
    retry_after_header call http1_response http1_roundtrip verify notification inbox
    other_answer json manifest);

#[test]
fn every_target_is_replayed() {
    let targets = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/fuzz_targets");
    assert_eq!(fs::read_dir(targets).unwrap().count(), 16);
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(2000))]

    /// The fuzz target of calls, on random scripts.
    #[test]
    fn random_scripts_pass_the_model_of_shared_calls(
        script in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..400),
    ) {
        fuzz::call(&script);
    }
}
