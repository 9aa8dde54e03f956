//! One message, and then a thousand from sixteen threads over one client, against a sandbox:
//! `cargo run -p lp-connector-ureq --example ureq`.

use lp_connector_sandbox::{Endpoint, Server, ServerConfig};
use lp_connector_ureq::api::OpenConversation;
use lp_connector_ureq::id::{AccountId, ClientId, ExtConsumerId};
use lp_connector_ureq::secret::Secret;
use lp_connector_ureq::{Client, Config, Trust};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let server = Server::start(ServerConfig::new())?;
    let client = Client::new(config(&server)?)?;
    let ada = ExtConsumerId::new("pigeon-ring-0042")?;
    let opened = client.open_conversation(OpenConversation::new(ada))?.output;
    let sent = client.send_text(&opened.conversation, "Coo?")?;
    println!("sent as {:?}", sent.output.sequence);

    std::thread::scope(|scope| {
        let (client, opened) = (&client, &opened);
        let threads: Vec<_> = (0..16)
            .map(|thread| {
                scope.spawn(move || {
                    for n in (thread..1000).step_by(16) {
                        client.send_text(&opened.conversation, format!("message {n}"))?;
                    }
                    Ok(())
                })
            })
            .collect();
        threads.into_iter().try_for_each(|thread| {
            thread.join().unwrap_or_else(|_| Err("a thread has panicked".into()))
        })
    })
    .map_err(|error: Box<dyn std::error::Error + Send + Sync>| error.to_string())?;
    client.close_conversation(&opened.conversation)?;
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
