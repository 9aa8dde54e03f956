//! Threads that run jobs: as many as are needed at a time.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::{io, thread};

type Job = Box<dyn FnOnce() + Send>;

/// Threads that end with the pool, each after its job. The caller bounds the jobs, and so the threads.
#[derive(Debug)]
pub(crate) struct Pool {
    name: &'static str,
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    jobs: VecDeque<Job>,
    idle: usize,
    is_over: bool,
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("State").field("jobs", &self.jobs.len()).finish_non_exhaustive()
    }
}

impl Pool {
    /// `name` is that of its threads.
    pub(crate) fn new(name: &'static str) -> Self {
        let state = State { jobs: VecDeque::new(), idle: 0, is_over: false };
        let inner = Inner { state: Mutex::new(state), changed: Condvar::new() };
        Self { name, inner: Arc::new(inner) }
    }

    /// Runs a job on an idle thread, or on a new one. If there is no new one to be had, the job waits for one that
    /// is busy.
    pub(crate) fn run(&self, job: impl FnOnce() + Send + 'static) {
        let mut state = self.inner.lock();
        state.jobs.push_back(Box::new(job));
        if state.idle >= state.jobs.len() {
            self.inner.changed.notify_one();
            return;
        }
        drop(state);
        if let Err(error) = self.start_thread() {
            tracing::error!(event = "no_thread", cause = %error);
        }
    }

    fn start_thread(&self) -> io::Result<()> {
        let inner = self.inner.clone();
        let named = thread::Builder::new().name(self.name.to_owned());
        named.spawn(move || inner.work()).map(drop)
    }
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn work(&self) {
        let mut state = self.lock();
        while !state.is_over {
            if let Some(job) = state.jobs.pop_front() {
                drop(state);
                job();
                state = self.lock();
            } else {
                state.idle += 1;
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
                state.idle -= 1;
            }
        }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        let mut state = self.inner.lock();
        state.is_over = true;
        state.jobs.clear();
        drop(state);
        self.inner.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    /// Returns when a thread waits for a job. One that is woken without a job waits again.
    fn wait_for_idle(pool: &Pool) {
        while pool.inner.lock().idle == 0 {
            assert!(Arc::strong_count(&pool.inner) > 1, "the thread has ended");
            pool.inner.changed.notify_all();
            thread::yield_now();
        }
    }

    #[test]
    fn a_job_has_the_idle_thread_and_the_next_a_new_one() {
        let pool = Pool::new("bridge-test");
        let (sender, receiver) = mpsc::channel();
        let (one, two, three) = (sender.clone(), sender.clone(), sender);
        pool.run(move || one.send(thread::current().id()).unwrap());
        let first = receiver.recv().unwrap();
        wait_for_idle(&pool);
        let (busy, is_free) = mpsc::channel::<()>();
        pool.run(move || {
            two.send(thread::current().id()).unwrap();
            is_free.recv().unwrap_err();
        });
        assert_eq!(receiver.recv().unwrap(), first);
        assert_eq!(pool.inner.lock().idle, 0);
        pool.run(move || three.send(thread::current().id()).unwrap());
        assert_ne!(receiver.recv().unwrap(), first, "it waits for no job that is under way");
        drop(busy);
    }

    #[test]
    fn an_idle_thread_ends_with_the_pool() {
        let pool = Pool::new("bridge-test");
        let inner = pool.inner.clone();
        let worker = thread::spawn(move || inner.work());
        wait_for_idle(&pool);
        let inner = pool.inner.clone();
        drop(pool);
        assert!(inner.lock().is_over, "the thread would wait for ever");
        worker.join().unwrap();
    }
}
