//! The agent's actions, and the survey's bot.

use std::time::Duration;

use serde_json::{Value, json};

use crate::sandbox::Sandbox;
use crate::state::{Publication, Survey, milliseconds};
use crate::webhook::notification::SURVEY_BOT;

/// LivePerson's id of the agent.
pub const AGENT: &str = "a9-agent";

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
    /// Sends a file of this name.
    File(String),
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
        let texts = |name: &str| -> Vec<String> {
            let all = value.get(name).and_then(Value::as_array).into_iter().flatten();
            all.filter_map(Value::as_str).map(str::to_owned).collect()
        };
        Ok(match value.get("do").and_then(Value::as_str).unwrap_or_default() {
            "join" => Self::Join,
            "text" => Self::Text(text("text")?, texts("replies")),
            "note" => Self::Note(text("text")?),
            "card" => Self::Card(text("text")?, texts("buttons")),
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

impl Sandbox {
    /// Performs an action of the agent in conversation `id`. The agent joins first if necessary. `now` is
    /// the time since the Unix epoch.
    ///
    /// # Errors
    /// If the conversation is unknown or closed: a message that says so.
    pub fn agent(&mut self, now: Duration, id: &str, action: Agent) -> Result<(), String> {
        let conversation = self.state.conversations.get_mut(id).ok_or("no such conversation")?;
        if !conversation.main_open {
            return Err("the conversation is closed".to_owned());
        }
        let has_joined = conversation.agents.iter().any(|agent| agent == AGENT);
        let transfers = matches!(action, Agent::Transfer(_));
        if !has_joined && !transfers {
            conversation.agents.push(AGENT.to_owned());
            self.notify_conversation(now, id);
        }
        let event = match action {
            Agent::Join => return Ok(()),
            Agent::Text(text, replies) => {
                let mut event = content(&text);
                if let (false, Some(members)) = (replies.is_empty(), event.as_object_mut()) {
                    members.insert("quickReplies".to_owned(), quick_replies(&replies, |_| None));
                }
                event
            }
            Agent::Note(text) => {
                self.publish_as(
                    now,
                    id,
                    id,
                    (AGENT, "ASSIGNED_AGENT"),
                    content(&text),
                    "AGENTS_AND_MANAGERS",
                );
                return Ok(());
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
                let kind = name.rsplit('.').next().unwrap_or_default().to_ascii_uppercase();
                let account = &self.config.account;
                let path = format!("/v1/AUTH_async-images/{account}/{}.{kind}", self.random.uuid());
                // The consumer can download it.
                self.state.files.insert(path.clone(), format!("the bytes of {name}").into_bytes());
                json!({"type": "ContentEvent", "contentType": "hosted/file", "message": {
                    "caption": name, "relativePath": path, "fileType": kind}})
            }
            Agent::State(state) => json!({"type": "ChatStateEvent", "chatState": state}),
            Agent::Read => {
                let sent = self.state.messages.iter().filter(|message| {
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
                return Ok(());
            }
            Agent::Close => {
                self.close_main_dialog(now, id, "AGENT");
                return Ok(());
            }
            Agent::Raw(event) => event,
        };
        self.publish_as(now, id, id, (AGENT, "ASSIGNED_AGENT"), event, "ALL");
        Ok(())
    }

    fn publish_as(
        &mut self,
        now: Duration,
        conversation: &str,
        dialog: &str,
        who: (&str, &'static str),
        event: Value,
        audience: &'static str,
    ) {
        let metadata = Value::Null;
        let agent = Some(who);
        self.publish(now, Publication { conversation, dialog, agent, audience, metadata, event });
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
