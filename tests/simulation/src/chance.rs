//! Stories from seeds: weighted towards what goes wrong together.

use std::time::Duration;

use lp_connector_sandbox::Random;

use crate::endpoint::PostWeather;
use crate::network::Weather;
use crate::story::{Caller, Doing, Happening, Policy, Program, Story, Trouble};

/// Consumers who have a conversation when a story begins.
pub(crate) const CONSUMERS: u8 = 3;

/// The services that a connector uses, by their names in the Domain API.
const SERVICES: [&str; 3] = ["asyncMessagingEnt", "sentinel", "idp"];

/// Draws, all from one seed.
struct Chance(Random);

impl Chance {
    fn below(&mut self, end: u64) -> u64 {
        self.0.next() % end.max(1)
    }

    fn one_in(&mut self, many: u64) -> bool {
        self.below(many) == 0
    }

    fn of<T: Copy>(&mut self, all: &[T]) -> Option<T> {
        let at = usize::try_from(self.below(all.len() as u64)).ok()?;
        all.get(at).copied()
    }

    fn milliseconds(&mut self, end: u64) -> Duration {
        Duration::from_millis(self.below(end))
    }

    /// Mostly short, at times very long.
    fn spread(&mut self, longest: u64) -> Duration {
        let end = match self.below(4) {
            0 => 100,
            1 => 3_000,
            2 => 40_000,
            _ => longest,
        };
        self.milliseconds(end.min(longest))
    }
}

impl Story {
    /// The story that this seed tells.
    pub(crate) fn of(seed: u64) -> Self {
        let mut chance = Chance(Random::new(seed));
        let span = match chance.below(8) {
            0..=2 => 5_000,
            3..=4 => 120_000,
            5..=6 => 9_000_000,
            _ => 2_600_000_000,
        };
        let programs = 1 + usize::from(chance.one_in(3)) + usize::from(chance.one_in(6));
        let processes: Vec<_> = (0..programs).map(|_| program(&mut chance)).collect();
        let most = if chance.one_in(10) { 60 } else { 18 };
        let count = 1 + chance.below(most);
        // Some come all at once.
        let bursts: Vec<_> = (0..3).map(|_| chance.milliseconds(span)).collect();
        let callers: Vec<_> = (0..count)
            .map(|name| caller(&mut chance, name as u32, programs as u64, span, &bursts))
            .collect();
        let mut troubles = Vec::new();
        let bad = [0, 2, 5, 20].get(chance.below(4) as usize).copied().unwrap_or_default();
        for caller in &callers {
            for number in 1..=8 {
                if bad > 0 && chance.one_in(bad) {
                    let weather = weather(&mut chance);
                    troubles.push(Trouble { caller: caller.name, number, weather });
                }
            }
        }
        let mut happenings: Vec<(Duration, Happening)> = Vec::new();
        for _ in 0..chance.below(11) {
            // What goes wrong often does so hard upon something else.
            let before = happenings.last().map(|(at, _)| *at).filter(|_| chance.one_in(2));
            let at = match before {
                Some(before) => before + chance.milliseconds(3_000),
                None => chance.milliseconds(span),
            };
            happenings.push((at, happening(&mut chance, programs as u64)));
        }
        happenings.sort_by_key(|(at, _)| *at);
        let posts = (0..chance.below(12))
            .map(|_| (chance.below(24), post(&mut chance)))
            .collect::<std::collections::BTreeMap<_, _>>();
        Self {
            token_life: match chance.below(6) {
                0 => chance.below(12),
                1 | 2 => 12 + chance.below(400),
                _ => 3600,
            },
            latency: Duration::from_millis(1) + chance.spread(3_000),
            mixed: chance.one_in(2).then(|| chance.0.next()),
            processes,
            callers,
            troubles,
            posts: posts.into_iter().collect(),
            happenings,
        }
    }
}

fn program(chance: &mut Chance) -> Program {
    let policies = [
        Policy::Documented,
        Policy::Documented,
        Policy::Cautious,
        Policy::None,
        Policy::AtLeastOnce,
    ];
    Program {
        policy: chance.of(&policies).unwrap_or(Policy::Documented),
        call_timeout: match chance.below(4) {
            0 => chance.milliseconds(60_000),
            _ => Duration::from_secs(120),
        },
        // Quartz is good to some ten millionths; a virtual machine's clock can be worse.
        drift: if chance.one_in(2) { 0 } else { chance.below(601) as i32 - 300 },
        wall_off: if chance.one_in(3) { chance.below(40_000) as i64 - 20_000 } else { 0 },
        wire: chance.one_in(2),
        consumer_cache: if chance.one_in(4) { 1 } else { 1000 },
    }
}

fn caller(chance: &mut Chance, name: u32, programs: u64, span: u64, bursts: &[Duration]) -> Caller {
    let who = chance.below(u64::from(CONSUMERS)) as u8;
    let doing = match chance.below(16) {
        0 => Doing::Resolve,
        1 => Doing::Authorize,
        2 => Doing::Identify(who),
        3 => Doing::Open(who),
        4 => Doing::Compose(who),
        // One consumer's alone: agents speak in the others'.
        5 => Doing::Close(CONSUMERS - 1),
        _ => Doing::Say(who),
    };
    let burst = if chance.one_in(2) { chance.of(bursts) } else { None };
    Caller {
        name,
        process: chance.below(programs) as usize,
        begins: burst.unwrap_or_else(|| chance.milliseconds(span)),
        doing,
        hurry: chance.one_in(6).then(|| Duration::from_millis(1) + chance.milliseconds(10_000)),
        leaves: chance.one_in(7).then(|| (chance.spread(40_000), chance.one_in(2))),
    }
}

fn weather(chance: &mut Chance) -> Weather {
    match chance.below(9) {
        0 | 1 => Weather::Refused,
        2 => Weather::LostBefore,
        3 => Weather::LostAfter,
        4 => Weather::Slow(chance.spread(60_000)),
        5 => Weather::Overtaken(chance.spread(20_000)),
        6 => Weather::Cut(chance.below(1000) as u16),
        7 => Weather::Twice(chance.spread(60_000)),
        _ => Weather::Stray,
    }
}

fn post(chance: &mut Chance) -> PostWeather {
    match chance.below(4) {
        0 => PostWeather::Lost,
        1 => PostWeather::AnswerLost,
        2 => PostWeather::Busy,
        _ => PostWeather::Slow(chance.spread(4_000)),
    }
}

fn happening(chance: &mut Chance, programs: u64) -> Happening {
    let agents = u64::from(CONSUMERS - 1);
    match chance.below(26) {
        0..=4 => Happening::Fault(fault(chance)),
        24 | 25 => Happening::Fault(webhook_fault(chance)),
        5 => Happening::Heals,
        6 | 7 => Happening::RevokesAppTokens,
        8 => Happening::RevokesConsumerTokens,
        9 => Happening::RotatesSecret(chance.spread(60_000)),
        10 | 11 => {
            let service = chance.of(&SERVICES).unwrap_or("idp");
            Happening::Moves(service, chance.below(3) as u8)
        }
        12 => Happening::CloudClock(chance.below(20_000) as i64 - 10_000),
        13 => Happening::WallClock(
            chance.below(programs) as usize,
            chance.below(20_000) as i64 - 10_000,
        ),
        14 => Happening::Crashes(chance.below(programs) as usize, chance.spread(60_000)),
        15 => Happening::Sleeps(chance.below(programs) as usize, chance.spread(600_000)),
        16 => Happening::AgentTypes(chance.below(agents) as u8),
        17 => Happening::AgentNotes(chance.below(agents) as u8),
        18 => Happening::AgentTransfers(chance.below(agents) as u8),
        _ => Happening::AgentSays(chance.below(agents) as u8, 1 + chance.below(4) as u8),
    }
}

/// What the cloud does wrong with its notifications, short of losing them.
fn webhook_fault(chance: &mut Chance) -> String {
    let what = match chance.below(4) {
        0 => "duplicate".to_owned(),
        1 => format!("delay:{}ms", chance.below(10_000)),
        _ => "reorder".to_owned(),
    };
    let first = 1 + chance.below(4);
    format!("webhook:{first}-{}={what}", first + chance.below(5))
}

fn fault(chance: &mut Chance) -> String {
    let endpoints =
        ["domain", "token", "token", "consumer", "conversation", "send", "send", "send"];
    let endpoint = chance.of(&endpoints).unwrap_or("send");
    let what = match chance.below(10) {
        0..=4 => {
            let statuses = [400u16, 401, 403, 404, 429, 429, 451, 500, 502, 503, 503, 504];
            let status = chance.of(&statuses).unwrap_or(503);
            let asked = match chance.below(8) {
                0 => Some(chance.0.next()),
                1..=4 => Some(chance.below(40)),
                _ => None,
            };
            asked.map_or(status.to_string(), |asked| format!("{status},retry-after:{asked}"))
        }
        5 => "revoke-app".to_owned(),
        6 => "revoke-consumer".to_owned(),
        7 => format!("delay:{}ms", chance.below(40_000)),
        _ => {
            let words = ["html", "garbage", "drop", "drop-after", "truncated"];
            chance.of(&words).unwrap_or("drop").to_owned()
        }
    };
    let first = 1 + chance.below(3);
    format!("{endpoint}:{first}-{}={what}", first + chance.below(9))
}
