//! The cloud of the test world: conversations, their events and the notifications of them.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use serde_json::{Value, json};

use super::account;
use crate::api::{ConversationRef, Operation};
use crate::bridge::{CallResult, Called, Outgoing};
use crate::connector::Config;
use crate::error::{Delivery as Effect, Error, ErrorKind};
use crate::id::{ConversationId, LpConsumerId};
use crate::seed::Seed;

#[derive(Clone, Debug, Default)]
pub(crate) struct Cloud {
    pub(crate) conversations: BTreeMap<String, Talk>,
    /// Notifications that were not answered 200 yet.
    pub(crate) to_post: VecDeque<Vec<u8>>,
    pub(crate) close_reason: Option<&'static str>,
    opened: u32,
    pub(crate) wall: Duration,
}

#[derive(Clone, Debug)]
pub(crate) struct Talk {
    pub(crate) consumer: String,
    pub(crate) is_open: bool,
    /// Role, text and acceptance of each event.
    pub(crate) events: Vec<(&'static str, String)>,
    updated: u64,
    pub(crate) skill: Option<String>,
    /// The statuses of the receipts.
    pub(crate) receipts: Vec<String>,
}

impl Cloud {
    pub(crate) fn at(wall: Duration) -> Self {
        Self { wall, ..Self::default() }
    }

    fn millis(&self) -> u64 {
        u64::try_from(self.wall.as_millis()).unwrap()
    }

    fn event(&mut self, conversation: &str, role: &'static str, event: Value, text: String) -> u64 {
        let stamp = self.millis();
        let talk = self.conversations.get_mut(conversation).unwrap();
        let sequence = talk.events.len() as u64;
        talk.events.push((role, text));
        let id = if role == "CONSUMER" { format!("lp-{}", talk.consumer) } else { "a9".into() };
        let body = json!({"kind":"notification","type":"ms.MessagingEventNotification","body":{"changes":[{
            "sequence": sequence, "originatorId": id, "originatorMetadata": {"id": id, "role": role},
            "serverTimestamp": stamp, "dialogId": conversation, "conversationId": conversation,
            "event": event}]}});
        self.to_post.push_back(body.to_string().into_bytes());
        sequence
    }

    pub(crate) fn tell_state(&mut self, conversation: &str) {
        let talk = self.conversations.get_mut(conversation).unwrap();
        talk.updated += 1;
        let state = if talk.is_open { "OPEN" } else { "CLOSE" };
        let mut body = json!({"kind":"notification","type":"cqm.ExConversationChangeNotification","body":{"changes":[{
            "type":"UPSERT","result":{"convId": conversation, "conversationDetails":{"state": state, "stage": state,
            "metaDataLastUpdateTs": talk.updated,
            "participants":[{"id": format!("lp-{}", talk.consumer), "role":"CONSUMER"}]}}}]}});
        if let (Some(reason), false) = (self.close_reason, talk.is_open) {
            body["body"]["changes"][0]["result"]["conversationDetails"]["closeReason"] =
                reason.into();
        }
        self.to_post.push_back(body.to_string().into_bytes());
    }

    pub(crate) fn agent_offers(&mut self, conversation: &str, options: &[&str]) {
        let replies: Vec<Value> = options
            .iter()
            .map(|option| {
                json!({"type":"button","title":option,
            "click":{"actions":[{"type":"publishText","text":format!("I take {option}")}],
                     "metadata":[{"type":"ExternalId","id":option}]}})
            })
            .collect();
        let event = json!({"type":"ContentEvent","contentType":"text/plain","message":"Which?",
            "quickReplies":{"type":"quickReplies","replies":replies}});
        self.event(conversation, "ASSIGNED_AGENT", event, "Which?".to_owned());
    }

    pub(crate) fn agent_reads(&mut self, conversation: &str, sequences: &[u64]) {
        let event = json!({"type":"AcceptStatusEvent","status":"READ","sequenceList":sequences});
        self.event(conversation, "ASSIGNED_AGENT", event, String::new());
    }

    /// The main dialog closes, and a survey begins.
    pub(crate) fn start_survey(&mut self, conversation: &str) {
        let talk = self.conversations.get_mut(conversation).unwrap();
        talk.updated += 1;
        let body = json!({"kind":"notification","type":"cqm.ExConversationChangeNotification","body":{"changes":[{
            "type":"UPSERT","result":{"convId": conversation, "conversationDetails":{"state":"CLOSE","stage":"OPEN",
            "metaDataLastUpdateTs": talk.updated,
            "dialogs":[{"dialogId": conversation,"dialogType":"MAIN","state":"CLOSE"},
                       {"dialogId":"survey-1","dialogType":"POST_SURVEY","state":"OPEN"}],
            "participants":[{"id": format!("lp-{}", talk.consumer), "role":"CONSUMER"}]}}}]}});
        self.to_post.push_back(body.to_string().into_bytes());
    }

    pub(crate) fn agent_says(&mut self, conversation: &str, text: &str) {
        let event = json!({"type":"ContentEvent","contentType":"text/plain","message":text});
        self.event(conversation, "ASSIGNED_AGENT", event, text.to_owned());
    }

    /// An agent writes a private note, of which the connector is told all the same.
    pub(crate) fn agent_notes(&mut self, conversation: &str, text: &str) {
        self.agent_says(conversation, text);
        self.conversations.get_mut(conversation).unwrap().events.last_mut().unwrap().0 = "NOTE";
        let mut body: Value = serde_json::from_slice(self.to_post.back().unwrap()).unwrap();
        body["body"]["changes"][0]["messageAudience"] = "AGENTS_AND_MANAGERS".into();
        *self.to_post.back_mut().unwrap() = body.to_string().into_bytes();
    }

    /// The newest notification tells another text than was sent.
    pub(crate) fn change_last_text(&mut self, text: &str) {
        let mut body: Value = serde_json::from_slice(self.to_post.back().unwrap()).unwrap();
        body["body"]["changes"][0]["event"]["message"] = text.into();
        *self.to_post.back_mut().unwrap() = body.to_string().into_bytes();
    }

    /// Another program opens a conversation.
    pub(crate) fn open_for(&mut self, consumer: &str) {
        self.opened += 1;
        let conversation = format!("c{}", self.opened);
        let talk = Talk {
            consumer: consumer.to_owned(),
            is_open: true,
            events: Vec::new(),
            updated: 0,
            skill: None,
            receipts: Vec::new(),
        };
        self.conversations.insert(conversation.clone(), talk);
        self.tell_state(&conversation);
    }

    pub(crate) fn close(&mut self, conversation: &str) {
        let talk = self.conversations.get_mut(conversation).unwrap();
        if std::mem::take(&mut talk.is_open) {
            self.tell_state(conversation);
        }
    }

    pub(crate) fn open_of(&self, consumer: &str) -> Option<String> {
        let mut open = self.conversations.iter().filter(|(_, talk)| talk.is_open);
        open.find(|(_, talk)| talk.consumer == consumer).map(|(id, _)| id.clone())
    }

    /// Performs a request.
    pub(crate) fn perform(&mut self, outgoing: &Outgoing) -> CallResult {
        let config = std::sync::Arc::new(Config::new(account()));
        let context = config.context(Seed::from_bytes([1; 16]));
        let body = |request: crate::api::RelativeRequest| -> Value {
            serde_json::from_slice(request.body()).unwrap()
        };
        match outgoing {
            Outgoing::Identify(identify) => {
                let crate::api::Principal::Consumer(id) = crate::api::Lookup::principal(identify)
                else {
                    panic!()
                };
                let is_named = !id.as_str().starts_with("nameless");
                let lp_consumer = LpConsumerId::new(format!("lp-{id}")).unwrap();
                Ok(Called::Identified(is_named.then_some(lp_consumer)))
            }
            Outgoing::Open(open) => {
                let crate::api::Principal::Consumer(id) = open.principal() else { panic!() };
                if self.open_of(id.as_str()).is_some() {
                    return Err(Error::new(ErrorKind::AlreadyOpen, "one is open")
                        .with_delivery(Effect::Rejected));
                }
                let request = body(open.request(&context).unwrap());
                let skill = request[1]["body"]["skillId"].as_str().map(str::to_owned);
                self.opened += 1;
                let conversation = format!("c{}", self.opened);
                let talk = Talk {
                    consumer: id.to_string(),
                    is_open: true,
                    events: Vec::new(),
                    updated: 0,
                    skill,
                    receipts: Vec::new(),
                };
                self.conversations.insert(conversation.clone(), talk);
                self.tell_state(&conversation);
                Ok(Called::Opened(ConversationRef::new(
                    id,
                    ConversationId::new(conversation).unwrap(),
                )))
            }
            Outgoing::Text(send) => {
                let body = body(send.request(&context).unwrap());
                let text = body["body"]["event"]["message"].as_str().unwrap().to_owned();
                self.publish(&body, text)
            }
            Outgoing::Receipt(send) => {
                let body = body(send.request(&context).unwrap());
                self.publish(&body, String::new())
            }
            Outgoing::Close(close) => {
                let id = close.conversation().unwrap().to_string();
                self.close(&id);
                Ok(Called::Done)
            }
            Outgoing::UploadUrl(upload) => {
                let answer = json!({"code":"OK","body":{"relativePath":"/files/1",
                    "queryParams":{"temp_url_sig":"s"}}});
                let response = http::Response::new(bytes::Bytes::from(answer.to_string()));
                let view = crate::api::ResponseView::new(&response, false);
                Ok(Called::Url(upload.parse(&view).unwrap()))
            }
            Outgoing::Put(_) => Ok(Called::Done),
            Outgoing::File(send) => {
                let body = body(send.request(&context).unwrap());
                let path =
                    body["body"]["event"]["message"]["relativePath"].as_str().unwrap().to_owned();
                self.publish(&body, path)
            }
        }
    }

    fn publish(&mut self, body: &Value, text: String) -> CallResult {
        let conversation = body["body"]["conversationId"].as_str().unwrap().to_owned();
        match self.conversations.get_mut(&conversation) {
            Some(talk) if talk.is_open => {
                let event = body["body"]["event"].clone();
                talk.receipts.extend(event["status"].as_str().map(str::to_owned));
                let sequence = self.event(&conversation, "CONSUMER", event, text);
                Ok(Called::Published(Some(sequence)))
            }
            _ => Err(Error::new(ErrorKind::ConversationClosed, "it is closed")
                .with_delivery(Effect::Rejected)),
        }
    }

    /// The consumer's texts, in the order of conversations and sequences.
    pub(crate) fn texts_of(&self, consumer: &str) -> Vec<String> {
        let mut talks: Vec<_> =
            self.conversations.iter().filter(|(_, talk)| talk.consumer == consumer).collect();
        talks.sort_by_key(|(id, _)| id[1..].parse::<u32>().unwrap());
        let events = talks.into_iter().flat_map(|(_, talk)| &talk.events);
        let texts = events.filter(|(role, text)| *role == "CONSUMER" && !text.is_empty());
        texts.map(|(_, text)| text.clone()).collect()
    }
}
