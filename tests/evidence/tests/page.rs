//! The page is what the figures say.

#![expect(clippy::unwrap_used, reason = "a test reports by panicking")]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use lp_connector_evidence::{CLAIMS, Figures, limits_page, page};

fn read(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

fn figures() -> Figures {
    serde_json::from_str(&read("figures.json")).unwrap()
}

#[test]
fn the_page_is_rendered_from_the_figures() {
    assert_eq!(read("../EVIDENCE.md"), page(CLAIMS, &figures()).unwrap());
}

#[test]
fn every_figure_belongs_to_a_claim() {
    let names: BTreeSet<_> = CLAIMS.iter().map(|claim| claim.name).collect();
    assert_eq!(names.len(), CLAIMS.len(), "two claims have one name");
    assert_eq!(figures().keys().map(String::as_str).collect::<BTreeSet<_>>(), names);
}

#[test]
fn every_limit_is_that_of_the_page() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let (page, sources) = (read("../LIMITS.md"), limits_page(&root).unwrap());
    for (written, found) in page.lines().zip(sources.lines()) {
        assert_eq!(written, found, "run: cargo run -q -p lp-connector-evidence -- limits");
    }
    assert_eq!(page.lines().count(), sources.lines().count());
}
