//! What people and their dashboards see of a bridge, and what they do with it.

use std::sync::Arc;
use std::time::Duration;

use lp_connector_bridge::store::{LaneKind, StoreErrorKind};
use lp_connector_bridge::{
    BridgeEventKind, ConsumerState, Inbound, Memory, Opening, Resolution, TypingError, Unsettled,
};
use lp_connector_core::api::ClientProperties;
use lp_connector_core::error::{Error, ErrorKind};
use lp_connector_core::id::ConversationId;
use lp_connector_core::secret::Secret;
use lp_connector_core::webhook::{Receiver, Verified};
use lp_connector_sandbox::{Agent, Endpoint};

use crate::hosts::{Host, Setup};
use crate::ledger::Act;
use crate::wire::{FaultyStore, Wire, account, config, consumer, quick};

fn shown(wire: &Wire) -> Vec<String> {
    let events = wire.told.events.lock().unwrap();
    let shown = events.iter().filter_map(|event| match &event.kind {
        BridgeEventKind::Message { message, outcome, after } => {
            assert_eq!(after.is_some(), outcome.name() == "sent");
            Some(format!("{message} {}", outcome.name()))
        }
        BridgeEventKind::Conversation { outcome, .. } => Some(outcome.name().to_owned()),
        BridgeEventKind::Delivery { content, outcome, .. } => {
            Some(format!("{} {}", content.name(), outcome.name()))
        }
        BridgeEventKind::DeadLetter { reason, .. } => Some(format!("dead {}", reason.name())),
        BridgeEventKind::OrderAnomaly { anomaly, .. } => Some(anomaly.name().to_owned()),
        _ => None,
    });
    let mut shown: Vec<String> = shown.collect();
    shown.sort();
    shown
}

pub(crate) fn what_happens_is_told<H: Host>() {
    let wire = Wire::new::<H>(quick().refused_tries(1));
    wire.open("ada");
    wire.ledger.script(|note| match note.what == "text one" {
        true => Act::Refuse,
        false => Act::Take,
    });
    wire.agent_says("ada", "one");
    wire.agent_says("ada", "two");
    wire.ledger.expect("ada", "text", &["two"]);
    let expected = [
        "after_gap",
        "changed taken", // it opened
        "changed taken", // an agent joined
        "dead refused",
        "hello sent",
        "message refused",
        "message taken",
        "opened",
        "status taken",
    ];
    // The first one met an observer that panics.
    wire.wait_for_cloud("the events", |wire| shown(wire).len() >= expected.len());
    assert_eq!(shown(&wire), expected);
    let events = wire.told.events.lock().unwrap();
    assert!(events.iter().all(|event| event.consumer == Some(consumer("ada"))), "{events:#?}");
    drop(events);
    wire.wait_for_cloud("rest", |wire| {
        LaneKind::ALL.iter().all(|kind| wire.bridge.lanes_of(*kind) == 0)
    });
}

pub(crate) fn requests_to_the_store_are_told<H: Host>() {
    let wire = Wire::new::<H>(quick());
    wire.open("ada");
    wire.store.set(FaultyStore::REFUSES);
    let refused = Inbound::text("m1", "lost?").unwrap();
    wire.bridge.accept(&account(&wire.cloud), &consumer("ada"), refused).unwrap_err();
    wire.store.set(FaultyStore::FORGETS_TO_ANSWER);
    let refused = Inbound::text("m1", "lost?").unwrap();
    wire.bridge.accept(&account(&wire.cloud), &consumer("ada"), refused).unwrap_err();
    let requests = wire.told.requests.lock().unwrap();
    for (verb, result) in [
        ("append", Ok(())),
        ("claim", Ok(())),
        ("commit", Ok(())),
        ("append", Err(StoreErrorKind::Full)),
        ("append", Err(StoreErrorKind::Unavailable)),
    ] {
        let is_so = requests.iter().any(|one| (one.verb, one.result) == (verb, result));
        assert!(is_so, "{verb} {result:?}");
    }
}

pub(crate) fn calls_are_reported_with_their_errors<H: Host>() {
    let wire = Wire::new::<H>(quick());
    wire.open("ada");
    wire.fault("send:1=503");
    wire.accept("ada", "m1", "one");
    wire.ledger.expect("ada", "status", &["hello sent", "m1 sent"]);
    let calls = wire.told.calls.lock().unwrap();
    assert!(calls.iter().all(|call| call.account == account(&wire.cloud)), "{calls:#?}");
    let ended: Vec<_> = calls
        .iter()
        .map(|call| (call.operation, call.result.as_ref().map_err(Error::kind).copied()))
        .collect();
    assert_eq!(
        ended,
        [
            ("identify_consumer", Ok(())),
            ("open_conversation", Ok(())),
            ("send_text", Ok(())),
            ("send_text", Err(ErrorKind::Unavailable)),
            ("send_text", Ok(())),
        ]
    );
}

pub(crate) fn a_running_bridge_has_lanes_and_counters<H: Host>() {
    let wire = Wire::new::<H>(quick());
    for consumer in ["ada", "bob"] {
        wire.open(consumer);
    }
    wire.ledger.script(|note| match note.what.starts_with("text") {
        true => Act::Hang,
        false => Act::Take,
    });
    for consumer in ["ada", "bob"] {
        wire.agent_says(consumer, "one");
    }
    wire.ledger.wait(|state| state.hanging == 2);
    // The others end. These two are held as long as their handlers hang.
    let lanes = |wire: &Wire| -> Vec<usize> {
        LaneKind::ALL.iter().map(|kind| wire.bridge.lanes_of(*kind)).collect()
    };
    wire.wait_for_cloud("two lanes", |wire| {
        wire.bridge.lanes() == 2 && lanes(wire) == [0, 2, 0, 0]
    });
    // Of each consumer at least the message and the conversation.
    let counters = wire.bridge.counters();
    assert!(counters.claimed >= 4 && counters.committed >= 4, "{counters:?}");
    assert!(wire.bridge.is_running());
    wire.ledger.release();
}

pub(crate) fn an_operator_resolves_and_replays<H: Host>() {
    let config = quick().refused_tries(1).unsettled(Unsettled::Hold);
    let wire = Wire::new::<H>(config.settle_for(Duration::from_millis(50)));
    wire.open("ada");
    // It is not known whether it arrived. It is held, and the next one behind it.
    wire.fault("send:1=drop");
    wire.accept("ada", "m1", "one");
    wire.accept("ada", "m2", "two");
    let is_held = |wire: &Wire| shown(wire).contains(&"m1 unconfirmed".to_owned());
    wire.wait_for_cloud("the doubt", is_held);
    wire.bridge.resolve(&consumer("ada"), "m1", Resolution::Sent).unwrap();
    wire.ledger.expect("ada", "status", &["hello sent", "m1 sent", "m2 sent"]);
    assert_eq!(wire.texts_of("ada"), ["Hello", "two"]);
    // It is refused the first time.
    let mut first = true;
    wire.ledger.script(move |note| match note.what == "text late" && std::mem::take(&mut first) {
        true => Act::Refuse,
        false => Act::Take,
    });
    wire.agent_says("ada", "late");
    let letters = || wire.bridge.dead_letters(None, 10).unwrap().items;
    wire.wait_for_cloud("the letter", |_| letters().len() == 1);
    wire.bridge.replay(&letters()[0].id).unwrap();
    wire.ledger.expect("ada", "text", &["late"]);
}

pub(crate) fn a_consumer_and_dead_letters_are_shown<H: Host>() {
    let wire = Wire::new::<H>(quick().refused_tries(1));
    assert_eq!(wire.bridge.consumer(&consumer("ada")).unwrap(), None);
    wire.open("ada");
    let ada = wire.bridge.consumer(&consumer("ada")).unwrap().unwrap();
    assert_eq!((ada.state, ada.survey), (ConsumerState::Open, false));
    let recent: Vec<_> = ada.recent.iter().map(|one| (one.id.as_str(), one.status)).collect();
    assert_eq!(recent, [("hello", "sent")]);
    wire.ledger.script(|note| match note.what.starts_with("text") {
        true => Act::Refuse,
        false => Act::Take,
    });
    for text in ["one", "two", "three"] {
        wire.agent_says("ada", text);
    }
    wire.bridge.receive(&Verified::dangerous_unverified("not JSON")).unwrap();
    let all = || wire.bridge.dead_letters(None, 100).unwrap();
    wire.wait_for_cloud("the letters", |_| all().items.len() == 4);
    let letters = all();
    assert_eq!(letters.next, None);
    let own = letters.items.iter().filter(|letter| letter.consumer == Some(consumer("ada")));
    assert_eq!(own.filter(|letter| letter.replayable && letter.at.is_some()).count(), 3);
    // Page by page.
    let mut ids = Vec::new();
    let mut next = None;
    loop {
        let page = wire.bridge.dead_letters(next.as_deref(), 3).unwrap();
        ids.extend(page.items.into_iter().map(|letter| letter.id));
        next = page.next;
        if next.is_none() {
            break;
        }
    }
    let expected: Vec<String> = letters.items.into_iter().map(|letter| letter.id).collect();
    assert_eq!(ids, expected);
}

pub(crate) fn typing_reaches_the_agent<H: Host>() {
    let wire = Wire::new::<H>(quick());
    let states = |wire: &Wire| -> Vec<String> {
        wire.cloud.with(|cloud| {
            let states =
                cloud.messages().iter().filter(|one| one.event["type"] == "ChatStateEvent");
            states.map(|one| one.event["chatState"].as_str().unwrap().to_owned()).collect()
        })
    };
    // Nobody knows the consumer.
    wire.bridge.typing(&consumer("ada"), true).unwrap();
    assert_eq!(wire.cloud.requests(Endpoint::Send), 0);
    wire.open("ada");
    wire.bridge.typing(&consumer("ada"), true).unwrap();
    wire.bridge.typing(&consumer("ada"), false).unwrap();
    assert_eq!(states(&wire), ["COMPOSING", "ACTIVE"]);
    wire.fault("send:1=503");
    let lost = wire.bridge.typing(&consumer("ada"), true).unwrap_err();
    let TypingError::Call(error) = &lost else { panic!("{lost:?}") };
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    // It was closed, and that is not told yet.
    wire.store.set(FaultyStore::REFUSES);
    wire.agent("ada", Agent::Close);
    wire.bridge.typing(&consumer("ada"), true).unwrap();
    assert_eq!(states(&wire).len(), 2);
}

pub(crate) fn an_operator_adopts_a_conversation<H: Host>() {
    let wire = Wire::new::<H>(quick());
    wire.open("ada");
    let conversation = wire.bridge.consumer(&consumer("ada")).unwrap().unwrap().conversation;
    // A bridge that knows nothing of it. No notification reaches it.
    let other = H::start(Setup {
        configs: vec![config(&wire.cloud)],
        store: Arc::new(Memory::new()),
        ledger: wire.ledger.clone(),
        config: quick(),
        receiver: Receiver::new().secret(Secret::new(wire.cloud.client_secret())),
        told: Arc::default(),
    });
    let id = ConversationId::new(conversation.unwrap().as_str()).unwrap();
    other.adopt(&consumer("ada"), id.clone()).unwrap();
    let message = Inbound::text("m1", "It is me").unwrap();
    other.accept(&account(&wire.cloud), &consumer("ada"), message).unwrap();
    wire.ledger.expect("ada", "status", &["hello sent", "m1 sent"]);
    assert_eq!(wire.texts_of("ada"), ["Hello", "It is me"]);
    assert_eq!(wire.cloud.requests(Endpoint::Conversation), 1);
    assert_eq!(other.consumer(&consumer("ada")).unwrap().unwrap().conversation, Some(id));
    other.drain(Duration::from_secs(1));
}

/// A survey takes clients with several dialogs, and follows a conversation with an agent.
pub(crate) fn a_close_lets_a_survey_follow_or_not<H: Host>() {
    let features = ["MULTI_DIALOG", "RICH_CONTENT", "QUICK_REPLIES"];
    let properties = features.into_iter().fold(ClientProperties::new(), ClientProperties::feature);
    for (survey, state) in [(true, ConsumerState::Open), (false, ConsumerState::None)] {
        let mut opening = Opening::default();
        opening.client_properties = Some(properties.clone());
        let wire = Wire::new::<H>(quick().opening(opening));
        wire.open("ada");
        wire.agent_says("ada", "It is in the loft.");
        wire.ledger.expect("ada", "text", &["It is in the loft."]);
        let close = Inbound::close("m1", survey).unwrap();
        wire.bridge.accept(&account(&wire.cloud), &consumer("ada"), close).unwrap();
        wire.ledger.expect("ada", "status", &["hello sent", "m1 sent"]);
        wire.wait_for_cloud("the end of the conversation", |wire| {
            let ada = wire.bridge.consumer(&consumer("ada")).unwrap().unwrap();
            (ada.survey, ada.state) == (survey, state)
        });
    }
}
