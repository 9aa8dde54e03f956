//! Dead letters: they are listed, put back, or deleted.

use std::io::{self, IsTerminal as _, Write as _};

use serde_json::{Value, json};
use ureq::http::Method;

use super::args::{Bulk, LetterFilter};
use super::client::Client;
use super::operations::done;
use super::rows::Rows;
use crate::args::Global;
use crate::failure::Failure;
use crate::output::{Output, count};
use crate::usage;

/// What people see of a letter.
const LETTER: &[&str] = &["id", "reason", "gateway", "consumer", "conversation", "account", "at"];

/// The most letters of one request.
const CHUNK: u32 = 1000;

pub(super) fn list(
    client: &Client,
    filter: &LetterFilter,
    global: &Global,
    (limit, body): (u32, bool),
    output: &Output,
) -> Result<(), Failure> {
    client.check_gateway(filter.gateway.as_ref())?;
    let mut query = members(filter, global);
    query.extend(body.then(|| ("body", "true".to_owned())));
    let mut rows = match body {
        true => Rows::of_lines(output, LETTER),
        false => Rows::new(output, LETTER),
    };
    client.list(&["dead-letters"], &query, limit, |letter| {
        let body = letter.get("body").and_then(Value::as_str);
        let body = body.map(|body| format!("\n  {body}")).unwrap_or_default();
        rows.show(Some(&json!({"event": "dead_letter", "letter": letter})), letter, &body);
    })?;
    rows.end("there is no dead letter");
    Ok(())
}

pub(super) fn replay(
    client: &Client,
    ids: &[String],
    global: &Global,
    output: &Output,
) -> Result<(), Failure> {
    let query = account(global);
    each(ids, output, |id| {
        client.send(Method::POST, &["dead-letters", id, "replay"], query.as_slice(), None)?;
        done(output, "replay", id, &format!("{id} goes to the end of its lane"));
        Ok(())
    })
}

pub(super) fn delete(
    client: &Client,
    ids: &[String],
    global: &Global,
    output: &Output,
) -> Result<(), Failure> {
    let query = account(global);
    each(ids, output, |id| {
        client.send(Method::DELETE, &["dead-letters", id], query.as_slice(), None)?;
        done(output, "delete", id, &format!("{id} is deleted"));
        Ok(())
    })
}

/// Does something to each of them: one that is refused stops no other.
fn each(
    ids: &[String],
    output: &Output,
    act: impl Fn(&str) -> Result<(), Failure>,
) -> Result<(), Failure> {
    if let [id] = ids {
        return act(id);
    }
    let mut refused = 0;
    for id in ids {
        if let Err(failure) = act(id) {
            refused += 1;
            output.remark(&format!("{id}: {failure}"));
        }
    }
    match refused {
        0 => Ok(()),
        _ => Err(Failure::Local(format!("{refused} of {} were refused", ids.len()))),
    }
}

/// Puts all letters back that a filter means, the oldest first, after a question on a terminal.
pub(super) fn replay_all(
    client: &Client,
    bulk: &Bulk,
    global: &Global,
    output: &Output,
) -> Result<(), Failure> {
    let filters = members(&bulk.filter, global);
    match (bulk.all, filters.is_empty()) {
        (false, true) => {
            return Err(Failure::usage("an id is wanted, a filter such as --reason, or --all"));
        }
        (true, false) => return Err(Failure::usage("--all and a filter contradict each other")),
        _ => client.check_gateway(bulk.filter.gateway.as_ref())?,
    }
    let mut meant = 0;
    client.list(&["dead-letters"], &filters, bulk.limit, |letter| {
        meant += u32::from(letter.get("replayable") == Some(&Value::Bool(true)));
    })?;
    let letters = count(usize::try_from(meant).unwrap_or(usize::MAX), "dead letter");
    if meant > 0 && !bulk.yes {
        ask(&format!("Put {letters} back? Each is delivered again. [y/N] "))?;
    }
    let (mut left, mut replayed, mut after) = (meant, 0, Value::Null);
    while left > 0 {
        let mut body: serde_json::Map<String, Value> =
            filters.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
        body.insert("limit".to_owned(), json!(left.min(CHUNK)));
        body.insert("after".to_owned(), after);
        let path = ["dead-letters", "replay"];
        let answer = client.send(Method::POST, &path, &[], Some(&Value::Object(body)))?;
        let some = answer.get("replayed").and_then(Value::as_u64).unwrap_or(0);
        replayed += some;
        left = left.saturating_sub(u32::try_from(some).unwrap_or(u32::MAX));
        after = answer.get("next").cloned().unwrap_or_default();
        if after.is_null() || some == 0 {
            break;
        }
    }
    let letters = count(usize::try_from(replayed).unwrap_or(usize::MAX), "dead letter");
    output.done(
        &json!({"event": "bridge_done", "action": "replay", "of": letters, "count": replayed}),
        format!("{letters} put back"),
    );
    Ok(())
}

/// Asks, where somebody is there to answer.
fn ask(question: &str) -> Result<(), Failure> {
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        return Err(Failure::usage("nobody can be asked here: --yes does it without a question"));
    }
    let failed = |error: io::Error| Failure::Local(format!("cannot ask: {error}"));
    io::stderr().write_all(question.as_bytes()).map_err(failed)?;
    let mut answer = String::new();
    io::stdin().read_line(&mut answer).map_err(failed)?;
    match answer.trim().to_ascii_lowercase().as_str() {
        "y" | "yes" => Ok(()),
        _ => Err(Failure::Local("nothing was done".to_owned())),
    }
}

fn members(filter: &LetterFilter, global: &Global) -> Vec<(&'static str, String)> {
    let LetterFilter { gateway, consumer, reason, since, until } = filter;
    let all = [
        ("gateway", gateway),
        ("consumer", consumer),
        ("reason", reason),
        ("since", since),
        ("until", until),
    ];
    let given = all.into_iter().filter_map(|(name, value)| Some((name, value.clone()?)));
    given.chain(account(global)).collect()
}

/// The account, where the option is given. A variable sets it too, for the other commands: it must not hide letters.
fn account(global: &Global) -> Option<(&'static str, String)> {
    let account = global.account.clone().filter(|_| usage::is_given("--account"));
    account.map(|account| ("account", account))
}
