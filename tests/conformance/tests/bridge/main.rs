//! A bridge between a channel and the sandbox, on every runtime and on threads.

#![expect(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test reports by panicking")]

mod accounts;
mod hosts;
mod ledger;
mod operations;
mod personal_data;
mod sharing;
mod wire;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use accounts::{
    an_account_that_hangs_holds_up_no_other, one_address_serves_all_accounts,
    two_accounts_are_kept_apart,
};
use hosts::{Host, Setup, Threads};
use ledger::{Act, Ledger, PATIENCE};
use lp_connector_async_std::AsyncStd;
use lp_connector_bridge::store::LaneKind;
use lp_connector_bridge::{AcceptOn, ChannelReceipt, ConsumerSettings, Inbound, ReportError};
use lp_connector_core::file::File;
use lp_connector_core::secret::Secret;
use lp_connector_core::webhook::{Receiver, Verified};
use lp_connector_sandbox::Agent;
use lp_connector_smol::Smol;
use lp_connector_sqlite::Sqlite;
use lp_connector_tokio::Tokio;
use operations::{
    a_close_lets_a_survey_follow_or_not, a_consumer_and_dead_letters_are_shown,
    a_running_bridge_has_lanes_and_counters, an_operator_adopts_a_conversation,
    an_operator_resolves_and_replays, calls_are_reported_with_their_errors,
    requests_to_the_store_are_told, typing_reaches_the_agent, what_happens_is_told,
};
use personal_data::{a_forgotten_consumer_leaves_no_trace, a_sealed_file_tells_nothing};
use sharing::{
    a_drained_program_leaves_its_tokens_to_the_next, a_forgotten_consumer_leaves_no_token,
    no_token_goes_to_a_store_that_is_not_sealed, programs_on_one_store_know_each_other,
    twenty_cold_programs_request_one_token,
};
use wire::{
    FaultyStore, Wire, account, cloud, config, connect, consumer, in_time, quick, texts_of,
};

/// Runs each of these tests on each host.
macro_rules! on_every_host {
    ($($test:ident,)+) => {
        mod on_tokio { $(#[test] fn $test() { super::$test::<super::Tokio>(); })+ }
        mod on_smol { $(#[test] fn $test() { super::$test::<super::Smol>(); })+ }
        mod on_async_std { $(#[test] fn $test() { super::$test::<super::AsyncStd>(); })+ }
        mod on_threads { $(#[test] fn $test() { super::$test::<super::Threads>(); })+ }
    };
}

on_every_host! {
    messages_go_both_ways_once_and_in_order,
    a_lost_answer_is_settled_by_the_echo,
    answers_lost_at_random_double_nothing,
    a_message_without_an_echo_is_reported,
    receipts_follow_by_themselves,
    options_are_numbered_and_answered_by_number,
    files_go_both_ways,
    typing_is_passed_on_where_the_consumer_is_known,
    a_failed_delivery_comes_again_before_the_next,
    a_paused_delivery_is_no_try,
    each_channel_has_its_own_settings,
    a_handler_that_is_too_slow_is_not_doubled,
    deliveries_are_bounded,
    what_is_not_stored_is_answered_503_and_comes_again,
    a_store_that_does_not_answer_is_an_error,
    a_drained_bridge_leaves_everything_to_the_next,
    a_new_program_goes_on_with_the_file,
    a_drain_ends_in_time,
    a_dropped_bridge_ends_its_tasks,
    two_accounts_are_kept_apart,
    one_address_serves_all_accounts,
    an_account_that_hangs_holds_up_no_other,
    what_happens_is_told,
    requests_to_the_store_are_told,
    calls_are_reported_with_their_errors,
    a_running_bridge_has_lanes_and_counters,
    a_consumer_and_dead_letters_are_shown,
    typing_reaches_the_agent,
    an_operator_adopts_a_conversation,
    an_operator_resolves_and_replays,
    a_close_lets_a_survey_follow_or_not,
    a_sealed_file_tells_nothing,
    a_forgotten_consumer_leaves_no_trace,
    twenty_cold_programs_request_one_token,
    a_drained_program_leaves_its_tokens_to_the_next,
    programs_on_one_store_know_each_other,
    a_forgotten_consumer_leaves_no_token,
    no_token_goes_to_a_store_that_is_not_sealed,
}

fn messages_go_both_ways_once_and_in_order<H: Host>() {
    // Nothing is found by looking for it now and then: what this program appends wakes its loop.
    let hour = Duration::from_secs(3600);
    let wire = Wire::new::<H>(quick().poll(hour, hour));
    for consumer in ["ada", "bob"] {
        for number in 1..=5 {
            wire.accept(consumer, &format!("m{number}"), &format!("{consumer} {number}"));
        }
        // The channel repeats what it heard no answer to.
        wire.accept(consumer, "m2", &format!("{consumer} 2"));
    }
    for consumer in ["ada", "bob"] {
        let sent = ["m1 sent", "m2 sent", "m3 sent", "m4 sent", "m5 sent"];
        wire.ledger.expect(consumer, "status", &sent);
        let texts: Vec<String> = (1..=5).map(|number| format!("{consumer} {number}")).collect();
        assert_eq!(wire.texts_of(consumer), texts);
        for number in 1..=5 {
            wire.agent_says(consumer, &format!("answer {number}"));
        }
    }
    wire.agent("bob", Agent::Close);
    for consumer in ["ada", "bob"] {
        let answers = ["answer 1", "answer 2", "answer 3", "answer 4", "answer 5"];
        wire.ledger.expect(consumer, "text", &answers);
    }
    wire.ledger.wait(|state| state.of("bob", "changed").contains(&"Finished"));
    assert_eq!(wire.cloud.with(|cloud| cloud.conversations().count()), 2);
    let ids = wire.ledger.with(|state| {
        let ids: std::collections::BTreeSet<_> = state.taken.iter().map(|note| &note.id).collect();
        (ids.len(), state.taken.len())
    });
    assert_eq!(ids.0, ids.1, "each has an id of its own");
}

fn a_lost_answer_is_settled_by_the_echo<H: Host>() {
    let wire = Wire::new::<H>(quick());
    wire.open("ada");
    wire.fault("send:1=drop-after");
    wire.fault("send:2=503");
    wire.accept("ada", "m1", "one");
    wire.accept("ada", "m2", "two");
    wire.ledger.expect("ada", "status", &["hello sent", "m1 sent", "m2 sent"]);
    assert_eq!(wire.texts_of("ada"), ["Hello", "one", "two"]);
    let repeated = wire.repeated.load(Ordering::SeqCst);
    assert_eq!(repeated, 0, "a lane decides about repeating, not the client");
}

fn answers_lost_at_random_double_nothing<H: Host>() {
    let wire = Wire::new::<H>(quick());
    wire.fault("send:p0.3=drop-after");
    let consumers = ["ada", "bob", "cyd"];
    let ids: Vec<String> = (0..10).map(|number| format!("m{number}")).collect();
    for consumer in consumers {
        ids.iter().for_each(|id| wire.accept(consumer, id, id));
    }
    let sent: Vec<String> = ids.iter().map(|id| format!("{id} sent")).collect();
    let sent: Vec<&str> = sent.iter().map(String::as_str).collect();
    for consumer in consumers {
        wire.ledger.expect(consumer, "status", &sent);
        assert_eq!(wire.texts_of(consumer), ids);
    }
}

fn a_message_without_an_echo_is_reported<H: Host>() {
    let wire = Wire::new::<H>(quick().settle_for(Duration::from_millis(50)));
    wire.open("ada");
    wire.fault("send:1=drop");
    wire.accept("ada", "m1", "one");
    wire.accept("ada", "m2", "two");
    wire.ledger.expect("ada", "status", &["hello sent", "m1 unconfirmed", "m2 sent"]);
    assert_eq!(wire.texts_of("ada"), ["Hello", "two"]);
}

fn receipts_follow_by_themselves<H: Host>() {
    let wire = Wire::new::<H>(quick());
    wire.open("ada");
    wire.agent("ada", Agent::Read);
    wire.ledger.expect("ada", "status", &["hello sent", "hello read"]);
    wire.agent_says("ada", "Which colour?");
    wire.ledger.expect("ada", "text", &["Which colour?"]);
    wire.wait_for_cloud("ACCEPT", |wire| wire.receipts() == ["ACCEPT [2]"]);
    let id = wire.ledger.with(|state| {
        let asked = state.tried.iter().find(|note| note.what == "text Which colour?");
        asked.unwrap().id.clone()
    });
    wire.bridge.report(&consumer("ada"), &id, ChannelReceipt::Read).unwrap();
    wire.wait_for_cloud("READ", |wire| wire.receipts() == ["ACCEPT [2]", "READ [2]"]);
    let wrong = wire.bridge.report(&consumer("ada"), "in:7d0e:sent", ChannelReceipt::Read);
    assert!(matches!(wrong, Err(ReportError::Invalid(_))), "{wrong:?}");
    wire.bridge.forget(&consumer("ada")).unwrap();
}

fn options_are_numbered_and_answered_by_number<H: Host>() {
    let wire = Wire::new::<H>(quick());
    wire.open("ada");
    let colours = vec!["Blue".to_owned(), "Grey".to_owned()];
    wire.agent("ada", Agent::Text("Which colour?".to_owned(), colours.clone()));
    wire.ledger.expect("ada", "text", &["Which colour?\n[1] Blue\n[2] Grey"]);
    // The options are known once the delivery is committed, and the receipt follows from that.
    wire.wait_for_cloud("ACCEPT", |wire| !wire.receipts().is_empty());
    wire.accept("ada", "m1", "2");
    wire.wait_for_cloud("Grey", |wire| wire.texts_of("ada") == ["Hello", "Grey"]);
    wire.agent("ada", Agent::Card("Which one?".to_owned(), colours));
    let (first, second) = ("Which colour?\n[1] Blue\n[2] Grey", "Which one?\n[1] Blue\n[2] Grey");
    wire.ledger.expect("ada", "text", &[first, second]);
}

fn files_go_both_ways<H: Host>() {
    let wire = Wire::new::<H>(quick());
    let picture = File::new("ring.png", vec![0x89, b'P', b'N', b'G']).unwrap().caption("A ring");
    let message = Inbound::file("p1", picture).unwrap();
    wire.bridge.accept(&account(&wire.cloud), &consumer("ada"), message).unwrap();
    wire.ledger.expect("ada", "status", &["p1 sent"]);
    wire.agent("ada", Agent::File("label.png".to_owned()));
    let expected = "image/png label.png PNG: the bytes of label.png";
    wire.ledger.expect("ada", "file", &[expected]);
}

fn typing_is_passed_on_where_the_consumer_is_known<H: Host>() {
    let wire = Wire::new::<H>(quick());
    for consumer in ["ada", "bob"] {
        wire.open(consumer);
    }
    // Nothing of the conversation was delivered yet: not even that it opened.
    wire.ledger.wait(|state| state.of("ada", "changed").contains(&"Created"));
    wire.agent("ada", Agent::State("COMPOSING".to_owned()));
    wire.ledger.expect("ada", "typing", &["true"]);
    // Once, although the channel is out of order.
    wire.ledger.script(|note| match note.what.starts_with("typing") {
        true => Act::Outage,
        false => Act::Take,
    });
    wire.agent("ada", Agent::State("ACTIVE".to_owned()));
    wire.ledger.wait(|state| !state.tries_of("typing false").is_empty());
    wire.agent_says("ada", "Found it.");
    wire.ledger.expect("ada", "text", &["Found it."]);
    wire.ledger.with(|state| assert_eq!(state.tries_of("typing false").len(), 1));
}

fn a_failed_delivery_comes_again_before_the_next<H: Host>() {
    let wire = Wire::new::<H>(quick());
    let acts = [("ada", Act::Refuse), ("bob", Act::Outage), ("cyd", Act::Panic)];
    for (consumer, _) in acts {
        wire.open(consumer);
    }
    let mut left = acts.to_vec();
    wire.ledger.script(move |note| {
        let at = left.iter().position(|(to, _)| note.to == *to && note.what == "text one");
        at.map_or(Act::Take, |at| left.remove(at).1)
    });
    for (consumer, _) in acts {
        wire.agent_says(consumer, "one");
        wire.agent_says(consumer, "two");
    }
    for (consumer, act) in acts {
        wire.ledger.expect(consumer, "text", &["one", "two"]);
        wire.ledger.with(|state| {
            let tries = state.tries_of("text one");
            let mine: Vec<_> = tries.into_iter().filter(|note| note.to == consumer).collect();
            assert!(matches!(&*mine, [first, again] if first.id == again.id), "{act:?}: {mine:?}");
        });
    }
}

fn a_paused_delivery_is_no_try<H: Host>() {
    let wire = Wire::new::<H>(quick());
    wire.open("ada");
    let mut pauses = 10;
    wire.ledger.script(move |note| match note.what == "text one" && pauses > 0 {
        true => {
            pauses -= 1;
            Act::Pause
        }
        false => Act::Take,
    });
    wire.agent_says("ada", "one");
    wire.agent_says("ada", "two");
    wire.ledger.expect("ada", "text", &["one", "two"]);
    wire.ledger.with(|state| {
        let tries = state.tries_of("text one");
        assert_eq!(tries.len(), 11);
        assert!(tries.iter().all(|note| (note.attempt, note.possibly_repeated) == (1, false)));
    });
}

fn each_channel_has_its_own_settings<H: Host>() {
    let sms = ConsumerSettings::new().refused_tries(1).nack(false).accept_on(AcceptOn::Delivered);
    let wire = Wire::new::<H>(quick().for_consumers("sms:", sms));
    wire.open("sms:ada");
    wire.ledger.script(|note| match note.what == "text one" {
        true => Act::Refuse,
        false => Act::Take,
    });
    wire.agent_says("sms:ada", "one");
    wire.agent_says("sms:ada", "two");
    wire.ledger.expect("sms:ada", "text", &["two"]);
    let id = wire.ledger.with(|state| {
        assert_eq!(state.tries_of("text one").len(), 1);
        state.tries_of("text two")[0].id.clone()
    });
    wire.bridge.report(&consumer("sms:ada"), &id, ChannelReceipt::Delivered).unwrap();
    wire.wait_for_cloud("ACCEPT", |wire| wire.receipts() == ["ACCEPT [2]"]);
}

fn a_handler_that_is_too_slow_is_not_doubled<H: Host>() {
    let wire = Wire::new::<H>(quick().attempt_timeout(Duration::from_millis(500)));
    wire.open("ada");
    let mut hangs = true;
    wire.ledger.script(move |note| match note.what == "text one" && std::mem::take(&mut hangs) {
        true => Act::Hang,
        false => Act::Take,
    });
    wire.agent_says("ada", "one");
    wire.agent_says("ada", "two");
    wire.ledger.wait(|state| state.hanging == 1);
    // A future is dropped, and the message tried again. A thread goes on, and takes it in the end.
    let is_dropped = std::any::type_name::<H>() != std::any::type_name::<Threads>();
    if is_dropped {
        wire.ledger.wait(|state| state.dropped == 1);
    } else {
        // It is out of time; other consumers are served meanwhile.
        wire.open("bob");
        wire.agent_says("bob", "aside");
        wire.ledger.expect("bob", "text", &["aside"]);
        std::thread::sleep(Duration::from_millis(500));
        wire.ledger.release();
    }
    wire.ledger.expect("ada", "text", &["one", "two"]);
    let tries = wire.ledger.with(|state| state.tries_of("text one").len());
    assert_eq!(tries, if is_dropped { 2 } else { 1 });
}

fn deliveries_are_bounded<H: Host>() {
    let wire = Wire::new::<H>(quick().max_effects(2));
    let consumers = ["ada", "bob", "cyd", "dan", "eve"];
    for consumer in consumers {
        wire.open(consumer);
    }
    for consumer in consumers {
        for number in 0..5 {
            wire.agent_says(consumer, &number.to_string());
        }
    }
    for consumer in consumers {
        wire.ledger.expect(consumer, "text", &["0", "1", "2", "3", "4"]);
    }
    let most = wire.ledger.with(|state| state.most_at_once);
    assert!(most <= 2, "{most} at once");
}

fn what_is_not_stored_is_answered_503_and_comes_again<H: Host>() {
    let wire = Wire::new::<H>(quick());
    wire.open("ada");
    wire.store.set(FaultyStore::REFUSES);
    wire.agent_says("ada", "one");
    wire.posted.wait_for(503);
    let refused = Inbound::text("m1", "lost?").unwrap();
    let refused = wire.bridge.accept(&account(&wire.cloud), &consumer("ada"), refused);
    assert_eq!(refused.unwrap_err().to_string(), "the disk is full");
    wire.store.set(FaultyStore::TAKES);
    wire.agent_says("ada", "two");
    wire.ledger.expect("ada", "text", &["one", "two"]);
    assert_eq!(wire.texts_of("ada"), ["Hello"]);
}

fn a_store_that_does_not_answer_is_an_error<H: Host>() {
    let wire = Wire::new::<H>(quick());
    let notification = Verified::dangerous_unverified("not JSON");
    wire.store.set(FaultyStore::FORGETS_TO_ANSWER);
    let message = Inbound::text("m1", "lost?").unwrap();
    let (bridge, account) = (wire.bridge.clone(), account(&wire.cloud));
    let lost = in_time(move || bridge.accept(&account, &consumer("ada"), message));
    assert!(lost.unwrap_err().kind().may_repeat());
    wire.store.set(FaultyStore::NEVER_ANSWERS);
    let begun = Instant::now();
    let (bridge, same) = (wire.bridge.clone(), notification.clone());
    let late = in_time(move || bridge.receive(&same)).unwrap_err();
    assert!(late.kind().may_repeat(), "{late}");
    assert!(begun.elapsed() >= Duration::from_secs(2), "{:?}", begun.elapsed());
    wire.store.set(FaultyStore::TAKES);
    wire.bridge.receive(&notification).unwrap();
    assert_eq!(wire.lanes(LaneKind::DeadLetter).0, 1);
}

fn a_drained_bridge_leaves_everything_to_the_next<H: Host>() {
    // With this term, only a lane that was released is free at once.
    let config = quick().term(10 * PATIENCE);
    let mut wire = Wire::new::<H>(config.clone());
    wire.open("ada");
    wire.fault("send=delay:200ms");
    wire.accept("ada", "m1", "one");
    wire.accept("ada", "m2", "two");
    let begun = wire.cloud.requests(lp_connector_sandbox::Endpoint::Send);
    wire.wait_for_cloud("a request", |wire| {
        wire.cloud.requests(lp_connector_sandbox::Endpoint::Send) > begun
            || wire.texts_of("ada").contains(&"one".to_owned())
    });
    assert!(wire.bridge.drain(PATIENCE));
    assert!(!wire.bridge.is_running());
    for kind in LaneKind::ALL {
        assert_eq!(wire.lanes(*kind).1, 0, "{kind}");
    }
    // It still takes what comes.
    wire.accept("ada", "m3", "three");
    let lost = wire.bridge.counters().lost;
    assert_eq!(lost, 0);
    wire.restart::<H>(config);
    wire.cloud.with(|cloud| cloud.clear_faults());
    wire.ledger.expect("ada", "status", &["hello sent", "m1 sent", "m2 sent", "m3 sent"]);
    assert_eq!(wire.texts_of("ada"), ["Hello", "one", "two", "three"]);
    assert_eq!(wire.bridge.counters().taken_over, 0);
}

fn a_new_program_goes_on_with_the_file<H: Host>() {
    let posted = Arc::default();
    let cloud = cloud("91827364", &posted);
    let ledger = Ledger::new();
    let directory = tempfile::tempdir().unwrap();
    let start = || {
        let bridge = H::start(Setup {
            configs: vec![config(&cloud)],
            store: Arc::new(Sqlite::open(directory.path().join("bridge.db")).unwrap()),
            ledger: ledger.clone(),
            config: quick(),
            receiver: Receiver::new().secret(Secret::new(cloud.client_secret())),
            told: Arc::default(),
        });
        connect(&cloud, &*bridge);
        bridge
    };
    cloud.with(|cloud| cloud.fault("consumer=503".parse().unwrap()));
    let bridge = start();
    for id in ["m1", "m2"] {
        let message = Inbound::text(id, id).unwrap();
        bridge.accept(&account(&cloud), &consumer("ada"), message).unwrap();
    }
    assert!(bridge.drain(PATIENCE));
    drop(bridge);
    cloud.with(|cloud| cloud.clear_faults());
    let bridge = start();
    ledger.expect("ada", "status", &["m1 sent", "m2 sent"]);
    assert_eq!(cloud.with(|cloud| texts_of(cloud, "ada")), ["m1", "m2"]);
    assert!(bridge.drain(PATIENCE));
}

/// A bridge whose channel hangs.
fn hanging<H: Host>() -> Wire {
    let wire = Wire::new::<H>(quick());
    wire.open("ada");
    wire.ledger.script(|note| match note.what.starts_with("text") {
        true => Act::Hang,
        false => Act::Take,
    });
    wire.agent_says("ada", "one");
    wire.ledger.wait(|state| state.hanging == 1);
    wire
}

fn a_drain_ends_in_time<H: Host>() {
    let wire = hanging::<H>();
    assert!(!wire.bridge.drain(Duration::from_millis(10)));
    wire.wait_for_cloud("the end", |wire| !wire.bridge.is_running());
    wire.ledger.release();
}

fn a_dropped_bridge_ends_its_tasks<H: Host>() {
    let Wire { bridge, ledger, store, cloud: _cloud, .. } = hanging::<H>();
    drop(bridge);
    ledger.release();
    // Whoever shared the store lets go of it: loop, tasks, threads.
    let deadline = Instant::now() + PATIENCE;
    while Arc::strong_count(&store) > 1 || Arc::strong_count(&ledger) > 1 {
        assert!(Instant::now() < deadline, "something still runs");
        std::thread::sleep(Duration::from_millis(2));
    }
}
