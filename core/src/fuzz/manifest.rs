//! Manifests.

use super::document::document;
use super::words::MANIFESTS;
use crate::manifest::{Manifest, Severity, check};

/// A manifest, or after 0xff the description of one: parsing it does not change its faults.
pub fn manifest(data: &[u8]) {
    let made;
    let data = match data.split_first() {
        Some((0xff, description)) => {
            made = document(description, MANIFESTS);
            &*made
        }
        _ => data,
    };
    let Ok((json, _)) = crate::manifest::parse(data) else { return };
    let errors = |json: &serde_json::Value| {
        let all = check(json).into_iter();
        let errors = all.filter(|one| one.severity() == Severity::Error);
        errors.map(|one| one.path().to_owned()).collect::<Vec<_>>()
    };
    let before = errors(&json);
    match serde_json::from_value::<Manifest>(json.clone()) {
        Ok(manifest) => {
            let again = serde_json::to_value(&manifest).expect("JSON");
            assert_eq!(errors(&again), before, "parsing changed the faults: {json}");
        }
        Err(error) => assert!(!before.is_empty(), "{error}, and it has no fault: {json}"),
    }
}
