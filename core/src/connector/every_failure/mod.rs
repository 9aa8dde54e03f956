//! Every failure of an operation's own request, and what follows.
//!
//! After each past that differs in anything that counts (how many retries there were, which tokens are new, the worst effect
//! that an attempt may have had, whether a response asked for a pause), each end of an attempt is tried: for each mode, for an
//! operation that may be repeated and for one that may not, with and without `Retry-After`, and with plenty of time, with just
//! what the pause takes, and with a nanosecond more. What must follow is in [`table`]. The invariants are those of
//! [`RetryPolicy`].

mod table;

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use bytes::Bytes;
use http::Response;

use self::table::{Choice, End, Past, Then};
use super::call_harness::CallHarness;
use super::{Failure, FailureKind, Outcome, Step};
use crate::api::{
    ApiRejection, Context, Endpoint, Idempotency, InvalidInput, Operation, Principal,
    RelativeRequest, ResponseView, Service,
};
use crate::error::{ErrorKind, Stage};
use crate::id::ExtConsumerId;
use crate::policy::{CircuitPolicy, RetryMode, RetryPolicy};
use crate::time::Mono;

/// A request with both tokens.
#[derive(Clone, Debug)]
struct Ask<const IDEMPOTENT: bool>;

impl<const IDEMPOTENT: bool> Operation for Ask<IDEMPOTENT> {
    type Output = ();

    const NAME: &'static str = "ask";

    fn endpoint(&self) -> Endpoint {
        Endpoint::Service(Service::MESSAGING)
    }

    fn principal(&self) -> Principal {
        Principal::Consumer(ExtConsumerId::new("ada").unwrap())
    }

    fn idempotency(&self) -> Idempotency {
        match IDEMPOTENT {
            true => Idempotency::Idempotent,
            false => Idempotency::NonIdempotent,
        }
    }

    fn request(&self, _: &Context<'_>) -> Result<RelativeRequest, InvalidInput> {
        Ok(RelativeRequest::get(["ask"], []))
    }

    fn parse(&self, response: &ResponseView<'_>) -> Result<(), ApiRejection> {
        response.accepted().map(drop)
    }
}

const NANOSECOND: Duration = Duration::from_nanos(1);

/// As much time as no pause here takes.
const PLENTY: Duration = Duration::from_secs(100_000);

/// The seconds that a response may ask for.
const ASKED: [Option<u64>; 4] = [None, Some(7), Some(0), Some(u64::MAX)];

/// The ends that a call goes on after, and that differ in what comes next.
const PASTS: [End; 6] = [
    End::Status(503),
    End::Status(500),
    End::Status(401),
    End::Token(401, 40103),
    End::NeverSent(FailureKind::Connect),
    End::Lost(FailureKind::Broken),
];

/// An attempt in flight.
struct Point<const IDEMPOTENT: bool> {
    harness: CallHarness<Ask<IDEMPOTENT>>,
    choice: Choice,
    past: Past,
    /// The ends before, for a test that fails.
    ends: Vec<End>,
}

impl<const IDEMPOTENT: bool> Clone for Point<IDEMPOTENT> {
    fn clone(&self) -> Self {
        Self { harness: self.harness.fork(), ends: self.ends.clone(), ..*self }
    }
}

impl<const IDEMPOTENT: bool> Point<IDEMPOTENT> {
    fn start(mode: RetryMode, at_least_once: bool) -> Self {
        let policy = match mode {
            RetryMode::Documented => RetryPolicy::documented(),
            RetryMode::Cautious => RetryPolicy::cautious(),
            RetryMode::None => RetryPolicy::none(),
        };
        let policy = policy.at_least_once(at_least_once).jitter_percent(0);
        let mut harness = CallHarness::with(Ask, |config| {
            let config = config.circuit(CircuitPolicy::never()).app_jwt_interval(Duration::ZERO);
            config.retry(policy).call_timeout(PLENTY)
        });
        let _ = harness.attempt_of(Stage::Operation);
        let choice = Choice { mode, at_least_once, is_idempotent: IDEMPOTENT };
        Self { harness, choice, past: Past::default(), ends: Vec::new() }
    }

    fn now(&self) -> Mono {
        self.harness.now().mono()
    }

    /// The attempt ends so, with this much time left. Returns what follows, if that is another attempt.
    fn end(&self, end: End, asked: Option<u64>, left: Duration) -> Option<Self> {
        let mut next = self.clone();
        let now = self.harness.now();
        let call = &mut next.harness.call;
        call.deadline = now.mono() + left;
        let number = call.in_flight.as_ref().unwrap().number;
        let _ = call.handle(&mut next.harness.state, now, number, outcome(end, asked));
        next.ends.push(end);
        next.past.effect = next.past.effect.max(end.effect());
        next.past.asked |= asked.is_some();
        let then = end.then(self.choice, self.past, asked);
        let goes_on = next.follows(then, left);
        goes_on.then_some(next)
    }

    /// Checks what follows, and goes there. False if that is the end of the call.
    fn follows(&mut self, then: Then, left: Duration) -> bool {
        match then {
            Then::Over(kind) => {
                self.is_over(kind, None);
                false
            }
            Then::Again(pause) if self.now() + pause >= self.now() + left => {
                self.is_over(ErrorKind::DeadlineExceeded, Some(pause));
                false
            }
            Then::Again(pause) => {
                let until = self.now() + pause;
                self.harness.now = until.since(Mono::ZERO) - NANOSECOND;
                let step = self.harness.poll();
                assert!(matches!(step, Step::Wait(to) if to == until), "{self}: {step:?}");
                self.harness.now += NANOSECOND;
                self.past.retries += 1;
                self.sends(&[]);
                true
            }
            Then::WithNewAppJwt => {
                self.past.has_new_app_jwt = true;
                self.sends(&[Stage::AppJwt]);
                true
            }
            Then::WithNewConsumerJws => {
                self.past.has_new_consumer_jws = true;
                self.sends(&[Stage::ConsumerJws]);
                true
            }
        }
    }

    /// The next attempt is sent now, and nothing before it but requests for these, and for the host again that could not
    /// be reached.
    fn sends(&mut self, before: &[Stage]) {
        let is_unreached = |end: &End| matches!(end, End::NeverSent(kind) if *kind != FailureKind::NoFreeConnection);
        let looks_up = self.ends.last().is_some_and(is_unreached);
        let host: &[Stage] = if looks_up { &[Stage::Domain] } else { &[] };
        for stage in host.iter().chain(before).chain(&[Stage::Operation]) {
            let step = self.harness.poll();
            let Step::Send(attempt) = step else { panic!("{self}: not sent, but {step:?}") };
            assert_eq!(attempt.stage(), *stage, "{self}");
            if *stage != Stage::Operation {
                self.harness.answer_normally(&attempt, "");
            }
        }
    }

    fn is_over(&mut self, kind: ErrorKind, pause: Option<Duration>) {
        let now = self.harness.now();
        let step = self.harness.call.poll(&mut self.harness.state, now);
        let Step::Done(Err(error)) = step else { panic!("{self}: not over, but {step:?}") };
        assert_eq!(error.kind(), kind, "{self}");
        assert_eq!(error.delivery(), self.past.effect, "{self}");
        assert_eq!(error.attempts() as usize, self.ends.len(), "{self}");
        if let Some(pause) = pause {
            assert_eq!(error.retry_after(), Some(pause), "{self}");
        }
    }

    /// Tries an end of this attempt with each `Retry-After` and each time left. Returns how many cases that are.
    fn try_all(&self, end: End, asks: &[Option<u64>]) -> u64 {
        let mut cases = 0;
        for asked in asks.iter().take(if end.has_headers() { asks.len() } else { 1 }) {
            let lefts = match end.then(self.choice, self.past, *asked) {
                Then::Again(pause) => vec![PLENTY, pause, pause.saturating_add(NANOSECOND)],
                _ => vec![NANOSECOND],
            };
            for left in lefts {
                let _ = self.end(end, *asked, left);
                cases += 1;
            }
        }
        cases
    }

    /// Tries these ends of a first attempt and after each past, until there is no other.
    fn explore(self, ends: &[End]) -> u64 {
        let mut seen = BTreeSet::from([self.past]);
        let mut points = VecDeque::from([self]);
        let mut cases = 0;
        while let Some(point) = points.pop_front() {
            // What is absurd is so at first too.
            let asks = if point.ends.is_empty() { &ASKED[..] } else { &ASKED[..2] };
            cases += ends.iter().map(|end| point.try_all(*end, asks)).sum::<u64>();
            for end in PASTS {
                // An earlier `Retry-After` says nothing about the next pause.
                let asks = [None, Some(7)].into_iter().take(if end.has_headers() { 2 } else { 1 });
                for next in asks.filter_map(|asked| point.end(end, asked, PLENTY)) {
                    if seen.insert(next.past) {
                        points.push_back(next);
                    }
                }
            }
        }
        cases
    }
}

impl<const IDEMPOTENT: bool> std::fmt::Display for Point<IDEMPOTENT> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?} after {:?}", self.choice, self.ends)
    }
}

fn outcome(end: End, asked: Option<u64>) -> Outcome {
    let (status, body) = match end {
        End::NeverSent(kind) => return Outcome::Failed(Failure::never_sent(kind)),
        End::Lost(kind) => return Outcome::Failed(Failure::answer_lost(kind)),
        End::Status(status) => (status, "{}".to_owned()),
        End::Code(code) => (200, format!(r#"{{"code":{code}}}"#)),
        End::Token(status, number) => (status, format!(r#"{{"body":{{"errorCode":{number}}}}}"#)),
        End::Unreadable => (200, "coo".to_owned()),
    };
    let mut response = Response::builder().status(status);
    if let Some(asked) = asked {
        response = response.header("retry-after", asked);
    }
    Outcome::Response(response.body(Bytes::from(body)).unwrap())
}

/// The ends that differ in anything.
fn distinct() -> Vec<End> {
    let statuses = [100, 302, 307, 400, 401, 404, 408, 412, 421, 425, 429, 451, 500, 503, 504, 600];
    let codes = [400, 408, 421, 429, 451, 500, 503];
    let tokens = [(401, 40102), (400, 40102), (401, 40103), (401, 40104), (401, 40001)];
    let mut ends: Vec<End> = statuses.map(End::Status).into();
    ends.extend(codes.map(End::Code));
    ends.extend(tokens.map(|(status, number)| End::Token(status, number)));
    ends.push(End::Unreadable);
    ends.extend(FailureKind::ALL.map(End::Lost));
    // What is too large is an answer.
    let unsent = FailureKind::ALL.into_iter().filter(|kind| *kind != FailureKind::TooLarge);
    ends.extend(unsent.map(End::NeverSent));
    ends
}

const MODES: [RetryMode; 3] = [RetryMode::Documented, RetryMode::Cautious, RetryMode::None];

/// Every mode, with and without at-least-once.
fn choices() -> impl Iterator<Item = (RetryMode, bool)> {
    MODES.into_iter().flat_map(|mode| [(mode, false), (mode, true)])
}

#[test]
fn each_failure_of_what_may_not_repeat_is_as_in_the_table() {
    let ends = distinct();
    let cases = choices().map(|(mode, often)| Point::<false>::start(mode, often).explore(&ends));
    let cases: u64 = cases.sum();
    assert!(cases >= 29_000, "{cases}");
}

#[test]
fn each_failure_of_what_may_repeat_is_as_in_the_table() {
    let ends = distinct();
    let cases = choices().map(|(mode, often)| Point::<true>::start(mode, often).explore(&ends));
    let cases: u64 = cases.sum();
    assert!(cases >= 35_000, "{cases}");
}

#[test]
fn each_status_is_as_in_the_table() {
    let mut cases = 0;
    for (mode, often) in choices() {
        let may_not = Point::<false>::start(mode, often);
        let may = Point::<true>::start(mode, often);
        for status in (100..200).chain(300..1000).map(End::Status) {
            let _ = (may_not.end(status, Some(7), PLENTY), may.end(status, Some(7), PLENTY));
            cases += 2;
        }
    }
    assert!(cases >= 9_600, "{cases}");
}

/// A kind that is new does not compile here: it belongs into the list.
#[test]
fn the_list_of_kinds_has_every_kind() {
    let place = |kind| match kind {
        FailureKind::Resolve => 0,
        FailureKind::NoFreeConnection => 1,
        FailureKind::Connect => 2,
        FailureKind::ProxyAuthentication => 3,
        FailureKind::ProxySetting => 4,
        FailureKind::Tls => 5,
        FailureKind::ClientCertificate => 6,
        FailureKind::Timeout => 7,
        FailureKind::Broken => 8,
        FailureKind::Protocol => 9,
        FailureKind::TooLarge => 10,
        FailureKind::Other => 11,
    };
    assert_eq!(FailureKind::ALL.map(place), std::array::from_fn(|at| at));
}
