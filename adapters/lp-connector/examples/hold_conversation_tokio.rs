//! Holds a conversation from its first word to the answered survey, against a sandbox:
//! `cargo run -p lp-connector --features axum,sandbox,tokio --example hold_conversation_tokio`.

use std::error::Error;
use std::time::{Duration, SystemTime};

use lp_connector::api::{ChatState, ClientProperties, OpenConversation};
use lp_connector::sandbox::{Agent, Server, ServerConfig, Webhooks};
use lp_connector::tokio::{Client, Conversation};
use lp_connector::webhook::{Change, Event, QuickReplies, Receiver, Transition};
use lp_connector::{Config, ErrorKind, Secret, Trust, axum};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let cloud = Server::start(ServerConfig::new())?;
    let secret = Secret::new(cloud.client_secret());
    let receiver = Receiver::new().secret(secret);
    let (router, mut deliveries) = axum::Webhooks::new(receiver).deliveries();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let webhooks = Webhooks::all_at(format!("http://{}/", listener.local_addr()?));
    cloud.with(|cloud| cloud.set_webhooks(webhooks.retention(Duration::from_secs(60))));
    tokio::spawn(axum::serve(listener, router, std::future::pending()));

    let client = Client::new(config(&cloud)?)?;
    let features = ClientProperties::new().feature("MULTI_DIALOG").feature("QUICK_REPLIES");
    let open = OpenConversation::new("ada".parse()?).client_properties(features);
    let mut conversation = client.start_conversation(open).await?;
    conversation.set_chat_state(ChatState::Composing).await?;
    conversation.send_text("Is my pigeon there?").await?;

    // A person would do this in LivePerson's agent workspace.
    let agent = |action: Agent, conversation: &Conversation| -> Result<(), Box<dyn Error>> {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
        cloud.with(|cloud| cloud.agent(now, conversation.state().id().as_str(), action))?;
        Ok(())
    };
    agent(Agent::File("pigeon.png".to_owned()), &conversation)?;
    let colours = vec!["Blue".to_owned(), "Grey".to_owned()];
    agent(Agent::Text("Which colour?".to_owned(), colours), &conversation)?;

    while let Some(delivery) = deliveries.next().await {
        let change = delivery?.change;
        for transition in conversation.apply(&change) {
            println!("-- {transition:?}");
            if transition == Transition::Finished {
                deliveries.close();
            }
        }
        let Change::Message(message) = &change else { continue };
        if !message.is_for_consumer() {
            continue;
        }
        match message.event() {
            Event::Text(text) => {
                println!("agent: {}", text.text);
                let replies = text.quick_replies.iter().flat_map(QuickReplies::replies);
                if let Some(reply) = replies.last() {
                    println!("consumer: {}", reply.label().unwrap_or_default());
                    conversation.click(message, reply).await?;
                    if message.is_in_main_dialog() {
                        // The survey follows, in a dialog of its own.
                        agent(Agent::Close, &conversation)?;
                    }
                }
            }
            Event::File(file) => {
                let bytes = conversation.download(file.relative_path).await?.output;
                println!("agent: a file of {} bytes", bytes.len());
            }
            _ => {}
        }
        // A conversation can close before its notification says so.
        if let Err(error) = conversation.mark_read().await
            && error.kind() != ErrorKind::ConversationClosed
        {
            return Err(error.into());
        }
    }
    Ok(())
}

/// For the sandbox. For the real cloud, leave `trust` out.
fn config(cloud: &Server) -> Result<Config, Box<dyn Error>> {
    Ok(Config::new(cloud.account_id().parse()?)
        .credentials(cloud.client_id().parse()?, Secret::new(cloud.client_secret()))
        .trust(Trust::new(&cloud.base_url(), ["liveperson.net"])?))
}
