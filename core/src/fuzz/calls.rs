//! Calls of every operation under any configuration.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use arbitrary::{Arbitrary, Result, Unstructured};
use http::HeaderValue;

use super::document::document;
use super::event::hides;
use super::has_canary;
use super::operation::{Use, consumer, operation, text};
use super::setting::{Setting, config};
use super::values::error::reads_well;
use super::words::{DOMAINS, MESSAGING, OTHERS, TOKENS};
use crate::api::{
    AuthorizeApp, Idempotency, IdentifyConsumer, InvalidInput, Operation, ResolveDomain, Service,
};
use crate::connector::{
    Attempt, Call, CallEvent, Callable, Completed, Config, ConnectorState, EventKind, Failure,
    FailureKind, Outcome, SharedToken, Step, TokenKind, Wake,
};
use crate::error::{Delivery, Error, ErrorKind, Stage};
use crate::secret::Secret;
use crate::seed::Seed;
use crate::time::{Mono, Now};

/// What the transport says of a failure.
const SAID: &str = "the transport's own words";

/// No timeout of the input is longer.
const LONGEST: Duration = Duration::from_secs(200);

#[derive(Arbitrary, Debug)]
enum Event {
    Poll { who: u8 },
    Good { who: u8, life: u16 },
    Status { who: u8, status: u8, asked: Option<u8>, refresh: u8 },
    Document { who: u8, status: u8, length: u8 },
    Fail { who: u8, kind: u8, may_have_left: bool },
    Share { who: u8, life: u16 },
    Stale { who: u8, number: u8 },
    Abandon { who: u8 },
    Pass { ms: u16 },
    PassLong { seconds: u16 },
    NewLogin,
}

/// Up to four calls of any operation over one state: each ends by its deadline, sends to trusted hosts, shows no
/// secret, and repeats nothing that may have had an effect unless it may be.
pub fn calls(data: &[u8]) {
    if !has_canary(data) {
        let _ = run(&mut Unstructured::new(data));
    }
}

fn run(input: &mut Unstructured<'_>) -> Result<()> {
    let setting = Setting::arbitrary(input)?;
    let config = setting.config();
    let mut world = World {
        state: ConnectorState::new(config, Seed::from_bytes([1; 16])),
        calls: Vec::new(),
        now: Now::new(Mono::ZERO, SystemTime::UNIX_EPOCH),
        at_least_once: setting.at_least_once,
        is_cautious: setting.is_cautious(),
        cache: setting.cache(),
        fetched_at_once: 0,
        rejected: Vec::new(),
    };
    for _ in 0..input.int_in_range(1..=4u8)? {
        // An id that is none ends the list.
        let Ok(call) = world.call(input) else { break };
        world.calls.push(call);
    }
    while !input.is_empty() {
        let Ok(event) = Event::arbitrary(input) else { break };
        world.event(event, input);
    }
    world.now = world.now.later(LONGEST + LONGEST);
    for who in 0..world.calls.len() {
        for _ in 0..50 {
            world.poll(who);
        }
        assert!(world.calls.get(who).is_some_and(|it| it.call.is_none()), "it never ends");
    }
    hides(&format!("{:?}", world.state));
    Ok(())
}

/// A call of any operation.
trait CallHarness {
    fn poll(&mut self, state: &mut ConnectorState, now: Now) -> Step<()>;
    fn handle(
        &mut self,
        state: &mut ConnectorState,
        now: Now,
        number: u32,
        outcome: Outcome,
    ) -> Wake;
    fn abandon(&mut self, state: &mut ConnectorState, now: Now) -> Wake;
    fn event(&mut self) -> Option<CallEvent>;
    fn shown(&self) -> String;
}

impl<C: Callable<Output: Debug> + Debug> CallHarness for Call<C> {
    fn poll(&mut self, state: &mut ConnectorState, now: Now) -> Step<()> {
        match Self::poll(self, state, now) {
            Step::Send(attempt) => Step::Send(attempt),
            Step::Wait(until) => Step::Wait(until),
            Step::Done(Ok(Completed { attempts, maybe_duplicated, .. })) => {
                Step::Done(Ok(Completed { output: (), attempts, maybe_duplicated }))
            }
            Step::Done(Err(error)) => Step::Done(Err(error)),
        }
    }

    fn handle(
        &mut self,
        state: &mut ConnectorState,
        now: Now,
        number: u32,
        outcome: Outcome,
    ) -> Wake {
        Self::handle(self, state, now, number, outcome)
    }

    fn abandon(&mut self, state: &mut ConnectorState, now: Now) -> Wake {
        Self::abandon(self, state, now)
    }

    fn event(&mut self) -> Option<CallEvent> {
        self.next_event()
    }

    fn shown(&self) -> String {
        format!("{self:?}")
    }
}

/// A call, and what an observer knows about it.
struct Watched {
    call: Option<Box<dyn CallHarness>>,
    idempotency: Idempotency,
    deadline: Mono,
    last_number: u32,
    /// The attempt in flight: its number, stage and deadline.
    flight: Option<(u32, Stage, Mono)>,
    /// The service whose host that attempt looks up.
    service: String,
    /// An attempt of the operation may have had an effect.
    may_be_done: bool,
    /// The answer of one was lost.
    lost: bool,
    /// How often its own request was sent; a look-up has none.
    sent: u32,
    is_lookup: bool,
    idle_polls: u32,
}

struct World {
    state: ConnectorState,
    calls: Vec<Watched>,
    now: Now,
    at_least_once: bool,
    /// The policy takes a 500 for a request that may have had an effect.
    is_cautious: bool,
    /// How many consumers' tokens are kept.
    cache: usize,
    /// The most tokens of consumers that were fetched at the same time.
    fetched_at_once: usize,
    /// The tokens that a service has rejected.
    rejected: Vec<TokenKind>,
}

/// Begins a call of an operation.
struct Begin<'a> {
    config: &'a Arc<Config>,
    seed: Seed,
    now: Now,
}

impl Use for Begin<'_> {
    type Output = (Box<dyn CallHarness>, Idempotency);

    fn with<O: Operation<Output: Debug> + Debug + 'static>(self, operation: O) -> Self::Output {
        let idempotency = operation.idempotency();
        (Box::new(Call::new(operation, self.config, self.seed, self.now)), idempotency)
    }
}

impl Watched {
    /// The error says what an observer knows.
    fn failed(&self, error: &Error) {
        hides(&format!("{error:#} {error:?} {error:#?}"));
        reads_well(error);
        let line = error.to_string();
        let delivery = error.delivery();
        assert!(self.is_lookup || !self.lost || delivery == Delivery::Unknown, "{line}");
        assert!(self.is_lookup || self.sent > 0 || delivery == Delivery::NotSent, "{line}");
        let is_open = error.kind() == ErrorKind::AlreadyOpen;
        assert!(is_open || (error.consumer_id(), error.open_conversation()) == (None, None));
        if error.kind() == ErrorKind::Configuration {
            let why = FailureKind::ProxySetting.words();
            assert!(line.contains(SAID) || line.contains(why), "{line}");
        }
    }
}

impl World {
    fn call(&self, input: &mut Unstructured<'_>) -> Result<Watched> {
        let config = self.state.config();
        let seed = Seed::from_bytes([self.calls.len() as u8 + 2; 16]);
        let now = self.now;
        let lookup = |call: Box<dyn CallHarness>| (call, Idempotency::Idempotent);
        let kind = input.int_in_range(0..=9u8)?;
        let (call, idempotency) = match kind {
            0 => {
                let service = Service::named(text(input)?);
                lookup(Box::new(Call::new(ResolveDomain::new(service), config, seed, now)))
            }
            1 => lookup(Box::new(Call::new(AuthorizeApp::new(), config, seed, now))),
            2 => {
                let identify = IdentifyConsumer::new(consumer(input)?);
                lookup(Box::new(Call::new(identify, config, seed, now)))
            }
            _ => operation(input, Begin { config, seed, now })?,
        };
        Ok(Watched {
            call: Some(call),
            idempotency,
            deadline: now.mono() + config.call_timeout,
            last_number: 0,
            flight: None,
            service: String::new(),
            may_be_done: false,
            lost: false,
            sent: 0,
            is_lookup: kind < 3,
            idle_polls: 0,
        })
    }

    fn event(&mut self, event: Event, input: &mut Unstructured<'_>) {
        let who = |who: u8| usize::from(who % 4);
        match event {
            Event::Poll { who: it } => self.poll(who(it)),
            Event::Good { who: it, life } => self.good(who(it), life),
            Event::Status { who: it, status, asked, refresh } => {
                let body = match refresh % 3 {
                    0 => r#"{"body":{"errorCode":40102}}"#,
                    1 => r#"{"body":{"errorCode":40103}}"#,
                    _ => r#"{"body":{"msg":"fuzz-canary-secret was rejected"}}"#,
                };
                let mut response = super::answers::response(&[status]);
                *response.body_mut() = body.into();
                if let Some(asked) = asked {
                    response.headers_mut().insert("retry-after", HeaderValue::from(asked as u64));
                }
                self.answer(who(it), Outcome::Response(response));
            }
            Event::Document { who: it, status, length } => {
                let description = input.bytes(usize::from(length).min(input.len()));
                let mut response = super::answers::response(&[status]);
                let valid = [DOMAINS, TOKENS, MESSAGING, OTHERS].concat();
                *response.body_mut() = document(description.unwrap_or_default(), &valid).into();
                self.answer(who(it), Outcome::Response(response));
            }
            Event::Fail { who: it, kind, may_have_left } => {
                let mut failure = if may_have_left {
                    Failure::answer_lost(kind_of(kind))
                } else {
                    Failure::never_sent(kind_of(kind))
                };
                if it >= 128 {
                    failure = failure.with_source(InvalidInput::new(SAID));
                }
                self.answer(who(it), Outcome::Failed(failure));
            }
            Event::Share { who: it, life } => {
                let token = Secret::new("fuzz-canary-token".to_owned());
                let token = SharedToken::new(token, Duration::from_secs(life.into()));
                self.answer(who(it), Outcome::Shared(token.expect("a good token")));
            }
            Event::Stale { who: it, number } => self.stale(who(it), number.into()),
            Event::Abandon { who: it } => {
                if let Some(it) = self.calls.get_mut(who(it))
                    && let Some(call) = &mut it.call
                {
                    let _ = call.abandon(&mut self.state, self.now);
                    it.flight = None;
                }
            }
            Event::Pass { ms } => self.now = self.now.later(Duration::from_millis(ms.into())),
            Event::PassLong { seconds } => {
                self.now = self.now.later(Duration::from_secs(seconds.into()));
            }
            Event::NewLogin => assert!(self.state.replace_login(&config("fuzz-canary-secret-2"))),
        }
    }

    fn poll(&mut self, who: usize) {
        let now = self.now.mono();
        let Some(it) = self.calls.get_mut(who) else { return };
        if it.flight.is_some_and(|(.., lost)| lost <= now)
            && let Some((_, Stage::Operation, _)) = it.flight.take()
        {
            (it.may_be_done, it.lost) = (true, true);
        }
        let Some(call) = &mut it.call else { return };
        it.idle_polls += 1;
        let step = call.poll(&mut self.state, self.now);
        assert!(it.idle_polls < 40, "polls make no progress");
        self.tell(who);
        let Some(it) = self.calls.get_mut(who) else { return };
        match step {
            Step::Send(attempt) => self.sent(who, &attempt),
            Step::Wait(until) => {
                assert!(until > now && until <= it.deadline, "it waits beyond its deadline");
                it.idle_polls = 0;
            }
            Step::Done(result) => {
                it.flight = None;
                let Some(mut call) = it.call.take() else { return };
                match result {
                    Ok(done) => {
                        assert_eq!(done.attempts, it.sent);
                        assert!(done.maybe_duplicated || !it.lost, "it may be done twice");
                        assert!(it.sent != 1 || done == Completed::new(()), "{done:?}");
                    }
                    Err(error) => it.failed(&error),
                }
                hides(&call.shown());
                let again = call.poll(&mut self.state, self.now);
                let is_over =
                    matches!(&again, Step::Done(Err(e)) if e.kind() == ErrorKind::Abandoned);
                assert!(is_over, "its result is given twice: {again:?}");
            }
        }
        // A token that is fetched stays, and the one that is asked for last.
        let most = self.cache.max(self.fetched_at_once + 1);
        assert!(self.state.consumers() <= most, "{} consumers", self.state.consumers());
    }

    /// Tells the observer what has happened in a call.
    fn tell(&mut self, who: usize) {
        let Some(call) = self.calls.get_mut(who).and_then(|it| it.call.as_mut()) else { return };
        while let Some(event) = call.event() {
            if let EventKind::RefreshingToken { token } = event.kind {
                self.rejected.push(token);
            }
            self.state.config().emit(&event);
        }
    }

    fn sent(&mut self, who: usize, attempt: &Attempt) {
        let now = self.now.mono();
        hides(&format!("{attempt:?} {:?}", attempt.token()));
        assert!(attempt.time_left(now) > Duration::ZERO && !attempt.operation().is_empty());
        if let Some(token) = attempt.token() {
            let (kind, stage) = match token.consumer() {
                Some(_) => (TokenKind::ConsumerJws, Stage::ConsumerJws),
                None => (TokenKind::AppJwt, Stage::AppJwt),
            };
            assert_eq!(attempt.stage(), stage, "a token of another stage");
            assert!(
                !token.replaces_rejected() || self.rejected.contains(&kind),
                "none was rejected"
            );
        }
        let uri = attempt.request().uri();
        let host = uri.host().unwrap_or_default().to_ascii_lowercase();
        let trusted = super::answers::is_trusted(host.strip_suffix('.').unwrap_or(&host));
        assert!(trusted && uri.scheme_str() == Some("https"), "it goes to {host}");
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
            let may_repeat = it.idempotency == Idempotency::Idempotent || self.at_least_once;
            assert!(!it.may_be_done || may_repeat, "what may be done is sent again");
            it.sent += 1;
        }
        it.service = uri.path().split('/').nth(5).unwrap_or_default().to_owned();
        it.last_number = attempt.number();
        it.flight = Some((attempt.number(), attempt.stage(), attempt.deadline()));
        it.idle_polls = 0;
        let is_fetched = |it: &&Watched| {
            it.flight.is_some_and(|(_, stage, lost)| stage == Stage::ConsumerJws && lost > now)
        };
        self.fetched_at_once =
            self.fetched_at_once.max(self.calls.iter().filter(is_fetched).count());
    }

    /// What the service would answer.
    fn good(&mut self, who: usize, life: u16) {
        let Some(it) = self.calls.get(who) else { return };
        let Some((_, stage, _)) = it.flight else { return };
        let service = &it.service;
        let body = match stage {
            Stage::Domain if service == "baseURI.json" => concat!(
                r#"{"baseURIs":[{"service":"sentinel","baseURI":"a.liveperson.net"},"#,
                r#"{"service":"idp","baseURI":"b.liveperson.net"},"#,
                r#"{"service":"asyncMessagingEnt","baseURI":"c.lprnd.net"},"#,
                r#"{"service":"swift","baseURI":"d.liveperson.net"},"#,
                r#"{"service":"smt","baseURI":"e.liveperson.net:8443"}]}"#
            )
            .to_owned(),
            Stage::Domain => {
                format!(r#"{{"service":"{service}","baseURI":"va.msg.liveperson.net"}}"#)
            }
            Stage::AppJwt => {
                format!(r#"{{"access_token":"fuzz-canary-token","expires_in":{life}}}"#)
            }
            Stage::ConsumerJws => r#"{"token":"fuzz-canary-jws"}"#.to_owned(),
            _ => r#"{"code":"OK","body":{"sequence":1,"conversationId":"5f0c"}}"#.to_owned(),
        };
        self.answer(who, Outcome::Response(http::Response::new(body.into())));
    }

    fn answer(&mut self, who: usize, outcome: Outcome) {
        let Some(it) = self.calls.get_mut(who) else { return };
        let Some((number, stage, _)) = it.flight.take() else { return };
        it.idle_polls = 0;
        hides(&format!("{outcome:?}"));
        let may_be_done = match &outcome {
            Outcome::Failed(failure) => failure.may_have_left(),
            Outcome::Response(response) => {
                self.is_cautious && response.status() == 500 && !is_loading(response.body())
            }
            Outcome::Shared(_) => false,
        };
        it.may_be_done |= stage == Stage::Operation && may_be_done;
        let is_lost = matches!(&outcome, Outcome::Failed(failure) if failure.may_have_left());
        it.lost |= stage == Stage::Operation && is_lost;
        if let Some(call) = &mut it.call {
            let _ = call.handle(&mut self.state, self.now, number, outcome);
        }
        self.tell(who);
    }

    /// A response to an attempt that is not in flight changes nothing.
    fn stale(&mut self, who: usize, number: u32) {
        let Some(it) = self.calls.get_mut(who) else { return };
        let Some(call) = &mut it.call else { return };
        if it.flight.is_some_and(|(flying, ..)| flying == number) {
            return;
        }
        let before = (call.shown(), format!("{:?}", self.state));
        let outcome = Outcome::Failed(Failure::answer_lost(FailureKind::Broken));
        let wake = call.handle(&mut self.state, self.now, number, outcome);
        let after = (call.shown(), format!("{:?}", self.state));
        assert!(wake == Wake::Nobody && before == after, "a stale response changed the state");
    }
}

/// Whether the service says that the account is still being loaded: then nothing is done, whatever the status.
fn is_loading(body: &[u8]) -> bool {
    let document = crate::json::parse(body).map(|parsed| parsed.tape.root().to_value());
    document.is_ok_and(|document| document.get("internalCode").is_some())
}

fn kind_of(which: u8) -> FailureKind {
    let all = FailureKind::ALL;
    all.get(usize::from(which) % all.len()).copied().unwrap_or(FailureKind::Other)
}
