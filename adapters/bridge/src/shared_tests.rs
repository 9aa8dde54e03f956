//! What the loop and the handles share, without a loop.

use lp_connector_core::bridge::store::Reply;
use lp_connector_core::bridge::{Delivery, DeliveryContent};
use lp_connector_core::id::{ConversationId, ExtConsumerId};
use lp_connector_core::webhook::Transition;

use super::*;
use crate::Memory;

fn account() -> AccountId {
    AccountId::new("91827364").unwrap()
}

fn ada() -> ExtConsumerId {
    ExtConsumerId::new("ada").unwrap()
}

fn shared(store: impl Store + 'static) -> Arc<Shared> {
    Shared::new(Arc::new(store), BridgeConfig::new(), Observers::default()).unwrap()
}

#[test]
fn typing_that_is_not_for_the_consumer_is_not_passed_on() {
    let shared = shared(Memory::new());
    let (account, ada) = (account(), ada());
    let content = DeliveryContent::Changed(Transition::Created);
    let mut delivery = Delivery::new("c1:c1:opened".into(), account.clone(), ada, content);
    delivery.conversation = Some(ConversationId::new("c1").unwrap());
    shared.owners().record(&delivery);
    for (audience, role, expected) in [
        ("ALL", "ASSIGNED_AGENT", true),
        ("AGENTS_AND_MANAGERS", "ASSIGNED_AGENT", false),
        ("ALL", "CONSUMER", false),
    ] {
        let body = format!(
            r#"{{"type":"ms.MessagingEventNotification","body":{{"changes":[{{"originatorId":"a9",
            "originatorMetadata":{{"id":"a9","role":"{role}"}},"dialogId":"c1","conversationId":"c1",
            "messageAudience":"{audience}","event":{{"type":"ChatStateEvent","chatState":"COMPOSING"}}}}]}}}}"#
        );
        let at = Timestamp::from_millis(0);
        let ingested = ingest_at(&account, &Verified::dangerous_unverified(body), at);
        let typing = shared.typing(&account, &ingested.volatile[0]);
        assert_eq!(typing.is_some(), expected, "{audience} {role}");
    }
}

#[test]
fn typing_that_was_passed_on_makes_room_for_more() {
    let shared = shared(Memory::new());
    // One more than may be under way at once.
    for number in 0..17 {
        shared.engine().push_typing(Typing {
            consumer: ada(),
            id: format!("t:{number}"),
            account: account(),
            conversation: ConversationId::new("c1").unwrap(),
            is_typing: true,
        });
        let step = shared.poll();
        assert!(matches!(step, Step::Typing(_)), "{number}: {step:?}");
        UnderWay::typing(shared.clone()).end(Verdict::Taken);
    }
}

/// A store that fails each commit in this way.
struct NoCommit(Memory, StoreErrorKind);

impl Store for NoCommit {
    fn perform(&self, request: Request) -> Result<Answer, StoreError> {
        match request {
            Request::Commit(_) => Err(StoreError::new(self.1, "it commits nothing")),
            other => self.0.perform(other),
        }
    }
}

#[test]
fn a_lane_is_lost_if_its_commit_is_refused_for_good() {
    for (kind, lost) in [
        (StoreErrorKind::Refused, 1),
        // It may be committed later.
        (StoreErrorKind::Unavailable, 0),
    ] {
        let shared = shared(NoCommit(Memory::new(), kind));
        // It becomes a dead letter, whose lane has nothing to give up.
        drop(shared.receive(&account(), &Verified::dangerous_unverified("not JSON")));
        while !matches!(shared.poll(), Step::Wait(_)) {}
        let counters = shared.counters();
        assert_eq!((counters.claimed, counters.lost), (1, lost), "{kind:?}");
    }
}

/// A store that forgets to answer.
struct Silent;

impl Store for Silent {
    fn perform(&self, _: Request) -> Result<Answer, StoreError> {
        Err(StoreError::new(StoreErrorKind::Unavailable, "it says nothing"))
    }

    fn submit(&self, _: Request, reply: Reply) {
        drop(reply);
    }
}

/// What is to be asked of the store at this instant, until nothing else is to be done.
fn due(shared: &Arc<Shared>, now: Now) -> Vec<(u64, Request)> {
    let mut requests = Vec::new();
    loop {
        let step = shared.engine().poll(now);
        match step {
            Step::Ask(number, request) => requests.push((number, request)),
            Step::Wait(_) => return requests,
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn what_a_store_forgets_to_answer_is_asked_again() {
    let shared = shared(Silent);
    let has_claim = |requests: &[(u64, Request)]| {
        requests.iter().any(|(_, request)| matches!(request, Request::Claim { .. }))
    };
    let now = shared.now();
    let first = due(&shared, now);
    assert!(has_claim(&first), "{first:?}");
    let later = now.later(Duration::from_secs(3600));
    assert!(!has_claim(&due(&shared, later)), "one claim is under way");
    first.into_iter().for_each(|(number, request)| shared.ask(number, request));
    assert!(has_claim(&due(&shared, later)));
}
