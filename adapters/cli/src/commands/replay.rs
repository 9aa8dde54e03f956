//! Lets a running sandbox post notifications again.

use lp_connector_sandbox::control::Control;
use serde_json::json;

use super::conversations::age;
use crate::control;
use crate::failure::Failure;
use crate::output::{Output, count};
use crate::post::success;
use crate::table::Table;

/// Lists the newest notifications.
pub(crate) fn list(control: &Control, output: &Output) -> Result<(), Failure> {
    let titles = ["N", "KIND", "CONVERSATION", "STATE", "ATTEMPTS", "AGE", "URL"];
    let mut table = Table::new(&titles);
    for one in control.notifications()?.notifications {
        output.event_alone(&json!({"event": "notification", "number": one.n, "kind": one.kind,
            "conversation_id": one.conversation, "state": one.state, "attempts": one.attempts,
            "url": one.url}));
        table.row([
            one.n.to_string(),
            one.kind,
            one.conversation.unwrap_or_default(),
            one.state,
            one.attempts.to_string(),
            age(one.at),
            one.url,
        ]);
    }
    if table.is_empty() {
        output.remark("there is no notification yet");
    }
    table.print(output);
    Ok(())
}

/// Lets the sandbox try at once all that it holds back.
pub(crate) fn held(control: &Control, output: &Output) -> Result<(), Failure> {
    let held = control.retry_webhooks()?;
    let line = match held {
        0 => "nothing is held back".to_owned(),
        _ => format!("tried again: {}", count(held, "notification")),
    };
    output.done(&json!({"event": "retried", "notifications": held}), line);
    if held > 0 {
        control::print_held_back(control, output);
    }
    Ok(())
}

/// Posts one again: this one, or the last.
pub(crate) fn replay(
    control: &Control,
    number: Option<u64>,
    output: &Output,
) -> Result<(), Failure> {
    let number = match number {
        Some(number) => number,
        None => match control.notifications()?.notifications.first() {
            Some(last) => last.n,
            None => return Err(Failure::Local("there is no notification yet".to_owned())),
        },
    };
    let posted = control.replay(number)?;
    let (n, attempt, took) = (posted.notification, posted.attempt, posted.us / 1000);
    let accepted = success(posted.status);
    let status = posted.status.map_or("no response".to_owned(), |status| status.to_string());
    let answer: Vec<&str> =
        posted.answer.as_deref().unwrap_or_default().split_whitespace().collect();
    let answer = answer.join(" ");
    let colon = if answer.is_empty() { "" } else { ": " };
    output.done(
        &json!({"event": "replayed", "number": n, "attempt": attempt, "status": posted.status,
            "accepted": accepted.is_ok(), "took_ms": took, "to": posted.url, "body": answer}),
        format!(
            "notification {n}, attempt {attempt}: {status} in {took} ms from {}{colon}{answer}",
            posted.url
        ),
    );
    accepted
}
