//! The reads of exchanges and notifications.

use super::describe;
use super::page::PAGE;
use super::router::{Answer, Context, Handled, json};
use super::{ExchangeDetail, Half, Links, NotificationDetail, Notifications, Problem, Row, Rows};
use crate::control::curl;
use crate::journal::{Exchange, NotificationRecord};
use crate::mask::Secrets;
use crate::sandbox::Sandbox;
use crate::{Endpoint, FaultFilter, Way, WireFilter};

/// The newest rows, newest first.
pub(super) fn newest(sandbox: &Sandbox) -> Vec<Row> {
    let secrets = describe::secrets(sandbox);
    let filter = WireFilter::default();
    let found = sandbox.recorded().into_iter().flat_map(|log| log.find(None, None, &filter));
    found.take(PAGE).map(|one| describe::row(&secrets, one)).collect()
}

pub(super) fn rows(context: &mut Context<'_>) -> Handled {
    let filter = filter(context)?;
    let (before, after) = (context.query_number("before")?, context.query_number("after")?);
    let limit = context.query_number("limit")?.map_or(PAGE, |limit| (limit as usize).min(PAGE));
    let sandbox = &*context.sandbox;
    let Some(log) = sandbox.recorded() else { return json(200, Rows::default()) };
    let mut found = log.find(before, after, &filter);
    let page: Vec<&Exchange> = found.by_ref().take(limit).collect();
    let next = found.next().and_then(|_| page.last().map(|one| one.number));
    let secrets = describe::secrets(sandbox);
    let rows = page.into_iter().map(|one| describe::row(&secrets, one)).collect();
    json(200, Rows { rows, next, kept: log.len(), limit: log.limits().exchanges })
}

/// The filter of the query.
fn filter(context: &Context<'_>) -> Result<WireFilter, Problem> {
    let wrong = |why: String| Problem::new(400, why);
    let of =
        |name: &str| context.query.get(name).map(String::as_str).filter(|text| !text.is_empty());
    let endpoint = of("endpoint").map(str::parse::<Endpoint>).transpose().map_err(wrong)?;
    let status = of("status").map(str::parse).transpose().map_err(wrong)?;
    let fault = match of("fault") {
        None => None,
        Some("any") => Some(FaultFilter::Any),
        Some(_) => context.query_number("fault")?.map(FaultFilter::Number),
    };
    let way = match of("way") {
        None => None,
        Some("in") => Some(Way::In),
        Some("out") => Some(Way::Out),
        Some(other) => return Err(wrong(format!("way={other}: it must be in or out"))),
    };
    let conversation = of("conversation").map(str::to_owned);
    Ok(WireFilter { endpoint, status, conversation, fault, way })
}

fn find<'a>(context: &'a Context<'_>) -> Result<&'a Exchange, Problem> {
    let number = context.number("exchange")?;
    let log = context.sandbox.recorded();
    let missing = || {
        let kept = log.map_or(0, crate::RequestLog::len);
        Problem::new(404, format!("exchange {number} is not kept"))
            .detail(format!("the newest {kept} are"))
    };
    log.and_then(|log| log.get(number)).ok_or_else(missing)
}

pub(super) fn exchange(context: &mut Context<'_>) -> Handled {
    let found = find(context)?;
    let sandbox = &*context.sandbox;
    let secrets = describe::secrets(sandbox);
    let record = found.notification.and_then(|number| record(sandbox, number));
    let range = |range: Option<(u64, u64)>| -> Vec<u64> {
        range.map(|(first, last)| (first..=last).take(PAGE).collect()).unwrap_or_default()
    };
    let links = Links {
        messages: range(found.messages),
        notifications: match found.notification {
            Some(number) => vec![number],
            None => range(found.notifications),
        },
        conversation: found.conversation.clone(),
        faults: found.faults.clone(),
        cause: record.and_then(|record| record.cause),
    };
    let line = format!("{} {}", found.method, secrets.target(&found.target));
    let response =
        found.status.map(|status| Half { status: Some(status), ..half(&secrets, &found.response) });
    json(
        200,
        ExchangeDetail {
            row: describe::row(&secrets, found),
            request: Half { line: Some(line), ..half(&secrets, &found.request) },
            response,
            links,
            notification: record.map(describe::notification),
            attempts: record.map(|record| attempts(sandbox, &secrets, record)).unwrap_or_default(),
        },
    )
}

/// A half as it may be shown.
fn half(secrets: &Secrets<'_>, half: &crate::Half) -> Half {
    let kind = half.headers.get(http::header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let (kept, bytes) = (half.body.bytes.len(), half.body.total);
    let is_kept = kept > 0 || bytes == 0;
    let shown = secrets.body(kind.unwrap_or_default(), &half.body.bytes, kept < bytes);
    Half {
        line: None,
        status: None,
        headers: secrets.headers(&half.headers),
        binary: is_kept && shown.is_none(),
        body: shown.filter(|_| is_kept),
        bytes,
        kept,
    }
}

pub(super) fn curl(context: &mut Context<'_>) -> Handled {
    let found = find(context)?;
    let secrets = describe::secrets(context.sandbox);
    let base = &context.around.cloud;
    Ok(Answer::Text(curl::command(&secrets, base, found)))
}

fn record(sandbox: &Sandbox, number: u64) -> Option<&NotificationRecord> {
    sandbox.journal.as_ref()?.notifications.get(number)
}

fn attempts(sandbox: &Sandbox, secrets: &Secrets<'_>, record: &NotificationRecord) -> Vec<Row> {
    let log = sandbox.recorded();
    let found = record.exchanges.iter().filter_map(|number| log?.get(*number));
    found.map(|one| describe::row(secrets, one)).collect()
}

pub(super) fn notifications(context: &mut Context<'_>) -> Handled {
    let before = context.query_number("before")?.unwrap_or(u64::MAX);
    let notifications = describe::notifications(context.sandbox, before);
    let next = match notifications.last() {
        Some(last) if notifications.len() == PAGE => Some(last.n),
        _ => None,
    };
    json(200, Notifications { notifications, next })
}

pub(super) fn notification(context: &mut Context<'_>) -> Handled {
    let number = context.number("notification")?;
    let sandbox = &*context.sandbox;
    let found = record(sandbox, number)
        .ok_or_else(|| Problem::new(404, format!("notification {number} is not kept")))?;
    let secrets = describe::secrets(sandbox);
    json(
        200,
        NotificationDetail {
            notification: describe::notification(found),
            body: serde_json::from_slice(&found.body).unwrap_or_default(),
            attempts: attempts(sandbox, &secrets, found),
        },
    )
}
