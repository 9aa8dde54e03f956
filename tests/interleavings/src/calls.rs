//! Calls that need one token.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::SystemTime;

use lp_connector_core::api::{AppAuthorization, AuthorizeApp};
use lp_connector_core::connector::{Call, Completed, Config, Proxy, Trust};
use lp_connector_core::error::Error;
use lp_connector_core::id::{AccountId, ClientId};
use lp_connector_core::policy::RetryPolicy;
use lp_connector_core::secret::Secret;
use lp_connector_core::seed::Seed;
use lp_connector_core::time::Now;
use shuttle::future::block_on;
use shuttle::rand::{Rng as _, thread_rng};
use shuttle::thread;

use crate::clock::Timers;
use crate::driver::Driver;

fn driver() -> Arc<Driver<Timers>> {
    let config = Config::new(AccountId::new("91827364").unwrap())
        .credentials(ClientId::new("0a1b2c3d").unwrap(), Secret::new("n3v3r".to_owned()))
        .trust(Trust::new("http://127.0.0.1:1", ["sandbox.test"]).unwrap())
        .proxy(Proxy::None)
        .retry(RetryPolicy::none());
    let timers = Timers::default();
    let clocked = timers.clone();
    let clock = Box::new(move || clocked.now());
    Arc::new(Driver::new(config, timers, clock, Seed::from_bytes([7; 16])).unwrap())
}

fn call(
    driver: &Driver<Timers>,
    number: u8,
) -> impl Future<Output = Result<Completed<AppAuthorization>, Error>> {
    let now = || Now::new(driver.runtime().now(), SystemTime::UNIX_EPOCH);
    let call =
        Call::new(AuthorizeApp::new(), driver.config(), Seed::from_bytes([number; 16]), now());
    driver.drive(call, now)
}

/// Three calls need a token that one of them fetches: no clock moves, so that a call whose wake-up is lost waits for ever.
pub fn calls() {
    let driver = driver();
    let callers: Vec<_> = (0..3)
        .map(|number| {
            let driver = driver.clone();
            thread::spawn(move || block_on(call(&driver, number)).map(drop))
        })
        .collect();
    for caller in callers {
        assert!(caller.join().unwrap().is_ok());
    }
}

/// The same, and one of them is dropped at any of its steps: the others go on.
pub fn abandoned_call() {
    let driver = driver();
    let others: Vec<_> = (0..2)
        .map(|number| {
            let driver = driver.clone();
            thread::spawn(move || block_on(call(&driver, number)).map(drop))
        })
        .collect();
    let mut polls = thread_rng().gen_range(1..4);
    block_on(async {
        let mut abandoned = pin!(call(&driver, 7));
        poll_fn(move |context| {
            polls -= 1;
            match abandoned.as_mut().poll(context) {
                Poll::Pending if polls > 0 => Poll::Pending,
                _ => Poll::Ready(()),
            }
        })
        .await;
    });
    for other in others {
        assert!(other.join().unwrap().is_ok());
    }
}
