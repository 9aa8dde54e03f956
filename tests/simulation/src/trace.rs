//! What happens, a line for each thing.

use std::fmt::Write as _;
use std::time::Duration;

use lp_connector_core::error::Stage;

use crate::journal::Happened;
use crate::world::World;

/// Writes one line.
pub(crate) fn note(trace: &mut String, at: Duration, what: &str) {
    // Writing to a String does not fail.
    let _ = writeln!(trace, "{:>16.6} s  {what}", at.as_secs_f64());
}

/// Writes what happened, in the words of one who looks on.
pub(crate) fn line(world: &World, at: Duration, happened: Happened, trace: &mut String) {
    let request = |nth: usize| {
        let sent = world.sent.get(nth)?;
        Some((sent, format!("[{}] #{} {}", sent.caller, sent.number, sent.stage.name())))
    };
    let what = match happened {
        Happened::Began { caller } => format!("[{caller}] begins"),
        Happened::Sent { nth } => match request(nth) {
            Some((sent, which)) => {
                let left = sent.token_left.map(|left| format!(", token good for {left:.1} s"));
                let left = left.unwrap_or_default();
                // Of a host look-up, whose host.
                let of = sent.what.split('/').nth(5).filter(|_| sent.stage == Stage::Domain);
                let of = of.map(|of| format!(" of {of}")).unwrap_or_default();
                format!("{which}{of} -> {}: {}{left}", sent.host, sent.weather)
            }
            None => return,
        },
        Happened::Arrived { nth } => match request(nth) {
            Some((sent, which)) => {
                let status = sent.status.unwrap_or_default();
                let asked = sent.retry_after.map(|asked| format!(", retry after {asked} s"));
                format!("{which} arrives: {status}{}", asked.unwrap_or_default())
            }
            None => return,
        },
        Happened::Known { nth } => match request(nth) {
            Some((sent, which)) => {
                let what = if sent.answered { "has its answer" } else { "has no answer" };
                format!("{which} {what}")
            }
            None => return,
        },
        Happened::Mangled { nth } => match request(nth) {
            Some((_, which)) => format!("{which} gets what is not its answer"),
            None => return,
        },
        Happened::Late { caller, number, taken } => {
            let taken = if taken { "taken" } else { "dropped" };
            format!("[{caller}] #{number}: a late answer is {taken}")
        }
        Happened::Told { caller, event } => {
            let event = world.callers.get(caller).and_then(|caller| caller.events.get(event));
            match event {
                Some(event) => format!("[{caller}] tells: {:?}", event.kind),
                None => return,
            }
        }
        Happened::Waits { caller, until } => {
            format!("[{caller}] waits until {:.6} s", until.as_secs_f64())
        }
        Happened::Ended { caller } => {
            let ended = world.callers.get(caller).and_then(|caller| caller.ended.as_ref());
            match ended.map(|ended| &ended.result) {
                Some(Ok(done)) => format!("[{caller}] succeeds after {} tries", done.attempts),
                Some(Err(error)) => format!("[{caller}] fails: {error}"),
                None => return,
            }
        }
        Happened::Left { caller, telling } => {
            format!("[{caller}] leaves {} a word", if telling { "with" } else { "without" })
        }
        Happened::Restarted { process } => format!("process {process} starts anew"),
        Happened::Posted { nth, status } => match status {
            Some(status) => format!("post {nth} reaches the endpoint: {status}"),
            None => format!("post {nth} reaches nobody"),
        },
        Happened::Heard { nth } => {
            let heard = world.endpoint.as_ref().and_then(|endpoint| endpoint.heard.get(nth));
            match heard {
                Some(heard) => format!(
                    "the connector acts on {:?} of {} ({:?})",
                    heard.sequence, heard.conversation, heard.order
                ),
                None => return,
            }
        }
    };
    note(trace, at, &what);
}
