//! The agents: they answer each second message, and say something now and then, so that there is something after a
//! message whose answer was lost.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};

use lp_connector_sandbox::{Agent, Sandbox, Server};
use serde_json::Value;

use crate::books::{Books, Cloud};
use crate::fleet::Fleet;
use crate::program::PREFIX;

/// How often the agents say something where messages are open.
const EVERY: Duration = Duration::from_secs(8);

/// While more of what they said is not acknowledged, they speak only where a message is in doubt: all else would wait
/// behind it.
const MAX_BEHIND: usize = 2000;

/// Starts the agents. They end with `ends`.
pub(crate) fn start(
    cloud: &Arc<Server>,
    book: &Arc<CloudBook>,
    books: &Arc<Books>,
    fleet: &Arc<Fleet>,
    ends: &Arc<AtomicBool>,
) -> JoinHandle<()> {
    let (cloud, book, books) = (cloud.clone(), book.clone(), books.clone());
    let (fleet, ends) = (fleet.clone(), ends.clone());
    std::thread::spawn(move || {
        let mut said = 0_usize;
        let mut spoken = SystemTime::now();
        while !ends.load(Ordering::Relaxed) {
            let mut open = None;
            if spoken.elapsed().unwrap_or_default() > EVERY {
                spoken = SystemTime::now();
                let books = books.lock();
                let is_behind = said > books.acknowledged.len() + MAX_BEHIND;
                let mut consumers = books.open_consumers();
                if is_behind {
                    // What they say next proves that a message did not arrive, before it is reported.
                    let doubted = fleet.log().doubted_consumers();
                    consumers.retain(|consumer| doubted.contains(consumer));
                }
                open = Some(consumers);
            }
            cloud.with(|sandbox| {
                for conversation in book.read(sandbox) {
                    said += 1;
                    say(sandbox, &conversation, said);
                }
                if let Some(open) = open {
                    let all: Vec<String> = sandbox
                        .conversations()
                        .filter(|conversation| {
                            conversation.open && open.contains(channel_id(&conversation.consumer))
                        })
                        .map(|conversation| conversation.id.clone())
                        .collect();
                    for conversation in all {
                        said += 1;
                        say(sandbox, &conversation, said);
                    }
                }
            });
            std::thread::sleep(Duration::from_millis(20));
        }
    })
}

fn say(sandbox: &mut Sandbox, conversation: &str, number: usize) {
    let text = Agent::Text(format!("a{number}"), Vec::new());
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    // A conversation that is closed meanwhile needs no answer.
    let _ = sandbox.agent(now, conversation, text);
}

fn text(event: &Value) -> Option<&str> {
    event.get("message").and_then(Value::as_str)
}

/// What agents said in a notification.
pub(crate) fn texts(notification: &[u8]) -> Vec<String> {
    fn collect(value: &Value, texts: &mut Vec<String>) {
        match value {
            Value::Object(members) => {
                let said = members.get("message").and_then(Value::as_str);
                texts.extend(said.filter(|text| text.starts_with('a')).map(str::to_owned));
                members.values().for_each(|value| collect(value, texts));
            }
            Value::Array(all) => all.iter().for_each(|value| collect(value, texts)),
            _ => {}
        }
    }
    let mut texts = Vec::new();
    if let Ok(notification) = serde_json::from_slice(notification) {
        collect(&notification, &mut texts);
    }
    texts
}

/// The channel's id of a consumer.
fn channel_id(consumer: &str) -> &str {
    consumer.strip_prefix(PREFIX).unwrap_or(consumer)
}

/// The cloud's book, written while the run lasts: the sandbox keeps only its last messages.
#[derive(Debug, Default)]
pub(crate) struct CloudBook(Mutex<Written>);

#[derive(Debug, Default)]
struct Written {
    cloud: Cloud,
    /// The number of the last message.
    last: u64,
}

impl CloudBook {
    /// Writes down what is new, and returns the conversation of each second new message of a consumer.
    pub(crate) fn read(&self, sandbox: &Sandbox) -> Vec<String> {
        let mut written = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let last = written.last;
        let new = sandbox.messages().iter().rev().take_while(|message| message.number > last);
        let new: Vec<_> = new.collect();
        let mut questions = Vec::new();
        for message in new.into_iter().rev() {
            written.last = message.number;
            let Some(text) = text(&message.event) else { continue };
            let is_consumer = message.role == "CONSUMER";
            if is_consumer && message.number % 2 == 0 {
                questions.push(message.conversation.clone());
            }
            let Written { cloud, .. } = &mut *written;
            let side = if is_consumer { &mut cloud.texts } else { &mut cloud.agents };
            side.entry(channel_id(&message.consumer).to_owned()).or_default().push(text.to_owned());
        }
        questions
    }

    /// What is written so far.
    pub(crate) fn with<T>(&self, read: impl FnOnce(&Cloud) -> T) -> T {
        read(&self.0.lock().unwrap_or_else(PoisonError::into_inner).cloud)
    }
}
