//! Everything that can happen to two calls that share one state.
//!
//! Two callers call one after the other. Every order of their polls, of the answers to what they sent, of dropped calls
//! and of time is tried, with a few answers other than success. What must hold is said by an observer who knows what
//! was sent and answered, and not how the state is kept.

mod circuit;
mod token;

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::Response;

use super::{Attempt, Call, Config, ConnectorState, Outcome, Step, Wake};
use crate::api::{
    ApiRejection, Context, Endpoint, Idempotency, InvalidInput, Operation, Principal,
    RelativeRequest, ResponseView, Service,
};
use crate::error::{Error, Stage};
use crate::id::{AccountId, ClientId};
use crate::secret::Secret;
use crate::seed::Seed;
use crate::time::{Mono, Now};

/// A request with the app's token.
#[derive(Clone, Debug)]
struct Ask;

impl Operation for Ask {
    type Output = ();

    const NAME: &'static str = "ask";

    fn endpoint(&self) -> Endpoint {
        Endpoint::Service(Service::MESSAGING)
    }

    fn principal(&self) -> Principal {
        Principal::App
    }

    fn idempotency(&self) -> Idempotency {
        Idempotency::Idempotent
    }

    fn request(&self, _: &Context<'_>) -> Result<RelativeRequest, InvalidInput> {
        Ok(RelativeRequest::get(["ask"], []))
    }

    fn parse(&self, response: &ResponseView<'_>) -> Result<(), ApiRejection> {
        response.accepted().map(drop)
    }
}

/// An answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Reply {
    Good,
    /// 429, and not again for half a minute.
    Limited,
    /// 503.
    Down,
    /// 401, with the number for the app's token.
    Refused,
    /// 401, without a number.
    Unclear,
}

#[derive(Clone, Copy, Debug)]
enum Action {
    Poll(usize),
    Answer(usize, Reply),
    Drop(usize),
    /// Until somebody has to be polled.
    Pass,
}

/// What was sent, and has no end yet as far as its caller knows.
#[derive(Clone, Debug)]
struct Sent {
    number: u32,
    stage: Stage,
    at: Mono,
    deadline: Mono,
    /// The token that it carries.
    token: u64,
}

#[derive(Clone, Debug)]
struct Caller {
    call: Option<Call<Ask>>,
    sent: Option<Sent>,
    /// When it polls again: at once if `None`.
    waits: Option<Mono>,
    calls: u32,
}

/// What an observer checks.
trait Observer: Clone {
    /// How many seconds a token lives.
    const LIFE: u64;

    /// The answers that there are to a request of this stage.
    fn replies(stage: Stage) -> &'static [Reply];
    fn sent(&mut self, caller: usize, sent: &Sent, now: Mono);
    fn answered(&mut self, caller: usize, sent: &Sent, reply: Reply, now: Mono);
    /// The caller gave up an attempt: its time was over, or the call was dropped.
    fn ended(&mut self, caller: usize, sent: &Sent, is_dropped: bool, now: Mono);
    fn done(&mut self, caller: usize, error: Option<&Error>, now: Mono);
    /// After each step.
    fn check(&mut self, state: &mut ConnectorState, now: Mono);
}

#[derive(Clone)]
struct World<O> {
    state: ConnectorState,
    callers: [Caller; 2],
    now: Mono,
    /// The answers of the cloud are numbered: each token has a number.
    answers: u64,
    observer: O,
}

/// How much happens in a way.
#[derive(Clone, Copy)]
struct Bounds {
    steps: usize,
    /// Answers other than success, and dropped calls.
    faults: usize,
}

const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

impl<O: Observer> World<O> {
    fn new(observer: O, settings: impl FnOnce(Config) -> Config) -> Self {
        let config = Config::new(AccountId::new("91827364").unwrap())
            .credentials(ClientId::new("app").unwrap(), Secret::new("n3v3r-shown".to_owned()))
            .app_jwt_interval(Duration::ZERO);
        let state = ConnectorState::new(settings(config), Seed::from_bytes([2; 16]));
        let caller = Caller { call: None, sent: None, waits: None, calls: 0 };
        let mut world = Self {
            state,
            callers: [caller.clone(), caller],
            now: Mono::ZERO,
            answers: 0,
            observer,
        };
        // Hosts and a token are there.
        world.settle();
        for caller in &mut world.callers {
            caller.calls = 0;
        }
        world
    }

    fn at(&self) -> Now {
        Now::new(self.now, SystemTime::UNIX_EPOCH + self.now.since(Mono::ZERO))
    }

    fn actions(&self, faults: usize) -> Vec<Action> {
        let mut actions = Vec::new();
        let is_due = |caller: &Caller| caller.waits.is_none_or(|until| until <= self.now);
        for (at, caller) in self.callers.iter().enumerate() {
            if is_due(caller) && (caller.call.is_some() || caller.calls < 3) {
                actions.push(Action::Poll(at));
            }
            let replies = caller.sent.as_ref().map_or(&[][..], |sent| O::replies(sent.stage));
            let replies = replies.iter().filter(|reply| faults > 0 || **reply == Reply::Good);
            actions.extend(replies.map(|reply| Action::Answer(at, *reply)));
            if caller.sent.is_some() && faults > 0 {
                actions.push(Action::Drop(at));
            }
        }
        if self.callers.iter().any(|caller| caller.waits.is_some_and(|until| until > self.now)) {
            actions.push(Action::Pass);
        }
        actions
    }

    fn perform(&mut self, action: Action) {
        match action {
            Action::Poll(at) => self.poll(at),
            Action::Answer(at, reply) => self.answer(at, reply),
            Action::Drop(at) => self.abandon(at),
            Action::Pass => {
                let later = self.callers.iter().filter_map(|caller| caller.waits);
                self.now = later.filter(|until| *until > self.now).min().unwrap_or(self.now);
            }
        }
        self.observer.check(&mut self.state, self.now);
    }

    fn poll(&mut self, at: usize) {
        let now = self.at();
        let caller = &mut self.callers[at];
        let call = caller.call.get_or_insert_with(|| {
            caller.calls += 1;
            Call::new(Ask, self.state.config(), Seed::from_bytes([1; 16]), now)
        });
        // An attempt whose time is over ends with the poll.
        if let Some(sent) = caller.sent.take_if(|sent| sent.deadline <= self.now) {
            self.observer.ended(at, &sent, false, self.now);
        }
        match call.poll(&mut self.state, now) {
            Step::Send(attempt) => {
                let sent = sent(&attempt, self.now);
                caller.waits = Some(sent.deadline);
                self.observer.sent(at, &sent, self.now);
                caller.sent = Some(sent);
            }
            Step::Wait(until) => {
                assert!(until > self.now, "it waits until a time that is over");
                caller.waits = Some(until);
            }
            Step::Done(result) => {
                self.observer.done(at, result.as_ref().err(), self.now);
                (caller.call, caller.waits) = (None, None);
            }
        }
    }

    fn answer(&mut self, at: usize, reply: Reply) {
        let now = self.at();
        let caller = &mut self.callers[at];
        let (Some(call), Some(sent)) = (&mut caller.call, caller.sent.take()) else { return };
        self.answers += 1;
        let (status, body) = match (reply, sent.stage) {
            (Reply::Good, Stage::Domain) => (200, host(call)),
            (Reply::Good, Stage::AppJwt) => {
                let (token, life) = (self.answers, O::LIFE);
                (200, format!(r#"{{"access_token":"{token}","expires_in":{life}}}"#))
            }
            (Reply::Good, _) => (200, "{}".to_owned()),
            (Reply::Limited, _) => (429, "{}".to_owned()),
            (Reply::Down, _) => (503, "{}".to_owned()),
            (Reply::Refused, _) => (401, r#"{"body":{"errorCode":40102}}"#.to_owned()),
            (Reply::Unclear, _) => (401, "{}".to_owned()),
        };
        let mut response = Response::builder().status(status);
        if reply == Reply::Limited {
            response = response.header("retry-after", 30);
        }
        let response = response.body(Bytes::from(body)).unwrap();
        caller.waits = None;
        let wake = call.handle(&mut self.state, now, sent.number, Outcome::Response(response));
        self.wake(1 - at, wake);
        self.observer.answered(at, &sent, reply, self.now);
    }

    fn abandon(&mut self, at: usize) {
        let now = self.at();
        let caller = &mut self.callers[at];
        let (Some(mut call), Some(sent)) = (caller.call.take(), caller.sent.take()) else { return };
        caller.waits = None;
        let wake = call.abandon(&mut self.state, now);
        self.wake(1 - at, wake);
        self.observer.ended(at, &sent, true, self.now);
    }

    /// The other caller polls again if it is said to; if not, a poll would change nothing.
    fn wake(&mut self, other: usize, wake: Wake) {
        let waits = self.callers[other].waits.filter(|until| *until > self.now);
        let Some(until) = waits else { return };
        match wake {
            Wake::Waiters => self.callers[other].waits = None,
            Wake::Nobody => {
                let now = self.at();
                let mut state = self.state.clone();
                let step = self.callers[other].call.clone().unwrap().poll(&mut state, now);
                let waits_on = matches!(step, Step::Wait(to) if to == until);
                assert!(waits_on, "it is not woken: {step:?}");
            }
        }
    }

    /// From here on everything succeeds: both calls end.
    fn settle(&mut self) {
        for _ in 0..100 {
            let action = (0..2).find_map(|at| {
                let caller = &self.callers[at];
                let is_due = caller.waits.is_none_or(|until| until <= self.now);
                if caller.sent.is_some() {
                    Some(Action::Answer(at, Reply::Good))
                } else if is_due && (caller.call.is_some() || caller.calls == 0) {
                    Some(Action::Poll(at))
                } else {
                    None
                }
            });
            if self.callers.iter().all(|caller| caller.call.is_none() && caller.calls > 0) {
                return;
            }
            self.perform(action.unwrap_or(Action::Pass));
        }
        panic!("a call has no end");
    }
}

/// The look-up's host, whichever it asks for.
fn host(call: &Call<Ask>) -> String {
    let Some(flight) = &call.in_flight else { panic!("nothing is in flight") };
    let super::call::Purpose::Fetch(prerequisite, _) = &flight.purpose else {
        panic!("it fetches no host")
    };
    let super::prerequisite::Prerequisite::Domain(Some(service)) = prerequisite else {
        panic!("it asks for no service")
    };
    let service = service.name();
    format!(r#"{{"service":"{service}","baseURI":"{service}.liveperson.net"}}"#)
}

fn sent(attempt: &Attempt, now: Mono) -> Sent {
    let token = attempt.request().headers().get("authorization");
    let token = token.and_then(|token| token.to_str().ok()).and_then(|token| token.parse().ok());
    Sent {
        number: attempt.number(),
        stage: attempt.stage(),
        at: now,
        deadline: attempt.deadline(),
        token: token.unwrap_or(0),
    }
}

/// Goes every way from here, and returns how many there are.
fn explore<O: Observer>(world: &World<O>, bounds: Bounds, way: &mut Vec<Action>) -> u64 {
    struct Told<'a>(&'a [Action]);
    impl Drop for Told<'_> {
        fn drop(&mut self) {
            if std::thread::panicking() {
                eprintln!("after {:?}", self.0);
            }
        }
    }
    if bounds.steps == 0 {
        let _told = Told(way);
        let mut end = world.clone();
        end.settle();
        return 1;
    }
    let mut ways = 0;
    for action in world.actions(bounds.faults) {
        way.push(action);
        let mut next = world.clone();
        {
            let _told = Told(way);
            next.perform(action);
        }
        let is_fault = match action {
            Action::Answer(_, reply) => reply != Reply::Good,
            Action::Drop(_) => true,
            Action::Poll(_) | Action::Pass => false,
        };
        let faults = bounds.faults - usize::from(is_fault);
        ways += explore(&next, Bounds { steps: bounds.steps - 1, faults }, way);
        way.pop();
    }
    ways
}
