//! Everything that can happen in a small world.
//!
//! Two workers that hold one lane each at most. From a start with a few entries that wait, every order of the
//! requests, answers and notifications under way is tried, with up to two faults, each at every step: a worker dies;
//! everything stands still beyond all terms; a request is lost, its answer is lost or comes after all terms, or it
//! takes effect after its worker gave it up. What left a worker that died arrives or not. Two states that differ in
//! the numbers of requests, in the time or in which of the workers is which are one. At the end of each way
//! everything comes to rest without further faults.
//!
//! In the larger worlds the two workers have one kind of lane, and a third one, without faults, has the others: at any
//! time it does all that is due. In the others the two have all lanes.
//!
//! In each state: no message is in the cloud twice; no two workers do an effect in one lane; a commit without a lease
//! has changed nothing; no record or lane is large. At the end: what was accepted is confirmed and there once, in
//! order, or reported; what agents said was delivered in order.

mod digest;
mod explore;
mod state;

use std::time::Duration;

pub(super) use self::digest::Digest;
use self::explore::explore;
use self::state::{Start, State};
use super::store::LaneKind;
use super::world::World;

/// The time that everything stands still for when it freezes: beyond all terms.
const FREEZE: Duration = Duration::from_secs(16);

/// No world has more states. Beyond this a search ends, and its test fails.
const MOST: usize = 40_000;

/// Searches the whole world. It has at least so many states and ends: fewer would prove less than is said here.
fn search(start: &Start, states: usize, ends: usize) {
    let explored = explore(State::new(start), MOST);
    println!("{explored:?}");
    assert!(explored.is_whole, "the world is too large: {explored:?}");
    let is_large = explored.states >= states && explored.ends >= ends;
    assert!(is_large, "not {states} states with {ends} ends: {explored:?}");
}

/// The consumer has an open conversation, of which the other side knows, and a first message is confirmed.
fn conversation_is_open(world: &mut World) {
    world.accept("ada", "m0", "m0");
    world.run();
    world.post_all();
    world.run();
}

/// The same, and the agent has said something.
fn agent_has_spoken(world: &mut World) {
    conversation_is_open(world);
    world.cloud.agent_says("c1", "a1");
}

fn consumer_lanes(at: usize, kind: LaneKind) -> bool {
    (kind == LaneKind::Consumer) == (at < 2)
}

fn conversation_lanes(at: usize, kind: LaneKind) -> bool {
    (kind == LaneKind::Conversation) == (at < 2)
}

#[test]
fn no_order_of_steps_loses_or_doubles() {
    let start = Start::new(0).before(conversation_is_open).accepts(2).agent_speaks(1);
    search(&start, 500, 2);
}

#[test]
fn no_single_fault_loses_or_doubles() {
    search(&Start::new(1).before(conversation_is_open).accepts(2), 2_000, 25);
}

#[test]
fn no_single_fault_opens_two_conversations() {
    search(&Start::new(1).accepts(1).serves(consumer_lanes), 2_400, 15);
}

#[test]
fn no_two_faults_lose_or_double_what_is_sent() {
    let start = Start::new(2).before(conversation_is_open).accepts(2).serves(consumer_lanes);
    search(&start, 16_000, 280);
}

#[test]
fn no_two_faults_lose_what_an_agent_says() {
    let start = Start::new(2).before(agent_has_spoken).serves(conversation_lanes);
    search(&start, 4_500, 140);
}
