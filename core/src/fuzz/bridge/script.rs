//! What happens, event by event.

use std::time::Duration;

use super::books::Books;
use super::bounds::bounds;
use super::faults::fate_of;
use super::{Event, FOREIGN, account, consumer};
use crate::api::InvalidInput;
use crate::bridge::world::World;
use crate::bridge::{
    ChannelReceipt, Inbound, LaneId, Resolution, Unsettled, adopt, ingest, report, resolve,
};
use crate::file::File;
use crate::id::ConversationId;
use crate::webhook::Verified;

/// What comes from LivePerson and is no message.
const ODD: [&str; 3] = [
    "{",
    r#"{"kind":"notification","type":"ms.MessagingEventNotification","body":{"changes":[{"originatorId":"a9","originatorMetadata":{"id":"a9","role":"ASSIGNED_AGENT"},"dialogId":"c1","conversationId":"c1","event":{"type":"ChatStateEvent","chatState":"COMPOSING"}}]}}"#,
    r#"{"kind":"notification","type":"new.Notification","body":{"changes":[{"a":1}]}}"#,
];

fn named(who: u8) -> &'static str {
    if who.is_multiple_of(2) { "ada" } else { "bob" }
}

pub(super) struct Script {
    pub(super) world: World,
    pub(super) books: Books,
    count: u32,
}

impl Script {
    pub(super) const fn new(world: World, books: Books) -> Self {
        Self { world, books, count: 0 }
    }

    pub(super) fn event(&mut self, event: &Event) {
        self.count += 1;
        let count = self.count;
        match *event {
            Event::Accept { who } => {
                let text = format!("m{count}");
                self.world.accept(named(who), &text, &text);
                self.books.handed_in(named(who), &text);
                self.appended();
            }
            Event::Repeat { who, back } => self.world.repeat(named(who), back.into()),
            Event::Close { who, survey } => {
                self.hand_in(named(who), Inbound::close(format!("m{count}"), survey));
            }
            Event::Answer { who, sequence, option } => {
                let Some(talk) = self.talk_of(named(who)) else { return };
                let message = format!("{talk}:{talk}:{}", sequence % 16);
                let option = u32::from(option % 3) + 1;
                let answer = Inbound::answer(format!("m{count}"), message, option);
                self.hand_in(named(who), answer);
            }
            Event::Speak { talk } => self.agent(talk, |world, talk| {
                world.cloud.agent_says(talk, &format!("a{count}"));
            }),
            Event::Offer { talk } => self.agent(talk, |world, talk| {
                world.cloud.agent_offers(talk, &["Blue", "Grey"]);
            }),
            Event::Read { talk, sequence } => self.agent(talk, |world, talk| {
                world.cloud.agent_reads(talk, &[u64::from(sequence % 16)]);
            }),
            Event::End { talk } => self.agent(talk, |world, talk| world.cloud.close(talk)),
            Event::Survey { talk } => {
                self.agent(talk, |world, talk| world.cloud.start_survey(talk));
            }
            Event::Foreign => {
                if self.talk_of(FOREIGN).is_none() {
                    self.world.cloud.open_for(FOREIGN);
                }
                if let Some(talk) = self.talk_of(FOREIGN) {
                    self.world.cloud.agent_says(&talk, &format!("a{count}"));
                }
            }
            Event::Report { who, back, receipt } => self.report(named(who), back, receipt),
            Event::Drop { who } => {
                if let Some(message) = self.books.newest(named(who)) {
                    let who = consumer(named(who));
                    self.world.append(vec![resolve(&account(), &who, message, Resolution::Drop)]);
                }
            }
            Event::Post { at, fate } => self.world.post(usize::from(at % 3), fate_of(fate)),
            Event::Poll { at } => self.poll(at),
            Event::Finish { at, index, fate } => {
                let at = self.at(at);
                if let Some(index) = self.index(at, index) {
                    let fate = self.fate(at, index, fate);
                    self.world.finish(at, index, fate);
                }
                self.world.poll(at);
            }
            Event::Fail { at, index, kind, effect, is_done } => {
                self.fail(at, index, kind, effect, is_done);
            }
            Event::Refuse { at, index } => self.refuse(at, index),
            Event::Crash { at } => self.world.crash(self.at(at)),
            Event::Stop { at } => self.stop(at),
            Event::Arrive { index } => {
                let orphans = self.world.orphans();
                self.world.arrive(usize::from(index) % orphans.max(1));
            }
            Event::Pass { steps } => {
                self.world.advance(Duration::from_millis(10 << (steps % 12)));
            }
            Event::Channel { mood } => {
                let channel = &mut self.world.channel;
                let pause = Some(Duration::from_secs(5));
                channel.is_out = mood % 5 == 1;
                channel.paused = pause.filter(|_| mood % 5 == 2);
                channel.refuses = mood % 5 == 3;
                channel.not_tried = pause.filter(|_| mood % 5 == 4);
            }
            Event::Choose { who, option } => {
                let text = ["1", "2", "3", "Blue"].get(usize::from(option % 4)).unwrap_or(&"4");
                self.hand_in(named(who), Inbound::text(format!("m{count}"), *text));
            }
            Event::File { who, has_caption } => {
                let file = File::new("ring.png", vec![1, 2, 3]).expect("a good file");
                let file = if has_caption { file.caption("A ring") } else { file };
                self.hand_in(named(who), Inbound::file(format!("m{count}"), file));
            }
            Event::Long { who, has_blanks } => {
                let id = format!("m{count}");
                let text = format!("<{id}>{}", if has_blanks { " " } else { "" }).repeat(1500);
                self.books.long(named(who), &id, &text);
                self.hand_in(named(who), Inbound::text(id, text));
            }
            Event::Reuse { who, back } => {
                if let Some(id) = self.books.known(named(who), back.into()) {
                    let other = Inbound::text(id, "other").expect("a good message");
                    self.world.hand_in(named(who), other);
                }
            }
            Event::Odd { what } => self.odd(usize::from(what)),
            Event::Resolve { who, again } => {
                let resolution = match (again, self.books.unsettled()) {
                    (true, Unsettled::Resend) => Resolution::Resend,
                    _ => Resolution::Sent,
                };
                if let Some(id) = self.books.newest(named(who)) {
                    self.books.resolved(named(who), &id);
                    self.world.append(vec![resolve(
                        &account(),
                        &consumer(named(who)),
                        id,
                        resolution,
                    )]);
                }
            }
            Event::Adopt { who } => {
                if let Some(talk) = self.talk_of(named(who)) {
                    let talk = ConversationId::new(talk).expect("a good id");
                    self.world.append(vec![adopt(&account(), &consumer(named(who)), talk)]);
                }
            }
            Event::Bounds { length } => bounds(length.into()),
            Event::Share { at, tenths } => {
                let (at, now) = (self.at(at), self.world.now);
                if let Some(instance) = self.world.instances.get_mut(at) {
                    instance.worker.set_share(u32::from(tenths % 11) * 100_000, now);
                }
            }
        }
    }

    pub(super) fn at(&self, at: u8) -> usize {
        usize::from(at) % self.world.instances.len().max(1)
    }

    /// A step that is under way.
    pub(super) fn index(&self, at: usize, index: u8) -> Option<usize> {
        let under_way = self.world.instances.get(at)?.under_way.len();
        usize::from(index).checked_rem(under_way)
    }

    fn appended(&mut self) {
        if let Some(first) = self.world.instances.first_mut() {
            first.worker.appended();
        }
    }

    fn hand_in(&mut self, who: &'static str, message: Result<Inbound, InvalidInput>) {
        let message = message.expect("a good message");
        let shown = format!("{message:?}");
        assert!(!shown.contains(['<', '/']) && !shown.contains("Blue"), "{shown}");
        self.books.handed_in(who, message.id());
        self.world.hand_in(who, message);
    }

    fn talk_of(&self, who: &str) -> Option<String> {
        self.world.cloud.open_of(who)
    }

    fn agent(&mut self, talk: u8, acts: impl FnOnce(&mut World, &str)) {
        let open = self.world.open_conversations();
        let at = usize::from(talk).checked_rem(open.len());
        if let Some(talk) = at.and_then(|at| open.get(at)) {
            acts(&mut self.world, talk);
        }
    }

    fn odd(&mut self, what: usize) {
        let Some(body) = ODD.get(what % ODD.len()) else { return };
        let ingested = ingest(&account(), &Verified::dangerous_unverified(*body));
        let is_state = what % ODD.len() == 1;
        assert_eq!(
            (ingested.volatile.len(), ingested.entries.is_empty()),
            (usize::from(is_state), is_state)
        );
        self.world.append(ingested.entries);
    }

    fn report(&mut self, who: &str, back: u8, receipt: u8) {
        for wrong in ["", "c1", "c1:c1", "c1:c1:x", "c1:c1:1:2", "~:c1:1", "c~zz:c1:1", ":c1:1"] {
            let reported = report(&account(), &consumer(who), &[wrong], ChannelReceipt::Read);
            let error = reported.expect_err("it is no message's id").to_string();
            assert!(!error.contains('\n') && error.len() < 200, "{error}");
        }
        let delivered = &self.world.channel.delivered;
        let at = delivered.len().checked_sub(1 + usize::from(back % 4));
        let Some((id, ..)) = at.and_then(|at| delivered.get(at)) else { return };
        let receipt = match receipt % 3 {
            0 => ChannelReceipt::Delivered,
            1 => ChannelReceipt::Read,
            _ => ChannelReceipt::Failed,
        };
        let entries = report(&account(), &consumer(who), &[id], receipt).expect("a delivery's id");
        let lane = LaneId::consumer(&account(), &consumer(who));
        assert!(entries.len() == 1 && entries.iter().all(|entry| entry.lane == lane));
        self.world.append(entries);
    }

    fn poll(&mut self, at: u8) {
        let at = self.at(at);
        self.world.poll(at);
    }
}
