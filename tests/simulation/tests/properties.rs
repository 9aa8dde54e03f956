//! Properties of random scenarios: many callers, every fault, in any order.

#![expect(clippy::unwrap_used, reason = "a test reports by panicking")]

use std::collections::BTreeMap;
use std::time::Duration;

use lp_connector_core::api::{
    AuthorizeApp, CloseConversation, ConversationRef, IdentifyConsumer, OpenConversation, SendText,
};
use lp_connector_core::connector::Callable;
use lp_connector_core::error::{Delivery as Effect, ErrorKind, Stage};
use lp_connector_core::id::ExtConsumerId;
use lp_connector_core::policy::RetryPolicy;
use lp_connector_sandbox::Fault;
use lp_connector_simulation::{NetworkFault, SentRequest, World, ada, open_conversation};
use proptest::prelude::*;

/// What a caller does.
#[derive(Clone, Debug)]
enum Action {
    AuthorizeApp,
    IdentifyConsumer(u8),
    SendText,
    OpenConversation(u8),
    CloseConversation,
}

#[derive(Clone, Debug)]
struct Caller {
    action: Action,
    /// In milliseconds after the start of the world.
    starts_at: u64,
    cancel_at: Option<(u64, bool)>,
    /// The call's own deadline, in milliseconds after its start.
    deadline: Option<u64>,
}

#[derive(Clone, Debug)]
struct Scenario {
    callers: Vec<Caller>,
    network_faults: Vec<NetworkFault>,
    faults: Vec<String>,
    token_life: u64,
    latency: u64,
    wall_clock_offset: i64,
    call_timeout: u64,
    policy: u8,
}

fn action() -> impl Strategy<Value = Action> {
    prop_oneof![
        2 => Just(Action::AuthorizeApp),
        1 => (0u8..3).prop_map(Action::IdentifyConsumer),
        6 => Just(Action::SendText),
        1 => (0u8..3).prop_map(Action::OpenConversation),
        1 => Just(Action::CloseConversation),
    ]
}

fn caller() -> impl Strategy<Value = Caller> {
    // Most within seconds, some hours later.
    let starts_at = prop_oneof![4 => 0u64..2_000, 2 => 0u64..120_000, 1 => 0u64..9_000_000];
    let cancel_at = prop::option::weighted(0.15, (0u64..40_000, any::<bool>()));
    let deadline = prop::option::weighted(0.2, 1u64..10_000);
    (action(), starts_at, cancel_at, deadline).prop_map(
        |(action, starts_at, cancel_at, deadline)| Caller {
            action,
            starts_at,
            deadline,
            cancel_at: cancel_at.map(|(after, notify)| (starts_at + after, notify)),
        },
    )
}

fn network_fault() -> impl Strategy<Value = NetworkFault> {
    prop_oneof![
        6 => Just(NetworkFault::None),
        1 => Just(NetworkFault::Refused),
        1 => Just(NetworkFault::RequestLost),
        1 => Just(NetworkFault::ResponseLost),
        1 => (0u64..30_000).prop_map(|ms| NetworkFault::SlowResponse(Duration::from_millis(ms))),
    ]
}

fn fault() -> impl Strategy<Value = String> {
    let endpoint = prop::sample::select(vec![
        "domain",
        "token",
        "consumer",
        "conversation",
        "send",
        "send",
        "send",
    ]);
    let status = prop::sample::select(vec![400u16, 401, 403, 404, 429, 451, 500, 502, 503, 504]);
    let retry_after = prop_oneof![4 => 0u64..40, 1 => any::<u64>()];
    let what = prop_oneof![
        4 => (status, prop::option::of(retry_after)).prop_map(|(status, retry_after)| match retry_after {
            Some(seconds) => format!("{status},retry-after:{seconds}"),
            None => status.to_string(),
        }),
        2 => Just("revoke-app".to_owned()),
        1 => Just("revoke-consumer".to_owned()),
        1 => prop::sample::select(vec!["html", "garbage", "drop", "drop-after", "truncated"]).prop_map(str::to_owned),
    ];
    let fault = (endpoint, 1u64..4, 0u64..8, what).prop_map(|(endpoint, from, more, what)| {
        format!("{endpoint}:{from}-{}={what}", from + more)
    });
    // Not every endpoint can have every fault.
    fault.prop_filter("the endpoint cannot have it", |fault| fault.parse::<Fault>().is_ok())
}

fn scenario() -> impl Strategy<Value = Scenario> {
    let lifetime = prop_oneof![1 => 0u64..12, 2 => 12u64..400, 3 => Just(3600u64)];
    (
        prop::collection::vec(caller(), 1..14),
        prop::collection::vec(network_fault(), 0..30),
        prop::collection::vec(fault(), 0..4),
        lifetime,
        1u64..3_000,
        prop_oneof![3 => Just(0i64), 1 => -20_000i64..20_000],
        prop_oneof![3 => Just(120_000u64), 1 => 0u64..60_000],
        0u8..5,
    )
        .prop_map(
            |(
                callers,
                network_faults,
                faults,
                token_life,
                latency,
                wall_clock_offset,
                call_timeout,
                policy,
            )| {
                Scenario {
                    callers,
                    network_faults,
                    faults,
                    token_life,
                    latency,
                    wall_clock_offset,
                    call_timeout,
                    policy,
                }
            },
        )
}

impl Scenario {
    fn policy(&self) -> RetryPolicy {
        match self.policy {
            0 => RetryPolicy::cautious(),
            1 => RetryPolicy::none(),
            2 => RetryPolicy::documented().at_least_once(true),
            _ => RetryPolicy::documented(),
        }
    }

    fn at_least_once(&self) -> bool {
        self.policy == 2
    }

    /// Runs the scenario. Each text contains the number of its caller.
    fn run(&self) -> (World, Duration) {
        let mut world = World::new().with_config(|config| {
            config.retry(self.policy()).call_timeout(Duration::from_millis(self.call_timeout))
        });
        let conversation = {
            // Another connector opens it, so that this one starts without tokens.
            let mut other = World::new();
            let conversation = open_conversation(&mut other);
            world.cloud = other.cloud;
            conversation
        };
        world = world.with_token_life(self.token_life);
        world.latency = Duration::from_millis(self.latency);
        world.wall_clock_offset = self.wall_clock_offset;
        world.network_faults.extend(self.network_faults.iter().copied());
        for fault in &self.faults {
            world.cloud.fault(fault.parse().unwrap());
        }
        for caller in &self.callers {
            let consumer = |n: &u8| ExtConsumerId::new(format!("consumer-{n}")).unwrap();
            let n = world.callers().len();
            match &caller.action {
                Action::AuthorizeApp => start(&mut world, caller, AuthorizeApp::new()),
                Action::IdentifyConsumer(n) => {
                    start(&mut world, caller, IdentifyConsumer::new(consumer(n)))
                }
                Action::SendText => {
                    let text = SendText::new(
                        &ConversationRef::new(ada(), conversation.clone()),
                        format!("text {n}"),
                    );
                    start(&mut world, caller, text)
                }
                Action::OpenConversation(n) => {
                    start(&mut world, caller, OpenConversation::new(consumer(n)))
                }
                Action::CloseConversation => {
                    let close =
                        CloseConversation::new(&ConversationRef::new(ada(), conversation.clone()));
                    start(&mut world, caller, close)
                }
            };
            if let Some((at, notify)) = caller.cancel_at {
                world.cancel_at(n, Duration::from_millis(at), notify);
            }
        }
        world.run();
        let longest = Duration::from_millis(self.call_timeout);
        (world, longest)
    }
}

/// Starts a caller with its own deadline, if it has one.
fn start<O>(world: &mut World, caller: &Caller, operation: O) -> usize
where
    O: Callable + std::fmt::Debug + 'static,
    O::Output: std::fmt::Debug,
{
    let at = Duration::from_millis(caller.starts_at);
    world.start_with(at, operation, |call, now| match caller.deadline {
        Some(time) => call.timeout(Duration::from_millis(time), now),
        None => call,
    })
}

fn by_caller(world: &World) -> BTreeMap<usize, Vec<&SentRequest>> {
    let mut all: BTreeMap<usize, Vec<&SentRequest>> = BTreeMap::new();
    for sent in world.sent_for(Stage::Operation) {
        all.entry(sent.caller).or_default().push(sent);
    }
    all
}

proptest! {
    // PROPTEST_CASES raises the number.
    #![proptest_config(ProptestConfig {
        cases: ProptestConfig::default().cases.max(400),
        ..ProptestConfig::default()
    })]

    #[test]
    fn every_call_ends_once_by_its_deadline(scenario in scenario()) {
        let (world, longest) = scenario.run();
        prop_assert_eq!(world.finished_calls().count(), scenario.callers.len());
        for ended in world.finished_calls() {
            let deadline = scenario.callers[ended.caller].deadline.map(Duration::from_millis);
            let longest = deadline.unwrap_or(longest);
            prop_assert!(ended.finished_at <= ended.started_at + longest, "{:?}", ended);
        }
    }

    #[test]
    fn at_most_one_token_request_is_in_flight(scenario in scenario()) {
        let (world, _) = scenario.run();
        // Requests for hosts and consumers may overlap: they are for different ones.
        let tokens: Vec<_> = world.sent_for(Stage::AppJwt).collect();
        for two in tokens.windows(2) {
            // A cancelled call ends its request; if the core is not notified, the lease lasts until then.
            let cancelled = scenario.callers[two[0].caller].cancel_at;
            let ended = cancelled.map_or(two[0].outcome_at, |(at, _)| two[0].outcome_at.min(Duration::from_millis(at)));
            prop_assert!(two[1].at >= ended, "{:?}", two);
        }
    }

    #[test]
    fn no_request_carries_an_expired_token(scenario in scenario()) {
        let (world, _) = scenario.run();
        // Lifetimes are given in whole seconds: a short one may be off by up to one second.
        let tolerance = if scenario.token_life < 10 { -1.0 } else { 0.0 };
        for sent in &world.sent {
            if let Some(left) = sent.token_remaining {
                prop_assert!(left >= tolerance, "{:?}", sent);
            }
        }
    }

    #[test]
    fn attempts_and_pauses_follow_the_policy(scenario in scenario()) {
        let (world, _) = scenario.run();
        let retries = scenario.policy().retries() as usize;
        for (caller, tries) in by_caller(&world) {
            // Two more: one renewal of each token.
            prop_assert!(tries.len() <= 1 + retries + 2, "{}: {:?}", caller, tries);
            let mut documented = [5, 10, 15].map(Duration::from_secs).into_iter();
            for two in tries.windows(2) {
                let pause = two[1].at - two[0].outcome_at;
                let least = match two[0].status {
                    Some(401) if two[0].fault != NetworkFault::ResponseLost => Duration::ZERO,
                    Some(429) => {
                        documented.next();
                        let retry_after = two[0].retry_after.unwrap_or(0).max(1);
                        Duration::from_secs(retry_after)
                    }
                    Some(503) => {
                        let retry_after = Duration::from_secs(two[0].retry_after.unwrap_or(0));
                        documented.next().unwrap_or_default().max(retry_after)
                    }
                    _ => documented.next().unwrap_or_default(),
                };
                // What a response that cannot be read asks for is not known, nor what a lost one does.
                let lost = !two[0].received;
                let least = if lost { least.min(Duration::from_secs(5)) } else { least };
                prop_assert!(pause >= least, "{:?} < {:?}: {:?}", pause, least, two);
            }
        }
    }

    #[test]
    fn a_text_is_sent_once_and_its_result_is_true(scenario in scenario()) {
        let (world, _) = scenario.run();
        for (n, caller) in scenario.callers.iter().enumerate() {
            if !matches!(caller.action, Action::SendText) {
                continue;
            }
            let stored = world.stored_count(&format!("text {n}"));
            prop_assert!(stored <= 1 || scenario.at_least_once(), "text {} stored {} times", n, stored);
            match &world.finished_call(n).result {
                Ok(done) => {
                    prop_assert!(stored >= 1, "a success without a message in the cloud");
                    prop_assert!(stored == 1 || done.maybe_duplicated, "a duplicate that is not reported");
                }
                Err(error) => match error.delivery() {
                    Effect::NotSent | Effect::Rejected => {
                        prop_assert_eq!(stored, 0, "{} reported no effect", error);
                    }
                    Effect::Unknown => {}
                },
            }
        }
    }

    #[test]
    fn a_call_reported_as_unsent_sent_nothing(scenario in scenario()) {
        let (world, _) = scenario.run();
        let tries = by_caller(&world);
        for ended in world.finished_calls() {
            if let Err(error) = &ended.result
                && matches!(scenario.callers[ended.caller].action, Action::SendText | Action::OpenConversation(_) | Action::CloseConversation)
                && error.delivery() == Effect::NotSent
            {
                let tries = tries.get(&ended.caller).map(Vec::as_slice).unwrap_or_default();
                prop_assert!(tries.iter().all(|sent| sent.fault == NetworkFault::Refused), "{}", error);
            }
        }
    }

    #[test]
    fn a_call_renews_a_refused_token_at_most_once(scenario in scenario()) {
        let (world, _) = scenario.run();
        for (caller, tries) in by_caller(&world) {
            // A lost 401 counts as a lost response.
            let refused = |sent: &&&SentRequest| sent.status == Some(401) && sent.received;
            let refused = tries.iter().filter(refused).count();
            prop_assert!(refused <= 3, "{}: {:?}", caller, tries);
        }
    }

    #[test]
    fn the_same_scenario_gives_the_same_requests(scenario in scenario()) {
        let (first, _) = scenario.run();
        let (second, _) = scenario.run();
        prop_assert_eq!(&first.sent, &second.sent);
        let ends = |world: &World| world.finished_calls().map(|end| format!("{end:?}")).collect::<Vec<_>>();
        prop_assert_eq!(ends(&first), ends(&second));
    }

    #[test]
    fn calls_succeed_after_the_faults_stop(scenario in scenario()) {
        let (mut world, _) = scenario.run();
        world.cloud.clear_faults();
        world.network_faults.clear();
        world.latency = Duration::from_millis(40);
        let mut world = world.with_token_life(3600);
        // No circuit stays open longer than an hour.
        let caller = world.start_at(world.now() + Duration::from_secs(3600), IdentifyConsumer::new(ada()));
        world.run();
        let result = &world.finished_call(caller).result;
        let short = scenario.call_timeout < 1_000;
        prop_assert!(result.is_ok() || short, "{:?}", result);
    }

    #[test]
    fn nothing_shows_a_secret_a_token_or_a_text(scenario in scenario()) {
        let (world, _) = scenario.run();
        let shown = world.debug_text();
        let secret = world.cloud.config().app().unwrap().client_secret().to_owned();
        for canary in [secret.as_str(), "eyJ", "text 0", "text 1"] {
            prop_assert!(!shown.contains(canary), "{} was shown", canary);
        }
    }

    #[test]
    fn an_open_circuit_names_when_to_retry(scenario in scenario()) {
        let (world, _) = scenario.run();
        for ended in world.finished_calls() {
            if let Err(error) = &ended.result
                && error.kind() == ErrorKind::CircuitOpen
            {
                let again = error.retry_after();
                prop_assert!(again.is_some_and(|again| again <= Duration::from_secs(32 * 60)));
            }
        }
    }
}
