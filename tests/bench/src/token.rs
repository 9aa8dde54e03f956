//! The cost of a cached token, and of whole calls by threads that share a lock.

use std::sync::{Arc, Barrier, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use lp_connector_core::api::SendText;
use lp_connector_core::connector::{Call, Config, ConnectorState, Outcome, Step};
use lp_connector_core::seed::Seed;
use lp_connector_core::time::Now;

use crate::cases::cloud::{Connector, answer, text};
use crate::cases::{self, OURS, Once};
use crate::pure;
use crate::report::{LockContention, Rounds, Token};

const ROUNDS: usize = 9;

pub(crate) fn measure(quick: bool) -> Token {
    let round = Duration::from_millis(if quick { 5 } else { 60 });
    let mut with = prepared("a call that needs a token");
    let mut without = prepared("a call that needs no token");
    let alone = (0..ROUNDS).map(|_| {
        pure::nanoseconds_per_run(&mut with, round) - pure::nanoseconds_per_run(&mut without, round)
    });
    let alone_ns = Rounds::of(alone.collect());
    let lock = Mutex::new(0_u64);
    let mut lock_once: Once = Box::new(move || {
        *std::hint::black_box(&lock).lock().unwrap_or_else(PoisonError::into_inner) += 1;
    });
    let lock_ns = (0..ROUNDS).map(|_| pure::nanoseconds_per_run(&mut lock_once, round));
    let lock_ns = Rounds::of(lock_ns.collect());
    let under_lock = [1, 2, 8]
        .into_iter()
        .map(|threads| {
            let (mut together, mut apart) = (Vec::new(), Vec::new());
            for _ in 0..ROUNDS {
                together.push(calls(threads, true, round));
                apart.push(calls(threads, false, round));
            }
            LockContention {
                threads,
                ns_per_call: Rounds::of(together),
                ns_per_call_apart: Rounds::of(apart),
            }
        })
        .collect();
    Token { alone_ns, lock_ns, under_lock }
}

fn prepared(group: &str) -> Once {
    let all = cases::all();
    let case = all.iter().find(|case| case.group == group && case.name == OURS);
    case.map_or_else(|| Box::new(|| {}) as Once, |case| (case.prepare)())
}

/// The nanoseconds of a call on one of several threads, with one lock for all or one for each. As in the
/// adapters, a lock is held for a step and not for a whole call.
fn calls(threads: usize, shared: bool, round: Duration) -> f64 {
    let warm = || {
        let Connector { state, now, .. } = Connector::warm(1);
        (state.config().clone(), Mutex::new(state), now)
    };
    let one = Arc::new(warm());
    let begin = Barrier::new(threads);
    let cores = thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let times: Vec<f64> = thread::scope(|scope| {
        let running: Vec<_> = (0..threads)
            .map(|thread| {
                let connector = if shared { one.clone() } else { Arc::new(warm()) };
                let begin = &begin;
                scope.spawn(move || {
                    let operation = text(0);
                    let mut seed = Seed::from_bytes([thread as u8; 16]);
                    begin.wait();
                    let (began, mut done) = (Instant::now(), 0_u32);
                    while began.elapsed() < round {
                        for _ in 0..16 {
                            seed = seed.derive(1);
                            call(&connector, operation.clone(), seed);
                        }
                        done += 16;
                    }
                    began.elapsed().as_secs_f64() * 1e9 / f64::from(done)
                })
            })
            .collect();
        running.into_iter().filter_map(|thread| thread.join().ok()).collect()
    });
    let together: f64 = times.iter().map(|time| 1.0 / time).sum();
    threads.min(cores) as f64 / together
}

fn call(
    (config, state, now): &(Arc<Config>, Mutex<ConnectorState>, Now),
    operation: SendText,
    seed: Seed,
) {
    let lock = || state.lock().unwrap_or_else(PoisonError::into_inner);
    let mut call = Call::new(operation, config, seed, *now);
    let mut step = call.poll(&mut lock(), *now);
    loop {
        while let Some(event) = call.next_event() {
            config.emit(&event);
        }
        step = match step {
            Step::Send(attempt) => {
                let number = attempt.number();
                let outcome = Outcome::Response(answer(&attempt.into_request()));
                let mut state = lock();
                let _ = call.handle(&mut state, *now, number, outcome);
                call.poll(&mut state, *now)
            }
            Step::Wait(_) => call.poll(&mut lock(), *now),
            Step::Done(result) => {
                std::hint::black_box(result.is_ok());
                return;
            }
        }
    }
}
