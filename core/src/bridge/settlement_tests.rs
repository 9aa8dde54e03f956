//! A message whose answer is lost.

use std::time::Duration;

use super::entry::{ConsumerEntry, Phase, entry};
use super::world::{Fate, UnderWay, World};
use super::{
    BridgeConfig, FailureReason, Inbound, LaneId, Outgoing, Progress, Resolution, Unsettled,
    resolve,
};
use crate::id::{AccountId, ConversationId, ExtConsumerId};

fn is_text(step: &UnderWay) -> bool {
    matches!(step, UnderWay::Call(_, outgoing, _) if matches!(**outgoing, Outgoing::Text(_)))
}

/// A world in which the answer to the first message is lost: it took effect, or did not.
fn after_a_lost_answer(config: BridgeConfig, fate: Fate) -> World {
    let mut world = World::new(1, config);
    world.accept("ada", "m1", "hello");
    let at = world.run_until(is_text).unwrap();
    world.finish(0, at, fate);
    world.run();
    world
}

fn sends_again(world: &mut World) -> bool {
    world.run_until(is_text).is_some()
}

/// A second message with the same text is lost, and the echo of the first one comes. True if that confirms the second.
fn confirms_the_lost_twin(world: &mut World) -> bool {
    world.accept("ada", "m2", "hello");
    let at = world.run_until(is_text).unwrap();
    world.finish(0, at, Fate::RequestLost);
    world.run();
    world.post_all();
    world.run();
    world.channel.statuses.contains(&("m2".to_owned(), Progress::Sent))
}

#[test]
fn an_echo_confirms_what_was_not_answered() {
    let mut world = after_a_lost_answer(BridgeConfig::new(), Fate::AnswerLost);
    assert!(!sends_again(&mut world));
    world.post_all();
    assert!(!sends_again(&mut world));
    assert_eq!(world.channel.statuses, [("m1".to_owned(), Progress::Sent)]);
}

#[test]
fn a_message_is_absent_only_30_s_after_its_attempt() {
    let mut world = after_a_lost_answer(BridgeConfig::new(), Fate::RequestLost);
    for (seconds, is_late) in [(29, false), (2, true)] {
        world.advance(Duration::from_secs(seconds));
        world.cloud.agent_says("c1", &format!("after {seconds}"));
        world.post_all();
        assert_eq!(sends_again(&mut world), is_late, "{seconds}");
    }
    world.settle();
    assert_eq!(world.cloud.texts_of("ada"), ["hello"]);
}

#[test]
fn a_gap_is_no_proof_of_absence() {
    let mut world = after_a_lost_answer(BridgeConfig::new(), Fate::AnswerLost);
    world.advance(Duration::from_secs(31));
    world.cloud.agent_says("c1", "much later");
    // The conversation's state, the echo, and the agent's message: the echo is late.
    world.post(0, Fate::Done);
    world.post(1, Fate::Done);
    assert!(!sends_again(&mut world));
    world.post_all();
    assert!(!sends_again(&mut world));
    assert_eq!(world.channel.statuses, [("m1".to_owned(), Progress::Sent)]);
}

#[test]
fn a_changed_echo_is_no_proof_of_absence() {
    let mut world = after_a_lost_answer(BridgeConfig::new(), Fate::AnswerLost);
    world.cloud.change_last_text("hello ");
    world.advance(Duration::from_secs(31));
    world.cloud.agent_says("c1", "much later");
    world.post_all();
    assert!(!sends_again(&mut world));
    world.advance(Duration::from_secs(31));
    world.run();
    let failed = Progress::Failed(FailureReason::Unconfirmed);
    assert_eq!(world.channel.statuses, [("m1".to_owned(), failed)]);
}

#[test]
fn an_echo_counts_once() {
    let mut world = after_a_lost_answer(BridgeConfig::new(), Fate::AnswerLost);
    world.post_all();
    world.run();
    // The same text again, and this time it does not arrive.
    world.accept("ada", "m2", "hello");
    let at = world.run_until(is_text).unwrap();
    world.finish(0, at, Fate::RequestLost);
    world.run();
    world.advance(Duration::from_secs(61));
    world.run();
    let failed = Progress::Failed(FailureReason::Unconfirmed);
    assert_eq!(world.channel.statuses[1..], [("m2".to_owned(), failed)]);
}

#[test]
fn the_echo_of_a_reported_message_confirms_no_other() {
    let mut world = after_a_lost_answer(BridgeConfig::new(), Fate::AnswerLost);
    world.advance(Duration::from_secs(61));
    world.run();
    assert!(!confirms_the_lost_twin(&mut world), "{:?}", world.channel.statuses);
}

/// Wherever the bridge dies: one that gives the message up without ever having asked would leave its echo to the next.
#[test]
fn no_crash_leaves_an_echo_to_a_later_message() {
    for steps in 0..8 {
        let mut world = World::new(1, BridgeConfig::new());
        world.accept("ada", "m1", "hello");
        let at = world.run_until(is_text).unwrap();
        world.finish(0, at, Fate::AnswerLost);
        for _ in 0..steps {
            world.poll(0);
            world.finish(0, 0, Fate::Done);
        }
        world.crash(0);
        for _ in 0..2 {
            world.advance(Duration::from_secs(61));
            world.run();
        }
        let failed = Progress::Failed(FailureReason::Unconfirmed);
        assert_eq!(world.channel.statuses, [("m1".to_owned(), failed)], "{steps}");
        assert!(
            !confirms_the_lost_twin(&mut world),
            "{steps}: the echo of the first message confirms the second, which is lost"
        );
    }
}

#[test]
fn an_echo_of_one_of_two_messages_proves_no_absence() {
    // The first message is given up long before its request can be excluded, or soon: then nobody knows which of
    // both the echo is of.
    for (given_up_after, confirmed) in [(61, true), (5, false)] {
        let mut world = after_a_lost_answer(BridgeConfig::new(), Fate::RequestLost);
        world.advance(Duration::from_secs(given_up_after));
        let (account, ada) =
            (AccountId::new("91827364").unwrap(), ExtConsumerId::new("ada").unwrap());
        world.append(vec![resolve(&account, &ada, "m1", Resolution::Drop)]);
        world.run();
        world.accept("ada", "m2", "hello");
        let at = world.run_until(is_text).unwrap();
        world.finish(0, at, Fate::AnswerLost);
        world.run();
        world.post_all();
        world.run();
        world.advance(Duration::from_secs(31));
        world.cloud.agent_says("c1", "much later");
        world.post_all();
        assert!(!sends_again(&mut world), "{given_up_after}");
        assert_eq!(world.cloud.texts_of("ada"), ["hello"], "{given_up_after}");
        let told = world.channel.statuses.contains(&("m2".to_owned(), Progress::Sent));
        assert_eq!(told, confirmed, "{given_up_after}");
    }
}

#[test]
fn the_policy_decides_about_what_cannot_be_settled() {
    for policy in [Unsettled::Report, Unsettled::Resend, Unsettled::Hold] {
        let config = BridgeConfig::new().unsettled(policy).settle_for(Duration::from_secs(5));
        let mut world = after_a_lost_answer(config, Fate::RequestLost);
        world.accept("ada", "m2", "next");
        world.advance(Duration::from_secs(6));
        world.run();
        let expected: &[&str] = match policy {
            Unsettled::Report => &["next"],
            Unsettled::Resend => &["hello", "next"],
            _ => &[],
        };
        assert_eq!(world.cloud.texts_of("ada"), expected, "{policy:?}");
        if policy == Unsettled::Hold {
            let (account, ada) =
                (AccountId::new("91827364").unwrap(), ExtConsumerId::new("ada").unwrap());
            world.append(vec![resolve(&account, &ada, "m1", Resolution::Resend)]);
            world.run();
            assert_eq!(world.cloud.texts_of("ada"), ["hello", "next"]);
        }
    }
}

#[test]
fn an_operator_decides_about_a_message_in_doubt_alone() {
    let decide = |world: &mut World, message: &str| {
        let account = AccountId::new("91827364").unwrap();
        let ada = ExtConsumerId::new("ada").unwrap();
        world.append(vec![resolve(&account, &ada, message, Resolution::Drop)]);
        world.run();
    };
    // One that was not sent yet is sent.
    let mut world = World::new(1, BridgeConfig::new());
    world.accept("ada", "m1", "hello");
    decide(&mut world, "m1");
    assert_eq!(world.cloud.texts_of("ada"), ["hello"]);
    // A decision about the next message is none about the first.
    let mut world = after_a_lost_answer(BridgeConfig::new(), Fate::RequestLost);
    world.accept("ada", "m2", "next");
    decide(&mut world, "m2");
    assert_eq!(world.channel.statuses, []);
    decide(&mut world, "m1");
    let failed = Progress::Failed(FailureReason::Operator);
    assert_eq!(world.channel.statuses.first(), Some(&("m1".to_owned(), failed)));
    assert_eq!(world.cloud.texts_of("ada"), ["next"]);
}

#[test]
fn messages_behind_an_unconfirmed_one_wait() {
    let mut world = after_a_lost_answer(BridgeConfig::new(), Fate::RequestLost);
    world.accept("ada", "m2", "next");
    assert!(!sends_again(&mut world));
    world.advance(Duration::from_secs(59));
    assert!(!sends_again(&mut world));
    world.advance(Duration::from_secs(2));
    assert!(sends_again(&mut world));
}

#[test]
fn a_message_is_sent_once_the_report_before_it_is_durable() {
    let mut world = after_a_lost_answer(BridgeConfig::new(), Fate::RequestLost);
    world.accept("ada", "m2", "next");
    world.advance(Duration::from_secs(61));
    world.run_until(is_text).unwrap();
    world.crash(0);
    world.arrive(0);
    world.advance(Duration::from_secs(16));
    world.settle();
    assert_eq!(world.cloud.texts_of("ada"), ["next"]);
}

#[test]
fn an_answer_about_an_earlier_attempt_says_nothing() {
    let config =
        BridgeConfig::new().unsettled(Unsettled::Resend).settle_for(Duration::from_secs(40));
    let mut world = after_a_lost_answer(config, Fate::AnswerLost);
    world.advance(Duration::from_secs(41));
    // Sent again, and lost again. Both echoes come now: one confirms, and nothing goes a third time.
    let at = world.run_until(is_text).unwrap();
    world.finish(0, at, Fate::AnswerLost);
    world.run();
    world.post_all();
    world.run();
    assert_eq!(world.cloud.texts_of("ada"), ["hello", "hello"]);
    assert_eq!(world.channel.statuses, [("m1".to_owned(), Progress::Sent)]);
}

/// Its echoes are those of messages that were confirmed there, and with the same text they would confirm a message
/// that was not taken.
#[test]
fn old_news_of_a_closed_conversation_reopens_nothing() {
    let mut world = World::new(1, BridgeConfig::new());
    world.hand_in("ada", Inbound::text("m1", "again").unwrap());
    for _ in 0..5 {
        world.run();
        world.post_all();
    }
    world.cloud.close("c1");
    world.cloud.to_post.clear();
    world.hand_in("ada", Inbound::text("m2", "again").unwrap());
    let opens = |step: &UnderWay| matches!(step, UnderWay::Call(_, outgoing, _) if matches!(**outgoing, Outgoing::Open(_)));
    let at = world.run_until(opens).unwrap();
    let account = AccountId::new("91827364").unwrap();
    let lane = LaneId::consumer(&account, &ExtConsumerId::new("ada").unwrap());
    let conversation = ConversationId::new("c1").unwrap();
    let seen = ConsumerEntry::Seen { conversation, phase: Phase::Open };
    world.append(vec![entry(lane, &seen)]);
    world.finish(0, at, Fate::RequestLost);
    let at = loop {
        if let Some(at) = world.run_until(is_text) {
            break at;
        }
        world.advance(Duration::from_secs(1));
    };
    world.finish(0, at, Fate::AnswerLost);
    world.settle();
    assert_eq!(world.cloud.texts_of("ada"), ["again", "again"]);
}

#[test]
fn what_is_accepted_meanwhile_prolongs_no_doubt() {
    let mut world = after_a_lost_answer(BridgeConfig::new(), Fate::RequestLost);
    for number in 2..=4 {
        world.advance(Duration::from_secs(19));
        world.accept("ada", &format!("m{number}"), "next");
        world.run();
    }
    assert_eq!(world.channel.statuses, []);
    world.advance(Duration::from_secs(4));
    world.run();
    let failed = Progress::Failed(FailureReason::Unconfirmed);
    assert_eq!(world.channel.statuses.first(), Some(&("m1".to_owned(), failed)));
}

#[test]
fn a_text_of_another_consumer_is_no_echo() {
    let mut world = after_a_lost_answer(BridgeConfig::new(), Fate::RequestLost);
    world.cloud.agent_says("c1", "hello");
    let body = String::from_utf8(world.cloud.to_post.pop_back().unwrap()).unwrap();
    let body = body.replace("\"a9\"", "\"lp-eve\"").replace("ASSIGNED_AGENT", "CONSUMER");
    world.cloud.to_post.push_back(body.into_bytes());
    world.post_all();
    assert!(!sends_again(&mut world));
    world.advance(Duration::from_secs(61));
    world.run();
    let failed = Progress::Failed(FailureReason::Unconfirmed);
    assert_eq!(world.channel.statuses, [("m1".to_owned(), failed)]);
}
