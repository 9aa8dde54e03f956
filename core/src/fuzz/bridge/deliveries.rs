//! What agents said, and what became of it.

use std::collections::{BTreeMap, BTreeSet};

use super::books::{Books, list};
use super::{CONSUMERS, FOREIGN, account};
use crate::bridge::store::{LaneKind, Listed};
use crate::bridge::world::World;
use crate::bridge::{ClosedBy, DeadLetterReason, DeadLetterSummary, replay};
use crate::webhook::Order;

impl Books {
    /// What agents said was delivered to whom it was for, or set aside; in order, or said to be late.
    pub(super) fn check_deliveries(&self, world: &mut World) {
        let letters: BTreeSet<String> = letters(world).into_iter().map(|it| it.id).collect();
        let consumers = &world.channel.consumers;
        assert!(consumers.iter().all(|who| CONSUMERS.contains(&who.as_str())), "{consumers:?}");
        for (id, talk) in &world.cloud.conversations {
            let said = talk.events.iter().enumerate();
            let said = said.filter(|(_, (role, text))| *role != "CONSUMER" && !text.is_empty());
            let wanted: Vec<_> =
                said.map(|(sequence, _)| format!("{id}:{id}:{sequence}")).collect();
            let mut first = BTreeMap::new();
            let mut highest = None;
            let name = format!("{id}:{id}:");
            for (delivery, _, order) in &world.channel.delivered {
                if !delivery.starts_with(&name) || first.contains_key(delivery) {
                    continue;
                }
                let place = wanted.iter().position(|other| other == delivery);
                assert!(place.is_some(), "{delivery} was not said");
                let is_late = place < highest;
                assert!(!is_late || *order == Order::Late, "{delivery} is late, and {order:?}");
                if !world.is_reordered && letters.is_empty() {
                    assert_eq!(*order, Order::InOrder, "of {delivery}");
                }
                highest = highest.max(place);
                first.insert(delivery.clone(), *order);
            }
            assert!(talk.consumer != FOREIGN || first.is_empty(), "{first:?} is not ours");
            if talk.consumer != FOREIGN {
                let is_lost = |id: &&String| !first.contains_key(*id) && !letters.contains(*id);
                let lost: Vec<_> = wanted.iter().filter(is_lost).collect();
                assert!(lost.is_empty(), "{lost:?} of {wanted:?} are lost");
            }
        }
    }

    /// Who closed a conversation is told, if it is said in documented words.
    pub(super) fn check_details(&self, world: &World) {
        let expected = match self.setting.closes() {
            Some("CONSUMER") => Some("consumer"),
            Some("AGENT") => Some("agent"),
            _ => None,
        };
        for (name, details) in &world.channel.details {
            let by = details.by.map(ClosedBy::name);
            assert!(by.is_none() || (by == expected && name == "closed"), "{name} by {by:?}");
            assert!(name != "closed" || by == expected, "{name} by {by:?}");
        }
    }
}

fn letters(world: &mut World) -> Vec<DeadLetterSummary> {
    let lanes = list(world, Listed::Lanes { account: None, kind: LaneKind::DeadLetter });
    lanes.iter().filter_map(DeadLetterSummary::of).collect()
}

/// What was set aside is put back, and then delivered, if it is known whose it is.
pub(super) fn put_back(world: &mut World) {
    let mut letters = letters(world);
    let can_be_read = |letter: &DeadLetterSummary| letter.reason != DeadLetterReason::Unreadable;
    assert!(letters.iter().all(|letter| letter.replayable == can_be_read(letter)), "{letters:?}");
    letters.retain(can_be_read);
    if letters.is_empty() {
        return;
    }
    for letter in &letters {
        world.append(vec![replay(&account(), &letter.id)]);
    }
    world.settle();
    for letter in letters.iter().filter(|it| it.reason != DeadLetterReason::NoConsumer) {
        let is_there = world.channel.delivered.iter().any(|(id, ..)| *id == letter.id)
            || world.channel.times.iter().any(|(id, _)| *id == letter.id);
        assert!(is_there, "{letter:?} is not delivered");
    }
}
