//! When to try again, and when to go at all.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use arbitrary::{Arbitrary, Unstructured};
use http::{HeaderMap, HeaderValue};

use super::pace::pace;
use crate::api::Idempotency;
use crate::error::Delivery;
use crate::id::ExtConsumerId;
use crate::policy::{
    Circuit, CircuitPolicy, Decision, FailureClass, Permit, Poll, Probe, RateLimiter, RatePolicy,
    RetryMode, RetryPolicy, RetryState, retry_after,
};
use crate::time::Mono;

/// The headers `Retry-After` and `Date`.
pub fn retry_after_header(data: &[u8]) {
    let (asked, date) = data.split_at(data.len() / 2);
    let mut headers = HeaderMap::new();
    if let Ok(asked) = HeaderValue::from_bytes(asked) {
        headers.insert("retry-after", asked);
    }
    if let Ok(date) = HeaderValue::from_bytes(date) {
        headers.insert("date", date);
    }
    let pause = retry_after(&headers, SystemTime::UNIX_EPOCH);
    // Digits alone are seconds, whatever the clocks say.
    let digits = std::str::from_utf8(asked).ok().filter(|asked| {
        !asked.is_empty() && asked.len() < 10 && asked.bytes().all(|digit| digit.is_ascii_digit())
    });
    if let Some(seconds) = digits.and_then(|digits| digits.parse().ok()) {
        assert_eq!(pause, Some(Duration::from_secs(seconds)));
    }
}

#[derive(Arbitrary, Debug)]
struct Setting {
    kind: u8,
    pauses: Option<Vec<u16>>,
    floor: Option<u16>,
    token_floor: Option<u16>,
    jitter_percent: u8,
    at_least_once: bool,
    burst: u8,
    every: u16,
    threshold: u8,
    first: u16,
    cap: u16,
}

/// A failed attempt.
#[derive(Arbitrary, Debug)]
struct Failed {
    status: u16,
    class: u8,
    retries: u8,
    asked: Option<u64>,
    jitter: u32,
    is_idempotent: bool,
    for_token: bool,
}

#[derive(Arbitrary, Debug)]
enum Step {
    Decide(Failed),
    Acquire { waiter: u8 },
    Cancel { waiter: u8 },
    Permit { life: u8 },
    Fail { with_probe: bool, for_tokens: bool },
    Succeed,
    CancelProbe,
    Pass { ms: u16 },
}

/// A retry policy, a rate and a circuit under any settings, in any order of events.
pub fn policy(data: &[u8]) {
    let mut input = Unstructured::new(data);
    let Ok(setting) = Setting::arbitrary(&mut input) else { return };
    let retry = setting.retry();
    assert!(retry.retries() == 0 || retry.mode() != RetryMode::None);
    let every = Duration::from_millis(u64::from(setting.every) + 1);
    let burst = usize::from(setting.burst % 8).max(1);
    let circuit = CircuitPolicy::documented()
        .threshold_for_messages(setting.threshold.into())
        .threshold_for_tokens(u32::from(setting.threshold / 2))
        .first_pause(Duration::from_millis(setting.first.into()))
        .cap(Duration::from_millis(setting.cap.into()));
    let mut rate = Limited {
        limiter: RateLimiter::new(RatePolicy::new(burst as u32, every)),
        rounds: BTreeMap::new(),
        went: Vec::new(),
        every,
        burst,
    };
    let mut watched = Watched::default();
    let mut now = Mono::ZERO;
    for step in input.arbitrary_iter::<Step>().into_iter().flatten().flatten().take(200) {
        match step {
            Step::Decide(failed) => failed.decide(&retry, setting.at_least_once),
            Step::Acquire { waiter } => rate.acquire(waiter, now),
            Step::Cancel { waiter } => rate.cancel(waiter),
            Step::Permit { life } => watched.acquire(now, life),
            Step::Fail { with_probe, for_tokens } => {
                watched.fail(now, with_probe, for_tokens, &circuit);
            }
            Step::Succeed => {
                assert_eq!(watched.circuit.record_success(), watched.open_until.is_some());
                watched.probe_is_over();
                watched.open_until = None;
            }
            Step::CancelProbe => watched.cancel_probe(now),
            Step::Pass { ms } => now = now + Duration::from_millis(ms.into()),
        }
    }
    pace(&mut input);
}

impl Setting {
    fn retry(&self) -> RetryPolicy {
        let of = |ms: u16| Duration::from_millis(ms.into());
        let mut policy = match self.kind % 3 {
            0 => RetryPolicy::documented(),
            1 => RetryPolicy::cautious(),
            _ => return RetryPolicy::none(),
        };
        if let Some(pauses) = &self.pauses {
            policy = policy.pauses(pauses.iter().copied().map(of));
        }
        if let Some(floor) = self.floor {
            policy = policy.rate_limit_floor(of(floor));
        }
        if let Some(floor) = self.token_floor {
            policy = policy.token_rate_limit_floor(of(floor));
        }
        policy.jitter_percent(self.jitter_percent).at_least_once(self.at_least_once)
    }
}

impl Failed {
    fn class(&self) -> FailureClass {
        const OTHERS: [FailureClass; 6] = [
            FailureClass::NotSent,
            FailureClass::AnswerLost,
            FailureClass::TlsFailed,
            FailureClass::ProxyUnusable,
            FailureClass::Unreadable,
            FailureClass::NotProcessed,
        ];
        let other = OTHERS.get(usize::from(self.class)).copied();
        other.unwrap_or_else(|| match self.class % 2 {
            0 => FailureClass::of_status(self.status),
            _ => FailureClass::of_code(self.status),
        })
    }

    fn decide(&self, policy: &RetryPolicy, at_least_once: bool) {
        let class = self.class();
        let idempotency =
            if self.is_idempotent { Idempotency::Idempotent } else { Idempotency::NonIdempotent };
        let asked = self.asked.map(Duration::from_secs);
        let state = RetryState::new(class)
            .retries(self.retries.into())
            .idempotency(idempotency)
            .for_token(self.for_token)
            .retry_after(asked)
            .jitter(self.jitter);
        let Decision::Retry(pause) = policy.decide(&state) else { return };
        assert!(u32::from(self.retries) < policy.retries(), "more retries than pauses");
        let is_unknown = class.effect() == Delivery::Unknown;
        let documented =
            policy.mode() == RetryMode::Documented && class == FailureClass::ServerError;
        assert!(
            !is_unknown || self.is_idempotent || at_least_once || documented,
            "it may have had an effect: {class:?}"
        );
        if class.honours_retry_after() {
            assert!(Some(pause) >= asked, "not as long as the service asked");
        }
        let Decision::Retry(calm) = policy.decide(&state.jitter(0)) else { panic!("no retry") };
        assert!(calm <= pause, "jitter shortens the pause");
    }
}

/// A rate limiter, and who went when.
struct Limited {
    limiter: RateLimiter,
    rounds: BTreeMap<u8, Option<u64>>,
    went: Vec<Mono>,
    every: Duration,
    burst: usize,
}

impl Limited {
    fn acquire(&mut self, waiter: u8, now: Mono) {
        let waiter = waiter % 16;
        let key = match waiter % 4 {
            0 => None,
            key => Some(ExtConsumerId::new(format!("c{key}")).expect("a good id")),
        };
        let round = self.rounds.entry(waiter).or_default();
        match self.limiter.acquire(now, waiter.into(), round, &key) {
            Poll::Ready => {
                self.went.push(now);
                let first = self.went.len().checked_sub(self.burst + 1);
                if let Some(first) = first.and_then(|first| self.went.get(first)) {
                    assert!(now.since(*first) >= self.every, "more go than the rate allows");
                }
            }
            Poll::NotBefore(at) => assert!(at > now, "a wait that ends in the past"),
        }
    }

    fn cancel(&mut self, waiter: u8) {
        let waiter = waiter % 16;
        if let Some(round) = self.rounds.get_mut(&waiter).and_then(Option::take) {
            self.limiter.cancel(waiter.into(), round);
        }
    }
}

/// A circuit, and what is known of it.
#[derive(Default)]
struct Watched {
    circuit: Circuit,
    /// The last probe, and when it counts as lost.
    probe: Option<(Probe, Mono)>,
    /// A probe that has ended.
    over: Option<Probe>,
    open_until: Option<Mono>,
}

impl Watched {
    fn acquire(&mut self, now: Mono, life: u8) {
        let deadline = now + Duration::from_millis(u64::from(life) * 16);
        let flying = self.probe.filter(|(_, lost)| now < *lost);
        match self.circuit.acquire(now, deadline) {
            Permit::Granted => assert!(self.open_until.is_none(), "it is open"),
            Permit::Denied(until) => {
                assert!(until > now, "a wait that ends in the past");
                assert_eq!(self.circuit.open_until(now), Some(until));
                let expected = self.open_until.max(flying.map(|(_, lost)| lost));
                assert_eq!(Some(until), expected);
            }
            Permit::Probe(probe) => {
                assert!(self.open_until.is_some_and(|until| until <= now), "not yet");
                assert!(flying.is_none(), "two probes at a time");
                self.probe = Some((probe, deadline));
            }
        }
    }

    fn fail(&mut self, now: Mono, with_probe: bool, for_tokens: bool, policy: &CircuitPolicy) {
        let probe = self.probe.filter(|_| with_probe).map(|(probe, _)| probe);
        let was_open = self.open_until.is_some();
        let pause = self.circuit.record_failure(now, probe, for_tokens, policy);
        assert!(pause.is_none() || !was_open || probe.is_some(), "it opens twice");
        if let Some(pause) = pause {
            self.probe_is_over();
            self.open_until = Some(now + pause);
        }
    }

    fn cancel_probe(&mut self, now: Mono) {
        if let Some((probe, _)) = self.probe {
            self.circuit.cancel_probe(probe);
            self.probe_is_over();
        } else if let Some(over) = self.over {
            let before = self.circuit.open_until(now);
            self.circuit.cancel_probe(over);
            assert_eq!(self.circuit.open_until(now), before, "a probe that is over still counts");
        }
    }

    fn probe_is_over(&mut self) {
        if let Some((probe, _)) = self.probe.take() {
            self.over = Some(probe);
        }
    }
}
