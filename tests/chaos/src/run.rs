//! One run, from the first message to the comparison.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use lp_connector_sandbox::{Random, Server, ServerConfig, Webhooks};

use crate::arguments::Arguments;
use crate::books::{Books, Verdict};
use crate::fleet::Fleet;
use crate::{ChaosError, agents, balancer, channel, senders};

/// How often it is looked whether everything is over.
const LOOK: Duration = Duration::from_millis(200);

/// Runs, prints what happened, and returns whether the books agree.
pub(crate) fn run(arguments: &Arguments) -> Result<bool, ChaosError> {
    let directory = tempfile::tempdir()?;
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
    let fleet = Arc::new(Fleet::start(arguments.instances, &store, &cloud, &channel)?);
    balancer::serve(listener, &fleet);

    let start = Instant::now();
    let (gives_up, ends) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    let kills = Arc::new(AtomicU64::new(0));
    let mut trouble = Vec::new();
    if let Some(every) = arguments.kill_every {
        trouble.push(kill(&fleet, every, &kills, &ends));
    }
    if let Some(time) = arguments.freeze {
        trouble.push(freeze(&fleet, time, &ends));
    }
    let talk = agents::start(&cloud, &ends);
    let senders =
        senders::start(arguments.messages, arguments.consumers, &fleet, &books, &gives_up);
    while !senders.iter().all(std::thread::JoinHandle::is_finished) {
        if start.elapsed() > arguments.limit {
            gives_up.store(true, Ordering::Relaxed);
        }
        std::thread::sleep(LOOK);
    }
    let accepted_after = start.elapsed();
    ends.store(true, Ordering::Relaxed);
    for thread in trouble {
        thread.join().map_err(|_| "the trouble ended with a panic")??;
    }
    // The agents go on until nothing is open: what they say proves what did not arrive.
    let settled = Arc::new(AtomicBool::new(false));
    talk.join().map_err(|_| "the agents ended with a panic")?;
    let talk = agents::start(&cloud, &settled);
    while start.elapsed() < arguments.limit && !all_told(&books) {
        std::thread::sleep(LOOK);
    }
    settled.store(true, Ordering::Relaxed);
    talk.join().map_err(|_| "the agents ended with a panic")?;
    while start.elapsed() < arguments.limit && !all_delivered(&cloud, &books) {
        std::thread::sleep(LOOK);
    }

    let reordered = arguments.faults.iter().any(|fault| fault.to_string().contains("reorder"));
    let verdict =
        Verdict::of(&books.lock(), &cloud.with(|sandbox| agents::book(sandbox)), reordered);
    print(&verdict, &books, kills.load(Ordering::Relaxed), accepted_after, start.elapsed());
    fleet.stop();
    // A run in which little happened proves nothing.
    Ok(verdict.is_good() && verdict.accepted == arguments.messages)
}

fn all_told(books: &Books) -> bool {
    let book = books.lock();
    book.accepted.values().flatten().all(|id| book.told.contains_key(id))
}

fn all_delivered(cloud: &Server, books: &Books) -> bool {
    let said: usize =
        cloud.with(|sandbox| agents::book(sandbox)).agents.values().map(Vec::len).sum();
    books.lock().delivered() >= said
}

type Trouble = std::thread::JoinHandle<Result<(), ChaosError>>;

fn kill(
    fleet: &Arc<Fleet>,
    every: Duration,
    kills: &Arc<AtomicU64>,
    ends: &Arc<AtomicBool>,
) -> Trouble {
    let (fleet, kills, ends) = (fleet.clone(), kills.clone(), ends.clone());
    std::thread::spawn(move || {
        let mut random = Random::new(1);
        while !ends.load(Ordering::Relaxed) {
            std::thread::sleep(every);
            fleet.kill(&mut random)?;
            kills.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    })
}

fn freeze(fleet: &Arc<Fleet>, time: Duration, ends: &Arc<AtomicBool>) -> Trouble {
    let (fleet, ends) = (fleet.clone(), ends.clone());
    std::thread::spawn(move || {
        let mut random = Random::new(2);
        while !ends.load(Ordering::Relaxed) {
            std::thread::sleep(Duration::from_secs(1));
            fleet.freeze(&mut random, time)?;
        }
        Ok(())
    })
}

fn print(verdict: &Verdict, books: &Books, kills: u64, accepted: Duration, all: Duration) {
    let book = books.lock();
    let Verdict { confirmed, refused, reported, reported_but_sent, .. } = verdict;
    println!(
        "accepted {} in {:.1} s = confirmed {confirmed} + refused {refused} + reported {reported} \
         (of which {reported_but_sent} arrived)",
        verdict.accepted,
        accepted.as_secs_f64(),
    );
    println!(
        "said by agents {}, delivered {} and repeated {} times, {} said to be late or after a gap",
        verdict.said_by_agents, verdict.delivered, book.repeats, book.out_of_order
    );
    println!(
        "kills {kills}; lost {}; doubled {}; out of order {}; {:.1} s in all",
        verdict.lost,
        verdict.doubled,
        verdict.out_of_order,
        all.as_secs_f64()
    );
}
