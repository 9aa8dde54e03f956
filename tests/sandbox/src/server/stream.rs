//! Writes an event stream: a frame when something has changed, every 50 ms at the soonest.

use std::sync::Arc;
use std::time::Duration;

use hyper::body::Bytes;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::time::{Instant, sleep_until, timeout_at};

use super::control::ControlState;
use crate::control::v1::Bye;
use crate::control::v1::frame::{self, Cursor, StreamedEvent};

/// The time between two frames, at the least and at the most.
const FRAME_PAUSE: Duration = Duration::from_millis(50);
const MAX_FRAME_PAUSE: Duration = Duration::from_millis(500);

/// How many times as long as it took to make a frame the stream rests before the next one: so it takes little of
/// the machine, however much passes.
const REST: u32 = 100;

/// How long a stream is silent at most.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// What a browser waits before it connects again.
const RETRY: &str = "retry: 1000\n\n";

/// Writes until the reader leaves, or the sandbox stops. The channel has room for one frame: while the reader is
/// stuck, nothing is made for it.
pub(super) async fn write(
    state: Arc<ControlState>,
    opened: (Cursor, Vec<StreamedEvent>),
    sender: mpsc::Sender<Bytes>,
    _permit: OwnedSemaphorePermit,
) {
    let mut stopping = state.stopping.clone();
    tokio::select! {
        () = frames(&state, opened, &sender) => {}
        () = sender.closed() => {}
        _ = stopping.wait_for(|stops| *stops) => {
            let bye = StreamedEvent::new("bye", Bye::default());
            // A stuck reader does not get it.
            let _ = sender.try_send(encode("", &[bye]));
        }
    }
}

async fn frames(
    state: &ControlState,
    (mut cursor, first): (Cursor, Vec<StreamedEvent>),
    sender: &mpsc::Sender<Bytes>,
) {
    if sender.send(encode(RETRY, &first)).await.is_err() {
        return;
    }
    let mut heartbeat = Instant::now() + HEARTBEAT;
    loop {
        let Ok((events, began)) = timeout_at(heartbeat, changes(state, &mut cursor)).await else {
            heartbeat = Instant::now() + HEARTBEAT;
            if sender.send(Bytes::from_static(b": still there\n\n")).await.is_err() {
                return;
            }
            continue;
        };
        if events.is_empty() {
            continue;
        }
        let frame = encode("", &events);
        drop(events);
        let rest = began.elapsed().saturating_mul(REST);
        let earliest = began + rest.clamp(FRAME_PAUSE, MAX_FRAME_PAUSE);
        if sender.send(frame).await.is_err() {
            return;
        }
        heartbeat = Instant::now() + HEARTBEAT;
        sleep_until(earliest).await;
    }
}

/// What has changed, as soon as anything has, and when the making of it began.
async fn changes(state: &ControlState, cursor: &mut Cursor) -> (Vec<StreamedEvent>, Instant) {
    loop {
        // Listening begins before looking, so that nothing is missed between.
        let changed = state.server.changed.notified();
        tokio::pin!(changed);
        changed.as_mut().enable();
        {
            let mut sandbox = state.server.lock();
            if frame::has_news(&sandbox, cursor) {
                let began = Instant::now();
                return (frame::next(&mut sandbox, cursor), began);
            }
        }
        changed.await;
    }
}

fn encode(before: &str, events: &[StreamedEvent]) -> Bytes {
    let mut text = before.to_owned();
    events.iter().for_each(|event| event.encode(&mut text));
    text.into()
}
