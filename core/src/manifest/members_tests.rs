use serde_json::json;

use super::*;
use crate::manifest::{Manifest, check};

const CONTENT: &str = "ms.MessagingEventNotification.ContentEvent";

/// A manifest without faults or warnings.
fn clean() -> Value {
    let built = Manifest::connector("loft").endpoint("https://x.example").header("x-loft", "north");
    let built = built.retention(std::time::Duration::from_secs(3600)).build().unwrap();
    serde_json::to_value(built).unwrap()
}

/// The object of each level, its path, and its members.
fn levels() -> Vec<(String, String, Vec<&'static str>)> {
    let hooks = format!("/capabilities/webhooks/{CONTENT}");
    [
        ("", String::new()),
        ("capabilities", "/capabilities".to_owned()),
        ("capabilities.webhooks", "/capabilities/webhooks".to_owned()),
        ("capabilities.webhooks.retry", "/capabilities/webhooks/retry".to_owned()),
        ("capabilities.webhooks.EVENT", hooks.clone()),
        ("capabilities.webhooks.EVENT.headers", format!("{hooks}/headers/0")),
        ("capabilities.engagement", "/capabilities/engagement".to_owned()),
    ]
    .into_iter()
    .map(|(level, pointer)| (level.to_owned(), pointer, known(level)))
    .collect()
}

/// Misspellings of a name: one edit each, and other ways to write it.
fn misspelt(name: &str) -> Vec<String> {
    let letters: Vec<char> = name.chars().collect();
    let (middle, text) = (letters.len() / 2, |letters: &[char]| letters.iter().collect::<String>());
    let mut all =
        vec![name.to_uppercase(), name.replace('_', "-"), format!("{name}s"), format!("x{name}")];
    let mut fewer = letters.clone();
    fewer.remove(middle);
    let mut other = letters.clone();
    other[middle] = 'q';
    let mut swapped = letters.clone();
    swapped.swap(middle - 1, middle);
    let camel =
        name.split('_').map(|word| word[..1].to_uppercase() + &word[1..]).collect::<String>();
    all.extend([text(&fewer), text(&other), text(&swapped), camel]);
    all.retain(|misspelt| misspelt != name);
    all
}

#[test]
fn every_misspelt_member_is_found_at_every_level() {
    assert_eq!(check(&clean()), []);
    for (level, pointer, known) in levels() {
        assert!(!known.is_empty(), "{level}");
        for name in known.iter().filter(|name| name.len() > 2) {
            for misspelt in misspelt(name).into_iter().filter(|one| !known.contains(&one.as_str()))
            {
                let mut manifest = clean();
                manifest.pointer_mut(&pointer).unwrap()[&misspelt] = json!({"x": 1});
                let found: Vec<_> = check(&manifest)
                    .into_iter()
                    .filter(|one| one.path().ends_with(&misspelt))
                    .filter(|one| {
                        one.remedy().contains("did you mean") || one.remedy().ends_with(name)
                    })
                    .collect();
                assert_eq!(found.len(), 1, "{level}: {misspelt} for {name}");
            }
        }
    }
}

#[test]
fn the_nearest_member_is_suggested() {
    for (level, misspelt, meant) in [
        ("", "grant_type", "grant_types"),
        ("", "clientName", "client_name"),
        ("", "webhooks", "capabilities.webhooks"),
        ("", "retention_time", "capabilities.webhooks.retry.retention_time"),
        ("capabilities", "webhoks", "webhooks"),
        ("capabilities", "engagment", "engagement"),
        ("capabilities.webhooks", "ContentEvent", CONTENT),
        ("capabilities.webhooks", "rety", "retry"),
        (
            "capabilities.webhooks",
            "max_retries",
            "capabilities.webhooks.(an event type).max_retries",
        ),
        ("capabilities.webhooks.EVENT", "header", "headers"),
        ("capabilities.webhooks.EVENT", "url", "endpoint"),
        ("capabilities.webhooks.EVENT", "URI", "endpoint"),
        ("capabilities.webhooks.EVENT", "callbackUrl", "endpoint"),
        ("capabilities", "hooks", "webhooks"),
        ("", "webhoks", "capabilities.webhooks"),
        ("", "retention_tme", "capabilities.webhooks.retry.retention_time"),
        ("capabilities", "grant_type", "grant_types"),
        ("capabilities", "endpont", "capabilities.webhooks.(an event type).endpoint"),
        (
            "capabilities.webhooks.retry",
            "max_retrys",
            "capabilities.webhooks.(an event type).max_retries",
        ),
        ("capabilities.engagement", "goals", "goal"),
    ] {
        let found = suggestion(level, misspelt);
        assert_eq!(
            found.as_deref(),
            Some(&*format!("did you mean {meant}?")),
            "{level} {misspelt}"
        );
    }
}

#[test]
fn a_member_that_is_new_is_no_fault() {
    let mut manifest = clean();
    for (_, pointer, _) in levels().into_iter().filter(|(level, ..)| level != WEBHOOKS) {
        for name in ["x", "priority", "colour_scheme", "", "\u{1f426}"] {
            manifest.pointer_mut(&pointer).unwrap()[name] = json!(1);
        }
    }
    for name in ["id", "client_id", "client_secret", "deleted", "client_id_issued_at"] {
        manifest[name] = json!("x");
    }
    manifest["capabilities"]["broadcast"] = json!({"enabld": true});
    assert_eq!(check(&manifest), []);
    assert_eq!(suggestion("", &"client_name".repeat(100)), None);
}

#[test]
fn a_member_of_128_characters_is_compared() {
    for (length, meant) in [(128, Some("did you mean client_name?")), (129, None)] {
        // Separators do not count.
        let name = format!("{:_<length$}", "client_name");
        assert_eq!(suggestion("", &name).as_deref(), meant, "{length}");
    }
}

#[test]
fn what_the_server_adds_is_suggested_at_its_level_alone() {
    for (level, misspelt, meant) in [
        ("", "client_secrt", Some("did you mean client_secret?")),
        ("", "Client-Id", Some("did you mean client_id?")),
        ("capabilities", "broadcasts", Some("did you mean broadcast?")),
        ("", "broadcasts", None),
        ("capabilities", "client_secrt", None),
    ] {
        assert_eq!(suggestion(level, misspelt).as_deref(), meant, "{level} {misspelt}");
    }
}
