//! A sandbox with its control API, until it is ended:
//!
//! ```text
//! cargo run -p lp-connector-sandbox --features console --example control -- [CLOUD [CONTROL [WEBHOOK]]]
//! curl -N http://127.0.0.1:40124/v1/events
//! ```

use std::error::Error;
use std::net::SocketAddr;
use std::time::Duration;

use lp_connector_sandbox::{Server, ServerConfig, Webhooks};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let cloud: SocketAddr = arguments.next().as_deref().unwrap_or("127.0.0.1:40123").parse()?;
    let control: SocketAddr = arguments.next().as_deref().unwrap_or("127.0.0.1:40124").parse()?;
    let server = Server::start(ServerConfig::new().listen(cloud).control(control))?;
    if let Some(url) = arguments.next() {
        let webhooks = Webhooks::all_at(url).retention(Duration::from_secs(3600));
        server.with(|sandbox| sandbox.set_webhooks(webhooks));
    }
    println!("LP_DOMAIN_API={}", server.base_url());
    println!("LP_ACCOUNT_ID={}", server.account_id());
    println!("LP_CLIENT_ID={}", server.client_id());
    println!("LP_CLIENT_SECRET={}", server.client_secret());
    println!("{}/console", server.control_url().unwrap_or_default());
    server.wait()?;
    Ok(())
}
