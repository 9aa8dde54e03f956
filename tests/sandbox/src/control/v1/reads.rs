//! The reads of the API: they change nothing.

use std::cmp::Reverse;

use serde_json::json;

use super::describe;
use super::frame::Cursor;
use super::page::PAGE;
use super::router::{Answer, Context, Handled, json};
use super::wire;
use super::{API_VERSION, About, Conversations, Counts, Messages, Problem, Snapshot};
use crate::Endpoint;
use crate::control::triggers::TRIGGERS;
use crate::state::Conversation;

/// The most open conversations of a snapshot.
const MAX_OPEN: usize = 1000;

fn about_of(context: &Context<'_>) -> About {
    let (sandbox, around) = (&context.sandbox, context.around);
    About {
        api: API_VERSION.to_owned(),
        epoch: sandbox.journal.as_ref().map(|journal| journal.epoch.clone()).unwrap_or_default(),
        cloud: around.cloud.clone(),
        account: sandbox.config.account.clone(),
        client_id: sandbox.config.app().map(|app| app.client_id.clone()).unwrap_or_default(),
        streams: around.streams,
        signs_own_bodies: !sandbox.config.foreign_secret,
    }
}

pub(super) fn about(context: &mut Context<'_>) -> Handled {
    json(200, about_of(context))
}

pub(super) fn snapshot(context: &mut Context<'_>) -> Handled {
    let about = about_of(context);
    let at = Cursor::now(context.sandbox).map(|cursor| cursor.to_string()).unwrap_or_default();
    let sandbox = &*context.sandbox;
    let state = &sandbox.state;
    let (mut open, mut closed): (Vec<&Conversation>, Vec<&Conversation>) =
        state.conversations.values().partition(|one| one.open);
    let counts = Counts {
        conversations: state.conversations.len(),
        open: open.len(),
        messages: state.published,
        wire: sandbox.recorded().map_or(0, |log| log.next_number() - 1),
        notifications: sandbox.notified,
        requests: Endpoint::ALL
            .into_iter()
            .map(|endpoint| (endpoint.name().to_owned(), sandbox.requests(endpoint)))
            .collect(),
    };
    for (all, most) in [(&mut open, MAX_OPEN), (&mut closed, PAGE)] {
        all.sort_by_key(|one| Reverse(one.last_use_ms()));
        all.truncate(most);
    }
    let rows = wire::newest(sandbox);
    let secrets = describe::secrets(sandbox);
    let shown = |one| describe::conversation(&secrets, one);
    json(
        200,
        Snapshot {
            about,
            at,
            seed: sandbox.config.seed.map(|seed| seed.to_string()),
            counts,
            conversations: open.into_iter().chain(closed).map(shown).collect(),
            wire: rows,
            wire_kept: sandbox.recorded().map_or(0, crate::RequestLog::len),
            wire_limit: sandbox.recorded().map_or(0, |log| log.limits().exchanges),
            faults: sandbox.faults().iter().map(describe::fault).collect(),
            tokens: describe::tokens(sandbox),
            webhooks: describe::webhooks(sandbox),
            installs: describe::installs(sandbox),
            files: describe::files(sandbox),
            notifications: describe::notifications(sandbox, u64::MAX),
        },
    )
}

pub(super) fn events(context: &mut Context<'_>) -> Handled {
    let last = context.headers.get("last-event-id").and_then(|value| value.to_str().ok());
    let after = last.map(str::to_owned).or_else(|| context.query.get("after").cloned());
    Ok(Answer::Stream(after.filter(|after| !after.is_empty())))
}

pub(super) fn conversations(context: &mut Context<'_>) -> Handled {
    let after = context.query_number("after")?.unwrap_or(u64::MAX);
    let consumer = context.query.get("consumer");
    let state = context.query.get("state").map_or("all", String::as_str);
    if !["open", "closed", "all"].contains(&state) {
        return Err(Problem::new(400, format!("state={state}: it must be open, closed or all")));
    }
    let newest_first = context.sandbox.state.conversations.newest().map(|(_, one)| one);
    let mut found = newest_first
        .filter(|one| one.opened < after)
        .filter(|one| state == "all" || one.open == (state == "open"))
        .filter(|one| consumer.is_none_or(|consumer| one.consumer == *consumer));
    let page: Vec<&Conversation> = found.by_ref().take(PAGE).collect();
    let next = found.next().and_then(|_| page.last().map(|one| one.opened));
    let secrets = describe::secrets(context.sandbox);
    let shown = |one| describe::conversation(&secrets, one);
    let conversations = page.into_iter().map(shown).collect();
    json(200, Conversations { conversations, next })
}

pub(super) fn conversation(context: &mut Context<'_>) -> Handled {
    let id = context.conversation()?;
    let secrets = describe::secrets(context.sandbox);
    let shown = |one| describe::conversation(&secrets, one);
    json(200, context.sandbox.state.conversations.get(&id).map(shown))
}

pub(super) fn messages_of(context: &mut Context<'_>) -> Handled {
    let id = context.conversation()?;
    page_of_messages(context, Some(&id))
}

pub(super) fn messages(context: &mut Context<'_>) -> Handled {
    page_of_messages(context, None)
}

/// The 200 messages after a number, or the last 200 before one.
fn page_of_messages(context: &Context<'_>, conversation: Option<&str>) -> Handled {
    let (before, after) = (context.query_number("before")?, context.query_number("after")?);
    let sandbox = &*context.sandbox;
    let is_here = |one: &&crate::Message| conversation.is_none_or(|id| one.conversation == id);
    let all = sandbox.messages();
    let first = all.front().map_or(0, |one| one.number);
    let place = |number: u64| {
        usize::try_from(number.saturating_sub(first)).unwrap_or(usize::MAX).min(all.len())
    };
    let (mut page, earlier, more);
    match (before, after) {
        (None, Some(after)) => {
            let mut found = all.iter().skip(place(after.saturating_add(1))).filter(is_here);
            page = found.by_ref().take(PAGE).collect::<Vec<_>>();
            more = found.next().is_some();
            earlier = all.iter().take(place(after.saturating_add(1))).any(|one| is_here(&one));
        }
        (before, _) => {
            let end = before.map_or(all.len(), place);
            let mut found = all.iter().take(end).rev().filter(is_here);
            page = found.by_ref().take(PAGE).collect::<Vec<_>>();
            earlier = found.next().is_some();
            more = all.iter().skip(end).any(|one| is_here(&one));
            page.reverse();
        }
    }
    let messages = page.into_iter().map(|one| describe::message(sandbox, one)).collect();
    json(200, Messages { messages, earlier, more })
}

pub(super) fn message(context: &mut Context<'_>) -> Handled {
    let number = context.number("message")?;
    let found = context.sandbox.state.message(number);
    let found = found.map(|one| describe::message(context.sandbox, one));
    match found {
        Some(found) => json(200, found),
        None => Err(Problem::new(404, format!("no message {number}"))),
    }
}

pub(super) fn file(context: &mut Context<'_>) -> Handled {
    let number = context.number("file")?;
    let mut files = context.sandbox.state.files.values();
    match files.find(|file| file.number == number) {
        Some(file) => Ok(Answer::File(file.bytes.clone(), file.media_type())),
        None => Err(Problem::new(404, format!("file {number} is not kept"))
            .detail("the sandbox keeps the newest 64, of at most 64 MiB")),
    }
}

pub(super) fn faults(context: &mut Context<'_>) -> Handled {
    json(200, describe::faults(context.sandbox))
}

pub(super) fn triggers(_: &mut Context<'_>) -> Handled {
    let triggers: Vec<_> = TRIGGERS.iter().map(|spec| spec.describe()).collect();
    json(200, json!({"triggers": triggers}))
}

pub(super) fn tokens(context: &mut Context<'_>) -> Handled {
    json(200, json!({"tokens": describe::tokens(context.sandbox)}))
}

pub(super) fn webhooks(context: &mut Context<'_>) -> Handled {
    json(200, describe::webhooks(context.sandbox))
}

pub(super) fn installs(context: &mut Context<'_>) -> Handled {
    json(200, json!({"installs": describe::installs(context.sandbox)}))
}
