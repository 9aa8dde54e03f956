//! Programs on one file are killed at any moment: nothing that was answered is lost, and nothing is half done.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test reports by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use lp_connector_core::bridge::store::{
    Answer, Cell, CellId, Holder, LaneId, LaneKind, Request, Store,
};
use lp_connector_core::id::AccountId;
use lp_connector_sqlite::{ClockReading, SqliteOptions};

/// Two programs are killed in each round.
const ROUNDS: u64 = 30;

/// What the programs said.
#[derive(Debug, Default)]
struct Told {
    appended: Vec<String>,
    /// The most entries of a lane that were moved.
    moved: BTreeMap<String, u64>,
}

impl Told {
    fn line(&mut self, line: &str) {
        match line.split(' ').collect::<Vec<_>>()[..] {
            ["a", entry] => self.appended.push(entry.into()),
            ["c", lane, count] => {
                let moved = self.moved.entry(lane.into()).or_default();
                *moved = count.parse::<u64>().unwrap().max(*moved);
            }
            // The last line of a program that was killed while it spoke.
            _ => {}
        }
    }
}

struct Program {
    child: Child,
    lines: BufReader<ChildStdout>,
}

impl Program {
    fn start(path: &Path, number: u64, clock: Duration) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_lp-connector-stores-mover"))
            .arg(path)
            .args([number.to_string(), clock.as_secs().to_string()])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        Self { child, lines }
    }

    fn listen(&mut self, lines: u64, told: &mut Told) {
        for _ in 0..lines {
            let mut line = String::new();
            assert!(self.lines.read_line(&mut line).unwrap() > 0, "the program ended by itself");
            told.line(line.trim_end());
        }
    }

    /// Kills it, and hears what it still said.
    fn kill(mut self, told: &mut Told) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        let mut line = String::new();
        while self.lines.read_line(&mut line).unwrap() > 0 {
            if let Some(line) = line.strip_suffix('\n') {
                told.line(line);
            }
            line.clear();
        }
    }
}

fn clock(round: u64) -> Duration {
    Duration::from_secs(1000 * (round + 1))
}

#[test]
fn programs_that_are_killed_lose_nothing_they_answered() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("bridge.db");
    let mut told = Told::default();
    for round in 0..ROUNDS {
        let mut first = Program::start(&path, 2 * round, clock(round));
        let mut second = Program::start(&path, 2 * round + 1, clock(round));
        // In another place of their work each time.
        first.listen(1 + (round * 7) % 40, &mut told);
        second.listen(1 + (round * 3) % 11, &mut told);
        first.kill(&mut told);
        second.listen((round * 5) % 30, &mut told);
        second.kill(&mut told);
        check(&path, &told, round);
    }
    let moved: u64 = told.moved.values().sum();
    assert!(told.appended.len() > 500 && moved > 50, "{} and {moved}", told.appended.len());
}

/// A lane, and what it holds: its entries, and how many were moved according to its record and to its cell.
type Content = (Vec<String>, u64, u64);

fn content(path: &Path, round: u64) -> BTreeMap<LaneId, Content> {
    let now = clock(round) + Duration::from_secs(950);
    let reading = ClockReading { boot: "test".into(), uptime: now, date: now };
    let store = SqliteOptions::default().clock(move || reading.clone()).open(path).unwrap();
    let number = |bytes: &[u8]| std::str::from_utf8(bytes).unwrap().parse::<u64>().unwrap();
    let mut found = BTreeMap::new();
    // A lane where entries arrive is idle, and not claimed: an entry makes it due.
    for key in 0..4 {
        let account = AccountId::new("91827364").unwrap();
        let lane = LaneId::new(account, LaneKind::Conversation, key.to_string());
        let body = b"last".to_vec();
        let last = lp_connector_core::bridge::store::Entry { lane, body };
        store.perform(Request::Append(vec![last])).unwrap();
    }
    let (lanes, entries) = (usize::MAX, usize::MAX);
    let term = Duration::ZERO;
    let claim = Request::Claim { holder: Holder(round.into()), lanes, entries, term, speaks: 1 };
    let Answer::Claimed(claimed) = store.perform(claim).unwrap() else { panic!() };
    for one in claimed {
        let key = one.lane.key().to_owned();
        let cell = CellId { account: one.lane.account().clone(), key };
        let Answer::Cells(cells) = store.perform(Request::Read(vec![cell])).unwrap() else {
            panic!()
        };
        let counted = cells[0].as_ref().map_or(0, |Cell { value, .. }| number(value));
        let recorded = one.record.as_ref().map_or(0, |record| number(&record.body));
        let bodies = one.entries.into_iter().map(|(_, body)| String::from_utf8(body).unwrap());
        let bodies = bodies.filter(|body| body != "last").collect();
        found.insert(one.lane, (bodies, recorded, counted));
    }
    found
}

fn check(path: &Path, told: &Told, round: u64) {
    let content = content(path, round);
    let mut stored = Vec::new();
    for key in 0..4 {
        let lane = |kind| LaneId::new(AccountId::new("91827364").unwrap(), kind, key.to_string());
        let Some((waiting, recorded, counted)) = content.get(&lane(LaneKind::Consumer)) else {
            // Nobody waits, so everything was moved, or nothing was appended.
            stored.extend(content[&lane(LaneKind::Conversation)].0.clone());
            continue;
        };
        let moved = &content[&lane(LaneKind::Conversation)].0;
        assert_eq!((*recorded, *counted), (moved.len() as u64, moved.len() as u64), "half done");
        let answered = told.moved.get(&key.to_string()).copied().unwrap_or(0);
        assert!(answered <= *recorded, "a commit that was answered is lost");
        stored.extend(moved.iter().chain(waiting).cloned());
    }
    let all: BTreeSet<&String> = stored.iter().collect();
    assert_eq!(all.len(), stored.len(), "an entry is there twice");
    for entry in &told.appended {
        assert!(all.contains(entry), "the entry {entry} was answered and is lost");
    }
    // Each thread asks for one at a time: no more than that was stored and not answered.
    assert!(stored.len() as u64 <= told.appended.len() as u64 + 8 * (round + 1));
}
