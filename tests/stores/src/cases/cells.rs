//! Cells: versions, lives and swaps.

use lp_connector_core::bridge::store::{Answer, CellId, Request};
use lp_connector_core::id::AccountId;

use super::bench::{Bench, MOMENT, SECOND, cell, lane};

pub(super) fn a_cell_is_written_by_one_of_two(bench: &Bench) {
    assert_eq!(bench.read("c"), None);
    assert!(!bench.swap("c", 1, "no", None));
    assert!(bench.swap("c", 0, "one", None));
    assert!(!bench.swap("c", 0, "two", None));
    assert_eq!(bench.read("c"), Some((1, "one".into())));
    assert!(bench.swap("c", 1, "two", None));
    for stale in [0, 1, 3, u64::MAX] {
        assert!(!bench.swap("c", stale, "three", None));
    }
    assert_eq!(bench.read("c"), Some((2, "two".into())));
    // A commit writes whatever was there.
    bench.append(&[(&lane("ada"), "a")]);
    let held = bench.claim_one();
    bench.commit(held.commit().cell(cell("c"), b"four".to_vec())).unwrap();
    assert_eq!(bench.read("c"), Some((3, "four".into())));
}

pub(super) fn a_repeated_swap_knows_itself(bench: &Bench) {
    assert!(bench.swap("c", 0, "one", None));
    assert!(bench.swap("c", 0, "one", None));
    assert_eq!(bench.read("c"), Some((1, "one".into())));
    assert!(bench.swap("c", 1, "two", None));
    assert!(bench.swap("c", 1, "two", None));
    assert!(!bench.swap("c", 0, "one", None));
    // Nobody has seen what is not there yet.
    assert!(!bench.swap("c", 3, "two", None));
    assert_eq!(bench.read("c"), Some((2, "two".into())));
}

pub(super) fn cells_are_read_in_the_order_asked(bench: &Bench) {
    assert!(bench.swap("b", 0, "B", None));
    assert!(bench.swap("a", 0, "", None));
    let other = CellId { account: AccountId::new("le1234").unwrap(), key: "a".into() };
    let cells = vec![cell("a"), cell("none"), cell("b"), cell("A"), other, cell("a")];
    let Answer::Cells(found) = bench.first().perform(Request::Read(cells)).unwrap() else {
        panic!()
    };
    let values: Vec<_> = found.into_iter().map(|cell| cell.map(|cell| cell.value)).collect();
    let (empty, b) = (Some(Vec::new()), Some(b"B".to_vec()));
    assert_eq!(values, [empty.clone(), None, b, None, None, empty]);
}

pub(super) fn a_cell_ends_with_its_life(bench: &Bench) {
    assert!(bench.swap("c", 0, "lease", Some(SECOND)));
    bench.wait(SECOND - MOMENT);
    assert_eq!(bench.read("c"), Some((1, "lease".into())));
    assert!(!bench.swap("c", 0, "mine", Some(SECOND)));
    bench.wait(MOMENT);
    assert_eq!(bench.read("c"), None);
    // A later write without a life stays.
    assert!(bench.swap("c", 0, "mine", None));
    bench.wait(SECOND * 1_000_000);
    assert_eq!(bench.read("c").unwrap().1, "mine");
}

pub(super) fn versions_go_on_after_a_life(bench: &Bench) {
    assert!(bench.swap("c", 0, "one", Some(SECOND)));
    bench.wait(SECOND);
    assert!(bench.swap("c", 0, "two", Some(SECOND)));
    assert_eq!(bench.read("c"), Some((2, "two".into())));
    // Whoever saw the first must not overwrite the second.
    assert!(!bench.swap("c", 1, "three", None));
}
