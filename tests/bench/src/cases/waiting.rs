//! Many callers that wait for one token.

use lp_connector_core::connector::{Call, Outcome, Step, Wake};
use lp_connector_core::time::Now;

use super::cloud::{Connector, answer, text};

/// The number of polls until all callers had sent.
pub(crate) struct Polls {
    /// From the start of the calls.
    pub(crate) all: u64,
    /// From the token's arrival.
    pub(crate) after_arrival: u64,
}

/// Callers that wait for the token, which one of them requests.
pub(crate) struct Waiting {
    connector: Connector,
    calls: Vec<Call<lp_connector_core::api::SendText>>,
    fetch: Option<(usize, lp_connector_core::connector::Attempt)>,
    polls: u64,
    now: Now,
}

/// Starts this many callers, each for a consumer with a cached token, after the AppJWT has expired.
pub(crate) fn start_callers(callers: usize) -> Waiting {
    let mut connector = Connector::warm(callers);
    // The token has no expiry time, so its lifetime counts as one hour.
    let now = connector.now.later(std::time::Duration::from_secs(2 * 3600));
    connector.now = now;
    // The hosts have expired too: one call looks them up before the measurement.
    let mut waiting = Waiting { calls: Vec::new(), fetch: None, polls: 0, now, connector };
    for n in 0..callers {
        let call = waiting.connector.call(text(n));
        waiting.calls.push(call);
    }
    waiting.first_polls();
    waiting
}

impl Waiting {
    /// Polls every call once and answers the host lookups, so that only the token is missing.
    fn first_polls(&mut self) {
        for (at, call) in self.calls.iter_mut().enumerate() {
            loop {
                self.polls += 1;
                match call.poll(&mut self.connector.state, self.now) {
                    Step::Send(attempt)
                        if attempt.request().uri().path().ends_with("/app/token") =>
                    {
                        self.fetch = Some((at, attempt));
                    }
                    Step::Send(attempt) => {
                        let number = attempt.number();
                        let answer = answer(&attempt.into_request());
                        let outcome = Outcome::Response(answer);
                        let _ = call.handle(&mut self.connector.state, self.now, number, outcome);
                        continue;
                    }
                    Step::Wait(_) => {}
                    Step::Done(_) => unreachable!("there is no token yet"),
                }
                break;
            }
        }
    }

    /// Delivers the token, and polls all calls until each has sent its request.
    pub(crate) fn deliver_token(&mut self) -> Polls {
        let (at, attempt) = self.fetch.take().expect("a caller requests the token");
        let number = attempt.number();
        let outcome = Outcome::Response(answer(&attempt.into_request()));
        let wake = self.calls[at].handle(&mut self.connector.state, self.now, number, outcome);
        assert_eq!(wake, Wake::Waiters, "the waiting calls are woken");
        let mut after_arrival = 0;
        let mut waiting: Vec<usize> = (0..self.calls.len()).collect();
        let mut rounds = 0;
        while !waiting.is_empty() {
            rounds += 1;
            assert!(rounds < 100, "a call waits although the token has arrived");
            waiting.retain(|at| {
                let call = &mut self.calls[*at];
                after_arrival += 1;
                match call.poll(&mut self.connector.state, self.now) {
                    Step::Send(attempt) => {
                        std::hint::black_box(attempt.into_request());
                        false
                    }
                    Step::Wait(_) => true,
                    Step::Done(_) => unreachable!("nothing failed"),
                }
            });
        }
        Polls { all: self.polls + after_arrival, after_arrival }
    }
}
