//! An exchange as a command to copy. It has no secret: a line says how to set the variables that stand for
//! them.

use serde_json::json;

use crate::journal::{Exchange, Way};
use crate::mask::Secrets;

/// Headers that `curl` sets by itself.
const OWN: [&str; 5] = ["host", "content-length", "connection", "accept-encoding", "user-agent"];

/// The variables that stand for tokens, by header.
const VARIABLES: [(&str, &str); 2] =
    [("authorization", "LP_APP_JWT"), ("x-lp-on-behalf", "LP_CONSUMER_JWS")];

/// How an AppJWT is got with the variables that `lp-connector sandbox env` prints.
const APP_JWT: &str = r#"LP_APP_JWT=$(curl -s "$LP_DOMAIN_API/sentinel/api/account/$LP_ACCOUNT_ID/app/token?v=1.0" -d grant_type=client_credentials -d "client_id=$LP_CLIENT_ID" -d "client_secret=$LP_CLIENT_SECRET" | sed 's/.*"access_token":"\([^"]*\)".*/\1/')"#;

/// How a ConsumerJWS is got, with an AppJWT.
fn consumer_jws(consumer: &str) -> String {
    let body = quoted(&json!({"ext_consumer_id": consumer}).to_string());
    format!(
        r#"LP_CONSUMER_JWS=$(curl -s "$LP_DOMAIN_API/api/account/$LP_ACCOUNT_ID/consumer?v=1.0" -H "authorization: Bearer $LP_APP_JWT" -H 'content-type: application/json' -d {body} | sed 's/.*"token":"\([^"]*\)".*/\1/')"#
    )
}

/// The consumer of a token's name, `‹ConsumerJWS 2, ada›`.
fn consumer_of(name: &str) -> Option<&str> {
    name.split_once("‹ConsumerJWS ")?.1.split_once(", ")?.1.strip_suffix('›')
}

/// The command for an exchange with the cloud at `base`.
pub(crate) fn command(secrets: &Secrets<'_>, base: &str, exchange: &Exchange) -> String {
    let target = secrets.target(&exchange.target);
    let url = if exchange.way == Way::Out { target } else { format!("{base}{target}") };
    let mut lines = Vec::new();
    let mut parts = vec![format!("curl -i -X {} {}", exchange.method, quoted(&url))];
    let mut used: Vec<&str> = Vec::new();
    let mut consumer = "ID".to_owned();
    for (name, value) in secrets.headers(&exchange.request.headers) {
        if OWN.contains(&name.as_str()) {
            continue;
        }
        match VARIABLES.iter().find(|(header, _)| *header == name) {
            Some((_, variable)) if exchange.way == Way::In => {
                used.push(variable);
                if let Some(known) = consumer_of(&value) {
                    known.clone_into(&mut consumer);
                }
                let bearer = if value.starts_with("Bearer ") { "Bearer " } else { "" };
                parts.push(format!("-H \"{name}: {bearer}${variable}\""));
            }
            _ => parts.push(format!("-H {}", quoted(&format!("{name}: {value}")))),
        }
    }
    let kind = exchange.request.headers.get(http::header::CONTENT_TYPE);
    let kind = kind.and_then(|value| value.to_str().ok()).unwrap_or_default();
    let body = &exchange.request.body;
    let cut = body.bytes.len() < body.total;
    match secrets.body(kind, &body.bytes, cut) {
        _ if body.total == 0 => {}
        Some(shown) if !cut => {
            let (shown, secret) = with_secret(&shown);
            used.extend(secret);
            parts.push(format!("--data-binary {shown}"));
        }
        _ => {
            lines.push(format!(
                "# The body has {} bytes, which are not all kept, or are no text.",
                body.total
            ));
            parts.push("--data-binary @body".to_owned());
        }
    }
    if !used.is_empty() {
        lines.push("# Set its variables:".to_owned());
        lines.push("#   eval \"$(lp-connector sandbox env)\"".to_owned());
    }
    if used.contains(&"LP_APP_JWT") || used.contains(&"LP_CONSUMER_JWS") {
        lines.push(format!("#   {APP_JWT}"));
    }
    if used.contains(&"LP_CONSUMER_JWS") {
        lines.push(format!("#   {}", consumer_jws(&consumer)));
    }
    lines.push(parts.join(" \\\n  "));
    lines.push(String::new());
    lines.join("\n")
}

/// A body for the shell, and the variable in it: the client secret has one.
fn with_secret(body: &str) -> (String, Option<&'static str>) {
    match body.split_once("‹client secret›") {
        None => (quoted(body), None),
        Some((before, after)) => {
            let shell = format!("{}\"$LP_CLIENT_SECRET\"{}", quoted(before), quoted(after));
            (shell, Some("LP_CLIENT_SECRET"))
        }
    }
}

/// A text as one word of the shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}
