//! One line of the log.

use serde_json::Value;
use tracing::Level;

use super::LogFormat;

/// The fields that a line may have, in their order, after `time` and `level`; and the most characters of each.
pub(super) const FIELDS: &[(&str, usize)] = &[
    ("event", 80),
    ("request", 64),
    ("gateway", 64),
    ("consumer", 128),
    ("conversation", 64),
    ("message", 128),
    ("delivery", 200),
    ("attempt", 20),
    ("status", 20),
    ("seconds", 20),
    ("account", 40),
    ("operation", 40),
    ("service", 200),
    ("version", 40),
    ("store", 100),
    ("webhooks", 48),
    ("gateways", 48),
    ("operations", 48),
    ("cause", 500),
];

/// The fields of a line: known ones, each with a value of a bounded length.
#[derive(Clone, Debug, Default)]
pub(super) struct Fields(Vec<(&'static str, Value)>);

impl Fields {
    /// Sets a field, unless it is none of the known ones.
    pub(super) fn put_text(&mut self, name: &str, text: &str) {
        if let Some((name, most)) = FIELDS.iter().find(|(known, _)| *known == name) {
            self.put(name, Value::String(bounded(&without_query(text), *most)));
        }
    }

    /// Sets a field to a number, unless it is none of the known ones.
    pub(super) fn put_number(&mut self, name: &str, number: Value) {
        if let Some((name, _)) = FIELDS.iter().find(|(known, _)| *known == name) {
            self.put(name, number);
        }
    }

    fn put(&mut self, name: &'static str, value: Value) {
        self.0.retain(|(known, _)| *known != name);
        self.0.push((name, value));
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(known, _)| *known == name)
    }

    /// Adds those of another set that are not here.
    pub(super) fn add_missing(&mut self, other: &Self) {
        let missing: Vec<_> = other.0.iter().filter(|(name, _)| !self.has(name)).cloned().collect();
        self.0.extend(missing);
    }

    /// Without the consumer, or with another word for the consumer.
    pub(super) fn with_consumer(mut self, show: impl Fn(&str) -> Option<String>) -> Self {
        let at = self.0.iter().position(|(name, _)| *name == "consumer");
        if let Some((_, value)) = at.map(|at| self.0.remove(at))
            && let Some(shown) = value.as_str().and_then(show)
        {
            self.put("consumer", Value::String(shown));
        }
        self
    }

    fn find(&self, name: &str) -> Option<&Value> {
        self.0.iter().find(|(known, _)| *known == name).map(|(_, value)| value)
    }
}

/// The line with its line end.
pub(super) fn line(format: LogFormat, time: &str, level: Level, fields: &Fields) -> String {
    let known = FIELDS.iter().filter_map(|(name, _)| Some((*name, fields.find(name)?)));
    match format {
        LogFormat::Json => {
            // By hand, for the order in which people read them.
            let level = level.as_str().to_ascii_lowercase();
            let mut line = format!("{{\"time\":\"{time}\",\"level\":\"{level}\"");
            for (name, value) in known {
                line.push_str(&format!(",\"{name}\":{value}"));
            }
            line.push_str("}\n");
            line
        }
        LogFormat::Text => {
            let mut line = format!("{time} {level:<5}");
            for (name, value) in known {
                line.push(' ');
                match (name, value.as_str()) {
                    ("event", Some(text)) => line.push_str(text),
                    (_, Some(text)) if is_word(text) => line.push_str(&format!("{name}={text}")),
                    _ => line.push_str(&format!("{name}={value}")),
                }
            }
            line.push('\n');
            line
        }
    }
}

fn is_word(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_graphic() && !matches!(c, '"' | '=' | '\\'))
}

/// The text without control characters, and cut if it is long.
fn bounded(text: &str, most: usize) -> String {
    let shown = |c: char| if c.is_control() { '\u{fffd}' } else { c };
    let mut cut: String = text.chars().take(most).map(shown).collect();
    if text.chars().nth(most).is_some() {
        cut.push('…');
    }
    cut
}

/// The text without the queries of URLs: they carry signatures.
fn without_query(text: &str) -> String {
    let mut shown = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("://") {
        let end =
            after.find(|c: char| c.is_whitespace() || matches!(c, '"' | '\'' | ')' | '>' | ','));
        let (url, following) = after.split_at(end.unwrap_or(after.len()));
        shown.push_str(before);
        shown.push_str("://");
        match url.split_once('?') {
            Some((path, _)) => shown.push_str(&format!("{path}?…")),
            None => shown.push_str(url),
        }
        rest = following;
    }
    shown.push_str(rest);
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(all: &[(&str, &str)]) -> Fields {
        let mut fields = Fields::default();
        all.iter().for_each(|(name, text)| fields.put_text(name, text));
        fields
    }

    #[test]
    fn a_line_has_known_fields_alone() {
        let mut all = fields(&[
            ("cause", "no\nroute"),
            ("text", "where is my parcel?"),
            ("token", "lpb_x"),
            ("event", "outage"),
            ("gateway", "sms"),
        ]);
        all.put_number("attempt", 3.into());
        all.put_number("balance", 7.into());
        let json = line(LogFormat::Json, "T", Level::WARN, &all);
        let expected = serde_json::json!({"time": "T", "level": "warn", "event": "outage", "gateway": "sms",
            "attempt": 3, "cause": "no\u{fffd}route"});
        assert_eq!(serde_json::from_str::<Value>(&json).unwrap(), expected);
        assert_eq!(json.matches('\n').count(), 1);
        let text = line(LogFormat::Text, "T", Level::WARN, &all);
        assert_eq!(text, "T WARN  outage gateway=sms attempt=3 cause=\"no\u{fffd}route\"\n");
    }

    #[test]
    fn a_line_is_bounded_and_has_no_query() {
        let long = "ü".repeat(100_000);
        let all: Vec<_> = FIELDS.iter().map(|(name, _)| (*name, long.as_str())).collect();
        assert!(line(LogFormat::Json, "T", Level::INFO, &fields(&all)).len() < 4096);
        for (text, shown) in [
            ("GET https://a.b/c?sig=s3cr3t failed", "GET https://a.b/c?… failed"),
            ("\"http://a?x\", http://b?y", "\"http://a?…\", http://b?…"),
            ("why? http://a/b", "why? http://a/b"),
        ] {
            assert_eq!(without_query(text), shown);
        }
    }
}
