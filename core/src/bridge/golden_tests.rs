//! What is stored, as it is in files: each version that was released is read for ever.
//!
//! `tests/golden/bridge/` has a file for each kind of record and of entry, with examples. Today's code reads each
//! example and writes it alike. A member that is new is optional, and not written where it is absent: then the
//! examples stay as they are, and one with the new member is added. Any other change of an example is a new version
//! of the record, with files of its own.

use std::collections::BTreeSet;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::entry::{ConsumerEntry, ConversationEntry, DeadLetterEntry, StatusEntry, StatusForget};
use super::store::{
    Answer, Commit, Entry, Holder, LaneId, LaneKind, Listed, MemoryStore, Record, Request,
};
use super::{
    BridgeConfig, Inbound, RECORD_VERSION, Resolution, Worker, WorkerStep, accept, delete, forget,
    replay, resolve,
};
use crate::id::{AccountId, ExtConsumerId};
use crate::seed::Seed;
use crate::time::{Mono, Now};

/// Reads and writes a record. `None`: it is not read.
type Rewrites = fn(&Record) -> Option<Record>;

/// The files of records, with what reads and writes each.
const RECORDS: [(&str, Rewrites); 4] = [
    ("consumer_record", super::consumer::rewritten),
    ("conversation_record", super::conversation::rewritten),
    ("status_record", super::status_lane::rewritten),
    ("dead_letter_record", super::dead_letter::rewritten),
];

/// The examples of a file.
fn examples(name: &str) -> Vec<Value> {
    let path = format!("{}/tests/golden/bridge/{name}.json", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn record(version: u16, example: &Value) -> Record {
    Record { version, body: serde_json::to_vec(example).unwrap() }
}

/// Reads and writes each example of a file, and returns the values.
fn holds<T: Serialize + DeserializeOwned>(name: &str) -> Vec<T> {
    let read = |example: Value| {
        let body = serde_json::to_vec(&example).unwrap();
        let value: T = serde_json::from_slice(&body).unwrap_or_else(|error| {
            panic!("{name}: {error}: {example:#}");
        });
        assert_eq!(serde_json::to_value(&value).unwrap(), example, "{name}");
        value
    };
    examples(name).into_iter().map(read).collect()
}

#[test]
fn records_of_version_1_are_read_and_written_alike() {
    assert_eq!(RECORD_VERSION, 1, "a new version has files of its own, beside these");
    for (name, rewritten) in RECORDS {
        for example in examples(name) {
            let Some(again) = rewritten(&record(1, &example)) else {
                panic!("{name}: it is not read: {example:#}");
            };
            assert_eq!(again.version, 1, "{name}");
            let again: Value = serde_json::from_slice(&again.body).unwrap();
            assert_eq!(again, example, "{name}");
        }
    }
}

#[test]
fn entries_are_read_and_written_alike() {
    holds::<ConsumerEntry>("consumer_entry");
    holds::<ConversationEntry>("conversation_entry");
    holds::<StatusEntry>("status_entry");
    holds::<StatusForget>("status_forget");
    holds::<DeadLetterEntry>("dead_letter_entry");
}

#[test]
fn each_kind_of_entry_has_an_example() {
    // A new kind does not compile here: it needs a name, in the list too, and an example.
    let consumer = |entry: &ConsumerEntry| match entry {
        ConsumerEntry::Accepted(_) => "accepted",
        ConsumerEntry::Seen { .. } => "seen",
        ConsumerEntry::Settled { .. } => "settled",
        ConsumerEntry::Receipt { .. } => "receipt",
        ConsumerEntry::Acknowledged { .. } => "acknowledged",
        ConsumerEntry::Offered { .. } => "offered",
        ConsumerEntry::Resolved { .. } => "resolved",
        ConsumerEntry::Adopt { .. } => "adopt",
        ConsumerEntry::Forget => "forget",
    };
    let conversation = |entry: &ConversationEntry| match entry {
        ConversationEntry::Changes { .. } => "changes",
        ConversationEntry::Opened { .. } => "opened",
        ConversationEntry::Question(_) => "question",
        ConversationEntry::Replayed { .. } => "replayed",
        ConversationEntry::Forget => "forget",
    };
    let dead_letter = |entry: &DeadLetterEntry| match entry {
        DeadLetterEntry::Letter(_) => "letter",
        DeadLetterEntry::Replay => "replay",
        DeadLetterEntry::Delete => "delete",
    };
    let consumers: BTreeSet<_> = holds("consumer_entry").iter().map(consumer).collect();
    let conversations: BTreeSet<_> = holds("conversation_entry").iter().map(conversation).collect();
    let dead_letters: BTreeSet<_> = holds("dead_letter_entry").iter().map(dead_letter).collect();
    assert_eq!(
        consumers.into_iter().collect::<Vec<_>>(),
        [
            "accepted",
            "acknowledged",
            "adopt",
            "forget",
            "offered",
            "receipt",
            "resolved",
            "seen",
            "settled"
        ]
    );
    assert_eq!(
        conversations.into_iter().collect::<Vec<_>>(),
        ["changes", "forget", "opened", "question", "replayed"]
    );
    assert_eq!(dead_letters.into_iter().collect::<Vec<_>>(), ["delete", "letter", "replay"]);
}

/// What is appended from outside is one of the examples.
#[test]
fn what_a_channel_and_an_operator_append_is_in_the_files() {
    let (account, ada) = (account(), ExtConsumerId::new("ada").unwrap());
    let text = Inbound::text("m1", "Coo?").unwrap();
    let choice = Inbound::answer("m3", "c1:c1:1", 2).unwrap();
    let close = Inbound::close("m4", false).unwrap();
    let mut entries: Vec<Entry> = [text, choice, close]
        .into_iter()
        .flat_map(|message| accept(&account, &ada, message))
        .collect();
    for resolution in [Resolution::Sent, Resolution::Resend, Resolution::Drop] {
        entries.push(resolve(&account, &ada, "m1", resolution));
    }
    entries.extend([forget(&account, &ada), replay(&account, "x"), delete(&account, "x")]);
    for entry in entries {
        let name = format!("{}_entry", entry.lane.kind());
        let body: Value = serde_json::from_slice(&entry.body).unwrap();
        assert!(examples(&name).contains(&body), "{name}: {body:#}");
    }
}

#[test]
fn a_record_of_version_2_is_not_read() {
    for (name, rewritten) in RECORDS {
        for example in examples(name) {
            assert_eq!(rewritten(&record(2, &example)), None, "{name}: {example:#}");
        }
    }
}

/// A newer program's lane is left alone, with its entries, until a program comes that can read it.
#[test]
fn a_lane_of_version_2_is_not_claimed() {
    let mut store = MemoryStore::default();
    let (holder, term) = (Holder(1), Duration::from_secs(15));
    let entry = |kind: &LaneKind| Entry {
        lane: LaneId::new(account(), *kind, "1"),
        body: b"of version 2".to_vec(),
    };
    let entries: Vec<Entry> = LaneKind::ALL.iter().map(entry).collect();
    store.perform(Request::Append(entries.clone()), Mono::ZERO);
    let claim = Request::Claim { holder, lanes: 9, entries: 9, term, speaks: 2 };
    let Answer::Claimed(claimed) = store.perform(claim, Mono::ZERO) else { panic!() };
    for (one, (name, _)) in claimed.iter().zip(RECORDS) {
        let commit = Commit::new(one.lane.clone(), one.fence, holder)
            .through(1)
            .seen(1)
            .record(record(2, &examples(name)[0]));
        store.perform(Request::Commit(vec![commit]), Mono::ZERO);
    }
    store.perform(Request::Append(entries), Mono::ZERO);
    let before = store.clone();
    let mut worker = Worker::new(BridgeConfig::new(), Seed::from_bytes([3; 16]));
    let mut now = Now::new(Mono::ZERO, std::time::SystemTime::UNIX_EPOCH);
    let mut asked = 0;
    for _ in 0..50 {
        match worker.poll(now) {
            WorkerStep::Ask(number, request) => {
                asked += 1;
                let answer = store.perform(request, now.mono());
                worker.handle(number, Some(answer), now);
            }
            WorkerStep::Wait(until) => now = now.later(until.since(now.mono())),
            step => panic!("{step:?}"),
        }
    }
    assert!(asked > 5 && worker.lanes() == 0, "{asked} requests, {} lanes", worker.lanes());
    assert_eq!(store, before);
    // People see it all the same.
    let what = Listed::Lanes { account: None, kind: LaneKind::Consumer };
    let list = Request::List { what, after: None, limit: 9 };
    let Answer::Listed(lanes) = store.perform(list, Mono::ZERO) else { panic!() };
    assert_eq!(lanes.len(), 1);
}

fn account() -> AccountId {
    AccountId::new("91827364").unwrap()
}
