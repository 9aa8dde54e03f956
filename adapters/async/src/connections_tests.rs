use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Duration;

use lp_connector_core::connector::Config;
use lp_connector_core::id::AccountId;

use super::*;

fn connections(max: usize) -> Connections<usize> {
    let config = Config::new(AccountId::new("91827364").unwrap()).max_connections(max);
    Connections::new(config.transport())
}

fn clock() -> Mono {
    Mono::ZERO
}

/// Polls once.
fn poll<T>(future: Pin<&mut impl Future<Output = T>>) -> Option<T> {
    match future.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    }
}

#[test]
fn requests_are_served_in_the_order_they_came() {
    let (all, uri) = (connections(1), Uri::from_static("http://a"));
    let mut first = pin!(all.acquire(&uri, &clock));
    let (permit, _) = poll(first.as_mut()).unwrap();
    let mut second = pin!(all.acquire(&uri, &clock));
    let mut third = pin!(all.acquire(&uri, &clock));
    assert!(poll(second.as_mut()).is_none() && poll(third.as_mut()).is_none());
    permit.release(7, Mono::ZERO);
    let mut late = pin!(all.acquire(&uri, &clock));
    assert!(poll(late.as_mut()).is_none(), "it is not its turn");
    assert!(poll(third.as_mut()).is_none());
    let (permit, idle) = poll(second.as_mut()).unwrap();
    assert_eq!(idle, Some(7));
    drop(permit);
    assert!(poll(late.as_mut()).is_none());
    assert_eq!(poll(third.as_mut()).unwrap().1, None, "its connection was not released");
}

#[test]
fn a_dropped_request_passes_its_turn_on() {
    let (all, uri) = (connections(1), Uri::from_static("http://a"));
    let (permit, _) = poll(pin!(all.acquire(&uri, &clock))).unwrap();
    let mut second = Box::pin(all.acquire(&uri, &clock));
    let mut third = pin!(all.acquire(&uri, &clock));
    assert!(poll(second.as_mut()).is_none() && poll(third.as_mut()).is_none());
    drop(permit);
    drop(second);
    assert!(poll(third.as_mut()).is_some());
}

#[test]
fn two_connections_freed_at_once_serve_two() {
    let (all, uri) = (connections(2), Uri::from_static("http://a"));
    let (one, _) = poll(pin!(all.acquire(&uri, &clock))).unwrap();
    let (two, _) = poll(pin!(all.acquire(&uri, &clock))).unwrap();
    let mut third = pin!(all.acquire(&uri, &clock));
    assert!(poll(third.as_mut()).is_none());
    drop((one, two));
    // Comes while the third was told and has not acquired yet.
    let mut fourth = pin!(all.acquire(&uri, &clock));
    assert!(poll(fourth.as_mut()).is_none());
    let third = poll(third.as_mut());
    assert!(third.is_some());
    assert!(poll(fourth.as_mut()).is_some(), "there was room for two");
}

#[test]
fn once_nobody_waits_the_next_has_no_queue() {
    let (all, uri) = (connections(1), Uri::from_static("http://a"));
    let (permit, _) = poll(pin!(all.acquire(&uri, &clock))).unwrap();
    let mut second = Box::pin(all.acquire(&uri, &clock));
    let mut dropped = Box::pin(all.acquire(&uri, &clock));
    assert!(poll(second.as_mut()).is_none() && poll(dropped.as_mut()).is_none());
    drop(dropped);
    drop(permit);
    // One waiter was dropped and one was served.
    drop(poll(second.as_mut()).unwrap());
    drop(second);
    assert!(poll(pin!(all.acquire(&uri, &clock))).is_some());
}

/// Threads take, drop while they wait, and give back, in whatever order the machine makes of it.
#[test]
fn nobody_is_stranded_and_the_bound_holds() {
    const MAX: usize = 3;
    let (all, uri) = (connections(MAX), Uri::from_static("http://a"));
    let in_use = AtomicUsize::new(0);
    thread::scope(|scope| {
        for n in 0..8_usize {
            let (all, uri, in_use) = (&all, &uri, &in_use);
            scope.spawn(move || {
                for turn in 0..5000_usize {
                    let mut acquiring = Box::pin(all.acquire(uri, &clock));
                    if (n + turn).is_multiple_of(3) {
                        poll(acquiring.as_mut());
                        continue;
                    }
                    let time_is_up = async {
                        smol::Timer::after(Duration::from_secs(10)).await;
                        panic!("stranded");
                    };
                    let acquired = smol::future::or(acquiring, time_is_up);
                    let (permit, _) = smol::block_on(acquired);
                    assert!(in_use.fetch_add(1, Ordering::SeqCst) < MAX);
                    thread::yield_now();
                    in_use.fetch_sub(1, Ordering::SeqCst);
                    if turn.is_multiple_of(2) {
                        permit.release(n, Mono::ZERO);
                    }
                }
            });
        }
    });
}
