//! A whole connector for an SMS provider, over the bridge, on threads. It runs against a sandbox:
//! `cargo run -p lp-connector --features bridge,sandbox,sqlite --example sms_connector`.

mod sms;
#[path = "endpoint/verify.rs"]
mod verify;

use std::{error::Error, io::Read as _, sync::Arc, thread, time::Duration};

use lp_connector::bridge::blocking::{Bridge, Channel, Content, FromAgent};
use lp_connector::bridge::{Inbound, Undelivered};
use lp_connector::webhook::Transition;
use lp_connector::{ExtConsumerId, serde_json, ureq::Client};
use signal_hook::{consts::SIGTERM, iterator::Signals};

struct Sms(sms::Provider);

impl Channel for Sms {
    fn deliver(&self, to: &ExtConsumerId, message: FromAgent) -> Result<(), Undelivered> {
        let text = match &message.content {
            Content::Text(text) => text.numbered(),
            Content::File(file) => format!("a file of {} bytes", file.bytes()?.len()),
            Content::Changed(Transition::Finished) => "Closed. Write again at any time.".to_owned(),
            _ => return Ok(()),
        };
        Ok(self.0.send_sms(to.as_str(), &text, &message.id)?) // an error is an outage
    }
}

/// The provider posts `{"id", "from", "text"}`, and repeats it until it is answered 202.
fn accept_sms(bridge: &Bridge, request: &mut tiny_http::Request) -> Result<u16, Box<dyn Error>> {
    let sms: serde_json::Value = serde_json::from_reader(request.as_reader().take(64 * 1024))?;
    let text = |name| sms.get(name).and_then(|member| member.as_str()).unwrap_or_default();
    let message = Inbound::text(text("id"), text("text"))?;
    Ok(bridge.accept(&text("from").parse()?, message).map_or(503, |_| 202))
}

fn main() -> Result<(), Box<dyn Error>> {
    let world = sms::World::start()?;
    let (config, receiver) = world.config()?;
    let (provider, phone) = sms::Provider::new();
    // On many machines, this line is another one: lp_connector::postgres::Postgres::connect(&url)?
    let store = lp_connector::sqlite::Sqlite::open(world.file("sms.db"))?;
    let bridge = Bridge::new(Client::new(config)?, store, Sms(provider))?;
    let server = Arc::new(tiny_http::Server::http("127.0.0.1:0").map_err(|e| e.to_string())?);
    let _files = world.play(phone, server.server_addr().to_ip().ok_or("no address")?);
    let (mut signals, serving) = (Signals::new([SIGTERM])?, server.clone());
    thread::spawn(move || signals.forever().next().map(|_| serving.unblock()));
    let store = |webhook| bridge.receive(&webhook).is_ok();
    while let Ok(mut request) = server.recv() {
        let status = match request.url() {
            "/sms" => accept_sms(&bridge, &mut request).unwrap_or(400),
            _ => verify::status(&mut request, &receiver, store),
        };
        let _ = request.respond(tiny_http::Response::empty(status));
    }
    println!("stopped well: {}", bridge.drain(Duration::from_secs(10)));
    Ok(())
}
