//! Cells: versions, lives and swaps.

use std::time::Duration;

use lp_connector_core::bridge::store::{Answer, CellId, Request};
use lp_connector_core::id::AccountId;

use super::bench::{Bench, MOMENT, SECOND, cell, lane};

/// Swaps in a value, and returns the cell's new version.
fn put(bench: &Bench, seen: u64, value: &str, life: Option<Duration>) -> u64 {
    assert!(bench.swap("c", seen, value, life));
    let (version, found) = bench.read("c").unwrap();
    assert_eq!(found, value);
    assert!(version > seen, "versions grow");
    version
}

pub(super) fn a_cell_is_written_by_one_of_two(bench: &Bench) {
    assert_eq!(bench.read("c"), None);
    assert!(!bench.swap("c", 1, "no", None));
    let one = put(bench, 0, "one", None);
    assert!(!bench.swap("c", 0, "two", None));
    assert_eq!(bench.read("c"), Some((one, "one".into())));
    let two = put(bench, one, "two", None);
    for stale in [0, one, two + 1, u64::MAX] {
        assert!(!bench.swap("c", stale, "three", None));
    }
    assert_eq!(bench.read("c"), Some((two, "two".into())));
    // A commit writes whatever was there.
    bench.append(&[(&lane("ada"), "a")]);
    let held = bench.claim_one();
    bench.commit(held.commit().cell(cell("c"), b"four".to_vec())).unwrap();
    let (four, value) = bench.read("c").unwrap();
    assert_eq!((value.as_str(), four > two), ("four", true));
}

pub(super) fn a_repeated_swap_knows_itself(bench: &Bench) {
    let one = put(bench, 0, "one", None);
    assert!(bench.swap("c", 0, "one", None));
    assert_eq!(bench.read("c"), Some((one, "one".into())));
    let two = put(bench, one, "two", None);
    assert!(bench.swap("c", one, "two", None));
    assert!(!bench.swap("c", 0, "one", None));
    // Nobody has seen what is not there yet.
    assert!(!bench.swap("c", two + 1, "two", None));
    assert_eq!(bench.read("c"), Some((two, "two".into())));
}

pub(super) fn cells_are_read_in_the_order_asked(bench: &Bench) {
    assert!(bench.swap("b", 0, "B", None));
    assert!(bench.swap("a", 0, "A", None));
    let other = CellId { account: AccountId::new("le1234").unwrap(), key: "a".into() };
    let cells = vec![cell("a"), cell("none"), cell("b"), cell("A"), other, cell("a")];
    let Answer::Cells(found) = bench.first().perform(Request::Read(cells)).unwrap() else {
        panic!()
    };
    let values: Vec<_> = found.into_iter().map(|cell| cell.map(|cell| cell.value)).collect();
    let (a, b) = (Some(b"A".to_vec()), Some(b"B".to_vec()));
    assert_eq!(values, [a.clone(), None, b, None, None, a]);
}

pub(super) fn an_empty_value_removes_a_cell(bench: &Bench) {
    let one = put(bench, 0, "one", None);
    assert!(bench.swap("c", one, "", None));
    assert_eq!(bench.read("c"), None);
    // The answer may have been lost.
    assert!(bench.swap("c", one, "", None));
    assert!(!bench.swap("c", one, "two", None));
    let two = put(bench, 0, "two", None);
    assert!(two > one, "a version never comes twice");
    bench.append(&[(&lane("ada"), "a")]);
    let held = bench.claim_one();
    bench.commit(held.commit().cell(cell("c"), Vec::new())).unwrap();
    assert_eq!(bench.read("c"), None);
}

pub(super) fn a_cell_ends_with_its_life(bench: &Bench) {
    let lease = put(bench, 0, "lease", Some(SECOND));
    bench.wait(SECOND - MOMENT);
    assert_eq!(bench.read("c"), Some((lease, "lease".into())));
    assert!(!bench.swap("c", 0, "mine", Some(SECOND)));
    bench.wait(MOMENT);
    assert_eq!(bench.read("c"), None);
    // A later write without a life stays.
    put(bench, 0, "mine", None);
    bench.wait(SECOND * 1_000_000);
    assert_eq!(bench.read("c").unwrap().1, "mine");
}

pub(super) fn versions_go_on_after_a_life(bench: &Bench) {
    let one = put(bench, 0, "one", Some(SECOND));
    bench.wait(SECOND);
    // Another write removes what has expired.
    assert!(bench.swap("d", 0, "other", None));
    let two = put(bench, 0, "two", Some(SECOND));
    assert!(two > one);
    // Whoever saw the first must not overwrite the second.
    assert!(!bench.swap("c", one, "three", None));
}
