//! The agent's side of a running sandbox, from another terminal.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};
use ureq::tls::{Certificate, RootCerts, TlsConfig};

use crate::args::Global;
use crate::failure::Failure;
use crate::input::Line;
use crate::output::Output;
use crate::session::Notice;
use crate::setup;
use crate::signals;
use crate::terminal::{Lines, Screen, command_or_text};

/// How often the sandbox is asked for new messages.
const POLL_INTERVAL: Duration = Duration::from_millis(200);

/// How many consecutive requests to the sandbox may fail.
const MAX_FAILURES: u32 = 10;

/// A client of the sandbox's control interface.
struct Control {
    base: String,
    agent: ureq::Agent,
    place: Mutex<Place>,
}

/// Where the agent is.
#[derive(Debug)]
struct Place {
    conversation: Option<String>,
    /// Whether it is that of the command line, which is never left.
    chosen: bool,
}

impl Place {
    /// Goes to the conversation that was opened last, unless there is one that is still open. A survey may
    /// follow one that is closed: it stays, until there is an open one. Returns the conversation.
    fn follow<'a>(&mut self, all: &'a [Value]) -> Option<&'a Value> {
        let is_open = |one: &&Value| one.get("main_open").is_some_and(|open| *open == true);
        let own = |one: &&Value| {
            one.get("id").is_some_and(|id| id.as_str() == self.conversation.as_deref())
        };
        let current = self.conversation.as_ref().and_then(|_| all.iter().find(own));
        if self.chosen || current.as_ref().is_some_and(is_open) {
            return current;
        }
        let found = all.iter().rev().find(is_open).or(current).or_else(|| all.last());
        self.conversation = found.and_then(|one| one.get("id")?.as_str()).map(str::to_owned);
        found
    }
}

pub(crate) fn agent(
    global: &Global,
    conversation: Option<String>,
    output: &Output,
) -> Result<(), Failure> {
    let trust = setup::trust(global, std::iter::empty())?;
    if !trust.is_local() {
        return Err(Failure::usage(
            "the agent needs a sandbox on this machine: set its address with LP_DOMAIN_API or \
             --domain-api",
        ));
    }
    let config = ureq::Agent::config_builder()
        .timeout_global(Some(Duration::from_secs(10)))
        .http_status_as_error(false)
        .proxy(None)
        .tls_config(tls(global)?)
        .build();
    let control = Control {
        base: trust.domain_api().to_string(),
        agent: config.into(),
        place: Mutex::new(Place { chosen: conversation.is_some(), conversation }),
    };
    let state = control.get("/_sandbox/state")?;
    control.check_conversation(&state)?;
    control.shown(&state);
    output.note("you are the agent; /help lists the commands");
    let stop = Arc::new(AtomicBool::new(false));
    let ended = stop.clone();
    signals::at_first_signal(output, move || ended.store(true, Ordering::Relaxed))?;
    let (mut lines, screen) = Lines::open(output, stop.clone(), || {});
    std::thread::scope(|scope| {
        scope.spawn(|| watch(&control, &screen, || stop.load(Ordering::Relaxed)));
        while let Some(line) = lines.next() {
            let line = match &line {
                Line::Text(line) => line.as_str(),
                Line::Refused(reason) => {
                    let notice = Notice::text(*reason);
                    screen.show(&notice.json, &notice.lines);
                    continue;
                }
            };
            let (command, text) = command_or_text(line);
            let line = command.unwrap_or(text);
            if command.is_some() && line == "/quit" {
                break;
            }
            if command.is_some() && line == "/help" {
                let notice = Notice::text(COMMANDS);
                screen.show(&notice.json, &notice.lines);
                continue;
            }
            if line.is_empty() {
                continue;
            }
            let action = match command {
                Some(_) => parse(line).map_err(Failure::Usage),
                None => Ok(json!({"do": "text", "text": line})),
            };
            let done = action.and_then(|action| control.act(action));
            match done {
                Ok(()) => {
                    let shown = if lines.is_terminal() {
                        "(done)".to_owned()
                    } else {
                        format!("you: {line}")
                    };
                    if !lines.is_terminal() || command.is_some() {
                        screen.show(&json!({"event": "done", "line": line}), &[shown]);
                    }
                }
                Err(failure) => {
                    let notice = Notice::text(format!("error: {failure}"));
                    screen.show(&notice.json, &notice.lines);
                }
            }
        }
        stop.store(true, Ordering::Relaxed);
    });
    output.check().and_then(|()| lines.check())
}

/// Trusts the certificates of `--ca-file`, which a sandbox with TLS writes.
pub(crate) fn tls(global: &Global) -> Result<TlsConfig, Failure> {
    let roots = match &global.ca_file {
        Some(file) => lp_connector_tls::certificates(&setup::certificates(file)?)?,
        None => Vec::new(),
    };
    let roots = roots.iter().map(|root| Certificate::from_der(root).to_owned());
    Ok(TlsConfig::builder()
        .root_certs(RootCerts::from(roots.collect::<Vec<_>>().into_iter()))
        .build())
}

/// The action of a command.
fn parse(line: &str) -> Result<Value, String> {
    let (command, rest) = line.split_once(' ').unwrap_or((line, ""));
    let rest = rest.trim();
    let mut parts = rest.split('|').map(|part| part.trim().to_owned());
    let first = parts.next().unwrap_or_default();
    let more: Vec<String> = parts.filter(|part| !part.is_empty()).collect();
    let require = |given: bool, usage: &str| {
        if given { Ok(()) } else { Err(format!("an argument is missing: {usage}")) }
    };
    Ok(match command {
        "/join" => json!({"do": "join"}),
        "/replies" => {
            require(
                !more.is_empty() && !first.is_empty(),
                "/replies TEXT | A | B: a text, then its replies, such as /replies Coming? | Yes | No",
            )?;
            json!({"do": "text", "text": first, "replies": more})
        }
        "/card" => {
            require(
                !more.is_empty() && !first.is_empty(),
                "/card TEXT | A | B: a text, then its buttons, such as /card Coming? | Yes | No",
            )?;
            json!({"do": "card", "text": first, "buttons": more})
        }
        "/file" => {
            require(
                rest.contains('.'),
                "/file NAME, such as map.png: a made-up file with this name",
            )?;
            json!({"do": "file", "name": rest})
        }
        "/note" => {
            require(!rest.is_empty(), "/note TEXT")?;
            json!({"do": "note", "text": rest})
        }
        "/typing" => json!({"do": "state", "state": "COMPOSING"}),
        "/active" => json!({"do": "state", "state": "ACTIVE"}),
        "/read" => json!({"do": "read"}),
        "/transfer" => {
            require(!rest.is_empty(), "/transfer SKILL")?;
            json!({"do": "transfer", "skill": rest})
        }
        "/close" => json!({"do": "close"}),
        _ => return Err(format!("unknown command {command}; {COMMANDS}")),
    })
}

const COMMANDS: &str = "the commands are /replies TEXT | A | B, /card TEXT | A | B, /file NAME, \
     /note TEXT, /typing, /active, /read, /join, /transfer SKILL, /close, /quit; anything else is sent \
     as a text, and //text sends /text";

impl Control {
    fn act(&self, mut action: Value) -> Result<(), Failure> {
        let conversation = self.place().conversation.clone();
        if let (Some(id), Some(members)) = (conversation, action.as_object_mut()) {
            members.insert("conversation".to_owned(), json!(id));
        }
        let url = format!("{}/_sandbox/agent", self.base);
        let response = self.agent.post(url).send(action.to_string().into_bytes());
        let mut response = response.map_err(|error| self.unreachable(&error))?;
        let text = response.body_mut().read_to_string().unwrap_or_default();
        if response.status().is_success() {
            return Ok(());
        }
        let error: Value = serde_json::from_str(&text).unwrap_or_default();
        let reason = error.get("message").and_then(Value::as_str);
        Err(Failure::Local(reason.unwrap_or("the sandbox refused it").to_owned()))
    }

    /// Checks that the conversation of the command line exists.
    fn check_conversation(&self, state: &Value) -> Result<(), Failure> {
        let wanted = self.place().conversation.clone();
        let all = state.get("conversations").and_then(Value::as_array);
        let is = |one: &Value| one.get("id").and_then(Value::as_str) == wanted.as_deref();
        match &wanted {
            Some(id) if !all.is_some_and(|all| all.iter().any(is)) => {
                Err(Failure::Local(format!("the sandbox has no conversation {id}")))
            }
            _ => Ok(()),
        }
    }

    /// The conversation that the agent is in.
    fn shown<'a>(&self, page: &'a Value) -> Option<&'a Value> {
        self.place().follow(page.get("conversations").and_then(Value::as_array)?)
    }

    fn place(&self) -> MutexGuard<'_, Place> {
        self.place.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn get(&self, path: &str) -> Result<Value, Failure> {
        let not_a_sandbox = || Failure::Local(format!("{} is not a sandbox", self.base));
        let response = self.agent.get(format!("{}{path}", self.base)).call();
        let mut response = response.map_err(|error| self.unreachable(&error))?;
        let body = response.body_mut().read_to_vec().unwrap_or_default();
        if !response.status().is_success() {
            return Err(not_a_sandbox());
        }
        serde_json::from_slice(&body).map_err(|_| not_a_sandbox())
    }

    fn unreachable(&self, error: &ureq::Error) -> Failure {
        Failure::Local(format!(
            "no sandbox answers at {} ({error}): start one with `lp-connector sandbox`, and set the \
             variables that it prints{}",
            self.base,
            if self.base.starts_with("https") { ", LP_CA_FILE among them" } else { "" }
        ))
    }
}

/// Shows what the consumer does, and marks it as read.
fn watch(control: &Control, screen: &Screen, stopped: impl Fn() -> bool) {
    let (mut after, mut failures) = (0, 0);
    let mut last: Option<(String, bool)> = None;
    let mut elsewhere = BTreeSet::new();
    let mut next_try = None;
    while !stopped() {
        match control.get(&format!("/_sandbox/messages?after={after}")) {
            Ok(page) => {
                failures = 0;
                let shown = control.shown(&page);
                if let Some(line) = open_or_closed(shown, &mut last) {
                    let notice = Notice::text(line);
                    screen.show(&notice.json, &notice.lines);
                }
                for line in open_elsewhere(&page, shown, &mut elsewhere) {
                    let notice = Notice::text(line);
                    screen.show(&notice.json, &notice.lines);
                }
                if let Some(line) = endpoint_line(&page, &mut next_try) {
                    let notice = Notice::text(line);
                    screen.show(&notice.json, &notice.lines);
                }
                let mut unread = false;
                let messages = page.get("messages").and_then(Value::as_array);
                for message in messages.into_iter().flatten() {
                    after = message.get("number").and_then(Value::as_u64).unwrap_or(after);
                    let of = |value: &Value, name: &str| value.get(name).cloned();
                    let id = shown.and_then(|shown| of(shown, "id"));
                    if id.is_some() && of(message, "conversation") == id {
                        unread |= show(message, screen);
                    }
                }
                if unread {
                    // The consumer sees ticks. The sandbox refuses it once the conversation is closed.
                    let _ = control.act(json!({"do": "read"}));
                }
            }
            Err(_) if failures < MAX_FAILURES => failures += 1,
            Err(failure) => {
                let notice = Notice::text(format!("error: {failure}"));
                screen.show(&notice.json, &notice.lines);
                return;
            }
        }
        std::thread::sleep(POLL_INTERVAL);
    }
}

/// A line if the conversation was opened or closed since `last`, or is another one.
fn open_or_closed(shown: Option<&Value>, last: &mut Option<(String, bool)>) -> Option<String> {
    let shown = shown?;
    let text = |name: &str| shown.get(name).and_then(Value::as_str).unwrap_or_default();
    let current = (text("id").to_owned(), shown.get("main_open").and_then(Value::as_bool)?);
    if last.as_ref() == Some(&current) {
        return None;
    }
    let state = if current.1 { "is open" } else { "is closed" };
    let moved = last.as_ref().is_some_and(|(id, _)| *id != current.0);
    let line = format!("the conversation {} with {} {state}", current.0, text("consumer"));
    *last = Some(current);
    Some(if moved {
        format!("-- you are in another conversation now: {line}")
    } else {
        format!("-- {line}")
    })
}

/// A line for each conversation that is open beside the shown one, and was not in `told`.
fn open_elsewhere(page: &Value, shown: Option<&Value>, told: &mut BTreeSet<String>) -> Vec<String> {
    let text = |one: &Value, name: &str| {
        one.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    let current = shown.map(|shown| text(shown, "id")).unwrap_or_default();
    let all = page.get("conversations").and_then(Value::as_array);
    let open = all
        .into_iter()
        .flatten()
        .filter(|one| one.get("main_open").is_some_and(|open| *open == true));
    let others = open.map(|one| (text(one, "id"), text(one, "consumer")));
    others
        .filter(|(id, _)| *id != current && told.insert(id.clone()))
        .map(|(id, consumer)| {
            format!("-- {consumer} has an open conversation too: sandbox agent --conversation {id}")
        })
        .collect()
}

/// A line if the webhook endpoint has failed again since `last`, the time of the next post, or is back.
fn endpoint_line(page: &Value, last: &mut Option<u64>) -> Option<String> {
    let endpoint = page.get("endpoint")?;
    let next = endpoint.get("next_try_ms").and_then(Value::as_u64);
    if next.is_none() {
        // A post under way has no next one yet.
        let failed = endpoint.get("app_state").is_some_and(|state| state == "Failed");
        let was_down = !failed && last.take().is_some();
        return was_down.then(|| "-- the webhook endpoint takes notifications again".to_owned());
    }
    if *last == next {
        return None;
    }
    *last = next;
    let seconds = endpoint.get("next_try_in_s").and_then(Value::as_f64).unwrap_or_default();
    let waiting = endpoint.get("waiting").and_then(Value::as_u64).unwrap_or_default();
    Some(format!(
        "-- the webhook endpoint takes no notifications, so the consumer's side sees nothing yet: the \
         sandbox tries again in {seconds} s ({waiting} waiting)"
    ))
}

/// Shows a message of the consumer or the bot. Returns whether it can be marked as read.
fn show(message: &Value, screen: &Screen) -> bool {
    let text = |value: &Value, name: &str| {
        value.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    let role = text(message, "role");
    if role == "ASSIGNED_AGENT" {
        return false;
    }
    let author = if role == "CONSUMER" { text(message, "consumer") } else { "bot".to_owned() };
    let event = message.get("event").cloned().unwrap_or_default();
    let (line, read) = match text(&event, "type").as_str() {
        "ContentEvent" if event.get("message").is_some_and(Value::is_string) => {
            (format!("{author}: {}", text(&event, "message")), role == "CONSUMER")
        }
        "ContentEvent" => {
            let file = event.get("message").cloned().unwrap_or_default();
            (format!("{author}: a file: {}", text(&file, "caption")), role == "CONSUMER")
        }
        "ChatStateEvent" => match text(&event, "chatState").as_str() {
            "COMPOSING" => (format!("{author} is typing …"), false),
            _ => return false,
        },
        "AcceptStatusEvent" => match text(&event, "status").as_str() {
            "READ" => ("   ✓✓ read".to_owned(), false),
            "ACTION" => ("   (clicked)".to_owned(), false),
            _ => return false,
        },
        other => (format!("{author}: {other}"), false),
    };
    let json = json!({"event": "consumer", "role": role, "kind": text(&event, "type"),
        "raw": event});
    screen.show(&json, &[line]);
    read
}

#[cfg(test)]
#[path = "agent_tests.rs"]
mod tests;
