//! Manifests.

use serde_json::{Map, Value};

use super::document::document;
use super::has_canary;
use super::words::MANIFESTS;
use crate::manifest::{EventType, Manifest, Severity, Violation, check, explain};

mod build;

const NO_EVENT: &str = "it is not an event type";

const UNKNOWN: &str = "it is unknown and has no effect";

/// A manifest, or after 0xff the description of one: parsing it does not change its faults. Each of them has a remedy,
/// and the builder finds those of what it is given.
pub fn manifest(data: &[u8]) {
    let made;
    let data = match data.split_first() {
        Some((0xff, description)) => {
            made = document(description, MANIFESTS);
            &*made
        }
        _ => data,
    };
    let (json, losses) = match crate::manifest::parse(data) {
        Ok(parsed) => parsed,
        Err(error) => return is_place(&error.to_string(), data),
    };
    assert!(losses.iter().all(|loss| loss.severity() == Severity::Warning));
    let found = check(&json);
    losses.iter().chain(&found).for_each(is_explained);
    if let Value::Object(members) = &json {
        misspelt(members, &found);
    }
    let before = errors(&found);
    match serde_json::from_value::<Manifest>(json.clone()) {
        Ok(manifest) => {
            let again = serde_json::to_value(&manifest).expect("JSON");
            assert_eq!(errors(&check(&again)), before, "parsing changed the faults: {json}");
            assert_eq!(manifest.check(), check(&again));
            assert_eq!(serde_json::from_value::<Manifest>(again).ok(), Some(manifest.clone()));
            // Escapes are gone here.
            if !has_canary(json.to_string().as_bytes()) {
                build::builds(&manifest, &found);
            }
        }
        Err(error) => assert!(!before.is_empty(), "{error}, and it has no fault: {json}"),
    }
}

/// The places of the errors.
fn errors(found: &[Violation]) -> Vec<String> {
    let errors = found.iter().filter(|one| one.severity() == Severity::Error);
    errors.map(|one| one.path().to_owned()).collect()
}

/// The place of what is not JSON, and nothing of the text.
fn is_place(shown: &str, data: &[u8]) {
    let place = shown.strip_prefix("the manifest is not JSON (line ").expect("these words");
    let place = place.strip_suffix(')').and_then(|place| place.split_once(", column "));
    let (line, column) = place.expect("a line and a column");
    let (line, column): (usize, usize) =
        (line.parse().expect("a number"), column.parse().expect("a number"));
    let text = data.split(|byte| *byte == b'\n').nth(line.wrapping_sub(1));
    let text = text.unwrap_or_else(|| panic!("no line {line}"));
    assert!(column <= text.len() + 1, "no column {column} in line {line}");
}

/// A fault and its remedy are a line each, and a field that has an error can be explained.
fn is_explained(one: &Violation) {
    for part in [one.problem(), one.remedy()] {
        assert!(!part.is_empty() && !part.contains(char::is_control), "{part:?}");
    }
    // A member's name may be anything, and the line is one all the same.
    let path = one.path().replace(char::is_control, " ");
    assert_eq!(one.to_string(), format!("{path}: {}; {}", one.problem(), one.remedy()));
    if one.severity() != Severity::Error || one.problem() == NO_EVENT {
        return;
    }
    let mut path = one.path().to_owned();
    for event in EventType::ALL {
        path = path.replace(event.name(), "EVENT");
    }
    // `[0]` is the first of several.
    let path: String =
        path.split('[').map(|part| part.split_once(']').map_or(part, |(_, rest)| rest)).collect();
    if path == "(all)" || path.ends_with(".EVENT") {
        return;
    }
    let name = path.rsplit('.').next().unwrap_or_default();
    assert!(explain(name).any(|field| field.path == path), "nobody explains {path}");
}

/// A member that has no effect has one under the name that is meant.
fn misspelt(members: &Map<String, Value>, found: &[Violation]) {
    let is_own = |one: &&Violation| {
        one.problem() == UNKNOWN && members.contains_key(one.path()) && !one.path().contains('.')
    };
    let Some(one) = found.iter().find(is_own) else { return };
    let meant = one.remedy().strip_prefix("did you mean ");
    let meant = meant.and_then(|meant| meant.strip_suffix('?')).expect("a question");
    if !meant.contains('.') {
        let mut renamed = members.clone();
        let value = renamed.remove(one.path()).unwrap_or_default();
        renamed.insert(meant.to_owned(), value);
        let found = check(&Value::Object(renamed));
        let is_left = |left: &Violation| left.problem() == UNKNOWN && left.path() == meant;
        assert!(!found.iter().any(is_left), "{meant} is unknown too");
    }
}
