//! A limit of the requests for an AppJWT.

use std::time::Duration;

use super::event::{Cause, EventKind};
use crate::error::{Error, ErrorKind, Stage};
use crate::time::Mono;

/// Limits how often an AppJWT is issued: twice at once, then once in each interval
/// ([`Config::app_jwt_interval`](super::Config::app_jwt_interval)). It takes effect only for tokens that
/// live shorter than that, or that are rejected as soon as they are issued, and keeps either from
/// flooding Sentinel.
#[derive(Debug)]
#[cfg_attr(test, derive(Clone))]
pub(super) struct IssueLimit {
    interval: Duration,
    /// The time until which the issued tokens are accounted for, at one in each interval.
    paid_until: Mono,
    /// Why the last token is of no use, if a service has rejected it.
    rejected: Option<Rejected>,
}

/// The rejection of a token.
#[derive(Clone, Debug)]
pub(super) struct Rejected {
    /// How the request that carried it failed, as an error of that request.
    pub(super) error: Error,
    pub(super) cause: Cause,
}

impl IssueLimit {
    pub(super) fn new(interval: Duration) -> Self {
        Self { interval, paid_until: Mono::ZERO, rejected: None }
    }

    /// The earliest time of the next request.
    pub(super) fn next(&self) -> Mono {
        Mono::from_origin(self.paid_until.since(Mono::from_origin(self.interval)))
    }

    /// Records that a token was issued.
    pub(super) fn record(&mut self, now: Mono) {
        self.paid_until = self.paid_until.max(now) + self.interval;
        self.rejected = None;
    }

    /// Records that there is a token that nobody requested here.
    pub(super) fn record_shared(&mut self) {
        self.rejected = None;
    }

    /// True if a service has rejected the last token.
    pub(super) const fn has_rejected(&self) -> bool {
        self.rejected.is_some()
    }

    /// Records that a service rejected the last token.
    pub(super) fn reject(&mut self, rejected: Rejected) {
        // The body may hold the data of another call's consumer.
        let error = rejected.error.truncate_body(0);
        self.rejected = Some(Rejected { error, ..rejected });
    }

    /// The event of a call that waits for the limit.
    pub(super) fn event(&self, pause: Duration) -> EventKind {
        let rejected = self.rejected.as_ref().map(|rejected| rejected.cause);
        EventKind::TokenThrottled { pause, rejected }
    }

    /// The error of a call that has no time to wait for the limit.
    pub(super) fn error(&self, pause: Duration, host: &str) -> Error {
        let (wait, interval) = (pause.as_secs_f64(), self.interval.as_secs_f64());
        let reason = match &self.rejected {
            Some(Rejected { error, cause }) => {
                let code = error.error_code().map(|code| format!(", error code {code}"));
                let (operation, code) = (error.operation(), code.unwrap_or_default());
                format!("the last one was rejected (by {operation}: {cause}{code})")
            }
            None => "the last one has expired".to_owned(),
        };
        let headline = format!(
            "the next AppJWT is requested in {wait:.1} s, after this call's own deadline: one is \
             requested every {interval} s at most, and {reason}"
        );
        let error = Error::new(ErrorKind::DeadlineExceeded, headline)
            .at(Stage::AppJwt, Some(host.to_owned()))
            .with_retry_after(pause);
        let Some(Rejected { error: rejection, .. }) = self.rejected.clone() else { return error };
        let error = match rejection.status() {
            Some(status) => error.with_status(status, rejection.error_code()),
            None => error,
        };
        error.after(Some(rejection))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times(interval: u64) -> Vec<Mono> {
        let mut limit = IssueLimit::new(Duration::from_secs(interval));
        let mut times = Vec::new();
        let mut now = Mono::from_origin(Duration::from_secs(1000));
        while times.len() < 50 {
            now = now.max(limit.next());
            limit.record(now);
            times.push(now);
        }
        times
    }

    #[test]
    fn at_most_six_tokens_are_issued_in_a_minute() {
        let times = times(15);
        assert_eq!(times[0], times[1]);
        for six in times.windows(7) {
            assert!(six[6].since(six[0]) >= Duration::from_secs(60), "{six:?}");
        }
    }

    #[test]
    fn the_interval_can_be_set_and_be_none() {
        let minute = times(60);
        assert_eq!(
            (minute[1].since(minute[0]), minute[2].since(minute[1])),
            (Duration::ZERO, Duration::from_secs(60))
        );
        assert!(times(0).windows(2).all(|pair| pair[0] == pair[1]));
    }

    #[test]
    fn a_new_token_is_not_rejected_yet() {
        let mut limit = IssueLimit::new(Duration::from_secs(15));
        let error = Error::new(ErrorKind::Unauthorized, "x").with_body(b"private");
        limit.reject(Rejected { error, cause: Cause::Status(401) });
        let error = limit.error(Duration::from_secs(7), "sentinel.example");
        let rejection = std::error::Error::source(&error).unwrap().downcast_ref::<Error>();
        assert_eq!(
            rejection.unwrap().response_body(),
            Some(&[][..]),
            "private data of another call"
        );
        limit.record(Mono::ZERO);
        let error = limit.error(Duration::from_secs(7), "sentinel.example");
        assert!(error.to_string().contains("the last one has expired"), "{error}");
    }
}
