//! What changes have brought: figures from before, as they were measured then, beside those of the report.

use crate::cases::OURS;
use crate::report::Report;
use crate::table::{Table, figure};
use crate::targets::Measure;

/// A change, by what valgrind counted before it.
struct Change {
    what: &'static str,
    case: &'static str,
    before: Counts,
    /// The alternative of the same group that is nearest, if there is one. It has not changed itself.
    beside: Option<&'static str>,
    change: &'static str,
}

/// Instructions, and allocations where they were counted.
#[derive(Clone, Copy)]
struct Counts {
    instructions: f64,
    allocations: Option<f64>,
}

const fn counts(instructions: f64, allocations: f64) -> Counts {
    Counts { instructions, allocations: Some(allocations) }
}

const BY_HAND: Option<&str> = Some("build a SEND: by hand, all parts cached");
const CALL_BY_HAND: Option<&str> = Some("a whole call: request and answer by hand");
const TYPED: Option<&str> = Some("notification of 1 KiB: HMAC and typed parse");
const HEAD_ALONE: Option<&str> = Some("HTTP/1.1 answer: httparse, the head alone");

const CHANGES: &[Change] = &[
    Change {
        what: "build a SEND",
        case: "build a SEND: this crate",
        before: counts(20198.0, 8.0),
        beside: BY_HAND,
        change: "path and user agent are built once for all messages; request ids do not allocate; the body has its \
                 capacity from the start",
    },
    Change {
        what: "build a SEND, later",
        case: "build a SEND: this crate",
        before: counts(10069.0, 3.0),
        beside: BY_HAND,
        change: "texts are searched for escapes and copied 32 bytes at a time",
    },
    Change {
        what: "a whole call",
        case: "a whole call: this crate",
        before: counts(32913.0, 23.0),
        beside: CALL_BY_HAND,
        change: "a call shares its policy; valid tokens are used without lease and copy; the usual response is parsed \
                 without a tree; a single event needs no queue",
    },
    Change {
        what: "a whole call, later",
        case: "a whole call: this crate",
        before: counts(16165.0, 6.0),
        beside: CALL_BY_HAND,
        change: "texts are searched for escapes and copied 32 bytes at a time",
    },
    Change {
        what: "a call that needs no token",
        case: "a call that needs no token: this crate",
        before: counts(1840.0, 1.0),
        beside: None,
        change: "a call shares its policy",
    },
    Change {
        what: "a call among 10,000 consumers",
        case: "tokens: one call: 10,000 consumers",
        before: counts(36407.0, 23.0),
        beside: CALL_BY_HAND,
        change: "as a whole call; a consumer is found by a digest",
    },
    Change {
        what: "a call among 1,000,000 consumers",
        case: "tokens: one call: 1,000,000 consumers",
        before: Counts { instructions: 12146.0, allocations: None },
        beside: CALL_BY_HAND,
        change: "the tree that is searched has digests alone; a consumer's entry is in the list",
    },
    Change {
        what: "notification of 1 KiB, verified and read",
        case: "notification of 1 KiB: this crate",
        before: counts(72464.0, 53.0),
        beside: TYPED,
        change: "stored as one string and one list instead of a tree; header names are hashed once; a signature is \
                 decoded once; texts are searched once for quotes and escapes",
    },
    Change {
        what: "notification of 16 KiB",
        case: "notification of 16 KiB: this crate",
        before: counts(582_217.0, 53.0),
        beside: Some("notification of 16 KiB: HMAC and typed parse"),
        change: "as above; UTF-8 is checked before it is repaired",
    },
    Change {
        what: "one event among 10,000 conversations",
        case: "inbox: one event in and out: 10,000 conversations",
        before: Counts { instructions: 4209.0, allocations: None },
        beside: None,
        change: "the tree has digests alone; a full inbox looks for what to evict afterwards: three look-ups instead of five",
    },
    Change {
        what: "HTTP/1.1 answer",
        case: "HTTP/1.1 answer: this crate",
        before: counts(23504.0, 19.0),
        beside: HEAD_ALONE,
        change: "values of headers share the head's memory; a head in one piece is copied once; a body that is there \
                 is taken at once",
    },
    Change {
        what: "HTTP/1.1 exchange, later",
        case: "HTTP/1.1 exchange: this crate",
        before: counts(23035.0, 7.0),
        beside: Some("HTTP/1.1 exchange: ureq-proto"),
        change: "head and request are searched by memchr, and written into memory taken once",
    },
];

/// A ratio of the first page that this project has had, measured on another day.
struct EarlierRatio {
    what: &'static str,
    of: &'static str,
    to: &'static str,
    unit: &'static str,
    ratio: f64,
    /// What has changed since.
    change: &'static str,
}

const CPU: &str = Measure::Cpu.name();
const RATE: &str = Measure::Rate.name();
const TIME: &str = "time";
const ONE_CLIENT: &str =
    "the core's own codec instead of hyper; one timer a message; what is read is not cleared";
const LESS_WAKING: &str =
    "as above; all attempts share one timer, and the connection waits before it reads";

const RATIOS: &[EarlierRatio] = &[
    EarlierRatio {
        what: "sending, 256 at once",
        of: "lp-connector-ureq",
        to: "ureq",
        unit: CPU,
        ratio: 1.35,
        change: "place and connection in one step",
    },
    EarlierRatio {
        what: "sending, 16 at once",
        of: "lp-connector-tokio",
        to: "hyper-util",
        unit: CPU,
        ratio: 1.28,
        change: ONE_CLIENT,
    },
    EarlierRatio {
        what: "sending, 256 at once",
        of: "lp-connector-tokio",
        to: "hyper-util",
        unit: CPU,
        ratio: 1.53,
        change: ONE_CLIENT,
    },
    EarlierRatio {
        what: "sending, 64 at once",
        of: "lp-connector-async-std",
        to: "reqwest",
        unit: RATE,
        ratio: 1.09,
        change: LESS_WAKING,
    },
    EarlierRatio {
        what: "notification of 1 KiB",
        of: OURS,
        to: "HMAC and typed parse",
        unit: TIME,
        ratio: 1.30,
        change: "as by instructions, above",
    },
    EarlierRatio {
        what: "notification of 1 KiB",
        of: "parsed, written again, HMAC",
        to: OURS,
        unit: TIME,
        ratio: 2.02,
        change: "as by instructions, above",
    },
];

/// By instructions and allocations.
pub(crate) fn counted(report: &Report) -> Table {
    let head = ["what", "before", "after", "beside", "ratio before", "ratio after", "change"];
    let mut table = Table::new("improvements", &head);
    for Change { what, case, before, beside, change } in CHANGES {
        let instructions = |id: &str| report.case(id).and_then(|case| case.instructions);
        let after = instructions(case).map(|instructions| Counts {
            instructions,
            allocations: report.case(case).and_then(|case| case.allocations),
        });
        // Where there is no alternative, before is the measure of after.
        let measure = match beside {
            Some(id) => instructions(id).map(|other| (*id, other)),
            None => Some(("itself, before", before.instructions)),
        };
        let ratio = |ours: Option<Counts>| match (ours, measure) {
            (Some(ours), Some((_, other))) => figure(ours.instructions / other),
            _ => NOT_MEASURED.to_owned(),
        };
        table.rows.push(vec![
            (*what).to_owned(),
            pair(Some(*before)),
            pair(after),
            measure.map_or(NOT_MEASURED, |(name, _)| short(name)).to_owned(),
            ratio(Some(*before)),
            ratio(after),
            (*change).to_owned(),
        ]);
    }
    table
}

/// By ratios that were measured on other days.
pub(crate) fn compared(report: &Report) -> Table {
    let head = ["what", "of", "to", "in", "before", "after", "between", "change"];
    let mut table = Table::new("improvements-by-ratio", &head);
    for EarlierRatio { what, of, to, unit, ratio, change } in RATIOS {
        let after = report.ratios.iter().find(|after| {
            (&*after.what, &*after.of, &*after.to, &*after.unit) == (*what, *of, *to, *unit)
        });
        let missing = || NOT_MEASURED.to_owned();
        table.rows.push(vec![
            (*what).to_owned(),
            (*of).to_owned(),
            (*to).to_owned(),
            (*unit).to_owned(),
            figure(*ratio),
            after.map_or_else(missing, |after| figure(after.ratio)),
            after.map_or_else(missing, crate::table::between),
            (*change).to_owned(),
        ]);
    }
    table
}

/// In place of a figure that this run has not measured: `--quick` leaves out the heavy cases.
const NOT_MEASURED: &str = "not measured";

/// Instructions and allocations, for a cell.
fn pair(counts: Option<Counts>) -> String {
    let Some(Counts { instructions, allocations }) = counts else { return NOT_MEASURED.to_owned() };
    let allocations = allocations.map_or_else(|| "–".to_owned(), |all| format!("{all:.0}"));
    format!("{instructions:.0}, {allocations}")
}

/// A case's name without its group.
fn short(id: &str) -> &str {
    id.rsplit_once(": ").map_or(id, |(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{cases, targets};

    #[test]
    fn every_change_names_existing_cases() {
        let all: Vec<String> = cases::all().iter().map(cases::Case::id).collect();
        for change in CHANGES {
            for id in [Some(change.case), change.beside].into_iter().flatten() {
                assert!(all.iter().any(|one| one == id), "{id}");
            }
        }
    }

    #[test]
    fn every_earlier_ratio_is_still_measured() {
        let loads = targets::loads().into_iter().map(|pair| {
            (format!("sending, {} at once", pair.callers), pair.of, pair.to, pair.measure.name())
        });
        let cases = targets::CASES.iter();
        let cases = cases.map(|pair| (pair.group.to_owned(), pair.of, pair.to, TIME));
        let all: Vec<_> = loads.chain(cases).collect();
        for EarlierRatio { what, of, to, unit, .. } in RATIOS {
            assert!(all.contains(&((*what).to_owned(), *of, *to, *unit)), "{what}: {of} to {to}");
        }
    }
}
