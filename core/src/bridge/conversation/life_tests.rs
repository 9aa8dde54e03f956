//! How long a conversation's record is kept, how much it has room for, and what a store that refuses it leads to.

use std::time::SystemTime;

use serde_json::json;

use super::*;
use crate::bridge::delivery::{ChangeDetails, Verdict};
use crate::bridge::entry::ConversationEntry;
use crate::bridge::world;
use crate::webhook::{Change, MessagingEvent, Order, Transition};

const DAY: Duration = Duration::from_secs(24 * 3600);

fn now() -> Now {
    Now::new(Mono::ZERO, SystemTime::UNIX_EPOCH)
}

fn ours() -> Owner {
    Owner::Ours { consumer: ExtConsumerId::new("ada").unwrap(), lp_consumer: None }
}

/// A lane that is claimed so long after its last commit.
fn claimed(
    record: &ConversationRecord,
    entries: Vec<(u64, Vec<u8>)>,
    elapsed: Duration,
) -> ConversationLane {
    let account = AccountId::new("91827364").unwrap();
    let conversation = ConversationId::new("c1").unwrap();
    let lane = LaneId::conversation(&account, &conversation);
    let claimed = world::claimed(lane, encode(record), entries, elapsed);
    ConversationLane::restore(claimed, conversation, Arc::new(BridgeConfig::new()), now()).unwrap()
}

fn news(changes: Vec<Change>) -> Vec<u8> {
    serde_json::to_vec(&ConversationEntry::Changes { changes, at: None }).unwrap()
}

/// A record in which so many deliveries wait for the channel.
fn waiting(deliveries: usize) -> ConversationRecord {
    let pending = Pending {
        id: "c1:c1:opened".to_owned(),
        at: None,
        order: Order::InOrder,
        content: PendingContent::Changed(Transition::Created),
        replayed: false,
        details: ChangeDetails::default(),
        stored: None,
    };
    let pending = vec![pending; deliveries].into();
    ConversationRecord { owner: ours(), pending, ..ConversationRecord::default() }
}

/// The number of the last entry that the lane takes in before it delivers something.
fn taken(lane: &mut ConversationLane) -> u64 {
    assert!(matches!(lane.poll(now()), LaneStep::Effect(Effect::Deliver(_))));
    lane.release(now()).through
}

#[test]
fn a_record_goes_if_nothing_came_for_its_life() {
    let hour = Duration::from_secs(3600);
    for (owner, is_finished, life) in [
        (ours(), false, DAY * 28),
        (ours(), true, DAY * 7),
        (Owner::Foreign, false, hour),
        (Owner::Foreign, true, hour),
    ] {
        let record = ConversationRecord { owner, is_finished, ..ConversationRecord::default() };
        let news = vec![(9, news(Vec::new()))];
        for (entries, elapsed, expected) in [
            (Vec::new(), life - Duration::from_nanos(1), DraftNext::After(life)),
            (Vec::new(), life, DraftNext::Gone),
            (news, life, DraftNext::After(life)),
        ] {
            let mut lane = claimed(&record, entries, elapsed);
            let LaneStep::Commit(draft) = lane.poll(now()) else { panic!() };
            assert_eq!(draft.next, expected, "{record:?} {elapsed:?}");
        }
    }
}

#[test]
fn what_was_delivered_late_keeps_the_record_for_another_life() {
    let mut lane = claimed(&waiting(1), Vec::new(), DAY * 28);
    assert!(matches!(lane.poll(now()), LaneStep::Effect(Effect::Deliver(_))));
    lane.delivered(&Verdict::Taken, now());
    let LaneStep::Commit(draft) = lane.poll(now()) else { panic!() };
    assert_eq!(draft.next, DraftNext::After(DAY * 28));
}

#[test]
fn a_refused_record_without_deliveries_gives_nothing_up() {
    let record = ConversationRecord { owner: ours(), ..ConversationRecord::default() };
    let mut lane = claimed(&record, Vec::new(), Duration::ZERO);
    assert!(lane.shed(now()).is_none());
}

#[test]
fn no_entry_is_taken_in_while_a_thousand_deliveries_wait() {
    for (deliveries, through) in [(999, 9), (1000, 0)] {
        let entries = vec![(9, news(Vec::new()))];
        let mut lane = claimed(&waiting(deliveries), entries, Duration::ZERO);
        assert_eq!(taken(&mut lane), through, "{deliveries}");
    }
}

#[test]
fn entries_are_taken_in_up_to_two_mebibytes() {
    let record = waiting(1);
    let left = 2_097_152 - encode(&record).body.len();
    for (size, through) in [(left, 9), (left + 1, 0)] {
        let mut entry = news(Vec::new());
        entry.resize(size, b' ');
        let mut lane = claimed(&record, vec![(9, entry)], Duration::ZERO);
        assert_eq!(taken(&mut lane), through, "{size}");
    }
}

#[test]
fn what_is_over_a_thousand_deliveries_waits_in_the_inbox() {
    let text = |sequence: u64| {
        let raw = json!({"sequence": sequence, "conversationId": "c1", "dialogId": "c1",
            "originatorMetadata": {"role": "ASSIGNED_AGENT"},
            "event": {"type": "ContentEvent", "contentType": "text/plain", "message": "hi"}});
        Change::Message(MessagingEvent::try_from(raw).unwrap())
    };
    let entries = vec![(9, news(vec![text(0), text(1)]))];
    let mut lane = claimed(&waiting(999), entries, Duration::ZERO);
    assert_eq!(taken(&mut lane), 9);
    assert_eq!((lane.record.pending.len(), lane.inbox.len()), (1000, 1));
}

#[test]
fn a_conversation_that_goes_leaves_no_cell() {
    let lp_consumer = Some(LpConsumerId::new("lp-ada").unwrap());
    let owner = Owner::Ours { consumer: ExtConsumerId::new("ada").unwrap(), lp_consumer };
    let record = ConversationRecord { owner, ..ConversationRecord::default() };
    let word = vec![(1, serde_json::to_vec(&ConversationEntry::Forget).unwrap())];
    let account = AccountId::new("91827364").unwrap();
    let cell = open_cell(&account, &LpConsumerId::new("lp-ada").unwrap());
    for (entries, elapsed) in [(word, Duration::ZERO), (Vec::new(), DAY * 28)] {
        let mut lane = claimed(&record, entries, elapsed);
        let LaneStep::Commit(draft) = lane.poll(now()) else { panic!() };
        let expected = vec![(cell.clone(), Vec::new())];
        assert_eq!((draft.next, draft.cells), (DraftNext::Gone, expected), "{elapsed:?}");
    }
}
