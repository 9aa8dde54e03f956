//! What changes have brought: figures from before, as they were measured then, beside those of the report.

use crate::cases::OURS;
use crate::report::Report;
use crate::table::{Table, figure};

/// A change, by what valgrind counted before it.
struct Change {
    what: &'static str,
    case: &'static str,
    /// Instructions and allocations.
    before: (f64, f64),
    /// The alternative of the same group that is nearest, if there is one. It has not changed itself.
    beside: Option<&'static str>,
    change: &'static str,
}

const BY_HAND: Option<&str> = Some("build a SEND: by hand, all parts cached");
const CALL_BY_HAND: Option<&str> = Some("a whole call: request and answer by hand");
const TYPED: Option<&str> = Some("notification of 1 KiB: HMAC and typed parse");
const HEAD_ALONE: Option<&str> = Some("HTTP/1.1 answer: httparse, the head alone");

const CHANGES: &[Change] = &[
    Change {
        what: "build a SEND",
        case: "build a SEND: this crate",
        before: (20198.0, 8.0),
        beside: BY_HAND,
        change: "path and user agent are built once for all messages; request ids do not allocate; the body has its \
                 capacity from the start",
    },
    Change {
        what: "build a SEND, later",
        case: "build a SEND: this crate",
        before: (10069.0, 3.0),
        beside: BY_HAND,
        change: "texts are searched for escapes and copied 32 bytes at a time",
    },
    Change {
        what: "a whole call",
        case: "a whole call: this crate",
        before: (32913.0, 23.0),
        beside: CALL_BY_HAND,
        change: "a call shares its policy; valid tokens are used without lease and copy; the usual response is parsed \
                 without a tree; a single event needs no queue",
    },
    Change {
        what: "a whole call, later",
        case: "a whole call: this crate",
        before: (16165.0, 6.0),
        beside: CALL_BY_HAND,
        change: "texts are searched for escapes and copied 32 bytes at a time",
    },
    Change {
        what: "a call that needs no token",
        case: "a call that needs no token: this crate",
        before: (1840.0, 1.0),
        beside: None,
        change: "a call shares its policy",
    },
    Change {
        what: "a call among 10,000 consumers",
        case: "tokens: one call: 10,000 consumers",
        before: (36407.0, 23.0),
        beside: CALL_BY_HAND,
        change: "as a whole call; a consumer is found by a digest",
    },
    Change {
        what: "a call among 1,000,000 consumers",
        case: "tokens: one call: 1,000,000 consumers",
        before: (12146.0, 6.0),
        beside: CALL_BY_HAND,
        change: "the tree that is searched has digests alone: by the model of callgrind, 27 reads miss a cache of 32 KiB, where 34 did",
    },
    Change {
        what: "notification of 1 KiB, verified and read",
        case: "notification of 1 KiB: this crate",
        before: (72464.0, 53.0),
        beside: TYPED,
        change: "stored as one string and one list instead of a tree; header names are hashed once; a signature is \
                 decoded once; texts are searched once for quotes and escapes",
    },
    Change {
        what: "notification of 16 KiB",
        case: "notification of 16 KiB: this crate",
        before: (582_217.0, 53.0),
        beside: Some("notification of 16 KiB: HMAC and typed parse"),
        change: "as above; UTF-8 is checked before it is repaired",
    },
    Change {
        what: "one event among 10,000 conversations",
        case: "inbox: one event in and out: 10,000 conversations",
        before: (12593.0, 12.0),
        beside: None,
        change: "found by a digest; the order of use needs no search",
    },
    Change {
        what: "HTTP/1.1 answer",
        case: "HTTP/1.1 answer: this crate",
        before: (23504.0, 19.0),
        beside: HEAD_ALONE,
        change: "values of headers share the head's memory; a head in one piece is copied once; a body that is there \
                 is taken at once",
    },
    Change {
        what: "HTTP/1.1 exchange, later",
        case: "HTTP/1.1 exchange: this crate",
        before: (23035.0, 7.0),
        beside: Some("HTTP/1.1 exchange: ureq-proto"),
        change: "head and request are searched by memchr, and written into memory taken once",
    },
];

/// A ratio of the first page that this project has had, measured on another day: what it compares, and what has
/// changed since.
type Ratio = (&'static str, &'static str, &'static str, &'static str, f64, &'static str);

const CPU: &str = "CPU per message";
const RATE: &str = "messages per second";
const ONE_CLIENT: &str =
    "the core's own codec instead of hyper; one timer a message; what is read is not cleared";
const LESS_WAKING: &str =
    "as above; all attempts share one timer, and the connection waits before it reads";

const RATIOS: &[Ratio] = &[
    (
        "sending, 256 at once",
        "lp-connector-ureq",
        "ureq",
        CPU,
        1.35,
        "place and connection in one step",
    ),
    ("sending, 16 at once", "lp-connector-tokio", "hyper-util", CPU, 1.28, ONE_CLIENT),
    ("sending, 256 at once", "lp-connector-tokio", "hyper-util", CPU, 1.53, ONE_CLIENT),
    ("sending, 64 at once", "lp-connector-async-std", "reqwest", RATE, 1.09, LESS_WAKING),
    (
        "notification of 1 KiB",
        OURS,
        "HMAC and typed parse",
        "time",
        1.30,
        "as by instructions, above",
    ),
    (
        "notification of 1 KiB",
        "parsed, written again, HMAC",
        OURS,
        "time",
        2.02,
        "as by instructions, above",
    ),
];

/// By instructions and allocations.
pub(crate) fn counted(report: &Report) -> Table {
    let head = ["what", "before", "after", "beside", "ratio before", "ratio after", "change"];
    let mut table = Table::new("improvements", &head);
    for Change { what, case, before, beside, change } in CHANGES {
        let instructions = |id: &str| report.case(id).and_then(|case| case.instructions);
        let Some(after) = instructions(case) else { continue };
        let allocations = report.case(case).and_then(|case| case.allocations);
        let pair = |(instructions, allocations): (f64, Option<f64>)| {
            let allocations = allocations.map_or_else(|| "–".to_owned(), |all| format!("{all:.0}"));
            format!("{instructions:.0}, {allocations}")
        };
        // Where there is no alternative, before is the measure of after.
        let measure = match beside {
            Some(id) => instructions(id).map(|other| (*id, other)),
            None => Some(("itself, before", before.0)),
        };
        let ratio = |ours: f64| measure.map_or_else(String::new, |(_, other)| figure(ours / other));
        table.rows.push(vec![
            (*what).to_owned(),
            pair((before.0, Some(before.1))),
            pair((after, allocations)),
            measure.map_or("", |(name, _)| short(name)).to_owned(),
            ratio(before.0),
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
    for (what, of, to, unit, before, change) in RATIOS {
        let found = report.ratios.iter().find(|ratio| {
            (&*ratio.what, &*ratio.of, &*ratio.to, &*ratio.unit) == (*what, *of, *to, *unit)
        });
        let Some(after) = found else { continue };
        table.rows.push(vec![
            (*what).to_owned(),
            (*of).to_owned(),
            (*to).to_owned(),
            (*unit).to_owned(),
            figure(*before),
            figure(after.ratio),
            crate::table::between(after),
            (*change).to_owned(),
        ]);
    }
    table
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
        let loads: Vec<_> = targets::loads()
            .iter()
            .map(|pair| (format!("sending, {} at once", pair.callers), pair.of, pair.to))
            .collect();
        let cases = targets::CASES.iter().map(|pair| (pair.group.to_owned(), pair.of, pair.to));
        let all: Vec<_> = loads.into_iter().chain(cases).collect();
        for (what, of, to, ..) in RATIOS {
            assert!(all.contains(&((*what).to_owned(), *of, *to)), "{what}: {of} to {to}");
        }
    }
}
