//! The loop: carries the engine's steps out on threads.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;
use std::{io, thread};

use event_listener::Listener as _;
use lp_connector_core::bridge::{CallResult, Called, Delivery, Outgoing, Verdict};
use lp_connector_core::connector::Callable;
use lp_connector_core::error::{Error, ErrorKind};
use lp_connector_core::id::{AccountId, ExtConsumerId};
use lp_connector_core::policy::RetryPolicy;
use lp_connector_ureq::Client;

use super::pool::Pool;
use super::{Channel, Download, FromAgent};
use crate::engine::{Job, Step};
use crate::message::Typing;
use crate::observe::operation;
use crate::shared::{Running, Shared, UnderWay, log_verdict};

/// What the threads work with.
pub(crate) struct Driver<C> {
    pub(crate) shared: Arc<Shared>,
    pub(crate) clients: Arc<BTreeMap<AccountId, Client>>,
    pub(crate) channel: C,
    pub(crate) time_limit: Duration,
}

impl<C: Channel> Driver<C> {
    pub(crate) fn start(self) -> io::Result<()> {
        let driver = Arc::new(self);
        let running = Running(driver.shared.clone());
        let looping = move || {
            let _running = running;
            driver.run();
        };
        thread::Builder::new().name("bridge".to_owned()).spawn(looping).map(drop)
    }

    fn run(self: &Arc<Self>) {
        let pool = Pool::new("bridge-work");
        loop {
            let changed = self.shared.changed();
            if self.shared.is_over() {
                return;
            }
            let driver = self.clone();
            match self.shared.poll() {
                Step::Call(job) => pool.run(move || driver.call(job)),
                Step::Deliver(job) => pool.run(move || driver.deliver(job)),
                Step::Typing(typing) => pool.run(move || driver.pass_on(typing)),
                Step::Wait(until) => match self.shared.instant(until) {
                    Some(until) => drop(changed.wait_deadline(until)),
                    None => changed.wait(),
                },
                Step::Stopped => return,
                // The store is asked in `poll`.
                Step::Ask(..) => {}
            }
        }
    }

    fn call(&self, job: Job<(AccountId, Outgoing)>) {
        let (account, outgoing) = job.what;
        let operation = operation(&outgoing);
        let left = job.deadline.since(self.shared.now().mono());
        let result = match self.clients.get(&account) {
            Some(client) => call(client, outgoing, left),
            // Perhaps a later program has one.
            None => {
                Err(Error::new(ErrorKind::Unavailable, "the bridge has no client of this account"))
            }
        };
        self.shared.called(job.number, account, operation, result);
    }

    fn deliver(&self, job: Job<Delivery>) {
        let under_way = UnderWay::delivery(self.shared.clone(), job.number);
        let (id, consumer) = (job.what.id.clone(), job.what.consumer.clone());
        let client = self.clients.get(&job.what.account).cloned();
        let message = FromAgent::new(job.what, Download::new(client, self.time_limit));
        let verdict = self.hand_over(&consumer, message);
        log_verdict(&id, &verdict);
        under_way.end(verdict);
    }

    fn pass_on(&self, typing: Typing) {
        let under_way = UnderWay::typing(self.shared.clone());
        let consumer = typing.consumer.clone();
        under_way.end(self.hand_over(&consumer, FromAgent::typing(typing)));
    }

    fn hand_over(&self, to: &ExtConsumerId, message: FromAgent) -> Verdict {
        match catch_unwind(AssertUnwindSafe(|| self.channel.deliver(to, message))) {
            Ok(Ok(())) => Verdict::Taken,
            Ok(Err(undelivered)) => undelivered.into_verdict(),
            Err(_) => Verdict::Broken,
        }
    }
}

/// Calls a client once, within this time.
fn call(client: &Client, outgoing: Outgoing, limit: Duration) -> CallResult {
    fn once<O: Callable>(
        client: &Client,
        operation: O,
        limit: Duration,
    ) -> Result<O::Output, Error> {
        let request = client.request(operation).timeout(limit).retry(RetryPolicy::none());
        request.send().map(|completed| completed.output)
    }
    Ok(match outgoing {
        Outgoing::Identify(operation) => {
            Called::Identified(once(client, operation, limit)?.lp_consumer_id)
        }
        Outgoing::Open(operation) => Called::Opened(once(client, operation, limit)?.conversation),
        Outgoing::Text(operation) => Called::Published(once(client, operation, limit)?.sequence),
        Outgoing::Receipt(operation) => Called::Published(once(client, operation, limit)?.sequence),
        Outgoing::File(operation) => Called::Published(once(client, operation, limit)?.sequence),
        Outgoing::UploadUrl(operation) => Called::Url(once(client, operation, limit)?),
        Outgoing::Put(operation) => {
            once(client, operation, limit)?;
            Called::Done
        }
        Outgoing::Close(operation) => {
            once(client, operation, limit)?;
            Called::Done
        }
    })
}
