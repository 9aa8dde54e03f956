//! Replays the corpus of every fuzz target on stable Rust.

#![expect(clippy::unwrap_used, reason = "a test reports by panicking")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use lp_connector_core::fuzz;
use lp_connector_differential as differential;

fn fuzz_directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz")
}

fn replay(target: &str, body: fn(&[u8])) {
    let corpus = fuzz_directory().join("corpus").join(target);
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
    ($($of:ident: $($target:ident)*;)*) => {
        const TARGETS: &[&str] = &[$($(stringify!($target),)*)*];

        $($(
            #[test]
            fn $target() {
                replay(stringify!($target), $of::$target);
            }
        )*)*
    };
}

corpora! {
    fuzz: answer bridge call calls claims config consumer_answer conversation_answer domain_answer feed
        http1_response http1_roundtrip inbox json lru_map manifest notification other_answer policy pool proxy
        receiver record request retry_after_header send_answer token_answer upload values verify;
    differential: http1_hyper http1_ureq signature_ring;
}

#[test]
fn every_target_is_replayed() {
    let targets: BTreeSet<_> = TARGETS.iter().map(|target| format!("{target}.rs")).collect();
    let files = fs::read_dir(fuzz_directory().join("fuzz_targets")).unwrap();
    let files: BTreeSet<_> =
        files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
    assert_eq!(targets, files);
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
