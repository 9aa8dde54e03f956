//! Sends messages from threads, against a sandbox:
//! `cargo run -p lp-connector --features sandbox --example send_message`.

use std::error::Error;
use std::thread;
use std::time::Duration;

use lp_connector::api::{OpenConversation, SendText};
use lp_connector::policy::RetryPolicy;
use lp_connector::sandbox::{Endpoint, Server, ServerConfig};
use lp_connector::ureq::Client;
use lp_connector::{Config, Secret, Trust};

fn main() -> Result<(), Box<dyn Error>> {
    let cloud = Server::start(ServerConfig::new())?;
    let client = Client::new(config(&cloud)?)?;

    let conversation = client.start_conversation(OpenConversation::new("ada".parse()?))?;
    let sent = conversation.send_text("Coo?")?;
    println!("sent as {:?} in {} attempt", sent.output.sequence, sent.attempts);

    // One call with options of its own.
    let text = SendText::new(conversation.reference(), "Still there?");
    client.request(text).timeout(Duration::from_secs(5)).retry(RetryPolicy::none()).send()?;
    conversation.close_dialog()?;

    // Clones of a client share hosts, tokens and connections.
    let consumers = ["grace", "edsger", "barbara"].map(|consumer| {
        let client = client.clone();
        thread::spawn(move || {
            let open = OpenConversation::new(consumer.parse()?);
            let conversation = client.start_conversation(open)?;
            for text in ["Hello", "Bye"] {
                conversation.send_text(text)?;
            }
            conversation.close_dialog()
        })
    });
    for consumer in consumers {
        consumer.join().map_err(|_| "a thread has panicked")??;
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
