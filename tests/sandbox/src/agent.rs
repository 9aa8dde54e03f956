//! The other side: what an agent does, and the bot of the survey.

use std::time::Duration;

use serde_json::{Value, json};

use crate::sandbox::Sandbox;
use crate::state::{Publication, Survey, milliseconds};
use crate::webhook::notification::SURVEY_BOT;

/// The agent, as LivePerson knows them.
pub const AGENT: &str = "a9-agent";

/// Something that an agent does in a conversation.
#[derive(Clone, PartialEq, Debug)]
#[non_exhaustive]
pub enum Agent {
    /// Takes the conversation.
    Join,
    /// Says something, perhaps with answers to choose from.
    Text(String, Vec<String>),
    /// Says something that only the brand's own people may see.
    Note(String),
    /// Shows a card: a line of text, and a button for each of these.
    Card(String, Vec<String>),
    /// Sends a file of this name.
    File(String),
    /// Types (`COMPOSING`), stops to (`ACTIVE`), or whatever else a chat state says.
    State(String),
    /// Has read all that the consumer said so far.
    Read,
    /// Hands the conversation to another skill.
    Transfer(String),
    /// Closes the conversation; the survey begins, if there is to be one.
    Close,
    /// Publishes this event as it is.
    Raw(Value),
}

impl Agent {
    /// Reads what the control interface is sent: `{"do": "text", "text": "…", "replies": ["…"]}`, and
    /// so on.
    ///
    /// # Errors
    /// What there is.
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
                    "nobody does {other:?}: there are join, text, note, card, file, state, read, \
                     transfer, close, raw"
                ));
            }
        })
    }
}

impl Sandbox {
    /// An agent does something in a conversation. Whoever speaks is on board from then on.
    ///
    /// # Errors
    /// If there is no such conversation, or it is over.
    pub fn agent(&mut self, now: Duration, id: &str, action: Agent) -> Result<(), String> {
        let conversation = self.state.conversations.get_mut(id).ok_or("no such conversation")?;
        if !conversation.main_open {
            return Err("the conversation is closed".to_owned());
        }
        let aboard = conversation.agents.iter().any(|agent| agent == AGENT);
        let transfers = matches!(action, Agent::Transfer(_));
        if !aboard && !transfers {
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
                // What an agent sends can be got.
                self.state.files.insert(path.clone(), format!("the bytes of {name}").into_bytes());
                json!({"type": "ContentEvent", "contentType": "hosted/file", "message": {
                    "caption": name, "relativePath": path, "fileType": kind}})
            }
            Agent::State(state) => json!({"type": "ChatStateEvent", "chatState": state}),
            Agent::Read => {
                let said = self.state.messages.iter().filter(|message| {
                    message.conversation == id && message.dialog == id && message.role == "CONSUMER"
                });
                let content = |kind: &Value| kind == "ContentEvent" || kind == "RichContentEvent";
                let said = said.filter(|message| message.event.get("type").is_some_and(content));
                let sequences: Vec<u64> = said.filter_map(|message| message.sequence).collect();
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

    /// Closes the main dialog. A survey follows if the consumer's client knows several dialogs, an
    /// agent had the conversation, and surveys are on (protocol.md 9.10).
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

    /// The consumer has said something in the survey: the bot thanks them, and all is over.
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
