//! A conversation with a person as the consumer.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use lp_connector_core::api::ChatState;
use lp_connector_core::webhook::Receiver;
use serde_json::json;

use super::converse;
use super::interrupt::Interrupt;
use crate::args::{Endpoint, Who};
use crate::client::Client;
use crate::failure::Failure;
use crate::listener::Listener;
use crate::output::{Output, count};
use crate::session::{Notice, Session};
use crate::signals;
use crate::terminal::{Lines, Screen, command_or_text};
use crate::usage::meant;

/// After how long without a key the consumer has stopped typing.
const TYPING_TIMEOUT: Duration = Duration::from_secs(3);

/// How often to look whether the chat has ended while nobody types: an editor whose terminal is gone does not say so.
const STOP_INTERVAL: Duration = Duration::from_millis(100);

/// How long to wait for delayed messages after the end: longer than the inbox waits.
const DRAIN_TIME: Duration = Duration::from_millis(2_200);

/// How long to wait for the end after the consumer has closed the conversation.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// Lets the sandbox that posts to an address, if there is one, try at once what it holds back. Returns a line about
/// it.
pub(crate) type Retry = Box<dyn FnOnce(SocketAddr) -> Option<String> + Send>;

/// Lets a person be the consumer.
pub(crate) fn chat(
    client: Client,
    who: &Who,
    endpoint: &Endpoint,
    (receiver, retry): (Receiver, Retry),
    output: &Output,
) -> Result<(), Failure> {
    // A signal ends the chat as Ctrl-D does. The editor resets this flag when it has seen it, so it has one of
    // its own.
    let leave = Arc::new(AtomicBool::new(false));
    let ended = leave.clone();
    let interrupt = Interrupt::new(output);
    let (begun, left) = (interrupt.clone(), interrupt.clone());
    let begin = move || {
        let is_first = begun.begin();
        ended.store(true, Ordering::Relaxed);
        // On a thread of its own: a second signal does not wait for a stdout that nobody reads.
        std::thread::spawn(move || begun.tell());
        is_first
    };
    signals::at_signals(output, begin, move || left.left())?;
    // The endpoint starts first: the first notification comes as soon as the conversation is open.
    let listener = Listener::start(endpoint.listen, receiver)?;
    let session = Session::open(client, converse::opening(who)?)?;
    interrupt.opened(session.conversation());
    output.keep(
        &json!({"event": "conversation", "conversation_id": session.id(),
            "ext_consumer_id": who.consumer, "listen": listener.address().to_string()}),
        format!(
            "conversation {}; notifications are received at {}",
            session.id(),
            listener.address()
        ),
    );
    converse::profile_rejected(&session.id(), session.profile_rejected(), output);
    // `finished`: the conversation has ended. `stop`: the threads must end.
    let (finished, stop) = (AtomicBool::new(false), &AtomicBool::new(false));
    let (typed, typing) = mpsc::channel();
    let sent = typed.clone();
    let (mut lines, screen) = Lines::open(output, leave.clone(), move || {
        let _ = typed.send(Typing::Key);
    });
    interrupt.shows_on(&screen);
    let shown_end = &interrupt;
    let (shared_session, shared_screen, finished) = (&session, &screen, &finished);
    let address = listener.address();
    let shown = screen.clone();
    // The end does not wait for it: a sandbox that is stopped does not answer.
    std::thread::spawn(move || {
        if let Some(line) = retry(address) {
            let notice = Notice::text(format!("({line})"));
            shown.show(&notice.json, &notice.lines);
        }
    });
    let (closed, result) = std::thread::scope(|scope| {
        scope.spawn(move || {
            show_events(shared_session, &listener, shared_screen, shown_end, || {
                stop.load(Ordering::Relaxed)
            });
            finished.store(true, Ordering::Relaxed);
            leave.store(true, Ordering::Relaxed);
        });
        scope.spawn(move || {
            send_chat_states(shared_session, &typing, || stop.load(Ordering::Relaxed));
        });
        send_lines(shared_session, &mut lines, shared_screen, sent);
        if lines.is_interrupted() {
            interrupt.begin();
        }
        let close = if session.is_finished() {
            Ok(())
        } else {
            if interrupt.has_begun() {
                interrupt.tell();
            }
            session.close()
        };
        let closed = close.is_ok();
        if closed {
            interrupt.closed();
        }
        let result = close.map_err(Failure::from).and_then(|()| lines.check());
        if result.is_ok() {
            if !finished.load(Ordering::Relaxed) {
                let seconds = CLOSE_TIMEOUT.as_secs();
                let notice = Notice::text(format!(
                    "(waiting for the notification of the end, and what comes with it: {seconds} s at most)"
                ));
                screen.show(&notice.json, &notice.lines);
            }
            let until = Instant::now() + CLOSE_TIMEOUT;
            while !finished.load(Ordering::Relaxed) && Instant::now() < until {
                std::thread::sleep(Duration::from_millis(20));
            }
        }
        stop.store(true, Ordering::Relaxed);
        // Dropping the editor ends the thread that sends chat states sooner.
        drop(lines);
        (closed, result)
    });
    interrupt.settle();
    screen.flush();
    if closed || session.is_finished() {
        output.done(
            &json!({"event": "closed", "conversation_id": session.id()}),
            format!("closed {}", session.id()),
        );
    } else {
        converse::tell_maybe_open(session.conversation(), output);
    }
    // A chat that nobody can see any more was closed.
    result.and_then(|()| output.end())
}

/// Sends what the consumer types.
fn send_lines(session: &Session, lines: &mut Lines, screen: &Screen, typed: mpsc::Sender<Typing>) {
    while let Some(line) = lines.next() {
        let (command, line) = command_or_text(&line);
        let sent = match (command, number(line)) {
            _ if line.trim().is_empty() => continue,
            (Some("/close" | "/quit"), _) => break,
            (Some(command), _) if is_known(command) => {
                let notice = match act(session, command) {
                    Ok(done) => done,
                    Err(failure) => Notice::text(format!("error: {failure}")),
                };
                screen.show(&notice.json, &notice.lines);
                continue;
            }
            (None, Some(number)) => match session.choose(number) {
                Ok(Some(label)) => {
                    let shown = format!("you: {label}");
                    screen.show(&json!({"event": "chosen", "text": label}), &[shown]);
                    let _ = typed.send(Typing::Sent);
                    continue;
                }
                Ok(None) => {
                    let notice = Notice::text(match session.choices() {
                        0 => "(sent as a text: there is nothing to click)".to_owned(),
                        1 => "(sent as a text: only 1 can be clicked)".to_owned(),
                        max => format!("(sent as a text: only 1 to {max} can be clicked)"),
                    });
                    // What is not sent has no line.
                    session.send(line).inspect(|_| screen.show(&notice.json, &notice.lines))
                }
                Err(error) => Err(error),
            },
            (Some(command), _) => {
                let name = command.split(' ').next().unwrap_or(command);
                let near = meant(name, COMMANDS.iter().map(|(known, ..)| *known));
                let notice = Notice::text(format!(
                    "unknown command {command}: the line was not sent{near}; {}",
                    summary()
                ));
                screen.show(&notice.json, &notice.lines);
                continue;
            }
            _ => session.send(line),
        };
        match sent {
            Ok(sequence) if !lines.is_terminal() => {
                screen.show(
                    &json!({"event": "sent", "text_len": line.len(), "sequence": sequence}),
                    &[format!("you: {line}")],
                );
            }
            // A text does not end the typing state (protocol.md 7.5).
            Ok(_) => {
                let _ = typed.send(Typing::Sent);
            }
            Err(error) => {
                let notice = Notice::text(format!("error: {error:#}"));
                screen.show(&notice.json, &notice.lines);
            }
        }
    }
}

/// The commands: name, argument, and what they do.
const COMMANDS: [(&str, &str, &str); 6] = [
    ("/file", "PATH", "sends a picture"),
    ("/typing", "", "says that you type"),
    ("/active", "", "says that you do not"),
    ("/read", "", "says that you have read all"),
    ("/help", "", "lists the commands"),
    ("/close", "", "closes the conversation"),
];

/// The commands, in a sentence.
fn summary() -> String {
    let line = |(name, argument, does): &(&str, &str, &str)| {
        format!("{} {does}", format!("{name} {argument}").trim_end())
    };
    let all: Vec<String> = COMMANDS.iter().map(line).collect();
    format!(
        "{}; a number clicks an element; // sends a text that begins with /; any other line is sent",
        all.join(", ")
    )
}

/// Whether a line is a command that a chat goes on after.
fn is_known(line: &str) -> bool {
    matches!(line, "/file" | "/typing" | "/active" | "/read" | "/help")
        || line.starts_with("/file ")
}

/// Carries out a [known](is_known) command.
fn act(session: &Session, line: &str) -> Result<Notice, Failure> {
    let (command, rest) = line.split_once(' ').unwrap_or((line, ""));
    match command {
        "/file" if rest.trim().is_empty() => {
            Err(Failure::usage("/file PATH: the path of a picture is missing"))
        }
        "/file" => {
            let (name, bytes) = session.send_file(Path::new(rest.trim()))?;
            let json = json!({"event": "file_sent", "name": name, "bytes": bytes});
            let lines = vec![format!("you: {name}, {}", count(bytes, "byte"))];
            Ok(Notice { json, lines, finished: false })
        }
        "/help" => Ok(Notice::text(summary())),
        "/typing" => {
            session.set_chat_state(ChatState::Composing)?;
            Ok(Notice::text("(typing)"))
        }
        "/active" => {
            session.set_chat_state(ChatState::Active)?;
            Ok(Notice::text("(not typing)"))
        }
        _ => {
            session.mark_read()?;
            Ok(Notice::text("(all is read)"))
        }
    }
}

/// The number that a line consists of, to click: `3`, but neither `+3` nor `03`, which are texts.
fn number(line: &str) -> Option<usize> {
    let plain = line.bytes().all(|byte| byte.is_ascii_digit()) && !line.starts_with('0');
    if plain { line.parse().ok() } else { None }
}

/// How long no notification has to come until that is worth a line: the first one follows the opening.
const SILENCE: Duration = Duration::from_secs(5);

/// A line if no notification has come for too long since the conversation was opened: once.
fn silence(since: Duration, received: bool, told: &mut bool, listen: SocketAddr) -> Option<Notice> {
    if received || *told || since < SILENCE {
        return None;
    }
    *told = true;
    Some(Notice::text(format!(
        "(no notification has come yet, although one follows the opening: do the app install's webhooks \
         lead to {listen}? They are also held back after an endpoint was down, for 2, 4, 8 … 300 s; in a sandbox, `lp-connector \
         webhook replay --held` ends that)"
    )))
}

/// Shows what the agent does. A notification is answered 200 after that. Only one that waits for an earlier
/// one is answered before; it is shown within 2 s, or at the end.
fn show_events(
    session: &Session,
    listener: &Listener,
    screen: &Screen,
    interrupt: &Interrupt,
    stopped: impl Fn() -> bool,
) {
    let mut leave_at: Option<Instant> = None;
    let (opened, mut received, mut told) = (Instant::now(), false, false);
    loop {
        let due = show_due(session, screen, interrupt);
        if due.finished {
            // Delayed messages are still shown.
            leave_at = Some(Instant::now() + DRAIN_TIME);
        }
        if due.any {
            mark_read(session, screen);
        }
        if stopped() || leave_at.is_some_and(|at| Instant::now() >= at) {
            break;
        }
        let silence = silence(opened.elapsed(), received, &mut told, listener.address());
        if let Some(notice) = silence {
            screen.show(&notice.json, &notice.lines);
        }
        match listener.arrivals().recv_timeout(due.wait.min(Duration::from_millis(100))) {
            // Dropped, it is answered 503.
            Ok(_) if session.is_full() => {}
            Ok(arrival) => {
                received = true;
                session.receive(arrival.verified);
                let shown = show_due(session, screen, interrupt);
                if screen.is_seen() {
                    arrival.answer.accept();
                }
                if shown.finished {
                    leave_at = Some(Instant::now() + DRAIN_TIME);
                }
                if shown.any {
                    mark_read(session, screen);
                }
            }
            Err(RecvTimeoutError::Timeout) if leave_at.is_some() && session.is_settled() => break,
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => break,
        }
    }
    // What was answered 200 while it waited for an earlier one.
    session.finish();
    while let Ok(notice) = session.next_notice() {
        if screen.is_seen() {
            screen.show(&notice.json, &notice.lines);
        } else {
            screen.rescue(&notice.lines);
        }
    }
}

/// What was shown.
struct Shown {
    /// Whether there was anything.
    any: bool,
    /// Whether the conversation has ended.
    finished: bool,
    /// How long to wait for more.
    wait: Duration,
}

/// Shows what is due.
fn show_due(session: &Session, screen: &Screen, interrupt: &Interrupt) -> Shown {
    let (mut any, mut finished) = (false, false);
    loop {
        match session.next_notice() {
            Ok(notice) => {
                if notice.finished {
                    interrupt.closed();
                }
                screen.show(&notice.json, &notice.lines);
                finished |= notice.finished;
                any = true;
            }
            Err(wait) => return Shown { any, finished, wait },
        }
    }
}

fn mark_read(session: &Session, screen: &Screen) {
    if let Err(error) = session.mark_read() {
        let notice = Notice::text(format!("error: {error:#}"));
        screen.show(&notice.json, &notice.lines);
    }
}

/// An event of the keyboard.
enum Typing {
    Key,
    Sent,
}

/// Sends a chat state when the consumer starts typing, and when they stop.
fn send_chat_states(
    session: &Session,
    typing: &mpsc::Receiver<Typing>,
    stopped: impl Fn() -> bool,
) {
    while !stopped() {
        match typing.recv_timeout(STOP_INTERVAL) {
            Ok(Typing::Key) => {}
            Ok(Typing::Sent) | Err(RecvTimeoutError::Timeout) => continue,
            Err(RecvTimeoutError::Disconnected) => return,
        }
        let _ = session.set_chat_state(ChatState::Composing);
        let next = loop {
            match typing.recv_timeout(TYPING_TIMEOUT) {
                Ok(Typing::Key) => {}
                Ok(Typing::Sent) => break ChatState::Active,
                Err(RecvTimeoutError::Timeout) => break ChatState::Pause,
                Err(RecvTimeoutError::Disconnected) => return,
            }
        };
        let _ = session.set_chat_state(next);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chat_without_notifications_says_so_once() {
        let listen: SocketAddr = "127.0.0.1:8080".parse().unwrap();
        let mut told = false;
        assert!(silence(Duration::from_secs(4), false, &mut told, listen).is_none());
        assert!(silence(Duration::from_secs(9), true, &mut told, listen).is_none());
        let notice = silence(Duration::from_secs(5), false, &mut told, listen).unwrap();
        assert!(notice.lines[0].contains("127.0.0.1:8080"), "{:?}", notice.lines);
        assert!(silence(Duration::from_secs(9), false, &mut told, listen).is_none());
    }
}
