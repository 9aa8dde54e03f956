//! Receives webhooks with a blocking server, against a sandbox: `cargo run -p lp-connector-ureq --example
//! webhooks`. Any server fits that gives the raw body.

use std::error::Error;
use std::io::Read as _;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant, SystemTime};

use http::StatusCode;
use lp_connector_sandbox::{Agent, Server, ServerConfig, Webhooks};
use lp_connector_ureq::api::OpenConversation;
use lp_connector_ureq::id::{AccountId, ClientId, ExtConsumerId};
use lp_connector_ureq::secret::Secret;
use lp_connector_ureq::time::Mono;
use lp_connector_ureq::webhook::{
    Change, Event, Feed, FeedPoll, Receiver, Rejection, SUCCESS, Verified,
};
use lp_connector_ureq::{Client, Config, Trust};

fn main() -> Result<(), Box<dyn Error>> {
    let cloud = Server::start(ServerConfig::new())?;
    let (account, id) = (AccountId::new(cloud.account_id())?, ClientId::new(cloud.client_id())?);
    let secret = Secret::new(cloud.client_secret());

    // The endpoint, on a thread of its own: it verifies, queues and answers, and does no work.
    let receiver = Receiver::new().app(account.clone(), id.clone(), [secret.clone()]);
    let server =
        std::sync::Arc::new(tiny_http::Server::http("127.0.0.1:0").map_err(|e| e.to_string())?);
    let endpoint = format!("http://{}/", server.server_addr());
    let (queue, notifications) = mpsc::sync_channel(1024);
    let serving = {
        let server = server.clone();
        std::thread::spawn(move || {
            while let Ok(request) = server.recv() {
                answer(request, &receiver, &queue);
            }
        })
    };
    cloud.with(|cloud| {
        cloud.set_webhooks(Webhooks::all_at(endpoint).retention(Duration::from_secs(60)))
    });

    let trust = Trust::new(&cloud.base_url(), ["liveperson.net"])?;
    let client = Client::new(Config::new(account).credentials(id, secret).trust(trust))?;
    let ada = ExtConsumerId::new("pigeon-ring-0042")?;
    let opened = client.open_conversation(OpenConversation::new(ada))?.output;
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
    for action in [Agent::Text("Good morning 🐦".to_owned(), Vec::new()), Agent::Close] {
        cloud.with(|cloud| cloud.agent(now, opened.conversation.id().as_str(), action))?;
    }
    work(&notifications);
    server.unblock();
    let _ = serving.join();
    Ok(())
}

/// Answers one request.
fn answer(
    mut request: tiny_http::Request,
    receiver: &Receiver,
    queue: &mpsc::SyncSender<Verified>,
) {
    let status = match verify(&mut request, receiver) {
        Ok(verified) => match queue.try_send(verified) {
            Ok(()) => SUCCESS,
            // The platform sends it again.
            Err(_) => StatusCode::SERVICE_UNAVAILABLE,
        },
        Err(rejection) => rejection.status(),
    };
    let response = tiny_http::Response::from_string("").with_status_code(status.as_u16());
    let _ = request.respond(response);
}

fn verify(request: &mut tiny_http::Request, receiver: &Receiver) -> Result<Verified, Rejection> {
    let mut head = http::Request::builder().method(request.method().as_str());
    for header in request.headers() {
        head = head.header(header.field.as_str().as_str(), header.value.as_str());
    }
    // A head that is no head has no signature.
    let head = head.body(()).map_err(|_| Rejection::Unsigned)?;
    let pending = receiver.begin(head.method(), head.headers())?;
    let mut body = Vec::new();
    let limit = pending.max_body() as u64 + 1;
    // Of a body that ends early, the signature is wrong.
    let _ = request.as_reader().take(limit).read_to_end(&mut body);
    pending.finish(body)
}

/// Handles each change once and in order, until the conversation is closed.
fn work(notifications: &mpsc::Receiver<Verified>) {
    let origin = Instant::now();
    let now = || Mono::from_origin(origin.elapsed());
    let mut feed = Feed::default();
    loop {
        let wait = match feed.poll(now()) {
            FeedPoll::Deliver(delivered) => match delivered.change {
                Change::Message(message) if message.is_for_consumer() => {
                    if let Event::Text(text) = message.event() {
                        println!("agent: {}", text.text);
                    }
                    continue;
                }
                Change::Conversation(state) => {
                    println!("conversation: {:?}", state.diff(None));
                    if state.is_finished() {
                        return;
                    }
                    continue;
                }
                _ => continue,
            },
            FeedPoll::Unreadable(unreadable) => {
                eprintln!("set aside: {unreadable}");
                continue;
            }
            FeedPoll::Wait(until) => until.since(now()),
            FeedPoll::Idle => Duration::from_secs(3600),
        };
        match notifications.recv_timeout(wait) {
            Ok(notification) => feed.push(notification, now()),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) if feed.is_empty() => return,
            Err(RecvTimeoutError::Disconnected) => feed.finish(),
        }
    }
}
