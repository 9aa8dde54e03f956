//! The cloud's deliveries against the receiver and the inbox, with a connector that is down, slow or
//! forgetful at times: nothing is lost that the contract promises, and nothing is acted on twice.

#![expect(clippy::expect_used, reason = "a test reports by panicking")]

use std::collections::BTreeSet;
use std::time::Duration;

use lp_connector_core::secret::Secret;
use lp_connector_core::time::Mono;
use lp_connector_core::webhook::{
    Change, Delivered, Event, Inbox, InboxPoll, Order, Receiver, ReorderWindow, Role, Transition,
};
use lp_connector_sandbox::{Agent, AppState, NextPost, Post, Signature, Webhooks};
use lp_connector_simulation::{World, open_conversation};
use proptest::prelude::*;

const START: Duration = Duration::from_secs(1_711_001_000);

/// How the endpoint deals with one post.
#[derive(Clone, Copy, Debug)]
enum Endpoint {
    Takes,
    /// It takes it, and its answer is lost: the cloud sends it again.
    Forgets,
    Refuses,
    IsDown,
}

/// One thing that happens.
#[derive(Clone, Debug)]
enum Step {
    Says,
    Types,
    Notes,
    Transfers,
    Waits(u64),
    Restarts,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => Just(Step::Says),
        1 => Just(Step::Types),
        1 => Just(Step::Notes),
        1 => Just(Step::Transfers),
        4 => (0u64..20).prop_map(Step::Waits),
        1 => Just(Step::Restarts),
    ]
}

fn endpoint() -> impl Strategy<Value = Endpoint> {
    prop_oneof![
        4 => Just(Endpoint::Takes),
        1 => Just(Endpoint::Forgets),
        1 => Just(Endpoint::Refuses),
        1 => Just(Endpoint::IsDown),
    ]
}

/// The connector's program, and what it acted on.
struct Connector {
    receiver: Receiver,
    inbox: Inbox,
    said: Vec<(String, Order)>,
    notes: usize,
    skills: Vec<Option<String>>,
}

impl Connector {
    fn takes(&mut self, request: &http::Request<Vec<u8>>, now: Duration) {
        let verified = self.receiver.verify(request).expect("signed with the right secret");
        assert_eq!(verified.account(), Some("91827364"));
        for change in verified.parse().expect("JSON").into_changes() {
            self.inbox.handle(change, Mono::from_origin(now)).expect("room");
        }
    }

    /// Acts on all that is ready. Says when it is to look again.
    fn acts(&mut self, now: Duration) -> Option<Duration> {
        for _ in 0..10_000 {
            match self.inbox.poll(Mono::from_origin(now)) {
                InboxPoll::Deliver(delivered) => self.act(&delivered),
                InboxPoll::Wait(until) => return Some(until.elapsed_from_origin()),
                InboxPoll::Idle => return None,
            }
        }
        panic!("it never comes to rest");
    }

    fn act(&mut self, delivered: &Delivered) {
        match &delivered.change {
            Change::Message(message) if message.is_for_consumer() => {
                if let Event::Text(text) = message.event() {
                    assert_eq!(message.role(), Some(Role::AssignedAgent));
                    self.said.push((text.text.to_owned(), delivered.order));
                }
            }
            Change::Message(_) => self.notes += 1,
            Change::Conversation(state) => {
                self.skills.push(state.skill().map(|skill| skill.into_owned()));
                let created = state.diff(None).contains(&Transition::Created);
                assert!(created, "it is open all the time");
            }
            other => panic!("{other:?}"),
        }
    }

    /// The program stops, and starts again from what it has stored.
    fn restarts(&mut self, now: Duration) {
        let now = Mono::from_origin(now);
        let saved: Vec<_> =
            self.inbox.conversations().filter_map(|id| self.inbox.save(id, now)).collect();
        let stored = serde_json::to_string(&saved).expect("JSON");
        self.inbox = Inbox::default();
        let saved: Vec<_> = serde_json::from_str(&stored).expect("as it was stored");
        saved.into_iter().for_each(|saved| self.inbox.restore(saved, now));
    }
}

/// Plays a story, and lets all be well afterwards. Gives what was said, and what was acted on.
fn play(
    steps: &[Step],
    endpoints: &[Endpoint],
    webhooks: Webhooks,
) -> (Vec<String>, Connector, World) {
    let mut world = World::new();
    let conversation = open_conversation(&mut world);
    let secret = world.cloud.config().app().expect("an app").client_secret().to_owned();
    world.cloud.set_webhooks(webhooks);
    let mut connector = Connector {
        receiver: Receiver::new().secret(Secret::new(secret)),
        inbox: Inbox::new(ReorderWindow::default()),
        said: Vec::new(),
        notes: 0,
        skills: Vec::new(),
    };
    let (mut now, mut said) = (START, Vec::new());
    let mut endpoints = endpoints.iter().copied();
    let act = |world: &mut World, action| {
        world.cloud.agent(now, conversation.as_str(), action).expect("an open conversation");
    };
    act(&mut world, Agent::Join);
    for (nth, step) in steps.iter().chain([&Step::Waits(100_000)]).enumerate() {
        let mut act = |action| {
            world.cloud.agent(now, conversation.as_str(), action).expect("an open conversation");
        };
        let mut until = now;
        match step {
            Step::Says => {
                said.push(format!("text {nth}"));
                act(Agent::Text(format!("text {nth}"), Vec::new()));
            }
            Step::Types => act(Agent::State("COMPOSING".to_owned())),
            Step::Notes => act(Agent::Note("psst".to_owned())),
            Step::Transfers => act(Agent::Transfer(format!("skill {nth}"))),
            Step::Waits(seconds) => until += Duration::from_secs(*seconds),
            Step::Restarts => connector.restarts(now - START),
        }
        for _ in 0..100_000 {
            let look = connector.acts(now - START).map(|look| START + look);
            match world.cloud.next_post(now) {
                NextPost::Post(Post { id, request, .. }) => {
                    let endpoint = endpoints.next().unwrap_or(Endpoint::Takes);
                    if matches!(endpoint, Endpoint::Takes | Endpoint::Forgets) {
                        connector.takes(&request, now - START);
                    }
                    let status = match endpoint {
                        Endpoint::Takes => Some(200),
                        Endpoint::Refuses => Some(503),
                        Endpoint::Forgets | Endpoint::IsDown => None,
                    };
                    world.cloud.complete_post(now, id, status);
                }
                next => {
                    let next = if let NextPost::Wait(at) = next { Some(at) } else { None };
                    match [next, look].into_iter().flatten().min() {
                        Some(at) if at <= until => now = at.max(now),
                        _ => break,
                    }
                }
            }
        }
        now = until;
    }
    (said, connector, world)
}

proptest! {
    #[test]
    fn with_time_based_retry_all_is_acted_on_once_and_in_order(
        steps in prop::collection::vec(step(), 0..40),
        endpoints in prop::collection::vec(endpoint(), 0..60),
        signature in prop::sample::select(Signature::ALL.to_vec()),
    ) {
        let webhooks = Webhooks::all_at("http://127.0.0.1:9/")
            .retention(Duration::from_secs(259_200)).signature(signature);
        let (said, connector, world) = play(&steps, &endpoints, webhooks);
        let acted: Vec<_> = connector.said.iter().map(|(text, _)| text.clone()).collect();
        prop_assert_eq!(acted, said);
        prop_assert!(connector.said.iter().all(|(_, order)| *order == Order::InOrder));
        let notes = steps.iter().filter(|step| matches!(step, Step::Notes)).count();
        prop_assert_eq!(connector.notes, notes);
        let skill = world.cloud.conversations().next().and_then(|one| one.skill.clone());
        let told = connector.skills.last().cloned().flatten();
        prop_assert!(connector.skills.is_empty() || told == skill, "{:?}", connector.skills);
        prop_assert_eq!(world.cloud.app_state(), AppState::Up);
        prop_assert_eq!(world.cloud.notifications_lost(), 0);
    }

    #[test]
    fn with_counted_retry_what_is_not_dropped_is_acted_on_once(
        steps in prop::collection::vec(step(), 0..40),
        endpoints in prop::collection::vec(endpoint(), 0..60),
    ) {
        let webhooks = Webhooks::all_at("http://127.0.0.1:9/").max_retries(5);
        let (said, connector, world) = play(&steps, &endpoints, webhooks);
        let acted: BTreeSet<_> = connector.said.iter().map(|(text, _)| text.clone()).collect();
        prop_assert_eq!(acted.len(), connector.said.len(), "something was acted on twice");
        let missing = said.iter().filter(|text| !acted.contains(*text)).count() as u64;
        prop_assert!(missing <= world.cloud.notifications_lost());
    }
}
