//! Finds members that are probably misspelt or misplaced.
//!
//! An unknown member is no fault ([protocol.md 1.4](crate::protocol#1.4)). One that is near a known
//! name has no effect, and somebody expects one.

use serde_json::{Map, Value};

use super::check::{Severity, Violation};
use super::{EventType, FIELDS};
use crate::spelling::{MAX_NAME, near, normal};

/// The members that are known and not among [`FIELDS`]: those that the server adds
/// ([protocol.md 13.3](crate::protocol#13.3)), and one that stored records have (3.1).
const OTHERS: &[(&str, &str)] = &[
    ("", "id"),
    ("", "client_id"),
    ("", "client_secret"),
    ("", "client_id_issued_at"),
    ("", "client_secret_expires_at"),
    ("", "deleted"),
    ("capabilities", "broadcast"),
];

const WEBHOOKS: &str = "capabilities.webhooks";

/// Names that other platforms have for a member.
const ALIASES: &[(&str, &str)] = &[
    ("url", "endpoint"),
    ("uri", "endpoint"),
    ("address", "endpoint"),
    ("callback", "endpoint"),
    ("callback_url", "endpoint"),
    ("webhook_url", "endpoint"),
    ("hooks", "webhooks"),
    ("hook", "webhooks"),
    ("retries", "max_retries"),
    ("name", "client_name"),
    ("scopes", "scope"),
    ("retention", "retention_time"),
];

/// The shortest name to compare with those of other places.
const MIN_MISPLACED: usize = 6;

/// Warns of every unknown member that is near a known one, at every level.
pub(super) fn unknown(manifest: &Map<String, Value>) -> Vec<Violation> {
    let mut found = Vec::new();
    members(manifest, "", "", &mut found);
    found
}

/// `level` is the path of the object in [`FIELDS`], `path` the one in the manifest.
fn members(object: &Map<String, Value>, level: &str, path: &str, found: &mut Vec<Violation>) {
    let known = known(level);
    for (name, value) in object {
        let path = join(path, name);
        if known.contains(&name.as_str()) {
            let is_event = level == WEBHOOKS && name != "retry";
            let level = join(level, if is_event { "EVENT" } else { name });
            elements(value, &level, &path, found);
        } else if level != WEBHOOKS
            && let Some(remedy) = suggestion(level, name)
        {
            // At the webhooks, an unknown member is an error of its own.
            let problem = "it is unknown and has no effect";
            found.push(Violation::new(Severity::Warning, &path, problem, remedy));
        }
    }
}

fn elements(value: &Value, level: &str, path: &str, found: &mut Vec<Violation>) {
    match value {
        Value::Object(object) => members(object, level, path, found),
        Value::Array(all) => {
            for (nth, element) in all.iter().enumerate() {
                if let Value::Object(object) = element {
                    members(object, level, &format!("{path}[{nth}]"), found);
                }
            }
        }
        _ => {}
    }
}

/// What the author of an unknown member probably meant, as a question.
pub(super) fn suggestion(level: &str, name: &str) -> Option<String> {
    if name.chars().count() > MAX_NAME {
        return None;
    }
    let nearest =
        known(level).into_iter().filter_map(|known| Some((distance(name, known)?, known)));
    if let Some((_, known)) = nearest.min_by_key(|(distance, _)| *distance) {
        return Some(format!("did you mean {known}?"));
    }
    let is_alias = |known: &str| {
        ALIASES.iter().any(|(alias, meant)| *meant == known && normal(alias) == normal(name))
    };
    if let Some(meant) = known(level).into_iter().find(|known| is_alias(known)) {
        return Some(format!("did you mean {meant}?"));
    }
    // A known name in the wrong place, or one that is near it. Of some objects no member is known.
    let is_known_level = !known(level).is_empty();
    let elsewhere = FIELDS.iter().filter_map(|field| {
        let (parent, last) = field.path.rsplit_once('.').unwrap_or(("", field.path));
        let edits = if normal(last) == normal(name) {
            0
        } else if is_known_level && normal(name).len() >= MIN_MISPLACED {
            near(name, last).filter(|edits| *edits <= 2)?
        } else {
            return None;
        };
        (parent != level).then_some((edits, field))
    });
    let (_, place) = elsewhere.min_by_key(|(edits, _)| *edits)?;
    Some(format!("did you mean {}?", place.path.replace("EVENT", "(an event type)")))
}

/// The known members of an object.
fn known(level: &str) -> Vec<&'static str> {
    let mut known = Vec::new();
    for field in FIELDS {
        let rest = match level {
            "" => Some(field.path),
            _ => field.path.strip_prefix(level).and_then(|rest| rest.strip_prefix('.')),
        };
        match rest.and_then(|rest| rest.split('.').next()) {
            Some("EVENT") => known.extend(EventType::ALL.map(EventType::name)),
            Some(name) => known.push(name),
            None => {}
        }
    }
    known.extend(OTHERS.iter().filter(|(at, _)| *at == level).map(|(_, name)| *name));
    known.sort_unstable();
    known.dedup();
    known
}

/// The number of edits between two names, if it is small for their length. An event type may lack
/// what is before its last dot.
fn distance(name: &str, known: &str) -> Option<usize> {
    let last = known.rsplit('.').next().unwrap_or(known);
    let whole = near(name, known);
    if last == known { whole } else { whole.or_else(|| near(name, last)) }
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

#[cfg(test)]
#[path = "members_tests.rs"]
mod tests;
