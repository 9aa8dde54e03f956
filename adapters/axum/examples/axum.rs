//! A connector that echoes two of the agent's messages, against a sandbox: `cargo run -p lp-connector-axum
//! --example axum`.

use std::error::Error;
use std::time::{Duration, SystemTime};

use lp_connector_axum::webhook::{Change, Event, Receiver};
use lp_connector_axum::{Deliveries, Webhooks, serve};
use lp_connector_sandbox::{Agent, Server, ServerConfig};
use lp_connector_tokio::api::{ConversationRef, OpenConversation};
use lp_connector_tokio::id::{AccountId, ClientId, ExtConsumerId};
use lp_connector_tokio::secret::Secret;
use lp_connector_tokio::{Client, Config, Trust};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    // A cloud on this machine.
    let cloud = Server::start(ServerConfig::new())?;
    let (account, id) = (AccountId::new(cloud.account_id())?, ClientId::new(cloud.client_id())?);
    let secret = Secret::new(cloud.client_secret());

    // The endpoint.
    let receiver = Receiver::new().app(account.clone(), id.clone(), [secret.clone()]);
    let (router, deliveries) = Webhooks::new(receiver).deliveries();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let endpoint = format!("http://{}/", listener.local_addr()?);
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let serving = tokio::spawn(serve(listener, router, async {
        let _ = stopped.await;
    }));
    let webhooks = lp_connector_sandbox::Webhooks::all_at(endpoint);
    cloud.with(|cloud| cloud.set_webhooks(webhooks.retention(Duration::from_secs(60))));

    // The client.
    let trust = Trust::new(&cloud.base_url(), ["liveperson.net"])?;
    let client = Client::new(Config::new(account).credentials(id, secret).trust(trust))?;
    let ada = ExtConsumerId::new("pigeon-ring-0042")?;
    let opened = client.open_conversation(OpenConversation::new(ada)).await?.output;
    let worker = tokio::spawn(work(client, opened.conversation.clone(), deliveries));

    let now = || SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    for action in [
        Agent::Text("Good morning 🐦".to_owned(), Vec::new()),
        Agent::Note("for colleagues' eyes alone".to_owned()),
        Agent::Text("Where is your pigeon?".to_owned(), Vec::new()),
    ] {
        cloud.with(|cloud| cloud.agent(now(), opened.conversation.id().as_str(), action))?;
    }
    println!("{} messages relayed", worker.await??);
    let _ = stop.send(());
    serving.await??;
    Ok(())
}

/// Handles each change once and in order, until the conversation is closed.
async fn work(
    client: Client,
    conversation: ConversationRef,
    mut deliveries: Deliveries,
) -> Result<u32, lp_connector_tokio::Error> {
    let mut relayed = 0;
    while let Some(delivery) = deliveries.next().await {
        match delivery.map(|delivered| delivered.change) {
            Ok(Change::Message(message)) if message.is_for_consumer() => {
                if let Event::Text(text) = message.event() {
                    println!("agent: {}", text.text);
                    relayed += 1;
                    // A channel would bring the consumer's answer; here it is an echo.
                    let echo = format!("You said: {}", text.text);
                    client.send_text(&conversation, echo).await?;
                    if relayed == 2 {
                        client.close_conversation(&conversation).await?;
                    }
                }
            }
            Ok(Change::Conversation(state)) if state.is_finished() => break,
            Ok(_) => {}
            Err(unreadable) => eprintln!("set aside: {unreadable}"),
        }
    }
    Ok(relayed)
}
