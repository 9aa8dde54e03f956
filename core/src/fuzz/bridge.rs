//! Bridges over one store, a cloud and a channel: whatever fails, nothing is lost or doubled.

mod books;
mod bounds;
mod deliveries;
mod faults;
mod script;
mod setting;

use arbitrary::{Arbitrary, Result, Unstructured};

use self::books::Books;
use self::script::Script;
use self::setting::Setting;
use crate::bridge::store::LaneKind;
use crate::bridge::world::World;
use crate::id::{AccountId, ExtConsumerId};

/// Who writes through the channel, and somebody of another one.
const CONSUMERS: [&str; 2] = ["ada", "bob"];
const FOREIGN: &str = "eve";

/// More events than these show no more.
const MAX_EVENTS: usize = 200;

#[derive(Arbitrary, Debug)]
enum Event {
    Accept {
        who: u8,
    },
    Repeat {
        who: u8,
        back: u8,
    },
    /// The consumer ends the conversation.
    Close {
        who: u8,
        survey: bool,
    },
    /// The consumer chooses an option of the agent's message with this sequence.
    Answer {
        who: u8,
        sequence: u8,
        option: u8,
    },
    Speak {
        talk: u8,
    },
    Offer {
        talk: u8,
    },
    Read {
        talk: u8,
        sequence: u8,
    },
    End {
        talk: u8,
    },
    Survey {
        talk: u8,
    },
    /// An agent speaks to somebody of another channel.
    Foreign,
    Report {
        who: u8,
        back: u8,
        receipt: u8,
    },
    /// An operator gives the newest message up.
    Drop {
        who: u8,
    },
    Post {
        at: u8,
        fate: u8,
    },
    Poll {
        at: u8,
    },
    Finish {
        at: u8,
        index: u8,
        fate: u8,
    },
    /// A request fails. `is_done`: it took effect all the same, if that is not known.
    Fail {
        at: u8,
        index: u8,
        kind: u8,
        effect: u8,
        is_done: bool,
    },
    /// The store refuses a commit for good.
    Refuse {
        at: u8,
        index: u8,
    },
    Crash {
        at: u8,
    },
    /// An instance stops in peace, and another one begins.
    Stop {
        at: u8,
    },
    /// A request of a dead instance arrives after all.
    Arrive {
        index: u8,
    },
    Pass {
        steps: u8,
    },
    /// The channel is well, out of order, paused, refuses everything or is known to be out of order.
    Channel {
        mood: u8,
    },
    /// An instance has so many tenths of the rate.
    Share {
        at: u8,
        tenths: u8,
    },
    /// The consumer writes the number, or the title, of an option.
    Choose {
        who: u8,
        option: u8,
    },
    File {
        who: u8,
        has_caption: bool,
    },
    /// A text of several parts.
    Long {
        who: u8,
        has_blanks: bool,
    },
    /// Another message with a known id.
    Reuse {
        who: u8,
        back: u8,
    },
    /// Something of LivePerson that is no message: no notification, a chat state, or of an unknown kind.
    Odd {
        what: u8,
    },
    /// An operator says that the newest message arrived, or is to be sent again.
    Resolve {
        who: u8,
        again: bool,
    },
    /// An operator says that the consumer's conversation is the consumer's.
    Adopt {
        who: u8,
    },
    /// A message with an id, an opening and a caption of this length.
    Bounds {
        length: u16,
    },
}

/// A script of what a channel, agents and operators do, and of what fails: each message of the channel is confirmed,
/// reported or still waits; none is there twice, unless it may be; what agents say is delivered or set aside; each
/// conversation keeps its order; what waits is bounded.
pub fn bridge(data: &[u8]) {
    let _ = run(&mut Unstructured::new(data));
}

fn run(input: &mut Unstructured<'_>) -> Result<()> {
    let setting = Setting::arbitrary(input)?;
    let instances = usize::from(setting.instances % 3) + 1;
    let mut world = World::new(instances, setting.config());
    if setting.divided && instances > 1 {
        world.serves = Some(|at, kind| (kind == LaneKind::Consumer) == (at == 0));
    }
    world.cloud.close_reason = setting.closes();
    let mut script = Script::new(world, Books::new(setting));
    for count in 0..MAX_EVENTS {
        if input.is_empty() {
            break;
        }
        let Ok(event) = Event::arbitrary(input) else { break };
        script.event(&event);
        script.books.check_always(&mut script.world, count);
    }
    let Script { mut world, mut books, .. } = script;
    books.end(&mut world);
    Ok(())
}

pub(super) fn account() -> AccountId {
    AccountId::new("91827364").expect("a good id")
}

pub(super) fn consumer(who: &str) -> ExtConsumerId {
    ExtConsumerId::new(who).expect("a good id")
}
