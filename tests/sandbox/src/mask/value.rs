//! Secrets by their value.

use std::borrow::Cow;

use serde_json::Value;

use crate::journal::{Names, digest};

/// A shorter secret is not looked for in texts: it would be found by chance.
const MIN_SECRET: usize = 6;

/// How a token begins that looks like a JWS: the Base64 of `{"`.
const JWS_START: &str = "eyJ";

/// The fewest characters after it.
const MIN_JWS: usize = 3;

/// The secrets that are known, and their names.
#[derive(Clone, Default, Debug)]
pub(crate) struct Secrets<'a> {
    /// Each value with its name.
    values: Vec<(String, String)>,
    /// The names of headers that were registered for webhooks, whose values are secrets.
    pub(super) headers: Vec<String>,
    tokens: Option<&'a Names>,
}

impl<'a> Secrets<'a> {
    pub(crate) fn new(tokens: Option<&'a Names>) -> Self {
        Self { tokens, ..Self::default() }
    }

    fn token(&self, token: &str) -> Option<String> {
        self.tokens?.get(token).map(ToString::to_string)
    }

    pub(crate) fn add(&mut self, value: &str, name: &str) {
        if value.len() < MIN_SECRET {
            return;
        }
        self.values.push((value.to_owned(), format!("‹{name}›")));
        // As it stands in JSON and in a query.
        let escaped = Value::from(value).to_string();
        let in_json = escaped.trim_matches('"');
        let in_query: String = form_urlencoded::byte_serialize(value.as_bytes()).collect();
        for other in [in_json, &in_query] {
            if other != value {
                self.values.push((other.to_owned(), format!("‹{name}›")));
            }
        }
    }

    /// Puts longer secrets before those that they contain.
    pub(crate) fn sort(&mut self) {
        self.values.sort_by_key(|(value, _)| std::cmp::Reverse(value.len()));
        self.values.dedup();
    }

    /// Adds a header that was registered for webhooks: an endpoint may say back what it got.
    pub(crate) fn add_header(&mut self, name: &str, value: &str) {
        if !self.headers.iter().any(|known| known == name) {
            self.headers.push(name.to_owned());
        }
        let value = value.trim();
        self.add(value, "webhook header");
        // A credential may come back without its scheme.
        if let Some((_, credential)) = value.split_once(' ') {
            self.add(credential.trim(), "webhook header");
        }
    }

    /// The name of what stands where a secret stands.
    pub(super) fn named(&self, place: &str, value: &str) -> String {
        if value.is_empty() {
            return String::new();
        }
        if let Some(name) = self.token(value) {
            return name;
        }
        let known = self.values.iter().find(|(known, _)| known == value);
        match known {
            Some((_, name)) => name.clone(),
            None if value.starts_with(JWS_START) => unknown("JWS", value),
            None => unknown(place, value),
        }
    }

    /// Whether a text may have a secret in it, by its length and the beginning of tokens.
    fn may_have(&self, text: &str) -> bool {
        text.len() >= MIN_SECRET
            && (text.contains(JWS_START)
                || self.values.iter().any(|(value, _)| text.contains(value.as_str())))
    }

    /// A text with the names of the secrets in it.
    pub(crate) fn text<'t>(&self, text: &'t str) -> Cow<'t, str> {
        if !self.may_have(text) {
            return Cow::Borrowed(text);
        }
        let mut text = self.without_jws(text);
        for (value, name) in &self.values {
            if text.contains(value.as_str()) {
                text = Cow::Owned(text.replace(value.as_str(), name));
            }
        }
        text
    }

    fn without_jws<'t>(&self, text: &'t str) -> Cow<'t, str> {
        if !text.contains(JWS_START) {
            return Cow::Borrowed(text);
        }
        let mut shown = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(start) = rest.find(JWS_START) {
            let (before, token) = rest.split_at(start);
            shown.push_str(before);
            let length = jws_length(token);
            if length < JWS_START.len() + MIN_JWS {
                shown.push_str(JWS_START);
                rest = token.get(JWS_START.len()..).unwrap_or_default();
                continue;
            }
            let (token, after) = token.split_at(length);
            // A point at the end belongs to the sentence.
            let (token, points) = token.split_at(token.trim_end_matches('.').len());
            match self.token(token) {
                Some(name) => shown.push_str(&name),
                None => shown.push_str(&unknown("JWS", token)),
            }
            shown.push_str(points);
            rest = after;
        }
        shown.push_str(rest);
        Cow::Owned(shown)
    }

    /// Replaces the secrets in all texts of a document.
    pub(crate) fn scrub(&self, document: &mut Value) {
        match document {
            Value::String(text) => {
                if let Cow::Owned(shown) = self.text(text) {
                    *text = shown;
                }
            }
            Value::Array(values) => values.iter_mut().for_each(|value| self.scrub(value)),
            Value::Object(members) => {
                let has_secret = |name: &&String| self.may_have(name);
                let secret: Vec<String> = members.keys().filter(has_secret).cloned().collect();
                for name in secret {
                    if let Some(value) = members.remove(&name) {
                        members.insert(self.text(&name).into_owned(), value);
                    }
                }
                members.values_mut().for_each(|value| self.scrub(value));
            }
            _ => {}
        }
    }

    /// Without what may be the beginning of a secret, at the end of a text that was cut.
    pub(crate) fn cut(&self, mut text: String) -> String {
        for (value, name) in &self.values {
            let starts = (4..value.len()).rev().filter_map(|length| value.get(..length));
            for start in starts {
                if text.ends_with(start) {
                    text.truncate(text.len() - start.len());
                    text.push_str(name);
                    break;
                }
            }
        }
        text
    }
}

/// The length of what looks like a JWS: Base64 without padding, with two points at most.
fn jws_length(text: &str) -> usize {
    let mut points = 0;
    let end = text.bytes().position(|byte| match byte {
        b'.' => {
            points += 1;
            points > 2
        }
        byte => !(byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')),
    });
    end.unwrap_or(text.len())
}

/// The name of a secret that has none: the same for the same value.
fn unknown(place: &str, value: &str) -> String {
    format!("‹{place} {:04x}›", digest(value) & 0xffff)
}
