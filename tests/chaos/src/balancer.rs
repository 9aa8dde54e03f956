//! What stands before the instances: it hands each notification to one that lives.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tiny_http::{Response, Server};

use crate::books::Books;
use crate::fleet::Fleet;
use crate::outage::Outage;
use crate::{ChaosError, agents};

/// The platform waits 5 s for an answer ([protocol.md 9.3]).
const LIMIT: Duration = Duration::from_secs(4);

/// Serves the webhook endpoint, and returns its URL. The fleet comes later: it needs the cloud's address first.
pub(crate) fn serve(server: Server, fleet: &Arc<Fleet>, books: &Arc<Books>, outage: &Arc<Outage>) {
    let (server, turn) = (Arc::new(server), Arc::new(AtomicUsize::new(0)));
    for _ in 0..8 {
        let (server, fleet, turn) = (server.clone(), fleet.clone(), turn.clone());
        let (books, outage) = (books.clone(), outage.clone());
        std::thread::spawn(move || {
            let agent = ureq::Agent::new_with_config(
                ureq::Agent::config_builder()
                    .timeout_global(Some(LIMIT))
                    .http_status_as_error(false)
                    .proxy(None)
                    .build(),
            );
            while let Ok(mut request) = server.recv() {
                let mut body = Vec::new();
                let read = request.as_reader().read_to_end(&mut body);
                let headers: Vec<(String, String)> = request
                    .headers()
                    .iter()
                    .filter(|header| {
                        header
                            .field
                            .as_str()
                            .as_str()
                            .to_ascii_lowercase()
                            .starts_with("x-liveperson")
                    })
                    .map(|header| (header.field.to_string(), header.value.to_string()))
                    .collect();
                let status = match read {
                    Ok(_) => forward(&agent, (&fleet, &outage), &turn, &headers, &body),
                    Err(_) => 400,
                };
                if status == 200 {
                    let texts = agents::texts(&body);
                    books.lock().acknowledged.extend(texts);
                }
                let _ = request.respond(Response::empty(status));
            }
        });
    }
}

/// The status of the first instance that answers.
fn forward(
    agent: &ureq::Agent,
    (fleet, outage): (&Fleet, &Outage),
    turn: &AtomicUsize,
    headers: &[(String, String)],
    body: &[u8],
) -> u16 {
    let start = Instant::now();
    while start.elapsed() < LIMIT {
        if let Some(address) = fleet.address(turn.fetch_add(1, Ordering::Relaxed)) {
            let mut post = agent.post(format!("http://{address}/lp"));
            for (name, value) in headers {
                post = post.header(name, value);
            }
            let asked = outage.asked();
            let answer = post.header("content-type", "application/json").send(body);
            let status = answer.map(|response| response.status().as_u16()).ok();
            outage.answered(asked, status);
            if let Some(status) = status {
                return status;
            }
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    503
}

/// A listener on a free port, and the URL to post to.
pub(crate) fn listen() -> Result<(Server, String), ChaosError> {
    let server = Server::http("127.0.0.1:0")?;
    let url = format!("http://{}/lp", server.server_addr());
    Ok((server, url))
}
