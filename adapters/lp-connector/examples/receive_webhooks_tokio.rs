//! Receives webhooks with axum, against a sandbox:
//! `cargo run -p lp-connector --features axum,sandbox,tokio --example receive_webhooks_tokio`.

use std::error::Error;
use std::time::{Duration, SystemTime};

use lp_connector::api::OpenConversation;
use lp_connector::sandbox::{Agent, Server, ServerConfig, Webhooks};
use lp_connector::tokio::Client;
use lp_connector::webhook::{Change, Event, Receiver};
use lp_connector::{Config, Secret, Trust, axum};
use tokio::sync::oneshot;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let cloud = Server::start(ServerConfig::new())?;
    let secret = Secret::new(cloud.client_secret());
    let receiver = Receiver::new().secret(secret);
    let (router, mut deliveries) = axum::Webhooks::new(receiver).deliveries();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let webhooks = Webhooks::all_at(format!("http://{}/", listener.local_addr()?));
    cloud.with(|cloud| cloud.set_webhooks(webhooks.retention(Duration::from_secs(60))));
    // A server stops on `axum::shutdown_signal()?`; this one when the conversation is closed.
    let (stop, stopped) = oneshot::channel::<()>();
    let mut stop = Some(stop);
    let server = tokio::spawn(axum::serve(listener, router, async {
        let _ = stopped.await;
    }));

    // A consumer opens a conversation, and an agent speaks. Notifications come twice, and out of order.
    for fault in ["webhook:2=duplicate", "webhook:3=reorder"] {
        let fault = fault.parse()?;
        cloud.with(|cloud| cloud.fault(fault));
    }
    let client = Client::new(config(&cloud)?)?;
    let open = OpenConversation::new("ada".parse()?);
    let conversation = client.start_conversation(open).await?;
    for action in [
        Agent::Text("Good morning 🐦".to_owned(), Vec::new()),
        Agent::Note("for colleagues only".to_owned()),
        Agent::Text("Where is your pigeon?".to_owned(), Vec::new()),
        Agent::Close,
    ] {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
        cloud.with(|cloud| cloud.agent(now, conversation.state().id().as_str(), action))?;
    }

    while let Some(delivery) = deliveries.next().await {
        match delivery.map(|delivered| delivered.change) {
            Ok(Change::Message(message)) if message.is_for_consumer() => {
                if let Event::Text(text) = message.event() {
                    println!("agent: {}", text.text);
                }
            }
            Ok(Change::Conversation(state)) if state.is_finished() => {
                println!("closed");
                drop(stop.take());
            }
            Ok(_) => {} // echoes of the consumer's own messages, staff notes, receipts, other states
            Err(unreadable) => eprintln!("set aside: {unreadable}"),
        }
    }
    Ok(server.await??)
}

/// For the sandbox. For the real cloud, leave `trust` out.
fn config(cloud: &Server) -> Result<Config, Box<dyn Error>> {
    Ok(Config::new(cloud.account_id().parse()?)
        .credentials(cloud.client_id().parse()?, Secret::new(cloud.client_secret()))
        .trust(Trust::new(&cloud.base_url(), ["liveperson.net"])?))
}
