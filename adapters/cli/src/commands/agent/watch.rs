//! Shows the agent what happens.

use std::collections::BTreeSet;
use std::sync::mpsc::{self, Receiver, TrySendError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use lp_connector_sandbox::control::{Control, v1};
use serde_json::{Value, json};

use super::Desk;
use crate::failure::Failure;
use crate::output::count;
use crate::session::Notice;
use crate::terminal::Screen;

/// How long to wait at least between two looks at what may have changed: much may, and each asks for the
/// conversations, the messages and the webhooks.
const POLL_INTERVAL: Duration = Duration::from_millis(200);

/// How often that is waited for, if nothing changes.
const WAITS: u32 = 10;

/// How many pages of messages one look reads at most: more than the sandbox keeps.
const MAX_PAGES: u32 = 200;

/// How many consecutive requests to the sandbox may fail.
const MAX_FAILURES: u32 = 10;

/// Shows what the consumer does, and marks it as read.
pub(super) fn watch(desk: &Desk, screen: &Screen, stopped: impl Fn() -> bool) {
    let (mut after, mut failures) = (0, 0);
    let mut last: Option<(String, bool)> = None;
    let mut elsewhere = BTreeSet::new();
    let mut next_try = None;
    let changes = changes(desk.control.clone());
    let say = |line: String| {
        let notice = Notice::text(line);
        screen.show(&notice.json, &notice.lines);
    };
    while !stopped() {
        match look(desk, after) {
            Ok((messages, page)) => {
                failures = 0;
                missed(after, &messages).into_iter().for_each(say);
                after = messages.last().map_or(after, |last| last.n);
                let left = desk.place().conversation.clone();
                let shown = desk.shown(&page);
                let id = shown.and_then(|shown| shown.get("id")?.as_str());
                // The last words of the conversation that is left now.
                if left.as_deref() != id {
                    for message in of(&messages, left.as_deref()) {
                        show(message, screen);
                    }
                }
                open_or_closed(shown, &mut last).into_iter().for_each(say);
                open_elsewhere(&page, shown, &mut elsewhere).into_iter().for_each(say);
                endpoint_line(&page, &mut next_try).into_iter().for_each(say);
                let mut unread = false;
                for message in of(&messages, id) {
                    unread |= show(message, screen);
                }
                if unread {
                    // The consumer sees ticks. The sandbox refuses it once the conversation is closed.
                    let _ = desk.act(json!({"do": "read"}));
                }
            }
            Err(_) if failures < MAX_FAILURES => failures += 1,
            Err(failure) => return say(format!("error: {failure}")),
        }
        let is_changed = |wait| changes.recv_timeout(wait).is_ok();
        wait_for(std::thread::sleep, is_changed, &stopped);
    }
}

/// Those of a conversation.
fn of<'a>(all: &'a [v1::Message], id: Option<&'a str>) -> impl Iterator<Item = &'a v1::Message> {
    all.iter().filter(move |one| id == Some(&*one.conversation))
}

/// A line if the sandbox has forgotten messages since `after`, the last one that was seen.
pub(super) fn missed(after: u64, messages: &[v1::Message]) -> Option<String> {
    let gone = messages.first()?.n.saturating_sub(after).saturating_sub(1);
    (after > 0 && gone > 0).then(|| {
        let how_many = count(usize::try_from(gone).unwrap_or(usize::MAX), "message");
        format!("-- not shown: {how_many} that the sandbox has forgotten since the last look")
    })
}

/// The messages after one, and then what else there is: the conversations of all of them are among it.
fn look(desk: &Desk, after: u64) -> Result<(Vec<v1::Message>, Value), Failure> {
    let mut all = desk.messages(after)?;
    for _ in 1..MAX_PAGES {
        let Some(last) = all.messages.last().filter(|_| all.more) else { break };
        let next = desk.messages(last.n)?;
        all.messages.extend(next.messages);
        all.more = next.more;
    }
    Ok((all.messages, desk.page()?))
}

/// Tells of each change in the sandbox, as long as its event stream lasts. The thread ends with the program.
fn changes(control: Control) -> Receiver<()> {
    // One that waits is enough.
    let (send, changes) = mpsc::sync_channel(1);
    std::thread::spawn(move || {
        loop {
            for event in control.events(None).into_iter().flatten() {
                if event.is_err() {
                    break;
                }
                if let Err(TrySendError::Disconnected(())) = send.try_send(()) {
                    return;
                }
            }
            std::thread::sleep(POLL_INTERVAL);
        }
    });
    changes
}

/// Pauses, and waits for a change, or for as long as a stream that is down may hide one.
pub(super) fn wait_for(
    pause: impl FnOnce(Duration),
    mut is_changed: impl FnMut(Duration) -> bool,
    stopped: impl Fn() -> bool,
) {
    pause(POLL_INTERVAL);
    for _ in 0..WAITS {
        if stopped() || is_changed(POLL_INTERVAL) {
            return;
        }
    }
}

/// A line if the conversation was opened or closed since `last`, or is another one.
pub(super) fn open_or_closed(
    shown: Option<&Value>,
    last: &mut Option<(String, bool)>,
) -> Option<String> {
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
pub(super) fn open_elsewhere(
    page: &Value,
    shown: Option<&Value>,
    told: &mut BTreeSet<String>,
) -> Vec<String> {
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
pub(super) fn endpoint_line(page: &Value, last: &mut Option<u64>) -> Option<String> {
    let webhooks = page.get("webhooks")?;
    // Without retention each notification has its own next try, and no endpoint is down.
    let has_retention = webhooks.get("retention_s").is_some_and(|time| !time.is_null());
    let next = webhooks.get("next").and_then(Value::as_u64).filter(|_| has_retention);
    let Some(at) = next else {
        // A post under way has no next one yet.
        let failed = webhooks.get("state").is_some_and(|state| state == "FAILED");
        let was_down = !failed && last.take().is_some();
        return was_down.then(|| "-- the webhook endpoint takes notifications again".to_owned());
    };
    if *last == next {
        return None;
    }
    *last = next;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    let seconds = u128::from(at).saturating_sub(now).div_ceil(1000);
    let waiting = webhooks.get("waiting").and_then(Value::as_u64).unwrap_or_default();
    Some(format!(
        "-- the webhook endpoint takes no notifications, so the consumer's side sees nothing yet: the \
         sandbox tries again in {seconds} s ({waiting} waiting)"
    ))
}

/// Shows a message of the consumer or the bot. Returns whether it can be marked as read.
fn show(message: &v1::Message, screen: &Screen) -> bool {
    let text = |value: &Value, name: &str| {
        value.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    let role = message.role.clone();
    if role == "ASSIGNED_AGENT" {
        return false;
    }
    let author = if role == "CONSUMER" { message.from.clone() } else { "bot".to_owned() };
    let event = message.event.clone();
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
