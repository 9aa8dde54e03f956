//! A scripted conversation with both sides in one process: a connector with a webhook endpoint, and an
//! agent in the sandbox.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::mpsc::RecvTimeoutError;
use std::time::{Duration, Instant, SystemTime};

use lp_connector_core::api::ChatState;
use lp_connector_core::id::{AccountId, ClientId};
use lp_connector_core::secret::Secret;
use lp_connector_core::webhook::Receiver;
use lp_connector_sandbox::{Agent, Server, Webhooks};
use serde_json::{Value, json};

use super::{converse, demo};
use crate::args::Runtime;
use crate::client::Client;
use crate::failure::Failure;
use crate::listener::Listener;
use crate::output::Output;
use crate::session::{Notice, Session};

/// How long to wait for an event: usually it comes within milliseconds.
const TIMEOUT: Duration = Duration::from_secs(20);

/// The participants.
struct Script<'a> {
    server: &'a Server,
    listener: &'a Listener,
    session: &'a Session,
    output: &'a Output,
}

pub(crate) fn interactive(runtime: Runtime, output: &Output) -> Result<(), Failure> {
    let server = demo::start(output)?;
    let listener = listen(&server)?;
    let endpoint = format!("http://{}/", listener.address());
    output.say(format!("Notifications are posted to {endpoint}, signed\n"));
    let webhooks = Webhooks::all_at(endpoint).retention(Duration::from_secs(60));
    server.with(|cloud| cloud.set_webhooks(webhooks));
    let client = Client::new(runtime, demo::config(&server, output)?)?;
    let session = Session::open(client, converse::opening(&demo::ada())?)?;
    let script = Script { server: &server, listener: &listener, session: &session, output };
    script.run()?;
    let posted = server.requests(lp_connector_sandbox::Endpoint::Webhook);
    let lost = server.with(|cloud| cloud.notifications_lost());
    output.done(
        &json!({"event": "finished", "notifications": posted, "lost": lost}),
        format!("\nThe sandbox posted {posted} signed notifications, and {lost} were lost."),
    );
    Ok(())
}

fn listen(server: &Server) -> Result<Listener, Failure> {
    let ids = AccountId::new(server.account_id()).ok().zip(ClientId::new(server.client_id()).ok());
    let (account, client) =
        ids.ok_or_else(|| Failure::Local("the sandbox has no app".to_owned()))?;
    let receiver = Receiver::new().app(account, client, [Secret::new(server.client_secret())]);
    Listener::start(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), receiver)
}

impl Script<'_> {
    /// Runs the script. Each side waits for the message that it answers.
    fn run(&self) -> Result<(), Failure> {
        self.wait_for("the conversation", |line| line.contains("is open"))?;
        self.session.set_chat_state(ChatState::Composing)?;
        self.send("Hello, my pigeon is late 🐦")?;
        self.agent(Agent::Join)?;
        self.wait_for("the agent", |line| line.contains("has joined"))?;
        self.agent(Agent::Read)?;
        self.wait_for("the receipt", |line| line.contains("✓✓ read"))?;
        self.agent(Agent::State("COMPOSING".to_owned()))?;
        self.wait_for("the typing", |line| line.contains("is typing"))?;
        let replies = ["Yes".to_owned(), "No".to_owned()].to_vec();
        self.agent(Agent::Text("Is it ringed?".to_owned(), replies))?;
        self.wait_for("the question", |line| line.contains("Is it ringed?"))?;
        self.mark_read()?;
        self.choose(1)?;
        self.agent(Agent::Note("Only for agents.".to_owned()))?;
        self.agent(Agent::File("ring.png".to_owned()))?;
        self.wait_for("the file", |line| line.contains("ring.png"))?;
        let card = Agent::Card("Is this its ring?".to_owned(), ["That one".to_owned()].to_vec());
        self.agent(card)?;
        self.wait_for("the card", |line| line.contains("That one"))?;
        self.choose(1)?;
        self.send("Thank you, bye!")?;
        self.agent(Agent::Close)?;
        self.wait_for("the survey", |line| line.contains("from 1 to 5"))?;
        self.choose(5)?;
        self.wait_for("the end", |line| line.contains("conversation has ended"))
    }

    fn send(&self, text: &str) -> Result<(), Failure> {
        let sequence = self.session.send(text)?;
        self.show(&json!({"event": "sent", "sequence": sequence}), &format!("you: {text}"));
        Ok(())
    }

    fn choose(&self, number: usize) -> Result<(), Failure> {
        let chosen = self.session.choose(number)?;
        let label = chosen.ok_or_else(|| Failure::Local("there is nothing to click".to_owned()))?;
        self.show(&json!({"event": "chosen", "text": label}), &format!("you: [{number}] {label}"));
        Ok(())
    }

    /// Marks all messages as read, and shows that the agent learns it.
    fn mark_read(&self) -> Result<(), Failure> {
        self.session.mark_read()?;
        let read = self.server.with(|cloud| {
            let last = cloud.messages().back();
            last.is_some_and(|message| message.event.get("status") == Some(&json!("READ")))
        });
        if read {
            self.show(&json!({"event": "read"}), "   (the agent sees: ✓✓ read)");
        }
        Ok(())
    }

    fn agent(&self, action: Agent) -> Result<(), Failure> {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let id = self.session.id();
        self.server.with(|cloud| cloud.agent(now, &id, action)).map_err(Failure::Local)
    }

    /// Shows notices up to the line that is waited for.
    fn wait_for(&self, event: &str, wanted: impl Fn(&str) -> bool) -> Result<(), Failure> {
        let until = Instant::now() + TIMEOUT;
        while Instant::now() < until {
            let wait = match self.session.next_notice() {
                Ok(Notice { json, lines, .. }) => {
                    self.show(&json, &lines.join("\n"));
                    if lines.iter().any(|line| wanted(line)) {
                        return Ok(());
                    }
                    continue;
                }
                Err(wait) => wait.min(Duration::from_millis(100)),
            };
            match self.listener.arrivals().recv_timeout(wait) {
                Ok(arrival) => self.session.receive(arrival.keep()),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        Err(Failure::Local(format!("timed out while waiting for {event}")))
    }

    fn show(&self, json: &Value, line: &str) {
        self.output.done(json, line);
    }
}
