//! Made-up notifications, one of each kind that LivePerson posts, and some that nobody expects.

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use clap::builder::PossibleValuesParser;
use serde_json::{Value, json};

use crate::failure::Failure;

/// The end of the help of `webhook send`.
pub(crate) const HELP: &str = "\
The endpoint must be on this machine, unless --elsewhere is given. No redirect is followed.

  lp-connector webhook send --preset text --set text=Coo
  lp-connector webhook send --preset text --set sequence=7 --set conversation=5f0c
  lp-connector webhook send body.json --to http://127.0.0.1:9000/hook

Presets take text, conversation, dialog, sequence, agent, consumer, skill and name, as far as they have them. Each is of a
conversation of its own unless one is set: of two messages of one conversation with the same sequence, receivers drop one.";

/// A made-up notification.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Preset {
    /// Its name.
    pub(crate) name: &'static str,
    make: fn(&Values) -> Value,
}

const fn preset(name: &'static str, make: fn(&Values) -> Value) -> Preset {
    Preset { name, make }
}

/// All of them.
pub(crate) const ALL: &[Preset] = &[
    preset("text", |v| v.message(v.text("Good morning"))),
    preset("quick-replies", |v| v.message(v.quick_replies("Which colour?", &["Blue", "Grey"]))),
    preset("card", |v| v.message(v.card("Which colour?", &["Blue", "Grey"]))),
    preset("link", |v| v.message(v.link("https://pigeon.example/loft"))),
    preset("file", |v| v.message(v.file("ring.png"))),
    preset("note", |v| v.to_agents(v.text("He asked yesterday too"))),
    preset("echo", |v| v.by_consumer(v.text("Hello there"))),
    preset("typing", |v| v.unnumbered(json!({"type": "ChatStateEvent", "chatState": "COMPOSING"}))),
    preset("active", |v| v.unnumbered(json!({"type": "ChatStateEvent", "chatState": "ACTIVE"}))),
    preset("delivered", |v| v.message(v.receipt("ACCEPT"))),
    preset("read", |v| v.message(v.receipt("READ"))),
    preset("opened", |v| v.conversation("OPEN", "OPEN", "17", false)),
    preset("joined", |v| v.conversation("OPEN", "OPEN", "17", true)),
    preset("transferred", |v| v.conversation("OPEN", "OPEN", "18", false)),
    preset("survey", |v| v.conversation("CLOSE", "OPEN", "17", false)),
    preset("closed", |v| v.conversation("CLOSE", "CLOSE", "17", false)),
    preset("batch", |v| {
        let (first, second) = (v.text("One"), v.text("Two"));
        v.messages(&[v.change(first, 0), v.change(second, 1)])
    }),
    preset("unknown-event", |v| v.message(json!({"type": "PigeonEvent", "ring": 42}))),
    preset("unknown-type", |_| {
        envelope("ms.PigeonNotification", json!({"changes": [{"ring": 42}]}))
    }),
    preset("empty", |v| v.messages(&[])),
];

/// Takes the names of the presets.
pub(crate) fn parser() -> PossibleValuesParser {
    PossibleValuesParser::new(ALL.iter().map(|preset| preset.name))
}

/// The names of the values that a preset may use, each with what it is if it is not set.
const NAMES: [(&str, &str); 8] = [
    ("text", ""),
    ("conversation", ""),
    ("dialog", ""),
    ("sequence", "0"),
    ("agent", "a9-agent"),
    ("consumer", "c7-consumer"),
    ("skill", ""),
    ("name", ""),
];

/// The body of a preset, with these values, of this account.
pub(crate) fn body(
    name: &str,
    set: &[(String, String)],
    account: &str,
) -> Result<Vec<u8>, Failure> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    body_at(u64::try_from(now).unwrap_or(u64::MAX), name, set, account)
}

fn body_at(
    now: u64,
    name: &str,
    set: &[(String, String)],
    account: &str,
) -> Result<Vec<u8>, Failure> {
    let known = || NAMES.map(|(name, _)| name).join(", ");
    let mut values: BTreeMap<&str, &str> = NAMES.into_iter().collect();
    // Of its own: a second message with the first one's sequence would be a repeat, which receivers drop.
    let conversation = format!("5f0c2a7e-0d3c-4c59-9f6e-{:012x}", now & 0xffff_ffff_ffff);
    values.insert("conversation", &conversation);
    for (name, value) in set {
        let found = values.get_mut(name.as_str()).ok_or_else(|| {
            Failure::usage(format!("--set {name}: there is no such value; there are {}", known()))
        })?;
        *found = value;
    }
    let sequence = values.get("sequence").and_then(|text| text.parse().ok());
    let sequence =
        sequence.ok_or_else(|| Failure::usage("--set sequence: expected a number from 0"))?;
    let values = Values { values, sequence, now, account: account.to_owned() };
    let preset = ALL.iter().find(|preset| preset.name == name);
    let preset = preset.ok_or_else(|| Failure::usage(format!("there is no preset {name}")))?;
    Ok((preset.make)(&values).to_string().into_bytes())
}

/// What goes into a preset.
struct Values<'a> {
    values: BTreeMap<&'a str, &'a str>,
    sequence: u64,
    now: u64,
    account: String,
}

impl Values<'_> {
    fn get(&self, name: &str) -> &str {
        self.values.get(name).copied().unwrap_or_default()
    }

    /// A value, or this one if it is empty.
    fn or<'v>(&'v self, name: &str, otherwise: &'v str) -> &'v str {
        Some(self.get(name)).filter(|value| !value.is_empty()).unwrap_or(otherwise)
    }

    fn text(&self, otherwise: &str) -> Value {
        let text = self.or("text", otherwise);
        json!({"type": "ContentEvent", "contentType": "text/plain", "message": text})
    }

    fn quick_replies(&self, text: &str, titles: &[&str]) -> Value {
        let mut event = self.text(text);
        let replies: Vec<Value> = titles.iter().map(|title| button(title)).collect();
        if let Some(members) = event.as_object_mut() {
            let replies = json!({"type": "quickReplies", "itemsPerRow": 8, "replies": replies});
            members.insert("quickReplies".to_owned(), replies);
        }
        event
    }

    fn card(&self, text: &str, titles: &[&str]) -> Value {
        let mut elements = vec![json!({"type": "text", "text": self.or("text", text)})];
        elements.extend(titles.iter().map(|title| button(title)));
        rich(&elements)
    }

    fn link(&self, url: &str) -> Value {
        let click = json!({"actions": [{"type": "link", "uri": url, "name": "Open"}]});
        rich(&[json!({"type": "button", "title": self.or("text", "The loft"), "click": click})])
    }

    fn file(&self, name: &str) -> Value {
        let name = self.or("name", name);
        let kind = name.rsplit('.').next().unwrap_or_default().to_ascii_uppercase();
        let path = format!("/v1/AUTH_async-images/{}/5f0c.{kind}", self.account);
        json!({"type": "ContentEvent", "contentType": "hosted/file",
            "message": {"caption": self.or("text", name), "relativePath": path, "fileType": kind}})
    }

    fn receipt(&self, status: &str) -> Value {
        let of = self.sequence.saturating_sub(1);
        json!({"type": "AcceptStatusEvent", "status": status, "sequenceList": [of]})
    }

    /// An agent's event: the change of it, `after` the set sequence.
    fn change(&self, event: Value, after: u64) -> Value {
        self.change_of(event, after, ("agent", "ASSIGNED_AGENT"), "ALL")
    }

    fn change_of(&self, event: Value, after: u64, who: (&str, &str), audience: &str) -> Value {
        let (conversation, id) = (self.get("conversation"), self.get(who.0));
        json!({"sequence": self.sequence.saturating_add(after), "serverTimestamp": self.now,
            "originatorId": id, "originatorMetadata": {"id": id, "role": who.1},
            "event": event, "conversationId": conversation,
            "dialogId": self.or("dialog", conversation), "messageAudience": audience, "metadata": null})
    }

    fn message(&self, event: Value) -> Value {
        self.messages(&[self.change(event, 0)])
    }

    fn to_agents(&self, event: Value) -> Value {
        let agent = ("agent", "ASSIGNED_AGENT");
        self.messages(&[self.change_of(event, 0, agent, "AGENTS_AND_MANAGERS")])
    }

    fn by_consumer(&self, event: Value) -> Value {
        self.messages(&[self.change_of(event, 0, ("consumer", "CONSUMER"), "ALL")])
    }

    /// A chat state has neither sequence nor time.
    fn unnumbered(&self, event: Value) -> Value {
        let mut change = self.change(event, 0);
        if let Some(members) = change.as_object_mut() {
            for name in ["sequence", "serverTimestamp", "messageAudience", "metadata"] {
                members.remove(name);
            }
        }
        self.messages(&[change])
    }

    fn messages(&self, changes: &[Value]) -> Value {
        envelope("ms.MessagingEventNotification", json!({"changes": changes}))
    }

    fn conversation(&self, state: &str, stage: &str, skill: &str, joined: bool) -> Value {
        let (id, now, skill) = (self.get("conversation"), self.now, self.or("skill", skill));
        let mut participants = vec![json!({"id": self.get("consumer"), "role": "CONSUMER"})];
        if joined {
            participants.push(json!({"id": self.get("agent"), "role": "ASSIGNED_AGENT"}));
        }
        let mut dialogs = vec![json!({"dialogId": id, "dialogType": "MAIN",
            "channelType": "MESSAGING", "state": state, "creationTs": now,
            "metaDataLastUpdateTs": now})];
        if (state, stage) == ("CLOSE", "OPEN") {
            dialogs.push(json!({"dialogId": self.or("dialog", "s1-survey"),
                "dialogType": "POST_SURVEY", "channelType": "MESSAGING", "state": "OPEN",
                "creationTs": now, "metaDataLastUpdateTs": now}));
        }
        let mut details = json!({"skillId": skill, "brandId": self.account, "state": state,
            "stage": stage, "startTs": now, "metaDataLastUpdateTs": now,
            "ttr": {"ttrType": "NORMAL", "value": 600}, "participants": participants,
            "dialogs": dialogs,
            "conversationHandlerDetails": {"accountId": self.account, "skillId": skill}});
        if let (true, Some(members)) = (state == "CLOSE", details.as_object_mut()) {
            members.insert("closeReason".to_owned(), json!("AGENT"));
        }
        let change = json!({"type": "UPSERT", "result": {"convId": id, "effectiveTTR": -1,
            "conversationDetails": details}});
        let body = json!({"sentTs": now, "changes": [change]});
        envelope("cqm.ExConversationChangeNotification", body)
    }
}

fn button(title: &str) -> Value {
    json!({"type": "button", "title": title, "tooltip": title, "click": {
        "actions": [{"type": "publishText", "text": title}],
        "metadata": [{"type": "ExternalId", "id": title}]}})
}

fn rich(elements: &[Value]) -> Value {
    json!({"type": "RichContentEvent", "content": {"type": "vertical", "elements": elements}})
}

fn envelope(kind: &str, body: Value) -> Value {
    json!({"kind": "notification", "type": kind, "body": body})
}

#[cfg(test)]
mod tests {
    use super::*;
    use lp_connector_core::webhook::Verified;

    #[test]
    fn each_preset_is_a_notification_of_another_kind() {
        let mut seen = Vec::new();
        for preset in ALL {
            let body = body_at(1_700_000_000_000, preset.name, &[], "91827364").unwrap();
            let notification = Verified::dangerous_unverified(body.clone()).parse().unwrap();
            assert!(!notification.is_lossy(), "{}", preset.name);
            seen.push(String::from_utf8(body).unwrap());
        }
        let kinds = seen.len();
        seen.sort();
        seen.dedup();
        assert_eq!(seen.len(), kinds);
    }

    #[test]
    fn a_value_is_used_where_it_is_set() {
        let set = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let made = body("text", &[set("text", "Coo"), set("sequence", "7")], "1").unwrap();
        let made: Value = serde_json::from_slice(&made).unwrap();
        let change = &made["body"]["changes"][0];
        assert_eq!((&change["sequence"], &change["event"]["message"]), (&json!(7), &json!("Coo")));
        for wrong in [set("colour", "blue"), set("sequence", "-1"), set("sequence", "")] {
            assert!(body("text", std::slice::from_ref(&wrong), "1").is_err(), "{wrong:?}");
        }
        let most = body("batch", &[set("sequence", &u64::MAX.to_string())], "1");
        assert!(most.is_ok());
    }

    #[test]
    fn each_is_of_a_conversation_of_its_own_unless_one_is_set() {
        let of = |now, set: &[(String, String)]| {
            let made = body_at(now, "text", set, "1").unwrap();
            let made: Value = serde_json::from_slice(&made).unwrap();
            made["body"]["changes"][0]["conversationId"].as_str().unwrap().to_owned()
        };
        assert_ne!(of(1_700_000_000_000, &[]), of(1_700_000_000_001, &[]));
        let set = [("conversation".to_owned(), "5f0c".to_owned())];
        assert_eq!(of(1_700_000_000_000, &set), "5f0c");
    }
}
