//! The adapters behind one trait.

use std::fmt::Debug;
use std::future::{Future, poll_fn};
use std::sync::{Arc, LazyLock};
use std::task::Poll;
use std::time::Duration;

use futures_lite::future::or;
use lp_connector_core::connector::{Callable, Completed, Config};
use lp_connector_core::error::Error;
use lp_connector_core::policy::RetryPolicy;

/// A client of any runtime, called from ordinary threads.
pub trait Adapter: Clone + Debug + Send + Sync + 'static {
    /// Whether connections are bounded. A blocking client has one for each calling thread.
    const BOUNDED: bool = true;

    /// Whether a connection is kept after a message of TLS itself. ureq cannot tell such a message from
    /// data.
    const KEEPS_TLS: bool = true;

    /// Makes the client.
    ///
    /// # Errors
    /// As the client does.
    fn new(config: Config) -> Result<Self, Error>;

    /// Makes a call, and waits for its end.
    ///
    /// # Errors
    /// As the client does.
    fn call<C: Callable>(&self, operation: C) -> Result<Completed<C::Output>, Error>;

    /// Makes a call with options of its own, and waits for its end.
    ///
    /// # Errors
    /// As the client does.
    fn call_with<C: Callable>(
        &self,
        operation: C,
        timeout: Option<Duration>,
        retry: Option<RetryPolicy>,
    ) -> Result<Completed<C::Output>, Error>;

    /// Logs in with the secret of this configuration from the next token on, as the client does.
    fn replace_login(&self, config: &Config) -> bool;

    /// Begins a call, and drops it after this time. False where calls cannot be dropped.
    fn drop_after<C: Callable>(&self, _operation: C, _time: Duration) -> bool {
        false
    }

    /// Begins a call, and drops it at its `polls`-th poll. True if it was dropped before it ended.
    fn drop_at_poll<C: Callable>(&self, _operation: C, _polls: usize) -> bool {
        false
    }
}

/// The request of a client, with the options that are given.
macro_rules! request {
    ($client:expr, $operation:expr, $timeout:expr, $retry:expr) => {{
        let mut request = $client.request($operation);
        if let Some(timeout) = $timeout {
            request = request.timeout(timeout);
        }
        if let Some(policy) = $retry {
            request = request.retry(policy);
        }
        request
    }};
}

/// Polls `future` so often, and then drops it. True if it had not ended by then.
async fn dropped_at(future: impl Future, polls: usize) -> bool {
    let mut future = Some(Box::pin(future));
    let mut left = polls;
    poll_fn(move |context| {
        if left == 0 {
            future = None;
        }
        left = left.saturating_sub(1);
        match &mut future {
            None => Poll::Ready(true),
            Some(future) => future.as_mut().poll(context).map(|_| false),
        }
    })
    .await
}

/// `lp-connector-ureq`.
#[derive(Clone, Debug)]
pub struct Ureq(lp_connector_ureq::Client);

impl Adapter for Ureq {
    const BOUNDED: bool = false;
    const KEEPS_TLS: bool = false;

    fn new(config: Config) -> Result<Self, Error> {
        lp_connector_ureq::Client::new(config).map(Self)
    }

    fn call<C: Callable>(&self, operation: C) -> Result<Completed<C::Output>, Error> {
        self.0.call(operation)
    }

    fn call_with<C: Callable>(
        &self,
        operation: C,
        timeout: Option<Duration>,
        retry: Option<RetryPolicy>,
    ) -> Result<Completed<C::Output>, Error> {
        request!(self.0, operation, timeout, retry).send()
    }

    fn replace_login(&self, config: &Config) -> bool {
        self.0.replace_login(config)
    }
}

/// One runtime for all clients, so that calls from different threads meet in it.
static TOKIO: LazyLock<tokio::runtime::Runtime> =
    LazyLock::new(|| tokio::runtime::Runtime::new().unwrap());

/// `lp-connector-tokio`.
#[derive(Clone, Debug)]
pub struct Tokio(lp_connector_tokio::Client);

impl Adapter for Tokio {
    fn new(config: Config) -> Result<Self, Error> {
        lp_connector_tokio::Client::new(config).map(Self)
    }

    fn call<C: Callable>(&self, operation: C) -> Result<Completed<C::Output>, Error> {
        TOKIO.block_on(self.0.call(operation))
    }

    fn call_with<C: Callable>(
        &self,
        operation: C,
        timeout: Option<Duration>,
        retry: Option<RetryPolicy>,
    ) -> Result<Completed<C::Output>, Error> {
        TOKIO.block_on(request!(self.0, operation, timeout, retry).send())
    }

    fn replace_login(&self, config: &Config) -> bool {
        self.0.replace_login(config)
    }

    fn drop_at_poll<C: Callable>(&self, operation: C, polls: usize) -> bool {
        TOKIO.block_on(dropped_at(self.0.call(operation), polls))
    }

    fn drop_after<C: Callable>(&self, operation: C, time: Duration) -> bool {
        let call = async { self.0.call(operation).await.is_ok() };
        let finished = TOKIO.block_on(async { tokio::time::timeout(time, call).await.is_ok() });
        !finished
    }
}

/// `lp-connector-tokio`, on a current-thread runtime of its own that makes no progress between calls.
#[derive(Clone, Debug)]
pub struct TokioCurrentThread(lp_connector_tokio::Client, Arc<tokio::runtime::Runtime>);

impl Adapter for TokioCurrentThread {
    fn new(config: Config) -> Result<Self, Error> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        Ok(Self(lp_connector_tokio::Client::new(config)?, Arc::new(runtime.unwrap())))
    }

    fn call<C: Callable>(&self, operation: C) -> Result<Completed<C::Output>, Error> {
        self.1.block_on(self.0.call(operation))
    }

    fn call_with<C: Callable>(
        &self,
        operation: C,
        timeout: Option<Duration>,
        retry: Option<RetryPolicy>,
    ) -> Result<Completed<C::Output>, Error> {
        self.1.block_on(request!(self.0, operation, timeout, retry).send())
    }

    fn replace_login(&self, config: &Config) -> bool {
        self.0.replace_login(config)
    }

    fn drop_at_poll<C: Callable>(&self, operation: C, polls: usize) -> bool {
        self.1.block_on(dropped_at(self.0.call(operation), polls))
    }

    fn drop_after<C: Callable>(&self, operation: C, time: Duration) -> bool {
        let call = async { self.0.call(operation).await.is_ok() };
        let finished = self.1.block_on(async { tokio::time::timeout(time, call).await.is_ok() });
        !finished
    }
}

/// `lp-connector-async-std`.
#[derive(Clone, Debug)]
pub struct AsyncStd(lp_connector_async_std::Client);

impl Adapter for AsyncStd {
    fn new(config: Config) -> Result<Self, Error> {
        lp_connector_async_std::Client::new(config).map(Self)
    }

    fn call<C: Callable>(&self, operation: C) -> Result<Completed<C::Output>, Error> {
        async_std::task::block_on(self.0.call(operation))
    }

    fn call_with<C: Callable>(
        &self,
        operation: C,
        timeout: Option<Duration>,
        retry: Option<RetryPolicy>,
    ) -> Result<Completed<C::Output>, Error> {
        async_std::task::block_on(request!(self.0, operation, timeout, retry).send())
    }

    fn replace_login(&self, config: &Config) -> bool {
        self.0.replace_login(config)
    }

    fn drop_at_poll<C: Callable>(&self, operation: C, polls: usize) -> bool {
        async_std::task::block_on(dropped_at(self.0.call(operation), polls))
    }

    fn drop_after<C: Callable>(&self, operation: C, time: Duration) -> bool {
        let call = async { self.0.call(operation).await.is_err() };
        async_std::task::block_on(or(call, async {
            async_std::task::sleep(time).await;
            true
        }))
    }
}

/// `lp-connector-smol`.
#[derive(Clone, Debug)]
pub struct Smol(lp_connector_smol::Client);

impl Adapter for Smol {
    fn new(config: Config) -> Result<Self, Error> {
        lp_connector_smol::Client::new(config).map(Self)
    }

    fn call<C: Callable>(&self, operation: C) -> Result<Completed<C::Output>, Error> {
        smol::block_on(self.0.call(operation))
    }

    fn call_with<C: Callable>(
        &self,
        operation: C,
        timeout: Option<Duration>,
        retry: Option<RetryPolicy>,
    ) -> Result<Completed<C::Output>, Error> {
        smol::block_on(request!(self.0, operation, timeout, retry).send())
    }

    fn replace_login(&self, config: &Config) -> bool {
        self.0.replace_login(config)
    }

    fn drop_at_poll<C: Callable>(&self, operation: C, polls: usize) -> bool {
        smol::block_on(dropped_at(self.0.call(operation), polls))
    }

    fn drop_after<C: Callable>(&self, operation: C, time: Duration) -> bool {
        let call = async { self.0.call(operation).await.is_err() };
        smol::block_on(or(call, async {
            smol::Timer::after(time).await;
            true
        }))
    }
}
