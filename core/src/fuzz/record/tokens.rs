//! A token that another program has left in a cell.

use std::fmt::Debug;
use std::time::SystemTime;

use bytes::Bytes;

use super::lanes::{account, ada};
use super::mood::Mood;
use crate::api::{AuthorizeApp, IdentifyConsumer};
use crate::bridge::share::{FetchStep, ShareSettings, TokenFetch, TokenSharing};
use crate::bridge::store::{Answer, CellId, MemoryStore, Request};
use crate::connector::{Attempt, Call, Callable, Config, ConnectorState, Outcome, Step};
use crate::fuzz::has_canary;
use crate::id::ClientId;
use crate::secret::Secret;
use crate::seed::Seed;
use crate::time::{Mono, Now};

/// A client that needs a token takes this one, or requests its own and leaves that for the others.
pub(super) fn token(value: &[u8], is_read: bool, mood: Mood) {
    let seed = Seed::from_bytes([6; 16]);
    let secret = Secret::new("fuzz-secret".to_owned());
    let app = ClientId::new("0a1b").expect("a good id");
    let config = Config::new(account()).credentials(app, secret);
    let settings = ShareSettings::default();
    let none = settings.patience(std::time::Duration::ZERO);
    assert!(TokenSharing::new(&config, seed, none).is_none(), "nothing is to be shared");
    let mut client = Client {
        sharing: TokenSharing::new(&config, seed, settings).expect("credentials"),
        store: MemoryStore::default(),
        now: Now::new(Mono::ZERO, SystemTime::UNIX_EPOCH),
        value,
        is_read,
        mood,
        answers: 0,
        refused: 0,
    };
    let mut state = ConnectorState::new(config, seed);
    // A consumer's token needs the app's first.
    match mood {
        Mood::Closed => {
            client.put("consumer_jws:ada", value);
            client.call(IdentifyConsumer::new(ada()), &mut state, seed);
        }
        Mood::Refusing | Mood::Losing => {
            client.put("app_jwt:0a1b", value);
            client.call(IdentifyConsumer::new(ada()), &mut state, seed);
        }
        _ => {
            client.put("app_jwt:0a1b", value);
            if mood == Mood::TakenOver {
                client.put("app_jwt_claim:0a1b", b"other/1");
            }
            client.call(AuthorizeApp::new(), &mut state, seed);
        }
    }
}

struct Client<'a> {
    sharing: TokenSharing,
    store: MemoryStore,
    now: Now,
    value: &'a [u8],
    is_read: bool,
    mood: Mood,
    /// How many answers the store gave.
    answers: u32,
    /// How many tokens of the app a service refused.
    refused: u32,
}

impl Client<'_> {
    fn put(&mut self, key: &str, value: &[u8]) {
        let cell = CellId { account: account(), key: key.to_owned() };
        let swap = Request::Swap { cell, seen: 0, value: value.to_vec(), life: None };
        assert_eq!(self.store.perform(swap, self.now.mono()), Answer::Swapped(true));
    }

    fn hides(&self, shown: &str) {
        assert!(!has_canary(self.value) || !shown.contains("canary"), "{shown}");
    }

    fn wait(&mut self, until: Mono) {
        assert!(until > self.now.mono(), "it waits for what is over");
        self.now = self.now.later(until.since(self.now.mono()));
    }

    fn call<C>(&mut self, operation: C, state: &mut ConnectorState, seed: Seed)
    where
        C: Callable<Output: Debug>,
    {
        let mut call = Call::new(operation, state.config(), seed, self.now);
        for _ in 0..60 {
            match call.poll(state, self.now) {
                Step::Send(attempt) => {
                    let outcome = match self.sharing.begin(&attempt, self.now.mono()) {
                        None => self.cloud(&attempt),
                        Some(fetch) => self.fetch(fetch, &attempt),
                    };
                    let _ = call.handle(state, self.now, attempt.number(), outcome);
                }
                Step::Wait(until) => self.wait(until),
                // One that is over at once is taken again and again, until the call ends.
                Step::Done(result) => {
                    let may_fail =
                        self.refused > 0 || usable(self.value).is_some_and(|it| it < 60_000);
                    return assert!(result.is_ok() || may_fail, "there is no token: {result:?}");
                }
            }
        }
        panic!("it asks for ever");
    }

    fn fetch(&mut self, mut fetch: TokenFetch, attempt: &Attempt) -> Outcome {
        for _ in 0..60 {
            let step = fetch.poll(&mut self.sharing, self.now.mono());
            self.hides(&format!("{step:?} {:?}", self.sharing));
            match step {
                FetchStep::Ask(request, _) => {
                    self.answers += 1;
                    let is_swap = matches!(request, Request::Swap { .. });
                    let answer = match self.mood {
                        Mood::Losing => None,
                        Mood::Out => continue,
                        Mood::StoreFails if is_swap => Some(Answer::Swapped(false)),
                        _ => Some(self.store.perform(request, self.now.mono())),
                    };
                    fetch.answered(&mut self.sharing, answer, self.now.mono());
                    // The same answer again changes nothing.
                    fetch.answered(&mut self.sharing, None, self.now.mono());
                }
                FetchStep::Use(token) => {
                    let is_alone = matches!(self.mood, Mood::Losing | Mood::Out);
                    assert!(self.is_read && !is_alone, "a token that cannot be read is used");
                    return Outcome::Shared(token);
                }
                FetchStep::Send => {
                    let outcome = self.cloud(attempt);
                    let left = fetch.sent(&mut self.sharing, &outcome, self.now.mono());
                    assert!(fetch.sent(&mut self.sharing, &outcome, self.now.mono()).is_none());
                    self.leaves(left);
                    return outcome;
                }
                FetchStep::Wait(until) => self.wait(until),
            }
        }
        panic!("it looks for ever");
    }

    /// The others can read what it leaves. What lives for moments, or was got without the store, is not left.
    fn leaves(&mut self, request: Option<Request>) {
        if self.mood == Mood::Good {
            assert!(request.is_some(), "it leaves nothing");
        }
        assert!(self.mood != Mood::Late || request.is_none(), "it leaves what is soon over");
        let Some(request) = request else { return };
        let Request::Swap { value, life, .. } = &request else { panic!("it writes no cell") };
        let written: serde_json::Value = serde_json::from_slice(value).expect("JSON");
        let token = written.get("token").and_then(|token| token.as_str());
        assert_eq!(token, Some("d.e.f"));
        assert!(usable(value).is_some_and(|usable| usable >= 12_000));
        assert!(life.is_some_and(|life| !life.is_zero()));
        self.store.perform(request, self.now.mono());
    }

    fn cloud(&mut self, attempt: &Attempt) -> Outcome {
        let path = attempt.request().uri().path();
        let service = path.split('/').nth(5).unwrap_or_default();
        let life = if self.mood == Mood::Late { 30 } else { 3600 };
        let (status, body) = match attempt.token().map(|token| token.consumer().is_some()) {
            Some(true) if self.mood == Mood::Refusing && self.refused == 0 => {
                self.refused += 1;
                (401, String::new())
            }
            Some(true) => (200, r#"{"token":"d.e.f"}"#.to_owned()),
            Some(false) => (200, format!(r#"{{"access_token":"d.e.f","expires_in":{life}}}"#)),
            None => {
                let host = "va.idp.liveperson.net";
                (200, format!(r#"{{"service":"{service}","baseURI":"{host}"}}"#))
            }
        };
        let mut response = http::Response::new(Bytes::from(body));
        *response.status_mut() = http::StatusCode::from_u16(status).unwrap_or_default();
        Outcome::Response(response)
    }
}

/// How long the token may be used, in milliseconds.
fn usable(value: &[u8]) -> Option<u64> {
    let value: serde_json::Value = serde_json::from_slice(value).ok()?;
    value.get("usable_ms")?.as_u64()
}
