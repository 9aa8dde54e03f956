//! `demo --bridge`: a gateway, the bridge as a process of its own, a sandbox, and a `kill -9` in the middle.

mod books;
mod child;
mod gateway;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime};

use lp_connector_sandbox::{Agent, Conversation, Endpoint, Sandbox, Server, Webhooks};
use serde_json::json;

use self::books::{Books, Verdict};
use self::child::Child;
use self::gateway::Gateway;
use crate::commands::demo;
use crate::failure::Failure;
use crate::output::Output;

/// How long the demo waits for anything.
const PATIENCE: Duration = Duration::from_secs(60);

/// How often it looks.
const LOOK: Duration = Duration::from_millis(20);

/// How long LivePerson keeps a notification that nobody takes.
const RETENTION: Duration = Duration::from_secs(3600);

/// How many messages each consumer sends before the bridge is killed.
const BEFORE: usize = 3;

/// The message of ada that is on its way when the bridge is killed.
const ON_ITS_WAY: &str = "message 4 of ada";

const CONSUMERS: [&str; 2] = ["ada", "grace"];

pub(crate) fn demo(output: &Output) -> Result<(), Failure> {
    let failed = |what: &'static str| {
        move |error: std::io::Error| Failure::Local(format!("{what}: {error}"))
    };
    let folder = tempfile::tempdir().map_err(failed("cannot make a folder"))?;
    let cloud = Arc::new(demo::start(output)?);
    let books = Arc::new(Books::default());
    let gateway = Gateway::start(books.clone())?;
    output.say(format!("The gateway listens at {}", gateway.url()));
    let mut bridge = Child::start(folder.path(), &cloud, &gateway, None)?;
    tell(
        output,
        "started",
        &format!("The bridge is process {}, and keeps everything in a file", bridge.id()),
    );
    let webhooks = Webhooks::all_at(bridge.webhooks()).retention(RETENTION);
    cloud.with(|sandbox| sandbox.set_webhooks(webhooks));
    let agents = Agents::start(&cloud);

    output.say("\nada and grace write, and an agent answers:");
    let told = gateway.client(bridge.url());
    for number in 1..=BEFORE {
        for consumer in CONSUMERS {
            told.hand_in(consumer, &format!("message {number} of {consumer}"))?;
        }
    }
    wait("the first answers", || books.delivered() >= BEFORE * CONSUMERS.len())?;
    tell(
        output,
        "before",
        &format!(
            "  {} messages handed in, {} answers delivered",
            books.accepted(),
            books.delivered()
        ),
    );

    interrupted(&cloud, &gateway, &bridge)?;
    let id = bridge.id();
    bridge.kill()?;
    output.say(format!("\nkill -9 {id}, while a message of ada is on its way:"));
    tell(
        output,
        "killed",
        "  LivePerson has the message, and the bridge could not write that down",
    );
    let of_grace = gateway.client(bridge.url());
    let waiting = thread::spawn(move || of_grace.hand_in("grace", "message 4 of grace"));
    say_to(&cloud, "grace", "this comes while the bridge is away")?;
    tell(
        output,
        "away",
        "  grace writes, and the gateway repeats it; the agent writes, and LivePerson keeps it",
    );

    let bridge = Child::start(folder.path(), &cloud, &gateway, Some(&bridge))?;
    output.say(format!(
        "\nThe bridge is started again on the same file, as process {}:",
        bridge.id()
    ));
    waiting.join().map_err(|_| Failure::Local("the gateway failed".to_owned()))??;
    wait("the message on its way", || books.is_sent("ada", ON_ITS_WAY))?;
    tell(
        output,
        "settled",
        "  ada's message was found again by its echo: it was taken once, and is not sent twice",
    );
    told.hand_in("ada", "message 5 of ada")?;
    told.hand_in("ada", "message 6 of ada")?;
    wait("the rest", || {
        let verdict = Verdict::of(&books, &cloud);
        verdict.arrived >= verdict.accepted
            && verdict.delivered >= verdict.said
            && agents.are_idle(&cloud)
    })?;
    agents.stop();
    let verdict = Verdict::of(&books, &cloud);
    bridge.end()?;

    output.say("\nThe books of both sides:");
    tell(output, "messages", &verdict.of_messages());
    tell(output, "answers", &verdict.of_answers());
    match verdict.is_good() {
        true => Ok(()),
        false => Err(Failure::Local("the books do not agree".to_owned())),
    }
}

/// Lets a message of ada reach LivePerson, whose answer does not come, and whose echo comes later.
fn interrupted(cloud: &Server, gateway: &Gateway, bridge: &Child) -> Result<(), Failure> {
    let requests = || [Endpoint::Send, Endpoint::Webhook].map(|endpoint| cloud.requests(endpoint));
    let mut last = (requests(), Instant::now());
    // Receipts are requests too: they are over when nothing has come for a while.
    wait("the receipts", || {
        let now = requests();
        if now != last.0 {
            last = (now, Instant::now());
        }
        last.1.elapsed() > Duration::from_millis(300)
    })?;
    // Each counts from here on.
    for fault in ["send:1=delay:30s", "webhook:1=delay:2s"] {
        let fault = fault.parse().map_err(Failure::Local)?;
        cloud.with(|sandbox| sandbox.fault(fault));
    }
    gateway.client(bridge.url()).hand_in("ada", ON_ITS_WAY)?;
    let has_it = |(_, text): (&str, &str)| text == ON_ITS_WAY;
    wait("ada's message", || cloud.with(|sandbox| books::texts(sandbox, "CONSUMER").any(has_it)))
}

fn tell(output: &Output, step: &str, line: &str) {
    output.done(&json!({"event": "step", "step": step, "result": line.trim_start()}), line);
}

/// Waits until something is so.
fn wait(what: &str, mut is_so: impl FnMut() -> bool) -> Result<(), Failure> {
    let begun = Instant::now();
    while !is_so() {
        if begun.elapsed() > PATIENCE {
            return Err(Failure::Local(format!(
                "waited {} s in vain for {what}",
                PATIENCE.as_secs()
            )));
        }
        thread::sleep(LOOK);
    }
    Ok(())
}

/// An agent says something to a consumer.
fn say_to(cloud: &Server, consumer: &str, text: &str) -> Result<(), Failure> {
    cloud.with(|sandbox| {
        let open = |one: &&Conversation| one.open && one.consumer.ends_with(consumer);
        let id = sandbox.conversations().find(open).map(|one| one.id.clone());
        let id = id.ok_or_else(|| Failure::Local("the conversation is closed".to_owned()))?;
        say(sandbox, &id, text).map_err(Failure::Local)
    })
}

fn say(sandbox: &mut Sandbox, conversation: &str, text: &str) -> Result<(), String> {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    sandbox.agent(now, conversation, Agent::Text(text.to_owned(), Vec::new()))
}

/// The agent who answers every message.
struct Agents {
    ends: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Agents {
    fn start(cloud: &Arc<Server>) -> Self {
        let ends = Arc::new(AtomicBool::new(false));
        let (cloud, stop) = (cloud.clone(), ends.clone());
        let thread = thread::spawn(move || {
            let mut read = 0;
            while !stop.load(Ordering::Relaxed) {
                cloud.with(|sandbox| answer(sandbox, &mut read));
                thread::sleep(LOOK);
            }
        });
        Self { ends, thread }
    }

    /// Whether every message has its answer.
    fn are_idle(&self, cloud: &Server) -> bool {
        let count = |role: &str| cloud.with(|sandbox| books::texts(sandbox, role).count());
        count("ASSIGNED_AGENT") > count("CONSUMER")
    }

    fn stop(self) {
        self.ends.store(true, Ordering::Relaxed);
        let _ = self.thread.join();
    }
}

fn answer(sandbox: &mut Sandbox, read: &mut u64) {
    let new = sandbox.messages().iter().filter(|one| one.number > *read && one.role == "CONSUMER");
    let new: Vec<_> = new
        .filter_map(|one| {
            let text = one.event.get("message")?.as_str()?;
            Some((one.conversation.clone(), format!("answer to {text}")))
        })
        .collect();
    *read = sandbox.messages().back().map_or(*read, |one| one.number);
    for (conversation, text) in new {
        // A conversation that is closed meanwhile needs no answer.
        let _ = say(sandbox, &conversation, &text);
    }
}
