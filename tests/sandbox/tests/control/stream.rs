//! The event stream, and where it goes on.

use std::collections::BTreeSet;

use lp_connector_sandbox::control::ControlError;
use lp_connector_sandbox::control::v1::Row;
use lp_connector_sandbox::{Limits, ServerConfig};

use crate::world::{World, named, wait_for};

#[test]
fn a_stream_goes_on_where_its_reader_left_it() {
    let world = World::new();
    let mut stream = world.control.events(None).unwrap();
    let hello = stream.next().unwrap().unwrap();
    assert_eq!((hello.name.as_str(), hello.data["resumed"].as_bool()), ("hello", Some(false)));
    world.say("one");
    let seen = wait_for(&mut stream, |event| named(event, "wire"));
    let position = seen.id.clone().or(hello.id).unwrap();
    drop(stream);
    world.say("two");
    let mut stream = world.control.events(Some(&position)).unwrap();
    let hello = stream.next().unwrap().unwrap();
    assert_eq!(
        (hello.data["resumed"].as_bool(), hello.id.as_deref()),
        (Some(true), Some(position.as_str()))
    );
    let message = wait_for(&mut stream, |event| named(event, "message"));
    assert_eq!(message.data["event"]["message"], "two");
    drop(stream);
    for (unknown, why) in [("e0-1", "restarted"), ("nonsense", "restarted"), ("-", "restarted")] {
        let mut stream = world.control.events(Some(unknown)).unwrap();
        let reset = stream.next().unwrap().unwrap();
        assert_eq!((reset.name.as_str(), reset.data["why"].as_str()), ("reset", Some(why)));
        assert_eq!(stream.next().unwrap().unwrap().name, "hello");
    }
    let (epoch, _) = position.rsplit_once('-').unwrap();
    let mut stream = world.control.events(Some(&format!("{epoch}-99999999"))).unwrap();
    assert_eq!(stream.next().unwrap().unwrap().data["why"], "too far behind");
}

#[test]
fn a_reader_that_is_too_late_starts_anew() {
    let limits = Limits { events: 4, ..Limits::default() };
    let world = World::with(ServerConfig::new().limits(limits));
    let position = world.control.snapshot().unwrap().at;
    for number in 0..9 {
        world.say(&number.to_string());
    }
    let mut stream = world.control.events(Some(&position)).unwrap();
    let reset = stream.next().unwrap().unwrap();
    assert_eq!(
        (reset.name.as_str(), reset.data["why"].as_str()),
        ("reset", Some("too far behind"))
    );
}

#[test]
fn a_snapshot_and_the_stream_after_it_miss_nothing() {
    let world = World::new();
    std::thread::scope(|scope| {
        let writing = scope.spawn(|| {
            (0..300).for_each(|number| {
                world.say(&number.to_string());
            })
        });
        let snapshot = world.control.snapshot().unwrap();
        let mut rows: BTreeSet<u64> = snapshot.wire.iter().map(|row| row.n).collect();
        let mut stream = world.control.events(Some(&snapshot.at)).unwrap();
        writing.join().unwrap();
        let last = world.control.wire("").unwrap().rows[0].n;
        let mut left_out = 0;
        while !rows.contains(&last) {
            let event = wait_for(&mut stream, |event| named(event, "wire"));
            left_out += event.data["left_out"].as_u64().unwrap();
            let new: Vec<Row> = serde_json::from_value(event.data["rows"].clone()).unwrap();
            assert!(new.len() <= 200 && new.is_sorted_by_key(|row| row.n));
            rows.extend(new.iter().map(|row| row.n));
        }
        // Nothing is lost unsaid: what is missing is counted.
        let first = *rows.first().unwrap();
        assert!(last - first < rows.len() as u64 + left_out, "{first} to {last}: {}", rows.len());
    });
}

#[test]
fn a_stopped_sandbox_says_goodbye() {
    let world = World::new();
    let mut stream = world.control.events(None).unwrap();
    assert_eq!(stream.next().unwrap().unwrap().name, "hello");
    drop(world.server);
    wait_for(&mut stream, |event| named(event, "bye"));
    assert!(stream.next().is_none());
    assert!(matches!(world.control.about(), Err(ControlError::Unreachable(_))));
}
