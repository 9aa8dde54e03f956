//! What is forgotten when there is too much: each list beside a naive one.

use std::collections::BTreeSet;

use proptest::prelude::*;
use serde_json::json;

use super::*;

/// The consumer's own message number `n`, received in that millisecond.
fn own(dialog: &str, n: u64) -> MessagingEvent {
    let raw = json!({"sequence": n, "conversationId": "c", "dialogId": dialog,
        "originatorMetadata": {"role": "CONSUMER"}, "serverTimestamp": n,
        "event": {"type": "ContentEvent", "contentType": "text/plain", "message": format!("m{n}")}});
    MessagingEvent::try_from(raw).unwrap()
}

fn question(n: u64) -> Question {
    Question {
        message: n.to_string(),
        attempt: 1,
        dialog: DialogId::new("d").unwrap(),
        least: 0,
        digest: digest::text(&format!("m{n}")),
        ended: Timestamp::from_millis(1_000_000),
        is_ambiguous: false,
    }
}

fn newest(n: u64, most: usize) -> Vec<u64> {
    (0..=n).rev().take(most).collect::<Vec<_>>().into_iter().rev().collect()
}

#[test]
fn of_too_many_echoes_and_times_the_oldest_go() {
    let mut sightings = Sightings::default();
    for n in 0..50 {
        sightings.record(&own("d", n), true);
        let echoes: Vec<_> = sightings.echoes.iter().map(|echo| echo.sequence).collect();
        assert_eq!(echoes, newest(n, MAX_ECHOES));
        let stamps = &sightings.dialogs[&DialogId::new("d").unwrap()].stamps;
        let stamps: Vec<_> = stamps.iter().map(|(sequence, _)| *sequence).collect();
        assert_eq!(stamps, newest(n, MAX_STAMPS));
    }
}

#[test]
fn of_too_many_questions_the_oldest_go() {
    let mut sightings = Sightings::default();
    for n in 0..50 {
        sightings.ask(question(n));
        sightings.ask(question(n));
        let open: Vec<u64> =
            sightings.questions.iter().map(|one| one.message.parse().unwrap()).collect();
        assert_eq!(open, newest(n, MAX_QUESTIONS));
    }
    // The newest one is answered.
    sightings.record(&own("d", 49), true);
    let settled = sightings.settle();
    assert_eq!(settled, [(question(49), Verdict::Echo(49))]);
}

#[test]
fn of_too_many_dialogs_the_longest_silent_one_goes() {
    let mut sightings = Sightings::default();
    // Each has a lower id than those before.
    let name = |n: u64| format!("d{:02}", 50 - n);
    for n in 0..50 {
        sightings.record(&own(&name(n), n), true);
        let known: BTreeSet<String> = sightings.dialogs.keys().map(ToString::to_string).collect();
        let expected: BTreeSet<String> = newest(n, MAX_DIALOGS).into_iter().map(name).collect();
        assert_eq!(known, expected);
    }
}

#[test]
fn a_late_event_makes_no_dialog_more_silent() {
    let mut sightings = Sightings::default();
    for n in [40, 1] {
        sightings.record(&own("busy", n), true);
    }
    for n in 2..=9 {
        sightings.record(&own(&format!("e{n}"), n), true);
    }
    let known: Vec<&str> = sightings.dialogs.keys().map(DialogId::as_str).collect();
    assert_eq!(known, ["busy", "e3", "e4", "e5", "e6", "e7", "e8", "e9"]);
}

#[test]
fn a_dialog_that_a_question_is_about_is_not_forgotten() {
    let mut sightings = Sightings::default();
    sightings.record(&own("d", 0), false);
    sightings.ask(question(7));
    for n in 1..50 {
        sightings.record(&own(&format!("e{n}"), n), false);
    }
    // Long after the attempt, and nothing before it is missing.
    let mut late = own("d", 1).raw().to_value();
    late["serverTimestamp"] = 2_000_000.into();
    sightings.record(&MessagingEvent::try_from(late).unwrap(), false);
    assert_eq!(sightings.settle(), [(question(7), Verdict::Absent)]);
}

proptest! {
    /// What is forgotten counts as if it had never come, so nothing is proven by it.
    #[test]
    fn of_too_many_ranges_the_lowest_are_forgotten(
        sequences in prop::collection::vec(0u64..200, 0..120),
    ) {
        let mut arrived = Arrived::default();
        let mut model: BTreeSet<u64> = BTreeSet::new();
        for sequence in sequences {
            prop_assert_eq!(arrived.insert(sequence), model.insert(sequence));
            let mut ranges: Vec<(u64, u64)> = Vec::new();
            for number in &model {
                match ranges.last_mut() {
                    Some((_, last)) if *last + 1 == *number => *last = *number,
                    _ => ranges.push((*number, *number)),
                }
            }
            if ranges.len() > MAX_RANGES {
                model.retain(|number| *number > ranges[0].1);
                ranges.remove(0);
            }
            prop_assert_eq!(&arrived.ranges, &ranges);
            for least in 0..200 {
                let horizon = (least..).take_while(|number| model.contains(number)).last();
                prop_assert_eq!(arrived.horizon(least), horizon);
            }
        }
    }
}

#[test]
fn an_echo_without_a_time_answers_its_question() {
    let mut raw = own("d", 0).raw().to_value();
    raw.as_object_mut().unwrap().remove("serverTimestamp");
    let mut sightings = Sightings::default();
    sightings.ask(question(0));
    sightings.record(&MessagingEvent::try_from(raw).unwrap(), true);
    assert_eq!(sightings.settle(), [(question(0), Verdict::Echo(0))]);
}

#[test]
fn an_echo_is_of_the_dialog_and_at_least_the_sequence_asked() {
    for (dialog, n, answers) in [("d", 4, false), ("e", 5, false), ("d", 5, true)] {
        let asked = Question { least: 5, ..question(n) };
        let mut sightings = Sightings::default();
        sightings.ask(asked.clone());
        sightings.record(&own(dialog, n), true);
        let expected = answers.then_some((asked, Verdict::Echo(5)));
        assert_eq!(sightings.settle(), Vec::from_iter(expected), "{dialog} {n}");
    }
}

#[test]
fn the_echo_of_a_file_is_known_by_its_path() {
    let echo = |n: u64, event: serde_json::Value| {
        let mut raw = own("d", n).raw().to_value();
        raw["event"] = event;
        MessagingEvent::try_from(raw).unwrap()
    };
    let file = |path: &str| {
        json!({"type": "ContentEvent", "contentType": "hosted/file",
            "message": {"relativePath": path, "fileType": "PNG"}})
    };
    let asked = Question { digest: digest::file("/files/2"), ..question(7) };
    let mut sightings = Sightings::default();
    sightings.ask(asked.clone());
    let text = json!({"type": "ContentEvent", "contentType": "text/plain", "message": "/files/2"});
    sightings.record(&echo(3, text), true);
    sightings.record(&echo(4, file("/files/1")), true);
    assert_eq!(sightings.settle(), []);
    sightings.record(&echo(5, file("/files/2")), true);
    assert_eq!(sightings.settle(), [(asked, Verdict::Echo(5))]);
}
