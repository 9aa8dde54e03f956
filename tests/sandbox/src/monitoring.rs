//! The Monitoring API
//! ([protocol.md 12](https://docs.rs/lp-connector-core/latest/lp_connector_core/protocol/#12)).

use http::{Method, Request, Response};
use serde_json::{Value, json};

use crate::kept::Weigh;
use crate::request::{Version, fields, has_content_type, text};
use crate::response::{self, HttpResponse};
use crate::sandbox::Sandbox;

/// A visitor's session.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize)]
pub(crate) struct Visit {
    session: String,
}

impl Weigh for Visit {
    fn weight(&self) -> usize {
        size_of::<Self>() + self.session.len()
    }
}

fn refuse(status: u16, code: u32, message: &str) -> HttpResponse {
    response::json(status, &json!({"time": 1, "message": message, "internalCode": code}))
}

/// `…/app/{installation}/engagement` or `report`.
pub(crate) fn monitor(
    sandbox: &mut Sandbox,
    account: &str,
    app: &str,
    method: &str,
    request: &Request<Vec<u8>>,
) -> HttpResponse {
    let query = fields(request, false);
    let value = |name: &str| query.get(name).map(String::as_str);
    if let Err(wrong) = Version::MONITORING.check(sandbox, &query) {
        return refuse(400, 33, wrong);
    }
    let known = sandbox.config.apps.iter().any(|known| known.client_id == app);
    if account != sandbox.config.account || !known {
        return refuse(404, 18, "invalid appInstallationId");
    }
    if !has_content_type(request.headers(), "application/json") {
        return refuse(400, 5, "the content type must be application/json");
    }
    let Ok(body @ Value::Object(_)) = serde_json::from_slice::<Value>(request.body()) else {
        return refuse(400, 5, "the body is no JSON object");
    };
    if let Some(identities) = body.get("identities").and_then(Value::as_array)
        && identities.iter().any(|one| !matches!(text(one, "acr"), Some("0" | "loa1")))
    {
        return refuse(400, 5, "acr must be 0 or loa1");
    }
    let report = method == "report";
    let overridden = request.headers().get("x-http-method-override");
    let put = *request.method() == Method::PUT || overridden.is_some_and(|name| name == "PUT");
    if report != put {
        return refuse(400, 5, "no such method here");
    }
    if report {
        let attributes = body.get("engagementAttributes").and_then(Value::as_array);
        if attributes.is_none_or(Vec::is_empty) {
            return refuse(400, 5, "engagementAttributes is missing");
        }
        let identified = value("vid").is_some() || body.get("identities").is_some();
        if !identified && body.get("consumerId").is_none() {
            return refuse(400, 5, "one of consumerId, identities and vid must be there");
        }
    }
    let (visitor, session, new) = visitor(sandbox, value("vid"), value("sid"));
    let mut details = json!({"visitorId": visitor, "sessionId": session,
        "pageId": (sandbox.random.next() % 1_000_000_000).to_string()});
    if let (false, Some(members)) = (report, details.as_object_mut()) {
        members.insert(
            "engagementDetails".to_owned(),
            json!([{"campaignId": 3001,
            "engagementId": 3002, "engagementRevision": 7, "contextId": "2", "connectorId": 88,
            "status": "expose"}]),
        );
    }
    response::json(if new { 201 } else { 200 }, &details)
}

/// The response while the account is being loaded; only its text names the visitor
/// ([protocol.md 12.1](https://docs.rs/lp-connector-core/latest/lp_connector_core/protocol/#12.1)).
pub(crate) fn loading(sandbox: &mut Sandbox) -> Response<Vec<u8>> {
    let (visitor, _, _) = visitor(sandbox, None, None);
    let account = sandbox.config.account.clone();
    refuse(202, 38, &format!("Loading account: {account}, vid: {visitor}"))
}

/// The ids of visitor and session: those of the request if they belong together, otherwise new ones.
/// The last value is true if the session is new.
fn visitor(
    sandbox: &mut Sandbox,
    visitor: Option<&str>,
    session: Option<&str>,
) -> (String, String, bool) {
    let known = visitor.and_then(|id| sandbox.state.visits.get(id).map(|visit| (id, visit)));
    if let (Some((id, visit)), Some(session)) = (known, session)
        && visit.session == session
    {
        return (id.to_owned(), session.to_owned(), false);
    }
    let id = known.map_or_else(|| None, |(id, _)| Some(id.to_owned()));
    let id = id.unwrap_or_else(|| format!("V{}", sandbox.random.hex(1)));
    let session = format!("S{}", sandbox.random.hex(1));
    sandbox.state.visits.insert(id.clone(), Visit { session: session.clone() });
    (id, session, true)
}
