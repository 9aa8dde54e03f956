//! The agent's side of a running sandbox, from another terminal.

pub(crate) mod parse;
mod watch;

use std::io::{self, IsTerminal as _};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use lp_connector_sandbox::control::{Control, v1};
use serde_json::{Value, json};

use crate::args::{AgentSide, Global, OneAction};
use crate::control;
use crate::failure::Failure;
use crate::input;
use crate::output::Output;
use crate::session::Notice;
use crate::signals;
use crate::terminal::{Lines, command_or_text};
use parse::{Typed, parse, summary};

/// The agent at a sandbox.
struct Desk {
    control: Control,
    place: Mutex<Place>,
    /// The agent's id, if it is not the usual one.
    who: Mutex<Option<String>>,
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

pub(crate) fn agent(global: &Global, args: AgentSide, output: &Output) -> Result<(), Failure> {
    let AgentSide { conversation, who, actions, .. } = args;
    // `latest` is what the agent does without one.
    let conversation = conversation.filter(|id| id != LATEST);
    let desk = Desk {
        control: control::find(global)?,
        place: Mutex::new(Place { chosen: conversation.is_some(), conversation }),
        who: Mutex::new(who),
    };
    if !actions.is_empty() {
        return once(&desk, &actions, output);
    }
    let page = desk.page()?;
    desk.check_conversation(&page)?;
    desk.shown(&page);
    output.note("you are the agent; /help lists the commands");
    let stop = Arc::new(AtomicBool::new(false));
    let ended = stop.clone();
    signals::at_first_signal(output, move || ended.store(true, Ordering::Relaxed))?;
    let (mut lines, screen) = Lines::open(output, stop.clone(), || {});
    // How many lines were read, how many of them were not carried out, and why the first was not.
    let (mut read, mut failed, mut first) = (0_usize, 0_usize, None);
    std::thread::scope(|scope| {
        scope.spawn(|| watch::watch(&desk, &screen, || stop.load(Ordering::Relaxed)));
        while let Some(line) = lines.next() {
            let (command, text) = command_or_text(&line);
            let line = command.unwrap_or(text);
            if command.is_some() && line == "/quit" {
                break;
            }
            if command.is_some() && line == "/help" {
                let notice = Notice::text(summary());
                screen.show(&notice.json, &notice.lines);
                continue;
            }
            if line.is_empty() {
                continue;
            }
            let action = match command {
                Some(_) => parse(line).map_err(Failure::Usage),
                None => Ok(Typed::Action(json!({"do": "text", "text": line}))),
            };
            let done = action.and_then(|action| desk.obey(action));
            read += 1;
            match done {
                Ok(_) => {
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
                    failed += 1;
                    first.get_or_insert(failure);
                }
            }
        }
        stop.store(true, Ordering::Relaxed);
    });
    lines.check().and_then(|()| output.end())?;
    match first {
        // A person has seen it, and could do something about it.
        Some(first) if failed == read && !io::stdin().is_terminal() => {
            Err(Failure::Local(format!("nothing was done: {first}")))
        }
        _ => Ok(()),
    }
}

/// What to do where an agent has nothing to answer to.
const NOTHING_OPEN: &str = "no conversation is open: `lp-connector trigger conversation-opened` opens one, and so does \
                            `lp-connector chat --consumer ada`";

/// The open conversation that was opened last.
const LATEST: &str = "latest";

/// Sends the texts and performs the commands, and ends.
fn once(desk: &Desk, all: &[OneAction], output: &Output) -> Result<(), Failure> {
    let read = |one: &OneAction| match one {
        OneAction::Say(text) => {
            Ok((text.clone(), Typed::Action(json!({"do": "text", "text": text}))))
        }
        OneAction::Do(line) => {
            // The slash may be left out, as a shell may take it for a folder.
            let command = if line.starts_with('/') { line.clone() } else { format!("/{line}") };
            Ok((line.clone(), parse(&command).map_err(Failure::Usage)?))
        }
    };
    // All can be read, or nothing is done.
    let actions: Vec<(String, Typed)> = all.iter().map(read).collect::<Result<_, Failure>>()?;
    if let Some((line, Typed::As(_))) = actions.last() {
        return Err(Failure::Usage(format!(
            "{line}: nothing is to be done as this agent after it"
        )));
    }
    for (line, action) in actions {
        let Some(done) = desk.obey(action)? else { continue };
        let sequence = done.sequence.map(|sequence| format!("  (sequence {sequence})"));
        output.done(
            &json!({"event": "acted", "conversation_id": done.conversation, "line": line,
                "message": done.message, "sequence": done.sequence}),
            format!("{}: {line}{}", done.conversation, sequence.unwrap_or_default()),
        );
    }
    control::print_held_back(&desk.control, output);
    Ok(())
}

impl Desk {
    /// Does what was typed. Returns what the sandbox has done, if it was asked.
    fn obey(&self, typed: Typed) -> Result<Option<v1::Acted>, Failure> {
        match typed {
            Typed::Action(action) => self.act(action).map(Some),
            Typed::As(agent) => {
                *lock(&self.who) = Some(agent);
                Ok(None)
            }
        }
    }

    /// Performs an action in the agent's conversation.
    fn act(&self, action: Value) -> Result<v1::Acted, Failure> {
        let conversation = self.place().conversation.clone();
        let id = conversation.as_deref().unwrap_or(LATEST);
        let who = lock(&self.who).clone();
        self.perform(id, who, action).map_err(|failure| {
            let open = self.control.conversations("open", None);
            match conversation {
                None if open.is_ok_and(|open| open.conversations.is_empty()) => {
                    Failure::Local(NOTHING_OPEN.to_owned())
                }
                _ => failure,
            }
        })
    }

    fn perform(
        &self,
        id: &str,
        who: Option<String>,
        mut action: Value,
    ) -> Result<v1::Acted, Failure> {
        if let Some(Picture { name, kind, bytes }) = picture(&action)? {
            return Ok(self.control.send_file(id, who.as_deref(), &name, kind, &bytes)?);
        }
        if let (Some(who), Some(members)) = (who, action.as_object_mut()) {
            members.insert("as".to_owned(), json!(who));
        }
        Ok(self.control.act(id, &action)?)
    }

    /// The messages after one, oldest first: some of them, and whether there are more.
    fn messages(&self, after: u64) -> Result<v1::Messages, Failure> {
        let messages = self.control.request("GET", &format!("/v1/messages?after={after}"), None)?;
        serde_json::from_slice(&messages)
            .map_err(|error| Failure::Local(format!("the sandbox's messages: {error}")))
    }

    /// What there is now: the conversations, oldest first, and the webhooks.
    fn page(&self) -> Result<Value, Failure> {
        let mut all = self.control.conversations("open", None)?.conversations;
        if all.is_empty() {
            all = self.control.conversations("all", None)?.conversations;
        }
        let current = self.place().conversation.clone();
        if let Some(id) = current.filter(|id| all.iter().all(|one| one.id != *id)) {
            all.extend(self.control.conversation(&id).ok());
        }
        all.sort_by_key(|one| one.number);
        let describe = |one: &v1::Conversation| {
            let main_open = matches!(one.state.as_str(), "open" | "no agent");
            json!({"id": one.id, "consumer": one.consumer, "main_open": main_open})
        };
        let all: Vec<Value> = all.iter().map(describe).collect();
        Ok(json!({"conversations": all, "webhooks": self.control.webhooks()?}))
    }

    /// Checks that the conversation of the command line exists.
    fn check_conversation(&self, page: &Value) -> Result<(), Failure> {
        let wanted = self.place().conversation.clone();
        let all = page.get("conversations").and_then(Value::as_array);
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
        lock(&self.place)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The largest picture that an agent may send.
const MAX_PICTURE: usize = 3 * 1024 * 1024;

/// A picture in a file.
struct Picture {
    name: String,
    /// Its content type.
    kind: &'static str,
    bytes: Vec<u8>,
}

/// The picture that an action sends, if there is a file of its name.
fn picture(action: &Value) -> Result<Option<Picture>, Failure> {
    if action.get("do").is_none_or(|what| what != "file") {
        return Ok(None);
    }
    let path = Path::new(action.get("name").and_then(Value::as_str).unwrap_or_default());
    if !path.is_file() {
        return Ok(None);
    }
    let ending = path.extension().map(|ending| ending.to_string_lossy().to_ascii_lowercase());
    let kind = match ending.as_deref() {
        Some("png") => "image/png",
        Some("jpg" | "jpeg") => "image/jpeg",
        Some("gif") => "image/gif",
        _ => return Err(Failure::usage("an agent sends pictures: PNG, JPG, JPEG or GIF")),
    };
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
    let bytes = input::read(path, "", MAX_PICTURE)?;
    Ok(Some(Picture { name: name.unwrap_or_default(), kind, bytes }))
}

#[cfg(test)]
#[path = "agent_tests.rs"]
mod tests;
