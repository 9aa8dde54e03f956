//! Threads for work that blocks.

use std::collections::VecDeque;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// How long a thread without work stays.
const IDLE: Duration = Duration::from_secs(10);

type Job = Box<dyn FnOnce() + Send>;

/// Threads of one gateway. The runtime's own are shared: a gateway that answers slowly would take all of them.
pub(super) struct Threads {
    shared: Arc<Shared>,
    most: usize,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    wake: Condvar,
}

#[derive(Default)]
struct State {
    jobs: VecDeque<Job>,
    threads: usize,
    idle: usize,
    is_closed: bool,
}

impl Threads {
    /// At most so many threads, which begin when they are needed.
    pub(super) fn new(most: usize) -> Self {
        Self { shared: Arc::default(), most }
    }

    /// Runs this on one of the threads, once one is free. If there is none, and none can begin, it is dropped.
    pub(super) fn run(&self, job: impl FnOnce() + Send + 'static) {
        let mut state = self.shared.state();
        state.jobs.push_back(Box::new(job));
        if state.idle >= state.jobs.len() || state.threads >= self.most {
            drop(state);
            self.shared.wake.notify_one();
            return;
        }
        let shared = self.shared.clone();
        let began = thread::Builder::new().name("post".to_owned()).spawn(move || shared.work());
        state.tried(began.is_ok());
    }
}

impl State {
    /// Takes whether a thread began for the newest job.
    fn tried(&mut self, has_begun: bool) {
        match has_begun {
            true => self.threads += 1,
            // Nobody would ever take it.
            false if self.threads == 0 => drop(self.jobs.pop_back()),
            // The others take it in their turn.
            false => {}
        }
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn work(&self) {
        while let Some(job) = self.next() {
            // Whoever waits for it learns that by the end of its channel.
            let _ = catch_unwind(AssertUnwindSafe(job));
        }
    }

    /// The next job. `None`: this thread is not needed any more.
    fn next(&self) -> Option<Job> {
        let mut state = self.state();
        loop {
            if let Some(job) = state.jobs.pop_front() {
                return Some(job);
            }
            let mut is_over = state.is_closed;
            if !is_over {
                state.idle += 1;
                let waited = self.wake.wait_timeout(state, IDLE);
                let (again, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
                state = again;
                state.idle -= 1;
                is_over = timeout.timed_out() && state.jobs.is_empty();
            }
            if is_over {
                state.threads -= 1;
                return None;
            }
        }
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        self.shared.state().is_closed = true;
        self.shared.wake.notify_all();
    }
}

impl fmt::Debug for Threads {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Threads").field("most", &self.most).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn no_more_than_so_many_run_at_a_time() {
        let threads = Threads::new(2);
        let (began, begins) = mpsc::channel();
        let gate = Arc::new(Mutex::new(()));
        let closed = gate.lock().unwrap();
        for number in 0..4 {
            let (began, gate) = (began.clone(), gate.clone());
            threads.run(move || {
                began.send(number).unwrap();
                drop(gate.lock());
            });
        }
        assert_eq!([begins.recv(), begins.recv()].iter().filter(|one| one.is_ok()).count(), 2);
        assert_eq!(threads.shared.state().jobs.len(), 2, "the others wait");
        assert_eq!(threads.shared.state().threads, 2);
        drop(closed);
        assert_eq!([begins.recv(), begins.recv()].iter().filter(|one| one.is_ok()).count(), 2);
    }

    #[test]
    fn a_thread_outlives_a_panic() {
        let threads = Threads::new(1);
        let (sender, receiver) = mpsc::channel();
        threads.run(|| panic!("on purpose"));
        threads.run(move || sender.send(()).unwrap());
        assert_eq!(receiver.recv(), Ok(()));
        assert_eq!(threads.shared.state().threads, 1);
    }

    #[test]
    fn a_thread_that_works_is_not_idle() {
        let threads = Threads::new(2);
        threads.run(|| {});
        while threads.shared.state().idle == 0 {
            thread::yield_now();
        }
        let (began, begins) = mpsc::channel();
        let gate = Arc::new(Mutex::new(()));
        let closed = gate.lock().unwrap();
        let shut = gate.clone();
        threads.run(move || {
            began.send(()).unwrap();
            drop(shut.lock());
        });
        begins.recv().unwrap();
        assert_eq!(threads.shared.state().idle, 0);
        // So another one begins for the next job.
        threads.run(|| {});
        assert_eq!(threads.shared.state().threads, 2);
        drop(closed);
    }

    #[test]
    fn a_thread_that_is_woken_for_nothing_waits_on() {
        let threads = Threads::new(1);
        threads.run(|| {});
        while threads.shared.state().idle == 0 {
            thread::yield_now();
        }
        for _ in 0..1000 {
            threads.shared.wake.notify_all();
            thread::yield_now();
            assert_eq!(threads.shared.state().threads, 1);
        }
    }

    #[test]
    fn a_job_is_dropped_if_no_thread_can_take_it() {
        for (threads, left) in [(0, 0), (1, 1)] {
            let mut state = State { threads, ..State::default() };
            state.jobs.push_back(Box::new(|| {}));
            state.tried(false);
            assert_eq!((state.threads, state.jobs.len()), (threads, left));
        }
    }

    #[test]
    fn threads_end_once_their_gateway_is_gone() {
        let threads = Threads::new(3);
        let shared = threads.shared.clone();
        // As if this thread were one of them.
        shared.state().threads = 3;
        drop(threads);
        assert!(shared.state().is_closed);
        assert!(shared.next().is_none());
        assert_eq!(shared.state().threads, 2);
    }
}
