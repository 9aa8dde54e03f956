//! The consumers: each writes its messages in order, and repeats what was not answered.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::json;

use crate::arguments::Arguments;
use crate::books::Books;
use crate::fleet::Fleet;
use crate::outage::Outage;

const THREADS: usize = 8;

/// Starts the consumers. The message's text is its id.
pub(crate) fn start(
    arguments: &Arguments,
    fleet: &Arc<Fleet>,
    books: &Arc<Books>,
    outage: &Arc<Outage>,
    gives_up: &Arc<AtomicBool>,
    entrance: Option<String>,
) -> Vec<JoinHandle<()>> {
    let (messages, consumers) = (arguments.messages, arguments.consumers);
    let next = Arc::new(AtomicUsize::new(0));
    let threads = (0..THREADS.min(consumers)).map(|thread| {
        let (fleet, books, gives_up, next) =
            (fleet.clone(), books.clone(), gives_up.clone(), next.clone());
        let (outage, entrance) = (outage.clone(), entrance.clone());
        std::thread::spawn(move || {
            let agent = agent();
            let mut turn = thread;
            // Each consumer belongs to one thread, so that its messages are handed in in order.
            let own: Vec<usize> = (thread..consumers).step_by(THREADS.min(consumers)).collect();
            for round in 0.. {
                for consumer in &own {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= messages || gives_up.load(Ordering::Relaxed) {
                        return;
                    }
                    let (consumer, id) = (format!("c{consumer}"), format!("m{consumer}-{round}"));
                    let name = if entrance.is_some() { "from" } else { "consumer" };
                    let message = json!({name: consumer, "id": id, "text": id}).to_string();
                    while !gives_up.load(Ordering::Relaxed) {
                        turn += 1;
                        let accept = |address| format!("http://{address}/accept");
                        let Some(url) =
                            entrance.clone().or_else(|| fleet.address(turn).map(accept))
                        else {
                            std::thread::sleep(Duration::from_millis(20));
                            continue;
                        };
                        let post = agent.post(url).header("content-type", "application/json");
                        let asked = outage.asked();
                        let status = post.send(message.as_bytes()).map(|r| r.status().as_u16());
                        outage.answered(asked, status.as_ref().ok().copied());
                        if let Ok(202 | 204) = status {
                            books.lock().accept(&consumer, &id);
                            break;
                        }
                        std::thread::sleep(Duration::from_millis(20));
                    }
                }
            }
        })
    });
    threads.collect()
}

/// The consumer who wrote a message.
pub(crate) fn consumer_of(message: &str) -> Option<String> {
    let (number, _) = message.strip_prefix('m')?.split_once('-')?;
    Some(format!("c{number}"))
}

fn agent() -> ureq::Agent {
    ureq::Agent::new_with_config(
        ureq::Agent::config_builder()
            .timeout_global(Some(Duration::from_secs(5)))
            .http_status_as_error(false)
            .proxy(None)
            .build(),
    )
}
