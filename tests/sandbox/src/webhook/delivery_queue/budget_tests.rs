//! What waits, beside a list that counts everything anew each time; and much more than there is room for.

use std::time::Duration;

use http::Request;
use proptest::prelude::*;

use super::super::{Budget, NextPost};
use super::*;

const BUDGET: Budget = Budget { entries: 8, bytes: 8000 };

#[derive(Clone, Debug)]
enum Step {
    /// One for a conversation, with a body of this size.
    Enqueue(u8, usize),
    Post,
    /// The end of the oldest post in flight, and whether it was taken.
    Complete(bool),
    Redirect,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        8 => (0u8..4, prop_oneof![0usize..200, 500usize..3000, Just(9000)])
            .prop_map(|(conversation, size)| Step::Enqueue(conversation, size)),
        3 => Just(Step::Post),
        3 => any::<bool>().prop_map(Step::Complete),
        1 => Just(Step::Redirect),
    ];
    prop::collection::vec(step, 0..80)
}

fn item(number: u64, conversation: u8, size: usize) -> QueuedNotification {
    QueuedNotification {
        number,
        conversation: conversation.to_string(),
        request: Request::post("http://127.0.0.1:1/").body(vec![b'x'; size]).unwrap(),
        max_retries: Some(5),
        due: Duration::ZERO,
        created: Duration::ZERO,
        attempts: 0,
        may_skip_at: None,
        began: Duration::ZERO,
        moved: None,
    }
}

/// Those that wait, oldest first, and those in flight: number and size.
#[derive(Default)]
struct Model {
    queued: Vec<(u64, usize)>,
    in_flight: Vec<(u64, usize)>,
    lost: Vec<u64>,
}

impl Model {
    fn shorten(&mut self) {
        let bytes = |queued: &[(u64, usize)]| queued.iter().map(|(_, size)| size).sum::<usize>();
        while !self.queued.is_empty()
            && self.queued.len() + self.in_flight.len() > 1
            && (self.queued.len() + self.in_flight.len() > BUDGET.entries
                || bytes(&self.queued) > BUDGET.bytes)
        {
            self.lost.push(self.queued.remove(0).0);
        }
    }
}

#[test]
fn no_more_than_a_thousand_wait_for_a_next_one() {
    let mut queue = DeliveryQueue::default();
    for number in 0..1500 {
        queue.enqueue_reordered(Duration::ZERO, item(number, number as u8, 10));
    }
    let waiting: Vec<u64> = queue.reordered.iter().map(|item| item.number).collect();
    assert!(waiting.len() <= 1000 && waiting.last() == Some(&1499), "{}", waiting.len());
    assert_eq!((queue.waiting(), queue.lost()), (1500, 0));

    let mut queue = DeliveryQueue { budget: BUDGET, ..DeliveryQueue::default() };
    (0..5).for_each(|number| {
        queue.enqueue_reordered(Duration::ZERO, item(number, number as u8, 3000))
    });
    assert_eq!((queue.reordered.len(), queue.waiting(), queue.lost()), (2, 4, 1));
}

#[test]
fn a_moved_queue_does_not_wait_for_the_old_endpoint() {
    let retention = Some(Duration::from_secs(3600));
    let mut queue = DeliveryQueue { retention, ..DeliveryQueue::default() };
    (0..3).for_each(|number| queue.enqueue(Duration::ZERO, item(number, number as u8, 10)));
    let NextPost::Post(first) = queue.poll(Duration::ZERO) else { panic!("nothing is posted") };
    queue.complete(Duration::ZERO, first.id, None);
    queue.retry(Duration::ZERO);
    let NextPost::Post(probe) = queue.poll(Duration::ZERO) else { panic!("nothing is tried") };
    assert!(!matches!(queue.poll(Duration::ZERO), NextPost::Post(_)));

    let anywhere = |item: &QueuedNotification| {
        let (request, max_retries) = (item.request.clone(), item.max_retries);
        Some(super::super::Target { request, max_retries })
    };
    queue.redirect(Duration::ZERO, retention, anywhere);
    let NextPost::Post(next) = queue.poll(Duration::ZERO) else { panic!("it waits for the probe") };
    assert_ne!(next.notification, probe.notification);
    assert!(queue.complete(Duration::ZERO, next.id, Some(200)).is_some_and(|post| post.delivered));
    // The old endpoint hangs up at last: its post goes to the new one.
    queue.complete(Duration::ZERO, probe.id, None);
    let mut posted = Vec::new();
    while let NextPost::Post(post) = queue.poll(Duration::ZERO) {
        queue.complete(Duration::ZERO, post.id, Some(200));
        posted.push(post.notification);
    }
    assert_eq!((posted.len(), queue.waiting()), (2, 0));
}

proptest! {
    #[test]
    fn a_full_queue_loses_what_a_naive_list_loses(
        steps in steps(),
        retention in prop::option::of(Just(Duration::from_secs(3600))),
    ) {
        let mut queue = DeliveryQueue { budget: BUDGET, retention, ..DeliveryQueue::default() };
        let (mut model, mut number, mut now) = (Model::default(), 0, Duration::ZERO);
        let mut ids = Vec::new();
        for step in steps {
            now += Duration::from_millis(100);
            match step {
                Step::Enqueue(conversation, size) => {
                    number += 1;
                    let item = item(number, conversation, size);
                    model.queued.push((number, item.size()));
                    queue.enqueue(now, item);
                }
                Step::Post => {
                    queue.retry(now);
                    if let NextPost::Post(post) = queue.poll(now) {
                        let place = model.queued.iter().position(|one| one.0 == post.notification);
                        let taken = model.queued.remove(place.unwrap());
                        model.in_flight.push(taken);
                        ids.push(post.id);
                    }
                }
                Step::Complete(is_taken) if !ids.is_empty() => {
                    let (number, size) = model.in_flight.remove(0);
                    let done = queue.complete(now, ids.remove(0), is_taken.then_some(200)).unwrap();
                    prop_assert_eq!(done.number, number);
                    if done.next.is_some() {
                        let place = model.queued.partition_point(|one| one.0 < number);
                        model.queued.insert(place, (number, size));
                    } else if !is_taken {
                        prop_assert!(retention.is_none());
                    }
                }
                Step::Complete(_) => {}
                // To where they go already.
                Step::Redirect => queue.redirect(now, retention, |item| {
                    let (request, max_retries) = (item.request.clone(), item.max_retries);
                    Some(super::super::Target { request, max_retries })
                }),
            }
            model.shorten();
            let mut kept: Vec<u64> =
                queue.queues.values().flatten().map(|(_, item)| item.number).collect();
            kept.sort_unstable();
            let expected: Vec<u64> = model.queued.iter().map(|(number, _)| *number).collect();
            prop_assert_eq!(kept, expected);
            prop_assert_eq!(queue.bytes, model.queued.iter().map(|(_, size)| size).sum::<usize>());
            prop_assert_eq!(queue.take_dropped(), std::mem::take(&mut model.lost));
        }
    }
}

#[test]
fn a_post_of_a_replaced_queue_ends_none_of_the_next() {
    for next in [DeliveryQueue::replacing, DeliveryQueue::emptied] {
        let mut queue = DeliveryQueue::default();
        queue.enqueue(Duration::ZERO, item(1, 0, 10));
        let NextPost::Post(old) = queue.poll(Duration::ZERO) else { panic!("nothing is posted") };
        let mut queue = next(&queue, None);
        queue.enqueue(Duration::ZERO, item(2, 0, 10));
        let NextPost::Post(new) = queue.poll(Duration::ZERO) else { panic!("nothing is posted") };
        assert!(queue.complete(Duration::ZERO, old.id, Some(200)).is_none());
        assert_eq!(queue.waiting(), 1);
        let done = queue.complete(Duration::ZERO, new.id, Some(200));
        assert!(done.is_some_and(|post| post.number == 2));
    }
}

#[test]
fn after_a_backlog_a_later_one_waits_four_seconds() {
    let retention = Some(Duration::from_secs(3600));
    let mut queue = DeliveryQueue { retention, ..DeliveryQueue::default() };
    let post = |queue: &mut DeliveryQueue, now| match queue.poll(now) {
        NextPost::Post(post) => post,
        other => panic!("{other:?}"),
    };
    (0..2).for_each(|number| queue.enqueue(Duration::ZERO, item(number, 0, 10)));
    let first = post(&mut queue, Duration::ZERO);
    queue.complete(Duration::ZERO, first.id, None);
    let now = Duration::from_secs(2);
    let probe = post(&mut queue, now);
    queue.complete(now, probe.id, Some(200));
    let stored = post(&mut queue, now);
    queue.enqueue(now, item(2, 0, 10));
    queue.complete(now, stored.id, Some(200));
    assert_eq!(queue.state(), super::super::AppState::Recovered);
    assert_eq!(post(&mut queue, now).notification, 2);
    (3..5).for_each(|number| queue.enqueue(now, item(number, 0, 10)));
    let NextPost::Wait(until) = queue.poll(now) else { panic!("it overtakes at once") };
    assert_eq!(until, now + Duration::from_secs(4));
    assert_eq!(post(&mut queue, until).notification, 4);
}
