//! What a lane doubts that was taken over, and what wakes one whose entries wait.

use std::time::SystemTime;

use super::record::OpenTalk;
use super::*;
use crate::bridge::Called;
use crate::bridge::config::Unsettled;
use crate::bridge::entry::{ConsumerEntry, Phase, Resolution, Verdict};
use crate::bridge::world;
use crate::error::{Delivery, Error, ErrorKind};
use crate::file::File;

fn now() -> Now {
    Now::new(Mono::ZERO, SystemTime::UNIX_EPOCH)
}

fn conversation() -> ConversationId {
    ConversationId::new("c1").unwrap()
}

/// A record with an open conversation.
fn open() -> ConsumerRecord {
    let to = ConversationRef::new(ExtConsumerId::new("ada").unwrap(), conversation());
    ConsumerRecord { talk: Talk::Open(OpenTalk::new(to)), ..ConsumerRecord::default() }
}

/// A message that was sent once, without an answer.
fn unconfirmed(id: &str) -> Queued {
    let metadata = serde_json::Value::Null;
    let state = SendState::Unconfirmed(record::Unconfirmed {
        conversation: conversation(),
        dialog: DialogId::new("c1").unwrap(),
        least: 0,
        ended: Timestamp::from_millis(0),
        left: Duration::from_secs(60),
        is_asked: true,
    });
    Queued {
        id: id.to_owned(),
        content: Content::Text { text: "hello".to_owned(), metadata, is_answer: false },
        opening: None,
        state,
        attempt: 1,
        accepted: None,
        part: None,
    }
}

/// A message that was not sent yet.
fn waiting(id: &str) -> Queued {
    Queued { state: SendState::Waiting, attempt: 0, ..unconfirmed(id) }
}

fn held(id: &str) -> Queued {
    Queued { state: SendState::Held, ..unconfirmed(id) }
}

fn numbered(entries: Vec<ConsumerEntry>) -> Vec<(u64, Vec<u8>)> {
    let bodies = entries.iter().map(|entry| serde_json::to_vec(entry).unwrap());
    (1..).zip(bodies).collect()
}

fn text(id: &str) -> ConsumerEntry {
    ConsumerEntry::Accepted(Box::new(Inbound::text(id, "Coo?").unwrap()))
}

fn file(id: &str) -> ConsumerEntry {
    let file = File::new("ring.png", vec![1, 2, 3]).unwrap();
    ConsumerEntry::Accepted(Box::new(Inbound::file(id, file).unwrap()))
}

/// The channel has read a message of an agent's.
fn forward(sequence: u64) -> ConsumerEntry {
    ConsumerEntry::Receipt {
        conversation: conversation(),
        dialog: DialogId::new("c1").unwrap(),
        status: ReceiptKind::Read,
        sequences: vec![sequence],
        reported: true,
    }
}

/// The agent has received a message of before.
fn received() -> ConsumerEntry {
    let dialog = DialogId::new("c1").unwrap();
    ConsumerEntry::Acknowledged { dialog, read: false, sequences: vec![0] }
}

fn absent(message: &str) -> ConsumerEntry {
    let verdict = Verdict::Absent;
    ConsumerEntry::Settled { message: message.to_owned(), attempt: 1, verdict }
}

/// A claim of this record and these entries.
fn given(record: &ConsumerRecord, entries: Vec<ConsumerEntry>) -> Claimed {
    let account = AccountId::new("91827364").unwrap();
    let lane = LaneId::consumer(&account, &ExtConsumerId::new("ada").unwrap());
    world::claimed(lane, encode(record), numbered(entries), Duration::ZERO)
}

fn restored(claimed: Claimed) -> ConsumerLane {
    let config = BridgeConfig::new().unsettled(Unsettled::Hold);
    let ada = ExtConsumerId::new("ada").unwrap();
    ConsumerLane::restore(claimed, ada, Arc::new(config), now()).unwrap()
}

fn committed(lane: &mut ConsumerLane) -> Draft {
    let LaneStep::Commit(draft) = lane.poll(now()) else { panic!() };
    lane.committed();
    draft
}

fn record_of(draft: Draft) -> ConsumerRecord {
    let Kept::New(record) = draft.record else { panic!() };
    decode(&record).unwrap()
}

/// The commit, its record, and what wakes the lane.
fn rests(claimed: Claimed) -> (DraftNext, u64) {
    let draft = committed(&mut restored(claimed));
    (draft.next, draft.seen)
}

#[test]
fn an_operators_word_wakes_a_lane_whose_file_waits() {
    let mut record = open();
    record.queue.push_back(held("m1"));
    let cut = |more| Claimed { more, ..given(&record, vec![file("m2"), text("m3")]) };
    // The word may be appended before the commit: it is the third entry.
    assert_eq!(rests(cut(false)), (DraftNext::Idle, 2));
    // It was cut: another time, what stands behind may be given.
    assert_eq!(rests(cut(true)), (DraftNext::After(Duration::from_secs(15)), u64::MAX));
    // As many as are ever given: the same would be given again.
    let many = || (2..=65).map(|n| file(&format!("m{n}"))).collect();
    let full = Claimed { more: true, ..given(&record, many()) };
    assert_eq!(rests(full), (DraftNext::Idle, u64::MAX));
    let word = ConsumerEntry::Resolved { message: "m1".to_owned(), resolution: Resolution::Drop };
    let mut lane = restored(given(&record, vec![file("m2"), text("m3"), word]));
    assert!(lane.record.queue.is_empty(), "it counts before its turn");
    assert!(matches!(lane.poll(now()), LaneStep::Effect(Effect::Call(Outgoing::UploadUrl(_)))));
}

/// Until a file is stored or refused, and that is committed, no holder has sent anything behind it.
#[test]
fn what_is_done_after_a_takeover_is_not_doubted() {
    for is_refused in [false, true] {
        let mut claimed = given(&open(), vec![file("m1"), text("m2")]);
        claimed.taken_over = true;
        let (mut lane, mut cloud) = (restored(claimed), world::Cloud::default());
        for _ in 0..2 {
            // An address for the file, and the file.
            let LaneStep::Effect(Effect::Call(outgoing)) = lane.poll(now()) else { panic!() };
            let refused = Error::new(ErrorKind::Rejected, "too large");
            let refused = refused.with_delivery(Delivery::Rejected).with_status(413, None);
            lane.called(if is_refused { Err(refused) } else { cloud.perform(&outgoing) }, now());
            if is_refused {
                break;
            }
        }
        assert_eq!(committed(&mut lane).next, DraftNext::Hold);
        let LaneStep::Effect(Effect::Call(outgoing)) = lane.poll(now()) else { panic!() };
        let is_sent = matches!(outgoing, Outgoing::Text(_) | Outgoing::File(_));
        assert!(is_sent && lane.record.queue[0].state == SendState::Waiting);
    }
}

/// The last holder was given what this one is not, and has sent the message again for it.
#[test]
fn a_takeover_with_fewer_entries_doubts_what_the_rest_lets_go() {
    let mut record = open();
    record.queue.push_back(unconfirmed("m1"));
    let mut fewer = given(&record, vec![file("m2")]);
    (fewer.taken_over, fewer.more) = (true, true);
    let record = record_of(committed(&mut restored(fewer)));
    let mut lane = restored(given(&record, vec![file("m2"), absent("m1")]));
    let SendState::Unconfirmed(second) = &lane.record.queue[0].state else { panic!() };
    assert!(lane.record.queue[0].attempt == 2 && second.is_asked);
    let record = record_of(committed(&mut lane));
    assert!(!record.doubtful, "now it was given everything");
    // The same without a takeover, and with one that was given as many entries as anybody is.
    let mut record = open();
    record.queue.push_back(unconfirmed("m1"));
    let mut many: Vec<_> = (2..=65).map(|n| file(&format!("m{n}"))).collect();
    for is_taken_over in [false, true] {
        let mut claimed = given(&record, many.clone());
        (claimed.taken_over, claimed.more) = (is_taken_over, true);
        assert!(!restored(claimed).record.doubtful, "{is_taken_over}");
        many.truncate(64);
    }
}

#[test]
fn what_this_holder_has_sent_ends_its_doubts() {
    let mut record = open();
    record.doubtful = true;
    let seen = ConsumerEntry::Seen { conversation: conversation(), phase: Phase::Open };
    let claimed = Claimed { more: true, ..given(&record, vec![seen]) };
    let mut lane = restored(claimed);
    assert!(lane.record.doubtful);
    lane.record.queue.push_back(waiting("m1"));
    assert!(matches!(lane.poll(now()), LaneStep::Effect(Effect::Call(Outgoing::Text(_)))));
    lane.called(Ok(Called::Published(Some(3))), now());
    assert!(!record_of(committed(&mut lane)).doubtful);
}

/// Nobody but the last holder may have known which conversation it is.
#[test]
fn a_conversation_that_is_looked_up_is_doubted_as_well() {
    for doubtful in [false, true] {
        let lp_consumer = Some(LpConsumerId::new("lp-ada").unwrap());
        let mut record = ConsumerRecord { talk: Talk::Awaiting, doubtful, lp_consumer, ..open() };
        record.queue.push_back(waiting("m1"));
        let mut lane = restored(Claimed { more: true, ..given(&record, Vec::new()) });
        assert!(matches!(lane.poll(now()), LaneStep::Effect(Effect::Read(_))));
        lane.read(&[Some(Cell { version: 1, value: b"c1".to_vec() })], now());
        let is_doubted = matches!(lane.record.queue[0].state, SendState::Unconfirmed(_));
        assert_eq!(is_doubted, doubtful);
    }
}

/// It stands in the record because this side has not come to send it yet.
#[test]
fn an_own_message_and_click_are_not_doubted_later() {
    let mut record = open();
    record.doubtful = true;
    record.queue.push_back(waiting("m1"));
    record.receipts.push_back(PendingReceipt {
        conversation: conversation(),
        dialog: DialogId::new("c1").unwrap(),
        kind: PendingKind::Action,
        sequences: vec![4],
        metadata: serde_json::Value::Null,
        tries: 0,
    });
    for entry in [text("m2"), forward(5), received()] {
        let given = || Claimed { more: true, ..given(&record, vec![entry.clone()]) };
        let lane = restored(given());
        assert_eq!(lane.record.receipts[0].kind, PendingKind::Action);
        assert_eq!(lane.record.queue[0].state, SendState::Waiting);
        let lane = restored(Claimed { taken_over: true, ..given() });
        assert!(lane.record.receipts.iter().all(|one| one.kind != PendingKind::Action));
        assert!(matches!(lane.record.queue[0].state, SendState::Unconfirmed(_)));
    }
}

#[test]
fn a_file_that_this_holder_stored_ends_its_doubts() {
    let mut record = open();
    record.doubtful = true;
    let claimed = Claimed { more: true, ..given(&record, vec![file("m1")]) };
    let (mut lane, mut cloud) = (restored(claimed), world::Cloud::default());
    for _ in 0..2 {
        let LaneStep::Effect(Effect::Call(outgoing)) = lane.poll(now()) else { panic!() };
        assert!(lane.record.doubtful);
        lane.called(cloud.perform(&outgoing), now());
    }
    assert!(!record_of(committed(&mut lane)).doubtful);
}

/// What another program of the consumer's opened may be what the last holder sent to.
#[test]
fn a_conversation_that_is_open_already_is_doubted_as_well() {
    for doubtful in [false, true] {
        let mut record = ConsumerRecord { talk: Talk::None, doubtful, ..open() };
        record.is_identified = true;
        record.seen.push((conversation(), Phase::Open));
        record.queue.push_back(waiting("m1"));
        let mut lane = restored(Claimed { more: true, ..given(&record, Vec::new()) });
        assert!(matches!(lane.poll(now()), LaneStep::Effect(Effect::Call(Outgoing::Open(_)))));
        let error = Error::new(ErrorKind::AlreadyOpen, "one is open");
        lane.called(Err(error.with_delivery(Delivery::Rejected)), now());
        let is_doubted = matches!(lane.record.queue[0].state, SendState::Unconfirmed(_));
        assert_eq!(is_doubted, doubtful);
    }
}

/// This side has doubted it, and asks: the last holder cannot have seen the answer.
#[test]
fn an_absence_that_this_holder_asked_for_is_believed() {
    let mut record = open();
    record.queue.push_back(waiting("m1"));
    let cut = Claimed { taken_over: true, more: true, ..given(&record, vec![file("m2")]) };
    let mut record = record_of(committed(&mut restored(cut)));
    assert!(!record.doubtful && record.queue[0].attempt == 1);
    record.pause = None;
    let lane = restored(given(&record, vec![file("m2"), absent("m1")]));
    assert_eq!(lane.record.queue[0].state, SendState::Waiting);
}

/// It may have left, and its end is reported before everything is removed.
#[test]
fn a_message_before_a_word_to_forget_is_doubted() {
    let mut claimed = given(&open(), vec![text("m1"), ConsumerEntry::Forget]);
    claimed.taken_over = true;
    let lane = restored(claimed);
    assert!(lane.record.forget && lane.record.queue.len() == 1);
    assert!(matches!(lane.record.queue[0].state, SendState::Unconfirmed(_)));
}
