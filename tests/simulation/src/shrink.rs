//! The smallest story that still breaks the promise.

use crate::play::{Care, play};
use crate::promise::Promise;
use crate::story::{Caller, Story};

/// More tries than this are not made: a smaller story is a courtesy.
const TRIES: usize = 3_000;

struct Shrinker {
    promise: Promise,
    best: Story,
    tries: usize,
}

/// Leaves out of a story whatever it does not take to break the promise.
pub(crate) fn shrunk(story: &Story, promise: Promise) -> Story {
    let mut shrinker = Shrinker { promise, best: story.clone(), tries: 0 };
    loop {
        let before = shrinker.best.clone();
        shrinker.parts(|story| &mut story.happenings);
        shrinker.parts(|story| &mut story.callers);
        shrinker.parts(|story| &mut story.troubles);
        shrinker.parts(|story| &mut story.posts);
        shrinker.details();
        if shrinker.best == before || shrinker.tries >= TRIES {
            return shrinker.best;
        }
    }
}

impl Shrinker {
    /// Keeps the candidate if it breaks the same promise.
    fn offer(&mut self, candidate: Story) -> bool {
        if candidate == self.best || self.tries >= TRIES {
            return false;
        }
        self.tries += 1;
        let (played, _) = play(&candidate, Care { thorough: true, traced: false });
        let breaks = played.is_err_and(|violation| violation.promise == self.promise);
        if breaks {
            self.best = candidate;
        }
        breaks
    }

    /// Leaves out ever smaller parts of a list.
    fn parts<T: Clone>(&mut self, list: impl Fn(&mut Story) -> &mut Vec<T>) {
        let mut size = list(&mut self.best).len();
        while size > 0 {
            let mut at = 0;
            while at < list(&mut self.best).len() {
                let mut candidate = self.best.clone();
                let all = list(&mut candidate);
                let end = (at + size).min(all.len());
                all.drain(at..end);
                if !self.offer(candidate) {
                    at += size;
                }
            }
            size /= 2;
        }
    }

    /// Makes what is left as plain as can be.
    fn details(&mut self) {
        let changes: [fn(&mut Story); 9] = [
            |story| story.mixed = None,
            |story| story.token_life = 3600,
            |story| story.latency = std::time::Duration::from_millis(40),
            |story| story.processes.iter_mut().for_each(|program| program.drift = 0),
            |story| story.processes.iter_mut().for_each(|program| program.wall_off = 0),
            |story| story.processes.iter_mut().for_each(|program| program.wire = false),
            |story| story.processes.iter_mut().for_each(|it| it.consumer_cache = 1000),
            |story| story.callers.iter_mut().for_each(|caller| caller.hurry = None),
            |story| story.callers.iter_mut().for_each(|caller| caller.leaves = None),
        ];
        for change in changes {
            let mut candidate = self.best.clone();
            change(&mut candidate);
            self.offer(candidate);
        }
        let last = self.best.callers.iter().map(|caller| caller.process).max().unwrap_or(0);
        let mut candidate = self.best.clone();
        candidate.processes.truncate(last + 1);
        self.offer(candidate);
        for n in 0..self.best.callers.len() {
            let calm: fn(&mut Caller) = |caller| {
                caller.leaves = None;
                caller.hurry = None;
            };
            let first: fn(&mut Caller) = |caller| caller.process = 0;
            for change in [first, calm] {
                let mut candidate = self.best.clone();
                candidate.callers.get_mut(n).into_iter().for_each(change);
                self.offer(candidate);
            }
        }
    }
}
