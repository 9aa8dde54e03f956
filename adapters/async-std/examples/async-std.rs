//! One message, and then a thousand at once over one client, against a sandbox:
//! `cargo run -p lp-connector-async-std --example async-std`.

use lp_connector_async_std::api::OpenConversation;
use lp_connector_async_std::id::{AccountId, ClientId, ExtConsumerId};
use lp_connector_async_std::secret::Secret;
use lp_connector_async_std::{Client, Config, Trust};
use lp_connector_sandbox::{Endpoint, Server, ServerConfig};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    async_std::task::block_on(conversation())
}

async fn conversation() -> Result<(), Box<dyn std::error::Error>> {
    let server = Server::start(ServerConfig::new())?;
    let client = Client::new(config(&server)?)?;
    let ada = ExtConsumerId::new("pigeon-ring-0042")?;
    let opened = client.open_conversation(OpenConversation::new(ada)).await?.output;
    let sent = client.send_text(&opened.conversation, "Coo?").await?;
    println!("sent as {:?}", sent.output.sequence);

    let many: Vec<_> = (0..1000)
        .map(|n| {
            let client = client.clone();
            let conversation = opened.conversation.clone();
            let text = format!("message {n}");
            async_std::task::spawn(async move { client.send_text(&conversation, text).await })
        })
        .collect();
    for sent in many {
        sent.await?;
    }
    client.close_conversation(&opened.conversation).await?;
    println!(
        "{} messages, {} token request, {} connections",
        server.with(|cloud| cloud.messages().len()),
        server.requests(Endpoint::Token),
        server.connections()
    );
    Ok(())
}

/// A configuration for the sandbox; for the real cloud, leave `trust` away.
fn config(server: &Server) -> Result<Config, Box<dyn std::error::Error>> {
    Ok(Config::new(AccountId::new(server.account_id())?)
        .credentials(ClientId::new(server.client_id())?, Secret::new(server.client_secret()))
        .trust(Trust::new(&server.base_url(), ["liveperson.net"])?))
}
