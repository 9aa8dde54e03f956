//! Attacks a webhook endpoint while a legitimate sender posts to it, and prints what became of both.
//!
//! `cargo run -q --release -p lp-connector-attack` takes about a minute. Each attack has an endpoint of its
//! own, a process with 1024 file descriptors. The program fails unless every legitimate notification is
//! answered 200 within 2.5 s and no endpoint takes 128 MiB.
//!
//! Arguments: names of attacks, for these alone; `--seconds N` for each; `-- PROGRAM ARGUMENTS…` to attack
//! another program, which finds its address in `LP_WEBHOOK_LISTEN` and its secret in `LP_CLIENT_SECRET`.

mod attacks;
mod endpoint;
mod files;
mod sender;

use std::process::ExitCode;
use std::time::Duration;

use attacks::{ATTACKS, Attack};
use endpoint::Endpoint;
use sender::Tally;

/// When the platform begins to count an endpoint as slow.
const IN_TIME: Duration = Duration::from_millis(2500);

/// The most memory that an endpoint may take, in MiB.
const MAX_MEMORY: u64 = 128;

/// An error of the program itself.
type AttackError = Box<dyn std::error::Error + Send + Sync>;

#[derive(Debug)]
struct Arguments {
    only: Vec<String>,
    time: Duration,
    program: Vec<String>,
}

/// A row of the table.
struct Row {
    tally: Tally,
    /// The peak of the endpoint's memory in MiB, where the system tells it.
    memory: Option<u64>,
}

impl Row {
    fn is_good(&self) -> bool {
        let Tally { posts, good, slowest } = self.tally;
        posts > 0 && good == posts && slowest < IN_TIME && self.memory.unwrap_or(0) < MAX_MEMORY
    }
}

fn main() -> ExitCode {
    // This program is the endpoint too.
    if std::env::args().nth(1).as_deref() == Some(endpoint::COMMAND) {
        return done(endpoint::run());
    }
    done(arguments().and_then(|arguments| attack_all(&arguments)))
}

fn done(result: Result<bool, AttackError>) -> ExitCode {
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(2)
        }
    }
}

fn arguments() -> Result<Arguments, AttackError> {
    let mut arguments =
        Arguments { only: Vec::new(), time: Duration::from_secs(4), program: Vec::new() };
    let mut given = std::env::args().skip(1);
    while let Some(argument) = given.next() {
        match &*argument {
            "--" => arguments.program = given.by_ref().collect(),
            "--seconds" => {
                let seconds = given.next().ok_or("--seconds needs a number")?;
                arguments.time = Duration::from_secs(seconds.parse()?);
            }
            name if ATTACKS.iter().any(|attack| attack.name == name) => {
                arguments.only.push(argument)
            }
            _ => {
                let names: Vec<_> = ATTACKS.iter().map(|attack| attack.name).collect();
                return Err(format!("{argument} is no attack: {}", names.join(", ")).into());
            }
        }
    }
    Ok(arguments)
}

/// Prints the table. Returns whether every row is good.
fn attack_all(arguments: &Arguments) -> Result<bool, AttackError> {
    let chosen = |attack: &&Attack| {
        arguments.only.is_empty() || arguments.only.iter().any(|name| name == attack.name)
    };
    println!(
        "{:16} {:>11} {:>7} {:>9} {:>9} {:>8}",
        "attack", "connections", "posts", "answered", "slowest", "memory"
    );
    let mut rows = Vec::new();
    for attack in ATTACKS.iter().filter(chosen) {
        let connections = files::affordable(attack.connections);
        let row = one(attack, connections, arguments)?;
        let Tally { posts, good, slowest } = row.tally;
        let memory = row.memory.map_or("?".to_owned(), |memory| format!("{memory} MiB"));
        println!(
            "{:16} {connections:>11} {posts:>7} {good:>9} {:>6} ms {memory:>8}{}",
            attack.name,
            slowest.as_millis(),
            if row.is_good() { "" } else { "  FAILED" }
        );
        rows.push(row);
    }
    let (posts, good) = rows
        .iter()
        .fold((0, 0), |(posts, good), row| (posts + row.tally.posts, good + row.tally.good));
    let slowest = rows.iter().map(|row| row.tally.slowest).max().unwrap_or_default();
    let memory = rows.iter().filter_map(|row| row.memory).max().unwrap_or_default();
    println!(
        "{} attacks: {good} of {posts} notifications were answered 200, the slowest after {} ms; the endpoint \
         took {memory} MiB at most",
        rows.len(),
        slowest.as_millis()
    );
    Ok(rows.iter().all(Row::is_good))
}

/// One attack on an endpoint of its own.
fn one(attack: &Attack, connections: usize, arguments: &Arguments) -> Result<Row, AttackError> {
    let endpoint = Endpoint::start(&arguments.program)?;
    let address = endpoint.address;
    // The legitimate sender has a thread of its own: the attackers' work does not count against it.
    let sender = std::thread::spawn({
        let time = arguments.time;
        move || sender::send(address, time)
    });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let _attackers = attacks::start(attack, connections, address);
        tokio::time::sleep(arguments.time).await;
    });
    // Those that are still open end with the runtime.
    drop(runtime);
    let tally = sender.join().map_err(|_| "the sender failed")??;
    Ok(Row { tally, memory: endpoint.memory() })
}
