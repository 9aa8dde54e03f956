//! Programs that start at once, in every order.

use std::time::Duration;

use proptest::prelude::*;

use super::program::{PATIENCE, Race, StoreFate};

const QUICK: Duration = Duration::from_millis(80);

/// All orders of two programs' steps, up to this many. What is left after that takes turns.
const STEPS: u32 = 12;

#[test]
fn two_cold_programs_request_one_token_in_every_order() {
    for order in 0..1_u32 << STEPS {
        let mut race = Race::new(2, QUICK);
        for step in 0..STEPS {
            let number = (order >> step & 1) as usize;
            if !race.step(number, StoreFate::Done) && !race.step(1 - number, StoreFate::Done) {
                race.pass();
            }
        }
        race.finish();
        assert_eq!(race.cloud.issued.len(), 1, "{order:b}");
        assert_eq!(race.used().len(), 1, "{order:b}");
    }
}

/// Each step: which program, and what becomes of its request to the store.
fn script() -> impl Strategy<Value = Vec<(u8, StoreFate, u16)>> {
    let fate = prop_oneof![
        6 => Just(StoreFate::Done),
        1 => Just(StoreFate::AnswerLost),
        1 => Just(StoreFate::RequestLost),
    ];
    prop::collection::vec((any::<u8>(), fate, 0..2000_u16), 0..120)
}

/// Runs the script. Without a loss, every request of the store is answered.
fn run(programs: u8, takes: Duration, script: &[(u8, StoreFate, u16)], loses: bool) -> Race {
    let mut race = Race::new(programs, takes);
    for (number, fate, pause) in script {
        let fate = if loses { *fate } else { StoreFate::Done };
        if !race.step(usize::from(number % programs), fate) && *pause < 200 {
            race.pass();
        }
        if loses && *pause > 1900 {
            race.now = race.now + Duration::from_millis(u64::from(*pause) - 1900);
        }
    }
    race.finish();
    race
}

proptest! {
    #[test]
    fn cold_programs_request_one_token(programs in 1..6_u8, script in script()) {
        let race = run(programs, QUICK, &script, false);
        prop_assert_eq!(race.cloud.issued.len(), 1);
        prop_assert_eq!(race.used().len(), 1);
    }

    #[test]
    fn losses_cost_no_more_than_doing_without(
        programs in 1..6_u8, takes in 1..10_000_u64, script in script(),
    ) {
        let race = run(programs, Duration::from_millis(takes), &script, true);
        prop_assert!(race.cloud.issued.len() <= usize::from(programs));
    }

    #[test]
    fn nobody_waits_longer_than_their_patience(
        programs in 1..6_u8, takes in 1..10_000_u64, script in script(),
    ) {
        // Time that passes while nobody takes a step is not the machine's.
        let script: Vec<_> = script.into_iter().map(|(n, fate, pause)| (n, fate, pause % 1900)).collect();
        let race = run(programs, Duration::from_millis(takes), &script, true);
        prop_assert!(race.longest_wait() <= PATIENCE, "{:?}", race.longest_wait());
    }
}
