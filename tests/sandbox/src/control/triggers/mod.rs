//! Triggers: what can be made to happen by a name. Every one of them ends in a notification at least, so that
//! it can be seen to arrive.

mod table;

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::v1::{Parameter, Problem, Trigger, Triggered};
use crate::state::{Publication, milliseconds};
use crate::{Agent, Sandbox};

pub(crate) use table::TRIGGERS;

/// A parameter that every trigger has.
const COMMON: [ParameterSpec; 3] = [
    ParameterSpec {
        name: "conversation",
        default: "null",
        sentence: "the id of an open conversation; by default the one opened last, or a new one",
    },
    ParameterSpec {
        name: "consumer",
        default: r#""ada""#,
        sentence: "who opens a conversation if there is none",
    },
    ParameterSpec {
        name: "as",
        default: r#""a9-agent""#,
        sentence: "the id of the agent who acts",
    },
];

/// A parameter, with the JSON of its default.
#[derive(Debug)]
pub(crate) struct ParameterSpec {
    name: &'static str,
    default: &'static str,
    sentence: &'static str,
}

/// A trigger.
pub(crate) struct TriggerSpec {
    pub(crate) name: &'static str,
    group: &'static str,
    sentence: &'static str,
    parameters: &'static [ParameterSpec],
    run: fn(&mut Run<'_>) -> Result<(), String>,
}

impl TriggerSpec {
    fn parameters(&self) -> impl Iterator<Item = &ParameterSpec> {
        self.parameters.iter().chain(&COMMON)
    }

    /// The trigger as the API shows it.
    pub(crate) fn describe(&self) -> Trigger {
        let parameter = |spec: &ParameterSpec| Parameter {
            name: spec.name.to_owned(),
            default: serde_json::from_str(spec.default).unwrap_or_default(),
            sentence: spec.sentence.to_owned(),
        };
        Trigger {
            name: self.name.to_owned(),
            sentence: self.sentence.to_owned(),
            group: self.group.to_owned(),
            parameters: self.parameters().map(parameter).collect(),
        }
    }
}

/// A trigger that is running.
pub(crate) struct Run<'a> {
    sandbox: &'a mut Sandbox,
    now: Duration,
    parameters: Map<String, Value>,
    spec: &'static TriggerSpec,
    conversation: Option<String>,
    faults: Vec<u64>,
}

/// Runs a trigger.
pub(crate) fn run(
    sandbox: &mut Sandbox,
    now: Duration,
    name: &str,
    parameters: Map<String, Value>,
) -> Result<Triggered, Problem> {
    let spec = TRIGGERS.iter().find(|spec| spec.name == name).ok_or_else(|| {
        let names: Vec<_> = TRIGGERS.iter().map(|spec| spec.name).collect();
        Problem::new(404, format!("no trigger {name:?}"))
            .detail(format!("there are {}", names.join(", ")))
    })?;
    let is_known = |given: &&String| spec.parameters().any(|one| one.name == given.as_str());
    if let Some(unknown) = parameters.keys().find(|name| !is_known(name)) {
        let names: Vec<_> = spec.parameters().map(|one| one.name).collect();
        return Err(Problem::new(400, format!("{name} has no parameter {unknown:?}"))
            .detail(format!("there are {}", names.join(", "))));
    }
    let (messages, notifications) = (sandbox.state.published, sandbox.notified);
    let mut run = Run { sandbox, now, parameters, spec, conversation: None, faults: Vec::new() };
    if let Err(why) = (spec.run)(&mut run) {
        // What did not happen leaves no fault behind.
        let faults = run.faults;
        for number in faults {
            sandbox.remove_fault(number);
        }
        return Err(Problem::new(400, why));
    }
    let (conversation, faults) = (run.conversation, run.faults);
    Ok(Triggered {
        trigger: name.to_owned(),
        conversation,
        messages: (messages + 1..=sandbox.state.published).collect(),
        notifications: (notifications + 1..=sandbox.notified).collect(),
        faults,
        held: sandbox.notifications_held(),
        next: sandbox.next_try().map(milliseconds),
    })
}

impl Run<'_> {
    fn value(&self, name: &str) -> Value {
        if let Some(given) = self.parameters.get(name) {
            return given.clone();
        }
        let spec = self.spec.parameters().find(|one| one.name == name);
        spec.and_then(|spec| serde_json::from_str(spec.default).ok()).unwrap_or_default()
    }

    fn text(&self, name: &str) -> Result<String, String> {
        match self.value(name) {
            Value::String(text) => Ok(text),
            Value::Number(number) => Ok(number.to_string()),
            _ => Err(format!("{name} must be text")),
        }
    }

    fn texts(&self, name: &str) -> Result<Vec<String>, String> {
        let wrong = || format!("{name} must be a list of texts");
        match self.value(name) {
            Value::Array(all) => {
                let texts = all.into_iter().map(|one| one.as_str().map(str::to_owned));
                texts.collect::<Option<_>>().ok_or_else(wrong)
            }
            // As a command line writes it.
            Value::String(all) => Ok(all.split('|').map(|one| one.trim().to_owned()).collect()),
            _ => Err(wrong()),
        }
    }

    fn number(&self, name: &str, most: u64) -> Result<u64, String> {
        let number = match self.value(name) {
            Value::String(digits) => digits.parse().ok(),
            other => other.as_u64(),
        };
        let number = number.filter(|number| (1..=most).contains(number));
        number.ok_or_else(|| format!("{name} must be a number from 1 to {most}"))
    }

    /// The conversation that it is about, with its main dialog open.
    fn conversation(&mut self) -> Result<String, String> {
        if let Some(id) = &self.conversation {
            return Ok(id.clone());
        }
        let id = match self.value("conversation") {
            Value::String(id) if id != "latest" => {
                let found = self.sandbox.state.conversations.get(&id);
                match found {
                    None => return Err(format!("no such conversation: {id} was never opened")),
                    Some(found) if !found.main_open => {
                        return Err("the conversation is closed".to_owned());
                    }
                    Some(_) => id,
                }
            }
            _ => {
                // A named consumer has one conversation.
                let named = self.parameters.contains_key("consumer");
                let consumer = self.text("consumer")?;
                let own = self.sandbox.state.open_of(&consumer).filter(|_| named).cloned();
                let found = match named {
                    true => own,
                    false => self.sandbox.latest_open().map(str::to_owned),
                };
                match found {
                    Some(id) => id,
                    // Nobody asked for this consumer, who is in a survey.
                    None if !named && self.sandbox.state.open_of(&consumer).is_some() => {
                        self.open_new()?
                    }
                    None => self.open(consumer)?,
                }
            }
        };
        self.conversation = Some(id.clone());
        Ok(id)
    }

    /// Opens a conversation for a consumer who has none.
    fn open(&mut self, consumer: String) -> Result<String, String> {
        if consumer.is_empty() {
            return Err("consumer must not be empty".to_owned());
        }
        if let Some(open) = self.sandbox.state.open_of(&consumer) {
            return Err(format!(
                "{consumer} has an open conversation already, {open}, perhaps in its survey: close it, or name another \
                 consumer"
            ));
        }
        let account = self.sandbox.config.account.clone();
        let features =
            ["MULTI_DIALOG", "QUICK_REPLIES", "RICH_CONTENT", "CO_BROWSE", "PHOTO_SHARING"];
        let request =
            json!({"brandId": account, "channelType": "MESSAGING", "ttrDefName": "NORMAL"});
        let profile = json!({"authenticatedData": {"lp_sdes": []}});
        let features = features.map(str::to_owned).to_vec();
        let id = self.sandbox.open_conversation(self.now, consumer, profile, request, features);
        self.conversation = Some(id.clone());
        Ok(id)
    }

    /// Opens a conversation for the consumer that is given, or for a new one.
    fn open_new(&mut self) -> Result<String, String> {
        let consumer = match self.parameters.contains_key("consumer") {
            true => self.text("consumer")?,
            false => format!("consumer-{}", self.sandbox.state.opened + 1),
        };
        self.open(consumer)
    }

    fn agent(&mut self, action: Agent) -> Result<(), String> {
        let (id, who) = (self.conversation()?, self.text("as")?);
        self.sandbox.agent_as(self.now, &id, &who, action).map(drop)
    }

    /// Publishes an event of the consumer.
    fn consumer(&mut self, event: Value) -> Result<(), String> {
        let id = self.conversation()?;
        let publication = Publication {
            conversation: &id,
            dialog: &id,
            agent: None,
            audience: "ALL",
            metadata: Value::Null,
            event,
        };
        self.sandbox.publish(self.now, publication);
        Ok(())
    }

    /// The sequences of what the consumer has sent; if that is nothing, a text is sent first.
    fn sent_by_consumer(&mut self) -> Result<Vec<u64>, String> {
        let id = self.conversation()?;
        let find = |sandbox: &Sandbox| -> Vec<u64> {
            let is_content = |message: &&crate::Message| {
                message.conversation == id
                    && message.dialog == id
                    && message.role == "CONSUMER"
                    && message
                        .event
                        .get("type")
                        .is_some_and(|kind| kind == "ContentEvent" || kind == "RichContentEvent")
            };
            let sent = sandbox.messages().iter().filter(is_content);
            sent.filter_map(|message| message.sequence).collect()
        };
        let found = find(self.sandbox);
        if !found.is_empty() {
            return Ok(found);
        }
        self.consumer(content("Hello"))?;
        Ok(find(self.sandbox))
    }

    /// Adds a fault for the next requests.
    fn fault(&mut self, fault: &str) -> Result<(), String> {
        let number = self.sandbox.add_fault(fault.parse()?);
        self.faults.push(number.ok_or("there are 1000 faults already: remove some")?);
        Ok(())
    }

    /// Adds a fault, and has the agent ask for something that meets it.
    fn trouble(&mut self, faults: &[String]) -> Result<(), String> {
        for fault in faults {
            self.fault(fault)?;
        }
        let text = self.text("text")?;
        self.agent(Agent::Text(text, Vec::new()))
    }
}

fn content(text: &str) -> Value {
    json!({"type": "ContentEvent", "contentType": "text/plain", "message": text})
}

#[cfg(test)]
#[path = "trigger_tests.rs"]
mod tests;
