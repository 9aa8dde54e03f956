//! What people are shown of consumers and dead letters, and what the channel is told of a change.

use std::time::Duration;

use super::entry::{ConsumerEntry, entry};
use super::store::{Answer, LaneDetails, LaneId, LaneKind, Listed, Request};
use super::world::{Fate, UnderWay, World};
use super::{
    BridgeConfig, ChangeDetails, ClosedBy, ConsumerState, ConsumerSummary, DeadLetter,
    DeadLetterSummary, Inbound, Outgoing, Unsettled, Waiting,
};
use crate::error::{Delivery, Error, ErrorKind};
use crate::id::{AccountId, DialogId, ExtConsumerId};
use crate::time::Timestamp;

fn account() -> AccountId {
    AccountId::new("91827364").unwrap()
}

fn ada() -> ExtConsumerId {
    ExtConsumerId::new("ada").unwrap()
}

fn open(config: BridgeConfig) -> World {
    let mut world = World::new(1, config);
    world.accept("ada", "m1", "hello");
    world.go_on();
    world
}

fn listed(world: &mut World, what: Listed) -> Vec<LaneDetails> {
    let list = Request::List { what, after: None, limit: 100 };
    let Answer::Listed(lanes) = world.store.perform(list, world.now.mono()) else { panic!() };
    lanes
}

fn summary(world: &mut World) -> ConsumerSummary {
    let lanes = listed(world, Listed::Lane(LaneId::consumer(&account(), &ada())));
    ConsumerSummary::of(&lanes[0]).unwrap()
}

fn statuses(summary: &ConsumerSummary) -> Vec<String> {
    let shown = |one: &super::RecentMessage| match &one.reason {
        Some(reason) => format!("{} {} {reason}", one.id, one.status),
        None => format!("{} {}", one.id, one.status),
    };
    summary.recent.iter().map(shown).collect()
}

#[test]
fn a_summary_follows_a_conversation() {
    let mut world = World::new(1, BridgeConfig::new());
    world.accept("ada", "m1", "hello");
    let first = summary(&mut world);
    assert_eq!((first.state, first.queued, first.recent.len()), (ConsumerState::None, 1, 0));
    world.go_on();
    let open = summary(&mut world);
    assert_eq!(open.conversation.as_ref().unwrap().as_str(), "c1");
    assert_eq!((open.state, open.survey, open.queued), (ConsumerState::Open, false, 0));
    let when = Timestamp::from_system_time(world.now.wall());
    assert!(open.recent[0].at.is_some_and(|at| at <= when), "{open:?}");
    world.cloud.agent_reads("c1", &[0]);
    world.cloud.start_survey("c1");
    world.go_on();
    let survey = summary(&mut world);
    assert!(survey.survey);
    assert_eq!(survey.reference().unwrap().dialog().as_str(), "survey-1");
    assert_eq!(statuses(&survey), ["m1 read"]);
    world.cloud.close("c1");
    world.go_on();
    let closed = summary(&mut world);
    assert_eq!(
        (closed.state, closed.conversation, closed.survey),
        (ConsumerState::None, None, false)
    );
}

#[test]
fn a_summary_tells_how_far_each_message_is() {
    let mut world = open(BridgeConfig::new().unsettled(Unsettled::Hold));
    world.hand_in("ada", Inbound::answer("m2", "c1:c1:1", 1).unwrap());
    world.accept("ada", "m3", "three");
    world.accept("ada", "m4", "four");
    let is_three = |step: &UnderWay| matches!(step, UnderWay::Call(_, outgoing, _) if matches!(**outgoing, Outgoing::Text(_)));
    let at = world.run_until(is_three).unwrap();
    world.finish(0, at, Fate::RequestLost);
    world.run();
    let doubtful = summary(&mut world);
    let expected = ["m1 sent", "m2 failed unknown_option", "m3 unconfirmed", "m4 accepted"];
    assert_eq!((statuses(&doubtful), doubtful.queued), (expected.map(str::to_owned).to_vec(), 2));
    world.advance(Duration::from_secs(61));
    world.run();
    assert_eq!(statuses(&summary(&mut world))[2], "m3 held");
}

#[test]
fn a_summary_says_what_refused_a_message() {
    let mut world = open(BridgeConfig::new());
    world.accept("ada", "m2", "two");
    let is_text = |step: &UnderWay| matches!(step, UnderWay::Call(_, outgoing, _) if matches!(**outgoing, Outgoing::Text(_)));
    let at = world.run_until(is_text).unwrap();
    let UnderWay::Call(number, ..) = world.instances[0].under_way.remove(at).unwrap() else {
        panic!()
    };
    let error = Error::new(ErrorKind::Rejected, "no such dialog").with_delivery(Delivery::Rejected);
    let now = world.now;
    world.instances[0].worker.called(number, Err(error), now);
    world.run();
    let shown = summary(&mut world);
    assert_eq!(statuses(&shown), ["m1 sent", "m2 failed refused"]);
    let details: Vec<_> = shown.recent.iter().map(|one| one.detail.as_deref()).collect();
    let [None, Some(detail)] = details[..] else { panic!("{details:?}") };
    assert!(detail.contains("no such dialog"), "{detail}");
}

#[test]
fn a_summary_has_the_last_64_messages() {
    let mut world = open(BridgeConfig::new());
    for number in 0..100 {
        world.accept("ada", &format!("n{number}"), "again");
    }
    // More of them wait than are remembered otherwise.
    let is_call = |step: &UnderWay| matches!(step, UnderWay::Call(..));
    let at = world.run_until(is_call).unwrap();
    world.finish(0, at, Fate::RequestLost);
    world.run();
    world.advance(Duration::from_secs(1));
    world.run();
    let recent = summary(&mut world).recent;
    assert_eq!((recent.len(), recent[0].status), (64, "accepted"));
}

#[test]
fn a_summary_tells_what_was_delivered_to_the_agents() {
    let mut world = open(BridgeConfig::new());
    let (dialog, sequences) = (DialogId::new("c1").unwrap(), vec![0]);
    let delivered = ConsumerEntry::Acknowledged { dialog, read: false, sequences };
    world.append(vec![entry(LaneId::consumer(&account(), &ada()), &delivered)]);
    world.go_on();
    assert_eq!(statuses(&summary(&mut world)), ["m1 delivered"]);
}

#[test]
fn each_state_of_a_consumer_has_a_name() {
    let states = [ConsumerState::None, ConsumerState::Awaiting, ConsumerState::Open];
    assert_eq!(states.map(ConsumerState::name), ["none", "awaiting", "open"]);
}

#[test]
fn another_kind_of_lane_has_no_summary() {
    let mut world = open(BridgeConfig::new());
    for kind in [LaneKind::Conversation, LaneKind::Status, LaneKind::DeadLetter] {
        for lane in listed(&mut world, Listed::Lanes { account: None, kind }) {
            assert_eq!(ConsumerSummary::of(&lane), None);
            assert_eq!(DeadLetterSummary::of(&lane), None);
        }
    }
    world.spoil_record(LaneKind::Consumer, "ada");
    let lanes = listed(&mut world, Listed::Lane(LaneId::consumer(&account(), &ada())));
    assert_eq!(ConsumerSummary::of(&lanes[0]), None);
}

#[test]
fn dead_letters_tell_whose_they_are() {
    let mut world = open(BridgeConfig::new());
    world.channel.refuses = true;
    world.cloud.agent_says("c1", "a private word");
    for _ in 0..4 {
        world.go_on();
        world.advance(Duration::from_secs(6));
    }
    world.cloud.to_post.push_back(b"not JSON".to_vec());
    world.spoil_record(LaneKind::Consumer, "ada");
    world.go_on();
    let lanes = listed(&mut world, Listed::Lanes { account: None, kind: LaneKind::DeadLetter });
    let letters: Vec<_> = lanes.iter().map(|lane| DeadLetterSummary::of(lane).unwrap()).collect();
    let refused = &letters[0];
    assert_eq!((refused.id.as_str(), refused.reason.name()), ("c1:c1:1", "refused"));
    assert_eq!(refused.consumer, Some(ada()));
    assert_eq!(refused.conversation.as_ref().unwrap().as_str(), "c1");
    assert!(refused.at.is_some() && refused.replayable);
    let letter = DeadLetter::of(&lanes[0]).unwrap();
    assert_eq!((letter.at(), letter.lane_key()), (refused.at, "c1"));
    assert!(letter.content().contains("a private word"));
    assert!(!format!("{letters:?}").contains("private"));
    let is_of_ada = |one: &DeadLetterSummary| !one.id.starts_with("notification:");
    assert!(letters[1..].iter().any(is_of_ada), "{letters:?}");
    for letter in &letters[1..] {
        assert!(!letter.replayable && letter.at.is_some(), "{letter:?}");
        let expected = is_of_ada(letter).then(ada);
        assert_eq!(letter.consumer, expected, "{letter:?}");
    }
}

#[test]
fn who_closed_a_conversation_is_told_if_it_is_known() {
    for (reason, by) in [
        (Some("CONSUMER"), Some(ClosedBy::Consumer)),
        (Some("AGENT"), Some(ClosedBy::Agent)),
        (Some("SYSTEM"), None),
        (Some(""), None),
        (None, None),
    ] {
        let mut world = open(BridgeConfig::new());
        world.cloud.close_reason = reason;
        world.cloud.close("c1");
        world.go_on();
        let (closed, details) = world.channel.details.last().unwrap();
        assert_eq!(
            (closed.as_str(), details.by, details.adopted),
            ("closed", by, false),
            "{reason:?}"
        );
        let others = &world.channel.details[..world.channel.details.len() - 1];
        assert!(others.iter().all(|(_, details)| *details == ChangeDetails::default()));
    }
}

#[test]
fn a_conversation_that_was_found_open_says_so() {
    let mut world = World::new(1, BridgeConfig::new());
    world.cloud.open_for("ada");
    world.post_all();
    world.run();
    world.accept("ada", "m1", "hello");
    world.go_on();
    world.cloud.tell_state("c1");
    world.go_on();
    let (opened, details) = &world.channel.details[0];
    assert_eq!((opened.as_str(), details.adopted), ("opened", true));
    let own = open(BridgeConfig::new());
    assert_eq!(own.channel.details[0], ("opened".to_owned(), ChangeDetails::default()));
}

#[test]
fn what_waits_in_records_is_counted() {
    let mut world = open(BridgeConfig::new());
    world.run();
    world.channel.refuses = true;
    for number in 0..7 {
        world.cloud.agent_says("c1", &format!("answer {number}"));
    }
    world.post_all();
    world.run();
    let what = Listed::Lanes { account: None, kind: LaneKind::Conversation };
    let lanes = listed(&mut world, what);
    let waiting = Waiting::of(&lanes[0]);
    assert_eq!((lanes[0].summary.entries, waiting.count), (0, 7));
    assert!(waiting.since.is_some());
    assert_eq!(waiting.owner, Some(ada()));
    world.spoil_record(LaneKind::Conversation, "c1");
    let what = Listed::Lanes { account: None, kind: LaneKind::Conversation };
    let spoilt = listed(&mut world, what).remove(0);
    let waiting = Waiting::of(&spoilt);
    assert_eq!((waiting.count, waiting.owner), (spoilt.summary.entries, None));
}

#[test]
fn what_waits_tells_since_when_its_oldest_does() {
    let mut world = open(BridgeConfig::new());
    world.channel.is_out = true;
    let first = Timestamp::from_system_time(world.now.wall());
    for number in 0..3 {
        world.cloud.agent_says("c1", &format!("answer {number}"));
        world.post_all();
        world.run();
        world.advance(Duration::from_secs(5));
    }
    let what = Listed::Lanes { account: None, kind: LaneKind::Conversation };
    let waiting = Waiting::of(&listed(&mut world, what)[0]);
    assert_eq!((waiting.count, waiting.since), (3, Some(first)));
}

#[test]
fn a_reused_id_changes_nothing_of_the_first_message() {
    let mut world = open(BridgeConfig::new());
    world.hand_in("ada", Inbound::answer("m2", "c1:c1:1", 1).unwrap());
    world.go_on();
    let before = summary(&mut world);
    world.advance(Duration::from_secs(5));
    for id in ["m1", "m2"] {
        world.hand_in("ada", Inbound::text(id, "something else").unwrap());
        world.go_on();
    }
    let after = summary(&mut world);
    assert_eq!(statuses(&after), statuses(&before));
    assert_eq!(format!("{:?}", after.recent), format!("{:?}", before.recent));
}
