use std::collections::BTreeSet;

use super::watch::{open_elsewhere, open_or_closed};
use super::*;

/// The conversations in the order of their opening: a name, and whether it is open.
fn conversations(all: &[(&str, bool)]) -> Value {
    let all: Vec<_> = all
        .iter()
        .map(|(name, open)| json!({"id": name, "consumer": name, "main_open": open}))
        .collect();
    json!({"conversations": all})
}

#[test]
fn the_agent_leaves_no_open_conversation() {
    for (page, current, chosen, expected) in [
        (&[][..], None, false, None),
        (&[("ada", true), ("bob", true)], None, false, Some("bob")),
        (&[("ada", true), ("bob", false)], None, false, Some("ada")),
        (&[("ada", false), ("bob", false)], None, false, Some("bob")),
        (&[("ada", true), ("bob", true)], Some("ada"), false, Some("ada")),
        (&[("ada", false), ("bob", true)], Some("ada"), false, Some("bob")),
        (&[("ada", false), ("bob", false)], Some("ada"), false, Some("ada")),
        (&[("ada", false), ("bob", true)], Some("ada"), true, Some("ada")),
    ] {
        let mut place = Place { conversation: current.map(str::to_owned), chosen };
        let page = conversations(page);
        let all = page["conversations"].as_array().unwrap();
        let found = place.follow(all).map(|one| one["id"].as_str().unwrap());
        assert_eq!(
            (found, place.conversation.as_deref()),
            (expected, expected),
            "{page} {current:?}"
        );
    }
}

#[test]
fn the_agent_says_who_else_waits_and_that_it_moves() {
    let (mut last, mut told) = (None, BTreeSet::new());
    let mut place = Place { conversation: None, chosen: false };
    let mut lines = Vec::new();
    for page in [
        conversations(&[("ada", true)]),
        conversations(&[("ada", true), ("bob", true)]),
        conversations(&[("ada", true), ("bob", true)]),
        conversations(&[("ada", false), ("bob", true)]),
    ] {
        let shown = place.follow(page["conversations"].as_array().unwrap());
        lines.extend(open_or_closed(shown, &mut last));
        lines.extend(open_elsewhere(&page, shown, &mut told));
    }
    assert_eq!(
        lines,
        [
            "-- the conversation ada with ada is open",
            "-- bob has an open conversation too: sandbox agent --conversation bob",
            "-- you are in another conversation now: the conversation bob with bob is open",
        ]
    );
}
