//! Documents from files and stdin: notifications and manifests.

#![expect(clippy::unwrap_used, reason = "a test reports by panicking")]

mod program;

use std::path::Path;

use program::{Run, run, run_with};

fn decode(body: &[u8]) -> Run {
    run_with(&[], &["webhook", "decode"], body)
}

#[test]
fn a_document_without_changes_says_that_nothing_is_in_it() {
    for body in [
        "null",
        "[]",
        "{}",
        "7",
        r#""text""#,
        r#"{"body":{}}"#,
        "[{},{}]",
        "[null,null]",
        "[7,{},[]]",
    ] {
        let decoded = decode(body.as_bytes());
        assert_eq!((decoded.code, decoded.stdout.as_str()), (Some(1), ""), "{body}");
        assert!(decoded.stderr.contains("there is nothing in it"), "{body}: {}", decoded.stderr);
    }
    let empty = decode(br#"{"type":"ms.MessagingEventNotification","body":{"changes":[]}}"#);
    assert_eq!(empty.code, Some(0));
    assert!(empty.stdout.contains("there is nothing in it"), "{}", empty.stdout);
}

#[test]
fn a_bad_element_of_a_notification_costs_itself() {
    let deep = format!("{}{}", "[".repeat(9000), "]".repeat(9000));
    for bad in ["1e400", r#""\ud83d""#, &deep] {
        let body = format!(
            r#"{{"type":"ms.MessagingEventNotification","body":{{"changes":[{{"dialogId":"d",
            "x":{bad},"event":{{"type":"ContentEvent","message":"good morning"}}}},{bad}]}}}}"#
        );
        let decoded = decode(body.as_bytes());
        assert_eq!(decoded.code, Some(0), "{}", decoded.stderr);
        assert!(decoded.stdout.contains("good morning"), "{}", decoded.stdout);
    }
}

#[test]
fn a_manifest_with_a_byte_order_mark_is_checked() {
    let endpoint = "https://hooks.pigeon.example/lp";
    let made = run(&[], &["manifest", "new", "--name", "loft", "--endpoint", endpoint]);
    let manifest = format!("\u{feff}{}", made.stdout);
    let checked = run_with(&[], &["--json", "manifest", "check", "-"], manifest.as_bytes());
    assert_eq!(checked.code, Some(0), "{}", checked.stderr);
    let broken = run_with(&[], &["manifest", "check", "-"], b"{\"client_name\": \"s3cr3t\" 7}");
    assert_eq!(broken.code, Some(1));
    assert!(broken.stderr.contains("line 1, column 26"), "{}", broken.stderr);
    assert!(!broken.stderr.contains("s3cr3t"), "{}", broken.stderr);
}

#[test]
fn weak_and_misspelt_manifests_are_warned_of() {
    let new =
        ["manifest", "new", "--name", "loft", "--endpoint", "https://hooks.pigeon.example/lp"];
    let made = |more: &[&str]| {
        let made = run(&[], &[&new[..], more].concat());
        assert_eq!(made.code, Some(0), "{}", made.stderr);
        made.stdout
    };
    let warnings = |manifest: &str| {
        let checked = run_with(&[], &["manifest", "check", "-"], manifest.as_bytes());
        assert_eq!(checked.code, Some(0), "{} {}", checked.stdout, checked.stderr);
        checked.stdout
    };
    let kept = made(&[]);
    assert!(kept.contains(r#""retention_time": 3600"#) && warnings(&kept).contains("0 warnings"));
    assert!(warnings(&made(&["--retention", "0"])).contains("a single 503"));
    assert!(warnings(&made(&["--max-retries", "3"])).contains("after 4 failures"));
    let misspelt = kept.replace("webhooks", "webhoks");
    assert!(
        warnings(&misspelt).contains(
            "capabilities.webhoks: it is unknown and has no effect; did you \
        mean webhooks?"
        ),
        "{}",
        warnings(&misspelt)
    );
    let texts = kept.replace("AcceptStatusEvent", "ChatStateEvent");
    let texts = warnings(&texts);
    assert!(
        texts.contains("receipts take sequences") && texts.contains("it appears twice"),
        "{texts}"
    );
}

#[test]
fn the_guide_has_all_keys_and_filters_of_the_console() {
    let read = |file: &str| {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        std::fs::read_to_string(root.join(file)).unwrap()
    };
    let guide = read("adapters/lp-connector/src/guide/testing.md");
    let (_, console) = guide.split_once("# The console").unwrap();
    let part = |text: &str, from: &str, to: &str| -> String {
        let (_, behind) = text.split_once(from).unwrap();
        behind.split(to).next().unwrap().to_owned()
    };
    let filters = part(&read("tests/sandbox/console/filter.js"), "KEYS = {", "}");
    let filters: Vec<_> = filters.lines().filter_map(|line| line.trim().split_once(": ")).collect();
    assert!(filters.len() >= 7, "{filters:?}");
    for (name, _) in filters {
        assert!(console.contains(&format!("`{name}:`")), "{name}");
    }
    let keys = part(&read("tests/sandbox/console/keys.js"), "HELP = [", "];");
    let keys: Vec<_> = keys.split("[\"").skip(1).map(|row| part(row, "", "\"")).collect();
    assert!(keys.len() >= 12, "{keys:?}");
    for key in keys.iter().flat_map(|row| row.split_whitespace()).filter(|key| *key != "–") {
        assert!(console.contains(&format!("`{key}`")), "{key}");
    }
}
