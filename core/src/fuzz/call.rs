//! Invariants of calls that share one state, in any order of events.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;

use super::conversation;
use crate::api::SendText;
use crate::connector::{
    Attempt, Call, Config, ConnectorState, Failure, FailureKind, Outcome, Step, Wake,
};
use crate::error::Stage;
use crate::id::{AccountId, ClientId};
use crate::secret::Secret;
use crate::seed::Seed;
use crate::time::{Mono, Now};

/// Texts that no output may contain: the secret, both tokens and a consumer's message.
const CANARIES: [&str; 4] =
    ["fuzz-canary-secret", "fuzz-canary-token", "fuzz-canary-jws", "canary-text"];

/// The pauses of [protocol.md 11](crate::protocol#11), independent of the policy under test.
const PAUSES: [u64; 3] = [5, 10, 15];

/// The default call timeout.
const WHOLE: Duration = Duration::from_secs(120);

/// How the last attempt of a message ended.
#[derive(Clone, Copy, Debug)]
enum Ending {
    /// With this status and `Retry-After` in seconds.
    Answer(u16, u64),
    /// It was not sent.
    NeverSent,
    /// Its response was lost.
    Lost,
}

/// A call, and what an observer knows about it.
struct Watched {
    call: Option<Call<SendText>>,
    deadline: Mono,
    last_number: u32,
    /// The attempt in flight: its number, stage and deadline.
    flight: Option<(u32, Stage, Mono)>,
    /// The service whose host that attempt requests.
    service: String,
    last: Option<(Ending, Mono)>,
    pauses: usize,
    refreshes: usize,
    /// Polls since the last progress.
    idle_polls: u32,
}

struct World {
    state: ConnectorState,
    calls: Vec<Watched>,
    now: Now,
}

/// Up to four messages over one [`ConnectorState`]. Each byte of the script polls one, answers it,
/// abandons it or advances the time.
pub fn call(data: &[u8]) {
    let config = Config::new(AccountId::new("91827364").expect("a good id")).credentials(
        ClientId::new("0a1b").expect("a good id"),
        Secret::new("fuzz-canary-secret".to_owned()),
    );
    let start = Now::new(Mono::ZERO, SystemTime::UNIX_EPOCH);
    let mut world = World {
        state: ConnectorState::new(config, Seed::from_bytes([1; 16])),
        calls: Vec::new(),
        now: start,
    };
    let mut script = data;
    while let Some(byte) = script.split_off_first().copied() {
        let who = usize::from(byte % 4);
        if who >= world.calls.len() && world.calls.len() < 4 {
            let number = world.calls.len() as u8;
            let config = world.state.config().clone();
            world.calls.push(Watched::new(&config, number, world.now));
        }
        let who = who.min(world.calls.len().saturating_sub(1));
        match byte / 4 {
            0..=27 => world.poll(who),
            28..=50 => world.answer(who, &mut script),
            51..=53 => world.stale(who, &mut script),
            54 => world.abandon(who),
            long => {
                let quarters = u64::from(long - 54).pow(2);
                world.now = world.now.later(Duration::from_millis(250 * quarters));
            }
        }
    }
    // Every call ends by its deadline.
    world.now = world.now.later(WHOLE);
    for who in 0..world.calls.len() {
        for _ in 0..50 {
            world.poll(who);
        }
        assert!(world.calls.get(who).is_some_and(|it| it.call.is_none()), "it never ends");
    }
    hides(&format!("{:?}", world.state));
}

/// The outcome of a message: a response whose body fits its status, or a failure.
fn met(script: &mut &[u8]) -> Outcome {
    const STATUSES: [u16; 10] = [200, 400, 401, 403, 404, 429, 451, 500, 502, 503];
    let mut next = || usize::from(script.split_off_first().copied().unwrap_or(0));
    let (byte, asked) = (next(), next());
    let status = match byte {
        240..=243 => return Outcome::Failed(Failure::never_sent(FailureKind::Connect)),
        244..=247 => return Outcome::Failed(Failure::answer_lost(FailureKind::Broken)),
        248..=251 => return Outcome::Failed(Failure::never_sent(FailureKind::Tls)),
        252..=255 => return Outcome::Failed(Failure::answer_lost(FailureKind::TooLarge)),
        byte => STATUSES.get(byte % STATUSES.len()).copied().unwrap_or(200),
    };
    let body = match (status, byte % 3) {
        (200, _) => r#"{"code":"OK","body":{"sequence":1}}"#,
        (401, 0) => r#"{"body":{"errorCode":40102}}"#,
        (401, 1) => r#"{"body":{"errorCode":40103}}"#,
        _ => r#"{"body":{"msg":"fuzz-canary-secret was rejected"}}"#,
    };
    let mut response = http::Response::new(Bytes::from_static(body.as_bytes()));
    *response.status_mut() = http::StatusCode::from_u16(status).unwrap_or_default();
    if asked % 4 == 3 {
        response.headers_mut().insert("retry-after", http::HeaderValue::from(asked as u64));
    }
    Outcome::Response(response)
}

/// The outcome of an attempt, from the script's next bytes.
fn outcome(script: &mut &[u8]) -> Outcome {
    const STATUSES: [u16; 16] =
        [200, 200, 200, 200, 201, 400, 401, 401, 403, 429, 451, 500, 502, 503, 302, 204];
    const BODIES: [&str; 12] = [
        r#"{"service":"asyncMessagingEnt","baseURI":"va.msg.liveperson.net"}"#,
        r#"{"baseURIs":[{"service":"sentinel","baseURI":"a.liveperson.net"},{"service":"idp","baseURI":"b.liveperson.net"},{"service":"asyncMessagingEnt","baseURI":"c.liveperson.net"}]}"#,
        r#"{"access_token":"fuzz-canary-token","expires_in":3}"#,
        r#"{"access_token":"fuzz-canary-token"}"#,
        r#"{"token":"fuzz-canary-jws"}"#,
        r#"{"code":"OK","body":{"sequence":1}}"#,
        r#"{"code":"BAD_REQUEST","body":{"msg":"Bad Request, Conversation is close"}}"#,
        r#"{"body":{"errorCode":40102}}"#,
        r#"{"body":{"errorCode":40103}}"#,
        r#"{"code":"TOO_MANY_REQUESTS","body":{"msg":"fuzz-canary-secret"}}"#,
        r#"{"baseURI":"evil.example","service":"sentinel"}"#,
        "<html>",
    ];
    let mut next = || usize::from(script.split_off_first().copied().unwrap_or(0));
    let (kind, body) = (next(), next());
    match kind % 20 {
        16 => Outcome::Failed(Failure::never_sent(FailureKind::Connect)),
        17 => Outcome::Failed(Failure::answer_lost(FailureKind::Broken)),
        18 => Outcome::Failed(Failure::never_sent(FailureKind::Tls)),
        19 => Outcome::Failed(Failure::answer_lost(FailureKind::TooLarge)),
        status => {
            let status = STATUSES.get(status).copied().unwrap_or(200);
            let body = BODIES.get(body % BODIES.len()).copied().unwrap_or_default();
            let mut response = http::Response::new(Bytes::from_static(body.as_bytes()));
            *response.status_mut() = http::StatusCode::from_u16(status).unwrap_or_default();
            if next() % 4 == 0 {
                response
                    .headers_mut()
                    .insert("retry-after", http::HeaderValue::from(next() as u64));
            }
            Outcome::Response(response)
        }
    }
}

fn hides(shown: &str) {
    for canary in CANARIES {
        assert!(!shown.contains(canary), "{canary} is shown: {shown}");
    }
}

impl Watched {
    fn new(config: &Arc<Config>, number: u8, now: Now) -> Self {
        let text = SendText::new(&conversation(), "canary-text");
        let call = Call::new(text, config, Seed::from_bytes([number + 2; 16]), now);
        Self {
            call: Some(call),
            deadline: now.mono() + WHOLE,
            last_number: 0,
            flight: None,
            service: String::new(),
            last: None,
            pauses: 0,
            refreshes: 0,
            idle_polls: 0,
        }
    }

    /// Asserts that the message may be sent now, after the last attempt.
    fn may_send(&mut self, now: Mono) {
        let Some((ending, at)) = self.last else { return };
        let mut pause = || {
            let least = PAUSES.get(self.pauses).copied();
            self.pauses += 1;
            least.expect("no more than three retries")
        };
        let least = match ending {
            Ending::Answer(401, _) => {
                self.refreshes += 1;
                assert!(self.refreshes <= 2, "each token is refreshed once");
                0
            }
            Ending::Answer(429, asked) => pause().min(1).max(asked),
            Ending::Answer(503, asked) => pause().max(asked),
            Ending::Answer(500..=599, _) | Ending::NeverSent => pause(),
            Ending::Answer(..) | Ending::Lost => panic!("a message is retried after {ending:?}"),
        };
        assert!(now.since(at) >= Duration::from_secs(least), "no pause after {ending:?}");
    }

    /// A valid response to a request for a host or a token.
    fn good(&self, stage: Stage) -> Option<String> {
        let service = &self.service;
        match stage {
            Stage::Domain => {
                let base = format!("{}.liveperson.net", service.to_ascii_lowercase());
                Some(format!(r#"{{"service":"{service}","baseURI":"{base}"}}"#))
            }
            Stage::AppJwt => Some(r#"{"access_token":"fuzz-canary-token"}"#.to_owned()),
            Stage::ConsumerJws => Some(r#"{"token":"fuzz-canary-jws"}"#.to_owned()),
            _ => None,
        }
    }

    fn ended(&mut self, ending: Ending, now: Mono) {
        if let Some((_, Stage::Operation, _)) = self.flight.take() {
            self.last = Some((ending, now));
        }
    }
}

impl World {
    fn poll(&mut self, who: usize) {
        let now = self.now.mono();
        let Some(it) = self.calls.get_mut(who) else { return };
        if it.flight.is_some_and(|(.., lost)| lost <= now) {
            it.ended(Ending::Lost, now);
        }
        let Some(call) = &mut it.call else { return };
        it.idle_polls += 1;
        let step = call.poll(&mut self.state, self.now);
        while let Some(event) = call.next_event() {
            hides(&format!("{event:?}"));
        }
        assert!(it.idle_polls < 20, "polls make no progress");
        match step {
            Step::Send(attempt) => self.sent(who, &attempt),
            Step::Wait(until) => {
                assert!(until > now && until <= it.deadline, "it waits beyond its deadline");
                if let Some((.., lost)) = it.flight {
                    assert_eq!(until, lost, "it waits for its response");
                }
                it.idle_polls = 0;
            }
            Step::Done(result) => {
                if let Err(error) = result {
                    hides(&format!("{error:#} {error:?} {error:#?}"));
                    super::values::error::reads_well(&error);
                }
                self.end(who);
            }
        }
    }

    fn sent(&mut self, who: usize, attempt: &Attempt) {
        let now = self.now.mono();
        hides(&format!("{attempt:?}"));
        let uri = attempt.request().uri();
        let host = uri.host().unwrap_or_default();
        let trusted = host.ends_with(".liveperson.net") && uri.scheme_str() == Some("https");
        assert!(trusted, "it goes to {host}");
        if attempt.stage() == Stage::AppJwt {
            let held = |it: &Watched| {
                it.flight.is_some_and(|(_, stage, lost)| stage == Stage::AppJwt && lost > now)
            };
            assert!(!self.calls.iter().any(held), "two token requests at a time");
        }
        let Some(it) = self.calls.get_mut(who) else { return };
        assert!(it.flight.is_none(), "two attempts at a time");
        assert!(attempt.number() > it.last_number, "an attempt handed out twice");
        assert!(now < attempt.deadline() && attempt.deadline() <= it.deadline);
        if attempt.stage() == Stage::Operation {
            it.may_send(now);
        }
        it.service = uri.path().split('/').nth(5).unwrap_or_default().to_owned();
        it.last_number = attempt.number();
        it.flight = Some((attempt.number(), attempt.stage(), attempt.deadline()));
        it.idle_polls = 0;
    }

    fn answer(&mut self, who: usize, script: &mut &[u8]) {
        let Some(it) = self.calls.get_mut(who) else { return };
        let Some((number, stage, _)) = it.flight else { return };
        let good = script.first().is_some_and(|byte| byte % 4 != 0);
        let outcome = match it.good(stage) {
            // Prerequisites mostly succeed, or few messages would be sent.
            Some(body) if good => {
                let _ = script.split_off_first();
                Outcome::Response(http::Response::new(body.into()))
            }
            _ if stage == Stage::Operation => met(script),
            _ => outcome(script),
        };
        let ending = match &outcome {
            Outcome::Response(answer) => {
                let asked = answer.headers().get("retry-after");
                let asked = asked.and_then(|asked| asked.to_str().ok()?.parse().ok());
                Ending::Answer(answer.status().as_u16(), asked.unwrap_or_default())
            }
            Outcome::Failed(failure) if failure.may_have_left() => Ending::Lost,
            // A failed handshake is not retried.
            Outcome::Failed(failure) if failure.kind() == FailureKind::Tls => Ending::Lost,
            Outcome::Failed(_) | Outcome::Shared(_) => Ending::NeverSent,
        };
        it.ended(ending, self.now.mono());
        it.idle_polls = 0;
        if let Some(call) = &mut it.call {
            let _ = call.handle(&mut self.state, self.now, number, outcome);
        }
    }

    /// A response to an attempt that is not in flight changes nothing.
    fn stale(&mut self, who: usize, script: &mut &[u8]) {
        let Some(it) = self.calls.get_mut(who) else { return };
        let Some(call) = &mut it.call else { return };
        let number = script.split_off_first().copied().unwrap_or(0);
        if it.flight.is_some_and(|(flying, ..)| flying == u32::from(number)) {
            return;
        }
        let before = format!("{call:?}{:?}", self.state);
        let wake = call.handle(&mut self.state, self.now, number.into(), outcome(script));
        assert!(
            wake == Wake::Nobody && before == format!("{call:?}{:?}", self.state),
            "a stale response changed the state"
        );
    }

    fn abandon(&mut self, who: usize) {
        let Some(it) = self.calls.get_mut(who) else { return };
        if let Some(call) = &mut it.call {
            let _ = call.abandon(&mut self.state, self.now);
            it.flight = None;
        }
    }

    fn end(&mut self, who: usize) {
        let Some(it) = self.calls.get_mut(who) else { return };
        let Some(call) = it.call.take() else { return };
        it.flight = None;
        hides(&format!("{call:?}"));
    }
}
