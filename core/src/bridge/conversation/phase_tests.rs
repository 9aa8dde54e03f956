//! What the consumer's lane is told of where messages go.

use std::time::{Duration, SystemTime};

use serde_json::{Value, json};

use super::*;
use crate::bridge::delivery::Verdict;
use crate::bridge::entry::{ConversationEntry, Phase};
use crate::bridge::ingest;
use crate::bridge::store::{Fence, LaneKind};
use crate::webhook::Verified;

fn account() -> AccountId {
    AccountId::new("91827364").unwrap()
}

fn id() -> ConversationId {
    ConversationId::new("c1").unwrap()
}

/// A notification of a state, later than those before it.
fn state(number: usize, details: &Value) -> Vec<u8> {
    let mut details = details.clone();
    details["metaDataLastUpdateTs"] = (number + 1).into();
    let body = json!({"type":"cqm.ExConversationChangeNotification","body":{"changes":[
        {"type":"UPSERT","result":{"convId":"c1","conversationDetails":details}}]}});
    let ingested = ingest(&account(), &Verified::dangerous_unverified(body.to_string()));
    ingested.entries.into_iter().next().unwrap().body
}

/// The phases that are told as these states come, each in a claim of its own if `apart`.
fn told(states: &[Value], apart: bool) -> Vec<Phase> {
    let opened = ConversationEntry::Opened {
        consumer: ExtConsumerId::new("ada").unwrap(),
        lp_consumer: None,
        properties: None,
        adopted: false,
    };
    let lane = LaneId::conversation(&account(), &id());
    let mut bodies = vec![entry::entry(lane.clone(), &opened).body];
    bodies.extend(states.iter().enumerate().map(|(number, details)| state(number, details)));
    let numbered: Vec<(u64, Vec<u8>)> = (1..).zip(bodies).collect();
    let size = if apart { 1 } else { numbered.len() };
    let now = Now::new(Mono::ZERO, SystemTime::UNIX_EPOCH);
    let (mut record, mut phases) = (None, Vec::new());
    for entries in numbered.chunks(size) {
        let claimed = Claimed {
            lane: lane.clone(),
            fence: Fence(1),
            taken_over: false,
            elapsed: Duration::ZERO,
            record,
            entries: entries.to_vec(),
            more: false,
        };
        let config = Arc::new(BridgeConfig::new());
        let mut machine = ConversationLane::restore(claimed, id(), config, now).unwrap();
        record = loop {
            let draft = match machine.poll(now) {
                LaneStep::Effect(_) => {
                    machine.delivered(&Verdict::Taken, now);
                    continue;
                }
                LaneStep::Commit(draft) => draft,
            };
            let own = draft.append.iter().filter(|entry| entry.lane.kind() == LaneKind::Consumer);
            phases.extend(own.filter_map(
                |entry| match serde_json::from_slice(&entry.body).unwrap() {
                    ConsumerEntry::Seen { conversation, phase } => {
                        assert_eq!(conversation, id());
                        Some(phase)
                    }
                    _ => None,
                },
            ));
            match (draft.next, draft.record) {
                (DraftNext::Hold, _) => machine.committed(),
                (_, Kept::New(record)) => break Some(record),
                (_, Kept::Same) => panic!("it has a record"),
            }
        };
    }
    phases
}

#[test]
fn each_phase_is_told_once_and_in_order() {
    let dialog = |kind: &str, state: &str| {
        let id = if kind == "MAIN" { "c1" } else { "s1" };
        json!({"dialogId": id, "dialogType": kind, "state": state})
    };
    let open = json!({"state":"OPEN","stage":"OPEN","dialogs":[dialog("MAIN", "OPEN")]});
    let routed =
        json!({"state":"OPEN","stage":"OPEN","skillId":"7","dialogs":[dialog("MAIN", "OPEN")]});
    let survey = json!({"state":"CLOSE","stage":"OPEN",
        "dialogs":[dialog("MAIN", "CLOSE"), dialog("POST_SURVEY", "OPEN")]});
    let between = json!({"state":"CLOSE","stage":"OPEN","dialogs":[dialog("MAIN", "CLOSE")]});
    let closed = json!({"state":"CLOSE","stage":"CLOSE","dialogs":[dialog("MAIN", "CLOSE")]});
    let unreadable = json!({"state":7,"stage":7,"dialogs":7});
    let in_survey = || Phase::Survey(DialogId::new("s1").unwrap());
    for (states, expected) in [
        (vec![&open], vec![Phase::Open]),
        (vec![&open, &routed, &open], vec![Phase::Open]),
        (vec![&closed], vec![Phase::Closed]),
        (vec![&open, &closed, &closed], vec![Phase::Open, Phase::Closed]),
        (vec![&open, &survey], vec![Phase::Open, in_survey()]),
        (vec![&open, &survey, &survey, &closed], vec![Phase::Open, in_survey(), Phase::Closed]),
        (vec![&survey], vec![in_survey()]),
        // The main dialog is closed, and no survey is to be seen: a message would find nobody.
        (vec![&open, &between], vec![Phase::Open, Phase::Closed]),
        (vec![&open, &between, &survey], vec![Phase::Open, Phase::Closed, in_survey()]),
        // What cannot be read tells nothing.
        (vec![&open, &unreadable, &open], vec![Phase::Open]),
        (vec![&open, &survey, &unreadable], vec![Phase::Open, in_survey()]),
        (vec![&open, &unreadable, &closed], vec![Phase::Open, Phase::Closed]),
    ] {
        let states: Vec<Value> = states.into_iter().cloned().collect();
        for apart in [false, true] {
            assert_eq!(told(&states, apart), expected, "{states:?} {apart}");
        }
    }
}
