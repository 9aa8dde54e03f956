//! One conversation: its dialogs and its newest state.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::delivered::Delivered;
use super::dialog::Dialog;
use super::window::ReorderWindow;
use crate::id::DialogId;
use crate::time::{Mono, Timestamp};
use crate::webhook::{Change, ConversationChange, MessagingEvent};

/// The most dialogs to remember. A conversation has a main dialog and a survey.
const MAX_DIALOGS: usize = 8;

/// The changes of one conversation: those held back for their order, and those ready to deliver.
#[derive(Clone, Debug, Default)]
pub(super) struct ConversationQueue {
    /// The most recently used one is last.
    pub(super) dialogs: Vec<(DialogId, Dialog)>,
    pub(super) latest: Latest,
    pub(super) ready: VecDeque<Delivered>,
}

/// The newest state's timestamp, and the digests of the states that share it.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub(super) struct Latest {
    updated: Option<Timestamp>,
    digests: VecDeque<u64>,
}

/// The most states of one timestamp to distinguish.
const MAX_DIGESTS: usize = 8;

impl ConversationQueue {
    /// Takes a change in.
    pub(super) fn handle(&mut self, change: Change, window: ReorderWindow, now: Mono) {
        match change {
            Change::Message(event) => match sequence_of(&event) {
                Some(sequence) => {
                    let id = event.dialog().clone();
                    let mut ready = std::mem::take(&mut self.ready);
                    self.dialog(&id, &mut ready).handle(sequence, event, window, now, &mut ready);
                    self.ready = ready;
                }
                // Chat states are volatile and have no sequence (protocol.md 9.3).
                None => self.ready.push_back(Delivered::in_order(Change::Message(event))),
            },
            Change::Conversation(change) => {
                if self.is_newer(&change) {
                    self.ready.push_back(Delivered::in_order(Change::Conversation(change)));
                }
            }
            other @ Change::Other(_) => self.ready.push_back(Delivered::in_order(other)),
        }
    }

    /// Marks a sequence as seen that need not arrive as a notification.
    pub(super) fn mark_seen(&mut self, dialog: &DialogId, sequence: u64) {
        let mut ready = std::mem::take(&mut self.ready);
        self.dialog(dialog, &mut ready).mark_seen(sequence, &mut ready);
        self.ready = ready;
    }

    /// Makes ready what is due.
    pub(super) fn release(&mut self, now: Mono) {
        for (_, dialog) in &mut self.dialogs {
            dialog.release(now, &mut self.ready);
        }
    }

    /// When the next held event is due.
    pub(super) fn due(&self) -> Option<Mono> {
        self.dialogs.iter().filter_map(|(_, dialog)| dialog.due()).min()
    }

    /// Makes all held events ready.
    pub(super) fn flush(&mut self) {
        for (_, dialog) in &mut self.dialogs {
            dialog.flush(&mut self.ready);
        }
    }

    /// The number of changes, held and ready.
    pub(super) fn len(&self) -> usize {
        let held: usize = self.dialogs.iter().map(|(_, dialog)| dialog.held.len()).sum();
        held + self.ready.len()
    }

    /// The dialog of this id, inserted if absent.
    pub(super) fn dialog(&mut self, id: &DialogId, ready: &mut VecDeque<Delivered>) -> &mut Dialog {
        let known = self.dialogs.iter().position(|(known, _)| known == id);
        let dialog = match known {
            Some(at) => self.dialogs.remove(at),
            None => {
                if self.dialogs.len() >= MAX_DIALOGS {
                    let (_, mut oldest) = self.dialogs.remove(0);
                    oldest.flush(ready);
                }
                (id.clone(), Dialog::default())
            }
        };
        self.dialogs.push(dialog);
        let last = self.dialogs.len() - 1;
        #[expect(clippy::indexing_slicing, reason = "the line above pushed it")]
        &mut self.dialogs[last].1
    }

    /// True if a state is newer than all before it. Each state is complete, so an older one is
    /// useless ([protocol.md 9.9](crate::protocol#9.9)).
    fn is_newer(&mut self, change: &ConversationChange) -> bool {
        let digest = digest(change);
        let updated = change.updated();
        let latest = &mut self.latest;
        if matches!((updated, latest.updated), (Some(new), Some(old)) if new < old) {
            return false;
        }
        if updated.is_none() || updated == latest.updated {
            if latest.digests.contains(&digest) {
                return false;
            }
        } else {
            latest.digests.clear();
            latest.updated = updated;
        }
        latest.digests.push_back(digest);
        if latest.digests.len() > MAX_DIGESTS {
            latest.digests.pop_front();
        }
        true
    }
}

/// The event's sequence. A chat state's is ignored: a schema demands one
/// ([protocol.md 14](crate::protocol#14), row 23), but chat states are volatile.
fn sequence_of(event: &MessagingEvent) -> Option<u64> {
    event.sequence().filter(|_| event.event_type() != Some("ChatStateEvent"))
}

/// Distinguishes states of the same timestamp.
fn digest(change: &ConversationChange) -> u64 {
    let mut json = String::new();
    write_sorted(&change.raw().to_value(), &mut json);
    Sha256::digest(json.as_bytes()).iter().take(8).fold(0, |sum, byte| sum << 8 | u64::from(*byte))
}

/// Writes a value with the members of each object by their names, so that their order does not count. In a
/// [`Value`], it may: that depends on the features of `serde_json`, which any crate of the program can turn on.
fn write_sorted(value: &Value, json: &mut String) {
    match value {
        Value::Object(members) => {
            let mut members: Vec<_> = members.iter().collect();
            members.sort_unstable_by_key(|(name, _)| *name);
            json.push('{');
            for (place, (name, value)) in members.into_iter().enumerate() {
                let comma = if place > 0 { "," } else { "" };
                json.push_str(&format!("{comma}{}:", Value::from(name.as_str())));
                write_sorted(value, json);
            }
            json.push('}');
        }
        Value::Array(items) => {
            json.push('[');
            for (place, item) in items.iter().enumerate() {
                json.push_str(if place > 0 { "," } else { "" });
                write_sorted(item, json);
            }
            json.push(']');
        }
        simple => json.push_str(&simple.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn any_value() -> impl Strategy<Value = Value> {
        let simple = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            any::<String>().prop_map(Value::from),
        ];
        simple.prop_recursive(4, 40, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                prop::collection::vec((any::<String>(), inner), 0..6)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_written_sorted_is_the_same_value(value in any_value()) {
            let mut json = String::new();
            write_sorted(&value, &mut json);
            prop_assert_eq!(serde_json::from_str::<Value>(&json).unwrap(), value.clone());
            // As it was always written where a map is sorted: stored digests hold.
            prop_assert_eq!(json.len(), value.to_string().len());
        }
    }

    #[test]
    fn members_are_written_by_their_names() {
        let mut json = String::new();
        let text = r#"{"b":[{"d":1,"c":{"f":null,"e":"\""}}],"a":true}"#;
        write_sorted(&serde_json::from_str(text).unwrap(), &mut json);
        assert_eq!(json, r#"{"a":true,"b":[{"c":{"e":"\"","f":null},"d":1}]}"#);
    }
}
