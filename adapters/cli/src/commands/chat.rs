//! A conversation, both ways, with a person on the consumer's side.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use lp_connector_core::api::ChatState;
use lp_connector_core::webhook::Receiver;
use serde_json::json;

use super::converse;
use crate::args::{Endpoint, Who};
use crate::client::Client;
use crate::failure::Failure;
use crate::listener::Listener;
use crate::output::Output;
use crate::session::{Notice, Session};
use crate::terminal::{Lines, Screen};

/// Who has typed nothing for so long has stopped to.
const IDLE: Duration = Duration::from_secs(3);

/// How long what was said before the end may take to come after it; longer than the inbox waits.
const AFTER_THE_END: Duration = Duration::from_millis(2_200);

/// How long the end may take to be told after the consumer has hung up.
const FAREWELL: Duration = Duration::from_secs(5);

pub(crate) fn chat(
    client: Client,
    who: &Who,
    endpoint: &Endpoint,
    receiver: Receiver,
    output: &Output,
) -> Result<(), Failure> {
    // First of all: what is told of the new conversation must find somebody.
    let listener = Listener::start(endpoint.listen, receiver)?;
    let session = Session::open(client, converse::opening(who)?)?;
    output.done(
        &json!({"event": "conversation", "conversation_id": session.id(),
            "ext_consumer_id": who.consumer, "listen": listener.address().to_string()}),
        format!("conversation {}; notifications come to {}", session.id(), listener.address()),
    );
    // Of the agent's side, and of ours.
    let (finished, over) = (AtomicBool::new(false), &AtomicBool::new(false));
    let (typed, typing) = mpsc::channel();
    // The editor takes its flag down when it has seen it: so it has one of its own.
    let leave = Arc::new(AtomicBool::new(false));
    let sent = typed.clone();
    let (mut lines, screen) = Lines::open(output, leave.clone(), move || {
        let _ = typed.send(Typing::Key);
    });
    let (talking, shown, finished) = (&session, &screen, &finished);
    let result = std::thread::scope(|scope| {
        scope.spawn(move || {
            events(talking, &listener, shown, || over.load(Ordering::Relaxed));
            finished.store(true, Ordering::Relaxed);
            leave.store(true, Ordering::Relaxed);
        });
        scope.spawn(move || tell_typing(talking, &typing, || over.load(Ordering::Relaxed)));
        let result = talk(talking, &mut lines, shown, sent);
        if result.is_ok() {
            let until = Instant::now() + FAREWELL;
            while !finished.load(Ordering::Relaxed) && Instant::now() < until {
                std::thread::sleep(Duration::from_millis(20));
            }
        }
        over.store(true, Ordering::Relaxed);
        // Its end is the end of the thread that tells of the typing.
        drop(lines);
        result
    });
    screen.flush();
    output.done(
        &json!({"event": "closed", "conversation_id": session.id()}),
        format!("closed {}", session.id()),
    );
    result
}

/// What the consumer types.
fn talk(
    session: &Session,
    lines: &mut Lines,
    screen: &Screen,
    typed: mpsc::Sender<Typing>,
) -> Result<(), Failure> {
    while let Some(line) = lines.next() {
        let line = line.trim();
        let said = match (line, line.parse()) {
            ("", _) => continue,
            ("/close" | "/quit", _) => break,
            (_, Ok(number)) => match session.choose(number) {
                Ok(Some(label)) => {
                    let shown = format!("you: {label}");
                    screen.show(&json!({"event": "chosen", "text": label}), &[shown]);
                    Ok(None)
                }
                Ok(None) => match session.choices() {
                    0 => session.say(line),
                    most => {
                        let why = format!("(sent as it is: there are 1 to {most} to choose from)");
                        let notice = Notice::of(why);
                        screen.show(&notice.json, &notice.lines);
                        session.say(line)
                    }
                },
                Err(error) => Err(error),
            },
            (command, _) if command.starts_with('/') => {
                let notice = Notice::of("there is /close; a number chooses; all else is sent");
                screen.show(&notice.json, &notice.lines);
                continue;
            }
            _ => session.say(line),
        };
        match said {
            Ok(sequence) if !lines.is_terminal() => {
                screen.show(
                    &json!({"event": "sent", "text_len": line.len(), "sequence": sequence}),
                    &[format!("you: {line}")],
                );
            }
            // A text does not clear it (protocol.md 7.5).
            Ok(_) => {
                let _ = typed.send(Typing::Sent);
            }
            Err(error) => {
                let notice = Notice::of(format!("error: {error:#}"));
                screen.show(&notice.json, &notice.lines);
            }
        }
    }
    if session.is_finished() { Ok(()) } else { Ok(session.close()?) }
}

/// What the agent does.
fn events(session: &Session, listener: &Listener, screen: &Screen, over: impl Fn() -> bool) {
    let mut leave_at: Option<Instant> = None;
    while !over() && leave_at.is_none_or(|at| Instant::now() < at) {
        let wait = match session.poll() {
            Ok(notice) => {
                screen.show(&notice.json, &notice.lines);
                if let Err(error) = session.read() {
                    let notice = Notice::of(format!("error: {error:#}"));
                    screen.show(&notice.json, &notice.lines);
                }
                if notice.finished {
                    // What waits for its turn is shown yet.
                    leave_at = Some(Instant::now() + AFTER_THE_END);
                }
                continue;
            }
            Err(wait) => wait.min(Duration::from_millis(100)),
        };
        match listener.notifications().recv_timeout(wait) {
            Ok(verified) => session.take(verified),
            Err(RecvTimeoutError::Timeout) if leave_at.is_some() && session.is_settled() => return,
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

/// What the consumer does at the keyboard.
enum Typing {
    Key,
    Sent,
}

/// Tells the agent when the consumer begins to type, and when they have stopped.
fn tell_typing(session: &Session, typing: &mpsc::Receiver<Typing>, over: impl Fn() -> bool) {
    while let Ok(first) = typing.recv()
        && !over()
    {
        if matches!(first, Typing::Sent) {
            continue;
        }
        let _ = session.typing(ChatState::Composing);
        let then = loop {
            match typing.recv_timeout(IDLE) {
                Ok(Typing::Key) => {}
                Ok(Typing::Sent) => break ChatState::Active,
                Err(RecvTimeoutError::Timeout) => break ChatState::Pause,
                Err(RecvTimeoutError::Disconnected) => return,
            }
        };
        let _ = session.typing(then);
    }
}
