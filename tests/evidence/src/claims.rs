//! The claims.

use crate::{Claim, Keeps};

/// All claims, in the order of the page.
pub const CLAIMS: &[Claim] = &[
    Claim {
        name: "coverage",
        says: "What the ordinary tests reach",
        shown_by: "The compiler counts which lines and branches run. Files that end in `tests.rs` are left out; tests inside a file, \
            and what else is compiled for tests alone, count. A program that a test starts without an environment is not counted, as most of the command line; nor is what needs a PostgreSQL server.",
        command: "bash tests/coverage.sh",
        keeps: Keeps::All,
    },
    Claim {
        name: "corpora",
        says: "What the fuzz corpora reach",
        shown_by: "The ordinary tests replay the inputs that are committed for each fuzz target. Here a program does that which counts, \
            for each module of the core. What it leaves out is there for tests alone.",
        command: "bash fuzz/coverage.sh",
        keeps: Keeps::All,
    },
    Claim {
        name: "planted",
        says: "Bugs that are planted are caught",
        shown_by: "Most patches are a bug of a line or two. Each is planted alone, and a test or an invariant must fail.",
        command: "bash tests/planted.sh all",
        keeps: Keeps::With(&["== ", " bugs: ", "SURVIVED", "ERROR", "all sets"]),
    },
    Claim {
        name: "mutants",
        says: "The core's tests notice small changes",
        shown_by: "cargo-mutants says which changes there are. Those that can have a switch are compiled into the programs of the tests, each behind \
            one, and turned on one at a time. What the table says is missed changed nothing that a test noticed. \
            What runs out of time counts as caught: the program no longer ends.",
        command: "cargo run -q --release --locked -p lp-connector-mutants -- core",
        keeps: Keeps::All,
    },
    Claim {
        name: "mutants-adapters",
        says: "The adapters' tests notice small changes",
        shown_by: "As above, for the adapters but the command line, whose tests start a program for each line, the store on \
            PostgreSQL, which needs a server, and crates that only join others. Two tests that start an example fail in this build \
            and are not asked. The cases over sockets count among their tests, and the cases of all \
            stores among those of SQLite's.",
        command: "cargo run -q --release --locked -p lp-connector-mutants -- async ureq tls axum bridge gateway sqlite --jobs 4",
        keeps: Keeps::All,
    },
    Claim {
        name: "bridge-soak",
        says: "The bridge breaks no invariant in a million scenarios",
        shown_by: "Instances die and freeze, and store, cloud and channel fail, lose answers and are late. The channel's and the \
            cloud's own lists of messages must agree in the end: each message is there once, or is refused, or is reported as unconfirmed. \
            README.md says what holds in the scenarios that break an assumption on LivePerson.",
        command: "cargo run -q --release --locked -p lp-connector-simulation -- --bridge --seeds 1000000",
        keeps: Keeps::All,
    },
    Claim {
        name: "kill",
        says: "The bridge loses nothing when its processes are killed",
        shown_by: "Real processes on one SQLite file get SIGKILL three times a second, while 20,000 messages go one way, and answers \
            the other. An answer that is delivered again has the id of the first time, and is no double.",
        command: "cargo run -q --release --locked -p lp-connector-chaos -- --messages 20000 --kill-every 300ms",
        keeps: Keeps::All,
    },
    Claim {
        name: "attack",
        says: "Notifications are answered while strangers attack the endpoint",
        shown_by: "Each attack is on a process of its own, with 1024 file descriptors; a legitimate sender posts meanwhile.",
        command: "cargo run -q --release --locked -p lp-connector-attack",
        keeps: Keeps::All,
    },
    Claim {
        name: "counts",
        says: "No message takes 2 % more instructions than it may",
        shown_by: "valgrind counts them, whatever else the machine does, and `bench/counts.txt` says how many there may be. An ordinary \
            test does the same for allocations.",
        command: "cargo run -q --release --locked -p lp-connector-bench -- counts",
        keeps: Keeps::All,
    },
];
