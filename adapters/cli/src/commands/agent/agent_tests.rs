use std::cell::Cell;
use std::collections::BTreeSet;
use std::time::Duration;

use super::parse::{COMMANDS, help};
use super::watch::{endpoint_line, missed, open_elsewhere, open_or_closed, wait_for};
use super::*;

/// The conversations in the order of their opening: a name, and whether it is open.
fn conversations(all: &[(&str, bool)]) -> Value {
    let all: Vec<_> = all
        .iter()
        .map(|(name, open)| json!({"id": name, "consumer": name, "main_open": open}))
        .collect();
    json!({"conversations": all})
}

/// The commands of the console's composer, and their arguments.
fn commands_of_the_console() -> Vec<(String, String)> {
    let file = "../../tests/sandbox/console/commands.js";
    let source = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).unwrap();
    let (table, _) = source.split_once("];").unwrap();
    let quoted = |row: &str, member: &str| -> String {
        let (_, behind) = row.split_once(&format!("{member}: \"")).unwrap();
        behind.split('"').next().unwrap().to_owned()
    };
    let rows = table.lines().filter(|line| line.contains("name: \"/"));
    rows.map(|row| (quoted(row, "name"), quoted(row, "usage"))).collect()
}

#[test]
fn the_commands_are_those_of_the_console() {
    let console = commands_of_the_console();
    let names = |all: &mut dyn Iterator<Item = String>| all.collect::<BTreeSet<_>>();
    assert_eq!(
        names(&mut COMMANDS.iter().map(|one| one.0.to_owned()).filter(|name| name != "/quit")),
        names(&mut console.iter().map(|one| one.0.clone()))
    );
    for (name, argument) in &console {
        let ours = COMMANDS.iter().find(|one| one.0 == name).unwrap();
        // The console opens a dialog for a file.
        assert!(name == "/file" || ours.1 == argument, "{name} {argument}");
    }
}

#[test]
fn each_command_is_explained_and_understood() {
    let help = help();
    for (name, argument, about) in COMMANDS {
        assert!(help.contains(format!("  {name} {argument}").trim_end()), "{name}: {help}");
        assert!(help.contains(about), "{name}: {help}");
        let example = match argument {
            "TEXT | A | B" => "Coming? | Yes | No",
            "JSON" => r#"{"type": "ContentEvent"}"#,
            "NAME" => "ring.png",
            other => other,
        };
        let parsed = parse(&format!("{name} {example}"));
        assert!(parsed.is_ok() || name == "/quit", "{name}: {parsed:?}");
        let alone = parse(name);
        assert!(alone.is_ok() == argument.is_empty() || name == "/quit", "{name}: {alone:?}");
    }
    assert_eq!(parse("/as  a2-agent "), Ok(Typed::As("a2-agent".to_owned())));
    let event = json!({"type": "ContentEvent", "message": "a | b"});
    let raw = Typed::Action(json!({"do": "raw", "event": event}));
    assert_eq!(parse(&format!("/raw {event}")), Ok(raw));
    assert!(parse("/raw {").unwrap_err().starts_with("/raw takes an event in JSON: "));
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

#[test]
fn a_busy_sandbox_is_looked_at_five_times_a_second() {
    let (now, looks) = (Cell::new(Duration::ZERO), Cell::new(0));
    let passes = |time| now.set(now.get() + time);
    while now.get() < Duration::from_secs(2) {
        looks.set(looks.get() + 1);
        assert!(looks.get() <= 10, "in {:?}", now.get());
        // Something changes all the time.
        wait_for(passes, |_| true, || false);
    }
    // In a quiet one, a change is seen at once.
    let before = now.get();
    wait_for(passes, |_| now.get() - before >= Duration::from_millis(200), || false);
    assert_eq!(now.get() - before, Duration::from_millis(200));
}

#[test]
fn an_endpoint_is_down_only_where_failures_are_kept() {
    let page = |retention: Value, next: Value, state: &str| json!({"webhooks": {"retention_s": retention, "next": next, "state": state, "waiting": 3}});
    let mut last = None;
    for (retention, next, state, expected) in [
        (json!(null), json!(30_000), "UP", None),
        (json!(null), json!(null), "UP", None),
        (json!(60), json!(2_000), "FAILED", Some("tries again in 0 s (3 waiting)")),
        (json!(60), json!(2_000), "FAILED", None),
        (json!(60), json!(null), "FAILED", None),
        (json!(60), json!(null), "UP", Some("takes notifications again")),
    ] {
        let line = endpoint_line(&page(retention, next, state), &mut last);
        let ends = |end: &str| line.as_ref().is_some_and(|line| line.ends_with(end));
        assert!(expected.map_or(line.is_none(), ends), "{line:?}, not {expected:?}");
    }
}

#[test]
fn messages_that_were_forgotten_unseen_have_a_line() {
    for (after, first, expected) in [
        (0, Some(9), None),
        (4, None, None),
        (4, Some(5), None),
        (4, Some(6), Some("1 message")),
        (4, Some(9), Some("4 messages")),
    ] {
        let messages: Vec<v1::Message> = first
            .map(|n: u64| serde_json::from_value(json!({"n": n})).unwrap())
            .into_iter()
            .collect();
        let line = missed(after, &messages);
        let expected = expected.map(|how_many| {
            format!("-- not shown: {how_many} that the sandbox has forgotten since the last look")
        });
        assert_eq!(line, expected, "{after} {first:?}");
    }
}
