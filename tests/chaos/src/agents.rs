//! The agents: they answer each second message, and say something now and then, so that there is something after a
//! message whose answer was lost.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
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
    books: &Arc<Books>,
    fleet: &Arc<Fleet>,
    ends: &Arc<AtomicBool>,
) -> JoinHandle<()> {
    let (cloud, books) = (cloud.clone(), books.clone());
    let (fleet, ends) = (fleet.clone(), ends.clone());
    std::thread::spawn(move || {
        let (mut read, mut said) = (0, 0_usize);
        let mut spoken = SystemTime::now();
        while !ends.load(Ordering::Relaxed) {
            let mut open = None;
            if spoken.elapsed().unwrap_or_default() > EVERY {
                spoken = SystemTime::now();
                let book = books.lock();
                let is_behind = said > book.acknowledged.len() + MAX_BEHIND;
                let mut consumers = book.open_consumers();
                if is_behind {
                    // What they say next proves that a message did not arrive, before it is reported.
                    let doubted = fleet.log().doubted_consumers();
                    consumers.retain(|consumer| doubted.contains(consumer));
                }
                open = Some(consumers);
            }
            cloud.with(|sandbox| {
                let (answers, last) = questions(sandbox, read);
                read = last;
                for conversation in answers {
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

/// The conversations of each second new message of a consumer, and the number of the last message.
fn questions(sandbox: &Sandbox, read: u64) -> (Vec<String>, u64) {
    let new: Vec<_> = sandbox
        .messages()
        .iter()
        .rev()
        .take_while(|message| message.number > read)
        .filter(|message| message.role == "CONSUMER" && text(&message.event).is_some())
        .map(|message| (message.number, message.conversation.clone()))
        .collect();
    let last = sandbox.messages().back().map_or(read, |message| message.number);
    let second = new.into_iter().rev().filter(|(number, _)| number % 2 == 0);
    (second.map(|(_, conversation)| conversation).collect(), last)
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

/// The cloud's book.
pub(crate) fn book(sandbox: &Sandbox) -> Cloud {
    let mut cloud = Cloud::default();
    for message in sandbox.messages() {
        let Some(text) = text(&message.event) else { continue };
        let side = match message.role {
            "CONSUMER" => &mut cloud.texts,
            _ => &mut cloud.agents,
        };
        side.entry(channel_id(&message.consumer).to_owned()).or_default().push(text.to_owned());
    }
    cloud
}
