//! What the sessions of PostgreSQL wait for while a bridge is measured.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use lp_connector_stores::PostgresServer;

use super::place::Place;
use crate::BenchError;
use crate::quiet::machine_time;
use crate::report::Wait;

/// Between two samples: twenty a second take some thousandths of a core.
const PAUSE: Duration = Duration::from_millis(50);

/// How many kinds of waits are listed.
const MOST: usize = 4;

/// Samples the sessions until it ends.
pub(crate) struct Sampling {
    stop: Arc<AtomicBool>,
    sampler: Option<JoinHandle<Samples>>,
    began: Instant,
    processors: Option<f64>,
}

impl Drop for Sampling {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
    }
}

/// How often a session at work was seen, by what it waited for.
#[derive(Default)]
struct Samples {
    taken: u32,
    seen: BTreeMap<String, u32>,
}

/// What was sampled.
pub(crate) struct Sampled {
    /// Of all processors' time, how much was used.
    pub(crate) busy: Option<f64>,
    /// Sessions at work at a time.
    pub(crate) at_work: Option<f64>,
    pub(crate) waits: Vec<Wait>,
}

impl Sampling {
    pub(crate) fn begin(place: &Place) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let sampler = place.server().map(|server| {
            let (session, stop) = (server.session(), stop.clone());
            thread::spawn(move || {
                let mut samples = Samples::default();
                while !stop.load(Ordering::SeqCst) {
                    samples.add(PostgresServer::waits(&session));
                    thread::sleep(PAUSE);
                }
                samples
            })
        });
        Self { stop, sampler, began: Instant::now(), processors: machine_time() }
    }

    pub(crate) fn end(mut self) -> Result<Sampled, BenchError> {
        let time = self.began.elapsed().as_secs_f64();
        let cores = thread::available_parallelism().map_or(1, std::num::NonZero::get) as f64;
        let busy = self
            .processors
            .zip(machine_time())
            .map(|(before, after)| (after - before) / time / cores);
        self.stop.store(true, Ordering::SeqCst);
        let samples = match self.sampler.take().map(JoinHandle::join) {
            Some(Ok(samples)) => samples,
            Some(Err(_)) => return Err("the sampler of PostgreSQL's sessions has panicked".into()),
            None => Samples::default(),
        };
        Ok(Sampled { busy, at_work: samples.at_work(), waits: samples.shares() })
    }
}

impl Samples {
    fn add(&mut self, waits: Vec<String>) {
        self.taken += 1;
        for wait in waits {
            *self.seen.entry(wait).or_default() += 1;
        }
    }

    fn total(&self) -> f64 {
        self.seen.values().copied().map(f64::from).sum()
    }

    fn at_work(&self) -> Option<f64> {
        (self.taken > 0).then(|| self.total() / f64::from(self.taken))
    }

    /// The most frequent first.
    fn shares(&self) -> Vec<Wait> {
        let share = |(name, seen): (&String, &u32)| Wait {
            name: name.clone(),
            share: f64::from(*seen) / self.total(),
        };
        let mut all: Vec<Wait> = self.seen.iter().map(share).collect();
        all.sort_by(|a, b| b.share.total_cmp(&a.share));
        all.truncate(MOST);
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sessions_are_counted_by_what_they_wait_for() {
        let mut samples = Samples::default();
        assert!(samples.at_work().is_none() && samples.shares().is_empty());
        samples.add(vec!["WALSync".into(), "running".into(), "WALSync".into()]);
        samples.add(vec!["WALSync".into()]);
        samples.add(vec![]);
        samples.add(["a", "b", "c", "running"].map(String::from).to_vec());
        assert_eq!(samples.at_work(), Some(2.0));
        let shares = samples.shares();
        let first: Vec<_> = shares.iter().take(2).map(|wait| (&*wait.name, wait.share)).collect();
        assert_eq!(first, [("WALSync", 0.375), ("running", 0.25)]);
        assert_eq!(shares.len(), MOST);
    }
}
