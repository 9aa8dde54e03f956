//! An exchange as a command to copy. It has no secret: lines in front of it say how to set the variables that
//! stand for them, and which have none.
//!
//! Everything in it comes from whoever asked the cloud: each piece is one word of the shell, and no word is the
//! name of a file or a pattern to curl.

use std::collections::BTreeSet;

use serde_json::json;

use crate::journal::{Exchange, Way};
use crate::mask::Secrets;

/// Headers that `curl` sets by itself.
const OWN: [&str; 5] = ["host", "content-length", "connection", "accept-encoding", "user-agent"];

/// The variables that stand for tokens: header, variable, and how the names of what stands there begin.
const VARIABLES: [(&str, &str, [&str; 3]); 2] = [
    ("authorization", APP_JWT, ["‹AppJWT ", "‹JWS ", "‹authorization "]),
    ("x-lp-on-behalf", CONSUMER_JWS, ["‹ConsumerJWS ", "‹JWS ", "‹x-lp-on-behalf "]),
];

const APP_JWT: &str = "LP_APP_JWT";
const CONSUMER_JWS: &str = "LP_CONSUMER_JWS";

/// The file of the certificate that curl must trust, where the cloud has TLS.
const CA_FILE: &str = "LP_CA_FILE";

/// The names of secrets for which there is no variable.
const WITHOUT_VARIABLE: [&str; 3] = ["bearer", "old client secret", "webhook header"];

/// How an AppJWT is got with the variables that `lp-connector sandbox env` prints.
const GET_APP_JWT: &str = r#"LP_APP_JWT=$(curl -s "$LP_DOMAIN_API/sentinel/api/account/$LP_ACCOUNT_ID/app/token?v=1.0" -d grant_type=client_credentials -d "client_id=$LP_CLIENT_ID" -d "client_secret=$LP_CLIENT_SECRET" | sed 's/.*"access_token":"\([^"]*\)".*/\1/')"#;

/// How a ConsumerJWS is got, with an AppJWT.
fn consumer_jws(consumer: &str) -> String {
    let body = quoted(&json!({"ext_consumer_id": consumer}).to_string());
    format!(
        r#"LP_CONSUMER_JWS=$(curl -s "$LP_DOMAIN_API/api/account/$LP_ACCOUNT_ID/consumer?v=1.0" -H "authorization: Bearer $LP_APP_JWT" -H 'content-type: application/json' -d {body} | sed 's/.*"token":"\([^"]*\)".*/\1/')"#
    )
}

/// The consumer of a token's name, `‹ConsumerJWS 2, ada›`.
fn consumer_of(name: &str) -> Option<&str> {
    name.strip_prefix("‹ConsumerJWS ")?.split_once(", ")?.1.strip_suffix('›')
}

/// What the secrets of a command need.
#[derive(Default)]
struct Needs {
    /// The variables that it has.
    variables: BTreeSet<&'static str>,
    /// The names that no variable replaces.
    names: BTreeSet<String>,
    /// The consumer of its ConsumerJWS.
    consumer: Option<String>,
}

impl Needs {
    /// A text as one word of the shell, with variables for its secrets.
    fn word(&mut self, text: &str) -> String {
        let (mut word, mut plain, mut rest) = (String::new(), String::new(), text);
        while let Some((before, after)) = rest.split_once('‹') {
            plain.push_str(before);
            let named = after.split_once('›').and_then(|(name, after)| {
                let variable = self.variable(name)?;
                Some((variable, after))
            });
            match named {
                Some((variable, after)) => {
                    word.push_str(&format!("{}\"${variable}\"", quoted(&plain)));
                    plain.clear();
                    rest = after;
                }
                None => {
                    plain.push('‹');
                    rest = after;
                }
            }
        }
        plain.push_str(rest);
        word + &quoted(&plain)
    }

    /// The variable for the secret with this name, if it is one that has a variable.
    fn variable(&mut self, name: &str) -> Option<&'static str> {
        let is_number = |text: &str| text.parse::<u64>().is_ok();
        let variable = match name.split_once(' ') {
            _ if name == "client secret" => "LP_CLIENT_SECRET",
            _ if name == "password" => "LP_PASSWORD",
            Some(("AppJWT", number)) if is_number(number) => APP_JWT,
            Some(("ConsumerJWS", token)) => {
                let (_, consumer) = token.split_once(", ").filter(|(one, _)| is_number(one))?;
                self.consumer = Some(consumer.to_owned());
                CONSUMER_JWS
            }
            _ => {
                if is_without_variable(name) {
                    self.names.insert(name.to_owned());
                }
                return None;
            }
        };
        self.variables.insert(variable);
        Some(variable)
    }

    /// The lines in front of a command.
    fn comments(&self, has_tls: bool) -> Vec<String> {
        let mut lines = Vec::new();
        for name in &self.names {
            lines.push(format!("# No variable stands for ‹{name}›: put its value there."));
        }
        if self.variables.is_empty() {
            return lines;
        }
        lines.push("# Set its variables:".to_owned());
        lines.push("#   eval \"$(lp-connector sandbox env)\"".to_owned());
        let needs = |variable| self.variables.contains(variable);
        let get = |command: &str| match has_tls {
            true => command.replacen("curl -s", &format!("curl -s --cacert \"${CA_FILE}\""), 1),
            false => command.to_owned(),
        };
        if needs(APP_JWT) || needs(CONSUMER_JWS) {
            lines.push(format!("#   {}", get(GET_APP_JWT)));
        }
        if needs(CONSUMER_JWS) {
            let consumer = self.consumer.as_deref().unwrap_or("ID");
            lines.push(format!("#   {}", get(&consumer_jws(consumer))));
        }
        lines
    }
}

/// Whether this is the name of a secret for which there is no variable. Only such a name may stand in a comment: a
/// text can have what looks like one.
fn is_without_variable(name: &str) -> bool {
    let is_digest = |text: &str| text.len() == 4 && text.bytes().all(|b| b.is_ascii_hexdigit());
    let is_place = |text: &str| {
        text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    WITHOUT_VARIABLE.contains(&name)
        || name.split_once(' ').is_some_and(|(place, digest)| is_place(place) && is_digest(digest))
}

/// The command for an exchange with the cloud at `base`.
pub(crate) fn command(secrets: &Secrets<'_>, base: &str, exchange: &Exchange) -> String {
    let is_in = exchange.way == Way::In;
    let has_tls = is_in && base.starts_with("https://");
    let mut needs = Needs::default();
    let mut lines = Vec::new();
    let target = secrets.target(&exchange.target);
    let url = if is_in { format!("{base}{target}") } else { target };
    let is_head = exchange.method == http::Method::HEAD;
    let method = match (is_head, exchange.method.as_str()) {
        // With `-X HEAD` it would wait for a body.
        (true, _) => "--head".to_owned(),
        (false, plain) if plain.bytes().all(|byte| byte.is_ascii_alphanumeric()) => {
            format!("-X {plain}")
        }
        (false, other) => format!("-X {}", quoted(other)),
    };
    let mut parts = vec![format!("curl -g -i {method} {}", needs.word(&url))];
    if has_tls {
        needs.variables.insert(CA_FILE);
        parts.push(format!("--cacert \"${CA_FILE}\""));
    }
    for (name, value) in secrets.headers(&exchange.request.headers) {
        if OWN.contains(&name.as_str()) {
            continue;
        }
        let (scheme, credential) = match value.strip_prefix("Bearer ") {
            Some(credential) => ("Bearer ", credential),
            None => ("", value.as_str()),
        };
        let variable = VARIABLES.iter().find(|(header, _, starts)| {
            is_in && *header == name && starts.iter().any(|start| credential.starts_with(start))
        });
        parts.push(match variable {
            Some((_, variable, _)) => {
                needs.variables.insert(variable);
                if let Some(consumer) = consumer_of(credential) {
                    needs.consumer = Some(consumer.to_owned());
                }
                format!("-H \"{name}: {scheme}${variable}\"")
            }
            // That is how curl sends a header without a value.
            None if value.is_empty() => format!("-H {}", quoted(&format!("{name};"))),
            None => format!("-H {}", needs.word(&format!("{name}: {value}"))),
        });
    }
    let kind = exchange.request.headers.get(http::header::CONTENT_TYPE);
    let kind = kind.and_then(|value| value.to_str().ok()).unwrap_or_default();
    let body = &exchange.request.body;
    let cut = body.bytes.len() < body.total;
    // An argument has no zero byte.
    let shown = secrets.body(kind, &body.bytes, cut).filter(|shown| !shown.contains('\0'));
    match shown {
        _ if body.total == 0 => {}
        _ if is_head => lines.push(format!("# The body of {} bytes is left out.", body.total)),
        Some(shown) if !cut => parts.push(format!("--data-raw {}", needs.word(&shown))),
        _ => {
            lines.push(format!(
                "# The body has {} bytes, which are not all kept, or are no text.",
                body.total
            ));
            parts.push("--data-binary @body".to_owned());
        }
    }
    lines.extend(needs.comments(has_tls));
    lines.push(parts.join(" \\\n  "));
    lines.push(String::new());
    lines.join("\n")
}

/// A text as one word of the shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}
