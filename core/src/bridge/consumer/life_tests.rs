//! How long a consumer's record is kept, and what goes of it when a store refuses it.

use std::time::SystemTime;

use super::record::Offered;
use super::*;
use crate::bridge::entry::ConsumerEntry;
use crate::bridge::store::Fence;

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
    let claimed = Claimed {
        lane: LaneId::consumer(&account, &ada),
        fence: Fence(1),
        taken_over: false,
        elapsed,
        record: Some(encode(record)),
        entries,
        more: false,
    };
    ConsumerLane::restore(claimed, ada, Arc::new(BridgeConfig::new()), now()).unwrap()
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
    let receipt = PendingReceipt {
        conversation: ConversationId::new("c1").unwrap(),
        dialog: dialog(),
        kind: PendingKind::Receipt(ReceiptKind::Read),
        sequences: vec![4],
        metadata: serde_json::Value::Null,
        tries: 0,
    };
    let record = ConsumerRecord {
        offered_before: [offered("c1:c1:1"), offered("c1:c1:2")].into(),
        offered: Some(offered("c1:c1:3")),
        receipts: [receipt].into(),
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
