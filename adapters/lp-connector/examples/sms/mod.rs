//! The others around an SMS connector, played: an SMS provider, a person with a phone, and an agent.

use std::error::Error;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::sync::mpsc::{self, Receiver, Sender};
use std::time::{Duration, SystemTime};
use std::{io, thread};

use lp_connector::sandbox::{Agent, Message, Server, Webhooks};
use lp_connector::serde_json::json;
use lp_connector::webhook;
use lp_connector::{Config, Secret, Trust};

/// The provider, which sends text messages to phones.
#[derive(Clone)]
pub(crate) struct Provider {
    phone: Sender<String>,
}

impl Provider {
    /// The provider, and the person's phone.
    pub(crate) fn new() -> (Self, Receiver<String>) {
        let (phone, screen) = mpsc::channel();
        (Self { phone }, screen)
    }

    /// Sends a text message. Your provider's API goes here, with an idempotency key if it has one: `reference` is
    /// the same on every repeat.
    pub(crate) fn send_sms(&self, to: &str, text: &str, reference: &str) -> io::Result<()> {
        println!("to {to} [{reference}]: {text}");
        self.phone.send(text.to_owned()).map_err(io::Error::other)
    }
}

/// The configuration of a client, and what verifies webhooks. For the real cloud, leave `trust` out.
pub(crate) fn config(cloud: &Server) -> Result<(Config, webhook::Receiver), Box<dyn Error>> {
    let secret = Secret::new(cloud.client_secret());
    let receiver = webhook::Receiver::new().secret(secret.clone());
    let config = Config::new(cloud.account_id().parse()?)
        .credentials(cloud.client_id().parse()?, secret)
        .trust(Trust::new(&cloud.base_url(), ["liveperson.net"])?);
    Ok((config, receiver))
}

/// Plays a conversation with the connector at this address, and then stops the program as a service manager does.
pub(crate) fn play(cloud: Server, screen: Receiver<String>, connector: SocketAddr) {
    let webhooks = Webhooks::all_at(format!("http://{connector}/lp"));
    cloud.with(|cloud| cloud.set_webhooks(webhooks.retention(Duration::from_secs(60))));
    thread::spawn(move || {
        if let Err(error) = converse(&cloud, &screen, connector) {
            eprintln!("the conversation broke off: {error}");
            std::process::exit(1);
        }
        let stopped = Command::new("kill").arg(std::process::id().to_string()).status();
        if !stopped.is_ok_and(|status| status.success()) {
            std::process::exit(0);
        }
    });
}

fn converse(
    cloud: &Server,
    screen: &Receiver<String>,
    connector: SocketAddr,
) -> Result<(), Box<dyn Error>> {
    post_sms(connector, "SM1", "Where is my parcel?")?;
    // The provider heard no answer, and posts it again: that changes nothing.
    post_sms(connector, "SM1", "Where is my parcel?")?;
    wait_for(cloud, "Where is my parcel?");
    let replies = ["At home", "At the shop"].map(str::to_owned).to_vec();
    agent(cloud, Agent::Text("Where shall we bring it?".to_owned(), replies))?;
    expect(screen, "[2] At the shop")?;
    thread::sleep(Duration::from_millis(300)); // a person reads it
    post_sms(connector, "SM2", "2")?;
    wait_for(cloud, "At the shop");
    agent(cloud, Agent::File("label.png".to_owned()))?;
    expect(screen, "a file")?;
    agent(cloud, Agent::Close)?;
    expect(screen, "Write again")
}

/// The person sends a text message: the provider posts it to the connector.
fn post_sms(connector: SocketAddr, id: &str, text: &str) -> Result<(), Box<dyn Error>> {
    println!("from +41790000001: {text}");
    let body = json!({"id": id, "from": "+41790000001", "text": text}).to_string();
    let mut stream = TcpStream::connect(connector)?;
    write!(
        stream,
        "POST /sms HTTP/1.1\r\nhost: {connector}\r\nconnection: close\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len(),
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    match answer.starts_with("HTTP/1.1 202") {
        true => Ok(()),
        false => Err(format!("the connector did not accept it: {answer}").into()),
    }
}

fn agent(cloud: &Server, action: Agent) -> Result<(), Box<dyn Error>> {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
    cloud.with(|cloud| {
        let open = cloud.conversations().next().map(|open| open.id.clone());
        cloud.agent(now, &open.ok_or("there is no conversation")?, action)
    })?;
    Ok(())
}

/// Waits until the agent has this message of the person.
fn wait_for(cloud: &Server, text: &str) {
    let is_it = |sent: &Message| sent.event.get("message").is_some_and(|message| message == text);
    while !cloud.with(|cloud| cloud.messages().iter().any(is_it)) {
        thread::sleep(Duration::from_millis(5));
    }
    println!("the agent has: {text}");
}

/// Waits until the phone shows this.
fn expect(screen: &Receiver<String>, text: &str) -> Result<(), Box<dyn Error>> {
    while !screen.recv_timeout(Duration::from_secs(30))?.contains(text) {}
    Ok(())
}
