//! What goes when the record is full: each list beside a naive one.

use proptest::prelude::*;

use super::*;
use crate::id::ExtConsumerId;

fn conversation(n: usize) -> ConversationId {
    ConversationId::new(format!("c{n}")).unwrap()
}

fn dialog(n: u8) -> DialogId {
    // Their order is not that of their use.
    DialogId::new(format!("d{}", 9 - n)).unwrap()
}

/// The last of these, in order.
fn last<T: Clone>(all: &[T], most: usize) -> Vec<T> {
    all.iter().skip(all.len().saturating_sub(most)).cloned().collect()
}

fn receipt(n: usize) -> PendingReceipt {
    PendingReceipt {
        conversation: conversation(n),
        dialog: DialogId::main_of(&conversation(n)),
        kind: PendingKind::Receipt(ReceiptKind::Read),
        sequences: vec![0],
        metadata: Value::Null,
        tries: 0,
    }
}

#[test]
fn of_too_many_receipts_the_oldest_go() {
    let mut record = ConsumerRecord::default();
    let all: Vec<_> = (0..100).collect();
    for n in &all {
        record.add_receipt(receipt(*n));
        let kept: Vec<_> = record.receipts.iter().map(|one| one.conversation.clone()).collect();
        let expected: Vec<_> =
            last(&all[..=*n], MAX_RECEIPTS).into_iter().map(conversation).collect();
        assert_eq!(kept, expected);
    }
}

#[test]
fn receipts_of_the_same_kind_and_dialog_alone_are_joined() {
    let others = [
        PendingReceipt { conversation: conversation(1), ..receipt(0) },
        PendingReceipt { dialog: dialog(1), ..receipt(0) },
        PendingReceipt { kind: PendingKind::Receipt(ReceiptKind::Delivered), ..receipt(0) },
        PendingReceipt { kind: PendingKind::Action, ..receipt(0) },
        // A click is sent for itself.
        PendingReceipt { kind: PendingKind::Action, ..receipt(0) },
    ];
    let mut record = ConsumerRecord::default();
    record.add_receipt(receipt(0));
    for other in others.clone() {
        record.add_receipt(other);
    }
    record.add_receipt(PendingReceipt { sequences: vec![3], ..receipt(0) });
    let joined = PendingReceipt { sequences: vec![0, 3], ..receipt(0) };
    let kept: Vec<_> = record.receipts.into_iter().collect();
    assert_eq!(kept, [vec![joined], others.to_vec()].concat());
}

#[test]
fn a_full_receipt_keeps_its_sequences() {
    let mut record = ConsumerRecord::default();
    for sequence in (0..1500).chain(0..10) {
        record.add_receipt(PendingReceipt { sequences: vec![sequence], ..receipt(0) });
    }
    let kept = record.receipts.front().map(|one| one.sequences.clone());
    assert_eq!(kept, Some((0..MAX_SEQUENCES as u64).collect()));
}

#[test]
fn of_too_many_messages_with_options_the_oldest_go() {
    let offered = |n: usize, dialog: u8, bytes: usize| Offered {
        message: n.to_string(),
        dialog: self::dialog(dialog),
        options: vec![Choice {
            title: "x".repeat(bytes),
            text: None,
            metadata: Value::Null,
            sequence: n as u64,
        }],
    };
    let mut record = ConsumerRecord::default();
    for n in 0..30 {
        record.offer(Some(offered(n, 0, 1)));
        for m in 0..=n {
            let is_kept = m + MAX_OFFERED >= n;
            assert_eq!(record.offered_by(&m.to_string()).is_some(), is_kept, "{m} of {n}");
        }
    }
    // As much as there is room for.
    record.offer(Some(offered(30, 0, MAX_OFFERED_BYTES)));
    record.offer(Some(offered(31, 0, 1)));
    assert!(record.offered_before.is_empty(), "that one was too large");
    // The newest of one name counts.
    record.offer(Some(offered(7, 1, 1)));
    record.offer(Some(offered(7, 2, 1)));
    record.offer(None);
    assert_eq!(record.offered_by("7").map(|one| one.dialog.clone()), Some(dialog(2)));
}

#[test]
fn options_of_16_kib_are_remembered() {
    let frame = r#"{"message":"7","dialog":"d9","options":[{"title":"","sequence":7}]}"#;
    for (bytes, is_kept) in [(16_384, true), (16_385, false)] {
        let title = "x".repeat(bytes - frame.len());
        let choice = Choice { title, text: None, metadata: Value::Null, sequence: 7 };
        let (message, options) = ("7".to_owned(), vec![choice]);
        let mut record = ConsumerRecord::default();
        record.offer(Some(Offered { message, dialog: dialog(0), options }));
        record.offer(None);
        assert_eq!(record.offered_by("7").is_some(), is_kept, "{bytes}");
    }
}

#[test]
fn of_too_many_parts_the_oldest_go() {
    let part = |n: usize| format!("m1\u{1f}{n}");
    let mut record = ConsumerRecord::default();
    for n in 2..=257 {
        record.remember(part(n), 7, Timestamp::from_millis(5));
    }
    assert_eq!((record.recent.len(), record.recent[0].id.clone()), (256, part(2)));
    record.remember(part(258), 7, Timestamp::from_millis(5));
    assert_eq!((record.recent.len(), record.recent[0].id.clone()), (256, part(3)));
}

#[test]
fn of_nine_dialogs_the_first_is_forgotten() {
    let ada = ExtConsumerId::new("ada").unwrap();
    let mut talk = OpenTalk::new(ConversationRef::new(ada, conversation(1)));
    let dialogs: Vec<_> = (1..=9).map(|n| DialogId::new(format!("d{n}")).unwrap()).collect();
    let least =
        |talk: &OpenTalk| dialogs.iter().map(|dialog| talk.least(dialog)).collect::<Vec<_>>();
    for dialog in &dialogs[..8] {
        talk.confirm(dialog, 20);
    }
    assert_eq!(least(&talk), [21, 21, 21, 21, 21, 21, 21, 21, 0]);
    talk.confirm(&dialogs[8], 30);
    assert_eq!(least(&talk), [0, 21, 21, 21, 21, 21, 21, 21, 31]);
    // The newest one stays, whatever its name.
    talk.confirm(&dialogs[0], 40);
    assert_eq!(least(&talk), [41, 0, 21, 21, 21, 21, 21, 21, 31]);
}

proptest! {
    #[test]
    fn of_too_many_conversations_the_one_seen_longest_ago_goes(
        seen in prop::collection::vec((0usize..8, prop::bool::weighted(0.2)), 0..60),
    ) {
        let mut record = ConsumerRecord::default();
        let mut model = Vec::new();
        for (n, closes) in seen {
            record.note_seen(&conversation(n), if closes { &Phase::Closed } else { &Phase::Open });
            model.retain(|other| *other != n);
            if !closes {
                model.push(n);
            }
            model = last(&model, MAX_SEEN);
            let kept: Vec<_> = record.seen.iter().map(|(id, _)| id.clone()).collect();
            prop_assert_eq!(kept, model.iter().map(|n| conversation(*n)).collect::<Vec<_>>());
        }
    }

    #[test]
    fn of_too_many_ids_the_oldest_go_and_none_of_the_queue(waiting in 0usize..100, count in 1usize..200) {
        let mut record = ConsumerRecord::default();
        let queued = |n: usize| Queued {
            id: format!("q{n}"),
            content: Content::Close { survey: false },
            opening: None,
            state: SendState::Waiting,
            attempt: 0,
            accepted: None,
            part: None,
        };
        let mut all: Vec<String> = (0..count).map(|n| n.to_string()).collect();
        for id in &all {
            record.remember(id.clone(), 0, Timestamp::from_millis(0));
        }
        for n in 0..waiting {
            record.remember(format!("q{n}"), 0, Timestamp::from_millis(0));
            record.queue.push_back(queued(n));
            all.push(format!("q{n}"));
        }
        let kept: Vec<_> = record.recent.iter().map(|one| one.id.clone()).collect();
        prop_assert_eq!(kept, last(&all, MAX_RECENT.max(waiting)));
    }

    #[test]
    fn of_too_many_ranks_the_lowest_of_the_oldest_dialog_go(
        news in prop::collection::vec((0u8..3, 0u64..400), 0..600),
    ) {
        let mut record = ConsumerRecord::default();
        let mut model: Vec<(u8, Vec<u64>)> = Vec::new();
        for (at, sequence) in news {
            let known = match model.iter().position(|(other, _)| *other == at) {
                Some(known) => known,
                None => { model.push((at, Vec::new())); model.len() - 1 }
            };
            let is_new = !model[known].1.contains(&sequence);
            prop_assert_eq!(record.is_news(&dialog(at), sequence, Rank::Read), is_new);
            if is_new {
                model[known].1.push(sequence);
                model[known].1.sort_unstable();
            }
            if model.iter().map(|(_, known)| known.len()).sum::<usize>() > MAX_RANKS {
                model[0].1.remove(0);
                model.retain(|(_, known)| !known.is_empty());
            }
            let kept: Vec<_> = record.ranks.iter().map(|(of, known)| {
                (of.clone(), known.keys().copied().collect::<Vec<_>>())
            }).collect();
            let expected: Vec<_> = model.iter().map(|(of, known)| (dialog(*of), known.clone())).collect();
            prop_assert_eq!(kept, expected);
        }
    }
}
