//! What goes wrong during a run: programs are killed and frozen, the server is stopped, killed and replaced.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use lp_connector_sandbox::Random;
use lp_connector_stores::Stop;

use crate::ChaosError;
use crate::books::Books;
use crate::engine::Engine;
use crate::fleet::Fleet;
use crate::outage::Outage;
use crate::program::Program;

/// How long the server is away the first time that it is stopped.
const LONG_STOP: Duration = Duration::from_secs(10);

/// How long the standby acknowledges nothing before the primary is killed, and how long there is no server after that.
const DEAF: Duration = Duration::from_secs(8);
const WITHOUT: Duration = Duration::from_secs(2);

/// What all kinds of trouble need to know.
#[derive(Clone, Debug)]
pub(crate) struct Trouble {
    pub(crate) fleet: Arc<Fleet>,
    pub(crate) engine: Arc<Engine>,
    pub(crate) outage: Arc<Outage>,
    pub(crate) books: Arc<Books>,
    /// Accepted messages after which the server is in trouble.
    pub(crate) after: usize,
    pub(crate) ends: Arc<AtomicBool>,
    pub(crate) counts: Arc<Counts>,
}

#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) kills: AtomicU64,
    pub(crate) freezes: AtomicU64,
    pub(crate) stops: AtomicU64,
    pub(crate) failovers: AtomicU64,
}

/// A thread that makes trouble until the run ends.
pub(crate) type Troubled = JoinHandle<Result<(), ChaosError>>;

impl Trouble {
    fn start(
        &self,
        run: impl FnOnce(&Self) -> Result<(), ChaosError> + Send + 'static,
    ) -> Troubled {
        let own = self.clone();
        std::thread::spawn(move || run(&own))
    }

    fn is_over(&self) -> bool {
        self.ends.load(Ordering::Relaxed)
    }

    /// Sleeps for so long, unless the run ends.
    fn sleep(&self, time: Duration) {
        let start = Instant::now();
        while !self.is_over() && start.elapsed() < time {
            std::thread::sleep(Duration::from_millis(20).min(time));
        }
    }

    /// Waits until the run is in its middle.
    pub(crate) fn wait_for_load(&self) {
        while !self.is_over() && self.books.lock().accepted() < self.after {
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Kills an instance each time, and starts another one. The gateway dies too, now and then.
    pub(crate) fn kill(&self, every: Duration, program: Option<Arc<Program>>) -> Troubled {
        self.start(move |own| {
            let mut random = Random::new(1);
            while !own.is_over() {
                std::thread::sleep(every);
                own.fleet.kill(&mut random)?;
                let number = own.counts.kills.fetch_add(1, Ordering::Relaxed);
                if let Some(program) = program.as_ref().filter(|_| number % 5 == 4) {
                    program.start_gateway(&own.books)?;
                }
            }
            Ok(())
        })
    }

    /// Freezes an instance that has a commit in hand, again and again.
    pub(crate) fn freeze(&self, time: Duration) -> Troubled {
        self.start(move |own| {
            let mut random = Random::new(2);
            while !own.is_over() {
                own.sleep(Duration::from_secs(1));
                if own.fleet.freeze(&mut random, || own.sleep(time))? {
                    own.counts.freezes.fetch_add(1, Ordering::Relaxed);
                }
            }
            Ok(())
        })
    }

    /// Stops the server once under load, for so long.
    pub(crate) fn stop_engine(&self, time: Duration) -> Troubled {
        self.start(move |own| {
            own.wait_for_load();
            own.stop_once(Stop::Fast, time)
        })
    }

    /// Stops the server each time, in one way and the other.
    pub(crate) fn restart_engine(&self, every: Duration) -> Troubled {
        self.start(move |own| {
            own.wait_for_load();
            let mut time = LONG_STOP;
            for how in [Stop::Fast, Stop::Immediate].into_iter().cycle() {
                if own.is_over() {
                    break;
                }
                own.stop_once(how, time)?;
                own.sleep(every);
                time = Duration::from_millis(500);
            }
            Ok(())
        })
    }

    fn stop_once(&self, how: Stop, time: Duration) -> Result<(), ChaosError> {
        self.engine.stop(how)?;
        self.outage.last(time);
        self.engine.start()?;
        self.counts.stops.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    /// Makes the standby deaf for a while, then kills the primary and promotes the standby.
    pub(crate) fn fail_over(&self) -> Troubled {
        self.start(move |own| {
            let Engine::Pair(primary, standby) = &*own.engine else {
                return Err("there is no standby".into());
            };
            own.wait_for_load();
            standby.deafen(|| own.outage.last(DEAF))?;
            let accepted = own.books.lock().accepted();
            while !own.is_over() && own.books.lock().accepted() < accepted + own.after {
                std::thread::sleep(Duration::from_millis(1));
            }
            primary.stop(Stop::Kill)?;
            own.outage.last(WITHOUT);
            let (before, start) = (own.books.lock().accepted(), Instant::now());
            standby.promote()?;
            let promoted = start.elapsed();
            while !own.is_over() && own.books.lock().accepted() == before {
                std::thread::sleep(Duration::from_millis(1));
            }
            own.counts.failovers.fetch_add(1, Ordering::Relaxed);
            println!(
                "the primary was killed after {before} messages; the standby was promoted in {:.1} s, and the next \
                 message accepted {:.1} s after that was asked",
                promoted.as_secs_f64(),
                start.elapsed().as_secs_f64(),
            );
            Ok(())
        })
    }
}
