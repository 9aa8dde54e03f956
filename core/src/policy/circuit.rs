//! The circuit breaker: stops requests to a failing service for a while.

use std::time::Duration;

use crate::time::Mono;

/// The longest of the documented pauses ([protocol.md 11](crate::protocol#11)) that is in use.
const DOCUMENTED_CAP: Duration = Duration::from_secs(32 * 60);

/// When the circuit of a service opens, and for how long ([protocol.md 11](crate::protocol#11):
/// "still failing: 2, 4, 8 … min").
///
/// A circuit opens when as many calls in a row as its threshold have used up their retries. While it is
/// open, calls fail at once with the time of the next attempt; then it is half-open: one call at a time
/// goes through as a probe. A response other than 429 or 5xx closes it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CircuitPolicy {
    tokens: u32,
    messages: u32,
    first: Duration,
    cap: Duration,
}

impl CircuitPolicy {
    /// The default: one call for the domain, token and consumer services, five for messages; 2 min,
    /// doubling up to 32 min.
    #[must_use]
    pub fn documented() -> Self {
        Self { tokens: 1, messages: 5, first: Duration::from_secs(120), cap: DOCUMENTED_CAP }
    }

    /// Creates a policy under which no circuit opens.
    #[must_use]
    pub fn never() -> Self {
        Self { tokens: 0, messages: 0, ..Self::documented() }
    }

    /// Sets how many calls in a row must fail at the Domain API, Sentinel or the IDP before its
    /// circuit opens. Default: 1; 0 means never.
    #[must_use]
    pub fn threshold_for_tokens(mut self, calls: u32) -> Self {
        self.tokens = calls;
        self
    }

    /// Sets how many calls in a row must fail at any other service before its circuit opens.
    /// Default: 5, so that one message that the service cannot handle does not hold up the others; 0
    /// means never.
    #[must_use]
    pub fn threshold_for_messages(mut self, calls: u32) -> Self {
        self.messages = calls;
        self
    }

    /// Sets the first pause; each failed probe doubles it. Default: 2 min.
    #[must_use]
    pub fn first_pause(mut self, pause: Duration) -> Self {
        self.first = pause;
        self
    }

    /// Sets the longest pause. Default: 32 min.
    #[must_use]
    pub fn cap(mut self, pause: Duration) -> Self {
        self.cap = pause;
        self
    }

    /// The maximum of a `Retry-After` that affects shared state: an absurd one must not stop a connector
    /// for good.
    pub(crate) fn longest_retry_after(&self) -> Duration {
        self.cap.max(DOCUMENTED_CAP)
    }

    fn threshold(&self, for_tokens: bool) -> u32 {
        if for_tokens { self.tokens } else { self.messages }
    }

    /// The pause after the `failed`-th failure of an open circuit, counted from 0.
    pub(crate) fn pause(&self, failed: u32) -> Duration {
        let factor = 1u32.checked_shl(failed).unwrap_or(u32::MAX);
        self.first.saturating_mul(factor).min(self.cap)
    }
}

impl Default for CircuitPolicy {
    fn default() -> Self {
        Self::documented()
    }
}

/// One probe of a half-open circuit: only its own outcome counts as the probe's.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Probe(u64);

/// Whether a request may be sent to a service.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Permit {
    /// It may be sent.
    Granted,
    /// It may be sent, as the one probe of a half-open circuit; its outcome must be recorded.
    Probe(Probe),
    /// The circuit is open until this instant.
    Denied(Mono),
}

/// The circuit breaker of one service.
#[derive(Clone, Debug, Default)]
pub(crate) struct Circuit {
    /// Failed calls in a row.
    failed: u32,
    open: Option<Open>,
    probes: u64,
}

#[derive(Clone, Debug)]
struct Open {
    until: Mono,
    /// How many pauses came before the present one.
    steps: u32,
    /// The probe in flight, and its deadline: its caller may be gone.
    probe: Option<(Probe, Mono)>,
}

impl Open {
    /// The end of the pause, or of the probe in flight.
    fn open_until(&self, now: Mono) -> Option<Mono> {
        let lost = self.probe.map_or(Mono::ZERO, |(_, lost)| lost);
        Some(self.until.max(lost)).filter(|until| now < *until)
    }
}

impl Circuit {
    /// Requests a permit for a request that ends by `deadline`.
    pub(crate) fn acquire(&mut self, now: Mono, deadline: Mono) -> Permit {
        let Some(open) = &mut self.open else {
            return Permit::Granted;
        };
        if let Some(until) = open.open_until(now) {
            return Permit::Denied(until);
        }
        self.probes += 1;
        let probe = Probe(self.probes);
        open.probe = Some((probe, deadline));
        Permit::Probe(probe)
    }

    /// The end of the pause, if the circuit is open: checked before anything is fetched for a request
    /// that cannot be sent.
    pub(crate) fn open_until(&self, now: Mono) -> Option<Mono> {
        self.open.as_ref().and_then(|open| open.open_until(now))
    }

    /// Records that the service is up. True if that closed the circuit.
    pub(crate) fn record_success(&mut self) -> bool {
        self.failed = 0;
        self.open.take().is_some()
    }

    /// Records that a call has failed at this service. Returns the pause that begins now, if one does.
    pub(crate) fn record_failure(
        &mut self,
        now: Mono,
        probe: Option<Probe>,
        for_tokens: bool,
        policy: &CircuitPolicy,
    ) -> Option<Duration> {
        self.failed = self.failed.saturating_add(1);
        let steps = match &self.open {
            Some(open) if probe.is_some() && open.probe.map(|(probe, _)| probe) == probe => {
                open.steps.saturating_add(1)
            }
            // A call from before the circuit opened, or a probe after its deadline: nothing new.
            Some(_) => return None,
            None => {
                let threshold = policy.threshold(for_tokens);
                if threshold == 0 || self.failed < threshold {
                    return None;
                }
                0
            }
        };
        let pause = policy.pause(steps);
        self.open = Some(Open { until: now + pause, steps, probe: None });
        Some(pause)
    }

    /// Records that a probe ended without a result: the next call may probe again.
    pub(crate) fn cancel_probe(&mut self, probe: Probe) {
        if let Some(open) = &mut self.open {
            open.probe.take_if(|(held, _)| *held == probe);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(seconds: u64) -> Mono {
        Mono::from_origin(Duration::from_secs(seconds))
    }

    fn open_at(now: Mono) -> Circuit {
        let mut circuit = Circuit::default();
        let policy = CircuitPolicy::documented();
        assert_eq!(
            circuit.record_failure(now, None, true, &policy),
            Some(Duration::from_secs(120))
        );
        circuit
    }

    #[test]
    fn one_token_call_or_five_messages_open_it() {
        open_at(at(0));
        let mut circuit = Circuit::default();
        let policy = CircuitPolicy::documented();
        for _ in 0..4 {
            assert_eq!(circuit.record_failure(at(0), None, false, &policy), None);
        }
        circuit.record_success();
        for _ in 0..4 {
            assert_eq!(circuit.record_failure(at(0), None, false, &policy), None);
        }
        assert!(circuit.record_failure(at(0), None, false, &policy).is_some());
    }

    #[test]
    fn there_is_one_probe_and_a_lost_one_is_replaced() {
        let mut circuit = open_at(at(0));
        assert_eq!(circuit.acquire(at(119), at(130)), Permit::Denied(at(120)));
        assert!(matches!(circuit.acquire(at(120), at(135)), Permit::Probe(_)));
        assert_eq!(circuit.acquire(at(121), at(136)), Permit::Denied(at(135)));
        assert!(matches!(circuit.acquire(at(135), at(150)), Permit::Probe(_)));
    }

    #[test]
    fn failed_probes_double_the_pause_up_to_the_cap() {
        let policy = CircuitPolicy::documented();
        let mut circuit = open_at(at(0));
        let mut now = at(120);
        for minutes in [4, 8, 16, 32, 32] {
            let Permit::Probe(probe) = circuit.acquire(now, now + Duration::from_secs(15)) else {
                panic!("no probe at {now:?}");
            };
            let pause = circuit.record_failure(now, Some(probe), true, &policy);
            assert_eq!(pause, Some(Duration::from_secs(minutes * 60)));
            now = now + pause.unwrap();
        }
    }

    #[test]
    fn no_number_of_failures_shortens_the_pause() {
        let policy = CircuitPolicy::documented();
        let failures = (0..200).chain([u32::MAX - 1, u32::MAX]);
        let pauses: Vec<_> = failures.map(|failed| policy.pause(failed)).collect();
        assert!(pauses.is_sorted());
        assert_eq!(pauses.last(), Some(&Duration::from_secs(32 * 60)));
    }

    #[test]
    fn a_failure_from_before_it_opened_changes_nothing() {
        let mut circuit = open_at(at(0));
        assert_eq!(circuit.record_failure(at(60), None, true, &CircuitPolicy::documented()), None);
        assert_eq!(circuit.acquire(at(60), at(75)), Permit::Denied(at(120)));
    }

    #[test]
    fn any_success_closes_it() {
        let mut circuit = open_at(at(0));
        assert!(circuit.record_success());
        assert_eq!(circuit.acquire(at(1), at(16)), Permit::Granted);
    }

    #[test]
    fn a_cancelled_probe_makes_room_for_the_next() {
        let mut circuit = open_at(at(0));
        let Permit::Probe(probe) = circuit.acquire(at(120), at(135)) else { panic!("no probe") };
        circuit.cancel_probe(probe);
        assert!(matches!(circuit.acquire(at(121), at(136)), Permit::Probe(_)));
    }

    #[test]
    fn it_is_open_until_its_pause_or_its_probe_ends() {
        let mut circuit = Circuit::default();
        assert_eq!(circuit.open_until(at(0)), None);
        circuit = open_at(at(0));
        assert_eq!(circuit.open_until(at(119)), Some(at(120)));
        assert_eq!(circuit.open_until(at(120)), None);
        assert!(matches!(circuit.acquire(at(120), at(135)), Permit::Probe(_)));
        assert_eq!(circuit.open_until(at(134)), Some(at(135)));
        assert_eq!(circuit.open_until(at(135)), None);
    }

    #[test]
    fn a_threshold_of_zero_never_opens() {
        let mut circuit = Circuit::default();
        for _ in 0..100 {
            assert_eq!(circuit.record_failure(at(0), None, true, &CircuitPolicy::never()), None);
        }
    }

    #[test]
    fn each_setting_counts() {
        let opens = |policy: &CircuitPolicy, token: bool| {
            let mut circuit = Circuit::default();
            (1..=9).find_map(|n| {
                Some((n, circuit.record_failure(at(0), None, token, policy)?.as_secs()))
            })
        };
        let (documented, never) = (CircuitPolicy::documented(), CircuitPolicy::never());
        assert_eq!(
            (opens(&documented, true), opens(&documented, false)),
            (Some((1, 120)), Some((5, 120)))
        );
        assert_eq!((opens(&never, true), opens(&never, false)), (None, None));
        let tokens = documented.clone().threshold_for_tokens(3);
        assert_eq!((opens(&tokens, true), opens(&tokens, false)), (Some((3, 120)), Some((5, 120))));
        let messages = documented.clone().threshold_for_messages(2);
        assert_eq!(
            (opens(&messages, true), opens(&messages, false)),
            (Some((1, 120)), Some((2, 120)))
        );
        let first = documented.clone().first_pause(Duration::from_secs(7));
        assert_eq!(opens(&first, true), Some((1, 7)));
        let cap = documented.clone().cap(Duration::from_secs(60));
        assert_eq!(opens(&cap, true), Some((1, 60)));
        assert_eq!(documented.longest_retry_after(), Duration::from_secs(32 * 60));
    }

    #[test]
    fn each_probe_has_a_number_of_its_own() {
        let mut circuit = open_at(at(0));
        let Permit::Probe(first) = circuit.acquire(at(120), at(135)) else { panic!() };
        let Permit::Probe(second) = circuit.acquire(at(135), at(150)) else { panic!() };
        assert_ne!(first, second, "a late end of the first would be taken for the second's");
    }
}
