//! The others around an SMS connector, played: an SMS provider, a person with a phone, and an agent.

use std::error::Error;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::Command;
use std::sync::mpsc::{self, Receiver, Sender};
use std::time::{Duration, SystemTime};
use std::{env, io, thread};

use lp_connector::sandbox::{Agent, Message, Server, ServerConfig, Webhooks};
use lp_connector::serde_json::json;
use lp_connector::webhook;
use lp_connector::{Config, Secret, Trust};
use tempfile::TempDir;

/// The others, played in this program. With `SMS_CLOUD` and `SMS_PROVIDER`, two addresses, they are elsewhere.
pub(crate) enum World {
    Played { cloud: Box<Server>, files: TempDir },
    Elsewhere { cloud: String },
}

impl World {
    pub(crate) fn start() -> Result<Self, Box<dyn Error>> {
        Ok(match env::var("SMS_CLOUD") {
            Ok(cloud) => Self::Elsewhere { cloud },
            Err(_) => Self::Played {
                cloud: Box::new(Server::start(ServerConfig::new())?),
                files: tempfile::tempdir()?,
            },
        })
    }

    /// A file of the program. Yours has a place of its own: what is in it outlives the program.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        match self {
            Self::Played { files, .. } => files.path().join(name),
            Self::Elsewhere { .. } => name.into(),
        }
    }

    /// The configuration of a client, and what verifies webhooks. For the real cloud, leave `trust` out.
    pub(crate) fn config(&self) -> Result<(Config, webhook::Receiver), Box<dyn Error>> {
        let (address, account, client, secret) = match self {
            Self::Played { cloud, .. } => {
                (cloud.base_url(), cloud.account_id(), cloud.client_id(), cloud.client_secret())
            }
            Self::Elsewhere { cloud } => {
                let [account, client] = ["LP_ACCOUNT_ID", "LP_CLIENT_ID"].map(env::var);
                (cloud.clone(), account?, client?, env::var("LP_CLIENT_SECRET")?)
            }
        };
        let secret = Secret::new(secret);
        let receiver = webhook::Receiver::new().secret(secret.clone());
        let config = Config::new(account.parse()?)
            .credentials(client.parse()?, secret)
            .trust(Trust::new(&address, ["liveperson.net"])?);
        Ok((config, receiver))
    }

    /// Plays a conversation with the connector at this address, and then stops the program as a service manager
    /// does. The files go with what it returns.
    pub(crate) fn play(self, screen: Receiver<String>, connector: SocketAddr) -> Option<TempDir> {
        let Self::Played { cloud, files } = self else {
            println!("listening on {connector}");
            return None;
        };
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
        Some(files)
    }
}

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
        let Ok(provider) = env::var("SMS_PROVIDER") else {
            return self.phone.send(text.to_owned()).map_err(io::Error::other);
        };
        let body = json!({"to": to, "text": text, "reference": reference}).to_string();
        let answer = post(&provider, "/send", &body)?;
        match answer.starts_with("HTTP/1.1 2") {
            true => Ok(()),
            false => Err(io::Error::other("the provider did not take it")),
        }
    }
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
    let answer = post(&connector.to_string(), "/sms", &body)?;
    match answer.starts_with("HTTP/1.1 202") {
        true => Ok(()),
        false => Err(format!("the connector did not accept it: {answer}").into()),
    }
}

/// Posts this, and returns the answer.
fn post(address: &str, path: &str, body: &str) -> io::Result<String> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    write!(
        stream,
        "POST {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len(),
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
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
