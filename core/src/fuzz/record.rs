//! What a bridge keeps in a store, read back: records, entries, and the values of cells.

mod cells;
mod lanes;
mod mood;
mod stores;
mod tokens;

use std::sync::OnceLock;

use self::lanes::Ground;
use self::mood::Mood;
use super::document::document;
use super::has_canary;
use crate::bridge::store::{LaneDetails, LaneKind, Record, is_sealed};
use crate::bridge::stored::{self, Place};
use crate::bridge::{
    ConsumerSummary, DeadLetter, DeadLetterReason, DeadLetterSummary, Forgetting, RECORD_VERSION,
    Waiting, delete, replay,
};

/// The files of examples, in the order of [`stored::ALL`].
const FILES: [&str; 11] = [
    include_str!("../../tests/golden/bridge/consumer_record.json"),
    include_str!("../../tests/golden/bridge/conversation_record.json"),
    include_str!("../../tests/golden/bridge/status_record.json"),
    include_str!("../../tests/golden/bridge/dead_letter_record.json"),
    include_str!("../../tests/golden/bridge/consumer_entry.json"),
    include_str!("../../tests/golden/bridge/conversation_entry.json"),
    include_str!("../../tests/golden/bridge/status_entry.json"),
    include_str!("../../tests/golden/bridge/status_forget.json"),
    include_str!("../../tests/golden/bridge/dead_letter_entry.json"),
    r#"[{"v":1,"all":[{"id":"a","beat":1,"host":"h","version":"1.0.0","up_ms":5,"lanes":3,"share":500000}]}]"#,
    r#"[{"v":1,"token":"a.b.c","usable_ms":720000,"claim":"0/1"}]"#,
];

/// More entries than these show no more.
const MAX_ENTRIES: usize = 64;

/// A value of a store. The first byte is its kind, what else happens, and whether the rest is the value or describes
/// one: an example, and changes of it. The value ends with its line: further lines are further entries of its lane.
///
/// What is read is written, and reads as the same; it is no larger than what it came from explains. What is not read is
/// set aside as it is, and shown nowhere. A bridge works on either and comes to rest.
pub fn record(data: &[u8]) {
    let Some((first, rest)) = data.split_first() else { return };
    let (kind, mood) = (usize::from(first & 0x0f), Mood::of(first >> 4));
    let mut lines = rest.split(|byte| *byte == b'\n').map(<[u8]>::to_vec);
    let (value, more) = match first & 0x80 {
        0 => (lines.next().unwrap_or_default(), lines.take(MAX_ENTRIES).collect()),
        _ => (document(rest, &examples(kind)), Vec::new()),
    };
    match (kind, stored::ALL.get(kind)) {
        (_, Some(stored)) => read(stored, mood, value, more),
        (11, _) => cells::open_conversation(mood, rest),
        (12, _) => cells::consumer_of(mood, rest),
        _ => {}
    }
}

fn examples(kind: usize) -> Vec<&'static str> {
    static ALL: OnceLock<Vec<Vec<String>>> = OnceLock::new();
    let all = ALL.get_or_init(|| {
        let file = |text: &&str| {
            let examples: Vec<serde_json::Value> = serde_json::from_str(text).expect("examples");
            examples.iter().map(ToString::to_string).collect()
        };
        FILES.iter().map(file).collect()
    });
    all.get(kind).map_or_else(Vec::new, |all| all.iter().map(String::as_str).collect())
}

fn read(stored: &stored::Stored, mood: Mood, value: Vec<u8>, more: Vec<Vec<u8>>) {
    let record = Record { version: RECORD_VERSION, body: value };
    let written = (stored.rewritten)(&record);
    if let Some(written) = &written {
        let most = 64 * record.body.len() + 1024;
        assert!(written.body.len() <= most, "{} bytes", written.body.len());
        assert_eq!(written.version, RECORD_VERSION);
        let again = (stored.rewritten)(written).expect("what was written is read");
        assert_eq!(text(&again.body), text(&written.body), "it reads as another value");
    }
    let is_read = written.is_some();
    match stored.place {
        Place::Record(kind) => {
            for version in [RECORD_VERSION - 1, RECORD_VERSION + 1] {
                let other = Record { version, body: record.body.clone() };
                assert_eq!((stored.rewritten)(&other), None, "of version {version}");
            }
            of_lane(kind, mood, (Some(record), more), is_read);
        }
        Place::Entry(kind) => {
            let entries = [record.body].into_iter().chain(more).collect();
            of_lane(kind, mood, (None, entries), is_read);
        }
        Place::Instances => cells::instances(record.body, mood),
        Place::Token => tokens::token(&record.body, written.is_some(), mood),
    }
}

fn text(body: &[u8]) -> String {
    String::from_utf8_lossy(body).into_owned()
}

/// A bridge works on a lane with this record, and with these entries.
fn of_lane(
    kind: LaneKind,
    mood: Mood,
    (record, entries): (Option<Record>, Vec<Vec<u8>>),
    is_read: bool,
) {
    let bytes = record.as_ref().map_or(0, |record| record.body.len());
    let bytes = bytes + entries.iter().map(Vec::len).sum::<usize>();
    let body = record.as_ref().map(|record| &record.body).or(entries.first());
    let body = body.cloned().unwrap_or_default();
    let is_alone = entries.len() == usize::from(record.is_none());
    // A claim gives no more entries than these.
    let is_unopened =
        is_sealed(&body) || entries.iter().take(MAX_ENTRIES).any(|one| is_sealed(one));
    let mut ground = Ground::new(mood, bytes);
    ground.hides = is_alone && !is_read && has_canary(&body);
    ground.makes_ids = kind == LaneKind::Conversation && record.is_none();
    let key = match kind {
        LaneKind::Conversation => "c1",
        LaneKind::DeadLetter => "x",
        LaneKind::Consumer | LaneKind::Status => "ada",
    };
    let before = ground.put(kind, key, record.clone(), entries);
    if record.is_some() {
        summaries(kind, &before, is_read);
    }
    ground.run();
    if is_unopened {
        assert!(ground.worker.counters().unreadable > 0, "it works on what it cannot read");
        assert_eq!(ground.lane(kind, key).map(|lane| lane.record), Some(before.record));
        return;
    }
    // An entry that is not read may be one of another kind of the same lane.
    let is_set_aside = match (kind, &record) {
        (LaneKind::Consumer | LaneKind::Conversation, _) => !is_read,
        (_, Some(_)) => !is_read,
        (_, None) => false,
    };
    if is_alone && is_set_aside {
        let letters = ground.lanes(LaneKind::DeadLetter);
        let [one] = &*letters else { panic!("{} dead letters", letters.len()) };
        let letter = DeadLetter::of(one).expect("a letter");
        assert_eq!(letter.reason(), DeadLetterReason::Unreadable);
        assert_eq!((letter.content(), letter.lane_key()), (text(&body), key));
    }
    dead_letters(&mut ground);
    forget(&mut ground);
    ground.stop();
}

/// What people are shown of the lane.
fn summaries(kind: LaneKind, lane: &LaneDetails, is_read: bool) {
    let is_consumers = kind == LaneKind::Consumer;
    let summary = ConsumerSummary::of(lane);
    assert_eq!(summary.is_some(), is_consumers && is_read);
    assert_eq!(DeadLetter::of(lane).is_some(), kind == LaneKind::DeadLetter && is_read);
    let waiting = Waiting::of(lane);
    if let Some(summary) = summary {
        assert!(summary.queued <= waiting.count, "of a long text, the last part counts alone");
        assert!(summary.recent.len() <= 64);
        let to = summary.reference();
        assert_eq!(to.map(|to| to.id()), summary.conversation.as_ref());
        assert_eq!(to.is_some(), summary.state.name() == "open");
        assert!(to.is_some() || !summary.survey);
        let statuses = ["accepted", "unconfirmed", "held", "sent", "delivered", "read", "failed"];
        assert!(summary.recent.iter().all(|recent| statuses.contains(&recent.status)));
    }
}

/// A letter is shown without its content, is put back if it can be, and is removed.
fn dead_letters(ground: &mut Ground) {
    let letters = ground.lanes(LaneKind::DeadLetter);
    for lane in &letters {
        let letter = DeadLetter::of(lane).expect("a letter");
        let summary = DeadLetterSummary::of(lane).expect("a letter");
        ground.shows(&format!("{letter:?} {summary:?} {lane:?}"));
        assert_eq!(summary.id, lane.summary.lane.key());
        assert_eq!((summary.reason, summary.at), (letter.reason(), letter.at()));
        assert_eq!(summary.consumer.as_ref(), letter.consumer());
        assert_eq!(summary.conversation, letter.conversation());
        assert_eq!(summary.replayable, letter.can_be_replayed());
        assert!(!letter.reason().name().is_empty());
        let _ = letter.content();
        let account = lane.summary.lane.account();
        ground.append(vec![replay(account, &summary.id)]);
    }
    ground.run();
    for lane in ground.lanes(LaneKind::DeadLetter) {
        let account = lane.summary.lane.account();
        ground.append(vec![delete(account, lane.summary.lane.key())]);
    }
    ground.run();
    if ground.mood == Mood::Good {
        assert!(ground.lanes(LaneKind::DeadLetter).is_empty(), "a letter cannot be removed");
    }
}

/// Nothing stays of a consumer that is forgotten, unless a message may have been sent.
fn forget(ground: &mut Ground) {
    let mut forgetting = Forgetting::new(lanes::account(), lanes::ada());
    let mut asked = 0;
    while let Some(request) = forgetting.request() {
        asked += 1;
        assert!(asked < 20, "it looks for ever");
        let answer = ground.perform(request);
        forgetting.handle(answer);
    }
    ground.append(forgetting.into_entries());
    ground.run();
    if ground.mood == Mood::Good
        && let Some(lane) = ground.lane(LaneKind::Consumer, "ada")
    {
        let summary = ConsumerSummary::of(&lane).expect("a record");
        assert!(
            summary.queued > 0 || summary.recent.is_empty(),
            "it is not forgotten: {summary:?}"
        );
    }
}
