//! Checks a manifest and reports every fault ([protocol.md 3](crate::protocol#3)).

use std::collections::BTreeSet;
use std::error;
use std::fmt::{self, Write as _};

use serde_json::{Map, Value};
use url::Url;

use super::{EventType, delivery, members};

/// How severe a fault is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
#[non_exhaustive]
pub enum Severity {
    /// LivePerson rejects the manifest, or the app does not work.
    Error,
    /// The value is allowed and probably unintended.
    Warning,
}

/// One fault of a manifest: where, what, and how to correct it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Violation {
    path: String,
    severity: Severity,
    problem: String,
    remedy: String,
}

impl Violation {
    pub(super) fn new(
        severity: Severity,
        path: &str,
        problem: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        let (problem, remedy) = (problem.into(), remedy.into());
        Self { path: path.to_owned(), severity, problem, remedy }
    }

    /// The path of the field, such as `capabilities.webhooks.retry.retention_time` or `scope`.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// How severe it is.
    #[must_use]
    pub fn severity(&self) -> Severity {
        self.severity
    }

    /// The fault.
    #[must_use]
    pub fn problem(&self) -> &str {
        &self.problem
    }

    /// The correction: the allowed values, or what to change.
    #[must_use]
    pub fn remedy(&self) -> &str {
        &self.remedy
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, problem, remedy, .. } = self;
        // A member's name may have line breaks.
        for c in path.chars() {
            f.write_char(if c.is_control() { ' ' } else { c })?;
        }
        write!(f, ": {problem}; {remedy}")
    }
}

/// Every error of a manifest that could not be built.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Violations(pub(super) Vec<Violation>);

impl Violations {
    /// All of them.
    #[must_use]
    pub fn all(&self) -> &[Violation] {
        &self.0
    }
}

impl fmt::Display for Violations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (nth, violation) in self.0.iter().enumerate() {
            let separator = if nth == 0 { "" } else { "\n" };
            write!(f, "{separator}{violation}")?;
        }
        Ok(())
    }
}

impl error::Error for Violations {}

/// Reports every fault of a manifest: errors first, then warnings. An unknown member is not a fault
/// ([protocol.md 1.4](crate::protocol#1.4)), unless its name is near a known one.
///
/// Warnings also name the settings that let notifications get lost (no `retention_time`, `max_retries`
/// 0), the event types without an endpoint that leave gaps in the order, and what every connector needs:
/// an endpoint, the scope `msg.consumer`, the grant `client_credentials`.
#[must_use]
pub fn check(manifest: &Value) -> Vec<Violation> {
    let mut checker = Checker(Vec::new());
    match manifest {
        Value::Object(members) => {
            checker.manifest(members);
            checker.0.extend(members::unknown(members));
        }
        other => checker.error("(all)", format!("it is {}", kind(other)), "it must be an object"),
    }
    let mut violations = checker.0;
    violations.sort_by_key(|violation| violation.severity);
    violations
}

/// Collects the violations.
struct Checker(Vec<Violation>);

const VISITOR_BEHAVIOR: &[&str] = &[
    "visited_location",
    "time_on_location",
    "flow",
    "engaged_in_session",
    "about_to_abandon",
    "cart_value",
    // Missing from the table, present in every example (protocol.md 14, row 21).
    "cart_items",
    "visitor_error",
    "viewed_products",
    "service_activity",
];

const TARGET_AUDIENCE: &[&str] = &[
    "external_referral",
    "search_keywords",
    "ip",
    "platform",
    "geo_location",
    "returning_visitors",
    "marketing_source",
    "customer_type",
    "age",
    "balance",
    "customer_id",
    "gender",
    "store_zip_code",
    "store_number",
    "company_size",
    "registration_date",
];

const GOAL: &[&str] = &["url", "purchase_total", "num_of_pages", "lead", "service_activity"];

impl Checker {
    fn error(&mut self, path: &str, problem: impl Into<String>, remedy: impl Into<String>) {
        self.add(Severity::Error, path, problem, remedy);
    }

    fn warning(&mut self, path: &str, problem: impl Into<String>, remedy: impl Into<String>) {
        self.add(Severity::Warning, path, problem, remedy);
    }

    fn add(
        &mut self,
        severity: Severity,
        path: &str,
        problem: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        self.0.push(Violation::new(severity, path, problem, remedy));
    }

    fn manifest(&mut self, members: &Map<String, Value>) {
        match members.get("client_name") {
            None => self.error("client_name", "it is missing", "give the app a name"),
            Some(Value::Null) => self.error("client_name", "it is null", "give the app a name"),
            Some(Value::String(name)) if name.trim().is_empty() => {
                self.error("client_name", "it is empty", "give the app a name");
            }
            Some(_) => self.string(members, "client_name", 128),
        }
        for (name, max) in [
            ("display_name", 128),
            ("description", 256),
            ("scope", 128),
            ("logo_uri", 1024),
            ("entry_uri", 1024),
        ] {
            self.string(members, name, max);
        }
        for name in ["enabled", "quick_launch_enabled"] {
            self.boolean(members, "", name, false);
        }
        let grants = ["client_credentials", "authorization_code", "refresh_token"];
        self.names(members, "grant_types", Some(&grants));
        let responses = ["code", "token", "id_token", "id_token token"];
        self.names(members, "response_types", Some(&responses));
        self.names(members, "redirect_uris", None);
        let capabilities = self.object(members, "", "capabilities");
        if let Some(capabilities) = capabilities {
            if let Some(webhooks) = self.object(capabilities, "capabilities.", "webhooks") {
                self.webhooks(webhooks);
            }
            if let Some(engagement) = self.object(capabilities, "capabilities.", "engagement") {
                self.engagement(engagement);
            }
        }
        self.connector(members);
    }

    /// The requirements of a connector. An app counts as one unless its `grant_types` are those of
    /// another, and it receives no webhooks and asks for no scope of a connector.
    fn connector(&mut self, members: &Map<String, Value>) {
        let given = |value: &&Value| !value.is_null();
        let capabilities = members.get("capabilities").filter(given);
        let webhooks = match capabilities {
            Some(Value::Object(capabilities)) => capabilities.get("webhooks").filter(given),
            _ => None,
        };
        let scopes = members.get("scope").and_then(Value::as_str).unwrap_or_default();
        let has_scope = scopes.split(' ').any(|scope| scope == "msg.consumer");
        let grants = members.get("grant_types").filter(given);
        let has_grant = grants.is_some_and(|grants| match grants {
            Value::Array(all) => all.iter().any(|one| one == "client_credentials"),
            one => one == "client_credentials",
        });
        if webhooks.is_none() && grants.is_some() && !has_grant && !has_scope {
            return;
        }
        if webhooks.is_none() && capabilities.is_none_or(Value::is_object) {
            let path =
                if capabilities.is_some() { "capabilities.webhooks" } else { "capabilities" };
            self.no_endpoint(path);
        }
        if !has_scope {
            self.warning(
                "scope",
                "it does not contain msg.consumer",
                "a connector's tokens need it: set it to \"msg.consumer\"",
            );
        }
        if !has_grant {
            self.warning(
                "grant_types",
                "it does not contain client_credentials",
                "a connector gets its tokens with it: set it to [\"client_credentials\"]",
            );
        }
    }

    /// Nothing names an endpoint.
    fn no_endpoint(&mut self, path: &str) {
        self.warning(
            path,
            "no event type has an endpoint",
            "the app receives no notification: add to capabilities.webhooks the event types that it needs",
        );
    }

    /// An optional string of at most `max` characters.
    fn string(&mut self, members: &Map<String, Value>, name: &str, max: usize) {
        match members.get(name) {
            None | Some(Value::Null) => {}
            Some(Value::String(text)) => {
                let length = text.chars().count();
                if length > max {
                    let remedy =
                        format!("at most {max} are allowed: shorten it by {}", length - max);
                    self.error(name, format!("it has {length} characters"), remedy);
                }
            }
            Some(other) => {
                self.error(name, format!("it is {}", kind(other)), "it must be a string")
            }
        }
    }

    /// A boolean.
    fn boolean(&mut self, members: &Map<String, Value>, prefix: &str, name: &str, required: bool) {
        let path = format!("{prefix}{name}");
        match members.get(name) {
            Some(Value::Bool(_)) => {}
            None | Some(Value::Null) if !required => {}
            None => self.error(&path, "it is missing", "it must be true or false"),
            Some(other) => {
                self.error(&path, format!("it is {}", kind(other)), "it must be true or false");
            }
        }
    }

    /// An optional array of names, or one bare name ([protocol.md 1.4](crate::protocol#1.4),
    /// [3.1](crate::protocol#3.1)).
    fn names(&mut self, members: &Map<String, Value>, name: &str, known: Option<&[&str]>) {
        let found: Vec<(String, &Value)> = match members.get(name) {
            None | Some(Value::Null) => return,
            Some(Value::Array(all)) => {
                all.iter().enumerate().map(|(n, one)| (format!("{name}[{n}]"), one)).collect()
            }
            Some(one) => vec![(name.to_owned(), one)],
        };
        for (path, value) in found {
            match (value, known) {
                (Value::String(text), Some(known)) if !known.contains(&text.as_str()) => {
                    let remedy = format!("it must be one of {}", known.join(", "));
                    self.error(&path, format!("it is {text:?}"), remedy);
                }
                (Value::String(text), None) if text.chars().count() > 128 => {
                    let problem = format!("it has {} characters", text.chars().count());
                    self.error(&path, problem, "at most 128 are allowed");
                }
                (Value::String(_), _) => {}
                (other, _) => {
                    self.error(&path, format!("it is {}", kind(other)), "it must be a string");
                }
            }
        }
    }

    fn object<'a>(
        &mut self,
        members: &'a Map<String, Value>,
        prefix: &str,
        name: &str,
    ) -> Option<&'a Map<String, Value>> {
        match members.get(name) {
            None | Some(Value::Null) => None,
            Some(Value::Object(object)) => Some(object),
            Some(other) => {
                let path = format!("{prefix}{name}");
                self.error(&path, format!("it is {}", kind(other)), "it must be an object");
                None
            }
        }
    }

    fn webhooks(&mut self, members: &Map<String, Value>) {
        let prefix = "capabilities.webhooks.";
        let retry = self.object(members, prefix, "retry");
        if let Some(retry) = retry {
            self.number(retry, &format!("{prefix}retry."), "retention_time", 2, 259_200, true);
        }
        let known = EventType::ALL.map(EventType::name);
        for (name, value) in members.iter().filter(|(name, _)| *name != "retry") {
            let path = format!("{prefix}{name}");
            if !known.contains(&name.as_str()) {
                let remedy = if name.ends_with("ExConversationChangeNotification") {
                    // The name in one table (protocol.md 14, row 18).
                    "it must be cqm.ExConversationChangeNotification".to_owned()
                } else {
                    let meant = members::suggestion("capabilities.webhooks", name);
                    let meant = meant.map(|meant| format!("{meant} ")).unwrap_or_default();
                    format!("{meant}it must be one of {}, retry", known.join(", "))
                };
                self.error(&path, "it is not an event type", remedy);
                continue;
            }
            match value {
                Value::Object(webhook) => {
                    self.webhook(webhook, &format!("{path}."), retry.is_some())
                }
                other => {
                    self.error(&path, format!("it is {}", kind(other)), "it must be an object");
                }
            }
        }
        if members.keys().all(|name| name == "retry") {
            self.no_endpoint("capabilities.webhooks");
        }
        self.0.extend(delivery::weaknesses(members));
    }

    fn webhook(&mut self, members: &Map<String, Value>, prefix: &str, has_retention: bool) {
        let path = format!("{prefix}endpoint");
        match members.get("endpoint") {
            None => self.error(&path, "it is missing", "it must be an https:// URL"),
            Some(Value::String(url)) => {
                if let Err(problem) = check_endpoint(url) {
                    self.error(&path, problem, "it must begin with https:// and a host");
                }
            }
            Some(other) => {
                let problem = format!("it is {}", kind(other));
                self.error(&path, problem, "it must be an https:// URL");
            }
        }
        self.number(members, prefix, "max_retries", 0, 5, false);
        if has_retention {
            // How the two retry modes combine: protocol.md 9.3.
            let path = format!("{prefix}max_retries");
            match members.get("max_retries").and_then(Value::as_u64) {
                Some(0) => self.warning(
                    &path,
                    "with retry.retention_time, 0 exempts this endpoint from retries",
                    "failed notifications are dropped: remove it to keep them",
                ),
                Some(_) => self.warning(
                    &path,
                    "retry.retention_time takes precedence over it",
                    "remove one of the two",
                ),
                None => {}
            }
        }
        let path = format!("{prefix}headers");
        match members.get("headers") {
            None | Some(Value::Null) => {}
            Some(Value::Array(headers)) => {
                for (n, header) in headers.iter().enumerate() {
                    self.header(header, &format!("{path}[{n}]"));
                }
            }
            Some(other) => {
                let remedy = "it must be an array of {header_name, header_value}";
                self.error(&path, format!("it is {}", kind(other)), remedy);
            }
        }
    }

    fn header(&mut self, header: &Value, path: &str) {
        let text = |name: &str| header.get(name).and_then(Value::as_str);
        match text("header_name") {
            None => {
                self.error(&format!("{path}.header_name"), "it is missing", "it must be a string")
            }
            Some(name) if http::HeaderName::try_from(name).is_err() => {
                let remedy = "letters, digits and hyphens are allowed";
                self.error(&format!("{path}.header_name"), "it is not a valid header name", remedy);
            }
            Some(_) => {}
        }
        match text("header_value") {
            None => {
                self.error(&format!("{path}.header_value"), "it is missing", "it must be a string")
            }
            // The value may be a password: the message does not show it.
            Some(value) if http::HeaderValue::try_from(value).is_err() => {
                let remedy = "control characters are not allowed";
                self.error(
                    &format!("{path}.header_value"),
                    "it is not a valid header value",
                    remedy,
                );
            }
            Some(_) => {}
        }
    }

    fn number(
        &mut self,
        members: &Map<String, Value>,
        prefix: &str,
        name: &str,
        min: u64,
        max: u64,
        required: bool,
    ) {
        let path = format!("{prefix}{name}");
        let remedy = format!("it must be a whole number from {min} to {max}");
        match members.get(name) {
            None | Some(Value::Null) if !required => {}
            None => self.error(&path, "it is missing", remedy),
            Some(Value::Number(number)) => {
                if !number.as_u64().is_some_and(|number| (min..=max).contains(&number)) {
                    self.error(&path, format!("it is {number}"), remedy);
                }
            }
            Some(other) => self.error(&path, format!("it is {}", kind(other)), remedy),
        }
    }

    fn engagement(&mut self, members: &Map<String, Value>) {
        let prefix = "capabilities.engagement.";
        for name in ["design_engagement", "design_window", "language_selection"] {
            self.boolean(members, prefix, name, true);
        }
        self.choices(members, "entry_point", &["section", "url"], 1, 10);
        self.choices(members, "visitor_behavior", VISITOR_BEHAVIOR, 0, 10);
        self.choices(members, "target_audience", TARGET_AUDIENCE, 0, 20);
        self.choices(members, "goal", GOAL, 0, 10);
        self.choices(members, "consumer_identity", &["auth", "unauth"], 1, 5);
        let identity = members.get("consumer_identity").and_then(Value::as_array);
        if identity.is_some_and(|all| all.iter().any(|one| one == "unauth")) {
            self.error(
                &format!("{prefix}consumer_identity"),
                "it contains unauth",
                "for a connector it must be [\"auth\"]",
            );
        }
    }

    /// A required array of distinct names out of `known`.
    fn choices(
        &mut self,
        members: &Map<String, Value>,
        name: &str,
        known: &[&str],
        min: usize,
        max: usize,
    ) {
        let path = format!("capabilities.engagement.{name}");
        let all = match members.get(name) {
            Some(Value::Array(all)) => all,
            None => {
                return self.error(&path, "it is missing", "it must be an array of names");
            }
            Some(other) => {
                let problem = format!("it is {}", kind(other));
                return self.error(&path, problem, "it must be an array of names");
            }
        };
        if !(min..=max).contains(&all.len()) {
            let remedy = format!("from {min} to {max} are allowed");
            self.error(&path, format!("it has {} elements", all.len()), remedy);
        }
        let mut seen = BTreeSet::new();
        for (n, one) in all.iter().enumerate() {
            let path = format!("{path}[{n}]");
            match one.as_str() {
                Some(text) if !known.contains(&text) => {
                    let remedy = format!("it must be one of {}", known.join(", "));
                    self.error(&path, format!("it is {text:?}"), remedy);
                }
                Some(text) if !seen.insert(text) => {
                    self.error(&path, format!("{text} appears twice"), "remove it");
                }
                Some(_) => {}
                None => self.error(&path, format!("it is {}", kind(one)), "it must be a string"),
            }
        }
    }
}

/// The type of a value, in words.
fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

/// Checks that a URL can be an endpoint: that every URL parser finds the same host in it.
fn check_endpoint(endpoint: &str) -> Result<(), &'static str> {
    let Some(rest) = endpoint.strip_prefix("https://") else {
        return Err("it does not begin with https://");
    };
    let Ok(url) = Url::parse(endpoint) else { return Err("it is not a valid URL") };
    if !url.username().is_empty() || url.password().is_some() {
        return Err("it contains a user name");
    }
    let Some(host) = url.host_str() else { return Err("it has no host") };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let after_host = authority.get(host.len()..).unwrap_or_default();
    let same_host = authority.get(..host.len()).is_some_and(|text| text.eq_ignore_ascii_case(host));
    let port = after_host.strip_prefix(':').unwrap_or(after_host);
    if !same_host || !port.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err("its host is not in canonical form");
    }
    if endpoint.bytes().any(|byte| !byte.is_ascii_graphic()) {
        return Err("it contains a character that a URL must encode");
    }
    // The official sample's rule: a host begins and ends with a letter or a digit.
    let alphanumeric = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
    // Only an IPv6 address has a bracket, and it has both.
    let bracketed = host.starts_with('[');
    if bracketed || alphanumeric(host.chars().next()) && alphanumeric(host.chars().last()) {
        Ok(())
    } else {
        Err("it has no host")
    }
}
