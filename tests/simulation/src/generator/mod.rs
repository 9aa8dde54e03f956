//! Generates scenarios from seeds, weighted towards faults that coincide.

mod rare;

use std::time::Duration;

use lp_connector_sandbox::Random;

use crate::network::NetworkFault;
use crate::scenario::{
    Action, CONSUMERS, Caller, Policy, Program, RequestFault, SERVICES, Scenario, WorldEvent,
};
use crate::webhook_endpoint::PostFault;

/// Random choices from one seed.
struct Generator(Random);

impl Generator {
    fn below(&mut self, end: u64) -> u64 {
        self.0.next() % end.max(1)
    }

    fn one_in(&mut self, many: u64) -> bool {
        self.below(many) == 0
    }

    fn choose<T: Copy>(&mut self, all: &[T]) -> Option<T> {
        let at = usize::try_from(self.below(all.len() as u64)).ok()?;
        all.get(at).copied()
    }

    fn milliseconds(&mut self, end: u64) -> Duration {
        Duration::from_millis(self.below(end))
    }

    /// A time below `longest`, usually a short one.
    fn skewed_time(&mut self, longest: u64) -> Duration {
        let end = match self.below(4) {
            0 => 100,
            1 => 3_000,
            2 => 40_000,
            _ => longest,
        };
        self.milliseconds(end.min(longest))
    }
}

impl Scenario {
    /// The scenario of this seed.
    pub(crate) fn from_seed(seed: u64) -> Self {
        let mut generator = Generator(Random::new(seed));
        let span = match generator.below(8) {
            0..=2 => 5_000,
            3..=4 => 120_000,
            5..=6 => 9_000_000,
            _ => 2_600_000_000,
        };
        let programs = 1 + usize::from(generator.one_in(3)) + usize::from(generator.one_in(6));
        let processes: Vec<_> = (0..programs).map(|_| program(&mut generator)).collect();
        let max_callers = if generator.one_in(10) { 60 } else { 18 };
        let count = 1 + generator.below(max_callers);
        // Half of the callers start in bursts.
        let bursts: Vec<_> = (0..3).map(|_| generator.milliseconds(span)).collect();
        let callers: Vec<_> = (0..count)
            .map(|name| caller(&mut generator, name as u32, programs as u64, span, &bursts))
            .collect();
        let mut request_faults = Vec::new();
        let fault_odds =
            [0, 2, 5, 20].get(generator.below(4) as usize).copied().unwrap_or_default();
        for caller in &callers {
            for number in 1..=8 {
                if fault_odds > 0 && generator.one_in(fault_odds) {
                    let fault = network_fault(&mut generator);
                    request_faults.push(RequestFault { caller: caller.name, number, fault });
                }
            }
        }
        let mut world_events: Vec<(Duration, WorldEvent)> = Vec::new();
        for _ in 0..generator.below(11) {
            // Half of the events follow closely on another one.
            let previous = world_events.last().map(|(at, _)| *at).filter(|_| generator.one_in(2));
            let at = match previous {
                Some(previous) => previous + generator.milliseconds(3_000),
                None => generator.milliseconds(span),
            };
            world_events.push((at, world_event(&mut generator, programs as u64)));
        }
        world_events.sort_by_key(|(at, _)| *at);
        let post_faults = (0..generator.below(12))
            .map(|_| (generator.below(24), post_fault(&mut generator)))
            .collect::<std::collections::BTreeMap<_, _>>();
        let mut scenario = Self {
            token_life: match generator.below(6) {
                0 => generator.below(12),
                1 | 2 => 12 + generator.below(400),
                _ => 3600,
            },
            latency: Duration::from_millis(1) + generator.skewed_time(3_000),
            latency_seed: generator.one_in(2).then(|| generator.0.next()),
            processes,
            callers,
            request_faults,
            post_faults: post_faults.into_iter().collect(),
            world_events,
        };
        if generator.one_in(20) {
            rare::add_long_pause(&mut generator, &mut scenario, span);
        }
        match generator.below(16) {
            0..=2 => rare::add_meeting(&mut generator, &mut scenario, span),
            3 => rare::add_probe(&mut generator, &mut scenario, span),
            4 => rare::add_refresh(&mut generator, &mut scenario, span),
            5 => rare::add_old_tokens(&mut generator, &mut scenario, span),
            _ => {}
        }
        scenario
    }
}

fn program(generator: &mut Generator) -> Program {
    let policies = [
        Policy::Documented,
        Policy::Documented,
        Policy::Cautious,
        Policy::None,
        Policy::AtLeastOnce,
    ];
    Program {
        policy: generator.choose(&policies).unwrap_or(Policy::Documented),
        call_timeout: match generator.below(4) {
            0 => generator.milliseconds(60_000),
            _ => Duration::from_secs(120),
        },
        // A quartz clock drifts by some ten parts per million; a virtual machine's may drift more.
        drift: if generator.one_in(2) { 0 } else { generator.below(601) as i32 - 300 },
        wall_clock_offset: if generator.one_in(3) {
            generator.below(40_000) as i64 - 20_000
        } else {
            0
        },
        wire: generator.one_in(2),
        consumer_cache: if generator.one_in(4) { 1 } else { 1000 },
    }
}

fn caller(
    generator: &mut Generator,
    name: u32,
    programs: u64,
    span: u64,
    bursts: &[Duration],
) -> Caller {
    let consumer = generator.below(u64::from(CONSUMERS)) as u8;
    let action = match generator.below(16) {
        0 => Action::ResolveDomain,
        1 => Action::AuthorizeApp,
        2 => Action::IdentifyConsumer(consumer),
        3 => Action::OpenConversation(consumer),
        4 => Action::SetComposing(consumer),
        // Only the last consumer's: agents write in the other conversations.
        5 => Action::CloseConversation(CONSUMERS - 1),
        _ => Action::SendText(consumer),
    };
    let burst = if generator.one_in(2) { generator.choose(bursts) } else { None };
    Caller {
        name,
        process: generator.below(programs) as usize,
        starts_at: burst.unwrap_or_else(|| generator.milliseconds(span)),
        action,
        deadline: generator
            .one_in(6)
            .then(|| Duration::from_millis(1) + generator.milliseconds(10_000)),
        cancel_after: generator
            .one_in(7)
            .then(|| (generator.skewed_time(40_000), generator.one_in(2))),
    }
}

fn network_fault(generator: &mut Generator) -> NetworkFault {
    match generator.below(10) {
        9 => {
            let never_connected = [
                NetworkFault::Unresolved,
                NetworkFault::NoFreeConnection,
                NetworkFault::NoTls,
                NetworkFault::CertificateDemanded,
                NetworkFault::ProxyRefused,
            ];
            generator.choose(&never_connected).unwrap_or(NetworkFault::Unresolved)
        }
        0 | 1 => NetworkFault::Refused,
        2 => NetworkFault::RequestLost,
        3 => NetworkFault::ResponseLost,
        4 => NetworkFault::SlowResponse(generator.skewed_time(60_000)),
        5 => NetworkFault::SlowRequest(generator.skewed_time(20_000)),
        6 => NetworkFault::Truncated(generator.below(1000) as u16),
        7 => NetworkFault::Duplicated(generator.skewed_time(60_000)),
        _ => NetworkFault::StrayBytes,
    }
}

fn post_fault(generator: &mut Generator) -> PostFault {
    match generator.below(4) {
        0 => PostFault::RequestLost,
        1 => PostFault::ResponseLost,
        2 => PostFault::Unavailable,
        _ => PostFault::SlowRequest(generator.skewed_time(4_000)),
    }
}

fn world_event(generator: &mut Generator, programs: u64) -> WorldEvent {
    let agents = u64::from(CONSUMERS - 1);
    match generator.below(26) {
        0..=4 => WorldEvent::Fault(cloud_fault(generator)),
        24 | 25 => WorldEvent::Fault(webhook_fault(generator)),
        5 => WorldEvent::FaultsCleared,
        6 | 7 => WorldEvent::AppTokensRevoked,
        8 => WorldEvent::ConsumerTokensRevoked,
        9 => WorldEvent::SecretRotated(generator.skewed_time(60_000)),
        10 | 11 => {
            let service = generator.choose(&SERVICES).unwrap_or("idp");
            WorldEvent::ServiceMoved(service, generator.below(3) as u8)
        }
        12 => WorldEvent::CloudClockSet(generator.below(20_000) as i64 - 10_000),
        13 => WorldEvent::WallClockSet(
            generator.below(programs) as usize,
            generator.below(20_000) as i64 - 10_000,
        ),
        14 => WorldEvent::ProcessCrashed(
            generator.below(programs) as usize,
            generator.skewed_time(60_000),
        ),
        15 => WorldEvent::ProcessSuspended(
            generator.below(programs) as usize,
            generator.skewed_time(600_000),
        ),
        16 => WorldEvent::AgentComposing(generator.below(agents) as u8),
        17 => WorldEvent::AgentNote(generator.below(agents) as u8),
        18 => WorldEvent::AgentTransfer(generator.below(agents) as u8),
        _ => WorldEvent::AgentTexts(generator.below(agents) as u8, 1 + generator.below(4) as u8),
    }
}

/// A fault of the cloud's notifications that loses none of them.
fn webhook_fault(generator: &mut Generator) -> String {
    let kind = match generator.below(4) {
        0 => "duplicate".to_owned(),
        1 => format!("delay:{}ms", generator.below(10_000)),
        _ => "reorder".to_owned(),
    };
    let first = 1 + generator.below(4);
    format!("webhook:{first}-{}={kind}", first + generator.below(5))
}

/// A fault of the cloud's other endpoints.
fn cloud_fault(generator: &mut Generator) -> String {
    let endpoints =
        ["domain", "token", "token", "consumer", "conversation", "send", "send", "send"];
    let endpoint = generator.choose(&endpoints).unwrap_or("send");
    let kind = match generator.below(10) {
        0..=4 => {
            let statuses = [
                400u16, 401, 403, 404, 412, 429, 429, 429, 451, 500, 502, 503, 503, 503, 504, 303,
                307, 408, 421, 425,
            ];
            let status = generator.choose(&statuses).unwrap_or(503);
            let retry_after = match generator.below(8) {
                0 => Some(generator.0.next()),
                1..=4 => Some(generator.below(40)),
                _ => None,
            };
            retry_after
                .map_or(status.to_string(), |seconds| format!("{status},retry-after:{seconds}"))
        }
        5 => "revoke-app".to_owned(),
        6 => "revoke-consumer".to_owned(),
        7 => format!("delay:{}ms", generator.below(40_000)),
        _ => {
            let kinds = ["html", "garbage", "drop", "drop-after", "truncated"];
            generator.choose(&kinds).unwrap_or("drop").to_owned()
        }
    };
    let first = 1 + generator.below(3);
    format!("{endpoint}:{first}-{}={kind}", first + generator.below(9))
}
