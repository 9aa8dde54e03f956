//! A program and a cloud, for tests: real calls on a store that may be slow.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use bytes::Bytes;

use super::{FetchStep, ShareSettings, TokenFetch, TokenSharing};
use crate::api::AuthorizeApp;
use crate::bridge::store::{Answer, MemoryStore, Request};
use crate::connector::{Attempt, Call, Callable, Config, ConnectorState, Outcome, Step};
use crate::error::{Error, Stage};
use crate::id::{AccountId, ClientId};
use crate::secret::Secret;
use crate::seed::Seed;
use crate::time::{Mono, Now};

pub(super) const PATIENCE: Duration = Duration::from_secs(3);

pub(super) fn config() -> Config {
    let secret = Secret::new("n3v3r-shown".to_owned());
    let config = Config::new(AccountId::new("91827364").unwrap());
    config.credentials(ClientId::new("app").unwrap(), secret)
}

/// The cloud: it numbers its tokens, and knows which it revoked.
pub(super) struct Cloud {
    pub(super) life: Duration,
    /// When each AppJWT was issued.
    pub(super) issued: Vec<Mono>,
    pub(super) consumers: usize,
    /// Tokens up to this number are rejected.
    pub(super) revoked: usize,
    pub(super) is_down: bool,
}

impl Cloud {
    pub(super) fn new() -> Self {
        let life = Duration::from_secs(3600);
        Self { life, issued: Vec::new(), consumers: 0, revoked: 0, is_down: false }
    }

    pub(super) fn answer(&mut self, attempt: &Attempt, now: Mono) -> Outcome {
        let (status, body) = match attempt.stage() {
            Stage::Domain => {
                let service = attempt.request().uri().path().split('/').nth(5).unwrap();
                let host = format!("{service}.liveperson.net");
                (200, format!(r#"{{"service":"{service}","baseURI":"{host}"}}"#))
            }
            _ if self.is_down => (503, String::new()),
            Stage::AppJwt => {
                self.issued.push(now);
                let (number, life) = (self.issued.len(), self.life.as_secs());
                (200, format!(r#"{{"access_token":"t{number}","expires_in":{life}}}"#))
            }
            Stage::ConsumerJws => match self.is_valid(attempt) {
                false => (401, String::new()),
                true => {
                    self.consumers += 1;
                    (201, format!(r#"{{"token":"j{}"}}"#, self.consumers))
                }
            },
            Stage::Operation => match self.is_valid(attempt) {
                false => (401, String::new()),
                true => (200, r#"{"id":"c"}"#.to_owned()),
            },
        };
        let response = http::Response::builder().status(status).body(Bytes::from(body));
        Outcome::Response(response.unwrap())
    }

    fn is_valid(&self, attempt: &Attempt) -> bool {
        let header = attempt.request().headers().get("authorization").unwrap();
        self.number(header.to_str().unwrap()) > self.revoked
    }

    fn number(&self, token: &str) -> usize {
        token.trim_start_matches('t').parse().unwrap()
    }

    /// When the token ends by the cloud's clock.
    pub(super) fn end_of(&self, token: &Secret) -> Mono {
        self.issued[self.number(token.expose()) - 1] + self.life
    }
}

/// A program: a client that shares, or does not.
pub(super) struct Program {
    pub(super) state: ConnectorState,
    pub(super) sharing: Option<TokenSharing>,
    seed: Seed,
    calls: u64,
}

impl Program {
    pub(super) fn new(number: u8, shares: bool) -> Self {
        let seed = Seed::from_bytes([number; 16]);
        let sharing = TokenSharing::new(&config(), seed, ShareSettings::new()).filter(|_| shares);
        Self { state: ConnectorState::new(config(), seed), sharing, seed, calls: 0 }
    }

    fn call<C: Callable>(&mut self, operation: C, now: Now) -> Call<C> {
        self.calls += 1;
        Call::new(operation, self.state.config(), self.seed.derive(self.calls), now)
    }

    /// Runs one call to its end. Only waiting takes time, and a store that is silent.
    pub(super) fn run<C: Callable>(
        &mut self,
        operation: C,
        store: Option<&mut MemoryStore>,
        cloud: &mut Cloud,
        time: &mut Mono,
    ) -> Result<C::Output, Error> {
        let mut silent = MemoryStore::default();
        let is_silent = store.is_none();
        let store = store.unwrap_or(&mut silent);
        let mut call = self.call(operation, now(*time));
        loop {
            match call.poll(&mut self.state, now(*time)) {
                Step::Done(result) => return result.map(|completed| completed.output),
                Step::Wait(until) => *time = until,
                Step::Send(attempt) => {
                    let fetch = self.sharing.as_mut().and_then(|one| one.begin(&attempt, *time));
                    let outcome = match fetch.zip(self.sharing.as_mut()) {
                        None => cloud.answer(&attempt, *time),
                        Some((mut fetch, sharing)) => loop {
                            match fetch.poll(sharing, *time) {
                                FetchStep::Ask(_, until) if is_silent => {
                                    *time = until;
                                    fetch.answered(sharing, None, *time);
                                }
                                FetchStep::Ask(request, _) => {
                                    let answer = store.perform(request, *time);
                                    fetch.answered(sharing, Some(answer), *time);
                                }
                                FetchStep::Wait(until) => *time = until,
                                FetchStep::Use(token) => break Outcome::Shared(token),
                                FetchStep::Send => {
                                    let outcome = cloud.answer(&attempt, *time);
                                    if let Some(request) = fetch.sent(sharing, &outcome, *time) {
                                        store.perform(request, *time);
                                    }
                                    break outcome;
                                }
                            }
                        },
                    };
                    let _ = call.handle(&mut self.state, now(*time), attempt.number(), outcome);
                }
            }
        }
    }
}

pub(super) fn now(at: Mono) -> Now {
    Now::new(at, SystemTime::UNIX_EPOCH + at.since(Mono::ZERO))
}

/// What becomes of a request to the store.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum StoreFate {
    Done,
    AnswerLost,
    RequestLost,
}

/// What a program does at the moment.
enum Doing {
    Idle,
    Asked(Request, Mono),
    Answered(Answer, Mono),
    Silent(Mono),
    Waits(Mono),
    Sends(Mono),
    Over,
}

/// Programs that all need a token at once, and take their steps in any order.
pub(super) struct Race {
    pub(super) store: MemoryStore,
    pub(super) cloud: Cloud,
    pub(super) now: Mono,
    sentinel_takes: Duration,
    racers: Vec<Racer>,
}

struct Racer {
    program: Program,
    call: Call<AuthorizeApp>,
    attempt: Option<Attempt>,
    fetch: Option<TokenFetch>,
    doing: Doing,
    began: Mono,
    waited: Duration,
}

impl Race {
    pub(super) fn new(programs: u8, sentinel_takes: Duration) -> Self {
        let racer = |number: u8| {
            let mut program = Program::new(number + 1, true);
            let call = program.call(AuthorizeApp, now(Mono::ZERO));
            let (attempt, fetch) = (None, None);
            let (doing, began, waited) = (Doing::Idle, Mono::ZERO, Duration::ZERO);
            Racer { program, call, attempt, fetch, doing, began, waited }
        };
        Self {
            store: MemoryStore::default(),
            cloud: Cloud::new(),
            now: Mono::ZERO,
            sentinel_takes,
            racers: (0..programs).map(racer).collect(),
        }
    }

    /// One step of a program. False if it cannot take one now.
    pub(super) fn step(&mut self, number: usize, fate: StoreFate) -> bool {
        let (time, takes) = (self.now, self.sentinel_takes);
        let Racer { program, call, attempt, fetch, doing, began, waited } =
            &mut self.racers[number];
        let sharing = program.sharing.as_mut().unwrap();
        match doing {
            Doing::Over => return false,
            Doing::Silent(until) | Doing::Waits(until) | Doing::Sends(until) if time < *until => {
                return false;
            }
            _ => {}
        }
        match std::mem::replace(doing, Doing::Idle) {
            Doing::Asked(request, until) => {
                *doing = match fate {
                    StoreFate::Done => Doing::Answered(self.store.perform(request, time), until),
                    StoreFate::RequestLost => Doing::Silent(until),
                    StoreFate::AnswerLost => {
                        self.store.perform(request, time);
                        Doing::Silent(until)
                    }
                };
                return true;
            }
            Doing::Answered(answer, until) => {
                let answer = (time < until).then_some(answer);
                fetch.as_mut().unwrap().answered(sharing, answer, time);
            }
            Doing::Silent(_) => fetch.as_mut().unwrap().answered(sharing, None, time),
            Doing::Sends(_) => {
                let attempt = attempt.take().unwrap();
                let outcome = self.cloud.answer(&attempt, time);
                if let Some(request) = fetch.take().unwrap().sent(sharing, &outcome, time)
                    && fate != StoreFate::RequestLost
                {
                    self.store.perform(request, time);
                }
                let _ = call.handle(&mut program.state, now(time), attempt.number(), outcome);
            }
            Doing::Idle | Doing::Waits(_) | Doing::Over => {}
        }
        if let Some(fetching) = fetch {
            *doing = match fetching.poll(program.sharing.as_mut().unwrap(), time) {
                FetchStep::Ask(request, until) => Doing::Asked(request, until),
                FetchStep::Wait(until) => Doing::Waits(until),
                FetchStep::Send => {
                    *waited = time.since(*began);
                    Doing::Sends(time + takes)
                }
                FetchStep::Use(token) => {
                    *waited = time.since(*began);
                    *fetch = None;
                    let (attempt, outcome) = (attempt.take().unwrap(), Outcome::Shared(token));
                    let _ = call.handle(&mut program.state, now(time), attempt.number(), outcome);
                    Doing::Idle
                }
            };
            return true;
        }
        match call.poll(&mut program.state, now(time)) {
            Step::Done(result) => {
                result.unwrap();
                *doing = Doing::Over;
            }
            Step::Wait(until) => *doing = Doing::Waits(until),
            Step::Send(next) => match program.sharing.as_mut().unwrap().begin(&next, time) {
                Some(begun) => {
                    *began = time;
                    (*fetch, *attempt) = (Some(begun), Some(next));
                }
                None => {
                    let outcome = self.cloud.answer(&next, time);
                    let _ = call.handle(&mut program.state, now(time), next.number(), outcome);
                }
            },
        }
        true
    }

    /// When the first program can go on that cannot now.
    fn next(&self) -> Option<Mono> {
        let at = self.racers.iter().filter_map(|racer| match racer.doing {
            Doing::Silent(at) | Doing::Waits(at) | Doing::Sends(at) => Some(at.max(self.now)),
            Doing::Over => None,
            _ => Some(self.now),
        });
        at.min()
    }

    /// Lets time pass until somebody can go on. False: all are done.
    pub(super) fn pass(&mut self) -> bool {
        let next = self.next();
        self.now = next.unwrap_or(self.now);
        next.is_some()
    }

    /// Everybody comes to the end, and nothing is lost any more.
    pub(super) fn finish(&mut self) {
        while self.pass() {
            for number in 0..self.racers.len() {
                while self.step(number, StoreFate::Done) {}
            }
        }
    }

    /// The longest that anybody waited for others before it had a token or requested one.
    pub(super) fn longest_wait(&self) -> Duration {
        self.racers.iter().map(|racer| racer.waited).max().unwrap()
    }

    /// The tokens that are used, and by how many.
    pub(super) fn used(&self) -> BTreeMap<String, usize> {
        let mut used = BTreeMap::new();
        for racer in &self.racers {
            let held = racer.program.sharing.as_ref().unwrap().held.clone().unwrap();
            *used.entry(held.expose().to_owned()).or_default() += 1;
        }
        used
    }
}
