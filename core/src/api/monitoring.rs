//! The Monitoring API: finds engagements and reports the activity of visitors
//! ([protocol.md 12](crate::protocol#12)).
//!
//! * `POST /api/account/{accountId}/app/{clientId}/engagement?v=1.1&vid=…&sid=…&obh=true`
//!   ([protocol.md 12.1](crate::protocol#12.1))
//! * `PUT /api/account/{accountId}/app/{clientId}/report?v=1.1&vid=…&sid=…&obh=true`
//!   ([protocol.md 12.2](crate::protocol#12.2))
//!
//! Both are sent without a token.

use std::fmt;
use std::time::Duration;

use serde::Serialize;
use serde_json::{Value, json};

use super::response::{document, number, scalar};
use super::{
    ApiRejection, Campaign, Context, ConversationContext, Endpoint, Idempotency, InvalidInput,
    OpenConversation, Operation, Principal, Reason, RelativeRequest, ResponseView, RetryHints,
    Service,
};
use crate::id::{ClientId, ExtConsumerId};

/// The pauses between attempts at this API ([protocol.md 11](crate::protocol#11)).
const PAUSES: [Duration; 4] = [
    Duration::from_secs(3),
    Duration::from_secs(10),
    Duration::from_secs(30),
    Duration::from_secs(90),
];

/// The ids of a visitor and of the visitor's session. Store both and send them with each request:
/// the service caps visitors without ids ([protocol.md 12.1](crate::protocol#12.1)).
#[derive(Clone, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct Visitor {
    /// The visitor's id.
    pub visitor_id: Option<String>,
    /// The session's id.
    pub session_id: Option<String>,
}

impl Visitor {
    /// A visitor with both ids.
    #[must_use]
    pub fn new(visitor_id: impl Into<String>, session_id: impl Into<String>) -> Self {
        Self { visitor_id: Some(visitor_id.into()), session_id: Some(session_id.into()) }
    }
}

/// An identity of the consumer ([protocol.md 12.1](crate::protocol#12.1)). `Debug` redacts it.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct Identity {
    #[serde(skip_serializing_if = "Option::is_none")]
    iss: Option<String>,
    acr: &'static str,
    sub: String,
}

impl Identity {
    /// A consumer who is logged in (`acr` is `loa1`). The id must be unguessable.
    #[must_use]
    pub fn authenticated(sub: impl Into<String>) -> Self {
        Self { iss: None, acr: "loa1", sub: sub.into() }
    }

    /// A consumer who is not logged in (`acr` is `0`). The id must be unguessable.
    #[must_use]
    pub fn unauthenticated(sub: impl Into<String>) -> Self {
        Self { iss: None, acr: "0", sub: sub.into() }
    }

    /// The issuer of the identity (`iss`).
    #[must_use]
    pub fn issuer(mut self, iss: impl Into<String>) -> Self {
        self.iss = Some(iss.into());
        self
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identity({})", self.acr)
    }
}

/// The parts that both requests share.
#[derive(Clone)]
struct Visit {
    app: ClientId,
    visitor: Visitor,
    identities: Vec<Identity>,
    entry_points: Vec<String>,
    attributes: Vec<Value>,
    client: Option<Value>,
    page: Option<String>,
}

/// Attributes and properties say who somebody is.
impl fmt::Debug for Visit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Visit")
            .field("app", &self.app)
            .field("identities", &self.identities)
            .field("entry_points", &self.entry_points)
            .field("attributes", &self.attributes.len())
            .finish_non_exhaustive()
    }
}

impl Visit {
    fn new(app: ClientId) -> Self {
        Self {
            app,
            visitor: Visitor::default(),
            identities: Vec::new(),
            entry_points: Vec::new(),
            attributes: Vec::new(),
            client: None,
            page: None,
        }
    }

    fn request(
        &self,
        context: &Context<'_>,
        method: &str,
    ) -> Result<RelativeRequest, InvalidInput> {
        let account = context.account().as_str();
        let path = ["api", "account", account, "app", self.app.as_str(), method];
        // The visitor in the previous response, if the account was still loading.
        let named = context.previous().and_then(named_while_loading);
        let visitor = self.visitor.visitor_id.as_deref().or(named.as_deref());
        let mut query = vec![("v", "1.1")];
        query.extend(visitor.map(|id| ("vid", id)));
        query.extend(self.visitor.session_id.as_deref().map(|id| ("sid", id)));
        // On behalf of the visitor: the caller's address says nothing about the visitor.
        query.push(("obh", "true"));
        let mut body = json!({});
        if let Some(members) = body.as_object_mut() {
            let mut set = |name: &str, value: Value| {
                members.insert(name.to_owned(), value);
            };
            if !self.identities.is_empty() {
                set("identities", json!(self.identities));
            }
            if !self.entry_points.is_empty() {
                set("entryPoints", json!(self.entry_points));
            }
            if !self.attributes.is_empty() {
                set("engagementAttributes", json!(self.attributes));
            }
            if let Some(client) = &self.client {
                set("clientProperties", client.clone());
            }
            if let Some(page) = &self.page {
                set("pageId", json!(page));
            }
        }
        if method == "report" {
            return RelativeRequest::put_json(path, query, &body);
        }
        RelativeRequest::post_json(path, query, &body)
    }
}

macro_rules! visit {
    ($operation:ident) => {
        impl $operation {
            /// The visitor and session from an earlier response. Default: none.
            #[must_use]
            pub fn visitor(mut self, visitor: Visitor) -> Self {
                self.visit.visitor = visitor;
                self
            }

            /// Adds an identity of the consumer.
            #[must_use]
            pub fn identity(mut self, identity: Identity) -> Self {
                self.visit.identities.push(identity);
                self
            }

            /// Adds an entry point: a URI such as `sec://Sport` or `lang://English`.
            #[must_use]
            pub fn entry_point(mut self, uri: impl Into<String>) -> Self {
                self.visit.entry_points.push(uri.into());
                self
            }

            /// Adds an engagement attribute: an SDE in its documented form.
            #[must_use]
            pub fn attribute(mut self, sde: Value) -> Self {
                self.visit.attributes.push(sde);
                self
            }
        }
    };
}

/// Finds the engagements that are offered to a visitor.
///
/// `POST /api/account/{accountId}/app/{clientId}/engagement?v=1.1&vid=…&sid=…&obh=true` at the
/// service `smt` ([protocol.md 12.1](crate::protocol#12.1)), without a token. `vid` and `sid` are
/// sent if known. Idempotent: a second request at most creates a second session.
///
/// Pauses between attempts are 3, 10, 30 and 90 s ([protocol.md 11](crate::protocol#11)). While the
/// service still loads the account, the call retries with the visitor id in the response. The last
/// retry is later than the default [`call_timeout`](crate::connector::Config::call_timeout).
#[derive(Clone, Debug)]
pub struct FindEngagement {
    visit: Visit,
}

visit!(FindEngagement);

impl FindEngagement {
    /// Finds the engagements of this app installation.
    #[must_use]
    pub fn new(app: ClientId) -> Self {
        Self { visit: Visit::new(app) }
    }

    /// The consumer's client (`clientProperties`): `deviceFamily`, `os`, `ipAddress` and more
    /// ([protocol.md 12.1](crate::protocol#12.1)). Default: not sent.
    #[must_use]
    pub fn client(mut self, properties: Value) -> Self {
        self.visit.client = Some(properties);
        self
    }
}

/// The result of [`FindEngagement`]: a visitor, and the engagements that are offered.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Found {
    /// The ids to send with the next requests.
    pub visitor: Visitor,
    /// The page's id.
    pub page_id: Option<String>,
    /// The engagements that are offered. May be empty.
    pub engagements: Vec<Engagement>,
}

/// An engagement that is offered.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Engagement {
    /// The campaign's id.
    pub campaign_id: String,
    /// The engagement's id.
    pub engagement_id: String,
    /// The engagement's revision.
    pub revision: Option<u64>,
    /// The context's id. Missing if the consumer is in a conversation.
    pub context_id: Option<String>,
    /// The id of the consumer's open conversation.
    pub conversation_id: Option<String>,
    /// `expose` if the engagement is offered, `conversation` if the consumer is in one.
    pub status: Option<String>,
}

impl Found {
    /// An operation that opens a conversation from the first engagement, with its campaign and
    /// context ([protocol.md 12.1](crate::protocol#12.1)). `None` if there is no engagement.
    #[must_use]
    pub fn open(&self, consumer: ExtConsumerId) -> Option<OpenConversation> {
        let engagement = self.engagements.first()?;
        let mut context = ConversationContext::new();
        context.visitor_id.clone_from(&self.visitor.visitor_id);
        context.session_id.clone_from(&self.visitor.session_id);
        context.interaction_context_id.clone_from(&engagement.context_id);
        let campaign = Campaign::new(&engagement.campaign_id, &engagement.engagement_id);
        Some(OpenConversation::new(consumer).campaign(campaign).context(context))
    }

    fn read(document: &Value) -> Self {
        let text = |value: &Value, name: &str| scalar(value.get(name)?);
        // An array in all examples, an object in the table (protocol.md 14, row 38).
        let details = match document.get("engagementDetails") {
            Some(Value::Array(all)) => all.as_slice(),
            Some(one @ Value::Object(_)) => std::slice::from_ref(one),
            _ => &[],
        };
        let engagement = |one: &Value| {
            Some(Engagement {
                campaign_id: text(one, "campaignId")?,
                engagement_id: text(one, "engagementId")?,
                revision: one.get("engagementRevision").and_then(number),
                context_id: text(one, "contextId"),
                conversation_id: text(one, "conversationId"),
                status: text(one, "status"),
            })
        };
        Self {
            visitor: visitor(document),
            page_id: text(document, "pageId"),
            engagements: details.iter().filter_map(engagement).collect(),
        }
    }
}

/// The ids, under either of their names ([protocol.md 14](crate::protocol#14), row 39).
fn visitor(document: &Value) -> Visitor {
    let either = |long: &str, short: &str| {
        // `null` counts as absent (protocol.md 1.4).
        [long, short].into_iter().find_map(|name| document.get(name).and_then(scalar))
    };
    Visitor { visitor_id: either("visitorId", "vid"), session_id: either("sessionId", "sid") }
}

/// The response's JSON. [`Reason::Loading`] on status 202, and on 500 with `internalCode` 20: the
/// service is still loading the account ([protocol.md 12.3](crate::protocol#12.3)).
fn loaded(response: &ResponseView<'_>) -> Result<Value, ApiRejection> {
    let code: Option<u64> = document(response.body())
        .and_then(|document| document.get("internalCode").and_then(number));
    if matches!((response.status(), code), (202, _) | (500, Some(20))) {
        return Err(ApiRejection::status(response.status()).because(Reason::Loading));
    }
    response.json()
}

/// The visitor id in the message of a response while the account is loading. No other member has it
/// ([protocol.md 12.1](crate::protocol#12.1)).
pub(super) fn named_while_loading(body: &[u8]) -> Option<String> {
    let document = document(body)?;
    let (_, id) = document.get("message")?.as_str()?.rsplit_once("vid:")?;
    let id = id.trim().split([' ', ',', ';']).next().filter(|id| !id.is_empty())?;
    (id.len() <= MAX_VISITOR_ID).then(|| id.to_owned())
}

/// The longest visitor id to repeat, in bytes.
const MAX_VISITOR_ID: usize = 256;

macro_rules! on_monitoring {
    () => {
        fn endpoint(&self) -> Endpoint {
            Endpoint::Service(Service::MONITORING)
        }

        fn principal(&self) -> Principal {
            Principal::Anonymous
        }

        const RETRY: RetryHints = RetryHints { pauses: Some(&PAUSES), rate_limit_floor: None };
    };
}

impl Operation for FindEngagement {
    type Output = Found;

    const NAME: &'static str = "find_engagement";

    on_monitoring!();

    fn idempotency(&self) -> Idempotency {
        // A second request at most creates a second session.
        Idempotency::Idempotent
    }

    fn request(&self, context: &Context<'_>) -> Result<RelativeRequest, InvalidInput> {
        self.visit.request(context, "engagement")
    }

    fn parse(&self, response: &ResponseView<'_>) -> Result<Found, ApiRejection> {
        loaded(response).map(|document| Found::read(&document))
    }
}

/// Reports the activity of a visitor.
///
/// `PUT /api/account/{accountId}/app/{clientId}/report?v=1.1&vid=…&sid=…&obh=true` at the service
/// `smt` ([protocol.md 12.2](crate::protocol#12.2)), without a token. `vid` and `sid` are sent if
/// known. Not [idempotent](Idempotency::NonIdempotent). Pauses between attempts are 3, 10, 30 and
/// 90 s ([protocol.md 11](crate::protocol#11)).
///
/// Fails with [`InvalidInput`](crate::error::ErrorKind::InvalidInput) if the report has no
/// attribute, and if it has neither a visitor id nor an identity.
#[derive(Clone, Debug)]
pub struct ReportActivity {
    visit: Visit,
}

visit!(ReportActivity);

impl ReportActivity {
    /// A report for this app installation.
    #[must_use]
    pub fn new(app: ClientId) -> Self {
        Self { visit: Visit::new(app) }
    }

    /// The page's id from an earlier response. Default: not sent; the service then chooses one.
    #[must_use]
    pub fn page(mut self, id: impl Into<String>) -> Self {
        self.visit.page = Some(id.into());
        self
    }

    /// Adds an impression event of an engagement: `impDisplay`, `impAccept`, `impExpanded`,
    /// `impTimeout` or `impClose`.
    #[must_use]
    pub fn impression(self, kind: &str, engagement: &Engagement) -> Self {
        let id = |text: &str| text.parse::<u64>().map_or_else(|_| json!(text), |id| json!(id));
        let mut sde = json!({"type": kind, "campaign": id(&engagement.campaign_id),
            "engId": id(&engagement.engagement_id)});
        if let Some(members) = sde.as_object_mut() {
            if let Some(revision) = engagement.revision {
                members.insert("revision".to_owned(), json!(revision));
            }
            if let Some(context) = &engagement.context_id {
                let context = json!([{"type": "engagementContext", "id": context}]);
                members.insert("eContext".to_owned(), context);
            }
        }
        self.attribute(sde)
    }
}

impl Operation for ReportActivity {
    type Output = Visitor;

    const NAME: &'static str = "report_activity";

    on_monitoring!();

    fn idempotency(&self) -> Idempotency {
        Idempotency::NonIdempotent
    }

    fn request(&self, context: &Context<'_>) -> Result<RelativeRequest, InvalidInput> {
        if self.visit.attributes.is_empty() {
            return Err(InvalidInput::new("there is nothing to report: add an attribute"));
        }
        if self.visit.visitor.visitor_id.is_none() && self.visit.identities.is_empty() {
            return Err(InvalidInput::new("a report needs the visitor's id, or an identity"));
        }
        self.visit.request(context, "report")
    }

    fn parse(&self, response: &ResponseView<'_>) -> Result<Visitor, ApiRejection> {
        loaded(response).map(|document| visitor(&document))
    }
}

#[cfg(test)]
#[path = "monitoring_tests.rs"]
mod tests;
