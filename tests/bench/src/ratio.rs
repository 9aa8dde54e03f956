//! The ratios of our figures to those of the alternatives.

use crate::bridge;
use crate::cases::OURS;
use crate::report::{Load, Measured, Ratio, Report, Rounds, Sureness};
use crate::spread::Spread;
use crate::targets::{self, LoadPair, Measure, Target};

pub(crate) fn of(report: &Report) -> Vec<Ratio> {
    let mut ratios = Vec::new();
    for pair in targets::CASES {
        let case = |name: &str| report.case(&format!("{}: {name}", pair.group));
        let (Some(ours), Some(theirs)) = (case(pair.of), case(pair.to)) else { continue };
        let of = (pair.group, pair.of, pair.to);
        if let (Some(ours), Some(theirs)) = (&ours.nanoseconds, &theirs.nanoseconds) {
            ratios.push(compared(of, "time", ours, theirs, pair.time));
        }
        if let (Some(ours), Some(theirs)) = (ours.instructions, theirs.instructions) {
            ratios.push(counted(of, "instructions", ours / theirs, pair.instructions));
        }
    }
    for pair in targets::loads() {
        let load = |client| report.load(client, pair.callers);
        let (Some(ours), Some(theirs)) = (load(pair.of), load(pair.to)) else { continue };
        let what = format!("sending, {} at once", pair.callers);
        let of = (what.as_str(), pair.of, pair.to);
        let (ours, theirs) = (measured(&pair, ours), measured(&pair, theirs));
        ratios.push(compared(of, pair.measure.name(), ours, theirs, pair.target));
    }
    figures(report, &mut ratios);
    bridges(report, &mut ratios);
    ratios
}

/// True if the ratios of all these pairs that have a target are steady.
pub(crate) fn are_steady(pairs: &[LoadPair], loads: &[Load]) -> bool {
    pairs.iter().filter(|pair| pair.target.is_some()).all(|pair| {
        let of = |client: &str| loads.iter().find(|load| load.client == client);
        let (Some(ours), Some(theirs)) = (of(pair.of), of(pair.to)) else { return true };
        let rounds = |load| &measured(pair, load).rounds;
        Spread::of_ratios(rounds(ours), rounds(theirs)).is_steady()
    })
}

fn measured<'a>(pair: &LoadPair, load: &'a Load) -> &'a Rounds {
    match pair.measure {
        Measure::Cpu => &load.cpu_per_message,
        Measure::Rate => &load.messages_per_second,
    }
}

/// Figures with a target, as ratios to one unit; and those of other programs.
fn figures(report: &Report, ratios: &mut Vec<Ratio>) {
    for (group, target) in targets::ALLOCATIONS {
        let case = report.case(&format!("{group}: {OURS}"));
        if let Some(allocations) = case.and_then(|case: &Measured| case.allocations) {
            let of = (*group, OURS, "1 allocation");
            ratios.push(counted(of, "allocations", allocations, Some(*target)));
        }
    }
    if let Some(contention) = &report.contention {
        let of = ("callers who wait for a token", OURS, "1 poll of each");
        ratios.push(counted(of, "polls", contention.polls_per_caller, Some(targets::POLLS)));
    }
    if let Some(token) = &report.token {
        let of = ("a token that is there, read", OURS, "1 ns");
        ratios.push(counted(of, "time", token.alone_ns.median, Some(targets::TOKEN)));
    }
    let million = |memory: &&crate::report::MemoryUse| {
        memory.what == "consumers" && memory.count == 1_000_000
    };
    if let Some(memory) = report.memory.iter().find(million) {
        let of = ("a consumer among 1,000,000", OURS, "1 byte");
        ratios.push(counted(of, "bytes", memory.bytes_each, Some(targets::CONSUMER)));
    }
    if let Some(run) = &report.simulation {
        let of = ("the soak, a core", "simulated calls", "1 call");
        let rate = run.calls_per_second_and_core;
        ratios.push(counted(of, "per second", rate, Some(targets::SIMULATED)));
    }
    let weight = |name: &str| report.weight.iter().find(|weight| weight.name == name);
    if let (Some(ours), Some(theirs)) = (weight("tokio"), weight("reqwest")) {
        let of = ("a program that sends one message", "lp-connector-tokio", "reqwest");
        let crates = ours.crates as f64 / theirs.crates as f64;
        ratios.push(counted(of, "crates", crates, Some(targets::WEIGHT)));
        if let (Some(ours), Some(theirs)) = (ours.release_build, theirs.release_build) {
            ratios.push(counted(of, "release build", ours / theirs, Some(targets::WEIGHT)));
        }
    }
}

fn bridges(report: &Report, ratios: &mut Vec<Ratio>) {
    for run in &report.bridge {
        let of = match run.instances {
            1 => format!("{}, 1 bridge", run.store),
            several => format!("{}, {several} bridges", run.store),
        };
        let least = bridge::cycles_target(&run.store).map(Target::AtLeast);
        ratios.push(counted(("cycles", &of, ""), "per second", run.cycles_per_second, least));
        let of = ("post to hand-over, 99 of 100", of.as_str(), "");
        ratios.push(counted(of, "ms", run.p99_ms, Some(Target::AtMost(bridge::P99_TARGET))));
    }
}

/// Whether the target is met, and whether its bounds leave a doubt. Nothing without a target.
pub(crate) fn verdict(ratio: &Ratio) -> String {
    let Some(target) = ratio.target.as_deref().and_then(Target::of_text) else {
        return String::new();
    };
    let sure = ratio.sureness.as_ref();
    let surely = sure.is_none_or(|sure| target.met(target.worse(sure.low, sure.high)));
    let verdict = match (ratio.met, surely) {
        (Some(true), true) => "met",
        (Some(true), false) => "met, not surely",
        _ => "not met",
    };
    format!("{verdict}{}", sure.map_or("", steadiness))
}

/// What is said of bounds that are too far apart.
pub(crate) const fn steadiness(sure: &Sureness) -> &'static str {
    if sure.steady { "" } else { ", unsteady" }
}

type Names<'a> = (&'a str, &'a str, &'a str);

/// A ratio of rounds that were measured in turn.
fn compared(
    of: Names<'_>,
    unit: &str,
    ours: &Rounds,
    theirs: &Rounds,
    target: Option<Target>,
) -> Ratio {
    let spread = Spread::of_ratios(&ours.rounds, &theirs.rounds);
    let sureness = spread.high.is_finite().then(|| Sureness {
        low: thousandths(spread.low),
        high: thousandths(spread.high),
        rounds: spread.rounds,
        steady: spread.is_steady(),
    });
    Ratio { sureness, ..counted(of, unit, spread.median, target) }
}

/// A ratio or figure that is the same each time, or that was measured once.
fn counted((what, of, to): Names<'_>, unit: &str, ratio: f64, target: Option<Target>) -> Ratio {
    Ratio {
        what: what.to_owned(),
        of: of.to_owned(),
        to: to.to_owned(),
        unit: unit.to_owned(),
        ratio: thousandths(ratio),
        sureness: None,
        target: target.map(Target::text),
        met: target.map(|target| target.met(ratio)),
    }
}

fn thousandths(ratio: f64) -> f64 {
    (ratio * 1000.0).round() / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(client: &str, cpu: Vec<f64>) -> Load {
        let cpu_per_message = Rounds::of(cpu);
        Load { client: client.to_owned(), callers: 64, cpu_per_message, ..Load::default() }
    }

    #[test]
    fn a_target_is_met_if_the_worse_bound_meets_it_too() {
        let verdict = |ratio: f64, target: Target, sure: Option<(f64, f64, bool)>| {
            let sureness =
                sure.map(|(low, high, steady)| Sureness { low, high, rounds: 9, steady });
            verdict(&Ratio { sureness, ..counted(("", "", ""), "", ratio, Some(target)) })
        };
        let (most, least) = (Target::AtMost(1.05), Target::AtLeast(2.0));
        assert_eq!(verdict(1.0, most, None), "met");
        assert_eq!(verdict(1.1, most, None), "not met");
        assert_eq!(verdict(1.04, most, Some((1.03, 1.05, true))), "met");
        assert_eq!(verdict(1.04, most, Some((1.03, 1.06, true))), "met, not surely");
        assert_eq!(verdict(1.06, most, Some((1.04, 1.07, true))), "not met");
        assert_eq!(verdict(2.1, least, Some((2.0, 2.2, true))), "met");
        assert_eq!(verdict(2.1, least, Some((1.9, 2.2, true))), "met, not surely");
        assert_eq!(verdict(1.0, most, Some((0.9, 1.0, false))), "met, unsteady");
        assert_eq!(verdict(1.0, most, Some((0.9, 1.2, false))), "met, not surely, unsteady");
        assert_eq!(super::verdict(&Ratio::default()), "");
    }

    #[test]
    fn a_ratio_is_that_of_rounds_side_by_side() {
        let load = vec![
            load("lp-connector-tokio", vec![8.0, 80.0, 8.0, 8.0, 8.0, 8.0]),
            load("hyper-util with a time-out", vec![10.0, 100.0, 10.0, 10.0, 10.0, 10.0]),
        ];
        let ratios = of(&Report { load, ..Report::default() });
        let cpu = ratios.iter().find(|ratio| ratio.unit == "CPU per message").unwrap();
        assert_eq!((cpu.ratio, cpu.met), (0.8, Some(true)));
        let sure = cpu.sureness.unwrap();
        assert!(sure.steady && (sure.low, sure.high, sure.rounds) == (0.8, 0.8, 6));
    }
}
