//! Parts of a request.

use std::collections::BTreeMap;

use http::{HeaderMap, Request};
use serde_json::Value;

/// The fields of the query and, with `with_body`, of the form, which take precedence.
pub(crate) fn fields(request: &Request<Vec<u8>>, with_body: bool) -> BTreeMap<String, String> {
    let query = request.uri().query().unwrap_or_default();
    let body: &[u8] = if with_body { request.body() } else { &[] };
    let all = form_urlencoded::parse(query.as_bytes()).chain(form_urlencoded::parse(body));
    all.map(|(name, value)| (name.into_owned(), value.into_owned())).collect()
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
