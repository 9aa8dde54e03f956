//! What a gateway asks about one consumer, and typing.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use lp_connector_core::bridge::{ConsumerState, ConsumerSummary};
use lp_connector_core::id::ExtConsumerId;
use serde::Serialize;

use super::answer::{Caller, Refusal, json};
use super::app::{App, HandedIn};
use super::ask::in_time;
use super::calls::{consumer, unstored};
use super::gateway::Gateway;
use crate::request::parse_typing;

/// After this time without news, the agent is told that the consumer types no more: LivePerson does not end it.
const TYPING: Duration = Duration::from_secs(30);

/// The most consumers that type at a time.
const MAX_TYPING: usize = 10_000;

#[derive(Serialize)]
pub(super) struct Consumer {
    conversation: Option<Conversation>,
    queued: u64,
    recent: Vec<Recent>,
}

#[derive(Serialize)]
struct Conversation {
    /// Null while it is open, and not known yet which it is.
    id: Option<String>,
    state: &'static str,
    survey: bool,
}

#[derive(Serialize)]
struct Recent {
    id: String,
    status: &'static str,
    reason: Option<String>,
    /// What refused it, for people.
    detail: Option<String>,
    at: Option<String>,
}

/// `GET /v1/consumer?consumer=…`
pub(super) async fn show(State(app): State<App>, request: Request) -> Result<Response, Refusal> {
    let gateway = app.gateway(&request)?;
    let consumer = consumer(&gateway, request.uri().query())?;
    let shown = state_of(&app, &gateway, &consumer).await?;
    let mut response = json(StatusCode::OK, &shown);
    response.extensions_mut().insert(Caller(gateway.name.clone()));
    Ok(response)
}

/// What is known of a consumer.
pub(super) async fn state_of(
    app: &App,
    gateway: &Gateway,
    consumer: &ExtConsumerId,
) -> Result<Consumer, Refusal> {
    let bridge = app.bridge_of(gateway)?;
    let summary = in_time(bridge.consumer(consumer)).await;
    Ok(match summary.map_err(|error| unstored(&error))? {
        Some(summary) => Consumer::of(&summary),
        None => Consumer { conversation: None, queued: 0, recent: Vec::new() },
    })
}

impl Consumer {
    fn of(summary: &ConsumerSummary) -> Self {
        let is_any = summary.state != ConsumerState::None;
        let recent = summary.recent.iter().map(|one| Recent {
            id: one.id.clone(),
            status: one.status,
            reason: one.reason.clone(),
            detail: one.detail.clone(),
            at: one.at.map(|at| humantime::format_rfc3339_millis(SystemTime::from(at)).to_string()),
        });
        Self {
            conversation: is_any.then(|| Conversation {
                id: summary.conversation.as_ref().map(|id| id.as_str().to_owned()),
                state: summary.state.name(),
                survey: summary.survey,
            }),
            queued: summary.queued,
            recent: recent.collect(),
        }
    }
}

/// `POST /v1/typing`: never stored, and no conversation is no error.
pub(super) async fn typing(State(app): State<App>, request: Request) -> Response {
    let own = app.clone();
    app.hand_in("typing", request, |call| async move {
        let typing = parse_typing(&call.body, &call.gateway.rules)?;
        match typing.typing {
            true => own.typists.begin(&call.gateway, &typing.consumer, Instant::now()),
            false => drop(own.typists.end(&call.gateway, &typing.consumer)),
        }
        tell(&own, &call.gateway, &typing.consumer, typing.typing).await;
        Ok((HandedIn::Accepted, StatusCode::NO_CONTENT.into_response()))
    })
    .await
}

/// Tells the agent. A loss of it is harmless.
async fn tell(app: &App, gateway: &Gateway, consumer: &ExtConsumerId, typing: bool) {
    let Some(bridge) = app.bridge.of(&gateway.account) else { return };
    if let Err(error) = bridge.typing(consumer, typing).await {
        tracing::debug!(
            target: super::LOG, event = "typing", gateway = gateway.name,
            consumer = consumer.as_str(), cause = %error
        );
    }
}

/// A message ends typing: LivePerson does not.
pub(super) fn end_by_message(app: &App, gateway: &Arc<Gateway>, consumer: &ExtConsumerId) {
    if app.typists.end(gateway, consumer) {
        let (app, gateway, consumer) = (app.clone(), gateway.clone(), consumer.clone());
        tokio::spawn(async move { tell(&app, &gateway, &consumer, false).await });
    }
}

/// Ends the typing of those who went away. It ends with the server.
pub(super) async fn end_by_time(app: App) {
    loop {
        for (gateway, consumer) in app.typists.take_over(Instant::now()) {
            if let Some(gateway) = app.core.gateway_named(&gateway) {
                tell(&app, gateway, &consumer, false).await;
            }
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

/// The consumers who type, and until when that is believed.
#[derive(Debug, Default)]
pub(super) struct Typists(Mutex<BTreeMap<(String, ExtConsumerId), Instant>>);

impl Typists {
    fn begin(&self, gateway: &Gateway, consumer: &ExtConsumerId, now: Instant) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let who = (gateway.name.clone(), consumer.clone());
        if all.len() < MAX_TYPING || all.contains_key(&who) {
            all.insert(who, now + TYPING);
        }
    }

    /// True if the consumer typed.
    fn end(&self, gateway: &Gateway, consumer: &ExtConsumerId) -> bool {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.remove(&(gateway.name.clone(), consumer.clone())).is_some()
    }

    fn take_over(&self, now: Instant) -> Vec<(String, ExtConsumerId)> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let over = all.iter().filter(|(_, until)| **until <= now).map(|(who, _)| who.clone());
        let over: Vec<_> = over.collect();
        all.retain(|_, until| now < *until);
        over
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::pin::pin;
    use std::task::Poll;

    use super::super::doubles::{AwayStore, app_over, block_on, gateway};
    use super::*;

    #[test]
    fn typing_is_over_after_thirty_seconds_without_news() {
        let (gateway, typists, start) = (gateway(), Typists::default(), Instant::now());
        let at = |millis| start + Duration::from_millis(millis);
        let [ada, bob] = ["ada", "bob"].map(|name| ExtConsumerId::new(name).unwrap());
        typists.begin(&gateway, &ada, start);
        typists.begin(&gateway, &bob, at(10_000));
        let over = |millis| {
            let over = typists.take_over(at(millis)).into_iter();
            over.map(|(_, who)| who.as_str().to_owned()).collect::<Vec<_>>()
        };
        assert!(over(29_999).is_empty());
        assert_eq!(over(30_000), ["ada"]);
        assert!(over(30_000).is_empty(), "the agent learns it once");
        assert_eq!(over(40_000), ["bob"]);
    }

    #[test]
    fn the_server_ends_typing_that_is_over() {
        block_on(async {
            let app = app_over(Arc::new(AwayStore::new()));
            let who = ("sms".to_owned(), ExtConsumerId::new("ada").unwrap());
            app.typists.0.lock().unwrap().insert(who, Instant::now());
            let mut ending = pin!(end_by_time(app.clone()));
            let polled = poll_fn(|context| Poll::Ready(ending.as_mut().poll(context))).await;
            assert!(polled.is_pending(), "it goes on with the server");
            assert!(app.typists.0.lock().unwrap().is_empty());
        });
    }

    #[test]
    fn who_types_is_renewed_though_the_list_is_full() {
        let (gateway, typists, start) = (gateway(), Typists::default(), Instant::now());
        let later = start + Duration::from_secs(7);
        let who = |number: usize| ExtConsumerId::new(format!("c{number}")).unwrap();
        (0..MAX_TYPING).for_each(|number| typists.begin(&gateway, &who(number), start));
        let first = |typists: &Typists| {
            let all = typists.0.lock().unwrap();
            all.get(&("sms".to_owned(), who(0))).copied().unwrap()
        };
        let before = first(&typists);
        typists.begin(&gateway, &who(0), later);
        assert_eq!(first(&typists) - before, Duration::from_secs(7));
        typists.begin(&gateway, &who(MAX_TYPING), later);
        assert!(!typists.end(&gateway, &who(MAX_TYPING)), "one more is not believed");
        assert_eq!(typists.take_over(before + TYPING * 2).len(), MAX_TYPING);
    }
}
