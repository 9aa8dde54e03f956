//! Secrets are shown by names: one function for the wire, for commands to copy, and for logs.
//!
//! First by the place where a secret stands (the name of a header, a field or a member), then by its value,
//! wherever it stands. Not one character of a secret is left; the same secret has the same name everywhere.

mod json;
mod value;

use std::borrow::Cow;

use http::HeaderMap;

pub(crate) use value::Secrets;

/// Headers whose value is a secret.
const HEADERS: [&str; 5] =
    ["authorization", "x-lp-on-behalf", "proxy-authorization", "cookie", "set-cookie"];

/// Fields of a query or a form, and members of JSON, whose value is a secret.
const NAMES: [&str; 9] = [
    "access_token",
    "bearer",
    "client_secret",
    "csrf",
    "header_value",
    "password",
    "temp_url_sig",
    "token",
    "x-lp-on-behalf",
];

/// Whether the value of this field or member is a secret.
fn is_secret_name(name: &str) -> bool {
    NAMES.iter().any(|secret| name.eq_ignore_ascii_case(secret))
}

impl Secrets<'_> {
    /// The value of a header as it may be shown.
    pub(crate) fn header(&self, name: &str, value: &str) -> String {
        let is_own = self.headers.iter().any(|own| own.eq_ignore_ascii_case(name));
        if !is_own && !HEADERS.contains(&name) {
            return self.text(value).into_owned();
        }
        let (scheme, secret) = match value.split_once(' ') {
            Some((scheme @ ("Bearer" | "bearer" | "Basic" | "basic"), secret)) => {
                (format!("{scheme} "), secret)
            }
            _ => (String::new(), value),
        };
        format!("{scheme}{}", self.named(name, secret.trim()))
    }

    /// The headers as they may be shown.
    pub(crate) fn headers(&self, headers: &HeaderMap) -> Vec<(String, String)> {
        let shown = headers.iter().map(|(name, value)| {
            let text = String::from_utf8_lossy(value.as_bytes());
            (name.as_str().to_owned(), self.header(name.as_str(), &text))
        });
        shown.collect()
    }

    /// A path with a query, or a URL, as it may be shown.
    pub(crate) fn target(&self, target: &str) -> String {
        match target.split_once('?') {
            None => self.path(target),
            Some((path, query)) => format!("{}?{}", self.path(path), self.form(query)),
        }
    }

    /// A path without a query as it may be shown.
    pub(crate) fn path(&self, path: &str) -> String {
        let decoded = percent_decoded(path);
        if matches!(self.text(&decoded), Cow::Borrowed(_)) {
            return self.text(path).into_owned();
        }
        path.split('/')
            .map(|segment| self.text(&percent_decoded(segment)).into_owned())
            .collect::<Vec<_>>()
            .join("/")
    }

    /// The fields of a query or a form as they may be shown. What has no secret stays as it is.
    fn form(&self, fields: &str) -> String {
        let shown = fields.split('&').map(|field| {
            let (name, value) = field.split_once('=').unwrap_or((field, ""));
            let plain_name = form_decoded(name);
            let plain = form_decoded(value);
            if is_secret_name(&plain_name) && !value.is_empty() {
                return format!("{}={}", self.text(name), self.named(&plain_name, &plain));
            }
            let (shown_name, shown) = (self.text(&plain_name), self.text(&plain));
            match shown_name == plain_name && shown == plain {
                true => self.text(field).into_owned(),
                false => format!("{shown_name}={shown}"),
            }
        });
        shown.collect::<Vec<_>>().join("&")
    }

    /// A body as it may be shown, by its content type; `is_cut` if only its beginning is kept. `None` if it
    /// is no text.
    pub(crate) fn body(&self, content_type: &str, body: &[u8], is_cut: bool) -> Option<String> {
        let text = match std::str::from_utf8(body) {
            Ok(text) => Cow::Borrowed(text),
            // A character may be cut at the end.
            Err(error) if is_cut && error.error_len().is_none() => {
                let whole = body.get(..error.valid_up_to())?;
                String::from_utf8_lossy(whole)
            }
            Err(_) => return None,
        };
        // A body without a type may be read as a form too.
        let (kind, form) = (content_type.trim_start(), "application/x-www-form-urlencoded");
        let is_form = kind.is_empty()
            || kind.get(..form.len()).is_some_and(|kind| kind.eq_ignore_ascii_case(form));
        let looks_like_json = text.trim_start().starts_with(['{', '[', '"']);
        let shown = match (is_form, looks_like_json) {
            (true, false) => self.form(&text),
            (_, true) => self.json(&text),
            (false, false) => self.text(&text).into_owned(),
        };
        Some(if is_cut { self.cut(shown) } else { shown })
    }
}

fn percent_decoded(text: &str) -> Cow<'_, str> {
    if !text.contains('%') {
        return Cow::Borrowed(text);
    }
    // Unlike in a form, a plus is a plus.
    Cow::Owned(form_decoded(&text.replace('+', "%2B")))
}

fn form_decoded(text: &str) -> String {
    // `=` and `&` would end the value.
    let whole = text.replace('=', "%3D").replace('&', "%26");
    let decoded = form_urlencoded::parse(whole.as_bytes()).next();
    decoded.map(|(name, _)| name.into_owned()).unwrap_or_default()
}

#[cfg(test)]
#[path = "mask_tests.rs"]
mod tests;
