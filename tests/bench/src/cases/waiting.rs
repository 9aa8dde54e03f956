//! Ten thousand callers who wait for one token.

use lp_connector_core::connector::{Call, Outcome, Step};
use lp_connector_core::time::Now;

use super::cloud::{Connector, answer, text};

/// What it took until all had sent.
pub(crate) struct Herd {
    /// From before the token was asked for.
    pub(crate) polls: u64,
    /// From the token's arrival.
    pub(crate) polls_after: u64,
}

/// A herd in waiting: everybody knows that there is no token, and one fetches it.
pub(crate) struct Waiting {
    connector: Connector,
    calls: Vec<Call<lp_connector_core::api::SendText>>,
    fetch: Option<(usize, lp_connector_core::connector::Attempt)>,
    polls: u64,
    now: Now,
}

/// So many callers, each of another consumer whose own token is there, when the AppJWT has ended.
pub(crate) fn gather(callers: usize) -> Waiting {
    let mut connector = Connector::warm(callers);
    // Nothing names a life here, so the AppJWT is taken to live an hour.
    let now = connector.now.later(std::time::Duration::from_secs(2 * 3600));
    connector.now = now;
    // Where the services are has ended too, and is looked up by one call before the measurement.
    let mut waiting = Waiting { calls: Vec::new(), fetch: None, polls: 0, now, connector };
    for n in 0..callers {
        let call = waiting.connector.call(text(n));
        waiting.calls.push(call);
    }
    waiting.first_look();
    waiting
}

impl Waiting {
    /// All look once; hosts come at once, so that the token alone is missing.
    fn first_look(&mut self) {
        for (at, call) in self.calls.iter_mut().enumerate() {
            loop {
                self.polls += 1;
                match call.poll(&mut self.connector.shared, self.now) {
                    Step::Send(attempt)
                        if attempt.request().uri().path().ends_with("/app/token") =>
                    {
                        self.fetch = Some((at, attempt));
                    }
                    Step::Send(attempt) => {
                        let number = attempt.number();
                        let answer = answer(&attempt.into_request());
                        let outcome = Outcome::Answer(answer);
                        call.handle(&mut self.connector.shared, self.now, number, outcome);
                        continue;
                    }
                    Step::Tell(_) => continue,
                    Step::Wait(_) => {}
                    Step::Done => unreachable!("there is no token yet"),
                }
                break;
            }
        }
    }

    /// The token comes, everybody is woken, and polls until the request is there.
    pub(crate) fn token_comes(&mut self) -> Herd {
        let (at, attempt) = self.fetch.take().expect("somebody fetches the token");
        let number = attempt.number();
        let outcome = Outcome::Answer(answer(&attempt.into_request()));
        let woken = self.calls[at].handle(&mut self.connector.shared, self.now, number, outcome);
        assert!(woken, "who waits is told");
        let mut polls_after = 0;
        let mut left: Vec<usize> = (0..self.calls.len()).collect();
        let mut rounds = 0;
        while !left.is_empty() {
            rounds += 1;
            assert!(rounds < 100, "somebody waits for nothing");
            left.retain(|at| {
                let call = &mut self.calls[*at];
                loop {
                    polls_after += 1;
                    match call.poll(&mut self.connector.shared, self.now) {
                        Step::Send(attempt) => {
                            std::hint::black_box(attempt.into_request());
                            return false;
                        }
                        Step::Tell(_) => {}
                        Step::Wait(_) => return true,
                        Step::Done => unreachable!("nothing failed"),
                    }
                }
            });
        }
        Herd { polls: self.polls + polls_after, polls_after }
    }
}
