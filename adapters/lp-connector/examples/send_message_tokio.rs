//! Sends messages from tasks, against a sandbox:
//! `cargo run -p lp-connector --features sandbox,tokio --example send_message_tokio`.

use std::error::Error;
use std::time::Duration;

use lp_connector::api::{OpenConversation, SendText};
use lp_connector::policy::RetryPolicy;
use lp_connector::sandbox::{Endpoint, Server, ServerConfig};
use lp_connector::tokio::Client;
use lp_connector::{Config, Secret, Trust};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let cloud = Server::start(ServerConfig::new())?;
    let client = Client::new(config(&cloud)?)?;

    let open = OpenConversation::new("ada".parse()?);
    let conversation = client.start_conversation(open).await?;
    let sent = conversation.send_text("Coo?").await?;
    println!("sent as {:?} in {} attempt", sent.output.sequence, sent.attempts);

    // One call with options of its own.
    let text = SendText::new(conversation.reference(), "Still there?");
    client.request(text).timeout(Duration::from_secs(5)).retry(RetryPolicy::none()).send().await?;
    conversation.close_dialog().await?;

    // Clones of a client share hosts, tokens and connections.
    let consumers = ["grace", "edsger", "barbara"].map(|consumer| {
        let client = client.clone();
        tokio::spawn(async move {
            let open = OpenConversation::new(consumer.parse()?);
            let conversation = client.start_conversation(open).await?;
            for text in ["Hello", "Bye"] {
                conversation.send_text(text).await?;
            }
            conversation.close_dialog().await
        })
    });
    for consumer in consumers {
        consumer.await??;
    }
    println!(
        "{} messages arrived; {} token request",
        cloud.with(|cloud| cloud.messages().len()),
        cloud.requests(Endpoint::Token)
    );
    Ok(())
}

/// For the sandbox. For the real cloud, leave `trust` out.
fn config(cloud: &Server) -> Result<Config, Box<dyn Error>> {
    Ok(Config::new(cloud.account_id().parse()?)
        .credentials(cloud.client_id().parse()?, Secret::new(cloud.client_secret()))
        .trust(Trust::new(&cloud.base_url(), ["liveperson.net"])?))
}
