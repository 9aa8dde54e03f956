//! What is missing among the messages that came.

use std::collections::BTreeMap;
use std::fmt;

use lp_connector_core::id::{ConversationId, DialogId};
use lp_connector_core::webhook::{Change, Delivered, Order};
use serde_json::{Value, json};

/// The maximum number of dialogs. Beyond it, all are dropped.
const MAX_DIALOGS: usize = 10_000;

/// The last message of each dialog that came.
#[derive(Debug, Default)]
pub(crate) struct Gaps(BTreeMap<(ConversationId, DialogId), u64>);

/// Messages that are missing.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Gap {
    conversation: ConversationId,
    dialog: DialogId,
    /// The sequence of the first one.
    from: u64,
    /// That of the last one.
    to: u64,
}

impl Gaps {
    /// The messages that are missing before this one, which has come.
    pub(crate) fn before(&mut self, delivered: &Delivered) -> Option<Gap> {
        let Change::Message(message) = &delivered.change else { return None };
        let sequence = message.sequence()?;
        let (conversation, dialog) = (message.conversation().clone(), message.dialog().clone());
        let last = self.seen(&conversation, &dialog, sequence);
        let to = sequence.checked_sub(1).filter(|_| delivered.order == Order::AfterGap)?;
        // With messages of our own in between, the first one that is missing may not be known.
        let from = last.map_or(0, |last| last.saturating_add(1)).min(to);
        Some(Gap { conversation, dialog, from, to })
    }

    /// Takes note of a message that came, or need not come. Returns the last one before it.
    pub(crate) fn seen(
        &mut self,
        conversation: &ConversationId,
        dialog: &DialogId,
        sequence: u64,
    ) -> Option<u64> {
        let place = (conversation.clone(), dialog.clone());
        if self.0.len() >= MAX_DIALOGS && !self.0.contains_key(&place) {
            self.0.clear();
        }
        let last = self.0.get(&place).copied();
        self.0.insert(place, last.unwrap_or(0).max(sequence));
        last
    }
}

impl Gap {
    /// For programs.
    pub(crate) fn describe(&self) -> Value {
        json!({"event": "gap", "conversation_id": self.conversation.as_str(),
            "dialog_id": self.dialog.as_str(), "from": self.from, "to": self.to})
    }
}

impl fmt::Display for Gap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.to - self.from {
            0 => write!(f, "#{} has", self.to)?,
            _ => write!(f, "#{} to #{} have", self.from, self.to)?,
        }
        f.write_str(" not come: lost, not sent yet, or of a kind that has no webhook")
    }
}

#[cfg(test)]
mod tests {
    use lp_connector_core::webhook::Verified;

    use super::*;

    fn delivered(dialog: &str, sequence: u64, order: Order) -> Delivered {
        let body = format!(
            r#"{{"type":"ms.MessagingEventNotification","body":{{"changes":[{{
            "sequence":{sequence},"conversationId":"c","dialogId":"{dialog}",
            "event":{{"type":"ContentEvent","message":"Coo"}}}}]}}}}"#
        );
        let parsed = Verified::dangerous_unverified(body.into_bytes()).parse().unwrap();
        let change = parsed.into_changes().remove(0);
        let text = serde_json::to_value(order).unwrap();
        serde_json::from_value(json!({"change": change, "order": text})).unwrap()
    }

    #[test]
    fn a_gap_names_what_is_missing() {
        let mut gaps = Gaps::default();
        for (dialog, sequence, order, expected) in [
            ("a", 2, Order::AfterGap, Some("#0 to #1 have")),
            ("a", 3, Order::InOrder, None),
            ("b", 0, Order::InOrder, None),
            ("a", 5, Order::AfterGap, Some("#4 has")),
            ("a", 4, Order::Late, None),
            ("a", 6, Order::InOrder, None),
            ("b", 3, Order::AfterGap, Some("#1 to #2 have")),
            ("d", u64::MAX, Order::AfterGap, Some("#0 to #18446744073709551614 have")),
        ] {
            let gap = gaps.before(&delivered(dialog, sequence, order));
            let line = gap.as_ref().map(Gap::to_string);
            let expected = expected.map(|begin| {
                format!("{begin} not come: lost, not sent yet, or of a kind that has no webhook")
            });
            assert_eq!(line, expected, "{dialog} {sequence}");
        }
        let (conversation, dialog) = ("c".parse().unwrap(), "a".parse().unwrap());
        gaps.seen(&conversation, &dialog, 9);
        // Of 7 and 8, at least the last one is missing.
        let gap = gaps.before(&delivered("a", 9, Order::AfterGap)).unwrap();
        assert_eq!((gap.from, gap.to), (8, 8));
        assert_eq!(gap.describe()["event"], "gap");
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut gaps = Gaps::default();
        for n in 0..MAX_DIALOGS + 5 {
            gaps.before(&delivered(&format!("d{n}"), 0, Order::InOrder));
        }
        assert_eq!(gaps.0.len(), 5);
    }
}
