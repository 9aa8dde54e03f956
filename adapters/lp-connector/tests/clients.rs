//! Each client, named by way of this crate alone, sends a text to the sandbox.

use futures_lite::future::block_on;
use lp_connector::api::OpenConversation;
use lp_connector::axum::Webhooks;
use lp_connector::sandbox::{Server, ServerConfig};
use lp_connector::webhook::Receiver;
use lp_connector::{Config, Secret, Trust};

type Outcome<T = ()> = Result<T, Box<dyn std::error::Error>>;

fn config(server: &Server) -> Outcome<Config> {
    Ok(Config::new(server.account_id().parse()?)
        .credentials(server.client_id().parse()?, Secret::new(server.client_secret()))
        .trust(Trust::new(&server.base_url(), ["liveperson.net"])?))
}

fn open() -> Outcome<OpenConversation> {
    Ok(OpenConversation::new("pigeon-ring-0042".parse()?))
}

fn texts(server: &Server) -> Vec<String> {
    let text = |event: &serde_json::Value| event["message"].as_str().unwrap_or_default().to_owned();
    server.with(|cloud| cloud.messages().iter().map(|message| text(&message.event)).collect())
}

#[test]
fn the_blocking_client_sends_a_text() -> Outcome {
    let server = Server::start(ServerConfig::new())?;
    let client = lp_connector::ureq::Client::new(config(&server)?)?;
    client.start_conversation(open()?)?.send_text("Coo?")?;
    assert_eq!(texts(&server), ["Coo?"]);
    Ok(())
}

#[tokio::test]
async fn the_tokio_client_sends_a_text() -> Outcome {
    let server = Server::start(ServerConfig::new())?;
    let client = lp_connector::tokio::Client::new(config(&server)?)?;
    client.start_conversation(open()?).await?.send_text("Coo?").await?;
    assert_eq!(texts(&server), ["Coo?"]);
    Ok(())
}

#[test]
fn the_async_std_client_sends_a_text() -> Outcome {
    block_on(async {
        let server = Server::start(ServerConfig::new())?;
        let client = lp_connector::async_std::Client::new(config(&server)?)?;
        client.start_conversation(open()?).await?.send_text("Coo?").await?;
        assert_eq!(texts(&server), ["Coo?"]);
        Ok(())
    })
}

#[test]
fn the_smol_client_sends_a_text() -> Outcome {
    block_on(async {
        let server = Server::start(ServerConfig::new())?;
        let client = lp_connector::smol::Client::new(config(&server)?)?;
        client.start_conversation(open()?).await?.send_text("Coo?").await?;
        assert_eq!(texts(&server), ["Coo?"]);
        Ok(())
    })
}

#[test]
fn an_endpoint_ends_with_its_router() {
    let receiver = Receiver::new().secret(Secret::new("s3cret".to_owned()));
    let (router, mut notifications) = Webhooks::new(receiver).split();
    drop(router);
    assert!(block_on(notifications.recv()).is_none());
}
