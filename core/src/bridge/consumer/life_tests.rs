//! A consumer's lane alone: how much its record takes in and how long it is kept, what goes of it when a store refuses
//! it, and when a failed request is repeated.

use std::time::SystemTime;

use super::record::{Offered, OpenTalk};
use super::*;
use crate::bridge::Called;
use crate::bridge::entry::ConsumerEntry;
use crate::bridge::lane::outage_pause;
use crate::bridge::world;
use crate::error::{Delivery, Error, ErrorKind};

const DAY: Duration = Duration::from_secs(24 * 3600);

fn now() -> Now {
    Now::new(Mono::ZERO, SystemTime::UNIX_EPOCH)
}

fn dialog() -> DialogId {
    DialogId::new("c1").unwrap()
}

/// A lane that is claimed so long after its last commit.
fn claimed(
    record: &ConsumerRecord,
    entries: Vec<(u64, Vec<u8>)>,
    elapsed: Duration,
) -> ConsumerLane {
    let account = AccountId::new("91827364").unwrap();
    let ada = ExtConsumerId::new("ada").unwrap();
    let lane = LaneId::consumer(&account, &ada);
    let claimed = world::claimed(lane, encode(record), entries, elapsed);
    ConsumerLane::restore(claimed, ada, Arc::new(BridgeConfig::new()), now()).unwrap()
}

/// A record with an open conversation.
fn open() -> ConsumerRecord {
    let ada = ExtConsumerId::new("ada").unwrap();
    let to = ConversationRef::new(ada, ConversationId::new("c1").unwrap());
    ConsumerRecord { talk: Talk::Open(OpenTalk::new(to)), ..ConsumerRecord::default() }
}

fn queued(state: SendState) -> Queued {
    let metadata = serde_json::Value::Null;
    Queued {
        id: "m1".to_owned(),
        content: Content::Text { text: "hello".to_owned(), metadata, is_answer: false },
        opening: None,
        state,
        attempt: 0,
        accepted: None,
        part: None,
    }
}

fn receipt() -> PendingReceipt {
    PendingReceipt {
        conversation: ConversationId::new("c1").unwrap(),
        dialog: dialog(),
        kind: PendingKind::Receipt(ReceiptKind::Read),
        sequences: vec![4],
        metadata: serde_json::Value::Null,
        tries: 0,
    }
}

/// The entry of a text with so many bytes.
fn accepted(number: u64, bytes: usize) -> (u64, Vec<u8>) {
    let text = Inbound::text(format!("m{number}"), "x".repeat(bytes)).unwrap();
    (number, serde_json::to_vec(&ConsumerEntry::Accepted(Box::new(text))).unwrap())
}

#[test]
fn a_record_takes_in_256_messages() {
    let entries = (1..=258).map(|number| accepted(number, 4)).collect();
    let lane = claimed(&ConsumerRecord::default(), entries, Duration::ZERO);
    assert_eq!((lane.record.queue.len(), lane.through), (256, 256));
}

#[test]
fn a_record_takes_in_messages_until_it_has_256_kib() {
    // The first message's id has two bytes: with the second text it has 262 144.
    for (bytes, expected) in [(262_141, 2), (262_142, 1)] {
        let entries = vec![accepted(1, bytes), accepted(2, 4)];
        let lane = claimed(&ConsumerRecord::default(), entries, Duration::ZERO);
        assert_eq!((lane.record.queue.len(), lane.through), (expected, expected as u64));
    }
}

#[test]
fn pauses_grow_while_requests_fail() {
    let record = ConsumerRecord { queue: [queued(SendState::Waiting)].into(), ..open() };
    let mut lane = claimed(&record, Vec::new(), Duration::ZERO);
    let mut now = now();
    for (tries, seconds) in (1..).zip([1, 5, 25, 60, 120, 300, 300]) {
        let pause = outage_pause(&lane.lane(), tries);
        let least = Duration::from_secs(seconds);
        assert!(pause > least && pause <= least.mul_f64(1.1), "{seconds}: {pause:?}");
        let LaneStep::Effect(_) = lane.poll(now) else { panic!("{seconds}") };
        let error = Error::new(ErrorKind::Unavailable, "down").with_delivery(Delivery::Rejected);
        lane.called(Err(error), now);
        let LaneStep::Commit(_) = lane.poll(now) else { panic!("{seconds}") };
        lane.committed();
        let LaneStep::Commit(draft) = lane.poll(now) else { panic!("{seconds}") };
        assert_eq!(draft.next, DraftNext::After(pause));
        now = now.later(pause);
    }
    // Whoever refuses a message is there again.
    let LaneStep::Effect(_) = lane.poll(now) else { panic!() };
    let refused = Error::new(ErrorKind::Rejected, "not like this");
    lane.called(Err(refused.with_delivery(Delivery::Rejected)), now);
    assert!(lane.record.queue.is_empty() && lane.record.pause.is_none());
}

/// Nothing is known to lead there: whatever does costs a claim, and no message.
#[test]
fn a_record_with_something_to_do_is_due_at_once() {
    let waiting = ConsumerRecord { queue: [queued(SendState::Waiting)].into(), ..open() };
    for (record, expected) in [(waiting, Duration::ZERO), (open(), DAY * 7)] {
        let lane = claimed(&record, Vec::new(), Duration::ZERO);
        assert_eq!(lane.rest(now().mono()), DraftNext::After(expected));
    }
}

#[test]
fn a_record_with_something_to_do_outlives_the_retention() {
    let held = ConsumerRecord { queue: [queued(SendState::Held)].into(), ..open() };
    let mut lane = claimed(&held, Vec::new(), DAY * 8);
    let LaneStep::Commit(draft) = lane.poll(now()) else { panic!() };
    assert_eq!(draft.next, DraftNext::Idle);
    let owing = ConsumerRecord { receipts: [receipt()].into(), ..open() };
    let mut lane = claimed(&owing, Vec::new(), DAY * 8);
    let LaneStep::Effect(_) = lane.poll(now()) else { panic!() };
    lane.called(Ok(Called::Published(Some(5))), now());
    let LaneStep::Commit(draft) = lane.poll(now()) else { panic!() };
    assert_eq!(draft.next, DraftNext::After(DAY * 7));
}

#[test]
fn a_record_goes_if_nothing_came_for_the_retention() {
    let read = ConsumerEntry::Acknowledged { dialog: dialog(), read: true, sequences: vec![4] };
    let news = vec![(9, serde_json::to_vec(&read).unwrap())];
    for (entries, elapsed, expected) in [
        (Vec::new(), DAY * 7 - Duration::from_nanos(1), DraftNext::After(DAY * 7)),
        (Vec::new(), DAY * 7, DraftNext::Gone),
        (news, DAY * 7, DraftNext::After(DAY * 7)),
    ] {
        let mut lane = claimed(&ConsumerRecord::default(), entries, elapsed);
        let LaneStep::Commit(draft) = lane.poll(now()) else { panic!() };
        assert_eq!(draft.next, expected, "{elapsed:?}");
    }
}

#[test]
fn a_refused_record_gives_up_one_convenience_at_a_time() {
    let offered = |message: &str| Offered {
        message: message.to_owned(),
        dialog: dialog(),
        options: Vec::new(),
    };
    let record = ConsumerRecord {
        offered_before: [offered("c1:c1:1"), offered("c1:c1:2")].into(),
        offered: Some(offered("c1:c1:3")),
        receipts: [receipt()].into(),
        ..ConsumerRecord::default()
    };
    let mut lane = claimed(&record, Vec::new(), Duration::ZERO);
    for left in [(1, true, 1), (0, true, 1), (0, false, 1), (0, false, 0)] {
        let draft = lane.shed(now()).unwrap();
        assert_eq!(draft.next, DraftNext::Hold);
        let ConsumerRecord { offered_before, offered, receipts, .. } = &lane.record;
        assert_eq!((offered_before.len(), offered.is_some(), receipts.len()), left);
    }
    assert!(lane.shed(now()).is_none());
}
