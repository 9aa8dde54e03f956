//! What becomes of dead letters.

use std::collections::BTreeSet;
use std::time::Duration;

use super::store::{Answer, Entry, LaneId, LaneKind, Listed, Request};
use super::world::World;
use super::{BridgeConfig, DeadLetter, FailureReason, Inbound, Progress, adopt, ingest, replay};
use crate::id::{AccountId, ConversationId, ExtConsumerId};
use crate::webhook::Verified;

fn account() -> AccountId {
    AccountId::new("91827364").unwrap()
}

fn ada() -> ExtConsumerId {
    ExtConsumerId::new("ada").unwrap()
}

/// A world in which a conversation is open, and everything is told.
fn open() -> World {
    let mut world = World::new(1, BridgeConfig::new());
    world.accept("ada", "m1", "hello");
    world.go_on();
    world
}

fn lanes(world: &mut World, kind: LaneKind) -> Vec<String> {
    let list =
        Request::List { what: Listed::Lanes { account: None, kind }, after: None, limit: 100 };
    let now = world.now.mono();
    let Answer::Listed(listed) = world.store.perform(list, now) else { panic!() };
    listed.into_iter().map(|lane| lane.summary.lane.key().to_owned()).collect()
}

#[test]
fn a_letter_without_a_consumer_comes_back_when_replayed() {
    let mut world = open();
    // Of another channel, and nothing names its consumer.
    world.cloud.open_for("eve");
    world.cloud.to_post.clear();
    world.cloud.agent_says("c2", "for eve");
    world.go_on();
    world.advance(Duration::from_secs(151));
    world.go_on();
    let letter = lanes(&mut world, LaneKind::DeadLetter);
    assert_eq!(letter, ["c2:c2:0"]);
    // While it is known that it is another channel's, and once that is not known any more.
    for later in [1, 3700] {
        world.advance(Duration::from_secs(later));
        world.go_on();
        world.append(vec![replay(&account(), &letter[0])]);
        world.go_on();
        world.advance(Duration::from_secs(151));
        world.go_on();
        assert_eq!(lanes(&mut world, LaneKind::DeadLetter), letter, "{later}");
    }
    assert_eq!(world.channel.delivered, []);
    // Once it is a consumer's, it is delivered.
    world.append(vec![adopt(&account(), &ada(), ConversationId::new("c2").unwrap())]);
    world.go_on();
    world.append(vec![replay(&account(), &letter[0])]);
    world.go_on();
    assert_eq!(world.channel.delivered.len(), 1);
    assert_eq!(lanes(&mut world, LaneKind::DeadLetter).len(), 0);
}

#[test]
fn an_entry_that_cannot_be_read_ends_no_letter() {
    let mut world = World::new(1, BridgeConfig::new().refused_tries(1));
    world.accept("ada", "m1", "hello");
    world.go_on();
    world.channel.refuses = true;
    world.cloud.agent_says("c1", "never");
    world.go_on();
    let letter = |world: &mut World, key: &str| {
        let what = Listed::Lane(LaneId::new(account(), LaneKind::DeadLetter, key));
        let list = Request::List { what, after: None, limit: 1 };
        let Answer::Listed(lanes) = world.store.perform(list, world.now.mono()) else { panic!() };
        let letter = DeadLetter::of(&lanes[0]).unwrap();
        (letter.reason().name(), letter.content())
    };
    for key in ["c1:c1:1", "unknown"] {
        let lane = LaneId::new(account(), LaneKind::DeadLetter, key);
        let body = br#"{"t":"of a later version"}"#.to_vec();
        world.append(vec![Entry { lane, body }]);
    }
    world.go_on();
    let (reason, content) = letter(&mut world, "c1:c1:1");
    assert_eq!((reason, content.contains("never")), ("refused", true));
    let unreadable = ("unreadable", r#"{"t":"of a later version"}"#.to_owned());
    assert_eq!(letter(&mut world, "unknown"), unreadable);
}

#[test]
fn a_failure_nobody_takes_is_a_letter_that_can_be_put_back() {
    let mut world = World::new(1, BridgeConfig::new());
    world.accept("ada", "m1", "hello");
    world.go_on();
    world.channel.refuses = true;
    world.accept("ada", "m2", "two");
    world.hand_in("ada", Inbound::answer("m3", "c1:c1:7", 1).unwrap());
    for _ in 0..10 {
        world.go_on();
        world.advance(Duration::from_secs(20));
    }
    // That m2 was sent is told by lists; that m3 failed is for people.
    let letters = lanes(&mut world, LaneKind::DeadLetter);
    let [letter] = &letters[..] else { panic!("{letters:?}") };
    assert!(letter.starts_with("in:") && letter.ends_with(":failed"), "{letter}");
    let what = Listed::Lane(LaneId::new(account(), LaneKind::DeadLetter, letter));
    let list = Request::List { what, after: None, limit: 1 };
    let Answer::Listed(listed) = world.store.perform(list, world.now.mono()) else { panic!() };
    let dead = DeadLetter::of(&listed[0]).unwrap();
    assert_eq!((dead.consumer(), dead.can_be_replayed()), (Some(&ada()), true));
    assert_eq!(dead.lane_key(), "ada");
    assert!(dead.content().contains("m3"));
    world.channel.refuses = false;
    world.append(vec![replay(&account(), letter)]);
    world.go_on();
    let told = Progress::Failed(FailureReason::UnknownOption);
    assert_eq!(world.channel.statuses.last(), Some(&("m3".to_owned(), told)));
    assert_eq!(lanes(&mut world, LaneKind::DeadLetter).len(), 0);
}

#[test]
fn a_letter_goes_after_its_retention() {
    let days = Duration::from_secs(3 * 24 * 3600);
    let config = BridgeConfig::new().refused_tries(1).dead_letter_retention(days);
    let mut world = World::new(1, config);
    world.accept("ada", "m1", "hello");
    world.go_on();
    world.channel.refuses = true;
    world.cloud.agent_says("c1", "never");
    world.go_on();
    let minute = Duration::from_secs(60);
    for (later, letters) in [(days - minute, &["c1:c1:1"][..]), (minute * 2, &[])] {
        world.advance(later);
        world.go_on();
        assert_eq!(lanes(&mut world, LaneKind::DeadLetter), letters, "{later:?}");
    }
}

#[test]
fn ids_of_what_cannot_be_read_are_unique_and_tell_nothing() {
    let phone = "41790000001";
    let accounts = ["91827364", "55555555"].map(|id| AccountId::new(id).unwrap());
    let mut world = World::new(1, BridgeConfig::new());
    for account in &accounts {
        for key in [phone, "ada"] {
            for kind in [LaneKind::Consumer, LaneKind::Conversation] {
                let lane = LaneId::new(account.clone(), kind, key);
                let entry = |body: &[u8]| Entry { lane: lane.clone(), body: body.to_vec() };
                world.append(vec![entry(b"{"), entry(b"{")]);
            }
        }
        let body = Verified::dangerous_unverified("not JSON");
        world.append(ingest(account, &body).entries);
    }
    world.go_on();
    world.spoil_record(LaneKind::Consumer, phone);
    world.go_on();
    let ids = lanes(&mut world, LaneKind::DeadLetter);
    let unique: BTreeSet<&String> = ids.iter().collect();
    assert_eq!((ids.len(), unique.len()), (2 * (2 * 2 * 2 + 1) + 2, ids.len()), "{ids:?}");
    assert!(!ids.iter().any(|id| id.contains(phone) || id.contains("ada")), "{ids:?}");
}

#[test]
fn what_cannot_be_put_back_stays_when_it_is_replayed() {
    let mut world = open();
    world.cloud.to_post.push_back(b"not JSON".to_vec());
    world.go_on();
    let letters = lanes(&mut world, LaneKind::DeadLetter);
    assert_eq!(letters.len(), 1);
    world.append(vec![replay(&account(), &letters[0])]);
    world.go_on();
    assert_eq!(lanes(&mut world, LaneKind::DeadLetter), letters);
}
