//! What waits behind a file or a close, and what counts before its turn.

use std::time::Duration;

use super::bridge_tests::{account, ada, open, with};
use super::entry::{ConsumerEntry, Phase, entry};
use super::store::{Answer, LaneId, Listed, Request};
use super::world::{Fate, UnderWay, World};
use super::{
    BridgeConfig, Inbound, Outgoing, Progress, Resolution, SurveyPolicy, Unsettled, forget, resolve,
};
use crate::file::File;
use crate::id::{ConversationId, DialogId};

#[test]
fn a_file_after_a_close_of_nothing_is_sent_at_once() {
    let mut world = World::new(1, BridgeConfig::new());
    world.hand_in("ada", Inbound::close("m1", false).unwrap());
    let file = File::new("ring.png", vec![1, 2, 3]).unwrap();
    world.hand_in("ada", Inbound::file("m2", file).unwrap());
    world.go_on();
    assert_eq!(world.cloud.texts_of("ada"), ["/files/1"]);
}

/// The news of the conversation comes behind the file, which waits for it.
#[test]
fn a_file_whose_opening_has_no_answer_is_sent() {
    let mut world = World::new(1, BridgeConfig::new());
    let file = File::new("ring.png", vec![1, 2, 3]).unwrap();
    world.hand_in("ada", Inbound::file("m1", file).unwrap());
    let is_open = |step: &UnderWay| matches!(step, UnderWay::Call(_, outgoing, _) if matches!(**outgoing, Outgoing::Open(_)));
    let at = world.run_until(is_open).unwrap();
    world.finish(0, at, Fate::AnswerLost);
    world.settle();
    assert_eq!(world.cloud.texts_of("ada"), ["/files/1"]);
    assert!(world.channel.statuses.contains(&("m1".to_owned(), Progress::Sent)));
}

/// The notification is consumed that names the consumer: the next holder asks whose it is.
#[test]
fn a_stop_while_it_looks_for_a_consumer_loses_nothing() {
    let mut world = World::new(1, BridgeConfig::new());
    world.accept("ada", "m1", "hello");
    let is_open = |step: &UnderWay| matches!(step, UnderWay::Call(_, outgoing, _) if matches!(**outgoing, Outgoing::Open(_)));
    let at = world.run_until(is_open).unwrap();
    world.finish(0, at, Fate::AnswerLost);
    world.post_all();
    let is_look = |step: &UnderWay| matches!(step, UnderWay::Ask(_, Request::Read(cells)) if cells[0].key.starts_with("consumer:"));
    let at = world.run_until(is_look).unwrap();
    world.finish(0, at, Fate::RequestLost);
    world.instances[0].worker.stop();
    while let Some(until) = world.poll(0) {
        match world.instances[0].under_way.is_empty() {
            true => world.advance(until.since(world.now.mono())),
            false => world.finish(0, 0, Fate::Done),
        }
    }
    world.crash(0);
    world.settle();
    assert_eq!(world.cloud.texts_of("ada"), ["hello"]);
}

fn is_text(step: &UnderWay) -> bool {
    matches!(step, UnderWay::Call(_, outgoing, _) if matches!(**outgoing, Outgoing::Text(_)))
}

/// The message may be sent, and the program dies before it says so.
fn dies_while_it_sends(world: &mut World) {
    let at = world.run_until(is_text).expect("a text is sent");
    world.finish(0, at, Fate::AnswerLost);
    world.crash(0);
}

fn hand_in_file(world: &mut World, id: &str) {
    let file = File::new("ring.png", vec![1, 2, 3]).unwrap();
    world.hand_in("ada", Inbound::file(id, file).unwrap());
}

/// The consumer is to be forgotten and writes again, in a conversation that is open by then: both sides go on there.
fn forgets_and_goes_on(world: &mut World) {
    world.append(vec![forget(&account(), &ada())]);
    world.accept("ada", "m3", "again");
    world.cloud.close("c1");
    world.cloud.open_for("ada");
    world.post_all();
    world.settle();
    assert_eq!(world.cloud.texts_of("ada"), ["hello", "again"]);
    world.cloud.agent_says("c2", "Good morning");
    world.go_on();
    let newest = world.channel.delivered.last().map(|(_, text, _)| text.as_str());
    assert_eq!(newest, Some("Good morning"));
}

/// The conversation would refuse it: the news behind the file counts before it is uploaded.
#[test]
fn a_file_goes_to_no_conversation_known_to_be_closed() {
    let mut world = open();
    hand_in_file(&mut world, "m2");
    let conversation = ConversationId::new("c1").unwrap();
    let seen = ConsumerEntry::Seen { conversation, phase: Phase::Closed };
    world.append(vec![entry(LaneId::consumer(&account(), &ada()), &seen)]);
    world.cloud.close("c1");
    let is_first = |step: &UnderWay| matches!(step, UnderWay::Call(_, outgoing, _) if matches!(**outgoing, Outgoing::Open(_) | Outgoing::UploadUrl(_)));
    let at = world.run_until(is_first).unwrap();
    let UnderWay::Call(_, outgoing, _) = &world.instances[0].under_way[at] else { panic!() };
    assert!(matches!(**outgoing, Outgoing::Open(_)), "a new conversation comes first");
    world.settle();
    assert_eq!(world.cloud.texts_of("ada"), ["hello", "/files/1"]);
}

/// The conversation is closed meanwhile: the news of its survey leads back to it, and must not do so for ever.
#[test]
fn news_behind_a_file_counts_once() {
    let mut world = with(BridgeConfig::new().survey(SurveyPolicy::Everything));
    world.accept("ada", "m2", "one more");
    hand_in_file(&mut world, "m3");
    let phase = Phase::Survey(DialogId::new("survey-1").unwrap());
    let seen = ConsumerEntry::Seen { conversation: ConversationId::new("c1").unwrap(), phase };
    let lane = LaneId::consumer(&account(), &ada());
    world.append(vec![entry(lane.clone(), &seen)]);
    world.cloud.close("c1");
    world.run();
    assert_eq!(world.cloud.texts_of("ada"), ["hello", "one more", "/files/1"]);
    let list = Request::List { what: Listed::Lane(lane), after: None, limit: 1 };
    let Answer::Listed(listed) = world.store.perform(list, world.now.mono()) else { panic!() };
    let record = String::from_utf8_lossy(&listed[0].record.as_ref().unwrap().body).into_owned();
    assert!(!record.contains("survey-1"), "in its turn, it says nothing again: {record}");
}

/// Nothing was committed since the news let the message go: the next holder finds none of it in the record.
#[test]
fn a_message_that_news_behind_a_file_let_go_is_doubted() {
    let mut world = World::new(1, BridgeConfig::new());
    world.accept("ada", "m1", "hello");
    let is_open = |step: &UnderWay| matches!(step, UnderWay::Call(_, outgoing, _) if matches!(**outgoing, Outgoing::Open(_)));
    let at = world.run_until(is_open).unwrap();
    world.finish(0, at, Fate::AnswerLost);
    hand_in_file(&mut world, "m2");
    world.post_all();
    dies_while_it_sends(&mut world);
    world.settle();
    assert_eq!(world.cloud.texts_of("ada"), ["hello", "/files/1"]);
}

/// It says that the first try was not taken. The second one is another matter.
#[test]
fn an_absence_behind_a_file_is_believed_once() {
    let mut world = open();
    world.accept("ada", "m2", "one more");
    let at = world.run_until(is_text).unwrap();
    world.finish(0, at, Fate::RequestLost);
    hand_in_file(&mut world, "m3");
    world.run();
    world.advance(Duration::from_secs(35));
    world.cloud.agent_says("c1", "Are you there?");
    world.post_all();
    dies_while_it_sends(&mut world);
    world.settle();
    assert_eq!(world.cloud.texts_of("ada"), ["hello", "one more", "/files/1"]);
}

#[test]
fn an_operators_word_behind_a_file_counts_once() {
    let mut world = with(BridgeConfig::new().unsettled(Unsettled::Hold));
    world.accept("ada", "m2", "one more");
    let at = world.run_until(is_text).unwrap();
    world.finish(0, at, Fate::RequestLost);
    hand_in_file(&mut world, "m3");
    world.run();
    world.advance(Duration::from_secs(61));
    world.run();
    world.append(vec![resolve(&account(), &ada(), "m2", Resolution::Resend)]);
    let at = world.run_until(is_text).unwrap();
    world.finish(0, at, Fate::AnswerLost);
    world.settle();
    assert_eq!(world.cloud.texts_of("ada"), ["hello", "one more", "/files/1"]);
}

/// Its news waits behind a message that the lane to come takes, as long as the old one has an unconfirmed message.
#[test]
fn a_new_conversation_is_not_forgotten_with_the_old_one() {
    let mut world = open();
    world.accept("ada", "m2", "one more");
    let at = world.run_until(is_text).unwrap();
    world.finish(0, at, Fate::RequestLost);
    forgets_and_goes_on(&mut world);
}

/// The lane is given 64 entries at a time. What names its conversation comes after them.
#[test]
fn a_file_before_many_messages_finds_its_conversation() {
    let mut world = World::new(1, BridgeConfig::new());
    hand_in_file(&mut world, "m0");
    for n in 1..=64 {
        world.accept("ada", &format!("m{n}"), &format!("Coo {n}"));
    }
    let is_open = |step: &UnderWay| matches!(step, UnderWay::Call(_, outgoing, _) if matches!(**outgoing, Outgoing::Open(_)));
    let at = world.run_until(is_open).unwrap();
    world.finish(0, at, Fate::AnswerLost);
    world.settle();
    let texts = world.cloud.texts_of("ada");
    assert_eq!(texts.len(), 65);
    assert_eq!((texts[0].as_str(), texts[64].as_str()), ("/files/1", "Coo 64"));
}

/// The file would wait for a conversation, and take the next one with it.
#[test]
fn a_file_before_a_word_to_forget_holds_nothing_up() {
    let mut world = open();
    hand_in_file(&mut world, "m2");
    let is_url = |step: &UnderWay| matches!(step, UnderWay::Call(_, outgoing, _) if matches!(**outgoing, Outgoing::UploadUrl(_)));
    let at = world.run_until(is_url).unwrap();
    world.finish(0, at, Fate::RequestLost);
    forgets_and_goes_on(&mut world);
}
