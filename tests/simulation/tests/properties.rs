//! Promises that hold whatever happens: many callers, every fault, in any order.

#![expect(clippy::unwrap_used, reason = "a test reports by panicking")]

use std::collections::BTreeMap;
use std::time::Duration;

use lp_connector_core::api::{
    AuthorizeApp, CloseConversation, IdentifyConsumer, OpenConversation, Operation, SendText,
};
use lp_connector_core::error::{ErrorKind, Sent as Effect, Stage};
use lp_connector_core::id::ExtConsumerId;
use lp_connector_core::policy::RetryPolicy;
use lp_connector_simulation::{NetworkFault, SentRequest, World, ada, open_conversation};
use proptest::prelude::*;

/// What one caller does.
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
    /// Milliseconds after the start.
    begins: u64,
    cancel_at: Option<(u64, bool)>,
    /// Its own deadline, in milliseconds.
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
    // Many at once, and some hours later.
    let begins = prop_oneof![4 => 0u64..2_000, 2 => 0u64..120_000, 1 => 0u64..9_000_000];
    let cancel_at = prop::option::weighted(0.15, (0u64..40_000, any::<bool>()));
    let deadline = prop::option::weighted(0.2, 1u64..10_000);
    (action(), begins, cancel_at, deadline).prop_map(|(action, begins, cancel_at, deadline)| {
        Caller {
            action,
            begins,
            deadline,
            cancel_at: cancel_at.map(|(after, notify)| (begins + after, notify)),
        }
    })
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
    let asked = prop_oneof![4 => 0u64..40, 1 => any::<u64>()];
    let what = prop_oneof![
        4 => (status, prop::option::of(asked)).prop_map(|(status, asked)| match asked {
            Some(seconds) => format!("{status},retry-after:{seconds}"),
            None => status.to_string(),
        }),
        2 => Just("revoke-app".to_owned()),
        1 => Just("revoke-consumer".to_owned()),
        1 => prop::sample::select(vec!["html", "garbage", "drop", "drop-after", "truncated"]).prop_map(str::to_owned),
    ];
    (endpoint, 1u64..4, 0u64..8, what).prop_map(|(endpoint, from, more, what)| {
        format!("{endpoint}:{from}-{}={what}", from + more)
    })
}

fn scenario() -> impl Strategy<Value = Scenario> {
    let life = prop_oneof![1 => 0u64..12, 2 => 12u64..400, 3 => Just(3600u64)];
    (
        prop::collection::vec(caller(), 1..14),
        prop::collection::vec(network_fault(), 0..30),
        prop::collection::vec(fault(), 0..4),
        life,
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

    /// Plays it out. Every text is another one, named after its caller.
    fn play(&self) -> (World, Duration) {
        let mut world = World::new().with_config(|config| {
            config.retry(self.policy()).call_timeout(Duration::from_millis(self.call_timeout))
        });
        let conversation = {
            // Opened by another connector, so that this one starts cold.
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
                    let text = SendText::new(ada(), conversation.clone(), format!("text {n}"));
                    start(&mut world, caller, text)
                }
                Action::OpenConversation(n) => {
                    start(&mut world, caller, OpenConversation::new(consumer(n)))
                }
                Action::CloseConversation => {
                    let close = CloseConversation::new(ada(), conversation.clone());
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

/// A caller begins, in as much of a hurry as it is.
fn start<O>(world: &mut World, caller: &Caller, operation: O) -> usize
where
    O: Operation + std::fmt::Debug + 'static,
    O::Output: std::fmt::Debug,
{
    let at = Duration::from_millis(caller.begins);
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
    // PROPTEST_CASES asks for more.
    #![proptest_config(ProptestConfig {
        cases: ProptestConfig::default().cases.max(400),
        ..ProptestConfig::default()
    })]

    #[test]
    fn every_call_ends_once_by_its_deadline(scenario in scenario()) {
        let (world, longest) = scenario.play();
        prop_assert_eq!(world.finished_calls().count(), scenario.callers.len());
        for ended in world.finished_calls() {
            let deadline = scenario.callers[ended.caller].deadline.map(Duration::from_millis);
            let longest = deadline.unwrap_or(longest);
            prop_assert!(ended.finished_at <= ended.started_at + longest, "{:?}", ended);
        }
    }

    #[test]
    fn never_are_two_token_requests_under_way(scenario in scenario()) {
        let (world, _) = scenario.play();
        // Two for the same thing; hosts and consumers are several things each.
        let tokens: Vec<_> = world.sent_for(Stage::AppJwt).collect();
        for two in tokens.windows(2) {
            // Who leaves without a word leaves a lease that ends with its attempt; who tells, none.
            let left = scenario.callers[two[0].caller].cancel_at;
            let ended = left.map_or(two[0].outcome_at, |(at, _)| two[0].outcome_at.min(Duration::from_millis(at)));
            prop_assert!(two[1].at >= ended, "{:?}", two);
        }
    }

    #[test]
    fn no_request_carries_a_token_past_its_life(scenario in scenario()) {
        let (world, _) = scenario.play();
        // Lives are told in whole seconds: of one that is shorter than ten, up to one is unsure.
        let unsure = if scenario.token_life < 10 { -1.0 } else { 0.0 };
        for sent in &world.sent {
            if let Some(left) = sent.token_remaining {
                prop_assert!(left >= unsure, "{:?}", sent);
            }
        }
    }

    #[test]
    fn no_more_tries_than_the_policy_allows_and_no_shorter_pauses(scenario in scenario()) {
        let (world, _) = scenario.play();
        let retries = scenario.policy().retries() as usize;
        for (caller, tries) in by_caller(&world) {
            // One renewal of each token may come on top.
            prop_assert!(tries.len() <= 1 + retries + 2, "{}: {:?}", caller, tries);
            let mut documented = [5, 10, 15].map(Duration::from_secs).into_iter();
            for two in tries.windows(2) {
                let pause = two[1].at - two[0].outcome_at;
                let least = match two[0].status {
                    Some(401) if two[0].fault != NetworkFault::ResponseLost => Duration::ZERO,
                    Some(429) => {
                        documented.next();
                        let asked = two[0].retry_after.unwrap_or(0).max(1);
                        Duration::from_secs(asked)
                    }
                    Some(503) => {
                        let asked = Duration::from_secs(two[0].retry_after.unwrap_or(0));
                        documented.next().unwrap_or_default().max(asked)
                    }
                    _ => documented.next().unwrap_or_default(),
                };
                let lost = matches!(two[0].fault, NetworkFault::ResponseLost | NetworkFault::RequestLost | NetworkFault::SlowResponse(_));
                let least = if lost { least.min(Duration::from_secs(5)) } else { least };
                prop_assert!(pause >= least, "{:?} < {:?}: {:?}", pause, least, two);
            }
        }
    }

    #[test]
    fn a_text_is_not_doubled_unless_that_was_chosen_and_the_result_is_true(scenario in scenario()) {
        let (world, _) = scenario.play();
        for (n, caller) in scenario.callers.iter().enumerate() {
            if !matches!(caller.action, Action::SendText) {
                continue;
            }
            let stored = world.stored_count(&format!("text {n}"));
            prop_assert!(stored <= 1 || scenario.at_least_once(), "text {} kept {} times", n, stored);
            match &world.finished_call(n).result {
                Ok(done) => {
                    prop_assert!(stored >= 1, "a success that the cloud knows nothing of");
                    prop_assert!(stored == 1 || done.possibly_repeated, "a repetition not told of");
                }
                Err(error) => match error.sent() {
                    Effect::No | Effect::Yes => {
                        prop_assert_eq!(stored, 0, "{} said that it had no effect", error);
                    }
                    Effect::Maybe => {}
                },
            }
        }
    }

    #[test]
    fn nothing_is_sent_that_is_said_not_to_have_been(scenario in scenario()) {
        let (world, _) = scenario.play();
        let tries = by_caller(&world);
        for ended in world.finished_calls() {
            if let Err(error) = &ended.result
                && matches!(scenario.callers[ended.caller].action, Action::SendText | Action::OpenConversation(_) | Action::CloseConversation)
                && error.sent() == Effect::No
            {
                let tries = tries.get(&ended.caller).map(Vec::as_slice).unwrap_or_default();
                prop_assert!(tries.iter().all(|sent| sent.fault == NetworkFault::Refused), "{}", error);
            }
        }
    }

    #[test]
    fn a_refused_token_is_renewed_at_most_once_by_each_call(scenario in scenario()) {
        let (world, _) = scenario.play();
        for (caller, tries) in by_caller(&world) {
            // A 401 whose answer was lost is a lost answer, and repeated as such.
            let refused = |sent: &&&SentRequest| sent.status == Some(401) && sent.received;
            let refused = tries.iter().filter(refused).count();
            prop_assert!(refused <= 3, "{}: {:?}", caller, tries);
        }
    }

    #[test]
    fn the_same_story_is_told_the_same_way_twice(scenario in scenario()) {
        let (first, _) = scenario.play();
        let (second, _) = scenario.play();
        prop_assert_eq!(&first.sent, &second.sent);
        let ends = |world: &World| world.finished_calls().map(|end| format!("{end:?}")).collect::<Vec<_>>();
        prop_assert_eq!(ends(&first), ends(&second));
    }

    #[test]
    fn once_the_faults_stop_everything_works_again(scenario in scenario()) {
        let (mut world, _) = scenario.play();
        world.cloud.clear_faults();
        world.network_faults.clear();
        world.latency = Duration::from_millis(40);
        let mut world = world.with_token_life(3600);
        // An hour covers the longest time that a service is left alone.
        let caller = world.start_at(world.now() + Duration::from_secs(3600), IdentifyConsumer::new(ada()));
        world.run();
        let result = &world.finished_call(caller).result;
        let short = scenario.call_timeout < 1_000;
        prop_assert!(result.is_ok() || short, "{:?}", result);
    }

    #[test]
    fn nothing_shows_a_secret_a_token_or_a_text(scenario in scenario()) {
        let (world, _) = scenario.play();
        let shown = world.debug_text();
        let secret = world.cloud.config().app().unwrap().client_secret().to_owned();
        for canary in [secret.as_str(), "eyJ", "text 0", "text 1"] {
            prop_assert!(!shown.contains(canary), "{} was shown", canary);
        }
    }

    #[test]
    fn a_call_left_alone_fails_at_once_and_names_the_time(scenario in scenario()) {
        let (world, _) = scenario.play();
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
