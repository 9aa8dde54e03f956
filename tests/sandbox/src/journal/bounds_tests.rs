//! Much more passes than there is room for.

use http::Request;
use serde_json::json;

use super::*;
use crate::{Agent, Config, NextPost, Sandbox, Webhooks};

const LIMITS: Limits =
    Limits { exchanges: 100, body_bytes: 64 * 1024, body: 1024, events: 200, notifications: 50 };

/// A sandbox after many times as many requests, notifications, attempts and old secrets as it may keep.
fn filled() -> Sandbox {
    let mut sandbox = Sandbox::new(Config::new("127.0.0.1:4711", 1), 1);
    sandbox.record("e1", LIMITS);
    sandbox.set_webhooks(Webhooks::all_at("http://127.0.0.1:1/"));
    let client = sandbox.config().app().unwrap().client_id().to_owned();
    let features = vec!["MULTI_DIALOG".to_owned()];
    let now = Duration::from_secs(1_711_000_000);
    let id = sandbox.open_conversation(now, "ada".to_owned(), json!({}), json!({}), features);
    for number in 0..3000_u64 {
        let now = now + Duration::from_millis(number);
        let path = format!("/nowhere?{}", "x".repeat(number as usize % 300));
        let request = Request::post(path).header("x-long", "y".repeat(500));
        let body = format!("{number} {}", "z".repeat(5000));
        sandbox.reply(now, &request.body(body.into_bytes()).unwrap());
        let text = Agent::Text(format!("{number} {}", "t".repeat(3000)), Vec::new());
        sandbox.agent(now, &id, text).unwrap();
        while let NextPost::Post(post) = sandbox.next_post(now) {
            let body = vec![b'a'; 5000];
            sandbox.complete_attempt(
                now,
                post.id,
                &Attempted { status: Some(200), body, ..Attempted::default() },
            );
        }
        sandbox.rotate_secret(&client, format!("a secret of {number}"));
    }
    sandbox
}

#[test]
fn what_is_recorded_stays_within_its_limits() {
    let mut sandbox = filled();
    let journal = sandbox.journal.as_mut().unwrap();
    let log = &journal.requests;
    // Each of them had a request and a post.
    assert!(log.next_number() > 6000, "{}", log.next_number());
    assert!(log.len() <= LIMITS.exchanges && log.size() <= LIMITS.body_bytes);
    let all = WireFilter::default();
    let kept: Vec<&Exchange> = log.find(None, None, &all).collect();
    // The newest are, without a gap, and the very newest are whole.
    let numbers: Vec<u64> = kept.iter().map(|one| one.number).collect();
    let newest: Vec<u64> = (1..log.next_number()).rev().take(numbers.len()).collect();
    assert_eq!(numbers, newest);
    assert!(numbers.len() > 10, "{numbers:?}");
    for one in &kept[..2] {
        let bodies = [&one.request.body, &one.response.body];
        assert!(bodies.iter().any(|body| body.total > 3000 && body.bytes.len() == LIMITS.body));
    }
    let bytes: usize = kept
        .iter()
        .map(|one| {
            let halves = [&one.request, &one.response].map(|half| half.body.bytes.len());
            one.target.len() + halves.iter().sum::<usize>()
        })
        .sum();
    assert!(bytes <= LIMITS.body_bytes, "{bytes}");

    let notifications: Vec<_> = journal.notifications.before(u64::MAX).collect();
    let bytes: usize = notifications.iter().map(|one| one.body.len() + one.url.len()).sum();
    assert!(notifications.len() <= LIMITS.notifications && bytes <= LIMITS.body_bytes, "{bytes}");
    assert!(notifications.is_sorted_by_key(|one| std::cmp::Reverse(one.number)));
    assert_eq!(notifications[0].number, sandbox.notified);

    let position = journal.events.position();
    let reachable = (0..position).find(|from| journal.events.after(*from).is_some()).unwrap();
    assert_eq!(position - reachable, LIMITS.events as u64);
    assert_eq!(sandbox.state.retired.len(), MAX_RETIRED);
}

/// The numbers of the notifications that are kept of twenty with such addresses and bodies.
fn kept(url: usize, body: usize) -> Vec<u64> {
    let mut log = NotificationLog::new(LIMITS.notifications / 5, LIMITS.body_bytes);
    for number in 1..=20 {
        log.push(NotificationRecord {
            number,
            key: "own".to_owned(),
            conversation: None,
            message: None,
            cause: None,
            url: "u".repeat(url),
            body: vec![b'b'; body].into(),
            state: Delivery::Posting,
            attempts: 0,
            next: None,
            exchanges: Vec::new(),
            faults: Vec::new(),
            at: Duration::ZERO,
        });
    }
    log.before(u64::MAX).map(|one| one.number).collect()
}

#[test]
fn the_newest_notifications_are_kept() {
    assert_eq!(kept(20, 20), (11..=20).rev().collect::<Vec<_>>());
    // An address counts as a body does.
    assert_eq!(kept(0, 10_000), (15..=20).rev().collect::<Vec<_>>());
    assert_eq!(kept(10_000, 0), (15..=20).rev().collect::<Vec<_>>());
}

#[test]
fn ten_thousand_large_messages_stay_within_the_budget() {
    use crate::{Config, MAX_KEPT_BYTES};
    let mut sandbox = Sandbox::new(Config::new("127.0.0.1:4711", 1), 1);
    // The record forgets nothing here: it is compared.
    let limits = Limits { body_bytes: usize::MAX, notifications: 20_000, ..Limits::default() };
    sandbox.record("e1", limits);
    // Nobody takes them: all of them wait.
    let webhooks = Webhooks::all_at("http://127.0.0.1:1/").retention(Duration::from_secs(3600));
    // SHA-1 takes most of the time where it is not optimised.
    sandbox.set_webhooks(webhooks.signature(crate::Signature::Sha256Base64));
    let now = Duration::from_secs(1_711_000_000);
    let text = "t".repeat(8_000);
    let mut latest = String::new();
    for number in 0..10_000_u64 {
        if number % 100 == 0 {
            let profile = json!({"long": "p".repeat(1_000_000)});
            let consumer = format!("{number}-{}", "c".repeat(500));
            latest = sandbox.open_conversation(now, consumer, profile, json!({}), Vec::new());
        }
        sandbox.agent(now, &latest, Agent::Text(text.clone(), Vec::new())).unwrap();
        if number % 100 == 0 {
            sandbox.store_file(now, format!("/{number}"), None, vec![0; 2 * 1024 * 1024].into());
        }
    }
    let state = &sandbox.state;
    for (kind, bytes) in [
        ("messages", state.messages.bytes()),
        ("conversations", state.conversations.bytes()),
        ("open", state.open.bytes()),
        ("files", state.files.bytes()),
        ("waiting", sandbox.deliveries.bytes()),
    ] {
        assert!(bytes <= MAX_KEPT_BYTES, "{kind}: {bytes}");
    }
    // What they count is no less than what they are.
    let length = |value: &serde_json::Value| value.as_str().unwrap().len();
    let messages: usize = sandbox.messages().iter().map(|one| length(&one.event["message"])).sum();
    let conversations = state.conversations.values().map(|one| length(&one.profile["long"]));
    let files: usize = state.files.values().map(|one| one.bytes.len()).sum();
    assert!(messages <= MAX_KEPT_BYTES && files <= MAX_KEPT_BYTES, "{messages} {files}");
    assert!(conversations.sum::<usize>() <= MAX_KEPT_BYTES);
    // As much as there is room for, and the newest.
    assert!((5000..10_000).contains(&sandbox.messages().len()), "{}", sandbox.messages().len());
    let numbers: Vec<u64> = sandbox.messages().iter().map(|one| one.number).collect();
    assert!(
        numbers.windows(2).all(|pair| pair[1] == pair[0] + 1) && numbers.last() == Some(&10_000)
    );
    assert_eq!((state.conversations.len(), state.files.len()), (66, 31));
    assert!(state.conversations.get(&latest).is_some());
    let lost = sandbox.notifications_lost();
    assert_eq!(lost + sandbox.notifications_waiting() as u64, sandbox.notified);
    // The record says it of each that it keeps.
    let journal = sandbox.journal.as_ref().unwrap();
    let records = journal.notifications.before(u64::MAX);
    assert_eq!(
        records.filter(|one| one.state == Delivery::Waiting).count(),
        sandbox.notifications_waiting()
    );
    // A consumer whose conversation has gone can open another one.
    let first = sandbox.state.open.newest().last().unwrap().0.to_owned();
    assert_eq!(sandbox.state.open_of(&first), None);
}
