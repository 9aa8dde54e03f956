//! The agent's side of a sandbox that runs, from another terminal.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};

use crate::failure::Failure;
use crate::output::Output;
use crate::session::Notice;
use crate::terminal::{Lines, Screen};

/// How often it is looked whether the consumer did something.
const LOOK: Duration = Duration::from_millis(200);

/// How many times in a row the sandbox may not answer.
const PATIENCE: u32 = 10;

/// The sandbox's own interface.
struct Control {
    base: String,
    agent: ureq::Agent,
    conversation: Mutex<Option<String>>,
}

pub(crate) fn agent(
    base: &str,
    conversation: Option<String>,
    output: &Output,
) -> Result<(), Failure> {
    let uri: Option<http::Uri> = base.parse().ok();
    let host = uri.as_ref().and_then(http::Uri::host).unwrap_or_default();
    let plain = uri.as_ref().and_then(http::Uri::scheme_str) == Some("http");
    if !plain || !matches!(host, "127.0.0.1" | "localhost" | "[::1]") {
        return Err(Failure::usage(
            "the agent's side is that of a sandbox on this machine, without TLS: give its http:// \
             address with LP_DOMAIN_API or --domain-api",
        ));
    }
    let config = ureq::Agent::config_builder()
        .timeout_global(Some(Duration::from_secs(10)))
        .http_status_as_error(false)
        .proxy(None)
        .build();
    let control = Control {
        base: base.trim_end_matches('/').to_owned(),
        agent: config.into(),
        conversation: Mutex::new(conversation),
    };
    let state = control.get("/_sandbox/state")?;
    control.known(&state)?;
    output
        .note("the agent's side of the sandbox; /help lists what there is beyond saying something");
    let over = Arc::new(AtomicBool::new(false));
    let (mut lines, screen) = Lines::open(output, over.clone(), || {});
    std::thread::scope(|scope| {
        scope.spawn(|| watch(&control, &screen, || over.load(Ordering::Relaxed)));
        while let Some(line) = lines.next() {
            let line = line.trim();
            if line == "/quit" {
                break;
            }
            if line == "/help" {
                let notice = Notice::of(COMMANDS);
                screen.show(&notice.json, &notice.lines);
                continue;
            }
            if line.is_empty() {
                continue;
            }
            let done = understood(line).map_err(Failure::Usage).and_then(|act| control.act(act));
            match done {
                Ok(()) => {
                    let said = if lines.is_terminal() {
                        "(done)".to_owned()
                    } else {
                        format!("you: {line}")
                    };
                    if !lines.is_terminal() || line.starts_with('/') {
                        screen.show(&json!({"event": "done", "line": line}), &[said]);
                    }
                }
                Err(failure) => {
                    let notice = Notice::of(format!("error: {failure}"));
                    screen.show(&notice.json, &notice.lines);
                }
            }
        }
        over.store(true, Ordering::Relaxed);
    });
    Ok(())
}

/// What a line asks for.
fn understood(line: &str) -> Result<Value, String> {
    let (command, rest) = line.split_once(' ').unwrap_or((line, ""));
    let rest = rest.trim();
    let mut parts = rest.split('|').map(|part| part.trim().to_owned());
    let first = parts.next().unwrap_or_default();
    let more: Vec<String> = parts.filter(|part| !part.is_empty()).collect();
    let wants = |given: bool, usage: &str| {
        if given { Ok(()) } else { Err(format!("{command} wants more: {usage}")) }
    };
    Ok(match command {
        "/join" => json!({"do": "join"}),
        "/replies" => {
            wants(!more.is_empty() && !first.is_empty(), "/replies TEXT | A | B")?;
            json!({"do": "text", "text": first, "replies": more})
        }
        "/card" => {
            wants(!more.is_empty() && !first.is_empty(), "/card TEXT | A | B")?;
            json!({"do": "card", "text": first, "buttons": more})
        }
        "/file" => {
            wants(rest.contains('.'), "/file NAME.png")?;
            json!({"do": "file", "name": rest})
        }
        "/note" => {
            wants(!rest.is_empty(), "/note TEXT")?;
            json!({"do": "note", "text": rest})
        }
        "/typing" => json!({"do": "state", "state": "COMPOSING"}),
        "/active" => json!({"do": "state", "state": "ACTIVE"}),
        "/read" => json!({"do": "read"}),
        "/transfer" => {
            wants(!rest.is_empty(), "/transfer SKILL")?;
            json!({"do": "transfer", "skill": rest})
        }
        "/close" => json!({"do": "close"}),
        command if command.starts_with('/') => return Err(format!("no {command}: {COMMANDS}")),
        _ => json!({"do": "text", "text": line}),
    })
}

/// What there is.
const COMMANDS: &str = "there are /replies TEXT | A | B, /card TEXT | A | B, /file NAME, /note TEXT, \
     /typing, /active, /read, /join, /transfer SKILL, /close, /quit; all else is said";

impl Control {
    fn act(&self, mut action: Value) -> Result<(), Failure> {
        let conversation = self.conversation.lock().ok().and_then(|held| held.clone());
        if let (Some(id), Some(members)) = (conversation, action.as_object_mut()) {
            members.insert("conversation".to_owned(), json!(id));
        }
        let url = format!("{}/_sandbox/agent", self.base);
        let answer = self.agent.post(url).send(action.to_string().into_bytes());
        let mut answer = answer.map_err(|error| self.unreachable(&error))?;
        let text = answer.body_mut().read_to_string().unwrap_or_default();
        if answer.status().is_success() {
            return Ok(());
        }
        let said: Value = serde_json::from_str(&text).unwrap_or_default();
        let why = said.get("message").and_then(Value::as_str).unwrap_or("it was refused");
        Err(Failure::Local(why.to_owned()))
    }

    /// Whether there is the conversation that was asked for.
    fn known(&self, state: &Value) -> Result<(), Failure> {
        let wanted = self.conversation.lock().ok().and_then(|held| held.clone());
        let all = state.get("conversations").and_then(Value::as_array);
        let is = |one: &Value| one.get("id").and_then(Value::as_str) == wanted.as_deref();
        match &wanted {
            Some(id) if !all.is_some_and(|all| all.iter().any(is)) => {
                Err(Failure::Local(format!("the sandbox knows no conversation {id}")))
            }
            _ => Ok(()),
        }
    }

    /// The conversation that is looked at: the one that was asked for, else the last.
    fn shown<'a>(&self, page: &'a Value) -> Option<&'a Value> {
        let wanted = self.conversation.lock().ok().and_then(|held| held.clone());
        let all = page.get("conversations").and_then(Value::as_array)?;
        match wanted {
            Some(id) => all.iter().find(|one| one.get("id").is_some_and(|known| *known == id)),
            // The last that is open, as the sandbox itself takes it; else the last.
            None => {
                let open = |one: &&Value| one.get("main_open").is_some_and(|open| *open == true);
                all.iter().rev().find(open).or_else(|| all.last())
            }
        }
    }

    fn get(&self, path: &str) -> Result<Value, Failure> {
        let answer = self.agent.get(format!("{}{path}", self.base)).call();
        let mut answer = answer.map_err(|error| self.unreachable(&error))?;
        let body = answer.body_mut().read_to_vec().unwrap_or_default();
        if !answer.status().is_success() {
            return Err(Failure::Local(format!("what answers at {} is no sandbox", self.base)));
        }
        serde_json::from_slice(&body)
            .map_err(|_| Failure::Local(format!("what answers at {} is no sandbox", self.base)))
    }

    fn unreachable(&self, error: &ureq::Error) -> Failure {
        Failure::Local(format!(
            "no sandbox answers at {} ({error}): start one with lp-connector sandbox, and set the \
             variables that it prints",
            self.base
        ))
    }
}

/// Shows what the consumer does, and tells them that it was read.
fn watch(control: &Control, screen: &Screen, over: impl Fn() -> bool) {
    let (mut after, mut failures) = (0, 0);
    let mut open: Option<(String, bool)> = None;
    while !over() {
        match control.get(&format!("/_sandbox/messages?after={after}")) {
            Ok(page) => {
                failures = 0;
                let shown = control.shown(&page);
                if let Some(line) = open_or_closed(shown, &mut open) {
                    let notice = Notice::of(line);
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
                    // They see it as ticks. It is refused once the conversation is closed.
                    let _ = control.act(json!({"do": "read"}));
                }
            }
            Err(_) if failures < PATIENCE => failures += 1,
            Err(failure) => {
                let notice = Notice::of(format!("error: {failure}"));
                screen.show(&notice.json, &notice.lines);
                return;
            }
        }
        std::thread::sleep(LOOK);
    }
}

fn open_or_closed(shown: Option<&Value>, before: &mut Option<(String, bool)>) -> Option<String> {
    let shown = shown?;
    let text = |name: &str| shown.get(name).and_then(Value::as_str).unwrap_or_default();
    let now = (text("id").to_owned(), shown.get("main_open").and_then(Value::as_bool)?);
    if before.as_ref() == Some(&now) {
        return None;
    }
    let state = if now.1 { "is open" } else { "is closed" };
    let line = format!("-- the conversation {} with {} {state}", now.0, text("consumer"));
    *before = Some(now);
    Some(line)
}

/// Shows what the consumer or the bot did. True if it is something that is read.
fn show(message: &Value, screen: &Screen) -> bool {
    let text = |value: &Value, name: &str| {
        value.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    let role = text(message, "role");
    if role == "ASSIGNED_AGENT" {
        return false;
    }
    let who = if role == "CONSUMER" { text(message, "consumer") } else { "bot".to_owned() };
    let event = message.get("event").cloned().unwrap_or_default();
    let (line, read) = match text(&event, "type").as_str() {
        "ContentEvent" if event.get("message").is_some_and(Value::is_string) => {
            (format!("{who}: {}", text(&event, "message")), role == "CONSUMER")
        }
        "ContentEvent" => {
            let file = event.get("message").cloned().unwrap_or_default();
            (format!("{who}: a file: {}", text(&file, "caption")), role == "CONSUMER")
        }
        "ChatStateEvent" => match text(&event, "chatState").as_str() {
            "COMPOSING" => (format!("{who} is typing …"), false),
            _ => return false,
        },
        "AcceptStatusEvent" => match text(&event, "status").as_str() {
            "READ" => ("   ✓✓ read".to_owned(), false),
            "ACTION" => ("   (clicked)".to_owned(), false),
            _ => return false,
        },
        other => (format!("{who}: {other}"), false),
    };
    let json = json!({"event": "consumer", "role": role, "kind": text(&event, "type"),
        "raw": event});
    screen.show(&json, &[line]);
    read
}
