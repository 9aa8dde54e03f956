//! One token for two callers.

use super::*;
use crate::policy::{CircuitPolicy, RetryPolicy};

/// What the observer knows of the token.
#[derive(Clone, Debug, Default)]
struct Tokens {
    /// The newest token that came in time, when it was asked for, and the generation that it got.
    newest: (u64, Mono),
    generation: u64,
    /// The newest token that was refused by its number.
    refused: u64,
    /// The token that a caller's call has seen refused, without a number perhaps.
    seen_refused: [u64; 2],
    /// Nobody asks for a token before this.
    floor: Mono,
    /// The requests for a token that nobody has given up: by caller, until their deadline.
    asking: [Option<(Mono, Mono, u64)>; 2],
    answered: Option<(u64, Mono)>,
}

/// A token lives for 99 of its 100 seconds, and is refreshed in the last tenth.
const LIFE: Duration = Duration::from_secs(99);
const FRESH: Duration = Duration::from_millis(89_100);

impl Observer for Tokens {
    const LIFE: u64 = 100;

    fn replies(stage: Stage) -> &'static [Reply] {
        match stage {
            Stage::AppJwt => &[Reply::Good, Reply::Limited, Reply::Down],
            Stage::Operation => &[Reply::Good, Reply::Refused, Reply::Unclear],
            _ => &[Reply::Good],
        }
    }

    fn sent(&mut self, caller: usize, sent: &Sent, now: Mono) {
        let (newest, since) = self.newest;
        if sent.stage == Stage::AppJwt {
            assert!(now >= self.floor, "a token is asked for before the pause is over");
            let other = self.asking[1 - caller];
            assert!(other.is_none_or(|(deadline, ..)| deadline <= now), "two ask for one token");
            let wants_another = newest <= self.refused || newest <= self.seen_refused[caller];
            let is_old = now >= since + FRESH;
            assert!(wants_another || is_old, "nobody has refused the token {newest}");
            self.asking[caller] = Some((sent.deadline, sent.at, 0));
        } else if sent.stage == Stage::Operation {
            assert_eq!(sent.token, newest, "there is a newer token");
            assert!(newest > self.refused, "a refused token is sent");
            assert!(newest > self.seen_refused[caller], "the same token is sent again");
            assert!(now < since + LIFE, "an expired token is sent");
        }
    }

    fn answered(&mut self, caller: usize, sent: &Sent, reply: Reply, now: Mono) {
        match (sent.stage, reply) {
            (Stage::AppJwt, _) => {
                self.asking[caller] = None;
                let is_in_time = now < sent.deadline;
                match reply {
                    Reply::Good => self.answered = Some((u64::from(is_in_time), sent.at)),
                    Reply::Limited if is_in_time => self.floor = self.floor.max(now + secs(30)),
                    _ => {}
                }
            }
            (Stage::Operation, Reply::Refused) => {
                // A call refreshes once: that its second token is refused too says nothing for others.
                if self.seen_refused[caller] == 0 {
                    self.refused = self.refused.max(sent.token);
                }
                self.seen_refused[caller] = sent.token;
            }
            (Stage::Operation, Reply::Unclear) => self.seen_refused[caller] = sent.token,
            _ => {}
        }
    }

    fn ended(&mut self, caller: usize, _: &Sent, is_dropped: bool, _: Mono) {
        self.asking[caller] = None;
        if is_dropped {
            self.seen_refused[caller] = 0;
        }
    }

    fn done(&mut self, caller: usize, _: Option<&Error>, _: Mono) {
        self.seen_refused[caller] = 0;
    }

    fn check(&mut self, state: &mut ConnectorState, _: Mono) {
        let generation = state.app_jwt.generation();
        if let Some((in_time, at)) = self.answered.take() {
            assert!(in_time == 0 || generation > self.generation, "a token is thrown away");
            if generation > self.generation {
                let token = state.app_jwt.value(Mono::ZERO).map(|jwt| jwt.header.clone());
                let token = token.and_then(|token| token.to_str().ok()?.parse().ok());
                self.newest = (token.unwrap(), at);
            }
        } else {
            assert_eq!(generation, self.generation, "a token from nowhere");
        }
        self.generation = generation;
    }
}

fn settings(config: Config) -> Config {
    let retry = RetryPolicy::documented().pauses([secs(5)]).jitter_percent(0);
    config.circuit(CircuitPolicy::never()).retry(retry).call_timeout(secs(40))
}

/// Both have sent their requests with the same token.
fn both_asked() -> World<Tokens> {
    let mut world = World::new(Tokens::default(), settings);
    world.perform(Action::Poll(0));
    world.perform(Action::Poll(1));
    world
}

fn search(world: &World<Tokens>, faults: usize) {
    let ways = explore(world, Bounds { steps: 7, faults }, &mut Vec::new());
    println!("{ways} ways");
    assert!(ways > 10_000, "{ways}");
}

#[test]
fn no_order_of_steps_drops_or_repeats_a_token() {
    search(&both_asked(), 2);
}

#[test]
fn no_order_of_steps_breaks_a_refresh_ahead() {
    let mut world = World::new(Tokens::default(), settings);
    world.now = world.now + secs(95);
    search(&world, 3);
}

/// The token that a caller has seen refused is due for a refresh for the other.
#[test]
fn no_order_of_steps_asks_within_a_pause() {
    let once = |config| settings(config).retry(RetryPolicy::documented().pauses([]));
    let mut world = World::new(Tokens::default(), once);
    world.now = world.now + secs(80);
    world.perform(Action::Poll(0));
    world.perform(Action::Poll(1));
    world.now = world.now + secs(10);
    search(&world, 2);
}
