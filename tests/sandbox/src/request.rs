//! Parts of a request.

use std::collections::BTreeMap;

use http::{HeaderMap, Request};
use serde_json::Value;

use crate::sandbox::Sandbox;

/// The fields of the query and, with `with_body`, of the form, which take precedence.
pub(crate) fn fields(request: &Request<Vec<u8>>, with_body: bool) -> BTreeMap<String, String> {
    let query = request.uri().query().unwrap_or_default();
    let body: &[u8] = if with_body { request.body() } else { &[] };
    let all = form_urlencoded::parse(query.as_bytes()).chain(form_urlencoded::parse(body));
    all.map(|(name, value)| (name.into_owned(), value.into_owned())).collect()
}

/// A parameter that names the version of an API.
pub(crate) struct Version {
    name: &'static str,
    values: &'static [&'static str],
    /// The warning without it.
    missing: &'static str,
    /// The refusal of another one.
    wrong: &'static str,
}

impl Version {
    /// Of the Domain API.
    pub(crate) const DOMAIN: Self = Self {
        name: "version",
        values: &["1.0"],
        missing: "the query has no version=1.0",
        wrong: "version must be 1.0",
    };
    /// Of tokens and app installs.
    pub(crate) const V1: Self =
        Self { name: "v", values: &["1.0"], missing: "there is no v=1.0", wrong: "v must be 1.0" };
    /// Of the Monitoring API.
    pub(crate) const MONITORING: Self = Self {
        name: "v",
        values: &["1.0", "1.1"],
        missing: "the query has no v=1.0 or v=1.1",
        wrong: "illegal API version",
    };
    /// Of CONVERSATION and SEND.
    pub(crate) const V3: Self =
        Self { name: "v", values: &["3"], missing: "the query has no v=3", wrong: "v must be 3" };

    /// Checks the version among the fields of a request. One that is missing is tolerated, another one is
    /// not.
    ///
    /// # Errors
    /// Why the request is refused.
    pub(crate) fn check(
        &self,
        sandbox: &mut Sandbox,
        fields: &BTreeMap<String, String>,
    ) -> Result<(), &'static str> {
        match fields.get(self.name) {
            Some(value) if self.values.contains(&value.as_str()) => Ok(()),
            None if sandbox.tolerates(self.missing) => Ok(()),
            _ => Err(self.wrong),
        }
    }
}

/// True if the content type is `kind`, with any parameters.
pub(crate) fn has_content_type(headers: &HeaderMap, kind: &str) -> bool {
    let content_type =
        headers.get(http::header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let content_type = content_type.and_then(|value| value.split(';').next()).unwrap_or_default();
    content_type.trim().eq_ignore_ascii_case(kind)
}

/// A credential, with or without the prefix `Bearer `
/// ([protocol.md 4.4](https://docs.rs/lp-connector-core/latest/lp_connector_core/protocol/#4.4)).
pub(crate) fn credential<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let value = headers.get(name)?.to_str().ok()?;
    let value = value.strip_prefix("Bearer ").unwrap_or(value).trim();
    (!value.is_empty()).then_some(value)
}

/// A string member of an object.
pub(crate) fn text<'a>(object: &'a Value, name: &str) -> Option<&'a str> {
    object.get(name).and_then(Value::as_str)
}

/// A request's id as text: responses repeat numbers as strings
/// ([protocol.md 1.3](https://docs.rs/lp-connector-core/latest/lp_connector_core/protocol/#1.3)).
pub(crate) fn id(request: &Value) -> Option<String> {
    match request.get("id")? {
        Value::String(id) if (1..=64).contains(&id.chars().count()) => Some(id.clone()),
        Value::Number(id) => Some(id.to_string()),
        _ => None,
    }
}
