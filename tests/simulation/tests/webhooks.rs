//! The sandbox's notifications against the receiver and the inbox of a connector that fails and restarts:
//! nothing is lost that the retry mode keeps, and nothing is processed twice.

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

/// How the endpoint handles a post.
#[derive(Clone, Copy, Debug)]
enum Endpoint {
    Accepts,
    /// It accepts the post, and the response is lost: the cloud posts it again.
    AcceptsSilently,
    /// It answers 503.
    Refuses,
    IsDown,
}

/// One step of a scenario.
#[derive(Clone, Debug)]
enum Step {
    AgentText,
    AgentTyping,
    AgentNote,
    AgentTransfer,
    /// In seconds.
    Wait(u64),
    /// The connector's program restarts.
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => Just(Step::AgentText),
        1 => Just(Step::AgentTyping),
        1 => Just(Step::AgentNote),
        1 => Just(Step::AgentTransfer),
        4 => (0u64..20).prop_map(Step::Wait),
        1 => Just(Step::Restart),
    ]
}

fn endpoint() -> impl Strategy<Value = Endpoint> {
    prop_oneof![
        4 => Just(Endpoint::Accepts),
        1 => Just(Endpoint::AcceptsSilently),
        1 => Just(Endpoint::Refuses),
        1 => Just(Endpoint::IsDown),
    ]
}

/// The connector's program, and what it has processed.
struct Connector {
    receiver: Receiver,
    inbox: Inbox,
    texts: Vec<(String, Order)>,
    notes: usize,
    skills: Vec<Option<String>>,
}

impl Connector {
    fn receive(&mut self, request: &http::Request<Vec<u8>>, now: Duration) {
        let verified = self.receiver.verify(request).expect("signed with the right secret");
        assert_eq!(verified.account(), Some("91827364"));
        for change in verified.parse().expect("JSON").into_changes() {
            self.inbox.handle(change, Mono::from_origin(now)).expect("room");
        }
    }

    /// Processes everything that is ready. Returns when to poll again.
    fn process_ready(&mut self, now: Duration) -> Option<Duration> {
        for _ in 0..10_000 {
            match self.inbox.poll(Mono::from_origin(now)) {
                InboxPoll::Deliver(delivered) => self.process(&delivered),
                InboxPoll::Wait(until) => return Some(until.elapsed_from_origin()),
                InboxPoll::Idle => return None,
            }
        }
        panic!("more than 10000 changes");
    }

    fn process(&mut self, delivered: &Delivered) {
        match &delivered.change {
            Change::Message(message) if message.is_for_consumer() => {
                if let Event::Text(text) = message.event() {
                    assert_eq!(message.role(), Some(Role::AssignedAgent));
                    self.texts.push((text.text.to_owned(), delivered.order));
                }
            }
            Change::Message(_) => self.notes += 1,
            Change::Conversation(state) => {
                self.skills.push(state.skill().map(|skill| skill.into_owned()));
                let created = state.diff(None).contains(&Transition::Created);
                assert!(created, "the conversation is open");
            }
            other => panic!("{other:?}"),
        }
    }

    /// Restarts the program with the inbox that it has saved.
    fn restart(&mut self, now: Duration) {
        let now = Mono::from_origin(now);
        let saved: Vec<_> =
            self.inbox.conversations().filter_map(|id| self.inbox.save(id, now)).collect();
        let stored = serde_json::to_string(&saved).expect("JSON");
        self.inbox = Inbox::default();
        let saved: Vec<_> = serde_json::from_str(&stored).expect("as it was stored");
        saved.into_iter().for_each(|saved| self.inbox.restore(saved, now));
    }
}

/// Runs the steps, and waits until everything is delivered. Returns the texts of agents, and the
/// connector and the world at the end.
fn run(
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
        texts: Vec::new(),
        notes: 0,
        skills: Vec::new(),
    };
    let (mut now, mut texts) = (START, Vec::new());
    let mut endpoints = endpoints.iter().copied();
    let act = |world: &mut World, action| {
        world.cloud.agent(now, conversation.as_str(), action).expect("an open conversation");
    };
    act(&mut world, Agent::Join);
    for (nth, step) in steps.iter().chain([&Step::Wait(100_000)]).enumerate() {
        let mut act = |action| {
            world.cloud.agent(now, conversation.as_str(), action).expect("an open conversation");
        };
        let mut until = now;
        match step {
            Step::AgentText => {
                texts.push(format!("text {nth}"));
                act(Agent::Text(format!("text {nth}"), Vec::new()));
            }
            Step::AgentTyping => act(Agent::State("COMPOSING".to_owned())),
            Step::AgentNote => act(Agent::Note("psst".to_owned())),
            Step::AgentTransfer => act(Agent::Transfer(format!("skill {nth}"))),
            Step::Wait(seconds) => until += Duration::from_secs(*seconds),
            Step::Restart => connector.restart(now - START),
        }
        for _ in 0..100_000 {
            let look = connector.process_ready(now - START).map(|look| START + look);
            match world.cloud.next_post(now) {
                NextPost::Post(Post { id, request, .. }) => {
                    let endpoint = endpoints.next().unwrap_or(Endpoint::Accepts);
                    if matches!(endpoint, Endpoint::Accepts | Endpoint::AcceptsSilently) {
                        connector.receive(&request, now - START);
                    }
                    let status = match endpoint {
                        Endpoint::Accepts => Some(200),
                        Endpoint::Refuses => Some(503),
                        Endpoint::AcceptsSilently | Endpoint::IsDown => None,
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
    (texts, connector, world)
}

proptest! {
    #[test]
    fn time_based_retry_delivers_all_once_and_in_order(
        steps in prop::collection::vec(step(), 0..40),
        endpoints in prop::collection::vec(endpoint(), 0..60),
        signature in prop::sample::select(Signature::ALL.to_vec()),
    ) {
        let webhooks = Webhooks::all_at("http://127.0.0.1:9/")
            .retention(Duration::from_secs(259_200)).signature(signature);
        let (texts, connector, world) = run(&steps, &endpoints, webhooks);
        let processed: Vec<_> = connector.texts.iter().map(|(text, _)| text.clone()).collect();
        prop_assert_eq!(processed, texts);
        prop_assert!(connector.texts.iter().all(|(_, order)| *order == Order::InOrder));
        let notes = steps.iter().filter(|step| matches!(step, Step::AgentNote)).count();
        prop_assert_eq!(connector.notes, notes);
        let skill = world.cloud.conversations().next().and_then(|one| one.skill.clone());
        let last = connector.skills.last().cloned().flatten();
        prop_assert!(connector.skills.is_empty() || last == skill, "{:?}", connector.skills);
        prop_assert_eq!(world.cloud.app_state(), AppState::Up);
        prop_assert_eq!(world.cloud.notifications_lost(), 0);
    }

    #[test]
    fn count_based_retry_delivers_the_rest_once(
        steps in prop::collection::vec(step(), 0..40),
        endpoints in prop::collection::vec(endpoint(), 0..60),
    ) {
        let webhooks = Webhooks::all_at("http://127.0.0.1:9/").max_retries(5);
        let (texts, connector, world) = run(&steps, &endpoints, webhooks);
        let processed: BTreeSet<_> = connector.texts.iter().map(|(text, _)| text.clone()).collect();
        prop_assert_eq!(processed.len(), connector.texts.len(), "a text was processed twice");
        let missing = texts.iter().filter(|text| !processed.contains(*text)).count() as u64;
        prop_assert!(missing <= world.cloud.notifications_lost());
    }
}
