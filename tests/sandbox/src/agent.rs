//! The agent's actions, and the survey's bot.

use std::time::Duration;

use serde_json::{Value, json};

use crate::file::MAX_FILE_SIZE;
use crate::sandbox::Sandbox;
use crate::state::{Publication, Survey, milliseconds};
use crate::webhook::notification::SURVEY_BOT;

/// LivePerson's id of the agent who acts where none is named.
pub const AGENT: &str = "a9-agent";

/// The longest id of an agent, in characters.
const MAX_AGENT_ID: usize = 64;

/// An action of the agent in a conversation; see [`Sandbox::agent`].
#[derive(Clone, PartialEq, Debug)]
#[non_exhaustive]
pub enum Agent {
    /// Joins the conversation.
    Join,
    /// Sends a text, with a quick reply for each of the titles.
    Text(String, Vec<String>),
    /// Sends a private text, which only agents and managers see.
    Note(String),
    /// Sends a card: a line of text, and a button for each of the titles.
    Card(String, Vec<String>),
    /// Sends a file of this name, with made-up bytes.
    File(String),
    /// Sends a file of this name with these bytes.
    Upload(String, Vec<u8>),
    /// Sets the chat state, such as `COMPOSING` or `ACTIVE`.
    State(String),
    /// Marks everything that the consumer has sent as read.
    Read,
    /// Transfers the conversation to this skill.
    Transfer(String),
    /// Closes the conversation; a survey follows if one is due.
    Close,
    /// Publishes this event unchanged.
    Raw(Value),
}

impl Agent {
    /// Parses an action of the control interface, such as
    /// `{"do": "text", "text": "…", "replies": ["…"]}`.
    ///
    /// # Errors
    /// If the action is unknown or a member is missing: a message that says so.
    pub fn from_json(value: &Value) -> Result<Self, String> {
        let text = |name: &str| {
            let found = value.get(name).and_then(Value::as_str).map(str::to_owned);
            found.ok_or_else(|| format!("{name} is missing"))
        };
        let texts = |name: &str| -> Result<Vec<String>, String> {
            let all: Option<Vec<String>> = match value.get(name) {
                None => Some(Vec::new()),
                Some(Value::Array(all)) => {
                    all.iter().map(|one| one.as_str().map(str::to_owned)).collect()
                }
                Some(_) => None,
            };
            all.ok_or_else(|| format!("{name} must be a list of texts"))
        };
        Ok(match value.get("do").and_then(Value::as_str).unwrap_or_default() {
            "join" => Self::Join,
            "text" => Self::Text(text("text")?, texts("replies")?),
            "note" => Self::Note(text("text")?),
            "card" => Self::Card(text("text")?, texts("buttons")?),
            "file" => Self::File(text("name")?),
            "state" => Self::State(text("state")?),
            "read" => Self::Read,
            "transfer" => Self::Transfer(text("skill")?),
            "close" => Self::Close,
            "raw" => Self::Raw(value.get("event").cloned().ok_or("event is missing")?),
            other => {
                return Err(format!(
                    "unknown action {other:?}: there are join, text, note, card, file, state, read, \
                     transfer, close, raw"
                ));
            }
        })
    }
}

/// What an agent's action has published.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
#[non_exhaustive]
pub struct Published {
    /// The number of the message, if there is one.
    pub message: Option<u64>,
    /// Its sequence in the dialog, if it has one.
    pub sequence: Option<u64>,
    /// The number of the stored file, if it is a file.
    pub file: Option<u64>,
}

impl Sandbox {
    /// Performs an action of the agent in conversation `id`, like [`agent_as`](Self::agent_as) with
    /// [`AGENT`].
    ///
    /// # Errors
    /// If the conversation is unknown or closed: a message that says so.
    pub fn agent(&mut self, now: Duration, id: &str, action: Agent) -> Result<(), String> {
        self.agent_as(now, id, AGENT, action).map(drop)
    }

    /// Performs an action of the agent with the id `who` in conversation `id`. The agent joins first if
    /// necessary: there may be several. `now` is the time since the Unix epoch.
    ///
    /// # Errors
    /// If the conversation is unknown or closed, or the agent's id is empty, longer than 64 characters, or the
    /// id of the conversation's consumer: a message that says so.
    pub fn agent_as(
        &mut self,
        now: Duration,
        id: &str,
        who: &str,
        action: Agent,
    ) -> Result<Published, String> {
        let conversation = self.state.conversations.get_mut(id).ok_or("no such conversation")?;
        if !conversation.main_open {
            return Err("the conversation is closed".to_owned());
        }
        if !(1..=MAX_AGENT_ID).contains(&who.chars().count()) {
            return Err(format!("an agent's id has 1 to {MAX_AGENT_ID} characters"));
        }
        if who == conversation.consumer_lp || who == SURVEY_BOT {
            return Err(format!("{who} is no agent"));
        }
        let has_joined = conversation.agents.iter().any(|agent| agent == who);
        let transfers = matches!(action, Agent::Transfer(_));
        if !has_joined && !transfers {
            conversation.agents.push(who.to_owned());
            self.notify_conversation(now, id);
        }
        let mut file = None;
        let event = match action {
            Agent::Join => return Ok(Published::default()),
            Agent::Text(text, replies) => {
                let mut event = content(&text);
                if let (false, Some(members)) = (replies.is_empty(), event.as_object_mut()) {
                    members.insert("quickReplies".to_owned(), quick_replies(&replies, |_| None));
                }
                event
            }
            // A note is notified like any other event: `messageAudience` alone says that it is not for the consumer
            // (protocol.md 9.4), and the connector must look.
            Agent::Note(text) => {
                let who = (who, "ASSIGNED_AGENT");
                return Ok(self.publish_as(
                    now,
                    id,
                    id,
                    who,
                    content(&text),
                    "AGENTS_AND_MANAGERS",
                ));
            }
            Agent::Card(text, buttons) => {
                let mut elements = vec![json!({"type": "text", "text": text})];
                elements.extend(buttons.iter().map(|title| {
                    button(
                        title,
                        &json!([
                    {"type": "ExternalId", "id": title}]),
                    )
                }));
                let content = json!({"type": "vertical", "elements": elements});
                json!({"type": "RichContentEvent", "content": content})
            }
            Agent::File(name) => {
                let bytes = format!("the bytes of {name}").into_bytes();
                let (number, event) = self.agent_file(now, &name, bytes);
                file = Some(number);
                event
            }
            Agent::Upload(name, bytes) => {
                if bytes.len() as u64 > MAX_FILE_SIZE {
                    return Err("a file has at most 3 MiB".to_owned());
                }
                let (number, event) = self.agent_file(now, &name, bytes);
                file = Some(number);
                event
            }
            Agent::State(state) => json!({"type": "ChatStateEvent", "chatState": state}),
            Agent::Read => {
                let sent = self.state.messages.entries().iter().filter(|message| {
                    message.conversation == id && message.dialog == id && message.role == "CONSUMER"
                });
                let content = |kind: &Value| kind == "ContentEvent" || kind == "RichContentEvent";
                let sent = sent.filter(|message| message.event.get("type").is_some_and(content));
                let sequences: Vec<u64> = sent.filter_map(|message| message.sequence).collect();
                json!({"type": "AcceptStatusEvent", "status": "READ", "sequenceList": sequences})
            }
            Agent::Transfer(skill) => {
                if let Some(conversation) = self.state.conversations.get_mut(id) {
                    conversation.skill = Some(skill);
                    conversation.agents.clear();
                }
                self.notify_conversation(now, id);
                return Ok(Published::default());
            }
            Agent::Close => {
                self.close_main_dialog(now, id, "AGENT");
                return Ok(Published::default());
            }
            Agent::Raw(event) => event,
        };
        let published = self.publish_as(now, id, id, (who, "ASSIGNED_AGENT"), event, "ALL");
        Ok(Published { file, ..published })
    }

    /// Stores an agent's file, which the consumer can download. Returns its number, and the event.
    fn agent_file(&mut self, now: Duration, name: &str, bytes: Vec<u8>) -> (u64, Value) {
        let kind = name.rsplit('.').next().unwrap_or_default();
        let is_plain = kind.len() < 16 && kind.bytes().all(|byte| byte.is_ascii_alphanumeric());
        let kind = if is_plain { kind.to_ascii_uppercase() } else { "BIN".to_owned() };
        let account = &self.config.account;
        let path = format!("/v1/AUTH_async-images/{account}/{}.{kind}", self.random.uuid());
        let number = self.store_file(now, path.clone(), Some(name.to_owned()), bytes.into());
        let event = json!({"type": "ContentEvent", "contentType": "hosted/file", "message": {
            "caption": name, "relativePath": path, "fileType": kind}});
        (number, event)
    }

    fn publish_as(
        &mut self,
        now: Duration,
        conversation: &str,
        dialog: &str,
        who: (&str, &'static str),
        event: Value,
        audience: &'static str,
    ) -> Published {
        let metadata = Value::Null;
        let agent = Some(who);
        let publication = Publication { conversation, dialog, agent, audience, metadata, event };
        let (message, sequence) = self.publish_message(now, publication).unzip();
        Published { message, sequence: sequence.flatten(), file: None }
    }

    /// Closes the main dialog. A survey follows if the client supports several dialogs, an agent is
    /// in the conversation, and surveys are enabled
    /// ([protocol.md 9.10](https://docs.rs/lp-connector-core/latest/lp_connector_core/protocol/#9.10)).
    pub(crate) fn close_main_dialog(&mut self, now: Duration, id: &str, by: &str) {
        let surveys = self.config.survey;
        let survey_id = self.random.uuid();
        let Some(conversation) = self.state.conversations.get_mut(id) else { return };
        let multi = conversation.features.iter().any(|feature| feature == "MULTI_DIALOG");
        if !(surveys && multi && !conversation.agents.is_empty()) {
            self.state.close(id, by);
            self.notify_conversation(now, id);
            return;
        }
        conversation.main_open = false;
        conversation.close_reason = Some(by.to_owned());
        conversation.agents.clear();
        conversation.survey = Some(Survey {
            dialog: survey_id.clone(),
            open: true,
            answers: Vec::new(),
            started_ms: milliseconds(now),
        });
        self.notify_conversation(now, id);
        let marks: Vec<String> = (1..=5).map(|mark| mark.to_string()).collect();
        let mut question = content("How was it, from 1 to 5?");
        let answer = |mark: &str| {
            Some(json!([{"type": "Answer", "questionId": "q1", "id": format!("a{mark}"),
                "provider": "AC"}]))
        };
        if let Some(members) = question.as_object_mut() {
            members.insert("quickReplies".to_owned(), quick_replies(&marks, answer));
        }
        let metadata = json!([{"type": "Question", "id": "q1", "surveyId": "s1", "provider": "AC",
            "replies": marks.iter().map(|mark| format!("a{mark}")).collect::<Vec<_>>()}]);
        self.publish(
            now,
            Publication {
                conversation: id,
                dialog: &survey_id,
                agent: Some((SURVEY_BOT, "AGENT")),
                audience: "ALL",
                metadata,
                event: question,
            },
        );
    }

    /// Stores the consumer's answer to the survey; the bot thanks them, and the conversation closes.
    pub(crate) fn finish_survey(&mut self, now: Duration, id: &str, dialog: &str, answer: &str) {
        let Some(conversation) = self.state.conversations.get_mut(id) else { return };
        let Some(survey) = &mut conversation.survey else { return };
        survey.answers.push(answer.to_owned());
        let bot = (SURVEY_BOT, "AGENT");
        self.publish_as(now, id, dialog, bot, content("Thank you for your answer."), "ALL");
        self.state.close(id, "AGENT");
        self.notify_conversation(now, id);
    }
}

fn content(text: &str) -> Value {
    json!({"type": "ContentEvent", "contentType": "text/plain", "message": text})
}

fn button(title: &str, metadata: &Value) -> Value {
    json!({"type": "button", "title": title, "tooltip": title, "click": {
        "actions": [{"type": "publishText", "text": title}], "metadata": metadata}})
}

fn quick_replies(titles: &[String], metadata: impl Fn(&str) -> Option<Value>) -> Value {
    let replies: Vec<Value> = titles
        .iter()
        .map(|title| {
            let own = || json!([{"type": "ExternalId", "id": title}]);
            button(title, &metadata(title).unwrap_or_else(own))
        })
        .collect();
    json!({"type": "quickReplies", "itemsPerRow": 8, "replies": replies})
}
