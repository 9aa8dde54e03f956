//! AppJWTs and ConsumerJWSs: issuing and checking them
//! ([protocol.md 4](https://docs.rs/lp-connector-core/latest/lp_connector_core/protocol/#4),
//! [5](https://docs.rs/lp-connector-core/latest/lp_connector_core/protocol/#5),
//! [10.1](https://docs.rs/lp-connector-core/latest/lp_connector_core/protocol/#10.1)).

use std::time::Duration;

use http::{HeaderMap, Request};
use serde_json::{Value, json};

use crate::installs::Install;
use crate::journal::Subject;
use crate::journal::TokenName;
use crate::request::{Version, credential, fields, has_content_type, text};
use crate::response::{self, HttpResponse};
use crate::sandbox::Sandbox;
use crate::state::{AppToken, ConsumerToken, Usage};

/// The header of the ConsumerJWS
/// ([protocol.md 5](https://docs.rs/lp-connector-core/latest/lp_connector_core/protocol/#5)).
pub(crate) const ON_BEHALF: &str = "x-lp-on-behalf";

/// `POST /sentinel/api/account/{account}/app/token`, in all three forms of
/// [protocol.md 4.1](https://docs.rs/lp-connector-core/latest/lp_connector_core/protocol/#4.1).
pub(crate) fn app_token(
    sandbox: &mut Sandbox,
    now: Duration,
    account: &str,
    request: &Request<Vec<u8>>,
) -> HttpResponse {
    let refuse = |why: &str| response::oauth(400, "invalid_request", why);
    let headers = request.headers();
    let is_form = has_content_type(headers, "application/x-www-form-urlencoded");
    // What is in the query alone needs none; a page names the other one (protocol.md 14, row 9).
    let is_sent = request.body().is_empty() || has_content_type(headers, "application/json");
    let mut is_taken = || is_sent && sandbox.tolerates("the content type is not that of a form");
    if !is_form && !is_taken() {
        return refuse("the content type must be application/x-www-form-urlencoded");
    }
    let mut fields = fields(request, true);
    // Clients that say JSON send a form or JSON.
    if !is_form && let Ok(Value::Object(members)) = serde_json::from_slice(request.body()) {
        let texts = members.into_iter().filter_map(|(name, value)| match value {
            Value::String(text) => Some((name, text)),
            _ => None,
        });
        fields.extend(texts);
    }
    if let Err(wrong) = Version::V1.check(sandbox, &fields) {
        return refuse(wrong);
    }
    let field = |name: &str| fields.get(name).map(String::as_str);
    match field("grant_type") {
        Some("client_credentials") => {}
        Some(_) => {
            return response::oauth(400, "unsupported_grant_type", "only client_credentials");
        }
        None => return refuse("grant_type is missing"),
    }
    let (Some(id), Some(secret)) = (field("client_id"), field("client_secret")) else {
        return refuse("client_id or client_secret is missing");
    };
    let config = &sandbox.config;
    let known = config.apps.iter().any(|app| app.client_id == id && app.client_secret == secret);
    let enabled = sandbox.state.installs.get(id).is_none_or(Install::is_enabled);
    if account != config.account || !known || !enabled {
        return response::oauth(401, "invalid_client", "unknown client id or wrong secret");
    }
    let lifetime = config.token_life;
    let (iat, exp) = (now.as_secs(), now.saturating_add(lifetime).as_secs());
    let claims = json!({"aud": account, "azp": id, "scope": "msg.consumer", "iss": "Sentinel",
        "iat": iat, "exp": exp});
    let token = sandbox.random.jws(&claims);
    sandbox.state.tokens_issued += 1;
    let number = sandbox.state.tokens_issued;
    let issued = AppToken {
        number,
        owner: id.to_owned(),
        issued: now,
        expires_at: Duration::from_secs(exp),
        usage: Usage::default(),
    };
    sandbox.name_token(&token, TokenName::App(number));
    sandbox.state.app_tokens.insert(token.clone(), issued);
    sandbox.changed(Subject::Tokens);
    let mut body = json!({"access_token": token, "token_type": "Bearer"});
    if let (true, Some(body)) = (sandbox.config.expires_in, body.as_object_mut()) {
        body.insert("expires_in".to_owned(), lifetime.as_secs().into());
    }
    response::json(200, &body)
}

/// `POST /api/account/{account}/consumer`
/// ([protocol.md 5](https://docs.rs/lp-connector-core/latest/lp_connector_core/protocol/#5)).
pub(crate) fn consumer_token(
    sandbox: &mut Sandbox,
    now: Duration,
    account: &str,
    request: &Request<Vec<u8>>,
) -> HttpResponse {
    if let Err(refused) = check_app_token(sandbox, now, account, request.headers()) {
        return *refused;
    }
    if let Err(wrong) = Version::V1.check(sandbox, &fields(request, false)) {
        return response::bad_request(wrong, "");
    }
    if !has_content_type(request.headers(), "application/json") {
        return response::bad_request("the content type must be application/json", "");
    }
    let body: Value = serde_json::from_slice(request.body()).unwrap_or_default();
    let Some(consumer) = text(&body, "ext_consumer_id").filter(|id| !id.is_empty()) else {
        return response::bad_request("ext_consumer_id is missing", "");
    };
    let lp = crate::random::stable_hex(&format!("{account}/{consumer}"));
    let claims = json!({"account_id": account, "ext_consumer_id": consumer, "lp_consumer_id": lp});
    let token = sandbox.random.jws(&claims);
    sandbox.state.tokens_issued += 1;
    let number = sandbox.state.tokens_issued;
    let consumer = consumer.to_owned();
    sandbox.name_token(&token, TokenName::Consumer(number, consumer.clone()));
    let issued = ConsumerToken { number, consumer, issued: now, usage: Usage::default() };
    sandbox.state.consumer_tokens.insert(token.clone(), issued);
    sandbox.changed(Subject::Tokens);
    response::json(201, &json!({"token": token}))
}

/// Checks the AppJWT of a request.
fn check_app_token(
    sandbox: &mut Sandbox,
    now: Duration,
    account: &str,
    headers: &HeaderMap,
) -> Result<(), Box<HttpResponse>> {
    let Some(token) = credential(headers, "authorization") else {
        return Err(Box::new(response::unauthorized(40105)));
    };
    let own_account = account == sandbox.config.account;
    let token = sandbox.state.app_tokens.get_mut(token);
    match token.filter(|token| own_account && now < token.expires_at) {
        Some(token) => {
            token.usage.add(now);
            Ok(())
        }
        None => Err(Box::new(response::unauthorized(40102))),
    }
}

/// Checks both tokens of a request. Returns the consumer.
pub(crate) fn authenticate_consumer(
    sandbox: &mut Sandbox,
    now: Duration,
    account: &str,
    headers: &HeaderMap,
) -> Result<String, Box<HttpResponse>> {
    check_app_token(sandbox, now, account, headers)?;
    let Some(token) = credential(headers, ON_BEHALF) else {
        return Err(Box::new(response::unauthorized(40104)));
    };
    match sandbox.state.consumer_tokens.get_mut(token) {
        Some(token) => {
            token.usage.add(now);
            Ok(token.consumer.clone())
        }
        None => Err(Box::new(response::unauthorized(40103))),
    }
}
