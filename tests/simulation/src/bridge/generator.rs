//! Generates scenarios of the bridge from seeds, weighted towards faults that coincide.

use std::collections::BTreeSet;
use std::time::Duration;

use lp_connector_core::bridge::Unsettled;
use lp_connector_sandbox::Random;

use super::scenario::{
    Assumption, BROKEN, CONSUMERS, Event, Fault, Message, REFUSED, Scenario, TurnFault,
};

struct Generator(Random);

impl Generator {
    fn below(&mut self, end: u64) -> u64 {
        self.0.next() % end.max(1)
    }

    fn one_in(&mut self, many: u64) -> bool {
        self.below(many) == 0
    }

    fn milliseconds(&mut self, end: u64) -> Duration {
        Duration::from_millis(self.below(end))
    }

    fn consumer(&mut self) -> usize {
        // Most of it meets at one consumer.
        if self.one_in(2) { 0 } else { self.below(CONSUMERS as u64) as usize }
    }

    fn choose<T: Copy>(&mut self, all: &[T], otherwise: T) -> T {
        let at = self.below(all.len() as u64) as usize;
        all.get(at).copied().unwrap_or(otherwise)
    }
}

impl Scenario {
    /// The scenario of this seed.
    pub(crate) fn from_seed(seed: u64) -> Self {
        let mut generator = Generator(Random::new(seed ^ 0x6272_6964_6765));
        let instances = 1 + generator.below(3) as usize;
        let span = generator.choose(&[3_000, 20_000, 90_000, 400_000], 3_000);
        let unsettled = match generator.below(8) {
            0 => Unsettled::Resend,
            1 => Unsettled::Hold,
            _ => Unsettled::Report,
        };
        let mut scenario = Self {
            instances,
            latency: Duration::from_millis(1 + generator.below(200)),
            store_latency: Duration::from_millis(1 + generator.below(20)),
            unsettled,
            give_up_after: match generator.below(4) {
                0 => Duration::from_secs(30),
                _ => Duration::from_secs(24 * 3600),
            },
            broken: BTreeSet::new(),
            retention: !generator.one_in(4),
            surveys: generator.one_in(6),
            messages: messages(&mut generator, span, instances as u64),
            events: events(&mut generator, span, unsettled),
            turn_faults: Vec::new(),
            store_faults: faults(&mut generator, 120, 8_000),
            call_faults: faults(&mut generator, 14, 28_000),
            post_faults: faults(&mut generator, 24, 9_000),
            delivery_faults: faults(&mut generator, 20, 9_000),
        };
        if generator.one_in(6) {
            let all = [
                Assumption::AllTypesSent,
                Assumption::NothingLost,
                Assumption::NoGaps,
                Assumption::NeverLate,
                Assumption::SameText,
            ];
            scenario.broken.insert(generator.choose(&all, Assumption::NoGaps));
        }
        let stops = generator.choose(&[0, 1, 2, 6], 1);
        for _ in 0..stops {
            let is_crash = !generator.one_in(3);
            scenario.turn_faults.push(TurnFault {
                instance: generator.below(instances as u64) as usize,
                turn: generator.below(generator_turns(span)) as u32,
                is_crash,
                lasts: match (is_crash, generator.below(3)) {
                    (true, 0) => Duration::from_millis(1),
                    (true, _) => generator.milliseconds(30_000),
                    (false, _) => generator.milliseconds(60_000),
                },
            });
        }
        if generator.one_in(8) {
            add_twins(&mut generator, &mut scenario);
        }
        if scenario.broken.contains(&Assumption::NothingLost) {
            let first = 1 + generator.below(12);
            let last = first + generator.below(4);
            let fault = format!("webhook:{first}-{last}=drop");
            scenario.events.push((Duration::ZERO, Event::CloudFault(fault)));
        }
        if scenario.broken.contains(&Assumption::NeverLate) {
            for (_, fault) in &mut scenario.call_faults {
                let late = Duration::from_secs(45) + generator.milliseconds(60_000);
                *fault = Fault::SlowRequest(late);
            }
        }
        if generator.one_in(8) {
            let times: Vec<Duration> = scenario.messages.iter().map(|message| message.at).collect();
            for _ in 0..1 + generator.below(4) / 3 {
                let at = generator.choose(&times, Duration::ZERO) + generator.milliseconds(4_000);
                scenario.events.push((at, Event::Forget(generator.consumer())));
            }
        }
        scenario.events.sort_by_key(|(at, _)| *at);
        scenario
    }
}

fn generator_turns(span: u64) -> u64 {
    if span > 50_000 { 400 } else { 120 }
}

fn messages(generator: &mut Generator, span: u64, instances: u64) -> Vec<Message> {
    let count = 1 + generator.below(10);
    let bursts: Vec<Duration> = (0..2).map(|_| generator.milliseconds(span)).collect();
    let mut messages = Vec::new();
    for name in 0..count {
        let at = match generator.below(3) {
            0 => generator.milliseconds(span),
            1 => generator.choose(&bursts, Duration::ZERO),
            _ => generator.choose(&bursts, Duration::ZERO) + generator.milliseconds(3_000),
        };
        let text = match generator.below(4) {
            0 => "again".to_owned(),
            _ => format!("text {name}"),
        };
        messages.push(Message {
            name: name as u32,
            at,
            consumer: generator.consumer(),
            text,
            instance: generator.below(instances) as usize,
            again: generator.one_in(4).then(|| generator.milliseconds(20_000)),
        });
    }
    messages.sort_by_key(|message| message.at);
    messages
}

fn events(generator: &mut Generator, span: u64, unsettled: Unsettled) -> Vec<(Duration, Event)> {
    let mut events = Vec::new();
    for number in 0..generator.below(14) {
        let previous = events.last().map(|(at, _): &(Duration, Event)| *at);
        let at = match previous.filter(|_| generator.one_in(2)) {
            Some(previous) => previous + generator.milliseconds(4_000),
            // Agents are often still there some time after the consumer.
            None => generator.milliseconds(span + 60_000),
        };
        let consumer = generator.consumer();
        let event = match generator.below(20) {
            0..=9 => {
                let kind = match generator.below(8) {
                    0 => REFUSED,
                    1 => BROKEN,
                    _ => "",
                };
                Event::AgentTexts { consumer, text: format!("{kind}said {number}") }
            }
            10 => Event::AgentReads(consumer),
            11 | 12 => Event::AgentCloses(consumer),
            13 => Event::OpenedElsewhere(consumer),
            14 => Event::StoreDown(generator.milliseconds(20_000)),
            15 => Event::ChannelDown(generator.milliseconds(60_000)),
            16..=18 => Event::CloudFault(webhook_fault(generator)),
            _ => Event::CloudFault(cloud_fault(generator)),
        };
        events.push((at, event));
    }
    if unsettled == Unsettled::Hold && generator.one_in(2) {
        for _ in 0..2 {
            let at = Duration::from_secs(60) + generator.milliseconds(span + 60_000);
            events.push((at, Event::Resolve { consumer: generator.consumer(), resend: true }));
        }
    }
    events
}

fn faults(generator: &mut Generator, first: u64, slow: u64) -> Vec<(u32, Fault)> {
    let count = generator.choose(&[0, 1, 2, 5], 1);
    let mut faults = Vec::new();
    for _ in 0..count {
        let fault = match generator.below(6) {
            0 => Fault::RequestLost,
            1 | 2 => Fault::AnswerLost,
            3 => Fault::SlowRequest(generator.milliseconds(slow)),
            _ => Fault::SlowAnswer(generator.milliseconds(slow)),
        };
        faults.push((generator.below(first) as u32, fault));
    }
    faults.sort_by_key(|(number, _)| *number);
    faults.dedup_by_key(|(number, _)| *number);
    faults
}

/// A fault of the cloud's notifications that loses none of them.
fn webhook_fault(generator: &mut Generator) -> String {
    let kind = match generator.below(4) {
        0 => "duplicate".to_owned(),
        1 | 2 => format!("delay:{}ms", generator.below(70_000)),
        _ => "reorder".to_owned(),
    };
    let first = 1 + generator.below(4);
    format!("webhook:{first}-{}={kind}", first + generator.below(5))
}

fn cloud_fault(generator: &mut Generator) -> String {
    let endpoint = generator.choose(&["token", "consumer", "conversation", "send", "send"], "send");
    let kinds = ["400", "401", "429", "500", "502", "503", "drop", "drop-after", "truncated"];
    let kind = generator.choose(&kinds, "503");
    let first = 1 + generator.below(3);
    format!("{endpoint}:{first}-{}={kind}", first + generator.below(4))
}

/// Two messages with the same text, one soon after the other, of which several requests get no answer, while
/// notifications are late. Such times rarely meet by chance.
fn add_twins(generator: &mut Generator, scenario: &mut Scenario) {
    let consumer = generator.consumer();
    let start = generator.milliseconds(20_000);
    let name = scenario.messages.len() as u32;
    for number in 0..2 {
        scenario.messages.push(Message {
            name: name + number,
            at: start + generator.milliseconds(8_000) * number,
            consumer,
            text: "twin".to_owned(),
            instance: 0,
            again: None,
        });
    }
    for _ in 0..2 {
        let number = generator.below(6) as u32;
        let fault = generator
            .choose(&[Fault::AnswerLost, Fault::AnswerLost, Fault::RequestLost], Fault::AnswerLost);
        scenario.call_faults.retain(|(other, _)| *other != number);
        scenario.call_faults.push((number, fault));
    }
    let late = format!("webhook:1-{}=delay:{}ms", 1 + generator.below(8), generator.below(110_000));
    scenario.events.push((start, Event::CloudFault(late)));
    for number in 0..generator.below(4) {
        let at = start + Duration::from_secs(10) + generator.milliseconds(90_000);
        let text = format!("between {number}");
        scenario.events.push((at, Event::AgentTexts { consumer, text }));
    }
}
