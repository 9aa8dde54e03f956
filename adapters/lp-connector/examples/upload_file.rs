//! Sends a picture, and goes on where it failed, against a sandbox:
//! `cargo run -p lp-connector --features sandbox --example upload_file`.

use std::error::Error;

use lp_connector::api::OpenConversation;
use lp_connector::file::{File, Upload, UploadProgress};
use lp_connector::policy::RetryPolicy;
use lp_connector::sandbox::{Server, ServerConfig};
use lp_connector::ureq::Client;
use lp_connector::{Config, Secret, Trust, serde_json};

fn main() -> Result<(), Box<dyn Error>> {
    let cloud = Server::start(ServerConfig::new())?;
    let client = Client::new(config(&cloud)?)?;
    let conversation = client.start_conversation(OpenConversation::new("ada".parse()?))?;

    // `conversation.send_file(picture)` is the short form. An `Upload` can go on after an error.
    let picture = File::new("ring.png", vec![0x89, b'P', b'N', b'G'])?.caption("A ring");
    let mut upload = Upload::new(conversation.reference(), picture);
    let show = |progress: UploadProgress| println!("{progress:?}");

    let fault = "file:1=503".parse()?;
    cloud.with(|cloud| cloud.fault(fault));
    if let Err(error) = client.upload_with_progress(&mut upload, show) {
        println!("{error:#}");
        // A program may store it, and go on after a restart.
        let stored = serde_json::to_string(&upload)?;
        upload = serde_json::from_str(&stored)?;
        client.upload_with_progress(&mut upload, show)?;
    }

    let messages = cloud.with(|cloud| cloud.messages().clone());
    for message in messages {
        println!("the agent sees {}", message.event);
    }
    Ok(())
}

/// For the sandbox, and without retries, so that the error shows.
fn config(cloud: &Server) -> Result<Config, Box<dyn Error>> {
    Ok(Config::new(cloud.account_id().parse()?)
        .credentials(cloud.client_id().parse()?, Secret::new(cloud.client_secret()))
        .trust(Trust::new(&cloud.base_url(), ["liveperson.net"])?)
        .retry(RetryPolicy::none()))
}
