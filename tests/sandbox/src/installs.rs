//! The login, and the management of app installs
//! ([protocol.md 13](https://docs.rs/lp-connector-core/latest/lp_connector_core/protocol/#13)).

use std::time::Duration;

use http::header::SET_COOKIE;
use http::{HeaderMap, HeaderValue, Method, Request};
use serde_json::{Value, json};

use crate::config::App;
use crate::journal::Subject;
use crate::kept::Weigh;
use crate::random::stable_hex;
use crate::request::{Version, fields, has_content_type, text};
use crate::response::{self, HttpResponse};
use crate::sandbox::Sandbox;

/// The record of an app install, and its revision.
#[derive(Clone, PartialEq, Debug, serde::Serialize, serde::Deserialize)]
pub(crate) struct Install {
    pub(crate) record: Value,
    pub(crate) revision: u64,
}

impl Install {
    pub(crate) fn is_enabled(&self) -> bool {
        self.record.get("enabled").and_then(Value::as_bool).unwrap_or(true)
    }
}

impl Weigh for Install {
    fn weight(&self) -> usize {
        size_of::<Self>() + self.record.weight()
    }
}

fn refuse(status: u16, message: &str) -> HttpResponse {
    response::json(status, &json!({"message": message}))
}

pub(crate) fn login(
    sandbox: &mut Sandbox,
    account: &str,
    request: &Request<Vec<u8>>,
) -> HttpResponse {
    let body: Value = serde_json::from_slice(request.body()).unwrap_or_default();
    let (user, password) = (text(&body, "username"), text(&body, "password"));
    if !has_content_type(request.headers(), "application/json")
        || user.is_none()
        || password.is_none()
    {
        return refuse(400, "username and password are wanted");
    }
    let admin = &sandbox.config.admin;
    if account != sandbox.config.account
        || user != Some(admin.0.as_str())
        || password != Some(admin.1.as_str())
    {
        return refuse(401, "no such user");
    }
    let bearer = sandbox.random.hex(4);
    sandbox.state.bearers.insert(bearer.clone(), ());
    let id = stable_hex(&format!("{account}/{}", user.unwrap_or_default()));
    let session = json!({"bearer": bearer, "csrf": sandbox.random.hex(1), "sessionTTl": "36000",
        "config": {"loginName": user, "userId": id, "isAdmin": true, "isLPA": false},
        "csdsCollectionResponse": {"baseURIs": sandbox.config.base_uris()}});
    let mut response = response::json(200, &session);
    let cookie = format!("session_id={}; Path=/; HttpOnly", sandbox.random.hex(1));
    if let Ok(cookie) = HeaderValue::try_from(cookie) {
        response.headers_mut().insert(SET_COOKIE, cookie);
    }
    response
}

/// `…/configuration/app-install/installations`, or one of them.
pub(crate) fn installs(
    sandbox: &mut Sandbox,
    now: Duration,
    account: &str,
    id: Option<&str>,
    request: &Request<Vec<u8>>,
) -> HttpResponse {
    let bearer = request.headers().get("authorization").and_then(|value| value.to_str().ok());
    // Here the prefix is required (protocol.md 14, row 10).
    let bearer = bearer.and_then(|value| value.strip_prefix("Bearer ")).unwrap_or_default();
    if account != sandbox.config.account || sandbox.state.bearers.get(bearer).is_none() {
        return refuse(401, "not logged in");
    }
    if let Err(wrong) = Version::V1.check(sandbox, &fields(request, false)) {
        return refuse(400, wrong);
    }
    sandbox.register_configured_apps();
    let overridden = request.headers().get("x-http-method-override");
    let overridden = overridden.and_then(|method| Method::from_bytes(method.as_bytes()).ok());
    let method = match overridden.filter(|method| method != request.method()) {
        Some(method) if sandbox.tolerates("X-HTTP-Method-Override is not the method") => method,
        Some(_) => return refuse(405, "no such method here"),
        None => request.method().clone(),
    };
    match (&method, id) {
        (&Method::GET, None) => {
            let records: Vec<Value> =
                sandbox.state.installs.values().map(|install| install.record.clone()).collect();
            response::json(200, &Value::Array(records))
        }
        (&Method::GET, Some(id)) => match sandbox.state.installs.get(id) {
            Some(install) => {
                let mut response = response::json(200, &install.record);
                let revision = HeaderValue::from(install.revision);
                response.headers_mut().insert("ac-revision", revision);
                response
            }
            None => refuse(404, "no such app install"),
        },
        (&Method::POST, None) => create(sandbox, now, request),
        (&Method::PUT, Some(id)) => update(sandbox, id, request),
        (&Method::DELETE, Some(id)) => match check_revision(sandbox, id, request.headers()) {
            Ok(()) => {
                sandbox.state.installs.remove(id);
                sandbox.remove_app(id);
                sandbox.changed(Subject::Installs);
                response::json(204, &Value::Null)
            }
            Err(refused) => *refused,
        },
        _ => refuse(405, "no such method here"),
    }
}

/// Checks that `If-Match` has the present revision.
fn check_revision(
    sandbox: &Sandbox,
    id: &str,
    headers: &HeaderMap,
) -> Result<(), Box<HttpResponse>> {
    let Some(install) = sandbox.state.installs.get(id) else {
        return Err(Box::new(refuse(404, "no such app install")));
    };
    match headers.get("if-match").and_then(|value| value.to_str().ok()) {
        None => Err(Box::new(refuse(400, "If-Match is missing"))),
        Some(revision) if revision == install.revision.to_string() => Ok(()),
        Some(_) => Err(Box::new(refuse(412, "it was changed meanwhile"))),
    }
}

fn has_valid_name(record: &Value) -> bool {
    text(record, "client_name").is_some_and(|name| (1..=128).contains(&name.chars().count()))
}

fn create(sandbox: &mut Sandbox, now: Duration, request: &Request<Vec<u8>>) -> HttpResponse {
    let Ok(mut record @ Value::Object(_)) = serde_json::from_slice::<Value>(request.body()) else {
        return refuse(400, "the manifest is no JSON object");
    };
    let same =
        |install: &Install| text(&install.record, "client_name") == text(&record, "client_name");
    if !has_valid_name(&record) || sandbox.state.installs.values().any(same) {
        return refuse(400, "client_name is missing, too long, or taken");
    }
    let (id, secret) = (sandbox.random.uuid(), sandbox.random.hex(2));
    if let Some(members) = record.as_object_mut() {
        for (name, value) in [
            ("id", json!(id)),
            ("client_id", json!(id)),
            ("client_secret", json!(secret)),
            ("client_id_issued_at", json!(now.as_secs())),
            ("client_secret_expires_at", json!(0)),
            ("deleted", json!(false)),
        ] {
            members.insert(name.to_owned(), value);
        }
        members.entry("enabled").or_insert(json!(true));
        let webhooks = members.get_mut("capabilities").and_then(|all| all.get_mut("webhooks"));
        for (_, webhook) in webhooks.and_then(Value::as_object_mut).into_iter().flatten() {
            if let Some(webhook) =
                webhook.as_object_mut().filter(|one| one.contains_key("endpoint"))
            {
                webhook.entry("headers").or_insert(json!([]));
            }
        }
    }
    sandbox.config.apps.push(App::new(&id, &secret));
    let created = record.clone();
    sandbox.state.installs.insert(id, Install { record, revision: 1 });
    sandbox.changed(Subject::Installs);
    response::json(201, &created)
}

fn update(sandbox: &mut Sandbox, id: &str, request: &Request<Vec<u8>>) -> HttpResponse {
    if let Err(refused) = check_revision(sandbox, id, request.headers()) {
        return *refused;
    }
    let Ok(record @ Value::Object(_)) = serde_json::from_slice::<Value>(request.body()) else {
        return refuse(400, "the record is no JSON object");
    };
    if !has_valid_name(&record) {
        return refuse(400, "client_name is missing or too long");
    }
    if let Some(install) = sandbox.state.installs.get_mut(id) {
        install.record = record.clone();
        install.revision += 1;
    }
    sandbox.state.installs.weigh_again(id);
    sandbox.changed(Subject::Installs);
    response::json(200, &record)
}

impl Sandbox {
    /// Adds an install for each app of the configuration.
    pub(crate) fn register_configured_apps(&mut self) {
        let apps = self.config.apps.clone();
        for app in apps {
            if self.state.installs.get(&app.client_id).is_none() {
                let record = json!({"id": app.client_id, "client_id": app.client_id,
                    "client_secret": app.client_secret, "client_id_issued_at": 1_711_000_000,
                    "client_secret_expires_at": 0, "enabled": true, "deleted": false,
                    "client_name": format!("app {}", app.client_id), "scope": "msg.consumer",
                    "grant_types": ["client_credentials"], "capabilities": {}});
                let install = Install { record, revision: 1 };
                self.state.installs.insert(app.client_id.clone(), install);
            }
        }
    }
}
