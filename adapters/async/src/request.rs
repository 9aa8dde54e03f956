//! One call with options of its own.

use std::fmt;
use std::time::Duration;

use lp_connector_core::connector::{Callable, Completed};
use lp_connector_core::error::Error;
use lp_connector_core::policy::RetryPolicy;

use crate::{Client, Runtime};

/// A call that is not begun yet, and its options: made by [`Client::request`].
#[must_use = "nothing is sent before `send`"]
pub struct Request<'a, C: Callable, R: Runtime> {
    client: &'a Client<R>,
    operation: C,
    timeout: Option<Duration>,
    retry: Option<RetryPolicy>,
}

impl<'a, C: Callable, R: Runtime> Request<'a, C, R> {
    pub(crate) const fn new(client: &'a Client<R>, operation: C) -> Self {
        Self { client, operation, timeout: None, retry: None }
    }

    /// Gives this call alone so much time, from [`send`](Self::send) to its result, in place of
    /// [`Config::call_timeout`](crate::Config::call_timeout).
    pub const fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Gives this call alone another retry policy, for its own request. What it fetches for others too
    /// (hosts and tokens) follows the configured one.
    pub fn retry(mut self, policy: RetryPolicy) -> Self {
        self.retry = Some(policy);
        self
    }

    /// Sends it, and gives the result.
    ///
    /// # Errors
    /// As [`Client::call`].
    pub async fn send(self) -> Result<Completed<C::Output>, Error> {
        let now = self.client.now();
        let mut call = self.client.new_call(self.operation, now);
        if let Some(timeout) = self.timeout {
            call = call.timeout(timeout, now);
        }
        if let Some(policy) = self.retry {
            call = call.retry(policy);
        }
        self.client.drive(call).await
    }
}

impl<C: Callable, R: Runtime> fmt::Debug for Request<'_, C, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("operation", &C::NAME)
            .field("timeout", &self.timeout)
            .field("retry", &self.retry)
            .finish_non_exhaustive()
    }
}
