//! Receives webhooks and prints what agents say, until SIGTERM, Ctrl-C or a hangup: then it stops accepting,
//! and prints everything that it has answered 200. `cargo run -p lp-connector-axum --example
//! print_webhooks`, with `LP_CLIENT_SECRET` and `LP_WEBHOOK_LISTEN` set.

use lp_connector_axum::secret::Secret;
use lp_connector_axum::webhook::{Change, Event, Receiver};
use lp_connector_axum::{Webhooks, serve, shutdown_signal};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let secret = Secret::new(std::env::var("LP_CLIENT_SECRET")?);
    let (router, mut deliveries) = Webhooks::new(Receiver::new().secret(secret)).deliveries();
    let listener = tokio::net::TcpListener::bind(std::env::var("LP_WEBHOOK_LISTEN")?).await?;
    println!("listening on {}", listener.local_addr()?); // TLS ends at a proxy before it
    let server = tokio::spawn(serve(listener, router, shutdown_signal()?));
    while let Some(delivery) = deliveries.next().await {
        match delivery.map(|delivered| delivered.change) {
            // Echoes of the consumer's own messages and staff notes are not for the consumer.
            Ok(Change::Message(message)) if message.is_for_consumer() => match message.event() {
                Event::Text(text) => println!("to {}: {}", message.conversation(), text.text),
                other => println!("to {}: {other:?}", message.conversation()),
            },
            Ok(_) => {}
            Err(unreadable) => eprintln!("set aside: {unreadable}"), // it was answered 200 too
        }
    }
    Ok(server.await??)
}
