use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use proptest::prelude::*;

use super::cells::TokenValue;
use super::program::{Cloud, PATIENCE, Program, config, now};
use super::*;
use crate::api::{AuthorizeApp, IdentifyConsumer};
use crate::bridge::store::{Answer, Cell, CellId, MemoryStore, Request};
use crate::connector::{Call, ConnectorState, Outcome, SharedToken, Step, TokenRequest};
use crate::id::ExtConsumerId;
use crate::time::Mono;

const SECOND: Duration = Duration::from_secs(1);

fn at(seconds: u64) -> Mono {
    Mono::from_origin(SECOND * u32::try_from(seconds).unwrap())
}

fn ada() -> IdentifyConsumer {
    IdentifyConsumer::new(ExtConsumerId::new("ada").unwrap())
}

fn cell(store: &mut MemoryStore, key: &str, now: Mono) -> Option<Vec<u8>> {
    let account = AccountId::new("91827364").unwrap();
    let read = Request::Read(vec![CellId { account, key: key.to_owned() }]);
    let Answer::Cells(cells) = store.perform(read, now) else { panic!() };
    cells.into_iter().next().flatten().map(|cell| cell.value)
}

#[test]
fn a_consumer_token_is_kept_for_the_next_program() {
    let (mut store, mut cloud) = (MemoryStore::default(), Cloud::new());
    for number in 1..=3 {
        let mut program = Program::new(number, true);
        program.run(ada(), Some(&mut store), &mut cloud, &mut at(0)).unwrap();
    }
    assert_eq!((cloud.issued.len(), cloud.consumers), (1, 1));
    let week = 7 * 24 * 3600;
    assert!(cell(&mut store, "consumer_jws:ada", at(week - 1)).is_some());
    assert_eq!(cell(&mut store, "consumer_jws:ada", at(week)), None);
}

#[test]
fn a_rejected_token_is_not_taken_again() {
    let (mut store, mut cloud) = (MemoryStore::default(), Cloud::new());
    let (mut one, mut two) = (Program::new(1, true), Program::new(2, true));
    let mut late = Program::new(3, true);
    for program in [&mut one, &mut two] {
        program.run(AuthorizeApp, Some(&mut store), &mut cloud, &mut at(0)).unwrap();
    }
    cloud.revoked = 1;
    // It is told so by the service, and requests another one; the second takes that one, and so does a newcomer.
    for (program, seconds) in [(&mut one, 10), (&mut two, 20), (&mut late, 30)] {
        program.run(ada(), Some(&mut store), &mut cloud, &mut at(seconds)).unwrap();
        assert_eq!(cloud.issued.len(), 2, "after {seconds} s");
    }
}

#[test]
fn a_token_in_use_is_taken_again_after_a_fifth_of_its_life() {
    let (mut store, mut cloud) = (MemoryStore::default(), Cloud::new());
    let (mut one, mut two) = (Program::new(1, true), Program::new(2, true));
    one.run(AuthorizeApp, Some(&mut store), &mut cloud, &mut at(0)).unwrap();
    for seconds in [10, 800, 1600] {
        two.run(AuthorizeApp, Some(&mut store), &mut cloud, &mut at(seconds)).unwrap();
    }
    assert_eq!(two.sharing.unwrap().fetches, 3, "it looks each time");
    assert_eq!(cloud.issued.len(), 1);
}

/// Whoever still finds the first token takes the claim that it was requested under for done.
#[test]
fn each_request_of_a_token_has_a_claim_of_its_own() {
    let (mut store, mut cloud, mut time) = (MemoryStore::default(), Cloud::new(), at(0));
    let mut program = Program::new(1, true);
    program.run(AuthorizeApp, Some(&mut store), &mut cloud, &mut time).unwrap();
    let first = cell(&mut store, "app_jwt_claim:app", time).unwrap();
    (cloud.revoked, time) = (1, at(10));
    program.run(ada(), Some(&mut store), &mut cloud, &mut time).unwrap();
    assert_eq!(cloud.issued.len(), 2);
    assert_ne!(cell(&mut store, "app_jwt_claim:app", time).unwrap(), first);
}

#[test]
fn half_of_the_time_that_is_left_is_waited_at_most() {
    let (seed, start, mut cloud) = (Seed::from_bytes([1; 16]), now(at(7)), Cloud::new());
    let mut state = ConnectorState::new(config(), seed);
    let mut sharing = TokenSharing::new(&config(), seed, ShareSettings::new()).unwrap();
    let mut call = Call::new(AuthorizeApp, state.config(), seed, start).timeout(SECOND * 4, start);
    let mut fetch = loop {
        let Step::Send(attempt) = call.poll(&mut state, start) else { panic!() };
        if let Some(fetch) = sharing.begin(&attempt, start.mono()) {
            break fetch;
        }
        let outcome = cloud.answer(&attempt, start.mono());
        let _ = call.handle(&mut state, start, attempt.number(), outcome);
    };
    let FetchStep::Ask(_, until) = fetch.poll(&mut sharing, start.mono()) else { panic!() };
    assert_eq!(until, at(9));
}

#[test]
fn a_store_that_is_silent_is_waited_for_once() {
    let mut cloud = Cloud::new();
    let (mut program, mut time) = (Program::new(1, true), Mono::ZERO);
    program.run(ada(), None, &mut cloud, &mut time).unwrap();
    assert_eq!(time.since(Mono::ZERO), PATIENCE, "one wait, for two tokens");
    assert_eq!((cloud.issued.len(), cloud.consumers), (1, 1));
}

#[test]
fn a_claimant_that_dies_holds_nobody_up_for_long() {
    let (mut store, mut cloud) = (MemoryStore::default(), Cloud::new());
    let account = AccountId::new("91827364").unwrap();
    let cell = CellId { account, key: "app_jwt_claim:app".to_owned() };
    let life = Some(PATIENCE + SECOND);
    store.perform(Request::Swap { cell, seen: 0, value: b"dead/1".to_vec(), life }, Mono::ZERO);
    let (mut one, mut two) = (Program::new(1, true), Program::new(2, true));
    let mut time = Mono::ZERO;
    one.run(AuthorizeApp, Some(&mut store), &mut cloud, &mut time).unwrap();
    assert_eq!(time.since(Mono::ZERO), PATIENCE);
    two.run(AuthorizeApp, Some(&mut store), &mut cloud, &mut time).unwrap();
    assert_eq!((time.since(Mono::ZERO), cloud.issued.len()), (PATIENCE, 1));
}

#[test]
fn a_cell_that_is_not_understood_is_no_token() {
    let good = TokenValue {
        token: Secret::new("a.b-c_d".to_owned()),
        usable: SECOND,
        claim: "x/1".to_owned(),
    };
    let written = good.write();
    assert!(TokenValue::read(&written).is_some());
    let newer = String::from_utf8(written).unwrap().replace(r#""v":1"#, r#""v":2"#);
    for value in ["", "{}", "[1]", "\u{0}", newer.as_str(), r#"{"v":1,"token":7}"#] {
        assert!(TokenValue::read(value.as_bytes()).is_none(), "{value}");
        let (mut store, mut cloud) = (MemoryStore::default(), Cloud::new());
        let cell =
            CellId { account: AccountId::new("91827364").unwrap(), key: "app_jwt:app".into() };
        let value = value.as_bytes().to_vec();
        store.perform(Request::Swap { cell, seen: 0, value, life: None }, Mono::ZERO);
        for number in 1..=2 {
            let mut program = Program::new(number, true);
            program.run(AuthorizeApp, Some(&mut store), &mut cloud, &mut at(1)).unwrap();
        }
        assert_eq!(cloud.issued.len(), 1);
    }
}

#[test]
fn nothing_that_is_printed_shows_a_token() {
    let (mut store, mut cloud, mut time) = (MemoryStore::default(), Cloud::new(), Mono::ZERO);
    let mut program = Program::new(1, true);
    program.run(AuthorizeApp, Some(&mut store), &mut cloud, &mut time).unwrap();
    let value = cell(&mut store, "app_jwt:app", time).unwrap();
    assert!(String::from_utf8(value.clone()).unwrap().contains(r#""t1""#));
    let cell = CellId { account: AccountId::new("91827364").unwrap(), key: "app_jwt:app".into() };
    let commit = crate::bridge::store::Commit::new(
        crate::bridge::LaneId::consumer(&cell.account, &ExtConsumerId::new("ada").unwrap()),
        crate::bridge::store::Fence(1),
        crate::bridge::store::Holder(1),
    );
    let swap = Request::Swap { cell: cell.clone(), seen: 0, value: value.clone(), life: None };
    let bytes = format!("{value:?}");
    let bytes = bytes.trim_matches(['[', ']']);
    for shown in [
        format!("{swap:?}"),
        format!("{:?}", Request::Commit(vec![commit.cell(cell, value.clone())])),
        format!("{:?}", program.sharing),
        format!("{:?}", TokenValue::read(&value)),
        format!("{:?}", SharedToken::new(Secret::new("t1".to_owned()), SECOND)),
    ] {
        assert!(!shown.contains("t1") && !shown.contains(bytes), "{shown}");
    }
}

#[test]
fn a_short_token_is_not_shared() {
    for (life, issued) in [(59, 2), (60, 1)] {
        let (mut store, mut cloud) = (MemoryStore::default(), Cloud::new());
        cloud.life = SECOND * life;
        for number in 1..=2 {
            let mut program = Program::new(number, true);
            program.run(AuthorizeApp, Some(&mut store), &mut cloud, &mut at(5)).unwrap();
        }
        assert_eq!(cloud.issued.len(), issued, "{life}");
    }
}

fn sharing() -> TokenSharing {
    TokenSharing::new(&config(), Seed::from_bytes([1; 16]), ShareSettings::new()).unwrap()
}

/// A fetch of the AppJWT that began at 10 s, and that asks the store for it.
fn asked(sharing: &mut TokenSharing) -> TokenFetch {
    let request = TokenRequest { consumer: None, replaces_rejected: false };
    let mut fetch = TokenFetch::new(sharing, &request, at(10), PATIENCE);
    assert!(matches!(fetch.poll(sharing, at(10)), FetchStep::Ask(Request::Read(_), _)));
    fetch
}

#[test]
fn an_answer_of_the_store_is_waited_for_until_patience_ends() {
    let mut sharing = sharing();
    let mut fetch = asked(&mut sharing);
    for early in [10, 12] {
        let FetchStep::Wait(until) = fetch.poll(&mut sharing, at(early)) else { panic!("{early}") };
        assert_eq!(until, at(13));
    }
    assert!(matches!(fetch.poll(&mut sharing, at(13)), FetchStep::Send));
    assert_eq!(sharing.alone_until, at(43));
}

#[test]
fn a_claim_is_waited_for_if_it_is_anothers_and_not_done() {
    let own = format!("{}/1", sharing().name);
    let cell = |value: Vec<u8>| Some(Cell { version: 1, value });
    let rejected = || Secret::new("t1".to_owned());
    // The claim of the rejected token, if that is there, and the claim that is in its cell.
    for (done, claim, is_waited_for) in [
        (None, "other/1", true),
        (Some("other/1"), "other/2", true),
        (Some("other/1"), "other/1", false),
        (None, own.as_str(), false),
        (Some("other/1"), own.as_str(), false),
    ] {
        let mut sharing = sharing();
        sharing.rejected = Some(rejected());
        let mut fetch = asked(&mut sharing);
        let token = done.map(|done| TokenValue {
            token: rejected(),
            usable: SECOND,
            claim: done.to_owned(),
        });
        let token = token.and_then(|token| cell(token.write()));
        let answer = Answer::Cells(vec![token, cell(claim.as_bytes().to_vec())]);
        fetch.answered(&mut sharing, Some(answer), at(10));
        let waits = match fetch.poll(&mut sharing, at(10)) {
            FetchStep::Wait(_) => true,
            FetchStep::Ask(Request::Swap { .. }, _) => false,
            other => panic!("{other:?}"),
        };
        assert_eq!(waits, is_waited_for, "{done:?} {claim}");
    }
}

#[test]
fn a_token_is_stored_if_the_store_answers_and_life_is_left() {
    let body = br#"{"access_token":"t1","expires_in":3600}"#;
    let outcome = Outcome::Response(http::Response::new(Bytes::from_static(body)));
    // When the store is asked again, when the answer to the request of 10 s comes, and the life.
    for (alone_until, answered, expected) in [
        (0, 10, Some(2700)),
        (0, 2709, Some(1)),
        (0, 2710, None),
        (40, 40, Some(2670)),
        (41, 40, None),
    ] {
        let mut sharing = sharing();
        let mut fetch = asked(&mut sharing);
        fetch.answered(&mut sharing, None, at(10));
        assert!(matches!(fetch.poll(&mut sharing, at(10)), FetchStep::Send));
        sharing.alone_until = at(alone_until);
        let life = match fetch.sent(&mut sharing, &outcome, at(answered)) {
            Some(Request::Swap { life, .. }) => life,
            None => None,
            other => panic!("{other:?}"),
        };
        assert_eq!(life, expected.map(Duration::from_secs), "{alone_until} {answered}");
    }
}

/// Calls of several programs over hours: how many tokens were requested, and the shortest time between two requests of one
/// program.
fn hours(
    programs: u8,
    shares: bool,
    life: u64,
    script: &[(u8, u16, bool)],
) -> Result<(usize, Duration), String> {
    let (mut store, mut cloud, mut time) = (MemoryStore::default(), Cloud::new(), Mono::ZERO);
    cloud.life = Duration::from_secs(life);
    let mut all: Vec<_> = (0..programs).map(|number| Program::new(number + 1, shares)).collect();
    let (mut requested, mut shortest) = (BTreeMap::new(), Duration::MAX);
    for (number, pause, is_silent) in script {
        time = time + Duration::from_secs(u64::from(*pause));
        let number = number % programs;
        let program = &mut all[usize::from(number)];
        let asked = (!is_silent).then_some(&mut store);
        let before = cloud.issued.len();
        let done = program.run(AuthorizeApp, asked, &mut cloud, &mut time).unwrap();
        for at in &cloud.issued[before..] {
            if let Some(last) = requested.insert(number, *at) {
                shortest = shortest.min(at.since(last));
            }
        }
        if let Some(held) = program.sharing.as_ref().and_then(|sharing| sharing.held.clone()) {
            let left = cloud.end_of(&held).since(time);
            if done.remaining > left {
                return Err(format!("{:?} is left of what ends in {left:?}", done.remaining));
            }
        }
    }
    Ok((cloud.issued.len(), shortest))
}

proptest! {
    #[test]
    fn no_token_is_used_past_its_end_and_none_is_requested_in_vain(
        programs in 1..5_u8,
        life in prop_oneof![Just(3600_u64), 60..400_u64, 3600..80_000_u64],
        script in prop::collection::vec((any::<u8>(), 0..900_u16, prop::bool::weighted(0.1)), 1..120),
    ) {
        let (_, shortest) = hours(programs, true, life, &script).map_err(TestCaseError::fail)?;
        // A program requests no token while its own is good, whatever the store does.
        let good = Duration::from_secs(life - 1 - 300.min(life / 10));
        prop_assert!(shortest >= good.saturating_sub(PATIENCE), "{shortest:?} of {good:?}");
    }

    #[test]
    fn programs_that_share_request_no_more_than_others(
        programs in 1..5_u8,
        life in prop_oneof![Just(3600_u64), 60..400_u64, 3600..80_000_u64],
        script in prop::collection::vec((any::<u8>(), 0..900_u16, Just(false)), 1..120),
    ) {
        let (alone, _) = hours(programs, false, life, &script).map_err(TestCaseError::fail)?;
        let (shared, _) = hours(programs, true, life, &script).map_err(TestCaseError::fail)?;
        prop_assert!(shared <= alone, "{shared} in place of {alone}");
    }
}
