//! What a bridge keeps in cells: where a consumer is, and which programs run.

use std::time::Duration;

use super::lanes::Ground;
use super::mood::Mood;
use crate::bridge::store::{Answer, CellId, LaneKind, MemoryStore, Record, Request};
use crate::bridge::{Membership, MembershipStep, RECORD_VERSION, instances_request};
use crate::id::{ConversationId, ExtConsumerId};
use crate::seed::Seed;
use crate::time::Mono;

/// A consumer that has a message for a conversation of which LivePerson alone knows the id.
const AWAITING: &str = r#"{"is_identified":true,"lp_consumer":"lp-ada","talk":"awaiting","queue":[
    {"id":"m1","content":{"text":{"text":"Coo?"}},"state":"waiting"}]}"#;

/// A message of an agent, and whose conversation it is.
const NAMED: &str = r#"{"t":"changes","changes":[
    {"message":{"conversationId":"c1","dialogId":"c1","sequence":0,"originatorId":"a9",
        "originatorMetadata":{"id":"a9","role":"ASSIGNED_AGENT"},"serverTimestamp":1700000000250,
        "event":{"contentType":"text/plain","message":"Coo","type":"ContentEvent"}}},
    {"conversation":{"type":"UPSERT","result":{"convId":"c1","conversationDetails":{"state":"OPEN","stage":"OPEN",
        "metaDataLastUpdateTs":1,"participants":[{"id":"lp-ada","role":"CONSUMER"}]}}}}]}"#;

/// The cell that leads from a consumer to their open conversation.
pub(super) fn open_conversation(mood: Mood, value: &[u8]) {
    let mut ground = Ground::new(mood, value.len());
    ground.cell = Some(value.to_vec());
    let record = Record { version: RECORD_VERSION, body: AWAITING.as_bytes().to_vec() };
    ground.put(LaneKind::Consumer, "ada", Some(record), Vec::new());
    ground.run();
    let id = std::str::from_utf8(value).ok().and_then(|id| ConversationId::new(id).ok());
    if mood == Mood::Good {
        let lanes = ground.lanes(LaneKind::Conversation);
        let keys: Vec<_> = lanes.iter().map(|lane| lane.summary.lane.key()).collect();
        // Without one, another is opened.
        let expected = id.as_ref().map_or("c9", |id| id.as_str());
        assert_eq!(keys, [expected]);
    }
    ground.stop();
}

/// The cell that leads from a consumer's LivePerson id to the external one.
pub(super) fn consumer_of(mood: Mood, value: &[u8]) {
    let mut ground = Ground::new(mood, value.len());
    ground.cell = Some(value.to_vec());
    ground.put(LaneKind::Conversation, "c1", None, vec![NAMED.as_bytes().to_vec()]);
    ground.run();
    let id = std::str::from_utf8(value).ok().and_then(|id| ExtConsumerId::new(id).ok());
    let expected: Vec<_> = id.iter().map(|id| id.as_str()).collect();
    let mut consumers: Vec<_> = ground.delivered.iter().map(|id| id.as_str()).collect();
    consumers.dedup();
    assert_eq!(consumers, expected, "it is delivered to somebody else");
    ground.stop();
}

/// Two programs that find this list of programs: their shares are never more than all, and none of them stays.
pub(super) fn instances(value: Vec<u8>, mood: Mood) {
    let given = String::from_utf8_lossy(&value).into_owned();
    let mut town = Town::new(value, mood);
    for turn in 0..120 {
        town.turn(turn % 2);
    }
    for one in &mut town.all {
        one.leave(town.now);
    }
    for turn in 0..60 {
        town.turn(turn % 2);
    }
    for (one, answer) in town.all.iter_mut().zip(&town.answers) {
        let step = one.poll(0, town.now + Duration::from_secs(10));
        assert!(answer.is_some() || matches!(step, MembershipStep::Gone), "it does not leave");
    }
    if mood == Mood::Good {
        let list = String::from_utf8_lossy(&town.list()).into_owned();
        // What they found, and could not read, is not theirs to change.
        let stays = |one: &Membership| list.contains(one.id()) && !given.contains(one.id());
        assert!(!town.all.iter().any(stays), "one stays in {list}");
    }
}

struct Town {
    all: [Membership; 2],
    /// The number of each one's request, with its answer.
    answers: [Option<(u64, Option<Answer>)>; 2],
    store: MemoryStore,
    mood: Mood,
    asked: u32,
    now: Mono,
    /// When each one is to be polled.
    until: [Mono; 2],
}

impl Town {
    fn new(value: Vec<u8>, mood: Mood) -> Self {
        let new = |byte| Membership::new(Seed::from_bytes([byte; 16]), Duration::from_secs(5));
        let mut store = MemoryStore::default();
        let swap = Request::Swap { cell: cell(), seen: 0, value, life: None };
        store.perform(swap, Mono::ZERO);
        Self {
            all: [new(5).host(&"own".repeat(30)), new(6)],
            answers: [None, None],
            store,
            mood,
            asked: 0,
            now: Mono::ZERO,
            until: [Mono::ZERO; 2],
        }
    }

    fn list(&mut self) -> Vec<u8> {
        match self.store.perform(instances_request(), self.now) {
            Answer::Cells(cells) => {
                cells.into_iter().flatten().next().map_or_else(Vec::new, |cell| cell.value)
            }
            _ => Vec::new(),
        }
    }

    /// One of them does one thing. An answer comes in a later turn: the other one may have written meanwhile.
    fn turn(&mut self, at: usize) {
        let (Some(one), Some(answer)) = (self.all.get_mut(at), self.answers.get_mut(at)) else {
            return;
        };
        if let Some((number, answer)) = answer.take() {
            // An answer to another request changes nothing.
            one.handle(number.wrapping_add(7), Some(Answer::Appended), self.now);
            return one.handle(number, answer, self.now);
        }
        match one.poll(3, self.now) {
            MembershipStep::Ask(number, request) => {
                self.asked += 1;
                let given = self.store.perform(request, self.now);
                *answer = match (self.mood, self.asked % 3) {
                    (Mood::Losing, 0) => Some((number, None)),
                    (Mood::StoreFails, 0) => Some((number, Some(Answer::Appended))),
                    (Mood::Out, 0) => None,
                    _ => Some((number, Some(given))),
                };
            }
            MembershipStep::Wait(until) => {
                assert!(until > self.now, "it waits for what is over");
                if let Some(known) = self.until.get_mut(at) {
                    *known = until;
                }
                let is_busy = self.answers.iter().any(Option::is_some);
                let next = self.until.into_iter().min().unwrap_or(until);
                if !is_busy && next > self.now {
                    self.now = next;
                }
            }
            MembershipStep::Gone => {
                if let Some(known) = self.until.get_mut(at) {
                    *known = Mono::NEVER;
                }
            }
        }
        self.check();
    }

    fn check(&mut self) {
        let now = self.now;
        let answer = self.store.perform(instances_request(), now);
        let shares: u32 = self.all.iter().map(|one| one.share(now)).sum();
        assert!(shares <= 1_000_000, "{shares} millionths are in use");
        for one in &self.all {
            for all in [one.instances(now), one.instances_of(&answer, now)] {
                assert!(all.len() <= 257, "{} programs", all.len());
                for other in &all {
                    assert!(other.id.chars().count() <= 64 && other.version.chars().count() <= 64);
                    assert!(other.host.as_ref().is_none_or(|host| host.chars().count() <= 64));
                    assert_eq!(other.is_self, other.id == one.id());
                }
            }
        }
    }
}

fn cell() -> CellId {
    let Request::Read(cells) = instances_request() else { panic!("it is read") };
    cells.into_iter().next().expect("a cell")
}
