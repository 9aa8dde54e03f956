//! The ratios of our figures to those of the alternatives, and the targets.

use crate::bridge;
use crate::cases::OURS;
use crate::report::{Measured, Ratio, Report, Rounds};

/// The bound of a ratio or figure.
#[derive(Clone, Copy)]
enum Target {
    AtMost(f64),
    AtLeast(f64),
}

impl Target {
    fn met(self, figure: f64) -> bool {
        match self {
            Self::AtMost(bound) => figure <= bound,
            Self::AtLeast(bound) => figure >= bound,
        }
    }

    fn text(self) -> String {
        match self {
            Self::AtMost(bound) => format!("<= {bound}"),
            Self::AtLeast(bound) => format!(">= {bound}"),
        }
    }
}

use Target::{AtLeast, AtMost};

/// Pairs of cases. A target is for the time: valgrind lacks the processor's instructions for hashing.
const CASES: &[(&str, &str, &str, Option<Target>)] = &[
    ("build a SEND", OURS, "by hand, all parts cached", Some(AtMost(1.10))),
    ("build a SEND", OURS, "by hand, naive", None),
    ("build a SEND", "this crate, as a call's first step", "by hand, all parts cached", None),
    ("a whole call", OURS, "request and answer by hand", None),
    ("notification of 1 KiB", OURS, "HMAC and typed parse", Some(AtMost(1.05))),
    ("notification of 1 KiB", "parsed, written again, HMAC", OURS, Some(AtLeast(2.5))),
    ("notification of 16 KiB", OURS, "HMAC and typed parse", None),
    ("notification of 16 KiB", "parsed, written again, HMAC", OURS, None),
    ("HTTP/1.1 answer", OURS, "httparse, the head alone", None),
    ("HTTP/1.1 exchange", OURS, "ureq-proto", None),
    ("HTTP/1.1 exchange", OURS, "hyper, a connection that is open", None),
    ("inbox: one event in and out", "10,000 conversations", "1 conversation", None),
    ("inbox: one event in and out", "1,000,000 conversations", "1 conversation", None),
    ("tokens: one call", "10,000 consumers", "1 consumer", None),
    ("tokens: one call", "1,000,000 consumers", "1 consumer", None),
];

/// A pair of clients: ours, the alternative, the numbers of callers, whether the target is for the rate
/// (otherwise it is for the processor time), and the target.
type Pair = (&'static str, &'static str, &'static [usize], bool, Option<Target>);

const LOADS: &[Pair] = &[
    ("lp-connector-ureq", "ureq", &[1, 16, 256], false, Some(AtMost(1.03))),
    ("lp-connector-ureq", "ureq with time-outs", &[1, 16, 256], false, Some(AtMost(1.03))),
    ("lp-connector-tokio", "hyper-util", &[1, 16, 256], false, Some(AtMost(1.03))),
    ("lp-connector-tokio", "reqwest", &[1, 16, 256], false, None),
    ("lp-connector-async-std", "reqwest", &[1, 16, 64, 256], true, Some(AtLeast(1.6))),
];

pub(crate) fn of(report: &Report) -> Vec<Ratio> {
    let mut ratios = Vec::new();
    for (group, of, to, target) in CASES {
        let case = |name: &str| report.case(&format!("{group}: {name}"));
        let (Some(ours), Some(theirs)) = (case(of), case(to)) else { continue };
        let mut push =
            |unit: &str, figure: fn(&Measured) -> Option<f64>, target: Option<Target>| {
                if let (Some(a), Some(b)) = (figure(ours), figure(theirs)) {
                    ratios.push(ratio((group, of, to), unit, a / b, target));
                }
            };
        push("time", |case| case.nanoseconds.map(|ns| ns.median), *target);
        push("instructions", |case| case.instructions, None);
    }
    for (of, to, callers, by_rate, target) in LOADS {
        for callers in *callers {
            let (Some(ours), Some(theirs)) = (report.load(of, *callers), report.load(to, *callers))
            else {
                continue;
            };
            let what = format!("sending, {callers} at once");
            // The target for the rate is for 64 callers.
            let target = target.filter(|_| !by_rate || *callers == 64);
            let of = (what.as_str(), *of, *to);
            let (cpu, rate) = (
                quotient(&ours.cpu_per_message, &theirs.cpu_per_message),
                quotient(&ours.messages_per_second, &theirs.messages_per_second),
            );
            ratios.push(ratio(of, "CPU per message", cpu, target.filter(|_| !by_rate)));
            ratios.push(ratio(of, "messages per second", rate, target.filter(|_| *by_rate)));
        }
    }
    ratios.extend(figures(report));
    for run in &report.bridge {
        let of = match run.instances {
            1 => format!("{}, 1 bridge", run.store),
            several => format!("{}, {several} bridges", run.store),
        };
        let least = bridge::cycles_target(&run.store);
        ratios.push(ratio(
            ("cycles", &of, ""),
            "per second",
            run.cycles_per_second,
            least.map(AtLeast),
        ));
        let most = Some(AtMost(bridge::P99_TARGET));
        ratios.push(ratio(("post to hand-over, 99 of 100", &of, ""), "ms", run.p99_ms, most));
    }
    ratios
}

/// Figures with a target, as ratios to one unit.
fn figures(report: &Report) -> Vec<Ratio> {
    let mut figures = Vec::new();
    let build = format!("build a SEND: {OURS}");
    if let Some(allocations) = report.case(&build).and_then(|case| case.allocations) {
        let of = ("build a SEND", OURS, "1 allocation");
        figures.push(ratio(of, "allocations", allocations, Some(AtMost(3.0))));
    }
    if let Some(contention) = &report.contention {
        let of = ("callers who wait for a token", OURS, "1 poll of each");
        figures.push(ratio(of, "polls", contention.polls_per_caller, Some(AtMost(3.0))));
    }
    if let Some(token) = &report.token {
        let of = ("a token that is there, read", OURS, "1 ns");
        figures.push(ratio(of, "time", token.alone_ns.median, Some(AtMost(50.0))));
    }
    figures
}

fn quotient(ours: &Rounds, theirs: &Rounds) -> f64 {
    ours.median / theirs.median
}

fn ratio(
    (what, of, to): (&str, &str, &str),
    unit: &str,
    ratio: f64,
    target: Option<Target>,
) -> Ratio {
    Ratio {
        what: what.to_owned(),
        of: of.to_owned(),
        to: to.to_owned(),
        unit: unit.to_owned(),
        ratio: (ratio * 1000.0).round() / 1000.0,
        target: target.map(Target::text),
        met: target.map(|target| target.met(ratio)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cases;

    #[test]
    fn every_ratio_compares_existing_cases() {
        let all: Vec<String> = cases::all().iter().map(cases::Case::id).collect();
        for (group, of, to, _) in CASES {
            for name in [of, to] {
                assert!(all.contains(&format!("{group}: {name}")), "{group}: {name}");
            }
        }
        for (of, to, ..) in LOADS {
            for name in [of, to] {
                assert!(
                    crate::load::ClientKind::ALL.iter().any(|kind| kind.name() == *name),
                    "{name}"
                );
            }
        }
    }

    #[test]
    fn a_target_is_met_on_its_bound() {
        assert!(AtMost(1.1).met(1.1) && !AtMost(1.1).met(1.11));
        assert!(AtLeast(2.5).met(2.5) && !AtLeast(2.5).met(2.4));
        assert_eq!(AtMost(1.1).text(), "<= 1.1");
    }
}
