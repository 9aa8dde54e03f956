//! Contention: many callers that wait for one token.

use std::time::Instant;

use crate::cases::waiting;
use crate::report::{Contention, Rounds};

pub(crate) fn measure(quick: bool) -> Contention {
    let (callers, rounds) = if quick { (1000, 3) } else { (10_000, 9) };
    let mut times = Vec::new();
    let (mut polls, mut after) = (0, 0);
    for _ in 0..rounds {
        let mut waiting = waiting::start_callers(callers);
        let began = Instant::now();
        let counted = waiting.deliver_token();
        times.push(began.elapsed().as_secs_f64() * 1e3);
        (polls, after) = (counted.all, counted.after_arrival);
    }
    Contention {
        callers,
        milliseconds: Rounds::of(times),
        polls_per_caller: polls as f64 / callers as f64,
        polls_per_caller_after_arrival: after as f64 / callers as f64,
    }
}
