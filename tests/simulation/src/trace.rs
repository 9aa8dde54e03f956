//! The trace: one line of text for each log entry.

use std::fmt::Write as _;
use std::time::Duration;

use lp_connector_core::error::Stage;

use crate::event_log::LogEntry;
use crate::world::World;

/// Writes one line.
pub(crate) fn note(trace: &mut String, at: Duration, text: &str) {
    // Writing to a String does not fail.
    let _ = writeln!(trace, "{:>16.6} s  {text}", at.as_secs_f64());
}

/// Writes the line of a log entry.
pub(crate) fn line(world: &World, at: Duration, entry: LogEntry, trace: &mut String) {
    let request = |nth: usize| {
        let sent = world.sent.get(nth)?;
        Some((sent, format!("[{}] #{} {}", sent.caller, sent.number, sent.stage.name())))
    };
    let text = match entry {
        LogEntry::CallStarted { caller } => format!("[{caller}] starts"),
        LogEntry::RequestSent { nth } => match request(nth) {
            Some((sent, which)) => {
                let left =
                    sent.token_remaining.map(|left| format!(", token valid for {left:.1} s"));
                let left = left.unwrap_or_default();
                // A domain lookup names its service in the path.
                let service = sent.resource.split('/').nth(5);
                let service = service.filter(|_| sent.stage == Stage::Domain);
                let of = service.map(|service| format!(" of {service}")).unwrap_or_default();
                format!("{which}{of} -> {}: {}{left}", sent.host, sent.fault)
            }
            None => return,
        },
        LogEntry::RequestArrived { nth } => match request(nth) {
            Some((sent, which)) => {
                let status = sent.status.unwrap_or_default();
                let retry_after =
                    sent.retry_after.map(|seconds| format!(", retry after {seconds} s"));
                format!("{which} reaches the cloud: {status}{}", retry_after.unwrap_or_default())
            }
            None => return,
        },
        LogEntry::OutcomeHandled { nth } => match request(nth) {
            Some((sent, which)) => {
                let text = if sent.received { "has a response" } else { "has no response" };
                format!("{which} {text}")
            }
            None => return,
        },
        LogEntry::WrongResponse { nth } => match request(nth) {
            Some((_, which)) => format!("{which} gets a wrong response"),
            None => return,
        },
        LogEntry::LateResponse { caller, number, accepted } => {
            let verdict = if accepted { "accepted" } else { "ignored" };
            format!("[{caller}] #{number} late response {verdict}")
        }
        LogEntry::EventEmitted { caller, event } => {
            let event = world.callers.get(caller).and_then(|caller| caller.events.get(event));
            match event {
                Some(event) => format!("[{caller}] event {:?}", event.kind),
                None => return,
            }
        }
        LogEntry::CallWaiting { caller, until } => {
            format!("[{caller}] waits until {:.6} s", until.as_secs_f64())
        }
        LogEntry::CallFinished { caller } => {
            let finished = world.callers.get(caller).and_then(|caller| caller.finished.as_ref());
            match finished.map(|finished| &finished.result) {
                Some(Ok(done)) => format!("[{caller}] succeeds after {} attempts", done.attempts),
                Some(Err(error)) => format!("[{caller}] fails: {error}"),
                None => return,
            }
        }
        LogEntry::CallCancelled { caller, notify } => {
            format!("[{caller}] is cancelled{}", if notify { "" } else { " unnoticed" })
        }
        LogEntry::ProcessRestarted { process } => format!("process {process} restarts"),
        LogEntry::PostHandled { nth, status } => match status {
            Some(status) => format!("webhook post {nth} answered {status}"),
            None => format!("webhook post {nth} not received"),
        },
        LogEntry::MessageProcessed { nth } => {
            let processed =
                world.endpoint.as_ref().and_then(|endpoint| endpoint.processed.get(nth));
            match processed {
                Some(processed) => format!(
                    "message {:?} of {} processed ({:?})",
                    processed.sequence, processed.conversation, processed.order
                ),
                None => return,
            }
        }
    };
    note(trace, at, &text);
}
