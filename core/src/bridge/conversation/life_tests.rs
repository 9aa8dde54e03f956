//! How long a conversation's record is kept, and what a store that refuses it leads to.

use std::time::SystemTime;

use super::*;
use crate::bridge::entry::ConversationEntry;
use crate::bridge::store::Fence;

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
    let claimed = Claimed {
        lane: LaneId::conversation(&account, &conversation),
        fence: Fence(1),
        taken_over: false,
        elapsed,
        record: Some(encode(record)),
        entries,
        more: false,
    };
    ConversationLane::restore(claimed, conversation, Arc::new(BridgeConfig::new()), now()).unwrap()
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
        let news = ConversationEntry::Changes { changes: Vec::new(), at: None };
        let news = vec![(9, serde_json::to_vec(&news).unwrap())];
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
fn a_refused_record_without_deliveries_gives_nothing_up() {
    let record = ConversationRecord { owner: ours(), ..ConversationRecord::default() };
    let mut lane = claimed(&record, Vec::new(), Duration::ZERO);
    assert!(lane.shed(now()).is_none());
}
