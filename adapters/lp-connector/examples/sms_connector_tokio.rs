//! A whole connector for an SMS provider, over the bridge, on tokio. It runs against a sandbox:
//! `cargo run -p lp-connector --features axum,bridge,sandbox,sqlite,tokio --example sms_connector_tokio`.

mod sms;

use std::time::Duration;

use axum::{Router, extract::State, http::StatusCode, routing::post};
use lp_connector::axum::{serve, shutdown_signal};
use lp_connector::bridge::{Bridge, Channel, Content, FromAgent, Inbound, Undelivered};
use lp_connector::webhook::Transition;
use lp_connector::{ExtConsumerId, serde_json, tokio::Client};

struct Sms(sms::Provider);

impl Channel for Sms {
    async fn deliver(&self, to: &ExtConsumerId, message: FromAgent) -> Result<(), Undelivered> {
        let text = match &message.content {
            Content::Text(text) => text.numbered(),
            Content::File(file) => format!("a file of {} bytes", file.bytes().await?.len()),
            Content::Changed(Transition::Finished) => "Closed. Write again at any time.".to_owned(),
            _ => return Ok(()),
        };
        Ok(self.0.send_sms(to.as_str(), &text, &message.id)?) // an error is an outage
    }
}

/// The provider posts `{"id", "from", "text"}`, and repeats it until it is answered 202.
async fn accept_sms(State(bridge): State<Bridge>, body: String) -> Result<StatusCode, StatusCode> {
    let sms: serde_json::Value =
        serde_json::from_str(&body).map_err(|_| StatusCode::BAD_REQUEST)?;
    let text = |name| sms.get(name).and_then(|member| member.as_str()).unwrap_or_default();
    let from = ExtConsumerId::new(text("from")).map_err(|_| StatusCode::BAD_REQUEST)?;
    let message = Inbound::text(text("id"), text("text")).map_err(|_| StatusCode::BAD_REQUEST)?;
    let stored = bridge.accept(&from, message).await;
    stored.map(|_| StatusCode::ACCEPTED).map_err(|_| StatusCode::SERVICE_UNAVAILABLE)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let world = sms::World::start()?;
    let (config, receiver) = world.config()?;
    let (provider, phone) = sms::Provider::new();
    // On many machines, this line is another one: lp_connector::postgres::Postgres::connect(&url)?
    let store = lp_connector::sqlite::Sqlite::open(world.file("sms.db"))?;
    let bridge = Bridge::new(Client::new(config)?, store, Sms(provider))?;
    let app = Router::new().route("/sms", post(accept_sms)).with_state(bridge.clone());
    let app = app.nest("/lp", bridge.webhooks(receiver));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let _files = world.play(phone, listener.local_addr()?);
    serve(listener, app, shutdown_signal()?).await?;
    println!("stopped well: {}", bridge.drain(Duration::from_secs(10)).await);
    Ok(())
}
