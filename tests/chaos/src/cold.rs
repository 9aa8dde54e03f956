//! Many processes start at once on one store: how often is a token asked for?

use std::sync::Arc;
use std::time::{Duration, Instant};

use lp_connector_sandbox::{Endpoint, Server, ServerConfig, Webhooks};
use serde_json::json;

use crate::agents::CloudBook;
use crate::arguments::Arguments;
use crate::books::Books;
use crate::engine::Engine;
use crate::fleet::Fleet;
use crate::outage::Outage;
use crate::{ChaosError, balancer, channel};

/// The most token requests of all processes together.
const MOST: u64 = 2;

/// Messages for each process.
const MESSAGES: usize = 20;

/// Starts them, gives each some messages, and returns whether few tokens were asked for.
pub(crate) fn run(arguments: &Arguments, count: usize) -> Result<bool, ChaosError> {
    let directory = tempfile::tempdir()?;
    let cloud = Arc::new(Server::start(ServerConfig::new())?);
    let books = Arc::new(Books::default());
    let channel = channel::serve(&books)?;
    let (listener, webhook) = balancer::listen()?;
    cloud.with(|sandbox| {
        sandbox.set_webhooks(Webhooks::all_at(webhook).retention(Duration::from_secs(3600)));
    });
    let Some(engine) = Engine::open(arguments, directory.path().join("bridge.db"))? else {
        return Ok(true);
    };
    let fleet = Arc::new(Fleet::new(&engine, &cloud, &channel, None, None));
    balancer::serve(listener, &fleet, &books, &Arc::new(Outage::default()));
    let together = |each: &(dyn Fn(usize) -> Result<(), ChaosError> + Sync)| {
        std::thread::scope(|scope| {
            let all: Vec<_> = (0..count).map(|number| scope.spawn(move || each(number))).collect();
            all.into_iter()
                .try_for_each(|one| one.join().map_err(|_| "a thread ended with a panic")?)
        })
    };
    together(&|_| fleet.add())?;
    let start = Instant::now();
    together(&|number| {
        let address = fleet.address(number).ok_or("there is no process")?;
        for message in 0..MESSAGES {
            let consumer = format!("c{number}-{message}");
            let body = json!({"consumer": consumer, "id": consumer, "text": consumer}).to_string();
            ureq::post(format!("http://{address}/accept"))
                .header("content-type", "application/json")
                .send(body.as_bytes())?;
        }
        Ok(())
    })?;
    let book = CloudBook::default();
    let sent = || {
        cloud.with(|sandbox| book.read(sandbox));
        book.with(|cloud| cloud.texts.len())
    };
    while sent() < count * MESSAGES && start.elapsed() < arguments.limit {
        std::thread::sleep(Duration::from_millis(50));
    }
    let tokens = cloud.requests(Endpoint::Token);
    println!(
        "{count} processes started at once: {} of {} messages sent in {:.1} s, {tokens} token requests",
        sent(),
        count * MESSAGES,
        start.elapsed().as_secs_f64(),
    );
    Ok(sent() == count * MESSAGES && tokens <= MOST)
}
