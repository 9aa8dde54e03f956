use std::time::Duration;

use proptest::prelude::*;

use crate::bridge::BridgeConfig;
use crate::bridge::world::{Fate, World};

#[test]
fn a_message_opens_a_conversation_and_is_sent() {
    let mut world = World::new(1, BridgeConfig::new());
    world.accept("ada", "m1", "m1");
    world.accept("ada", "m2", "m2");
    world.settle();
    assert_eq!(world.cloud.texts_of("ada"), ["m1", "m2"]);
    world.check().unwrap();
}

/// A script of choices decides what happens next.
fn run(script: &[u16], instances: usize) -> Result<(), String> {
    let mut world = World::new(instances, BridgeConfig::new());
    let mut count = 0;
    for choice in script {
        let (action, detail) = (choice % 16, usize::from(choice / 16));
        let at = detail % instances;
        let rest = detail / instances;
        let fate = match rest % 7 {
            0 => Fate::AnswerLost,
            1 => Fate::RequestLost,
            2 => Fate::Late,
            _ => Fate::Done,
        };
        match action {
            0 | 1 => {
                count += 1;
                let consumer = ["ada", "bob"][detail % 2];
                world.accept(consumer, &format!("m{count}"), &format!("m{count}"));
            }
            2 => {
                let open = world.open_conversations();
                if let Some(conversation) = open.get(detail % open.len().max(1)) {
                    count += 1;
                    world.cloud.agent_says(conversation, &format!("a{count}"));
                }
            }
            3 if detail % 4 == 0 => {
                let open = world.open_conversations();
                if let Some(conversation) = open.get(rest % open.len().max(1)) {
                    world.cloud.close(conversation);
                }
            }
            4 if detail % 2 == 0 => world.crash(at),
            4 | 3 => world.arrive(detail % world.orphans().max(1)),
            5 => world.advance(Duration::from_millis(10 << (detail % 12))),
            6 => world.post(0, fate),
            7 if detail % 3 > 0 => world.post(rest / 7 % 3, fate),
            7 => world.repeat(["ada", "bob"][rest % 2], rest / 2),
            8..=10 => {
                world.poll(at);
            }
            _ => {
                let under_way = world.instances[at].under_way.len();
                world.finish(at, rest / 7 % under_way.max(1), fate);
                world.poll(at);
            }
        }
    }
    world.settle();
    world.check()
}

proptest! {
        #[test]
    fn one_worker_loses_and_doubles_nothing(script in prop::collection::vec(any::<u16>(), 0..150)) {
        prop_assert_eq!(run(&script, 1), Ok(()));
    }

    #[test]
    fn two_workers_lose_and_double_nothing(script in prop::collection::vec(any::<u16>(), 0..150)) {
        prop_assert_eq!(run(&script, 2), Ok(()));
    }
}
