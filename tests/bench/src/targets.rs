//! What is compared with what, and the targets.

use crate::cases::OURS;

/// The bound of a ratio or figure.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Target {
    AtMost(f64),
    AtLeast(f64),
}

impl Target {
    pub(crate) fn met(self, figure: f64) -> bool {
        match self {
            Self::AtMost(bound) => figure <= bound,
            Self::AtLeast(bound) => figure >= bound,
        }
    }

    /// The one of two bounds of a figure that is further from the target.
    pub(crate) fn worse(self, low: f64, high: f64) -> f64 {
        match self {
            Self::AtMost(_) => high,
            Self::AtLeast(_) => low,
        }
    }

    /// What [`Target::text`] has written.
    pub(crate) fn of_text(text: &str) -> Option<Self> {
        let (sign, bound) = text.split_once(' ')?;
        let bound = bound.parse().ok()?;
        match sign {
            "<=" => Some(Self::AtMost(bound)),
            ">=" => Some(Self::AtLeast(bound)),
            _ => None,
        }
    }

    pub(crate) fn text(self) -> String {
        match self {
            Self::AtMost(bound) => format!("<= {bound}"),
            Self::AtLeast(bound) => format!(">= {bound}"),
        }
    }
}

use Target::{AtLeast, AtMost};

/// Two cases of a group, the first divided by the second.
pub(crate) struct CasePair {
    pub(crate) group: &'static str,
    pub(crate) of: &'static str,
    pub(crate) to: &'static str,
    pub(crate) time: Option<Target>,
    pub(crate) instructions: Option<Target>,
}

const fn cases(group: &'static str, of: &'static str, to: &'static str) -> CasePair {
    CasePair { group, of, to, time: None, instructions: None }
}

impl CasePair {
    const fn time(mut self, target: Target) -> Self {
        self.time = Some(target);
        self
    }

    const fn instructions(mut self, target: Target) -> Self {
        self.instructions = Some(target);
        self
    }
}

const CACHED: &str = "by hand, all parts cached";

pub(crate) const CASES: &[CasePair] = &[
    cases("build a SEND", OURS, CACHED).time(AtMost(1.05)).instructions(AtMost(1.05)),
    cases("build a SEND", OURS, "by hand, naive"),
    cases("build a SEND", "this crate, as a call's first step", CACHED),
    cases("a whole call", OURS, "request and answer by hand").instructions(AtMost(1.25)),
    cases("notification of 1 KiB", OURS, "HMAC and typed parse")
        .time(AtMost(1.10))
        .instructions(AtMost(1.10)),
    cases("notification of 1 KiB", "parsed, written again, HMAC", OURS).time(AtLeast(2.5)),
    cases("notification of 16 KiB", OURS, "HMAC and typed parse"),
    cases("notification of 16 KiB", "parsed, written again, HMAC", OURS),
    cases("HTTP/1.1 answer", OURS, "httparse, the head alone"),
    cases("HTTP/1.1 exchange", OURS, "ureq-proto").time(AtMost(0.7)),
    cases("HTTP/1.1 exchange", OURS, "hyper, a connection that is open").time(AtMost(0.7)),
    cases("inbox: one event in and out", "10,000 conversations", "1 conversation"),
    cases("inbox: one event in and out", "1,000,000 conversations", "1 conversation"),
    cases("tokens: one call", "10,000 consumers", "1 consumer"),
    cases("tokens: one call", "1,000,000 consumers", "1 consumer").instructions(AtMost(1.15)),
];

/// The cases of which the report says where the instructions go.
pub(crate) const PROFILED: &[&str] = &[
    "build a SEND: this crate",
    "a whole call: this crate",
    "notification of 1 KiB: this crate",
    "HTTP/1.1 exchange: this crate",
    "send_text: lp-connector-ureq",
    "send_text: lp-connector-tokio",
    "send_text: lp-connector-smol",
    "send_text: lp-connector-async-std",
];

/// What a pair of clients is compared in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Measure {
    Cpu,
    Rate,
}

impl Measure {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Cpu => "CPU per message",
            Self::Rate => "messages per second",
        }
    }
}

/// Two clients with so many callers, the first divided by the second.
pub(crate) struct LoadPair {
    pub(crate) of: &'static str,
    pub(crate) to: &'static str,
    pub(crate) callers: usize,
    pub(crate) measure: Measure,
    pub(crate) target: Option<Target>,
}

const UREQ: &str = "lp-connector-ureq";
const TOKIO: &str = "lp-connector-tokio";
const ASYNC_STD: &str = "lp-connector-async-std";
const SMOL: &str = "lp-connector-smol";

/// Two clients, and with how many callers they are compared.
type LoadRow = (&'static str, &'static str, &'static [usize], Measure, Option<Target>);

/// All pairs of clients.
pub(crate) fn loads() -> Vec<LoadPair> {
    use Measure::{Cpu, Rate};
    let rows: &[LoadRow] = &[
        (UREQ, "ureq with time-outs", &[1, 16, 256], Cpu, Some(AtMost(0.5))),
        (UREQ, "ureq", &[1, 16, 256], Cpu, Some(AtMost(1.05))),
        (TOKIO, "hyper-util with a time-out", &[1], Cpu, Some(AtMost(0.95))),
        (TOKIO, "hyper-util with a time-out", &[16, 64, 256], Cpu, Some(AtMost(0.85))),
        (TOKIO, "hyper-util", &[16, 256], Cpu, None),
        (TOKIO, "reqwest", &[64, 256], Rate, Some(AtLeast(2.0))),
        (ASYNC_STD, "reqwest", &[64, 256], Rate, Some(AtLeast(1.6))),
        (SMOL, "reqwest", &[64, 256], Rate, Some(AtLeast(1.6))),
    ];
    let pairs = |&(of, to, callers, measure, target): &LoadRow| {
        callers.iter().map(move |callers| LoadPair { of, to, callers: *callers, measure, target })
    };
    rows.iter().flat_map(pairs).collect()
}

/// The most bytes of a consumer among a million.
pub(crate) const CONSUMER: Target = AtMost(700.0);

/// The least calls a second and core of the simulation.
pub(crate) const SIMULATED: Target = AtLeast(60_000.0);

/// Crates and release build of a program with the tokio client, to those of one with reqwest.
pub(crate) const WEIGHT: Target = AtMost(0.6);

/// Allocations of a SEND, and of a notification.
pub(crate) const ALLOCATIONS: &[(&str, Target)] =
    &[("build a SEND", AtMost(3.0)), ("notification of 1 KiB", AtMost(4.0))];

/// Polls of each caller that waits for a token.
pub(crate) const POLLS: Target = AtMost(3.0);

/// Nanoseconds to read a token that is there.
pub(crate) const TOKEN: Target = AtMost(50.0);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cases;
    use crate::load::ClientKind;

    #[test]
    fn every_pair_compares_existing_cases() {
        let all: Vec<String> = cases::all().iter().map(cases::Case::id).collect();
        for pair in CASES {
            for name in [pair.of, pair.to] {
                assert!(all.contains(&format!("{}: {name}", pair.group)), "{}: {name}", pair.group);
            }
        }
        for (group, _) in ALLOCATIONS {
            assert!(all.contains(&format!("{group}: {OURS}")), "{group}");
        }
        let sending: Vec<String> = cases::sending::cases().iter().map(cases::Case::id).collect();
        for case in PROFILED {
            assert!(all.iter().chain(&sending).any(|one| one == case), "{case}");
        }
    }

    #[test]
    fn every_pair_compares_existing_clients() {
        let pairs = loads();
        for pair in &pairs {
            for name in [pair.of, pair.to] {
                assert!(ClientKind::ALL.iter().any(|kind| kind.name() == name), "{name}");
            }
        }
        for kind in ClientKind::ALL {
            let is_compared = pairs.iter().any(|pair| [pair.of, pair.to].contains(&kind.name()));
            assert!(is_compared, "{}", kind.name());
        }
    }

    #[test]
    fn a_target_is_met_on_its_bound() {
        assert!(AtMost(1.1).met(1.1) && !AtMost(1.1).met(1.11));
        assert!(AtLeast(2.5).met(2.5) && !AtLeast(2.5).met(2.4));
        assert_eq!(AtMost(1.1).text(), "<= 1.1");
        for target in [AtMost(1.1), AtLeast(60_000.0)] {
            assert_eq!(Target::of_text(&target.text()), Some(target));
        }
    }
}
