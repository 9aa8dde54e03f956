//! Secrets in JSON, whose text otherwise stays as it is: also where it is cut, or no JSON at all.

use std::borrow::Cow;

use super::{Secrets, is_secret_name};

impl Secrets<'_> {
    /// The text of JSON as it may be shown.
    pub(super) fn json(&self, text: &str) -> String {
        let mut shown = String::with_capacity(text.len());
        let mut rest = text;
        // The name of the secret member that is being read, and how deep its value is.
        let mut secret: Option<(String, usize)> = None;
        let mut awaits_value = false;
        while let Some(first) = rest.chars().next() {
            match first {
                '"' => {
                    let (literal, after) = string(rest);
                    rest = after;
                    let plain = unescaped(literal);
                    let is_name = rest.trim_start().starts_with(':') && !awaits_value;
                    if let (Some((name, _)), false) = (&secret, is_name) {
                        push_string(&mut shown, &self.named(name, &plain));
                    } else {
                        match self.text(&plain) {
                            same if same == plain => shown.push_str(&self.text(literal)),
                            other => push_string(&mut shown, &other),
                        }
                        if is_name && secret.is_none() && is_secret_name(&plain) {
                            secret = Some((plain.into_owned(), 0));
                        }
                    }
                    if is_name {
                        awaits_value = true;
                        continue;
                    }
                    awaits_value = false;
                    secret = secret.filter(|(_, depth)| *depth > 0);
                }
                '{' | '[' => {
                    awaits_value = false;
                    if let Some((_, depth)) = &mut secret {
                        *depth += 1;
                    }
                    rest = push_first(&mut shown, rest, first);
                }
                '}' | ']' => {
                    awaits_value = false;
                    if let Some((_, depth)) = &mut secret {
                        *depth = depth.saturating_sub(1);
                    }
                    secret = secret.filter(|(_, depth)| *depth > 0);
                    rest = push_first(&mut shown, rest, first);
                }
                ':' | ',' => {
                    if first == ',' {
                        awaits_value = false;
                        secret = secret.filter(|(_, depth)| *depth > 0);
                    }
                    rest = push_first(&mut shown, rest, first);
                }
                space if space.is_ascii_whitespace() => rest = push_first(&mut shown, rest, first),
                _ => {
                    let end = rest.find([',', ']', '}', '"', ':', ' ', '\n', '\r', '\t']);
                    let (scalar, after) = rest.split_at(end.unwrap_or(rest.len()));
                    rest = after;
                    awaits_value = false;
                    match &secret {
                        Some((name, _)) if scalar != "null" => {
                            push_string(&mut shown, &self.named(name, scalar));
                        }
                        _ => shown.push_str(&self.text(scalar)),
                    }
                    secret = secret.filter(|(_, depth)| *depth > 0);
                }
            }
        }
        shown
    }
}

fn push_first<'a>(shown: &mut String, rest: &'a str, first: char) -> &'a str {
    shown.push(first);
    rest.get(first.len_utf8()..).unwrap_or_default()
}

fn push_string(shown: &mut String, text: &str) {
    shown.push_str(&serde_json::Value::from(text).to_string());
}

/// The string at the beginning, with its quotes, and what follows. It may lack its end.
fn string(text: &str) -> (&str, &str) {
    let mut escaped = false;
    for (place, byte) in text.bytes().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return text.split_at(place + 1),
            _ => {}
        }
    }
    (text, "")
}

/// What a string says.
fn unescaped(literal: &str) -> Cow<'_, str> {
    let inner = literal.strip_prefix('"').unwrap_or(literal);
    if !inner.contains('\\') {
        return Cow::Borrowed(inner.strip_suffix('"').unwrap_or(inner));
    }
    match serde_json::from_str::<String>(literal) {
        Ok(plain) => Cow::Owned(plain),
        // It was cut: without its end it may still be read.
        Err(_) => match serde_json::from_str::<String>(&format!("{literal}\"")) {
            Ok(plain) => Cow::Owned(plain),
            Err(_) => Cow::Borrowed(inner.strip_suffix('"').unwrap_or(inner)),
        },
    }
}
