//! One run, from the first message to the comparison.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use lp_connector_sandbox::{Fault, Server, ServerConfig, Webhooks};

use crate::agents::CloudBook;
use crate::arguments::Arguments;
use crate::books::{Books, Told, Verdict};
use crate::engine::Engine;
use crate::fleet::Fleet;
use crate::outage::{Outage, OutageKind};
use crate::program::Program;
use crate::trouble::Trouble;
use crate::{ChaosError, agents, balancer, channel, outage, senders};

/// How often it is looked whether everything is over.
const LOOK: Duration = Duration::from_millis(200);

/// After this long without a delivery nothing more is expected: notifications are not delayed by more.
const QUIET: Duration = Duration::from_secs(10);

/// Runs, prints what happened, and returns whether the books agree.
pub(crate) fn run(arguments: &Arguments) -> Result<bool, ChaosError> {
    let directory = tempfile::tempdir()?;
    if let Some((OutageKind::Full, _)) = arguments.outage
        && arguments.directory.is_none()
    {
        return Ok(outage::on_a_small_disk(directory.path())?.unwrap_or_else(|| {
            println!("skipped: this machine lets nobody mount a small disk");
            true
        }));
    }
    let store = match &arguments.directory {
        Some(own) => own.join("bridge.db"),
        None => directory.path().join("bridge.db"),
    };
    let cloud = Arc::new(Server::start(ServerConfig::new())?);
    let books = Arc::new(Books::default());
    let channel = channel::serve(&books)?;
    let (listener, webhook) = balancer::listen()?;
    cloud.with(|sandbox| {
        sandbox.set_webhooks(Webhooks::all_at(webhook).retention(Duration::from_secs(3600)));
        for fault in &arguments.faults {
            sandbox.fault(fault.clone());
        }
    });
    let program = match &arguments.program {
        Some(binary) if has_python() => {
            let program = Arc::new(Program::new(binary, &arguments.gateway, &store)?);
            program.start_gateway(&books)?;
            Some(program)
        }
        Some(_) => {
            println!("skipped: there is no python3 here");
            return Ok(true);
        }
        None => None,
    };
    let Some(engine) = Engine::open(arguments, store.clone())? else { return Ok(true) };
    let engine = Arc::new(engine);
    let beside = arguments.beside.clone();
    let fleet = Arc::new(Fleet::new(&engine, &cloud, &channel, program.clone(), beside));
    for _ in 0..arguments.instances {
        fleet.add()?;
    }
    let outage = Arc::new(Outage::default());
    balancer::serve(listener, &fleet, &books, &outage);

    let start = Instant::now();
    let (gives_up, ends) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    let trouble = Trouble {
        fleet: fleet.clone(),
        engine: engine.clone(),
        outage: outage.clone(),
        books: books.clone(),
        after: arguments.messages / 4,
        ends: ends.clone(),
        counts: Arc::default(),
    };
    let mut troubled = Vec::new();
    if let Some(every) = arguments.kill_every {
        troubled.push(trouble.kill(every, program.clone()));
    }
    if let Some(time) = arguments.freeze {
        troubled.push(trouble.freeze(time));
    }
    match arguments.outage {
        Some((OutageKind::Stopped, time)) => troubled.push(trouble.stop_engine(time)),
        _ if arguments.failover => troubled.push(trouble.fail_over()),
        _ => troubled.extend(arguments.engine_restart.map(|every| trouble.restart_engine(every))),
    }
    let cloud_book = Arc::new(CloudBook::default());
    let talk = agents::start(&cloud, &cloud_book, &books, &fleet, &ends);
    let entrance = program.as_ref().map(|program| program.entrance());
    let senders = senders::start(arguments, &fleet, &books, &outage, &gives_up, entrance);
    if let Some((kind, time)) = arguments.outage.filter(|(kind, _)| *kind != OutageKind::Stopped) {
        trouble.wait_for_load();
        outage.happen(kind, &store, time)?;
    }
    while !senders.iter().all(std::thread::JoinHandle::is_finished) {
        if start.elapsed() > arguments.limit {
            gives_up.store(true, Ordering::Relaxed);
        }
        std::thread::sleep(LOOK);
    }
    let accepted_after = start.elapsed();
    // The agents go on until nothing is open: what they say proves what did not arrive.
    while start.elapsed() < arguments.limit && !all_told(&books) {
        std::thread::sleep(LOOK);
        if let Some(program) = &program {
            program.ask(&books);
        }
    }
    ends.store(true, Ordering::Relaxed);
    for thread in troubled {
        thread.join().map_err(|_| "the trouble ended with a panic")??;
    }
    talk.join().map_err(|_| "the agents ended with a panic")?;
    // They say nothing more.
    cloud.with(|sandbox| cloud_book.read(sandbox));
    wait_for_deliveries(arguments, start, &cloud_book, &books);
    cloud.with(|sandbox| cloud_book.read(sandbox));

    let verdict = cloud_book.with(|cloud| Verdict::of(&books.lock(), cloud));
    print(&verdict, &books, &trouble, accepted_after, start.elapsed());
    fleet.stop();
    let settled = print_log(&trouble, arguments, verdict.reported);
    let mut is_good = verdict.is_good();
    // An echo that is never posted settles nothing.
    is_good &= settled || loses_notifications(arguments);
    is_good &= is_proof(&trouble, arguments);
    let has_stops = arguments.failover || arguments.engine_restart.is_some();
    let kind = arguments.outage.map(|(kind, _)| kind);
    if let Some(kind) = kind.or(has_stops.then_some(OutageKind::Stopped)) {
        println!(
            "while the store was out of order: {} taken, {} answered 503, {} without an answer, {} other answers",
            outage.successes.load(Ordering::SeqCst),
            outage.unavailable.load(Ordering::SeqCst),
            outage.silent.load(Ordering::SeqCst),
            outage.others.load(Ordering::SeqCst),
        );
        is_good &= outage.is_good(kind);
    }
    // A run in which little happened proves nothing.
    Ok(is_good && verdict.accepted == arguments.messages)
}

/// True if what was asked for happened: a run without it proves nothing.
fn is_proof(trouble: &Trouble, arguments: &Arguments) -> bool {
    let (log, counts) = (trouble.fleet.log(), &trouble.counts);
    let mut happened = true;
    let mut needs = |is_asked: bool, count: &AtomicU64, what: &str| {
        if is_asked && count.load(Ordering::Relaxed) == 0 {
            println!("failed: {what}: the run proves nothing");
            happened = false;
        }
    };
    let is_own = arguments.program.is_none();
    needs(arguments.freeze.is_some() && is_own, &log.taken_over, "no lane was taken over");
    needs(arguments.freeze.is_some() && is_own, &log.fenced, "no commit was refused by a fence");
    needs(arguments.engine_restart.is_some(), &counts.stops, "the server was never stopped");
    needs(arguments.failover, &counts.failovers, "the standby was never used");
    for started in trouble.fleet.started() {
        needs(arguments.beside.is_some(), started, "one of the versions never started");
    }
    happened
}

fn has_python() -> bool {
    let mut python = std::process::Command::new("python3");
    python.arg("--version").output().is_ok_and(|output| output.status.success())
}

fn all_told(books: &Books) -> bool {
    let book = books.lock();
    book.accepted.values().flatten().all(|id| book.told.contains_key(id))
}

fn loses_notifications(arguments: &Arguments) -> bool {
    let loses = |fault: &Fault| {
        let fault = fault.to_string();
        fault.starts_with("webhook") && fault.ends_with("=drop")
    };
    arguments.faults.iter().any(loses)
}

/// Waits until the channel has what the agents said. Where the cloud loses notifications on purpose, it waits until
/// what was acknowledged is there and nothing more comes.
fn wait_for_deliveries(arguments: &Arguments, start: Instant, cloud: &CloudBook, books: &Books) {
    let some_are_lost = loses_notifications(arguments);
    let (mut before, mut changed) = (0, Instant::now());
    while start.elapsed() < arguments.limit && !all_delivered(cloud, books) {
        let delivered = books.lock().delivered();
        if delivered != before {
            (before, changed) = (delivered, Instant::now());
        }
        if some_are_lost && changed.elapsed() > QUIET && books.lock().has_all_acknowledged() {
            return;
        }
        std::thread::sleep(LOOK);
    }
}

fn all_delivered(cloud: &CloudBook, books: &Books) -> bool {
    let said: usize = cloud.with(|cloud| cloud.agents.values().map(Vec::len).sum());
    books.lock().delivered() >= said
}

/// What share of the unconfirmed must be settled where many were, in percent.
const SETTLED: usize = 99;

/// Prints what the instances said, and returns whether enough of the unconfirmed messages were settled.
fn print_log(trouble: &Trouble, arguments: &Arguments, reported: usize) -> bool {
    let (log, books) = (trouble.fleet.log(), &trouble.books);
    let messages = log.unconfirmed.lock().unwrap_or_else(PoisonError::into_inner);
    let book = books.lock();
    let is_reported = |id: &&String| book.told.get(*id) == Some(&Told::Unconfirmed);
    let unsettled = messages.iter().filter(is_reported).count();
    // A message that was reported by an instance in the moment of its death is in the books alone.
    let (all, unsettled) = (messages.len().max(reported), unsettled.max(reported));
    println!(
        "unconfirmed {all}, of which settled {}; lanes taken over {}, commits refused by a fence {}, lanes given up {}",
        all - unsettled,
        log.taken_over.load(Ordering::Relaxed),
        log.fenced.load(Ordering::Relaxed),
        log.lost.load(Ordering::Relaxed),
    );
    if arguments.beside.is_some() {
        let [this, other] = trouble.fleet.started();
        let (this, other) = (this.load(Ordering::Relaxed), other.load(Ordering::Relaxed));
        println!("processes of the other version that started {other}, of this one {this}");
    }
    all < 100 || (all - unsettled) * 100 >= all * SETTLED
}

fn print(verdict: &Verdict, books: &Books, trouble: &Trouble, accepted: Duration, all: Duration) {
    let book = books.lock();
    let count = |count: &AtomicU64| count.load(Ordering::Relaxed);
    let counts = &trouble.counts;
    let Verdict { confirmed, refused, reported, reported_but_sent, .. } = verdict;
    println!(
        "accepted {} in {:.1} s = confirmed {confirmed} + refused {refused} + reported {reported} \
         (of which {reported_but_sent} arrived)",
        verdict.accepted,
        accepted.as_secs_f64(),
    );
    println!(
        "said by agents {}, in no acknowledged notification {}, delivered {} and repeated {} times, {} said to be \
         late or after a gap",
        verdict.said_by_agents,
        verdict.never_posted,
        verdict.delivered,
        book.repeats,
        book.out_of_order
    );
    println!(
        "kills {}, freezes {}, stops of the server {}, answers 503 {}; lost {}; doubled {}; out of order {}; {:.1} s in all",
        count(&counts.kills),
        count(&counts.freezes),
        count(&counts.stops),
        count(&trouble.outage.all_unavailable),
        verdict.lost,
        verdict.doubled,
        verdict.out_of_order,
        all.as_secs_f64()
    );
}
