//! What a channel and an agent see.

use std::time::Duration;

use super::store::{Answer, LaneKind, Listed, Request};
use super::world::{Fate, UnderWay, World};
use super::{
    BridgeConfig, ChannelReceipt, FailureReason, Inbound, Outgoing, Progress, SurveyPolicy, forget,
    replay, report,
};
use crate::file::File;
use crate::id::{AccountId, ExtConsumerId};
use crate::webhook::Order;

pub(super) fn account() -> AccountId {
    AccountId::new("91827364").unwrap()
}

pub(super) fn ada() -> ExtConsumerId {
    ExtConsumerId::new("ada").unwrap()
}

/// A world in which a conversation is open, and all progress is reported.
pub(super) fn open() -> World {
    with(BridgeConfig::new())
}

pub(super) fn with(config: BridgeConfig) -> World {
    let mut world = World::new(1, config);
    world.accept("ada", "m1", "hello");
    world.go_on();
    world
}

fn roles_and_texts(world: &World, conversation: &str) -> Vec<String> {
    let events = &world.cloud.conversations[conversation].events;
    events.iter().map(|(role, text)| format!("{role}: {text}")).collect()
}

fn lanes(world: &mut World, kind: LaneKind) -> Vec<String> {
    let list =
        Request::List { what: Listed::Lanes { account: None, kind }, after: None, limit: 100 };
    let now = world.now.mono();
    let Answer::Listed(listed) = world.store.perform(list, now) else { panic!() };
    listed.into_iter().map(|lane| lane.summary.lane.key().to_owned()).collect()
}

#[test]
fn a_delivered_message_is_acknowledged_to_the_agent() {
    let mut world = open();
    world.cloud.agent_says("c1", "Good morning");
    world.go_on();
    assert_eq!(world.channel.delivered[0].0, "c1:c1:1");
    assert_eq!(
        roles_and_texts(&world, "c1"),
        ["CONSUMER: hello", "ASSIGNED_AGENT: Good morning", "CONSUMER: "]
    );
}

#[test]
fn a_number_chooses_an_option() {
    let mut world = open();
    world.cloud.agent_offers("c1", &["Blue", "Grey"]);
    world.go_on();
    world.accept("ada", "m2", "2");
    world.go_on();
    world.accept("ada", "m3", "3");
    world.go_on();
    assert_eq!(world.cloud.texts_of("ada"), ["hello", "I take Grey", "3"]);
}

#[test]
fn an_answer_names_message_and_option() {
    let mut world = open();
    world.cloud.agent_offers("c1", &["Blue", "Grey"]);
    world.go_on();
    world.hand_in("ada", Inbound::answer("m2", "c1:c1:1", 1).unwrap());
    world.hand_in("ada", Inbound::answer("m3", "c1:c1:1", 3).unwrap());
    world.go_on();
    assert_eq!(world.cloud.texts_of("ada"), ["hello", "I take Blue"]);
    let unknown = Progress::Failed(FailureReason::UnknownOption);
    assert!(world.channel.statuses.contains(&("m3".to_owned(), unknown)));
}

#[test]
fn an_answer_may_name_a_message_before_the_newest() {
    let mut world = open();
    world.cloud.agent_offers("c1", &["Blue", "Grey"]);
    world.cloud.agent_says("c1", "Take your time");
    world.go_on();
    // A number alone is of the newest message, which has no options.
    world.accept("ada", "m2", "2");
    world.hand_in("ada", Inbound::answer("m3", "c1:c1:1", 2).unwrap());
    world.go_on();
    assert_eq!(world.cloud.texts_of("ada"), ["hello", "2", "I take Grey"]);
    // Eight messages with options later, it is forgotten.
    for _ in 0..9 {
        world.cloud.agent_offers("c1", &["Red"]);
    }
    world.go_on();
    world.hand_in("ada", Inbound::answer("m4", "c1:c1:1", 1).unwrap());
    world.go_on();
    let unknown = Progress::Failed(FailureReason::UnknownOption);
    assert!(world.channel.statuses.contains(&("m4".to_owned(), unknown)));
}

#[test]
fn another_message_with_a_known_id_fails() {
    let mut world = open();
    world.accept("ada", "m1", "hello");
    world.hand_in("ada", Inbound::text("m1", "something else").unwrap());
    world.go_on();
    assert_eq!(world.cloud.texts_of("ada"), ["hello"]);
    let reused = Progress::Failed(FailureReason::IdReused);
    assert_eq!(world.channel.statuses.last(), Some(&("m1".to_owned(), reused)));
}

#[test]
fn a_file_is_uploaded_and_sent_in_its_turn() {
    let mut world = open();
    world.accept("ada", "m2", "look");
    let file = File::new("ring.png", vec![1, 2, 3]).unwrap();
    world.hand_in("ada", Inbound::file("m3", file).unwrap());
    world.accept("ada", "m4", "nice?");
    world.go_on();
    assert_eq!(world.cloud.texts_of("ada"), ["hello", "look", "/files/1", "nice?"]);
    assert!(world.channel.statuses.contains(&("m3".to_owned(), Progress::Sent)));
}

#[test]
fn a_crash_during_an_upload_repeats_the_upload_alone() {
    let mut world = open();
    let file = File::new("ring.png", vec![1, 2, 3]).unwrap();
    world.hand_in("ada", Inbound::file("m2", file).unwrap());
    let is_put = |step: &UnderWay| matches!(step, UnderWay::Call(_, outgoing, _) if matches!(**outgoing, Outgoing::Put(_)));
    let at = world.run_until(is_put).unwrap();
    world.finish(0, at, Fate::Done);
    world.crash(0);
    world.advance(Duration::from_secs(16));
    world.go_on();
    assert_eq!(world.cloud.texts_of("ada"), ["hello", "/files/1"]);
}

#[test]
fn a_long_text_is_sent_in_parts() {
    let mut world = open();
    let long = "word ".repeat(2000);
    world.hand_in("ada", Inbound::text("m2", &long).unwrap());
    world.go_on();
    let sent = world.cloud.texts_of("ada");
    assert_eq!((sent.len(), sent[1..].concat()), (4, long));
}

#[test]
fn the_channel_hears_of_a_long_text_as_a_whole() {
    let mut world = open();
    let long = "word ".repeat(2000);
    world.hand_in("ada", Inbound::text("m2", &long).unwrap());
    // What the parts were called once is a message like any other.
    world.hand_in("ada", Inbound::text("m2~2", "another").unwrap());
    world.hand_in("ada", Inbound::text("m2", &long).unwrap());
    world.go_on();
    world.cloud.agent_reads("c1", &[1, 2]);
    world.go_on();
    let sent = |id: &str| (id.to_owned(), Progress::Sent);
    assert_eq!(world.channel.statuses[1..], [sent("m2"), sent("m2~2")]);
    world.cloud.agent_reads("c1", &[3]);
    world.go_on();
    assert_eq!(world.channel.statuses[3..], [("m2".to_owned(), Progress::Read)]);
    assert_eq!(world.cloud.texts_of("ada").len(), 1 + 3 + 1);
    // Other texts with a known id fail, in one part or several, and nothing of them is sent.
    for text in ["short", &"other ".repeat(2000), &long[..4000]] {
        world.hand_in("ada", Inbound::text("m2", text).unwrap());
        world.go_on();
    }
    let reused = ("m2".to_owned(), Progress::Failed(FailureReason::IdReused));
    assert_eq!(world.channel.statuses[4..], [reused.clone(), reused.clone(), reused]);
    assert_eq!(world.cloud.texts_of("ada").len(), 1 + 3 + 1);
}

#[test]
fn a_part_that_fails_ends_a_long_text() {
    let is_text = |step: &UnderWay| matches!(step, UnderWay::Call(_, outgoing, _) if matches!(**outgoing, Outgoing::Text(_)));
    for fails in 0..3 {
        let config = BridgeConfig::new().settle_for(Duration::from_secs(5));
        let mut world = with(config);
        let long = "word ".repeat(2000);
        world.hand_in("ada", Inbound::text("m2", &long).unwrap());
        world.hand_in("ada", Inbound::text("m3", "next").unwrap());
        for _ in 0..fails {
            let at = world.run_until(is_text).unwrap();
            world.finish(0, at, Fate::Done);
        }
        let at = world.run_until(is_text).unwrap();
        world.finish(0, at, Fate::RequestLost);
        world.run();
        world.advance(Duration::from_secs(6));
        world.go_on();
        let failed = ("m2".to_owned(), Progress::Failed(FailureReason::Unconfirmed));
        let next = ("m3".to_owned(), Progress::Sent);
        assert_eq!(world.channel.statuses[1..], [failed, next], "{fails}");
        // A repetition sends nothing more.
        world.hand_in("ada", Inbound::text("m2", &long).unwrap());
        world.go_on();
        assert_eq!(world.cloud.texts_of("ada").len(), 2 + fails, "{fails}");
        assert_eq!(world.channel.statuses.len(), 3, "{fails}");
    }
}

#[test]
fn a_reused_id_is_told_if_only_the_last_part_differs() {
    let mut world = open();
    let long = "word ".repeat(2000);
    for text in [&long, &format!("{}!", &long[..9999])] {
        world.hand_in("ada", Inbound::text("m2", text).unwrap());
        world.go_on();
    }
    let reported = [Progress::Sent, Progress::Failed(FailureReason::IdReused)];
    assert_eq!(world.channel.statuses[1..], reported.map(|progress| ("m2".to_owned(), progress)));
    assert_eq!(world.cloud.texts_of("ada")[1..].concat(), long);
}

#[test]
fn what_follows_a_close_of_nothing_is_sent_at_once() {
    let mut world = World::new(1, BridgeConfig::new());
    world.hand_in("ada", Inbound::close("m1", false).unwrap());
    world.accept("ada", "m2", "hello");
    world.run();
    assert_eq!(world.cloud.texts_of("ada"), ["hello"]);
}

#[test]
fn a_closed_conversation_is_opened_anew() {
    let mut world = open();
    world.cloud.close("c1");
    world.accept("ada", "m2", "again"); // before the notification of the close
    world.go_on();
    assert_eq!(roles_and_texts(&world, "c2"), ["CONSUMER: again"]);
}

#[test]
fn an_open_conversation_of_before_is_found_and_used() {
    let mut world = World::new(1, BridgeConfig::new());
    // Opened by somebody else, and its notification came while nobody here knew the consumer.
    world.cloud.open_for("ada");
    world.post_all();
    world.run();
    world.accept("ada", "m1", "hello");
    world.go_on();
    assert_eq!(world.cloud.texts_of("ada"), ["hello"]);
    assert_eq!(world.open_conversations(), ["c1"]);
    world.cloud.agent_says("c1", "there you are");
    world.go_on();
    assert_eq!(world.channel.delivered.len(), 1);
}

#[test]
fn a_closed_conversation_is_not_adopted_again() {
    let mut world = World::new(1, BridgeConfig::new());
    world.cloud.open_for("ada");
    world.post_all();
    world.run();
    world.accept("ada", "m1", "hello");
    world.go_on();
    // It closes and another one opens, and nothing of both is reported yet.
    world.cloud.close("c1");
    world.cloud.open_for("ada");
    world.accept("ada", "m2", "again");
    world.run();
    world.advance(Duration::from_secs(2));
    world.go_on();
    assert_eq!(roles_and_texts(&world, "c2"), ["CONSUMER: again"]);
}

#[test]
fn another_channels_conversation_is_not_delivered() {
    let mut world = open();
    world.cloud.open_for("eve");
    world.cloud.agent_says("c2", "for eve");
    world.go_on();
    assert_eq!(world.channel.delivered, []);
    world.advance(Duration::from_secs(3601));
    world.go_on();
    assert_eq!(lanes(&mut world, LaneKind::Conversation), ["c1"]);
}

#[test]
fn a_message_that_comes_before_its_conversation_waits() {
    let mut world = World::new(1, BridgeConfig::new());
    world.accept("ada", "m1", "hello");
    world.run();
    world.cloud.agent_says("c1", "quick");
    // The agent's message overtakes the conversation's first state by two minutes.
    let last = world.cloud.to_post.len() - 1;
    world.post(last, Fate::Done);
    let first: Vec<_> = world.cloud.to_post.drain(..).collect();
    world.run();
    world.advance(Duration::from_secs(120));
    world.cloud.to_post.extend(first);
    world.go_on();
    assert_eq!(world.channel.delivered.len(), 1);
}

#[test]
fn a_text_that_answers_no_survey_opens_a_new_conversation() {
    for (policy, expected) in [(SurveyPolicy::AnswersOnly, 2), (SurveyPolicy::Everything, 1)] {
        let mut world = with(BridgeConfig::new().survey(policy));
        world.cloud.start_survey("c1");
        world.go_on();
        world.accept("ada", "m2", "one more thing");
        world.go_on();
        assert_eq!(world.cloud.conversations.len(), expected, "{policy:?}");
        assert_eq!(world.cloud.texts_of("ada"), ["hello", "one more thing"]);
    }
}

#[test]
fn a_channel_that_is_out_of_order_loses_nothing() {
    let mut world = open();
    world.channel.is_out = true;
    for text in ["one", "two"] {
        world.cloud.agent_says("c1", text);
    }
    world.go_on();
    world.advance(Duration::from_secs(12 * 3600));
    world.go_on();
    world.channel.is_out = false;
    world.advance(Duration::from_secs(301));
    world.go_on();
    let texts: Vec<&str> =
        world.channel.delivered.iter().map(|(_, text, _)| text.as_str()).collect();
    assert_eq!(texts, ["one", "two"]);
    assert_eq!(lanes(&mut world, LaneKind::DeadLetter).len(), 0);
}

#[test]
fn a_gap_before_a_receipt_is_told_with_the_next_message() {
    let mut world = open();
    world.cloud.agent_says("c1", "late");
    let late = world.cloud.to_post.pop_back().unwrap();
    world.cloud.agent_reads("c1", &[0]);
    world.go_on();
    world.advance(Duration::from_secs(3));
    world.go_on();
    world.cloud.agent_says("c1", "two");
    world.go_on();
    world.cloud.to_post.push_back(late);
    world.go_on();
    let orders: Vec<_> =
        world.channel.delivered.iter().map(|(_, text, order)| (text.as_str(), *order)).collect();
    assert_eq!(orders, [("two", Order::AfterGap), ("late", Order::Late)]);
}

#[test]
fn a_gap_before_a_change_is_told_with_the_next_message() {
    let mut world = open();
    world.channel.refuses = true;
    world.cloud.agent_says("c1", "one");
    world.go_on();
    for _ in 0..3 {
        world.advance(Duration::from_secs(6));
        world.go_on();
    }
    assert_eq!(lanes(&mut world, LaneKind::DeadLetter), ["c1:c1:1"]);
    world.channel.refuses = false;
    world.cloud.start_survey("c1");
    world.cloud.agent_says("c1", "two");
    world.go_on();
    assert!(world.channel.changes.iter().any(|change| change.starts_with("c1:c2:main_closed")));
    let orders: Vec<_> =
        world.channel.delivered.iter().map(|(_, text, order)| (text.as_str(), *order)).collect();
    assert_eq!(orders, [("two", Order::AfterGap)]);
}

#[test]
fn a_gap_before_a_late_message_is_told_with_the_one_after_it() {
    let mut world = open();
    world.channel.refuses = true;
    world.cloud.agent_says("c1", "late");
    let late = world.cloud.to_post.pop_back().unwrap();
    world.cloud.agent_says("c1", "never there");
    world.cloud.to_post.pop_back();
    world.cloud.agent_says("c1", "refused");
    world.go_on();
    for _ in 0..3 {
        world.advance(Duration::from_secs(6));
        world.go_on();
    }
    assert_eq!(lanes(&mut world, LaneKind::DeadLetter), ["c1:c1:3"]);
    world.channel.refuses = false;
    world.cloud.to_post.push_back(late);
    world.cloud.agent_says("c1", "last");
    world.go_on();
    let orders: Vec<_> =
        world.channel.delivered.iter().map(|(_, text, order)| (text.as_str(), *order)).collect();
    assert_eq!(orders, [("late", Order::Late), ("last", Order::AfterGap)]);
}

#[test]
fn a_refused_message_is_set_aside_and_can_be_replayed() {
    let mut world = open();
    world.channel.refuses = true;
    world.cloud.agent_says("c1", "one");
    world.go_on();
    for _ in 0..3 {
        world.advance(Duration::from_secs(6));
        world.go_on();
    }
    assert_eq!(lanes(&mut world, LaneKind::DeadLetter), ["c1:c1:1"]);
    world.channel.refuses = false;
    world.cloud.agent_says("c1", "two");
    world.go_on();
    world.append(vec![replay(&account(), "c1:c1:1")]);
    world.go_on();
    let seen: Vec<_> = world
        .channel
        .delivered
        .iter()
        .map(|(id, text, order)| (id.as_str(), text.as_str(), format!("{order:?}")))
        .collect();
    let sequence_of_two = &world.channel.delivered[0].0;
    assert_eq!(seen[0], (sequence_of_two.as_str(), "two", "AfterGap".to_owned()));
    assert_eq!((seen[1].0, seen[1].1), ("c1:c1:1", "one"));
    assert_eq!(lanes(&mut world, LaneKind::DeadLetter).len(), 0);
}

#[test]
fn ranks_of_a_message_only_grow() {
    let mut world = open();
    world.cloud.agent_reads("c1", &[0]);
    world.go_on();
    let ranks: Vec<u8> =
        world.channel.statuses.iter().map(|(_, progress)| progress.rank()).collect();
    assert_eq!(ranks, [2, 4]);
}

#[test]
fn the_channels_receipts_reach_the_agent() {
    let mut world = open();
    world.cloud.agent_says("c1", "one");
    world.go_on();
    let entries = report(&account(), &ada(), &["c1:c1:1"], ChannelReceipt::Read).unwrap();
    world.append(entries);
    world.go_on();
    assert_eq!(world.cloud.conversations["c1"].events.len(), 4);
    assert!(report(&account(), &ada(), &["no.id"], ChannelReceipt::Read).is_err());
}

#[test]
fn a_forgotten_consumer_leaves_no_lane() {
    let mut world = open();
    world.cloud.agent_says("c1", "one");
    world.go_on();
    world.append(vec![forget(&account(), &ada())]);
    world.go_on();
    for kind in LaneKind::ALL {
        assert_eq!(lanes(&mut world, *kind), Vec::<String>::new(), "{kind}");
    }
}

#[test]
fn finished_lanes_are_removed_after_the_retention() {
    let mut world = open();
    world.cloud.close("c1");
    world.go_on();
    for _ in 0..3 {
        world.advance(Duration::from_secs(7 * 24 * 3600 + 1));
        world.go_on();
    }
    for kind in LaneKind::ALL {
        assert_eq!(lanes(&mut world, *kind), Vec::<String>::new(), "{kind}");
    }
}

#[test]
fn a_record_that_cannot_be_read_is_set_aside_whole() {
    let mut world = open();
    world.cloud.agent_says("c1", "one");
    world.spoil_record(LaneKind::Conversation, "c1");
    world.go_on();
    // The record, and the entry that woke the lane.
    assert_eq!(lanes(&mut world, LaneKind::DeadLetter).len(), 2);
    // The conversation goes on: the next notification tells again whose it is.
    world.cloud.tell_state("c1");
    world.go_on();
    world.advance(Duration::from_secs(3)); // what came before it is not known any more
    world.go_on();
    assert_eq!(world.channel.delivered.len(), 1);
}

#[test]
fn an_open_conversation_that_nothing_leads_to_is_waited_for() {
    let mut world = World::new(1, BridgeConfig::new());
    // The token does not say who the consumer is at LivePerson, so no notification does either.
    world.cloud.open_for("nameless");
    world.accept("nameless", "m1", "hello");
    world.go_on();
    assert_eq!(world.cloud.texts_of("nameless"), Vec::<String>::new());
    world.cloud.close("c1");
    world.advance(Duration::from_secs(61));
    world.go_on();
    assert_eq!(world.cloud.texts_of("nameless"), ["hello"]);
}

#[test]
fn no_more_is_under_way_than_configured() {
    let mut world = World::new(1, BridgeConfig::new().max_effects(3));
    for consumer in 0..10 {
        world.accept(&format!("c{consumer}"), "hello", "hello");
    }
    let is_call = |step: &UnderWay| matches!(step, UnderWay::Call(..));
    let mut most = 0;
    for _ in 0..200 {
        world.poll(0);
        let under_way = &world.instances[0].under_way;
        most = most.max(under_way.iter().filter(|step| is_call(step)).count());
        let at = under_way.iter().position(|step| !is_call(step)).unwrap_or(0);
        world.finish(0, at, Fate::Done);
    }
    assert_eq!(most, 3);
    world.go_on();
    world.settle();
    world.check().unwrap();
}

#[test]
fn a_repeated_delivery_has_the_same_id_and_time() {
    let mut world = World::new(1, BridgeConfig::new());
    world.accept("ada", "m1", "hello");
    let is_status = |step: &UnderWay| matches!(step, UnderWay::Deliver(..));
    for _ in 0..3 {
        let at = world.run_until(is_status).unwrap();
        // The channel takes it, and its answer is lost.
        world.finish(0, at, Fate::AnswerLost);
        world.run();
        world.advance(Duration::from_secs(30));
    }
    world.go_on();
    let statuses: Vec<_> =
        world.channel.times.iter().filter(|(id, _)| id.starts_with("in:")).collect();
    assert_eq!(statuses.len(), 4);
    assert!(
        statuses.iter().all(|status| *status == statuses[0] && status.1.is_some()),
        "{statuses:?}"
    );
}
