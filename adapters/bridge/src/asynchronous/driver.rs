//! The loop: carries the engine's steps out on a runtime.

use std::collections::BTreeMap;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_lite::FutureExt as _;
use lp_connector_async::{Client, Spawn};
use lp_connector_core::bridge::{CallResult, Called, Delivery, Outgoing, Verdict};
use lp_connector_core::connector::Callable;
use lp_connector_core::error::{Error, ErrorKind};
use lp_connector_core::id::{AccountId, ExtConsumerId};
use lp_connector_core::policy::RetryPolicy;
use lp_connector_core::time::Mono;

use super::{Channel, Download, FromAgent};
use crate::engine::{Job, Step};
use crate::message::Typing;
use crate::observe::operation;
use crate::shared::{Running, Shared, TYPING_TIMEOUT, UnderWay, log_verdict};

/// What the loop works with.
pub(crate) struct Driver<R: Spawn, C> {
    pub(crate) shared: Arc<Shared>,
    pub(crate) clients: Arc<BTreeMap<AccountId, Client<R>>>,
    /// The client whose runtime runs the tasks.
    pub(crate) home: Client<R>,
    pub(crate) channel: C,
    pub(crate) time_limit: Duration,
}

impl<R: Spawn, C: Channel> Driver<R, C> {
    pub(crate) fn start(self) {
        let driver = Arc::new(self);
        let running = Running(driver.shared.clone());
        let looping = driver.clone();
        driver.home.runtime().spawn(async move {
            let _running = running;
            looping.run().await;
        });
    }

    async fn run(self: &Arc<Self>) {
        loop {
            let changed = self.shared.changed();
            if self.shared.is_over() {
                return;
            }
            match self.shared.poll() {
                Step::Call(job) => self.spawn(self.clone().call(job)),
                Step::Deliver(job) => self.spawn(self.clone().deliver(job)),
                Step::Typing(typing) => self.spawn(self.clone().pass_on(typing)),
                Step::Wait(until) => {
                    let pause = until.since(self.shared.now().mono());
                    let time_is_up = self.home.runtime().sleep(pause);
                    changed.or(time_is_up).await;
                }
                Step::Stopped => return,
                // The store is asked in `poll`.
                Step::Ask(..) => {}
            }
        }
    }

    /// Runs a task that ends with the bridge.
    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let shared = self.shared.clone();
        self.home.runtime().spawn(async move {
            let over = shared.over();
            if !shared.is_over() {
                task.or(over).await;
            }
        });
    }

    async fn call(self: Arc<Self>, job: Job<(AccountId, Outgoing)>) {
        let (account, outgoing) = job.what;
        let operation = operation(&outgoing);
        let result = match self.clients.get(&account) {
            Some(client) => Box::pin(call(client, outgoing, self.left(job.deadline))).await,
            // Perhaps a later program has one.
            None => {
                Err(Error::new(ErrorKind::Unavailable, "the bridge has no client of this account"))
            }
        };
        self.shared.called(job.number, account, operation, result);
    }

    async fn deliver(self: Arc<Self>, job: Job<Delivery>) {
        let under_way = UnderWay::delivery(self.shared.clone(), job.number);
        let (id, consumer) = (job.what.id.clone(), job.what.consumer.clone());
        let client = self.clients.get(&job.what.account).cloned();
        let message = FromAgent::new(job.what, Download::new(client, self.time_limit));
        let verdict = self.hand_over(&consumer, message, self.left(job.deadline)).await;
        log_verdict(&id, &verdict);
        under_way.end(verdict);
    }

    async fn pass_on(self: Arc<Self>, typing: Typing) {
        let under_way = UnderWay::typing(self.shared.clone());
        let consumer = typing.consumer.clone();
        let verdict = self.hand_over(&consumer, FromAgent::typing(typing), TYPING_TIMEOUT).await;
        under_way.end(verdict);
    }

    /// What the channel makes of a message within this time.
    async fn hand_over(&self, to: &ExtConsumerId, message: FromAgent, limit: Duration) -> Verdict {
        // Within the future: a handler may panic before it awaits anything.
        let handler = async { self.channel.deliver(to, message).await };
        let verdict = async {
            match AssertUnwindSafe(handler).catch_unwind().await {
                Ok(Ok(())) => Verdict::Taken,
                Ok(Err(undelivered)) => undelivered.into_verdict(),
                Err(_) => Verdict::Broken,
            }
        };
        let time_is_up = async {
            self.home.runtime().sleep(limit).await;
            Verdict::Outage(None)
        };
        verdict.or(time_is_up).await
    }

    fn left(&self, deadline: Mono) -> Duration {
        deadline.since(self.shared.now().mono())
    }
}

/// Calls a client once, within this time.
async fn call<R: Spawn>(client: &Client<R>, outgoing: Outgoing, limit: Duration) -> CallResult {
    async fn once<R: Spawn, O: Callable>(
        client: &Client<R>,
        operation: O,
        limit: Duration,
    ) -> Result<O::Output, Error> {
        let request = client.request(operation).timeout(limit).retry(RetryPolicy::none());
        request.send().await.map(|completed| completed.output)
    }
    Ok(match outgoing {
        Outgoing::Identify(operation) => {
            Called::Identified(once(client, operation, limit).await?.lp_consumer_id)
        }
        Outgoing::Open(operation) => {
            Called::Opened(once(client, operation, limit).await?.conversation)
        }
        Outgoing::Text(operation) => {
            Called::Published(once(client, operation, limit).await?.sequence)
        }
        Outgoing::Receipt(operation) => {
            Called::Published(once(client, operation, limit).await?.sequence)
        }
        Outgoing::File(operation) => {
            Called::Published(once(client, operation, limit).await?.sequence)
        }
        Outgoing::UploadUrl(operation) => Called::Url(once(client, operation, limit).await?),
        Outgoing::Put(operation) => {
            once(client, operation, limit).await?;
            Called::Done
        }
        Outgoing::Close(operation) => {
            once(client, operation, limit).await?;
            Called::Done
        }
    })
}
