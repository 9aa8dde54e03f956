//! Tells states apart.

use std::time::Duration;

use super::super::store::{Kept, Request};
use super::super::world::{Instance, UnderWay, World};
use super::state::State;
use crate::time::Mono;

impl State {
    /// A number for this state. Times count from now, fences and holders are numbered as they come, and it does not
    /// matter which of the first two workers is which.
    pub(super) fn digest(&self) -> u64 {
        let World { store, instances, cloud, channel, now, orphans, .. } = &self.world;
        let mono = now.mono();
        let mut digest = Digest::new(mono, cloud.wall);
        digest.take(&store.describe(mono));
        for (died, step) in orphans {
            digest.take(&format!("{died:?} {}", told(step)));
        }
        digest.take(&format!("{:?} {:?}", cloud.conversations, channel.statuses));
        digest.take(&format!("{:?} {:?}", channel.delivered, channel.changes));
        for body in &cloud.to_post {
            digest.take(&String::from_utf8_lossy(body));
        }
        digest.take(&format!("{} {}", self.faults, self.speeches));
        let of_instance = |instance: &Instance| {
            let mut text = instance.worker.describe(mono);
            for step in &instance.under_way {
                text.push_str(&told(step));
            }
            text
        };
        let mut texts: Vec<String> = instances.iter().take(2).map(of_instance).collect();
        texts.sort_by_key(String::len);
        let (mut one, mut other) = (digest.clone(), digest);
        texts.iter().for_each(|text| one.take(text));
        if texts.windows(2).any(|pair| pair[0].len() < pair[1].len()) {
            return one.hash;
        }
        texts.iter().rev().for_each(|text| other.take(text));
        one.hash.min(other.hash)
    }
}

/// A step without its number, and with what a commit writes.
fn told(step: &UnderWay) -> String {
    match step {
        UnderWay::Ask(_, Request::Commit(commits)) => {
            let mut text = format!("{commits:?}");
            for commit in commits {
                let body = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
                if let Kept::New(record) = &commit.record {
                    text.push_str(&body(&record.body));
                }
                for entry in &commit.append {
                    text.push_str(&body(&entry.body));
                }
            }
            text
        }
        UnderWay::Ask(_, request) => format!("{request:?}"),
        UnderWay::Call(_, outgoing, until) => format!("{outgoing:?} {until:?}"),
        UnderWay::Deliver(_, delivery) => format!("{delivery:?}"),
    }
}

/// A number for texts, in which times count from now, and fences and holders are numbered as they come.
#[derive(Clone)]
pub(in crate::bridge) struct Digest {
    hash: u64,
    now: i128,
    wall: i128,
    fences: Vec<i128>,
    holders: Vec<Vec<u8>>,
}

impl Digest {
    pub(in crate::bridge) fn new(now: Mono, wall: Duration) -> Self {
        let now = now.elapsed_from_origin().as_millis() as i128;
        let wall = wall.as_millis() as i128;
        Self { hash: 0, now, wall, fences: Vec::new(), holders: Vec::new() }
    }

    pub(in crate::bridge) const fn hash(&self) -> u64 {
        self.hash
    }

    fn mix(&mut self, word: u64) {
        self.hash = (self.hash.rotate_left(5) ^ word).wrapping_mul(0x517c_c1b7_2722_0a95);
    }

    /// One pass over the bytes: most of a search's time is spent here.
    pub(in crate::bridge) fn take(&mut self, text: &str) {
        let bytes = text.as_bytes();
        let mut at = 0;
        while at < bytes.len() {
            let byte = bytes[at];
            if byte.wrapping_sub(b'0') > 9 {
                self.mix(u64::from(byte));
                at += 1;
                continue;
            }
            let start = at;
            while at < bytes.len() && (bytes[at].wrapping_sub(b'0') <= 9 || bytes[at] == b'.') {
                at += 1;
            }
            let word = self.number(&bytes[..start], &bytes[start..at], &bytes[at..]);
            self.mix(word);
        }
    }

    fn number(&mut self, before: &[u8], number: &[u8], after: &[u8]) -> u64 {
        if before.ends_with(b"Fence(") {
            return place(&mut self.fences, plain(number));
        }
        if before.ends_with(b"Holder(") {
            return place(&mut self.holders, number.to_vec());
        }
        if before.ends_with(b"+") && after.starts_with(b"s") {
            // How long ago something was due does not matter.
            return (milliseconds(number) - self.now).max(-1) as u64;
        }
        match number {
            [b'1', ..] if number.len() == 13 => (plain(number) - self.wall) as u64,
            _ => plain(number) as u64,
        }
    }
}

fn place<T: PartialEq>(known: &mut Vec<T>, one: T) -> u64 {
    let found = known.iter().position(|other| *other == one);
    found.unwrap_or_else(|| {
        known.push(one);
        known.len() - 1
    }) as u64
}

/// The digits as a number, modulo 2^64.
fn plain(number: &[u8]) -> i128 {
    let digit = |sum: u64, digit: &u8| {
        sum.wrapping_mul(10).wrapping_add(u64::from(digit.wrapping_sub(b'0')))
    };
    i128::from(number.iter().fold(0, digit))
}

/// Seconds, with up to three decimals.
fn milliseconds(number: &[u8]) -> i128 {
    let mut parts = number.splitn(2, |byte| *byte == b'.');
    let seconds = plain(parts.next().unwrap_or_default());
    let decimals = parts.next().unwrap_or_default().iter().copied().chain([b'0'; 3]).take(3);
    seconds * 1000 + plain(&decimals.collect::<Vec<u8>>())
}
